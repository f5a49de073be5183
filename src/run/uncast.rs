//! The rows that made a cast fail, as the error of a model names them.
//!
//! DuckDB names the column that it cast, but neither its table nor the row. Knows the text of the failed statement and the
//! warehouse; nothing of models.

use std::sync::LazyLock;

use regex::Regex;

use crate::messages;
use elt_base::names::folded;
use elt_base::schema::{literal, quote};
use elt_base::sql_error::SqlError;
use elt_warehouse::Session;

/// How many keys are named.
const KEYS_SHOWN: usize = 3;
/// DuckDB's words before the column's name.
const FROM: &str = " when casting from source column ";
/// The column of a raw table's key.
const ID: &str = "_id";

/// A cast that failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FailedCast {
    column: String,
    /// The type, as the statement or DuckDB names it.
    pub sql_type: String,
}

impl FailedCast {
    /// Reads it from the error of `sql`; None if the error is another one, or names no column.
    pub fn of(error: &SqlError, sql: &str) -> Option<Self> {
        let (before, column) = error.message.rsplit_once(FROM)?;
        let written = error.position.and_then(|at| sql.get(at..)).and_then(written_type);
        let sql_type = written.or_else(|| Some(named_type(before.rsplit(' ').next()?, before)?.to_owned()))?;
        Some(Self { column: column.trim_matches('"').to_owned(), sql_type })
    }

    /// DuckDB's error, with the type as the statement names it, and not by its storage.
    pub fn named(&self, error: &SqlError) -> SqlError {
        let mut error = error.clone();
        if let Some((before, column)) = error.message.rsplit_once(FROM)
            && let Some((words, stored)) = before.rsplit_once(' ')
            && named_type(stored, "").is_some()
        {
            error.message = format!("{words} {}{FROM}{column}", self.sql_type.to_uppercase());
        }
        error
    }

    /// Whether an ObjectId, which has fewer bits, was to become a UUID.
    pub fn is_object_id_to_uuid(&self) -> bool {
        self.column.eq_ignore_ascii_case(ID) && self.sql_type.eq_ignore_ascii_case("uuid")
    }

    /// What tells of the rows with such values in the tables that the statement reads; a sentence for each table. The
    /// session's transaction must have ended.
    pub fn rows(&self, session: &Session, sql: &str) -> Vec<String> {
        self.tables(session, sql).unwrap_or_default().iter().filter_map(|table| self.rows_of(session, table)).collect()
    }

    /// The tables with the column that the statement names, itself or through views.
    fn tables(&self, session: &Session, sql: &str) -> Result<Vec<ReadTable>, SqlError> {
        let views = session.rows("select schema_name, view_name, sql from duckdb_views() where not internal")?;
        let views: Vec<(String, String)> = views
            .into_iter()
            .filter_map(|row| <[Option<String>; 3]>::try_from(row).ok())
            .filter_map(|[schema, name, sql]| Some((names_of(&schema?, &name?), folded(&sql?))))
            .flat_map(|(names, sql)| names.map(move |name| (name, sql.clone())))
            .collect();
        let mut text = folded(sql);
        let mut seen = vec![false; views.len()];
        while let Some(next) = views.iter().zip(&seen).position(|((name, _), seen)| !seen && text.contains(name)) {
            seen[next] = true;
            text.push_str(&views[next].1);
        }
        let columns = session.rows(&format!(
            "select c.schema_name, c.table_name, c.column_name, exists (select 1 from duckdb_columns() as k where \
             k.table_oid = c.table_oid and k.schema_name = c.schema_name and k.column_name = {}) \
             from duckdb_columns() as c where c.column_name ilike {} and c.data_type = 'VARCHAR' order by all",
            literal(ID),
            literal(&self.column)
        ))?;
        let columns = columns.into_iter().filter_map(|row| <[Option<String>; 4]>::try_from(row).ok());
        let table = |[schema, name, column, has_id]: [Option<String>; 4]| {
            Some(ReadTable { schema: schema?, name: name?, column: column?, has_id: has_id.as_deref() == Some("true") })
        };
        let is_read = |table: &ReadTable| names_of(&table.schema, &table.name).any(|name| text.contains(&name));
        Ok(columns.filter_map(table).filter(is_read).collect())
    }

