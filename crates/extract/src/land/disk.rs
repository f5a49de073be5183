//! Files and folders that survive a crash: they are written completely or not at all, and are durable.
//!
//! Knows nothing of loads.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::messages;
use elt_base::error::Result;
use elt_base::private::create_folder;

pub fn same_bytes(one: &Path, other: &Path) -> Result<bool> {
    let open =
        |path: &Path| File::open(path).map(BufReader::new).map_err(|error| messages::landing("read", path, &error));
    let (mut one_reader, mut other_reader) = (open(one)?, open(other)?);
    loop {
        let left = one_reader.fill_buf().map_err(|error| messages::landing("read", one, &error))?;
        let right = other_reader.fill_buf().map_err(|error| messages::landing("read", other, &error))?;
        let length = left.len().min(right.len());
        if left[..length] != right[..length] || (length == 0 && left.len() != right.len()) {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
        one_reader.consume(length);
        other_reader.consume(length);
    }
}

/// Writes a small file completely or not at all, and makes it durable.
pub fn write_whole(path: &Path, value: &impl Serialize) -> Result<()> {
    let failed = |error: io::Error| messages::landing("write", path, &error);
    let text = serde_json::to_vec(value).map_err(|error| messages::landing("write", path, &error))?;
    let temporary = path.with_extension("json.tmp");
    let written = fs::write(&temporary, text).and_then(|()| File::open(&temporary)?.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(failed(error));
    }
    path.parent().map_or(Ok(()), sync_folder)
}

/// The folders below a folder, sorted. Empty if the folder does not exist.
pub fn subfolders(parent: &Path) -> Result<Vec<PathBuf>> {
    entries(parent, true)
}

pub fn subfiles(parent: &Path) -> Result<Vec<PathBuf>> {
    entries(parent, false)
}

fn entries(parent: &Path, folders: bool) -> Result<Vec<PathBuf>> {
    let failed = |error: io::Error| messages::landing("list", parent, &error);
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() == folders {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Creates a folder and those above it, each durable.
pub fn create_folders(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above {
        create_folders(above)?;
    }
    match create_folder(folder) {
        Ok(()) => above.map_or(Ok(()), sync_folder),
        // Another collection's load was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(messages::landing("create", folder, &error)),
    }
}

pub fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(|error| messages::landing("read", path, &error))
}

/// Makes the folder's entries durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| messages::landing("sync", folder, &error))
}
