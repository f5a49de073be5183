//! Evaluates a MongoDB query over raw BSON documents: the `filter` of a source's table for files.
//!
//! `filter` is the same MongoDB query for every source, so that a project reads the same documents from a dump in `dev`
//! as from the server in `prod`. A server evaluates the query itself. For files this module does, because no crate
//! evaluates queries over raw BSON. SQL in a model could not replace it: `filter` also decides which rows a sweep
//! keeps.
//!
//! The semantics are those of server 8.0 without a collation (MongoDB manual, "Query Predicates"). Two rules matter
//! most. A path that reaches an array continues in each of its elements, and a test is true if it is true for any value
//! that the path reaches. A negation negates that whole result. `parse` creates the query from its text. Pure: knows
//! nothing of files or columns.

mod order;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use crate::bson::{self as raw, Fields, Kind, Malformed, Value};
use pattern::Pattern;

/// A parsed query.
#[derive(Debug, Clone)]
pub struct Query {
    root: QueryNode,
}

impl Query {
    pub fn matches(&self, document: &[u8]) -> Result<bool, Malformed> {
        self.root.holds(Subject::Document(Value { kind: Kind::Object, bytes: document, offset: 0 }))
    }
}

/// The value that a node tests.
#[derive(Debug, Clone, Copy)]
enum Subject<'a> {
    /// A document: its fields are found by their paths.
    Document(Value<'a>),
    /// An element of an array, which is tested itself. Paths are empty.
    Element(Value<'a>),
}

#[derive(Debug, Clone)]
enum QueryNode {
    All(Vec<QueryNode>),
    Any(Vec<QueryNode>),
    Not(Box<QueryNode>),
    Field(KeyPath, Test),
}

impl QueryNode {
    fn holds(&self, subject: Subject<'_>) -> Result<bool, Malformed> {
        match (self, subject) {
            (Self::All(nodes), _) => {
                for node in nodes {
                    if !node.holds(subject)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Self::Any(nodes), _) => {
                for node in nodes {
                    if node.holds(subject)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Self::Not(node), _) => Ok(!node.holds(subject)?),
            (Self::Field(path, test), Subject::Document(document)) => in_object(&path.steps, document, test),
            (Self::Field(_, test), Subject::Element(element)) => test.holds(Some(element)),
        }
    }
}

/// The keys of a dotted path.
#[derive(Debug, Clone)]
struct KeyPath {
    steps: Box<[KeyStep]>,
}

#[derive(Debug, Clone)]
struct KeyStep {
    key: Box<[u8]>,
    /// The key as an index of an array, if it is a number.
    index: Option<usize>,
}

impl KeyPath {
    fn parse(text: &str) -> Self {
        let step = |key: &str| {
            let index = key.parse().ok().filter(|index: &usize| index.to_string() == key);
            KeyStep { key: key.as_bytes().into(), index }
        };
        Self { steps: text.split('.').map(step).collect() }
    }
}

/// Whether `test` is true for any value that the path reaches from an object, or from an array, whose indexes are then
/// its keys.
fn in_object(steps: &[KeyStep], object: Value<'_>, test: &Test) -> Result<bool, Malformed> {
    let Some((step, rest)) = steps.split_first() else { return test.holds(Some(object)) };
    match find(object.fields()?, &step.key)? {
        Some(value) if value.kind == Kind::Array => in_array(rest, value, test),
        Some(value) if rest.is_empty() => test.holds(Some(value)),
        Some(value) if value.kind == Kind::Object => in_object(rest, value, test),
        _ => test.holds(None),
    }
}

fn in_array(steps: &[KeyStep], array: Value<'_>, test: &Test) -> Result<bool, Malformed> {
    if !steps.is_empty() {
        return in_elements(steps, array, test);
    }
    if !test.is_of_arrays() {
        let mut fields = array.fields()?;
        while let Some(element) = fields.next(&[])? {
            if test.holds(Some(element.value))? {
                return Ok(true);
            }
        }
    }
    test.holds(Some(array))
}

/// The path continues below an array: in each object, and in the element that it names by index. An array at the end
/// of a path of keys is tested by its elements, too; an array at an index is only tested whole.
fn in_elements(steps: &[KeyStep], array: Value<'_>, test: &Test) -> Result<bool, Malformed> {
    let Some((step, rest)) = steps.split_first() else { return Ok(false) };
    let mut fields = array.fields()?;
    let mut index = 0;
    while let Some(element) = fields.next(&[])? {
        let value = element.value;
        if value.kind == Kind::Object && in_object(steps, value, test)? {
            return Ok(true);
        }
        if step.index == Some(index) {
            let holds = match value.kind {
                _ if rest.is_empty() => test.holds(Some(value))?,
                Kind::Object => in_object(rest, value, test)?,
                Kind::Array => in_elements(rest, value, test)?,
                _ => false,
            };
            if holds {
                return Ok(true);
            }
        }
        index += 1;
    }
    Ok(false)
}

/// The first value of a key. The server uses the first value, too.
fn find<'a>(mut fields: Fields<'a>, key: &[u8]) -> Result<Option<Value<'a>>, Malformed> {
    while let Some(element) = fields.next(&[])? {
        if element.key == key {
            return Ok(Some(element.value));
        }
    }
    Ok(None)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
        }
    }

    /// A value is compared only with an operand of its own rank. There are two exceptions: a missing value equals null,
    /// and every value is between `MinKey` and `MaxKey`.
    fn holds(self, value: Option<Value<'_>>, operand: Value<'_>) -> Result<bool, Malformed> {
        let rank = value.map(|value| order::rank(value.kind));
        match value {
            Some(value) if rank == Some(order::rank(operand.kind)) => {
                if self != Self::Equal && (order::is_nan(value) || order::is_nan(operand)) {
                    let both = order::is_nan(value) && order::is_nan(operand);
                    return Ok(both && self.accepts(Ordering::Equal));
                }
                Ok(self.accepts(order::compare(value, operand)?))
            }
            None if operand.kind == Kind::Null => Ok(self.accepts(Ordering::Equal)),
            _ => Ok(match operand.kind {
                Kind::MinKey => self.accepts(Ordering::Greater),
                Kind::MaxKey => self.accepts(Ordering::Less),
                _ => false,
            }),
        }
    }
}

