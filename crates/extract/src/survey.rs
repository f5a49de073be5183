//! Facts about a collection before it is read: a sample from all of it, where to split it, and the limit of its
//! watermark.
//!
//! Does not know how a source finds these facts.

use crate::bson::{Malformed, validate};
use crate::column::shape::Shape;
use crate::key::DocumentKey;
use crate::reshape::Reshape;
use crate::window::Horizon;
use elt_base::reading::IdKind;

/// The most documents and bytes of a sample.
pub const SAMPLE_DOCUMENTS_MAX: usize = 2_000;
pub const SAMPLE_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug, Default)]
pub struct Survey {
    /// The sample from the whole collection. None means that a reading uses its own first documents.
    pub(super) sample: Option<Shape>,
    /// The `_id`s at which a full reading is split, ascending, as canonical Extended JSON.
    pub cuts: Vec<String>,
    /// The limit of the load's watermark. None if nothing changes while a load reads.
    pub horizon: Option<Horizon>,
}

impl Survey {
    /// The kind of most documents' keys in the sample. None without a sample.
    pub fn id_kind(&self, key: &[String]) -> Option<IdKind> {
        self.sample.as_ref().map(|sample| sample.id_kind(DocumentKey::new(key)))
    }
}

/// A sample that is drawn from the whole collection, and is only used to find columns.
#[derive(Debug)]
pub struct Draw {
    reshape: Option<Reshape>,
    room: Vec<u8>,
    shape: Shape,
    pub documents: u64,
    pub bytes: u64,
}

impl Draw {
    /// `reshape` rewrites the documents like a reading.
    pub fn new(reshape: Option<Reshape>) -> Self {
        Self { reshape, room: Vec::new(), shape: Shape::default(), documents: 0, bytes: 0 }
    }

    /// Adds a document, like a reading. False when the sample is large enough. A malformed document is not part of a
    /// sample, because the reading quarantines it.
    pub fn take(&mut self, document: &[u8]) -> bool {
        let sound = validate(document).and_then(|()| match &self.reshape {
            Some(reshape) => self.shape.observe_document(reshape.apply(document, &mut self.room)?),
            None => self.shape.observe_document(document),
        });
        self.documents += u64::from(sound.is_ok());
        self.bytes += document.len() as u64;
        self.documents < SAMPLE_DOCUMENTS_MAX as u64 && self.bytes < SAMPLE_BYTES_MAX as u64
    }

    /// The sample. None if it is empty.
    pub fn shape(self) -> Option<Shape> {
        (self.documents > 0).then_some(self.shape)
    }
}

/// The first documents of a reading. They are a sample, and are decoded afterwards.
#[derive(Debug, Default)]
pub struct Sample {
    pub shape: Shape,
    pub bytes: Vec<u8>,
    /// Where each document ends, and its number within the reading.
    pub ends: Vec<(usize, u64)>,
}

impl Sample {
    /// Adds a document. False when the sample is large enough.
    pub fn push(&mut self, document: &[u8], number: u64) -> std::result::Result<bool, Malformed> {
        self.shape.observe_document(document)?;
        self.bytes.extend_from_slice(document);
        self.ends.push((self.bytes.len(), number));
        Ok(self.ends.len() < SAMPLE_DOCUMENTS_MAX && self.bytes.len() < SAMPLE_BYTES_MAX)
    }
}
