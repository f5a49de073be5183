//! Takes one snapshot within the caller's transaction.
//!
//! Runs the SQL of `model`. Commits nothing.

use crate::messages;
use crate::report::Console;
use elt_base::error::{Error, Result};
use elt_model::{Compile, Compiler, Incremental, Node, OnSchemaChange, SchemaChange, Snapshot};
use elt_warehouse::{Catalog, RelationKind, Session};

use super::host::SessionHost;
use super::materialize::{Built, hooks};
use super::statement::{execute, model_error};

/// Takes a snapshot. `catalog` lists the relations before the run. A snapshot is never rebuilt from the start.
pub fn snapshot(
    session: &Session,
    console: &Console,
    graph: &Compiler,
    node: &Node,
    catalog: &Catalog,
) -> Result<Built> {
    let Some(config) = &node.config.snapshot else { return Err(messages::not_a_snapshot(&node.name)) };
    let host = SessionHost::new(session, console);
    let how = Compile { host: Some(&host), ..Compile::default() };
    let query = graph.compile(node, &how)?;
    let (before, after) = graph.hooks(node, &how)?;
    hooks(session, node, &before)?;
    if let Some(header) = &query.header {
        session.execute(header).map_err(|error| messages::header_failed(&node.name, &error).at(node.place()))?;
    }
    let staged = Incremental::staged(&node.relation);
    let run = Snapshot { target: &node.relation, staged: &staged, config, unique_key: &node.config.unique_key };
    let stage = run.stage(&query);
    execute(session, node, &stage)?;
    let failed = |error| model_error(node, &stage, &error);
    single_keys(session, node, &run)?;
    let existing = catalog.get(&node.relation.schema, &node.relation.identifier);
    let (rows, note) = match existing {
        Some(RelationKind::View) => return Err(messages::snapshot_is_a_view(&node.name).at(node.place())),
        None => {
            session.execute(&run.create()).map_err(failed)?;
            (session.count(&format!("select count(*) from {}", node.relation))?, "snapshot, first".to_owned())
        }
        Some(RelationKind::Table) => later(session, node, &run, &failed)?,
    };
    session.execute(&run.unstage())?;
    hooks(session, node, &after)?;
    Ok(Built { rows: Some(rows), note, compiled: query.sql })
}

/// The number of rows that started, and a note.
fn later(
    session: &Session,
    node: &Node,
    run: &Snapshot<'_>,
    failed: &dyn Fn(elt_base::sql_error::SqlError) -> Error,
) -> Result<(u64, String)> {
    let old = session.describe(&node.relation.to_string())?;
    let has = |name: &str| old.iter().any(|(other, _)| other.eq_ignore_ascii_case(name.trim_matches('"')));
    if let Some(missing) = run.own_names().into_iter().find(|name| !has(name)) {
        return Err(messages::snapshot_without_column(&node.name, missing).at(node.place()));
    }
    let query = session.describe(&run.staged.to_string())?;
    let new = session.describe(&run.versions()).map_err(failed)?;
    let change = SchemaChange::plan(&node.name, &node.relation, &old, &new, OnSchemaChange::AppendNewColumns)
        .map_err(|error| error.at(node.place()))?;
    for statement in &change.statements {
        session.execute(statement).map_err(failed)?;
    }
    let names = |columns: &[(String, String)]| columns.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let (mut rows, mut ended) = (0, 0);
    for statement in run.statements(&change.columns, &names(&query), &names(&old)) {
        let changed = session.change(&statement).map_err(failed)?;
        if statement.starts_with("insert") {
            rows += changed;
        } else if statement.starts_with("update") {
            ended += changed;
        }
    }
    Ok((
        rows,
        if ended == 0 { "snapshot".into() } else { format!("snapshot, {} ended", elt_base::numbers::thousands(ended)) },
    ))
}

/// Rejects rows whose key is NULL or not unique, because a history could not distinguish them.
fn single_keys(session: &Session, node: &Node, run: &Snapshot<'_>) -> Result<()> {
    let found = session.rows(&run.bad_keys()).map_err(|error| {
        let place = node.place();
        messages::model_failed(&node.name, &error)
            .at(place)
            .hint("`unique_key` must be a column, a list of columns, or a SQL expression")
    })?;
    let row = found.into_iter().next().unwrap_or_default();
    let number = |at: usize| row.get(at).cloned().flatten().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    if number(0) > 0 {
        return Err(messages::snapshot_null_keys(&node.name, &node.config.unique_key, number(0)).at(node.place()));
    }
    if number(1) > 0 {
        let shown = row.get(2).cloned().flatten().unwrap_or_default();
        return Err(elt_model::messages::duplicate_keys(&node.name, &node.config.unique_key, number(1), &shown)
            .at(node.place()));
    }
    Ok(())
}
