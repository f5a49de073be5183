//! Dates, times and timestamps as Postgres counts them, from 2000: exactly, or reported with the nearest one.
//!
//! Pure. Knows no Arrow and no connection.

use super::hazard::PostgresHazard;

/// Days and microseconds from 1970-01-01 to Postgres' epoch, 2000-01-01.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
/// The limits in Postgres' `timestamp.h`, from its epoch: 4713-11-24 BC up to, excluding, 5874898-06-03 and
/// 294277-01-01.
const DATES: std::ops::Range<i32> = -2_451_545..2_145_031_949;
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// Microseconds from 1970, as DuckDB has them, to Postgres', from 2000: infinite where it does not reach.
#[inline]
pub fn stamp(micros: i64, fault: &mut impl FnMut(PostgresHazard)) -> i64 {
    // DuckDB's infinities are the ends of the range.
    let found = match micros {
        i64::MAX => Some(i64::MAX),
        micros if micros <= -i64::MAX => Some(i64::MIN),
        micros => micros.checked_sub(EPOCH_MICROS).filter(|micros| TIMESTAMPS.contains(micros)),
    };
    found.unwrap_or_else(|| {
        fault(PostgresHazard::YearRange);
        if micros < 0 { i64::MIN } else { i64::MAX }
    })
}

/// The same for days.
#[inline]
pub fn date(days: i32, fault: &mut impl FnMut(PostgresHazard)) -> i32 {
    let found = match days {
        i32::MAX => Some(i32::MAX),
        days if days <= -i32::MAX => Some(i32::MIN),
        days => days.checked_sub(EPOCH_DAYS).filter(|days| DATES.contains(days)),
    };
    found.unwrap_or_else(|| {
        fault(PostgresHazard::YearRange);
        if days < 0 { i32::MIN } else { i32::MAX }
    })
}

/// The timestamp that a date begins with.
pub fn midnight(days: i32, fault: &mut impl FnMut(PostgresHazard)) -> i64 {
    match date(days, fault) {
        i32::MAX => i64::MAX,
        i32::MIN => i64::MIN,
        // Dates reach farther than timestamps.
        days => {
            let micros = i64::from(days).checked_mul(DAY_MICROS).filter(|micros| TIMESTAMPS.contains(micros));
            micros.unwrap_or_else(|| {
                fault(PostgresHazard::YearRange);
                if days < 0 { i64::MIN } else { i64::MAX }
            })
        }
    }
}

/// The date of a timestamp.
pub fn day(micros: i64, fault: &mut impl FnMut(PostgresHazard)) -> i32 {
    match stamp(micros, fault) {
        i64::MAX => i32::MAX,
        i64::MIN => i32::MIN,
        micros => {
            if micros.rem_euclid(DAY_MICROS) != 0 {
                fault(PostgresHazard::TimeOfDay);
            }
            // Timestamps reach less far than dates.
            micros.div_euclid(DAY_MICROS) as i32
        }
    }
}

/// To units of so many microseconds, half away from zero, as Postgres rounds.
pub fn rounded(micros: i64, unit: i64, fault: &mut impl FnMut(PostgresHazard)) -> i64 {
    let rest = micros % unit;
    if rest == 0 {
        return micros;
    }
    fault(PostgresHazard::Scale);
    let down = micros - rest;
    if rest.abs() * 2 >= unit { down + unit * rest.signum() } else { down }
}

/// Reads `12:30:00.25+05:30` as microseconds of the day and seconds west of Greenwich.
pub fn time_with_zone(text: &str) -> Option<(i64, i32)> {
    let sign_at = text.rfind(['+', '-'])?;
    let (time, zone) = text.split_at(sign_at);
    let part = |part: &str, max: i64| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i64>().ok().filter(|part| is_number && *part <= max)
    };
    let mut parts = time.split(':');
    let (hours, minutes) = (part(parts.next()?, 24)?, part(parts.next()?, 59)?);
    let (seconds, fraction) = parts.next().unwrap_or("0").split_once('.').unwrap_or((time.rsplit(':').next()?, "0"));
    if parts.next().is_some() || fraction.len() > 6 {
        return None;
    }
    let seconds = part(seconds, 59)?;
    let fraction = part(&format!("{fraction:0<6}"), 999_999)?;
    let micros = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction;
    let mut east = 0;
    let mut unit = 3_600;
    for written in zone[1..].split(':') {
        // Hours, minutes, seconds, and no more.
        if unit == 0 {
            return None;
        }
        east += part(written, 59)? * unit;
        unit /= 60;
    }
    let is_within = micros <= DAY_MICROS && unit < 3_600 && east < 16 * 3_600;
    let west = if zone.starts_with('+') { -east } else { east };
    is_within.then_some((micros, west as i32))
}
