//! Folder defaults that no node takes, and those that ask for what is not supported.
//!
//! Knows the folders as they are written and the nodes' names; changes no configuration.

use super::node::NodeKind;
use super::parse::Parser;
use crate::error::Error;

impl Parser<'_> {
    /// A warning for each folder of folder defaults that no node lies in.
    pub(super) fn unused_defaults(&mut self) {
        let nodes = self.drafts.iter().map(|draft| &draft.node).chain(&self.disabled_nodes);
        let mut names: Vec<(NodeKind, Vec<String>)> = std::mem::take(&mut self.disabled_fqns);
        names.extend(nodes.map(|node| (node.kind, node.fqn.clone())));
        let mut blamed: Vec<(&str, &[String])> = Vec::new();
        let mut unused = Vec::new();
        for folder in &self.project.default_folders {
            let kind = match folder.key {
                "models" => NodeKind::Model,
                "seeds" => NodeKind::Seed,
                "snapshots" => NodeKind::Snapshot,
                "unit_tests" => NodeKind::UnitTest,
                "sources" => NodeKind::Source,
                "exposures" => NodeKind::Exposure,
                _ => NodeKind::Test,
            };
            let holds = |(of, fqn): &(NodeKind, Vec<String>)| {
                *of == kind && fqn.get(1..).is_some_and(|below| below.starts_with(&folder.path))
            };
            let is_said = blamed.iter().any(|(key, path)| *key == folder.key && folder.path.starts_with(path));
            if folder.path.is_empty() || is_said || names.iter().any(holds) {
                continue;
            }
            blamed.push((folder.key, &folder.path));
            let shown = format!("{}.{}", folder.key, folder.path.join("."));
            unused.push(Error::unused_folder(&shown, folder.place.clone()));
        }
        unused.sort_by_key(|error| error.places().first().map(|place| place.span.start));
        self.warnings.extend(unused);
    }
}
