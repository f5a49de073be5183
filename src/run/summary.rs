//! The last words of a run: what ran, how much, how long, what failed.
//!
//! Reads results; decides nothing.

use serde_json::{Map, Value, json};

use crate::project::{ExportProfile, Target};
use crate::report::{Console, Stage, Status, counted, short};

use super::results::{NodeResult, Results};

/// Shows the summary.
pub fn show(console: &Console, results: &Results, target: &Target, ok: bool) {
    let all = results.all();
    let quarantined: u64 = all.iter().filter_map(|result| result.details.get("quarantined")?.as_u64()).sum();
    if quarantined > 0 {
        console.say(&format!("{} quarantined; `elt quarantine` lists them", counted(quarantined, "documents")));
    }
    let seconds = results.elapsed();
    let of = |stage: Stage| all.iter().filter(move |result| result.stage == stage);
    let mut parts = Vec::new();
    let mut object = Map::new();
    for (stage, noun) in [
        (Stage::Extract, "collections"),
        (Stage::Hook, "hooks"),
        (Stage::Seed, "seeds"),
        (Stage::Snapshot, "snapshots"),
        (Stage::Model, "models"),
        (Stage::Test, "tests"),
    ] {
        let done = of(stage).filter(|result| result.status != Status::Skipped).count() as u64;
        if done == 0 {
            continue;
        }
        let documents: u64 = of(stage).filter_map(|result| Some(result.amount?.0)).sum();
        let detail =
            if stage == Stage::Extract { format!(" ({})", counted(documents, "documents")) } else { String::new() };
        parts.push(format!("{}{detail}", counted(done, noun)));
    }
    let exported: Vec<&NodeResult> = of(Stage::Export).collect();
    if !exported.is_empty() {
        let changed: u64 = exported.iter().filter_map(|result| Some(result.amount?.0)).sum();
        parts.push(format!(
            "{} to {} ({} changed)",
            counted(exported.len() as u64, "tables"),
            place(target),
            counted(changed, "rows")
        ));
    }
    for status in [Status::Fail, Status::Error, Status::Warn, Status::Skipped] {
        let count = all.iter().filter(|result| result.status == status).count();
        object.insert(status.name().into(), count.into());
        if count > 0 {
            let word = match status {
                Status::Fail => "failed",
                Status::Error => "in error",
                Status::Warn => "warned",
                _ => "skipped",
            };
            parts.push(format!("{count} {word}"));
        }
    }
    let verb = if ok { "done" } else { "failed" };
    let text = if parts.is_empty() && !ok {
        "nothing was run".to_owned()
    } else if parts.is_empty() {
        "nothing to do".to_owned()
    } else {
        parts.join(", ")
    };
    object.insert("ok".into(), ok.into());
    object.insert("seconds".into(), json!((seconds * 1e6).round() / 1e6));
    object.insert("message".into(), text.clone().into());
    console.summary(&format!("{verb} in {seconds:.2} s: {text}"), object);
}

fn place(target: &Target) -> String {
    match &target.export {
        Some(ExportProfile::Parquet { path, .. }) => short(path).display().to_string(),
        Some(ExportProfile::Postgres { schema, .. }) => format!("Postgres schema `{schema}`"),
        None => "nowhere".into(),
    }
}

impl Results {
    /// `run_results.json` in dbt's shape (schema v6), with loads, publications and stage totals under `elt`.
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
        json!({
            "metadata": metadata,
            "results": nodes,
            "elapsed_time": self.elapsed(),
            "args": args,
            "elt": { "stages": stages, "loads": others(Stage::Extract), "exports": others(Stage::Export) },
        })
    }
}

impl NodeResult {
    /// One of dbt's `results`.
    pub fn artifact(&self) -> Value {
        let result = self;
        let started = result.started_at;
        let completed = started + chrono::TimeDelta::microseconds((result.seconds * 1e6) as i64);
        let time = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        json!({
            "status": result.status.name(),
            "timing": [{ "name": "execute", "started_at": time(started), "completed_at": time(completed) }],
            "thread_id": "main",
            "execution_time": result.seconds,
            "adapter_response": result.amount.filter(|_| !matches!(result.stage, Stage::Test | Stage::Hook)).map_or(json!({}), |(rows, _)| json!({ "rows_affected": rows })),
            "message": result.message,
            "failures": result.failures,
            "unique_id": result.unique_id,
            "compiled": result.compiled.is_some(),
            "compiled_code": result.compiled,
            "relation_name": result.relation,
        })
    }
}
