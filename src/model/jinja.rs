//! What Jinja sees: `ref`, `source`, `config`, `var`, `env_var`, `this`, `target`, macros and their kin.
//!
//! Functions are shared by all renderings; what differs from one to the next is the `Scope` they look up. Knows nothing
//! of files or the graph's nodes beyond the names that `Names` holds.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, State};
use serde_json::{Map, Value as Json};

use super::batches::{Batch, BatchSize};
use super::markup::MACRO_PREFIX;
use super::node::NodeId;
use super::overrides::overridden;
use super::relation::Relation;
use crate::error::nearest;
use crate::project::OverrideProperties;

/// A refusal of our own inside a template; its message is shown as it is.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub message: String,
    pub hint: Option<String>,
}

impl Refusal {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::new(ErrorKind::InvalidOperation, refusal.message.clone()).with_source(refusal)
    }
}

/// A call of `ref` or `source` with what it was given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Ref(String),
    Source(String, String),
}

/// What a name stands for once the graph is resolved.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub id: NodeId,
    pub relation: Relation,
    /// The name of the common table expression that stands for an ephemeral model.
    pub cte: Option<String>,
    /// The node's own `event_time`.
    pub event_time: Option<String>,
}

/// What all renderings share.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub project: String,
    pub schema: String,
    pub vars: Map<String, Json>,
    /// Empty while parsing.
    pub targets: OnceLock<HashMap<Call, Target>>,
    /// All project macros' names.
    pub macros: Vec<String>,
}

/// One rendering: whose it is, and what it said.
#[derive(Debug)]
pub(super) struct Scope {
    pub names: Arc<Names>,
    /// False while parsing: names are recorded, not resolved.
    pub execute: bool,
    pub is_incremental: bool,
    pub this: Option<Relation>,
    /// What `config.get` reads.
    pub config: Mutex<Map<String, Json>>,
    /// Makes one call fail, counted from 0 over `ref` and `source`, so that its place becomes known.
    pub fail_at: Option<(usize, Refusal)>,
    /// The nodes that may be reached in a resolved rendering; None allows all.
    pub allowed: Option<Vec<NodeId>>,
    /// A unit test's.
    pub overrides: Option<Arc<OverrideProperties>>,
    /// What the nodes that are mentioned are filtered by.
    pub batch: Option<(Batch, BatchSize)>,
    pub name: String,
    pub heard: Mutex<Heard>,
}

/// What a rendering said.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub calls: Vec<Call>,
    /// The maps given to `config()`, laid over each other.
    pub config: Map<String, Json>,
    /// Ephemeral models that were mentioned, each once.
    pub ephemerals: Vec<NodeId>,
    /// What a macro gave to `return`, while it unwinds.
    returned: Option<Value>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SCOPE: &str = "__scope";

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        if let Some(value) = self.overrides.as_ref().and_then(|overrides| overridden(overrides, name)) {
            return Some(value);
        }
        match name {
            SCOPE => Some(Value::from_dyn_object(self.clone())),
            "execute" => Some(Value::from(self.execute)),
            "this" => self.this.clone().map(|relation| {
                let shown = relation.to_string();
                Value::from_object(RelationValue { plain: shown.clone(), shown, relation })
            }),
            "model" => Some(Value::from_pairs([("name", Value::from(&self.name)), ("batch", self.batch())])),
            _ => None,
        }
    }
}

impl Scope {
    /// `model.batch`, as dbt has it; none outside of batches.
    fn batch(&self) -> Value {
        let Some((batch, size)) = self.batch else { return Value::from_object(NoBatch) };
        Value::from_pairs([
            ("id", size.name(batch.start).replace('-', "")),
            ("event_time_start", Batch::shown(batch.start)),
            ("event_time_end", Batch::shown(batch.end)),
        ])
    }
}

/// `model.batch` where no batch is built: false, and empty in all its parts, for a template that does not ask first.
#[derive(Debug)]
struct NoBatch;

