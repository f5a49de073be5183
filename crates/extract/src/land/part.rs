//! One part of a load: its segments, its quarantined documents and, in a ranged load, the file that marks it as
//! complete.
//!
//! A part that is dropped before `finish` leaves nothing. Knows only one part.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk::{subfiles, sync_folder, write_whole};
use super::quarantine::QuarantineWriter;
use super::segment::SegmentWriter;

use crate::batch::{Batch, Output};
use elt_base::error::Result;
use elt_base::manifest::Segment;
use elt_base::reading::Reading;
use elt_base::stored;

/// A part that landed completely.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// The number of its range, from 1.
    pub number: usize,
    pub segments: Vec<Segment>,
    /// Files of quarantined documents.
    pub quarantine: Vec<String>,
    pub reading: Reading,
}

#[derive(Debug)]
pub struct PartWriter {
    folder: PathBuf,
    number: usize,
    is_ranged: bool,
    open: Option<SegmentWriter>,
    quarantine: Option<QuarantineWriter>,
    segments: Vec<Segment>,
    is_finished: bool,
}

impl PartWriter {
    pub(super) fn new(folder: &Path, number: usize, is_ranged: bool) -> Self {
        Self {
            folder: folder.to_owned(),
            number,
            is_ranged,
            open: None,
            quarantine: None,
            segments: Vec::new(),
            is_finished: false,
        }
    }

    /// Appends an output of a reading.
    pub fn write(&mut self, output: &Output) -> Result<()> {
        match output {
            Output::Documents(batch) => self.write_batch(batch),
            Output::Quarantined(document) => {
                let file = format!("quarantine-{:05}.parquet", self.number);
                match &mut self.quarantine {
                    Some(open) => open.write(document),
                    None => self.quarantine.insert(QuarantineWriter::create(&self.folder, file)?).write(document),
                }
            }
        }
    }

    /// A batch with other columns than the last opens a new segment.
    fn write_batch(&mut self, batch: &Batch) -> Result<()> {
        if self.open.as_ref().is_some_and(|open| open.is_full() || !open.takes(batch)) {
            self.close_segment()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let number = self.segments.len() + 1;
                let file = match self.is_ranged {
                    true => format!("segment-{:05}-{number:05}.parquet", self.number),
                    false => format!("segment-{number:05}.parquet"),
                };
                self.open.insert(SegmentWriter::create(&self.folder, file, batch)?)
            }
        };
        open.write(batch)
    }

    fn close_segment(&mut self) -> Result<()> {
        if let Some(open) = self.open.take() {
            self.segments.push(open.finish()?);
        }
        Ok(())
    }

    /// Closes the part's files. Then the part of a ranged load is durable.
    pub fn finish(mut self, reading: Reading) -> Result<Part> {
        self.close_segment()?;
        let quarantine: Vec<String> =
            self.quarantine.take().map(QuarantineWriter::finish).transpose()?.into_iter().collect();
        let part = Part { number: self.number, segments: std::mem::take(&mut self.segments), quarantine, reading };
        if self.is_ranged {
            // The part's file must not be durable before the names of its segments are.
            sync_folder(&self.folder)?;
            write_whole(&self.folder.join(file_name(self.number)), &part)?;
        }
        self.is_finished = true;
        Ok(part)
    }
}

impl Drop for PartWriter {
    /// Removes the files of a part that is not finished, because nobody can use them.
    fn drop(&mut self) {
        if !self.is_finished {
            for segment in &self.segments {
                let _ = fs::remove_file(self.folder.join(&segment.file));
            }
        }
    }
}

pub(super) fn file_name(number: usize) -> String {
    format!("part-{number:05}.json")
}

/// The parts that landed completely in a load's folder, in order.
pub(super) fn landed(folder: &Path) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    for path in subfiles(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("part-") && name.ends_with(".json") {
            // The range of a part that cannot be read is read again.
            parts.extend(fs::read_to_string(&path).ok().and_then(|text| Some(stored::read::<Part>(&text).ok()?.value)));
        }
    }
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}
