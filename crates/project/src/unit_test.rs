//! `unit_tests:` of a properties file: inputs, expected rows and overrides as written, each with its place.
//!
//! Knows dbt's keys (<https://docs.getdbt.com/reference/resource-properties/unit-tests>), but not the meaning of a
//! row's values.

use serde_json::Map;

use super::property_file::PropertyFile;
use super::unit_test_properties::{
    FixtureCell, FixtureProperties, FixtureRow, FixtureRows, GivenProperties, OverrideProperties, UnitTestProperties,
};
use super::written::{Entry, Written, find, to_json_map, unknown_keys};
use crate::messages;
use elt_base::error::Place;

const KEYS: &[&str] =
    &["name", "description", "model", "given", "expect", "overrides", "config", "tags", "meta", "enabled"];
const GIVEN_KEYS: &[&str] = &["input", "rows", "format", "fixture"];
const EXPECT_KEYS: &[&str] = &["rows", "format", "fixture"];
const OVERRIDE_KEYS: &[&str] = &["macros", "vars", "env_vars"];
const CONFIG_KEYS: &[&str] = &["tags", "meta", "enabled"];

impl PropertyFile<'_> {
    pub(super) fn unit_tests(&mut self, value: &Written) -> Vec<UnitTestProperties> {
        let Some(items) = self.keep(value.list("unit_tests")) else { return Vec::new() };
        items.iter().filter_map(|item| self.unit_test(item)).collect()
    }

    fn unit_test(&mut self, item: &Written) -> Option<UnitTestProperties> {
        let (entries, name, place) = self.named(item, "a unit test", KEYS, &["versions"])?;
        let Some(model) = find(entries, "model") else {
            self.errors.push(messages::key_missing("model", "a unit test", place));
            return None;
        };
        let model = (self.keep(model.text("model"))?.to_owned(), model.place.clone());
        let mut given = Vec::new();
        if let Some(written) = find(entries, "given") {
            for item in self.keep(written.list("given")).unwrap_or_default() {
                given.extend(self.given(item));
            }
        }
        let Some(expect) = find(entries, "expect") else {
            self.errors.push(messages::key_missing("expect", "a unit test", place));
            return None;
        };
        let expected = self.keep(expect.table("expect"))?;
        self.errors.extend(unknown_keys(expected, EXPECT_KEYS, "`expect`"));
        let expect = self.fixture(expected, &expect.place)?;
        if matches!(expect.rows, FixtureRows::Missing) {
            self.errors.push(messages::key_missing("rows", "`expect`", expect.place));
            return None;
        }
        if let Some(written) = find(entries, "config") {
            let known = self.keep(written.table("config")).unwrap_or_default();
            self.errors.extend(unknown_keys(known, CONFIG_KEYS, "a unit test's `config`"));
        }
        Some(UnitTestProperties {
            name,
            place,
            description: self.description(entries),
            config: self.config(entries),
            model,
            given,
            expect,
            overrides: self.overrides(entries),
        })
    }

    fn given(&mut self, item: &Written) -> Option<GivenProperties> {
        let entries = self.keep(item.table("an entry of `given`"))?;
        self.errors.extend(unknown_keys(entries, GIVEN_KEYS, "an entry of `given`"));
        let Some(input) = find(entries, "input") else {
            self.errors.push(messages::key_missing("input", "an entry of `given`", item.place.clone()));
            return None;
        };
        let place = input.place.clone();
        let input = self.keep(input.text("input"))?.to_owned();
        Some(GivenProperties { input, rows: self.fixture(entries, &place)?, place })
    }

    /// `rows`, `format` and `fixture`. Rows that do not match their format are an error.
    fn fixture(&mut self, entries: &[Entry], place: &Place) -> Option<FixtureProperties> {
        let format = match find(entries, "format") {
            Some(written) => {
                let format = self.keep(written.text("format"))?;
                if !["dict", "csv", "sql"].contains(&format) {
                    self.errors.push(messages::unit_test_format(format, written.place.clone()));
                    return None;
                }
                format
            }
            None => "dict",
        };
        let (rows, fixture) = (find(entries, "rows"), find(entries, "fixture"));
        if let Some(fixture) = fixture.filter(|written| !written.is_null()) {
            let name = self.keep(fixture.text("fixture"))?.to_owned();
            if format == "dict" {
                self.errors.push(messages::unit_test_fixture_format(fixture.place.clone()));
                return None;
            }
            let rows = FixtureRows::File { name, is_sql: format == "sql" };
            return Some(FixtureProperties { place: fixture.place.clone(), rows });
        }
        let Some(written) = rows else {
            return Some(FixtureProperties { place: place.clone(), rows: FixtureRows::Missing });
        };
        let rows = match format {
            "dict" => FixtureRows::Dict(self.rows(written)?),
            "csv" => FixtureRows::Csv(self.keep(written.text("rows"))?.to_owned()),
            _ => FixtureRows::Sql(self.keep(written.text("rows"))?.to_owned()),
        };
        Some(FixtureProperties { place: written.place.clone(), rows })
    }

    fn rows(&mut self, written: &Written) -> Option<Vec<FixtureRow>> {
        let mut rows = Vec::new();
        for item in self.keep(written.list("rows"))? {
            let entries = self.keep(item.table("a row"))?;
            let cells = entries.iter().map(|entry| FixtureCell {
                column: entry.key.clone(),
                column_place: entry.key_place.clone(),
                value: entry.value.to_json(),
                place: entry.value.place.clone(),
            });
            rows.push(FixtureRow { place: item.place.clone(), cells: cells.collect() });
        }
        Some(rows)
    }

    fn overrides(&mut self, entries: &[Entry]) -> OverrideProperties {
        let Some(written) = find(entries, "overrides") else { return OverrideProperties::default() };
        let Some(entries) = self.keep(written.table("overrides")) else { return OverrideProperties::default() };
        self.errors.extend(unknown_keys(entries, OVERRIDE_KEYS, "`overrides`"));
        let mut map = |key: &str| match find(entries, key) {
            Some(written) => self.keep(written.table(key).map(to_json_map)).unwrap_or_default(),
            None => Map::new(),
        };
        OverrideProperties { macros: map("macros"), vars: map("vars"), env_vars: map("env_vars") }
    }
}
