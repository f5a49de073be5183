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

/// Postgres cuts longer names off (`NAMEDATALEN` - 1).
pub const NAME_BYTES_MAX: usize = 63;

/// Postgres' own way to name an index, kept within 63 bytes.
pub fn cut(name: &str, ending: &str) -> String {
    let mut end = name.len().min(NAME_BYTES_MAX - ending.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &name[..end])
}

/// Whether a key or index has the name of a staging table, and a number.
pub fn is_stray(name: &str) -> bool {
    let mut parts = name.split('_');
    let is_hex = |part: &str| part.len() == 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.next() == Some("new")
        && parts.next().is_some_and(is_hex)
        && parts.next().is_some_and(is_number)
        && parts.next().is_some_and(is_number)
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_stray_names() {
        assert!(is_stray("new_85710e34021eed47_1_1"));
        assert!(!is_stray("new_orders_1_1") && !is_stray("new_85710e34021eed47_1"));
    }
}
