//! dbt's selectors: which nodes `--select` and `--exclude` mean, and which parents a selection misses.
//!
//! Grammar (dbt docs, "Node selection"): `[@][n+][method[.arg]:]value[+n]`; a space is a union, a comma an intersection.
//! A glob also matches a leaf name alone (`loan_*`). Knows the graph; not what is done with a selection.

use std::collections::BTreeSet;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use serde_json::Value;

use super::config::Materialized;
use super::node::{Graph, Node, NodeId, NodeKind};
use crate::error::{Error, Result, nearest};

/// The methods that a selector can name.
const METHODS: [&str; 11] = [
    "config",
    "file",
    "fqn",
    "package",
    "path",
    "resource_type",
    "source",
    "tag",
    "test_name",
    "test_type",
    "unit_test",
];

/// The selected nodes, tests among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    nodes: BTreeSet<NodeId>,
}

impl Selection {
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains(&id)
    }

    /// In the graph's own order: sources, seeds, models, tests.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.iter().copied()
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub fn insert(&mut self, id: NodeId) {
        self.nodes.insert(id);
    }

    /// Keeps what fits, such as tests only.
    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.nodes.retain(|id| keep(*id));
    }
}

impl FromIterator<NodeId> for Selection {
    fn from_iter<T: IntoIterator<Item = NodeId>>(ids: T) -> Self {
        Self { nodes: ids.into_iter().collect() }
    }
}

impl Extend<NodeId> for Selection {
    fn extend<T: IntoIterator<Item = NodeId>>(&mut self, ids: T) {
        self.nodes.extend(ids);
    }
}

impl Graph {
    /// What `--select` and `--exclude` mean; all nodes if `select` is empty. A test is selected with any of its parents.
    ///
    /// # Errors
    /// A selector that cannot be read, one that matches nothing (with the nearest names), and a selection of which the
    /// exclusion leaves nothing; exit code 2.
    pub fn select(&self, select: &[String], exclude: &[String]) -> Result<Selection> {
        let mut nodes = BTreeSet::new();
        let included: Vec<&str> = select.iter().flat_map(|text| text.split_whitespace()).collect();
        if included.is_empty() && !select.is_empty() {
            return Err(Error::empty_selector());
        }
        if included.is_empty() {
            nodes = self.nodes.iter().map(|node| node.id).collect();
        }
        let mut errors = Vec::new();
        for text in &included {
            match self.intersection(text) {
                Ok(found) if found.is_empty() => errors.push(Error::nothing_selected(text, &self.near(text))),
                Ok(found) => nodes.extend(found),
                Err(error) => errors.push(error),
            }
        }
        for text in exclude.iter().flat_map(|text| text.split_whitespace()) {
            match self.intersection(text) {
                Ok(found) => nodes.retain(|id| !found.contains(id)),
                Err(error) => errors.push(error),
            }
        }
        if let Some(error) = Error::many(errors) {
            return Err(error);
        }
        if nodes.is_empty() && !exclude.is_empty() {
            let spec = included.join(" ");
            return Err(Error::all_excluded(&spec, &exclude.join(" ")));
        }
        Ok(Selection { nodes })
    }

    /// The ancestors of a selection that are neither selected nor built (as `is_built` says), in the order they have to
    /// be built. Ephemeral models are looked through, not returned.
    pub fn with_missing_parents(&self, selection: &Selection, is_built: &dyn Fn(&Node) -> bool) -> Vec<NodeId> {
        let mut missing = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open: Vec<NodeId> = selection.iter().collect();
        while let Some(id) = open.pop() {
            for parent in &self.node(id).parents {
                if selection.contains(*parent) || !seen.insert(*parent) {
                    continue;
                }
                let node = self.node(*parent);
                if node.config.materialized == Materialized::Ephemeral {
                    open.push(*parent);
                } else if !is_built(node) {
                    missing.insert(*parent);
                    open.push(*parent);
                }
            }
        }
        let mut missing: Vec<NodeId> = missing.into_iter().collect();
        missing.sort_by_key(|id| self.ranks[id.index()]);
        missing
    }

