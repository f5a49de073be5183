//! The Postgres types that relations are published in, and which of them fit a column that someone else created.
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
    /// Contracts only, as are all that follow but arrays: at most so many characters.
    Varchar(u32),
    Char(u32),
    Json,
    Citext,
    /// `time with time zone`; a relation's own is text.
    TimeTz,
    /// A time or timestamp with at most so many digits of a second.
    Precise(Box<PostgresType>, u8),
    /// A type of the database's own, as SQL names it: an enum.
    Named(String),
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
            Self::Varchar(length) => return write!(f, "character varying({length})"),
            Self::Char(length) => return write!(f, "character({length})"),
            Self::Json => "json",
            Self::Citext => "citext",
            Self::TimeTz => "time with time zone",
            Self::Precise(base, digits) => {
                let base = base.to_string();
                let (word, rest) = base.split_once(' ').unwrap_or((&base, ""));
                return write!(f, "{word}({digits}) {rest}");
            }
            Self::Named(name) => name,
            Self::Array(element) => return write!(f, "{element}[]"),
        })
    }
}

impl PostgresType {
    /// The object identifier that binary arrays name their elements by (`pg_type.dat`, fixed for built-in types); 0 for
    /// those that each database numbers for itself.
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
            Self::Varchar(_) => 1043,
            Self::Char(_) => 1042,
            Self::Json => 114,
            Self::TimeTz => 1266,
            Self::Precise(base, _) => base.oid(),
            Self::Array(_) | Self::Citext | Self::Named(_) => 0,
        }
    }

    /// Reads a type as a contract writes it, in any of Postgres' spellings; what is no built-in type is `Named`. None
    /// for what no value can be published as.
    pub fn written(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(element) = text.strip_suffix("[]") {
            return match Self::written(element)? {
                // Lists of JSON are JSON themselves.
                Self::Array(_) | Self::Json => None,
                element => Some(Self::Array(Box::new(element))),
            };
        }
        let lower = text.to_lowercase();
        // `timestamp(3) with time zone` has its parameters in the middle.
        let (name, parameters) = match lower.split_once('(') {
            Some((name, rest)) => {
                let (parameters, rest) = rest.split_once(')')?;
                (format!("{} {}", name.trim(), rest.trim()), Some(parameters.replace(' ', "")))
            }
            None => (lower.clone(), None),
        };
        let length = || parameters.as_deref()?.parse().ok().filter(|length| *length > 0);
        let precise = |base: Self| {
            let digits = parameters.as_deref()?.parse().ok().filter(|digits| *digits <= 6)?;
            Some(Self::Precise(Box::new(base), digits))
        };
        Some(match (name.trim(), &parameters) {
            ("bool" | "boolean", None) => Self::Bool,
            ("int2" | "smallint", None) => Self::Int2,
            ("int" | "int4" | "integer", None) => Self::Int4,
            ("int8" | "bigint", None) => Self::Int8,
            ("float4" | "real", None) => Self::Float4,
            ("float8" | "float" | "double precision", None) => Self::Float8,
            ("numeric" | "decimal", None) => Self::Numeric(None),
            ("numeric" | "decimal", Some(digits)) => {
                let (precision, scale) = digits.split_once(',').unwrap_or((digits, "0"));
                Self::Numeric(Some((precision.parse().ok()?, scale.parse().ok()?)))
            }
            ("text" | "varchar" | "character varying", None) => Self::Text,
            ("varchar" | "character varying", Some(_)) => Self::Varchar(length()?),
            ("char" | "character" | "bpchar", Some(_)) => Self::Char(length()?),
            ("char" | "character", None) => Self::Char(1),
            ("date", None) => Self::Date,
            ("time" | "time without time zone", None) => Self::Time,
            ("timestamp" | "timestamp without time zone", None) => Self::Timestamp,
            ("timestamptz" | "timestamp with time zone", None) => Self::TimestampTz,
            ("time" | "time without time zone", Some(_)) => precise(Self::Time)?,
            ("timestamp" | "timestamp without time zone", Some(_)) => precise(Self::Timestamp)?,
            ("timestamptz" | "timestamp with time zone", Some(_)) => precise(Self::TimestampTz)?,
            ("timetz" | "time with time zone", None) => Self::TimeTz,
            ("interval", None) => Self::Interval,
            ("uuid", None) => Self::Uuid,
            ("bytea", None) => Self::Bytea,
            ("jsonb", None) => Self::Jsonb,
            ("json", None) => Self::Json,
            ("citext", None) => Self::Citext,
            (_, Some(_)) => return None,
            _ if text.is_empty() => return None,
            _ => Self::Named(text.to_owned()),
        })
    }

    pub fn json_array() -> Self {
        Self::Array(Box::new(Self::Jsonb))
    }

    /// The type that `format_type` prints for an enum, or an array of one.
    pub fn enumeration(printed: &str) -> Option<Self> {
        Some(match printed.strip_suffix("[]") {
            Some(element) => Self::Array(Box::new(Self::enumeration(element)?)),
            None => Self::Named(printed.to_owned()),
        })
    }

    /// Whether values of this type, a relation's own, can be published in a column of type `contract`: all of them, or
    /// all but those that are found to be hazards.
    pub fn can_become(&self, contract: &Self) -> bool {
        use PostgresType::*;
        match (self, contract) {
            (a, b) if a == b => true,
            (Int2 | Int4 | Int8 | Numeric(_), Int2 | Int4 | Int8 | Numeric(_)) => true,
            (Float4 | Float8, Numeric(_)) => true,
            (Int2, Float4 | Float8) | (Int4, Float8) | (Float4, Float8) => true,
            (Float8, Float4) => true,
            (Text, Varchar(_) | Char(_) | Citext | Named(_) | Uuid | TimeTz) => true,
            (Jsonb, Json | Text) => true,
            // What prints in one way only.
            (Bool | Int2 | Int4 | Int8 | Numeric(_) | Uuid, Text | Citext) => true,
            (Bool | Int2 | Int4 | Int8, Varchar(_) | Char(_)) => true,
            (Uuid, Varchar(length) | Char(length)) => *length >= 36,
            // The session's zone is UTC.
            (Date | TimestampTz, Timestamp) | (Date | Timestamp, TimestampTz) | (Timestamp, Date) => true,
            (a, Precise(base, _)) => a.can_become(base),
            (Array(a), Array(b)) => a.can_become(b),
            _ => false,
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
            "json" => Self::Json,
            "citext" => Self::Citext,
            "time with time zone" => Self::TimeTz,
            _ => {
                if let Some((word @ ("time" | "timestamp"), rest)) = text.split_once('(') {
                    let (digits, rest) = rest.split_once(')')?;
                    let base = Self::parse(&format!("{word}{rest}")).filter(|base| *base != Self::TimeTz)?;
                    return Some(Self::Precise(Box::new(base), digits.parse().ok()?));
                }
                let length = |start: &str| text.strip_prefix(start)?.strip_suffix(')')?.parse().ok();
                if let Some(length) = length("character varying(") {
                    return Some(Self::Varchar(length));
                }
                if let Some(length) = length("character(") {
                    return Some(Self::Char(length));
                }
                let digits = text.strip_prefix("numeric(")?.strip_suffix(')')?;
                let (precision, scale) = digits.split_once(',')?;
                Self::Numeric(Some((precision.parse().ok()?, scale.parse().ok()?)))
            }
        })
    }

    /// Whether a column of the type that `format_type` prints as `theirs` takes every value of ours, or says so loudly:
    /// what could round or cut a value silently does not fit. `is_enum` tells a type made by `create type … as enum`.
    ///
    /// Narrower integers and numerics of the same scale fit, for Postgres raises an error where a value does not.
    pub fn fits(&self, theirs: &str, is_enum: bool) -> bool {
        use PostgresType::*;
        if let Some(theirs) = Self::parse(theirs) {
            return self.fits_type(&theirs);
        }
        match self {
            Text => is_enum && !theirs.ends_with("[]") || theirs == "character varying",
            Array(element) if **element == Text && is_enum && theirs.ends_with("[]") => true,
            Named(name) => is_enum && same_name(name, theirs),
            Array(element) => match (&**element, theirs.strip_suffix("[]")) {
                (Text, Some("character varying")) => true,
                (Named(name), Some(theirs)) => same_name(name, theirs),
                _ => false,
            },
            _ => false,
        }
    }

    fn fits_type(&self, theirs: &Self) -> bool {
        use PostgresType::*;
        match (self, theirs) {
            (a, b) if a == b => true,
            (Int2 | Int4 | Int8, Int2 | Int4 | Int8 | Numeric(_)) => true,
            (Int2, Float4 | Float8) | (Int4, Float8) | (Float4, Float8) => true,
            (Numeric(_), Numeric(None)) => true,
            (Numeric(Some((_, ours))), Numeric(Some((_, theirs)))) => ours <= theirs,
            (Numeric(Some((_, 0))), Int2 | Int4 | Int8) => true,
            (Date, Timestamp) => true,
            (Text | Varchar(_) | Char(_), Text | Varchar(_) | Char(_) | Citext) => true,
            (Jsonb | Json, Jsonb | Json) => true,
            // They round to their own precision only below six digits.
            (Precise(a, ours), Precise(b, theirs)) => a == b && ours <= theirs,
            (a, Precise(b, 6)) | (Precise(b, _), a) => *a == **b,
            (Array(a), Array(b)) => a.fits_type(b),
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
            (Varchar(_) | Char(_), Text) => true,
            (Varchar(old), Varchar(new)) => old <= new,
            (Precise(a, old), Precise(b, new)) => a == b && old <= new,
            (Precise(a, _), b) => **a == *b,
            (Array(a), Array(b)) => a.widens_to(b),
            _ => false,
        }
    }
}

