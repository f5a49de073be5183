//! Jinja in YAML values: `{{ var('x') }}`, `{{ env_var('X') }}`, `{{ target.name }}`, and `{{ doc('x') }}` in descriptions.
//!
//! Knows only these names. `model` later renders texts that need a model or a relation.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::value::{Rest, Serde, Value as JinjaValue};
use minijinja::{Environment as Jinja, ErrorKind, UndefinedBehavior, context};
use serde_json::{Map, Value};

use super::docs::DocBlock;
use super::environment::Environment;
use super::profile::Target;
use super::written::{Written, WrittenValue};
use crate::messages;
use elt_base::error::{Place, Result, nearest};
use elt_base::guarded::guarded;

/// Keys whose texts are SQL that runs later, with names that are available only then.
pub(super) const RENDERED_LATER: &[&str] =
    &["pre_hook", "post_hook", "pre-hook", "post-hook", "where", "loaded_at_query"];

/// Renders the values of one project's YAML files.
pub(super) struct YamlTemplate {
    jinja: Jinja<'static>,
}

impl YamlTemplate {
    /// `target` with the profile's name, after the profile is known.
    pub fn new(vars: &Map<String, Value>, target: Option<(&Target, &str)>, environment: &Environment) -> Self {
        let mut jinja = Jinja::new();
        jinja.set_undefined_behavior(UndefinedBehavior::Strict);
        let vars = Arc::new(vars.clone());
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
        // dbt's native values: the text of a variable is converted to the value that it spells.
        jinja.add_filter("as_text", |value: JinjaValue| value.to_string());
        jinja.add_filter("as_bool", |value: JinjaValue| spelled(&value, "a boolean", Value::is_boolean));
        jinja.add_filter("as_number", |value: JinjaValue| spelled(&value, "a number", Value::is_number));
        jinja.add_filter("as_native", |value: JinjaValue| spelled(&value, "a value", |_| true).unwrap_or(value));
        if let Some((target, profile)) = target {
            jinja.add_global(
                "target",
                context! {
                    name => target.name.clone(), schema => target.schema.clone(), threads => target.threads,
                    type => "duckdb", database => target.database.clone(), path => target.warehouse.display().to_string(),
                    profile_name => profile,
                },
            );
        }
        Self { jinja }
    }

    /// Makes `doc('name')` and `doc('package', 'name')` return the texts of the project's doc blocks.
    pub fn with_docs(mut self, project: &str, docs: &[DocBlock]) -> Self {
        let project = project.to_owned();
        let texts: HashMap<String, String> = docs.iter().map(|doc| (doc.name.clone(), doc.text.clone())).collect();
        self.jinja.add_function("doc", move |first: &str, second: Rest<JinjaValue>| {
            let fail = |message: String| Err(minijinja::Error::new(ErrorKind::InvalidOperation, message));
            let name = match second.0.first().map(JinjaValue::to_string) {
                Some(name) if first == project => name,
                Some(_) => return fail(format!("package `{first}` does not exist")),
                None => first.to_owned(),
            };
            match texts.get(&name) {
                Some(text) => Ok(text.clone()),
                None => match nearest(&name, texts.keys().map(String::as_str)) {
                    Some(near) => fail(format!("doc block `{name}` does not exist; did you mean `{near}`?")),
                    None => fail(format!("doc block `{name}` does not exist")),
                },
            }
        });
        self
    }

    /// Renders every text in `written`. A text that is one expression is replaced by that expression's value, so that
    /// `"{{ var('enabled') }}"` is a boolean, as in dbt.
    pub fn render(&self, written: &mut Written) -> Result<()> {
        match &mut written.value {
            WrittenValue::Text(text) if text.contains("{{") || text.contains("{%") => {
                // The engine panics on some expressions, such as `[][::-1]`.
                let value = guarded(|| self.value_of(text, &written.place)).unwrap_or_else(|panic| {
                    Err(minijinja::Error::new(ErrorKind::InvalidOperation, messages::engine_failed(&panic)))
                });
                *written = value.map_err(|error| {
                    // The error's display contains the name of an internal template, so only the detail is shown.
                    messages::jinja_in_yaml(error.detail().unwrap_or("this is no Jinja"), written.place.clone())
                })?;
            }
            WrittenValue::List(items) => items.iter_mut().try_for_each(|item| self.render(item))?,
            WrittenValue::Table(entries) => entries
                .iter_mut()
                .filter(|entry| !RENDERED_LATER.contains(&entry.key.trim_start_matches('+')))
                .try_for_each(|entry| self.render(&mut entry.value))?,
            _ => {}
        }
        Ok(())
    }

    fn value_of(&self, text: &str, place: &Place) -> Result<Written, minijinja::Error> {
        let trimmed = text.trim();
        let inner = trimmed.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
        if let Some(expression) = inner.filter(|inner| !inner.contains("{{") && !inner.contains("}}")) {
            let expression = expression.trim_start_matches('-').trim_end_matches('-');
            let value = self.jinja.compile_expression(expression)?.eval(())?;
            return Ok(match serde_json::to_value(&value) {
                Ok(json) => Written::from_json(json, place),
                Err(_) => Written::new(WrittenValue::Text(value.to_string()), place.clone()),
            });
        }
        let text = self.jinja.render_str(text, ())?;
        Ok(Written::new(WrittenValue::Text(text), place.clone()))
    }
}

/// The value that a text spells: `true`, `1.5`, `["a"]`. A value that is not a text is unchanged.
fn spelled(value: &JinjaValue, what: &str, is_it: fn(&Value) -> bool) -> Result<JinjaValue, minijinja::Error> {
    let fail = || minijinja::Error::new(ErrorKind::InvalidOperation, format!("the text is not {what}"));
    let Some(text) = value.as_str() else { return Ok(value.clone()) };
    let json = match text.trim() {
        "True" => Value::Bool(true),
        "False" => Value::Bool(false),
        text => serde_json::from_str(text).map_err(|_| fail())?,
    };
    if is_it(&json) { Ok(JinjaValue::from(Serde(json))) } else { Err(fail()) }
}
