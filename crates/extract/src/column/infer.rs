//! Finds the columns from a sample of documents: first the stored and the pinned columns, then the fields of the
//! sample.
//!
//! A path gets the column of the kind that most of its values have. Integers and doubles together become a DOUBLE if
//! every integer is exactly a double. Integers and decimals become a DECIMAL. An object whose keys are data lands as
//! JSON. Pure.

use crate::bson::Kind;
use crate::bson::decimal::DIGITS_MAX;
use crate::column::builder::{ColumnBuilder, Columns};
use crate::column::names::FieldNames;
use crate::column::shape::{DecimalShape, Shape, ValueClass};
use crate::column::types;
use elt_base::reading::IdKind;
use elt_base::schema::{Column, ColumnType, ID, Nesting};

impl Shape {
    /// The type of the column for these values.
    pub fn column_type(&self, at: Nesting) -> ColumnType {
        self.infer(at).column_type()
    }

    /// The name that each key's column would have if there were no other names.
    fn names(&self, top: bool) -> Vec<(String, &str)> {
        let mut names = if top { FieldNames::of_document() } else { FieldNames::default() };
        if top {
            names.take(ID);
        }
        let keys = self.fields.iter().filter_map(|(key, _)| std::str::from_utf8(key).ok());
        keys.filter(|key| !(top && *key == ID)).map(|key| (names.take_for(key), key)).collect()
    }

    /// The column that a first load would create for these values.
    fn infer(&self, at: Nesting) -> ColumnBuilder {
        let column_type = match self.dominant() {
            None => ColumnType::Null,
            Some(ValueClass::Number) => return self.infer_number(),
            Some(ValueClass::Text) => self.text_type(),
            Some(ValueClass::Uuid) => ColumnType::Uuid,
            Some(ValueClass::Blob) => types::of_binary(self.subtype()),
            Some(ValueClass::Only(kind)) => types::of_kind(kind).unwrap_or(ColumnType::Null),
            Some(ValueClass::Object) if !at.may_be_struct() => ColumnType::Json,
            Some(ValueClass::Array) if !at.may_be_list() => ColumnType::Json,
            Some(ValueClass::Array) => {
                let element =
                    self.element.as_ref().map_or_else(ColumnBuilder::untyped, |shape| shape.infer(at.element()));
                return ColumnBuilder::list(element);
            }
            Some(ValueClass::Object) if self.is_map() => ColumnType::Json,
            Some(ValueClass::Object) => {
                let mut columns = Columns::nested(false);
                self.add_new_fields(&mut columns, at.field());
                if columns.is_empty() {
                    ColumnType::Json
                } else {
                    return ColumnBuilder::of_columns(columns);
                }
            }
        };
        ColumnBuilder::of_type(&column_type, false)
    }

    fn infer_number(&self) -> ColumnBuilder {
        let integers = self.count(&[Kind::Int32, Kind::Int64]);
        let doubles = self.count(&[Kind::Double]);
        let decimals = self.count(&[Kind::Decimal128]);
        if decimals > 0 && decimals >= doubles {
            let DecimalShape { scale, scale_least, digits, special } = self.decimal;
            // Digits before the point take precedence over places that contain only zeros.
            let scale = if scale + digits > DIGITS_MAX { scale_least } else { scale };
            if special || scale + digits > DIGITS_MAX {
                return ColumnBuilder::of_type(&ColumnType::DecimalText, false);
            }
            return ColumnBuilder::of_type(&ColumnType::Decimal { scale: scale as u8 }, false);
        }
        let double = doubles > 0 && (self.inexact == 0 || doubles >= integers);
        ColumnBuilder::of_type(if double { &ColumnType::Double } else { &ColumnType::BigInt }, false)
    }

    /// Adds the fields that `columns` does not have yet.
    fn add_new_fields(&self, columns: &mut Columns, at: Nesting) {
        for (key, shape) in &self.fields {
            if let Ok(name) = std::str::from_utf8(key) {
                columns.add_key(name, shape.infer(at));
            }
        }
    }
}

/// The columns at the start of a reading: `known` in their order with their types, `pinned` with theirs, then the
/// sample's. `has_key`: `_id` is not a field of the documents.
pub fn columns(known: &[Column], pinned: &[Column], id_kind: IdKind, has_key: bool, sample: &Shape) -> Columns {
    let mut columns = Columns::of_document(id_kind, has_key);
    for column in known {
        let pin = pinned.iter().find(|pin| is_called(&column.name, &pin.name));
        let shape = sample.field(column.key());
        let builder = match pin {
            Some(pin) => ColumnBuilder::of_type(&settled(&pin.column_type, Some(&column.column_type), shape), true),
            None => continued(&column.column_type, shape, Nesting::COLUMN),
        };
        columns.add_known(column, builder);
    }
    let names = sample.names(true);
    for pin in pinned.iter().filter(|pin| !known.iter().any(|column| is_called(&column.name, &pin.name))) {
        let found = names.iter().find(|(name, _)| is_called(name, &pin.name));
        let shape = found.and_then(|(_, key)| sample.field(key));
        let builder = ColumnBuilder::of_type(&settled(&pin.column_type, None, shape), true);
        match found {
            // Uses the documents' spelling, because their keys are compared exactly.
            Some((name, key)) => columns.add_known(&called(name, key, ColumnType::Null), builder),
            None => columns.add_key(&pin.name, builder),
        }
    }
    sample.add_new_fields(&mut columns, Nesting::COLUMN);
    columns
}

