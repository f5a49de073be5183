//! The quarantine tables of a publication to Postgres: `<table>_quarantine`, in the table's schema.
//!
//! Contains what is Postgres' own; the steps and statements are shared among targets.

use super::apply::failed;
use super::fit::ExistingPostgresTable;
use super::load_target::LoadTarget;
use super::names::qualified;
use super::script::Script;
use super::staging::{PostgresPublication, text_rows};
use super::statements::PostgresDialect;
use super::table::{PostgresColumn, PostgresTable};
use crate::changes::TextRows;
use crate::postgres_type::PostgresType;
use crate::target::{QuarantineDialect, QuarantineTable, Quarantining, Reference, STAGED_ENTRY, orphan_queries};
use elt_base::error::Result;
use elt_base::schema::quote;

const DURING: &str = "quarantining rows of";

impl QuarantineDialect for PostgresDialect {}

/// `staging` is the place of the table's staged entries.
pub fn of(table: &PostgresTable, staging: String) -> QuarantineTable {
    let typed = |column: &PostgresColumn| (column.name.clone(), column.postgres_type.to_string());
    QuarantineTable {
        dialect: &PostgresDialect,
        place: qualified(&table.schema, &table.beside),
        staging,
        key: table.key_columns().map(typed).collect(),
        columns: table.columns.iter().map(typed).collect(),
    }
}

/// Quarantined rows, on their way to their staging table. The key's columns are in the table's order, as in batches.
pub fn load_staging(staging: &str, table: &PostgresTable) -> LoadTarget {
    let keys = table.columns.iter().filter(|column| table.key.contains(&column.name));
    let keys: Vec<String> = keys.map(|column| format!("{}, ", quote(&column.name))).collect();
    let width = keys.len() + STAGED_ENTRY.len();
    let columns = format!("{}{}", keys.concat(), STAGED_ENTRY.join(", "));
    LoadTarget { place: staging.to_owned(), columns, width, freeze: false }
}

/// Whether an existing quarantine table has the columns of this one: the key's may change, and versions before had fewer.
pub fn fits(table: &PostgresTable, there: &ExistingPostgresTable) -> bool {
    // Types of the database's own have several names.
    let written = |name: &str| PostgresType::written(name).filter(|own| !matches!(own, PostgresType::Named(_)));
    let is_same = |there: &str, ours: &str| match (written(there), written(ours)) {
        (Some(there), Some(ours)) => there == ours,
        _ => true,
    };
    let columns = there.columns.iter().map(|column| (column.name.as_str(), column.type_name.as_str()));
    of(table, String::new()).fits(columns, is_same)
}

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
        of(&self.tables[index], self.staging_place("bad", index))
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
