//! `config(…)`, `config.get(…)`, `config.require(…)`.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Serde, Value};
use minijinja::{Error, State};
use serde_json::Value as Json;

use super::arguments::Arguments;
use super::refusal::Refusal;
use super::scope::{lock, scope};
use crate::config::value;

#[derive(Debug)]
pub(super) struct ConfigObject;

impl Object for ConfigObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let scope = scope(state)?;
        for arg in args {
            let Ok(Json::Object(map)) = serde_json::to_value(arg) else {
                return Err(Refusal::new("write `config` with keys and values: `config(materialized='table')`").into());
            };
            value::merge(&mut lock(&scope.heard).config, map);
        }
        Ok(Value::from(""))
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let scope = scope(state)?;
        let arguments = Arguments::read("config.get", args)?;
        let key = arguments.get(0, "name").map(|key| key.to_string()).unwrap_or_default();
        let top =
            |key: &str| lock(&scope.heard).config.get(key).cloned().or_else(|| scope.setting.config.get(key).cloned());
        let (found, is_required) = match method {
            "get" => (top(&key), false),
            "require" => (top(&key), true),
            "meta_get" => (top("meta").and_then(|meta| meta.get(&key).cloned()), false),
            "meta_require" => (top("meta").and_then(|meta| meta.get(&key).cloned()), true),
            "persist_relation_docs" | "persist_column_docs" => {
                let part = if method == "persist_column_docs" { "columns" } else { "relation" };
                let wanted = top("persist_docs").and_then(|docs| docs.get(part)?.as_bool());
                return Ok(Value::from(wanted.unwrap_or(false)));
            }
            _ => {
                return Err(Refusal::new(format!("`config.{method}` is not supported"))
                    .hint("use `config.get` or `config.require`")
                    .into());
            }
        };
        match found {
            Some(found) => Ok(Value::from(Serde(found))),
            None if is_required && scope.setting.execute => {
                Err(Refusal::new(format!("configuration `{key}` is required, but not set")).into())
            }
            None => Ok(arguments.get(1, "default").unwrap_or(Value::from(()))),
        }
    }
}
