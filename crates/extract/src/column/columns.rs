//! The values of an object: the column of each key, and the keys that cannot have a column.
//!
//! A key gets no column if the object's type is pinned without it, or if the object already has the most columns
//! (`FIELDS_MAX`, `TOP_FIELDS_MAX`). Its values are rescued. `names` decides the names of the other keys' columns.
//! Knows nothing of how a column stores its values.

use std::sync::Arc;

use arrow::array::{ArrayRef, StructArray, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Fields as ArrowFields};
use arrow::error::ArrowError;

use crate::bson::{Fields, Kind, Malformed, Value};
use crate::column::builder::{ColumnBuilder, Columns};
use crate::column::context::Context;

use crate::column::keyed::Keyed;
use crate::column::names::FieldNames;
use crate::column::odd_keys::OddKeys;
use crate::column::shape::{FIELDS_MAX, Shape, TOP_FIELDS_MAX};
use crate::column::value_path::ValuePath;
use crate::column::values::{Slot, Stored, Values};
use elt_base::census::Census;
use elt_base::path::push_key;
use elt_base::reading::IdKind;
use elt_base::schema::{Column, ColumnType, ID};

impl Columns {
    fn new(names: FieldNames, fields_max: usize) -> Self {
        Self { keyed: Keyed::new(names), odd: OddKeys::default(), fields_max }
    }

    /// The columns of a nested object. No column may be added to a closed object.
    pub fn nested(is_closed: bool) -> Self {
        Self::new(FieldNames::default(), if is_closed { 0 } else { FIELDS_MAX })
    }

    /// The columns of the document itself: the first is `_id`. With a key, it is not the field of that name.
    pub fn of_document(id_kind: IdKind, has_key: bool) -> Self {
        let mut columns = Self::new(FieldNames::of_document(), TOP_FIELDS_MAX);
        // No key of a document contains a zero byte.
        let key = has_key.then(|| "\0key".to_owned());
        let id = Column { name: ID.to_owned(), key, column_type: ColumnType::Varchar };
        columns.add_known(&id, ColumnBuilder::id(id_kind));
        columns
    }

    /// The columns of a STRUCT with these fields.
    pub fn of_struct(fields: &[Column], is_pinned: bool) -> Self {
        let mut columns = Self::nested(is_pinned);
        for field in fields {
            columns.add_known(field, ColumnBuilder::of_type(&field.column_type, is_pinned));
        }
        columns
    }

    /// Adds a column that has a name already. Does nothing if the name or the key is used.
    pub fn add_known(&mut self, column: &Column, builder: ColumnBuilder) {
        self.keyed.add_known(column, builder);
    }

    /// Adds a column for a key, under a free name. Does nothing if the key has a column.
    pub fn add_key(&mut self, key: &str, builder: ColumnBuilder) {
        self.keyed.add_key(key, builder);
    }

    pub fn len(&self) -> usize {
        self.keyed.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keyed.is_empty()
    }

    /// Appends an object's values as row `row`. Columns whose key the object does not have are filled later.
    pub fn append(
        &mut self,
        row: usize,
        mut elements: Fields<'_>,
        path: &ValuePath<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Malformed> {
        let mut previous = 0;
        loop {
            let (guess, key) = self.keyed.guess(previous);
            let Some(element) = elements.next(key)? else { return Ok(()) };
            let index = if element.guessed {
                Some(guess)
            } else {
                self.column_of(element.key, element.value.offset, path, cx)?
            };
            let path = path.key(element.key);
            let Some(index) = index else {
                self.odd.take(row, element.key, element.value, &path, cx)?;
                continue;
            };
            let column = self.keyed.follow(&mut previous, index);
            if column.len() > row {
                column.repeat(element.value, &path, cx)?;
            } else {
                column.append(row, element.value, &path, cx)?;
            }
        }
    }

    /// The index of a key's column. A new key gets a column, unless there are too many.
    fn column_of(
        &mut self,
        key: &[u8],
        offset: usize,
        path: &ValuePath<'_>,
        cx: &Context<'_>,
    ) -> Result<Option<usize>, Malformed> {
        if let Some(index) = self.keyed.find(key) {
            return Ok(Some(index));
        }
        let text = std::str::from_utf8(key).map_err(|_| Malformed { offset, what: "a key is not UTF-8" })?;
        if self.keyed.len() >= self.fields_max {
            return Ok(None);
        }
        let name = cx.shared_types.name(path, text, self.keyed.names());
        Ok(Some(self.keyed.add_named(name, text, ColumnBuilder::untyped())))
    }

    /// The column that was added as number `index`, from 0.
    pub fn column(&mut self, index: usize) -> Option<&mut ColumnBuilder> {
        self.keyed.column(index)
    }

    pub fn named_mut(&mut self) -> impl Iterator<Item = (&str, &mut ColumnBuilder)> {
        self.keyed.fields_mut().map(|field| (field.name.as_str(), &mut field.column))
    }

    /// The columns with their types as of now.
    pub fn types(&self) -> Vec<Column> {
        let columns = self.keyed.fields().map(|field| {
            let key = field.key();
            let key = (key != field.name).then(|| key.into_owned());
            Column { name: field.name.clone(), key, column_type: field.column.column_type() }
        });
        columns.collect()
    }

    /// Begins a batch: rows count from 0 again.
    pub fn restart(&mut self) {
        self.odd.restart();
    }

    fn arrow_fields(&self) -> ArrowFields {
        self.keyed.fields().map(|field| field.column.field(&field.name)).collect()
    }
}

/// A STRUCT column.
impl Values for Columns {
    fn column_type(&self) -> ColumnType {
        // Another part of the load has read an object with fields here, but this part has not.
        if self.is_empty() { ColumnType::Null } else { ColumnType::Struct(self.types()) }
    }

    fn data_type(&self) -> DataType {
        if self.is_empty() { DataType::Utf8 } else { DataType::Struct(self.arrow_fields()) }
    }

    fn store(&mut self, value: Value<'_>, place: Slot<'_>, cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        if value.kind != Kind::Object {
            return Ok(Stored::Not);
        }
        self.append(place.row, value.fields()?, place.path, cx)?;
        Ok(Stored::Whole)
    }

    fn nulls(&mut self, _count: usize) {}

    fn finish(&mut self, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        if self.is_empty() {
            return Ok(new_null_array(&DataType::Utf8, rows));
        }
        let fields = self.arrow_fields();
        let arrays = self.named_mut().map(|(_, column)| column.finish(rows)).collect::<Result<_, _>>()?;
        self.restart();
        Ok(Arc::new(StructArray::try_new_with_length(fields, arrays, nulls, rows)?))
    }

    fn gather(&self, path: &str, census: &mut Census) {
        for field in self.keyed.fields() {
            let mut path = path.to_owned();
            push_key(&mut path, &field.key());
            field.column.gather(&path, census);
        }
        self.odd.gather(path, census);
    }

    fn weigh(&mut self, path: &str, misfits: &mut Vec<(String, Shape)>) {
        for field in self.keyed.fields_mut() {
            let mut path = path.to_owned();
            push_key(&mut path, &field.key());
            field.column.weigh(&path, misfits);
        }
    }
}
