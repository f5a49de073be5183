//! A node's configuration: the meaning and the accepted values of each key of `config()` and `config:`.
//!
//! Reads one merged map. Does not know where its keys come from: `parse` adds the place to an error.

use serde_json::{Map, Value};

use super::export;
use super::value::{BadConfig, ConfigReader, UnreadKey};
use crate::graph::{
    BatchConfig, Config, Deletes, Materialized, OnSchemaChange, Severity, SnapshotConfig, SourceConfig, Strategy,
    TestConfig,
};

/// `store_failures_as`: whether failures are kept, and whether as a view. It takes precedence over `store_failures`.
const STORE_FAILURES_AS: &[(&str, (bool, bool))] =
    &[("table", (true, false)), ("view", (true, true)), ("ephemeral", (false, false))];

/// The kind of node that a configuration is read for. It decides the allowed materializations and the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    Model,
    Seed,
    Snapshot,
    Source,
    Test,
    /// Analyses, unit tests, exposures: only the configuration that all nodes have.
    Other,
}

/// Keys that only some kinds of nodes have, and the words for these kinds.
const OF_SOME: [(&[&str], &str, &[Of]); 6] = [
    (
        &["severity", "warn_if", "error_if", "fail_calc", "limit", "where", "store_failures", "store_failures_as"],
        "data tests",
        &[Of::Test],
    ),
    (&["delimiter"], "seeds and sources", &[Of::Seed, Of::Source]),
    (&["quote_columns", "column_types"], "seeds", &[Of::Seed]),
    (
        &[
            "incremental_strategy",
            "on_schema_change",
            "contract",
            "parent_key",
            "incremental_predicates",
            "merge_update_columns",
            "merge_exclude_columns",
            "merge_update_condition",
            "merge_insert_condition",
        ],
        "models",
        &[Of::Model],
    ),
    (
        &["unique_key", "pre_hook", "post_hook", "full_refresh"],
        "models, seeds and snapshots",
        &[Of::Model, Of::Seed, Of::Snapshot],
    ),
    (&["deletes"], "models and sources", &[Of::Model, Of::Source]),
];