    fn rows_of(&self, session: &Session, table: &ReadTable) -> Option<String> {
        let column = quote(&table.column);
        let of = format!(
            "from {}.{} where {column} is not null and try_cast({column} as {}) is null",
            quote(&table.schema),
            quote(&table.name),
            self.sql_type
        );
        let count = session.count(&format!("select count(*) {of}")).ok().filter(|count| *count > 0)?;
        let ids = match table.has_id {
            true => session.rows(&format!("select {ID}::varchar {of} order by 1 limit {KEYS_SHOWN}")).ok()?,
            false => Vec::new(),
        };
        let ids: Vec<String> = ids.into_iter().flatten().flatten().collect();
        Some(messages::uncast_rows(count, &format!("{}.{}", table.schema, table.name), &table.column, (ID, &ids)))
    }
}

struct ReadTable {
    schema: String,
    name: String,
    column: String,
    /// It is a raw table, with a key.
    has_id: bool,
}

/// The ways to write a relation in SQL, folded.
fn names_of(schema: &str, name: &str) -> impl Iterator<Item = String> + use<> {
    [format!("{}.{}", quote(schema), quote(name)), format!("{schema}.{name}"), format!("{schema}.{}", quote(name))]
        .into_iter()
        .map(|name| folded(&name))
}

/// The type in a cast at the start of the text: `::decimal(9, 2)`, or `cast(x as date)`.
fn written_type(text: &str) -> Option<String> {
    static AFTER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)^\s*::\s*([a-z_][a-z_0-9]*(?:\s*\([\d\s,]+\))?)").ok());
    static WITHIN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)^\s*cast\s*\([^()]*\sas\s+([a-z_][a-z_0-9]*(?:\s*\([\d\s,]+\))?)\s*\)").ok());
    let found = |pattern: &LazyLock<Option<Regex>>| Some(pattern.as_ref()?.captures(text)?[1].to_owned());
    found(&AFTER).or_else(|| found(&WITHIN))
}

/// The type that DuckDB's message means by the name of its storage.
fn named_type(name: &str, message: &str) -> Option<&'static str> {
    Some(match name {
        "INT8" => "TINYINT",
        "INT16" => "SMALLINT",
        "INT32" => "INTEGER",
        "INT64" => "BIGINT",
        "INT128" => "HUGEINT",
        "UINT8" => "UTINYINT",
        "UINT16" => "USMALLINT",
        "UINT32" => "UINTEGER",
        "UINT64" => "UBIGINT",
        "FLOAT" => "FLOAT",
        "DOUBLE" => "DOUBLE",
        "BOOL" => "BOOLEAN",
        _ if message.contains("timestamp field") => "TIMESTAMP",
        _ if message.contains("date field") => "DATE",
        _ if message.contains("time field") => "TIME",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, sql: &str, position: Option<usize>, expected: Option<(&str, &str)>) {
        let error = SqlError { kind: "Conversion".into(), message: message.into(), position, candidates: Vec::new() };
        let found = FailedCast::of(&error, sql);
        assert_eq!(found.as_ref().map(|cast| (cast.column.as_str(), cast.sql_type.as_str())), expected);
    }

    #[test]
    fn the_cast_is_read_from_the_error_and_the_statement() {
        let to_int = "Could not convert string … to INT128 when casting from source column _id";
        check(to_int, "select _id::uuid as id", Some(10), Some(("_id", "uuid")));
        check(to_int, "select _id", None, Some(("_id", "HUGEINT")));
        let to_date = "invalid date field format: …, expected format is (YYYY-MM-DD) when casting from source column d";
        check(to_date, "select cast(d as date)", Some(7), Some(("d", "date")));
        check(to_date, "select cast(f(d) as date)", Some(7), Some(("d", "DATE")));
        let to_decimal = "Could not convert string … to DECIMAL(9,2) when casting from source column d";
        check(to_decimal, "select d :: decimal(9, 2)", Some(9), Some(("d", "decimal(9, 2)")));
        check("Could not convert string … to INT128", "select 'a'::uuid", Some(10), None);
    }
}
