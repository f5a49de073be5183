//! What a value is made of: the fields it comes from, field by field where it is a nested one.
//!
//! Values and their algebra. Knows neither plans nor the graph.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::NodeId;
use elt_base::path::Step;
use elt_base::schema::RESCUED;

/// How deep a path may go. A recursive query could build one without end.
const STEPS_MAX: usize = 24;

/// A column of a node, or a place within it: the first step is the column's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Field {
    pub node: NodeId,
    pub path: Vec<Step>,
}

impl Field {
    pub fn column(node: NodeId, name: impl Into<String>) -> Self {
        Self { node, path: vec![Step::Key(name.into())] }
    }

    /// The path as `elt schema` writes it.
    pub fn text(&self) -> String {
        path_text(&self.path)
    }

    fn then(&self, step: &Step) -> Self {
        // `_elt_rescued` is one object of paths: what lies in it is no field of its own.
        let is_whole =
            self.path.len() >= STEPS_MAX || matches!(self.path.first(), Some(Step::Key(key)) if key == RESCUED);
        let mut path = self.path.clone();
        if !is_whole {
            path.push(step.clone());
        }
        Self { node: self.node, path }
    }
}

/// A path as `elt schema` writes it.
pub fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    path.iter().for_each(|step| step.push(&mut text));
    text
}

/// How a field takes part in a column's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// The value is that of the field; what lies in the field lies in the value.
    Copied,
    /// The value is computed with it.
    Computed,
    /// It decides which value stands there, or which rows there are; it gives no value itself.
    Decides,
}

/// A value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flow {
    copied: BTreeSet<Field>,
    computed: BTreeSet<Field>,
    decides: BTreeSet<Field>,
    /// What was put together: the fields of a STRUCT, the elements of a LIST.
    parts: BTreeMap<Step, Flow>,
}

impl Flow {
    pub fn copy(field: Field) -> Self {
        Self { copied: BTreeSet::from([field]), ..Self::default() }
    }

    pub fn computed(fields: BTreeSet<Field>) -> Self {
        Self { computed: fields, ..Self::default() }
    }

    /// A STRUCT or LIST put together.
    pub fn of_parts(parts: impl IntoIterator<Item = (Step, Self)>) -> Self {
        let mut all = Self::default();
        for (step, flow) in parts {
            all.parts.entry(step).or_default().merge(flow);
        }
        all
    }

    /// Either this or that value.
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

    /// What lies in the value.
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

    /// Whether no field gives it: a constant, or a count of rows.
    pub fn is_constant(&self) -> bool {
        self.copied.is_empty() && self.computed.is_empty() && self.parts.values().all(Self::is_constant)
    }

    /// All fields that give the value or a part of it.
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

    /// All fields, as what a condition depends on.
    pub fn all(&self) -> BTreeSet<Field> {
        let mut fields = self.values();
        fields.extend(self.deciding());
        fields
    }

    /// Something computed from the whole of this.
    pub fn into_computed(self) -> Self {
        Self { computed: self.values(), decides: self.deciding(), ..Self::default() }
    }

    /// Every part with its place below `to`, and the fields it is of.
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

/// Names are the same without regard to case, as DuckDB compares them; an element is like any other.
pub fn same_step(one: &Step, other: &Step) -> bool {
    match (one, other) {
        (Step::Key(one), Step::Key(other)) => one.eq_ignore_ascii_case(other),
        _ => one == other,
    }
}

/// Whether a path begins with another.
pub fn starts_with(path: &[Step], start: &[Step]) -> bool {
    path.len() >= start.len() && path.iter().zip(start).all(|(one, other)| same_step(one, other))
}
