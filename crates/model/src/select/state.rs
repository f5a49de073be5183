//! `state:`, `result:` and `source_status:`: the differences from the artifacts of an earlier run of `elt` or dbt.
//!
//! Compares as dbt does (<https://docs.getdbt.com/reference/node-selection/state-comparison-caveats>). Accepts the
//! artifacts as values. Opens no file.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::earlier_artifacts::EarlierArtifacts;
use super::method::{Matcher, one_of};
use super::spec::SelectorCriterion;
use crate::config::canonical;
use crate::graph::{Graph, Node, NodeKind};
use crate::messages;
use elt_base::error::Result;

const STATES: [&str; 10] = [
    "new",
    "old",
    "modified",
    "unmodified",
    "modified.body",
    "modified.configs",
    "modified.persisted_descriptions",
    "modified.relation",
    "modified.macros",
    "modified.contract",
];
/// dbt's statuses of nodes.
const STATUSES: [&str; 9] =
    ["success", "error", "fail", "warn", "pass", "skipped", "partial success", "runtime error", "no-op"];
/// Maps of a manifest that may contain a node.
const MAPS: [&str; 4] = ["nodes", "sources", "exposures", "unit_tests"];

impl Graph {
    pub(super) fn compared<'a>(
        &'a self,
        criterion: &'a SelectorCriterion,
        previous: Option<&'a EarlierArtifacts>,
    ) -> Result<Matcher<'a>> {
        let missing = |what: &str| messages::no_state(&criterion.spec, what);
        let value = criterion.value.as_str();
        match criterion.method.as_str() {
            "state" => {
                one_of(criterion, &STATES)?;
                let manifest = previous.and_then(|state| state.manifest.as_ref());
                let manifest = manifest.ok_or_else(|| missing("manifest.json"))?;
                let state = StateComparison { graph: self, manifest, macros: OnceCell::new() };
                Ok(Box::new(move |node| state.matches(node, value)))
            }
            "result" => {
                one_of(criterion, &STATUSES)?;
                let results = previous.and_then(|state| state.run_results.as_ref());
                let results = results.ok_or_else(|| missing("run_results.json"))?;
                let all = results.get("results").and_then(Value::as_array).into_iter().flatten();
                let of_status = all.filter(|result| result.get("status").and_then(Value::as_str) == Some(value));
                let ids: HashSet<&str> =
                    of_status.filter_map(|result| result.get("unique_id").and_then(Value::as_str)).collect();
                Ok(Box::new(move |node| ids.contains(node.unique_id.as_str())))
            }
            _ => {
                one_of(criterion, &["fresher"])?;
                let before = previous.and_then(|state| state.sources.as_ref());
                let before = loaded(before.ok_or_else(|| missing("sources.json"))?);
                let now = previous.and_then(|state| state.sources_now.as_ref());
                let now = loaded(now.ok_or_else(|| missing("present sources.json in `target/`"))?);
                Ok(Box::new(move |node| {
                    let id = node.unique_id.as_str();
                    match (now.get(id), before.get(id)) {
                        (Some(now), Some(before)) => now > before,
                        (now, None) => now.is_some(),
                        _ => false,
                    }
                }))
            }
        }
    }
}

/// The time of each source's last load in a `sources.json`. Sources whose freshness could not be found are not
/// included.
fn loaded(sources: &Value) -> HashMap<&str, chrono::DateTime<chrono::Utc>> {
    let all = sources.get("results").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|result| {
        let at = result.get("max_loaded_at")?.as_str()?;
        let at = chrono::DateTime::parse_from_rfc3339(at).ok()?;
        Some((result.get("unique_id")?.as_str()?, at.to_utc()))
    })
    .collect()
}

/// An earlier manifest, to compare with the present graph.
struct StateComparison<'a> {
    graph: &'a Graph,
    manifest: &'a Value,
    /// Ids of the project's macros that are new, changed or removed, and of the macros that call them.
    macros: OnceCell<HashSet<String>>,
}

