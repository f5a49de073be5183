//! The names of relations, by dbt's rules or by the project's own macros `generate_schema_name`, `generate_alias_name`
//! and `generate_database_name`.
//!
//! Knows only names. `resolve` finds collisions.

use minijinja::value::{Serde, Value as Jinja};
use serde_json::{Map, Value, json};

use super::parser::ProjectParser;
use crate::graph::{Node, NodeKind, Relation};
use crate::messages;
use crate::template::jinja::Setting;
use crate::template::{TemplateText, node_value};
use elt_base::error::Place;

/// The schema for the stored failures of tests, unless `schema` is configured.
const AUDIT: &str = "dbt_test__audit";

/// A part of a relation's name.
#[derive(Debug, Clone, Copy)]
enum NamePart {
    Database,
    Schema,
    Alias,
}

impl NamePart {
    /// The configuration key of the part.
    fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Alias => "alias",
        }
    }
}

impl ProjectParser<'_> {
    /// Whether the project has its own macros for names of relations.
    pub(crate) fn has_naming(&self) -> bool {
        [NamePart::Database, NamePart::Schema, NamePart::Alias]
            .into_iter()
            .any(|part| self.naming_macro(part).is_some())
    }

    /// The name of a node's relation. `alias` is used if the configuration has none.
    pub(crate) fn relation_of(&mut self, node: &Node, alias: Option<&str>) -> Relation {
        let mut raw = node.raw_config.clone();
        if let Some(alias) = alias {
            raw.entry("alias").or_insert_with(|| alias.into());
        }
        let profiles = &self.project.profiles;
        let shown = self.has_naming().then(|| {
            let mut shown = node_value::node_json((&profiles.name, &profiles.target.database), node, Vec::new());
            if let Some(map) = shown.as_object_mut() {
                // The values before the names are generated, as in dbt.
                map.insert("schema".into(), profiles.target.schema.clone().into());
                map.insert("alias".into(), node.name.clone().into());
                if node.kind == NodeKind::Test && node.test.as_ref().is_some_and(|test| test.generic.is_some()) {
                    // The node has no file of its own. This is dbt's name for it.
                    map.insert("path".into(), format!("{}.sql", alias.unwrap_or(&node.name)).into());
                }
            }
            shown
        });
        self.relation(&node.described(), &node.name, &raw, shown, &node.place())
    }

    /// The relation that stores a test's failing rows.
    pub(crate) fn audit_relation(&mut self, test: &Node, identifier: &str) -> Relation {
        let mut test = test.clone();
        if test.raw_config.get("schema").is_none_or(Value::is_null) {
            test.raw_config.insert("schema".into(), AUDIT.into());
        }
        self.relation_of(&test, Some(identifier).filter(|short| *short != test.name))
    }

    /// `shown` is the node as the macros see it. It is present if the project has such macros.
    pub(crate) fn relation(
        &mut self,
        owner: &str,
        name: &str,
        raw: &Map<String, Value>,
        mut shown: Option<Value>,
        place: &Place,
    ) -> Relation {
        let is_test = shown.as_ref().is_some_and(|shown| shown["resource_type"] == "test");
        if let Some(config) = shown.as_mut().and_then(|shown| shown.get_mut("config")).and_then(Value::as_object_mut) {
            for key in ["schema", "alias", "database", "group"] {
                config.entry(key).or_insert(Value::Null);
            }
            let materialized = if is_test { "test" } else { "view" };
            config.entry("materialized").or_insert_with(|| materialized.into());
            config.entry("enabled").or_insert(true.into());
            config.entry("tags").or_insert(json!([]));
            config.entry("meta").or_insert(json!({}));
        }
        // The schema is used unchanged, without the target's schema, as in dbt before snapshots had `schema`.
        let own_schema =
            raw.get("target_schema").filter(|_| raw.get("materialized").is_some_and(|kind| kind == "snapshot"));
        let text = |key: &str| raw.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let mut generated = |part: NamePart| self.generated(owner, part, text(part.name()), shown.as_ref()?);
        let schema = match own_schema.and_then(Value::as_str) {
            Some(own) => Some(own.to_owned()),
            None => generated(NamePart::Schema),
        };
        let alias = generated(NamePart::Alias);
        let database = generated(NamePart::Database);
        let own = &self.project.profiles.target.database;
        if let Some(database) = database.filter(|database| !database.eq_ignore_ascii_case(own)) {
            let error = messages::other_database(owner, &database, own, place.clone());
            if self.errors.iter().all(|known| known.message() != error.message()) {
                self.errors.push(error);
            }
        }
        Relation::new(
            schema.unwrap_or_else(|| Relation::schema_name(self.target_schema(), text("schema"))),
            alias.unwrap_or_else(|| text("alias").unwrap_or(name).to_owned()),
        )
    }

    /// The project's macro for a part of the name, under its plain name or under a name that dbt's own macro dispatches
    /// to.
    fn naming_macro(&self, part: NamePart) -> Option<String> {
        let plain = format!("generate_{}_name", part.name());
        let named = ["", "duckdb__", "default__"].map(|prefix| format!("{prefix}{plain}"));
        named.into_iter().find(|named| self.templates.has_macro(named))
    }

    /// The value that the project's macro returns for a part, from the configured value and the node. None without a
    /// macro.
    fn generated(&mut self, owner: &str, part: NamePart, custom: Option<&str>, node: &Value) -> Option<String> {
        let named = self.naming_macro(part)?;
        let place = self.templates.macro_place(&named)?;
        // Arguments are passed by position, as in dbt, because macros may name them freely.
        let arguments = vec![
            (String::new(), custom.map_or(Jinja::from(()), Jinja::from)),
            (String::new(), Jinja::from(Serde(node.clone()))),
        ];
        let call = TemplateText::Call(named, arguments, place);
        let said = format!("the {} of {owner}", part.name());
        match self.templates.render(&said, &call, Setting::default(), None) {
            Ok(rendered) => Some(rendered.sql.trim().to_owned()).filter(|name| !name.is_empty()),
            Err(error) => {
                if self.errors.iter().all(|known| known.places() != error.places()) {
                    self.errors.push(error);
                }
                None
            }
        }
    }
}
