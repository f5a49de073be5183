//! SQL expressions that write a value as JSON text without losing a digit, and that rebuild a nested value with other
//! parts.
//!
//! DuckDB's `to_json` is fast, and exact for most types. It writes a decimal below 1 without its zero (`.5`) where the
//! type has no digits before the point, which is no JSON; it reads numbers within a JSON value as doubles; it writes a
//! VARIANT within another value as a text. Only values with such parts are written part by part. Pure text.

use super::duck_type::DuckType;
use elt_base::schema::{literal, quote};

/// DuckDB writes decimals of more digits by their digits, and others through a double, which is exact for so many.
const DOUBLE_DIGITS: u8 = 15;

/// An expression of a value that becomes part of a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JsonValue {
    /// `to_json` writes it.
    Exact(String),
    /// It is JSON text, or NULL.
    Text(String),
}

/// A field of an object, and its name.
pub type JsonField<'a> = (&'a str, JsonValue);

impl JsonValue {
    /// The value of an expression.
    pub fn of(duck: &DuckType, value: String) -> Self {
        Self::at(duck, value, 0)
    }

    fn at(duck: &DuckType, value: String, depth: usize) -> Self {
        if duck.is_exact_in_json() { Self::Exact(value) } else { Self::Text(duck.json_at(&value, depth)) }
    }
}

/// Converts a part of a nested value, or leaves it as it is.
pub type PartOf<'a> = dyn Fn(&DuckType, &str) -> Option<String> + 'a;

impl DuckType {
    /// Whether `to_json` writes every value of the type exactly.
    pub fn is_exact_in_json(&self) -> bool {
        match self {
            Self::Plain(name) => name != "JSON" && name != "VARIANT",
            Self::Decimal { precision, scale } => precision != scale || *precision <= DOUBLE_DIGITS,
            Self::Enum => true,
            Self::List(element) => element.is_exact_in_json(),
            Self::Map(_, value) => value.is_exact_in_json(),
            Self::Union(fields) => fields.iter().all(|(_, field)| field.is_exact_in_json()),
            // A part without a name cannot be named.
            Self::Struct(fields) => {
                fields.iter().any(|(name, _)| name.is_empty())
                    || fields.iter().all(|(_, field)| field.is_exact_in_json())
            }
        }
    }

    /// The value of an expression as exact JSON text; NULL for NULL.
    pub fn json_text(&self, value: &str) -> String {
        self.json_at(value, 0)
    }

    fn json_at(&self, value: &str, depth: usize) -> String {
        if self.is_exact_in_json() {
            return format!("to_json({value})::VARCHAR");
        }
        let element = format!("_elt_e{depth}");
        let part = |part: &DuckType, value: &str| format!("coalesce({}, 'null')", part.json_at(value, depth + 1));
        match self {
            Self::Plain(name) if name == "JSON" => format!("{value}::VARCHAR"),
            Self::Plain(_) | Self::Enum => variant(value, &element),
            Self::Decimal { .. } => decimal_text(value),
            Self::List(inner) => format!(
                "'[' || array_to_string(list_transform({value}, lambda {element}: {}), ',') || ']'",
                part(inner, &element)
            ),
            Self::Map(_, inner) => format!(
                "case when {value} is not null then '{{' || array_to_string(list_transform(map_entries({value}), lambda {element}: \
                 to_json({element}.key::VARCHAR)::VARCHAR || ':' || {}), ',') || '}}' end",
                part(inner, &format!("{element}.value"))
            ),
            Self::Union(fields) => {
                let cases = fields.iter().map(|(name, field)| {
                    let inner = part(field, &format!("union_extract({value}, {})", literal(name)));
                    format!(
                        " when {} then concat({}, {inner}, '}}')",
                        literal(name),
                        literal(&format!("{{{}:", key(name)))
                    )
                });
                format!("case union_tag({value})::VARCHAR{} end", cases.collect::<String>())
            }
            Self::Struct(fields) => {
                let field =
                    |(name, field): &'_ (String, DuckType)| JsonValue::at(field, extract(value, name), depth + 1);
                let fields: Vec<JsonField<'_>> = fields.iter().map(|each| (each.0.as_str(), field(each))).collect();
                format!("case when {value} is not null then {} end", object(&fields))
            }
        }
    }

    /// The expression with some parts of a nested value converted; None if none is.
    pub fn rebuilt(&self, value: &str, convert: &PartOf<'_>) -> Option<String> {
        self.rebuilt_at(value, convert, 0)
    }

    fn rebuilt_at(&self, value: &str, convert: &PartOf<'_>, depth: usize) -> Option<String> {
        if let Some(converted) = convert(self, value) {
            return Some(converted);
        }
        let element = format!("_elt_e{depth}");
        match self {
            Self::List(inner) => {
                let inner = inner.rebuilt_at(&element, convert, depth + 1)?;
                Some(format!("list_transform({value}, lambda {element}: {inner})"))
            }
            Self::Map(key, inner) => {
                let parts = [(key, format!("{element}.key")), (inner, format!("{element}.value"))];
                let rebuilt = parts.each_ref().map(|(part, value)| part.rebuilt_at(value, convert, depth + 1));
                if rebuilt.iter().all(Option::is_none) {
                    return None;
                }
                let [key, inner] = parts.map(|(_, value)| value);
                let [new_key, new_inner] = rebuilt;
                Some(format!(
                    "case when {value} is not null then map_from_entries(list_transform(map_entries({value}), \
                     lambda {element}: struct_pack(key := {}, value := {}))) end",
                    new_key.unwrap_or(key),
                    new_inner.unwrap_or(inner)
                ))
            }
            Self::Struct(fields) if fields.iter().all(|(name, _)| !name.is_empty()) => {
                let values = fields.iter().map(|(name, field)| {
                    let value = extract(value, name);
                    (name, field.rebuilt_at(&value, convert, depth + 1), value)
                });
                let values: Vec<_> = values.collect();
                if values.iter().all(|(_, rebuilt, _)| rebuilt.is_none()) {
                    return None;
                }
                let packed = values
                    .into_iter()
                    .map(|(name, rebuilt, value)| format!("{} := {}", quote(name), rebuilt.unwrap_or(value)));
                let packed: Vec<_> = packed.collect();
                Some(format!("case when {value} is not null then struct_pack({}) end", packed.join(", ")))
            }
            _ => None,
        }
    }
}

