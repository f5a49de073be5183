//! Reads a query's text: Extended JSON, then MongoDB's operators.
//!
//! A query that the server does not accept is an error here, too. So is an operator that only a server can evaluate.
//! Messages name operators, never values. Does not know how a query is evaluated.

use bson::{Bson, Document};

use super::pattern::Pattern;
use super::{Comparison, InSet, KeyPath, Operand, Query, QueryNode, Test, order};
use crate::bson::Kind;

/// Operators that the server supports, but this module does not.
const OF_SERVERS: [&str; 19] = [
    "$expr",
    "$where",
    "$text",
    "$jsonSchema",
    "$sampleRate",
    "$rand",
    "$geoIntersects",
    "$geoWithin",
    "$geoNear",
    "$within",
    "$near",
    "$nearSphere",
    "$maxDistance",
    "$minDistance",
    "$uniqueDocs",
    "$bitsAllSet",
    "$bitsAllClear",
    "$bitsAnySet",
    "$bitsAnyClear",
];

type ParsedQuery<T> = Result<T, String>;

impl Query {
    /// `text` is Extended JSON v2, canonical or relaxed. The error is a message without values of the query.
    pub fn parse(text: &str) -> ParsedQuery<Self> {
        parse(text).map(|root| Self { root })
    }
}

fn parse(text: &str) -> ParsedQuery<QueryNode> {
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("invalid JSON: {error}"))?;
    match Bson::try_from(json) {
        Ok(Bson::Document(document)) => parse_document(&document),
        Ok(_) => Err("a query must be a JSON object".to_owned()),
        // The error's own text may contain the value.
        Err(_) => Err("a value is not valid Extended JSON".to_owned()),
    }
}

fn parse_document(document: &Document) -> ParsedQuery<QueryNode> {
    let mut nodes = Vec::with_capacity(document.len());
    for (key, value) in document {
        match key.as_str() {
            "$and" => nodes.push(QueryNode::All(parse_list(key, value)?)),
            "$or" => nodes.push(QueryNode::Any(parse_list(key, value)?)),
            "$nor" => nodes.push(QueryNode::Not(Box::new(QueryNode::Any(parse_list(key, value)?)))),
            "$comment" => {}
            // The fields of a reference to another document are ordinary fields.
            "$ref" | "$id" | "$db" => nodes.push(equality(&KeyPath::parse(key), key, value)?),
            _ if key.starts_with('$') => return Err(unknown(key)),
            _ => parse_field(key, value, &mut nodes)?,
        }
    }
    Ok(QueryNode::All(nodes))
}

fn unknown(operator: &str) -> String {
    if OF_SERVERS.contains(&operator) {
        format!("operator `{operator}` is not supported on files")
    } else {
        format!("unknown operator `{operator}`")
    }
}

