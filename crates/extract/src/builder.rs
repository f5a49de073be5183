//! One column as it is built: values, validity, and the rule which BSON value fits it.
//!
//! A column without a type takes the type of its first value. After that only lossless widening happens (BIGINT to
//! DECIMAL, a greater scale, new struct fields); any other value is rescued and NULL here. Rows that no document
//! named are filled with nulls when the next value or the batch's end comes. Knows nothing of sources.

use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{
    ArrayRef, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array, FixedSizeBinaryArray, Float64Array,
    Int64Array, ListArray, StructArray, Time64MicrosecondArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use arrow::error::ArrowError;

use crate::bson::{Kind, Malformed, Value};
use crate::census::{Counts, Keys};
use crate::columns::Columns;
use crate::data::{Bytes, Data, Decimals, SCALE_WRITTEN_MAX, StructOf, TextOf};
use crate::decimal::{DIGITS_MAX, Decimal, rescale, scale_needed};
use crate::ejson::{self, Form};
use crate::id;
use crate::rescue::{Context, Path};
use elt_base::batch::{Census, IdKind};
use elt_base::schema::{Column, ColumnType, DECIMAL_PRECISION};

/// Levels of STRUCT and LIST; what lies deeper lands as JSON.
pub const LEVELS_MAX: usize = 100;

/// DuckDB's range of a TIMESTAMP in microseconds: 290309-12-22 (BC) to just below its infinity.
const MICROS: std::ops::Range<i64> = -9_223_372_022_400_000_000..i64::MAX;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// What became of a value that was offered to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    /// The column says all of it.
    Whole,
    /// The column has it, but not what it was.
    InPart,
    Not,
}

impl Stored {
    fn whole_if(stored: bool) -> Self {
        if stored { Self::Whole } else { Self::Not }
    }
}

#[derive(Debug)]
pub struct ColumnBuilder {
    data: Data,
    valid: NullBufferBuilder,
    len: usize,
    /// Its type must not change in any way.
    pinned: bool,
    counts: Counts,
}

impl ColumnBuilder {
    fn new(data: Data, pinned: bool) -> Self {
        Self { data, valid: NullBufferBuilder::new(0), len: 0, pinned, counts: Counts::default() }
    }

    pub fn untyped() -> Self {
        Self::new(Data::Untyped, false)
    }

    pub fn id(kind: IdKind) -> Self {
        Self::new(Data::Id(Bytes::default(), kind), true)
    }

    pub fn of_columns(columns: Columns, of: StructOf, pinned: bool) -> Self {
        Self::new(Data::Struct { columns, of }, pinned)
    }

    pub fn list(element: ColumnBuilder, pinned: bool) -> Self {
        Self::new(Data::List { offsets: vec![0], items: 0, element: Box::new(element) }, pinned)
    }

    /// Empty, of that type. STRUCTs and LISTs come through `of_columns` and `list`.
    pub fn of_type(column_type: &ColumnType, pinned: bool) -> Self {
        let data = match column_type {
            ColumnType::Null => Data::Untyped,
            ColumnType::Boolean => Data::Boolean(BooleanBufferBuilder::new(0)),
            ColumnType::BigInt => Data::BigInt(Vec::new()),
            ColumnType::Double => Data::Double(Vec::new()),
            ColumnType::Decimal { scale } => Data::Decimal(Decimals::new(*scale)),
            ColumnType::Varchar => Data::Text(Bytes::default(), TextOf::String),
            ColumnType::ObjectId => Data::Text(Bytes::default(), TextOf::ObjectId),
            ColumnType::Symbol => Data::Text(Bytes::default(), TextOf::Symbol),
            ColumnType::Code => Data::Text(Bytes::default(), TextOf::Code),
            ColumnType::DecimalText => Data::Text(Bytes::default(), TextOf::Decimal),
            ColumnType::TimestampTz => Data::Instant { micros: Vec::new(), zoned: true },
            ColumnType::Timestamp => Data::Instant { micros: Vec::new(), zoned: false },
            ColumnType::Date => Data::Date(Vec::new()),
            ColumnType::Time => Data::Time(Vec::new()),
            ColumnType::Blob => Data::Blob(Bytes::default(), 0),
            ColumnType::Binary { subtype } => Data::Blob(Bytes::default(), *subtype),
            ColumnType::Uuid => Data::Uuid(Vec::new()),
            ColumnType::Json => Data::Json(Bytes::default()),
            ColumnType::Struct(fields) => {
                let mut columns = Columns::nested(pinned);
                for field in fields {
                    columns.add_known(field, Self::of_type(&field.column_type, pinned));
                }
                Data::Struct { columns, of: StructOf::Object }
            }
            ColumnType::BsonTimestamp => Self::parts(&["t", "i"], &ColumnType::BigInt, StructOf::Timestamp),
            ColumnType::Regex => Self::parts(&["pattern", "options"], &ColumnType::Varchar, StructOf::Regex),
            ColumnType::List(element) => return Self::list(Self::of_type(element, pinned), pinned),
        };
        Self::new(data, pinned)
    }

