//! The manifest's file in the folder of a load. If it does not exist, the load did not finish.
//!
//! Knows no other file of a load.

use std::path::PathBuf;
use std::{fs, io};

use chrono::{SecondsFormat, Utc};
use serde::Deserialize;

use crate::messages;
use elt_base::error::Result;
use elt_base::manifest::{LoadKind, Manifest};
use elt_base::reading::Reading;
use elt_base::stored;

/// The manifest's name in a load's folder, and the format's version.
pub const MANIFEST: &str = "manifest.json";
/// The same file of a load that is not applied, because none of its documents can be decoded. It lists them.
pub const REFUSED: &str = "refused.json";
const VERSION: u32 = 1;

/// The manifest of a load that starts now.
pub fn begun(load_id: &str, source: &str, collection: &str, mode: LoadKind, folder: PathBuf) -> Manifest {
    Manifest {
        version: VERSION,
        load_id: load_id.to_owned(),
        source: source.to_owned(),
        collection: collection.to_owned(),
        mode,
        started_at: now(),
        finished_at: String::new(),
        segments: Vec::new(),
        quarantine: Vec::new(),
        reading: Reading::default(),
        folder,
    }
}

/// The time in the form of a manifest.
pub fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// None if the load in the folder is not finished.
pub fn read_manifest(folder: PathBuf) -> Result<Option<Manifest>> {
    read(folder, MANIFEST)
}

/// None if the load in the folder was not refused.
pub fn read_refused(folder: PathBuf) -> Result<Option<Manifest>> {
    read(folder, REFUSED)
}

fn read(folder: PathBuf, name: &str) -> Result<Option<Manifest>> {
    /// Read first, so that the error names a newer format.
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let path = folder.join(name);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(messages::landing("read", &path, &error)),
    };
    let malformed = |error: serde_json::Error| messages::malformed_manifest(&path, &error);
    let version = stored::read::<Version>(&text).map_err(malformed)?.value;
    if version.version != VERSION {
        return Err(messages::manifest_version(&path, version.version));
    }
    let manifest = stored::read::<Manifest>(&text).map_err(malformed)?.value;
    Ok(Some(Manifest { folder, ..manifest }))
}