fn parse_list(operator: &str, value: &Bson) -> ParsedQuery<Vec<QueryNode>> {
    let documents = match value {
        Bson::Array(items) if !items.is_empty() => items.iter().map(Bson::as_document).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let documents = documents.ok_or_else(|| format!("`{operator}` requires a list of at least one object"))?;
    documents.into_iter().map(parse_document).collect()
}

fn parse_field(key: &str, value: &Bson, nodes: &mut Vec<QueryNode>) -> ParsedQuery<()> {
    let path = KeyPath::parse(key);
    match value {
        Bson::Document(operators) if is_operators(operators, false) => parse_operators(&path, operators, nodes),
        Bson::RegularExpression(_) => {
            nodes.push(QueryNode::Field(path, Test::Regex(pattern(value)?)));
            Ok(())
        }
        _ => {
            nodes.push(equality(&path, key, value)?);
            Ok(())
        }
    }
}

/// Whether a document is a set of operators and not a value. A reference to another document, with `$ref` and `$id`
/// (or one of them if `part_of_reference`), is a value.
fn is_operators(document: &Document, part_of_reference: bool) -> bool {
    let has = |key| document.contains_key(key);
    let refers = if part_of_reference { has("$ref") || has("$id") || has("$db") } else { has("$ref") && has("$id") };
    document.keys().next().is_some_and(|key| key.starts_with('$')) && !refers
}

fn equality(path: &KeyPath, name: &str, value: &Bson) -> ParsedQuery<QueryNode> {
    Ok(QueryNode::Field(path.clone(), Test::Compare(Comparison::Equal, operand(name, value)?)))
}

fn operand(name: &str, value: &Bson) -> ParsedQuery<Operand> {
    if matches!(value, Bson::Undefined) {
        return Err(format!("`{name}` cannot be compared with undefined"));
    }
    Operand::new(value).ok_or_else(|| format!("the value of `{name}` cannot be written as BSON"))
}

fn not(node: QueryNode) -> QueryNode {
    QueryNode::Not(Box::new(node))
}

fn parse_operators(path: &KeyPath, operators: &Document, nodes: &mut Vec<QueryNode>) -> ParsedQuery<()> {
    for (key, value) in operators {
        let field = |test| QueryNode::Field(path.clone(), test);
        nodes.push(match key.as_str() {
            "$eq" => equality(path, key, value)?,
            "$ne" => not(field(compare(Comparison::Equal, key, value)?)),
            "$gt" => field(compare(Comparison::Greater, key, value)?),
            "$gte" => field(compare(Comparison::GreaterOrEqual, key, value)?),
            "$lt" => field(compare(Comparison::Less, key, value)?),
            "$lte" => field(compare(Comparison::LessOrEqual, key, value)?),
            "$in" => field(Test::In(parse_set(key, value)?)),
            "$nin" => not(field(Test::In(parse_set(key, value)?))),
            "$exists" if is_true(value) => field(Test::Exists),
            "$exists" => not(field(Test::Exists)),
            "$type" => field(Test::Type(parse_kinds(value)?)),
            "$not" => not(parse_not(path, value)?),
            "$regex" => field(Test::Regex(parse_regex(value, operators.get("$options"))?)),
            "$options" if operators.contains_key("$regex") => continue,
            "$options" => return Err("`$options` requires a `$regex`".to_owned()),
            "$size" => field(Test::Size(parse_size(value)?)),
            "$all" => parse_all(path, value)?,
            "$elemMatch" => field(parse_element(value)?),
            "$mod" => field(parse_remainder(value)?),
            "$comment" => continue,
            _ => return Err(unknown(key)),
        });
    }
    Ok(())
}

/// A comparison by operator, which does not accept a regular expression as its value.
fn compare(comparison: Comparison, operator: &str, value: &Bson) -> ParsedQuery<Test> {
    if matches!(value, Bson::RegularExpression(_)) {
        return Err(format!("`{operator}` does not accept a regular expression"));
    }
    Ok(Test::Compare(comparison, operand(operator, value)?))
}

fn parse_set(operator: &str, value: &Bson) -> ParsedQuery<InSet> {
    let Bson::Array(items) = value else { return Err(format!("`{operator}` requires a list")) };
    let (mut values, mut patterns) = (Vec::with_capacity(items.len()), Vec::new());
    for item in items {
        match item {
            Bson::RegularExpression(_) => patterns.push(pattern(item)?),
            Bson::Document(document) if is_operators(document, false) => {
                return Err(format!("`{operator}` does not accept operators"));
            }
            _ => values.push(operand(operator, item)?),
        }
    }
    Ok(InSet::new(values, patterns))
}

/// Reads a flag like the server.
fn is_true(value: &Bson) -> bool {
    match value {
        Bson::Boolean(value) => *value,
        Bson::Null | Bson::Undefined => false,
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => {
            Operand::new(value).zip(Operand::new(&Bson::Int32(0))).is_none_or(|(value, zero)| {
                order::compare(value.value(), zero.value()).is_ok_and(std::cmp::Ordering::is_ne)
            })
        }
        _ => true,
    }
}

/// A number without a fraction.
fn integer(value: &Bson) -> Option<i64> {
    let operand = Operand::new(value)?;
    let whole = order::truncate(operand.value())?;
    let same = Operand::new(&Bson::Int64(whole))?;
    order::compare(operand.value(), same.value()).ok()?.is_eq().then_some(whole)
}

fn parse_kinds(value: &Bson) -> ParsedQuery<u32> {
    let one = std::slice::from_ref(value);
    let items = value.as_array().map_or(one, Vec::as_slice);
    let mut kinds = 0;
    for item in items {
        let found = match item {
            Bson::String(alias) if alias == "number" => Some(
                kind_bit(Kind::Double) | kind_bit(Kind::Int32) | kind_bit(Kind::Int64) | kind_bit(Kind::Decimal128),
            ),
            Bson::String(alias) => Kind::ALL.into_iter().find(|kind| kind.name() == alias).map(kind_bit),
            _ => {
                integer(item).and_then(|code| Kind::ALL.into_iter().find(|kind| kind_code(*kind) == code)).map(kind_bit)
            }
        };
        kinds |= found.ok_or("`$type` requires the name or the number of a type, or a list of them")?;
    }
    if kinds == 0 { Err("`$type` requires at least one type".to_owned()) } else { Ok(kinds) }
}

fn kind_bit(kind: Kind) -> u32 {
    1 << kind as u32
}

/// The number of a type in a query: the format's tag as a signed number.
fn kind_code(kind: Kind) -> i64 {
    match kind {
        Kind::MinKey => -1,
        Kind::MaxKey => 127,
        _ => kind as i64,
    }
}

fn parse_not(path: &KeyPath, value: &Bson) -> ParsedQuery<QueryNode> {
    match value {
        Bson::RegularExpression(_) => Ok(QueryNode::Field(path.clone(), Test::Regex(pattern(value)?))),
        Bson::Document(operators) if !operators.is_empty() => {
            let mut nodes = Vec::with_capacity(operators.len());
            parse_operators(path, operators, &mut nodes)?;
            Ok(QueryNode::All(nodes))
        }
        _ => Err("`$not` requires operators or a regular expression".to_owned()),
    }
}

fn parse_regex(value: &Bson, options: Option<&Bson>) -> ParsedQuery<Pattern> {
    let options = match options {
        None => None,
        Some(Bson::String(options)) => Some(options.as_str()),
        Some(_) => return Err("`$options` requires a string".to_owned()),
    };
    match value {
        Bson::String(source) => Pattern::new(source, options.unwrap_or_default()),
        Bson::RegularExpression(regex) => match (regex.options.as_str(), options) {
            (own, None) => Pattern::new(regex.pattern.as_str(), own),
            ("", Some(options)) => Pattern::new(regex.pattern.as_str(), options),
            _ => Err("options are set in both `$regex` and `$options`".to_owned()),
        },
        _ => Err("`$regex` requires a string or a regular expression".to_owned()),
    }
}

fn pattern(value: &Bson) -> ParsedQuery<Pattern> {
    parse_regex(value, None)
}

fn parse_size(value: &Bson) -> ParsedQuery<i64> {
    integer(value).filter(|size| *size >= 0).ok_or_else(|| "`$size` requires a whole number of at least 0".to_owned())
}

/// The path must reach each item of the list. An empty list matches no document.
fn parse_all(path: &KeyPath, value: &Bson) -> ParsedQuery<QueryNode> {
    let Bson::Array(items) = value else { return Err("`$all` requires a list".to_owned()) };
    if items.is_empty() {
        return Ok(QueryNode::Any(Vec::new()));
    }
    let of_elements = items.first().and_then(element_condition).is_some();
    let mut nodes = Vec::with_capacity(items.len());
    for item in items {
        let test = match item {
            _ if of_elements => match (element_condition(item), item.as_document()) {
                (Some(condition), Some(document)) if document.len() == 1 => parse_element(condition)?,
                _ => return Err("`$all` accepts only values, or only `$elemMatch`".to_owned()),
            },
            Bson::RegularExpression(_) => Test::Regex(pattern(item)?),
            Bson::Document(document) if is_operators(document, false) => {
                return Err("`$all` accepts no operator except `$elemMatch`".to_owned());
            }
            _ => Test::Compare(Comparison::Equal, operand("$all", item)?),
        };
        nodes.push(QueryNode::Field(path.clone(), test));
    }
    Ok(QueryNode::All(nodes))
}

/// The condition of `{"$elemMatch": condition}`.
fn element_condition(item: &Bson) -> Option<&Bson> {
    item.as_document()?.iter().next().filter(|(key, _)| *key == "$elemMatch").map(|(_, condition)| condition)
}

fn parse_element(value: &Bson) -> ParsedQuery<Test> {
    let Bson::Document(document) = value else { return Err("`$elemMatch` requires an object".to_owned()) };
    let first = document.keys().next().map(String::as_str);
    if !is_operators(document, true) || matches!(first, Some("$and" | "$or" | "$nor" | "$where")) {
        return Ok(Test::ElementObject(Box::new(parse_document(document)?)));
    }
    let mut nodes = Vec::with_capacity(document.len());
    parse_operators(&KeyPath { steps: Box::default() }, document, &mut nodes)?;
    Ok(Test::Element(Box::new(QueryNode::All(nodes))))
}

fn parse_remainder(value: &Bson) -> ParsedQuery<Test> {
    let numbers = match value.as_array().map(Vec::as_slice) {
        Some([divisor, remainder]) => truncated(divisor).zip(truncated(remainder)),
        _ => None,
    };
    match numbers {
        Some((0, _)) => Err("the divisor of `$mod` is 0".to_owned()),
        Some((divisor, remainder)) => Ok(Test::Remainder { divisor, remainder }),
        None => Err("`$mod` requires a list of two numbers: the divisor and the remainder".to_owned()),
    }
}

fn truncated(value: &Bson) -> Option<i64> {
    Operand::new(value).and_then(|operand| order::truncate(operand.value()))
}
