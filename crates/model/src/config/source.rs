//! The keys of a source's table: how its documents are read, and how documents that do not fit are handled.
//!
//! Reads values. Does not know documents or drivers.

use std::time::Duration;

use serde_json::{Map, Value};

use super::value::ConfigReader;
use crate::graph::{CsvConfig, LoadKind, MaskWith, OnMalformed, OnMismatch, OnTruncated, SourceConfig, Verify};
use elt_base::secret::Secret;

/// MongoDB's read concern levels.
const READ_CONCERNS: [(&str, &str); 5] = [
    ("local", "local"),
    ("available", "available"),
    ("majority", "majority"),
    ("linearizable", "linearizable"),
    ("snapshot", "snapshot"),
];

/// The default distance below the watermark at which an incremental load begins. It equals the longest transaction that
/// a MongoDB server allows (`transactionLifetimeLimitSeconds`), so that late writes are still read.
const LOOKBACK: Duration = Duration::from_secs(60);

/// The default of `sweep_limit`, in percent.
const SWEEP_LIMIT: f64 = 50.0;

impl SourceConfig {
    pub(crate) fn read(read: &mut ConfigReader<'_>) -> Self {
        let load = read.choice("load", LoadKind::CHOICES).unwrap_or(LoadKind::Full);
        let watermark = read.text("watermark");
        if load == LoadKind::Incremental && watermark.is_none() {
            read.refuse("load", "`incremental` needs a `watermark`: the field that grows with each change".into());
        }
        let config = Self {
            load,
            key: read.names("key"),
            watermark,
            lookback: read.duration("lookback").unwrap_or(LOOKBACK),
            sweep_limit: read.percent("sweep_limit").unwrap_or(SWEEP_LIMIT),
            filter: filter(read),
            include: read.names("include"),
            exclude: read.names("exclude"),
            mask: mask(read),
            mask_salt: read.text("mask_salt").map(Secret::new),
            keep_bson: read.flag("keep_bson").unwrap_or(false),
            on_mismatch: read.choice("on_mismatch", OnMismatch::CHOICES).unwrap_or(OnMismatch::Rescue),
            on_malformed: read.choice("on_malformed", OnMalformed::CHOICES).unwrap_or(OnMalformed::Quarantine),
            on_truncated: read.choice("on_truncated", OnTruncated::CHOICES).unwrap_or(OnTruncated::Fail),
            verify: read.choice("verify", Verify::CHOICES).unwrap_or(Verify::Warn),
            read_concern: read.choice("read_concern", &READ_CONCERNS).map(str::to_owned),
            batch_size: read.count("batch_size").map(|size| u32::try_from(size).unwrap_or(u32::MAX)),
            range_size: read.count("range_size"),
            csv: CsvConfig::read(read),
        };
        if config.batch_size == Some(0) {
            read.refuse("batch_size", "must be at least 1".into());
        }
        config.check_paths(read);
        config
    }

    /// Reports paths that contradict each other.
    fn check_paths(&self, read: &mut ConfigReader<'_>) {
        if !self.include.is_empty() && !self.exclude.is_empty() {
            read.refuse("exclude", "conflicts with `include`; keep only one of them".into());
        }
        let is_at_or_below = |path: &str, above: &str| {
            path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let masked = self.mask.iter().map(|(path, _)| ("mask", path));
        let changed: Vec<_> = masked.chain(self.exclude.iter().map(|path| ("exclude", path))).collect();
        // A key that differs only in case from a hidden one is hidden too, but never the `_id`.
        let lower = |text: &str| text.to_lowercase();
        let is_key = |kept: &str| kept == "_id" || self.key.iter().any(|path| path == kept);
        let key = self.key.iter().map(String::as_str);
        for kept in std::iter::once("_id").chain(self.watermark.as_deref()).chain(key) {
            for (key, path) in &changed {
                let (one, other) = match kept {
                    "_id" => (kept.to_owned(), (*path).clone()),
                    kept => (lower(kept), lower(path)),
                };
                if is_at_or_below(&one, &other) || is_at_or_below(&other, &one) {
                    let what = if is_key(kept) { "it identifies a document" } else { "it is the watermark" };
                    read.refuse(key, format!("cannot contain `{path}`: {what}"));
                }
            }
        }
    }
}

/// A query, written as a YAML map or as Extended JSON text.
fn filter(read: &mut ConfigReader<'_>) -> Option<String> {
    let text = match read.value("filter")? {
        Value::Object(map) => Value::Object(map.clone()).to_string(),
        Value::String(text) => text.clone(),
        _ => {
            read.refuse("filter", "must be a MongoDB query, written as a map or as Extended JSON text".into());
            return None;
        }
    };
    match serde_json::from_str::<Map<String, Value>>(&text) {
        Ok(_) => Some(text),
        Err(error) => {
            let place = format!("line {} column {}", error.line(), error.column());
            read.refuse("filter", format!("is not an Extended JSON object at its {place}"));
            None
        }
    }
}

fn mask(read: &mut ConfigReader<'_>) -> Vec<(String, MaskWith)> {
    let mut masks = Vec::new();
    for (path, value) in read.map("mask") {
        let with = match &value {
            Value::Null => Some(MaskWith::Null),
            Value::String(text) => MaskWith::CHOICES.iter().find(|(name, _)| name == text).map(|(_, with)| *with),
            _ => None,
        };
        match with {
            Some(with) => masks.push((path, with)),
            None => read.refuse("mask", format!("must set `{path}` to `hash` or `null`")),
        }
    }
    masks
}
