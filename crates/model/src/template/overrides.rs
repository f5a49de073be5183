//! What a unit test puts in the place of macros: values that stand under their names while its model is rendered.
//!
//! Knows names and values; not what they are overridden for.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Serde, Value};
use minijinja::{Error, ErrorKind, State};
use serde_json::Value as Json;

use elt_project::OverrideProperties;

/// What stands under a name of a template's context instead of its own meaning; None leaves that.
///
/// `dbt.current_timestamp` overrides `current_timestamp` too, unless that has a value of its own: dbt's macros go by both
/// names.
pub(crate) fn overridden(overrides: &Arc<OverrideProperties>, name: &str) -> Option<Value> {
    let macros = &overrides.macros;
    if let Some(value) = macros.get(name).or_else(|| macros.get(&format!("dbt.{name}"))) {
        return Some(Value::from_object(FixedMacro(value.clone())));
    }
    let is_package = |key: &String| key.split_once('.').is_some_and(|(package, _)| package == name);
    macros
        .keys()
        .any(is_package)
        .then(|| Value::from_object(Package { name: name.to_owned(), overrides: overrides.clone() }))
}

/// A macro that gives one value, whatever it is called with.
#[derive(Debug)]
struct FixedMacro(Json);

impl Object for FixedMacro {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Ok(Value::from(Serde(&self.0)))
    }
}

/// A package's name, some of whose macros are overridden; the others are its own.
#[derive(Debug)]
struct Package {
    name: String,
    overrides: Arc<OverrideProperties>,
}

impl Object for Package {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if let Some(value) = self.overrides.macros.get(&format!("{}.{method}", self.name)) {
            return Ok(Value::from(Serde(value)));
        }
        let own = state.env().globals().find(|(name, _)| *name == self.name).map(|(_, value)| value);
        match own {
            Some(own) => own.call_method(state, method, args),
            None => Err(Error::new(ErrorKind::UnknownMethod, format!("`{}.{method}` does not exist", self.name))),
        }
    }
}
