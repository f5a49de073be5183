//! The first statements of a publication's transaction, until they are sent.
//!
//! A value. Knows no connection.

use elt_connect::postgres::Answer;

use super::script::Script;

/// The first statements of the transaction, which were not sent yet.
#[derive(Default)]
pub struct Beginning {
    pub script: Script,
    /// The tables that are locked, each with the position of its statement.
    pub locks: Vec<(usize, String)>,
    /// The tables, by position, that must have their trigger.
    pub watched: Vec<usize>,
    /// The positions of two queries: for tables without their trigger, and for grants to new tables.
    pub unwatched: Option<usize>,
    pub grants: Option<usize>,
}

impl Beginning {
    /// The answer at a position; an empty one if there was no query.
    pub fn answer(position: Option<usize>, answers: &mut [Answer]) -> Answer {
        position.and_then(|at| answers.get_mut(at)).map(std::mem::take).unwrap_or_default()
    }
}

/// The settings under which rows are written.
pub fn defer(script: &mut Script) {
    const DURING: &str = "deferring constraints";
    script.add(DURING, None, "set constraints all deferred");
    // Postgres' default cost of a random page is that of a spinning disk. With it, Postgres reads all of a large table
    // to change a few of its rows.
    script.add(DURING, None, "set local random_page_cost = 1.1");
}