    /// A STRUCT for the parts of one value.
    fn parts(names: &[&str], column_type: &ColumnType, of: StructOf) -> Data {
        let mut columns = Columns::nested(true);
        for name in names {
            columns.add_known(&Column::new(*name, column_type.clone()), Self::of_type(column_type, true));
        }
        Data::Struct { columns, of }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_untyped(&self) -> bool {
        matches!(self.data, Data::Untyped)
    }

    pub fn column_type(&self) -> ColumnType {
        self.data.column_type()
    }

    /// Fills up to `row` with nulls.
    #[inline]
    fn pad(&mut self, row: usize) {
        if self.len < row {
            let missing = row - self.len;
            self.data.nulls(missing);
            self.valid.append_n_nulls(missing);
            self.len = row;
        }
    }

    /// A further value of a key that the same object had before: rescued, the first stays.
    pub fn repeat(&mut self, value: Value<'_>, path: &Path<'_>, cx: &mut Context<'_>) -> Result<(), Malformed> {
        self.counts.saw(value.kind, cx);
        self.counts.rescued(value.kind, cx);
        let keys = if matches!(self.data, Data::Json(_)) { Keys::Any } else { Keys::Named };
        self.counts.look_within(value, keys, cx)?;
        cx.rescue(path, value, true)
    }

    /// Appends a value as row `row`, which must not lie before `len`.
    #[inline]
    pub fn append(
        &mut self,
        row: usize,
        value: Value<'_>,
        path: &Path<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Malformed> {
        self.counts.saw(value.kind, cx);
        self.pad(row);
        let null = value.kind.is_null() && !matches!(self.data, Data::Id(..));
        if null {
            self.pad(row + 1);
            return Ok(());
        }
        if self.is_untyped() {
            self.assume(value, path, cx)?;
        }
        let stored = self.store(value, path, cx)?;
        if stored != Stored::Not {
            self.valid.append_non_null();
            self.len += 1;
            if stored == Stored::Whole {
                return Ok(());
            }
        }
        self.pad(row + 1);
        self.counts.rescued(value.kind, cx);
        self.counts.look_within(value, Keys::Named, cx)?;
        cx.rescue(path, value, false)
    }

    /// Appends a number of our own making (a timestamp's part), which the census does not count.
    fn append_integer(&mut self, row: usize, value: i64) {
        self.pad(row);
        if let Data::BigInt(values) = &mut self.data {
            values.push(value);
            self.valid.append_non_null();
            self.len += 1;
        }
    }

    /// Likewise a text or bytes: a regex's part, the rescued object, an `_id` that the document lacks, the document.
    pub fn append_bytes(&mut self, row: usize, value: &[u8]) {
        self.pad(row);
        if let Data::Text(bytes, _) | Data::Id(bytes, _) | Data::Json(bytes) | Data::Blob(bytes, _) = &mut self.data {
            bytes.push(value);
            self.valid.append_non_null();
            self.len += 1;
        }
    }

    /// Takes the type of a first value, if any type holds it.
    fn assume(&mut self, value: Value<'_>, path: &Path<'_>, cx: &Context<'_>) -> Result<(), Malformed> {
        let column_type = match value.kind {
            Kind::Double => ColumnType::Double,
            Kind::String => ColumnType::Varchar,
            Kind::Symbol => ColumnType::Symbol,
            Kind::Code => ColumnType::Code,
            Kind::ObjectId => ColumnType::ObjectId,
            Kind::Object | Kind::Array if path.depth >= LEVELS_MAX => ColumnType::Json,
            // A STRUCT has at least one field; an empty object alone does not say which.
            Kind::Object if value.fields()?.is_empty() => return Ok(()),
            Kind::Object => ColumnType::Struct(Vec::new()),
            Kind::Array => ColumnType::List(Box::new(ColumnType::Null)),
            Kind::Binary if value.uuid().is_some() => ColumnType::Uuid,
            Kind::Binary => blob_type(value.binary().0),
            Kind::Boolean => ColumnType::Boolean,
            Kind::Date => ColumnType::TimestampTz,
            Kind::Int32 | Kind::Int64 => ColumnType::BigInt,
            Kind::Decimal128 => match first_scale(value) {
                Some(scale) => ColumnType::Decimal { scale },
                None => return Ok(()),
            },
            Kind::Timestamp => ColumnType::BsonTimestamp,
            Kind::Regex => ColumnType::Regex,
            Kind::Undefined | Kind::Null | Kind::DbPointer | Kind::CodeWithScope | Kind::MinKey | Kind::MaxKey => {
                return Ok(());
            }
        };
        // What another part of the same load took first holds for this one too.
        let column_type = match cx.agreed {
            Some(agreed) => agreed.column_type(path, column_type),
            None => column_type,
        };
        self.data = Self::of_type(&column_type, false).data;
        self.data.nulls(self.len);
        Ok(())
    }

    /// Stores the value if it fits; if not, nothing has changed.
    #[inline]
    fn store(&mut self, value: Value<'_>, path: &Path<'_>, cx: &mut Context<'_>) -> Result<Stored, Malformed> {
        let row = self.len;
        match (&mut self.data, value.kind) {
            (Data::Text(bytes, of), Kind::String | Kind::Symbol | Kind::Code | Kind::ObjectId) => {
                return Ok(store_text(bytes, *of, value));
            }
            (Data::Instant { micros, .. }, Kind::Date) => match value.integer().checked_mul(1000) {
                Some(instant) if MICROS.contains(&instant) => micros.push(instant),
                _ => return Ok(Stored::Not),
            },
            (Data::BigInt(values), Kind::Int32 | Kind::Int64) => values.push(value.integer()),
            (Data::Double(values), Kind::Double) => values.push(value.double()),
            (Data::Decimal(decimals), Kind::Decimal128) => {
                let Decimal::Finite { coefficient, scale } = Decimal::from_bytes(value.decimal()) else {
                    return Ok(Stored::Not);
                };
                return Ok(Stored::whole_if(decimals.push(coefficient, scale, !self.pinned)));
            }
            (Data::Struct { columns, of: StructOf::Object }, Kind::Object) => {
                columns.append(row, value.fields()?, path, cx)?;
            }
            (Data::List { offsets, items, element }, Kind::Array) => {
                let mut elements = value.fields()?;
                let mut index = 0;
                while let Some(item) = elements.next(&[])? {
                    element.append(*items, item.value, &path.index(index), cx)?;
                    *items += 1;
                    index += 1;
                }
                offsets.push(*items as i32);
            }
            (Data::Boolean(bits), Kind::Boolean) => bits.append(value.boolean()),
            (Data::Double(values), Kind::Int32 | Kind::Int64) => match exact_double(value.integer()) {
                Some(double) => values.push(double),
                None => return Ok(Stored::Not),
            },
            (Data::BigInt(values), Kind::Double) => match exact_integer(value.double()) {
                Some(integer) => values.push(integer),
                None => return Ok(Stored::Not),
            },
            (Data::BigInt(_), Kind::Decimal128) => return Ok(Stored::whole_if(self.store_decimal_in_integers(value))),
            (Data::Decimal(decimals), Kind::Int32 | Kind::Int64) => {
                return Ok(Stored::whole_if(decimals.push(i128::from(value.integer()), 0, false)));
            }
            (Data::Decimal(decimals), Kind::Double) => {
                let stored =
                    exact_integer(value.double()).is_some_and(|integer| decimals.push(i128::from(integer), 0, false));
                return Ok(Stored::whole_if(stored));
            }
            (Data::Text(bytes, TextOf::Decimal), Kind::Decimal128) => {
                bytes.push(bson::Decimal128::from_bytes(value.decimal()).to_string().as_bytes());
            }
            (Data::Text(bytes, TextOf::Decimal), Kind::Int32 | Kind::Int64) => {
                bytes.push(value.integer().to_string().as_bytes());
            }
            (Data::Uuid(bytes), Kind::Binary) => match value.uuid() {
                Some(uuid) => bytes.extend_from_slice(uuid),
                None => return Ok(Stored::Not),
            },
            (Data::Blob(bytes, subtype), Kind::Binary) if value.uuid().is_none() => match value.binary() {
                (own, payload) if own == *subtype => bytes.push(payload),
                _ => return Ok(Stored::Not),
            },
            (Data::Id(bytes, kind), _) => {
                id::push(&mut bytes.bytes, value, *kind)?;
                bytes.end();
                self.counts.look_within(value, Keys::Named, cx)?;
            }
            (Data::Json(bytes), _) => {
                let mut text = String::new();
                ejson::write(&mut text, value, Form::Relaxed)?;
                bytes.push(text.as_bytes());
                self.counts.look_within(value, Keys::Any, cx)?;
            }
            (Data::Struct { columns, of: StructOf::Timestamp }, Kind::Timestamp) => {
                let (t, i) = value.timestamp();
                for (index, part) in [t, i].into_iter().enumerate() {
                    if let Some(column) = columns.column(index) {
                        column.append_integer(row, i64::from(part));
                    }
                }
            }
            (Data::Struct { columns, of: StructOf::Regex }, Kind::Regex) => {
                let (pattern, options) = value.regex();
                if std::str::from_utf8(pattern).is_err() || std::str::from_utf8(options).is_err() {
                    return Ok(Stored::Not);
                }
                for (index, part) in [pattern, options].into_iter().enumerate() {
                    if let Some(column) = columns.column(index) {
                        column.append_bytes(row, part);
                    }
                }
            }
            (Data::Date(days), Kind::Date) => {
                let micros = value.integer().checked_mul(1000).filter(|micros| micros % MICROS_PER_DAY == 0);
                match micros.and_then(|micros| i32::try_from(micros / MICROS_PER_DAY).ok()) {
                    Some(day) => days.push(day),
                    None => return Ok(Stored::Not),
                }
            }
            _ => return Ok(Stored::Not),
        }
        Ok(Stored::Whole)
    }

    fn store_decimal_in_integers(&mut self, value: Value<'_>) -> bool {
        let (Data::BigInt(values), Decimal::Finite { coefficient, scale }) =
            (&mut self.data, Decimal::from_bytes(value.decimal()))
        else {
            return false;
        };
        let integer = rescale(coefficient, scale, 0).and_then(|integer| i64::try_from(integer).ok());
        match integer {
            // What a BIGINT holds needs no wider column.
            Some(integer) => values.push(integer),
            None if self.pinned => return false,
            None => {
                let mut decimals = Decimals::of_integers(values);
                if !decimals.push(coefficient, scale, true) {
                    return false;
                }
                self.data = Data::Decimal(decimals);
            }
        }
        true
    }

    /// The Arrow field of this column.
    pub fn field(&self, name: &str) -> Field {
        let field = Field::new(name, self.data_type(), true);
        // The canonical extension types' names and metadata, as Arrow's specification has them; Parquet's logical types
        // follow from them.
        let metadata: &[(&str, &str)] = match self.data {
            Data::Uuid(_) => &[("ARROW:extension:name", "arrow.uuid")],
            Data::Json(_) => &[("ARROW:extension:name", "arrow.json"), ("ARROW:extension:metadata", "")],
            _ => return field,
        };
        field.with_metadata(metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    fn data_type(&self) -> DataType {
        match &self.data {
            Data::Untyped | Data::Text(..) | Data::Id(..) | Data::Json(_) => DataType::Utf8,
            Data::Boolean(_) => DataType::Boolean,
            Data::BigInt(_) => DataType::Int64,
            Data::Double(_) => DataType::Float64,
            Data::Decimal(decimals) => DataType::Decimal128(DECIMAL_PRECISION, decimals.scale as i8),
            Data::Blob(..) => DataType::Binary,
            Data::Uuid(_) => DataType::FixedSizeBinary(16),
            Data::Instant { zoned: true, .. } => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Data::Instant { zoned: false, .. } => DataType::Timestamp(TimeUnit::Microsecond, None),
            Data::Date(_) => DataType::Date32,
            Data::Time(_) => DataType::Time64(TimeUnit::Microsecond),
            Data::Struct { columns, .. } if columns.is_empty() => DataType::Utf8,
            Data::Struct { columns, .. } => DataType::Struct(struct_fields(columns)),
            Data::List { element, .. } => DataType::List(list_field(element)),
        }
    }

    /// The column's `rows` values; the builder is empty afterwards, its type stays.
    pub fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        self.pad(rows);
        self.len = 0;
        let nulls = self.valid.finish();
        Ok(match &mut self.data {
            Data::Untyped => new_null_array(&DataType::Utf8, rows),
            Data::Struct { columns, .. } if columns.is_empty() => new_null_array(&DataType::Utf8, rows),
            Data::Boolean(bits) => Arc::new(BooleanArray::new(bits.finish(), nulls)),
            Data::BigInt(values) => Arc::new(Int64Array::try_new(taken(values), nulls)?),
            Data::Double(values) => Arc::new(Float64Array::try_new(taken(values), nulls)?),
            Data::Decimal(decimals) => Arc::new(
                Decimal128Array::try_new(taken(&mut decimals.values), nulls)?
                    .with_precision_and_scale(DECIMAL_PRECISION, decimals.scale as i8)?,
            ),
            Data::Text(bytes, _) | Data::Id(bytes, _) | Data::Json(bytes) => bytes.texts(nulls)?,
            Data::Blob(bytes, _) => bytes.blobs(nulls)?,
            Data::Uuid(bytes) => {
                Arc::new(FixedSizeBinaryArray::try_new(16, Buffer::from_vec(std::mem::take(bytes)), nulls)?)
            }
            Data::Instant { micros, zoned } => {
                let array = TimestampMicrosecondArray::try_new(taken(micros), nulls)?;
                Arc::new(if *zoned { array.with_timezone("UTC") } else { array })
            }
            Data::Date(days) => Arc::new(Date32Array::try_new(taken(days), nulls)?),
            Data::Time(micros) => Arc::new(Time64MicrosecondArray::try_new(taken(micros), nulls)?),
            Data::Struct { columns, .. } => {
                let fields = struct_fields(columns);
                let arrays = columns.named_mut().map(|(_, column)| column.finish(rows)).collect::<Result<_, _>>()?;
                columns.restart();
                Arc::new(StructArray::try_new_with_length(fields, arrays, nulls, rows)?)
            }
            Data::List { offsets, items, element } => {
                let field = list_field(element);
                let values = element.finish(std::mem::take(items))?;
                let offsets = std::mem::replace(offsets, vec![0]);
                Arc::new(ListArray::try_new(field, OffsetBuffer::new(ScalarBuffer::from(offsets)), values, nulls)?)
            }
        })
    }

    pub fn gather(&self, path: &str, census: &mut Census) {
        self.counts.gather(path, census);
        match &self.data {
            Data::Struct { columns, .. } => columns.gather(path, census),
            Data::List { element, .. } => element.gather(&format!("{path}[]"), census),
            _ => {}
        }
    }
}

/// The values, and room for as many.
fn taken<T: arrow::datatypes::ArrowNativeType>(values: &mut Vec<T>) -> ScalarBuffer<T> {
    let next = Vec::with_capacity(values.len());
    ScalarBuffer::from(std::mem::replace(values, next))
}

fn struct_fields(columns: &Columns) -> Fields {
    columns.named().map(|(name, column)| column.field(name)).collect()
}

fn list_field(element: &ColumnBuilder) -> FieldRef {
    Arc::new(element.field("element"))
}

/// What a column of binaries of that subtype is.
pub fn blob_type(subtype: u8) -> ColumnType {
    if subtype == 0 { ColumnType::Blob } else { ColumnType::Binary { subtype } }
}

/// Stores a text, whatever it was in the source.
#[inline]
fn store_text(bytes: &mut Bytes, of: TextOf, value: Value<'_>) -> Stored {
    if of == TextOf::Decimal {
        return Stored::Not;
    }
    if value.kind == Kind::ObjectId {
        ejson::push_hex(&mut bytes.bytes, value.object_id());
        bytes.end();
    } else {
        let text = value.text();
        if simdutf8::basic::from_utf8(text).is_err() {
            return Stored::Not;
        }
        bytes.push(text);
    }
    if TextOf::kind(value.kind) == Some(of) { Stored::Whole } else { Stored::InPart }
}

fn first_scale(value: Value<'_>) -> Option<u8> {
    let Decimal::Finite { coefficient, scale } = Decimal::from_bytes(value.decimal()) else { return None };
    let needed = scale_needed(coefficient, scale, SCALE_WRITTEN_MAX);
    rescale(coefficient, scale, needed).filter(|_| needed <= DIGITS_MAX).map(|_| needed as u8)
}

/// The double that is exactly this integer.
pub fn exact_double(integer: i64) -> Option<f64> {
    let double = integer as f64;
    // 2^63 itself is no i64, and the cast back would saturate to the greatest one.
    (double < 9_223_372_036_854_775_808.0 && double as i64 == integer).then_some(double)
}

/// The integer that is exactly this double; a negative zero has none.
pub fn exact_integer(double: f64) -> Option<i64> {
    let whole =
        double.trunc() == double && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&double);
    (whole && !(double == 0.0 && double.is_sign_negative())).then_some(double as i64)
}
