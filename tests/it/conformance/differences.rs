//! The expected differences of targets: points of behaviours that a target does not promise, each with its reason.
//!
//! This is the only list of them. If a listed point is true, its test fails until its line is removed.

#[derive(Debug)]
pub struct Difference {
    pub targets: &'static [&'static str],
    pub behaviour: &'static str,
    pub point: &'static str,
    pub reason: &'static str,
}

const fn differs(
    targets: &'static [&'static str],
    behaviour: &'static str,
    point: &'static str,
    reason: &'static str,
) -> Difference {
    Difference { targets, behaviour, point, reason }
}

const FILES: &[&str] = &["parquet", "csv", "json"];
const LOCAL: &[&str] = &["duckdb", "parquet", "csv", "json"];
const NO_FOREIGN_KEYS: &[&str] = &["mongodb", "duckdb", "parquet", "csv", "json"];
const NO_TRIGGERS: &[&str] = &["mysql", "mongodb", "duckdb"];

const NO_SERVER: &str = "it has no server, and so no connection to lose";
const ON_REQUEST: &str = "no trigger notices changes of others: `--verify`, `--heal` and a record that disagrees do";
const NO_VERIFY: &str = "files are known by size and time, and not compared row by row";
const NO_QUARANTINE: &str = "it has no quarantine";
const FIRST_VALUE: &str = "DuckDB writes the rows and stops at the first value that does not fit";

pub const DIFFERENCES: &[Difference] = &[
    // Keys.
    differs(&["mysql"], "key_change", "another column", "a contract's other key is not applied to a table that exists"),
    differs(NO_FOREIGN_KEYS, "row_that_points_nowhere", "refused", "it has no foreign keys"),
    // Faults.
    differs(LOCAL, "commit_lost", "has a server", NO_SERVER),
    differs(LOCAL, "commit_answer_lost", "has a server", NO_SERVER),
    // Changes by others.
    differs(NO_TRIGGERS, "changes_by_others_noticed", "edited row", ON_REQUEST),
    differs(NO_TRIGGERS, "changes_by_others_noticed", "deleted row", ON_REQUEST),
    differs(NO_TRIGGERS, "changes_by_others_noticed", "inserted row", ON_REQUEST),
    differs(FILES, "changes_by_others_verified", "told", NO_VERIFY),
    differs(FILES, "changes_by_others_verified", "no difference", NO_VERIFY),
    // Hazards.
    differs(&["duckdb", "parquet"], "hazard_fails", "names table and column", FIRST_VALUE),
    differs(&["duckdb", "parquet"], "hazard_fails", "tells how many and the key", FIRST_VALUE),
    differs(&["json"], "hazard_fails", "tells how many and the key", "it names the column alone"),
    differs(&["csv"], "hazard_fails", "has hazards", "every value is a text there"),
    differs(&["duckdb", "parquet", "json"], "hazard_by_default", "published", "its default is `fail`"),
    differs(&["csv"], "hazard_by_default", "has hazards", "every value is a text there"),
    differs(&["duckdb"], "hazard_replaced", "told", "it replaces without a note"),
    differs(&["parquet", "json"], "hazard_replaced", "published", "files know no policy but `fail`"),
    differs(&["csv"], "hazard_replaced", "has hazards", "every value is a text there"),
    differs(&["duckdb", "parquet", "json"], "hazard_in_quarantine", "published", NO_QUARANTINE),
    differs(&["csv"], "hazard_in_quarantine", "has hazards", "every value is a text there"),
    // Types.
    differs(&["mongodb"], "edges_of_types", "hugeint", "a decimal128 has 34 digits"),
    differs(&["mongodb"], "edges_of_types", "decimal_38", "a decimal128 has 34 digits"),
    differs(&["mongodb"], "edges_of_types", "microseconds", "a BSON date has milliseconds"),
    differs(&["mongodb"], "edges_of_types", "infinite_date", "a BSON date is finite"),
    differs(&["mysql"], "edges_of_types", "infinite_date", "dates reach from 1000 to 9999"),
    differs(&["mysql"], "edges_of_types", "nan", "its numbers are finite"),
    differs(&["postgres"], "edges_of_types", "nul", "its text cannot hold U+0000"),
    differs(&["parquet"], "edges_of_types", "hugeint", "a Parquet decimal has 38 digits"),
];
