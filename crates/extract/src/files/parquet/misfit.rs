//! Values of a Parquet file that do not fit their columns: their rows, paths and Extended JSON.
//!
//! Knows Arrow's values, not how a column stores them.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use bson::{Bson, Document};

/// A value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The value's place in its array: at last, the row.
    pub index: usize,
    /// The path below the array's own: `[3].name`.
    pub path: String,
    /// The path of its field in the census: `[].name`.
    pub field: String,
    /// Canonical Extended JSON.
    pub value: String,
}

impl Misfit {
    pub fn new(array: &dyn Array, index: usize) -> Self {
        let value = bson_of(array, index).into_canonical_extjson().to_string();
        Self { index, path: String::new(), field: String::new(), value }
    }
}

/// A value as BSON. What no BSON type holds exactly is a text.
pub fn bson_of(array: &dyn Array, index: usize) -> Bson {
    if array.is_null(index) {
        return Bson::Null;
    }
    let date = |value: i64, per_second: i64| {
        let millis = i128::from(value) * 1_000;
        let exact = millis % i128::from(per_second) == 0;
        let millis = i64::try_from(millis.div_euclid(i128::from(per_second))).ok().filter(|_| exact);
        millis.map(|millis| Bson::DateTime(bson::DateTime::from_millis(millis)))
    };
    let typed = match array.data_type() {
        DataType::Boolean => Some(Bson::Boolean(array.as_boolean().value(index))),
        DataType::Float16 => Some(Bson::Double(f64::from(array.as_primitive::<Float16Type>().value(index)))),
        DataType::Float32 => Some(Bson::Double(f64::from(array.as_primitive::<Float32Type>().value(index)))),
        DataType::Float64 => Some(Bson::Double(array.as_primitive::<Float64Type>().value(index))),
        DataType::Int64 => Some(Bson::Int64(array.as_primitive::<Int64Type>().value(index))),
        data if data.is_integer() || data.is_decimal() => {
            let text = text_of(array, index);
            let integer = text.parse().ok().filter(|_| data.is_integer()).map(Bson::Int64);
            integer.or_else(|| text.parse().ok().map(Bson::Decimal128))
        }
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => date(array.as_primitive::<TimestampSecondType>().value(index), 1),
            TimeUnit::Millisecond => date(array.as_primitive::<TimestampMillisecondType>().value(index), 1_000),
            TimeUnit::Microsecond => date(array.as_primitive::<TimestampMicrosecondType>().value(index), 1_000_000),
            TimeUnit::Nanosecond => date(array.as_primitive::<TimestampNanosecondType>().value(index), 1_000_000_000),
        },
        DataType::Date32 => date(i64::from(array.as_primitive::<Date32Type>().value(index)) * 86_400, 1),
        DataType::Date64 => date(array.as_primitive::<Date64Type>().value(index), 1_000),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            let bytes = arrow::compute::cast(&array.slice(index, 1), &DataType::Binary).ok();
            bytes.map(|bytes| {
                let bytes = bytes.as_binary::<i32>().value(0).to_vec();
                Bson::Binary(bson::Binary { subtype: 0.into(), bytes })
            })
        }
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let object: Document =
                columns.map(|(field, column)| (field.name().clone(), bson_of(column, index))).collect();
            Some(Bson::Document(object))
        }
        DataType::List(_) => Some(list(&array.as_list::<i32>().value(index))),
        DataType::LargeList(_) => Some(list(&array.as_list::<i64>().value(index))),
        DataType::FixedSizeList(..) => Some(list(&array.as_fixed_size_list().value(index))),
        DataType::Map(..) => {
            let entries = array.as_map().value(index);
            let (keys, values) = (entries.column(0), entries.column(1));
            let pairs = (0..entries.len()).map(|entry| {
                let pair = [("key", bson_of(keys, entry)), ("value", bson_of(values, entry))];
                Bson::Document(pair.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
            });
            Some(Bson::Array(pairs.collect()))
        }
        _ => None,
    };
    typed.unwrap_or_else(|| Bson::String(text_of(array, index)))
}

fn list(values: &dyn Array) -> Bson {
    Bson::Array((0..values.len()).map(|index| bson_of(values, index)).collect())
}

/// The texts of an array's values that are not nested, with all their digits.
pub struct ArrayTexts<'a> {
    array: &'a dyn Array,
    /// None for times: Arrow's display refuses names of zones without a database, and times beyond its calendar.
    formatter: Option<ArrayFormatter<'a>>,
}

/// How values are displayed.
const DISPLAY: FormatOptions<'static> = FormatOptions::new();

impl<'a> ArrayTexts<'a> {
    pub fn of(array: &'a dyn Array) -> Self {
        let is_instant = matches!(array.data_type(), DataType::Timestamp(..));
        let formatter = if is_instant { None } else { ArrayFormatter::try_new(array, &DISPLAY).ok() };
        Self { array, formatter }
    }

    /// Appends the text of a value.
    pub fn push(&self, index: usize, out: &mut String) {
        match &self.formatter {
            // Writing into a `String` cannot fail.
            Some(formatter) => drop(formatter.value(index).write(out)),
            None => out.push_str(&instant_of(self.array, index)),
        }
    }
}

/// The text of one value.
pub fn text_of(array: &dyn Array, index: usize) -> String {
    let mut text = String::new();
    ArrayTexts::of(array).push(index, &mut text);
    text
}

fn instant_of(array: &dyn Array, index: usize) -> String {
    let DataType::Timestamp(unit, _) = array.data_type() else { return String::new() };
    let value = match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(index),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(index),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(index),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(index),
    };
    instant_text(value, *unit)
}

/// A time in UTC as ISO 8601, or as a number of its units beyond the calendar.
fn instant_text(value: i64, unit: TimeUnit) -> String {
    let (per_second, name) = match unit {
        TimeUnit::Second => (1, "seconds"),
        TimeUnit::Millisecond => (1_000, "milliseconds"),
        TimeUnit::Microsecond => (1_000_000, "microseconds"),
        TimeUnit::Nanosecond => (1_000_000_000, "nanoseconds"),
    };
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    let date = chrono::DateTime::from_timestamp(value.div_euclid(per_second), nanos as u32);
    let text = date.map(|date| date.naive_utc().format("%Y-%m-%d %H:%M:%S%.f").to_string());
    text.unwrap_or_else(|| format!("{value} {name} since 1970"))
}
