//! Exposures as nodes, and dbt's rules about groups and access: who may read a model.
//!
//! Rules: <https://docs.getdbt.com/reference/resource-configs/access>. Knows names and configuration; runs nothing.

use std::collections::HashMap;

use super::config::{Materialized, Of};
use super::config_value::{folder_defaults, merge};
use super::jinja::Call;
use super::node::{Node, NodeId, NodeKind};
use super::parse::{Draft, Heard, Parser, blank_node, key_in_yaml};
use super::template::Setting;
use crate::messages;
use elt_project::INLINE_PATH;

/// Who may `ref()` a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nodes of the same group.
    Private,
    /// All of the project.
    Protected,
    Public,
}

impl Access {
    pub const NAMES: [&str; 3] = ["private", "protected", "public"];

    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Protected => "protected",
            Self::Public => "public",
        }
    }
}

impl Node {
    /// The group it belongs to by its own configuration.
    pub fn group(&self) -> Option<&str> {
        self.raw_config.get("group")?.as_str()
    }

    /// `protected` if nothing is said.
    pub fn access(&self) -> Access {
        match self.raw_config.get("access").and_then(|value| value.as_str()) {
            Some("private") => Access::Private,
            Some("public") => Access::Public,
            _ => Access::Protected,
        }
    }
}

impl Parser<'_> {
    pub(super) fn exposures(&mut self) {
        let project = self.project;
        let name = &project.profiles.name;
        for exposure in &project.properties.exposures {
            let owner = format!("exposure `{}`", exposure.name);
            let mut fqn = vec![name.clone()];
            fqn.extend(self.yaml_folders(&exposure.place.source.path));
            fqn.push(exposure.name.clone());
            let mut raw = folder_defaults(&project.profiles.defaults.exposures, &fqn);
            merge(&mut raw, exposure.config.clone());
            let config = self.config(&raw, Of::Other, &owner, &exposure.place, None);
            if !config.enabled {
                self.disabled_fqns.push((NodeKind::Exposure, fqn));
                continue;
            }
            let mut calls = Vec::new();
            for (text, place) in &exposure.depends_on {
                let text = text.trim().trim_start_matches("{{").trim_end_matches("}}");
                let rendered =
                    self.templates.render_text(&owner, &format!("{{{{ {text} }}}}"), place, Setting::default());
                match rendered {
                    Ok(rendered) if rendered.heard.calls.is_empty() => {
                        self.errors.push(messages::exposure_reads_nothing(&exposure.name, place.clone()));
                    }
                    Ok(rendered) => {
                        calls.extend(rendered.heard.calls.into_iter().map(|call| Heard { call, number: None }));
                    }
                    Err(error) => self.errors.push(error),
                }
            }
            // Sources come first, as dbt lists them.
            calls.sort_by_key(|heard| matches!(heard.call, Call::Ref(_)));
            let mut node = blank_node(NodeKind::Exposure, &exposure.name, &exposure.place.source, config);
            node.unique_id = format!("exposure.{name}.{}", exposure.name);
            node.fqn = fqn;
            node.patch = Some(exposure.place.clone());
            node.unrendered_config = raw.clone();
            node.raw_config = raw;
            node.description = exposure.description.clone();
            node.exposure = Some(Box::new(exposure.clone()));
            self.drafts.push(Draft { node, calls });
        }
    }

    /// Values of `group` and `access` that mean nothing, and references to private models from outside of their group.
    pub(super) fn access_errors(&mut self, targets: &HashMap<Call, NodeId>) {
        let groups: Vec<&str> = self.project.properties.groups.iter().map(|group| group.name.as_str()).collect();
        let mut errors = Vec::new();
        for draft in &self.drafts {
            let node = &draft.node;
            let at = |key: &str| {
                let yaml = node.patch.as_ref().and_then(|place| key_in_yaml(place, key));
                let sql = super::parse::key_in_sql(&node.source, key);
                sql.or(yaml).unwrap_or_else(|| node.place())
            };
            if let Some(group) = node.group().filter(|group| !groups.contains(group)) {
                errors.push(messages::unknown_group(&node.described(), group, &groups, at("group")));
            }
            if node.kind != NodeKind::Model {
                continue;
            }
            if let Some(value) = node.raw_config.get("access") {
                let word = value.as_str().unwrap_or_default();
                if !Access::NAMES.contains(&word) {
                    errors.push(messages::bad_access(&node.described(), word, at("access")));
                } else if word == "public" && node.config.materialized == Materialized::Ephemeral {
                    errors.push(messages::public_ephemeral(&node.described(), at("access")));
                }
            }
        }
        for draft in &self.drafts {
            let node = &draft.node;
            if node.source.path == std::path::Path::new(INLINE_PATH) {
                continue;
            }
            // A generic test stands in the group of what it tests.
            let owner = node.test.as_ref().and_then(|test| test.owner);
            let own = owner.map_or(node, |owner| &self.drafts[owner.index()].node).group();
            let mut blamed = Vec::new();
            for heard in &draft.calls {
                let Some(id) = targets.get(&heard.call) else { continue };
                let target = &self.drafts[id.index()].node;
                let is_private = target.kind == NodeKind::Model && target.access() == Access::Private;
                if is_private && (own.is_none() || own != target.group()) && !blamed.contains(id) {
                    blamed.push(*id);
                    let place = self.call_place(draft, heard);
                    errors.push(messages::private_ref(&node.described(), &target.name, target.group(), place));
                }
            }
        }
        self.errors.extend(errors);
    }
}
