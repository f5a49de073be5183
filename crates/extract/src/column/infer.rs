//! Finds the columns from a sample of documents: first the stored and the pinned columns, then the fields of the
//! sample.
//!
//! A path gets the column of the kind that most of its values have. Integers and doubles together become a DOUBLE if
//! every integer is exactly a double. Integers and decimals become a DECIMAL. An object whose keys are data lands as
//! JSON. Pure.

use std::collections::HashMap;

use crate::bson::decimal::{DIGITS_MAX, Decimal, integer_digits, rescale, scale_needed};
use crate::bson::{DEPTH_MAX, Fields, KINDS, Kind, Malformed, Value};
use crate::column::builder::{ColumnBuilder, Columns};
use crate::column::columns::{FIELDS_MAX, TOP_FIELDS_MAX};
use crate::column::names::FieldNames;
use crate::column::number::exact_double;
use crate::column::text::Texts;
use crate::column::types::{self, SCALE_WRITTEN_MAX};
use elt_base::reading::IdKind;
use elt_base::schema::{Column, ColumnType, ID, Nesting};

/// An object whose keys look like data is a map if it has at least so many keys.
const DATA_KEYS_MIN: usize = 16;

/// Objects whose keys look like names are a map if they have at least so many different keys, each object has only a
/// few of them (on average one in `MAP_SPARSITY_MIN`), and nine in ten values are of one class.
const MAP_KEYS_MIN: usize = 64;
const MAP_SPARSITY_MIN: u64 = 10;

/// The sample's values at one path, counted.
#[derive(Debug, Default)]
pub struct Shape {
    counts: [u64; KINDS],
    uuids: u64,
    /// How many binaries that are not UUIDs have each subtype.
    subtypes: Vec<(u8, u64)>,
    /// The number of integers that no double equals exactly.
    inexact: u64,
    decimal: DecimalShape,
    fields: Vec<(Box<[u8]>, Shape)>,
    by_key: HashMap<Box<[u8]>, usize>,
    /// More keys than an object may have fields.
    crowded: bool,
    element: Option<Box<Shape>>,
    /// The bytes of rescued values.
    bytes: usize,
}

/// The bytes of one column's rescued values that are looked into.
const RESCUED_BYTES_MAX: usize = 16 << 20;

#[derive(Debug, Default)]
struct DecimalShape {
    /// Places after the point as written, and without trailing zeros.
    scale: u32,
    scale_least: u32,
    /// Digits before the point.
    digits: u32,
    /// Values that do not fit in a DECIMAL: NaN, infinities, negative zeros, too many digits.
    special: bool,
}

/// A class of values that one column can store together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ValueClass {
    Number,
    Text,
    Object,
    Array,
    Uuid,
    Blob,
    /// All values of one BSON type, which has one column type.
    Only(Kind),
}

impl Shape {
    /// Adds a document. An error means that it is malformed.
    pub fn observe_document(&mut self, document: &[u8]) -> Result<(), Malformed> {
        self.observe_fields(Fields::new(document)?, 0)
    }

