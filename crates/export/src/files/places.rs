//! The paths of a publication's tables in its folder, the files that may exist there, and the names of temporary files.
//!
//! Knows paths and tables; publishes nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::record::RECORD;
use crate::contract::Table;
use crate::duck_type::DuckType;
use crate::messages;
use elt_base::error::{Error, Result};
use elt_project::FileFormat;

/// Where a table is published, from the folder.
pub fn place(table: &Table, format: &FileFormat) -> PathBuf {
    let name =
        if table.partition_by.is_empty() { format!("{}.{}", table.name, format.ending()) } else { table.name.clone() };
    table.schema.iter().map(PathBuf::from).collect::<PathBuf>().join(name)
}

/// All that is wrong with the names and partitions of tables, before anything is written.
pub fn check_places(tables: &[Table], format: &FileFormat) -> Result<()> {
    let mut errors = Vec::new();
    let folders: BTreeSet<String> =
        tables.iter().filter_map(|table| table.schema.as_ref()).map(|schema| schema.to_lowercase()).collect();
    for table in tables {
        let is_bad = |name: &String| {
            name.is_empty()
                || name.contains(['/', '\\', '\0'])
                || name.starts_with('.')
                || name.eq_ignore_ascii_case(RECORD)
        };
        if is_bad(&table.name) || table.schema.as_ref().is_some_and(is_bad) {
            errors.push(messages::export_file_name(&table.label));
        }
        let path = place(table, format);
        if table.schema.is_none() && folders.contains(&path.to_string_lossy().to_lowercase()) {
            errors.push(messages::export_folder_taken(&table.label, &path));
        }
        if table.partition_by.is_empty() {
            continue;
        }
        if table.partition_by.len() >= table.columns.len() {
            errors.push(messages::export_only_partitions(&table.label));
        }
        for column in table.partition_by.iter().filter_map(|name| table.column(name)) {
            if DuckType::parse(&column.duckdb_type).is_nested() {
                errors.push(messages::export_nested_partition(&table.label, &column.name, &column.duckdb_type));
            }
        }
    }
    Error::many(errors).map_or(Ok(()), Err)
}

/// A folder that no publication recorded is replaced only if it contains nothing but partitions; else it belongs to
/// somebody else.
pub fn check_partitions(place: &Path, label: &str) -> Result<()> {
    let Ok(entries) = fs::read_dir(place) else { return Ok(()) };
    let is_ours = |name: &str| name.contains('=');
    if entries.flatten().any(|entry| !is_ours(&entry.file_name().to_string_lossy())) {
        return Err(messages::export_folder_not_ours(label, place));
    }
    Ok(())
}

/// The folder and those of the tables' schemas.
pub fn folders(folder: &Path, tables: &[Table]) -> BTreeSet<PathBuf> {
    let schemas = tables.iter().filter_map(|table| table.schema.as_ref()).map(|schema| folder.join(schema));
    std::iter::once(folder.to_owned()).chain(schemas.filter(|folder| folder.is_dir())).collect()
}
