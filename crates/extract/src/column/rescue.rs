//! The values of a document that fit no column, as one JSON object: `_elt_rescued`.
//!
//! The object maps a path (see `path`) to the value's canonical Extended JSON: `address`, `address.city`, or with an
//! element's number `phones[0].number`. When a document repeats a key, the column has the first value. The object has
//! the others, under their path with `#2`, `#3` …, counted over the document. Knows no column types.

use crate::bson::ejson::{self, Form};
use crate::bson::{Kind, Malformed, Value};
use crate::column::value_path::ValuePath;

/// The rescued values of the current document, and the number of rescued values since the reading began.
#[derive(Debug, Default)]
pub struct Rescued {
    text: String,
    repeats: u32,
    pub total: u64,
    /// The paths where no value may be rescued, if there are any.
    pub forbidden: Option<Forbidden>,
}

/// Paths whose values must fit their columns (`on_mismatch: fail`), and the first one that did not.
#[derive(Debug)]
pub struct Forbidden {
    /// Fields, with all fields below them, such as `phones[].number`. None means every field.
    pub paths: Option<Vec<String>>,
    pub found: Option<(String, Kind)>,
}

impl Forbidden {
    fn see(&mut self, path: &ValuePath<'_>, kind: Kind) {
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
    /// Adds a value. `repeated`: the same object had its key before.
    pub fn add(&mut self, path: &ValuePath<'_>, value: Value<'_>, repeated: bool) -> Result<(), Malformed> {
        if let Some(forbidden) = &mut self.forbidden {
            forbidden.see(path, value.kind);
        }
        let mut name = path.of_value();
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

    /// The document's object, if a value was rescued. The next document starts empty.
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

#[cfg(test)]
mod tests {
    use super::Rescued;
    use crate::bson::{Kind, Value};
    use crate::column::value_path::ValuePath;

    #[track_caller]
    fn check(path: &ValuePath<'_>, expected: &str) {
        let mut rescued = Rescued::default();
        rescued.add(path, Value { kind: Kind::Null, bytes: &[], offset: 0 }, false).unwrap();
        assert_eq!(rescued.close(), Some(format!("{{{}:null}}", serde_json::Value::from(expected)).as_str()));
    }

    #[test]
    fn writes_paths() {
        let phones = ValuePath::DOCUMENT.key(b"phones");
        let first = phones.index(0);
        check(&first.key(b"number"), "phones[0].number");
        check(&phones.key(b"odd key"), "phones[\"odd key\"]");
        check(&ValuePath::DOCUMENT.key(b""), "[\"\"]");
        check(&ValuePath::DOCUMENT.key(b"1a"), "[\"1a\"]");
        check(&ValuePath::DOCUMENT.key(b"a.b"), "[\"a.b\"]");
        check(&ValuePath::DOCUMENT.key(b"$set").key(b"_x1"), "$set._x1");
    }
}
