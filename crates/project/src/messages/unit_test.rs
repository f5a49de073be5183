//! The messages about unit tests.
//!
//! They may show values, because the values are the analyst's own and come from the test itself.

use elt_base::error::{Error, Place, listed, nearest};

pub(crate) fn unit_test_format(written: &str, place: Place) -> Error {
    let formats = ["dict", "csv", "sql"];
    Error::usage(format!("unknown format `{written}` of rows")).at(place).hint(match nearest(written, formats) {
        Some(near) => format!("there is a format `{near}`"),
        None => format!("the formats are {}", listed(&formats)),
    })
}

pub(crate) fn unit_test_fixture_format(place: Place) -> Error {
    Error::usage("a fixture is a file, but `format` does not say which kind")
        .at(place)
        .hint("add `format: csv` or `format: sql` next to it")
}
