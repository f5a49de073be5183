//! The path of a value within its document. It grows while the document is walked.
//!
//! Knows how a path is written (see `path`), not what is at its end.

use elt_base::path::push_key;
use elt_base::schema::Nesting;

/// A path on the call stack: nothing is allocated until the path is written.
#[derive(Debug, Clone, Copy)]
pub struct ValuePath<'p> {
    parent: Option<&'p ValuePath<'p>>,
    last: LastStep<'p>,
}

#[derive(Debug, Clone, Copy)]
enum LastStep<'p> {
    Document,
    Key(&'p [u8]),
    Index(usize),
}

impl<'p> ValuePath<'p> {
    pub const DOCUMENT: ValuePath<'static> = ValuePath { parent: None, last: LastStep::Document };

    pub fn key(&'p self, key: &'p [u8]) -> ValuePath<'p> {
        ValuePath { parent: Some(self), last: LastStep::Key(key) }
    }

    pub fn index(&'p self, index: usize) -> ValuePath<'p> {
        ValuePath { parent: Some(self), last: LastStep::Index(index) }
    }

    /// How deep the type of the value's column is nested. The first key leads to a column.
    pub fn nesting(&self) -> Nesting {
        match (self.parent, self.last) {
            (None, _) | (Some(Self { parent: None, .. }), _) => Nesting::COLUMN,
            (Some(parent), LastStep::Index(_)) => parent.nesting().element(),
            (Some(parent), _) => parent.nesting().field(),
        }
    }

    /// The path of the field, the same for all elements of an array: `phones[].number`.
    pub fn of_field(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, false);
        out
    }

    /// The path of the value, with the numbers of array elements: `phones[0].number`.
    pub fn of_value(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, true);
        out
    }

    fn write(&self, out: &mut String, indexes: bool) {
        if let Some(parent) = self.parent {
            parent.write(out, indexes);
        }
        match self.last {
            LastStep::Document => {}
            LastStep::Key(key) => push_key(out, &String::from_utf8_lossy(key)),
            LastStep::Index(_) if !indexes => out.push_str("[]"),
            LastStep::Index(index) => {
                out.push('[');
                out.push_str(&index.to_string());
                out.push(']');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ValuePath;

    #[track_caller]
    fn check(path: &ValuePath<'_>, value: &str, field: &str) {
        assert_eq!((path.of_value().as_str(), path.of_field().as_str()), (value, field));
    }

    #[test]
    fn writes_paths() {
        let phones = ValuePath::DOCUMENT.key(b"phones");
        let first = phones.index(0);
        check(&first.key(b"number"), "phones[0].number", "phones[].number");
        check(&phones.key(b"odd key"), "phones[\"odd key\"]", "phones[\"odd key\"]");
        check(&ValuePath::DOCUMENT.key(b"$set").key(b"_x1"), "$set._x1", "$set._x1");
    }
}
