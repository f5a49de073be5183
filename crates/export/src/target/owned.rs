//! Whose rows a table's rows are: all the model's, or only those that elt published.
//!
//! Pure. Knows no target.

use elt_project::RowsOf;

/// Whether rows of others stay in a table. `rows`: what the project says; `is_ours`: None if the table does not exist, else whether elt made it.
pub fn keeps_others(rows: Option<RowsOf>, is_ours: Option<bool>) -> bool {
    match (rows, is_ours) {
        (_, None) | (Some(RowsOf::All), _) => false,
        (Some(RowsOf::Own), Some(_)) => true,
        (None, Some(is_ours)) => !is_ours,
    }
}
