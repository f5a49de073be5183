//! Builds one column, and lists the kinds of columns.
//!
//! A column without a type gets the type of its first value. After that, the type only changes without loss (BIGINT to
//! DECIMAL, a greater scale, new struct fields). Any other value is rescued, and is NULL in the column. Rows without a
//! value get nulls at the next value or at the end of the batch. Knows nothing of sources.
//!
//! A new kind of column is a type that implements `Values`, one line in `kinds!` and one in `ColumnKind::of_type`.
//! `columns` and `elements` implement the two kinds that contain columns. Their types are defined here.

use arrow::array::ArrayRef;
use arrow::array::builder::NullBufferBuilder;
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field};
use arrow::error::ArrowError;

use crate::bson::{Kind, Malformed, Value};
use crate::column::binary::{Blobs, Uuids};
use crate::column::context::Context;
use crate::column::counts::{Keys, TypeCounts};
use crate::column::interval::Intervals;
use crate::column::keyed::Keyed;
use crate::column::nanoseconds::{NanoInstants, NanoTimes};
use crate::column::number::{Doubles, Floats, Numbers};
use crate::column::odd_keys::OddKeys;
use crate::column::parts::{Regexes, Timestamps};
use crate::column::scalar::{Booleans, Untyped};
use crate::column::shape::Shape;
use crate::column::text::{DecimalTexts, IdTexts, JsonTexts, Texts};
use crate::column::time::{Days, Instants, TimesOfDay};
use crate::column::types;
use crate::column::value_path::ValuePath;
use crate::column::values::{Slot, Stored, Values};
use crate::from_text::TextForm;
use elt_base::census::Census;
use elt_base::reading::IdKind;
use elt_base::schema::ColumnType;

#[derive(Debug)]
pub struct ColumnBuilder {
    values: ColumnKind,
    valid: NullBufferBuilder,
    len: usize,
    counts: TypeCounts,
    /// How texts become values of the type, if the source has only texts.
    text_form: Option<TextForm>,
    /// The values that did not fit, if the load may choose another type.
    misfits: Option<Box<Shape>>,
}

/// The columns of an object: of a STRUCT, or of the document itself.
#[derive(Debug)]
pub struct Columns {
    pub(super) keyed: Keyed<ColumnBuilder>,
    pub(super) odd: OddKeys,
    /// The most columns. Values of further keys are rescued.
    pub(super) fields_max: usize,
}

/// The elements of a LIST.
#[derive(Debug)]
pub struct Elements {
    pub(super) offsets: Vec<i32>,
    pub(super) items: usize,
    pub(super) element: Box<ColumnBuilder>,
}

/// The keys and the values of a MAP. Both are empty.
#[derive(Debug)]
pub struct Maps {
    pub(super) key: Box<ColumnBuilder>,
    pub(super) value: Box<ColumnBuilder>,
}

/// The kinds of columns, each with the type of its values.
macro_rules! kinds {
    ($($kind:ident($values:ty),)*) => {
        #[derive(Debug)]
        enum ColumnKind {
            $($kind($values),)*
        }

        impl Values for ColumnKind {
            fn column_type(&self) -> ColumnType {
                match self { $(Self::$kind(values) => values.column_type(),)* }
            }

            fn data_type(&self) -> DataType {
                match self { $(Self::$kind(values) => values.data_type(),)* }
            }

            fn extension(&self) -> &'static [(&'static str, &'static str)] {
                match self { $(Self::$kind(values) => values.extension(),)* }
            }

            #[inline]
            fn store(
                &mut self,
                value: Value<'_>,
                place: Slot<'_>,
                cx: &mut Context<'_>,
            ) -> Result<Stored, Malformed> {
                match self { $(Self::$kind(values) => values.store(value, place, cx),)* }
            }

            fn store_text(&mut self, text: &str, form: TextForm) -> bool {
                match self { $(Self::$kind(values) => values.store_text(text, form),)* }
            }

            fn store_bytes(&mut self, bytes: &[u8]) -> bool {
                match self { $(Self::$kind(values) => values.store_bytes(bytes),)* }
            }

            fn nulls(&mut self, count: usize) {
                match self { $(Self::$kind(values) => values.nulls(count),)* }
            }

            fn finish(&mut self, rows: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
                match self { $(Self::$kind(values) => values.finish(rows, nulls),)* }
            }

            fn keys(&self) -> Keys {
                match self { $(Self::$kind(values) => values.keys(),)* }
            }

            fn gather(&self, path: &str, census: &mut Census) {
                match self { $(Self::$kind(values) => values.gather(path, census),)* }
            }

            fn weigh(&mut self, path: &str, misfits: &mut Vec<(String, Shape)>) {
                match self { $(Self::$kind(values) => values.weigh(path, misfits),)* }
            }
        }
    };
}

