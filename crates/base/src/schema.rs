//! The columns of a raw table: their types, how two types merge, and their names in DuckDB.
//!
//! Pure. Knows neither BSON nor Arrow nor DuckDB's driver. Extraction decides which value fits which column.
//! Landing and the warehouse only pass the result on.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::{Deserialize, Serialize};

/// The names of the columns that every raw table has beside the document's fields.
pub const ID: &str = "_id";
pub const RESCUED: &str = "_elt_rescued";
pub const LOAD_ID: &str = "_elt_load_id";
pub const LOADED_AT: &str = "_elt_loaded_at";

/// The most levels of types in each other, the column itself included, and the most lists among them. Objects and arrays
/// below are JSON columns: SQL over deeper types is of little use, and DuckDB takes twice as long for each further level to
/// skip rows of a Parquet file (with 31 levels, minutes for four rows).
pub const LEVELS_MAX: usize = 12;
pub const LISTS_MAX: usize = 8;

/// How deep a type is nested in others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nesting {
    /// The types around it.
    pub types: usize,
    /// The lists among them.
    pub lists: usize,
}

impl Nesting {
    pub const COLUMN: Self = Self { types: 0, lists: 0 };

    /// Of a field of a STRUCT.
    pub fn field(self) -> Self {
        Self { types: self.types + 1, ..self }
    }

    /// Of an element of a LIST.
    pub fn element(self) -> Self {
        Self { types: self.types + 1, lists: self.lists + 1 }
    }

    pub fn may_be_struct(self) -> bool {
        self.types + 1 < LEVELS_MAX
    }

    pub fn may_be_list(self) -> bool {
        self.may_be_struct() && self.lists < LISTS_MAX
    }
}

/// The name of the warehouse's database within the program: `target.database` in templates.
pub const CATALOG: &str = "elt_warehouse";

/// Total digits of every DECIMAL column.
pub const DECIMAL_PRECISION: u8 = 38;

/// The raw document, for a source with `keep_bson: true`. The name is reserved like the others.
pub const BSON: &str = "_elt_bson";
/// The time when the sweep of a source with `deletes: mark` found that the document was deleted.
pub const DELETED_AT: &str = "_elt_deleted_at";

/// A column, or a field of a STRUCT. Names must differ in more than case, as in DuckDB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    /// The key in the document, if the column cannot have it as its name (see `extract::column::names`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(rename = "type")]
    pub column_type: ColumnType,
}

impl Column {
    /// A column whose name is its key.
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Self { name: name.into(), key: None, column_type }
    }

    /// The key of this column's values in a document.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.name)
    }
}

/// The type of a column, with the names of the design's table of types.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// The column has only nulls, or a list's elements have no type because all its arrays are empty, until a value
    /// arrives.
    Null,
    Boolean,
    BigInt,
    Double,
    /// 32 bits: from tables and files, never from BSON. So are the next three.
    Float,
    /// Without a time zone, with nanoseconds.
    TimestampNs,
    TimeNs,
    /// Months, days and microseconds. Segments store it as a text that DuckDB casts.
    Interval,
    /// DECIMAL(38, scale).
    Decimal {
        scale: u8,
    },
    Varchar,
    /// A VARCHAR of objectIds: 24 hex digits each. This type and the next three record the texts' type in the source.
    ObjectId,
    /// A VARCHAR of symbols (deprecated in BSON).
    Symbol,
    /// A VARCHAR of JavaScript code.
    Code,
    /// A VARCHAR of decimal128 values that do not fit in a DECIMAL, in canonical text.
    DecimalText,
    /// Milliseconds in the source, microseconds in the column, UTC.
    TimestampTz,
    /// No time zone, or a date only: from tables and files, never from BSON.
    Timestamp,
    Date,
    Time,
    /// Binaries of subtype 0.
    Blob,
    /// A BLOB of binaries whose subtype is neither 0 nor that of a UUID.
    Binary {
        subtype: u8,
    },
    Uuid,
    /// Any value as Extended JSON text. Used for objects whose keys are data.
    Json,
    Struct(Vec<Column>),
    /// STRUCT(t, i) of BSON timestamps: seconds and increment.
    BsonTimestamp,
    /// STRUCT(pattern, options) of regular expressions.
    Regex,
    List(Box<ColumnType>),
    /// A MAP of keys to values: from files, never from BSON.
    Map(Box<ColumnType>, Box<ColumnType>),
}

