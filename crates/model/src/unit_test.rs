//! Unit tests: from YAML to nodes, their inputs resolved, and their model's query as it is tested.
//!
//! Runs nothing. What the rows' values mean is `fixture`'s to say.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::compile::{Compile, Compiled, Standins};
use super::config::Of;
use super::config_value::{folder_defaults, merge};
use super::jinja::Call;
use super::node::{Graph, Node, NodeId, NodeKind};
use super::parse::{Draft, Heard, Parser, blank_node};
use super::relation::Relation;
use super::template::{Setting, Text};
use crate::messages;
use elt_base::digest::sha256;
use elt_base::error::{Place, Result, SourceText};
use elt_project::{
    FixtureCell, FixtureProperties, FixtureRow, FixtureRows, GivenProperties, OverrideProperties, UnitTestProperties,
};

/// What a unit test gives its model, and what it expects of it.
#[derive(Debug, Clone)]
pub struct UnitTest {
    pub model: NodeId,
    pub given: Vec<Given>,
    pub expect: Rows,
    pub overrides: Arc<OverrideProperties>,
}

/// The rows of one input.
#[derive(Debug, Clone)]
pub struct Given {
    /// The model itself for `this`.
    pub input: NodeId,
    /// As it is written: `ref('customers')`.
    pub written: String,
    pub place: Place,
    pub rows: Rows,
    call: Call,
}

#[derive(Debug, Clone)]
pub enum Rows {
    /// Values, cell by cell; each column once, in order of first mention.
    Cells { columns: Vec<(String, Place)>, rows: Vec<FixtureRow>, is_csv: bool },
    /// A query, Jinja not yet rendered.
    Sql { text: String, place: Place },
    /// A file that is such a query.
    SqlFile(Arc<SourceText>),
    /// Those of the seed's own file.
    OfSeed,
}

impl Parser<'_> {
    /// The unit tests that YAML declares, each as a node below its model.
    pub(super) fn unit_tests(&mut self) {
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
        let mut given: Vec<Given> = Vec::new();
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
        let calls = vec![Heard { call: Call::Ref(model.clone()), number: None }];
        self.drafts.push(Draft { node, calls });
    }

    fn given(&mut self, label: &str, test: &UnitTestProperties, entry: &GivenProperties) -> Option<Given> {
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
        Some(Given { input: NodeId(0), written, place: entry.place.clone(), rows, call })
    }

    fn fixture(&mut self, of: &FixtureProperties, is_seed: bool, input: &str) -> Option<Rows> {
        let place = &of.place;
        Some(match &of.rows {
            FixtureRows::Missing if is_seed => Rows::OfSeed,
            FixtureRows::Missing => {
                self.errors.push(messages::unit_test_no_rows(input, place.clone()));
                return None;
            }
            FixtureRows::Dict(rows) => cells(rows.clone(), false, Vec::new()),
            FixtureRows::Csv(text) => {
                // A value of the YAML file's own has no place of its own; a column's name can be looked up.
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
            FixtureRows::Sql(text) => Rows::Sql { text: text.clone(), place: place.clone() },
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
                    return Some(Rows::SqlFile(file.source.clone()));
                }
                let source = file.source.clone();
                let at = |_: &str, span: std::ops::Range<usize>| Place::new(&source, span);
                self.csv(&source.text, &Place::line(&source, 1), &at)?
            }
        })
    }

    fn csv(&mut self, text: &str, whole: &Place, at: &dyn Fn(&str, std::ops::Range<usize>) -> Place) -> Option<Rows> {
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
                let complaint = format!("a row has {} values, and the header {}", record.len(), header.len());
                self.errors.push(messages::unit_test_csv(&complaint, place));
                return None;
            }
            let cells = header.iter().zip(record).map(|((column, column_place), (text, span))| FixtureCell {
                column: column.clone(),
                column_place: column_place.clone(),
                place: at(&text, span),
                // As in dbt: nothing is NULL.
                value: if text.is_empty() { Value::Null } else { Value::String(text) },
            });
            let cells: Vec<FixtureCell> = cells.collect();
            let place = cells.first().map_or_else(|| whole.clone(), |cell| cell.place.clone());
            rows.push(FixtureRow { place, cells });
        }
        Some(cells(rows, true, header))
    }

    /// What the inputs of unit tests stand for; those that stand for nothing are reported.
    pub(super) fn unit_test_inputs(&mut self, targets: &HashMap<Call, NodeId>) {
        let mut errors = Vec::new();
        for draft in &mut self.drafts {
            let model = draft.calls.first().and_then(|heard| targets.get(&heard.call)).copied();
            let (Some(test), Some(model)) = (draft.node.unit_test.as_mut(), model) else { continue };
            let test = Arc::make_mut(test);
            test.model = model;
            for given in &mut test.given {
                match targets.get(&given.call) {
                    Some(id) => given.input = *id,
                    None => {
                        errors.push(messages::unit_test_input(&draft.node.name, &given.written, given.place.clone()));
                    }
                }
            }
        }
        self.errors.extend(errors);
    }
}

