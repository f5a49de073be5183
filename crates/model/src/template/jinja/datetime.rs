//! `modules.datetime` and `modules.pytz`: dates, times and spans with the methods that templates use.
//!
//! The engine has no operators for them. In projects that use them, `+` and `-` are therefore rewritten to calls of
//! `ADD` and `SUBTRACT`.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::sync::Arc;

use chrono::{Datelike, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use minijinja::value::{DynObject, Kwargs, Object, ObjectRepr, Rest, Tuple, Value};
use minijinja::{Environment, Error, ErrorKind, State, context};

use super::arguments::Arguments;
use super::limits;
use super::refusal::Refusal;
use super::scope::scope;
use crate::template::markup::{ADD, SUBTRACT};

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_function(ADD, |state: &mut State, a: Value, b: Value| calculate(state, a, b, false));
    env.add_function(SUBTRACT, |state: &mut State, a: Value, b: Value| calculate(state, a, b, true));
}

fn calculate(state: &mut State, a: Value, b: Value, subtract: bool) -> Result<Value, Error> {
    if !subtract && let Some(sum) = limits::add(state, &a, &b)? {
        return Ok(sum);
    }
    let sign = |span: Duration| if subtract { -span } else { span };
    let too_far = || Refusal::new("the date is outside the range of dates");
    match (a.downcast_object_ref::<DateTimeValue>(), b.downcast_object_ref::<DateTimeValue>()) {
        (Some(first), Some(second)) if subtract => return Ok(Span(first.utc() - second.utc()).into()),
        (Some(moment), None) => {
            if let Some(Span(span)) = b.downcast_object_ref::<Span>() {
                return Ok(moment.shifted(sign(*span)).ok_or_else(too_far)?.into());
            }
        }
        (None, Some(moment)) if !subtract => {
            if let Some(Span(span)) = a.downcast_object_ref::<Span>() {
                return Ok(moment.shifted(*span).ok_or_else(too_far)?.into());
            }
        }
        _ => {}
    }
    if let (Some(Span(first)), Some(Span(second))) = (a.downcast_object_ref::<Span>(), b.downcast_object_ref::<Span>())
    {
        return Ok(Span(first.checked_add(&sign(*second)).ok_or_else(too_far)?).into());
    }
    let expression = if subtract { "a - b" } else { "a + b" };
    state.env().compile_expression(expression)?.eval(context! { a, b })
}

/// A `date` or a `datetime`. A `datetime` may have a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DateTimeValue {
    at: NaiveDateTime,
    is_date: bool,
    zone: Option<Tz>,
}

impl From<DateTimeValue> for Value {
    fn from(moment: DateTimeValue) -> Self {
        Self::from_object(moment)
    }
}

impl DateTimeValue {
    pub fn date(date: NaiveDate) -> Self {
        Self { at: date.and_time(NaiveTime::MIN), is_date: true, zone: None }
    }

    /// `at` is the local time of the zone.
    pub fn at(at: NaiveDateTime, zone: Option<Tz>) -> Self {
        Self { at, is_date: false, zone }
    }

    pub fn now(now: chrono::DateTime<Utc>, zone: Option<Tz>) -> Self {
        Self::at(zone.unwrap_or(Tz::UTC).from_utc_datetime(&now.naive_utc()).naive_local(), zone)
    }

    fn offset_seconds(&self) -> i64 {
        let zone = self.zone.unwrap_or(Tz::UTC);
        let found = zone.from_local_datetime(&self.at).earliest();
        found.map_or(0, |there| (there.naive_local() - there.naive_utc()).num_seconds())
    }

    fn utc(&self) -> NaiveDateTime {
        self.at - Duration::seconds(self.offset_seconds())
    }

    fn shifted(&self, span: Duration) -> Option<Self> {
        let span = if self.is_date { Duration::days(span.num_days()) } else { span };
        Some(Self { at: self.at.checked_add_signed(span)?, ..*self })
    }

    fn offset_text(&self, colon: bool) -> String {
        let seconds = self.offset_seconds();
        let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
        format!("{sign}{:02}{}{:02}", minutes / 60, if colon { ":" } else { "" }, minutes % 60)
    }

