//! The summary at the end of a run: what ran, how much, how long, and what failed.
//!
//! Reads the results. Decides nothing.

use std::path::Path;

use serde_json::{Map, json};

use crate::report::{Console, Stage, Status, short};
use elt_base::numbers::counted;
use elt_export;
use elt_project::{ExportProfile, Target};

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
    for export in &target.exports {
        let name = export.name.as_deref();
        let is_its = |result: &&NodeResult| result.details.get("export").and_then(|name| name.as_str()) == name;
        let exported: Vec<&NodeResult> =
            of(Stage::Export).filter(is_its).filter(|result| !result.status.is_failure()).collect();
        if !exported.is_empty() {
            let changed: u64 = exported.iter().filter_map(|result| Some(result.amount?.0)).sum();
            let tables = counted(exported.len() as u64, "tables");
            parts.push(format!("{tables} to {} ({} changed)", place(export), counted(changed, "rows")));
        }
        if of(Stage::Export).filter(is_its).any(|result| result.status.is_failure()) {
            parts.push(format!("{} failed", export.called()));
        }
    }
    for status in [Status::Fail, Status::PartialSuccess, Status::Error, Status::Warn, Status::Skipped] {
        let count = all.iter().filter(|result| result.status == status).count();
        object.insert(status.name().into(), count.into());
        // Those of exports are named above.
        let count = count - of(Stage::Export).filter(|result| result.status == status).count();
        if count > 0 {
            let word = match status {
                Status::Fail => "failed",
                Status::PartialSuccess => "partly built",
                Status::Error => "with errors",
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

fn place(export: &ExportProfile) -> String {
    match &export.name {
        Some(name) => format!("`{name}`"),
        // A path is shown from the current folder; words stay as they are.
        None => short(Path::new(&elt_export::target(&export.place).place())).display().to_string(),
    }
}
