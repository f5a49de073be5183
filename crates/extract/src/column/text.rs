//! Columns of text: strings and similar types, numbers that do not fit in a DECIMAL, the `_id`, and JSON.
//!
//! Knows no other column.

use arrow::array::ArrayRef;
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use crate::bson::ejson::{self, Form};
use crate::bson::{Kind, Malformed, Value, id};
use crate::column::bytes::Bytes;
use crate::column::context::Context;
use crate::column::counts::Keys;
use crate::column::types;
use crate::column::values::{Slot, Stored, Values};
use crate::from_text::TextForm;
use elt_base::reading::IdKind;
use elt_base::schema::ColumnType;

/// Strings, symbols, code, and objectIds as hex digits. A text of another of these types is stored all the same, and
/// rescued with the type that it had.
#[derive(Debug)]
pub struct Texts {
    texts: Bytes,
    /// The type of the column's own texts in the source.
    of: Kind,
}

impl Texts {
    pub fn of(kind: Kind) -> Self {
        Self { texts: Bytes::default(), of: kind }
    }
}

impl Values for Texts {
    fn column_type(&self) -> ColumnType {
        types::of_kind(self.of).unwrap_or(ColumnType::Varchar)
    }

    fn data_type(&self) -> DataType {
        DataType::Utf8
    }

    #[inline]
    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        match value.kind {
            Kind::ObjectId => {
                ejson::push_hex(&mut self.texts.bytes, value.object_id());
                self.texts.end();
            }
            Kind::String | Kind::Symbol | Kind::Code => {
                let text = value.text();
                if simdutf8::basic::from_utf8(text).is_err() {
                    return Ok(Stored::Not);
                }
                self.texts.push(text);
            }
            _ => return Ok(Stored::Not),
        }
        Ok(if value.kind == self.of { Stored::Whole } else { Stored::InPart })
    }

    fn store_text(&mut self, text: &str, _form: TextForm) -> bool {
        self.texts.push(text.as_bytes());
        true
    }

    fn nulls(&mut self, count: usize) {
        self.texts.nulls(count);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        self.texts.texts(nulls)
    }
}

/// Canonical texts of decimal128 values that do not fit in a DECIMAL, and the digits of integers. Other texts do not
/// fit.
#[derive(Debug, Default)]
pub struct DecimalTexts(Bytes);

impl Values for DecimalTexts {
    fn column_type(&self) -> ColumnType {
        ColumnType::DecimalText
    }

    fn data_type(&self) -> DataType {
        DataType::Utf8
    }

    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        match value.kind {
            Kind::Decimal128 => self.0.push(bson::Decimal128::from_bytes(value.decimal()).to_string().as_bytes()),
            Kind::Int32 | Kind::Int64 => self.0.push(value.integer().to_string().as_bytes()),
            _ => return Ok(Stored::Not),
        }
        Ok(Stored::Whole)
    }

    fn nulls(&mut self, count: usize) {
        self.0.nulls(count);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        self.0.texts(nulls)
    }
}

/// Texts of `_id`s (see `bson::id`). Every value has a text, even null.
#[derive(Debug)]
pub struct IdTexts {
    texts: Bytes,
    /// Which `_id`s have the plain form.
    plain: IdKind,
}

impl IdTexts {
    pub fn new(plain: IdKind) -> Self {
        Self { texts: Bytes::default(), plain }
    }
}

impl Values for IdTexts {
    fn column_type(&self) -> ColumnType {
        ColumnType::Varchar
    }

    fn data_type(&self) -> DataType {
        DataType::Utf8
    }

    #[inline]
    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        id::push(&mut self.texts.bytes, value, self.plain)?;
        self.texts.end();
        Ok(Stored::AsText)
    }

    /// The text of a document without `_id`.
    fn store_bytes(&mut self, bytes: &[u8]) -> bool {
        self.texts.push(bytes);
        true
    }

    fn nulls(&mut self, count: usize) {
        self.texts.nulls(count);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        self.texts.texts(nulls)
    }
}

/// Relaxed Extended JSON of any value.
#[derive(Debug, Default)]
pub struct JsonTexts(Bytes);

impl Values for JsonTexts {
    fn column_type(&self) -> ColumnType {
        ColumnType::Json
    }

    fn data_type(&self) -> DataType {
        DataType::Utf8
    }

    fn extension(&self) -> &'static [(&'static str, &'static str)] {
        &[("ARROW:extension:name", "arrow.json"), ("ARROW:extension:metadata", "")]
    }

    fn store(&mut self, value: Value<'_>, _place: Slot<'_>, _cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        let mut text = String::new();
        ejson::write(&mut text, value, Form::Relaxed)?;
        self.0.push(text.as_bytes());
        Ok(Stored::AsText)
    }

    /// The text as it is, if it is JSON.
    fn store_text(&mut self, text: &str, _form: TextForm) -> bool {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        if is_json {
            self.0.push(text.as_bytes());
        }
        is_json
    }

    /// The object of rescued values.
    fn store_bytes(&mut self, bytes: &[u8]) -> bool {
        self.0.push(bytes);
        true
    }

    fn nulls(&mut self, count: usize) {
        self.0.nulls(count);
    }

    fn finish(&mut self, _rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
        self.0.texts(nulls)
    }

    fn keys(&self) -> Keys {
        Keys::Any
    }
}
