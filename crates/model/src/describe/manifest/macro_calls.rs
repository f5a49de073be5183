//! The project's macros: their texts, their calls of each other, and the ones that differ from an earlier state.
//!
//! Finds calls in the text of the templates. Renders nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::graph::{Graph, Node};

/// A macro's text from its opening tag to its closing one.
pub(crate) struct MacroText<'a> {
    pub name: String,
    pub text: &'a str,
    pub path: String,
}

static OPEN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\{%[-+]?\s*(macro|test|data_test|materialization)\s+([A-Za-z_]\w*)").ok());
static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)\{\{.*?\}\}|\{%.*?%\}").ok());
static WORD: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[A-Za-z_]\w*").ok());

impl Graph {
    /// Ids of the project's macros that are called by a node's template, by its hooks or, for a generic test, by its
    /// name.
    pub(crate) fn macros_of(&self, node: &Node) -> Vec<String> {
        if self.macros.names.is_empty() {
            return Vec::new();
        }
        if let Some(generic) = node.test.as_ref().and_then(|test| test.generic.as_ref()) {
            return if self.has_own_test(&generic.test) {
                vec![self.macro_id(&format!("test_{}", generic.test))]
            } else {
                Vec::new()
            };
        }
        let mut ids = self.calls(node.raw_text());
        for hook in node.config.pre_hook.iter().chain(&node.config.post_hook) {
            for id in self.calls(hook) {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        ids
    }

    /// Ids of the project's macros that are new, removed or changed compared with a manifest, and of all macros that
    /// call one of those.
    pub(crate) fn changed_macros(&self, manifest: &Value) -> HashSet<String> {
        let prefix = format!("macro.{}.", self.project);
        let old: BTreeMap<&str, &str> = manifest
            .get("macros")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(id, _)| id.starts_with(&prefix))
            .map(|(id, entry)| (id.as_str(), entry.get("macro_sql").and_then(Value::as_str).unwrap_or_default()))
            .collect();
        let blocks = self.blocks();
        let mut changed: HashSet<String> = blocks
            .iter()
            .map(|block| (self.macro_id(&block.name), block.text))
            .filter(|(id, text)| old.get(id.as_str()) != Some(text))
            .map(|(id, _)| id)
            .collect();
        if changed.is_empty() {
            return changed;
        }
        loop {
            let before = changed.len();
            for block in &blocks {
                if self.calls(block.text).iter().any(|id| changed.contains(id)) {
                    changed.insert(self.macro_id(&block.name));
                }
            }
            if changed.len() == before {
                return changed;
            }
        }
    }

    pub(crate) fn macro_id(&self, name: &str) -> String {
        format!("macro.{}.{name}", self.project)
    }

    pub(crate) fn blocks(&self) -> Vec<MacroText<'_>> {
        let mut blocks = Vec::new();
        let Some(open) = OPEN.as_ref() else { return blocks };
        for source in &self.macros.files {
            for found in open.captures_iter(&source.text) {
                let (Some(start), Some(kind), Some(name)) = (found.get(0), found.get(1), found.get(2)) else {
                    continue;
                };
                let prefix = if kind.as_str().ends_with("test") { "test_" } else { "" };
                let rest = &source.text[start.start()..];
                let close = Regex::new(&format!(r"\{{%[-+]?\s*end{}\s*[-+]?%\}}", kind.as_str())).ok();
                let end = close.and_then(|close| close.find(rest)).map_or(rest.len(), |end| end.end());
                blocks.push(MacroText {
                    name: format!("{prefix}{}", name.as_str()),
                    text: &rest[..end],
                    path: source.path.display().to_string(),
                });
            }
        }
        blocks
    }

    /// Ids of the project's macros that the Jinja of a text names, each once.
    pub(crate) fn calls(&self, text: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let (Some(tag), Some(word)) = (TAG.as_ref(), WORD.as_ref()) else { return ids };
        for tag in tag.find_iter(text) {
            for word in word.find_iter(tag.as_str()) {
                if self.macros.has(word.as_str()) {
                    let id = self.macro_id(word.as_str());
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
            }
        }
        ids
    }
}
