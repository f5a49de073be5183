//! Plans what a publication does to each table, based on the existing tables.
//!
//! Pure. Knows no connection: `catalog` reads the existing tables.

use super::catalog::PostgresCatalog;
use super::definition::DefinedColumn;
use super::fit::{self, ExistingPostgresTable, PostgresFit};
use super::migration::{self, MigrationStep};
use super::object_names::shared_quarantine;
use super::quarantine;
use super::table::{PostgresForeignKey, PostgresTable};
use crate::messages;
use crate::target::{ExistingColumn, UniqueSet, keeps_others};
use elt_base::error::{Error, Result};
use elt_project::{ExportPolicy, OnContractChange};

/// How one table is published.
pub struct PostgresPlan {
    /// None: it does not exist yet.
    pub fit: Option<PostgresFit>,
    /// It stands, and an earlier publication made it.
    pub is_ours: bool,
    /// The table beside it, for rows that were set aside, stands.
    pub has_quarantine: bool,
    /// It has other columns: it is of an earlier version, or the key has changed. It is made again.
    pub has_old_quarantine: bool,
    /// A quarantine table that an earlier version shared among tables.
    pub shared_quarantine: Option<String>,
    /// To be added in the transaction.
    pub foreign_keys: Vec<PostgresForeignKey>,
    /// What brings a table of ours to its contract.
    pub steps: Vec<MigrationStep>,
    /// Columns that contracts made and models no longer have: they stay ours to drop.
    pub left: Vec<(String, DefinedColumn)>,
    /// Rows of others stay.
    pub keeps_others: bool,
    /// What others have put on the table and may change rows as they are written.
    pub hands: Vec<String>,
    /// Row security applies to this role.
    pub hides_rows: bool,
    /// The unique indexes beside the key.
    pub unique: Vec<UniqueSet>,
    /// The columns of others that a row keeps.
    pub others: Vec<String>,
}

impl PostgresPlan {
    /// An existing table is altered.
    pub fn alters(&self) -> bool {
        self.fit.is_some() && (!self.steps.is_empty() || !self.foreign_keys.is_empty())
    }

    pub fn wants_everything(&self) -> bool {
        self.has_old_quarantine || self.fit.as_ref().is_none_or(PostgresFit::wants_everything)
    }
}

/// Compares all tables with the existing tables; all differences of all tables are one error.
pub fn plan(
    tables: &[PostgresTable],
    standing: &PostgresCatalog,
    policy: ExportPolicy,
) -> Result<(Vec<PostgresPlan>, Vec<String>)> {
    let (mut plans, mut notes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for table in tables {
        let place = format!("{}.{}", table.schema, table.name);
        let there = standing.get(&(table.schema.clone(), table.name.clone()));
        let fit = match there.map(|there| fit::fit(table, there, policy.allow_destructive)).transpose() {
            Ok(fit) => fit,
            Err(differences) => {
                let is_ours = there.is_some_and(|there| there.is_ours);
                errors.push(messages::export_table_does_not_fit(&table.schema, &table.name, is_ours, &differences));
                continue;
            }
        };
        let ours = there.filter(|there| there.is_ours);
        let steps = match (&fit, ours) {
            (Some(fit), Some(there)) => migration::steps(table, fit, there, there.contract.as_ref()),
            _ => Vec::new(),
        };
        let (foreign_keys, waiting) = migration::foreign_keys(table, there, standing, tables);
        if let (Some(there), OnContractChange::Fail) = (ours, policy.on_schema_change) {
            // One that waited for its table is no change of the contract.
            let is_new = |step: &MigrationStep| {
                let recorded = there.contract.iter().flat_map(|recorded| recorded.constraints.values());
                !recorded.into_iter().any(|definition| step.sql.ends_with(definition.as_str()))
            };
            let keys = foreign_keys.iter().map(|key| migration::add_foreign_key(table, key)).filter(is_new);
            let changes: Vec<String> = steps.iter().cloned().chain(keys).map(|step| step.text).collect();
            if !changes.is_empty() {
                errors.push(messages::export_contract_changed(&place, &changes));
                continue;
            }
        }
        if let (Some(fit), Some(there)) = (&fit, ours) {
            let blocked = fit::blocked(fit, there);
            if !blocked.is_empty() {
                errors.push(messages::export_views_in_the_way(&place, &blocked));
                continue;
            }
        }
        if let (Some(fit), Some(_)) = (&fit, ours) {
            // Columns that others added were never filled. A version before contracts were recorded does not know.
            let was_filled = |column: &&String| {
                ours.and_then(|there| there.contract.as_ref())
                    .is_none_or(|contract| contract.columns.contains_key(column.as_str()))
            };
            for column in fit.unfilled.iter().filter(was_filled) {
                notes.push(format!("column `{column}` of `{place}` is no longer filled"));
            }
        }
        notes.extend(there.iter().flat_map(|there| &there.remarks).map(|remark| format!("`{place}`: {remark}")));
        notes.extend(waiting.iter().map(|key| {
            format!("the foreign key of `{place}` to `{}` waits until that table is published", key.to_table)
        }));
        let left = ours.and_then(|there| there.contract.as_ref()).map_or(Vec::new(), |contract| {
            let is_left = |name: &String| fit.as_ref().is_some_and(|fit| fit.unfilled.contains(name));
            let left = contract.columns.iter().filter(|(name, _)| is_left(name));
            left.map(|(name, column)| (name.clone(), column.clone())).collect()
        });
        let keeps_others = keeps_others(table.rows, there.map(|there| there.is_ours));
        if keeps_others && fit.as_ref().is_some_and(|fit| fit.is_replaced) {
            errors.push(messages::export_own_key_changed(&place));
            continue;
        }
        let beside = standing.get(&(table.schema.clone(), table.beside.clone()));
        plans.push(PostgresPlan {
            left,
            keeps_others,
            hands: there.map(|there| there.hands.clone()).unwrap_or_default(),
            hides_rows: there.is_some_and(|there| there.hides_rows),
            unique: there.map(|there| beside_key(table, there)).unwrap_or_default(),
            others: there.map(|there| others(table, there)).unwrap_or_default(),
            fit,
            is_ours: ours.is_some(),
            has_quarantine: beside.is_some(),
            has_old_quarantine: beside.is_some_and(|beside| !quarantine::fits(table, beside)),
            shared_quarantine: shared_quarantine(table, standing),
            foreign_keys,
            steps,
        });
    }
    Error::many(errors).map_or(Ok((plans, notes)), Err)
}

fn beside_key(table: &PostgresTable, there: &ExistingPostgresTable) -> Vec<UniqueSet> {
    let is_key = |set: &UniqueSet| {
        set.is_plain && set.columns.len() == table.key.len() && set.columns.iter().all(|name| table.key.contains(name))
    };
    there.unique_sets.iter().filter(|set| !is_key(set)).cloned().collect()
}

/// The columns that no publication fills, and that can be written.
fn others(table: &PostgresTable, there: &ExistingPostgresTable) -> Vec<String> {
    let is_other =
        |theirs: &&ExistingColumn| table.column(&theirs.name).is_none() && (!theirs.is_generated || theirs.is_identity);
    there.columns.iter().filter(is_other).map(|theirs| theirs.name.clone()).collect()
}
