//! The column types that the project's YAML sets for a source's table: converts DuckDB's type names to `ColumnType`.
//!
//! Pure. Knows only the types of raw tables.

use crate::messages;
use elt_base::error::{Error, Result};
use elt_base::schema::{Column, ColumnType};
use elt_model::Node;

/// The pinned columns of a source's table, in the order of its YAML. Errors point to the column.
pub fn pinned_columns(node: &Node) -> Result<Vec<Column>> {
    let mut pinned = Vec::new();
    let mut errors = Vec::new();
    for column in &node.columns {
        let Some(text) = &column.data_type else { continue };
        match parse(text) {
            Some(column_type) => pinned.push(Column::new(column.name.clone(), column_type)),
            None => errors.push(messages::pinned_type(&column.name, text).at(column.place.clone())),
        }
    }
    match Error::many(errors) {
        Some(error) => Err(error),
        None => Ok(pinned),
    }
}

/// Parses the name of a type as DuckDB writes it: `bigint`, `decimal(38,2)`, `struct(a bigint, "b c" varchar)[]`.
pub fn parse(text: &str) -> Option<ColumnType> {
    let mut reader = TypeReader { rest: text.trim() };
    let column_type = reader.column_type()?;
    reader.rest.trim().is_empty().then_some(column_type)
}

struct TypeReader<'a> {
    rest: &'a str,
}

impl<'a> TypeReader<'a> {
    fn column_type(&mut self) -> Option<ColumnType> {
        let mut found = self.scalar()?;
        while self.eat("[") {
            if !self.eat("]") {
                return None;
            }
            found = ColumnType::List(Box::new(found));
        }
        Some(found)
    }

    fn scalar(&mut self) -> Option<ColumnType> {
        let word = self.word()?.to_lowercase();
        Some(match word.as_str() {
            "boolean" | "bool" => ColumnType::Boolean,
            "bigint" | "int8" | "long" | "integer" | "int" | "int4" | "smallint" | "tinyint" => ColumnType::BigInt,
            "double" | "float8" => ColumnType::Double,
            "float" | "float4" | "real" => ColumnType::Float,
            "decimal" | "numeric" => self.decimal()?,
            "varchar" | "text" | "string" => ColumnType::Varchar,
            "timestamptz" => ColumnType::TimestampTz,
            "timestamp" | "datetime" => {
                if self.eat_words(&["with", "time", "zone"]) {
                    ColumnType::TimestampTz
                } else {
                    ColumnType::Timestamp
                }
            }
            "timestamp_ns" => ColumnType::TimestampNs,
            "date" => ColumnType::Date,
            "time" => ColumnType::Time,
            "time_ns" => ColumnType::TimeNs,
            "interval" => ColumnType::Interval,
            "blob" | "bytea" => ColumnType::Blob,
            "uuid" => ColumnType::Uuid,
            "json" => ColumnType::Json,
            "struct" | "row" => ColumnType::Struct(self.fields()?),
            "map" => self.map()?,
            _ => return None,
        })
    }

    /// `DECIMAL`, `DECIMAL(p)` or `DECIMAL(p, s)`: raw tables always store 38 digits, so only the scale matters.
    fn decimal(&mut self) -> Option<ColumnType> {
        if !self.eat("(") {
            return Some(ColumnType::Decimal { scale: 3 });
        }
        let precision: u8 = self.word()?.parse().ok()?;
        let scale: u8 = if self.eat(",") { self.word()?.parse().ok()? } else { 0 };
        (self.eat(")") && precision <= 38 && scale <= precision).then_some(ColumnType::Decimal { scale })
    }

    fn map(&mut self) -> Option<ColumnType> {
        if !self.eat("(") {
            return None;
        }
        let key = self.column_type()?;
        let value = self.eat(",").then(|| self.column_type())??;
        self.eat(")").then(|| ColumnType::Map(Box::new(key), Box::new(value)))
    }

    fn fields(&mut self) -> Option<Vec<Column>> {
        if !self.eat("(") {
            return None;
        }
        let mut fields = Vec::new();
        loop {
            let name = self.name()?;
            fields.push(Column::new(name, self.column_type()?));
            if self.eat(")") {
                return Some(fields);
            }
            if !self.eat(",") {
                return None;
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let Some(quoted) = self.rest.strip_prefix('"') else { return self.word().map(str::to_owned) };
        let mut name = String::new();
        let mut rest = quoted;
        loop {
            let end = rest.find('"')?;
            name.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(more) => {
                    name.push('"');
                    rest = more;
                }
                None => {
                    self.rest = rest;
                    return Some(name);
                }
            }
        }
    }

    fn word(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.rest.trim_start().strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn eat_words(&mut self, words: &[&str]) -> bool {
        let before = self.rest;
        let all = words.iter().all(|word| self.word().is_some_and(|found| found.eq_ignore_ascii_case(word)));
        if !all {
            self.rest = before;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(parse(text).map(|found| found.sql()).as_deref(), expected);
    }

    #[test]
    fn reads_duckdbs_type_names() {
        check("varchar", Some("VARCHAR"));
        check(" TIMESTAMP WITH TIME ZONE ", Some("TIMESTAMP WITH TIME ZONE"));
        check("timestamp", Some("TIMESTAMP"));
        check("decimal(18, 2)", Some("DECIMAL(38,2)"));
        check("decimal(39,2)", None);
        check("bigint[][]", Some("BIGINT[][]"));
        check(
            "struct(a int, \"b \"\"c\" struct(d text)[])[]",
            Some("STRUCT(\"a\" BIGINT, \"b \"\"c\" STRUCT(\"d\" VARCHAR)[])[]"),
        );
        check("map(varchar, interval[])", Some("MAP(VARCHAR, INTERVAL[])"));
        check("TIMESTAMP_NS", Some("TIMESTAMP_NS"));
        check("real", Some("FLOAT"));
        check("struct(a)", None);
        check("varchar x", None);
        check("money", None);
        check("", None);
    }
}
