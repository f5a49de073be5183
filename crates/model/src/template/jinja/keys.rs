//! `elt`: the functions that templates have in addition to dbt's.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

use super::arguments::Arguments;
use super::refusal::Refusal;
use super::scope::{lock, scope};
use crate::sql::{KeyUse, column};

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_global("elt", Value::from_object(EltNamespace));
}

/// `elt`.
#[derive(Debug)]
struct EltNamespace;

impl Object for EltNamespace {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "surrogate_key" => surrogate_key(state, args),
            other => {
                Err(Error::new(ErrorKind::UnknownMethod, format!("`elt` has no `{other}`; it has `surrogate_key`")))
            }
        }
    }
}

/// `elt.surrogate_key('customer', 'national_id', from=ref('stg_customers'), type='integer')`.
fn surrogate_key(state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
    let arguments = Arguments::read("elt.surrogate_key", args)?;
    let map = arguments.text(0, "map")?;
    let columns = arguments.need(1, "columns")?;
    let columns: Vec<String> = match columns.kind() {
        ValueKind::Seq | ValueKind::Iterable => columns.try_iter()?.map(|value| column(&value.to_string())).collect(),
        _ => vec![column(&columns.to_string())],
    };
    if columns.is_empty() {
        return Err(Refusal::new("`elt.surrogate_key` needs at least one column").into());
    }
    let is_uuid = match arguments.get(3, "type").map(|value| value.to_string()).as_deref() {
        None | Some("integer" | "bigint") => false,
        Some("uuid") => true,
        Some(other) => {
            return Err(Refusal::new(format!("`elt.surrogate_key` cannot have the type `{other}`"))
                .hint("use `integer` or `uuid`")
                .into());
        }
    };
    let scope = scope(state)?;
    let from = arguments.get(2, "from").map(|value| value.to_string());
    if from.as_ref().is_some_and(|from| from.contains("__dbt__cte__")) {
        return Err(Refusal::new("`from` of `elt.surrogate_key` is an ephemeral model, which does not store rows")
            .hint("use a view or a table: it can be read before the model is built")
            .into());
    }
    let key = KeyUse { map, columns, from, is_uuid };
    let lookup = key.lookup();
    let mut heard = lock(&scope.heard);
    if !heard.keys.contains(&key) {
        heard.keys.push(key);
    }
    Ok(Value::from(lookup))
}
