//! Writes names in Postgres' SQL.
//!
//! Pure. Knows no table.

use elt_base::schema::quote;

/// `schema.table`, both quoted.
pub fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", quote(schema), quote(table))
}

pub fn names<'a>(columns: impl IntoIterator<Item = &'a String>) -> String {
    let quoted: Vec<_> = columns.into_iter().map(|name| quote(name)).collect();
    quoted.join(", ")
}

/// Postgres' own way to name an index, kept within 63 bytes.
pub fn cut(name: &str, ending: &str) -> String {
    let mut end = name.len().min(63 - ending.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &name[..end])
}
