//! `modules.re` and `modules.itertools`, with the functions that templates use. `modules.datetime` has a separate file.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Rest, Tuple, Value};
use minijinja::{Error, ErrorKind, State};
use regex::{Captures, Regex, RegexBuilder};

use super::arguments::Arguments;
use super::datetime;
use super::limits;
use super::refusal::Refusal;

/// `modules`.
pub(super) fn modules() -> Value {
    Value::from_pairs([
        ("datetime", datetime::module()),
        ("pytz", datetime::zones()),
        ("re", Value::from_object(Re)),
        ("itertools", Value::from_object(Itertools)),
    ])
}

const IGNORE_CASE: i64 = 2;
const MULTI_LINE: i64 = 8;
const DOT_ALL: i64 = 16;

#[derive(Debug)]
struct Re;

impl Object for Re {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(Value::from(match key.as_str()? {
            "I" | "IGNORECASE" => IGNORE_CASE,
            "M" | "MULTILINE" => MULTI_LINE,
            "S" | "DOTALL" => DOT_ALL,
            _ => return None,
        }))
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::read("re", args)?;
        if method == "escape" {
            return Ok(Value::from(regex::escape(&arguments.text(0, "pattern")?)));
        }
        let flags_at = match method {
            "compile" => 1,
            "sub" => 4,
            "split" => 3,
            "match" | "search" | "fullmatch" | "findall" => 2,
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        };
        let flags = arguments.get(flags_at, "flags").and_then(|flags| flags.as_i64()).unwrap_or(0);
        let pattern = RePattern::new(&arguments.text(0, "pattern")?, flags)?;
        if method == "compile" {
            return Ok(Value::from_object(pattern));
        }
        pattern.apply(state, method, &arguments, 1)
    }
}

/// A compiled expression.
#[derive(Debug)]
struct RePattern {
    text: String,
    flags: i64,
    regex: Regex,
}

fn build(pattern: &str, flags: i64) -> Result<Regex, Error> {
    RegexBuilder::new(pattern)
        .case_insensitive(flags & IGNORE_CASE != 0)
        .multi_line(flags & MULTI_LINE != 0)
        .dot_matches_new_line(flags & DOT_ALL != 0)
        .build()
        .map_err(|_| {
            Refusal::new(format!("`{pattern}` is not a regular expression that `elt` supports"))
                .hint("remove look-around and back-references")
                .into()
        })
}

impl RePattern {
    fn new(text: &str, flags: i64) -> Result<Self, Error> {
        Ok(Self { text: text.to_owned(), flags, regex: build(text, flags)? })
    }

