//! The names that Jinja templates can use: `ref`, `source`, `config`, `var`, `env_var`, `this`, `target`, macros and
//! others.
//!
//! All renderings share the functions. The differences between renderings are in the `RenderScope` that the functions
//! look up. Does not know files. Knows the graph's nodes only by the names in `ProjectNames`.

mod adapter;
mod arguments;
mod collections;
mod config_object;
mod context;
mod database;
mod datetime;
mod dbt;
mod keys;
mod limits;
mod modules;
mod names;
mod project_macro;
mod reference;
mod refusal;
mod relation_value;
mod scope;
mod table;
mod trimming;
mod used;

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, State};

use crate::template::Invocation;
use crate::template::markup::CHANGES;

pub(crate) use dbt::{BUILT_IN_FILE, built_in_text};
pub(crate) use limits::STEPS_MAX;
pub(crate) use names::{ProjectNames, Referent};
pub(crate) use project_macro::ProjectMacro;
pub(crate) use refusal::Refusal;
pub(crate) use relation_value::RelationValue;
pub(crate) use scope::{Marks, Recording, RenderScope, Setting, lock};

/// A text without these words cannot query the database or print on the console.
pub(crate) const ASKING: [&str; 9] =
    ["run_query", "statement", "adapter", "relation", "log", "print", "warn", "spine", "columns_in_query"];

/// Adds everything except the macros to an environment.
pub(crate) fn install(
    env: &mut Environment<'static>,
    target: Value,
    environment: elt_project::Environment,
    is_marked: bool,
) {
    context::install(env, environment);
    database::install(env);
    adapter::install(env);
    collections::install(env);
    datetime::install(env);
    dbt::install(env);
    keys::install(env);
    limits::install(env);
    env.add_global("config", Value::from_object(config_object::ConfigObject));
    env.add_global("modules", modules::modules());
    env.add_global("target", target);
    if is_marked {
        trimming::install(env);
    }
}

/// `run_started_at`.
pub(crate) fn started_at(invocation: &Invocation) -> Value {
    datetime::DateTimeValue::now(invocation.started_at, Some(chrono_tz::Tz::UTC)).into()
}

/// Python's methods on texts, lists and maps.
pub(crate) fn unknown_method(
    state: &mut State<'_, '_>,
    value: &Value,
    method: &str,
    args: &[Value],
) -> Result<Value, Error> {
    let changes = CHANGES.iter().any(|known| known[1..].strip_suffix('(') == Some(method));
    if changes && matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
        let hint = match value.kind() {
            ValueKind::Map => "write the map as `{…}` to change it: `{% set copy = {} %}{% do copy.update(…) %}`",
            _ => "write the list as `[…]` or make it with `| list` to change it",
        };
        return Err(Refusal::new(format!("`{method}` does not work on this kind of value")).hint(hint).into());
    }
    let with_value: Vec<Value> = match method {
        "replace" => std::iter::once(value.clone()).chain(args.iter().cloned()).collect(),
        // The text on which the method is called joins the items.
        "join" => args.iter().take(1).cloned().chain([value.clone()]).collect(),
        _ => Vec::new(),
    };
    match method {
        "replace" => limits::replace(state, &with_value)?,
        "join" => limits::join(state, &with_value)?,
        "format" => limits::filled(state, value.as_str().unwrap_or_default(), args)?,
        _ => {}
    }
    match trimming::method(value, method, args) {
        Some(trimmed) => Ok(trimmed),
        None => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    }
}
