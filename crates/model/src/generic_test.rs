//! Generic data tests: their names, their place in the graph, and their SQL.
//!
//! SQL and names follow dbt's (`unique`, `not_null`, `accepted_values`, `relationships`, and `{% test %}` macros).

use std::sync::LazyLock;

use minijinja::value::{Serde, Value as Jinja};
use regex::Regex;
use serde_json::{Map, Value, json};

use super::config::Of;
use super::config_value::{folder_defaults, merge};
use super::host::Host;
use super::jinja::{Call, Heard as Said, RelationValue};
use super::node::{DataTest, GenericTest, Node, NodeKind};
use super::parse::{Draft, Heard, Parser, blank_node, by_name};
use super::python;
use super::relation::Relation;
use super::template::{Setting, Templates, Text};
use crate::messages;
use elt_base::digest::md5;
use elt_base::error::{Error, Place};
use elt_base::schema::{literal, quote};
use elt_project::{ColumnProperties, TestProperties};

const BUILT_IN: [&str; 4] = ["unique", "not_null", "accepted_values", "relationships"];

/// What a test stands on, while its node is made.
struct Owner {
    draft: usize,
    /// As in the test's name: the model, or `<source>_<table>`.
    name: String,
    call: Call,
}

impl Parser<'_> {
    /// The tests of models, seeds and sources that YAML declares, each as a node.
    pub(super) fn generic_tests(&mut self) {
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
                    let owner = Owner { draft, name: format!("{source_name}_{node_name}"), call };
                    self.tests_of(&owner, &table.data_tests, &table.columns);
                }
            } else if let Some((_, entries)) = patches.iter().find(|(of, _)| *of == kind)
                && let Some(patch) = entries.get(node_name.as_str())
            {
                let owner = Owner { draft, name: node_name.clone(), call: Call::Ref(node_name) };
                self.tests_of(&owner, &patch.data_tests, &patch.columns);
            }
        }
    }

    fn tests_of(&mut self, owner: &Owner, own: &[TestProperties], columns: &[ColumnProperties]) {
        for test in own {
            self.generic_test(owner, test, None, &[]);
        }
        for column in columns {
            let tags = super::config_value::texts(column.config.get("tags"));
            // Tests get the name quoted, and are named after that, as in dbt.
            let is_quoted = column.config.get("quote").is_some_and(|quoted| quoted == true);
            let name = if is_quoted { quote(&column.name) } else { column.name.clone() };
            for test in &column.data_tests {
                self.generic_test(owner, test, Some(&name), &tags);
            }
        }
    }

    fn generic_test(&mut self, owner: &Owner, test: &TestProperties, column: Option<&str>, column_tags: &[String]) {
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
        let mut calls = vec![Heard { call: owner.call.clone(), number: None }];
        let project = self.project;
        let mut fqn = vec![project.profiles.name.clone()];
        fqn.extend(self.yaml_folders(&test.place.source.path));
        fqn.push(name.clone());
        let mut raw = folder_defaults(&project.profiles.defaults.data_tests, &fqn);
        let model = RelationValue::shown_as("\"model\"", Relation::new("", ""));
        match self.templates.test_sql(&label, &generic, model, &test.place, Setting::default()) {
            Ok((_, said)) => {
                calls.extend(said.calls.into_iter().map(|call| Heard { call, number: None }));
                merge(&mut raw, said.config);
            }
            Err(error) => self.errors.push(error),
        }
        merge(&mut raw, test.config.clone());
        let mut config = self.config(&raw, Of::Test, &label, &test.place, None);
        // A column's tags are its tests' too.
        config.tags.extend_from_slice(column_tags);
        config.tags.sort();
        config.tags.dedup();
        let project = &project.profiles.name;
        let mut node: Node = blank_node(NodeKind::Test, &name, &test.place.source, config);
        let hash = md5(&format!("{name}{}", python::tree(&generic.metadata(&owner.call))));
        node.unique_id = format!("test.{project}.{name}.{}", &hash[hash.len() - 10..]);
        node.fqn = fqn;
        node.patch = Some(test.place.clone());
        node.unrendered_config = raw.clone();
        node.raw_config = raw;
        let number = u32::try_from(owner.draft).unwrap_or(u32::MAX);
        node.test = Some(DataTest { owner: Some(super::node::NodeId(number)), generic: Some(generic) });
        node.relation = self.audit_relation(&node, &short);
        if node.config.enabled {
            self.drafts.push(Draft { node, calls });
        } else {
            self.disabled_nodes.push(node);
        }
    }
}