impl StateComparison<'_> {
    fn matches(&self, node: &Node, state: &str) -> bool {
        let old = MAPS.iter().find_map(|map| self.manifest.get(map)?.get(&node.unique_id));
        let has_body = !matches!(node.kind, NodeKind::Source | NodeKind::Exposure | NodeKind::UnitTest);
        // For a new node, every part that it has counts as different.
        let part = |has_it: bool, is_same: &dyn Fn(&Value) -> bool| has_it && old.is_none_or(|old| !is_same(old));
        match state {
            "new" => old.is_none(),
            "old" => old.is_some(),
            "modified" => self.is_modified(node, old),
            "unmodified" => !self.is_modified(node, old),
            "modified.body" => part(has_body, &|old| self.same_body(node, old)),
            "modified.configs" => part(node.kind != NodeKind::UnitTest, &|old| self.same_config(node, old)),
            "modified.persisted_descriptions" => part(has_body, &|old| same_descriptions(node, old)),
            "modified.relation" => {
                let has_relation = has_body || node.kind == NodeKind::Source;
                part(has_relation, &|old| self.same_relation(node, old))
            }
            "modified.macros" => self.macros_modified(node),
            _ => part(has_body, &|old| self.same_contract(node, old)),
        }
    }

    fn is_modified(&self, node: &Node, old: Option<&Value>) -> bool {
        let Some(old) = old else {
            // dbt counts new sources and exposures as unchanged, because nothing must be built for them.
            return !matches!(node.kind, NodeKind::Source | NodeKind::Exposure);
        };
        let same_fqn = old.get("fqn") == Some(&node.fqn.clone().into());
        let is_same = match node.kind {
            NodeKind::Source => same_fqn && self.same_relation(node, old) && self.same_config(node, old),
            NodeKind::Exposure => same_fqn && self.same_exposure(node, old) && self.same_config(node, old),
            NodeKind::UnitTest => old.get("checksum").and_then(Value::as_str) == Some(&node.checksum),
            NodeKind::Test if node.test.as_ref().is_some_and(|test| test.generic.is_some()) => {
                same_fqn && self.same_config(node, old)
            }
            _ => {
                let text = |key: &str| old.get(key).and_then(Value::as_str);
                let same_access = node.kind != NodeKind::Model
                    || text("access").unwrap_or("protected") == node.access().name()
                        && text("deprecation_date").is_none();
                same_fqn
                    && same_access
                    && self.same_body(node, old)
                    && self.same_config(node, old)
                    && self.same_relation(node, old)
                    && self.same_contract(node, old)
                    && same_descriptions(node, old)
            }
        };
        !is_same || self.macros_modified(node)
    }

    fn same_body(&self, node: &Node, old: &Value) -> bool {
        match node.kind {
            NodeKind::Seed => {
                let new = self.graph.seed_checksum(node);
                old.get("checksum").is_some_and(|old| *old == new)
            }
            _ => {
                let entry = self.graph.raw_code(node);
                old.get("raw_code").and_then(Value::as_str).unwrap_or_default() == entry
            }
        }
    }

    /// Compares the contents of files, key by key.
    fn same_config(&self, node: &Node, old: &Value) -> bool {
        const NOT_COMPARED: [&str; 5] = ["alias", "schema", "database", "tags", "group"];
        const OF_TESTS: [&str; 8] =
            ["severity", "where", "limit", "fail_calc", "warn_if", "error_if", "store_failures", "store_failures_as"];
        let none = Map::new();
        let old = old.get("unrendered_config").and_then(Value::as_object).unwrap_or(&none);
        let new = self.graph.unrendered_config(node);
        let is_compared = |key: &str| match node.kind {
            NodeKind::Test => OF_TESTS.contains(&key),
            NodeKind::Source | NodeKind::Exposure => true,
            _ => !NOT_COMPARED.contains(&key),
        };
        let named = |map: &Map<String, Value>, key: &str| {
            let other = key.replace('_', "-");
            map.get(key).or_else(|| map.get(&other)).cloned()
        };
        let keys = old.keys().chain(new.keys()).map(|key| canonical(key));
        keys.filter(|key| is_compared(key)).all(|key| named(old, &key) == named(&new, &key))
    }

    fn same_relation(&self, node: &Node, old: &Value) -> bool {
        if node.kind == NodeKind::Source {
            let is = |key: &str, own: &str| old.get(key).and_then(Value::as_str).is_none_or(|old| old == own);
            return is("schema", &node.relation.schema) && is("identifier", &node.relation.identifier);
        }
        let none = Value::Null;
        let old = old.get("unrendered_config").unwrap_or(&none);
        let new = &node.unrendered_config;
        ["database", "schema", "alias"].iter().all(|key| old.get(key) == new.get(*key))
    }

    fn same_contract(&self, node: &Node, old: &Value) -> bool {
        let new = self.graph.contract(node);
        let old = old.get("contract");
        let enforced = |contract: Option<&Value>| {
            contract.and_then(|contract| contract.get("enforced")).and_then(Value::as_bool).unwrap_or(false)
        };
        match (enforced(old), enforced(Some(&new))) {
            (false, false) => true,
            (true, true) => old.and_then(|old| old.get("checksum")) == new.get("checksum"),
            _ => false,
        }
    }

    fn same_exposure(&self, node: &Node, old: &Value) -> bool {
        let entry = self.graph.exposure_entry(node);
        let ids = |entry: &Value| -> HashSet<String> {
            let nodes = entry.pointer("/depends_on/nodes").and_then(Value::as_array).into_iter().flatten();
            nodes.filter_map(|id| id.as_str().map(str::to_owned)).collect()
        };
        let keys = ["type", "owner", "maturity", "url", "description", "label"];
        keys.iter().all(|key| entry.get(key) == old.get(key)) && ids(&entry) == ids(old)
    }

    fn macros_modified(&self, node: &Node) -> bool {
        let modified = self.macros.get_or_init(|| self.graph.changed_macros(self.manifest));
        !modified.is_empty() && self.graph.macros_of(node).iter().any(|id| modified.contains(id))
    }
}

/// Descriptions are compared if they are written into the database.
fn same_descriptions(node: &Node, old: &Value) -> bool {
    let persists = |what: &str| {
        let persist = node.raw_config.get("persist_docs");
        persist.and_then(|persist| persist.get(what)).and_then(Value::as_bool).unwrap_or(false)
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    if persists("relation") && text(old.get("description")) != node.description {
        return false;
    }
    if !persists("columns") {
        return true;
    }
    let columns = old.get("columns").and_then(Value::as_object);
    let old: HashMap<String, String> =
        columns.into_iter().flatten().map(|(name, column)| (name.clone(), text(column.get("description")))).collect();
    let new = node.columns.iter().map(|column| (column.name.clone(), column.description.clone())).collect();
    old == new
}