    fn iso(&self, separator: &str) -> String {
        if self.is_date {
            return self.at.format("%Y-%m-%d").to_string();
        }
        let micros = self.at.nanosecond() / 1000 % 1_000_000;
        let fraction = if micros > 0 { format!(".{micros:06}") } else { String::new() };
        let offset = if self.zone.is_some() { self.offset_text(true) } else { String::new() };
        format!("{}{separator}{}{fraction}{offset}", self.at.format("%Y-%m-%d"), self.at.format("%H:%M:%S"))
    }

    fn format(&self, pattern: &str) -> Result<String, Error> {
        let zone = self.zone.map_or(String::new(), |_| self.offset_text(false));
        let name = self.zone.map_or(String::new(), |zone| {
            zone.from_local_datetime(&self.at).earliest().map_or(String::new(), |at| at.format("%Z").to_string())
        });
        let pattern = pattern.replace("%f", "%6f").replace("%z", &zone).replace("%Z", &name);
        let mut text = String::new();
        match write!(text, "{}", self.at.format(&pattern)) {
            Ok(()) => Ok(text),
            Err(_) => Err(Refusal::new(format!("`{pattern}` is not a date format")).into()),
        }
    }

    fn replaced(&self, arguments: &Arguments) -> Result<Self, Error> {
        let part =
            |index, name: &str, own: u32| number(arguments, index, name).map(|given| given.unwrap_or(own.into()));
        let year = number(arguments, 0, "year")?.unwrap_or(self.at.year().into());
        let micros = self.at.nanosecond() / 1000;
        let numbers = [
            part(1, "month", self.at.month())?,
            part(2, "day", self.at.day())?,
            part(3, "hour", self.at.hour())?,
            part(4, "minute", self.at.minute())?,
            part(5, "second", self.at.second())?,
            part(6, "microsecond", micros)?,
        ];
        let zone = match arguments.named.get::<Value>("tzinfo") {
            Ok(zone) => zone.downcast_object_ref::<Zone>().map(|zone| zone.0),
            Err(_) => self.zone,
        };
        Ok(Self { at: moment(year, numbers)?, zone, is_date: self.is_date })
    }
}

fn number(arguments: &Arguments, index: usize, name: &str) -> Result<Option<i64>, Error> {
    match arguments.get(index, name) {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(Refusal::new(format!("`{name}` must be a whole number, not `{}`", value.kind())).into()),
        },
    }
}

/// Month, day, hour, minute, second, microsecond.
fn moment(year: i64, parts: [i64; 6]) -> Result<NaiveDateTime, Error> {
    let small = |number: i64| u32::try_from(number).ok();
    let build = || {
        let [month, day, hour, minute, second, micros] = parts;
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, small(month)?, small(day)?)?;
        let time = NaiveTime::from_hms_micro_opt(small(hour)?, small(minute)?, small(second)?, small(micros)?)?;
        Some(date.and_time(time))
    };
    build().ok_or_else(|| Refusal::new("this date or time does not exist").into())
}

