//! Reads one YAML file in dbt's schema into `Properties`.
//!
//! Knows dbt's keys (<https://docs.getdbt.com/reference/configs-and-properties>), but not the meaning of a
//! configuration.

use serde_json::{Map, Value};

use super::properties::{
    ColumnProperties, Constraint, ConstraintKind, NodeProperties, Properties, SourceProperties, TableProperties,
    TestProperties,
};
use super::written::{Entry, Written, WrittenValue, find, to_json_map, unknown_keys};
use super::yaml_template::YamlTemplate;
use super::yaml_text;
use crate::messages;
use elt_base::error::{Error, Place, Result, SourceText};
use std::sync::Arc;

const TOP_KEYS: &[&str] = &[
    "version",
    "analyses",
    "macros",
    "models",
    "seeds",
    "snapshots",
    "sources",
    "data_tests",
    "unit_tests",
    "exposures",
    "groups",
];
/// Keys for other tools. They have no effect here.
const TOP_UNUSED: &[&str] = &["metrics", "saved_queries", "semantic_models"];
const TOP_UNSUPPORTED: &[&str] = &["functions"];
const NODE_KEYS: &[&str] = &["name", "description", "config", "columns", "data_tests", "tests", "constraints"];
const SNAPSHOT_KEYS: &[&str] =
    &["name", "description", "relation", "config", "columns", "data_tests", "tests", "constraints"];
const NODE_UNSUPPORTED: &[&str] = &["versions", "latest_version"];
const SOURCE_KEYS: &[&str] = &["name", "description", "schema", "config", "tables"];
const TABLE_KEYS: &[&str] = &["name", "description", "identifier", "config", "columns", "data_tests", "tests"];
const COLUMN_KEYS: &[&str] = &["name", "description", "data_type", "config", "data_tests", "tests", "constraints"];
/// Keys that dbt accepts next to `config:` with the same meaning as inside it.
const CONFIG_BESIDE: &[&str] = &[
    "access",
    "database",
    "docs",
    "enabled",
    "freshness",
    "group",
    "loaded_at_field",
    "loaded_at_query",
    "loader",
    "meta",
    "quote",
    "quoting",
    "tags",
];
/// Keys for dbt's documentation site and similar tools.
const HARMLESS: &[&str] =
    &["deprecation_date", "policy_tags", "external", "granularity", "semantic_model", "time_spine"];
/// Keys of a test that are configuration in every position, <https://docs.getdbt.com/reference/data-test-configs>.
const TEST_CONFIG: &[&str] = &[
    "alias",
    "database",
    "enabled",
    "error_if",
    "fail_calc",
    "group",
    "limit",
    "meta",
    "schema",
    "severity",
    "store_failures",
    "store_failures_as",
    "tags",
    "warn_if",
    "where",
];
const CONSTRAINT_KEYS: &[&str] =
    &["type", "name", "columns", "expression", "to", "to_columns", "warn_unenforced", "warn_unsupported"];
const CONSTRAINT_TYPES: &[&str] = &["not_null", "unique", "primary_key", "foreign_key", "check", "custom"];

/// Reads one file into `properties`, and adds all its errors to `errors`.
pub(super) fn read(
    source: &Arc<SourceText>,
    template: &YamlTemplate,
    properties: &mut Properties,
    errors: &mut Vec<Error>,
    warnings: &mut Vec<Error>,
) {
    let mut file = PropertyFile { template, errors };
    let top = match yaml_text::parse(source) {
        Ok(top) => top,
        Err(error) => return file.errors.push(error),
    };
    let Some(entries) = file.keep(top.table("the file").map(<[Entry]>::to_vec)) else { return };
    for entry in &entries {
        let (key, value) = (entry.key.as_str(), &entry.value);
        match key {
            "version" if value.to_json() != 2 => {
                file.errors.push(messages::bad_version(value.place.clone()));
            }
            "version" => {}
            "models" => properties.models.extend(file.nodes(key, value, "a model")),
            "seeds" => properties.seeds.extend(file.nodes(key, value, "a seed")),
            "analyses" => properties.analyses.extend(file.nodes(key, value, "an analysis")),
            "macros" => properties.macros.extend(file.macros(value)),
            "snapshots" => properties.snapshots.extend(file.nodes(key, value, "a snapshot")),
            // `tests` is the name from before dbt 1.8.
            "data_tests" | "tests" => properties.tests.extend(file.nodes(key, value, "a data test")),
            "unit_tests" => properties.unit_tests.extend(file.unit_tests(value)),
            "sources" => {
                for item in file.keep(value.list(key)).unwrap_or_default() {
                    properties.sources.extend(file.source(item));
                }
            }
            _ if TOP_UNUSED.contains(&key) => {
                warnings.push(messages::not_used(key, entry.key_place.clone()));
            }
            "exposures" => {
                for item in file.keep(value.list(key)).unwrap_or_default() {
                    properties.exposures.extend(file.exposure(item));
                }
            }
            "groups" => {
                for item in file.keep(value.list(key)).unwrap_or_default() {
                    properties.groups.extend(file.group(item));
                }
            }
            _ if TOP_UNSUPPORTED.contains(&key) => {
                file.errors.push(messages::not_supported_yet(key, entry.key_place.clone()));
            }
            _ => file.errors.push(messages::unknown_key(key, "a properties file", TOP_KEYS, entry.key_place.clone())),
        }
    }
}

