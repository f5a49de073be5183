//! The relations in the warehouse.
//!
//! Reads DuckDB's catalog. Does not know which model a relation belongs to.

use std::collections::{BTreeSet, HashMap};

use super::session::Session;
use elt_base::schema::quote;
use elt_base::sql_error::SqlError;

/// The kind of a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    View,
}

impl RelationKind {
    /// The kind's word in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
        }
    }
}

/// Tables and views by schema and name, in lower case, because DuckDB ignores case.
#[derive(Debug, Clone, Default)]
pub struct Catalog(HashMap<(String, String), RelationKind>);

impl Catalog {
    pub fn get(&self, schema: &str, name: &str) -> Option<RelationKind> {
        self.0.get(&(schema.to_lowercase(), name.to_lowercase())).copied()
    }
}

/// Columns of relations, `(name, DuckDB type)` in order, by schema and name in lower case.
pub type Columns = HashMap<(String, String), Vec<(String, String)>>;

impl Session {
    /// The columns of all tables.
    pub fn columns(&self) -> Result<Columns, SqlError> {
        let rows = self.rows(
            "select schema_name, table_name, column_name, data_type from duckdb_columns() \
             where database_name = current_database() and not internal order by schema_name, table_name, column_index",
        )?;
        let mut columns = Columns::new();
        for row in rows {
            if let Ok([Some(schema), Some(table), Some(name), Some(data_type)]) = <[Option<String>; 4]>::try_from(row) {
                columns.entry((schema.to_lowercase(), table.to_lowercase())).or_default().push((name, data_type));
            }
        }
        Ok(columns)
    }

    /// Statements that create the database's macros, and their schemas, in another database. They are in the order in
    /// which the macros were created. DuckDB does not report the defaults of parameters, so the statements do not
    /// include them.
    pub fn macros(&self) -> Result<Vec<String>, SqlError> {
        let rows = self.rows(
            "select schema_name, function_name, string_agg('(' || coalesce(array_to_string(list_transform(\
             list_zip(parameters, parameter_types), \
             lambda p: '\"' || replace(p[1], '\"', '\"\"') || '\"' || coalesce(' ' || p[2], '')), ', '), '') || ') as ' \
             || if(function_type = 'table_macro', 'table ', '') || macro_definition, ', ') \
             from duckdb_functions() \
             where database_name = current_database() and not internal and function_type in ('macro', 'table_macro') \
             group by schema_name, function_name, function_type, function_oid order by function_oid",
        )?;
        let mut statements = Vec::new();
        for row in rows {
            if let Ok([Some(schema), Some(name), Some(bodies)]) = <[Option<String>; 3]>::try_from(row) {
                statements.push(format!("create schema if not exists {}", quote(&schema)));
                statements.push(format!("create or replace macro {}.{}{bodies}", quote(&schema), quote(&name)));
            }
        }
        Ok(statements)
    }

    /// Creates missing schemas, before transactions on several threads need them. Two transactions that create the same
    /// schema would conflict.
    pub fn create_schemas<'a>(&self, schemas: impl IntoIterator<Item = &'a str>) -> Result<(), SqlError> {
        let all: BTreeSet<&str> = schemas.into_iter().collect();
        all.into_iter().try_for_each(|schema| self.execute(&format!("create schema if not exists {}", quote(schema))))
    }

    /// All tables and views of the database, as this session's transaction sees them.
    pub fn catalog(&self) -> Result<Catalog, SqlError> {
        let rows = self.rows(
            "select schema_name, table_name, 'table' from duckdb_tables() where database_name = current_database() \
             union all \
             select schema_name, view_name, 'view' from duckdb_views() where database_name = current_database() and not internal",
        )?;
        Ok(Catalog(
            rows.into_iter()
                .filter_map(|row| {
                    let [Some(schema), Some(name), Some(kind)] = <[Option<String>; 3]>::try_from(row).ok()? else {
                        return None;
                    };
                    let kind = if kind == "view" { RelationKind::View } else { RelationKind::Table };
                    Some(((schema.to_lowercase(), name.to_lowercase()), kind))
                })
                .collect(),
        ))
    }
}
