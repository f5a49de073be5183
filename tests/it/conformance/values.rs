//! Behaviours of values: values that a target cannot store, by policy, and a round trip of every type.

use super::bench::Bench;
use super::target::{Hazard, Kind};
use crate::project::Project;

const ID: [(&str, Kind); 1] = [("id", Kind::Integer)];

/// A project whose table has an odd value in row 1 of three. None if the target can store every value.
fn odd(bench: &mut Bench, policy: &str) -> Option<(Project, Hazard)> {
    let Some(hazard) = bench.target.hazard() else {
        bench.check("has hazards", false, "the target holds every value");
        return None;
    };
    let column = match hazard.column_type {
        Some(written) => {
            format!("    columns:\n      - name: value\n        config: {{export: {{type: {written}}}}}\n")
        }
        None => String::new(),
    };
    let config = match policy {
        "" => String::new(),
        policy => format!("    config: {{export: {{on_hazard: {policy}}}}}\n"),
    };
    let yaml = format!("models:\n  - name: odd\n{config}{column}");
    let project = bench.project(&[("models/marts/odd.yml", &yaml)]);
    set(&project, &hazard, hazard.odd);
    Some((project, hazard))
}

/// The value of row 1.
fn set(project: &Project, hazard: &Hazard, value: &str) {
    let fits = hazard.fits;
    let model = format!(
        "{{{{ config(materialized='table', unique_key='id') }}}}\n\
         select 0::bigint as id, {fits} as value union all select 1, {value} union all select 2, {fits}\n"
    );
    project.write("models/marts/odd.sql", &model);
}

fn ids(bench: &Bench, table: &str) -> Vec<String> {
    bench.target.rows(table, &ID).unwrap_or_default().into_iter().flatten().flatten().collect()
}

pub fn hazard_fails(bench: &mut Bench) {
    let Some((project, hazard)) = odd(bench, "fail") else { return };
    let run = project.elt(&["build"]);
    bench.exits("fails", 1, &run);
    bench.check("names table and column", run.stderr.contains("odd`") && run.stderr.contains("`value`"), &run);
    let names_key = run.stderr.contains("`id` 1") || run.stderr.contains("`1`");
    bench.check("tells how many and the key", run.stderr.contains("1 value") && names_key, &run);
    bench.check("hides the value", !run.stderr.contains("secret"), &run);
    let found = ids(bench, "odd");
    bench.check("nothing published", found.is_empty(), format!("{found:?}"));
    set(&project, &hazard, hazard.fits);
    let run = project.elt(&["build"]);
    bench.exits("published once mended", 0, &run);
    let found = ids(bench, "odd");
    bench.check("published once mended", found == ["0", "1", "2"], format!("{found:?}"));
}

/// Without a policy one odd value stops nothing, and its original row is kept.
pub fn hazard_by_default(bench: &mut Bench) {
    let Some((project, hazard)) = odd(bench, "") else { return };
    let run = project.elt(&["build"]);
    if !bench.exits("published", 0, &run) {
        return;
    }
    let found = ids(bench, "odd");
    bench.check("all rows", found == ["0", "1", "2"], format!("{found:?}"));
    bench.check("told", run.stderr.contains("note:") && run.stderr.contains("1 value"), &run);
    let kept = quarantined(bench);
    bench.check("the original is kept", kept == ["1"], format!("{kept:?}"));
    let run = project.elt(&["export"]);
    bench.check("then unchanged", run.stderr.contains("(0 rows changed)"), &run);
    set(&project, &hazard, hazard.fits);
    let run = project.elt(&["build"]);
    bench.check("updated once mended", run.stderr.contains("1 updated"), &run);
    let kept = quarantined(bench);
    bench.check("forgotten once mended", kept.is_empty(), format!("{kept:?}"));
}

pub fn hazard_replaced(bench: &mut Bench) {
    let Some((project, hazard)) = odd(bench, "replace") else { return };
    let run = project.elt(&["build"]);
    if !bench.exits("published", 0, &run) {
        return;
    }
    let found = ids(bench, "odd");
    bench.check("all rows", found == ["0", "1", "2"], format!("{found:?}"));
    bench.check("told", run.stderr.contains("note:") && run.stderr.contains("1 value"), &run);
    bench.check("hides the value", !run.stderr.contains("secret"), &run);
    let run = project.elt(&["export"]);
    bench.check("then unchanged", run.stderr.contains("(0 rows changed)"), &run);
    set(&project, &hazard, hazard.fits);
    let run = project.elt(&["build"]);
    bench.check("updated once mended", run.stderr.contains("1 updated"), &run);
}

