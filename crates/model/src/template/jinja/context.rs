//! The plain functions of dbt's context: `var`, `env_var`, `log`, `return`, `tojson`, `exceptions` and related
//! functions.

use std::sync::Arc;

use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, Serde, Tuple, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, context};
use serde_json::Value as Json;

use super::arguments::Arguments;
use super::collections;
use super::limits;
use super::reference::{jinja_ref, jinja_source};
use super::refusal::Refusal;
use super::scope::{lock, scope};
use crate::template::TemplateMessage;
use crate::template::markup::{self, MODULO};
use elt_base::error::nearest;

pub(super) fn install(env: &mut Environment<'static>, environment: elt_project::Environment) {
    env.add_function("ref", jinja_ref);
    env.add_function("source", jinja_source);
    env.add_global(
        "builtins",
        Value::from_pairs([
            ("ref", Value::from_function(jinja_ref)),
            ("source", Value::from_function(jinja_source)),
            ("config", Value::from_object(super::config_object::ConfigObject)),
        ]),
    );
    env.add_global("var", Value::from_object(Var));
    env.add_function("env_var", move |state: &mut State, name: String, default: Option<Value>| {
        let scope = scope(state)?;
        match scope.setting.overrides.as_ref().and_then(|overrides| overrides.env_vars.get(&name)) {
            Some(value) => Ok(Value::from(Serde(value))),
            None => env_var(&environment, &name, default),
        }
    });
    env.add_function("is_incremental", |state: &mut State| Ok::<_, Error>(scope(state)?.setting.is_incremental));
    env.add_function("log", log);
    env.add_function("print", print);
    env.add_function("return", |state: &mut State, value: Option<Value>| {
        lock(&scope(state)?.heard).returned = Some(value.unwrap_or(Value::from(())));
        Err::<Value, Error>(Refusal::new("`return` works only in a macro of the project's `macros` folder").into())
    });
    env.add_function("debug", |_: Rest<Value>| {
        Err::<Value, Error>(
            Refusal::new("`debug()` is not supported")
                .hint("use `log(…, info=true)` to show a value on the console")
                .into(),
        )
    });
    env.add_global("exceptions", Value::from_object(Exceptions));
    env.add_global("thread_id", "main");
    texts(env);
    env.add_function(MODULO, modulo);
}

/// Functions that convert values to values.
fn texts(env: &mut Environment<'static>) {
    env.add_function("tojson", to_json);
    env.add_filter("tojson", to_json);
    env.add_function("fromjson", from_json);
    env.add_filter("fromjson", from_json);
    env.add_function("toyaml", to_yaml);
    env.add_filter("toyaml", to_yaml);
    env.add_function("fromyaml", from_yaml);
    env.add_filter("fromyaml", from_yaml);
    env.add_function("local_md5", |value: Value| elt_base::digest::md5(&markup::unmarked(&value.to_string())));
    for name in ["as_bool", "as_native", "as_number", "as_text"] {
        env.add_filter(name, |value: Value| value);
    }
    env.add_function("set", |value: Value, default: Option<Value>| distinct(&value).or_else(|e| default.ok_or(e)));
    env.add_function("set_strict", |value: Value| distinct(&value));
    env.add_function("zip", |lists: Rest<Value>, kwargs: Kwargs| {
        zip(&lists.0).or_else(|error| kwargs.get::<Value>("default").map_err(|_| error))
    });
    env.add_function("zip_strict", |lists: Rest<Value>| zip(&lists.0));
    env.add_function("diff_of_two_dicts", |first: Value, second: Value| differences(&first, &second));
}

fn refused(what: &str, cause: impl std::fmt::Display) -> Error {
    Refusal::new(format!("cannot be read or written as {what}: {cause}")).into()
}

fn to_json(state: &State, value: Value, args: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let arguments = Arguments::of("tojson", args, named);
    limits::depth(&value)?;
    let Ok(json) = serde_json::to_value(&value) else {
        return arguments.get(0, "default").ok_or_else(|| refused("JSON", value.kind()));
    };
    let json = if arguments.flag(1, "sort_keys", false) { sorted(json) } else { json };
    let mut text = String::new();
    python_json(&json, &mut text);
    limits::text(state, text.len() as u64)?;
    Ok(Value::from(text))
}

