//! Reads the target without publishing: returns the steps that a publication would run, and the DDL.
//!
//! Changes nothing, and acquires no lock.

use std::collections::BTreeSet;

use elt_connect::postgres::{PostgresClient, PostgresServer};
use postgres::types::Type;

use super::fit::{self, fit};
use super::names::qualified;
use super::said::describe;
use super::table::PostgresTable;
use super::{catalog, migration, object_names, own_schema};
use crate::messages;
use crate::plan::PlannedStep;
use crate::publication::{Publication, PublishedKey};
use elt_base::error::{Error, Result};
use elt_base::schema::quote;
use elt_base::secret::Secret;
use elt_project::{ExportPolicy, OnContractChange};

/// Values are counted in tables up to this size: about a second.
const COUNTED_BYTES_MAX: i64 = 256 << 20;

/// The steps for each table, in the publication's order; none for a table that matches its contract.
pub fn plan(uri: &Secret, schema: &str, publication: &Publication, policy: ExportPolicy) -> Result<Vec<PlannedStep>> {
    let mut tables = PostgresTable::all_of(&publication.tables, schema)?;
    let server = PostgresServer::new(uri, &format!("elt {}/{}", publication.project, publication.target))?;
    let mut client = server.connect()?;
    let failed = |error: postgres::Error| messages::export_postgres("reading its catalog", None, describe(&error));
    let standing = catalog::read_for(&mut client, &tables).map_err(failed)?;
    object_names::resolve(&mut tables, &standing);
    // All steps, including those that a build would reject.
    let policy = ExportPolicy { on_schema_change: OnContractChange::Apply, ..policy };
    let mut steps = Vec::new();
    let mut errors = Vec::new();
    let schemas: BTreeSet<&String> = tables.iter().map(|table| &table.schema).collect();
    let schemas: Vec<&String> = schemas.into_iter().collect();
    let found = client.query_typed(own_schema::SCHEMAS, &[(&schemas, Type::TEXT_ARRAY)]).map_err(failed)?;
    for row in found.iter().filter(|row| !row.get::<_, bool>(1)) {
        steps.push(PlannedStep::new(row.get::<_, &str>(0), "create schema".into()));
    }
    for table in &tables {
        let place = format!("{}.{}", table.schema, table.name);
        let there = standing.get(&(table.schema.clone(), table.name.clone()));
        let (keys, waiting) = migration::foreign_keys(table, there, &standing, &tables);
        let keys = keys.iter().map(|key| PlannedStep::new(&place, migration::add_foreign_key(table, key).text));
        let waiting = waiting.iter().map(|key| {
            let text = migration::add_foreign_key(table, key).text;
            PlannedStep { is_waiting: true, ..PlannedStep::new(&place, text) }
        });
        let Some(there) = there else {
            steps.push(PlannedStep::new(&place, migration::creation(table)));
            steps.extend(keys.chain(waiting));
            continue;
        };
        // The steps that a publication runs by default, and those that it would run with `--allow-destructive`.
        match fit(table, there, there.is_ours || policy.allow_destructive) {
            Ok(fit) if there.is_ours => {
                let found = migration::steps(table, &fit, there, there.contract.as_ref());
                for step in found {
                    let mut planned = PlannedStep::new(&place, step.text);
                    if let Some(column) = &step.loses {
                        planned.is_destructive = true;
                        planned.values = values(&mut client, table, column).map_err(failed)?;
                    }
                    steps.push(planned);
                }
                steps.extend(keys.chain(waiting));
                let blocked = fit::blocked(&fit, there).into_iter();
                steps.extend(blocked.map(|text| PlannedStep { is_blocked: true, ..PlannedStep::new(&place, text) }));
            }
            Ok(_) => {}
            Err(differences) => {
                errors.push(messages::export_table_does_not_fit(
                    &table.schema,
                    &table.name,
                    there.is_ours,
                    &differences,
                ));
            }
        }
    }
    Error::many(errors).map_or(Ok(steps), Err)
}

/// How many values of a column a step would lose; None if the table is too large to count quickly.
fn values(client: &mut PostgresClient, table: &PostgresTable, column: &str) -> Result<Option<u64>, postgres::Error> {
    let place = qualified(&table.schema, &table.name);
    let size: i64 = client.query_typed_one("select pg_table_size($1::text::regclass)", &[(&place, Type::TEXT)])?.get(0);
    if size > COUNTED_BYTES_MAX {
        return Ok(None);
    }
    let count: i64 = client.query_typed_one(&format!("select count({}) from {place}", quote(column)), &[])?.get(0);
    Ok(u64::try_from(count).ok())
}

/// The published surrogate keys; None if the schema's last publication is `known`, or if the schema has no keys.
pub fn keys(uri: &Secret, schema: &str, known: Option<&str>) -> Result<Option<Vec<PublishedKey>>> {
    let server = PostgresServer::new(uri, "elt keys")?;
    let mut client = server.connect()?;
    let failed = |error: postgres::Error| messages::export_postgres("reading surrogate keys", None, describe(&error));
    let stands = "select to_regclass('_elt.publications') is not null and to_regclass('_elt.keys') is not null";
    if !client.query_typed_one(stands, &[]).map_err(failed)?.get::<_, bool>(0) {
        return Ok(None);
    }
    let last = client
        .query_typed_opt(
            "select id::text from _elt.publications where schema = $1 order by number desc limit 1",
            &[(&schema, Type::TEXT)],
        )
        .map_err(failed)?
        .map(|row| row.get::<_, String>(0));
    if known.is_some() && last.as_deref() == known {
        return Ok(None);
    }
    let rows =
        client.query_typed("select map, natural_key, id::text, uuid::text from _elt.keys", &[]).map_err(failed)?;
    let read = |row: &postgres::Row| PublishedKey {
        map: row.get(0),
        natural_key: row.get(1),
        id: row.get(2),
        uuid: row.get(3),
    };
    Ok(Some(rows.iter().map(read).collect()))
}
