//! `[target.<name>.export]` or `[[target.<name>.exports]]`: the places where marts are published, and the changes that
//! may happen there without a question.
//!
//! Knows how to read the tables, but not how an exporter uses them.

use std::path::{Path, PathBuf};

use super::published::{OnConflict, OnHazard, RowsOf};
use super::written::{Entry, Kept, Written, find, unknown_keys};
use crate::messages;
use elt_base::error::{Error, Place, Result};
use elt_base::names::folded;
use elt_base::secret::Secret;

const DEFAULT_SELECT: &str = "path:models/marts";
const CONNECTIONS_MAX_DEFAULT: usize = 4;
const COMMON_KEYS: [&str; 5] = ["type", "select", "on_schema_change", "on_divergence", "on_hazard"];
const KINDS: [&str; 7] = ["csv", "duckdb", "json", "mongodb", "mysql", "parquet", "postgres"];

/// The place where marts are published.
#[derive(Debug, Clone)]
pub struct ExportProfile {
    /// `name` of an entry of `exports`; None for `export`, which is the only one.
    pub name: Option<String>,
    /// `select`: the built relations to publish; `path:models/marts` by default.
    pub select: String,
    pub policy: ExportPolicy,
    pub place: ExportPlace,
}

/// The changes that a publication may make without a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportPolicy {
    /// `on_schema_change`: how a build handles a table of ours that differs from its contract.
    pub on_schema_change: OnContractChange,
    /// `on_divergence`: how a publication handles a target that differs from our last publication.
    pub on_divergence: OnDivergence,
    /// `on_hazard`: how values are handled that the target cannot store, if neither model nor column configures it.
    pub on_hazard: OnHazard,
    /// `rows`: which rows are the model's, if the model does not configure it. None: all rows of a table that elt made,
    /// and only published rows of a table that others made.
    pub rows: Option<RowsOf>,
    /// `on_conflict`: how a row is handled whose key exists in a row of others, if the model does not configure it.
    pub on_conflict: OnConflict,
    /// `watch = false` of `postgres`: no trigger records the changes of others.
    pub is_unwatched: bool,
    /// `sequences = true` of `postgres`: the sequences behind columns are advanced beyond the published values.
    pub sequences: bool,
    /// Steps that lose data may run. Only a flag sets this, never a file.
    pub allow_destructive: bool,
}

impl ExportPolicy {
    /// Whether triggers record the changes of others in our tables.
    pub fn watch(&self) -> bool {
        !self.is_unwatched
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnContractChange {
    /// Steps that lose nothing run in the publication's transaction.
    #[default]
    Apply,
    /// The publication fails and names the steps; `elt apply` runs them.
    Fail,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDivergence {
    /// Everything is compared and reported, and the target is changed to match the warehouse.
    #[default]
    Heal,
    /// Everything is compared and reported, but nothing is published.
    Fail,
}

/// `type` and its keys. Paths are absolute.
#[derive(Debug, Clone)]
pub enum ExportPlace {
    /// `parquet`, `csv`, `json`: files below `path` (`.elt/<target>/export` by default).
    Files { path: PathBuf, format: FileFormat },
    /// `duckdb`: the file `path` and a `schema` (`main` by default) in it.
    Duckdb { path: PathBuf, schema: String },
    /// `postgres`: `uri`, `schema` (`public` by default), `connections` (the number of parallel copies; by default at
    /// most 4, and not more than threads), and `watch`, which is stored in the policy.
    Postgres { uri: Secret, schema: String, connections: usize },
    /// `mysql`, also for MariaDB: `uri`, which includes the database.
    Mysql { uri: Secret },
    /// `mongodb`: `uri`, `database`.
    Mongodb { uri: Secret, database: String },
}

impl ExportPlace {
    /// The `type` in the profile.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Files { format: FileFormat::Parquet, .. } => "parquet",
            Self::Files { format: FileFormat::Csv(_), .. } => "csv",
            Self::Files { format: FileFormat::Json { .. }, .. } => "json",
            Self::Duckdb { .. } => "duckdb",
            Self::Postgres { .. } => "postgres",
            Self::Mysql { .. } => "mysql",
            Self::Mongodb { .. } => "mongodb",
        }
    }
}

impl ExportProfile {
    /// A text that identifies the ledger of this export without secrets: its place, and its name.
    pub fn identity(&self) -> String {
        match &self.name {
            Some(name) => format!("{} as {name}", self.place.identity()),
            None => self.place.identity(),
        }
    }

