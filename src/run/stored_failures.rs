//! `store_failures`: stores the failing rows of a data test in a table that remains after the rollback of the model.
//!
//! A file carries the rows from the model's transaction, which sees them, to another one, which commits them. Does not
//! decide what a failure means.

use std::path::Path;

use crate::messages;
use elt_base::error::Result;
use elt_base::schema::{literal, quote};
use elt_base::sql_error::SqlError;
use elt_model::{Compiled, Existing, Node, TestConfig, drop_existing};
use elt_warehouse::Session;

use super::materialize::existing;
use super::statement::test_error;

/// Recreates the test's table with its failing rows, and returns the row of `Compiled::failures`, counted from that
/// table.
///
/// `seeing` is the session whose transaction built the model, `keeping` another one without a transaction. A view
/// (`store_failures_as: view`) is made in the first: it is rolled back with a model whose tests fail.
pub fn store(
    seeing: &Session,
    keeping: &Session,
    node: &Node,
    test: &Compiled,
    scratch: &Path,
) -> Result<Vec<Option<String>>> {
    let config = &node.config.test;
    let rows = test.failing_rows(config);
    let failed = |error| test_error(node, &rows, &error);
    // A view over relations of the transaction is rolled back with them, so it is created there.
    let writing = if config.stores_view { seeing } else { keeping };
    let wanted = if config.stores_view { Existing::View } else { Existing::Table };
    let existing = existing(node, &writing.catalog().map_err(failed)?);
    if existing != wanted
        && let Some(statement) = drop_existing(&node.relation, existing)
    {
        writing.execute(&statement).map_err(failed)?;
    }
    if config.stores_view {
        let view = rows.within(&format!("create or replace view {} as ", node.relation), "");
        seeing.execute(&view.sql).map_err(|error| test_error(node, &view, &error))?;
        return first_row(seeing, node, config).map_err(failed);
    }
    let columns = seeing.describe(&rows.sql).map_err(failed)?;
    std::fs::create_dir_all(scratch).map_err(|cause| messages::artifact(scratch, &cause))?;
    let file = Scratch(scratch.join(format!("{}.parquet", uuid::Uuid::now_v7())));
    let path = literal(&file.0.to_string_lossy());
    let carried: Vec<String> = columns.iter().map(|(name, column_type)| carried(name, column_type)).collect();
    let head = format!("copy (select {} from (\n", carried.join(", "));
    let copy = rows.within(&head, &format!("\n)) to {path} (format parquet)"));
    seeing.execute(&copy.sql).map_err(|error| test_error(node, &copy, &error))?;
    let typed: Vec<String> =
        columns.iter().map(|(name, column_type)| format!("cast({0} as {column_type}) as {0}", quote(name))).collect();
    keeping
        .execute(&format!(
            "create or replace table {} as select {} from read_parquet({path})",
            node.relation,
            typed.join(", ")
        ))
        .map_err(failed)?;
    first_row(keeping, node, config).map_err(failed)
}

fn first_row(session: &Session, node: &Node, config: &TestConfig) -> Result<Vec<Option<String>>, SqlError> {
    let counted = session.rows(&config.count_failures(&node.relation.to_string()))?;
    Ok(counted.into_iter().next().unwrap_or_default())
}

/// The expression that writes a column to the file. It is text if Parquet has no type that keeps every value.
fn carried(name: &str, column_type: &str) -> String {
    const TEXT: [&str; 8] = ["HUGEINT", "INTERVAL", "BIT", "UNION", "TIME WITH", "VARIANT", "BIGNUM", "GEOMETRY"];
    let name = quote(name);
    if TEXT.iter().any(|part| column_type.replace("TIMESTAMP WITH", "").contains(part)) {
        format!("cast({name} as varchar) as {name}")
    } else {
        name
    }
}

/// A file that is removed when the value is dropped.
struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // `elt clean` removes files that remain.
        let _ = std::fs::remove_file(&self.0);
    }
}
