//! Sets the types that columns are encoded in to those of the existing tables: narrower types in tables that others
//! created, and the labels of enums. Therefore a value that does not fit is found before it is sent.
//!
//! Reads labels from the catalog; knows no rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use elt_connect::postgres::PostgresClient;
use postgres::types::Type;

use super::catalog::PostgresCatalog;
use super::said::describe;
use super::table::PostgresTable;
use super::values::{KnownType, Labels};
use crate::messages;
use crate::postgres_type::PostgresType;
use elt_base::error::{Error, Result};

/// Sets types and labels of all columns. `standing` contains the existing tables of its schemas.
///
/// # Errors
/// A contract names a type that is not an enum of the database.
pub fn set(client: &mut PostgresClient, tables: &mut [PostgresTable], standing: &PostgresCatalog) -> Result<()> {
    for table in &mut *tables {
        let there = standing.get(&(table.schema.clone(), table.name.clone())).filter(|there| !there.is_ours);
        for column in &mut table.columns {
            let theirs = there.and_then(|there| there.columns.iter().find(|theirs| theirs.name == column.name));
            let Some(theirs) = theirs else { continue };
            let parsed = match theirs.is_enum {
                true => PostgresType::enumeration(&theirs.type_name),
                // `json` is compared as `jsonb`.
                false => PostgresType::parse(&theirs.type_name).filter(|theirs| *theirs != PostgresType::Json),
            };
            if let Some(theirs) = parsed.filter(|theirs| column.can_become(theirs)) {
                column.postgres_type = theirs;
            }
        }
    }
    let columns = tables.iter().flat_map(|table| &table.columns);
    let names: BTreeSet<String> = columns.filter_map(|column| own_type(&column.postgres_type)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let known = read(client, &names.into_iter().collect::<Vec<_>>())?;
    let mut errors = Vec::new();
    for table in tables {
        for column in &mut table.columns {
            let Some(name) = own_type(&column.postgres_type) else { continue };
            column.labels = known.get(&name).cloned();
            // `citext` is part of an extension: a missing `citext` has its own message.
            if column.labels.as_ref().is_none_or(|known| known.labels.is_none() && name != "citext") {
                let error = messages::export_no_such_type(&table.name, &column.name, &name);
                errors.push(error.at_maybe(column.type_place.clone()));
            }
        }
    }
    Error::many(errors).map_or(Ok(()), Err)
}

/// The name of a type that only this database numbers.
fn own_type(postgres_type: &PostgresType) -> Option<String> {
    match postgres_type {
        PostgresType::Named(name) => Some(name.clone()),
        PostgresType::Citext => Some("citext".into()),
        PostgresType::Array(element) => own_type(element),
        _ => None,
    }
}

/// Those of the types that exist, by name.
fn read(client: &mut PostgresClient, names: &[String]) -> Result<BTreeMap<String, Labels>> {
    let found = client
        .query_typed(
            "select w.name, t.oid, t.typtype = 'e', \
             array(select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid) \
             from unnest($1) as w (name) join pg_type t on t.oid = to_regtype(w.name)::oid",
            &[(&names, Type::TEXT_ARRAY)],
        )
        .map_err(|error| messages::export_postgres("reading its catalog", None, describe(&error)))?;
    let known = found.iter().map(|row| {
        let labels = row.get::<_, bool>(2).then(|| row.get::<_, Vec<String>>(3).into_iter().collect());
        (row.get(0), Arc::new(KnownType { oid: row.get(1), labels }))
    });
    Ok(known.collect())
}