impl Graph {
    /// The query of a unit test's model, with the test's overrides. `ephemerals` are the relations that hold the rows
    /// given for ephemeral models.
    ///
    /// # Errors
    /// What the template says when it is executed, at its place; exit code 2.
    pub fn compile_unit_test(&self, test: &UnitTest, ephemerals: HashMap<NodeId, Relation>) -> Result<Compiled> {
        let standins = Standins { overrides: Some(test.overrides.clone()), ephemerals };
        self.compile_with(self.node(test.model), &Compile::default(), &standins)
    }

    /// Rows that a unit test gives as a query, rendered; None if they are no query.
    pub fn compile_rows(&self, owner: &str, test: &UnitTest, rows: &Rows) -> Result<Option<Compiled>> {
        let setting = Setting { execute: true, overrides: Some(test.overrides.clone()), ..Setting::default() };
        let (text, place) = match rows {
            Rows::Sql { text, place } => (Text::Short(text.clone(), place.clone()), place.clone()),
            Rows::SqlFile(source) => (Text::File(source.clone()), Place::line(source, 1)),
            Rows::Cells { .. } | Rows::OfSeed => return Ok(None),
        };
        let rendered = self.templates.render(owner, &text, setting.clone(), None)?;
        let map = self.map_of(text, &rendered, setting, place);
        let kept = rendered.sql.trim_end_matches(|c: char| c.is_whitespace() || c == ';').len();
        Ok(Some(Compiled { sql: rendered.sql[..kept].to_owned(), map, header: None, keys: Vec::new() }))
    }

    /// The unit tests of a model.
    pub fn unit_tests_of(&self, id: NodeId) -> impl Iterator<Item = &Node> {
        self.children(id).filter(move |node| node.unit_test.as_ref().is_some_and(|test| test.model == id))
    }
}

impl Rows {
    /// Where they are written.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Cells { columns, .. } => columns.first().map(|(_, place)| place.clone()),
            Self::Sql { place, .. } => Some(place.clone()),
            Self::SqlFile(source) => Some(Place::line(source, 1)),
            Self::OfSeed => None,
        }
    }
}

/// Rows with all columns that any of them names.
fn cells(rows: Vec<FixtureRow>, is_csv: bool, header: Vec<(String, Place)>) -> Rows {
    let mut columns = header;
    for cell in rows.iter().flat_map(|row| &row.cells) {
        if !columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(&cell.column)) {
            columns.push((cell.column.clone(), cell.column_place.clone()));
        }
    }
    Rows::Cells { columns, rows, is_csv }
}

fn checksum(given: &[Given], expect: &Rows, overrides: &OverrideProperties) -> String {
    let rows = |rows: &Rows| match rows {
        Rows::Cells { rows, .. } => rows
            .iter()
            .map(|row| row.cells.iter().map(|cell| format!("{}={};", cell.column, cell.value)).collect::<String>())
            .collect::<Vec<_>>()
            .join("\n"),
        Rows::Sql { text, .. } => text.clone(),
        Rows::SqlFile(source) => source.text.clone(),
        Rows::OfSeed => String::new(),
    };
    let inputs: Vec<String> = given.iter().map(|given| format!("{}\n{}", given.written, rows(&given.rows))).collect();
    sha256(&format!("{}\n{}\n{overrides:?}", inputs.join("\n"), rows(expect)))
}

/// CSV (RFC 4180) as records of values, each with the bytes it stands at; blank lines are passed over.
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
