//! A selector as a value: single criteria, and unions, intersections and differences of them.
//!
//! Grammar (dbt docs, "Node selection"): `[@][n+][method[.arg]:]value[+n]`; a space is a union, a comma an
//! intersection. Knows texts and YAML definitions, but not the graph.

use std::collections::HashMap;

use crate::messages;
use elt_base::error::{Error, Result, nearest};
use elt_project::{Criterion as Written, Definition, SelectorDefinition};

/// The methods that a selector can name.
pub(super) const METHODS: [&str; 19] = [
    "access",
    "config",
    "exposure",
    "file",
    "fqn",
    "group",
    "package",
    "path",
    "resource_type",
    "result",
    "selector",
    "source",
    "source_status",
    "state",
    "tag",
    "test_name",
    "test_type",
    "unit_test",
    "version",
];

/// The tests that are added to a selection, besides tests that are selected themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Indirect {
    /// Tests with any parent selected.
    #[default]
    Eager,
    /// Tests with all parents selected.
    Cautious,
    /// Tests whose parents are all selected or ancestors of a selected node.
    Buildable,
    /// None.
    Empty,
}

impl Indirect {
    pub const CHOICES: [(&str, Self); 4] =
        [("eager", Self::Eager), ("cautious", Self::Cautious), ("buildable", Self::Buildable), ("empty", Self::Empty)];

    /// Its word.
    pub fn name(self) -> &'static str {
        Self::CHOICES.iter().find(|(_, mode)| *mode == self).map_or("eager", |(name, _)| *name)
    }

    /// By its word.
    pub fn named(word: &str) -> Option<Self> {
        Self::CHOICES.iter().find(|(name, _)| *name == word).map(|(_, mode)| *mode)
    }
}

/// One selector, or several and the operation that joins them.
#[derive(Debug, Clone)]
pub(super) enum Spec {
    One(SelectorCriterion),
    Union(Vec<Spec>, Indirect),
    Intersection(Vec<Spec>, Indirect),
    /// The first without the second.
    Difference(Box<Spec>, Box<Spec>),
}

/// One parsed selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SelectorCriterion {
    pub spec: String,
    /// `@`.
    pub children_parents: bool,
    /// Depth of `+x`.
    pub parents: Option<usize>,
    /// Depth of `x+`.
    pub children: Option<usize>,
    pub method: String,
    /// The arguments after the method's dots.
    pub args: Vec<String>,
    pub value: String,
    pub indirect: Indirect,
}

impl SelectorCriterion {
    /// Parses the notation of the command line.
    pub fn parse(spec: &str, indirect: Indirect) -> Result<Self> {
        let mut rest = spec;
        let children_parents = rest.starts_with('@');
        rest = rest.strip_prefix('@').unwrap_or(rest);
        let mut parents = None;
        if let Some(plus) = rest.find('+')
            && rest[..plus].chars().all(|c| c.is_ascii_digit())
        {
            parents = Some(depth(spec, &rest[..plus])?);
            rest = &rest[plus + 1..];
        }
        let is_word =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let named = rest.split_once(':').filter(|(method, _)| is_word(method));
        let mut value = named.map_or(rest, |(_, value)| value);
        let mut children = None;
        if let Some(plus) = first_trailing_plus(value) {
            children = Some(depth(spec, &value[plus + 1..])?);
            value = &value[..plus];
        }
        let method = match named {
            Some((method, _)) => method,
            None => default_method(value),
        };
        Self::new(spec, method, value, indirect)?.relatives(children_parents, parents, children)
    }

    /// A selector without relatives. `method` may have arguments after dots.
    pub fn new(spec: &str, method: &str, value: &str, indirect: Indirect) -> Result<Self> {
        if value.is_empty() {
            return Err(messages::bad_selector(spec, "has no value"));
        }
        let mut parts = method.split('.').map(str::to_owned);
        let method = parts.next().unwrap_or_default();
        if !METHODS.contains(&method.as_str()) {
            return Err(messages::unknown_method(spec, &method, &METHODS));
        }
        let args: Vec<String> = parts.collect();
        if method == "config" && args.is_empty() {
            return Err(messages::bad_selector(spec, "needs a key: `config.materialized:table`"));
        }
        if method != "config" && !args.is_empty() {
            return Err(messages::bad_selector(
                spec,
                &format!("passes `{method}:` an argument that it does not accept"),
            ));
        }
        Ok(Self {
            spec: spec.into(),
            children_parents: false,
            parents: None,
            children: None,
            method,
            args,
            value: value.into(),
            indirect,
        })
    }

    fn relatives(mut self, both: bool, parents: Option<usize>, children: Option<usize>) -> Result<Self> {
        if both && children.is_some() {
            let complaint = "has both `@` and a `+` at its end; `@` includes the descendants";
            return Err(messages::bad_selector(&self.spec, complaint));
        }
        (self.children_parents, self.parents, self.children) = (both, parents, children);
        Ok(self)
    }

    /// Whether it compares with an earlier state, so that an empty result means that nothing changed.
    pub fn is_of_state(&self) -> bool {
        matches!(self.method.as_str(), "state" | "result" | "source_status")
    }
}

/// The position of the `+` for children: the first `+` that is followed only by digits.
fn first_trailing_plus(value: &str) -> Option<usize> {
    value
        .char_indices()
        .find(|(at, c)| *c == '+' && value[at + 1..].chars().all(|c| c.is_ascii_digit()))
        .map(|(at, _)| at)
}

