//! The files that `elt init NAME` writes: a small project that builds at once, without a server.
//!
//! Knows the files and their paths. Reads none of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::messages;
use elt_base::error::Result;

/// The path below the new folder, and the text. `PROJECT_NAME` is replaced by the name.
const FILES: &[(&str, &str)] = &[
    ("profiles.toml", include_str!("init/profiles.toml")),
    ("README.md", include_str!("init/README.md")),
    (".gitignore", include_str!("init/gitignore")),
    ("seeds/shop/orders.jsonl", include_str!("init/orders.jsonl")),
    ("models/staging/_shop.yml", include_str!("init/_shop.yml")),
    ("models/staging/stg_shop__orders.sql", include_str!("init/stg_shop__orders.sql")),
    ("models/marts/orders.sql", include_str!("init/orders.sql")),
    ("models/marts/orders.yml", include_str!("init/orders.yml")),
];

const NAME_LENGTH_MAX: usize = 63;

/// Creates the folder `name` below `parent` with a project in it, and returns the paths of its files.
///
/// Fails if the name is not valid (exit code 2), if the folder exists and is not empty, or if it cannot be written.
pub fn init(parent: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let goes_on_well = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !starts_well || !goes_on_well || name.len() > NAME_LENGTH_MAX {
        return Err(messages::bad_project_name(name));
    }
    let root = parent.join(name);
    match fs::read_dir(&root) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(messages::folder_not_empty(&root));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(messages::folder_not_empty(&root));
        }
        Err(error) => return Err(elt_base::messages::unreadable(&root, &error)),
    }
    let mut written = Vec::with_capacity(FILES.len());
    for (path, text) in FILES {
        let path = root.join(path);
        let folder = path.parent().unwrap_or(&root);
        fs::create_dir_all(folder).map_err(|error| messages::cannot_write(folder, &error))?;
        fs::write(&path, text.replace("PROJECT_NAME", name)).map_err(|error| messages::cannot_write(&path, &error))?;
        written.push(path);
    }
    Ok(written)
}
