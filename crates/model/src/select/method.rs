//! The methods of selectors: the nodes that `tag:`, `path:`, `config.…:` and the other methods match themselves.
//!
//! Follows dbt's methods one by one. Knows nodes, but not their relatives or sets.

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use super::earlier_artifacts::EarlierArtifacts;
use super::pattern::{NamePattern, PathPattern, is_wild};
use super::spec::SelectorCriterion;
use crate::graph::{Access, Graph, Node, NodeId, NodeKind};
use crate::messages;
use elt_base::error::Result;

pub(super) type Matcher<'a> = Box<dyn Fn(&Node) -> bool + 'a>;

impl Graph {
    /// The nodes that a criterion matches, without relatives.
    pub(super) fn matched(
        &self,
        criterion: &SelectorCriterion,
        previous: Option<&EarlierArtifacts>,
    ) -> Result<Vec<NodeId>> {
        let matches = self.matcher(criterion, previous)?;
        Ok(self.nodes.iter().filter(|node| matches(node)).map(|node| node.id).collect())
    }

    fn matcher<'a>(
        &'a self,
        criterion: &'a SelectorCriterion,
        previous: Option<&'a EarlierArtifacts>,
    ) -> Result<Matcher<'a>> {
        let value = criterion.value.as_str();
        let pattern = || NamePattern::new(value);
        Ok(match criterion.method.as_str() {
            "fqn" => fqn(value),
            "tag" => {
                let pattern = pattern();
                Box::new(move |node| node.config.tags.iter().any(|tag| pattern.matches(tag)))
            }
            "path" => {
                let pattern = PathPattern::new(value);
                Box::new(move |node| {
                    let own = node.original_path();
                    let patch = match node.kind {
                        NodeKind::Model | NodeKind::Seed | NodeKind::Snapshot | NodeKind::Analysis => {
                            node.patch.as_ref().map(|place| place.source.path.as_path())
                        }
                        _ => None,
                    };
                    own.ancestors().any(|path| path != Path::new("") && pattern.matches(path))
                        || patch.is_some_and(|path| pattern.matches(path))
                })
            }
            "file" => {
                let pattern = pattern();
                Box::new(move |node| {
                    let path = node.original_path();
                    let is = |name: Option<&OsStr>| name.is_some_and(|name| pattern.matches(&name.to_string_lossy()));
                    is(path.file_name()) || is(path.file_stem())
                })
            }
            "source" => self.source(criterion)?,
            "exposure" => self.packaged(criterion, NodeKind::Exposure)?,
            "unit_test" => self.packaged(criterion, NodeKind::UnitTest)?,
            "package" => {
                let matches = value == "this" || pattern().matches(&self.project);
                Box::new(move |_| matches)
            }
            "group" => {
                let pattern = pattern();
                Box::new(move |node| {
                    let has_one = !matches!(node.kind, NodeKind::Source | NodeKind::Exposure | NodeKind::UnitTest);
                    has_one && node.group().is_some_and(|group| pattern.matches(group))
                })
            }
            "access" => {
                one_of(criterion, &Access::NAMES)?;
                Box::new(move |node| node.kind == NodeKind::Model && node.access().name() == value)
            }
            "resource_type" => {
                let kind = NodeKind::ALL.into_iter().find(|kind| kind.name() == value);
                let names: Vec<&str> = NodeKind::ALL.iter().map(|kind| kind.name()).collect();
                one_of(criterion, &names)?;
                Box::new(move |node| Some(node.kind) == kind)
            }
            "test_type" => {
                one_of(criterion, &["generic", "singular", "data", "unit", "schema"])?;
                Box::new(move |node| {
                    let is_generic = node.test.as_ref().is_some_and(|test| test.generic.is_some());
                    match value {
                        "generic" | "schema" => node.kind == NodeKind::Test && is_generic,
                        "singular" => node.kind == NodeKind::Test && !is_generic,
                        "data" => node.kind == NodeKind::Test,
                        _ => node.kind == NodeKind::UnitTest,
                    }
                })
            }
            "test_name" => {
                let pattern = pattern();
                Box::new(move |node| match node.kind {
                    NodeKind::UnitTest => pattern.matches(&node.name),
                    _ => {
                        let generic = node.test.as_ref().and_then(|test| test.generic.as_ref());
                        generic.is_some_and(|generic| pattern.matches(&generic.test))
                    }
                })
            }
            "version" => {
                one_of(criterion, &["latest", "prerelease", "old", "none"])?;
                // Models have no versions in `elt`.
                Box::new(move |node| node.kind == NodeKind::Model && value == "none")
            }
            "config" => Box::new(move |node| {
                let is_configured = !matches!(node.kind, NodeKind::Exposure | NodeKind::UnitTest);
                is_configured && config_matches(&self.shown_config(node), &criterion.args, value)
            }),
            "state" | "result" | "source_status" => self.compared(criterion, previous)?,
            // `selector:` is resolved when the text is read.
            _ => Box::new(|_| false),
        })
    }

    fn source<'a>(&'a self, criterion: &'a SelectorCriterion) -> Result<Matcher<'a>> {
        let parts: Vec<&str> = criterion.value.split('.').collect();
        let (package, source, table) = match parts.as_slice() {
            [source] => ("*", *source, "*"),
            [source, table] => ("*", *source, *table),
            [package, source, table] => (*package, *source, *table),
            _ => {
                return Err(messages::bad_selector(&criterion.spec, "has more parts than package, source and table"));
            }
        };
        let is_own = NamePattern::new(package).matches(&self.project);
        let (source, table) = (NamePattern::new(source), NamePattern::new(table));
        Ok(Box::new(move |node| {
            let name = node.source_name.as_ref().filter(|_| node.kind == NodeKind::Source && is_own);
            name.is_some_and(|name| source.matches(name)) && table.matches(&node.name)
        }))
    }

    /// `name` or `package.name`, of one kind.
    fn packaged<'a>(&'a self, criterion: &'a SelectorCriterion, kind: NodeKind) -> Result<Matcher<'a>> {
        let parts: Vec<&str> = criterion.value.split('.').collect();
        let (package, name) = match parts.as_slice() {
            [name] => ("*", *name),
            [package, name] => (*package, *name),
            _ => return Err(messages::bad_selector(&criterion.spec, "has more parts than package and name")),
        };
        let is_own = NamePattern::new(package).matches(&self.project);
        let name = NamePattern::new(name);
        Ok(Box::new(move |node| node.kind == kind && is_own && name.matches(&node.name)))
    }
}