fn default_method(value: &str) -> &'static str {
    match value {
        path if path.contains('/') => "path",
        file if [".sql", ".csv", ".py"].iter().any(|end| file.to_lowercase().ends_with(end)) => "file",
        _ => "fqn",
    }
}

fn depth(spec: &str, digits: &str) -> Result<usize> {
    if digits.is_empty() {
        return Ok(usize::MAX);
    }
    digits.parse().map_err(|_| messages::bad_selector(spec, "has a depth that is too large"))
}

/// The definitions of YAML selectors by name.
pub(super) type KnownSelectors = HashMap<String, Spec>;

impl Spec {
    /// Parses one word of the command line: criteria that are joined by commas.
    pub fn parse(text: &str, indirect: Indirect, known: &KnownSelectors) -> Result<Self> {
        let parts: Vec<&str> = text.split(',').filter(|part| !part.is_empty()).collect();
        if parts.is_empty() {
            return Err(messages::bad_selector(text, "has no value"));
        }
        let specs: Result<Vec<Self>> = parts.into_iter().map(|part| Self::criterion(part, indirect, known)).collect();
        Ok(Self::Intersection(specs?, indirect))
    }

    fn criterion(text: &str, indirect: Indirect, known: &KnownSelectors) -> Result<Self> {
        let criterion = SelectorCriterion::parse(text, indirect)?;
        if criterion.method != "selector" {
            return Ok(Self::One(criterion));
        }
        if criterion.children_parents || criterion.parents.is_some() || criterion.children.is_some() {
            return Err(messages::bad_selector(
                text,
                "cannot have `+` or `@`, because `selector:` names a whole definition",
            ));
        }
        named(&criterion.value, known)
    }

    /// All criteria in it.
    pub fn criteria(&self) -> Vec<&SelectorCriterion> {
        match self {
            Self::One(criterion) => vec![criterion],
            Self::Union(parts, _) | Self::Intersection(parts, _) => parts.iter().flat_map(Self::criteria).collect(),
            Self::Difference(from, _) => from.criteria(),
        }
    }
}

/// A YAML selector by name.
pub(super) fn named(name: &str, known: &KnownSelectors) -> Result<Spec> {
    known.get(name).cloned().ok_or_else(|| unknown_selector(name, known.keys().map(String::as_str), None))
}

/// Reads the definitions of `selectors.yml` in their order. Each may use the selectors before it.
pub(super) fn definitions(all: &[SelectorDefinition], indirect: Indirect) -> Result<KnownSelectors> {
    let mut known = KnownSelectors::new();
    let mut errors = Vec::new();
    for selector in all {
        match definition(&selector.definition, indirect, &known) {
            Ok(spec) => drop(known.insert(selector.name.clone(), spec)),
            Err(error) => errors.push(error),
        }
    }
    Error::many(errors).map_or(Ok(known), Err)
}

fn definition(written: &Definition, indirect: Indirect, known: &KnownSelectors) -> Result<Spec> {
    match written {
        Definition::Text(text, place) => {
            Spec::criterion(text, indirect, known).map_err(|error| error.at(place.clone()))
        }
        Definition::One(written) => one(written, indirect, known),
        Definition::Union(parts, exclude) => {
            without(Spec::Union(each(parts, indirect, known)?, Indirect::Eager), exclude, indirect, known)
        }
        Definition::Intersection(parts, exclude) => {
            without(Spec::Intersection(each(parts, indirect, known)?, Indirect::Eager), exclude, indirect, known)
        }
    }
}

fn each(parts: &[Definition], indirect: Indirect, known: &KnownSelectors) -> Result<Vec<Spec>> {
    parts.iter().map(|part| definition(part, indirect, known)).collect()
}

fn without(spec: Spec, exclude: &[Definition], indirect: Indirect, known: &KnownSelectors) -> Result<Spec> {
    if exclude.is_empty() {
        return Ok(spec);
    }
    let exclude = Spec::Union(each(exclude, indirect, known)?, Indirect::Eager);
    Ok(Spec::Difference(Box::new(spec), Box::new(exclude)))
}

fn one(written: &Written, indirect: Indirect, known: &KnownSelectors) -> Result<Spec> {
    let place = || written.place.clone();
    if written.method == "selector" {
        return known
            .get(&written.value)
            .cloned()
            .ok_or_else(|| unknown_selector(&written.value, known.keys().map(String::as_str), Some(place())));
    }
    let indirect = match &written.indirect {
        Some((word, place)) => Indirect::named(word).ok_or_else(|| messages::bad_indirect(word).at(place.clone()))?,
        None => indirect,
    };
    let depth = |wanted: bool, depth: Option<usize>| wanted.then(|| depth.unwrap_or(usize::MAX));
    let spec = format!("{}:{}", written.method, written.value);
    let criterion = SelectorCriterion::new(&spec, &written.method, &written.value, indirect)
        .and_then(|criterion| {
            criterion.relatives(
                written.childrens_parents,
                depth(written.parents, written.parents_depth),
                depth(written.children, written.children_depth),
            )
        })
        .map_err(|error| error.at(place()))?;
    without(Spec::One(criterion), &written.exclude, indirect, known)
}

fn unknown_selector<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str>,
    place: Option<elt_base::error::Place>,
) -> Error {
    let mut names: Vec<&str> = known.collect();
    names.sort_unstable();
    let near = nearest(name, names.iter().copied());
    messages::selector_missing(name, near, &names).at_maybe(place)
}