/// Whether a contract's name of a type is what `format_type` prints: the schema may be left out.
fn same_name(written: &str, printed: &str) -> bool {
    let plain = |name: &str| name.replace('"', "").to_lowercase();
    let (written, printed) = (plain(written), plain(printed));
    written == printed || printed.rsplit('.').next() == Some(&written) || written.rsplit('.').next() == Some(&printed)
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
    fn reads_what_contracts_write() {
        let read = |text: &str| PostgresType::written(text).map(|read| read.to_string());
        for (written, expected) in [
            ("VARCHAR(20)", Some("character varying(20)")),
            ("varchar", Some("text")),
            ("decimal( 10, 2 )", Some("numeric(10,2)")),
            ("numeric(5)", Some("numeric(5,0)")),
            ("int", Some("integer")),
            ("int4[]", Some("integer[]")),
            ("timestamptz", Some("timestamp with time zone")),
            ("app.Mood", Some("app.Mood")),
            ("mood[]", Some("mood[]")),
            ("timestamp(3)", Some("timestamp(3) without time zone")),
            ("timestamptz ( 0 )", Some("timestamp(0) with time zone")),
            ("TIME(2) WITHOUT TIME ZONE", Some("time(2) without time zone")),
            ("time with time zone", Some("time with time zone")),
            ("timestamp(7)", None),
            ("varchar(0)", None),
            ("integer[][]", None),
            ("bit(3)", None),
            ("", None),
        ] {
            assert_eq!(read(written).as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn contracts_narrow_within_a_family() {
        let can = |from, to| {
            let (from, to) = (PostgresType::written(from), PostgresType::written(to));
            from.zip(to).is_some_and(|(from, to)| from.can_become(&to))
        };
        assert!(can("bigint", "smallint") && can("numeric(38,4)", "numeric(10,2)") && can("text", "mood"));
        assert!(can("double precision", "numeric(10,2)") && can("text", "uuid") && can("bigint[]", "integer[]"));
        assert!(can("bigint", "text") && can("uuid", "varchar(36)") && can("timestamp", "timestamptz(3)"));
        assert!(can("text", "timetz") && can("timestamp", "date") && can("text[]", "mood[]"));
        assert!(!can("text", "integer") && !can("bigint", "double precision") && !can("uuid", "varchar(20)"));
        assert!(!can("double precision", "text") && !can("date", "text") && !can("timestamptz", "date"));
    }

    #[test]
    fn names_read_back() {
        for name in [
            "character varying(20)",
            "character(3)",
            "citext",
            "timestamp(3) with time zone",
            "time(0) without time zone[]",
            "time with time zone",
            "numeric(38,2)[]",
            "time without time zone",
            "boolean",
            "jsonb",
            "numeric",
        ] {
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
