//! The call of the program, as templates see it: `flags`, `invocation_id`, `run_started_at`.
//!
//! Values only.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// One call of the program.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// A UUID.
    pub id: String,
    pub started_at: DateTime<Utc>,
    /// dbt's name of the command: `build`, `run-operation`.
    pub command: String,
    pub full_refresh: bool,
    /// The value of `--vars`.
    pub vars: Map<String, Value>,
}

impl Default for Invocation {
    fn default() -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            started_at: Utc::now(),
            command: "build".into(),
            full_refresh: false,
            vars: Map::new(),
        }
    }
}