    /// The export as messages name it: `` export `reporting` ``, or `export`.
    pub fn called(&self) -> String {
        self.name.as_ref().map_or("export".into(), |name| format!("export `{name}`"))
    }

    /// A table of the export, or a sentence about it, as output has it: `reporting: loans`, or `loans`.
    pub fn table(&self, label: &str) -> String {
        self.name.as_ref().map_or_else(|| label.to_owned(), |name| format!("{name}: {label}"))
    }
}

impl ExportPlace {
    /// Whether two exports would write into the same tables or files.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Files { path, .. }, Self::Files { path: of_other, .. }) => path == of_other,
            (Self::Duckdb { path, schema }, Self::Duckdb { path: of_other, schema: others }) => {
                path == of_other && schema.eq_ignore_ascii_case(others)
            }
            (Self::Files { .. } | Self::Duckdb { .. }, _) | (_, Self::Files { .. } | Self::Duckdb { .. }) => false,
            _ => self.identity() == other.identity(),
        }
    }

    /// A text that identifies the place without secrets. It stays the same if the project's folder is moved, or if the
    /// user or an option of the URI changes.
    pub fn identity(&self) -> String {
        match self {
            Self::Files { path, .. } => format!("files {}", last_parts(path)),
            Self::Duckdb { path, schema } => format!("duckdb {} {schema}", last_parts(path)),
            Self::Postgres { uri, schema, .. } => format!("postgres {} {schema}", server(uri)),
            Self::Mysql { uri } => format!("mysql {}", server(uri)),
            Self::Mongodb { uri, database } => format!("mongodb {} {database}", server(uri)),
        }
    }
}

/// The last two parts of a path.
fn last_parts(path: &Path) -> String {
    let parts: Vec<_> = path.components().rev().take(2).collect();
    parts.into_iter().rev().collect::<PathBuf>().to_string_lossy().into_owned()
}

/// Host, port and database of a URI, or of a connection string of words.
fn server(uri: &Secret) -> String {
    match uri.reveal().split_once("://") {
        Some((_, rest)) => {
            let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
            rest.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned()
        }
        None => {
            let names = ["host=", "hostaddr=", "port=", "dbname="];
            let words = uri.reveal().split_whitespace().filter(|word| names.iter().any(|name| word.starts_with(name)));
            words.collect::<Vec<_>>().join(" ")
        }
    }
}

/// The format of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFormat {
    Parquet,
    /// `delimiter`, `header`, `null`, `quote`, `compression` (`none`, `gzip`, `zstd`).
    Csv(CsvFormat),
    /// JSON lines; `compression` as for CSV.
    Json {
        compression: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvFormat {
    pub delimiter: String,
    pub header: bool,
    /// The text of a null.
    pub null: String,
    pub quote: String,
    pub compression: String,
}

impl FileFormat {
    /// The ending of file names: `parquet`, `csv.gz`, `jsonl`.
    pub fn ending(&self) -> String {
        let (ending, compression) = match self {
            Self::Parquet => return "parquet".into(),
            Self::Csv(format) => ("csv", &format.compression),
            Self::Json { compression } => ("jsonl", compression),
        };
        let compressed = match compression.as_str() {
            "gzip" => ".gz",
            "zstd" => ".zst",
            _ => "",
        };
        format!("{ending}{compressed}")
    }
}

/// The context of an export's table.
pub(super) struct ExportTable<'a> {
    pub root: &'a Path,
    /// The target's folder below `.elt/`.
    pub folder: &'a Path,
    pub target: &'a str,
    pub threads: usize,
    /// It is an entry of `exports`, and so has a name.
    pub is_named: bool,
}

