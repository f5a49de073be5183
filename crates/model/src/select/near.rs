//! Suggestions for a selector that matches nothing. Reads names. Selects nothing.

use std::collections::BTreeSet;
use std::path::Path;

use super::spec::Spec;
use crate::graph::{Graph, NodeKind};
use elt_base::error::nearest;

impl Graph {
    /// At most three names that are similar to the value of a selector.
    pub(super) fn near(&self, spec: &Spec) -> Vec<String> {
        let mut near: Vec<String> = Vec::new();
        for selector in spec.criteria() {
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
                "exposure" => self.named_of(NodeKind::Exposure, "exposure"),
                "unit_test" => self.named_of(NodeKind::UnitTest, "unit_test"),
                "group" => self.groups.iter().map(|group| format!("group:{}", group.name)).collect(),
                "path" => self.folders().into_iter().map(|folder| format!("path:{folder}")).collect(),
                "fqn" | "file" => {
                    self.nodes.iter().filter(|node| node.kind.is_referable()).map(|node| node.name.clone()).collect()
                }
                _ => BTreeSet::new(),
            };
            let bare = |name: &str| name.split_once(':').map_or(name, |(_, value)| value).to_owned();
            let mut left: Vec<(String, String)> = names.into_iter().map(|name| (bare(&name), name)).collect();
            // A part of a name is as similar as a name with one typing error.
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

    fn named_of(&self, kind: NodeKind, method: &str) -> BTreeSet<String> {
        self.nodes.iter().filter(|node| node.kind == kind).map(|node| format!("{method}:{}", node.name)).collect()
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
