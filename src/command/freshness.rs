//! `elt source freshness`: shows the age of the sources' data, and writes `target/sources.json`. Only reads the
//! warehouse.

use std::path::PathBuf;

use serde_json::json;

use crate::report::{Console, Line, Stage, Status, artifacts};
use crate::run::SourceAge;
use elt_base::error::Result;

use super::workspace::Workspace;
use super::{Common, FreshnessOptions};

pub fn run(common: &Common, options: &FreshnessOptions, console: &Console) -> Result<bool> {
    let started = std::time::Instant::now();
    let workspace = Workspace::open(common, console)?;
    let graph = &workspace.graph;
    let selected = workspace.select(&options.selection, console)?;
    let nodes: Vec<_> =
        selected.iter().map(|id| graph.node(id)).filter_map(|node| Some((node, node.freshness()?))).collect();
    let mut ages = Vec::new();
    if nodes.is_empty() {
        console.say("no selected source limits the age of its data: add `freshness:` to its YAML");
    } else {
        let session = workspace.session_read_only()?;
        let loads = session.last_loads()?;
        for (node, freshness) in nodes {
            let age = SourceAge::of(graph, node, freshness, &session, &loads);
            match (&age.error, age.status) {
                (Some(error), Status::Warn) => console.warning(error),
                (Some(error), _) => console.error(error),
                (None, _) => {}
            }
            console.line(&Line {
                stage: Stage::Source,
                name: age.name.clone(),
                status: age.status,
                amount: None,
                seconds: age.seconds,
                note: age.age_text(),
            });
            ages.push(age);
        }
    }
    let path: PathBuf = match &options.output {
        Some(path) => path.clone(),
        None => workspace.artifacts().join("sources.json"),
    };
    let artifact = json!({
        "metadata": artifacts::metadata("sources/v3", &uuid::Uuid::now_v7().to_string()),
        "results": ages.iter().map(SourceAge::artifact).collect::<Vec<_>>(),
        "elapsed_time": started.elapsed().as_secs_f64(),
    });
    artifacts::write(&path, &artifact)?;
    Ok(ages.iter().all(|age| !age.status.is_failure()))
}
