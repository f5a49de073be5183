//! Converts an array of a Parquet file to the array of its raw table's column, value by value without loss.
//!
//! A value that the column cannot hold is NULL there, and returned as a misfit. Where the type of the file's column is
//! not that of the raw table's, a value fits if its text is a value of that type. Knows arrays, not files.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, ListArray, MapArray, PrimitiveArray,
    StringArray, StructArray, UInt32Array, make_comparator, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{SortOptions, cast, nullif, take};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, Int64Type,
    IntervalDayTimeType, IntervalUnit, IntervalYearMonthType, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow::error::ArrowError;

use super::misfit::{ArrayTexts, Misfit, bson_of, text_of};
use crate::bson::decimal::{power, rescale};
use crate::column::builder::ColumnBuilder;
use crate::from_text::{MICROS, TextForm};
use elt_base::path::push_key;
use elt_base::schema::{Column, ColumnType, DECIMAL_PRECISION};

type Landed = Result<ArrayRef, ArrowError>;

/// The column that an array lands in.
#[derive(Clone, Copy)]
pub struct Target<'t> {
    /// The raw table's type.
    pub wanted: &'t ColumnType,
    /// The file's own type for the raw table.
    pub own: &'t ColumnType,
}

/// Converts an array. `second` is the same array in the second schema.
pub fn landed(array: &ArrayRef, second: Option<&ArrayRef>, to: Target<'_>, misfits: &mut Vec<Misfit>) -> Landed {
    match (to.own, to.wanted) {
        (ColumnType::Null, _) => Ok(new_null_array(&arrow_type(to.wanted), array.len())),
        (ColumnType::Struct(own), ColumnType::Struct(wanted)) => structs(array, second, own, wanted, misfits),
        (ColumnType::List(own), ColumnType::List(wanted)) => lists(array, second, Target { own, wanted }, misfits),
        (ColumnType::Map(own_key, own_value), ColumnType::Map(key, value)) => {
            let (key, value) = (Target { own: own_key, wanted: key }, Target { own: own_value, wanted: value });
            maps(array, second, key, value, misfits)
        }
        (own, wanted) if own == wanted || own.sql() == wanted.sql() => natural(array, second, wanted, misfits),
        _ => from_texts(array, second, to, misfits),
    }
}

/// The Arrow type of a column.
pub fn arrow_type(column_type: &ColumnType) -> DataType {
    ColumnBuilder::of_type(column_type, true).field("").data_type().clone()
}

/// An array whose type is the file's own. Nested types are converted by others.
fn natural(array: &ArrayRef, second: Option<&ArrayRef>, to: &ColumnType, misfits: &mut Vec<Misfit>) -> Landed {
    Ok(match array.data_type() {
        DataType::Dictionary(_, values) => return natural(&cast(array, values)?, None, to, misfits),
        DataType::RunEndEncoded(_, values) => return natural(&cast(array, values.data_type())?, None, to, misfits),
        DataType::UInt64 => decimals(array.as_primitive::<UInt64Type>(), 0, |value| Some(i128::from(value)), misfits)?,
        data if data.is_decimal() => any_decimals(array, to, misfits)?,
        DataType::Timestamp(unit, _) => instants(array, *unit, second, to, misfits),
        DataType::Date32 => converted::<Date32Type, Date32Type>(array, |day| (day != i32::MIN).then_some(day), misfits),
        DataType::Date64 => {
            let day = |millis: i64| (millis % 86_400_000 == 0).then(|| i32::try_from(millis / 86_400_000).ok())?;
            converted::<Date64Type, Date32Type>(array, day, misfits)
        }
        DataType::Time32(TimeUnit::Second) => {
            let micros = |time: i32| time_of_day(i64::from(time) * 1_000_000);
            converted::<Time32SecondType, Time64MicrosecondType>(array, micros, misfits)
        }
        DataType::Time32(_) => {
            let micros = |time: i32| time_of_day(i64::from(time) * 1_000);
            converted::<Time32MillisecondType, Time64MicrosecondType>(array, micros, misfits)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            let nanos = |time: i64| time_of_day(time / 1_000).map(|_| time);
            converted::<Time64NanosecondType, Time64NanosecondType>(array, nanos, misfits)
        }
        DataType::Time64(_) => converted::<Time64MicrosecondType, Time64MicrosecondType>(array, time_of_day, misfits),
        DataType::Duration(_) | DataType::Interval(_) => intervals(array, second, misfits)?,
        _ if *to == ColumnType::Json => json(array, misfits)?,
        // Numbers become wider, and texts and bytes keep their values.
        _ => cast(array, &arrow_type(to))?,
    })
}

