//! The `filter` of a question for files: a query that `elt` evaluates itself.
//!
//! Knows no file format.

use crate::files::query::Query;
use crate::messages;
use crate::question::Question;
use elt_base::error::Result;

pub fn filter(question: &Question) -> Result<Option<Query>> {
    let parsed = question.options.filter.as_deref().map(Query::parse).transpose();
    parsed.map_err(|complaint| messages::source_options(&question.collection, &format!("`filter`: {complaint}")))
}