pub(super) struct PropertyFile<'a> {
    template: &'a YamlTemplate,
    pub(super) errors: &'a mut Vec<Error>,
}

impl PropertyFile<'_> {
    pub(super) fn keep<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.errors.extend(error.split())).ok()
    }

    fn nodes(&mut self, key: &str, value: &Written, what: &str) -> Vec<NodeProperties> {
        let Some(items) = self.keep(value.list(key)) else { return Vec::new() };
        items.iter().filter_map(|item| self.node(item, what)).collect()
    }

    fn node(&mut self, item: &Written, what: &str) -> Option<NodeProperties> {
        let keys = if what == "a snapshot" { SNAPSHOT_KEYS } else { NODE_KEYS };
        let (entries, name, place) = self.named(item, what, keys, NODE_UNSUPPORTED)?;
        Some(NodeProperties {
            name,
            place,
            description: self.description(entries),
            config: self.config(entries),
            columns: self.columns(entries),
            data_tests: self.data_tests(entries),
            constraints: self.constraints(entries, None),
            relation: self.optional_text(entries, "relation"),
        })
    }

    fn source(&mut self, item: &Written) -> Option<SourceProperties> {
        let (entries, name, place) = self.named(item, "a source", SOURCE_KEYS, &["overrides"])?;
        let config = self.config(entries);
        let mut tables = Vec::new();
        if let Some(written) = find(entries, "tables") {
            for item in self.keep(written.list("tables")).unwrap_or_default() {
                tables.extend(self.table(item, &config));
            }
        }
        Some(SourceProperties {
            name,
            place,
            description: self.description(entries),
            schema: self.rendered_text(entries, "schema"),
            config,
            tables,
        })
    }

    fn table(&mut self, item: &Written, of_source: &Map<String, Value>) -> Option<TableProperties> {
        let (entries, name, place) = self.named(item, "a table of a source", TABLE_KEYS, &[])?;
        let mut config = of_source.clone();
        for (key, value) in self.config(entries) {
            merge_config(&mut config, key, value);
        }
        Some(TableProperties {
            name,
            place,
            description: self.description(entries),
            identifier: self.rendered_text(entries, "identifier"),
            config,
            columns: self.columns(entries),
            data_tests: self.data_tests(entries),
        })
    }

    fn columns(&mut self, entries: &[Entry]) -> Vec<ColumnProperties> {
        let Some(written) = find(entries, "columns") else { return Vec::new() };
        let Some(items) = self.keep(written.list("columns")) else { return Vec::new() };
        let mut columns: Vec<ColumnProperties> = Vec::new();
        for item in items {
            let Some(column) = self.column(item) else { continue };
            match columns.iter().find(|known| known.name.eq_ignore_ascii_case(&column.name)) {
                Some(first) => {
                    self.errors.push(messages::defined_twice("column", &column.name, first.place.clone(), column.place))
                }
                None => columns.push(column),
            }
        }
        columns
    }

    fn column(&mut self, item: &Written) -> Option<ColumnProperties> {
        let (entries, name, place) = self.named(item, "a column", COLUMN_KEYS, &["dimension", "entity"])?;
        Some(ColumnProperties {
            description: self.description(entries),
            data_type: self.optional_text(entries, "data_type"),
            config: self.config(entries),
            data_tests: self.data_tests(entries),
            constraints: self.constraints(entries, Some(&name)),
            name,
            place,
        })
    }

    /// An entry's keys, its name and the name's place. None if the entry is not a table or has no name.
    pub(super) fn named<'w>(
        &mut self,
        item: &'w Written,
        what: &str,
        known: &[&str],
        unsupported: &[&str],
    ) -> Option<(&'w [Entry], String, Place)> {
        let entries = self.keep(item.table(what))?;
        for entry in entries {
            let key = entry.key.as_str();
            if unsupported.contains(&key) {
                self.errors.push(messages::not_supported_yet(key, entry.key_place.clone()));
            } else if !known.contains(&key) && !CONFIG_BESIDE.contains(&key) && !HARMLESS.contains(&key) {
                self.errors.push(messages::unknown_key(key, what, known, entry.key_place.clone()));
            }
        }
        match find(entries, "name") {
            Some(written) => {
                let name = self.keep(written.text("name"))?.to_owned();
                Some((entries, name, written.place.clone()))
            }
            None => {
                self.errors.push(messages::key_missing("name", what, item.place.clone()));
                None
            }
        }
    }

    pub(super) fn optional_text(&mut self, entries: &[Entry], key: &str) -> Option<String> {
        let written = find(entries, key).filter(|written| !written.is_null())?;
        self.keep(written.text(key)).map(str::to_owned)
    }

    pub(super) fn rendered_text(&mut self, entries: &[Entry], key: &str) -> Option<String> {
        let mut written = find(entries, key).filter(|written| !written.is_null())?.clone();
        let rendered = self.template.render(&mut written);
        self.keep(rendered)?;
        self.keep(written.text(key)).map(str::to_owned)
    }

    /// `config:`, and the keys that are written next to it. `config:` takes precedence.
    pub(super) fn config(&mut self, entries: &[Entry]) -> Map<String, Value> {
        let mut config = Map::new();
        for entry in entries.iter().filter(|entry| CONFIG_BESIDE.contains(&entry.key.as_str())) {
            let mut value = entry.value.clone();
            let is_later = super::yaml_template::RENDERED_LATER.contains(&entry.key.as_str());
            let rendered = if is_later { Ok(()) } else { self.template.render(&mut value) };
            if self.keep(rendered).is_some() {
                config.insert(entry.key.clone(), value.to_json());
            }
        }
        for (key, value) in self.rendered_table(entries, "config") {
            merge_config(&mut config, key, value);
        }
        config
    }

    fn rendered_table(&mut self, entries: &[Entry], key: &str) -> Map<String, Value> {
        let Some(written) = find(entries, key) else { return Map::new() };
        let mut written = written.clone();
        let rendered = self.template.render(&mut written);
        if self.keep(rendered).is_none() {
            return Map::new();
        }
        self.keep(written.table(key).map(to_json_map)).unwrap_or_default()
    }

    fn data_tests(&mut self, entries: &[Entry]) -> Vec<TestProperties> {
        let mut tests = Vec::new();
        // `tests:` is the name from before dbt 1.8.
        for key in ["data_tests", "tests"] {
            if let Some(written) = find(entries, key) {
                for item in self.keep(written.list(key)).unwrap_or_default() {
                    tests.extend(self.data_test(item));
                }
            }
        }
        tests
    }

    fn data_test(&mut self, item: &Written) -> Option<TestProperties> {
        let (test, place, body) = match &item.value {
            WrittenValue::Text(name) => (name.clone(), item.place.clone(), None),
            WrittenValue::Table(entries) => match entries.as_slice() {
                [entry] if entry.key != "test_name" => {
                    (entry.key.clone(), entry.key_place.clone(), Some(self.keep(entry.value.table(&entry.key))?))
                }
                // dbt's other form has `test_name:` among the arguments.
                entries => match find(entries, "test_name") {
                    Some(written) => {
                        let name = self.keep(written.text("test_name"))?.to_owned();
                        (name, written.place.clone(), Some(entries))
                    }
                    None => {
                        self.errors.push(messages::bad_data_test(item.place.clone()));
                        return None;
                    }
                },
            },
            _ => {
                self.errors.push(messages::bad_data_test(item.place.clone()));
                return None;
            }
        };
        let entries = body.unwrap_or_default();
        let mut arguments = Map::new();
        let mut config = Map::new();
        for entry in entries {
            let key = entry.key.as_str();
            match key {
                "name" | "test_name" | "description" | "arguments" | "config" => {}
                _ if TEST_CONFIG.contains(&key) => {
                    let mut value = entry.value.clone();
                    if key != "where" {
                        let rendered = self.template.render(&mut value);
                        self.keep(rendered);
                    }
                    config.insert(entry.key.clone(), value.to_json());
                }
                // Arguments are rendered together with the test, where `ref` and the model are available.
                _ => {
                    arguments.insert(entry.key.clone(), entry.value.to_json());
                }
            }
        }
        if let Some(written) = find(entries, "arguments") {
            arguments.extend(self.keep(written.table("arguments").map(to_json_map)).unwrap_or_default());
        }
        if let Some(written) = find(entries, "config") {
            let known = self.keep(written.table("config")).unwrap_or_default();
            self.errors.extend(unknown_keys(known, TEST_CONFIG, "a data test's `config`"));
        }
        config.extend(self.rendered_table(entries, "config"));
        Some(TestProperties { test, name: self.optional_text(entries, "name"), place, arguments, config })
    }

    fn constraints(&mut self, entries: &[Entry], column: Option<&str>) -> Vec<Constraint> {
        let Some(written) = find(entries, "constraints") else { return Vec::new() };
        let Some(items) = self.keep(written.list("constraints")) else { return Vec::new() };
        items.iter().filter_map(|item| self.constraint(item, column)).collect()
    }

    fn constraint(&mut self, item: &Written, column: Option<&str>) -> Option<Constraint> {
        let entries = self.keep(item.table("a constraint"))?;
        self.errors.extend(unknown_keys(entries, CONSTRAINT_KEYS, "a constraint"));
        let Some(written) = find(entries, "type") else {
            self.errors.push(messages::key_missing("type", "a constraint", item.place.clone()));
            return None;
        };
        let kind = match self.keep(written.text("type"))? {
            "not_null" => ConstraintKind::NotNull,
            "unique" => ConstraintKind::Unique,
            "primary_key" => ConstraintKind::PrimaryKey,
            "foreign_key" => ConstraintKind::ForeignKey,
            "check" => ConstraintKind::Check,
            "custom" => ConstraintKind::Custom,
            other => {
                self.errors.push(messages::unknown_constraint(other, CONSTRAINT_TYPES, written.place.clone()));
                return None;
            }
        };
        let list = |file: &mut Self, key: &str| match find(entries, key) {
            Some(written) => file.keep(written.texts(key)).unwrap_or_default(),
            None => Vec::new(),
        };
        let columns = match column {
            Some(column) => vec![column.to_owned()],
            None => list(self, "columns"),
        };
        let constraint = Constraint {
            kind,
            place: written.place.clone(),
            name: self.optional_text(entries, "name"),
            columns,
            expression: self.optional_text(entries, "expression"),
            to: self.optional_text(entries, "to"),
            to_columns: list(self, "to_columns"),
        };
        let missing = match kind {
            ConstraintKind::Check | ConstraintKind::Custom if constraint.expression.is_none() => Some("expression"),
            ConstraintKind::ForeignKey if constraint.to.is_none() && constraint.expression.is_none() => Some("to"),
            ConstraintKind::Check | ConstraintKind::Custom => None,
            _ if constraint.columns.is_empty() => Some("columns"),
            _ => None,
        };
        if let Some(key) = missing {
            self.errors.push(messages::key_missing(key, "this constraint", constraint.place));
            return None;
        }
        Some(constraint)
    }
}

/// Tags are added and `meta` is merged by key. Other keys are replaced, as in dbt.
fn merge_config(config: &mut Map<String, Value>, key: String, value: Value) {
    match (key.as_str(), config.get_mut(&key), value) {
        ("tags", Some(known), value) => {
            let mut tags = match known.take() {
                Value::Array(tags) => tags,
                tag => vec![tag],
            };
            for tag in match value {
                Value::Array(tags) => tags,
                tag => vec![tag],
            } {
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
            *known = Value::Array(tags);
        }
        ("meta" | "freshness", Some(Value::Object(known)), Value::Object(value)) => known.extend(value),
        (_, _, value) => {
            config.insert(key, value);
        }
    }
}