pub fn hazard_in_quarantine(bench: &mut Bench) {
    let Some((project, hazard)) = odd(bench, "quarantine") else { return };
    let run = project.elt(&["build"]);
    if !bench.exits("published", 0, &run) {
        return;
    }
    let found = ids(bench, "odd");
    bench.check("the other rows", found == ["0", "2"], format!("{found:?}"));
    let aside = quarantined(bench);
    bench.check("the row is set aside", aside == ["1"], format!("{aside:?}"));
    let run = project.elt(&["export"]);
    bench.check("then unchanged", run.stderr.contains("(0 rows changed)"), &run);
    set(&project, &hazard, hazard.fits);
    let run = project.elt(&["build"]);
    bench.exits("published once mended", 0, &run);
    let (found, aside) = (ids(bench, "odd"), quarantined(bench));
    let holds = found == ["0", "1", "2"] && aside.is_empty();
    bench.check("published once mended", holds, format!("{found:?}, {aside:?} set aside"));
}

/// An odd value in a key: its row is published with another key, or kept out, and is never lost. It goes with its row.
pub fn hazard_in_key(bench: &mut Bench) {
    let Some(hazard) = bench.target.hazard() else {
        bench.check("has hazards", false, "the target holds every value");
        return;
    };
    let column = hazard
        .column_type
        .map(|written| format!("    columns:\n      - name: value\n        config: {{export: {{type: {written}}}}}\n"));
    let yaml = format!("models:\n  - name: odd\n{}", column.unwrap_or_default());
    let project = bench.project(&[("models/marts/odd.yml", &yaml)]);
    let (odd, fits) = (hazard.odd, hazard.fits);
    let head = "{{ config(materialized='table', unique_key='value') }}\nselect";
    project.write("models/marts/odd.sql", &format!("{head} {fits} as value, 1 as n union all select {odd}, 2\n"));
    let run = project.elt(&["build"]);
    if !bench.exits("published", 0, &run) {
        return;
    }
    bench.check("told", run.stderr.contains("note:") && run.stderr.contains("1 value"), &run);
    let numbers = |bench: &Bench| -> Vec<String> {
        let rows = bench.target.rows("odd", &[("n", Kind::Integer)]).unwrap_or_default();
        rows.into_iter().flatten().flatten().collect()
    };
    let (found, kept) = (numbers(bench), entries(bench));
    let is_published = found == ["1", "2"];
    bench.check("published or kept out", is_published || found == ["1"], format!("{found:?}"));
    bench.check("the original is kept", kept == 1, format!("{kept} entries"));
    let run = project.elt(&["export"]);
    bench.check("then unchanged", run.stderr.contains("(0 rows changed)"), &run);
    bench.check("the entry stays", entries(bench) == 1, &run);
    project.write("models/marts/odd.sql", &format!("{head} {fits} as value, 1 as n\n"));
    let run = project.elt(&["build"]);
    bench.exits("deleted", 0, &run);
    let (found, kept) = (numbers(bench), entries(bench));
    bench.check("deleted", found == ["1"] && kept == 0, format!("{found:?}, {kept} entries"));
}

/// The program is killed while it publishes an odd value, and while it publishes the mended one: table and quarantine
/// belong together, and the next run publishes.
pub fn hazard_killed(bench: &mut Bench) {
    let Some((mut project, hazard)) = odd(bench, "") else { return };
    let all = ["0", "1", "2"];
    let mut before: Option<&[&str]> = None;
    for failpoint in ["export.staged", "export.before_commit", "export.after_commit"] {
        for (value, kept) in [(hazard.odd, &["1"][..]), (hazard.fits, &[][..])] {
            set(&project, &hazard, value);
            project.set("ELT_FAILPOINT", failpoint);
            project.elt(&["build"]).died();
            project.unset("ELT_FAILPOINT");
            let (found, aside) = (ids(bench, "odd"), quarantined(bench));
            let is_old = match before {
                None => found.is_empty() && aside.is_empty(),
                Some(kept) => found == all && aside == kept,
            };
            let is_new = found == all && aside == kept;
            bench.check("whole", is_old || is_new, format!("{failpoint}: {found:?}, {aside:?} set aside"));
            let run = project.elt(&["build"]);
            bench.exits("published by the next run", 0, &run);
            let (found, aside) = (ids(bench, "odd"), quarantined(bench));
            let holds = found == all && aside == kept;
            bench.check("published by the next run", holds, format!("{failpoint}: {found:?}, {aside:?} set aside"));
            before = Some(kept);
        }
    }
}

