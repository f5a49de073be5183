//! Configuration keys that nothing reads: neither this program nor a template of the project.
//!
//! In a project of its own they are errors. In a dbt project they are warnings, because dbt accepts any key.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::parser::ProjectParser;
use crate::config::{Of, UnreadKey, key_in_sql, key_in_yaml};
use crate::messages;
use elt_base::error::{Error, Place, SourceText};

impl ProjectParser<'_> {
    /// Reports a key of the configuration `raw` at its place: in the template, in the node's YAML, or among the folder
    /// defaults.
    pub(crate) fn unread_key(
        &mut self,
        unread: &UnreadKey,
        raw: &Map<String, Value>,
        of: Of,
        owner: &str,
        yaml: &Place,
        sql: Option<(&Arc<SourceText>, &HashSet<String>)>,
    ) {
        let key = unread.key.as_str();
        if self.is_read(key, raw, sql.map(|(source, _)| source.text.as_str()).unwrap_or_default()) {
            return;
        }
        let in_sql = sql.filter(|(_, said)| said.contains(key));
        let found = match in_sql {
            Some((source, _)) => key_in_sql(source, key),
            None => key_in_yaml(yaml, key).filter(|place| place != yaml),
        };
        let (owner, place) = match found {
            Some(place) => (owner.to_owned(), Some(place)),
            None if in_sql.is_some() => (owner.to_owned(), None),
            // An entry without the key inherits it. It is reported once, and not for each node.
            None => match self.default_place(of, key, raw.get(key)).or_else(|| self.in_source(yaml, key)) {
                Some((above, place)) => (above, Some(place)),
                None => (owner.to_owned(), Some(yaml.clone())),
            },
        };
        let error = messages::unread_config(&owner, key, unread.hint.as_deref()).at_maybe(place);
        let is_dbt = self.project.profiles.is_dbt;
        let said = if is_dbt { &mut self.warnings } else { &mut self.errors };
        let is_said = |known: &Error| known.message() == error.message() && known.places() == error.places();
        // Of the keys that dbt's other adapters have, one warning each is enough.
        let is_told = |known: &Error| {
            is_dbt && !unread.is_misspelt && known.message().starts_with(&messages::unread_config_start(key))
        };
        if !said.iter().any(|known| is_said(known) || is_told(known)) {
            said.push(error);
        }
    }

    /// The key of the source that a table belongs to: the source as messages name it, and the key's place.
    fn in_source(&self, table: &Place, key: &str) -> Option<(String, Place)> {
        let sources = &self.project.properties.sources;
        let source = sources.iter().find(|source| source.tables.iter().any(|own| own.place == *table))?;
        let place = key_in_yaml(&source.place, key).filter(|place| *place != source.place)?;
        Some((format!("source `{}`", source.name), place))
    }

    /// Whether a template reads the key from the configuration, or a location of files contains it.
    fn is_read(&self, key: &str, raw: &Map<String, Value>, text: &str) -> bool {
        let forms = [format!("'{key}'"), format!("\"{key}\""), format!(".{key}")];
        let location = raw.get("external_location").or_else(|| raw.get("meta")?.get("external_location"));
        forms.iter().any(|form| self.templates.mentions(text, form))
            || location.and_then(Value::as_str).is_some_and(|location| location.contains(key))
    }
}