    fn intersection(&self, text: &str) -> Result<BTreeSet<NodeId>> {
        let mut all: Option<BTreeSet<NodeId>> = None;
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let found = self.one(&Selector::parse(part)?)?;
            all = Some(match all {
                Some(all) => all.intersection(&found).copied().collect(),
                None => found,
            });
        }
        all.ok_or_else(|| Error::bad_selector(text, "names nothing"))
    }

    fn one(&self, selector: &Selector) -> Result<BTreeSet<NodeId>> {
        let matched = selector.matcher()?;
        let direct: Vec<NodeId> = self.nodes.iter().filter(|node| matched(self, node)).map(|node| node.id).collect();
        let mut found: BTreeSet<NodeId> = direct.iter().copied().collect();
        if selector.children_parents {
            for id in &direct {
                found.extend(self.descendants(*id));
            }
            for id in found.clone() {
                found.extend(self.ancestors(id));
            }
        }
        if let Some(depth) = selector.parents {
            found.extend(self.reach(&direct, depth, |id| &self.node(id).parents));
        }
        if let Some(depth) = selector.children {
            found.extend(self.reach(&direct, depth, |id| &self.children[id.index()]));
        }
        let tests: Vec<NodeId> = found
            .iter()
            .flat_map(|id| &self.children[id.index()])
            .filter(|id| self.node(**id).kind.is_test())
            .copied()
            .collect();
        found.extend(tests);
        Ok(found)
    }

    /// What lies within `depth` steps.
    fn reach<'a>(&'a self, from: &[NodeId], depth: usize, next: impl Fn(NodeId) -> &'a [NodeId]) -> BTreeSet<NodeId> {
        let mut seen: BTreeSet<NodeId> = from.iter().copied().collect();
        let mut edge = from.to_vec();
        for _ in 0..depth {
            edge = edge.iter().flat_map(|id| next(*id)).copied().filter(|id| seen.insert(*id)).collect();
            if edge.is_empty() {
                break;
            }
        }
        seen
    }

    /// Names near to what a selector says, at most three.
    fn near(&self, text: &str) -> Vec<String> {
        let mut near: Vec<String> = Vec::new();
        for selector in text.split(',').filter_map(|part| Selector::parse(part).ok()) {
            let word = selector.value.replace(['*', '?', '[', ']'], "");
            let tags: BTreeSet<&str> =
                self.nodes.iter().flat_map(|node| node.config.tags.iter().map(String::as_str)).collect();
            let names: BTreeSet<String> = match selector.method.as_str() {
                "tag" => tags.iter().map(|tag| format!("tag:{tag}")).collect(),
                "source" => self
                    .nodes
                    .iter()
                    .filter_map(|node| node.source_name.as_ref())
                    .map(|source| format!("source:{source}"))
                    .collect(),
                "path" => self.folders().into_iter().map(|folder| format!("path:{folder}")).collect(),
                _ => self.nodes.iter().filter(|node| node.kind.is_referable()).map(|node| node.name.clone()).collect(),
            };
            let bare = |name: &str| name.split_once(':').map_or(name, |(_, value)| value).to_owned();
            let mut left: Vec<(String, String)> = names.into_iter().map(|name| (bare(&name), name)).collect();
            // A part of a name is as near as a slip of the finger.
            near.extend(left.iter().filter(|(bare, _)| word.len() > 2 && bare.contains(&word)).map(|(_, n)| n.clone()));
            while near.len() < 3 {
                let Some(found) = nearest(&word, left.iter().map(|(bare, _)| bare.as_str())).map(str::to_owned) else {
                    break;
                };
                near.extend(left.iter().filter(|(bare, _)| *bare == found).map(|(_, name)| name.clone()));
                left.retain(|(bare, _)| *bare != found);
            }
        }
        let mut unique: Vec<String> = Vec::new();
        for name in near {
            if !unique.contains(&name) && unique.len() < 3 {
                unique.push(name);
            }
        }
        unique
    }

    fn folders(&self) -> BTreeSet<String> {
        let paths = self.nodes.iter().map(|node| node.original_path());
        paths
            .flat_map(Path::ancestors)
            .skip(1)
            .map(|path| path.display().to_string())
            .filter(|p| !p.is_empty())
            .collect()
    }
}