/// Reads the table of one export.
pub(super) fn read(table: &ExportTable<'_>, written: &Written) -> Result<ExportProfile> {
    let ExportTable { root, folder, target, threads, is_named } = *table;
    let of = if is_named { format!("`[[target.{target}.exports]]`") } else { format!("`[target.{target}.export]`") };
    let entries = written.table(if is_named { "exports" } else { "export" })?;
    let place = &written.place;
    let name = if is_named { Some(named(entries, &of, written)?) } else { None };
    let kind = required(entries, "type", &of, written)?;
    let mut keep = Kept::default();
    let own_keys: &[&str] = match kind {
        "parquet" => &["path"],
        "csv" => &["path", "delimiter", "header", "null", "quote", "compression"],
        "json" => &["path", "compression"],
        "duckdb" => &["path", "schema", "rows", "on_conflict"],
        "postgres" => &["uri", "schema", "connections", "watch", "sequences", "rows", "on_conflict"],
        "mysql" => &["uri", "rows", "on_conflict"],
        "mongodb" => &["uri", "database", "rows", "on_conflict"],
        other => {
            let at = find(entries, "type").map_or(place, |written| &written.place);
            return Err(messages::unknown_kind_of(other, "export", &KINDS, at.clone()));
        }
    };
    let known: Vec<&str> =
        is_named.then_some("name").into_iter().chain(COMMON_KEYS.iter().chain(own_keys).copied()).collect();
    keep.errors.extend(unknown_keys(entries, &known, &of));
    let select = keep.text(entries, "select").unwrap_or(DEFAULT_SELECT).to_owned();
    let policy = ExportPolicy {
        on_schema_change: choice(
            &mut keep,
            entries,
            "on_schema_change",
            &[("apply", OnContractChange::Apply), ("fail", OnContractChange::Fail)],
        ),
        on_divergence: choice(
            &mut keep,
            entries,
            "on_divergence",
            &[("heal", OnDivergence::Heal), ("fail", OnDivergence::Fail)],
        ),
        on_hazard: choice(&mut keep, entries, "on_hazard", OnHazard::CHOICES),
        rows: optional(&mut keep, entries, "rows", RowsOf::CHOICES),
        on_conflict: choice(&mut keep, entries, "on_conflict", OnConflict::CHOICES),
        is_unwatched: find(entries, "watch").and_then(|written| keep.keep(written.flag("watch"))) == Some(false),
        sequences: find(entries, "sequences").and_then(|written| keep.keep(written.flag("sequences"))) == Some(true),
        allow_destructive: false,
    };
    // Below the folder that a single export has.
    let default = |ending: &str| match &name {
        Some(name) => folder.join("export").join(format!("{name}{ending}")),
        None => folder.join(format!("export{ending}")),
    };
    let path = |keep: &mut Kept, ending: &str| {
        keep.text(entries, "path").map_or_else(|| default(ending), |path| root.join(path))
    };
    let place = match kind {
        "parquet" => ExportPlace::Files { path: path(&mut keep, ""), format: FileFormat::Parquet },
        "csv" => {
            let format = csv(&mut keep, entries);
            ExportPlace::Files { path: path(&mut keep, ""), format: FileFormat::Csv(format) }
        }
        "json" => {
            let compression = compression(&mut keep, entries);
            ExportPlace::Files { path: path(&mut keep, ""), format: FileFormat::Json { compression } }
        }
        "duckdb" => ExportPlace::Duckdb {
            path: path(&mut keep, ".duckdb"),
            schema: keep.text(entries, "schema").unwrap_or("main").to_owned(),
        },
        "postgres" => ExportPlace::Postgres {
            uri: Secret::new(required(entries, "uri", &of, written)?),
            schema: keep.text(entries, "schema").unwrap_or("public").to_owned(),
            connections: keep.count(entries, "connections").unwrap_or(threads.min(CONNECTIONS_MAX_DEFAULT)),
        },
        "mysql" => ExportPlace::Mysql { uri: Secret::new(required(entries, "uri", &of, written)?) },
        _ => ExportPlace::Mongodb {
            uri: Secret::new(required(entries, "uri", &of, written)?),
            database: required(entries, "database", &of, written)?.to_owned(),
        },
    };
    match Error::many(keep.errors) {
        Some(error) => Err(error),
        None => Ok(ExportProfile { name, select, policy, place }),
    }
}

