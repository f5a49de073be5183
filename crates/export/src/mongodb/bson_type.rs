//! The BSON types that columns, and the parts of their nested values, are published in.
//!
//! Names and rules only. Knows no value.

use crate::duck_type::DuckType;

/// The BSON type of a column: MongoDB's `$type` aliases, from its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BsonType {
    /// As the relation's type says.
    Natural,
    /// A JSON text, as the value it spells (canonical Extended JSON is understood).
    Json,
    Uuid,
    ObjectId,
    Decimal,
    Date,
    String,
    Int,
    Long,
    Double,
    Bool,
    BinData,
}

impl BsonType {
    /// The type that a contract names. None: it does not exist.
    fn written(word: &str) -> Option<Self> {
        Some(match word.to_lowercase().as_str() {
            "objectid" => Self::ObjectId,
            "decimal" | "decimal128" => Self::Decimal,
            "date" => Self::Date,
            "string" => Self::String,
            "int" => Self::Int,
            "long" => Self::Long,
            "double" => Self::Double,
            "bool" => Self::Bool,
            "bindata" => Self::BinData,
            "uuid" => Self::Uuid,
            "object" | "array" | "json" => Self::Json,
            _ => return None,
        })
    }

    /// The words of `written`, for messages.
    pub const WORDS: [&str; 12] = [
        "objectId", "decimal", "date", "string", "int", "long", "double", "bool", "binData", "uuid", "object", "array",
    ];
}

/// The type of a value, and those of its parts where Arrow's type does not say them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BsonShape {
    pub own: BsonType,
    /// Of a STRUCT or UNION those of its fields, of a LIST or MAP the one of its values.
    parts: Vec<BsonShape>,
}

static NATURAL: BsonShape = BsonShape { own: BsonType::Natural, parts: Vec::new() };

impl BsonShape {
    /// From the contract's type, or the relation's own. None: the contract's type does not exist.
    pub fn of(written: Option<&str>, duck: &DuckType) -> Option<Self> {
        let Some(written) = written else { return Some(Self::natural(duck)) };
        match BsonType::written(written)? {
            // They are objects and arrays already.
            BsonType::Json if duck.is_nested() => Some(Self::natural(duck)),
            own => Some(own.into()),
        }
    }

    fn natural(duck: &DuckType) -> Self {
        let of = |parts: Vec<&DuckType>| {
            let parts = parts.into_iter().map(Self::natural).collect();
            Self { own: BsonType::Natural, parts }
        };
        match duck {
            DuckType::Struct(fields) | DuckType::Union(fields) => of(fields.iter().map(|(_, field)| field).collect()),
            DuckType::List(value) | DuckType::Map(_, value) => of(vec![value]),
            DuckType::Plain(name) => match name.as_str() {
                "JSON" | "VARIANT" => BsonType::Json,
                "UUID" => BsonType::Uuid,
                "HUGEINT" | "UHUGEINT" | "UBIGINT" => BsonType::Decimal,
                _ => BsonType::Natural,
            }
            .into(),
            DuckType::Decimal { .. } | DuckType::Enum => BsonType::Natural.into(),
        }
    }

    pub fn part(&self, index: usize) -> &Self {
        self.parts.get(index).unwrap_or(&NATURAL)
    }
}

impl From<BsonType> for BsonShape {
    fn from(own: BsonType) -> Self {
        Self { own, parts: Vec::new() }
    }
}
