//! DuckDB's column types, parsed from the text in its catalog: the Postgres type of each, and the expression that
//! converts it.
//!
//! Pure text. Knows no connection, no Arrow and no target's driver.

use super::changes::Shape;
use super::postgres_type::PostgresType;
use super::type_text::{fields, list_suffix, split};
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
    /// The fields with their names, which are empty for a STRUCT without names.
    Struct(Vec<(String, DuckType)>),
    Map(Box<DuckType>, Box<DuckType>),
    Union(Vec<(String, DuckType)>),
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
        let (name, inner) = match text.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.rsplit_once(')').map_or(rest, |(inner, _)| inner)),
            None => (text, ""),
        };
        let name = name.to_ascii_uppercase();
        let of_fields = || fields(inner).map(|(name, text)| (name, Self::parse(text))).collect();
        match name.as_str() {
            "STRUCT" | "ROW" => Self::Struct(of_fields()),
            "UNION" => Self::Union(of_fields()),
            "MAP" => {
                let mut parts = split(inner).map(|part| Box::new(Self::parse(part)));
                let mut part = || parts.next().unwrap_or_else(|| Box::new(Self::Plain("VARCHAR".into())));
                Self::Map(part(), part())
            }
            "ENUM" => Self::Enum,
            "DECIMAL" | "NUMERIC" => {
                let mut digits = inner.split(',').map(|digit| digit.trim().parse::<u8>().ok());
                Self::Decimal {
                    precision: digits.next().flatten().unwrap_or(18),
                    scale: digits.next().flatten().unwrap_or(if inner.is_empty() { 3 } else { 0 }),
                }
            }
            name => Self::Plain(canonical(name).to_owned()),
        }
    }

    /// STRUCT, MAP, UNION and LIST.
    pub fn is_nested(&self) -> bool {
        matches!(self, Self::Struct(_) | Self::Map(..) | Self::Union(_) | Self::List(_))
    }

    /// Whether it has no parts, and this name.
    pub fn is_plain(&self, name: &str) -> bool {
        matches!(self, Self::Plain(own) if own == name)
    }

    /// The Postgres type of the design's table; None where there is none.
    pub fn postgres(&self) -> Option<PostgresType> {
        use PostgresType::*;
        Some(match self {
            Self::Decimal { precision, scale } => Numeric(Some((*precision, *scale))),
            Self::Enum => Text,
            Self::Struct(_) | Self::Map(..) | Self::Union(_) => Jsonb,
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

    /// The expression that selects a column. After it only these Arrow types arrive: Boolean, Int16, Int32, Int64,
    /// Float32, Float64, Decimal128, Utf8, Binary, Date32, Time64(µs or ns), Timestamp(any unit, with or without zone),
    /// Interval(MonthDayNano), and List of those. UUID, integers beyond 64 bits and JSON arrive as text.
    ///
    /// With `Shape::Nested` STRUCT, MAP, UNION and LIST arrive as such, with parts of those types; the parts that Arrow
    /// has no type for arrive as text.
    pub fn select(&self, column: &str, shape: Shape) -> String {
        let quoted = quote(column);
        if shape == Shape::Nested && self.is_nested() {
            return self.rebuilt(&quoted, &|part, value| part.as_nested_text(value)).unwrap_or(quoted);
        }
        match (self.cast(), self.postgres()) {
            (_, Some(PostgresType::Array(_))) if shape == Shape::Json => self.json_text(&quoted),
            (_, Some(PostgresType::Interval)) if shape == Shape::Json => format!("{quoted}::VARCHAR"),
            (_, Some(PostgresType::Jsonb)) => self.json_text(&quoted),
            (Some(cast), _) => format!("{quoted}::{cast}"),
            (None, _) => quoted,
        }
    }

    /// A part of a nested value as text, if Arrow cannot hold it as it is.
    fn as_nested_text(&self, value: &str) -> Option<String> {
        match self {
            Self::Plain(name) => match name.as_str() {
                "VARIANT" => Some(self.json_text(value)),
                "HUGEINT" | "UHUGEINT" | "BIGNUM" | "BIT" | "TIME WITH TIME ZONE" => Some(format!("{value}::VARCHAR")),
                _ => None,
            },
            _ => None,
        }
    }

    /// The expressions whose hash tells whether a column changed. DuckDB's `hash` cannot tell `NULL` from `[]` or
    /// `[NULL]`, nor `[[1], [2]]` from `[[1, 2]]`, nor 1 month from 30 days, nor a 128-bit integer whose halves are
    /// equal from 0 (which -1 is: -0.01 and 0.00 of a wide decimal), nor -0.0 from 0.0, and hashes an enum by its
    /// position: those are hashed as text, or with their sign.
    pub fn hashed(&self, column: &str) -> String {
        let quoted = quote(column);
        match self {
            Self::Enum => format!("{quoted}::VARCHAR"),
            Self::Decimal { precision, .. } if *precision > INT64_DIGITS => format!("{quoted}::VARCHAR"),
            Self::Decimal { .. } => quoted,
            Self::Plain(name) => match name.as_str() {
                "HUGEINT" | "UHUGEINT" | "INTERVAL" => format!("{quoted}::VARCHAR"),
                "FLOAT" | "DOUBLE" => format!("{quoted}, signbit({quoted})"),
                "VARIANT" => self.json_text(&quoted),
                _ => quoted,
            },
            _ => self.json_text(&quoted),
        }
    }

    /// The DuckDB type a scalar (or a list of scalars) is cast to before it leaves, where its own is not exported
    /// plainly.
    fn cast(&self) -> Option<String> {
        Some(
            match self {
                Self::Enum => "VARCHAR",
                Self::Decimal { .. } | Self::Struct(_) | Self::Map(..) | Self::Union(_) => return None,
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
                    _ => return None,
                },
            }
            .to_owned(),
        )
    }

    /// Its name in SQL, as far as lists that are no JSON have it.
    fn sql(&self) -> String {
        match self {
            Self::Plain(name) => name.clone(),
            Self::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
            Self::Enum | Self::Struct(_) | Self::Map(..) | Self::Union(_) => "VARCHAR".into(),
            Self::List(element) => format!("{}[]", element.sql()),
        }
    }
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
        check("TIMESTAMP_NS", Some("timestamp without time zone"), "\"c\"");
        check("ENUM('a', 'b''c[]')", Some("text"), "\"c\"::VARCHAR");
        check("STRUCT(\"a b\"\"c\" INTEGER, d DECIMAL(2,1)[])", Some("jsonb"), "to_json(\"c\")::VARCHAR");
        check("STRUCT(a INTEGER)[]", Some("jsonb"), "to_json(\"c\")::VARCHAR");
        check("MAP(VARCHAR, INTEGER)", Some("jsonb"), "to_json(\"c\")::VARCHAR");
        check("INTEGER[3]", Some("integer[]"), "\"c\"::INTEGER[]");
        check("DECIMAL(2,1)[]", Some("numeric(2,1)[]"), "\"c\"::DECIMAL(2,1)[]");
        check("UUID[]", Some("uuid[]"), "\"c\"::VARCHAR[]");
        check("INTEGER[][]", Some("jsonb"), "to_json(\"c\")::VARCHAR");
        check("JSON", Some("jsonb"), "\"c\"::VARCHAR");
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
        hashed("DOUBLE", "\"c\", signbit(\"c\")");
    }

    #[test]
    fn reads_the_parts_of_nested_types() {
        let plain = |name: &str| DuckType::Plain(name.into());
        let field = |name: &str, part: DuckType| (name.to_owned(), part);
        assert_eq!(
            DuckType::parse("STRUCT(\"a b\"\"c)\" INTEGER, d MAP(VARCHAR, DECIMAL(2,1))[3], e ENUM('x, (', 'y'))"),
            DuckType::Struct(vec![
                field("a b\"c)", plain("INTEGER")),
                field(
                    "d",
                    DuckType::List(Box::new(DuckType::Map(
                        Box::new(plain("VARCHAR")),
                        Box::new(DuckType::Decimal { precision: 2, scale: 1 })
                    )))
                ),
                field("e", DuckType::Enum),
            ])
        );
        assert_eq!(
            DuckType::parse("UNION(at TIMESTAMP WITH TIME ZONE, n BIGINT)"),
            DuckType::Union(vec![field("at", plain("TIMESTAMP WITH TIME ZONE")), field("n", plain("BIGINT"))])
        );
        let nameless = vec![field("", plain("INTEGER")), field("", plain("VARCHAR"))];
        assert_eq!(DuckType::parse("STRUCT(INTEGER, VARCHAR)"), DuckType::Struct(nameless));
    }

    #[test]
    fn parts_that_arrow_lacks_arrive_as_text() {
        let nested = |duckdb: &str| DuckType::parse(duckdb).select("c", Shape::Nested);
        assert_eq!(nested("STRUCT(u UUID, n INTEGER[])"), "\"c\"");
        assert_eq!(
            nested("STRUCT(b BIT, n INTEGER)"),
            "case when \"c\" is not null then struct_pack(\"b\" := struct_extract(\"c\", 'b')::VARCHAR, \
             \"n\" := struct_extract(\"c\", 'n')) end"
        );
        assert_eq!(nested("BIT[]"), "list_transform(\"c\", lambda _elt_e0: _elt_e0::VARCHAR)");
    }
}