/// A pinned type. The stored column, or else the sample, adds the BSON type of the texts and binaries, and the
/// keys of a STRUCT's fields.
fn settled(pin: &ColumnType, known: Option<&ColumnType>, sample: Option<&Shape>) -> ColumnType {
    let sampled = |class: ValueClass| sample.is_some_and(|sample| sample.dominant() == Some(class));
    match (pin, known) {
        (ColumnType::List(element), _) => {
            let known = match known {
                Some(ColumnType::List(element)) => Some(&**element),
                _ => None,
            };
            let sample = sample.and_then(|sample| sample.element.as_deref());
            ColumnType::List(Box::new(settled(element, known, sample)))
        }
        (ColumnType::Varchar | ColumnType::Blob, Some(known))
            if *known != ColumnType::Null && known.sql() == pin.sql() =>
        {
            known.clone()
        }
        (ColumnType::Struct(_), Some(known @ (ColumnType::BsonTimestamp | ColumnType::Regex)))
            if known.sql() == pin.sql() =>
        {
            known.clone()
        }
        (ColumnType::Struct(_), _)
            if sampled(ValueClass::Only(Kind::Timestamp)) && pin.sql() == ColumnType::BsonTimestamp.sql() =>
        {
            ColumnType::BsonTimestamp
        }
        (ColumnType::Struct(_), _)
            if sampled(ValueClass::Only(Kind::Regex)) && pin.sql() == ColumnType::Regex.sql() =>
        {
            ColumnType::Regex
        }
        (ColumnType::Struct(fields), _) => ColumnType::Struct(settled_fields(fields, known, sample)),
        (ColumnType::Varchar, _) => match sample {
            Some(sample) if sample.count(&[Kind::Decimal128]) > 0 && sampled(ValueClass::Number) => {
                ColumnType::DecimalText
            }
            Some(sample) => sample.text_type(),
            None => pin.clone(),
        },
        (ColumnType::Blob, _) => sample.map_or(ColumnType::Blob, |sample| types::of_binary(sample.subtype())),
        (other, _) => other.clone(),
    }
}

fn settled_fields(pins: &[Column], known: Option<&ColumnType>, sample: Option<&Shape>) -> Vec<Column> {
    let known: &[Column] = match known {
        Some(ColumnType::Struct(fields)) => fields,
        _ => &[],
    };
    let names = sample.map(|sample| sample.names(false)).unwrap_or_default();
    let settle = |pin: &Column| {
        let stored = known.iter().find(|field| is_called(&field.name, &pin.name));
        let sampled = names.iter().find(|(name, _)| is_called(name, &pin.name));
        let key = stored.map(Column::key).or(sampled.map(|(_, key)| *key)).unwrap_or(pin.key());
        let shape = sample.and_then(|sample| sample.field(key));
        let column_type = settled(&pin.column_type, stored.map(|field| &field.column_type), shape);
        called(&pin.name, key, column_type)
    };
    pins.iter().map(settle).collect()
}

fn is_called(name: &str, pin: &str) -> bool {
    name.eq_ignore_ascii_case(pin)
}

fn called(name: &str, key: &str, column_type: ColumnType) -> Column {
    Column { name: name.to_owned(), key: (key != name).then(|| key.to_owned()), column_type }
}

/// A stored column, with the fields that the sample adds to it.
fn continued(known: &ColumnType, sample: Option<&Shape>, at: Nesting) -> ColumnBuilder {
    let Some(sample) = sample else { return ColumnBuilder::of_type(known, false) };
    match known {
        ColumnType::Null => sample.infer(at),
        ColumnType::List(element) => ColumnBuilder::list(continued(element, sample.element.as_deref(), at.element())),
        ColumnType::Struct(fields) => {
            let mut columns = Columns::nested(false);
            for field in fields {
                columns.add_known(field, continued(&field.column_type, sample.field(field.key()), at.field()));
            }
            if !sample.is_map() {
                sample.add_new_fields(&mut columns, at.field());
            }
            ColumnBuilder::of_columns(columns)
        }
        _ => ColumnBuilder::of_type(known, false),
    }
}
