//! A list of `_id` texts as it grows: one allocation for all of them.
//!
//! Knows the text form (see `bson::id`), not where the documents come from.

use arrow::array::StringArray;
use arrow::error::ArrowError;

use crate::bson::{Malformed, Value, id};
use crate::column::bytes::Bytes;
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

    /// Adds the text of a document's `_id`. For a document without `_id`, it is the text of its number.
    pub fn push(&mut self, value: Option<Value<'_>>, number: u64) -> Result<(), Malformed> {
        match value {
            Some(value) => id::push(&mut self.texts.bytes, value, self.plain)?,
            None => self.texts.bytes.extend_from_slice(id::of_number(number, self.plain).as_bytes()),
        }
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
