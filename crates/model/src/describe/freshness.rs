//! The query that finds the age of a source's data.
//!
//! Returns SQL (<https://docs.getdbt.com/reference/resource-properties/freshness>). Queries no database.

use serde_json::Value;

use crate::compile::Compiler;
use crate::config::Freshness;
use crate::graph::Node;
use crate::template::jinja::Setting;
use elt_base::error::Result;

impl Compiler {
    /// A query that returns one value: the time of the last write to a source's table, in microseconds since 1970. None
    /// if neither `loaded_at_query` nor `loaded_at_field` is set.
    ///
    /// # Errors
    /// The `loaded_at_query` cannot be rendered.
    pub fn loaded_at(&self, node: &Node, freshness: &Freshness) -> Result<Option<String>> {
        let text = |key: &str| node.raw_config.get(key).and_then(Value::as_str);
        if let Some(query) = text("loaded_at_query") {
            let setting = Setting { execute: true, this: Some(node.relation.clone()), ..Setting::default() };
            let owner = format!("`loaded_at_query` of source `{}`", node.display_name());
            let rendered = self.templates.render_text(&owner, query, &node.place(), setting)?;
            let sql = rendered.sql.trim_end_matches(|c: char| c.is_whitespace() || c == ';');
            return Ok(Some(format!(
                "select epoch_us(cast(loaded_at as timestamptz)) from (\n{sql}\n) as t(loaded_at)"
            )));
        }
        let filter = freshness.filter.as_ref().map_or_else(String::new, |filter| format!(" where {filter}"));
        Ok(text("loaded_at_field")
            .map(|field| format!("select epoch_us(cast(max({field}) as timestamptz)) from {}{filter}", node.read_as())))
    }
}