/// One selector, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Selector {
    spec: String,
    /// `@`.
    children_parents: bool,
    /// Depth of `+x`.
    parents: Option<usize>,
    /// Depth of `x+`.
    children: Option<usize>,
    method: String,
    /// What stands behind the method's dots.
    args: Vec<String>,
    value: String,
}

type Matcher = Box<dyn Fn(&Graph, &Node) -> bool>;

impl Selector {
    fn parse(spec: &str) -> Result<Self> {
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
        let mut children = None;
        if let Some(plus) = rest.rfind('+')
            && rest[plus + 1..].chars().all(|c| c.is_ascii_digit())
        {
            children = Some(depth(spec, &rest[plus + 1..])?);
            rest = &rest[..plus];
        }
        if children_parents && children.is_some() {
            return Err(Error::bad_selector(spec, "has both `@` and a `+` at its end; `@` includes the descendants"));
        }
        let named = rest.split_once(':').filter(|(method, _)| {
            !method.is_empty() && method.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.')
        });
        let (method, value) = match named {
            Some((method, value)) => (method, value),
            None if rest.contains('/') => ("path", rest),
            None if [".sql", ".csv", ".py"].iter().any(|end| rest.to_lowercase().ends_with(end)) => ("file", rest),
            None => ("fqn", rest),
        };
        if value.is_empty() {
            return Err(Error::bad_selector(spec, "names nothing"));
        }
        let mut parts = method.split('.').map(str::to_owned);
        let method = parts.next().unwrap_or_default();
        if !METHODS.contains(&method.as_str()) {
            return Err(Error::unknown_method(spec, &method, &METHODS));
        }
        let args = parts.collect();
        Ok(Self { spec: spec.into(), children_parents, parents, children, method, args, value: value.into() })
    }

    fn glob(&self, pattern: &str, crosses_folders: bool) -> Result<GlobMatcher> {
        GlobBuilder::new(pattern)
            .literal_separator(!crosses_folders)
            .build()
            .map(|glob| glob.compile_matcher())
            .map_err(|error| Error::bad_selector(&self.spec, &format!("is no pattern: {}", error.kind())))
    }

    fn matcher(&self) -> Result<Matcher> {
        let value = self.value.clone();
        if self.method != "config" && !self.args.is_empty() {
            return Err(Error::bad_selector(
                &self.spec,
                &format!("gives `{}:` an argument that it does not take", self.method),
            ));
        }
        Ok(match self.method.as_str() {
            "fqn" => self.fqn_matcher()?,
            "tag" => {
                let glob = self.glob(&value, true)?;
                Box::new(move |_, node| node.config.tags.iter().any(|tag| glob.is_match(tag)))
            }
            "path" => {
                let trimmed = value.trim_start_matches("./").trim_end_matches('/').to_owned();
                let glob = self.glob(&trimmed, false)?;
                Box::new(move |_, node| {
                    let patch = node.patch.as_ref().map(|place| place.source.path.as_path());
                    let own = node.original_path();
                    own.ancestors().any(|path| glob.is_match(path)) || patch.is_some_and(|path| glob.is_match(path))
                })
            }
            "file" => {
                let glob = self.glob(&value, true)?;
                Box::new(move |_, node| {
                    let path = node.original_path();
                    let is_match = |name: Option<&std::ffi::OsStr>| name.is_some_and(|name| glob.is_match(name));
                    is_match(path.file_name()) || is_match(path.file_stem())
                })
            }
            "source" => self.source_matcher()?,
            "package" => Box::new(move |graph, _| value == "this" || value == graph.project || value == "*"),
            "resource_type" => {
                let kinds = NodeKind::ALL;
                let Some(kind) = kinds.into_iter().find(|kind| kind.name() == value) else {
                    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                    return Err(Error::bad_selector_value(&self.spec, &value, &names));
                };
                Box::new(move |_, node| node.kind == kind)
            }
            "test_type" => {
                let names = ["generic", "singular", "data", "unit"];
                if !names.contains(&value.as_str()) {
                    return Err(Error::bad_selector_value(&self.spec, &value, &names));
                }
                if value == "unit" {
                    return Ok(Box::new(|_, node| node.kind == NodeKind::UnitTest));
                }
                Box::new(move |_, node| {
                    node.test.as_ref().is_some_and(|test| match value.as_str() {
                        "generic" => test.generic.is_some(),
                        "singular" => test.generic.is_none(),
                        "data" => true,
                        _ => false,
                    })
                })
            }
            "unit_test" => {
                let glob = self.glob(&value, true)?;
                Box::new(move |_, node| node.kind == NodeKind::UnitTest && glob.is_match(&node.name))
            }
            "test_name" => {
                let glob = self.glob(&value, true)?;
                Box::new(move |_, node| {
                    let generic = node.test.as_ref().and_then(|test| test.generic.as_ref());
                    generic.is_some_and(|generic| glob.is_match(&generic.test))
                })
            }
            _ => {
                if self.args.is_empty() {
                    return Err(Error::bad_selector(&self.spec, "needs a key: `config.materialized:table`"));
                }
                let args = self.args.clone();
                Box::new(move |_, node| config_matches(node, &args, &value))
            }
        })
    }