fn sorted(json: Json) -> Json {
    match json {
        Json::Object(map) => {
            let mut pairs: Vec<(String, Json)> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(pairs.into_iter().collect())
        }
        Json::Array(values) => Json::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// JSON in Python's notation: a blank after each comma and colon, and only ASCII characters.
fn python_json(json: &Json, text: &mut String) {
    match json {
        Json::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                python_json(value, text);
            }
            text.push(']');
        }
        Json::Object(map) => {
            text.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                python_json(&Json::String(key.clone()), text);
                text.push_str(": ");
                python_json(value, text);
            }
            text.push('}');
        }
        other => {
            for c in other.to_string().chars() {
                if c.is_ascii() {
                    text.push(c);
                } else {
                    c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
                }
            }
        }
    }
}

fn from_json(text: Value, default: Option<Value>) -> Result<Value, Error> {
    match serde_json::from_str::<Json>(&text.to_string()) {
        Ok(json) => Ok(Value::from(Serde(json))),
        Err(cause) => default.ok_or_else(|| refused("JSON", cause)),
    }
}

fn to_yaml(value: Value, args: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let arguments = Arguments::of("toyaml", args, named);
    limits::depth(&value)?;
    let Ok(json) = serde_json::to_value(&value) else {
        return arguments.get(0, "default").ok_or_else(|| refused("YAML", value.kind()));
    };
    let json = if arguments.flag(1, "sort_keys", false) { sorted(json) } else { json };
    let mut text = String::new();
    yaml(&json, 0, &mut text);
    Ok(Value::from(text))
}

/// Block YAML of a value. A text that could be read as another type is quoted.
fn yaml(json: &Json, indent: usize, text: &mut String) {
    let pad = " ".repeat(indent);
    let is_block = |value: &Json| match value {
        Json::Array(values) => !values.is_empty(),
        Json::Object(map) => !map.is_empty(),
        _ => false,
    };
    match json {
        Json::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                text.push_str(&format!("{pad}{}:", scalar(&Json::String(key.clone()))));
                if is_block(value) {
                    text.push('\n');
                    // A list is written below its key without its own indentation.
                    yaml(value, if value.is_array() { indent } else { indent + 2 }, text);
                } else {
                    text.push_str(&format!(" {}\n", scalar(value)));
                }
            }
        }
        Json::Array(values) if !values.is_empty() => {
            for value in values {
                if is_block(value) {
                    let mut inner = String::new();
                    yaml(value, indent + 2, &mut inner);
                    text.push_str(&format!("{pad}- {}", inner.trim_start()));
                } else {
                    text.push_str(&format!("{pad}- {}\n", scalar(value)));
                }
            }
        }
        other => text.push_str(&format!("{}\n", scalar(other))),
    }
}

fn scalar(json: &Json) -> String {
    let Json::String(text) = json else {
        return match json {
            Json::Array(_) => "[]".into(),
            Json::Object(_) => "{}".into(),
            other => other.to_string(),
        };
    };
    let is_plain = text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || " _-./".contains(c))
        && !text.ends_with(' ')
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if is_plain { text.clone() } else { format!("'{}'", text.replace('\'', "''")) }
}

fn from_yaml(text: Value, default: Option<Value>) -> Result<Value, Error> {
    match serde_saphyr::from_str::<Json>(&text.to_string()) {
        Ok(json) => Ok(Value::from(Serde(json))),
        Err(cause) => default
            .ok_or_else(|| refused("YAML", cause.without_snippet().to_string().lines().next().unwrap_or_default())),
    }
}

