//! The trait of a target under test, and the canonical form in which values of all targets are compared.
//!
//! Knows no target.

use serde_json::Value;

use crate::project::Project;
use crate::wire::{Message, Wire};

/// The way in which texts of one value are converted to the canonical form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Text,
    Integer,
    Decimal,
    Float,
    Bool,
    Date,
    Time,
    /// A time with or without a zone, in UTC.
    Timestamp,
    Interval,
    Uuid,
    /// Hexadecimal digits.
    Blob,
    Json,
}

/// The canonical texts of a row; None is NULL.
pub type Row = Vec<Option<String>>;

/// A table, and its columns that are read.
pub type Columns<'a> = (&'a str, &'a [(&'a str, Kind)]);

/// A change of the shop's tables without the program.
#[derive(Debug, Clone, Copy)]
pub enum Hand {
    /// Another name for parent 2.
    Edit,
    /// No total for parent 3.
    Delete,
    /// A parent 99.
    Insert,
}

impl Hand {
    pub const ALL: [Self; 3] = [Self::Edit, Self::Delete, Self::Insert];

    pub fn table(self) -> &'static str {
        if matches!(self, Self::Delete) { "totals" } else { "parents" }
    }

    /// The change as a statement.
    pub fn sql(self) -> &'static str {
        match self {
            Self::Edit => "update parents set name = 'other' where parent_id = 2",
            Self::Delete => "delete from totals where parent_id = 3",
            Self::Insert => "insert into parents (parent_id, name) values (99, 'new')",
        }
    }

    /// The change as a query that reads the table from `relation` and returns the changed rows.
    pub fn query(self, relation: &str) -> String {
        match self {
            Self::Edit => {
                format!("select * replace (if(parent_id::bigint = 2, 'other', name) as name) from {relation}")
            }
            Self::Delete => format!("select * from {relation} where parent_id::bigint <> 3"),
            Self::Insert => format!("select * from {relation} union all select 99, 'new'"),
        }
    }
}

/// A value that the target cannot store.
pub struct Hazard {
    /// The SQL of such a value, and of a value that fits.
    pub odd: &'static str,
    pub fits: &'static str,
    /// The column's type in the contract, if the relation's own type could store the value.
    pub column_type: Option<&'static str>,
}

/// A relay before the target's server.
pub struct Relayed {
    pub wire: Wire,
    /// The environment variable with the server's URI.
    pub variable: &'static str,
    /// Whether a message requests the commit of a publication.
    pub is_commit: fn(&Message) -> bool,
}

/// A place to which a project can publish. It is empty at first.
pub trait Target {
    /// The lines of `[target.dev.export]`.
    fn profile(&self) -> String;