impl ColumnType {
    /// The type's name in DuckDB's SQL. A `Null` column is a VARCHAR, because every engine can read no narrower type.
    pub fn sql(&self) -> String {
        match self {
            Self::Boolean => "BOOLEAN".into(),
            Self::BigInt => "BIGINT".into(),
            Self::Double => "DOUBLE".into(),
            Self::Float => "FLOAT".into(),
            Self::TimestampNs => "TIMESTAMP_NS".into(),
            Self::TimeNs => "TIME_NS".into(),
            Self::Interval => "INTERVAL".into(),
            Self::Decimal { scale } => format!("DECIMAL({DECIMAL_PRECISION},{scale})"),
            Self::Varchar | Self::ObjectId | Self::Symbol | Self::Code | Self::DecimalText | Self::Null => {
                "VARCHAR".into()
            }
            Self::TimestampTz => "TIMESTAMP WITH TIME ZONE".into(),
            Self::Timestamp => "TIMESTAMP".into(),
            Self::Date => "DATE".into(),
            Self::Time => "TIME".into(),
            Self::Blob | Self::Binary { .. } => "BLOB".into(),
            Self::Uuid => "UUID".into(),
            Self::Json => "JSON".into(),
            Self::BsonTimestamp => "STRUCT(\"t\" BIGINT, \"i\" BIGINT)".into(),
            Self::Regex => "STRUCT(\"pattern\" VARCHAR, \"options\" VARCHAR)".into(),
            Self::List(element) => format!("{}[]", element.sql()),
            Self::Map(key, value) => format!("MAP({}, {})", key.sql(), value.sql()),
            Self::Struct(fields) => {
                let fields: Vec<_> =
                    fields.iter().map(|field| format!("{} {}", quote(&field.name), field.column_type.sql())).collect();
                format!("STRUCT({})", fields.join(", "))
            }
        }
    }

    /// The narrowest type that can store every value of both types without loss. None if no type can.
    ///
    /// NULL becomes the other type. BIGINT widens to DECIMAL. A DECIMAL gets the larger scale; each value is checked,
    /// because fewer digits are left before the point. Texts and blobs of different origin keep the first type; values
    /// of another origin are in `_elt_rescued` too. Structs and lists merge their fields and elements.
    pub fn widen(&self, other: &Self) -> Option<Self> {
        use ColumnType::*;
        Some(match (self, other) {
            (a, b) if a == b => a.clone(),
            (Null, b) => b.clone(),
            (a, Null) => a.clone(),
            (BigInt, Decimal { scale }) | (Decimal { scale }, BigInt) => Decimal { scale: *scale },
            (Decimal { scale: a }, Decimal { scale: b }) => Decimal { scale: *a.max(b) },
            (a, b) if a.is_text() && b.is_text() || a.is_blob() && b.is_blob() => a.clone(),
            (Float, Double) | (Double, Float) => Double,
            (List(a), List(b)) => List(Box::new(a.widen(b)?)),
            (Map(key, value), Map(other_key, other_value)) => {
                Map(Box::new(key.widen(other_key)?), Box::new(value.widen(other_value)?))
            }
            (Struct(a), Struct(b)) => Struct(widen_columns(a, b)?),
            _ => return None,
        })
    }
}

impl ColumnType {
    /// Whether values of the other type may be values of this one, too: both are numbers, or both are times.
    pub fn is_like(&self, other: &Self) -> bool {
        use ColumnType::*;
        let is_number = |a: &Self| matches!(a, BigInt | Double | Float | Decimal { .. });
        let is_time = |a: &Self| matches!(a, Date | Timestamp | TimestampTz | TimestampNs);
        let is_time_of_day = |a: &Self| matches!(a, Time | TimeNs);
        [is_number, is_time, is_time_of_day].iter().any(|is| is(self) && is(other))
    }

