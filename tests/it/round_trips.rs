//! Counts the round trips of a publication. Over a slow network they are its time.
//!
//! Counted, not timed. Knows the relay, and no statement.

use crate::mariadb::MariaDb;
use crate::project::Project;
use crate::servers::Postgres;
use crate::wire::Wire;

/// The round trips of every publication, whatever its tables, and those that each changed table may add.
const FIXED_MAX: usize = 12;
const PER_TABLE_MAX: usize = 2;

const PROFILES: &str = "\
[project]
name = \"trips\"

[target.dev]
threads = 2

[target.dev.export]
type = \"postgres\"
uri = \"${POSTGRES_URI}\"
schema = \"trips\"
";

/// The tables reference each other in a chain, and have every kind of object.
fn project(tables: usize) -> Project {
    let project = Project::of(&[("profiles.toml", PROFILES)]);
    let mut properties = String::from("models:\n");
    for table in 0..tables {
        project.write(
            &format!("models/marts/t{table}.sql"),
            &format!(
                "{{{{ config(materialized='table') }}}}\nselect i as id, {} as parent_id, 'row ' || i || \
                 '{{{{ var(\"word{table}\", \"\") }}}}' as name, i as number from range({{{{ var(\"rows{table}\", 20) }}}}) t(i)\n",
                if table == 0 { "i".to_owned() } else { "i % 5".to_owned() }
            ),
        );
        let reference = match table.checked_sub(1) {
            Some(parent) => {
                format!("      - {{type: foreign_key, columns: [parent_id], to: ref('t{parent}'), to_columns: [id]}}\n")
            }
            None => String::new(),
        };
        properties.push_str(&format!(
            "  - name: t{table}\n    constraints:\n      - {{type: primary_key, columns: [id]}}\n\
             \x20     - {{type: unique, columns: [number]}}\n\
             \x20     - {{type: check, expression: id >= 0, name: t{table}_positive}}\n{reference}"
        ));
    }
    project.write("models/marts/models.yml", &properties);
    project
}

/// Builds with these variables; returns the round trips.
#[track_caller]
fn trips(project: &Project, wire: &Wire, vars: &str, says: &str) -> usize {
    wire.trips();
    let run = project.elt(&["build", "--vars", vars]).ok();
    run.says(says);
    wire.trips()
}

#[track_caller]
fn check(what: &str, trips: usize, tables: usize) {
    let most = FIXED_MAX + PER_TABLE_MAX * tables;
    assert!(trips <= most, "{what}: {trips} round trips, more than {most}");
}

#[test]
fn a_publication_makes_few_round_trips() {
    const TABLES: usize = 17;
    let database = Postgres::shared().database();
    let wire = Wire::before(&database.uri);
    let mut project = project(TABLES);
    project.set("POSTGRES_URI", &wire.uri);
    check("a first build", trips(&project, &wire, "{}", "(340 rows changed)"), TABLES);
    check("without news", trips(&project, &wire, "{}", "(0 rows changed)"), 0);
    let one = trips(&project, &wire, "{word3: ' changed'}", "(20 rows changed)");
    check("one table", one, 1);
    let vars = "{word3: ' again', word4: ' changed', word5: ' changed', word6: ' changed', rows7: 30, rows16: 15}";
    let six = trips(&project, &wire, vars, "rows changed)");
    check("six tables", six, 6);
    assert!(six <= one + 5 * PER_TABLE_MAX, "one table: {one} round trips, six: {six}");
    // All tables are staged again, and compared together.
    wire.trips();
    project.elt(&["export", "--verify"]).ok().says("in 17 tables");
    check("a comparison of all tables", wire.trips(), TABLES);
}

#[test]
fn a_publication_to_mariadb_makes_few_round_trips_where_nothing_changed() {
    const TABLES: usize = 17;
    let database = MariaDb::shared().database();
    let wire = Wire::before(&database.uri);
    let mut project = project(TABLES);
    let profiles =
        PROFILES.replace("postgres", "mysql").replace("POSTGRES", "MYSQL").replace("schema = \"trips\"\n", "");
    project.write("profiles.toml", &profiles);
    project.set("MYSQL_URI", &wire.uri);
    let first = trips(&project, &wire, "{}", "(340 rows changed)");
    let none = trips(&project, &wire, "{}", "(0 rows changed)");
    let one = trips(&project, &wire, "{word3: ' changed'}", "(20 rows changed)");
    check("without news", none, 0);
    // Its tables are staged and written one by one.
    assert!(first <= FIXED_MAX + 6 * TABLES, "a first build: {first} round trips");
    assert!(one <= 3 * FIXED_MAX, "one table: {one} round trips");
}

#[test]
fn many_rows_are_copied_in_few_round_trips() {
    let database = Postgres::shared().database();
    let wire = Wire::before(&database.uri);
    let mut project = project(2);
    project.set("POSTGRES_URI", &wire.uri);
    // Too many rows for one statement.
    let vars = "{rows0: 20000, rows1: 20000}";
    trips(&project, &wire, vars, "(40,000 rows changed)");
    let vars = "{rows0: 20000, rows1: 20000, word0: ' changed', word1: ' changed'}";
    let copied = trips(&project, &wire, vars, "(40,000 rows changed)");
    // A third one for each table, and three for the second connection.
    assert!(copied <= FIXED_MAX + 2 * 3 + 3, "{copied} round trips");
}