/// A value of the query.
#[derive(Debug, Clone)]
struct Operand {
    kind: Kind,
    bytes: Box<[u8]>,
}

impl Operand {
    fn new(value: &bson::Bson) -> Option<Self> {
        let document = bson::doc! { "v": value.clone() }.to_vec().ok()?;
        let value = raw::find(&document, b"v").ok()??;
        Some(Self { kind: value.kind, bytes: value.bytes.into() })
    }

    fn value(&self) -> Value<'_> {
        Value { kind: self.kind, bytes: &self.bytes, offset: 0 }
    }
}

/// A test of a single value. None is a missing value.
#[derive(Debug, Clone)]
enum Test {
    Compare(Comparison, Operand),
    In(InSet),
    Exists,
    /// One bit for each kind. The kind's number is the bit's position.
    Type(u32),
    Regex(Pattern),
    Size(i64),
    /// At least one element of the array is an object (or array) that matches as a document.
    ElementObject(Box<QueryNode>),
    /// At least one element of the array passes the tests itself.
    Element(Box<QueryNode>),
    Remainder {
        divisor: i64,
        remainder: i64,
    },
}

impl Test {
    /// Whether an array is only tested whole, and not by its elements.
    fn is_of_arrays(&self) -> bool {
        matches!(self, Self::Size(_) | Self::ElementObject(_) | Self::Element(_))
    }

    fn holds(&self, value: Option<Value<'_>>) -> Result<bool, Malformed> {
        match self {
            Self::Compare(comparison, operand) => comparison.holds(value, operand.value()),
            Self::In(set) => set.contains(value),
            Self::Exists => Ok(value.is_some()),
            Self::Type(kinds) => Ok(value.is_some_and(|value| kinds & (1 << value.kind as u32) != 0)),
            Self::Regex(pattern) => Ok(value.is_some_and(|value| pattern.holds(value))),
            Self::Remainder { divisor, remainder } => Ok(value
                .and_then(order::truncate)
                // Only the least number divided by -1 overflows, and its remainder is 0.
                .is_some_and(|dividend| dividend.wrapping_rem(*divisor) == *remainder)),
            Self::Size(size) => {
                let Some(array) = array(value) else { return Ok(false) };
                let (mut fields, mut count) = (array.fields()?, 0);
                while fields.next(&[])?.is_some() {
                    count += 1;
                }
                Ok(count == *size)
            }
            Self::ElementObject(node) | Self::Element(node) => {
                let Some(array) = array(value) else { return Ok(false) };
                let mut fields = array.fields()?;
                while let Some(element) = fields.next(&[])? {
                    let holds = match (self, element.value.kind) {
                        (Self::Element(_), _) => node.holds(Subject::Element(element.value))?,
                        (_, Kind::Object | Kind::Array) => node.holds(Subject::Document(element.value))?,
                        _ => false,
                    };
                    if holds {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }
}

fn array(value: Option<Value<'_>>) -> Option<Value<'_>> {
    value.filter(|value| value.kind == Kind::Array)
}

/// The operand of `$in`.
#[derive(Debug, Clone)]
struct InSet {
    /// Sorted and without duplicates, because lists of ids may be long.
    values: Vec<Operand>,
    patterns: Vec<Pattern>,
}

impl InSet {
    fn new(mut values: Vec<Operand>, patterns: Vec<Pattern>) -> Self {
        let order =
            |a: &Operand, b: &Operand| order::compare(a.value(), b.value()).unwrap_or_else(|_| a.bytes.cmp(&b.bytes));
        values.sort_by(order);
        values.dedup_by(|a, b| order(a, b).is_eq());
        Self { values, patterns }
    }

    fn contains(&self, value: Option<Value<'_>>) -> Result<bool, Malformed> {
        let Some(value) = value else { return Ok(self.values.iter().any(|operand| operand.kind == Kind::Null)) };
        let mut malformed = None;
        let found = self.values.binary_search_by(|operand| {
            order::compare(operand.value(), value).unwrap_or_else(|error| {
                malformed = Some(error);
                Ordering::Equal
            })
        });
        match malformed {
            Some(error) => Err(error),
            None => Ok(found.is_ok() || self.patterns.iter().any(|pattern| pattern.holds(value))),
        }
    }
}
