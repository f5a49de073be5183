//! Behaviours with changes of a table's columns: a new column, a wider type, a removed column.

use super::bench::Bench;
use super::target::Kind;

/// A point, the columns that the model selects, and the columns that are read back.
type Step = (&'static str, &'static str, &'static [(&'static str, Kind)]);

pub fn contract_change(bench: &mut Bench) {
    let columns = |columns: &str| {
        format!(
            "{{{{ config(materialized='table', unique_key='id') }}}}\nselect i as id, {columns} from range(3) t(i)\n"
        )
    };
    let steps: [Step; 4] = [
        ("first load", "i::integer as amount", &[("amount", Kind::Integer)]),
        (
            "new column",
            "i::integer as amount, 'city ' || i as city",
            &[("amount", Kind::Integer), ("city", Kind::Text)],
        ),
        (
            "wider type",
            "i * 3000000000 as amount, 'city ' || i as city",
            &[("amount", Kind::Integer), ("city", Kind::Text)],
        ),
        ("column that is gone", "i * 3000000001 as amount", &[("amount", Kind::Integer)]),
    ];
    let project = bench.project(&[]);
    for (point, sql, read) in steps {
        project.write("models/marts/people.sql", &columns(sql));
        let run = project.elt(&["build"]);
        bench.exits(point, 0, &run);
        let read: Vec<(&str, Kind)> = [("id", Kind::Integer)].into_iter().chain(read.iter().copied()).collect();
        bench.equals(point, &project, "people", &read, point);
        let run = project.elt(&["export"]);
        bench.check("then unchanged", run.stderr.contains("(0 rows changed)"), format!("{point}\n{run}"));
    }
}
