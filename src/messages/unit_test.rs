//! The messages about unit tests.
//!
//! They may show values, because these values are written in the test itself.

use elt_base::error::{Error, Place, listed, nearest};
use elt_base::sql_error::{SqlError, our_manner, unknown_name};

/// `of`: ``input `ref('a')` `` or "the expected rows".
pub(crate) fn unit_test_column<'a>(
    of: &str,
    column: &str,
    columns: impl IntoIterator<Item = &'a str> + Clone,
    place: Place,
) -> Error {
    let hint = match nearest(column, columns.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the columns are {}", listed(&columns.into_iter().collect::<Vec<_>>())),
    };
    Error::failed(format!("{of} name a column `{column}`, which does not exist")).at(place).hint(hint)
}

pub(crate) fn unit_test_value(column: &str, column_type: &str, why: &str, place: Place) -> Error {
    Error::failed(format!("the value of `{column}` is not a valid {column_type}")).at(place).because(our_manner(why))
}

/// A source or model whose columns are unknown: no load, no YAML and no row defines them.
pub(crate) fn unit_test_columns_unknown(test: &str, input: &str, place: Place) -> Error {
    Error::failed(format!("unit test `{test}` cannot run: the columns of `{input}` are not known"))
        .at(place)
        .hint(format!("add rows for `{input}` under `given:`, or declare its columns in YAML with their `data_type`"))
}

/// The model's query, or SQL of the test itself.
pub(crate) fn unit_test_broken(test: &str, error: &SqlError) -> Error {
    let message = our_manner(&error.message);
    let near = unknown_name(&message).and_then(|name| nearest(name, error.candidates.iter().map(String::as_str)));
    Error::failed(format!("unit test `{test}` cannot be run: {message}"))
        .hint_maybe(near.map(|near| format!("did you mean `{near}`?")))
}

/// `summary`: `1 row differs, 1 is missing`; `picture`: the rows side by side.
pub(crate) fn unit_test_failed(model: &str, test: &str, summary: &str, picture: String) -> Error {
    Error::failed(format!("unit test `{test}` of `{model}` failed: {summary}")).picture(picture)
}