impl Object for DateTimeValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "year" => Value::from(self.at.year()),
            "month" => Value::from(self.at.month()),
            "day" => Value::from(self.at.day()),
            "hour" if !self.is_date => Value::from(self.at.hour()),
            "minute" if !self.is_date => Value::from(self.at.minute()),
            "second" if !self.is_date => Value::from(self.at.second()),
            "microsecond" if !self.is_date => Value::from(self.at.nanosecond() / 1000),
            "tzinfo" if !self.is_date => self.zone.map_or(Value::from(()), |zone| Value::from_object(Zone(zone))),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::read("a date's method", args)?;
        Ok(match method {
            "strftime" => Value::from(self.format(&arguments.text(0, "format")?)?),
            "isoformat" => Value::from(self.iso(&arguments.get(0, "sep").map_or("T".into(), |sep| sep.to_string()))),
            "date" if !self.is_date => Self::date(self.at.date()).into(),
            "time" if !self.is_date => time_value(self.at.time()),
            "replace" => self.replaced(&arguments)?.into(),
            "weekday" => Value::from(self.at.weekday().num_days_from_monday()),
            "isoweekday" => Value::from(self.at.weekday().number_from_monday()),
            "isocalendar" => {
                let week = self.at.iso_week();
                let day = self.at.weekday().number_from_monday();
                Value::from(Tuple::from([Value::from(week.year()), Value::from(week.week()), Value::from(day)]))
            }
            "timestamp" if !self.is_date => Value::from(self.utc().and_utc().timestamp_micros() as f64 / 1e6),
            "toordinal" => Value::from(self.at.num_days_from_ce()),
            "astimezone" if !self.is_date => {
                let zone = arguments.get(0, "tz").and_then(|zone| zone.downcast_object::<Zone>());
                Self::now(self.utc().and_utc(), Some(zone.map_or(Tz::UTC, |zone| zone.0))).into()
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        Some(self.utc().cmp(&other.utc()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso(" "))
    }
}

/// A `time` of day, as its text.
pub(super) fn time_value(time: NaiveTime) -> Value {
    Value::from(time.format("%H:%M:%S%.f").to_string())
}

/// A `timedelta`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span(Duration);

impl From<Span> for Value {
    fn from(span: Span) -> Self {
        Self::from_object(span)
    }
}

impl Object for Span {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let seconds = self.0.num_seconds();
        Some(match key.as_str()? {
            "days" => Value::from(seconds.div_euclid(86_400)),
            "seconds" => Value::from(seconds.rem_euclid(86_400)),
            "microseconds" => Value::from(self.0.subsec_nanos().rem_euclid(1_000_000_000) / 1000),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "total_seconds" => Ok(Value::from(self.0.num_milliseconds() as f64 / 1e3)),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        Some(self.0.cmp(&other.downcast_ref::<Self>()?.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.num_seconds();
        let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        if days != 0 {
            write!(f, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(f, "{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
    }
}

/// A time zone.
#[derive(Debug, Clone, Copy)]
struct Zone(Tz);

impl Object for Zone {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "zone").then(|| Value::from(self.0.name()))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match (method, args.first().and_then(|value| value.downcast_object::<DateTimeValue>())) {
            ("localize", Some(moment)) => Ok(DateTimeValue::at(moment.at, Some(self.0)).into()),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

/// `modules.datetime`.
pub(super) fn module() -> Value {
    let utc = Value::from_pairs([("utc", Value::from_object(Zone(Tz::UTC)))]);
    Value::from_pairs([
        ("datetime", Value::from_object(DateClass { is_date: false })),
        ("date", Value::from_object(DateClass { is_date: true })),
        ("timedelta", Value::from_function(timedelta)),
        ("timezone", utc),
    ])
}

/// `modules.pytz`.
pub(super) fn zones() -> Value {
    let utc = Value::from_object(Zone(Tz::UTC));
    let named = |name: String| match name.parse::<Tz>() {
        Ok(zone) => Ok(Value::from_object(Zone(zone))),
        Err(_) => Err(Error::from(Refusal::new(format!("time zone `{name}` does not exist")))),
    };
    Value::from_pairs([("utc", utc.clone()), ("UTC", utc), ("timezone", Value::from_function(named))])
}

fn timedelta(args: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let arguments = Arguments::of("timedelta", args, named);
    let units = [
        ("days", 86_400.0),
        ("seconds", 1.0),
        ("microseconds", 1e-6),
        ("milliseconds", 1e-3),
        ("minutes", 60.0),
        ("hours", 3600.0),
        ("weeks", 604_800.0),
    ];
    let mut micros = 0.0;
    for (index, (name, seconds)) in units.iter().enumerate() {
        if let Some(value) = arguments.get(index, name) {
            let Ok(amount) = f64::try_from(value) else {
                return Err(Refusal::new(format!("`{name}` of `timedelta` must be a number")).into());
            };
            micros += amount * seconds * 1e6;
        }
    }
    Ok(Span(Duration::microseconds(micros.round() as i64)).into())
}

/// `modules.datetime.datetime` and `modules.datetime.date`.
#[derive(Debug)]
struct DateClass {
    is_date: bool,
}

impl DateClass {
    fn made(&self, moment: DateTimeValue) -> Value {
        if self.is_date { DateTimeValue::date(moment.at.date()).into() } else { moment.into() }
    }
}

impl Object for DateClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::read("datetime", args)?;
        let part = |index, name: &str| number(&arguments, index, name);
        let first = |index, name| {
            part(index, name)?
                .ok_or_else(|| Error::from(Refusal::new("a date needs year, month and day: `datetime(2024, 6, 30)`")))
        };
        let year = first(0, "year")?;
        let parts = [
            first(1, "month")?,
            first(2, "day")?,
            part(3, "hour")?.unwrap_or(0),
            part(4, "minute")?.unwrap_or(0),
            part(5, "second")?.unwrap_or(0),
            part(6, "microsecond")?.unwrap_or(0),
        ];
        let zone = arguments.get(7, "tzinfo").and_then(|zone| zone.downcast_object::<Zone>());
        Ok(self.made(DateTimeValue::at(moment(year, parts)?, zone.map(|zone| zone.0))))
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::read("datetime's method", args)?;
        let now = scope(state)?.now;
        let local = || DateTimeValue::at(now.with_timezone(&chrono::Local).naive_local(), None);
        let moment = match method {
            "now" => match arguments.get(0, "tz").and_then(|zone| zone.downcast_object::<Zone>()) {
                Some(zone) => DateTimeValue::now(now, Some(zone.0)),
                None => local(),
            },
            "today" => local(),
            "utcnow" => DateTimeValue::at(now.naive_utc(), None),
            "strptime" => {
                let (text, pattern) = (arguments.text(0, "date_string")?, arguments.text(1, "format")?);
                parsed(&text, &pattern)?
            }
            "fromisoformat" => {
                let text = arguments.text(0, "date_string")?;
                iso(&text).ok_or_else(|| Refusal::new(format!("`{text}` is not a date in ISO format")))?
            }
            "fromtimestamp" | "utcfromtimestamp" => {
                let seconds = f64::try_from(arguments.need(0, "timestamp")?)?;
                let at = chrono::DateTime::from_timestamp_micros((seconds * 1e6) as i64);
                let zone = arguments.get(1, "tz").and_then(|zone| zone.downcast_object::<Zone>());
                let at = at.ok_or_else(|| Refusal::new("this time does not exist"))?;
                match zone {
                    Some(zone) => DateTimeValue::now(at, Some(zone.0)),
                    None => DateTimeValue::at(at.naive_utc(), None),
                }
            }
            "combine" => {
                let date = arguments.need(0, "date")?;
                let date = date
                    .downcast_object_ref::<DateTimeValue>()
                    .ok_or_else(|| Refusal::new("`combine` needs a date"))?;
                let time = arguments.text(1, "time")?;
                let time = NaiveTime::parse_from_str(&time, "%H:%M:%S%.f").unwrap_or(NaiveTime::MIN);
                DateTimeValue::at(date.at.date().and_time(time), None)
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        };
        Ok(self.made(moment))
    }
}

fn parsed(text: &str, pattern: &str) -> Result<DateTimeValue, Error> {
    let ours = pattern.replace("%f", "%6f").replace("%S.%6f", "%S%.f");
    let with_zone =
        chrono::DateTime::parse_from_str(text, &ours).ok().map(|at| DateTimeValue::now(at.to_utc(), Some(Tz::UTC)));
    let plain = || NaiveDateTime::parse_from_str(text, &ours).ok().map(|at| DateTimeValue::at(at, None));
    let date = || {
        NaiveDate::parse_from_str(text, &ours).ok().map(|date| DateTimeValue::at(date.and_time(NaiveTime::MIN), None))
    };
    // A month without a day means its first day, as in Python.
    let month = || {
        let date = NaiveDate::parse_from_str(&format!("{text} 01"), &format!("{ours} %d")).ok()?;
        Some(DateTimeValue::at(date.and_time(NaiveTime::MIN), None))
    };
    with_zone
        .or_else(plain)
        .or_else(date)
        .or_else(month)
        .ok_or_else(|| Refusal::new(format!("`{text}` does not match the format `{pattern}`")).into())
}

fn iso(text: &str) -> Option<DateTimeValue> {
    if let Ok(at) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(DateTimeValue::now(at.to_utc(), Some(Tz::UTC)));
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok())
        .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|date| date.and_time(NaiveTime::MIN)))
        .map(|at| DateTimeValue::at(at, None))
}
