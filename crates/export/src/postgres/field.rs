//! A column of a binary COPY.
//!
//! A value.

use super::values::Labels;
use crate::postgres_type::PostgresType;
use elt_project::OnHazard;

/// A column to encode.
#[derive(Debug, Clone)]
pub struct CopyField {
    pub postgres_type: PostgresType,
    pub on_hazard: OnHazard,
    pub is_key: bool,
    pub not_null: bool,
    /// Of a type that is an enum, where they are known.
    pub labels: Option<Labels>,
}

impl CopyField {
    /// One whose hazards nobody expects.
    pub fn plain(postgres_type: PostgresType) -> Self {
        Self { postgres_type, on_hazard: OnHazard::Fail, is_key: false, not_null: false, labels: None }
    }
}
