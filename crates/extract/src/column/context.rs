//! The facts about the document that is being decoded, for values that a column cannot store.
//!
//! Knows no column.

use crate::bson::{Malformed, Value};
use crate::column::rescue::Rescued;
use crate::column::shared_types::SharedTypes;
use crate::column::value_path::ValuePath;
use crate::key::DocumentKey;
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
    /// What identifies the document.
    pub key: DocumentKey<'d>,
    /// Whether the columns look into the values that they cannot store.
    pub weighs: bool,
}

impl Context<'_> {
    /// The text of the document's key, as an example in the census.
    pub fn example(&self) -> Box<str> {
        self.key.text(self.document, self.number, self.id_kind).unwrap_or_default().into()
    }

    pub fn rescue(&mut self, path: &ValuePath<'_>, value: Value<'_>, repeated: bool) -> Result<(), Malformed> {
        self.rescued.add(path, value, repeated)
    }
}
