//! The quarantine file of a table: `<name>_quarantine`, of the same format, beside the table's file or folder.
//!
//! Knows no SQL of its own: `sql_screen` writes it.

use std::path::{Path, PathBuf};

use super::places::place;
use super::writing::FilePublication;
use crate::changes::Queries;
use crate::contract::Table;
use crate::file_format;
use crate::messages;
use crate::sql_screen::{Screened, SqlScreen};
use crate::target::{SET_ASIDE_MAX, quarantine_name};
use elt_base::error::Result;
use elt_base::schema::literal;

impl FilePublication<'_> {
    /// Screens all rows of the relation.
    pub(super) fn screen(&self, table: &Table, beside: &str, queries: &Queries) -> Result<(Screened, Option<String>)> {
        let screen = self.screen_of(table, beside, queries);
        let screened = screen.run(&queries.all, &mut |sql| self.run(sql))?;
        let rows = (screened.aside > 0).then(|| screen.published(&queries.all));
        Ok((screened, rows))
    }

    /// Writes the entries to a new file.
    pub(super) fn write_entries(&self, table: &Table, beside: &str, queries: &Queries, path: &Path) -> Result<()> {
        let screen = self.screen_of(table, beside, queries);
        let key = table.key_columns().map(|column| (column.name.clone(), file_format::held_type(column, &self.format)));
        let entries = screen.entries(&queries.all, &key.collect::<Vec<_>>());
        let plain = Table { partition_by: Vec::new(), ..table.clone() };
        let options = file_format::options(&plain, &self.format);
        let path = literal(&path.to_string_lossy());
        self.run(&format!(
            "copy (select *, {}::uuid as _elt_publication, now() as _elt_quarantined_at from ({entries}) limit {SET_ASIDE_MAX}) \
             to {path} ({options})",
            literal(&self.id)
        ))
        .map(drop)
    }

    fn screen_of<'s>(&self, table: &'s Table, beside: &'s str, queries: &'s Queries) -> SqlScreen<'s> {
        let capabilities = super::capabilities::capabilities_of(&self.format);
        let casts = match capabilities.holds_every_value {
            true => Vec::new(),
            false => file_format::casts(table, &self.format),
        };
        SqlScreen { capabilities, table, beside, casts, all: &queries.all }
    }

    fn run(&self, sql: &str) -> Result<crate::changes::TextRows> {
        (self.engine)(sql).map_err(|error| {
            let cause = error.causes().first().cloned().unwrap_or_else(|| error.message().to_owned());
            messages::export_file("screen the rows for", &self.folder, &std::io::Error::other(cause))
        })
    }

    /// The name and the place of a table's quarantine file. A file that others made is not ours.
    pub(super) fn beside(&self, table: &Table) -> (String, PathBuf) {
        let at = |name: &str| {
            let named = Table { name: name.to_owned(), partition_by: Vec::new(), ..table.clone() };
            place(&named, &self.format)
        };
        let recorded = self.record.tables.get(&table.label).and_then(|recorded| recorded.quarantine.as_ref());
        let fits = |name: &str| {
            let path = at(name);
            let is_recorded = recorded.is_some_and(|recorded| Path::new(recorded) == path);
            let is_taken = self.tables.iter().any(|other| place(other, &self.format) == path);
            !is_taken && (is_recorded || !self.folder.join(&path).exists())
        };
        let cut = |name: &str, ending: &str| format!("{name}{ending}");
        let name = quarantine_name(&table.name, &table.label, fits, cut);
        let path = at(&name);
        (name, path)
    }
}