impl Config {
    /// Reads a merged map. Reports all wrong values and uses the default for each. Also reports the keys that nothing
    /// reads for this kind of node.
    pub(crate) fn read(map: &Map<String, Value>, of: Of) -> (Self, Vec<BadConfig>, Vec<UnreadKey>) {
        let mut read = ConfigReader::new(map);
        let none = Map::new();
        let mut nothing = ConfigReader::new(&none);
        let unique_key = read.names("unique_key");
        let materialized = match of {
            Of::Model => built_as(&mut read),
            Of::Seed => read.choice("materialized", &Materialized::CHOICES[5..6]).unwrap_or(Materialized::Seed),
            Of::Snapshot => Materialized::Snapshot,
            Of::Other => Materialized::Nothing,
            Of::Source => Materialized::Raw,
            Of::Test => Materialized::Test,
        };
        let choices: Vec<(&str, Option<Strategy>)> = Strategy::CHOICES
            .iter()
            .map(|(name, strategy)| (*name, Some(*strategy)))
            .chain([("default", None)])
            .collect();
        let strategy = read.choice("incremental_strategy", &choices).flatten().unwrap_or(if unique_key.is_empty() {
            Strategy::Append
        } else {
            Strategy::DeleteInsert
        });
        let is_incremental = materialized == Materialized::Incremental;
        if is_incremental && matches!(strategy, Strategy::DeleteInsert | Strategy::Merge) && unique_key.is_empty() {
            read.refuse("incremental_strategy", format!("`{}` needs a `unique_key`", strategy.name()));
        }
        let choices = if of == Of::Source { Deletes::CHOICES } else { &Deletes::CHOICES[..2] };
        let deletes = read.choice("deletes", choices).unwrap_or(Deletes::Keep);
        if is_incremental && deletes == Deletes::Sweep && unique_key.is_empty() {
            read.refuse("deletes", "`sweep` needs a `unique_key` to find deleted rows".into());
        }
        let on_schema_change =
            read.choice("on_schema_change", OnSchemaChange::CHOICES).unwrap_or(OnSchemaChange::Ignore);
        let contract = of == Of::Model && read.map("contract").get("enforced").is_some_and(|value| value == true);
        if contract && materialized == Materialized::Ephemeral {
            read.refuse("contract", "cannot be enforced: an ephemeral model has no relation".into());
        }
        let is_kept = matches!(on_schema_change, OnSchemaChange::AppendNewColumns | OnSchemaChange::Fail);
        if contract && is_incremental && !is_kept {
            let complaint = format!(
                "cannot be `{}` where the contract is enforced: it must be `append_new_columns` or `fail`",
                on_schema_change.name()
            );
            read.refuse("on_schema_change", complaint);
        }
        let parent_key = read.names("parent_key");
        if is_incremental && !parent_key.is_empty() {
            let is_parents = |name: &String| parent_key.iter().any(|own| own.eq_ignore_ascii_case(name));
            if strategy != Strategy::DeleteInsert {
                read.refuse("parent_key", "needs a `unique_key` and the strategy `delete+insert`".into());
            } else if unique_key.iter().all(is_parents) {
                read.refuse(
                    "parent_key",
                    "contains every column of `unique_key`, so no column is left to identify the rows of one parent"
                        .into(),
                );
            }
        }
        let event_time = read.text("event_time");
        let batch = (is_incremental && strategy == Strategy::Microbatch)
            .then(|| BatchConfig::read(&mut read, event_time.as_deref(), !unique_key.is_empty()))
            .flatten();
        // For other nodes, these are the analyst's own keys, as in dbt.
        let source = SourceConfig::read(if of == Of::Source { &mut read } else { &mut nothing });
        let is_relation = matches!(of, Of::Model | Of::Seed | Of::Snapshot);
        let export = export::read(if is_relation { &mut read } else { &mut nothing });
        let snapshot = (of == Of::Snapshot).then(|| SnapshotConfig::read(&mut read, !unique_key.is_empty()));
        let mut config = Self {
            enabled: read.flag("enabled").unwrap_or(true),
            materialized,
            alias: read.text("alias"),
            schema: read.text("schema"),
            tags: read.names("tags"),
            meta: read.map("meta"),
            unique_key,
            incremental_strategy: strategy,
            on_schema_change,
            contract,
            parent_key,
            event_time,
            batch,
            full_refresh: read.flag("full_refresh"),
            incremental_predicates: read.names("incremental_predicates"),
            merge_update_columns: read.names("merge_update_columns"),
            merge_exclude_columns: read.names("merge_exclude_columns"),
            merge_update_condition: read.text("merge_update_condition"),
            merge_insert_condition: read.text("merge_insert_condition"),
            deletes,
            pre_hook: read.statements("pre_hook"),
            post_hook: read.statements("post_hook"),
            column_types: read.pairs("column_types"),
            delimiter: read.character("delimiter").unwrap_or(','),
            quote_columns: read.flag("quote_columns").unwrap_or(false),
            source,
            snapshot,
            test: TestConfig {
                severity: read.choice("severity", Severity::CHOICES).unwrap_or(Severity::Error),
                warn_if: read.text("warn_if").unwrap_or_else(|| "!= 0".into()),
                error_if: read.text("error_if").unwrap_or_else(|| "!= 0".into()),
                fail_calc: read.text("fail_calc").unwrap_or_else(|| "count(*)".into()),
                r#where: read.text("where"),
                limit: read.count("limit"),
                store_failures: read.flag("store_failures").unwrap_or(false),
                stores_view: false,
            },
            export,
        };
        if let Some((stores, view)) = read.choice("store_failures_as", STORE_FAILURES_AS) {
            (config.test.store_failures, config.test.stores_view) = (stores, view);
        }
        if !config.merge_update_columns.is_empty() && !config.merge_exclude_columns.is_empty() {
            read.refuse("merge_exclude_columns", "conflicts with `merge_update_columns`; keep only one of them".into());
        }
        let (bad, mut unread) = read.finish();
        let is_of_others =
            |key: &&String| OF_SOME.iter().any(|(keys, _, whose)| keys.contains(&key.as_str()) && !whose.contains(&of));
        for key in map.keys().filter(is_of_others) {
            let others = OF_SOME.iter().find(|(keys, _, _)| keys.contains(&key.as_str()));
            let hint = others.map(|(_, kinds, _)| format!("it configures {kinds}"));
            unread.push(UnreadKey { key: key.clone(), hint, is_misspelt: false });
        }
        (config, bad, unread)
    }
}