/// The name of an entry of `exports`, which also names a folder.
fn named(entries: &[Entry], of: &str, written: &Written) -> Result<String> {
    let name = required(entries, "name", of, written)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !name.is_empty() && name.chars().all(is_plain) {
        true => Ok(name.to_owned()),
        false => {
            let place = find(entries, "name").map_or(&written.place, |name| &name.place);
            Err(messages::export_name(place.clone()))
        }
    }
}

/// An error for each export with a name or a place that an earlier one has. `exports` are with the places of their
/// tables.
pub(super) fn doubles(exports: &[(&ExportProfile, &Place)]) -> Vec<Error> {
    let mut errors = Vec::new();
    for (index, (export, place)) in exports.iter().enumerate() {
        for (earlier, _) in &exports[..index] {
            if folded(export.name.as_deref().unwrap_or_default()) == folded(earlier.name.as_deref().unwrap_or_default())
            {
                errors.push(messages::exports_of_one_name(&export.called()).at((*place).clone()));
            } else if export.place.is_same(&earlier.place) {
                errors.push(messages::exports_to_one_place(&export.called(), &earlier.called()).at((*place).clone()));
            }
        }
    }
    errors
}

fn required<'a>(entries: &'a [Entry], key: &str, of: &str, written: &Written) -> Result<&'a str> {
    match find(entries, key) {
        Some(written) => written.text(key),
        None => Err(messages::key_missing(key, of, written.place.clone())),
    }
}

fn choice<T: Copy + Default>(keep: &mut Kept, entries: &[Entry], key: &str, choices: &[(&str, T)]) -> T {
    optional(keep, entries, key, choices).unwrap_or_default()
}

fn optional<T: Copy>(keep: &mut Kept, entries: &[Entry], key: &str, choices: &[(&str, T)]) -> Option<T> {
    let written = find(entries, key)?;
    let text = keep.keep(written.text(key))?;
    let chosen = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
    if chosen.is_none() {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        keep.errors.push(messages::unknown_kind_of(text, &format!("`{key}`"), &names, written.place.clone()));
    }
    chosen
}

fn compression(keep: &mut Kept, entries: &[Entry]) -> String {
    const CHOICES: [(&str, &str); 3] = [("none", "none"), ("gzip", "gzip"), ("zstd", "zstd")];
    match choice(keep, entries, "compression", &CHOICES) {
        "" => "none".into(),
        chosen => chosen.into(),
    }
}

fn csv(keep: &mut Kept, entries: &[Entry]) -> CsvFormat {
    let mut text = |key: &str, default: &str| keep.text(entries, key).unwrap_or(default).to_owned();
    let (delimiter, null, quote) = (text("delimiter", ","), text("null", ""), text("quote", "\""));
    let header = find(entries, "header").and_then(|written| keep.keep(written.flag("header"))).unwrap_or(true);
    let is_broken = |text: &str| text.contains(['\n', '\r']);
    let complaints = [
        ("quote", quote.len() != 1 || is_broken(&quote), "must be one ASCII character, such as `\"`"),
        (
            "delimiter",
            !(1..=4).contains(&delimiter.len()) || is_broken(&delimiter) || delimiter.contains(&quote),
            "must be one to four characters, without `quote` and line breaks",
        ),
        (
            "null",
            is_broken(&null) || null.contains(&delimiter) || !quote.is_empty() && null.contains(&quote),
            "must be a text without `delimiter`, `quote` and line breaks",
        ),
    ];
    for (key, _, complaint) in complaints.iter().filter(|(_, is_bad, _)| *is_bad) {
        if let Some(written) = find(entries, key) {
            keep.errors.push(messages::csv_character(key, complaint).at(written.place.clone()));
            // The other checks use it.
            break;
        }
    }
    CsvFormat { delimiter, header, null, quote, compression: compression(keep, entries) }
}
