//! `exposures:` and `groups:` of a properties file.
//!
//! Knows dbt's keys (<https://docs.getdbt.com/reference/exposure-properties>), but not their use.

use serde_json::{Map, Value};

use super::exposure_properties::{ExposureProperties, GroupProperties, Owner};
use super::property_file::PropertyFile;
use super::written::{Written, WrittenValue, find};
use crate::messages;
use elt_base::error::Place;

const EXPOSURE_KEYS: &[&str] =
    &["name", "description", "label", "type", "maturity", "url", "owner", "depends_on", "config"];
const GROUP_KEYS: &[&str] = &["name", "description", "owner", "config"];
const KINDS: &[&str] = &["dashboard", "notebook", "analysis", "ml", "application"];
const MATURITIES: &[&str] = &["low", "medium", "high"];

impl PropertyFile<'_> {
    pub(super) fn exposure(&mut self, item: &Written) -> Option<ExposureProperties> {
        let (entries, name, place) = self.named(item, "an exposure", EXPOSURE_KEYS, &[])?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !is_name {
            self.errors.push(messages::bad_exposure_name(&name, place.clone()));
        }
        let kind = match find(entries, "type") {
            Some(written) => {
                let kind = self.keep(written.text("type"))?.to_lowercase();
                if !KINDS.contains(&kind.as_str()) {
                    self.errors.push(messages::unknown_kind_of(&kind, "exposure", KINDS, written.place.clone()));
                }
                kind
            }
            None => {
                self.errors.push(messages::key_missing("type", "an exposure", place.clone()));
                return None;
            }
        };
        let maturity = self.optional_text(entries, "maturity").map(|maturity| maturity.to_lowercase());
        if let (Some(maturity), Some(written)) = (&maturity, find(entries, "maturity"))
            && !MATURITIES.contains(&maturity.as_str())
        {
            self.errors.push(messages::unknown_kind_of(maturity, "maturity", MATURITIES, written.place.clone()));
        }
        let mut depends_on = Vec::new();
        if let Some(written) = find(entries, "depends_on") {
            for item in self.keep(written.list("depends_on")).unwrap_or_default() {
                if let Some(text) = self.keep(item.text("depends_on")) {
                    depends_on.push((text.to_owned(), item.place.clone()));
                }
            }
        }
        Some(ExposureProperties {
            description: self.description(entries),
            label: self.optional_text(entries, "label"),
            kind,
            maturity,
            url: self.rendered_text(entries, "url"),
            owner: self.owner(find(entries, "owner"), "an exposure", &place)?,
            depends_on,
            config: self.config(entries),
            name,
            place,
        })
    }

    pub(super) fn group(&mut self, item: &Written) -> Option<GroupProperties> {
        let (entries, name, place) = self.named(item, "a group", GROUP_KEYS, &[])?;
        Some(GroupProperties {
            description: self.rendered_text(entries, "description"),
            owner: self.owner(find(entries, "owner"), "a group", &place)?,
            config: self.config(entries),
            name,
            place,
        })
    }

    /// A name or an e-mail address is required, as in dbt.
    fn owner(&mut self, written: Option<&Written>, of: &str, place: &Place) -> Option<Owner> {
        let Some(written) = written else {
            self.errors.push(messages::key_missing("owner", of, place.clone()));
            return None;
        };
        let entries = self.keep(written.table("owner"))?;
        let mut owner = Owner::default();
        for entry in entries {
            let value = &entry.value;
            match (entry.key.as_str(), &value.value) {
                (_, WrittenValue::Null) => {}
                ("name", _) => owner.name = Some(self.keep(value.text("name"))?.to_owned()),
                ("email", _) => {
                    self.keep(value.texts("email"))?;
                    owner.email = value.to_json();
                }
                (key, _) => {
                    owner.more.insert(key.to_owned(), value.to_json());
                }
            }
        }
        if owner.name.is_none() && owner.email.is_null() {
            self.errors.push(messages::owner_unnamed(of, written.place.clone()));
        }
        Some(owner)
    }
}

impl Owner {
    /// dbt's object: `email`, `name`, then all other keys.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("email".into(), self.email.clone());
        object.insert("name".into(), self.name.clone().into());
        object.extend(self.more.clone());
        Value::Object(object)
    }
}
