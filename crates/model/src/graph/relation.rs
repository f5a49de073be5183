//! The place of a node in the warehouse: a schema and an identifier.
//!
//! Knows dbt's naming rules. Does not know what kind of relation has the name.

use std::fmt;

use elt_base::schema::quote;

/// A relation's name in DuckDB. It is displayed quoted: `"main"."customers"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Relation {
    pub schema: String,
    pub identifier: String,
}

impl Relation {
    pub fn new(schema: impl Into<String>, identifier: impl Into<String>) -> Self {
        Self { schema: schema.into(), identifier: identifier.into() }
    }

    /// A relation in the same schema, with a suffix on its name.
    pub fn beside(&self, suffix: &str) -> Self {
        Self::new(&self.schema, format!("{}{suffix}", self.identifier))
    }

    /// dbt's `generate_schema_name`: the target's schema, or `<target's schema>_<custom>`.
    pub fn schema_name(target: &str, custom: Option<&str>) -> String {
        match custom.map(str::trim).filter(|custom| !custom.is_empty()) {
            Some(custom) => format!("{target}_{custom}"),
            None => target.to_owned(),
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quote(&self.schema), quote(&self.identifier))
    }
}

/// The prefix of the names of common table expressions that represent ephemeral models.
pub(crate) const CTE_PREFIX: &str = "__dbt__cte__";

pub(crate) fn cte_name(model: &str) -> String {
    format!("{CTE_PREFIX}{model}")
}
