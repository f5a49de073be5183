//! The values of one column, and the trait that each kind of column implements for them.
//!
//! `builder` lists the kinds. Knows no kind itself.

use arrow::array::ArrayRef;
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType};
use arrow::error::ArrowError;

use crate::bson::{Malformed, Value};
use crate::column::context::Context;
use crate::column::counts::Keys;
use crate::column::shape::Shape;
use crate::column::value_path::ValuePath;
use crate::from_text::TextForm;
use elt_base::census::Census;
use elt_base::schema::ColumnType;

/// The result of offering a value to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// The column stored the whole value.
    Whole,
    /// The column stored the whole value as one text. The census counts the fields within.
    AsText,
    /// The column stored the value's text, but not its type, so the value is rescued as well.
    InPart,
    /// The column stored nothing, and nothing has changed.
    Not,
}

impl Stored {
    pub fn whole_if(stored: bool) -> Self {
        if stored { Self::Whole } else { Self::Not }
    }
}

/// The place of an offered value.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'p> {
    /// The column's row, which is the number of values before it.
    pub row: usize,
    pub path: &'p ValuePath<'p>,
}

/// The values of one column, with room for nulls: the builder knows which rows are null.
pub trait Values {
    /// The column's type with the values so far.
    fn column_type(&self) -> ColumnType;

    fn data_type(&self) -> DataType;

    /// The name and metadata of the Arrow extension type, from Arrow's specification. Parquet's logical types
    /// follow from them.
    fn extension(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Stores a value that is not null, if it fits. A value that fits only a wider type widens the column, where that
    /// is lossless and allowed.
    fn store(&mut self, value: Value<'_>, place: Slot<'_>, cx: &mut Context<'_>) -> Result<Stored, Malformed>;

    /// Stores a text of a source whose values are all texts, if it is a value of the column's type. False if it is not,
    /// or if no text is.
    fn store_text(&mut self, _text: &str, _form: TextForm) -> bool {
        false
    }

    /// Stores bytes that `elt` created itself. False if this kind does not store such bytes.
    fn store_bytes(&mut self, _bytes: &[u8]) -> bool {
        false
    }

    /// Adds room for `count` nulls.
    fn nulls(&mut self, count: usize);

    /// Returns the values as an array of `rows`. No value is left, and the type does not change.
    fn finish(&mut self, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError>;

    /// How the census counts the keys within a value that the column stores as a text.
    fn keys(&self) -> Keys {
        Keys::Named
    }

    /// Adds the counts of the columns within, if there are any.
    fn gather(&self, _path: &str, _census: &mut Census) {}

    /// Moves the values that did not fit the columns within, if there are any.
    fn weigh(&mut self, _path: &str, _misfits: &mut Vec<(String, Shape)>) {}
}

/// The values, and room for as many nulls.
pub fn taken<T: ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    let next = Vec::with_capacity(values.len());
    ScalarBuffer::from(std::mem::replace(values, next))
}
