//! A unit test's queries: the query of its model with the test's overrides, and the queries that return rows.
//!
//! Runs nothing.

use std::collections::HashMap;

use super::compiler::{Compile, Compiler, Standins};
use crate::graph::{GivenRows, NodeId, Relation, UnitTest};
use crate::sql::Compiled;
use crate::template::TemplateText;
use crate::template::jinja::Setting;
use elt_base::error::{Place, Result};

impl Compiler {
    /// The query of a unit test's model, with the test's overrides. `ephemerals` are the relations that hold the given
    /// rows of ephemeral models.
    ///
    /// # Errors
    /// The errors that the template raises when it is executed, with their places; exit code 2.
    pub fn compile_unit_test(&self, test: &UnitTest, ephemerals: HashMap<NodeId, Relation>) -> Result<Compiled> {
        let standins = Standins { overrides: Some(test.overrides.clone()), ephemerals };
        self.compile_with(self.node(test.model), &Compile::default(), &standins)
    }

    /// Rows that a unit test defines by a query, rendered. None if the rows are not a query.
    pub fn compile_rows(&self, owner: &str, test: &UnitTest, rows: &GivenRows) -> Result<Option<Compiled>> {
        let setting = Setting { execute: true, overrides: Some(test.overrides.clone()), ..Setting::default() };
        let (text, place) = match rows {
            GivenRows::Sql { text, place } => (TemplateText::Short(text.clone(), place.clone()), place.clone()),
            GivenRows::SqlFile(source) => (TemplateText::File(source.clone()), Place::line(source, 1)),
            GivenRows::Cells { .. } | GivenRows::OfSeed => return Ok(None),
        };
        let rendered = self.templates.render(owner, &text, setting.clone(), None)?;
        let map = self.map_of(text, &rendered, setting, place);
        let kept = rendered.sql.trim_end_matches(|c: char| c.is_whitespace() || c == ';').len();
        Ok(Some(Compiled { sql: rendered.sql[..kept].to_owned(), map, header: None, keys: Vec::new() }))
    }
}
