//! `elt clean`: removes what can be made again, and nothing else: cargo shares the folder `target/`.

use std::io::ErrorKind;

use crate::error::{Error, Result};
use crate::report::Console;

use super::Common;

/// What runs leave under `target/`.
const MADE: [&str; 4] = ["compiled", "run", "manifest.json", "run_results.json"];

pub fn run(common: &Common, console: &Console) -> Result<bool> {
    for name in MADE {
        let path = common.project_dir.join("target").join(name);
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match removed {
            Ok(()) => console.say(&format!("  removed {}", path.display())),
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            Err(cause) => return Err(Error::clean(&path, &cause)),
        }
    }
    Ok(true)
}
