//! The limits of one rendering: its steps, the text and the items that it makes, and the depth of its values.
//!
//! A template is a program, and a small mistake in it can need more time or memory than there is. The engine counts
//! steps; everything that can make a text or a list much longer than its inputs asks here first. Knows no template.

use minijinja::value::{Kwargs, Rest, Tuple, Value, ValueKind};
use minijinja::{Environment, Error, Output, State};

use super::refusal::Refusal;
use super::scope::scope;
use super::used::refused;
use crate::template::markup::{CONCAT, MULTIPLY};

/// The instructions of the engine within one template or macro call.
pub(crate) const STEPS_MAX: u64 = 10_000_000;
/// The items of a list.
pub(super) const ITEMS_MAX: usize = 1_000_000;
/// Lists within lists.
const DEPTH_MAX: usize = 200;
/// The characters to which a text is padded.
const PADDING_MAX: u64 = 100_000;

/// Fails if a text of that length would be too much.
pub(super) fn text(state: &State<'_, '_>, bytes: u64) -> Result<(), Error> {
    // The places of a template are found without a scope that counts.
    scope(state).map_or(Ok(()), |scope| scope.used.text(bytes))
}

/// Fails if a list of that length would be too long.
pub(super) fn items(count: usize) -> Result<(), Error> {
    if count > ITEMS_MAX { Err(refused(format!("a list has more than {ITEMS_MAX} items"))) } else { Ok(()) }
}

/// Fails if a value is nested too deeply, or contains itself. Visits at most as many items as a list may have.
pub(super) fn depth(value: &Value) -> Result<(), Error> {
    let is_container = |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable);
    if !is_container(value) {
        return Ok(());
    }
    let mut open = vec![(value.clone(), 1)];
    let mut visited = 0;
    while let Some((value, depth)) = open.pop() {
        if depth > DEPTH_MAX {
            return Err(refused(format!("a list or map contains itself, or is nested more than {DEPTH_MAX} times")));
        }
        let is_map = value.kind() == ValueKind::Map;
        // Iterables may be read only once.
        if value.kind() == ValueKind::Iterable {
            continue;
        }
        let Ok(keys) = value.try_iter() else { continue };
        for key in keys {
            visited += 1;
            items(visited)?;
            let inner = if is_map { value.get_item(&key).unwrap_or_default() } else { key };
            if is_container(&inner) {
                open.push((inner, depth + 1));
            }
        }
    }
    Ok(())
}

/// The bytes of a value as text, as far as they are known without making the text.
fn length(value: &Value) -> u64 {
    value.as_str().map_or(16, str::len) as u64
}

pub(super) fn install(env: &mut Environment<'static>) {
    env.set_fuel(Some(STEPS_MAX));
    env.set_formatter(|out: &mut Output, state: &mut State, value: &Value| {
        depth(value)?;
        text(state, length(value))?;
        minijinja::escape_formatter(out, state, value)
    });
    env.add_function(CONCAT, concat);
    env.add_function(MULTIPLY, multiply);
    use minijinja::filters;
    guard(env, "join", Value::from_function(filters::join), join);
    guard(env, "replace", Value::from_function(filters::replace), replace);
    guard(env, "indent", Value::from_function(filters::indent), indent);
    guard(env, "batch", Value::from_function(filters::batch), parts);
    guard(env, "slice", Value::from_function(filters::slice), parts);
    guard(env, "format", Value::from_function(filters::format), format);
    guard(env, "pprint", Value::from_function(filters::pprint), nested);
    guard(env, "sort", Value::from_function(filters::sort), nested);
    guard(env, "unique", Value::from_function(filters::unique), nested);
    guard(env, "string", Value::from_function(|value: Value| value.to_string()), nested);
}

/// Checks the arguments of a filter before it runs.
fn guard(
    env: &mut Environment<'static>,
    name: &'static str,
    inner: Value,
    check: fn(&State<'_, '_>, &[Value]) -> Result<(), Error>,
) {
    env.add_filter(name, move |state: &mut State, args: Rest<Value>| {
        check(state, &args.0)?;
        inner.call(state, &args.0)
    });
}

/// A named argument, or the one at a position.
fn argument(args: &[Value], at: usize, name: &str) -> Option<Value> {
    let named = args.last().and_then(|last| Kwargs::try_from(last.clone()).ok());
    named.and_then(|named| named.get::<Value>(name).ok()).or_else(|| args.get(at).cloned())
}

fn nested(state: &State<'_, '_>, args: &[Value]) -> Result<(), Error> {
    // A text that is printed as a literal can double.
    args.iter().try_for_each(|value| depth(value).and_then(|()| text(state, length(value) * 2)))
}

pub(super) fn join(state: &State<'_, '_>, args: &[Value]) -> Result<(), Error> {
    let joiner = argument(args, 1, "d").map_or(0, |joiner| length(&joiner));
    let Some(list) = args.first().filter(|list| matches!(list.kind(), ValueKind::Seq | ValueKind::Map)) else {
        return Ok(());
    };
    items(list.len().unwrap_or(0))?;
    depth(list)?;
    let bytes: u64 = list.try_iter()?.map(|item| length(&item) + joiner).sum();
    text(state, bytes)
}

pub(super) fn replace(state: &State<'_, '_>, args: &[Value]) -> Result<(), Error> {
    let (Some(value), Some(from), Some(to)) = (
        args.first().and_then(Value::as_str),
        args.get(1).and_then(Value::as_str),
        args.get(2).and_then(Value::as_str),
    ) else {
        return args.iter().try_for_each(depth);
    };
    let count = if to.len() > from.len() { value.matches(from).count() as u64 } else { 0 };
    text(state, value.len() as u64 + count.saturating_mul(to.len() as u64))
}

