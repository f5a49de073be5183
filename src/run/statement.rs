//! A compiled statement run in a session, and the error that it becomes in the analyst's file.
//!
//! Knows no step of a build.

use super::uncast::FailedCast;
use crate::messages;
use elt_base::error::{Error, Result};
use elt_base::sql_error::SqlError;
use elt_model::{Compiled, Node};
use elt_warehouse::Session;

/// A compiled query inside a statement. Errors of the statement point to the text of the query.
pub(super) fn execute(session: &Session, node: &Node, statement: &Compiled) -> Result<()> {
    session.execute(&statement.sql).map_err(|error| match FailedCast::of(&error, &statement.sql) {
        Some(cast) => {
            // The failed statement has spoilt the transaction: nothing of it can be kept, or asked in it.
            session.rollback();
            let rows = cast.rows(session, &statement.sql);
            let error = rows.into_iter().fold(model_error(node, statement, &cast.named(&error)), Error::because);
            error.hint_maybe(cast.is_object_id_to_uuid().then(messages::object_id_to_uuid))
        }
        None => model_error(node, statement, &error),
    })
}

pub(super) fn model_error(node: &Node, statement: &Compiled, error: &SqlError) -> Error {
    if error.is_interrupt() {
        return elt_base::messages::interrupted();
    }
    messages::model_failed(&node.name, error).at_all(statement.places(error.position))
}

pub(super) fn test_error(node: &Node, statement: &Compiled, error: &SqlError) -> Error {
    if error.is_interrupt() {
        return elt_base::messages::interrupted();
    }
    messages::test_broken(&node.name, error).at_all(statement.places(error.position))
}