kinds! {
    Untyped(Untyped),
    Boolean(Booleans),
    Number(Numbers),
    Double(Doubles),
    Float(Floats),
    Text(Texts),
    DecimalText(DecimalTexts),
    Id(IdTexts),
    Json(JsonTexts),
    Blob(Blobs),
    Uuid(Uuids),
    Instant(Instants),
    Date(Days),
    Time(TimesOfDay),
    NanoInstant(NanoInstants),
    NanoTime(NanoTimes),
    Interval(Intervals),
    Timestamp(Timestamps),
    Regex(Regexes),
    Struct(Columns),
    List(Elements),
    Map(Maps),
}

impl ColumnKind {
    fn is_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Id(_))
    }

    /// No values yet, of that type.
    fn of_type(column_type: &ColumnType, is_pinned: bool) -> Self {
        match column_type {
            ColumnType::Null => Self::Untyped(Untyped),
            ColumnType::Boolean => Self::Boolean(Booleans::default()),
            ColumnType::BigInt => Self::Number(Numbers::integers(is_pinned)),
            ColumnType::Decimal { scale } => Self::Number(Numbers::decimals(*scale, is_pinned)),
            ColumnType::Double => Self::Double(Doubles::default()),
            ColumnType::Float => Self::Float(Floats::default()),
            ColumnType::TimestampNs => Self::NanoInstant(NanoInstants::default()),
            ColumnType::TimeNs => Self::NanoTime(NanoTimes::default()),
            ColumnType::Interval => Self::Interval(Intervals::default()),
            ColumnType::Varchar => Self::Text(Texts::of(Kind::String)),
            ColumnType::ObjectId => Self::Text(Texts::of(Kind::ObjectId)),
            ColumnType::Symbol => Self::Text(Texts::of(Kind::Symbol)),
            ColumnType::Code => Self::Text(Texts::of(Kind::Code)),
            ColumnType::DecimalText => Self::DecimalText(DecimalTexts::default()),
            ColumnType::TimestampTz => Self::Instant(Instants::new(true)),
            ColumnType::Timestamp => Self::Instant(Instants::new(false)),
            ColumnType::Date => Self::Date(Days::default()),
            ColumnType::Time => Self::Time(TimesOfDay::default()),
            ColumnType::Blob => Self::Blob(Blobs::of(0)),
            ColumnType::Binary { subtype } => Self::Blob(Blobs::of(*subtype)),
            ColumnType::Uuid => Self::Uuid(Uuids::default()),
            ColumnType::Json => Self::Json(JsonTexts::default()),
            ColumnType::BsonTimestamp => Self::Timestamp(Timestamps::default()),
            ColumnType::Regex => Self::Regex(Regexes::default()),
            ColumnType::Struct(fields) => Self::Struct(Columns::of_struct(fields, is_pinned)),
            ColumnType::List(element) => Self::List(Elements::of(ColumnBuilder::of_type(element, is_pinned))),
            ColumnType::Map(key, value) => {
                Self::Map(Maps::of(ColumnBuilder::of_type(key, true), ColumnBuilder::of_type(value, true)))
            }
        }
    }
}

impl ColumnBuilder {
    fn new(values: ColumnKind) -> Self {
        let counts = TypeCounts::default();
        Self { values, valid: NullBufferBuilder::new(0), len: 0, counts, text_form: None, misfits: None }
    }

    pub fn untyped() -> Self {
        Self::new(ColumnKind::Untyped(Untyped))
    }

    pub fn id(kind: IdKind) -> Self {
        Self::new(ColumnKind::Id(IdTexts::new(kind)))
    }

    pub fn of_columns(columns: Columns) -> Self {
        Self::new(ColumnKind::Struct(columns))
    }

    pub fn list(element: ColumnBuilder) -> Self {
        Self::new(ColumnKind::List(Elements::of(element)))
    }

    /// An empty column of that type. If `is_pinned`, the type must not change in any way.
    pub fn of_type(column_type: &ColumnType, is_pinned: bool) -> Self {
        Self::new(ColumnKind::of_type(column_type, is_pinned))
    }