impl Object for NoBatch {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(Value::from(""))
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }
}

fn scope(state: &State<'_, '_>) -> Result<Arc<Scope>, Error> {
    state
        .lookup(SCOPE)
        .and_then(|value| value.downcast_object::<Scope>())
        .ok_or_else(|| Refusal::new("nothing of the project can be named here").into())
}

/// A relation in a template: renders quoted, has `schema`, `identifier` and `name`.
#[derive(Debug)]
pub(super) struct RelationValue {
    pub shown: String,
    /// What `render()` gives: without the filter of a batch.
    pub plain: String,
    pub relation: Relation,
}

impl Object for RelationValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "schema" => Some(Value::from(&self.relation.schema)),
            "identifier" | "name" | "table" => Some(Value::from(&self.relation.identifier)),
            _ => None,
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "render" => Ok(Value::from(&self.plain)),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// Puts everything but the macros into an environment.
pub(super) fn install(env: &mut Environment<'static>, target: Value, environment: crate::project::Environment) {
    env.add_function("ref", jinja_ref);
    env.add_function("source", jinja_source);
    env.add_function("var", jinja_var);
    env.add_function("env_var", move |state: &mut State, name: String, default: Option<Value>| {
        let scope = scope(state)?;
        match scope.overrides.as_ref().and_then(|overrides| overrides.env_vars.get(&name)) {
            Some(value) => Ok(Value::from(Serde(value))),
            None => env_var(&environment, &name, default),
        }
    });
    env.add_function("is_incremental", |state: &mut State| Ok::<_, Error>(scope(state)?.is_incremental));
    env.add_function("log", |_: Rest<Value>, _: Kwargs| "");
    env.add_function("print", |_: Rest<Value>| "");
    env.add_function("run_query", |_: Rest<Value>| unsupported("run_query"));
    env.add_function("return", |state: &mut State, value: Option<Value>| {
        lock(&scope(state)?.heard).returned = Some(value.unwrap_or(Value::from(())));
        Err::<Value, Error>(Refusal::new("`return` works only in a macro of the project's `macros` folder").into())
    });
    env.add_function("tojson", |value: Value| serde_json::to_string(&value).map_err(json_error));
    env.add_function("fromjson", |text: String| {
        serde_json::from_str::<Json>(&text).map(|json| Value::from(Serde(json))).map_err(json_error)
    });
    env.add_filter("fromjson", |text: String| {
        serde_json::from_str::<Json>(&text).map(|json| Value::from(Serde(json))).map_err(json_error)
    });
    for name in ["as_bool", "as_native", "as_number", "as_text"] {
        env.add_filter(name, |value: Value| value);
    }
    env.add_global("config", Value::from_object(ConfigValue));
    env.add_global("exceptions", Value::from_object(Exceptions));
    env.add_global("adapter", Value::from_object(Adapter));
    env.add_global("target", target);
}

fn json_error(error: serde_json::Error) -> Error {
    Refusal::new(format!("cannot be read or written as JSON: {error}")).into()
}

fn unsupported(name: &str) -> Result<Value, Error> {
    Err(Refusal::new(format!("`{name}` is not supported"))
        .hint("a template is rendered before any query runs, so it cannot ask the database")
        .into())
}

fn text_args(function: &str, args: &[Value]) -> Result<Vec<String>, Error> {
    args.iter()
        .map(|arg| {
            arg.as_str()
                .map(str::to_owned)
                .ok_or_else(|| Refusal::new(format!("`{function}` takes names as text, not `{}`", arg.kind())).into())
        })
        .collect()
}

fn jinja_ref(state: &mut State, args: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    if kwargs.args().next().is_some() {
        return Err(Refusal::new("`ref` with a version is not supported").into());
    }
    let scope = scope(state)?;
    let names = text_args("ref", &args.0)?;
    let name = match names.as_slice() {
        [name] => name,
        [package, name] if *package == scope.names.project => name,
        [package, _] => {
            return Err(Refusal::new(format!("package `{package}` does not exist"))
                .hint(format!("the only package is this project, `{}`", scope.names.project))
                .into());
        }
        _ => return Err(Refusal::new("`ref` takes a model's name, or a package and a model's name").into()),
    };
    mention(&scope, Call::Ref(name.clone()))
}

