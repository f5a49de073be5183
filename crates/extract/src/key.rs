//! The key of a file's documents: the values that take the place of `_id`, at the paths that the project's YAML names.
//!
//! The text form of one value is that of an `_id` (see `bson::id`). Several values are a JSON array of theirs. Knows no
//! file format.

use crate::bson::{self as raw, Kind, Malformed, Value, ejson, id};
use crate::messages;
use crate::watermark;
use elt_base::reading::IdKind;

/// What identifies a document.
#[derive(Debug, Clone, Copy)]
pub struct DocumentKey<'o> {
    /// Empty if it is `_id`.
    paths: &'o [String],
    /// The text form, if the file's reader knows it.
    text: Option<&'o [u8]>,
}

impl<'o> DocumentKey<'o> {
    pub fn new(paths: &'o [String]) -> Self {
        Self { paths, text: None }
    }

    /// The key of one document.
    pub fn with_text(self, text: &'o [u8]) -> Self {
        Self { text: Some(text), ..self }
    }

    pub fn is_id(self) -> bool {
        self.paths.is_empty()
    }

    /// The path of the only value. None if there are several.
    pub fn single(self) -> Option<&'o str> {
        match self.paths {
            [] => Some("_id"),
            [path] => Some(path),
            _ => None,
        }
    }

    /// Fails if the document has no value at a path of the key.
    pub fn require(self, document: &[u8]) -> Result<(), Malformed> {
        self.paths.iter().try_for_each(|path| find(document, path).map(drop))
    }

    /// Appends the text form of a document's key. `number` identifies a document without `_id`.
    pub fn push(self, out: &mut Vec<u8>, document: &[u8], number: u64, plain: IdKind) -> Result<(), Malformed> {
        if let Some(text) = self.text {
            out.extend_from_slice(text);
            return Ok(());
        }
        match self.paths {
            [] => match raw::find(document, b"_id")? {
                Some(value) => id::push(out, value, plain),
                None => {
                    out.extend_from_slice(id::of_number(number, plain).as_bytes());
                    Ok(())
                }
            },
            [path] => id::push(out, find(document, path)?, plain),
            paths => {
                for (index, path) in paths.iter().enumerate() {
                    out.push(if index == 0 { b'[' } else { b',' });
                    let value = find(document, path)?;
                    if value.kind == Kind::String {
                        out.extend_from_slice(ejson::canonical(value)?.as_bytes());
                    } else {
                        id::push(out, value, IdKind::Number)?;
                    }
                }
                out.push(b']');
                Ok(())
            }
        }
    }

    pub fn text(self, document: &[u8], number: u64, plain: IdKind) -> Result<String, Malformed> {
        let mut out = Vec::new();
        self.push(&mut out, document, number, plain)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

/// The value at a path. A key that contains dots itself comes before a path of nested objects.
fn find<'d>(document: &'d [u8], path: &str) -> Result<Value<'d>, Malformed> {
    let value = match raw::find(document, path.as_bytes())? {
        Some(value) => Some(value),
        None => watermark::find(document, path)?,
    };
    value.filter(|value| !value.kind.is_null()).ok_or(Malformed { offset: 0, what: messages::NO_KEY })
}

#[cfg(test)]
mod tests {
    use super::DocumentKey;
    use bson::{Bson, Document, doc};
    use elt_base::reading::IdKind;

    #[track_caller]
    fn check(key: &[&str], plain: IdKind, document: Document, expected: Result<&str, &str>) {
        let paths: Vec<String> = key.iter().map(|path| (*path).to_owned()).collect();
        let bytes = document.to_vec().unwrap();
        let found = DocumentKey::new(&paths).text(&bytes, 7, plain);
        assert_eq!(found.as_deref().map_err(|malformed| malformed.what), expected);
    }

    #[test]
    fn keys_have_texts() {
        let missing = Err("a column of `key` has no value");
        check(&[], IdKind::Number, doc! { "_id": 5 }, Ok("5"));
        check(&[], IdKind::Number, doc! {}, Ok("#7"));
        check(&["a"], IdKind::Text, doc! { "_id": 5, "a": "x" }, Ok("x"));
        check(&["a.b"], IdKind::Number, doc! { "a": { "b": 5_i64 } }, Ok("5"));
        check(&["a.b"], IdKind::Text, doc! { "a.b": "x", "a": { "b": 5_i64 } }, Ok("x"));
        check(&["a", "b"], IdKind::Other, doc! { "a": "x\"", "b": 5.0 }, Ok(r#"["x\"",5]"#));
        check(&["a", "b"], IdKind::Other, doc! { "a": true, "b": "5" }, Ok(r#"[true,"5"]"#));
        check(&["a"], IdKind::Text, doc! { "a": Bson::Null }, missing);
        check(&["a", "b"], IdKind::Text, doc! { "a": 1 }, missing);
        check(&["a.b"], IdKind::Text, doc! { "a": 1 }, missing);
    }
}
