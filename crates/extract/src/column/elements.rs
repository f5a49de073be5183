//! The values of a LIST column: one column with the elements of all arrays, and the end of each array.
//!
//! Knows nothing of the columns beside it.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef};
use arrow::error::ArrowError;

use crate::bson::{Kind, Malformed, Value};
use crate::column::builder::{ColumnBuilder, Elements};
use crate::column::context::Context;
use crate::column::shape::Shape;
use crate::column::values::{Slot, Stored, Values};
use elt_base::census::Census;
use elt_base::schema::ColumnType;

impl Elements {
    pub fn of(element: ColumnBuilder) -> Self {
        Self { offsets: vec![0], items: 0, element: Box::new(element) }
    }

    fn field(&self) -> FieldRef {
        Arc::new(self.element.field("element"))
    }
}

impl Values for Elements {
    fn column_type(&self) -> ColumnType {
        ColumnType::List(Box::new(self.element.column_type()))
    }

    fn data_type(&self) -> DataType {
        DataType::List(self.field())
    }

    fn store(&mut self, value: Value<'_>, place: Slot<'_>, cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        if value.kind != Kind::Array {
            return Ok(Stored::Not);
        }
        let mut elements = value.fields()?;
        let mut index = 0;
        while let Some(item) = elements.next(&[])? {
            self.element.append(self.items, item.value, &place.path.index(index), cx)?;
            self.items += 1;
            index += 1;
        }
        self.offsets.push(self.items as i32);
        Ok(Stored::Whole)
    }

    fn nulls(&mut self, count: usize) {
        self.offsets.resize(self.offsets.len() + count, self.items as i32);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        let field = self.field();
        let values = self.element.finish(std::mem::take(&mut self.items))?;
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::new(ScalarBuffer::from(offsets)), values, nulls)?))
    }

    fn gather(&self, path: &str, census: &mut Census) {
        self.element.gather(&format!("{path}[]"), census);
    }

    fn weigh(&mut self, path: &str, misfits: &mut Vec<(String, Shape)>) {
        self.element.weigh(&format!("{path}[]"), misfits);
    }
}