fn jinja_source(state: &mut State, args: Rest<Value>) -> Result<Value, Error> {
    let scope = scope(state)?;
    let names = text_args("source", &args.0)?;
    match names.as_slice() {
        [source, table] => mention(&scope, Call::Source(source.clone(), table.clone())),
        _ => Err(Refusal::new("`source` takes a source's and a table's name: `source('loans', 'customers')`").into()),
    }
}

/// Records a call and gives the relation it stands for.
fn mention(scope: &Scope, call: Call) -> Result<Value, Error> {
    let mut heard = lock(&scope.heard);
    let number = heard.calls.len();
    heard.calls.push(call.clone());
    if let Some((_, refusal)) = scope.fail_at.as_ref().filter(|(at, _)| *at == number) {
        return Err(refusal.clone().into());
    }
    let Some(targets) = scope.names.targets.get() else {
        let relation = match &call {
            Call::Ref(name) => Relation::new(&scope.names.schema, name),
            Call::Source(source, table) => Relation::new(source, table),
        };
        let shown = relation.to_string();
        return Ok(Value::from_object(RelationValue { plain: shown.clone(), shown, relation }));
    };
    let described = match &call {
        Call::Ref(name) => format!("ref('{name}')"),
        Call::Source(source, table) => format!("source('{source}', '{table}')"),
    };
    let Some(target) = targets.get(&call) else {
        return Err(Refusal::new(format!("`{described}` names nothing in this project")).into());
    };
    if scope.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&target.id)) {
        return Err(Refusal::new(format!("`{described}` was not seen while the project was parsed"))
            .hint(format!("name it outside of the condition too: `-- depends_on: {{{{ {described} }}}}`"))
            .into());
    }
    let plain = match &target.cte {
        Some(cte) => {
            if !heard.ephemerals.contains(&target.id) {
                heard.ephemerals.push(target.id);
            }
            cte.clone()
        }
        None => target.relation.to_string(),
    };
    let shown = match (&scope.batch, &target.event_time) {
        (Some((batch, _)), Some(event_time)) => {
            format!("(select * from {plain} where {})", batch.condition(event_time))
        }
        _ => plain.clone(),
    };
    Ok(Value::from_object(RelationValue { shown, plain, relation: target.relation.clone() }))
}

fn jinja_var(state: &mut State, name: String, default: Option<Value>) -> Result<Value, Error> {
    let scope = scope(state)?;
    let overridden = scope.overrides.as_ref().and_then(|overrides| overrides.vars.get(&name));
    if let Some(value) = overridden.or_else(|| scope.names.vars.get(&name)) {
        return Ok(Value::from(Serde(value)));
    }
    default.ok_or_else(|| {
        let near = nearest(&name, scope.names.vars.keys().map(String::as_str));
        let refusal = Refusal::new(format!("variable `{name}` has no value"));
        match near {
            Some(near) => refusal.hint(format!("did you mean `{near}`?")),
            None => {
                refusal.hint(format!("give it in `[project.vars]`, with `--vars`, or as a default: `var('{name}', …)`"))
            }
        }
        .into()
    })
}

fn env_var(environment: &crate::project::Environment, name: &str, default: Option<Value>) -> Result<Value, Error> {
    match (environment.get(name), default) {
        (Some(value), _) => Ok(Value::from(value)),
        (None, Some(default)) => Ok(default),
        (None, None) => Err(Refusal::new(format!("environment variable `{name}` is not set"))
            .hint(format!("set it, also in `.env`, or give a default: `env_var('{name}', '…')`"))
            .into()),
    }
}

/// `config(…)`, `config.get(…)`, `config.require(…)`.
#[derive(Debug)]
struct ConfigValue;

