//! `dbt.…`: the macros that every dbt project has. They render the SQL of DuckDB's adapter.
//!
//! Their text is in `built_in.jinja`. If a template calls the plain name, a project's own macro `x` takes precedence.
//! Where dbt dispatches, the project's `duckdb__x` or `default__x` takes precedence.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Object, ObjectRepr, Value};
use minijinja::{Environment, Error, State};

use super::project_macro::ProjectMacro;
use super::refusal::Refusal;
use super::scope::scope;
use elt_base::error::nearest;

/// The prefix of the template names of built-in macros; the macro's name follows.
pub(crate) const BUILT_IN_FILE: &str = "dbt/";

/// Each macro's text by its name.
static BUILT_IN: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    const OPEN: &str = "{% macro ";
    let text = include_str!("built_in.jinja");
    let starts: Vec<usize> = text.match_indices(OPEN).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let piece = |(start, end): (&usize, usize)| {
        let piece = text[*start..end].trim_end();
        (piece[OPEN.len()..].split('(').next().unwrap_or_default(), piece)
    };
    starts.iter().zip(ends).map(piece).collect()
});

/// The text of a built-in macro.
pub(crate) fn built_in_text(name: &str) -> Option<&'static str> {
    BUILT_IN.get(name).copied()
}

pub(crate) fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains_key(name)
}

pub(super) fn install(env: &mut Environment<'static>) {
    for name in BUILT_IN.keys() {
        env.add_global(*name, Value::from_object(Dispatched((*name).to_owned())));
        env.add_global(format!("default__{name}"), implementation(name));
        env.add_global(format!("duckdb__{name}"), implementation(name));
    }
    env.add_global("dbt", Value::from_object(DbtNamespace));
}

/// The built-in macro itself, even if the project has a macro with that name.
fn implementation(name: &str) -> Value {
    Value::from_object(ProjectMacro { name: name.to_owned(), file: format!("{BUILT_IN_FILE}{name}") })
}

/// `adapter.dispatch`: the project's macro for DuckDB, its default macro, or dbt's own.
pub(super) fn dispatch(state: &State<'_, '_>, name: &str) -> Result<Value, Error> {
    // A name that includes its package: `dbt.dateadd`.
    let name = name.rsplit('.').next().unwrap_or(name);
    let scope = scope(state)?;
    let own = ["duckdb__", "default__"].iter().map(|prefix| format!("{prefix}{name}"));
    let own = own.into_iter().find(|named| scope.names.has_macro(named));
    let found = match own {
        Some(named) => state.lookup(&named),
        None if is_built_in(name) => Some(implementation(name)),
        None => state.lookup(name).filter(|value| !value.is_undefined()),
    };
    found.ok_or_else(|| Refusal::new(format!("macro `default__{name}` or `duckdb__{name}` does not exist")).into())
}

/// A built-in macro under its plain name.
#[derive(Debug)]
struct Dispatched(String);

impl Object for Dispatched {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        dispatch(state, &self.0)?.call(state, args)
    }
}

/// `dbt`.
#[derive(Debug)]
struct DbtNamespace;

/// The functions of `dbt.` that are not macros of `built_in.jinja`.
const FUNCTIONS: [&str; 7] = [
    "run_query",
    "statement",
    "is_incremental",
    "load_relation",
    "load_cached_relation",
    "set_sql_header",
    "get_columns_in_query",
];

impl Object for DbtNamespace {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if is_built_in(method) {
            return dispatch(state, method)?.call(state, args);
        }
        let plain = method.strip_prefix("default__").or_else(|| method.strip_prefix("duckdb__"));
        if let Some(plain) = plain.filter(|plain| is_built_in(plain)) {
            return implementation(plain).call(state, args);
        }
        if FUNCTIONS.contains(&method)
            && let Some(function) = state.lookup(method)
        {
            return function.call(state, args);
        }
        let known = BUILT_IN.keys().copied().chain(FUNCTIONS);
        let refusal = Refusal::new(format!("`dbt.{method}` is not supported"));
        Err(match nearest(method, known) {
            Some(near) => refusal.hint(format!("did you mean `dbt.{near}`?")),
            None => refusal.hint("write its code as a macro of the project"),
        }
        .into())
    }
}
