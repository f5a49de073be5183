//! DuckDB's column types, parsed from the text in its catalog: the Postgres type of each, and the expression that
//! converts it.
//!
//! Pure text. Knows no connection, no Arrow and no target's driver.

use super::changes::Shape;
use super::postgres_type::PostgresType;
use elt_base::schema::quote;

/// The shape of a DuckDB type: what export needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DuckType {
    /// A type without parameters, in DuckDB's canonical upper-case name: `BIGINT`, `TIMESTAMP WITH TIME ZONE`, `NULL`.
    Plain(String),
    Decimal {
        precision: u8,
        scale: u8,
    },
    Enum,
    /// STRUCT, MAP, UNION: published as JSON.
    Nested,
    /// A list, or an array of fixed length.
    List(Box<DuckType>),
}

/// A decimal of more digits is 128 bits wide.
const INT64_DIGITS: u8 = 18;

impl DuckType {
    /// Reads a type's text, such as `DECIMAL(38,2)`, `STRUCT(a BIGINT)[]`, `INTEGER[3]`, `TIMESTAMP WITH TIME ZONE`.
    /// Never fails: a name it does not know is `Plain` and has no Postgres type.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some(open) = list_suffix(text) {
            return Self::List(Box::new(Self::parse(&text[..open])));
        }
        let upper = text.to_ascii_uppercase();
        let (name, parameters) = match upper.find('(') {
            Some(open) => (upper[..open].trim(), upper[open + 1..].trim_end_matches(')')),
            None => (upper.as_str(), ""),
        };
        match name {
            "STRUCT" | "ROW" | "MAP" | "UNION" => Self::Nested,
            "ENUM" => Self::Enum,
            "DECIMAL" | "NUMERIC" => {
                let mut digits = parameters.split(',').map(|digit| digit.trim().parse::<u8>().ok());
                Self::Decimal {
                    precision: digits.next().flatten().unwrap_or(18),
                    scale: digits.next().flatten().unwrap_or(if parameters.is_empty() { 3 } else { 0 }),
                }
            }
            _ => Self::Plain(canonical(name).to_owned()),
        }
    }

    /// The Postgres type of the design's table; None where there is none.
    pub fn postgres(&self) -> Option<PostgresType> {
        use PostgresType::*;
        Some(match self {
            Self::Decimal { precision, scale } => Numeric(Some((*precision, *scale))),
            Self::Enum => Text,
            Self::Nested => Jsonb,
            Self::List(element) => match element.postgres()? {
                Jsonb | Array(_) => Jsonb,
                scalar => Array(Box::new(scalar)),
            },
            Self::Plain(name) => match name.as_str() {
                "BOOLEAN" => Bool,
                "TINYINT" | "UTINYINT" | "SMALLINT" => Int2,
                "USMALLINT" | "INTEGER" => Int4,
                "UINTEGER" | "BIGINT" => Int8,
                "UBIGINT" | "HUGEINT" | "UHUGEINT" | "BIGNUM" => Numeric(None),
                "FLOAT" => Float4,
                "DOUBLE" => Float8,
                // A column of which DuckDB knows only nulls.
                "VARCHAR" | "BIT" | "TIME WITH TIME ZONE" | "NULL" => Text,
                "DATE" => Date,
                "TIME" | "TIME_NS" => Time,
                "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_MS" | "TIMESTAMP_NS" => Timestamp,
                "TIMESTAMP WITH TIME ZONE" => TimestampTz,
                "INTERVAL" => Interval,
                "UUID" => Uuid,
                "BLOB" => Bytea,
                "JSON" | "VARIANT" => Jsonb,
                _ => return None,
            },
        })
    }

    /// The expression that selects a column for Postgres. After it only these Arrow types arrive: Boolean, Int16,
    /// Int32, Int64, Float32, Float64, Decimal128, Utf8, Binary, Date32, Time64(µs), Timestamp(µs, with or without
    /// zone), Interval(MonthDayNano), and List of those. UUID, integers beyond 64 bits and JSON arrive as text.
    ///
    /// With `Shape::Nested` STRUCT, MAP, UNION and LIST arrive as they are, and what is in them.
    pub fn select(&self, column: &str, shape: Shape) -> String {
        let quoted = quote(column);
        let is_kept = shape == Shape::Nested && matches!(self, Self::Nested | Self::List(_));
        match (self.cast(), self.postgres()) {
            _ if is_kept => quoted,
            (_, Some(PostgresType::Array(_))) if shape == Shape::Json => self.json(&quoted),
            (_, Some(PostgresType::Interval)) if shape == Shape::Json => format!("{quoted}::VARCHAR"),
            (_, Some(PostgresType::Jsonb)) => self.json(&quoted),
            (Some(cast), _) => format!("{quoted}::{cast}"),
            (None, _) => quoted,
        }
    }

    /// A value as JSON text. (`to_json` of a VARIANT would turn all scalars into strings.)
    fn json(&self, quoted: &str) -> String {
        match self {
            Self::Plain(name) if name == "JSON" => format!("{quoted}::VARCHAR"),
            Self::Plain(_) => format!("{quoted}::JSON::VARCHAR"),
            _ => format!("to_json({quoted})::VARCHAR"),
        }
    }

    /// The expression whose hash tells whether a column changed. DuckDB's `hash` cannot tell `NULL` from `[]` or
    /// `[NULL]`, nor `[[1], [2]]` from `[[1, 2]]`, nor 1 month from 30 days, nor a 128-bit integer whose halves are
    /// equal from 0 (which -1 is: -0.01 and 0.00 of a wide decimal), and hashes an enum by its position: those are
    /// hashed as text.
    pub fn hashed(&self, column: &str) -> String {
        let quoted = quote(column);
        match self {
            Self::Nested | Self::List(_) => self.json(&quoted),
            Self::Enum => format!("{quoted}::VARCHAR"),
            Self::Decimal { precision, .. } if *precision > INT64_DIGITS => format!("{quoted}::VARCHAR"),
            Self::Plain(name) if matches!(name.as_str(), "HUGEINT" | "UHUGEINT" | "INTERVAL") => {
                format!("{quoted}::VARCHAR")
            }
            Self::Plain(name) if name == "VARIANT" => self.json(&quoted),
            _ => quoted,
        }
    }

    /// The DuckDB type a scalar (or a list of scalars) is cast to before it leaves, where its own is not exported
    /// plainly.
    fn cast(&self) -> Option<String> {
        Some(
            match self {
                Self::Enum => "VARCHAR",
                Self::Decimal { .. } | Self::Nested => return None,
                // Always cast: an array of fixed length becomes a list.
                Self::List(element) => return Some(format!("{}[]", element.cast().unwrap_or_else(|| element.sql()))),
                Self::Plain(name) => match name.as_str() {
                    "TINYINT" | "UTINYINT" => "SMALLINT",
                    "USMALLINT" => "INTEGER",
                    "UINTEGER" => "BIGINT",
                    "UBIGINT"
                    | "HUGEINT"
                    | "UHUGEINT"
                    | "BIGNUM"
                    | "UUID"
                    | "BIT"
                    | "TIME WITH TIME ZONE"
                    | "NULL"
                    | "JSON" => "VARCHAR",
                    "TIME_NS" => "TIME",
                    "TIMESTAMP_S" | "TIMESTAMP_MS" | "TIMESTAMP_NS" => "TIMESTAMP",
                    _ => return None,
                },
            }
            .to_owned(),
        )
    }

    fn sql(&self) -> String {
        match self {
            Self::Plain(name) => name.clone(),
            Self::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
            Self::Enum | Self::Nested => "VARCHAR".into(),
            Self::List(element) => format!("{}[]", element.sql()),
        }
    }
}

