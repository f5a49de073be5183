//! Entries of `exposures:` and `groups:` as values.
//!
//! Knows dbt's keys (<https://docs.getdbt.com/reference/exposure-properties>); neither how they are read nor their use.

use elt_base::error::Place;
use serde_json::{Map, Value};

/// An `exposures:` entry: something outside of the project that reads models.
#[derive(Debug, Clone)]
pub struct ExposureProperties {
    pub name: String,
    pub place: Place,
    pub description: String,
    pub label: Option<String>,
    /// `dashboard`, `notebook`, `analysis`, `ml` or `application`.
    pub kind: String,
    /// `low`, `medium` or `high`.
    pub maturity: Option<String>,
    pub url: Option<String>,
    pub owner: Owner,
    /// The entries as written, each with its place: `ref('customers')`, `source('loans', 'customers')`.
    pub depends_on: Vec<(String, Place)>,
    /// `config:`, including `tags`, `meta` and `enabled` that are written next to it.
    pub config: Map<String, Value>,
}

/// A `groups:` entry: models that one team is responsible for.
#[derive(Debug, Clone)]
pub struct GroupProperties {
    pub name: String,
    pub place: Place,
    pub description: Option<String>,
    pub owner: Owner,
    pub config: Map<String, Value>,
}

/// The owner of something: a name, one or several e-mail addresses, and the other keys in the file.
#[derive(Debug, Clone, Default)]
pub struct Owner {
    pub name: Option<String>,
    /// A text or a list of texts; null if there is none.
    pub email: Value,
    pub more: Map<String, Value>,
}