/// An object of these fields as exact JSON text, never NULL. A NULL among the values is `null`.
pub fn object(fields: &[JsonField<'_>]) -> String {
    let packed = |run: &[JsonField<'_>]| {
        let fields = run.iter().map(|(name, value)| match value {
            JsonValue::Exact(value) | JsonValue::Text(value) => format!("{} := {value}", quote(name)),
        });
        format!("to_json(struct_pack({}))::VARCHAR", fields.collect::<Vec<_>>().join(", "))
    };
    let is_exact = |(_, value): &JsonField<'_>| matches!(value, JsonValue::Exact(_));
    if !fields.is_empty() && fields.iter().all(is_exact) {
        return packed(fields);
    }
    let mut parts: Vec<String> = Vec::new();
    // Fields that `to_json` writes exactly are written together.
    for run in fields.chunk_by(|a, b| is_exact(a) && is_exact(b)) {
        let comma = if parts.is_empty() { "" } else { "," };
        match run {
            [(name, value)] => {
                parts.push(literal(&format!("{comma}{}:", key(name))));
                parts.push(match value {
                    JsonValue::Exact(value) => format!("coalesce(to_json({value})::VARCHAR, 'null')"),
                    JsonValue::Text(text) => format!("coalesce({text}, 'null')"),
                });
            }
            several => {
                if !comma.is_empty() {
                    parts.push("','".into());
                }
                // Without its braces.
                let text = packed(several);
                parts.push(format!("substring({text}, 2, length({text}) - 2)"));
            }
        }
    }
    // One function: a chain of operators would be too deep for DuckDB.
    parts.insert(0, "'{'".into());
    parts.push("'}'".into());
    format!("concat({})", parts.join(", "))
}

/// A name as JSON writes it.
fn key(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// A decimal without digits before its point, with the zero that DuckDB leaves out.
pub fn decimal_text(value: &str) -> String {
    format!("case when {value} < 0 then '-0' || substr({value}::VARCHAR, 2) else '0' || {value}::VARCHAR end")
}

fn extract(value: &str, field: &str) -> String {
    format!("struct_extract({value}, {})", literal(field))
}

/// A VARIANT as JSON text. Its decimals may lack the zero before the point, outside of texts.
fn variant(value: &str, element: &str) -> String {
    let text = format!("{value}::JSON::VARCHAR");
    format!(
        "case when {value} is null then null when json_valid({text}) then {text} else array_to_string(list_transform(\
         regexp_extract_all({text}, '\"(?:\\\\.|[^\"\\\\])*\"|[^\"]+'), lambda {element}: if({element}[1] = '\"', {element}, \
         regexp_replace({element}, '(^|[\\[:,-])\\.', '\\10.', 'g'))), '') end"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(duckdb: &str, expected: &str) {
        assert_eq!(DuckType::parse(duckdb).json_text("c"), expected, "{duckdb}");
    }

    #[test]
    fn leaves_to_duckdb_what_it_writes_exactly() {
        for duckdb in
            ["STRUCT(a DECIMAL(38,2), b DOUBLE)[]", "DECIMAL(15,15)", "MAP(UUID, HUGEINT)", "UNION(a INTEGER)"]
        {
            check(duckdb, "to_json(c)::VARCHAR");
        }
    }

    #[test]
    fn writes_other_types_part_by_part() {
        check("JSON", "c::VARCHAR");
        let decimal = "case when _elt_e0 < 0 then '-0' || substr(_elt_e0::VARCHAR, 2) else '0' || _elt_e0::VARCHAR end";
        check(
            "DECIMAL(18,18)[]",
            &format!(
                "'[' || array_to_string(list_transform(c, lambda _elt_e0: coalesce({decimal}, 'null')), ',') || ']'"
            ),
        );
        check(
            "STRUCT(a INTEGER, \"b'\" VARCHAR, j JSON)",
            "case when c is not null then concat('{', substring(to_json(struct_pack(\"a\" := struct_extract(c, 'a'), \
             \"b'\" := struct_extract(c, 'b''')))::VARCHAR, 2, length(to_json(struct_pack(\"a\" := struct_extract(c, 'a'), \
             \"b'\" := struct_extract(c, 'b''')))::VARCHAR) - 2), ',\"j\":', coalesce(struct_extract(c, 'j')::VARCHAR, \
             'null'), '}') end",
        );
        check(
            "UNION(n INTEGER, j JSON)",
            "case union_tag(c)::VARCHAR when 'n' then concat('{\"n\":', coalesce(to_json(union_extract(c, 'n'))::VARCHAR, \
             'null'), '}') when 'j' then concat('{\"j\":', coalesce(union_extract(c, 'j')::VARCHAR, 'null'), '}') end",
        );
    }
}
