//! The configuration of a snapshot: strategy, keys, handling of deleted rows, and the names of its own columns.
//!
//! Reads one merged map (<https://docs.getdbt.com/reference/snapshot-configs>); writes no SQL.

use super::value::ConfigReader;
use crate::graph::{CheckColumns, HardDeletes, MetaNames, SnapshotConfig, SnapshotStrategy};

impl MetaNames {
    fn read(read: &mut ConfigReader<'_>) -> Self {
        let mut names = Self {
            scd_id: "dbt_scd_id".into(),
            updated_at: "dbt_updated_at".into(),
            valid_from: "dbt_valid_from".into(),
            valid_to: "dbt_valid_to".into(),
            is_deleted: "dbt_is_deleted".into(),
        };
        for (key, name) in read.pairs("snapshot_meta_column_names") {
            let own = match key.as_str() {
                "dbt_scd_id" => &mut names.scd_id,
                "dbt_updated_at" => &mut names.updated_at,
                "dbt_valid_from" => &mut names.valid_from,
                "dbt_valid_to" => &mut names.valid_to,
                "dbt_is_deleted" => &mut names.is_deleted,
                other => {
                    let complaint = format!("names `{other}`, which is not a column of snapshots");
                    read.refuse("snapshot_meta_column_names", complaint);
                    continue;
                }
            };
            *own = name;
        }
        names
    }
}

impl SnapshotConfig {
    /// Checks dbt's rules. `has_key` says whether there is a `unique_key`.
    pub(crate) fn read(read: &mut ConfigReader<'_>, has_key: bool) -> Self {
        let strategy = read.choice("strategy", SnapshotStrategy::CHOICES);
        let updated_at = read.text("updated_at");
        let has_check = read.value("check_cols").is_some();
        let check_cols = match read.names("check_cols") {
            names if names.len() == 1 && names[0].eq_ignore_ascii_case("all") => CheckColumns::All,
            names => CheckColumns::Named(names),
        };
        if strategy.is_none() && read.value("strategy").is_none() {
            read.refuse("strategy", "is missing: a snapshot needs `timestamp` or `check`".into());
        }
        if !has_key {
            read.refuse("unique_key", "is missing: a snapshot needs it to identify rows".into());
        }
        match strategy {
            Some(SnapshotStrategy::Timestamp) if updated_at.is_none() => {
                read.refuse(
                    "strategy",
                    "`timestamp` needs `updated_at`, the column with the time of a row's last change".into(),
                );
            }
            Some(SnapshotStrategy::Timestamp) if has_check => {
                read.refuse(
                    "check_cols",
                    "conflicts with the strategy `timestamp`, which compares `updated_at`".into(),
                );
            }
            Some(SnapshotStrategy::Check) if check_cols == CheckColumns::Named(Vec::new()) => {
                read.refuse("strategy", "`check` needs `check_cols`: `all`, or a list of columns".into());
            }
            _ => {}
        }
        let hard_deletes = read.choice("hard_deletes", HardDeletes::CHOICES);
        let invalidates = read.flag("invalidate_hard_deletes");
        if hard_deletes.is_some() && invalidates.is_some() {
            read.refuse("invalidate_hard_deletes", "conflicts with `hard_deletes`; keep only one of them".into());
        }
        let fallback = if invalidates == Some(true) { HardDeletes::Invalidate } else { HardDeletes::Ignore };
        Self {
            strategy: strategy.unwrap_or(SnapshotStrategy::Timestamp),
            updated_at,
            check_cols,
            hard_deletes: hard_deletes.unwrap_or(fallback),
            valid_to_current: read.text("dbt_valid_to_current"),
            names: MetaNames::read(read),
        }
    }
}