impl Object for ConfigValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let scope = scope(state)?;
        for arg in args {
            let Ok(Json::Object(map)) = serde_json::to_value(arg) else {
                return Err(Refusal::new("`config` takes keys and values: `config(materialized='table')`").into());
            };
            super::config_value::merge(&mut lock(&scope.heard).config, map);
        }
        Ok(Value::from(""))
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let scope = scope(state)?;
        let (positional, kwargs): (Rest<Value>, Kwargs) = minijinja::value::from_args(args)?;
        let key = positional.first().and_then(Value::as_str).unwrap_or_default();
        let found = lock(&scope.heard).config.get(key).cloned().or_else(|| lock(&scope.config).get(key).cloned());
        match (method, found) {
            ("get" | "require", Some(found)) => Ok(Value::from(Serde(found))),
            ("get", None) => Ok(positional
                .get(1)
                .cloned()
                .or_else(|| kwargs.get::<Value>("default").ok())
                .unwrap_or(Value::from(()))),
            ("require", None) => Err(Refusal::new(format!("configuration `{key}` is required and not given")).into()),
            _ => Err(Refusal::new(format!("`config.{method}` is not supported"))
                .hint("`config` has `get` and `require`")
                .into()),
        }
    }
}

/// `exceptions.raise_compiler_error(…)` and `exceptions.warn(…)`.
#[derive(Debug)]
struct Exceptions;

impl Object for Exceptions {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "raise_compiler_error" | "raise_error" => {
                let text = args.first().map(ToString::to_string).unwrap_or_default();
                Err(Refusal::new(text).into())
            }
            "warn" => Ok(Value::from("")),
            _ => Err(Refusal::new(format!("`exceptions.{method}` is not supported")).into()),
        }
    }
}

/// `adapter.dispatch`; everything else it has in dbt asks the database.
#[derive(Debug)]
struct Adapter;

impl Object for Adapter {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if method != "dispatch" {
            return unsupported(&format!("adapter.{method}"));
        }
        let name = args.first().and_then(Value::as_str).unwrap_or_default();
        ["duckdb__", "default__", ""]
            .iter()
            .find_map(|prefix| state.lookup(&format!("{prefix}{name}")))
            .ok_or_else(|| Refusal::new(format!("no macro `default__{name}` or `duckdb__{name}` exists")).into())
    }
}

/// A project macro, callable from any template by its plain name.
#[derive(Debug)]
pub(super) struct ProjectMacro {
    pub name: String,
    /// The template that holds it.
    pub file: String,
}

impl Object for ProjectMacro {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        /// Macros that call each other deeper than this do so for ever.
        const DEPTH_MAX: usize = 60;
        thread_local!(static DEPTH: std::cell::Cell<usize> = const { std::cell::Cell::new(0) });
        struct Deeper;
        impl Drop for Deeper {
            fn drop(&mut self) {
                DEPTH.with(|depth| depth.set(depth.get().saturating_sub(1)));
            }
        }
        let scope = scope(state)?;
        let depth = DEPTH.with(|depth| depth.replace(depth.get() + 1));
        let _deeper = Deeper;
        if depth >= DEPTH_MAX {
            return Err(Refusal::new(format!("macro `{}` calls itself without end", self.name)).into());
        }
        let inner = format!("{MACRO_PREFIX}{}", self.name);
        let called = state.env().get_template(&self.file).and_then(|template| {
            let mut captured = template.render_captured(Value::from_dyn_object(scope.clone()))?;
            captured.with_state_mut(|state| state.call_macro(&inner, args))
        });
        match called {
            Ok(text) => Ok(Value::from(text)),
            Err(error) => match lock(&scope.heard).returned.take() {
                Some(value) => Ok(value),
                // Keeps the place inside the macro; the call's own place is added on the way out.
                None if error.line().is_some() => {
                    Err(Error::new(ErrorKind::InvalidOperation, format!("macro `{}` failed", self.name))
                        .with_source(error))
                }
                None => Err(error),
            },
        }
    }
}
