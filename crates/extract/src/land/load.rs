//! Writes a load in parts. A load that lands range by range has one part for each range. Any other load has one part.
//!
//! A load that is dropped before `finish` leaves a folder without a manifest. A ranged load can be resumed from it; the
//! next `Landing::begin` removes any other. Knows nothing of Parquet.

use std::fs;
use std::path::Path;

use super::disk::{subfiles, sync_folder, write_whole};
use super::load_plan::{LoadPlan, PLAN};
use super::part::{self, Part, PartWriter};
use super::written::{MANIFEST, REFUSED, now};
use crate::messages;
use elt_base::error::Result;
use elt_base::manifest::Manifest;
use elt_base::reading::Reading;

#[derive(Debug)]
pub struct Load {
    manifest: Manifest,
    /// Whether `plan` was written. Then each part is kept separately.
    is_ranged: bool,
    /// Parts that an earlier run landed.
    landed: Vec<Part>,
}

impl Load {
    pub(super) fn new(manifest: Manifest) -> Self {
        Self { manifest, is_ranged: false, landed: Vec::new() }
    }

    /// Continues a ranged load that another run started. Files that do not belong to a complete part are removed.
    pub(super) fn resumed(manifest: Manifest) -> Result<Self> {
        let folder = manifest.folder.clone();
        let landed = part::landed(&folder)?;
        for path in subfiles(&folder)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let of_part = |part: &Part| {
                part.segments.iter().any(|segment| segment.file == name)
                    || part.quarantine.iter().any(|file| file == name)
                    || part::file_name(part.number) == name
            };
            if name != PLAN && !landed.iter().any(of_part) {
                fs::remove_file(&path).map_err(|error| messages::landing("remove", &path, &error))?;
            }
        }
        Ok(Self { manifest, is_ranged: true, landed })
    }

    /// Records that the load lands range by range, each as a part. Must be called before the first part.
    pub fn plan(&mut self, plan: &LoadPlan) -> Result<()> {
        self.is_ranged = true;
        write_whole(&self.manifest.folder.join(PLAN), plan)
    }

    /// The load's folder, for messages.
    pub fn folder(&self) -> &Path {
        &self.manifest.folder
    }

    pub fn id(&self) -> &str {
        &self.manifest.load_id
    }

    /// Parts that an earlier run landed.
    pub fn landed(&self) -> &[Part] {
        &self.landed
    }

    /// Removes all parts, so that they are read again.
    pub fn restart(&mut self) -> Result<()> {
        self.landed.clear();
        for path in subfiles(&self.manifest.folder)? {
            if path.file_name().is_none_or(|name| name != PLAN) {
                fs::remove_file(&path).map_err(|error| messages::landing("remove", &path, &error))?;
            }
        }
        sync_folder(&self.manifest.folder)
    }

    /// A part to be written, numbered from 1. Several may be written at once.
    pub fn part(&self, number: usize) -> PartWriter {
        PartWriter::new(&self.manifest.folder, number, self.is_ranged)
    }

    /// Writes the manifest, after all parts are finished. Then the load is durable. `reading` is the sum of the parts'
    /// readings.
    pub fn finish(self, parts: Vec<Part>, reading: Reading) -> Result<Manifest> {
        self.close(parts, reading, MANIFEST)
    }

    /// Ends a load that is not applied, because none of its documents can be decoded. It is kept until the next load
    /// begins, so that people see its documents, and is never resumed.
    pub fn refuse(self, parts: Vec<Part>, reading: Reading) -> Result<Manifest> {
        if self.is_ranged {
            let plan = self.manifest.folder.join(PLAN);
            fs::remove_file(&plan).map_err(|error| messages::landing("remove", &plan, &error))?;
        }
        self.close(parts, reading, REFUSED)
    }

    fn close(mut self, parts: Vec<Part>, reading: Reading, name: &str) -> Result<Manifest> {
        let mut all = std::mem::take(&mut self.landed);
        all.extend(parts);
        all.sort_by_key(|part| part.number);
        for part in all {
            self.manifest.segments.extend(part.segments);
            self.manifest.quarantine.extend(part.quarantine);
        }
        // The manifest must not outlive a segment's name.
        sync_folder(&self.manifest.folder)?;
        self.manifest.reading = reading;
        self.manifest.finished_at = now();
        write_whole(&self.manifest.folder.join(name), &self.manifest)?;
        Ok(self.manifest)
    }
}
