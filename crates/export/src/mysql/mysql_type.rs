//! The MySQL types that relations are published in, and which of them fit a column that someone else created.
//!
//! Pure: names and rules only. Knows no connection and no driver.

use std::fmt;

use crate::duck_type::DuckType;

/// Characters of a text in a key or an index where the contract gives no other number: 1,020 of the 3,072 bytes of a
/// key.
const KEY_CHARACTERS: u32 = 255;

/// `Display` is its name in MySQL's SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MysqlType {
    Bool,
    /// Width in bytes, and whether it is unsigned.
    Int(u8, bool),
    /// Precision and scale.
    Decimal(u8, u8),
    Float,
    Double,
    Char(u32),
    Varchar(u32),
    /// By its maximum bytes: `tinytext`, `text`, `mediumtext`, `longtext`.
    Text(u64),
    Date,
    /// The three with digits of a second's fraction.
    Time(u8),
    Datetime(u8),
    Timestamp(u8),
    /// MariaDB's own.
    Uuid,
    Varbinary(u32),
    Blob(u64),
    Json,
    Enum(String),
}

use MysqlType::*;

const SIZES: [(&str, u64); 4] = [("tiny", 255), ("", 65_535), ("medium", 16_777_215), ("long", 4_294_967_295)];
pub const LONG: u64 = 4_294_967_295;

impl fmt::Display for MysqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |bytes: u64| SIZES.iter().find(|(_, max)| *max == bytes).map_or("long", |(name, _)| name);
        match self {
            Bool => f.write_str("tinyint(1)"),
            Int(bytes, unsigned) => {
                let name = match bytes {
                    1 => "tinyint",
                    2 => "smallint",
                    3 => "mediumint",
                    4 => "int",
                    _ => "bigint",
                };
                write!(f, "{name}{}", if *unsigned { " unsigned" } else { "" })
            }
            Decimal(precision, scale) => write!(f, "decimal({precision},{scale})"),
            Float => f.write_str("float"),
            Double => f.write_str("double"),
            Char(length) => write!(f, "char({length})"),
            Varchar(length) => write!(f, "varchar({length})"),
            Text(bytes) => write!(f, "{}text", size(*bytes)),
            Date => f.write_str("date"),
            Time(digits) => write!(f, "time({digits})"),
            Datetime(digits) => write!(f, "datetime({digits})"),
            Timestamp(digits) => write!(f, "timestamp({digits})"),
            Uuid => f.write_str("uuid"),
            Varbinary(length) => write!(f, "varbinary({length})"),
            Blob(bytes) => write!(f, "{}blob", size(*bytes)),
            Json => f.write_str("json"),
            Enum(text) => f.write_str(text),
        }
    }
}

impl MysqlType {
    /// The MySQL type of a DuckDB type; `in_key`: in a key or an index, where a text needs a length.
    pub fn of(duckdb: &DuckType, in_key: bool) -> Option<Self> {
        let text = if in_key { Varchar(KEY_CHARACTERS) } else { Text(LONG) };
        Some(match duckdb {
            DuckType::Decimal { scale, .. } if *scale > 30 => return None,
            DuckType::Decimal { precision, scale } => Decimal(*precision, *scale),
            DuckType::Enum => text,
            DuckType::Struct(_) | DuckType::Map(..) | DuckType::Union(_) | DuckType::List(_) => Json,
            DuckType::Plain(name) => match name.as_str() {
                "BOOLEAN" => Bool,
                "TINYINT" => Int(1, false),
                "UTINYINT" => Int(1, true),
                "SMALLINT" => Int(2, false),
                "USMALLINT" => Int(2, true),
                "INTEGER" => Int(4, false),
                "UINTEGER" => Int(4, true),
                "BIGINT" => Int(8, false),
                "UBIGINT" => Int(8, true),
                "HUGEINT" | "UHUGEINT" => Decimal(39, 0),
                "BIGNUM" => Decimal(65, 0),
                "FLOAT" => Float,
                "DOUBLE" => Double,
                "VARCHAR" | "BIT" | "TIME WITH TIME ZONE" | "NULL" => text,
                "INTERVAL" => Varchar(100),
                "DATE" => Date,
                "TIME" | "TIME_NS" => Time(6),
                "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_MS" | "TIMESTAMP_NS" | "TIMESTAMP WITH TIME ZONE" => {
                    Datetime(6)
                }
                "UUID" => Char(36),
                "BLOB" if in_key => Varbinary(KEY_CHARACTERS),
                "BLOB" => Blob(LONG),
                "JSON" | "VARIANT" => Json,
                _ => return None,
            },
        })
    }

