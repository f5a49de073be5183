//! `elt parse`: reads and checks the project, and writes `target/manifest.json`. Opens no warehouse.

use std::time::Instant;

use crate::report::{Console, short};
use elt_base::error::Result;
use elt_base::numbers::counted;

use super::Common;
use super::workspace::Workspace;

pub fn run(common: &Common, console: &Console) -> Result<bool> {
    let started = Instant::now();
    let workspace = Workspace::open(common, console)?;
    let path = workspace.write_manifest(&workspace.invocation(), &Default::default())?;
    let nodes = counted(workspace.graph.nodes().count() as u64, "nodes");
    let seconds = started.elapsed().as_secs_f64();
    console.say(&format!("parsed {nodes} to {} in {seconds:.2} s", short(&path).display()));
    Ok(true)
}
