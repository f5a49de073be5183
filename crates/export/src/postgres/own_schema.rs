//! elt's own schema `_elt` in a database, and the staging tables there.
//!
//! Knows one connection, but no table of a publication.

use postgres::types::Type;
use postgres::{Client, Transaction};

use super::names::qualified;
use super::said::describe;
use super::statements::{OWN_OBJECTS, OWN_SCHEMA};
use crate::messages;
use elt_base::error::Result;

/// The advisory lock (`elt` in ASCII) that is held while elt's own schema is created.
const SETUP_LOCK: i64 = 0x65_6c_74;

/// Creates the missing parts of elt's own schema; does not change existing parts.
pub fn make_own_schema(client: &mut Client) -> Result<(), postgres::Error> {
    let mut transaction = client.transaction()?;
    if missing_objects(&mut transaction)?.is_empty() {
        return transaction.commit();
    }
    transaction.execute_typed("select pg_advisory_xact_lock($1)", &[(&SETUP_LOCK, Type::INT8)])?;
    // Check again, because another run may have created it meanwhile.
    make_own_schema_in(&mut transaction)?;
    transaction.commit()
}

/// The same, in an open transaction.
pub fn make_own_schema_in(transaction: &mut Transaction<'_>) -> Result<(), postgres::Error> {
    for statement in missing_objects(transaction)? {
        transaction.batch_execute(statement)?;
    }
    Ok(())
}

/// The statements that create what is missing.
fn missing_objects(transaction: &mut Transaction<'_>) -> Result<Vec<&'static str>, postgres::Error> {
    let mut statements = Vec::new();
    for (is_there, create) in OWN_OBJECTS {
        if !transaction.query_typed_one(&format!("select {is_there}"), &[])?.get::<_, bool>(0) {
            statements.push(create);
        }
    }
    Ok(statements)
}

/// Whether the schema exists; fails if it does not and this role may not create it.
pub fn schema_exists(client: &mut Client, schema: &str) -> Result<bool> {
    let row = client
        .query_typed_one(
            "select exists (select from pg_namespace where nspname = $1), \
             has_database_privilege(current_database(), 'CREATE'), current_user::text, current_database()::text",
            &[(&schema, Type::TEXT)],
        )
        .map_err(|error| messages::export_postgres("reading its catalog", None, describe(&error)))?;
    let (exists, may_create): (bool, bool) = (row.get(0), row.get(1));
    if !exists && !may_create {
        return Err(messages::export_no_schema(schema, row.get(2), row.get(3)));
    }
    Ok(exists)
}

/// Drops the staging tables of this schema's publications. The holder of the lock may do this: nobody else uses them.
pub fn drop_staging_tables(client: &mut Client, lock: i64) -> Result<(), postgres::Error> {
    let mark = format!("^(new|rows|gone|bad)_{lock:016x}_[0-9]+$");
    let left = client.query_typed(
        "select relname::text from pg_class where relnamespace = '_elt'::regnamespace and relkind = 'r' and relname ~ $1",
        &[(&mark, Type::TEXT)],
    )?;
    let places: Vec<_> = left.iter().map(|row| qualified(OWN_SCHEMA, row.get(0))).collect();
    if places.is_empty() {
        Ok(())
    } else {
        client.batch_execute(&format!("drop table if exists {}", places.join(", ")))
    }
}