fn indent(state: &State<'_, '_>, args: &[Value]) -> Result<(), Error> {
    let width = argument(args, 1, "width").and_then(|width| width.as_usize()).unwrap_or(4) as u64;
    padding(width)?;
    let Some(value) = args.first().and_then(Value::as_str) else { return Ok(()) };
    text(state, value.len() as u64 + (value.matches('\n').count() as u64 + 1).saturating_mul(width))
}

fn padding(width: u64) -> Result<(), Error> {
    if width <= PADDING_MAX {
        return Ok(());
    }
    let refusal = Refusal::new(format!("a text is padded to {width} characters"));
    Err(refusal.hint(format!("a text is padded to at most {PADDING_MAX} characters")).into())
}

fn parts(_: &State<'_, '_>, args: &[Value]) -> Result<(), Error> {
    args.get(1).and_then(Value::as_usize).map_or(Ok(()), items)
}

fn format(state: &State<'_, '_>, args: &[Value]) -> Result<(), Error> {
    args.first().and_then(Value::as_str).map_or(Ok(()), |pattern| filled(state, pattern, &args[1..]))
}

/// Checks a pattern with `%` or `{}` and its values before it is filled.
pub(super) fn filled(state: &State<'_, '_>, pattern: &str, values: &[Value]) -> Result<(), Error> {
    let mut bytes = pattern.len() as u64;
    // A number in a pattern can be a width or a precision.
    for digits in pattern.split(|c: char| !c.is_ascii_digit()).filter(|digits| digits.len() > 2) {
        let width = digits.parse().unwrap_or(u64::MAX);
        padding(width)?;
        bytes = bytes.saturating_add(width);
    }
    // `%*d` and `{:{}}` take a width from a value.
    let takes_width = pattern.contains('*') || pattern.split('}').any(|part| part.matches('{').count() > 1);
    let fields = pattern.matches(['%', '{']).count() as u64;
    // A field with a name or a number can be there several times.
    let names = |part: &str| part.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let repeats = pattern.contains("%(") || pattern.split('{').skip(1).any(names);
    let mut open: Vec<Value> = values.to_vec();
    while let Some(value) = open.pop() {
        depth(&value)?;
        if takes_width {
            let width = value.as_i64().map_or(0, i64::unsigned_abs);
            padding(width)?;
            bytes = bytes.saturating_add(width.saturating_mul(fields));
        }
        bytes = bytes.saturating_add(length(&value).saturating_mul(if repeats { fields } else { 1 }));
        if let Ok(named) = Kwargs::try_from(value.clone()) {
            let names: Vec<String> = named.args().map(str::to_owned).collect();
            open.extend(names.iter().filter_map(|name| named.get::<Value>(name).ok()));
        } else if value.kind() == ValueKind::Seq {
            open.extend(value.try_iter()?.take(1_000));
        }
    }
    text(state, bytes)
}

/// `a ~ b`.
fn concat(state: &mut State, a: Value, b: Value) -> Result<Value, Error> {
    if let (Some(first), Some(second)) = (a.as_str(), b.as_str()) {
        text(state, (first.len() + second.len()) as u64)?;
        return Ok(Value::from(format!("{first}{second}")));
    }
    depth(&a)?;
    depth(&b)?;
    text(state, length(&a) + length(&b))?;
    if a.is_undefined() || b.is_undefined() {
        return state.env().compile_expression("a ~ b")?.eval(minijinja::context! { a, b });
    }
    Ok(Value::from(format!("{a}{b}")))
}

/// `a * b`: texts and lists can be repeated.
fn multiply(state: &mut State, a: Value, b: Value) -> Result<Value, Error> {
    if let (Some(one), Some(other)) = (integer(&a), integer(&b))
        && let Some(product) = one.checked_mul(other)
    {
        return Ok(Value::from(product));
    }
    for (value, times) in [(&a, &b), (&b, &a)] {
        let times = times.as_usize().unwrap_or(0) as u64;
        if let Some(repeated) = value.as_str() {
            text(state, times.saturating_mul(repeated.len() as u64))?;
        } else if value.kind() == ValueKind::Seq {
            let count = times.saturating_mul(value.len().unwrap_or(0) as u64);
            items(usize::try_from(count).unwrap_or(usize::MAX))?;
        }
    }
    state.env().compile_expression("a * b")?.eval(minijinja::context! { a, b })
}

/// Checks the operands of `+`, and returns the sum of integers, which is the most frequent one.
pub(super) fn add(state: &State<'_, '_>, a: &Value, b: &Value) -> Result<Option<Value>, Error> {
    if let (Some(one), Some(other)) = (integer(a), integer(b)) {
        return Ok(one.checked_add(other).map(Value::from));
    }
    if let (Some(first), Some(second)) = (a.as_str(), b.as_str()) {
        text(state, (first.len() + second.len()) as u64)?;
        return Ok(Some(Value::from(format!("{first}{second}"))));
    }
    if a.kind() == ValueKind::Seq && b.kind() == ValueKind::Seq {
        items(a.len().unwrap_or(0).saturating_add(b.len().unwrap_or(0)))?;
        // The engine's sum is a tree of its operands, whose length takes long to find.
        let sum: Vec<Value> = a.try_iter()?.chain(b.try_iter()?).collect();
        return Ok(Some(if a.is_tuple() && b.is_tuple() { Tuple::from(sum).into() } else { Value::from(sum) }));
    }
    Ok(None)
}

fn integer(value: &Value) -> Option<i64> {
    if value.kind() == ValueKind::Number && value.is_integer() { value.as_i64() } else { None }
}
