//! The values of one column, and what each kind of column must be able to do with them.
//!
//! `builder` lists the kinds. Knows no kind itself.

use arrow::array::ArrayRef;
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType};
use arrow::error::ArrowError;

use crate::bson::{Malformed, Value};
use crate::column::context::Context;
use crate::column::counts::Keys;
use crate::column::value_path::ValuePath;
use elt_base::census::Census;
use elt_base::schema::ColumnType;

/// What became of a value that was offered to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// The column has all of it.
    Whole,
    /// The column has all of it, as one text: the census counts the fields within.
    AsText,
    /// The column has its text, but not its type: it is rescued as well.
    InPart,
    /// The column has nothing of it, and nothing has changed.
    Not,
}

impl Stored {
    pub fn whole_if(stored: bool) -> Self {
        if stored { Self::Whole } else { Self::Not }
    }
}

/// Where an offered value belongs.
#[derive(Debug, Clone, Copy)]
pub struct Slot<'p> {
    /// The column's row: as many values are stored before.
    pub row: usize,
    pub path: &'p ValuePath<'p>,
}

/// The values of one column, with room for nulls: the builder knows which rows are null.
pub trait Values {
    /// The column's type with the values so far.
    fn column_type(&self) -> ColumnType;

    fn data_type(&self) -> DataType;

    /// The name and metadata of the Arrow extension type, as Arrow's specification has them; Parquet's logical types follow
    /// from them.
    fn extension(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Stores a value that is not null, if it fits. A value that fits only a wider type widens the column, where that is
    /// lossless and allowed.
    fn store(&mut self, value: Value<'_>, place: Slot<'_>, cx: &mut Context<'_>) -> Result<Stored, Malformed>;

    /// Stores bytes that `elt` made itself; false if the kind stores none.
    fn store_bytes(&mut self, _bytes: &[u8]) -> bool {
        false
    }

    /// Makes room for `count` nulls.
    fn nulls(&mut self, count: usize);

    /// The values as an array of `rows`; no value is left, and the type stays.
    fn finish(&mut self, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError>;

    /// How the census counts the keys within a value that the column stores as a text.
    fn keys(&self) -> Keys {
        Keys::Named
    }

    /// Adds the counts of the columns within, if there are any.
    fn gather(&self, _path: &str, _census: &mut Census) {}
}

/// The values, and room for as many.
pub fn taken<T: ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    let next = Vec::with_capacity(values.len());
    ScalarBuffer::from(std::mem::replace(values, next))
}
