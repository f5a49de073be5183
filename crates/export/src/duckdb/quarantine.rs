//! The quarantine tables of a publication to a DuckDB file: `<table>_quarantine`, in the table's schema.
//!
//! Contains what is DuckDB's own; the steps and statements are shared among targets. A file has no foreign keys, so no
//! row is quarantined because of another table's.

use super::capabilities::CAPABILITIES;
use super::statements::{DuckdbDialect, as_json};
use super::table::{CATALOG, DuckdbQuarantine, DuckdbTable};
use super::writing::DuckdbPublication;
use crate::changes::{Engine, Queries, TextRows};
use crate::sql_screen::{Screened, SqlCast, SqlScreen};
use crate::target::{QuarantineDialect, QuarantineTable, Quarantining, Reference, is_quarantine, quarantine_name};
use elt_base::error::Result;
use elt_base::schema::{literal, quote};

const DURING: &str = "quarantining rows of";

impl QuarantineDialect for DuckdbDialect {
    fn types(&self) -> [&'static str; 7] {
        [
            "varchar not null",
            "varchar not null",
            "json not null",
            "uuid not null",
            "timestamptz not null default now()",
            "boolean not null default false",
            "varchar",
        ]
    }
}

impl DuckdbTable {
    /// Finds the quarantine table; `planned` are the schemas and names of all tables.
    pub fn find_quarantine(&mut self, planned: &[(String, String)], engine: &Engine<'_>) -> Result<()> {
        let columns = |name: &str| {
            engine(&format!(
                "select column_name, data_type from duckdb_columns() where database_name = '{CATALOG}' \
                 and lower(schema_name) = lower({}) and lower(table_name) = lower({})",
                literal(&self.schema),
                literal(name)
            ))
        };
        let named = |columns: &TextRows| -> Vec<String> { columns.iter().filter_map(|row| row[0].clone()).collect() };
        let usual = columns(&format!("{}_quarantine", self.name))?;
        let is_free = usual.is_empty() || is_quarantine(named(&usual).iter().map(String::as_str));
        let is_planned = |name: &str| {
            planned.iter().any(|(schema, other)| *schema == self.schema && other.eq_ignore_ascii_case(name))
        };
        let fits = |name: &str| is_free && !is_planned(name);
        let cut = |name: &str, ending: &str| format!("{name}{ending}");
        let mut found = DuckdbQuarantine {
            name: quarantine_name(&self.name, &self.name, fits, cut),
            ..DuckdbQuarantine::default()
        };
        let there = columns(&found.name)?;
        found.exists = !there.is_empty();
        self.quarantine.name.clone_from(&found.name);
        if found.exists {
            let typed = there.iter().map(|row| (row[0].as_deref().unwrap_or(""), row[1].as_deref().unwrap_or("")));
            let quarantine = self.quarantine_table(0);
            found.is_old = !quarantine.fits(typed, |there, ours| there == ours);
            if !found.is_old {
                let rows = engine(&quarantine.depends_on_others())?;
                found.depends_on_others = rows.into_iter().flatten().flatten().any(|text| text == "true");
            }
        }
        self.quarantine = found;
        Ok(())
    }

    /// `index` is the table's position.
    pub fn quarantine_table(&self, index: usize) -> QuarantineTable {
        let columns: Vec<(String, String)> = self.columns.clone();
        let of = |key: &String| columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).cloned();
        QuarantineTable {
            dialect: &DuckdbDialect,
            place: format!("{CATALOG}.{}.{}", quote(&self.schema), quote(&self.quarantine.name)),
            staging: format!("temp.main._elt_export_bad_{index}"),
            key: self.table.key.iter().filter_map(of).collect(),
            columns,
        }
    }

    /// The columns that the contract casts to another type.
    pub fn screen<'a>(&'a self, queries: &'a Queries) -> SqlScreen<'a> {
        let is_cast = |(_, (column, (_, sql_type))): &(usize, (&crate::contract::Column, &(String, String)))| {
            column.target_type.is_some() && column.duckdb_type != *sql_type
        };
        let casts = self.table.columns.iter().zip(&self.columns).enumerate().filter(is_cast);
        let casts = casts.map(|(index, (column, (_, sql_type)))| {
            let value = format!("r.{}", quote(&column.name));
            let value = as_json(&column.duckdb_type, &value).unwrap_or(value);
            SqlCast { column: index, value, from: column.duckdb_type.clone(), to: sql_type.clone() }
        });
        SqlScreen {
            capabilities: &CAPABILITIES,
            table: &self.table,
            beside: &self.quarantine.name,
            casts: casts.collect(),
            all: &queries.all,
        }
    }
}

impl DuckdbPublication<'_> {
    /// Screens the rows of one table, stages its entries, and leaves out the rows that are not published.
    pub(super) fn screen(&self, index: usize, queries: &mut Queries) -> Result<Screened> {
        let table = &self.tables[index];
        let label = table.table.label.as_str();
        let screen = table.screen(queries);
        let screened = screen.run(&queries.rows, &mut |sql| self.run("staging", Some(label), sql))?;
        if screened.entries > 0 {
            let quarantine = table.quarantine_table(index);
            let entries = screen.entries(&queries.rows, &quarantine.key);
            let limit = crate::target::SET_ASIDE_MAX;
            let stage = format!("create or replace temp table {} as {entries} limit {limit}", quarantine.staging);
            self.run("staging", Some(label), &stage)?;
        }
        if screened.aside > 0 {
            let (rows, deletes) = (screen.published(&queries.rows), screen.with_aside(queries));
            (queries.rows, queries.deletes) = (rows, deletes);
        }
        Ok(screened)
    }
}

impl Quarantining for DuckdbPublication<'_> {
    fn quarantine(&self, index: usize) -> QuarantineTable {
        self.tables[index].quarantine_table(index)
    }

    fn called(&self, index: usize) -> (&str, &str, &[String]) {
        let table = &self.tables[index];
        (&table.name, &table.quarantine.name, &table.table.key)
    }

    fn references(&self, _: usize) -> Vec<Reference> {
        Vec::new()
    }

    fn has_quarantine(&self, index: usize) -> bool {
        self.tables[index].quarantine.exists
    }

    fn make_quarantine(&mut self, index: usize) -> Result<()> {
        let create = self.quarantine(index).create();
        self.change(index, &create)?;
        self.tables[index].quarantine.exists = true;
        Ok(())
    }

    fn make_staging(&mut self, _: usize) -> Result<()> {
        Ok(())
    }

    fn place(&self, index: usize) -> String {
        self.tables[index].sql()
    }

    fn staged(&self, kind: &str, index: usize) -> String {
        self.staged_keys[index].get(usize::from(kind == "gone")).cloned().unwrap_or_default()
    }

    fn change(&mut self, index: usize, sql: &str) -> Result<u64> {
        self.count(DURING, &self.tables[index].table.label, sql)
    }

    fn ask(&mut self, index: usize, sql: &str) -> Result<TextRows> {
        self.run(DURING, Some(&self.tables[index].table.label), sql)
    }

    fn publication(&self) -> &str {
        &self.id
    }

    /// Only rows that reference others are told here.
    fn tell(&mut self, _: String) {}
}