/// Where the `[]` or `[n]` at the end of a list type begins.
fn list_suffix(text: &str) -> Option<usize> {
    let inner = text.strip_suffix(']')?;
    let open = inner.rfind('[')?;
    inner[open + 1..].bytes().all(|byte| byte.is_ascii_digit()).then_some(open)
}

/// One name for the spellings that DuckDB accepts and prints.
fn canonical(name: &str) -> &str {
    match name {
        "TIMESTAMPTZ" => "TIMESTAMP WITH TIME ZONE",
        "TIMETZ" => "TIME WITH TIME ZONE",
        "DATETIME" | "TIMESTAMP_US" | "TIMESTAMP WITHOUT TIME ZONE" => "TIMESTAMP",
        "TEXT" | "STRING" | "CHAR" | "BPCHAR" => "VARCHAR",
        "INT" | "INT4" | "SIGNED" => "INTEGER",
        "INT8" | "LONG" => "BIGINT",
        "INT2" | "SHORT" => "SMALLINT",
        "INT1" => "TINYINT",
        "BOOL" | "LOGICAL" => "BOOLEAN",
        "FLOAT4" | "REAL" => "FLOAT",
        "FLOAT8" => "DOUBLE",
        "BYTEA" | "BINARY" | "VARBINARY" => "BLOB",
        "BITSTRING" => "BIT",
        "VARINT" => "BIGNUM",
        "GUID" => "UUID",
        "\"NULL\"" => "NULL",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{DuckType, Shape};

    #[track_caller]
    fn check(duckdb: &str, postgres: Option<&str>, select: &str) {
        let parsed = DuckType::parse(duckdb);
        assert_eq!(parsed.postgres().map(|found| found.to_string()).as_deref(), postgres, "{duckdb}");
        assert_eq!(parsed.select("c", Shape::Flat), select, "{duckdb}");
    }

    #[test]
    fn maps_as_the_design_has_it() {
        check("BIGINT", Some("bigint"), "\"c\"");
        check("UTINYINT", Some("smallint"), "\"c\"::SMALLINT");
        check("HUGEINT", Some("numeric"), "\"c\"::VARCHAR");
        check("DECIMAL(38,2)", Some("numeric(38,2)"), "\"c\"");
        check("TIMESTAMP WITH TIME ZONE", Some("timestamp with time zone"), "\"c\"");
        check("TIMESTAMP_NS", Some("timestamp without time zone"), "\"c\"::TIMESTAMP");
        check("ENUM('a', 'b''c[]')", Some("text"), "\"c\"::VARCHAR");
        check("STRUCT(\"a b\"\"c\" INTEGER, d DECIMAL(2,1)[])", Some("jsonb"), "to_json(\"c\")::VARCHAR");
        check("STRUCT(a INTEGER)[]", Some("jsonb"), "to_json(\"c\")::VARCHAR");
        check("MAP(VARCHAR, INTEGER)", Some("jsonb"), "to_json(\"c\")::VARCHAR");
        check("INTEGER[3]", Some("integer[]"), "\"c\"::INTEGER[]");
        check("DECIMAL(2,1)[]", Some("numeric(2,1)[]"), "\"c\"::DECIMAL(2,1)[]");
        check("UUID[]", Some("uuid[]"), "\"c\"::VARCHAR[]");
        check("INTEGER[][]", Some("jsonb"), "to_json(\"c\")::VARCHAR");
        check("JSON", Some("jsonb"), "\"c\"::VARCHAR");
        check("VARIANT", Some("jsonb"), "\"c\"::JSON::VARCHAR");
        check("\"NULL\"", Some("text"), "\"c\"::VARCHAR");
        check("GEOMETRY", None, "\"c\"");
    }

    #[test]
    fn hashes_as_text_what_duckdb_hashes_alike() {
        let hashed =
            |duckdb: &str, expected: &str| assert_eq!(DuckType::parse(duckdb).hashed("c"), expected, "{duckdb}");
        hashed("BIGINT", "\"c\"");
        hashed("DECIMAL(18,2)", "\"c\"");
        hashed("DECIMAL(19,2)", "\"c\"::VARCHAR");
        hashed("HUGEINT", "\"c\"::VARCHAR");
        hashed("INTERVAL", "\"c\"::VARCHAR");
        hashed("INTEGER[]", "to_json(\"c\")::VARCHAR");
    }
}
