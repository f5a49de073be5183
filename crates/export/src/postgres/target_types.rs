//! Sets the types that columns are encoded in to those of the existing tables: narrower types in tables that others
//! created, and the labels of enums. Therefore a value that does not fit is found before it is sent.
//!
//! Reads labels from the catalog; knows no rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use postgres::Client;
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
pub fn set(client: &mut Client, tables: &mut [PostgresTable], standing: &PostgresCatalog) -> Result<()> {
    let mut errors = Vec::new();
    let mut known: BTreeMap<String, Option<Labels>> = BTreeMap::new();
    for table in tables {
        let there = standing.get(&(table.schema.clone(), table.name.clone())).filter(|there| !there.is_ours);
        for column in &mut table.columns {
            let theirs = there.and_then(|there| there.columns.iter().find(|theirs| theirs.name == column.name));
            if let Some(theirs) = theirs {
                let parsed = match theirs.is_enum {
                    true => PostgresType::enumeration(&theirs.type_name),
                    // `json` is compared as `jsonb`.
                    false => PostgresType::parse(&theirs.type_name).filter(|theirs| *theirs != PostgresType::Json),
                };
                column.postgres_type = match parsed {
                    Some(theirs) if column.can_become(&theirs) => theirs,
                    _ => column.postgres_type.clone(),
                };
            }
            let Some(name) = own_type(&column.postgres_type) else { continue };
            if !known.contains_key(&name) {
                known.insert(name.clone(), ask(client, &name)?);
            }
            column.labels = known.get(&name).cloned().flatten();
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

/// None: the type does not exist.
fn ask(client: &mut Client, name: &str) -> Result<Option<Labels>> {
    let row = client
        .query_typed_opt(
            "select t.oid, t.typtype = 'e', \
             array(select e.enumlabel::text from pg_enum e where e.enumtypid = t.oid) \
             from pg_type t where t.oid = to_regtype($1)::oid",
            &[(&name, Type::TEXT)],
        )
        .map_err(|error| messages::export_postgres("reading its catalog", None, describe(&error)))?;
    Ok(row.map(|row| {
        let labels = row.get::<_, bool>(1).then(|| row.get::<_, Vec<String>>(2).into_iter().collect());
        Arc::new(KnownType { oid: row.get(0), labels })
    }))
}
