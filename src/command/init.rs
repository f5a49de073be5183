//! `elt init NAME`: creates a new project that is ready to build.

use crate::report::Console;
use elt_base::error::Result;
use elt_project;

use super::Common;

pub fn run(common: &Common, name: &str, console: &Console) -> Result<bool> {
    let written = elt_project::init(&common.project_dir, name)?;
    for path in &written {
        console.say(&format!("  wrote {}", path.display()));
    }
    console.say(&format!("created the project `{name}`; build it with: elt build --project-dir {name}"));
    Ok(true)
}
