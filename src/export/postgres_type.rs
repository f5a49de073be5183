//! The Postgres types that relations are published in, and which of ours fit a column that someone else made.
//!
//! Pure: names and rules only. Knows no connection, no driver and no DuckDB.

use std::fmt;

/// A type of the design's export table. `Display` is its name in Postgres' SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostgresType {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// Precision and scale; None is unconstrained.
    Numeric(Option<(u8, u8)>),
    Text,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Bytea,
    Jsonb,
    /// One dimension, of a scalar.
    Array(Box<PostgresType>),
}

impl fmt::Display for PostgresType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "boolean",
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric(None) => "numeric",
            Self::Numeric(Some((precision, scale))) => return write!(f, "numeric({precision},{scale})"),
            Self::Text => "text",
            Self::Date => "date",
            Self::Time => "time without time zone",
            Self::Timestamp => "timestamp without time zone",
            Self::TimestampTz => "timestamp with time zone",
            Self::Interval => "interval",
            Self::Uuid => "uuid",
            Self::Bytea => "bytea",
            Self::Jsonb => "jsonb",
            Self::Array(element) => return write!(f, "{element}[]"),
        })
    }
}

impl PostgresType {
    /// The object identifier that binary arrays name their elements by (`pg_type.dat`, fixed for built-in types).
    pub fn oid(&self) -> u32 {
        match self {
            Self::Bool => 16,
            Self::Bytea => 17,
            Self::Int8 => 20,
            Self::Int2 => 21,
            Self::Int4 => 23,
            Self::Text => 25,
            Self::Float4 => 700,
            Self::Float8 => 701,
            Self::Date => 1082,
            Self::Time => 1083,
            Self::Timestamp => 1114,
            Self::TimestampTz => 1184,
            Self::Interval => 1186,
            Self::Numeric(_) => 1700,
            Self::Uuid => 2950,
            Self::Jsonb => 3802,
            Self::Array(_) => 0,
        }
    }

