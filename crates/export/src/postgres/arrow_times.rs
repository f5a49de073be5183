//! Arrow's times and timestamps of any unit as microseconds, and which of them are none.
//!
//! Allocates a buffer a batch only for other units. Knows no connection.

use arrow::array::{ArrayRef, AsArray};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};

use super::hazard::PostgresHazard;

/// Timestamps in microseconds from 1970. An instant is the same in every zone; what is beyond the range is infinite.
pub fn micros(array: &ArrayRef) -> Option<ScalarBuffer<i64>> {
    let wider = |values: &ScalarBuffer<i64>, unit: i64| -> ScalarBuffer<i64> {
        let wider = |value: &i64| value.checked_mul(unit).unwrap_or(i64::MAX * value.signum());
        values.iter().map(wider).collect()
    };
    Some(match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            wider(array.as_primitive::<TimestampSecondType>().values(), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            wider(array.as_primitive::<TimestampMillisecondType>().values(), 1_000)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive::<TimestampMicrosecondType>().values().clone()
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            of_nanos(array.as_primitive::<TimestampNanosecondType>().values())
        }
        _ => return None,
    })
}

/// The nearest microseconds; the ends of the range are infinite.
pub fn of_nanos(values: &ScalarBuffer<i64>) -> ScalarBuffer<i64> {
    let nearest = |nanos: i64| match nanos {
        i64::MAX => i64::MAX,
        nanos if nanos <= -i64::MAX => -i64::MAX,
        nanos => nanos.div_euclid(1_000) + i64::from(nanos.rem_euclid(1_000) >= 500),
    };
    values.iter().map(|nanos| nearest(*nanos)).collect()
}

/// The times that are finer than a microsecond, or beyond those that 64 bits of microseconds hold.
pub fn odd(array: &ArrayRef) -> Option<(BooleanBuffer, PostgresHazard)> {
    let is_infinite = |value: i64| value == i64::MAX || value <= -i64::MAX;
    let finer = |values: &ScalarBuffer<i64>| {
        let odd = values.iter().map(|nanos| nanos % 1_000 != 0 && !is_infinite(*nanos)).collect();
        Some((odd, PostgresHazard::Scale))
    };
    let beyond = |values: &ScalarBuffer<i64>, unit: i64| {
        let odd = values.iter().map(|value| value.checked_mul(unit).is_none() && !is_infinite(*value)).collect();
        Some((odd, PostgresHazard::YearRange))
    };
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => finer(array.as_primitive::<TimestampNanosecondType>().values()),
        DataType::Time64(TimeUnit::Nanosecond) => finer(array.as_primitive::<Time64NanosecondType>().values()),
        DataType::Timestamp(TimeUnit::Second, _) => {
            beyond(array.as_primitive::<TimestampSecondType>().values(), 1_000_000)
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            beyond(array.as_primitive::<TimestampMillisecondType>().values(), 1_000)
        }
        _ => None,
    }
}
