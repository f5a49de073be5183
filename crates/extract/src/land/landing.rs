//! The landing folder of one target: starts loads, finds finished loads, and removes loads that nobody needs.
//!
//! Knows folders, not the files of a load.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;

use super::disk::{create_folders, exists, same_bytes, subfolders, sync_folder};
use super::folder;
use super::load::Load;
use super::load_plan::{self, LoadPlan};
use super::segment;
use super::written::{MANIFEST, begun, read_manifest, read_refused};
use crate::messages;
use elt_base::error::Result;
use elt_base::manifest::{LoadKind, Manifest};
use elt_base::private::create_folder;

static CHOOSING: Mutex<()> = Mutex::new(());

/// The landing folder of one target.
#[derive(Debug, Clone)]
pub struct Landing {
    root: PathBuf,
}

impl Landing {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a collection's loads. It exists if the collection was ever loaded.
    fn collection(&self, source: &str, collection: &str) -> Result<PathBuf> {
        folder::own(&folder::own(&self.root, source)?, collection)
    }

    /// Starts a load, and removes the unfinished loads of this collection.
    pub fn begin(&self, source: &str, collection: &str, load_id: &str, mode: LoadKind) -> Result<Load> {
        let parent = {
            // Two collections whose names a file system treats as one choose their folders one after the other.
            let _one_at_a_time = CHOOSING.lock();
            let parent = self.collection(source, collection)?;
            create_folders(&parent)?;
            parent
        };
        for folder in unfinished(&parent)? {
            remove_unfinished(&folder)?;
        }
        let folder = parent.join(folder::encode(load_id));
        if exists(&folder)? {
            return Err(messages::landing_exists(&folder));
        }
        create_folder(&folder).map_err(|error| messages::landing("create", &folder, &error))?;
        sync_folder(&parent)?;
        Ok(Load::new(begun(load_id, source, collection, mode, folder)))
    }

    /// The full load that another run started with the same fingerprint and did not finish, if it is not older than
    /// `age_max`. Its ranges that landed completely are not read again.
    pub fn resume(
        &self,
        source: &str,
        collection: &str,
        fingerprint: &str,
        age_max: TimeDelta,
    ) -> Result<Option<(LoadPlan, Load)>> {
        for folder in unfinished(&self.collection(source, collection)?)? {
            let Some(plan) = load_plan::read(&folder)? else { continue };
            let started = DateTime::parse_from_rfc3339(&plan.started_at);
            let young = started.is_ok_and(|started| Utc::now().signed_duration_since(started) <= age_max);
            if plan.fingerprint == fingerprint && young {
                let mut manifest = begun(&plan.load_id, source, collection, LoadKind::Full, folder);
                manifest.started_at.clone_from(&plan.started_at);
                let load = Load::resumed(manifest)?;
                return Ok(Some((plan, load)));
            }
        }
        Ok(None)
    }

    /// Finished loads of a collection that are newer than `after` (a `load_id`), or all, oldest first. Older ones are
    /// not opened, because there may be thousands.
    pub fn finished(&self, source: &str, collection: &str, after: Option<&str>) -> Result<Vec<Manifest>> {
        let after = after.map(folder::encode);
        let mut manifests = Vec::new();
        for folder in subfolders(&self.collection(source, collection)?)? {
            let is_older = |after: &String| folder.file_name().is_some_and(|name| name <= after.as_str());
            if !after.as_ref().is_some_and(is_older) {
                manifests.extend(read_manifest(folder)?);
            }
        }
        manifests.sort_by(|a, b| a.load_id.cmp(&b.load_id));
        Ok(manifests)
    }

    /// Removes the loads of a collection that are older than `keep_from` (a `load_id`; ids sort by time).
    pub fn prune(&self, source: &str, collection: &str, keep_from: &str) -> Result<()> {
        for manifest in self.finished(source, collection, None)? {
            if manifest.load_id.as_str() < keep_from {
                self.discard(&manifest)?;
            }
        }
        Ok(())
    }

    /// Whether a finished load has exactly the bytes of an earlier one: the same documents, order and columns.
    pub fn repeats(&self, manifest: &Manifest, earlier: &str) -> Result<bool> {
        let folder = self.collection(&manifest.source, &manifest.collection)?.join(folder::encode(earlier));
        let Some(earlier) = read_manifest(folder)? else { return Ok(false) };
        let is_alike = earlier.reading.columns == manifest.reading.columns
            && earlier.reading.id_kind == manifest.reading.id_kind
            && earlier.segments.len() == manifest.segments.len()
            && earlier.reading.quarantined == manifest.reading.quarantined
            && earlier.quarantine.len() == manifest.quarantine.len();
        if !is_alike {
            return Ok(false);
        }
        for (old, new) in earlier.segments.iter().zip(&manifest.segments) {
            let (old_path, new_path) = (earlier.folder.join(&old.file), manifest.folder.join(&new.file));
            if old.bytes != new.bytes || !exists(&old_path)? || !same_bytes(&old_path, &new_path)? {
                return Ok(false);
            }
        }
        for (old, new) in earlier.quarantine.iter().zip(&manifest.quarantine) {
            if !same_bytes(&earlier.folder.join(old), &manifest.folder.join(new))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The first file of a finished load that is not as it was written, and how it differs. None: the load is intact.
    pub fn damaged(&self, source: &str, collection: &str, load_id: &str) -> Result<Option<(PathBuf, &'static str)>> {
        let folder = self.collection(source, collection)?.join(folder::encode(load_id));
        let Some(manifest) = read_manifest(folder.clone())? else {
            return Ok(Some((folder, "the folder or its manifest does not exist")));
        };
        for segment in &manifest.segments {
            let path = manifest.folder.join(&segment.file);
            if let Some(what) = segment::damage(&path, segment)? {
                return Ok(Some((path, what)));
            }
        }
        Ok(None)
    }

    /// One finished load of a collection. None if it does not exist.
    pub fn load(&self, source: &str, collection: &str, load_id: &str) -> Result<Option<Manifest>> {
        read_manifest(self.collection(source, collection)?.join(folder::encode(load_id)))
    }

    /// The last load of a collection, if it was refused and no later load has begun.
    pub fn refused(&self, source: &str, collection: &str) -> Result<Option<Manifest>> {
        let mut last = None;
        for folder in unfinished(&self.collection(source, collection)?)? {
            last = read_refused(folder)?.or(last);
        }
        Ok(last)
    }

    /// Removes a finished load.
    pub fn discard(&self, manifest: &Manifest) -> Result<()> {
        let folder = &manifest.folder;
        // The manifest is removed first. If the program stops here, the load is an unfinished one, which `begin`
        // removes.
        let path = folder.join(MANIFEST);
        fs::remove_file(&path).map_err(|error| messages::landing("remove", &path, &error))?;
        fs::remove_dir_all(folder).map_err(|error| messages::landing("remove", folder, &error))
    }
}

/// The folders without a manifest below a folder.
fn unfinished(parent: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in subfolders(parent)? {
        if !exists(&folder.join(MANIFEST))? {
            found.push(folder);
        }
    }
    Ok(found)
}

fn remove_unfinished(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).map_err(|error| messages::landing("remove the unfinished load", folder, &error))
}
