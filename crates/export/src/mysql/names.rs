//! The names that MySQL refuses, or treats as one.
//!
//! Identifiers have at most 64 characters and do not end with a blank
//! (<https://dev.mysql.com/doc/refman/8.0/en/identifiers.html>); the names of columns are compared without letter case
//! and accents. Pure.

use std::collections::HashMap;

use super::table::IDENTIFIER_CHARACTERS_MAX;
use crate::contract::Table;
use crate::messages;
use elt_base::error::{Error, Result};
use elt_base::names::folded_without_accents;

/// # Errors
/// All names of tables and columns that MySQL cannot store or tell apart, at once.
pub fn check(tables: &[Table]) -> Result<()> {
    let mut errors = Vec::new();
    for table in tables {
        errors.extend(refused(&table.name, || format!("table `{}`", table.name)));
        let mut seen: HashMap<String, &str> = HashMap::new();
        for column in &table.columns {
            errors.extend(refused(&column.name, || format!("column `{}` of `{}`", column.name, table.name)));
            if let Some(other) = seen.insert(folded_without_accents(&column.name), &column.name) {
                errors.push(messages::mysql_columns_alike(&table.name, other, &column.name));
            }
        }
    }
    Error::many(errors).map_or(Ok(()), Err)
}

fn refused(name: &str, what: impl Fn() -> String) -> Option<Error> {
    let characters = name.chars().count();
    if characters > IDENTIFIER_CHARACTERS_MAX {
        return Some(messages::mysql_name_too_long(&what(), characters));
    }
    name.ends_with(' ').then(|| messages::mysql_name_ends_with_blank(&what()))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::contract::Table;

    #[test]
    fn names_that_mysql_refuses() {
        let long = "x".repeat(65);
        let columns: Vec<(&str, &str)> =
            ["id", "prêt", "PRET", "a ", &long].into_iter().map(|name| (name, "BIGINT")).collect();
        let error = check(&[Table::plain("t", &columns, &["id"])]).expect_err("refused");
        let said: Vec<&str> = error.iter().map(elt_base::error::Error::message).collect();
        assert_eq!(
            said,
            [
                "columns `prêt` and `PRET` of `t` are one name to MySQL, which ignores letter case and accents",
                "column `a ` of `t` ends with a blank, which MySQL does not allow",
                &format!("column `{long}` of `t` has 65 characters, but MySQL allows at most 64"),
            ]
        );
    }
}
