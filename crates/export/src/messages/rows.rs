//! The messages about rows that a target does not hold as they were published, and about rows of others.

use elt_base::error::Error;
use elt_base::numbers::counted;

/// The target did not insert or delete rows, although it reported no error. `keys` may be empty; `hands` are the
/// triggers, rules and the like on the table.
pub(crate) fn export_rows_lost(
    called: &str,
    table: &str,
    verb: &str,
    count: u64,
    keys: &str,
    hands: &[String],
) -> Error {
    let error = Error::failed(format!("{called} did not {verb} {} of `{table}`{keys}", counted(count, "rows")));
    with_hands(error, hands)
}

/// The target holds other values than the published ones.
pub(crate) fn export_rows_altered(called: &str, table: &str, count: u64, keys: &str, hands: &[String]) -> Error {
    let rows = counted(count, "rows");
    with_hands(Error::failed(format!("{called} holds other values than published in {rows} of `{table}`{keys}")), hands)
}

fn with_hands(mut error: Error, hands: &[String]) -> Error {
    for hand in hands {
        error = error.because(hand);
    }
    error.hint(match hands {
        [] => "nothing was published; run the command again, in case another session changed the table meanwhile",
        _ => {
            "nothing was published, because the target must hold the rows exactly as published; change what others \
              put on the table, or publish to another table"
        }
    })
}

/// Row security hides rows, so that it is unknown whether they exist.
pub(crate) fn export_rows_hidden(called: &str, table: &str, count: u64) -> Error {
    let rows = if count == 0 { "rows".into() } else { counted(count, "rows") };
    Error::failed(format!("{called} did not find {rows} of `{table}` that were published"))
        .because("row security applies to this role, and may hide them")
        .hint("nothing was published; add a policy that shows all published rows to this role, or use a role with `bypassrls`")
}

/// `pairs`: keys that are not the same, and that the target holds equal.
pub(crate) fn export_keys_equal(called: &str, table: &str, key: &[String], pairs: &[(String, String)]) -> Error {
    let mut error = Error::failed(format!("`{table}` has keys that {called} holds equal"));
    let key = key.join("`, `");
    for (one, other) in pairs {
        // Blanks at the end are seen only in quotes.
        error = error.because(format!("`{key}`: '{one}' and '{other}'"));
    }
    error.hint(
        "nothing was published; make the keys equal or different in the model's SQL (such as `lower(…)`, `rtrim(…)`), \
         or give the column a type or collation that tells them apart",
    )
}

/// The table changed between the count of its rows and the transaction that writes them.
pub(crate) fn export_changed_meanwhile(table: &str) -> Error {
    Error::failed(format!("others changed `{table}` while its rows were compared"))
        .hint("nothing was published; run the command again")
}

/// The table has another key, and rows of others, which the old key identified.
pub(crate) fn export_own_key_changed(table: &str) -> Error {
    Error::failed(format!("the key of `{table}` changed, and `rows` is `own`"))
        .because("without its old key, the rows that elt published cannot be told from rows of others")
        .hint("nothing was published; set `rows: all` under `export` in the model's config if all rows are the model's")
}

/// The table can only be created again, which would lose rows of others.
pub(crate) fn export_own_made_again(shown: &str, steps: &[String]) -> Error {
    let mut error =
        Error::failed(format!("{shown} would be created again, but `rows` is `own`, so rows of others stay"));
    for step in steps {
        error = error.because(step);
    }
    error
        .hint("nothing was published; set `rows: all` under `export` in the model's config if all rows are the model's")
}

/// `lines`: pairs of rows that have the same value in unique columns.
pub(crate) fn export_not_unique(table: &str, columns: &[String], lines: &[String]) -> Error {
    let mut error =
        Error::failed(format!("rows of `{table}` have the same `{}`, which is unique", columns.join("`, `")));
    for line in lines {
        error = error.because(line);
    }
    error.hint("nothing was published; make the values different in the model's SQL, or publish one of the rows")
}
