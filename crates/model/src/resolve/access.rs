//! dbt's rules about groups and access: which nodes may read a model.
//!
//! Rules: <https://docs.getdbt.com/reference/resource-configs/access>. Knows names and configuration. Runs nothing.

use std::collections::HashMap;

use crate::config::{key_in_sql, key_in_yaml};
use crate::graph::{Access, Call, Materialized, NodeId, NodeKind};
use crate::messages;
use crate::parse::ProjectParser;
use elt_project::INLINE_PATH;

impl ProjectParser<'_> {
    /// Reports invalid values of `group` and `access`, and references to private models from outside of their group.
    pub(crate) fn access_errors(&mut self, targets: &HashMap<Call, NodeId>) {
        let groups: Vec<&str> = self.project.properties.groups.iter().map(|group| group.name.as_str()).collect();
        let mut errors = Vec::new();
        for draft in &self.drafts {
            let node = &draft.node;
            let at = |key: &str| {
                let yaml = node.patch.as_ref().and_then(|place| key_in_yaml(place, key));
                let sql = key_in_sql(&node.source, key);
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
            // A generic test is in the group of the node that it tests.
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
