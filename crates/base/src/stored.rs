//! Reads JSON that `elt` stored and that contains the types of columns: a manifest, a part of a load, a warehouse's state.
//!
//! Types are nested in each other, and a reader of JSON accepts only so many levels. Older versions of `elt` stored types
//! that were nested more deeply. In such a text, the types below the deepest level of today are read as JSON columns.
//! Pure.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::schema::Nesting;

/// A value, and whether types in it were too deep.
#[derive(Debug)]
pub struct Stored<T> {
    pub value: T,
    pub is_cut: bool,
}

pub fn read<T: DeserializeOwned>(text: &str) -> serde_json::Result<Stored<T>> {
    let text = shallow(text);
    let is_cut = matches!(text, Cow::Owned(_));
    Ok(Stored { value: serde_json::from_str(&text)?, is_cut })
}

/// The most brackets that are open at once in a text that is read as it is. The reader's own limit is 128.
const BRACKETS_MAX: usize = 120;

/// Replaces the types that are too deep.
fn shallow(text: &str) -> Cow<'_, str> {
    if brackets(text) <= BRACKETS_MAX {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    // For each open bracket, the nesting of the types in it.
    let mut open: Vec<Nesting> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        let rest = &text[at..];
        let length = match byte {
            b'"' => string(rest),
            b'{' | b'[' => {
                let around = open.last().copied().unwrap_or(Nesting::COLUMN);
                let (is_struct, is_list) = (rest.starts_with("{\"struct\":"), rest.starts_with("{\"list\":"));
                if (is_struct && !around.may_be_struct()) || (is_list && !around.may_be_list()) {
                    out.push_str("\"json\"");
                    at += value(rest);
                    continue;
                }
                open.push(match (is_struct, is_list) {
                    (true, _) => around.field(),
                    (_, true) => around.element(),
                    _ => around,
                });
                1
            }
            b'}' | b']' => {
                open.pop();
                1
            }
            _ => rest.find(['"', '{', '[', '}', ']']).unwrap_or(rest.len()),
        };
        out.push_str(&rest[..length]);
        at += length;
    }
    Cow::Owned(out)
}

/// The most brackets that are open at once.
fn brackets(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    walk(text, &mut |bracket| {
        depth = if matches!(bracket, b'{' | b'[') { depth + 1 } else { depth.saturating_sub(1) };
        deepest = deepest.max(depth);
        true
    });
    deepest
}

/// The length of the value that begins with a bracket.
fn value(text: &str) -> usize {
    let mut depth = 0_usize;
    walk(text, &mut |bracket| {
        depth = if matches!(bracket, b'{' | b'[') { depth + 1 } else { depth.saturating_sub(1) };
        depth > 0
    })
}

/// Calls `see` with each bracket outside strings until it is false. Returns the length of the text up to there.
fn walk(text: &str, see: &mut impl FnMut(u8) -> bool) -> usize {
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => at += string(&text[at..]),
            b'{' | b'[' | b'}' | b']' => {
                at += 1;
                if !see(*byte) {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of the string that begins here, with its quotes.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::schema::{Column, ColumnType, bounded};

    /// Structs and lists in each other.
    fn nested(levels: usize) -> Vec<Column> {
        let mut column_type = ColumnType::BigInt;
        for level in 0..levels {
            column_type = match level % 3 {
                0 => ColumnType::List(Box::new(column_type)),
                _ => ColumnType::Struct(vec![
                    Column::new("a \"[{", ColumnType::Decimal { scale: 2 }),
                    Column::new("k", column_type),
                ]),
            };
        }
        vec![Column::new("v", column_type), Column::new("w", ColumnType::Varchar)]
    }

    #[track_caller]
    fn check(levels: usize, is_cut: bool) {
        let columns = nested(levels);
        let text = serde_json::to_string(&columns).expect("JSON");
        let stored = read::<Vec<Column>>(&text).expect("columns");
        assert_eq!(stored.is_cut, is_cut, "{levels}");
        let expected = if is_cut { bounded(&columns) } else { columns };
        assert_eq!(stored.value, expected, "{levels}");
    }

    #[test]
    fn what_is_too_deep_is_read_as_json() {
        check(0, false);
        check(31, false);
        check(40, false);
        for levels in [60, 80, 100, 250] {
            check(levels, true);
        }
        assert!(read::<Vec<Column>>("[{\"name\"").is_err());
    }
}