impl GenericTest {
    /// dbt's `test_metadata`: the name and all arguments, the tested node among them.
    pub(super) fn metadata(&self, on: &Call) -> Value {
        let tested = match on {
            Call::Ref(name) => format!("ref('{name}')"),
            Call::Source(source, table) => format!("source('{source}', '{table}')"),
        };
        let mut arguments = Map::new();
        if let Some(column) = &self.column {
            arguments.insert("column_name".into(), column.clone().into());
        }
        arguments.extend(self.arguments.clone());
        arguments.insert("model".into(), format!("{{{{ get_where_subquery({tested}) }}}}").into());
        json!({ "name": self.test, "kwargs": arguments, "namespace": null })
    }
}

/// What a built-in test misses, if it misses something.
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
        return Some(format!("takes no `{key}`"));
    }
    let is_list = arguments.get("values").is_none_or(|values| values.as_array().is_some_and(|list| !list.is_empty()));
    (!is_list).then(|| "needs `values` as a list with at least one value".into())
}

/// A test's full name, and the one of at most 63 characters for its relation and file: dbt's
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
            Value::Array(items) => parts.extend(items.iter().map(python::text)),
            Value::Object(map) => parts.extend(map.values().map(python::text)),
            other => parts.push(python::text(other)),
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

impl Templates {
    /// A generic test's SQL over `model`, and what was mentioned on the way.
    pub fn test_sql(
        &self,
        owner: &str,
        test: &GenericTest,
        model: RelationValue,
        place: &Place,
        setting: Setting,
    ) -> Result<(String, Said), Error> {
        let (text, mut said) = self.test_text(owner, test, model, place, &setting, None)?;
        let text = match text {
            Ok(text) => text,
            Err(sql) => return Ok((sql, said)),
        };
        let again = Setting { execute: setting.execute, config: setting.config, ..Setting::default() };
        let rendered = self.render(owner, &text, again, None)?;
        said.calls.extend(rendered.heard.calls);
        said.config = rendered.heard.config;
        for id in rendered.heard.ephemerals {
            if !said.ephemerals.contains(&id) {
                said.ephemerals.push(id);
            }
        }
        Ok((rendered.sql, said))
    }

    /// The call of a test's macro, or the SQL of one that is built in; and what its arguments said.
    pub fn test_text(
        &self,
        owner: &str,
        test: &GenericTest,
        model: RelationValue,
        place: &Place,
        setting: &Setting,
        host: Option<&dyn Host>,
    ) -> Result<(Result<Text, String>, Said), Error> {
        let mut said = Said::default();
        let mut arguments = Map::new();
        for (key, value) in &test.arguments {
            let rendered = match value.as_str().filter(|text| is_template(text)) {
                Some(text) => {
                    let text = if text.contains("{{") { text.to_owned() } else { format!("{{{{ {text} }}}}") };
                    let again =
                        Setting { execute: setting.execute, config: setting.config.clone(), ..Setting::default() };
                    let rendered = self.render(owner, &Text::Short(text, place.clone()), again, host)?;
                    said.calls.extend(rendered.heard.calls);
                    said.ephemerals.extend(rendered.heard.ephemerals);
                    Value::from(rendered.sql)
                }
                None => value.clone(),
            };
            arguments.insert(key.clone(), rendered);
        }
        let name = format!("test_{}", test.test);
        if !self.has_macro(&name) {
            return Ok((Err(built_in(test, &arguments, &model.shown)), said));
        }
        let mut named = vec![("model".to_owned(), Jinja::from_object(model))];
        named.extend(test.column.iter().map(|column| ("column_name".to_owned(), Jinja::from(column))));
        named.extend(arguments.into_iter().map(|(key, value)| (key, Jinja::from(Serde(value)))));
        Ok((Ok(Text::Call(name, named, place.clone())), said))
    }
}

