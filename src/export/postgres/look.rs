//! Looks at what stands in the target without publishing: the steps that a publication would take, and its DDL.
//!
//! Changes nothing, and takes no lock.

use super::connect::Server;
use super::copy::describe;
use super::fit::fit;
use super::table::Table;
use super::{catalog, ddl, migration};
use crate::error::{Error, Result};
use crate::export::Publication;
use crate::export::plan::PlannedStep;
use crate::project::{ExportPolicy, OnContractChange};
use crate::secret::Secret;

/// The steps for each table, in the publication's order; none for a table that is as it should be.
pub fn plan(uri: &Secret, schema: &str, publication: &Publication, policy: ExportPolicy) -> Result<Vec<PlannedStep>> {
    let tables = tables(publication, schema)?;
    let server = Server::new(uri, &format!("elt {}/{}", publication.project, publication.target))?;
    let mut client = server.connect()?;
    let mut schemas: Vec<String> = tables.iter().map(|table| table.schema.clone()).collect();
    schemas.dedup();
    let standing = catalog::read(&mut client, &schemas)
        .map_err(|error| Error::export_postgres("reading its catalog", None, describe(&error)))?;
    // All steps, those too that a build would refuse.
    let policy = ExportPolicy { on_schema_change: OnContractChange::Apply, ..policy };
    let mut steps = Vec::new();
    let mut errors = Vec::new();
    for table in &tables {
        let place = format!("{}.{}", table.schema, table.name);
        let Some(there) = standing.get(&(table.schema.clone(), table.name.clone())) else {
            steps.push(PlannedStep { table: place, text: migration::creation(table), is_destructive: false });
            continue;
        };
        // What a publication takes without leave, and what it would take with it.
        match fit(table, there, there.is_ours || policy.allow_destructive) {
            Ok(fit) if there.is_ours => {
                let found = migration::steps(table, &fit, there, there.contract.as_ref());
                steps.extend(found.into_iter().map(|step| PlannedStep {
                    table: place.clone(),
                    text: step.text,
                    is_destructive: step.is_destructive,
                }));
            }
            Ok(_) => {}
            Err(differences) => {
                errors.push(Error::export_table_does_not_fit(&table.schema, &table.name, there.is_ours, &differences));
            }
        }
    }
    Error::many(errors).map_or(Ok(steps), Err)
}

/// The SQL that makes all tables.
pub fn script(schema: &str, publication: &Publication) -> Result<String> {
    Ok(ddl::script(&tables(publication, schema)?))
}

fn tables(publication: &Publication, schema: &str) -> Result<Vec<Table>> {
    let (mut tables, mut errors) = (Vec::new(), Vec::new());
    for table in &publication.tables {
        match Table::of(table, schema) {
            Ok(table) => tables.push(table),
            Err(error) => errors.extend(error.split()),
        }
    }
    Error::many(errors).map_or(Ok(tables), Err)
}
