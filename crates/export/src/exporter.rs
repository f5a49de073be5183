//! The interface of the export: a target to publish to, and an open publication on it.
//!
//! Knows no target. `registry` lists the targets, and `target` contains the code that they share.

use super::capabilities::Capabilities;
use super::changes::{Changes, Engine};
use super::contract::Table;
use super::difference::Difference;
use super::plan::PlannedStep;
use super::publication::{Coverage, Publication, Published, PublishedKey};
use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_project::ExportPolicy;

/// What an exporter is opened with.
pub struct Opening<'a> {
    pub publication: Publication,
    pub policy: ExportPolicy,
    pub cancel: &'a Cancel,
    /// Tells people of a wait.
    pub say: &'a dyn Fn(&str),
    pub engine: &'a Engine<'a>,
}

/// A target of a profile. Nothing is connected to before it is asked for.
pub trait Target {
    fn capabilities(&self) -> &'static Capabilities;

    /// What people call this place: `Postgres schema `shop``, a path.
    fn place(&self) -> String;

    /// What a published table with this label is called: `table `shop.orders``. None: nothing is there.
    fn place_of(&self, label: &str) -> Option<String>;

    /// Connects and begins a publication.
    ///
    /// # Errors
    /// Unreachable or refused, locked by another publication, tables that do not fit (all differences at once).
    fn open<'a>(&self, opening: Opening<'a>) -> Result<Box<dyn Exporter + 'a>>;

    /// Whether the target can be reached: one line for people. Changes nothing there.
    fn probe(&self) -> Result<String>;

    /// The steps that a publication would take to bring the target's tables to their contracts. Changes nothing. For
    /// targets that can `plan`.
    fn plan(&self, _publication: &Publication, _policy: ExportPolicy) -> Result<Vec<PlannedStep>> {
        Err(messages::export_no_plan(self.capabilities().called))
    }

    /// The SQL that makes these tables. For targets that can print `ddl`.
    fn ddl(&self, _tables: &[Table]) -> Result<String> {
        Err(messages::export_no_ddl(self.capabilities().called))
    }

    /// The surrogate keys that the target has; None where its last publication is `known`, whose keys the warehouse has,
    /// and for targets that cannot `read_keys`.
    fn keys(&self, _known: Option<&str>) -> Result<Option<Vec<PublishedKey>>> {
        Ok(None)
    }
}

/// An open publication on one target.
///
/// Promise: after `commit` returned Ok all staged tables are published, durably and at once (files: one by one, each
/// one whole); after an error, or dropped, the target is as it was, unless the error says that the outcome is unknown. In
/// that case the next run recognises it by the publication's id.
pub trait Exporter: Send + Sync {
    fn capabilities(&self) -> &'static Capabilities;

    /// The id of the last publication that the target knows; None: none is recorded.
    fn last(&self) -> Option<&str>;

    /// Whether this table (by label) can only be published in full, whatever the ids say: it is missing in the target, or new
    /// to us, or has gained a column.
    fn wants_everything(&self, table: &str) -> bool;

    /// The tables, by label, that somebody else changed since our last publication; `wants_everything` is true for them.
    fn touched(&self) -> Vec<String>;

    /// How existing tables differ from what was staged of them in full, for those of these labels; tables that do not
    /// differ are left out. Changes nothing. For targets that can `compare`.
    fn differences(&self, labels: &[String]) -> Result<Vec<Difference>>;

    /// What the user should know: columns left alone, foreign keys that wait for their table. Without row values.
    fn notes(&self) -> Vec<String>;

    /// Stages one table. Several threads may stage different tables at once.
    fn stage(&self, table: &str, coverage: Coverage, changes: &mut dyn Changes) -> Result<()>;

    /// Publishes what was staged. With nothing staged and nothing to alter, writes nothing.
    fn commit(self: Box<Self>) -> Result<Published>;
}
