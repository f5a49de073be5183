//! Unit tests: from YAML to nodes, with their given and expected rows.
//!
//! Runs nothing. `sql::fixture` interprets the values of the rows.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::parser::{CallSite, Draft, ProjectParser, blank_node};
use crate::config::{Of, folder_defaults, merge};
use crate::graph::{Call, GivenInput, GivenRows, NodeId, NodeKind, UnitTest};
use crate::messages;
use crate::template::jinja::Setting;
use elt_base::digest::sha256;
use elt_base::error::Place;
use elt_project::{
    FixtureCell, FixtureProperties, FixtureRow, FixtureRows, GivenProperties, OverrideProperties, UnitTestProperties,
};

impl ProjectParser<'_> {
    /// Creates a node below its model for each unit test that YAML declares.
    pub(crate) fn unit_tests(&mut self) {
        let project = self.project;
        let mut seen: HashMap<(&str, &str), &Place> = HashMap::new();
        for test in &project.properties.unit_tests {
            let key = (test.model.0.as_str(), test.name.as_str());
            if let Some(first) = seen.insert(key, &test.place) {
                let first = first.clone();
                self.errors.push(messages::unit_test_twice(&test.name, &test.model.0, test.place.clone(), first));
                continue;
            }
            self.unit_test(test);
        }
    }

    fn unit_test(&mut self, test: &UnitTestProperties) {
        let label = format!("unit test `{}`", test.name);
        let project = self.project;
        let mut fqn = vec![project.profiles.name.clone()];
        fqn.extend(self.yaml_folders(&test.place.source.path));
        fqn.extend([test.model.0.clone(), test.name.clone()]);
        let mut raw = folder_defaults(&project.profiles.defaults.unit_tests, &fqn);
        merge(&mut raw, test.config.clone());
        let config = self.config(&raw, Of::Other, &label, &test.place, None);
        if !config.enabled {
            self.disabled_fqns.push((NodeKind::UnitTest, fqn));
            return;
        }
        let (model, model_place) = &test.model;
        let models = self.drafts.iter().filter(|draft| draft.node.kind == NodeKind::Model);
        if !models.clone().any(|draft| draft.node.name == *model) {
            if self.disabled.contains(model) {
                self.warnings.push(messages::unit_test_of_disabled(&test.name, model, test.place.clone()));
                return;
            }
            let names: Vec<&str> = models.map(|draft| draft.node.name.as_str()).collect();
            self.errors.push(messages::unit_test_model(&test.name, model, names, model_place.clone()));
            return;
        }
        let mut given: Vec<GivenInput> = Vec::new();
        for entry in &test.given {
            let Some(found) = self.given(&label, test, entry) else { continue };
            match given.iter().find(|known| known.call == found.call) {
                Some(first) => {
                    let (place, first) = (found.place, first.place.clone());
                    self.errors.push(messages::unit_test_input_twice(&test.name, &found.written, place, first));
                }
                None => given.push(found),
            }
        }
        let Some(expect) = self.fixture(&test.expect, false, "") else { return };
        let project = &project.profiles.name;
        let mut node = blank_node(NodeKind::UnitTest, &test.name, &test.place.source, config);
        node.unique_id = format!("unit_test.{project}.{model}.{}", test.name);
        node.fqn = fqn;
        node.patch = Some(test.place.clone());
        node.raw_config = raw;
        node.description = test.description.clone();
        let overrides = Arc::new(test.overrides.clone());
        node.checksum = checksum(&given, &expect, &overrides);
        node.unit_test = Some(Arc::new(UnitTest { model: NodeId(0), given, expect, overrides }));
        let calls = vec![CallSite { call: Call::Ref(model.clone()), number: None }];
        self.drafts.push(Draft { node, calls });
    }

    fn given(&mut self, label: &str, test: &UnitTestProperties, entry: &GivenProperties) -> Option<GivenInput> {
        let written = entry.input.trim().to_owned();
        let call = if written == "this" {
            Call::Ref(test.model.0.clone())
        } else {
            let text = format!("{{{{ {written} }}}}");
            let heard = self.templates.render_text(label, &text, &entry.place, Setting::default()).ok();
            let calls = heard.map(|rendered| rendered.heard.calls).unwrap_or_default();
            let Ok([call]) = <[Call; 1]>::try_from(calls) else {
                self.errors.push(messages::unit_test_input(&test.name, &written, entry.place.clone()));
                return None;
            };
            call
        };
        let is_seed = matches!(&call, Call::Ref(name) if self.drafts.iter().any(|draft| {
            draft.node.kind == NodeKind::Seed && draft.node.name == *name
        }));
        let rows = self.fixture(&entry.rows, is_seed, &written)?;
        Some(GivenInput { input: NodeId(0), written, place: entry.place.clone(), rows, call })
    }

    fn fixture(&mut self, of: &FixtureProperties, is_seed: bool, input: &str) -> Option<GivenRows> {
        let place = &of.place;
        Some(match &of.rows {
            FixtureRows::Missing if is_seed => GivenRows::OfSeed,
            FixtureRows::Missing => {
                self.errors.push(messages::unit_test_no_rows(input, place.clone()));
                return None;
            }
            FixtureRows::Dict(rows) => cells(rows.clone(), false, Vec::new()),
            FixtureRows::Csv(text) => {
                // A value in the YAML file itself has no place of its own, but the name of its column can be found.
                let whole = &place.source.text;
                let at = |name: &str, _: std::ops::Range<usize>| {
                    let from = place.span.start.min(whole.len());
                    let found = whole[from..].find(name).filter(|_| !name.is_empty());
                    found.map_or_else(
                        || place.clone(),
                        |start| Place::new(&place.source, from + start..from + start + name.len()),
                    )
                };
                self.csv(text, place, &at)?
            }
            FixtureRows::Sql(text) => GivenRows::Sql { text: text.clone(), place: place.clone() },
            FixtureRows::File { name, is_sql } => {
                let ending = if *is_sql { "sql" } else { "csv" };
                let fixtures = self.project.fixtures.iter();
                let mut fixtures =
                    fixtures.filter(|file| file.source.path.extension().is_some_and(|own| own == ending));
                let Some(file) = fixtures.clone().find(|file| file.name == *name) else {
                    let names: Vec<&str> = fixtures.by_ref().map(|file| file.name.as_str()).collect();
                    self.errors.push(messages::unit_test_fixture_unknown(name, ending, names, place.clone()));
                    return None;
                };
                if *is_sql {
                    return Some(GivenRows::SqlFile(file.source.clone()));
                }
                let source = file.source.clone();
                let at = |_: &str, span: std::ops::Range<usize>| Place::new(&source, span);
                self.csv(&source.text, &Place::line(&source, 1), &at)?
            }
        })
    }

    fn csv(
        &mut self,
        text: &str,
        whole: &Place,
        at: &dyn Fn(&str, std::ops::Range<usize>) -> Place,
    ) -> Option<GivenRows> {
        let mut records = records(text).into_iter();
        let Some(header) = records.next() else {
            self.errors.push(messages::unit_test_csv("it has no header", whole.clone()));
            return None;
        };
        let header: Vec<(String, Place)> = header
            .into_iter()
            .map(|(name, span)| {
                let name = name.trim().to_owned();
                let place = at(&name, span);
                (name, place)
            })
            .collect();
        let mut rows = Vec::new();
        for record in records {
            if record.len() > header.len() {
                let place = record.last().map_or_else(|| whole.clone(), |(text, span)| at(text, span.clone()));
                let complaint = format!("a row has {} values, but the header has {}", record.len(), header.len());
                self.errors.push(messages::unit_test_csv(&complaint, place));
                return None;
            }
            let cells = header.iter().zip(record).map(|((column, column_place), (text, span))| FixtureCell {
                column: column.clone(),
                column_place: column_place.clone(),
                place: at(&text, span),
                // As in dbt: an empty cell is NULL.
                value: if text.is_empty() { Value::Null } else { Value::String(text) },
            });
            let cells: Vec<FixtureCell> = cells.collect();
            let place = cells.first().map_or_else(|| whole.clone(), |cell| cell.place.clone());
            rows.push(FixtureRow { place, cells });
        }
        Some(cells(rows, true, header))
    }
}