    /// Reads a type as a contract or `information_schema` writes it; None for those that nothing is published in.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let (name, inner, rest) = match text.split_once('(') {
            Some((name, rest)) => {
                let (inner, rest) = rest.rsplit_once(')')?;
                (name.trim(), inner, rest.trim())
            }
            None => {
                let (name, rest) = text.split_once(' ').unwrap_or((&text, ""));
                (name, "", rest.trim())
            }
        };
        let unsigned = match rest {
            "" | "signed" => false,
            "unsigned" | "unsigned zerofill" => true,
            _ => return None,
        };
        let number = |missing: u32| if inner.is_empty() { Some(missing) } else { inner.trim().parse::<u32>().ok() };
        let digits = || number(0).and_then(|digits| u8::try_from(digits).ok()).filter(|digits| *digits <= 6);
        let sized = |kind: &str| {
            let size = name.strip_suffix(kind)?;
            SIZES.iter().find(|(name, _)| *name == size).map(|(_, max)| *max)
        };
        Some(match name {
            "boolean" | "bool" => Bool,
            "tinyint" if inner == "1" && !unsigned => Bool,
            "tinyint" => Int(1, unsigned),
            "smallint" => Int(2, unsigned),
            "mediumint" => Int(3, unsigned),
            "int" | "integer" => Int(4, unsigned),
            "bigint" => Int(8, unsigned),
            "decimal" | "numeric" => {
                let mut parts = inner.split(',').map(|part| part.trim().parse::<u8>().ok());
                let precision = parts.next().flatten().unwrap_or(10);
                let scale = parts.next().map_or(Some(0), |scale| scale)?;
                (precision <= 65 && scale <= 30 && scale <= precision).then_some(Decimal(precision, scale))?
            }
            "float" if inner.is_empty() => Float,
            "double" | "real" if inner.is_empty() => Double,
            "char" => Char(number(1)?),
            "varchar" => Varchar(number(0).filter(|length| *length > 0)?),
            "date" => Date,
            "time" => Time(digits()?),
            "datetime" => Datetime(digits()?),
            "timestamp" => Timestamp(digits()?),
            "uuid" => Uuid,
            "varbinary" => Varbinary(number(0).filter(|length| *length > 0)?),
            "json" => Json,
            "enum" => Enum(text.clone()),
            _ => match (sized("text"), sized("blob")) {
                (Some(max), _) => Text(max),
                (_, Some(max)) => Blob(max),
                _ => return None,
            },
        })
    }

    /// Whether it is text: compared by a collation, and of `utf8mb4` where we make it.
    pub fn is_text(&self) -> bool {
        matches!(self, Char(_) | Varchar(_) | Text(_))
    }

    /// Bytes in a key.
    pub fn key_bytes(&self) -> usize {
        match self {
            Char(length) | Varchar(length) => *length as usize * 4,
            Varbinary(length) => *length as usize,
            Text(_) | Blob(_) | Json => usize::MAX / 64,
            Decimal(precision, _) => usize::from(*precision) / 2 + 1,
            Uuid => 16,
            _ => 8,
        }
    }

    /// Whether a column of type `theirs` accepts every value of this type, or each value that it does not accept is
    /// found before it is sent. A type that could round or cut a value silently does not fit.
    pub fn fits(&self, theirs: &Self) -> bool {
        match (self, theirs) {
            (a, b) if a == b => true,
            (Bool, Int(..) | Decimal(..)) => true,
            (Int(..), Int(..) | Decimal(..)) => true,
            (Int(bytes, _), Double) => *bytes <= 4,
            (Float, Double) => true,
            (Decimal(_, ours), Decimal(_, theirs)) => ours <= theirs,
            (Decimal(_, 0), Int(..)) => true,
            (Char(36), Uuid) => true,
            (Char(_) | Varchar(_) | Text(_), Char(_) | Varchar(_) | Text(_) | Enum(_)) => true,
            (Date, Datetime(_)) => true,
            // What they have too few digits for is rounded, and found.
            (Datetime(_), Datetime(_) | Timestamp(_)) => true,
            (Time(_), Time(_)) => true,
            (Blob(_) | Varbinary(_), Blob(_) | Varbinary(_)) => true,
            // MariaDB's `json` is a longtext with a check.
            (Json, Text(LONG)) => true,
            _ => false,
        }
    }

    /// Whether a column of ours may become `new` without losing a value.
    pub fn widens_to(&self, new: &Self) -> bool {
        match (self, new) {
            (Bool, Int(_, false)) => true,
            (Int(a, false), Int(b, false)) | (Int(a, true), Int(b, true)) => a < b,
            (Int(a, true), Int(b, false)) => a < b,
            (Decimal(p, s), Decimal(to_p, to_s)) => self != new && to_s >= s && to_p - to_s >= p - s,
            (Int(bytes, _), Decimal(p, s)) => p - s >= [3, 5, 8, 10, 10, 10, 10, 20][usize::from(*bytes) - 1],
            (Float, Double) => true,
            (Char(a) | Varchar(a), Varchar(b)) => a < b,
            (Char(_) | Varchar(_), Text(LONG)) => true,
            (Text(a), Text(b)) | (Blob(a), Blob(b)) => a < b,
            (Varbinary(a), Varbinary(b)) => a < b,
            (Varbinary(_), Blob(LONG)) => true,
            (Date, Datetime(_)) => true,
            (Datetime(a), Datetime(b)) | (Time(a), Time(b)) => a < b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MysqlType;

    #[track_caller]
    fn check(ours: &str, theirs: &str, fits: bool, widens: bool) {
        let parse = |text| MysqlType::parse(text).expect("a type");
        assert_eq!(parse(ours).fits(&parse(theirs)), fits, "{ours} into {theirs}");
        assert_eq!(parse(theirs).widens_to(&parse(ours)), widens, "{theirs} widened to {ours}");
    }

    #[test]
    fn fits_and_widens_without_silent_loss() {
        check("bigint", "int(11)", true, true);
        check("bigint", "double", false, false);
        check("decimal(38,2)", "decimal(12,2)", true, true);
        check("decimal(38,4)", "decimal(12,2)", false, true);
        check("longtext", "varchar(20)", true, true);
        check("longtext", "enum('a','b')", true, false);
        check("datetime(6)", "datetime", true, true);
        check("datetime(6)", "timestamp(6)", true, false);
        check("datetime(6)", "timestamp", true, false);
        check("time(6)", "time", true, true);
        check("json", "longtext", true, false);
        check("char(36)", "uuid", true, false);
        check("tinyint(1)", "tinyint(4)", true, false);
    }

    #[test]
    fn names_read_back() {
        for name in ["bigint unsigned", "decimal(39,0)", "mediumtext", "time(6)", "varbinary(16)", "json"] {
            assert_eq!(MysqlType::parse(name).map(|read| read.to_string()).as_deref(), Some(name));
        }
        assert_eq!(MysqlType::parse("geometry"), None);
    }
}