    fn apply(&self, state: &State<'_, '_>, method: &str, arguments: &Arguments, at: usize) -> Result<Value, Error> {
        let found =
            |captures: Option<Captures>| captures.map_or(Value::from(()), |found| Match::value(&self.regex, &found));
        let text = |index: usize| arguments.text(index, "string");
        match method {
            "search" => Ok(found(self.regex.captures(&text(at)?))),
            "match" => Ok(found(build(&format!("^(?:{})", self.text), self.flags & !MULTI_LINE)?.captures(&text(at)?))),
            "fullmatch" => {
                Ok(found(build(&format!("^(?:{})$", self.text), self.flags & !MULTI_LINE)?.captures(&text(at)?)))
            }
            "findall" => {
                let text = text(at)?;
                let of = |captures: Captures| {
                    let group = |index: usize| Value::from(captures.get(index).map_or("", |group| group.as_str()));
                    match captures.len() {
                        1 => group(0),
                        2 => group(1),
                        many => Value::from(Tuple::from((1..many).map(group).collect::<Vec<_>>())),
                    }
                };
                Ok(Value::from(self.regex.captures_iter(&text).map(of).collect::<Vec<_>>()))
            }
            "split" => {
                let text = text(at)?;
                let most = arguments.get(at + 1, "maxsplit").and_then(|most| most.as_usize()).filter(|most| *most > 0);
                let parts: Vec<Value> = match most {
                    Some(most) => self.regex.splitn(&text, most + 1).map(Value::from).collect(),
                    None => self.regex.split(&text).map(Value::from).collect(),
                };
                Ok(Value::from(parts))
            }
            "sub" => {
                let replacement = replacement(&arguments.text(at, "repl")?);
                let text = text(at + 1)?;
                let most = arguments.get(at + 2, "count").and_then(|most| most.as_usize()).unwrap_or(0);
                let count = self.regex.find_iter(&text).count() as u64;
                limits::text(state, text.len() as u64 + count.saturating_mul(replacement.len() as u64))?;
                Ok(Value::from(self.regex.replacen(&text, most, replacement.as_str()).into_owned()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// Converts Python's `\1` and `\g<name>` to the notation of this crate.
fn replacement(python: &str) -> String {
    let mut ours = String::new();
    let mut rest = python;
    while let Some(at) = rest.find(['\\', '$']) {
        ours.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if rest[at..].starts_with('$') {
            ours.push_str("$$");
            rest = after;
            continue;
        }
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 {
            ours.push_str(&format!("${{{}}}", &after[..digits]));
            rest = &after[digits..];
        } else if let Some((name, tail)) = after.strip_prefix("g<").and_then(|name| name.split_once('>')) {
            ours.push_str(&format!("${{{name}}}"));
            rest = tail;
        } else {
            let (literal, length) = match after.chars().next() {
                Some('n') => ('\n', 1),
                Some('t') => ('\t', 1),
                Some(other) => (other, other.len_utf8()),
                None => ('\\', 0),
            };
            ours.push(literal);
            rest = &after[length..];
        }
    }
    ours.push_str(rest);
    ours
}

impl Object for RePattern {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "pattern").then(|| Value::from(&self.text))
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        self.apply(state, method, &Arguments::read("re", args)?, 0)
    }
}

/// A match of an expression.
#[derive(Debug)]
struct Match {
    /// Text, start and end of each group; the whole match is first. Positions are bytes.
    groups: Vec<Option<(String, usize, usize)>>,
    names: Vec<(String, usize)>,
}

impl Match {
    fn value(regex: &Regex, found: &Captures) -> Value {
        let groups =
            found.iter().map(|group| group.map(|group| (group.as_str().to_owned(), group.start(), group.end())));
        let names = regex.capture_names().enumerate().filter_map(|(index, name)| Some((name?.to_owned(), index)));
        Value::from_object(Self { groups: groups.collect(), names: names.collect() })
    }

    fn group(&self, index: usize) -> Value {
        self.groups.get(index).and_then(Option::as_ref).map_or(Value::from(()), |(text, ..)| Value::from(text))
    }

    fn index(&self, key: Option<&Value>) -> Result<usize, Error> {
        let Some(key) = key else { return Ok(0) };
        let found = match key.as_str() {
            Some(name) => self.names.iter().find(|(known, _)| known == name).map(|(_, index)| *index),
            None => key.as_usize().filter(|index| *index < self.groups.len()),
        };
        found.ok_or_else(|| Refusal::new(format!("the expression has no group `{key}`")).into())
    }
}

impl Object for Match {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.index(Some(key)).ok().map(|index| self.group(index))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let edge = |first: bool| -> Result<i64, Error> {
            let group = self.groups.get(self.index(args.first())?).and_then(Option::as_ref);
            Ok(group.map_or(-1, |(_, start, end)| if first { *start as i64 } else { *end as i64 }))
        };
        Ok(match method {
            "group" if args.len() > 1 => {
                let groups: Result<Vec<Value>, Error> =
                    args.iter().map(|key| Ok(self.group(self.index(Some(key))?))).collect();
                Value::from(Tuple::from(groups?))
            }
            "group" => self.group(self.index(args.first())?),
            "groups" => {
                Value::from(Tuple::from((1..self.groups.len()).map(|index| self.group(index)).collect::<Vec<_>>()))
            }
            "groupdict" => Value::from_pairs(self.names.iter().map(|(name, index)| (name.clone(), self.group(*index)))),
            "start" => Value::from(edge(true)?),
            "end" => Value::from(edge(false)?),
            "span" => Value::from(Tuple::from([Value::from(edge(true)?), Value::from(edge(false)?)])),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

#[derive(Debug)]
struct Itertools;

impl Object for Itertools {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        // `chain.from_iterable(lists)`.
        let flat = |lists: Value| -> Result<Value, Error> { chained(&lists.try_iter()?.collect::<Vec<_>>()) };
        (key.as_str()? == "chain").then(|| Value::from_object(Chain(Value::from_function(flat))))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let (lists, last) = args.split_at(args.len().saturating_sub(1));
        let size = |value: Option<&Value>| value.and_then(Value::as_usize).unwrap_or(0);
        match method {
            "chain" => chained(args),
            "product" => {
                let mut all: Vec<Vec<Value>> = vec![Vec::new()];
                for list in args {
                    let values: Vec<Value> = list.try_iter()?.take(limits::ITEMS_MAX + 1).collect();
                    bounded(all.len().saturating_mul(values.len()))?;
                    all = all.iter().flat_map(|head| values.iter().map(|value| with(head, value))).collect();
                }
                Ok(tuples(all))
            }
            "combinations" | "permutations" if lists.len() == 1 => {
                let values: Vec<Value> = lists[0].try_iter()?.collect();
                let is_ordered = method == "permutations";
                let mut all: Vec<Vec<usize>> = vec![Vec::new()];
                for _ in 0..size(last.first()) {
                    // Each step makes at most this many, and looks at no more items.
                    bounded(all.len().saturating_mul(values.len()))?;
                    let next = |head: &Vec<usize>| {
                        let from = if is_ordered { 0 } else { head.last().map_or(0, |last| last + 1) };
                        let free: Vec<usize> = (from..values.len()).filter(|index| !head.contains(index)).collect();
                        free.into_iter().map(|index| head.iter().copied().chain([index]).collect()).collect::<Vec<_>>()
                    };
                    all = all.iter().flat_map(next).collect();
                    bounded(all.len())?;
                }
                let of = |indexes: Vec<usize>| indexes.into_iter().map(|index| values[index].clone()).collect();
                Ok(tuples(all.into_iter().map(of).collect()))
            }
            _ => Err(Refusal::new(format!("`modules.itertools.{method}` is not supported"))
                .hint("use `chain`, `product`, `combinations` or `permutations`")
                .into()),
        }
    }
}

/// A template that needs more combinations would not end within a working day.
fn bounded(length: usize) -> Result<(), Error> {
    const MOST: usize = 1_000_000;
    if length > MOST { Err(Refusal::new("the result has more than a million combinations").into()) } else { Ok(()) }
}

fn with(head: &[Value], value: &Value) -> Vec<Value> {
    head.iter().chain([value]).cloned().collect()
}

fn tuples(all: Vec<Vec<Value>>) -> Value {
    Value::from(all.into_iter().map(|values| Value::from(Tuple::from(values))).collect::<Vec<_>>())
}

fn chained(lists: &[Value]) -> Result<Value, Error> {
    let mut all: Vec<Value> = Vec::new();
    for list in lists {
        all.extend(list.try_iter()?.take(limits::ITEMS_MAX + 1));
        limits::items(all.len())?;
    }
    Ok(Value::from(all))
}

#[derive(Debug)]
struct Chain(Value);

impl Object for Chain {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "from_iterable").then(|| self.0.clone())
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (lists,): (Rest<Value>,) = minijinja::value::from_args(args)?;
        chained(&lists.0)
    }
}
