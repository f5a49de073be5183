//! From a sample of documents to columns: the stored schema and the pinned columns first, then what the sample shows.
//!
//! The kind that most of a path's values have wins; integers beside doubles make a DOUBLE if every integer is exactly
//! a double, and beside decimals a DECIMAL. An object whose keys are data lands as JSON. Pure.

use std::collections::HashMap;

use crate::batch::IdKind;
use crate::extract::bson::{DEPTH_MAX, Fields, KINDS, Kind, Malformed, Value};
use crate::extract::builder::{ColumnBuilder, LEVELS_MAX, exact_double, regex_type, struct_of, timestamp_type};
use crate::extract::columns::{Columns, FIELDS_MAX};
use crate::extract::data::{SCALE_WRITTEN_MAX, StructOf};
use crate::extract::decimal::{DIGITS_MAX, Decimal, integer_digits, rescale, scale_needed};
use crate::schema::{Column, ColumnType, ID};

/// Keys that look like data make a map only from this many on.
const DATA_KEYS_MIN: usize = 16;

/// What the sample's values at one path were.
#[derive(Debug, Default)]
pub struct Shape {
    counts: [u64; KINDS],
    uuids: u64,
    /// Integers that no double is exactly.
    inexact: u64,
    decimal: DecimalShape,
    fields: Vec<(Box<[u8]>, Shape)>,
    by_key: HashMap<Box<[u8]>, usize>,
    /// More than `FIELDS_MAX` keys.
    crowded: bool,
    element: Option<Box<Shape>>,
}

#[derive(Debug, Default)]
struct DecimalShape {
    /// Places after the point as written, and without trailing zeros.
    scale: u32,
    scale_least: u32,
    /// Digits before the point.
    digits: u32,
    /// Values that no DECIMAL holds: NaN, infinities, negative zeros, too many digits.
    special: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Number,
    Text,
    Object,
    Array,
    Date,
    Boolean,
    Uuid,
    Blob,
    Timestamp,
    Regex,
}

impl Shape {
    /// Takes a document in; an error means that it is malformed somewhere.
    pub fn observe_document(&mut self, document: &[u8]) -> Result<(), Malformed> {
        self.observe_fields(Fields::new(document)?, 0)
    }

    fn observe_fields(&mut self, mut elements: Fields<'_>, depth: usize) -> Result<(), Malformed> {
        while let Some(element) = elements.next(&[])? {
            if std::str::from_utf8(element.key).is_err() {
                return Err(Malformed { offset: element.value.offset, what: "a key that is not UTF-8" });
            }
            let index = match self.by_key.get(element.key) {
                Some(index) => *index,
                None if self.fields.len() < FIELDS_MAX => {
                    self.by_key.insert(element.key.into(), self.fields.len());
                    self.fields.push((element.key.into(), Shape::default()));
                    self.fields.len() - 1
                }
                None => {
                    self.crowded = true;
                    Shape::default().observe(element.value, depth + 1)?;
                    continue;
                }
            };
            self.fields[index].1.observe(element.value, depth + 1)?;
        }
        Ok(())
    }

