//! The interface of the export: a target to publish to, and an open publication on it.
//!
//! Knows no target. `registry` lists the targets, and `target` contains the code that they share.

use super::capabilities::Capabilities;
use super::changes::{Changes, Engine};
use super::contract::Table;
use super::difference::Difference;
use super::missing_right::MissingRight;
use super::others::Others;
use super::plan::PlannedStep;
use super::publication::{Coverage, Publication, Published, PublishedKey};
use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_project::ExportPolicy;

/// The arguments for opening an exporter.
pub struct Opening<'a> {
    pub publication: Publication,
    pub policy: ExportPolicy,
    pub cancel: &'a Cancel,
    /// Reports a wait to the user.
    pub say: &'a dyn Fn(&str),
    pub engine: &'a Engine<'a>,
}

/// A target of a profile. It connects only when a method needs a connection.
pub trait Target {
    fn capabilities(&self) -> &'static Capabilities;

    /// The name of this place for people: `Postgres schema `shop``, a path.
    fn place(&self) -> String;

    /// The name of the published table with this label, for people: `table `shop.orders``. None: it does not exist.
    fn place_of(&self, label: &str) -> Option<String>;

    /// Checks everything about the tables that needs no connection, before their rows are computed.
    ///
    /// # Errors
    /// Names that the target cannot store or does not tell apart, types that it does not have: all at once.
    fn check(&self, _tables: &[Table]) -> Result<()> {
        Ok(())
    }

    /// Connects and begins a publication.
    ///
    /// # Errors
    /// Unreachable or refused, locked by another publication, tables that do not fit (all differences at once).
    fn open<'a>(&self, opening: Opening<'a>) -> Result<Box<dyn Exporter + 'a>>;

    /// Checks whether the target can be reached; returns one line for people. Changes nothing in the target.
    fn probe(&self) -> Result<String>;

    /// The rights that a publication of these tables (by label) needs, and that the profile's user lacks. Changes
    /// nothing. Empty for targets that know no rights.
    fn missing_rights(&self, _tables: &[String]) -> Result<Vec<MissingRight>> {
        Ok(Vec::new())
    }

    /// The steps that a publication would run so that the target's tables match their contracts. Changes nothing. For
    /// targets that can `plan`.
    fn plan(&self, _publication: &Publication, _policy: ExportPolicy) -> Result<Vec<PlannedStep>> {
        Err(messages::export_no_plan(self.capabilities().called))
    }

    /// The SQL that creates these tables. For targets that can print `ddl`.
    fn ddl(&self, _tables: &[Table]) -> Result<String> {
        Err(messages::export_no_ddl(self.capabilities().called))
    }

    /// The surrogate keys of the target. None if its last publication is `known`, because the warehouse has those keys,
    /// and for targets that cannot `read_keys`.
    fn keys(&self, _known: Option<&str>) -> Result<Option<Vec<PublishedKey>>> {
        Ok(None)
    }
}

/// An open publication on one target.
///
/// Promise: after `commit` returned Ok, all staged tables are published durably and at once (files: one by one, each
/// complete). After an error, or if it is dropped, the target is unchanged, unless the error says that the outcome is
/// unknown. In that case the next run recognises the publication by its id.
pub trait Exporter: Send + Sync {
    fn capabilities(&self) -> &'static Capabilities;

    /// The id of the last publication that the target recorded. None: the target has no record.
    fn last(&self) -> Option<&str>;

    /// Whether this table (by label) must be published in full even if the ids match, because it is missing in the
    /// target, is new to us, or has a new column.
    fn wants_everything(&self, table: &str) -> bool;

    /// The tables, by label, that others changed since our last publication. `wants_everything` is true for them.
    fn touched(&self) -> Vec<String>;

    /// The differences between existing tables and their rows, which are staged in full, for these labels. Tables that
    /// do not differ are left out. Changes nothing. For targets that can `compare`.
    fn differences(&self, labels: &[String]) -> Result<Vec<Difference>>;

    /// Whether this table (by label) has rows of others, which stay: only rows that elt published are updated and
    /// deleted. Without a key, the table may be published only if it has no other rows.
    fn keeps_others(&self, table: &str) -> bool;

    /// The rows of others in each staged table that `keeps_others`, by label. Changes nothing.
    fn others(&self) -> Result<Vec<(String, Others)>>;

    /// Notes for the user: columns left alone, foreign keys that wait for their table. Without row values.
    fn notes(&self) -> Vec<String>;

    /// Stages one table. Several threads may stage different tables at once.
    fn stage(&self, table: &str, coverage: Coverage, changes: &mut dyn Changes) -> Result<()>;

    /// Publishes the staged tables. Writes nothing if nothing is staged and nothing is to be altered.
    fn commit(self: Box<Self>) -> Result<Published>;
}