/// A model's `materialized`.
fn built_as(read: &mut ConfigReader<'_>) -> Materialized {
    let not_supported = [
        ("external", "use `table` or `view`, and write files with a target's `export` in profiles.toml"),
        ("materialized_view", "DuckDB has no materialized views; use `incremental` to add new rows to a table"),
        ("table_function", "use `table` or `view`"),
    ];
    let written = read.value("materialized").and_then(Value::as_str).unwrap_or_default();
    if let Some((name, hint)) = not_supported.iter().find(|(name, _)| *name == written) {
        read.refuse_with("materialized", format!("cannot be `{name}`, which is not supported"), hint);
        return Materialized::View;
    }
    read.choice("materialized", &Materialized::CHOICES[..4]).unwrap_or(Materialized::View)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Config, Of};

    /// The refused keys, each with its complaint.
    #[track_caller]
    fn check(of: Of, value: Value, expected: &[&str]) {
        let (_, bad, _) = Config::read(&value.as_object().cloned().unwrap_or_default(), of);
        assert_eq!(bad.iter().map(|bad| format!("{} {}", bad.key, bad.complaint)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn refusals() {
        let incremental = |key: &str, value: &str| json!({"materialized": "incremental", key: value});
        check(Of::Model, json!({"materialized": "TABLE", "tags": "a", "unique_key": ["a"], "anything": {}}), &[]);
        check(Of::Model, json!({"materialized": "seed"}), &["materialized cannot be `seed`"]);
        check(Of::Model, json!({"incremental_strategy": "merge", "deletes": "sweep"}), &[]);
        check(
            Of::Model,
            incremental("incremental_strategy", "merge"),
            &["incremental_strategy `merge` needs a `unique_key`"],
        );
        check(
            Of::Model,
            incremental("incremental_strategy", "microbatch"),
            &[
                "event_time is missing: a microbatch model needs the column with the time of each row",
                "begin is missing: a microbatch model needs the time of its first batch, such as `2024-01-01`",
                "batch_size is missing: a microbatch model needs one of `hour`, `day`, `month`, `year`",
            ],
        );
        check(
            Of::Model,
            json!({"materialized": "incremental", "incremental_strategy": "microbatch", "event_time": "at",
                "begin": "soon", "batch_size": "week", "lookback": -1, "unique_key": "id"}),
            &[
                "unique_key conflicts with the strategy `microbatch`, which replaces whole batches",
                "batch_size cannot be `week`",
                "begin cannot be `soon`: it must be a time such as `2024-01-01T00:00:00`",
                "lookback must be a whole number, 0 or more",
            ],
        );
        check(
            Of::Model,
            incremental("deletes", "sweep"),
            &["deletes `sweep` needs a `unique_key` to find deleted rows"],
        );
        check(
            Of::Model,
            incremental("parent_key", "a"),
            &["parent_key needs a `unique_key` and the strategy `delete+insert`"],
        );
        check(
            Of::Model,
            json!({"materialized": "incremental", "parent_key": ["a", "b"], "unique_key": "A"}),
            &[
                "parent_key contains every column of `unique_key`, so no column is left to identify the rows of one parent",
            ],
        );
        check(
            Of::Source,
            json!({"load": "incremental"}),
            &["load `incremental` needs a `watermark`: the field that grows with each change"],
        );
        check(Of::Source, json!({"load": "incremental", "watermark": "updated_at", "lookback": "1 hour"}), &[]);
        check(Of::Source, json!({"lookback": "soon"}), &["lookback cannot be `soon`"]);
        let all = json!({"filter": {"a": {"$gt": 1}}, "include": ["a", "b.c"], "mask": {"a": null, "b.c": "hash"},
            "deletes": "mark", "on_mismatch": "fail", "on_malformed": "fail", "on_truncated": "quarantine", "verify": "strict",
            "read_concern": "majority", "batch_size": 5, "range_size": 0, "keep_bson": true});
        check(Of::Source, all, &[]);
        check(
            Of::Source,
            json!({"filter": "{a: 1}"}),
            &["filter is not an Extended JSON object at its line 1 column 2"],
        );
        check(
            Of::Source,
            json!({"include": "a", "exclude": ["_id", "at.x"], "mask": {"at": "x"}, "watermark": "at"}),
            &[
                "mask must set `at` to `hash` or `null`",
                "exclude conflicts with `include`; keep only one of them",
                "exclude cannot contain `_id`: it identifies a document",
                "exclude cannot contain `at.x`: it is the watermark",
            ],
        );
        check(Of::Model, json!({"deletes": "mark"}), &["deletes cannot be `mark`"]);
        check(
            Of::Test,
            json!({"limit": "x", "store_failures": 1, "severity": "loud"}),
            &[
                "severity cannot be `loud`",
                "limit must be a whole number, 0 or more",
                "store_failures must be true or false, not a number",
            ],
        );
        check(
            Of::Seed,
            json!({"delimiter": "||", "column_types": {"a": 1}}),
            &["column_types must set `a` to text, not a number", "delimiter must be one character"],
        );
    }
}