fn time_of_day(micros: i64) -> Option<i64> {
    (0..=86_400_000_000).contains(&micros).then_some(micros)
}

/// Converts each value. None makes a misfit.
fn converted<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    array: &ArrayRef,
    convert: impl Fn(F::Native) -> Option<T::Native>,
    misfits: &mut Vec<Misfit>,
) -> ArrayRef {
    let from = array.as_primitive::<F>();
    let to: PrimitiveArray<T> = from.unary_opt(&convert);
    if to.null_count() > from.null_count() {
        let lost = (0..from.len()).filter(|index| from.is_valid(*index) && to.is_null(*index));
        misfits.extend(lost.map(|index| Misfit::new(array, index)));
    }
    Arc::new(to)
}

/// The times of a file, in the unit of the column.
fn instants(
    array: &ArrayRef,
    unit: TimeUnit,
    second: Option<&ArrayRef>,
    to: &ColumnType,
    misfits: &mut Vec<Misfit>,
) -> ArrayRef {
    // DuckDB's infinite times are the greatest numbers, in microseconds.
    let fits = |micros: i64| (MICROS.contains(&micros) || micros.unsigned_abs() == i64::MAX as u64).then_some(micros);
    let whole = |nanos: i64| (nanos % 1_000 == 0).then(|| fits(nanos / 1_000)).flatten();
    let micros = match unit {
        TimeUnit::Nanosecond if *to == ColumnType::TimestampNs => {
            let kept = |nanos: i64| (nanos != i64::MIN).then_some(nanos);
            return converted::<TimestampNanosecondType, TimestampNanosecondType>(array, kept, misfits);
        }
        TimeUnit::Nanosecond => match second {
            Some(second) => int96(array, second, misfits),
            None => converted::<TimestampNanosecondType, TimestampMicrosecondType>(array, whole, misfits),
        },
        TimeUnit::Microsecond => converted::<TimestampMicrosecondType, TimestampMicrosecondType>(array, fits, misfits),
        TimeUnit::Millisecond => {
            let micros = |millis: i64| millis.checked_mul(1_000).and_then(fits);
            converted::<TimestampMillisecondType, TimestampMicrosecondType>(array, micros, misfits)
        }
        TimeUnit::Second => {
            let micros = |seconds: i64| seconds.checked_mul(1_000_000).and_then(fits);
            converted::<TimestampSecondType, TimestampMicrosecondType>(array, micros, misfits)
        }
    };
    if *to != ColumnType::TimestampTz {
        return micros;
    }
    Arc::new(micros.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("UTC"))
}

/// INT96 times, read as nanoseconds, which may overflow, and as microseconds, which cut digits.
fn int96(nanos: &ArrayRef, micros: &ArrayRef, misfits: &mut Vec<Misfit>) -> ArrayRef {
    let (exact, cut) =
        (nanos.as_primitive::<TimestampNanosecondType>(), micros.as_primitive::<TimestampMicrosecondType>());
    let fits = |index: usize| {
        let (nanos, micros) = (exact.value(index), cut.value(index));
        let is_cut = nanos.div_euclid(1_000) == micros && nanos.rem_euclid(1_000) != 0;
        (MICROS.contains(&micros) && !is_cut).then_some(micros)
    };
    let values: PrimitiveArray<TimestampMicrosecondType> =
        (0..cut.len()).map(|index| if cut.is_valid(index) { fits(index) } else { None }).collect();
    let lost = (0..cut.len()).filter(|index| cut.is_valid(*index) && values.is_null(*index));
    misfits.extend(lost.map(|index| Misfit::new(nanos, index)));
    Arc::new(values)
}

