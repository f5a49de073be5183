//! The values at one path, counted by their kinds: those of a sample, or those that did not fit their column.
//!
//! Knows no column.

use std::collections::HashMap;

use crate::bson::decimal::{DIGITS_MAX, Decimal, integer_digits, rescale, scale_needed};
use crate::bson::{DEPTH_MAX, Fields, KINDS, Kind, Malformed, Value};
use crate::column::types::{self, SCALE_WRITTEN_MAX, TEXT_KINDS, exact_double};
use crate::key::DocumentKey;
use elt_base::reading::IdKind;
use elt_base::schema::ColumnType;

/// The most columns of one nested object. Further keys are data.
pub const FIELDS_MAX: usize = 1_000;

/// The most columns of the document itself.
pub const TOP_FIELDS_MAX: usize = 10_000;

/// An object whose keys look like data is a map if it has at least so many keys.
const DATA_KEYS_MIN: usize = 16;

/// Objects whose keys look like names are a map if they have at least so many different keys, each object has only a
/// few of them (on average one in `MAP_SPARSITY_MIN`), and nine in ten values are of one class.
const MAP_KEYS_MIN: usize = 64;
const MAP_SPARSITY_MIN: u64 = 10;

/// The sample's values at one path, counted.
#[derive(Debug, Default)]
pub struct Shape {
    pub(super) counts: [u64; KINDS],
    pub(super) uuids: u64,
    /// How many binaries that are not UUIDs have each subtype.
    pub(super) subtypes: Vec<(u8, u64)>,
    /// The number of integers that no double equals exactly.
    pub(super) inexact: u64,
    pub(super) decimal: DecimalShape,
    pub(super) fields: Vec<(Box<[u8]>, Shape)>,
    pub(super) by_key: HashMap<Box<[u8]>, usize>,
    /// More keys than an object may have fields.
    pub(super) crowded: bool,
    pub(super) element: Option<Box<Shape>>,
    /// The bytes of rescued values.
    bytes: usize,
}

/// The bytes of one column's rescued values that are looked into.
const RESCUED_BYTES_MAX: usize = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct DecimalShape {
    /// Places after the point as written, and without trailing zeros.
    pub(super) scale: u32,
    pub(super) scale_least: u32,
    /// Digits before the point.
    pub(super) digits: u32,
    /// Values that do not fit in a DECIMAL: NaN, infinities, negative zeros, too many digits.
    pub(super) special: bool,
}

/// A class of values that one column can store together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ValueClass {
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
            ValueClass::Text => TEXT_KINDS.into_iter().map(|kind| self.count(&[kind])).max().unwrap_or(0),
            class => self.count_of(class),
        }
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

    pub(super) fn count(&self, kinds: &[Kind]) -> u64 {
        kinds.iter().map(|kind| self.counts[*kind as usize]).sum()
    }

    /// The class of most values. In a tie, the class that is listed first.
    pub(super) fn dominant(&self) -> Option<ValueClass> {
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
            ValueClass::Text => self.count(&TEXT_KINDS),
            ValueClass::Object => self.count(&[Kind::Object]),
            ValueClass::Array => self.count(&[Kind::Array]),
            ValueClass::Uuid => self.uuids,
            ValueClass::Blob => self.count(&[Kind::Binary]) - self.uuids,
            ValueClass::Only(kind) => self.count(&[kind]),
        }
    }

    /// The kind of most documents' keys. In a tie, the kind that is listed first.
    pub fn id_kind(&self, key: DocumentKey<'_>) -> IdKind {
        let Some(path) = key.single() else { return IdKind::Other };
        let nested = || path.split('.').try_fold(self, |shape, step| shape.field(step));
        let Some(ids) = self.field(path).or_else(nested) else { return IdKind::Other };
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

    pub(super) fn is_map(&self) -> bool {
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
    pub(super) fn text_type(&self) -> ColumnType {
        let most = TEXT_KINDS.into_iter().rev().max_by_key(|kind| self.count(&[*kind]));
        most.and_then(types::of_kind).unwrap_or(ColumnType::Varchar)
    }

    /// The subtype of most binaries that are not UUIDs.
    pub(super) fn subtype(&self) -> u8 {
        self.subtypes.iter().max_by_key(|(_, count)| *count).map_or(0, |(subtype, _)| *subtype)
    }

    pub(super) fn field(&self, name: &str) -> Option<&Shape> {
        self.by_key.get(name.as_bytes()).and_then(|index| self.fields.get(*index)).map(|(_, shape)| shape)
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
