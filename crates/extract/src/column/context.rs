//! The facts about the document that is being decoded, for values that a column cannot store.
//!
//! Knows no column.

use crate::bson::{self, Malformed, Value, id};
use crate::column::rescue::Rescued;
use crate::column::shared_types::SharedTypes;
use crate::column::value_path::ValuePath;
use elt_base::reading::IdKind;

#[derive(Debug)]
pub struct Context<'d> {
    pub document: &'d [u8],
    /// The document's number within the reading, from 1.
    pub number: u64,
    /// The kind of `_id`s that have the plain form.
    pub id_kind: IdKind,
    /// The decisions that all parts of the load share.
    pub shared_types: &'d SharedTypes,
    pub rescued: &'d mut Rescued,
    /// Whether the columns look into the values that they cannot store.
    pub weighs: bool,
}

impl Context<'_> {
    /// The text of the document's `_id`, as an example in the census.
    pub fn example(&self) -> Box<str> {
        match bson::find(self.document, b"_id") {
            Ok(Some(value)) => id::text(value, self.id_kind).unwrap_or_default().into(),
            _ => id::of_number(self.number, self.id_kind).into(),
        }
    }

    pub fn rescue(&mut self, path: &ValuePath<'_>, value: Value<'_>, repeated: bool) -> Result<(), Malformed> {
        self.rescued.add(path, value, repeated)
    }
}
