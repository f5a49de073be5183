//! `elt clean`: removes only files that elt can create again, because cargo also uses the folder `target/`.

use std::io::ErrorKind;

use crate::messages;
use crate::report::Console;
use elt_base::error::Result;

use super::{Common, workspace};

/// The files that runs write under `target/`.
const MADE: [&str; 4] = ["compiled", "run", "manifest.json", "run_results.json"];

pub fn run(common: &Common, console: &Console) -> Result<bool> {
    // A project with errors can be cleaned too.
    let paths = workspace::paths(common);
    for (folder, name) in paths.clean.iter().flat_map(|folder| MADE.iter().map(move |name| (folder, name))) {
        let path = common.project_dir.join(folder).join(name);
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        match removed {
            Ok(()) => console.say(&format!("  removed {}", path.display())),
            Err(cause) if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(cause) => return Err(messages::clean(&path, &cause)),
        }
    }
    Ok(true)
}