    fn fqn_matcher(&self) -> Result<Matcher> {
        let is_wild = |part: &str| part.contains(['*', '?', '[', ']']);
        let parts: Vec<String> = self.value.split('.').map(str::to_owned).collect();
        let fixed = parts.iter().take_while(|part| !is_wild(part)).count();
        let leaf = self.value.clone();
        let any = if fixed < parts.len() { Some(self.glob(&parts[fixed..].join("."), true)?) } else { None };
        let is_plain_glob = any.is_some() && parts.len() == 1;
        Ok(Box::new(move |_, node| {
            if node.kind == NodeKind::Source {
                return false;
            }
            if node.name == leaf {
                return true;
            }
            if is_plain_glob && any.as_ref().is_some_and(|glob| glob.is_match(&node.name)) {
                return true;
            }
            let flat: Vec<&str> = node.fqn.iter().flat_map(|part| part.split('.')).collect();
            [flat.as_slice(), flat.get(1..).unwrap_or_default()].iter().any(|fqn| {
                fqn.len() >= parts.len()
                    && parts.iter().zip(fqn.iter()).take(fixed).all(|(part, own)| part == own)
                    && any.as_ref().is_none_or(|glob| glob.is_match(fqn[fixed..].join(".")))
            })
        }))
    }

    fn source_matcher(&self) -> Result<Matcher> {
        let parts: Vec<&str> = self.value.split('.').collect();
        let (package, source, table) = match parts.as_slice() {
            [source] => (None, *source, None),
            [source, table] => (None, *source, Some(*table)),
            [package, source, table] => (Some((*package).to_owned()), *source, Some(*table)),
            _ => return Err(Error::bad_selector(&self.spec, "has more parts than package, source and table")),
        };
        let source = self.glob(source, true)?;
        let table = table.map(|table| self.glob(table, true)).transpose()?;
        Ok(Box::new(move |graph, node| {
            node.source_name.as_ref().is_some_and(|name| source.is_match(name))
                && table.as_ref().is_none_or(|table| table.is_match(&node.name))
                && package.as_ref().is_none_or(|package| package == "*" || *package == graph.project)
        }))
    }
}

fn depth(spec: &str, digits: &str) -> Result<usize> {
    if digits.is_empty() {
        return Ok(usize::MAX);
    }
    digits.parse().map_err(|_| Error::bad_selector(spec, "has a depth that is too large"))
}

fn config_matches(node: &Node, path: &[String], wanted: &str) -> bool {
    let mut keys = path.iter();
    let Some(mut value) = keys.next().and_then(|key| node.raw_config.get(key)) else { return false };
    for key in keys {
        let Some(next) = value.get(key) else { return false };
        value = next;
    }
    let is_equal = |value: &Value| match value {
        Value::String(text) => text == wanted,
        Value::Bool(flag) => flag.to_string() == wanted.to_lowercase(),
        Value::Number(number) => number.to_string() == wanted,
        _ => false,
    };
    match value {
        Value::Array(items) => items.iter().any(is_equal),
        Value::Object(map) => map.contains_key(wanted),
        other => is_equal(other),
    }
}

#[cfg(test)]
mod tests;
