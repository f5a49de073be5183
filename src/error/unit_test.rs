//! The messages about unit tests, each one a constructor.
//!
//! They may show values: those are the analyst's own, from the test itself.

use super::model::our_manner;
use super::{Error, Place, nearest};
use crate::warehouse::SqlError;

fn known(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

// As it is written.
impl Error {
    pub(crate) fn unit_test_format(written: &str, place: Place) -> Self {
        let formats = ["dict", "csv", "sql"];
        Self::usage(format!("unknown format `{written}` of rows")).at(place).hint(match nearest(written, formats) {
            Some(near) => format!("there is a format `{near}`"),
            None => format!("the formats are {}", known(&formats)),
        })
    }

    pub(crate) fn unit_test_fixture_format(place: Place) -> Self {
        Self::usage("a fixture is a file, and no `format` says of which kind")
            .at(place)
            .hint("`format: csv` or `format: sql` beside it")
    }

    pub(crate) fn unit_test_fixture_unknown<'a>(
        name: &str,
        ending: &str,
        fixtures: impl IntoIterator<Item = &'a str>,
        place: Place,
    ) -> Self {
        let near = nearest(name, fixtures).map(|near| format!("there is a fixture `{near}`"));
        Self::usage(format!("no fixture `{name}` of format {ending}"))
            .at(place)
            .hint(near.unwrap_or_else(|| format!("its place is `tests/fixtures/{name}.{ending}`")))
    }

    pub(crate) fn unit_test_no_rows(input: &str, place: Place) -> Self {
        Self::usage(format!("input `{input}` has no `rows`"))
            .at(place)
            .hint("`rows: []` gives it none; only a seed may leave them out, and has its own then")
    }

    pub(crate) fn unit_test_model<'a>(
        test: &str,
        model: &str,
        models: impl IntoIterator<Item = &'a str>,
        place: Place,
    ) -> Self {
        let near = nearest(model, models).map(|near| format!("did you mean `{near}`?"));
        Self::usage(format!("unit test `{test}` tests model `{model}`, which does not exist"))
            .at(place)
            .hint_maybe(near)
    }

    pub(crate) fn unit_test_input(test: &str, input: &str, place: Place) -> Self {
        Self::usage(format!("unit test `{test}` has the input `{input}`, which names nothing"))
            .at(place)
            .hint("an input is `ref('model')`, `source('name', 'table')` or `this`")
    }

    pub(crate) fn unit_test_input_twice(test: &str, input: &str, place: Place, first: Place) -> Self {
        Self::usage(format!("unit test `{test}` has the input `{input}` twice"))
            .at(place.label("again here"))
            .at(first.label("first here"))
            .hint("one entry holds all of its rows")
    }

    /// A warning, as for data tests.
    pub(crate) fn unit_test_of_disabled(test: &str, model: &str, place: Place) -> Self {
        Self::usage(format!("unit test `{test}` is left out: `{model}` is disabled")).at(place)
    }

    pub(crate) fn unit_test_twice(test: &str, model: &str, place: Place, first: Place) -> Self {
        Self::usage(format!("model `{model}` has two unit tests `{test}`"))
            .at(place.label("again here"))
            .at(first.label("first here"))
    }

    pub(crate) fn unit_test_csv(complaint: &str, place: Place) -> Self {
        Self::usage(format!("malformed CSV: {complaint}")).at(place)
    }
}

// As it runs.
impl Error {
    /// `of`: ``input `ref('a')` `` or "the expected rows".
    pub fn unit_test_column<'a>(
        of: &str,
        column: &str,
        columns: impl IntoIterator<Item = &'a str> + Clone,
        place: Place,
    ) -> Self {
        let hint = match nearest(column, columns.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the columns are {}", known(&columns.into_iter().collect::<Vec<_>>())),
        };
        Self::failed(format!("{of} name a column `{column}`, which does not exist")).at(place).hint(hint)
    }

    pub fn unit_test_value(column: &str, column_type: &str, why: &str, place: Place) -> Self {
        Self::failed(format!("the value of `{column}` is no {column_type}")).at(place).because(our_manner(why))
    }

    /// A source or model of which neither a load nor YAML nor a row says what columns it has.
    pub fn unit_test_columns_unknown(test: &str, input: &str, place: Place) -> Self {
        Self::failed(format!("unit test `{test}` cannot run: the columns of `{input}` are not known"))
            .at(place)
            .hint(format!("give `{input}` rows under `given:`, or declare its columns in YAML with their `data_type`"))
    }

    /// The model's query, or SQL of the test itself.
    pub fn unit_test_broken(test: &str, error: &SqlError) -> Self {
        let message = our_manner(&error.message);
        let near = super::model::unknown_name(&message)
            .and_then(|name| nearest(name, error.candidates.iter().map(String::as_str)));
        Self::failed(format!("unit test `{test}` cannot be run: {message}"))
            .hint_maybe(near.map(|near| format!("did you mean `{near}`?")))
    }

    /// `summary`: `1 row differs, 1 is missing`; `picture`: the rows side by side.
    pub fn unit_test_failed(model: &str, test: &str, summary: &str, picture: String) -> Self {
        Self::failed(format!("unit test `{test}` of `{model}` failed: {summary}")).picture(picture)
    }
}
