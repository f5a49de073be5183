//! The columns that an operator of a plan returns, and the fields that decide which rows exist.
//!
//! A value; the walk creates it.

use std::collections::BTreeSet;

use super::flow::{Field, Flow};

#[derive(Debug, Clone, Default)]
pub(super) struct PlanRows {
    pub columns: Vec<Flow>,
    /// DuckDB's bindings of the columns before it resolves them to positions: table index and column index. May be
    /// shorter than the columns.
    pub bindings: Vec<(usize, usize)>,
    /// Fields of filters, joins and groups.
    pub decides: BTreeSet<Field>,
}

impl PlanRows {
    pub fn of(columns: Vec<Flow>) -> Self {
        Self { columns, ..Self::default() }
    }

    /// Sets the binding that an operator with a table index uses for its columns.
    pub fn named(mut self, table: usize) -> Self {
        self.bindings = (0..self.columns.len()).map(|column| (table, column)).collect();
        self
    }

    pub fn column(&self, at: usize) -> Flow {
        self.columns.get(at).cloned().unwrap_or_else(|| self.any())
    }

    pub fn bound(&self, table: usize, column: usize) -> Flow {
        match self.bindings.iter().position(|binding| *binding == (table, column)) {
            Some(at) => self.column(at),
            None => self.any(),
        }
    }

    /// For a reference that cannot be resolved: it may be any field.
    fn any(&self) -> Flow {
        Flow::computed(self.columns.iter().flat_map(Flow::values).collect())
    }

    /// These columns and the other ones.
    pub fn beside(mut self, other: Self) -> Self {
        self.bindings.resize(self.columns.len(), (usize::MAX, usize::MAX));
        self.columns.extend(other.columns);
        self.bindings.extend(other.bindings);
        self.decides.extend(other.decides);
        self
    }
}
