//! A node's configuration as dbt's artifacts show it: all keys of its kind, with dbt's defaults for keys that are not
//! set.
//!
//! Keys and defaults: the schema of the manifest, v12. Pure.

use serde_json::{Map, Value, json};

use crate::config::{repr, texts};
use crate::graph::{Graph, Node, NodeKind};
use elt_project::ConstraintKind;

impl Graph {
    /// The whole configuration, dbt's keys first.
    pub(crate) fn shown_config(&self, node: &Node) -> Map<String, Value> {
        let mut shown = defaults(node.kind);
        for (key, value) in &node.raw_config {
            let key = key.as_str();
            match (key, value) {
                (_, Value::Null) => {}
                ("pre_hook" | "post_hook", value) => {
                    shown.insert(key.replace('_', "-"), hooks(value));
                }
                ("tags", value) => {
                    let mut tags = texts(Some(value));
                    if node.kind == NodeKind::Source {
                        tags.sort();
                    }
                    shown.insert("tags".into(), tags.into());
                }
                ("docs" | "contract" | "snapshot_meta_column_names", Value::Object(over)) => {
                    if let Some(Value::Object(under)) = shown.get_mut(key) {
                        under.extend(over.clone());
                    }
                }
                ("freshness", value) if node.kind == NodeKind::Source => {
                    shown.insert("freshness".into(), freshness(Some(value)));
                }
                _ => {
                    shown.insert(key.into(), value.clone());
                }
            }
        }
        if node.kind == NodeKind::Test && node.config.test.store_failures {
            shown.entry("store_failures_as").and_modify(|kind| {
                if kind.is_null() {
                    *kind = "table".into();
                }
            });
        }
        shown
    }

    /// dbt's `unrendered_config`.
    pub(crate) fn unrendered_config(&self, node: &Node) -> Map<String, Value> {
        let mut shown = node.unrendered_config.clone();
        if node.kind == NodeKind::Source {
            let mut tags = texts(shown.get("tags"));
            tags.sort();
            shown.insert("tags".into(), tags.into());
            shown.entry("loaded_at_field").or_insert(Value::Null);
            shown.entry("loaded_at_query").or_insert(Value::Null);
            shown.entry("meta").or_insert_with(|| json!({}));
        }
        shown
    }

    /// dbt's `contract`, with the checksum of the columns if it is enforced.
    pub(crate) fn contract(&self, node: &Node) -> Value {
        let contract = node.raw_config.get("contract");
        let flag = |key: &str| contract.and_then(|contract| contract.get(key)).and_then(Value::as_bool);
        let enforced = flag("enforced").unwrap_or(false);
        let checksum = (enforced && node.kind == NodeKind::Model).then(|| contract_checksum(node));
        json!({ "enforced": enforced, "alias_types": flag("alias_types").unwrap_or(true), "checksum": checksum })
    }
}

/// SHA-256 over the columns in the order of their names, and over the model's own constraints if the materialization
/// enforces them. The text is dbt's, so that its checksum and ours are equal.
fn contract_checksum(node: &Node) -> String {
    let constraint = |constraint: &elt_project::Constraint, is_model: bool| {
        let text = |text: &Option<String>| text.as_deref().map_or("None".into(), repr::quoted);
        let list = |items: &[String]| {
            let items: Vec<String> = items.iter().map(|item| repr::quoted(item)).collect();
            format!("[{}]", items.join(", "))
        };
        let kind = constraint_name(constraint.kind);
        let class = if is_model { "ModelLevelConstraint" } else { "ColumnLevelConstraint" };
        let columns = if is_model { format!(", columns={}", list(&constraint.columns)) } else { String::new() };
        format!(
            "{class}(type=<ConstraintType.{kind}: '{kind}'>, name={}, expression={}, warn_unenforced=True, \
             warn_unsupported=True, to={}, to_columns={}{columns})",
            text(&constraint.name),
            text(&constraint.expression),
            text(&constraint.to),
            list(&constraint.to_columns),
        )
    };
    let list = |all: &[elt_project::Constraint], is_model: bool| {
        let all: Vec<String> = all.iter().map(|one| constraint(one, is_model)).collect();
        format!("[{}]", all.join(", "))
    };
    let mut columns: Vec<_> = node.columns.iter().collect();
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    let mut text = String::new();
    for column in columns {
        let data_type = column.data_type.as_deref().unwrap_or("None");
        text.push_str(&format!("|{}{data_type}{}", column.name, list(&column.constraints, false)));
    }
    let materialized = node.config.materialized.name();
    if matches!(materialized, "table" | "incremental") {
        text.push_str(materialized);
        text.push_str(&list(own_constraints(node), true));
    }
    elt_base::digest::sha256(&text)
}