    /// Whether a segment stores values of this type as another type, so that they are cast when they are read.
    pub fn is_cast(&self) -> bool {
        match self {
            Self::Interval => true,
            Self::List(element) => element.is_cast(),
            Self::Map(key, value) => key.is_cast() || value.is_cast(),
            Self::Struct(fields) => fields.iter().any(|field| field.column_type.is_cast()),
            _ => false,
        }
    }

    fn bounded(&self, at: Nesting) -> Self {
        match self {
            Self::Struct(fields) if at.may_be_struct() => Self::Struct(bounded_at(fields, at.field())),
            Self::List(element) if at.may_be_list() => Self::List(Box::new(element.bounded(at.element()))),
            Self::Struct(_) | Self::List(_) => Self::Json,
            other => other.clone(),
        }
    }

    fn is_text(&self) -> bool {
        matches!(self, Self::Varchar | Self::ObjectId | Self::Symbol | Self::Code | Self::DecimalText)
    }

    fn is_blob(&self) -> bool {
        matches!(self, Self::Blob | Self::Binary { .. })
    }
}

/// The same columns, with those that are too deep as JSON.
pub fn bounded(columns: &[Column]) -> Vec<Column> {
    bounded_at(columns, Nesting::COLUMN)
}

fn bounded_at(columns: &[Column], at: Nesting) -> Vec<Column> {
    let bound = |column: &Column| Column { column_type: column.column_type.bounded(at), ..column.clone() };
    columns.iter().map(bound).collect()
}

/// Merges two column lists by name, ignoring case: first the columns of `old` in their order, then the new ones.
/// None if a column in both lists has two types without a common wider type.
pub fn widen_columns(old: &[Column], new: &[Column]) -> Option<Vec<Column>> {
    let mut merged = old.to_vec();
    let name = |column: &Column| column.name.to_ascii_lowercase();
    let mut places: HashMap<String, usize> = merged.iter().map(name).zip(0..).collect();
    for column in new {
        match places.entry(name(column)) {
            Entry::Occupied(place) => {
                let have = merged.get_mut(*place.get())?;
                have.column_type = have.column_type.widen(&column.column_type)?;
            }
            Entry::Vacant(place) => {
                place.insert(merged.len());
                merged.push(column.clone());
            }
        }
    }
    Some(merged)
}

/// A DuckDB (and Postgres) identifier in double quotes.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A SQL string literal in single quotes.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(old: ColumnType, new: ColumnType, expected: Option<&str>) {
        assert_eq!(old.widen(&new).map(|merged| merged.sql()).as_deref(), expected);
    }

    fn column(name: &str, column_type: ColumnType) -> Column {
        Column::new(name, column_type)
    }

    #[test]
    fn widens_only_without_loss() {
        use ColumnType::*;
        check(Null, Uuid, Some("UUID"));
        check(BigInt, Decimal { scale: 2 }, Some("DECIMAL(38,2)"));
        check(Decimal { scale: 4 }, Decimal { scale: 2 }, Some("DECIMAL(38,4)"));
        check(BigInt, Varchar, None);
        check(BigInt, Double, None);
        check(ObjectId, Varchar, Some("VARCHAR"));
        check(Blob, Binary { subtype: 3 }, Some("BLOB"));
        check(Varchar, Blob, None);
        check(Float, Double, Some("DOUBLE"));
        check(
            Map(Box::new(Varchar), Box::new(Null)),
            Map(Box::new(Varchar), Box::new(Interval)),
            Some("MAP(VARCHAR, INTERVAL)"),
        );
        check(List(Box::new(Null)), List(Box::new(BigInt)), Some("BIGINT[]"));
        check(
            Struct(vec![column("a", BigInt)]),
            Struct(vec![column("A", BigInt), column("b \"c\"", Varchar)]),
            Some("STRUCT(\"a\" BIGINT, \"b \"\"c\"\"\" VARCHAR)"),
        );
        check(Struct(vec![column("a", BigInt)]), Struct(vec![column("a", Boolean)]), None);
    }
}
