//! The two values that a load passes to a source: the question, with the documents to read, and the reading plan, with
//! the way in which they become columns.
//!
//! A load creates each of them once, and all its ranges share them. Knows no source.

use std::sync::{Arc, OnceLock};

use crate::column::majority::{Better, Misfits};
use crate::column::shape::Shape;
use crate::column::shared_types::SharedTypes;
use crate::messages;
use crate::options::CollectionOptions;
use crate::reshape::Reshape;
use crate::survey::Survey;
use crate::watermark::TextMark;
use crate::window::Window;
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::reading::{IdKind, Reading};
use elt_base::schema::Column;

/// Which documents of a collection to read.
#[derive(Debug, Clone, Default)]
pub struct Question {
    pub collection: String,
    pub options: Arc<CollectionOptions>,
    pub window: Window,
    /// The path whose greatest value a reading reports, if the load is incremental.
    pub watermark: Option<String>,
    pub cancel: Cancel,
}

/// Facts that a survey does not need to find.
#[derive(Debug, Clone, Copy, Default)]
pub struct SurveyHints {
    /// The source's recent count. None if there is none.
    pub count: Option<u64>,
    /// Whether the ranges are known already.
    pub is_split: bool,
}

/// How the documents become columns.
#[derive(Debug, Default)]
pub struct ReadingPlan {
    /// The raw table's columns from earlier loads (empty on a first load or a full refresh).
    pub known: Vec<Column>,
    /// Columns whose types the project's YAML fixes; they take precedence over inferred ones.
    pub pinned: Vec<Column>,
    /// The kind of `_id`s that have the plain form. None means the kind of most `_id`s in the first documents.
    pub id_kind: Option<IdKind>,
    /// The sample that all ranges of the load share: from the whole collection, or else the first documents of the range
    /// that has read them first.
    pub(super) sample: OnceLock<Shape>,
    /// The decisions that all ranges of the load share.
    pub(super) shared_types: SharedTypes,
    /// How texts become values, if the source has only texts.
    pub(super) texts: Option<TextReading>,
    /// The values that did not fit their columns, if a whole reading may choose other columns.
    pub(super) misfits: Option<Misfits>,
}

/// The reading of a source whose values are all texts.
#[derive(Debug, Default)]
pub struct TextReading {
    /// How a text becomes a watermark, if it does.
    pub(super) watermark: Option<TextMark>,
}

impl Question {
    /// How documents are rewritten before any other code sees them. None if they do not change.
    pub(super) fn reshape(&self) -> Result<Option<Reshape>> {
        let CollectionOptions { include, exclude, mask, mask_salt, .. } = &*self.options;
        let salt = mask_salt.as_ref().map_or("", |salt| salt.reveal());
        Reshape::new(include, exclude, mask, salt.as_bytes())
            .map_err(|complaint| messages::source_options(&self.collection, &complaint))
    }
}

impl ReadingPlan {
    pub fn new(known: Vec<Column>, pinned: Vec<Column>, id_kind: Option<IdKind>, survey: Survey) -> Self {
        let sample = survey.sample.map(OnceLock::from).unwrap_or_default();
        Self { known, pinned, id_kind, sample, shared_types: SharedTypes::default(), texts: None, misfits: None }
    }

    /// The plan for a source whose values are all texts: `known` has all columns, with their types.
    pub(super) fn of_texts(known: Vec<Column>, pinned: Vec<Column>, id_kind: IdKind, mark: Option<TextMark>) -> Self {
        Self {
            known,
            pinned,
            id_kind: Some(id_kind),
            sample: OnceLock::from(Shape::default()),
            shared_types: SharedTypes::default(),
            texts: Some(TextReading { watermark: mark }),
            misfits: None,
        }
    }

    /// Looks into the values that do not fit, so that `better` knows columns for most of them.
    pub fn weighing(self) -> Self {
        Self { misfits: Some(Misfits::default()), ..self }
    }

    /// The columns that fit more values than those of the reading, which is the sum of all parts. None if there are
    /// none, or if the plan does not weigh. The columns for which `is_fixed` is true stay as they are.
    pub fn better(&self, reading: &Reading, is_fixed: &dyn Fn(&str) -> bool, has_fixed_ids: bool) -> Option<Better> {
        self.misfits.as_ref()?.better(reading, is_fixed, has_fixed_ids)
    }
}
