//! Lists and maps that a template can change: `{% do names.append('x') %}`.
//!
//! The engine's own values never change. If a project changes any list or map, its literals become these values.

use std::fmt;
use std::sync::{Arc, Mutex};

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple, Value, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State};

use super::limits;
use super::refusal::Refusal;
use super::scope::lock;
use crate::template::markup::{LIST, MAP};

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_function(LIST, |value: Value| list(&value));
    env.add_function(MAP, |value: Value| map(&value));
    env.add_filter("list", |value: Value| list(&value));
}

/// A list that can be changed. It is built from any value that can be looped over.
pub(super) fn list(value: &Value) -> Result<Value, Error> {
    let values = match value.kind() {
        ValueKind::Undefined | ValueKind::None => Vec::new(),
        ValueKind::String => value.as_str().unwrap_or_default().chars().map(|c| Value::from(c.to_string())).collect(),
        _ => {
            limits::items(value.len().unwrap_or(0))?;
            let values: Vec<Value> = value.try_iter()?.take(limits::ITEMS_MAX + 1).collect();
            limits::items(values.len())?;
            values
        }
    };
    Ok(Value::from_object(List(Mutex::new(values))))
}

fn map(value: &Value) -> Result<Value, Error> {
    let mut pairs = Vec::new();
    for key in value.try_iter()? {
        let item = value.get_item(&key)?;
        pairs.push((key, item));
    }
    Ok(Value::from_object(Dict(Mutex::new(pairs))))
}

#[derive(Debug)]
struct List(Mutex<Vec<Value>>);

fn position(index: i64, length: usize) -> usize {
    let index = if index < 0 { index + length as i64 } else { index };
    usize::try_from(index).unwrap_or(0)
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let values = lock(&self.0);
        let index = key.as_i64()?;
        values.get(usize::try_from(if index < 0 { index + values.len() as i64 } else { index }).ok()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(lock(&self.0).clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let none = Ok(Value::from(()));
        match method {
            "append" => {
                let (value,): (Value,) = from_args(args)?;
                not_within(self, &value)?;
                lock(&self.0).push(value);
                none
            }
            "extend" => {
                let (more,): (Value,) = from_args(args)?;
                limits::items(more.len().unwrap_or(0).saturating_add(lock(&self.0).len()))?;
                let more: Vec<Value> = more.try_iter()?.take(limits::ITEMS_MAX + 1).collect();
                more.iter().try_for_each(|value| not_within(self, value))?;
                let mut values = lock(&self.0);
                limits::items(values.len() + more.len())?;
                values.extend(more);
                none
            }
            "insert" => {
                let (index, value): (i64, Value) = from_args(args)?;
                not_within(self, &value)?;
                let mut values = lock(&self.0);
                let at = position(index, values.len()).min(values.len());
                values.insert(at, value);
                none
            }
            "pop" => {
                let (index,): (Option<i64>,) = from_args(args)?;
                let mut values = lock(&self.0);
                let at = position(index.unwrap_or(-1), values.len());
                if at >= values.len() {
                    return Err(Refusal::new("`pop` of an item that the list does not contain").into());
                }
                Ok(values.remove(at))
            }
            "remove" => {
                let (value,): (Value,) = from_args(args)?;
                let mut values = lock(&self.0);
                let Some(at) = values.iter().position(|known| *known == value) else {
                    return Err(Refusal::new("`remove` of an item that the list does not contain").into());
                };
                values.remove(at);
                none
            }
            "index" => {
                let (value,): (Value,) = from_args(args)?;
                match lock(&self.0).iter().position(|known| *known == value) {
                    Some(at) => Ok(Value::from(at)),
                    None => Err(Refusal::new("`index` of an item that the list does not contain").into()),
                }
            }
            "clear" => {
                lock(&self.0).clear();
                none
            }
            "reverse" => {
                lock(&self.0).reverse();
                none
            }
            "sort" => {
                lock(&self.0).sort();
                none
            }
            "copy" => Ok(Value::from_object(Self(Mutex::new(lock(&self.0).clone())))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = lock(&self.0).clone();
        write!(f, "{}", Value::from(values))
    }
}

#[derive(Debug)]
struct Dict(Mutex<Vec<(Value, Value)>>);

/// Fails if `value` is the container, or contains it, or is nested too deeply: it must not become one of its items.
fn not_within<T: Object + 'static>(container: &Arc<T>, value: &Value) -> Result<(), Error> {
    limits::depth(value)?;
    let own = Arc::as_ptr(container).cast::<()>();
    let mut open = vec![value.clone()];
    let mut visited = 0;
    while let Some(value) = open.pop() {
        visited += 1;
        limits::items(visited)?;
        let is_own =
            value.downcast_object::<T>().is_some_and(|inner| std::ptr::eq(Arc::as_ptr(&inner).cast::<()>(), own));
        if is_own {
            return Err(Refusal::new("a list or map cannot contain itself").hint("add a copy: `x.copy()`").into());
        }
        let is_map = value.kind() == ValueKind::Map;
        if !is_map && value.kind() != ValueKind::Seq {
            continue;
        }
        for key in value.try_iter()? {
            let inner = if is_map { value.get_item(&key).unwrap_or_default() } else { key };
            if matches!(inner.kind(), ValueKind::Seq | ValueKind::Map) {
                open.push(inner);
            }
        }
    }
    Ok(())
}

impl Dict {
    fn put(&self, key: Value, value: Value) {
        let mut pairs = lock(&self.0);
        match pairs.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => pairs.push((key, value)),
        }
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        lock(&self.0).iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(lock(&self.0).iter().map(|(key, _)| key.clone()).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(lock(&self.0).len())
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let none = Value::from(());
        match method {
            "update" => {
                for more in args {
                    for key in more.try_iter()? {
                        let value = more.get_item(&key)?;
                        not_within(self, &value)?;
                        self.put(key, value);
                    }
                }
                Ok(none)
            }
            "setdefault" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                if let Some(found) = self.get_value(&key) {
                    return Ok(found);
                }
                let value = default.unwrap_or(none);
                not_within(self, &value)?;
                self.put(key, value.clone());
                Ok(value)
            }
            "pop" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                let mut pairs = lock(&self.0);
                match (pairs.iter().position(|(known, _)| *known == key), default) {
                    (Some(at), _) => Ok(pairs.remove(at).1),
                    (None, Some(default)) => Ok(default),
                    (None, None) => {
                        Err(Refusal::new(format!("`pop` of `{key}`, which the map does not contain")).into())
                    }
                }
            }
            "popitem" => match lock(&self.0).pop() {
                Some((key, value)) => Ok(Value::from(Tuple::from([key, value]))),
                None => Err(Refusal::new("`popitem` of an empty map").into()),
            },
            "clear" => {
                lock(&self.0).clear();
                Ok(none)
            }
            "copy" => Ok(Value::from_object(Self(Mutex::new(lock(&self.0).clone())))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = lock(&self.0).clone();
        write!(f, "{}", Value::from_pairs(pairs))
    }
}
