//! Jinja in YAML values: `{{ var('x') }}`, `{{ env_var('X') }}`, `{{ target.name }}`.
//!
//! Knows these three names only; what needs a model or a relation is rendered later, by `model`.

use std::sync::Arc;

use minijinja::value::{Rest, Serde, Value as JinjaValue};
use minijinja::{Environment as Jinja, ErrorKind, UndefinedBehavior, context};
use serde_json::Value;

use super::environment::Environment;
use super::profiles::Profiles;
use super::written::{Written, WrittenValue};
use crate::error::{Error, Result};

/// Keys whose texts are SQL that runs later, with names known only then.
pub(super) const RENDERED_LATER: &[&str] =
    &["pre_hook", "post_hook", "pre-hook", "post-hook", "where", "loaded_at_query"];

/// Renders the values of one project's YAML files.
pub(super) struct YamlTemplate {
    jinja: Jinja<'static>,
}

impl YamlTemplate {
    pub fn new(profiles: &Profiles, environment: &Environment) -> Self {
        let mut jinja = Jinja::new();
        jinja.set_undefined_behavior(UndefinedBehavior::Strict);
        let vars = Arc::new(profiles.vars.clone());
        jinja.add_function("var", move |name: &str, default: Rest<JinjaValue>| match vars.get(name) {
            Some(value) => Ok(JinjaValue::from(Serde(value))),
            None => default.0.into_iter().next().ok_or_else(|| {
                minijinja::Error::new(ErrorKind::InvalidOperation, format!("the variable `{name}` is not set"))
            }),
        });
        let environment = environment.clone();
        jinja.add_function("env_var", move |name: &str, default: Rest<JinjaValue>| match environment.get(name) {
            Some(value) => Ok(JinjaValue::from(value)),
            None => default.0.into_iter().next().ok_or_else(|| {
                minijinja::Error::new(
                    ErrorKind::InvalidOperation,
                    format!("the environment variable `{name}` is not set"),
                )
            }),
        });
        let target = &profiles.target;
        jinja.add_global(
            "target",
            context! {
                name => target.name.clone(), schema => target.schema.clone(), threads => target.threads, type => "duckdb",
                profile_name => profiles.name.clone(),
            },
        );
        Self { jinja }
    }

    /// Renders every text in `written`. A text that is one expression gives that expression's value, so that
    /// `"{{ var('enabled') }}"` is a boolean, as it is in dbt.
    pub fn render(&self, written: &mut Written) -> Result<()> {
        match &mut written.value {
            WrittenValue::Text(text) if text.contains("{{") || text.contains("{%") => {
                written.value = self.value_of(text).map_err(|error| {
                    // Its display names a template that the user does not know: only the detail is hers.
                    Error::jinja_in_yaml(error.detail().unwrap_or("this is no Jinja"), written.place.clone())
                })?;
            }
            WrittenValue::List(items) => items.iter_mut().try_for_each(|item| self.render(item))?,
            WrittenValue::Table(entries) => entries
                .iter_mut()
                .filter(|entry| !RENDERED_LATER.contains(&entry.key.as_str()))
                .try_for_each(|entry| self.render(&mut entry.value))?,
            _ => {}
        }
        Ok(())
    }

    fn value_of(&self, text: &str) -> Result<WrittenValue, minijinja::Error> {
        let trimmed = text.trim();
        let inner = trimmed.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        if let Some(expression) = inner.filter(|inner| !inner.contains("{{") && !inner.contains("}}")) {
            let value = self.jinja.compile_expression(expression)?.eval(())?;
            return Ok(match serde_json::to_value(&value) {
                Ok(Value::Bool(value)) => WrittenValue::Bool(value),
                Ok(Value::Number(number)) => WrittenValue::Number(number),
                Ok(Value::String(text)) => WrittenValue::Text(text),
                Ok(Value::Null) => WrittenValue::Null,
                // A list or table of a variable has no places of its own; its JSON is text, as dbt's non-native one.
                _ => WrittenValue::Text(value.to_string()),
            });
        }
        self.jinja.render_str(text, ()).map(WrittenValue::Text)
    }
}