    /// From now on, texts that are values of the column's type are stored as such.
    pub fn read_texts(&mut self, form: TextForm) {
        self.text_form = Some(form);
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn column_type(&self) -> ColumnType {
        self.values.column_type()
    }

    /// Fills up to `row` with nulls.
    #[inline]
    fn pad(&mut self, row: usize) {
        if self.len < row {
            let missing = row - self.len;
            self.values.nulls(missing);
            self.valid.append_n_nulls(missing);
            self.len = row;
        }
    }

    /// Accepts another value of a key that the same object had before. The first value is kept, and this one is
    /// rescued.
    pub fn repeat(&mut self, value: Value<'_>, path: &ValuePath<'_>, cx: &mut Context<'_>) -> Result<(), Malformed> {
        self.counts.saw(value.kind, cx);
        self.counts.rescued(value.kind, cx);
        self.counts.look_within(value, self.values.keys(), cx)?;
        cx.rescue(path, value, true)
    }

    /// Appends a value as row `row`, which must not be before `len`.
    #[inline]
    pub fn append(
        &mut self,
        row: usize,
        value: Value<'_>,
        path: &ValuePath<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Malformed> {
        self.counts.saw(value.kind, cx);
        self.pad(row);
        if value.kind.is_null() && !matches!(self.values, ColumnKind::Id(_)) {
            self.pad(row + 1);
            return Ok(());
        }
        if matches!(self.values, ColumnKind::Untyped(_)) {
            self.assume(value, path, cx)?;
        }
        let stored = match self.text_form {
            Some(form) if value.kind == Kind::String && !self.values.is_text() => {
                let text = std::str::from_utf8(value.text());
                Stored::whole_if(text.is_ok_and(|text| self.values.store_text(text, form)))
            }
            _ => self.values.store(value, Slot { row, path }, cx)?,
        };
        if stored != Stored::Not {
            self.valid.append_non_null();
            self.len += 1;
            match stored {
                Stored::Whole => return Ok(()),
                Stored::AsText => return self.counts.look_within(value, self.values.keys(), cx),
                Stored::InPart | Stored::Not => {}
            }
        }
        self.pad(row + 1);
        self.counts.rescued(value.kind, cx);
        self.counts.look_within(value, Keys::Named, cx)?;
        if cx.weighs {
            self.misfits.get_or_insert_default().observe_rescued(value)?;
        }
        cx.rescue(path, value, false)
    }

    /// Moves the values that did not fit, by path, also those of the columns within.
    pub fn weigh(&mut self, path: &str, misfits: &mut Vec<(String, Shape)>) {
        misfits.extend(self.misfits.take().map(|shape| (path.to_owned(), *shape)));
        self.values.weigh(path, misfits);
    }

    /// Appends bytes that `elt` created itself, which the census does not count: the rescued object, the `_id` of a
    /// document that has none, the raw document.
    pub fn append_bytes(&mut self, row: usize, value: &[u8]) {
        self.pad(row);
        if self.values.store_bytes(value) {
            self.valid.append_non_null();
            self.len += 1;
        }
    }

    /// Appends a text as a value of the column's type. False, and the row is null, if it is no value of the type.
    pub fn append_text(&mut self, row: usize, text: &str, form: TextForm) -> bool {
        self.pad(row);
        let is_stored = self.values.store_text(text, form);
        if is_stored {
            self.valid.append_non_null();
            self.len += 1;
        }
        is_stored
    }

    /// Sets the type from the first value, if a type can store it.
    fn assume(&mut self, value: Value<'_>, path: &ValuePath<'_>, cx: &Context<'_>) -> Result<(), Malformed> {
        let Some(own) = types::of_first(value, path.nesting())? else { return Ok(()) };
        self.values = ColumnKind::of_type(&cx.shared_types.column_type(path, own), false);
        self.values.nulls(self.len);
        Ok(())
    }

    /// The Arrow field of this column.
    pub fn field(&self, name: &str) -> Field {
        let field = Field::new(name, self.values.data_type(), true);
        let extension = self.values.extension();
        if extension.is_empty() {
            return field;
        }
        field.with_metadata(extension.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    /// Returns the column's `rows` values. The builder is empty afterwards, and its type does not change.
    pub fn finish(&mut self, rows: usize) -> Result<ArrayRef, ArrowError> {
        self.pad(rows);
        self.len = 0;
        let nulls = self.valid.finish();
        self.values.finish(rows, nulls)
    }

    pub fn gather(&self, path: &str, census: &mut Census) {
        self.counts.gather(path, census);
        self.values.gather(path, census);
    }
}
