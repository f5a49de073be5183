//! elt's own schema `_elt` in a database, and the staging tables there.
//!
//! Knows one connection, but no table of a publication.

use elt_connect::postgres::{Answer, PostgresClient};
use postgres::Row;
use postgres::types::Type;

use super::names::qualified;
use super::statements::{OWN_OBJECTS, OWN_SCHEMA};
use crate::messages;
use elt_base::error::Result;

/// The advisory lock (`elt` in ASCII) that is held while elt's own schema is created.
const SETUP_LOCK: i64 = 0x65_6c_74;

/// The query that tells, for each of elt's own objects, whether it exists.
pub fn existing() -> String {
    let conditions: Vec<_> = OWN_OBJECTS.iter().map(|(exists, _)| *exists).collect();
    format!("select {}", conditions.join(", "))
}

/// Creates the missing parts of elt's own schema; does not change existing parts. `existing` is the answer of `existing`.
/// After an error a transaction is open.
pub fn make(client: &mut PostgresClient, found: &[Answer]) -> Result<(), postgres::Error> {
    if missing(found).next().is_none() {
        return Ok(());
    }
    let lock = format!("select pg_advisory_xact_lock({SETUP_LOCK})");
    // Asks again, because another run may have created it meanwhile.
    let found = client.run(vec!["begin".into(), lock, existing()]).map_err(|refusal| refusal.error)?;
    let create = missing(found.get(2..).unwrap_or_default()).map(str::to_owned);
    let create = create.chain(["commit".to_owned()]).collect();
    client.run(create).map(drop).map_err(|refusal| refusal.error)
}

/// The same, in an open transaction.
pub fn make_in_transaction(client: &mut PostgresClient) -> Result<(), postgres::Error> {
    let found = client.run(vec![existing()]).map_err(|refusal| refusal.error)?;
    let create = missing(&found).map(str::to_owned).collect();
    client.run(create).map(drop).map_err(|refusal| refusal.error)
}

/// The statements that create what is missing.
fn missing(found: &[Answer]) -> impl Iterator<Item = &'static str> {
    let row = found.first().and_then(|answer| answer.rows.first());
    let is_there = |index: usize| row.and_then(|row| row.get(index)).and_then(|text| text.as_deref()) == Some("t");
    let missing = OWN_OBJECTS.iter().enumerate().filter(|(index, _)| !is_there(*index));
    // An object's statements are separate, so that each has an answer.
    missing.flat_map(|(_, (_, create))| *create).copied().collect::<Vec<_>>().into_iter()
}

/// For each of these schemas in their order, whether it exists and whether this role may create it.
pub const SCHEMAS: &str = "\
select s.name, n.oid is not null, has_database_privilege(current_database(), 'CREATE'), current_user::text, \
current_database()::text from unnest($1) with ordinality as s (name, number) \
left join pg_namespace n on n.nspname = s.name order by s.number";

/// The schemas that do not exist; fails if there is one that this role may not create. `found` are the rows of `SCHEMAS`.
pub fn missing_schemas(found: &[Row]) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for row in found {
        let (schema, exists, may_create): (String, bool, bool) = (row.get(0), row.get(1), row.get(2));
        if !exists && !may_create {
            return Err(messages::export_no_schema(&schema, row.get(3), row.get(4)));
        }
        if !exists {
            missing.push(schema);
        }
    }
    Ok(missing)
}

/// The staging tables whose names match.
pub const STAGING_TABLES: &str = "\
select relname::text from pg_class where relnamespace = '_elt'::regnamespace and relkind = 'r' and relname ~ $1";

/// The pattern of the names of the staging tables of a schema's publications.
pub fn staging_mark(lock: i64) -> String {
    format!("^(new|rows|gone|bad)_{lock:016x}_[0-9]+$")
}

/// Drops the staging tables of this schema's publications. The holder of the lock may do this: nobody else uses them.
pub fn drop_staging_tables(client: &mut PostgresClient, lock: i64) -> Result<(), postgres::Error> {
    let found = client.query_typed(STAGING_TABLES, &[(&staging_mark(lock), Type::TEXT)])?;
    drop_found(client, &found)
}

/// Drops the tables that `STAGING_TABLES` found.
pub fn drop_found(client: &mut PostgresClient, found: &[Row]) -> Result<(), postgres::Error> {
    let places: Vec<_> = found.iter().map(|row| qualified(OWN_SCHEMA, row.get(0))).collect();
    if places.is_empty() {
        Ok(())
    } else {
        client.batch_execute(&format!("drop table if exists {}", places.join(", ")))
    }
}
