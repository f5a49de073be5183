//! The quarantine tables of a publication to Postgres, for the steps that all SQL targets share.
//!
//! Runs statements in the publication's transaction; knows neither their order nor the rows.

use super::apply::failed;
use super::names::qualified;
use super::quarantine;
use super::script::Script;
use super::staging::{PostgresPublication, text_rows};
use super::table::PostgresTable;
use crate::changes::TextRows;
use crate::target::{QuarantineTable, Quarantining, Reference, orphan_queries};
use elt_base::error::Result;

const DURING: &str = "quarantining rows of";

impl PostgresPublication {
    /// Whether no row of these tables references a quarantined row; asked in one round trip.
    pub(super) fn has_no_orphans(&self, tables: &[usize]) -> Result<bool> {
        self.cancel.check()?;
        let mut script = Script::default();
        for (index, query) in orphan_queries(self, tables) {
            script.add(DURING, Some(&self.tables[index].name), query);
        }
        let answers = script.run(&mut self.main.lock())?;
        Ok(answers.iter().all(|answer| answer.rows.is_empty()))
    }
}

impl Quarantining for PostgresPublication {
    fn quarantine(&self, index: usize) -> QuarantineTable {
        quarantine::of(&self.tables[index], self.staging_place("bad", index))
    }

    fn called(&self, index: usize) -> (&str, &str, &[String]) {
        let table = &self.tables[index];
        (&table.name, &table.beside, &table.key)
    }

    fn references(&self, index: usize) -> Vec<Reference> {
        let keys = self.tables[index].foreign_keys.iter().filter_map(|key| {
            let is_it = |table: &PostgresTable| table.schema == key.to_schema && table.name == key.to_table;
            let parent = self.tables.iter().position(is_it)?;
            Some(Reference { columns: key.columns.clone(), parent, to_columns: key.to_columns.clone() })
        });
        keys.collect()
    }

    fn has_quarantine(&self, index: usize) -> bool {
        self.plans[index].has_quarantine || self.made_quarantines.contains(&index)
    }

    fn make_quarantine(&mut self, index: usize) -> Result<()> {
        let create = self.quarantine(index).create();
        self.run(DURING, &self.tables[index].name, &create)?;
        self.made_quarantines.insert(index);
        Ok(())
    }

    fn make_staging(&mut self, index: usize) -> Result<()> {
        let create = self.quarantine(index).create_staging();
        self.run(DURING, &self.tables[index].name, &create).map(drop)
    }

    fn place(&self, index: usize) -> String {
        qualified(&self.tables[index].schema, &self.tables[index].name)
    }

    fn staged(&self, kind: &str, index: usize) -> String {
        self.staging_place(kind, index)
    }

    fn change(&mut self, index: usize, sql: &str) -> Result<u64> {
        self.run(DURING, &self.tables[index].name, sql)
    }

    fn ask(&mut self, index: usize, sql: &str) -> Result<TextRows> {
        self.cancel.check()?;
        text_rows(self.main.get_mut(), sql).map_err(|error| failed(DURING, Some(&self.tables[index].name), &error))
    }

    fn publication(&self) -> &str {
        &self.id
    }

    fn tell(&mut self, note: String) {
        self.applied_notes.push(note);
    }
}