/// Whether dbt would render an argument: a Jinja expression, or a bare call of one of these.
fn is_template(text: &str) -> bool {
    static CALL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^\s*(?:env_var|ref|var|source|doc)\s*\(.+\)\s*$").ok());
    text.contains("{{") || CALL.as_ref().is_some_and(|call| call.is_match(text))
}

fn built_in(test: &GenericTest, arguments: &Map<String, Value>, model: &str) -> String {
    let column = test.column.as_deref().map(column_sql).unwrap_or_default();
    let text = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default();
    match test.test.as_str() {
        "unique" => format!(
            "select {column} as unique_field, count(*) as n_records\nfrom {model}\nwhere {column} is not null\n\
             group by {column}\nhaving count(*) > 1"
        ),
        "not_null" => format!("select {column}\nfrom {model}\nwhere {column} is null"),
        "accepted_values" => {
            let is_quoted = arguments.get("quote").and_then(Value::as_bool).unwrap_or(true);
            let values = arguments.get("values").and_then(Value::as_array).cloned().unwrap_or_default();
            let values: Vec<String> = values.iter().map(|value| value_sql(value, is_quoted)).collect();
            format!(
                "with all_values as (\n    select {column} as value_field, count(*) as n_records\n    from {model}\n    \
                 group by {column}\n)\nselect *\nfrom all_values\nwhere value_field not in ({})",
                values.join(", ")
            )
        }
        _ => format!(
            "with child as (\n    select {column} as from_field\n    from {model}\n    where {column} is not null\n),\n\
             parent as (\n    select {} as to_field\n    from {}\n)\nselect from_field\nfrom child\n\
             left join parent on child.from_field = parent.to_field\nwhere parent.to_field is null",
            column_sql(text("field")),
            text("to"),
        ),
    }
}

/// A column's name quoted; anything else is an expression and stays as it is.
fn column_sql(name: &str) -> String {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_name { quote(name) } else { name.to_owned() }
}

fn value_sql(value: &Value, is_quoted: bool) -> String {
    match value {
        Value::Null => "null".into(),
        Value::String(text) if !is_quoted => text.clone(),
        Value::String(text) => literal(text),
        Value::Bool(flag) => flag.to_string(),
        // Numbers stay numbers: quoted they would compare just the same.
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{built_in, names};
    use crate::node::GenericTest;

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
        // The example of dbt's jaffle shop, with the hash dbt gives it.
        let values = json!({"values": ["placed", "shipped", "completed", "return_pending", "returned"]});
        check(
            ("orders", false),
            &test("accepted_values", "status", values),
            "accepted_values_orders_status__placed__shipped__completed__return_pending__returned",
            "accepted_values_orders_1ce6ab157c285f7cd2ac656013faf758",
        );
    }

    #[test]
    fn sql() {
        #[track_caller]
        fn check(test: &GenericTest, expected: &str) {
            let sql = built_in(test, &test.arguments, "\"main\".\"m\"");
            assert_eq!(sql.split_whitespace().collect::<Vec<_>>().join(" "), expected);
        }
        check(
            &test("unique", "order", json!({})),
            "select \"order\" as unique_field, count(*) as n_records from \"main\".\"m\" where \"order\" is not null \
             group by \"order\" having count(*) > 1",
        );
        check(&test("not_null", "a || b", json!({})), "select a || b from \"main\".\"m\" where a || b is null");
        check(
            &test("accepted_values", "a", json!({"values": ["it's", 1, true]})),
            "with all_values as ( select \"a\" as value_field, count(*) as n_records from \"main\".\"m\" group by \"a\" \
             ) select * from all_values where value_field not in ('it''s', 1, true)",
        );
        check(
            &test("relationships", "a", json!({"to": "\"main\".\"p\"", "field": "b"})),
            "with child as ( select \"a\" as from_field from \"main\".\"m\" where \"a\" is not null ), parent as ( \
             select \"b\" as to_field from \"main\".\"p\" ) select from_field from child left join parent on \
             child.from_field = parent.to_field where parent.to_field is null",
        );
    }
}
