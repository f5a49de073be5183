//! The messages about unit tests.
//!
//! They may show values, because the values are the analyst's own and come from the test itself.

use elt_base::error::{Error, Place, nearest};

pub(crate) fn unit_test_fixture_unknown<'a>(
    name: &str,
    ending: &str,
    fixtures: impl IntoIterator<Item = &'a str>,
    place: Place,
) -> Error {
    let near = nearest(name, fixtures).map(|near| format!("there is a fixture `{near}`"));
    Error::usage(format!("fixture `{name}` of format {ending} does not exist"))
        .at(place)
        .hint(near.unwrap_or_else(|| format!("create it as `tests/fixtures/{name}.{ending}`")))
}

pub(crate) fn unit_test_no_rows(input: &str, place: Place) -> Error {
    Error::usage(format!("input `{input}` has no `rows`"))
        .at(place)
        .hint("write `rows: []` for an input without rows; only a seed may omit `rows`, and then keeps its own rows")
}

pub(crate) fn unit_test_model<'a>(
    test: &str,
    model: &str,
    models: impl IntoIterator<Item = &'a str>,
    place: Place,
) -> Error {
    let near = nearest(model, models).map(|near| format!("did you mean `{near}`?"));
    Error::usage(format!("unit test `{test}` tests model `{model}`, which does not exist")).at(place).hint_maybe(near)
}

pub(crate) fn unit_test_input(test: &str, input: &str, place: Place) -> Error {
    Error::usage(format!("unit test `{test}` has the input `{input}`, which does not name a node"))
        .at(place)
        .hint("write an input as `ref('model')`, `source('name', 'table')` or `this`")
}

pub(crate) fn unit_test_input_twice(test: &str, input: &str, place: Place, first: Place) -> Error {
    Error::usage(format!("unit test `{test}` has the input `{input}` twice"))
        .at(place.label("again here"))
        .at(first.label("first here"))
        .hint("write all rows of an input in one entry")
}

/// A warning, as for data tests.
pub(crate) fn unit_test_of_disabled(test: &str, model: &str, place: Place) -> Error {
    Error::usage(format!("unit test `{test}` does not run because `{model}` is disabled")).at(place)
}

pub(crate) fn unit_test_twice(test: &str, model: &str, place: Place, first: Place) -> Error {
    Error::usage(format!("model `{model}` has two unit tests `{test}`"))
        .at(place.label("again here"))
        .at(first.label("first here"))
}

pub(crate) fn unit_test_csv(complaint: &str, place: Place) -> Error {
    Error::usage(format!("malformed CSV: {complaint}")).at(place)
}