/// The numbers of a file as DECIMAL(38, scale).
fn decimals<F: ArrowPrimitiveType>(
    array: &PrimitiveArray<F>,
    scale: u8,
    convert: impl Fn(F::Native) -> Option<i128>,
    misfits: &mut Vec<Misfit>,
) -> Landed {
    let limit = power(u32::from(DECIMAL_PRECISION)).unwrap_or(i128::MAX);
    let convert = |value| convert(value).filter(|value| value.unsigned_abs() < limit.unsigned_abs());
    let to: Decimal128Array = array.unary_opt(convert);
    if to.null_count() > array.null_count() {
        let lost = (0..array.len()).filter(|index| array.is_valid(*index) && to.is_null(*index));
        misfits.extend(lost.map(|index| Misfit::new(array, index)));
    }
    Ok(Arc::new(to.with_precision_and_scale(DECIMAL_PRECISION, scale as i8)?))
}

fn any_decimals(array: &ArrayRef, to: &ColumnType, misfits: &mut Vec<Misfit>) -> Landed {
    let ColumnType::Decimal { scale } = to else { return cast(array, &arrow_type(to)) };
    let at = |value: i128, from: i8| rescale(value, i32::from(from), u32::from(*scale));
    match array.data_type() {
        DataType::Decimal32(_, from) => {
            decimals(array.as_primitive::<Decimal32Type>(), *scale, |value| at(i128::from(value), *from), misfits)
        }
        DataType::Decimal64(_, from) => {
            decimals(array.as_primitive::<Decimal64Type>(), *scale, |value| at(i128::from(value), *from), misfits)
        }
        DataType::Decimal128(_, from) => {
            decimals(array.as_primitive::<Decimal128Type>(), *scale, |value| at(value, *from), misfits)
        }
        DataType::Decimal256(_, from) => {
            let narrow = |value: arrow::datatypes::i256| value.to_i128().and_then(|value| at(value, *from));
            decimals(array.as_primitive::<Decimal256Type>(), *scale, narrow, misfits)
        }
        _ => cast(array, &arrow_type(to)),
    }
}

/// INTERVALs as texts that DuckDB casts: months, days and microseconds.
fn intervals(array: &ArrayRef, second: Option<&ArrayRef>, misfits: &mut Vec<Misfit>) -> Landed {
    let texts: StringArray = match array.data_type() {
        DataType::Interval(IntervalUnit::DayTime) => {
            let days = array.as_primitive::<IntervalDayTimeType>();
            let months = second.and_then(|second| second.as_primitive_opt::<IntervalYearMonthType>());
            let text = |index: usize| {
                let (days, months) = (days.value(index), months.map_or(0, |months| months.value(index)));
                interval_text(months, days.days, i64::from(days.milliseconds) * 1_000)
            };
            (0..days.len()).map(|index| days.is_valid(index).then(|| text(index))).collect()
        }
        DataType::Interval(IntervalUnit::YearMonth) => {
            let months = array.as_primitive::<IntervalYearMonthType>();
            months.iter().map(|months| months.map(|months| interval_text(months, 0, 0))).collect()
        }
        DataType::Duration(unit) => {
            let micros = match unit {
                TimeUnit::Second => {
                    converted::<DurationSecondType, Int64Type>(array, |value| value.checked_mul(1_000_000), misfits)
                }
                TimeUnit::Millisecond => {
                    converted::<DurationMillisecondType, Int64Type>(array, |value| value.checked_mul(1_000), misfits)
                }
                TimeUnit::Microsecond => converted::<DurationMicrosecondType, Int64Type>(array, Some, misfits),
                TimeUnit::Nanosecond => {
                    let whole = |value: i64| (value % 1_000 == 0).then_some(value / 1_000);
                    converted::<DurationNanosecondType, Int64Type>(array, whole, misfits)
                }
            };
            let micros = micros.as_primitive::<Int64Type>();
            micros.iter().map(|micros| micros.map(|micros| interval_text(0, 0, micros))).collect()
        }
        _ => return cast(array, &DataType::Utf8),
    };
    Ok(Arc::new(texts))
}

fn interval_text(months: i32, days: i32, micros: i64) -> String {
    format!("{months} months {days} days {micros} microseconds")
}

/// ArrayTexts that must be JSON.
fn json(array: &ArrayRef, misfits: &mut Vec<Misfit>) -> Landed {
    let texts = cast(array, &DataType::Utf8)?;
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let lost: BooleanArray =
        texts.as_string::<i32>().iter().map(|text| Some(text.is_some_and(|text| !is_json(text)))).collect();
    if lost.true_count() == 0 {
        return Ok(texts);
    }
    misfits.extend((0..lost.len()).filter(|index| lost.value(*index)).map(|index| Misfit::new(&texts, index)));
    nullif(&texts, &lost)
}