/// Rows with all columns that any of the rows names.
fn cells(rows: Vec<FixtureRow>, is_csv: bool, header: Vec<(String, Place)>) -> GivenRows {
    let mut columns = header;
    for cell in rows.iter().flat_map(|row| &row.cells) {
        if !columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(&cell.column)) {
            columns.push((cell.column.clone(), cell.column_place.clone()));
        }
    }
    GivenRows::Cells { columns, rows, is_csv }
}

fn checksum(given: &[GivenInput], expect: &GivenRows, overrides: &OverrideProperties) -> String {
    let rows = |rows: &GivenRows| match rows {
        GivenRows::Cells { rows, .. } => rows
            .iter()
            .map(|row| row.cells.iter().map(|cell| format!("{}={};", cell.column, cell.value)).collect::<String>())
            .collect::<Vec<_>>()
            .join("\n"),
        GivenRows::Sql { text, .. } => text.clone(),
        GivenRows::SqlFile(source) => source.text.clone(),
        GivenRows::OfSeed => String::new(),
    };
    let inputs: Vec<String> = given.iter().map(|given| format!("{}\n{}", given.written, rows(&given.rows))).collect();
    sha256(&format!("{}\n{}\n{overrides:?}", inputs.join("\n"), rows(expect)))
}

/// CSV (RFC 4180) as records of values, each with its byte range. Blank lines are skipped.
fn records(text: &str) -> Vec<Vec<(String, std::ops::Range<usize>)>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut chars = text.char_indices().peekable();
    let (mut value, mut start, mut is_quoted) = (String::new(), 0, false);
    loop {
        let next = chars.next();
        match next {
            Some((_, '"')) if is_quoted => {
                if chars.next_if(|(_, c)| *c == '"').is_some() {
                    value.push('"');
                } else {
                    is_quoted = false;
                }
            }
            Some((_, c)) if is_quoted => value.push(c),
            Some((at, '"')) if value.is_empty() && at == start => is_quoted = true,
            Some((at, ',')) => {
                record.push((std::mem::take(&mut value), start..at));
                start = at + 1;
            }
            Some((_, '\r')) if chars.peek().is_some_and(|(_, c)| *c == '\n') => {}
            None | Some((_, '\n')) => {
                let at = next.map_or(text.len(), |(at, _)| at);
                let end = start + text[start..at].trim_end_matches('\r').len();
                if !record.is_empty() || !value.is_empty() {
                    record.push((std::mem::take(&mut value), start..end));
                    records.push(std::mem::take(&mut record));
                }
                start = at + 1;
                if next.is_none() {
                    return records;
                }
            }
            Some((_, c)) => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::records;

    #[test]
    fn csv() {
        #[track_caller]
        fn check(text: &str, expected: &[&[(&str, &str)]]) {
            let found = records(text);
            let shown: Vec<Vec<(&str, &str)>> = found
                .iter()
                .map(|record| record.iter().map(|(value, span)| (value.as_str(), &text[span.clone()])).collect())
                .collect();
            assert_eq!(shown, expected);
        }
        check("\nid,name\n1,\n", &[&[("id", "id"), ("name", "name")], &[("1", "1"), ("", "")]]);
        check("a\r\n\"x \"\"y\"\", z\"", &[&[("a", "a")], &[("x \"y\", z", "\"x \"\"y\"\", z\"")]]);
    }
}
