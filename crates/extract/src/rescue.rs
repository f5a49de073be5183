//! Where a value stands in its document, and the object of those that fit no column: `_elt_rescued`.
//!
//! The object maps a path (see `path`) to the value's canonical Extended JSON: `address`, `address.city`, or with an
//! element's number `phones[0].number`. When a document repeats a key, the first value is the column's and the others
//! stand here under their path with `#2`, `#3` …, counted over the document. Knows no column types.

use crate::agreed::Agreed;
use crate::bson::{self, Kind, Malformed, Value};
use crate::ejson::{self, Form};
use crate::id;
use elt_base::batch::IdKind;
use elt_base::path::push_key;

/// A path as it grows on the call stack while a document is walked; nothing is allocated unless it is written.
#[derive(Debug, Clone, Copy)]
pub struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
    /// Steps from the document.
    pub depth: usize,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Document,
    Key(&'p [u8]),
    Index(usize),
}

impl<'p> Path<'p> {
    pub const DOCUMENT: Path<'static> = Path { parent: None, step: Step::Document, depth: 0 };

    pub fn key(&'p self, key: &'p [u8]) -> Path<'p> {
        Path { parent: Some(self), step: Step::Key(key), depth: self.depth + 1 }
    }

    pub fn index(&'p self, index: usize) -> Path<'p> {
        Path { parent: Some(self), step: Step::Index(index), depth: self.depth + 1 }
    }

    /// The path of the field, alike for all elements of an array: `phones[].number`.
    pub fn of_field(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, false);
        out
    }

    fn write(&self, out: &mut String, indexes: bool) {
        if let Some(parent) = self.parent {
            parent.write(out, indexes);
        }
        match self.step {
            Step::Document => {}
            Step::Key(key) => push_key(out, &String::from_utf8_lossy(key)),
            Step::Index(_) if !indexes => out.push_str("[]"),
            Step::Index(index) => {
                out.push('[');
                out.push_str(&index.to_string());
                out.push(']');
            }
        }
    }
}

/// The rescued values of the document at hand, and how many there were since the load began.
#[derive(Debug, Default)]
pub struct Rescued {
    text: String,
    repeats: u32,
    pub total: u64,
    /// Where nothing may be rescued, if that is so anywhere.
    pub forbidden: Option<Forbidden>,
}

/// Paths whose values must fit their columns (`on_mismatch: fail`), and the first one that did not.
#[derive(Debug)]
pub struct Forbidden {
    /// Fields and all below them, such as `phones[].number`; None is every field.
    pub paths: Option<Vec<String>>,
    pub found: Option<(String, Kind)>,
}

impl Forbidden {
    fn see(&mut self, path: &Path<'_>, kind: Kind) {
        let path = path.of_field();
        let is_below = |above: &String| {
            path.strip_prefix(above.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if self.found.is_none() && self.paths.as_ref().is_none_or(|paths| paths.iter().any(is_below)) {
            self.found = Some((path, kind));
        }
    }
}

impl Rescued {
    /// Adds a value. `repeated`: its key stood in the same object before.
    pub fn add(&mut self, path: &Path<'_>, value: Value<'_>, repeated: bool) -> Result<(), Malformed> {
        if let Some(forbidden) = &mut self.forbidden {
            forbidden.see(path, value.kind);
        }
        let mut name = String::new();
        path.write(&mut name, true);
        if repeated {
            self.repeats += 1;
            name.push('#');
            name.push_str(&(self.repeats + 1).to_string());
        }
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        ejson::write_json_string(&mut self.text, &name);
        self.text.push(':');
        self.total += 1;
        ejson::write(&mut self.text, value, Form::Canonical)
    }

    /// The document's object, if any value of it was rescued; the next document starts empty.
    pub fn close(&mut self) -> Option<&str> {
        self.repeats = 0;
        if self.text.is_empty() {
            return None;
        }
        self.text.push('}');
        Some(&self.text)
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.repeats = 0;
    }
}

/// The document at hand, for whatever a column cannot keep.
#[derive(Debug)]
pub struct Context<'d> {
    pub document: &'d [u8],
    /// The document's number within the reading, from 1.
    pub number: u64,
    /// Which `_id`s are plain.
    pub id_kind: IdKind,
    /// What is decided with other parts of the load, if it has any.
    pub agreed: Option<&'d Agreed>,
    pub rescued: &'d mut Rescued,
}

impl Context<'_> {
    /// The `_id`'s text, as an example in the census.
    pub fn example(&self) -> Box<str> {
        match bson::find(self.document, b"_id") {
            Ok(Some(value)) => id::text(value, self.id_kind).unwrap_or_default().into(),
            _ => id::of_number(self.number, self.id_kind).into(),
        }
    }

    pub fn rescue(&mut self, path: &Path<'_>, value: Value<'_>, repeated: bool) -> Result<(), Malformed> {
        self.rescued.add(path, value, repeated)
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, Rescued};
    use crate::bson::{Kind, Value};

    #[track_caller]
    fn check(path: &Path<'_>, expected: &str) {
        let mut rescued = Rescued::default();
        rescued.add(path, Value { kind: Kind::Null, bytes: &[], offset: 0 }, false).unwrap();
        assert_eq!(rescued.close(), Some(format!("{{{}:null}}", serde_json::Value::from(expected)).as_str()));
    }

    #[test]
    fn writes_paths() {
        let phones = Path::DOCUMENT.key(b"phones");
        let first = phones.index(0);
        check(&first.key(b"number"), "phones[0].number");
        check(&phones.key(b"odd key"), "phones[\"odd key\"]");
        check(&Path::DOCUMENT.key(b""), "[\"\"]");
        check(&Path::DOCUMENT.key(b"1a"), "[\"1a\"]");
        check(&Path::DOCUMENT.key(b"a.b"), "[\"a.b\"]");
        check(&Path::DOCUMENT.key(b"$set").key(b"_x1"), "$set._x1");
    }
}
