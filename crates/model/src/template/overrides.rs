//! The replacements of macros in a unit test: fixed values that have the macros' names while its model is rendered.
//!
//! Knows names and values, but not the test.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Serde, Value};
use minijinja::{Error, ErrorKind, State};
use serde_json::Value as Json;

use elt_project::OverrideProperties;

/// The value that overrides a name of a template's context. None keeps the name's own meaning.
///
/// `dbt.current_timestamp` also overrides `current_timestamp`, unless that has its own override, because dbt's macros
/// have both names.
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

/// A macro that always returns the same value.
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

/// The name of a package with some overridden macros. Its other macros are unchanged.
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
