//! `run_results.json`: a run's results in dbt's shape (schema v6,
//! <https://schemas.getdbt.com/dbt/run-results/v6.json>).
//!
//! Returns a value, and does not know where it is written.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::report::{Stage, Status};

use super::microbatch::BatchResults;
use super::results::{NodeResult, Results};

impl Results {
    /// The compiled SQL of the nodes, by unique id.
    pub fn compiled(&self) -> HashMap<String, String> {
        self.all().into_iter().filter_map(|result| Some((result.unique_id, result.compiled?))).collect()
    }

    /// `run_results.json` in dbt's shape (schema v6), with loads, publications and stage totals under `args.elt`.
    pub fn artifact(&self, metadata: Value, args: &Map<String, Value>) -> Value {
        let all = self.all();
        let is_node = |result: &&NodeResult| {
            matches!(result.stage, Stage::Hook | Stage::Seed | Stage::Snapshot | Stage::Model | Stage::Test)
        };
        let nodes: Vec<Value> = all.iter().filter(is_node).map(NodeResult::artifact).collect();
        let others = |stage: Stage| -> Vec<Value> {
            let of_stage = all.iter().filter(|result| result.stage == stage);
            of_stage
                .map(|result| {
                    json!({
                        "name": result.name,
                        "status": result.status.name(),
                        "rows": result.amount.map_or(0, |(rows, _)| rows),
                        "bytes": result.bytes,
                        "execution_time": result.seconds,
                        "note": result.note,
                        "message": result.message,
                        "proof": result.details,
                    })
                })
                .collect()
        };
        let stages: Vec<Value> = self
            .stages()
            .iter()
            .map(|stage| json!({ "name": stage.name, "seconds": stage.seconds, "rows": stage.rows, "bytes": stage.bytes }))
            .collect();
        // `args` is the only place where the schema accepts additional keys.
        let mut args = args.clone();
        let own = json!({
            "stages": stages,
            "loads": others(Stage::Extract),
            "exports": others(Stage::Export),
            "is_cut_short": self.is_cut_short(),
        });
        args.insert("elt".into(), own);
        json!({ "metadata": metadata, "results": nodes, "elapsed_time": self.elapsed(), "args": args })
    }
}

impl NodeResult {
    /// One entry of dbt's `results`.
    pub fn artifact(&self) -> Value {
        let result = self;
        let started = result.started_at;
        let completed = started + chrono::TimeDelta::microseconds((result.seconds * 1e6) as i64);
        let time = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let is_skipped = result.status == Status::Skipped;
        // Compiling SQL takes almost no time, and happens just before it runs.
        let timing = match is_skipped {
            true => json!([]),
            false => json!([
                { "name": "compile", "started_at": time(started), "completed_at": time(started) },
                { "name": "execute", "started_at": time(started), "completed_at": time(completed) },
            ]),
        };
        let is_made = !is_skipped && !result.status.is_failure() && !matches!(result.stage, Stage::Test | Stage::Hook);
        let mut response = Map::new();
        if is_made {
            response.insert("_message".into(), "OK".into());
            if let Some((rows, _)) = result.amount {
                response.insert("rows_affected".into(), rows.into());
            }
        }
        json!({
            "status": result.status.name(),
            "timing": timing,
            "thread_id": if result.stage == Stage::Hook { "main" } else { "Thread-1" },
            "execution_time": result.seconds,
            "adapter_response": response,
            "message": result.message.clone().or_else(|| is_made.then(|| "OK".to_owned())),
            "failures": result.failures,
            "unique_id": result.unique_id,
            "compiled": result.compiled.is_some(),
            "compiled_code": result.compiled,
            "relation_name": result.relation,
            "batch_results": result.batches.as_ref().map(BatchResults::json),
        })
    }
}
