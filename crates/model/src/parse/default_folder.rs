//! Folder defaults that apply to no node, and folder defaults that ask for unsupported features.
//!
//! Knows the folders as they are written and the nodes' names. Changes no configuration.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::parser::ProjectParser;
use crate::config::{Of, canonical, key_in_sql, key_in_yaml};
use crate::graph::NodeKind;
use crate::messages;
use elt_base::error::{Error, Place, SourceText};

impl ProjectParser<'_> {
    /// The folder default of a kind that sets a key: the folder as messages name it, and the key's place.
    pub(crate) fn default_place(&self, of: Of, key: &str, value: Option<&Value>) -> Option<(String, Place)> {
        let keys: &[&str] = match of {
            Of::Model => &["models"],
            Of::Seed => &["seeds"],
            Of::Snapshot => &["snapshots"],
            Of::Source => &["sources"],
            Of::Test => &["data_tests", "tests"],
            Of::Other => &["unit_tests", "exposures"],
        };
        let folders = self.project.default_folders.iter().filter(|folder| keys.contains(&folder.key));
        folders.rev().find_map(|folder| {
            let of_key =
                |(name, written, _): &&(String, Value, Place)| canonical(name) == key && Some(written) == value;
            let (_, _, place) = folder.settings.iter().find(of_key)?;
            let path = std::iter::once(folder.key).chain(folder.path.iter().map(String::as_str));
            Some((format!("the default `{}`", path.collect::<Vec<_>>().join(".")), place.clone()))
        })
    }

    /// Refuses any database except the warehouse, which is the only database. Its own name is accepted.
    pub(crate) fn own_database(
        &mut self,
        raw: &Map<String, Value>,
        of: Of,
        owner: &str,
        yaml: &Place,
        sql: Option<(&Arc<SourceText>, &HashSet<String>)>,
    ) {
        let own = &self.project.profiles.target.database;
        let Some(value) = raw.get("database").filter(|_| matches!(of, Of::Model | Of::Seed | Of::Snapshot | Of::Test))
        else {
            return;
        };
        let other = value.as_str().unwrap_or(own).trim();
        if other.is_empty() || other.eq_ignore_ascii_case(own) {
            return;
        }
        let in_sql =
            sql.filter(|(_, said)| said.contains("database")).and_then(|(text, _)| key_in_sql(text, "database"));
        let place = in_sql.or_else(|| key_in_yaml(yaml, "database").filter(|place| place != yaml));
        let error = match place {
            Some(place) => messages::other_database(owner, other, own, place),
            None => match self.default_place(of, "database", Some(value)) {
                Some((folder, place)) => messages::other_database(&folder, other, own, place),
                None => messages::other_database(owner, other, own, yaml.clone()),
            },
        };
        let is_said = |known: &Error| known.message() == error.message() && known.places() == error.places();
        if !self.errors.iter().any(is_said) {
            self.errors.push(error);
        }
    }

    /// A warning for each folder of folder defaults that contains no node.
    pub(crate) fn unused_defaults(&mut self) {
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
            unused.push(messages::unused_folder(&shown, folder.place.clone()));
        }
        unused.sort_by_key(|error| error.places().first().map(|place| place.span.start));
        self.warnings.extend(unused);
    }
}
