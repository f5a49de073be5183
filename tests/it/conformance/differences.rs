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
const TEXTS: &[&str] = &["csv", "json"];
const NO_FOREIGN_KEYS: &[&str] = &["mongodb", "duckdb", "parquet", "csv", "json"];
const NO_TRIGGERS: &[&str] = &["mysql", "mongodb", "duckdb"];

const NO_SERVER: &str = "it has no server, and so no connection to lose";
const ON_REQUEST: &str = "no trigger notices changes of others: `--verify`, `--heal` and a record that disagrees do";
const NO_VERIFY: &str = "files are known by size and time, and not compared row by row";
const HOLDS_ALL: &str = "it holds every value: numbers that it does not know are texts";

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
    differs(TEXTS, "hazard_fails", "has hazards", HOLDS_ALL),
    differs(TEXTS, "hazard_by_default", "has hazards", HOLDS_ALL),
    differs(TEXTS, "hazard_replaced", "has hazards", HOLDS_ALL),
    differs(TEXTS, "hazard_in_quarantine", "has hazards", HOLDS_ALL),
    differs(TEXTS, "hazard_in_key", "has hazards", HOLDS_ALL),
    differs(TEXTS, "hazard_killed", "has hazards", HOLDS_ALL),
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
