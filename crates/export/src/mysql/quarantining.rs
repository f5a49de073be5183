//! The quarantine tables of a publication to MySQL, for the steps that all SQL targets share.
//!
//! MySQL commits when a table is created, so the tables that may get entries are created before the transaction, and
//! those that got none are dropped after it. Knows neither the order of the steps nor the rows.

use std::collections::BTreeSet;

use mysql::Conn;

use super::apply::failed;
use super::quarantine;
use super::staging::{MysqlPublication, MysqlStaged, text_rows};
use super::statements::place;
use crate::changes::TextRows;
use crate::messages;
use crate::target::{QuarantineTable, Quarantining, Reference, Work};
use elt_base::error::Result;
use elt_connect::mysql::{Statements as _, describe};

const DURING: &str = "quarantining rows of";

impl MysqlPublication {
    /// Creates, before the transaction, the quarantine tables and the tables of staged entries that it may need.
    pub(super) fn make_quarantines(&mut self, work: &[Work<MysqlStaged>]) -> Result<()> {
        let mut with_entries = BTreeSet::new();
        let mut keeps_out: BTreeSet<usize> =
            (0..self.tables.len()).filter(|index| self.plans[*index].keeps_out).collect();
        for (index, staged) in work.iter().filter_map(|work| Some((work.index, work.staged.as_ref()?))) {
            with_entries.extend((staged.entries > 0).then_some(index));
            keeps_out.extend((staged.rows_aside > 0).then_some(index));
        }
        loop {
            let is_child = |index: &usize| self.references(*index).iter().any(|key| keeps_out.contains(&key.parent));
            let children: Vec<usize> = (0..self.tables.len()).filter(is_child).collect();
            let before = keeps_out.len();
            keeps_out.extend(&children);
            with_entries.extend(children);
            if keeps_out.len() == before {
                break;
            }
        }
        with_entries.extend((0..self.tables.len()).filter(|index| self.plans[*index].has_old_quarantine));
        self.keeps_out = keeps_out;
        let main = &mut self.main.lock();
        let mut made = Vec::new();
        for index in with_entries {
            let name = self.tables[index].name.clone();
            let quarantine = self.quarantine(index);
            main.run(quarantine.create_staging()).map_err(failed(DURING, Some(&name)))?;
            if self.plans[index].has_old_quarantine {
                main.run(format!("drop table {}", quarantine.place)).map_err(failed(DURING, Some(&name)))?;
            }
            if !self.plans[index].has_quarantine || self.plans[index].has_old_quarantine {
                main.run(quarantine.create()).map_err(failed("creating the quarantine of", Some(&name)))?;
                made.push(index);
            }
        }
        self.made_quarantines.extend(made);
        Ok(())
    }

    /// Drops the quarantine tables that this publication made and that have no entries.
    pub(super) fn drop_empty_quarantines(&self, main: &mut Conn) {
        for index in &self.made_quarantines {
            let place = self.quarantine(*index).place;
            // What cannot be dropped stays, empty.
            if text_rows(main, &format!("select 1 from {place} limit 1")).is_ok_and(|rows| rows.is_empty()) {
                let _ = main.run(format!("drop table {place}"));
            }
        }
    }
}

impl Quarantining for MysqlPublication {
    fn quarantine(&self, index: usize) -> QuarantineTable {
        quarantine::of(&self.tables[index], self.staging_table("bad", index))
    }

    fn called(&self, index: usize) -> (&str, &str, &[String]) {
        let table = &self.tables[index];
        (&table.name, &table.beside, &table.key)
    }

    fn references(&self, index: usize) -> Vec<Reference> {
        let table = &self.tables[index];
        let keys = table.contract.foreign_keys.iter().filter_map(|key| {
            let to = (key.to_schema.as_ref().unwrap_or(&table.database), &key.to_table);
            let parent = self.tables.iter().position(|other| (&other.database, &other.name) == to)?;
            Some(Reference { columns: key.columns.clone(), parent, to_columns: key.to_columns.clone() })
        });
        keys.collect()
    }

    fn has_quarantine(&self, index: usize) -> bool {
        let plan = &self.plans[index];
        plan.has_quarantine && !plan.has_old_quarantine || self.made_quarantines.contains(&index)
    }

    fn keeps_out(&self, index: usize) -> bool {
        self.keeps_out.contains(&index)
    }

    /// It was created before the transaction.
    fn make_quarantine(&mut self, index: usize) -> Result<()> {
        let name = &self.tables[index].name;
        Err(messages::mysql(DURING, Some(name), "its quarantine table does not exist"))
    }

    fn make_staging(&mut self, _: usize) -> Result<()> {
        Ok(())
    }

    fn place(&self, index: usize) -> String {
        place(&self.tables[index].database, &self.tables[index].name)
    }

    fn staged(&self, kind: &str, index: usize) -> String {
        self.staging_table(kind, index)
    }

    fn change(&mut self, index: usize, sql: &str) -> Result<u64> {
        self.run(DURING, index, sql)
    }

    fn ask(&mut self, index: usize, sql: &str) -> Result<TextRows> {
        self.cancel.check()?;
        let name = &self.tables[index].name;
        text_rows(self.main.get_mut(), sql).map_err(|error| messages::mysql(DURING, Some(name), describe(&error)))
    }

    fn publication(&self) -> &str {
        &self.id
    }

    fn tell(&mut self, note: String) {
        self.applied_notes.push(note);
    }
}