    /// Reads what Postgres' `format_type` prints, for the types named here; None for all others.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(element) = text.strip_suffix("[]") {
            return Self::parse(element).map(|element| Self::Array(Box::new(element)));
        }
        Some(match text {
            "boolean" => Self::Bool,
            "smallint" => Self::Int2,
            "integer" => Self::Int4,
            "bigint" => Self::Int8,
            "real" => Self::Float4,
            "double precision" => Self::Float8,
            "numeric" => Self::Numeric(None),
            "text" => Self::Text,
            "date" => Self::Date,
            "time without time zone" => Self::Time,
            "timestamp without time zone" => Self::Timestamp,
            "timestamp with time zone" => Self::TimestampTz,
            "interval" => Self::Interval,
            "uuid" => Self::Uuid,
            "bytea" => Self::Bytea,
            "jsonb" => Self::Jsonb,
            _ => {
                let digits = text.strip_prefix("numeric(")?.strip_suffix(')')?;
                let (precision, scale) = digits.split_once(',')?;
                Self::Numeric(Some((precision.parse().ok()?, scale.parse().ok()?)))
            }
        })
    }

    /// Whether a column of the type that `format_type` prints as `theirs` takes every value of ours, or says so
    /// loudly: what could round or cut a value silently does not fit. `is_enum` tells a type made by `create type … as enum`.
    ///
    /// Narrower integers and numerics of the same scale fit, for Postgres raises an error where a value does not.
    pub fn fits(&self, theirs: &str, is_enum: bool) -> bool {
        use PostgresType::*;
        if let Some(theirs) = Self::parse(theirs) {
            return match (self, &theirs) {
                (a, b) if a == b => true,
                (Int2 | Int4 | Int8, Int2 | Int4 | Int8 | Numeric(_)) => true,
                (Int2, Float4 | Float8) | (Int4, Float8) | (Float4, Float8) => true,
                (Numeric(_), Numeric(None)) => true,
                (Numeric(Some((_, ours))), Numeric(Some((_, theirs)))) => ours <= theirs,
                (Numeric(Some((_, 0))), Int2 | Int4 | Int8) => true,
                (Date, Timestamp) => true,
                (Array(a), Array(_)) => {
                    theirs.to_string().strip_suffix("[]").is_some_and(|element| a.fits(element, false))
                }
                _ => false,
            };
        }
        match self {
            Text => {
                is_enum
                    || theirs == "citext"
                    || theirs.starts_with("character varying")
                    || theirs.starts_with("character(")
            }
            Jsonb => theirs == "json",
            Array(element) if **element == Text => {
                theirs.strip_suffix("[]").is_some_and(|theirs| theirs.starts_with("character varying"))
            }
            // `timestamp(6)` and the like round to their own precision only below six digits.
            Timestamp => theirs == "timestamp(6) without time zone",
            TimestampTz => theirs == "timestamp(6) with time zone",
            _ => false,
        }
    }

    /// Whether a column of ours may become `new` without losing a value: what `alter column … type` may do unasked.
    pub fn widens_to(&self, new: &Self) -> bool {
        use PostgresType::*;
        // Postgres allows a scale beyond the precision.
        let whole = |precision: &u8, scale: &u8| i16::from(*precision) - i16::from(*scale);
        match (self, new) {
            (Int2, Int4 | Int8) | (Int4, Int8) | (Float4, Float8) => true,
            (Int2 | Int4 | Int8 | Numeric(_), Numeric(None)) => true,
            (Int2, Numeric(Some((p, s)))) => whole(p, s) >= 5,
            (Int4, Numeric(Some((p, s)))) => whole(p, s) >= 10,
            (Int8, Numeric(Some((p, s)))) => whole(p, s) >= 19,
            (Numeric(Some((p, s))), Numeric(Some((to_p, to_s)))) => to_s >= s && whole(to_p, to_s) >= whole(p, s),
            (Array(a), Array(b)) => a.widens_to(b),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PostgresType;

    #[track_caller]
    fn check(ours: &str, theirs: &str, expected: bool) {
        let ours = PostgresType::parse(ours).expect("a type of ours");
        assert_eq!(ours.fits(theirs, theirs == "mood"), expected, "{ours} into {theirs}");
    }

    #[test]
    fn fits_where_nothing_is_lost_silently() {
        check("bigint", "integer", true);
        check("bigint", "numeric(12,2)", true);
        check("bigint", "double precision", false);
        check("numeric(38,2)", "numeric(12,2)", true);
        check("numeric(38,4)", "numeric(12,2)", false);
        check("numeric(38,4)", "double precision", false);
        check("text", "character varying(20)", true);
        check("text", "mood", true);
        check("text", "uuid", false);
        check("text[]", "character varying(20)[]", true);
        check("integer[]", "bigint[]", true);
        check("date", "timestamp without time zone", true);
        check("timestamp with time zone", "timestamp without time zone", false);
        check("jsonb", "json", true);
    }

    #[test]
    fn names_read_back() {
        for name in ["numeric(38,2)[]", "time without time zone", "boolean", "jsonb", "numeric"] {
            assert_eq!(PostgresType::parse(name).map(|read| read.to_string()).as_deref(), Some(name));
        }
    }

    #[test]
    fn widens_without_loss_only() {
        let widens = |old, new| {
            PostgresType::parse(old)
                .zip(PostgresType::parse(new))
                .map(|(old, new): (PostgresType, PostgresType)| old.widens_to(&new))
        };
        assert_eq!(widens("bigint", "numeric(38,2)"), Some(true));
        assert_eq!(widens("bigint", "numeric(20,2)"), Some(false));
        assert_eq!(widens("numeric(38,2)", "numeric(38,4)"), Some(false));
        assert_eq!(widens("text", "bigint"), Some(false));
        assert_eq!(widens("numeric(3,5)", "numeric(38,5)"), Some(true));
    }
}