fn distinct(value: &Value) -> Result<Value, Error> {
    let mut seen: Vec<Value> = Vec::new();
    for value in value.try_iter()? {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    collections::list(&Value::from(seen))
}

fn zip(lists: &[Value]) -> Result<Value, Error> {
    let lists: Result<Vec<Vec<Value>>, Error> = lists.iter().map(|list| Ok(list.try_iter()?.collect())).collect();
    let lists = lists?;
    let length = lists.iter().map(Vec::len).min().unwrap_or(0);
    let tuple =
        |index: usize| Value::from(Tuple::from(lists.iter().map(|list| list[index].clone()).collect::<Vec<_>>()));
    Ok(Value::from((0..length).map(tuple).collect::<Vec<_>>()))
}

/// The keys of the first map whose lists contain items that are missing in the second map.
fn differences(first: &Value, second: &Value) -> Result<Value, Error> {
    let mut found = Vec::new();
    for key in first.try_iter()? {
        let own: Vec<Value> = first.get_item(&key)?.try_iter()?.collect();
        let other: Vec<Value> = match second.get_item(&key) {
            Ok(values) if !values.is_undefined() => values.try_iter()?.collect(),
            _ => Vec::new(),
        };
        let lacking: Vec<Value> = own.into_iter().filter(|value| !other.contains(value)).collect();
        if !lacking.is_empty() {
            found.push((key, Value::from(lacking)));
        }
    }
    Ok(Value::from_pairs(found))
}

/// `a % b`: if `a` is a text, it is a pattern to fill, as in Python.
fn modulo(state: &mut State, a: Value, b: Value) -> Result<Value, Error> {
    let Some(pattern) = a.as_str() else {
        return state.env().compile_expression("a % b")?.eval(context! { a, b });
    };
    limits::filled(state, pattern, std::slice::from_ref(&b))?;
    let filled = if b.is_tuple() {
        format(FormatStyle::Printf, pattern, &b.try_iter()?.collect::<Vec<_>>())
    } else if b.kind() == ValueKind::Map {
        let mut pairs = Vec::new();
        for key in b.try_iter()? {
            pairs.push((key.to_string(), b.get_item(&key)?));
        }
        format(FormatStyle::Printf, pattern, &[Value::from(Kwargs::from_iter(pairs))])
    } else {
        format(FormatStyle::Printf, pattern, &[b])
    };
    filled.map(Value::from)
}

/// `log(message, info=false)`: a message that is not for the console is dropped, because it is for dbt's log file.
fn log(state: &mut State, args: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let arguments = Arguments::of("log", args, named);
    if arguments.flag(1, "info", false) {
        let message = arguments.positional.first().map(ToString::to_string);
        let message = message.or_else(|| arguments.get(0, "msg").map(|value| value.to_string()));
        scope(state)?.say(TemplateMessage::Line(message.unwrap_or_default()));
    }
    Ok(Value::from(""))
}

fn print(state: &mut State, args: Rest<Value>) -> Result<Value, Error> {
    let scope = scope(state)?;
    if scope.setting.execute {
        let parts: Vec<String> = args.0.iter().map(ToString::to_string).collect();
        scope.say(TemplateMessage::Line(parts.join(" ")));
    }
    Ok(Value::from(""))
}

/// `var('name', default)` and `var.has_var('name')`.
#[derive(Debug)]
struct Var;

impl Object for Var {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::read("var", args)?;
        let name = arguments.text(0, "var")?;
        let scope = scope(state)?;
        let overridden = scope.setting.overrides.as_ref().and_then(|overrides| overrides.vars.get(&name));
        if let Some(value) = overridden.or_else(|| scope.names.vars.get(&name)) {
            return Ok(Value::from(Serde(value)));
        }
        let default = arguments.positional.get(1).cloned().or_else(|| arguments.named.get("default").ok());
        default.ok_or_else(|| {
            let near = nearest(&name, scope.names.vars.keys().map(String::as_str));
            let refusal = Refusal::new(format!("variable `{name}` has no value"));
            match near {
                Some(near) => refusal.hint(format!("did you mean `{near}`?")),
                None => refusal.hint(format!(
                    "set it in `[project.vars]` or with `--vars`, or write a default: `var('{name}', …)`"
                )),
            }
            .into()
        })
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if method != "has_var" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let name = Arguments::read("var.has_var", args)?.text(0, "var")?;
        Ok(Value::from(scope(state)?.names.vars.contains_key(&name)))
    }
}

fn env_var(environment: &elt_project::Environment, name: &str, default: Option<Value>) -> Result<Value, Error> {
    match (environment.get(name), default) {
        (Some(value), _) => Ok(Value::from(value)),
        (None, Some(default)) => Ok(default),
        (None, None) => Err(Refusal::new(format!("environment variable `{name}` is not set"))
            .hint(format!("set it in the environment or in `.env`, or write a default: `env_var('{name}', '…')`"))
            .into()),
    }
}

/// `exceptions.raise_compiler_error(…)` and `exceptions.warn(…)`.
#[derive(Debug)]
struct Exceptions;

impl Object for Exceptions {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let text = || args.first().map(ToString::to_string).unwrap_or_default();
        match method {
            "raise_compiler_error"
            | "raise_error"
            | "raise_not_implemented"
            | "raise_parsing_error"
            | "raise_database_error"
            | "raise_dependency_error" => Err(Refusal::new(text()).into()),
            "warn" => {
                let scope = scope(state)?;
                let place = scope.place_of(state, "exceptions.warn");
                scope.say(TemplateMessage::Warning(crate::messages::template_warning(&text(), place)));
                Ok(Value::from(""))
            }
            _ => Err(Refusal::new(format!("`exceptions.{method}` is not supported"))
                .hint("use `raise_compiler_error` or `warn` of `exceptions`")
                .into()),
        }
    }
}
