//! Compares the age of the sources' data with the limits in their YAML.
//!
//! Combines `model` and `warehouse` in a read-only session. Writes nothing.

use std::time::Instant;

use chrono::{DateTime, SecondsFormat, TimeZone, Utc};
use serde_json::{Value, json};

use crate::messages;
use crate::report::Status;
use elt_base::error::{Error, Result};
use elt_base::numbers::counted;
use elt_model::{Age, Compiler, Freshness, Node};
use elt_warehouse::{LastLoad, Session};

/// The result for one source's table.
pub struct SourceAge {
    pub unique_id: String,
    pub name: String,
    /// `Pass`, `Warn` or `Error`.
    pub status: Status,
    /// None if the age cannot be found. In that case `error` says why.
    pub loaded_at: Option<DateTime<Utc>>,
    pub seconds: f64,
    /// The error: the age cannot be found, or the data is too old.
    pub error: Option<Error>,
    started_at: DateTime<Utc>,
    criteria: Freshness,
}

impl SourceAge {
    /// Finds the age of one table. `loads` are the last loads of all collections.
    pub fn of(graph: &Compiler, node: &Node, freshness: Freshness, session: &Session, loads: &[LastLoad]) -> Self {
        let started = Instant::now();
        let found = loaded_at(graph, node, &freshness, session, loads);
        let mut age = Self {
            unique_id: node.unique_id.clone(),
            name: node.display_name(),
            status: Status::Pass,
            loaded_at: None,
            seconds: started.elapsed().as_secs_f64(),
            error: None,
            started_at: Utc::now(),
            criteria: freshness,
        };
        match found {
            Ok(loaded_at) => {
                age.loaded_at = Some(loaded_at);
                let is_loaded = loads.iter().any(|load| is_own(load, node));
                age.judge(node, is_loaded);
            }
            Err(error) => {
                age.status = Status::Error;
                age.error = Some(error);
            }
        }
        age
    }

    fn judge(&mut self, node: &Node, is_loaded: bool) {
        let seconds = self.age_seconds();
        let exceeded = |age: &Option<Age>| age.clone().filter(|age| seconds > age.seconds() as f64);
        let (status, limit) = match (exceeded(&self.criteria.error_after), exceeded(&self.criteria.warn_after)) {
            (Some(limit), _) => (Status::Error, limit),
            (None, Some(limit)) => (Status::Warn, limit),
            (None, None) => return,
        };
        self.status = status;
        let limit = counted(limit.count, &format!("{}s", limit.period));
        let error = messages::source_stale(&self.name, &self.age_text(), &limit, is_loaded).at(node.place());
        self.error = Some(error);
    }

    fn age_seconds(&self) -> f64 {
        self.loaded_at.map_or(0.0, |at| (self.started_at - at).num_milliseconds() as f64 / 1e3)
    }

    /// `3 hours ago`, `never`.
    pub fn age_text(&self) -> String {
        let Some(at) = self.loaded_at else { return "unknown".into() };
        if at.timestamp() <= EMPTY_SECONDS {
            return "never (no rows)".into();
        }
        let seconds = self.age_seconds().max(0.0) as u64;
        let (count, unit) = match seconds {
            0..120 => (seconds, "seconds"),
            120..7_200 => (seconds / 60, "minutes"),
            7_200..172_800 => (seconds / 3_600, "hours"),
            _ => (seconds / 86_400, "days"),
        };
        format!("{} ago", counted(count, unit))
    }

    /// An entry of `sources.json`.
    pub fn artifact(&self) -> Value {
        let Some(loaded_at) = self.loaded_at else {
            let error = self.error.as_ref().map(ToString::to_string);
            return json!({ "unique_id": self.unique_id, "error": error, "status": "runtime error" });
        };
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
        let age = |age: &Option<Age>| match age {
            Some(age) => json!({ "count": age.count, "period": age.period }),
            None => json!({ "count": null, "period": null }),
        };
        let completed = self.started_at + chrono::TimeDelta::microseconds((self.seconds * 1e6) as i64);
        json!({
            "unique_id": self.unique_id,
            "max_loaded_at": time(loaded_at),
            "snapshotted_at": time(self.started_at),
            "max_loaded_at_time_ago_in_s": self.age_seconds(),
            "status": self.status.name(),
            "criteria": {
                "warn_after": age(&self.criteria.warn_after),
                "error_after": age(&self.criteria.error_after),
                "filter": self.criteria.filter,
            },
            "adapter_response": {},
            "timing": [{ "name": "execute", "started_at": time(self.started_at), "completed_at": time(completed) }],
            "thread_id": "main",
            "execution_time": self.seconds,
        })
    }
}

fn is_own(load: &LastLoad, node: &Node) -> bool {
    Some(&load.source) == node.source_name.as_ref() && Some(&load.collection) == node.collection.as_ref()
}

/// The time that dbt reports for a table without rows: the year 1.
const EMPTY_SECONDS: i64 = -62_135_596_800;

fn loaded_at(
    graph: &Compiler,
    node: &Node,
    freshness: &Freshness,
    session: &Session,
    loads: &[LastLoad],
) -> Result<DateTime<Utc>> {
    let micros = match graph.loaded_at(node, freshness)? {
        Some(query) => session
            .value(&query)
            .map_err(|error| messages::freshness_failed(&node.display_name(), &error).at(node.place()))?
            .and_then(|text| text.parse::<i64>().ok())
            .unwrap_or(EMPTY_SECONDS * 1_000_000),
        // The time of the load. dbt calls this the metadata of the table.
        None => {
            let millis = loads.iter().find(|load| is_own(load, node)).and_then(|load| load.loaded_at);
            let millis = millis.ok_or_else(|| messages::freshness_unknown(&node.display_name()).at(node.place()))?;
            millis.saturating_mul(1_000)
        }
    };
    Utc.timestamp_micros(micros)
        .single()
        .ok_or_else(|| messages::freshness_unknown(&node.display_name()).at(node.place()))
}
