//! Writes the fields of a CSV record as a BSON document, in memory that is used again for the next one.
//!
//! A text becomes a number, a boolean or a date if its column has such a type and BSON has the exact value. Any other
//! text stays one: its column stores it as a value, or rescues it. Knows no file.

use crate::bson::Kind;
use crate::bson::{decimal, ejson};
use crate::from_text::{self, TextForm};
use crate::messages;
use elt_base::schema::{ColumnType, ID};

pub struct RowWriter<'n> {
    names: &'n [String],
    cells: Vec<(Cell, TextForm)>,
    /// Whether the record's number is the `_id`.
    is_numbered: bool,
    /// The indexes of the columns that identify a record, and their texts in the record.
    key: Vec<(usize, Option<Vec<u8>>)>,
    key_text: Vec<u8>,
    out: Vec<u8>,
}

/// The BSON type of a column's values.
#[derive(Debug, Clone, Copy)]
enum Cell {
    Text,
    Boolean,
    Integer,
    Double,
    Decimal { scale: u8 },
    Date,
}

impl<'n> RowWriter<'n> {
    /// All values are texts, unless `set_type` sets another type.
    pub fn new(names: &'n [String], key: &[String]) -> Self {
        let is_numbered = key.is_empty() && !names.iter().any(|name| name == ID);
        let index = |column: &String| names.iter().position(|name| name == column).unwrap_or(usize::MAX);
        Self {
            names,
            cells: vec![(Cell::Text, TextForm::Canonical); names.len()],
            is_numbered,
            key: key.iter().map(|column| (index(column), None)).collect(),
            key_text: Vec::new(),
            out: Vec::new(),
        }
    }

    /// `is_in_millis`: no time is more exact than a BSON date.
    pub fn set_type(&mut self, index: usize, column_type: &ColumnType, form: TextForm, is_in_millis: bool) {
        let cell = match column_type {
            ColumnType::Boolean => Cell::Boolean,
            ColumnType::BigInt => Cell::Integer,
            ColumnType::Double => Cell::Double,
            ColumnType::Decimal { scale } => Cell::Decimal { scale: *scale },
            ColumnType::TimestampTz if is_in_millis && form == TextForm::Canonical => Cell::Date,
            _ => Cell::Text,
        };
        if let Some(place) = self.cells.get_mut(index) {
            *place = (cell, form);
        }
    }

    pub fn begin(&mut self, number: u64) {
        self.out.clear();
        self.out.extend_from_slice(&[0; 4]);
        self.key.iter_mut().for_each(|(_, text)| *text = None);
        if self.is_numbered {
            push_text(&mut self.out, ID, number.to_string().as_bytes());
        }
    }

    #[inline]
    pub fn push(&mut self, index: usize, text: &[u8]) {
        let (Some(name), Some((cell, form))) = (self.names.get(index), self.cells.get(index).copied()) else { return };
        // The record is valid UTF-8, so its fields are, too: they are cut at ASCII characters.
        let typed = match cell {
            Cell::Text => None,
            _ => std::str::from_utf8(text).ok().and_then(|text| typed(text, cell, form)),
        };
        if let Some((_, key)) = self.key.iter_mut().find(|(column, _)| *column == index) {
            *key = Some(text.to_vec());
        }
        let out = &mut self.out;
        match typed {
            None => push_text(out, name, text),
            Some(typed) => {
                out.push(typed.kind() as u8);
                push_key(out, name);
                match typed {
                    CellValue::Boolean(value) => out.push(u8::from(value)),
                    CellValue::Int64(value) | CellValue::Date(value) => out.extend_from_slice(&value.to_le_bytes()),
                    CellValue::Double(value) => out.extend_from_slice(&value.to_le_bytes()),
                    CellValue::Decimal(bytes) => out.extend_from_slice(&bytes),
                }
            }
        }
    }

    /// Writes the text form of the record's key: the only text, or a JSON array of several. None if `_id` is the key.
    pub fn key(&mut self) -> Result<Option<()>, &'static str> {
        self.key_text.clear();
        let is_single = self.key.len() == 1;
        for (place, (_, text)) in self.key.iter().enumerate() {
            let text = text.as_deref().ok_or(messages::NO_KEY)?;
            if is_single {
                self.key_text.extend_from_slice(text);
            } else {
                self.key_text.push(if place == 0 { b'[' } else { b',' });
                let mut json = String::new();
                ejson::write_json_string(&mut json, std::str::from_utf8(text).unwrap_or_default());
                self.key_text.extend_from_slice(json.as_bytes());
            }
        }
        if self.key.len() > 1 {
            self.key_text.push(b']');
        }
        Ok((!self.key.is_empty()).then_some(()))
    }

    /// The document, and the text form of its key.
    pub fn end_keyed(&mut self) -> (&[u8], &[u8]) {
        self.end();
        (&self.out, &self.key_text)
    }

    /// The document.
    pub fn end(&mut self) -> &[u8] {
        self.out.push(0);
        // A record is shorter than 2 GiB, and the names are, too.
        let length = (self.out.len() as i32).to_le_bytes();
        if let Some(place) = self.out.get_mut(..4) {
            place.copy_from_slice(&length);
        }
        &self.out
    }
}

enum CellValue {
    Boolean(bool),
    Int64(i64),
    Double(f64),
    Decimal([u8; 16]),
    /// Milliseconds since 1970.
    Date(i64),
}

impl CellValue {
    fn kind(&self) -> Kind {
        match self {
            Self::Boolean(_) => Kind::Boolean,
            Self::Int64(_) => Kind::Int64,
            Self::Double(_) => Kind::Double,
            Self::Decimal(_) => Kind::Decimal128,
            Self::Date(_) => Kind::Date,
        }
    }
}

fn typed(text: &str, cell: Cell, form: TextForm) -> Option<CellValue> {
    Some(match cell {
        Cell::Text => return None,
        Cell::Boolean => CellValue::Boolean(from_text::boolean(text, form)?),
        Cell::Integer => CellValue::Int64(from_text::integer(text, form)?),
        Cell::Double => CellValue::Double(from_text::double(text, form)?),
        Cell::Decimal { scale } => {
            CellValue::Decimal(decimal::bytes(from_text::decimal(text, scale, form)?, u32::from(scale))?)
        }
        Cell::Date => {
            let micros = from_text::instant(text, true, form)?;
            (micros % 1_000 == 0).then_some(CellValue::Date(micros / 1_000))?
        }
    })
}

fn push_key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(0);
}

fn push_text(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    out.push(Kind::String as u8);
    push_key(out, name);
    out.extend_from_slice(&(text.len() as i32 + 1).to_le_bytes());
    out.extend_from_slice(text);
    out.push(0);
}