pub(super) fn one_of(criterion: &SelectorCriterion, names: &[&str]) -> Result<()> {
    if names.contains(&criterion.value.as_str()) {
        return Ok(());
    }
    Err(messages::bad_selector_value(&criterion.spec, &criterion.value, names))
}

/// Matches a name, or the folders and the name, with or without the project's name before them. From the first part
/// that is a pattern, the rest is matched as a whole. A pattern without dots also matches the name alone.
fn fqn(value: &str) -> Matcher<'_> {
    let parts: Vec<&str> = value.split('.').collect();
    let fixed = parts.iter().take_while(|part| !is_wild(part)).count();
    let rest = (fixed < parts.len()).then(|| NamePattern::new(&parts[fixed..].join(".")));
    let is_plain = parts.len() == 1;
    Box::new(move |node| {
        if node.kind == NodeKind::Source {
            return false;
        }
        let leaf = node.fqn.last().map_or(node.name.as_str(), String::as_str);
        let is_leaf = |name: &str| rest.as_ref().is_some_and(|rest| is_plain && rest.matches(name));
        if leaf == value || is_leaf(leaf) {
            return true;
        }
        let flat: Vec<&str> = node.fqn.iter().flat_map(|part| part.split('.')).collect();
        [flat.as_slice(), flat.get(1..).unwrap_or_default()].iter().any(|fqn| {
            fqn.len() >= parts.len()
                && parts.iter().zip(fqn.iter()).take(fixed).all(|(part, own)| part == own)
                && rest.as_ref().is_none_or(|rest| rest.matches(&fqn[fixed..].join(".")))
        })
    })
}

fn config_matches(config: &serde_json::Map<String, Value>, path: &[String], wanted: &str) -> bool {
    let mut keys = path.iter();
    let Some(mut value) = keys.next().and_then(|key| config.get(key.as_str())) else { return false };
    for key in keys {
        let next = match value {
            Value::Array(items) => key.parse::<usize>().ok().and_then(|at| items.get(at)),
            other => other.get(key),
        };
        let Some(next) = next else { return false };
        value = next;
    }
    let ignores_case = path == ["severity"];
    let is_equal = |value: &Value| match value {
        Value::String(text) => text == wanted || ignores_case && text.eq_ignore_ascii_case(wanted),
        Value::Bool(flag) => flag.to_string().eq_ignore_ascii_case(wanted),
        // dbt never matches numbers, because the command line passes texts. Here, a number matches its text.
        Value::Number(number) => number.to_string() == wanted,
        _ => false,
    };
    match value {
        Value::Array(items) => items.iter().any(is_equal),
        other => is_equal(other),
    }
}
