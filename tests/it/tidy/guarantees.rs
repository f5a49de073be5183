//! Checks that each test that the README's table of guarantees names exists.

use std::collections::BTreeSet;
use std::fs;

use regex::Regex;

use super::{none, rust_files, shown};
use crate::project::repository;

const HEADING: &str = "## Guarantees";

/// All tests: `module::name`, `cases::folder`, `conformance::behaviour`, and scripts below `tests/`.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::from(["tests/soak".to_owned()]);
    assert!(repository().join("tests/soak").is_file(), "the soak test");
    let test = Regex::new(r"#\[test\]\n(?:pub )?fn (\w+)").expect("a pattern");
    let behaviour = Regex::new(r#"\("(\w+)", (?:\w+::\w+|\|bench\|[^\n]+)\),"#).expect("a pattern");
    for path in rust_files(&repository().join("tests/it")) {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let module = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        found.extend(test.captures_iter(&text).map(|test| format!("{module}::{}", &test[1])));
        if shown(&path) == "tests/it/conformance/mod.rs" {
            found.extend(behaviour.captures_iter(&text).map(|test| format!("conformance::{}", &test[1])));
        }
    }
    for entry in fs::read_dir(repository().join("tests/cases")).expect("the cases").flatten() {
        if entry.path().join("case.toml").is_file() {
            found.insert(format!("cases::{}", entry.file_name().to_string_lossy()));
        }
    }
    found
}

#[test]
fn each_guarantee_has_tests_that_exist() {
    let readme = fs::read_to_string(repository().join("README.md")).expect("the README");
    let (_, table) = readme.split_once(HEADING).expect("the table of guarantees");
    let table = table.split("\n## ").next().unwrap_or(table);
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 15, "only {} guarantees", rows.len());
    let (tests, name) = (tests(), Regex::new("`([^`]+)`").expect("a pattern"));
    let mut wrong = Vec::new();
    for row in rows {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let named: Vec<&str> = name.captures_iter(last).map(|found| found.extract::<1>().1[0]).collect();
        if named.is_empty() {
            wrong.push(format!("no test: {row}"));
        }
        wrong.extend(named.iter().filter(|name| !tests.contains(**name)).map(|name| format!("no such test: `{name}`")));
    }
    none(wrong);
}
