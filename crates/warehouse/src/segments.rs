//! A load's segments as a query that returns the raw table's columns.
//!
//! Pure SQL text. Knows manifests and columns. Does not know how the rows are used.

use std::path::Path;

use elt_base::manifest::{Manifest, Segment};
use elt_base::schema::{Column, ColumnType, LOAD_ID, LOADED_AT, RESCUED, literal, quote};

/// DuckDB's name for a row's number within its file.
const ROW_NUMBER: &str = "file_row_number";

/// A query over a load's segments that returns the raw table's columns. For an incremental load it also returns each
/// row's place.
pub(super) fn select(manifest: &Manifest, columns: &[Column], loaded_at: &str) -> String {
    let mut groups: Vec<(&[Column], Vec<&Segment>)> = Vec::new();
    for segment in &manifest.segments {
        match groups.iter_mut().find(|(columns, _)| *columns == segment.columns.as_slice()) {
            Some((_, segments)) => segments.push(segment),
            None => groups.push((&segment.columns, vec![segment])),
        }
    }
    let tail = format!("{} as {}, {loaded_at} as {}", literal(&manifest.load_id), quote(LOAD_ID), quote(LOADED_AT));
    if groups.is_empty() {
        let fields: String = columns.iter().map(|column| format!("{}, ", missing(column))).collect();
        return format!("select null::varchar as _id, {fields}null::json as {}, {tail} limit 0", quote(RESCUED));
    }
    let incremental = !manifest.mode.replaces();
    let selects = groups.iter().map(|(have, segments)| {
        let fields: String = columns.iter().map(|column| format!("{}, ", field(column, have))).collect();
        let files: Vec<_> =
            segments.iter().map(|segment| literal(&path_text(&manifest.folder.join(&segment.file)))).collect();
        // DuckDB cannot number the rows of a file that has a field of this name. Then the last version of a document
        // within one load is not known, and any version is used.
        let is_numbered = !have.iter().any(|column| column.name.eq_ignore_ascii_case(ROW_NUMBER));
        let (position, numbered) = match (incremental, is_numbered) {
            (false, _) => (String::new(), String::new()),
            (true, true) => (
                format!(", _elt_segment, {ROW_NUMBER} as _elt_row"),
                format!(", filename = '_elt_segment', {ROW_NUMBER} = true"),
            ),
            (true, false) => (", _elt_segment, 0 as _elt_row".into(), ", filename = '_elt_segment'".into()),
        };
        format!(
            "select _id, {fields}{rescued}::json as {rescued}, {tail}{position} from read_parquet([{}]{numbered})",
            files.join(", "),
            rescued = quote(RESCUED),
        )
    });
    selects.collect::<Vec<_>>().join(" union all ")
}

fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn missing(column: &Column) -> String {
    format!("null::{} as {}", column.column_type.sql(), quote(&column.name))
}

/// The expression of a raw table's column, from a segment with the columns `have`.
fn field(column: &Column, have: &[Column]) -> String {
    let name = quote(&column.name);
    match have.iter().find(|have| have.name.eq_ignore_ascii_case(&column.name)) {
        None => missing(column),
        Some(have)
            if have.column_type.sql() == column.column_type.sql()
                && have.column_type != ColumnType::Null
                && !have.column_type.is_cast() =>
        {
            name
        }
        Some(_) => format!("cast({name} as {}) as {name}", column.column_type.sql()),
    }
}
