//! A load as it is written: in parts, of which a ranged load has one a range, and any other load one.
//!
//! Dropped before `finish`, it leaves a folder without a manifest: a ranged load's can be resumed, another's goes with
//! the next `Landing::begin`. Knows nothing of Parquet.

use std::fs;
use std::path::Path;

use super::part::{self, Part, PartWriter};
use super::{MANIFEST, Manifest, Plan, now, subfiles, sync_folder, write_whole};
use crate::messages;
use elt_base::batch::Reading;
use elt_base::error::Result;

const PLAN: &str = "plan.json";

#[derive(Debug)]
pub struct Load {
    manifest: Manifest,
    /// Whether `plan` was written: its parts are kept one by one.
    is_ranged: bool,
    /// Parts that an earlier run landed.
    landed: Vec<Part>,
}

impl Load {
    pub(super) fn new(manifest: Manifest) -> Self {
        Self { manifest, is_ranged: false, landed: Vec::new() }
    }

    /// A ranged load that another run began: what belongs to no whole part is removed.
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

    /// Says that the load lands range by range, each a part; before the first of them.
    pub fn plan(&mut self, plan: &Plan) -> Result<()> {
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

    /// A part to be written, numbered from 1. Several may be written at once.
    pub fn part(&self, number: usize) -> PartWriter {
        PartWriter::new(&self.manifest.folder, number, self.is_ranged)
    }

    /// Writes the manifest, once all parts are finished: from here on the load is durable. `reading` is what they found
    /// together.
    pub fn finish(mut self, parts: Vec<Part>, reading: Reading) -> Result<Manifest> {
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
        write_whole(&self.manifest.folder.join(MANIFEST), &self.manifest)?;
        Ok(self.manifest)
    }
}

/// None if the load is not a ranged one, or if it cannot be told any more.
pub(super) fn read_plan(folder: &Path) -> Result<Option<Plan>> {
    let text = match fs::read(folder.join(PLAN)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(messages::landing("read", &folder.join(PLAN), &error)),
    };
    // Of another version, or malformed: such a load is begun anew.
    Ok(serde_json::from_slice::<Plan>(&text).ok().filter(|plan| plan.version == 1))
}
