//! Generic data tests as nodes: their names and their subjects.
//!
//! `template` and `sql` create their SQL. Names follow dbt's (`unique`, `not_null`, `accepted_values`, `relationships`,
//! and `{% test %}` macros).

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::parser::{CallSite, Draft, ProjectParser, blank_node, by_name};
use crate::config::{Of, folder_defaults, merge, repr, texts};
use crate::graph::{Call, DataTest, GenericTest, Node, NodeId, NodeKind, Relation};
use crate::messages;
use crate::template::jinja::{RelationValue, Setting};
use elt_base::digest::md5;
use elt_base::schema::quote;
use elt_project::{ColumnProperties, TestProperties};

const BUILT_IN: [&str; 4] = ["unique", "not_null", "accepted_values", "relationships"];

/// The subject of a test while its node is created.
struct TestOwner {
    draft: usize,
    /// The subject's name in the test's name: the model, or `<source>_<table>`.
    name: String,
    call: Call,
}

impl ProjectParser<'_> {
    /// Creates a node for each test of models, seeds and sources that YAML declares.
    pub(crate) fn generic_tests(&mut self) {
        let project = self.project;
        let patches = [
            (NodeKind::Model, by_name(&project.properties.models)),
            (NodeKind::Seed, by_name(&project.properties.seeds)),
            (NodeKind::Snapshot, by_name(&project.properties.snapshots)),
        ];
        for draft in 0..self.drafts.len() {
            let node = &self.drafts[draft].node;
            let (kind, node_name) = (node.kind, node.name.clone());
            if let (NodeKind::Source, Some(source_name)) = (kind, node.source_name.clone()) {
                let tables = project.properties.sources.iter().filter(|source| source.name == source_name);
                let table = tables.flat_map(|source| &source.tables).find(|table| table.name == node_name);
                if let Some(table) = table {
                    let call = Call::Source(source_name.clone(), node_name.clone());
                    let owner = TestOwner { draft, name: format!("{source_name}_{node_name}"), call };
                    self.tests_of(&owner, &table.data_tests, &table.columns);
                }
            } else if let Some((_, entries)) = patches.iter().find(|(of, _)| *of == kind)
                && let Some(patch) = entries.get(node_name.as_str())
            {
                let owner = TestOwner { draft, name: node_name.clone(), call: Call::Ref(node_name) };
                self.tests_of(&owner, &patch.data_tests, &patch.columns);
            }
        }
    }

    fn tests_of(&mut self, owner: &TestOwner, own: &[TestProperties], columns: &[ColumnProperties]) {
        for test in own {
            self.generic_test(owner, test, None, &[]);
        }
        for column in columns {
            let tags = texts(column.config.get("tags"));
            // The test receives the quoted name, and its own name contains it, as in dbt.
            let is_quoted = column.config.get("quote").is_some_and(|quoted| quoted == true);
            let name = if is_quoted { quote(&column.name) } else { column.name.clone() };
            for test in &column.data_tests {
                self.generic_test(owner, test, Some(&name), &tags);
            }
        }
    }

    fn generic_test(&mut self, owner: &TestOwner, test: &TestProperties, column: Option<&str>, column_tags: &[String]) {
        let on = self.drafts[owner.draft].node.display_name();
        // `dbt.unique` and `dbt_core.unique` are the built-in ones.
        let test_name = test.test.rsplit('.').next().unwrap_or(&test.test).to_owned();
        let macro_name = format!("test_{test_name}");
        let is_custom = self.templates.has_macro(&macro_name);
        if !is_custom && !BUILT_IN.contains(&test_name.as_str()) {
            let macros = self.templates.names.macros.iter().filter_map(|name| name.strip_prefix("test_"));
            let known: Vec<&str> = BUILT_IN.into_iter().chain(macros).collect();
            let package = test.test.split_once('.').map(|(package, _)| package).filter(|package| *package != "dbt");
            let error = messages::unknown_test(&test.test, &format!("`{on}`"), known, test.place.clone());
            self.errors.push(error.hint_maybe(package.map(|_| {
                format!("packages are not supported: copy the macro `{macro_name}` into the project's `macros` folder")
            })));
            return;
        }
        let mut arguments = test.arguments.clone();
        let own_column = arguments.remove("column_name").and_then(|name| name.as_str().map(str::to_owned));
        let column = column.map(str::to_owned).or(own_column);
        if !is_custom && let Some(complaint) = complaint(&test_name, column.is_some(), &arguments) {
            self.errors.push(messages::bad_test_argument(&test_name, &complaint, test.place.clone()));
            return;
        }
        let is_source = self.drafts[owner.draft].node.kind == NodeKind::Source;
        let (full, short) = names(&test_name, &owner.name, is_source, column.as_deref(), &arguments);
        let (name, short) = match &test.name {
            Some(name) => (name.clone(), name.clone()),
            None => (full, short),
        };
        let generic = GenericTest { test: test_name, column, arguments };

        let label = format!("test `{name}`");
        let mut calls = vec![CallSite { call: owner.call.clone(), number: None }];
        let project = self.project;
        let mut fqn = vec![project.profiles.name.clone()];
        fqn.extend(self.yaml_folders(&test.place.source.path));
        fqn.push(name.clone());
        let mut raw = folder_defaults(&project.profiles.defaults.data_tests, &fqn);
        let model = RelationValue::shown_as("\"model\"", Relation::new("", ""));
        match self.templates.test_sql(&label, &generic, model, &test.place, Setting::default()) {
            Ok((_, said)) => {
                calls.extend(said.calls.into_iter().map(|call| CallSite { call, number: None }));
                merge(&mut raw, said.config);
            }
            Err(error) => self.errors.push(error),
        }
        merge(&mut raw, test.config.clone());
        let mut config = self.config(&raw, Of::Test, &label, &test.place, None);
        // A column's tags are also tags of its tests.
        config.tags.extend_from_slice(column_tags);
        config.tags.sort();
        config.tags.dedup();
        let project = &project.profiles.name;
        let mut node: Node = blank_node(NodeKind::Test, &name, &test.place.source, config);
        let hash = md5(&format!("{name}{}", repr::tree(&generic.metadata(&owner.call))));
        node.unique_id = format!("test.{project}.{name}.{}", &hash[hash.len() - 10..]);
        node.fqn = fqn;
        node.patch = Some(test.place.clone());
        node.unrendered_config = raw.clone();
        node.raw_config = raw;
        let number = u32::try_from(owner.draft).unwrap_or(u32::MAX);
        node.test = Some(DataTest { owner: Some(NodeId(number)), generic: Some(generic) });
        node.relation = self.audit_relation(&node, &short);
        if node.config.enabled {
            self.drafts.push(Draft { node, calls });
        } else {
            self.disabled_nodes.push(node);
        }
    }
}

