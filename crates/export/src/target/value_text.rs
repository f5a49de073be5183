//! A value of an Arrow array as text, for keys in messages and for quarantined rows.
//!
//! Knows no target.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// The text of a value that is not null. Nulls in lists are `NULL`.
pub fn value_text(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        DataType::Timestamp(unit, _) => {
            let value = match unit {
                TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row),
                TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row),
                TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
                TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row),
            };
            match value {
                i64::MAX => "infinity".to_owned(),
                value if value <= -i64::MAX => "-infinity".to_owned(),
                // Farther than Arrow prints dates.
                value => formatted(array, row).unwrap_or_else(|| format!("{value} {unit:?}s from 1970").to_lowercase()),
            }
        }
        DataType::Date32 => match array.as_primitive::<arrow::datatypes::Date32Type>().value(row) {
            i32::MAX => "infinity".to_owned(),
            days if days <= -i32::MAX => "-infinity".to_owned(),
            days => formatted(array, row).unwrap_or_else(|| format!("{days} days from 1970")),
        },
        DataType::List(_) => {
            let list = array.as_list::<i32>().value(row);
            let text = |row| if list.is_null(row) { "NULL".to_owned() } else { value_text(&list, row) };
            format!("[{}]", (0..list.len()).map(text).collect::<Vec<_>>().join(", "))
        }
        _ => formatted(array, row).unwrap_or_default(),
    }
}

/// As Arrow prints it; None where it cannot.
fn formatted(array: &dyn Array, row: usize) -> Option<String> {
    let options = FormatOptions::new().with_display_error(false);
    let format = ArrayFormatter::try_new(array, &options).ok()?;
    format.value(row).try_to_string().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Date32Array, TimestampSecondArray};

    use super::*;

    #[test]
    fn writes_times_that_arrow_does_not() {
        let check = |array: ArrayRef, expected: &str| assert_eq!(value_text(&array, 0), expected);
        check(Arc::new(TimestampSecondArray::from(vec![i64::MAX])), "infinity");
        check(Arc::new(TimestampSecondArray::from(vec![0])), "1970-01-01T00:00:00");
        check(Arc::new(TimestampSecondArray::from(vec![i64::MAX - 1])), "9223372036854775806 seconds from 1970");
        check(Arc::new(Date32Array::from(vec![-i32::MAX])), "-infinity");
    }
}