/// Values whose texts are values of the column's type.
fn from_texts(array: &ArrayRef, second: Option<&ArrayRef>, to: Target<'_>, misfits: &mut Vec<Misfit>) -> Landed {
    let is_nested = |column_type: &ColumnType| {
        matches!(column_type, ColumnType::Struct(_) | ColumnType::List(_) | ColumnType::Map(..))
    };
    // ArrayTexts are made of what lands, so that an INTERVAL's months are there.
    let source = if is_nested(to.own) { array.clone() } else { natural(array, second, to.own, misfits)? };
    let mut column = ColumnBuilder::of_type(to.wanted, true);
    let texts = ArrayTexts::of(&source);
    let mut text = String::new();
    for index in 0..source.len() {
        if source.is_null(index) {
            continue;
        }
        text.clear();
        if is_nested(to.own) {
            text.push_str(&bson_of(&source, index).into_relaxed_extjson().to_string());
        } else {
            texts.push(index, &mut text);
        }
        let fits = !is_nested(to.own) || matches!(to.wanted, ColumnType::Varchar | ColumnType::Json);
        if !(fits && column.append_text(index, &text, TextForm::Any)) {
            misfits.push(Misfit::new(&source, index));
        }
    }
    column.finish(source.len())
}

fn structs(
    array: &ArrayRef,
    second: Option<&ArrayRef>,
    own: &[Column],
    wanted: &[Column],
    misfits: &mut Vec<Misfit>,
) -> Landed {
    let have = array.as_struct();
    let seconds = second.and_then(|second| second.as_struct_opt());
    let mut arrays = Vec::with_capacity(wanted.len());
    for field in wanted {
        let Some(index) = own.iter().position(|own| own.key() == field.key()) else {
            arrays.push(new_null_array(&arrow_type(&field.column_type), array.len()));
            continue;
        };
        let to = Target { own: &own[index].column_type, wanted: &field.column_type };
        let mut found = Vec::new();
        arrays.push(landed(have.column(index), seconds.map(|seconds| seconds.column(index)), to, &mut found)?);
        misfits.extend(found.into_iter().filter(|misfit| array.is_valid(misfit.index)).map(|mut misfit| {
            let mut prefix = String::new();
            push_key(&mut prefix, field.key());
            misfit.path = below(&prefix, &misfit.path);
            misfit.field = below(&prefix, &misfit.field);
            misfit
        }));
    }
    let DataType::Struct(fields) = arrow_type(&ColumnType::Struct(wanted.to_vec())) else {
        return Ok(new_null_array(&DataType::Utf8, array.len()));
    };
    Ok(Arc::new(StructArray::try_new_with_length(fields, arrays, array.nulls().cloned(), array.len())?))
}

/// `a` and `[0]` are `a[0]`; `a` and `b` are `a.b`.
pub fn below(above: &str, path: &str) -> String {
    let dot = if above.is_empty() || path.is_empty() || path.starts_with('[') { "" } else { "." };
    format!("{above}{dot}{path}")
}

fn lists(array: &ArrayRef, second: Option<&ArrayRef>, element: Target<'_>, misfits: &mut Vec<Misfit>) -> Landed {
    let list = list_of(array)?;
    let second = second.map(list_of).transpose()?;
    let mut found = Vec::new();
    let values = landed(list.values(), second.as_ref().map(ListArray::values), element, &mut found)?;
    for mut misfit in found {
        let Some((row, at)) = row_of(list.offsets(), misfit.index).filter(|(row, _)| list.is_valid(*row)) else {
            continue;
        };
        misfit.path = below(&format!("[{at}]"), &misfit.path);
        misfit.field = below("[]", &misfit.field);
        misfit.index = row;
        misfits.push(misfit);
    }
    let DataType::List(field) = arrow_type(&ColumnType::List(Box::new(element.wanted.clone()))) else {
        return Ok(new_null_array(&DataType::Utf8, array.len()));
    };
    Ok(Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?))
}