/// The required argument that a built-in test does not have, if any.
fn complaint(test: &str, has_column: bool, arguments: &Map<String, Value>) -> Option<String> {
    let (needed, optional): (&[&str], &[&str]) = match test {
        "accepted_values" => (&["values"], &["quote"]),
        "relationships" => (&["to", "field"], &[]),
        _ => (&[], &[]),
    };
    if !has_column {
        return Some("stands on no column: put it below one, or give `column_name`".into());
    }
    if let Some(missing) = needed.iter().find(|key| !arguments.contains_key(**key)) {
        return Some(format!("needs `{missing}`"));
    }
    if let Some(key) = arguments.keys().find(|key| !needed.contains(&key.as_str()) && !optional.contains(&key.as_str()))
    {
        return Some(format!("does not accept `{key}`"));
    }
    let is_list = arguments.get("values").is_none_or(|values| values.as_array().is_some_and(|list| !list.is_empty()));
    (!is_list).then(|| "needs `values` as a list with at least one value".into())
}

/// A test's full name, and a name of at most 63 characters for its relation and file, as in dbt's
/// `synthesize_generic_test_names`.
fn names(
    test: &str,
    on: &str,
    is_source: bool,
    column: Option<&str>,
    arguments: &Map<String, Value>,
) -> (String, String) {
    static UNCLEAN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("[^0-9a-zA-Z_]+").ok());
    let column = column.map(|name| ("column_name", Value::from(name)));
    let mut all: Vec<(&str, Value)> =
        arguments.iter().map(|(key, value)| (key.as_str(), value.clone())).chain(column).collect();
    all.sort_by_key(|(key, _)| *key);
    let mut parts = Vec::new();
    for (_, value) in &all {
        match value {
            Value::Array(items) => parts.extend(items.iter().map(repr::text)),
            Value::Object(map) => parts.extend(map.values().map(repr::text)),
            other => parts.push(repr::text(other)),
        }
    }
    let clean: Vec<String> = parts
        .iter()
        .map(|part| UNCLEAN.as_ref().map_or_else(|| part.clone(), |regex| regex.replace_all(part, "_").into_owned()))
        .collect();
    let identifier = if is_source { format!("source_{test}_{on}") } else { format!("{test}_{on}") };
    let full = format!("{identifier}_{}", clean.join("__"));
    if full.len() < 64 {
        return (full.clone(), full);
    }
    let head: String = identifier.chars().take(30).collect();
    let short = format!("{head}_{}", md5(&full));
    (full, short)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::names;
    use crate::graph::GenericTest;

    fn test(name: &str, column: &str, arguments: Value) -> GenericTest {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        GenericTest { test: name.into(), column: Some(column.into()), arguments }
    }

    #[test]
    fn names_are_dbts() {
        #[track_caller]
        fn check(on: (&str, bool), test: &GenericTest, full: &str, short: &str) {
            let found = names(&test.test, on.0, on.1, test.column.as_deref(), &test.arguments);
            assert_eq!((found.0.as_str(), found.1.as_str()), (full, short));
        }
        let not_null = test("not_null", "customer_id", json!({}));
        check(("customers", false), &not_null, "not_null_customers_customer_id", "not_null_customers_customer_id");
        let unique = test("unique", "id", json!({}));
        check(
            ("loans_customers", true),
            &unique,
            "source_unique_loans_customers_id",
            "source_unique_loans_customers_id",
        );
        let to = test("relationships", "customer_id", json!({"to": "ref('customers')", "field": "customer_id"}));
        let name = "relationships_orders_customer_id__customer_id__ref_customers_";
        check(("orders", false), &to, name, name);
        // The example of dbt's jaffle shop, with dbt's hash.
        let values = json!({"values": ["placed", "shipped", "completed", "return_pending", "returned"]});
        check(
            ("orders", false),
            &test("accepted_values", "status", values),
            "accepted_values_orders_status__placed__shipped__completed__return_pending__returned",
            "accepted_values_orders_1ce6ab157c285f7cd2ac656013faf758",
        );
    }
}