    /// The environment variables that the profile reads.
    fn environment(&self) -> Vec<(&'static str, String)>;

    /// All rows of each table in order, or None if the table does not exist.
    fn tables(&self, tables: &[Columns]) -> Vec<Option<Vec<Row>>>;

    fn change(&self, hand: Hand);

    /// Removes the record of publications, as a restored backup would.
    fn forget(&self);

    /// A text that differs after each publication that wrote anything.
    fn record(&self) -> String;

    fn hazard(&self) -> Option<Hazard>;

    /// None for a target without a server.
    fn relay(&self) -> Option<Relayed>;
}

impl dyn Target {
    /// All rows of one table.
    pub fn rows(&self, table: &str, columns: &[(&str, Kind)]) -> Option<Vec<Row>> {
        self.tables(&[(table, columns)]).pop().flatten()
    }
}

/// A driver's rows of texts, in canonical form and order.
pub fn canonical_rows(rows: Vec<Row>, columns: &[(&str, Kind)]) -> Vec<Row> {
    let mut rows: Vec<Row> = rows
        .into_iter()
        .map(|row| {
            row.into_iter().zip(columns).map(|(text, (_, kind))| text.map(|text| canonical(*kind, &text))).collect()
        })
        .collect();
    rows.sort();
    rows
}

/// DuckDB's SQL for a column's text.
pub fn duckdb_text(column: &str, kind: Kind) -> String {
    match kind {
        Kind::Json => format!("to_json({column})::varchar"),
        Kind::Blob => format!("lower(hex({column}::blob))"),
        _ => format!("{column}::varchar"),
    }
}

/// The rows of a relation of the project's warehouse.
pub fn of_warehouse(project: &Project, relation: &str, columns: &[(&str, Kind)]) -> Vec<Row> {
    let texts: Vec<String> =
        columns.iter().map(|(name, kind)| format!("{} as {name}", duckdb_text(name, *kind))).collect();
    let rows = project.query("dev", &format!("select {} from {relation}", texts.join(", ")));
    let text = |row: &serde_json::Map<String, Value>, name: &str| row[name].as_str().map(str::to_owned);
    let rows = rows.iter().map(|row| columns.iter().map(|(name, _)| text(row, name)).collect());
    canonical_rows(rows.collect(), columns)
}

/// The canonical text of a value.
pub fn canonical(kind: Kind, text: &str) -> String {
    match kind {
        Kind::Text | Kind::Integer | Kind::Blob => text.to_owned(),
        Kind::Uuid => text.to_lowercase(),
        Kind::Decimal => without_zeros(&without_exponent(text)),
        Kind::Time => without_zeros(text),
        Kind::Float => text.parse().map_or_else(|_| text.to_owned(), |number: f64| format!("{number:?}")),
        Kind::Bool => match text {
            "1" => "true".into(),
            "0" => "false".into(),
            _ => text.to_owned(),
        },
        Kind::Date => text.trim_end_matches("T00:00:00Z").trim_end_matches(" 00:00:00").to_owned(),
        Kind::Timestamp => {
            let text = text.replace('T', " ");
            without_zeros(text.trim_end_matches('Z').trim_end_matches(":00+00:00").trim_end_matches("+00"))
        }
        Kind::Interval => interval(text),
        Kind::Json => match serde_json::from_str(text) {
            // JSON that is stored as a text.
            Ok(Value::String(inner)) => match serde_json::from_str::<Value>(&inner) {
                Ok(value @ (Value::Object(_) | Value::Array(_))) => sorted(value).to_string(),
                _ => Value::String(inner).to_string(),
            },
            Ok(value) => sorted(value).to_string(),
            Err(_) => text.to_owned(),
        },
    }
}

fn without_zeros(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

/// `1E-3` as `0.001`.
fn without_exponent(text: &str) -> String {
    let Some((digits, exponent)) = text.split_once('E') else { return text.to_owned() };
    let places = exponent.parse::<i32>().map_or(0, |exponent| -exponent);
    if places <= 0 || digits.contains(['-', '.']) {
        return text.to_owned();
    }
    let places = places as usize;
    let padded = format!("{digits:0>width$}", width = places + 1);
    format!("{}.{}", &padded[..padded.len() - places], &padded[padded.len() - places..])
}

/// The order of keys does not matter for the equality of objects.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// `1 year 2 mons 3 days 00:00:04` and `P1Y2M3DT4S` as months, days and seconds.
fn interval(text: &str) -> String {
    let (mut months, mut days, mut seconds) = (0, 0, 0);
    if let Some(iso) = text.strip_prefix('P') {
        let (mut number, mut in_time) = (String::new(), false);
        for character in iso.chars() {
            let value = number.parse().map_or(0, |number: f64| number as i64);
            match (character, in_time) {
                ('T', _) => in_time = true,
                ('Y', _) => months += 12 * value,
                ('M', false) => months += value,
                ('D', _) => days += value,
                ('H', _) => seconds += 3600 * value,
                ('M', true) => seconds += 60 * value,
                ('S', _) => seconds += value,
                _ => {
                    number.push(character);
                    continue;
                }
            }
            number.clear();
        }
    } else {
        let words: Vec<&str> = text.split_whitespace().collect();
        for pair in words.windows(2) {
            let value: i64 = pair[0].parse().unwrap_or_default();
            match pair[1].trim_end_matches('s') {
                "year" => months += 12 * value,
                "mon" | "month" => months += value,
                "day" => days += value,
                _ => {}
            }
        }
        if let Some(clock) = words.last().filter(|word| word.contains(':')) {
            seconds = clock.split(':').fold(0, |sum, part| 60 * sum + part.parse::<i64>().unwrap_or_default());
        }
    }
    format!("{months} months {days} days {seconds} seconds")
}