    fn observe_fields(&mut self, mut elements: Fields<'_>, depth: usize) -> Result<(), Malformed> {
        let fields_max = if depth == 0 { TOP_FIELDS_MAX } else { FIELDS_MAX };
        while let Some(element) = elements.next(&[])? {
            if std::str::from_utf8(element.key).is_err() {
                return Err(Malformed { offset: element.value.offset, what: "a key is not UTF-8" });
            }
            let index = match self.by_key.get(element.key) {
                Some(index) => *index,
                None if self.fields.len() < fields_max => {
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

    /// Adds a value that did not fit its column. Once many bytes were seen, only the kinds are counted.
    pub fn observe_rescued(&mut self, value: Value<'_>) -> Result<(), Malformed> {
        if matches!(value.kind, Kind::Object | Kind::Array) && self.bytes >= RESCUED_BYTES_MAX {
            self.counts[value.kind as usize] += 1;
            return Ok(());
        }
        self.bytes += value.bytes.len();
        self.observe(value, 1)
    }

    /// Adds the values of another part of the same load.
    pub fn merge(&mut self, other: Shape) {
        for (count, others) in self.counts.iter_mut().zip(other.counts) {
            *count += others;
        }
        self.uuids += other.uuids;
        for (subtype, count) in other.subtypes {
            match self.subtypes.iter_mut().find(|(have, _)| *have == subtype) {
                Some((_, have)) => *have += count,
                None => self.subtypes.push((subtype, count)),
            }
        }
        self.inexact += other.inexact;
        self.decimal.scale = self.decimal.scale.max(other.decimal.scale);
        self.decimal.scale_least = self.decimal.scale_least.max(other.decimal.scale_least);
        self.decimal.digits = self.decimal.digits.max(other.decimal.digits);
        self.decimal.special |= other.decimal.special;
        self.crowded |= other.crowded;
        self.bytes += other.bytes;
        for (key, shape) in other.fields {
            match self.by_key.get(&key) {
                Some(index) => self.fields[*index].1.merge(shape),
                None if self.fields.len() < FIELDS_MAX => {
                    self.by_key.insert(key.clone(), self.fields.len());
                    self.fields.push((key, shape));
                }
                None => self.crowded = true,
            }
        }
        if let Some(element) = other.element {
            self.element.get_or_insert_default().merge(*element);
        }
    }

    /// The number of values that the column for these values could store.
    pub fn storable(&self) -> u64 {
        let Some(class) = self.dominant() else { return 0 };
        match class {
            ValueClass::Text => Texts::KINDS.into_iter().map(|kind| self.count(&[kind])).max().unwrap_or(0),
            class => self.count_of(class),
        }
    }

    /// The type of the column for these values.
    pub fn column_type(&self, at: Nesting) -> ColumnType {
        self.infer(at).column_type()
    }

    fn observe(&mut self, value: Value<'_>, depth: usize) -> Result<(), Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed { offset: value.offset, what: "values are nested more than 250 levels deep" });
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
            Kind::Binary if value.uuid().is_some() => self.uuids += 1,
            Kind::Binary => {
                let (subtype, _) = value.binary();
                match self.subtypes.iter_mut().find(|(have, _)| *have == subtype) {
                    Some((_, count)) => *count += 1,
                    None => self.subtypes.push((subtype, 1)),
                }
            }
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

    /// The class of most values. In a tie, the class that is listed first.
    fn dominant(&self) -> Option<ValueClass> {
        const CLASSES: [ValueClass; 10] = [
            ValueClass::Number,
            ValueClass::Text,
            ValueClass::Object,
            ValueClass::Array,
            ValueClass::Only(Kind::Date),
            ValueClass::Only(Kind::Boolean),
            ValueClass::Uuid,
            ValueClass::Blob,
            ValueClass::Only(Kind::Timestamp),
            ValueClass::Only(Kind::Regex),
        ];
        let most = CLASSES.iter().map(|class| self.count_of(*class)).max()?;
        CLASSES.into_iter().find(|class| self.count_of(*class) == most && most > 0)
    }

    fn count_of(&self, class: ValueClass) -> u64 {
        match class {
            ValueClass::Number => self.count(&[Kind::Int32, Kind::Int64, Kind::Double, Kind::Decimal128]),
            ValueClass::Text => self.count(&Texts::KINDS),
            ValueClass::Object => self.count(&[Kind::Object]),
            ValueClass::Array => self.count(&[Kind::Array]),
            ValueClass::Uuid => self.uuids,
            ValueClass::Blob => self.count(&[Kind::Binary]) - self.uuids,
            ValueClass::Only(kind) => self.count(&[kind]),
        }
    }

    /// The kind of most `_id`s. In a tie, the kind that is listed first.
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
        let keys = self.fields.len();
        let data = self.fields.iter().filter(|(key, _)| is_data(key)).count();
        self.crowded || keys >= DATA_KEYS_MIN && data * 10 >= keys * 9 || keys >= MAP_KEYS_MIN && self.is_sparse_map()
    }

    fn is_sparse_map(&self) -> bool {
        let (mut values, mut classes) = (0, HashMap::new());
        for (_, shape) in &self.fields {
            values += shape.counts.iter().sum::<u64>();
            if let Some(class) = shape.dominant() {
                *classes.entry(class).or_insert(0_usize) += 1;
            }
        }
        let keys = self.fields.len();
        values * MAP_SPARSITY_MIN < self.count(&[Kind::Object]) * keys as u64
            && classes.into_values().max().is_some_and(|most| most * 10 >= keys * 9)
    }

    /// The column of the type of most texts. In a tie, the type that is listed first.
    fn text_type(&self) -> ColumnType {
        let most = Texts::KINDS.into_iter().rev().max_by_key(|kind| self.count(&[*kind]));
        most.and_then(types::of_kind).unwrap_or(ColumnType::Varchar)
    }

    /// The subtype of most binaries that are not UUIDs.
    fn subtype(&self) -> u8 {
        self.subtypes.iter().max_by_key(|(_, count)| *count).map_or(0, |(subtype, _)| *subtype)
    }

    fn field(&self, name: &str) -> Option<&Shape> {
        self.by_key.get(name.as_bytes()).and_then(|index| self.fields.get(*index)).map(|(_, shape)| shape)
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

/// A key that is not likely to be the name of a field: digits only, 24 hex digits, a UUID, a date.
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

/// The columns at the start of a reading: `known` in their order with their types, `pinned` with theirs, then the
/// sample's.
pub fn columns(known: &[Column], pinned: &[Column], id_kind: IdKind, sample: &Shape) -> Columns {
    let mut columns = Columns::of_document(id_kind);
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
