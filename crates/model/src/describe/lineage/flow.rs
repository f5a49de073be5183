//! The origin of a value: the fields it comes from, separately for each field of a nested value.
//!
//! Values and their algebra. Does not know plans or the graph.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::NodeId;
use elt_base::path::Step;
use elt_base::schema::RESCUED;

/// The maximum depth of a path. Without a limit, a recursive query could build an endless path.
const STEPS_MAX: usize = 24;

/// A column of a node, or a place within it. The first step is the column's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    pub node: NodeId,
    pub path: Vec<Step>,
}

impl Field {
    pub fn column(node: NodeId, name: impl Into<String>) -> Self {
        Self { node, path: vec![Step::Key(name.into())] }
    }

    /// The path in the notation of `elt schema`.
    pub fn text(&self) -> String {
        path_text(&self.path)
    }

    fn then(&self, step: &Step) -> Self {
        // `_elt_rescued` is one object of paths: its content is not a separate field.
        let is_whole =
            self.path.len() >= STEPS_MAX || matches!(self.path.first(), Some(Step::Key(key)) if key == RESCUED);
        let mut path = self.path.clone();
        if !is_whole {
            path.push(step.clone());
        }
        Self { node: self.node, path }
    }
}

/// A path in the notation of `elt schema`.
pub fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    path.iter().for_each(|step| step.push(&mut text));
    text
}

/// The role of a field in a column's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// The value is a copy of the field, including all nested fields.
    Copied,
    /// The value is computed from the field.
    Computed,
    /// The field decides which value is used, or which rows exist. It is not part of the value.
    Decides,
}

/// A value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flow {
    copied: BTreeSet<Field>,
    computed: BTreeSet<Field>,
    decides: BTreeSet<Field>,
    /// The parts of a constructed value: the fields of a STRUCT, the elements of a LIST.
    parts: BTreeMap<Step, Flow>,
}

impl Flow {
    pub fn copy(field: Field) -> Self {
        Self { copied: BTreeSet::from([field]), ..Self::default() }
    }

    pub fn computed(fields: BTreeSet<Field>) -> Self {
        Self { computed: fields, ..Self::default() }
    }

    /// A constructed STRUCT or LIST.
    pub fn of_parts(parts: impl IntoIterator<Item = (Step, Self)>) -> Self {
        let mut all = Self::default();
        for (step, flow) in parts {
            all.parts.entry(step).or_default().merge(flow);
        }
        all
    }

    /// One of two values.
    pub fn merge(&mut self, other: Self) {
        self.copied.extend(other.copied);
        self.computed.extend(other.computed);
        self.decides.extend(other.decides);
        for (step, flow) in other.parts {
            self.parts.entry(step).or_default().merge(flow);
        }
    }

    pub fn decided_by(mut self, fields: BTreeSet<Field>) -> Self {
        self.decides.extend(fields);
        self
    }

    /// A nested part of the value.
    pub fn then(&self, step: &Step) -> Self {
        let mut flow = Self {
            copied: self.copied.iter().map(|field| field.then(step)).collect(),
            computed: self.computed.clone(),
            decides: self.decides.clone(),
            parts: BTreeMap::new(),
        };
        let part = self.parts.iter().find(|(known, _)| same_step(known, step));
        if let Some((_, part)) = part {
            flow.merge(part.clone());
        }
        flow
    }

    /// Whether no field contributes to the value: a constant, or a count of rows.
    pub fn is_constant(&self) -> bool {
        self.copied.is_empty() && self.computed.is_empty() && self.parts.values().all(Self::is_constant)
    }

    /// All fields that contribute to the value or a part of it.
    pub fn values(&self) -> BTreeSet<Field> {
        let mut fields: BTreeSet<Field> = self.copied.union(&self.computed).cloned().collect();
        self.parts.values().for_each(|part| fields.extend(part.values()));
        fields
    }

    /// All fields that only decide.
    pub fn deciding(&self) -> BTreeSet<Field> {
        let mut fields = self.decides.clone();
        self.parts.values().for_each(|part| fields.extend(part.deciding()));
        fields
    }

    /// All fields, as the inputs of a condition.
    pub fn all(&self) -> BTreeSet<Field> {
        let mut fields = self.values();
        fields.extend(self.deciding());
        fields
    }

    /// A value that is computed from all of this value.
    pub fn into_computed(self) -> Self {
        Self { computed: self.values(), decides: self.deciding(), ..Self::default() }
    }

    /// Every part with its place below `to`, and the fields it comes from.
    pub fn visit(&self, to: &mut Vec<Step>, visit: &mut dyn FnMut(&[Step], &Field, How)) {
        self.copied.iter().for_each(|field| visit(to, field, How::Copied));
        self.computed.iter().for_each(|field| visit(to, field, How::Computed));
        self.decides.iter().for_each(|field| visit(to, field, How::Decides));
        for (step, part) in &self.parts {
            to.push(step.clone());
            part.visit(to, visit);
            to.pop();
        }
    }
}

/// Compares names without letter case, as DuckDB does. An element is equal to any other element.
pub fn same_step(one: &Step, other: &Step) -> bool {
    match (one, other) {
        (Step::Key(one), Step::Key(other)) => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

/// Whether a path begins with another path.
pub fn starts_with(path: &[Step], start: &[Step]) -> bool {
    path.len() >= start.len() && path.iter().zip(start).all(|(one, other)| same_step(one, other))
}
