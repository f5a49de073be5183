//! Renders generic data tests: their arguments, and the macro or built-in SQL that creates the query.
//!
//! Knows a test as a value, but not its node.

use std::sync::LazyLock;

use minijinja::value::{Serde, Value as Jinja};
use regex::Regex;
use serde_json::{Map, Value};

use super::host::Host;
use super::jinja::{Recording, RelationValue, Setting};
use super::templates::{TemplateText, Templates};
use crate::graph::GenericTest;
use crate::sql::built_in;
use elt_base::error::{Error, Place};

impl Templates {
    /// A generic test's SQL over `model`, and the nodes that the rendering referred to.
    pub fn test_sql(
        &self,
        owner: &str,
        test: &GenericTest,
        model: RelationValue,
        place: &Place,
        setting: Setting,
    ) -> Result<(String, Recording), Error> {
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

    /// The call of a test's macro, or the SQL of a built-in test, and what the rendering of its arguments recorded.
    pub fn test_text(
        &self,
        owner: &str,
        test: &GenericTest,
        model: RelationValue,
        place: &Place,
        setting: &Setting,
        host: Option<&dyn Host>,
    ) -> Result<(Result<TemplateText, String>, Recording), Error> {
        let mut said = Recording::default();
        let mut arguments = Map::new();
        for (key, value) in &test.arguments {
            let rendered = match value.as_str().filter(|text| is_template(text)) {
                Some(text) => {
                    let text = if text.contains("{{") { text.to_owned() } else { format!("{{{{ {text} }}}}") };
                    let again =
                        Setting { execute: setting.execute, config: setting.config.clone(), ..Setting::default() };
                    let rendered = self.render(owner, &TemplateText::Short(text, place.clone()), again, host)?;
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
        Ok((Ok(TemplateText::Call(name, named, place.clone())), said))
    }
}

/// Whether dbt renders an argument: it is a Jinja expression, or a bare call of one of these functions.
fn is_template(text: &str) -> bool {
    static CALL: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^\s*(?:env_var|ref|var|source|doc)\s*\(.+\)\s*$").ok());
    text.contains("{{") || CALL.as_ref().is_some_and(|call| call.is_match(text))
}