/// How many rows are in the quarantine.
fn entries(bench: &Bench) -> usize {
    let rows = |column: &str| bench.target.rows("odd_quarantine", &[(column, Kind::Text)]).unwrap_or_default().len();
    match bench.target.environment().iter().any(|(name, _)| *name == "MONGODB_URI") {
        true => rows("hazard"),
        false => rows("_elt_hazard"),
    }
}

/// The keys of quarantined rows. If the table has no column with the key's name, the column is `_id`.
fn quarantined(bench: &Bench) -> Vec<String> {
    let rows = |column: &str| bench.target.rows("odd_quarantine", &[(column, Kind::Integer)]).unwrap_or_default();
    let keys: Vec<String> = rows("id").into_iter().flatten().flatten().collect();
    if keys.is_empty() && bench.target.environment().iter().any(|(name, _)| *name == "MONGODB_URI") {
        return rows("_id").into_iter().flatten().flatten().collect();
    }
    keys
}

/// A column's name, its type, two values, and their comparison.
type Typed = (&'static str, &'static str, [&'static str; 2], Kind);

/// Values that every target can store.
const TYPES: [Typed; 30] = [
    ("c_bool", "boolean", ["true", "false"], Kind::Bool),
    ("c_tiny", "tinyint", ["-128", "127"], Kind::Integer),
    ("c_utiny", "utinyint", ["0", "255"], Kind::Integer),
    ("c_small", "smallint", ["-32768", "32767"], Kind::Integer),
    ("c_usmall", "usmallint", ["0", "65535"], Kind::Integer),
    ("c_int", "integer", ["-2147483648", "2147483647"], Kind::Integer),
    ("c_uint", "uinteger", ["0", "4294967295"], Kind::Integer),
    ("c_big", "bigint", ["-9223372036854775808", "9223372036854775807"], Kind::Integer),
    ("c_ubig", "ubigint", ["0", "18446744073709551615"], Kind::Integer),
    ("c_huge", "hugeint", ["-1701411834604692317316873037158841", "10000"], Kind::Integer),
    ("c_float", "float", ["1.5", "-0.25"], Kind::Float),
    ("c_double", "double", ["0.1", "1.7976931348623157e308"], Kind::Float),
    ("c_dec4", "decimal(4,1)", ["999.9", "-0.1"], Kind::Decimal),
    ("c_dec18", "decimal(18,3)", ["999999999999999.999", "-1"], Kind::Decimal),
    ("c_dec34", "decimal(34,10)", ["999999999999999999999999.9999999999", "0.0000000001"], Kind::Decimal),
    ("c_text", "varchar", ["'a é 😀'", "''"], Kind::Text),
    ("c_marks", "varchar", ["e'tab\\t''quote'' \"double\" \\\\ back\\nline'", "'\\N,null'"], Kind::Text),
    ("c_enum", "enum('happy', 'so so')", ["'happy'", "'so so'"], Kind::Text),
    ("c_date", "date", ["'2024-02-29'", "'1000-01-01'"], Kind::Date),
    ("c_time", "time", ["'23:59:59.5'", "'00:00:00'"], Kind::Time),
    ("c_stamp", "timestamp", ["'2024-02-29 12:34:56.123'", "'1969-12-31 23:59:59'"], Kind::Timestamp),
    ("c_stamptz", "timestamptz", ["'2024-02-29 12:34:56+05:30'", "'9999-12-31 23:59:59+00'"], Kind::Timestamp),
    ("c_interval", "interval", ["'14 months 3 days 4 seconds'", "'2 hours'"], Kind::Interval),
    (
        "c_uuid",
        "uuid",
        ["'0A0B0C0D-0000-0000-0000-00000000000f'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
        Kind::Uuid,
    ),
    ("c_blob", "blob", ["'\\x00\\xFF\\x27\\x5C'", "''"], Kind::Blob),
    ("c_json", "json", ["'{\"a\": [1, null], \"b\": \"x\\\"y\"}'", "'[1.5, true]'"], Kind::Json),
    ("c_struct", "struct(a integer, b varchar[])", ["{'a': 1, 'b': ['x', null]}", "{'a': null, 'b': []}"], Kind::Json),
    ("c_list", "integer[]", ["[1, null, -2147483648]", "[]"], Kind::Json),
    ("c_texts", "varchar[]", ["['', 'a,\"b\" é', null, '{}']", "['x']"], Kind::Json),
    ("c_map", "map(varchar, integer)", ["map {'k': 1}", "map {}"], Kind::Json),
];

/// A first load, and then a load in which each row has another row's values.
pub fn types(bench: &mut Bench) {
    let model = |shift: usize| {
        let mut parts = vec!["i as id".to_owned()];
        for (name, duckdb, [one, other], _) in TYPES {
            parts.push(format!("([{one}, {other}, null]::{duckdb}[])[(i + {shift}) % 3 + 1] as {name}"));
        }
        format!(
            "{{{{ config(materialized='table', unique_key='id') }}}}\nselect\n    {}\nfrom range(3) t(i)\n",
            parts.join(",\n    ")
        )
    };
    let project = bench.project(&[]);
    for (shift, when) in [(0, "first load"), (1, "delta")] {
        project.write("models/marts/everything.sql", &model(shift));
        let run = project.elt(&["build"]);
        if !bench.exits("published", 0, &run) {
            return;
        }
        let columns: Vec<(&str, Kind)> = ID.into_iter().chain(TYPES.map(|(name, _, _, kind)| (name, kind))).collect();
        let here = super::target::of_warehouse(&project, "everything", &columns);
        let there = bench.target.rows("everything", &columns).unwrap_or_default();
        for (index, (name, _)) in columns.iter().enumerate() {
            let of = |rows: &[super::target::Row]| -> Vec<_> { rows.iter().map(|row| row[index].clone()).collect() };
            let (here, there) = (of(&here), of(&there));
            bench.check(
                name_of(name),
                here == there,
                format!("{when}: {there:?} in the target, {here:?} in the warehouse"),
            );
        }
    }
    let run = project.elt(&["build"]);
    bench.check("then unchanged", run.stderr.contains("(0 rows changed)"), &run);
}

fn name_of(column: &str) -> &'static str {
    TYPES.iter().map(|(name, ..)| *name).find(|name| *name == column).unwrap_or("id")
}

/// Values that not every target can store, each in a separate table.
const EDGES: [Typed; 7] = [
    ("hugeint", "hugeint", ["170141183460469231731687303715884105727", "0"], Kind::Integer),
    ("decimal_38", "decimal(38,10)", ["9999999999999999999999999999.9999999999", "0"], Kind::Decimal),
    ("microseconds", "timestamp", ["'2024-02-29 12:34:56.123456'", "'1969-12-31 23:59:59.999999'"], Kind::Timestamp),
    ("infinite_date", "date", ["'infinity'", "'-infinity'"], Kind::Text),
    ("nan", "double", ["'nan'", "'inf'"], Kind::Float),
    ("nul", "varchar", ["'a' || chr(0)", "chr(0)"], Kind::Text),
    ("nested_decimal", "struct(a decimal(20,2))", ["{'a': 123456789012345678.25}", "{'a': 1.5}"], Kind::Json),
];

pub fn edges_of_types(bench: &mut Bench) {
    let project = bench.project(&[]);
    for (name, duckdb, [one, other], kind) in EDGES {
        let model = format!(
            "{{{{ config(materialized='table', unique_key='id') }}}}\n\
             select i as id, ([{one}, {other}, null]::{duckdb}[])[i + 1] as value from range(3) t(i)\n"
        );
        project.write(&format!("models/marts/{name}.sql"), &model);
        let run = project.elt(&["build", "-s", name]);
        if bench.exits(name, 0, &run) {
            bench.equals(name, &project, name, &[("id", Kind::Integer), ("value", kind)], duckdb);
        }
    }
}