fn list_of(array: &ArrayRef) -> Result<ListArray, ArrowError> {
    Ok(match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().clone(),
        DataType::LargeList(element)
        | DataType::FixedSizeList(element, _)
        | DataType::ListView(element)
        | DataType::LargeListView(element) => cast(array, &DataType::List(element.clone()))?.as_list::<i32>().clone(),
        other => return Err(ArrowError::CastError(format!("a column of {other} is not a list"))),
    })
}

/// The row and the place within it of an element.
fn row_of(offsets: &OffsetBuffer<i32>, element: usize) -> Option<(usize, usize)> {
    let row = offsets.partition_point(|offset| *offset as usize <= element).checked_sub(1)?;
    Some((row, element.checked_sub(*offsets.get(row)? as usize)?))
}

fn maps(
    array: &ArrayRef,
    second: Option<&ArrayRef>,
    key: Target<'_>,
    value: Target<'_>,
    misfits: &mut Vec<Misfit>,
) -> Landed {
    let map = array.as_map();
    let second = second.and_then(|second| second.as_map_opt());
    let (mut lost_keys, mut lost_values) = (Vec::new(), Vec::new());
    let keys = landed(map.keys(), second.map(MapArray::keys), key, &mut lost_keys)?;
    let values = landed(map.values(), second.map(MapArray::values), value, &mut lost_values)?;
    // A map whose keys do not fit, or are not single, is a misfit as a whole.
    let mut is_lost = vec![false; map.len()];
    for misfit in &lost_keys {
        if let Some((row, _)) = row_of(map.offsets(), misfit.index) {
            is_lost[row] = true;
        }
    }
    let compare = make_comparator(&keys, &keys, SortOptions::default())?;
    for (row, ends) in map.offsets().windows(2).enumerate() {
        let mut entries: Vec<usize> = (ends[0] as usize..ends[1] as usize).collect();
        entries.sort_unstable_by(|a, b| compare(*a, *b));
        is_lost[row] |= entries.windows(2).any(|pair| compare(pair[0], pair[1]).is_eq());
    }
    for misfit in lost_values {
        let Some((row, _)) = row_of(map.offsets(), misfit.index) else { continue };
        if !is_lost[row] && map.is_valid(row) {
            let mut step = String::new();
            push_key(&mut step, &text_of(map.keys(), misfit.index));
            let path = below(&step, &misfit.path);
            misfits.push(Misfit { index: row, path, field: String::new(), value: misfit.value });
        }
    }
    let lost = (0..map.len()).filter(|row| is_lost[*row] && map.is_valid(*row));
    misfits.extend(lost.map(|row| Misfit::new(array, row)));
    let kept: NullBuffer = (0..map.len()).map(|row| !is_lost[row] && map.is_valid(row)).collect::<Vec<_>>().into();
    rebuilt_map(map.offsets(), &kept, keys, values, key.wanted, value.wanted)
}

/// The map without the entries of rows that are NULL, whose keys may be NULL.
fn rebuilt_map(
    offsets: &OffsetBuffer<i32>,
    kept: &NullBuffer,
    keys: ArrayRef,
    values: ArrayRef,
    key: &ColumnType,
    value: &ColumnType,
) -> Landed {
    let (mut entries, mut lengths) = (Vec::new(), Vec::with_capacity(kept.len()));
    for (row, ends) in offsets.windows(2).enumerate() {
        let length = if kept.is_valid(row) { (ends[1] - ends[0]) as usize } else { 0 };
        entries.extend((0..length).map(|entry| (ends[0] as usize + entry) as u32));
        lengths.push(length);
    }
    let entries = UInt32Array::from(entries);
    let (keys, values) = (take(&keys, &entries, None)?, take(&values, &entries, None)?);
    let map_type = arrow_type(&ColumnType::Map(Box::new(key.clone()), Box::new(value.clone())));
    let DataType::Map(field, sorted) = map_type else { return Ok(new_null_array(&DataType::Utf8, kept.len())) };
    let DataType::Struct(fields) = field.data_type().clone() else {
        return Ok(new_null_array(&DataType::Utf8, kept.len()));
    };
    let entries = StructArray::try_new_with_length(fields, vec![keys, values], None, entries.len())?;
    let nulls = (kept.null_count() > 0).then(|| kept.clone());
    Ok(Arc::new(MapArray::try_new(field, OffsetBuffer::from_lengths(lengths), entries, nulls, sorted)?))
}
