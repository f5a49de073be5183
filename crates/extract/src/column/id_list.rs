//! A list of `_id` texts as it grows: one allocation for all of them.
//!
//! Knows the text form (see `bson::id`), not where the documents come from.

use arrow::array::StringArray;
use arrow::error::ArrowError;

use crate::bson::{Malformed, Value, id};
use crate::column::bytes::Bytes;
use crate::key::DocumentKey;
use elt_base::reading::IdKind;

#[derive(Debug)]
pub struct IdList {
    plain: IdKind,
    texts: Bytes,
    pub len: usize,
}

impl IdList {
    pub fn new(plain: IdKind) -> Self {
        Self { plain, texts: Bytes::default(), len: 0 }
    }

    /// Adds the text of a document's key. For a document without `_id`, it is the text of its number.
    pub fn push(&mut self, key: DocumentKey<'_>, document: &[u8], number: u64) -> Result<(), Malformed> {
        let start = self.texts.bytes.len();
        let pushed = key.push(&mut self.texts.bytes, document, number, self.plain);
        if pushed.is_err() {
            self.texts.bytes.truncate(start);
            return pushed;
        }
        self.texts.end();
        self.len += 1;
        Ok(())
    }

    /// Adds a text.
    pub fn push_text(&mut self, text: &[u8]) {
        self.texts.push(text);
        self.len += 1;
    }

    /// Adds the text of an `_id`.
    pub fn push_id(&mut self, value: Value<'_>) -> Result<(), Malformed> {
        id::push(&mut self.texts.bytes, value, self.plain)?;
        self.texts.end();
        self.len += 1;
        Ok(())
    }

    /// The list so far. The next list starts empty.
    pub fn take(&mut self) -> Result<StringArray, ArrowError> {
        self.len = 0;
        self.texts.strings(None)
    }
}