    fn observe(&mut self, value: Value<'_>, depth: usize) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed { offset: value.offset, what: "values nested deeper than 250 levels" });
        }
        self.counts[value.kind as usize] += 1;
        match value.kind {
            Kind::Object => self.observe_fields(value.fields()?, depth)?,
            Kind::Array => {
                let element = self.element.get_or_insert_default();
                let mut items = value.fields()?;
                while let Some(item) = items.next(&[])? {
                    element.observe(item.value, depth + 1)?;
                }
            }
            Kind::Binary => self.uuids += u64::from(value.uuid().is_some()),
            Kind::Int32 | Kind::Int64 => {
                let integer = value.integer();
                self.inexact += u64::from(exact_double(integer).is_none());
                self.decimal.digits = self.decimal.digits.max(integer_digits(i128::from(integer), 0));
            }
            Kind::Decimal128 => self.decimal.observe(value),
            Kind::CodeWithScope => {
                value.code_with_scope()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn count(&self, kinds: &[Kind]) -> u64 {
        kinds.iter().map(|kind| self.counts[*kind as usize]).sum()
    }

    /// The class that most values have; on a tie the one named first.
    fn dominant(&self) -> Option<Class> {
        let binaries = self.count(&[Kind::Binary]);
        let classes = [
            (Class::Number, self.count(&[Kind::Int32, Kind::Int64, Kind::Double, Kind::Decimal128])),
            (Class::Text, self.count(&[Kind::String, Kind::Symbol, Kind::Code, Kind::ObjectId])),
            (Class::Object, self.count(&[Kind::Object])),
            (Class::Array, self.count(&[Kind::Array])),
            (Class::Date, self.count(&[Kind::Date])),
            (Class::Boolean, self.count(&[Kind::Boolean])),
            (Class::Uuid, self.uuids),
            (Class::Blob, binaries - self.uuids),
            (Class::Timestamp, self.count(&[Kind::Timestamp])),
            (Class::Regex, self.count(&[Kind::Regex])),
        ];
        let most = classes.iter().map(|(_, count)| *count).max()?;
        classes.into_iter().find(|(_, count)| *count == most && most > 0).map(|(class, _)| class)
    }

    /// Which `_id`s are the most; on a tie the one named first.
    pub fn id_kind(&self) -> IdKind {
        let Some(ids) = self.field(ID) else { return IdKind::Other };
        let known = [
            (IdKind::ObjectId, ids.count(&[Kind::ObjectId])),
            (IdKind::Text, ids.count(&[Kind::String])),
            (IdKind::Number, ids.count(&[Kind::Int32, Kind::Int64, Kind::Double, Kind::Decimal128])),
            (IdKind::Uuid, ids.uuids),
            (IdKind::Date, ids.count(&[Kind::Date])),
        ];
        let all: u64 = ids.counts.iter().sum();
        let other = all - known.iter().map(|(_, count)| *count).sum::<u64>();
        let most = known.iter().map(|(_, count)| *count).fold(other, u64::max);
        known.into_iter().find(|(_, count)| *count == most && most > 0).map_or(IdKind::Other, |(kind, _)| kind)
    }

    fn is_map(&self) -> bool {
        let data = self.fields.iter().filter(|(key, _)| is_data(key)).count();
        self.crowded || self.fields.len() >= DATA_KEYS_MIN && data * 10 >= self.fields.len() * 9
    }

    fn field(&self, name: &str) -> Option<&Shape> {
        self.by_key.get(name.as_bytes()).and_then(|index| self.fields.get(*index)).map(|(_, shape)| shape)
    }

    /// The column that a first load would make of these values.
    fn infer(&self, level: usize) -> ColumnBuilder {
        let column_type = match self.dominant() {
            None => ColumnType::Null,
            Some(Class::Number) => return self.infer_number(),
            Some(Class::Text) => ColumnType::Varchar,
            Some(Class::Date) => ColumnType::TimestampTz,
            Some(Class::Boolean) => ColumnType::Boolean,
            Some(Class::Uuid) => ColumnType::Uuid,
            Some(Class::Blob) => ColumnType::Blob,
            Some(Class::Timestamp) => timestamp_type(),
            Some(Class::Regex) => regex_type(),
            Some(Class::Object | Class::Array) if level >= LEVELS_MAX => ColumnType::Json,
            Some(Class::Array) => {
                let element = self.element.as_ref().map_or_else(ColumnBuilder::untyped, |shape| shape.infer(level + 1));
                return ColumnBuilder::list(element, false);
            }
            Some(Class::Object) if self.is_map() => ColumnType::Json,
            Some(Class::Object) => {
                let mut columns = Columns::nested(false);
                self.add_new_fields(&mut columns, level);
                if columns.is_empty() {
                    ColumnType::Json
                } else {
                    return ColumnBuilder::of_columns(columns, StructOf::Object, false);
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
            // Places that only hold zeros give way to digits.
            let scale = if scale + digits > DIGITS_MAX { scale_least } else { scale };
            if special || scale + digits > DIGITS_MAX {
                return ColumnBuilder::decimal_text();
            }
            return ColumnBuilder::of_type(&ColumnType::Decimal { scale: scale as u8 }, false);
        }
        let double = doubles > 0 && (self.inexact == 0 || doubles >= integers);
        ColumnBuilder::of_type(if double { &ColumnType::Double } else { &ColumnType::BigInt }, false)
    }

    /// Adds the fields that `columns` does not have yet.
    fn add_new_fields(&self, columns: &mut Columns, level: usize) {
        for (key, shape) in &self.fields {
            if let Ok(name) = std::str::from_utf8(key) {
                columns.add(name, shape.infer(level + 1));
            }
        }
    }
}

impl DecimalShape {
    fn observe(&mut self, value: Value<'_>) {
        let Decimal::Finite { coefficient, scale } = Decimal::from_bytes(value.decimal()) else {
            self.special = true;
            return;
        };
        let needed = scale_needed(coefficient, scale, SCALE_WRITTEN_MAX);
        match rescale(coefficient, scale, needed) {
            Some(fitting) if needed <= DIGITS_MAX => {
                self.scale = self.scale.max(needed);
                self.scale_least = self.scale_least.max(scale_needed(coefficient, scale, 0));
                self.digits = self.digits.max(integer_digits(fitting, needed));
            }
            _ => self.special = true,
        }
    }
}

/// A key such as no one names a field: digits only, 24 hex digits, a UUID, a date.
fn is_data(key: &[u8]) -> bool {
    let form = |pattern: &[u8]| {
        key.len() == pattern.len()
            && key.iter().zip(pattern).all(|(byte, pattern)| match pattern {
                b'x' => byte.is_ascii_hexdigit(),
                b'9' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    !key.is_empty() && key.iter().all(u8::is_ascii_digit)
        || form(&[b'x'; 24])
        || form(b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
        || form(b"9999-99-99")
        || form(b"9999-99")
}

/// The columns a reading starts with: `known` in their order with their types, `pinned` with theirs, then the sample's.
pub fn columns(known: &[Column], pinned: &[Column], id_kind: IdKind, sample: &Shape) -> Columns {
    let mut columns = Columns::of_document(id_kind);
    let like = |column: &Column, name: &str| column.name.eq_ignore_ascii_case(name);
    for column in known {
        let pin = pinned.iter().find(|pin| like(pin, &column.name));
        let builder = match pin {
            Some(pin) => ColumnBuilder::of_type(&pin.column_type, true),
            None => continued(&column.column_type, sample.field(&column.name), 1),
        };
        columns.add(&column.name, builder);
    }
    for pin in pinned.iter().filter(|pin| !known.iter().any(|column| like(column, &pin.name))) {
        // The documents' spelling, if they have the field, for their keys are compared exactly.
        let keys = sample.fields.iter().filter_map(|(key, _)| std::str::from_utf8(key).ok());
        let name = keys.into_iter().find(|key| like(pin, key)).unwrap_or(&pin.name);
        columns.add(name, ColumnBuilder::of_type(&pin.column_type, true));
    }
    sample.add_new_fields(&mut columns, 0);
    columns
}

/// A stored column, with what the sample adds to it.
fn continued(known: &ColumnType, sample: Option<&Shape>, level: usize) -> ColumnBuilder {
    let Some(sample) = sample else { return ColumnBuilder::of_type(known, false) };
    match known {
        ColumnType::Null => sample.infer(level),
        ColumnType::List(element) => {
            ColumnBuilder::list(continued(element, sample.element.as_deref(), level + 1), false)
        }
        ColumnType::Struct(fields)
            if struct_of(fields) == StructOf::Object || sample.dominant() == Some(Class::Object) =>
        {
            let mut columns = Columns::nested(false);
            for field in fields {
                columns.add(&field.name, continued(&field.column_type, sample.field(&field.name), level + 1));
            }
            if !sample.is_map() {
                sample.add_new_fields(&mut columns, level);
            }
            ColumnBuilder::of_columns(columns, StructOf::Object, false)
        }
        ColumnType::Varchar if sample.count(&[Kind::Decimal128]) > sample.count(&[Kind::String, Kind::ObjectId]) => {
            ColumnBuilder::decimal_text()
        }
        _ => ColumnBuilder::of_type(known, false),
    }
}