/// The constraints of the model itself. Those of its columns follow.
pub(super) fn own_constraints(node: &Node) -> &[elt_project::Constraint] {
    let of_columns: usize = node.columns.iter().map(|column| column.constraints.len()).sum();
    &node.constraints[..node.constraints.len().saturating_sub(of_columns)]
}

pub(super) fn constraint_name(kind: ConstraintKind) -> &'static str {
    match kind {
        ConstraintKind::NotNull => "not_null",
        ConstraintKind::Unique => "unique",
        ConstraintKind::PrimaryKey => "primary_key",
        ConstraintKind::ForeignKey => "foreign_key",
        ConstraintKind::Check => "check",
        ConstraintKind::Custom => "custom",
    }
}

fn hooks(value: &Value) -> Value {
    let one = |hook: &Value| match hook {
        Value::Object(map) => {
            let mut full = json!({ "sql": "", "transaction": true, "index": null });
            if let Some(full) = full.as_object_mut() {
                full.extend(map.clone());
            }
            full
        }
        text => json!({ "sql": text, "transaction": true, "index": null }),
    };
    match value {
        Value::Array(all) => all.iter().map(one).collect(),
        single => json!([one(single)]),
    }
}

/// A source's freshness with all its keys.
pub(super) fn freshness(value: Option<&Value>) -> Value {
    let time = |key: &str| {
        let at = |part: &str| value.and_then(|value| value.get(key)).and_then(|time| time.get(part)).cloned();
        json!({ "count": at("count"), "period": at("period") })
    };
    let filter = value.and_then(|value| value.get("filter")).cloned();
    json!({ "warn_after": time("warn_after"), "error_after": time("error_after"), "filter": filter })
}

fn defaults(kind: NodeKind) -> Map<String, Value> {
    let all = match kind {
        NodeKind::Source => json!({
            "enabled": true, "event_time": null, "freshness": freshness(None), "loaded_at_field": null,
            "loaded_at_query": null, "meta": {}, "tags": [], "static_analysis": null,
        }),
        NodeKind::Exposure => json!({ "enabled": true, "tags": [], "meta": {} }),
        NodeKind::UnitTest => json!({ "tags": [], "meta": {}, "enabled": true, "static_analysis": null }),
        NodeKind::Test => json!({
            "enabled": true, "alias": null, "schema": "dbt_test__audit", "database": null, "tags": [], "meta": {},
            "group": null, "static_analysis": null, "materialized": "test", "severity": "ERROR",
            "store_failures": null, "store_failures_as": null, "where": null, "limit": null,
            "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0",
        }),
        NodeKind::Model | NodeKind::Seed | NodeKind::Snapshot | NodeKind::Analysis => {
            let mut all = json!({
                "enabled": true, "alias": null, "schema": null, "database": null, "tags": [], "meta": {},
                "group": null, "static_analysis": null, "materialized": "view", "incremental_strategy": null,
                "batch_size": null, "lookback": 1, "begin": null, "persist_docs": {}, "post-hook": [],
                "pre-hook": [], "quoting": {}, "column_types": {}, "full_refresh": null, "unique_key": null,
                "on_schema_change": "ignore", "on_configuration_change": "apply", "grants": {}, "packages": [],
                "docs": { "show": true, "node_color": null },
                "contract": { "enforced": false, "alias_types": true }, "event_time": null,
                "concurrent_batches": null,
            });
            let more = match kind {
                NodeKind::Model => json!({ "access": "protected", "freshness": null }),
                NodeKind::Seed => json!({ "materialized": "seed", "delimiter": ",", "quote_columns": null }),
                NodeKind::Snapshot => json!({
                    "materialized": "snapshot", "strategy": null, "target_schema": null, "target_database": null,
                    "updated_at": null, "check_cols": null,
                    "snapshot_meta_column_names": {
                        "dbt_valid_to": null, "dbt_valid_from": null, "dbt_scd_id": null, "dbt_updated_at": null,
                        "dbt_is_deleted": null,
                    },
                    "dbt_valid_to_current": null,
                }),
                _ => json!({}),
            };
            if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
                all.extend(more);
            }
            all
        }
    };
    match all {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
