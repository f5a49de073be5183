//! `selectors.yml`: named selections in dbt's YAML form.
//!
//! Knows the form (<https://docs.getdbt.com/reference/node-selection/yaml-selectors>), but not the meaning of a method.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::written::{Entry, Written, WrittenValue, find, unknown_keys};
use super::yaml_template::YamlTemplate;
use super::yaml_text;
use crate::messages;
use elt_base::error::{Error, Place, Result, SourceText};

/// The file's name, in the project's root.
const SELECTORS_FILE: &str = "selectors.yml";

/// A named selection.
#[derive(Debug, Clone)]
pub struct SelectorDefinition {
    pub name: String,
    pub place: Place,
    pub description: Option<String>,
    /// Used if the command line selects and excludes nothing.
    pub is_default: bool,
    pub definition: Definition,
    /// The definition as written, for the manifest.
    pub written: Value,
}

#[derive(Debug, Clone)]
pub enum Definition {
    /// A selector in the notation of the command line.
    Text(String, Place),
    One(Box<Criterion>),
    /// The union of all parts, without the nodes that the second list selects.
    Union(Vec<Definition>, Vec<Definition>),
    /// The intersection of all parts, without the nodes that the second list selects.
    Intersection(Vec<Definition>, Vec<Definition>),
}

/// `method:`, `value:` and the keys next to them.
#[derive(Debug, Clone)]
pub struct Criterion {
    pub place: Place,
    pub method: String,
    pub value: String,
    pub parents: bool,
    pub parents_depth: Option<usize>,
    pub children: bool,
    pub children_depth: Option<usize>,
    pub childrens_parents: bool,
    /// The word, and its place.
    pub indirect: Option<(String, Place)>,
    pub exclude: Vec<Definition>,
}

const TOP_KEYS: &[&str] = &["version", "selectors"];
const SELECTOR_KEYS: &[&str] = &["name", "description", "definition", "default"];
const CRITERION_KEYS: &[&str] = &[
    "method",
    "value",
    "parents",
    "parents_depth",
    "children",
    "children_depth",
    "childrens_parents",
    "indirect_selection",
    "exclude",
];

/// Reads the file in `root`. A missing file means no selectors. Adds all errors in the file to `errors`.
pub(super) fn read(root: &Path, template: &YamlTemplate, errors: &mut Vec<Error>) -> Vec<SelectorDefinition> {
    let text = match std::fs::read(root.join(SELECTORS_FILE)) {
        Ok(bytes) => String::from_utf8(bytes)
            .map_err(|error| messages::not_utf8(Path::new(SELECTORS_FILE), error.utf8_error().valid_up_to())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => Err(elt_base::messages::unreadable(Path::new(SELECTORS_FILE), &error)),
    };
    match text {
        Ok(text) => parse(&SourceText::new(SELECTORS_FILE, text), template, errors),
        Err(error) => {
            errors.push(error);
            Vec::new()
        }
    }
}

fn parse(source: &Arc<SourceText>, template: &YamlTemplate, errors: &mut Vec<Error>) -> Vec<SelectorDefinition> {
    let read = || -> Result<Written> {
        let mut top = yaml_text::parse(source)?;
        template.render(&mut top)?;
        Ok(top)
    };
    let top = match read() {
        Ok(top) => top,
        Err(error) => {
            errors.push(error);
            return Vec::new();
        }
    };
    let entries = match top.table(SELECTORS_FILE) {
        Ok(entries) => entries,
        Err(error) => {
            errors.push(error);
            return Vec::new();
        }
    };
    errors.extend(unknown_keys(entries, TOP_KEYS, "`selectors.yml`"));
    let mut selectors: Vec<SelectorDefinition> = Vec::new();
    let items = find(entries, "selectors").map_or(Ok(&[][..]), |written| written.list("selectors"));
    for item in items.unwrap_or_else(|error| {
        errors.push(error);
        &[]
    }) {
        match selector(item) {
            Ok(selector) => {
                let same = selectors.iter().find(|known| known.name == selector.name);
                if let Some(first) = same {
                    errors.push(messages::defined_twice(
                        "selector",
                        &selector.name,
                        first.place.clone(),
                        selector.place.clone(),
                    ));
                }
                let default = selectors.iter().find(|known| known.is_default && selector.is_default);
                if let Some(first) = default {
                    errors.push(messages::two_defaults(&first.name, &selector.name, selector.place.clone()));
                }
                selectors.push(selector);
            }
            Err(error) => errors.push(error),
        }
    }
    selectors
}

fn selector(item: &Written) -> Result<SelectorDefinition> {
    const OF: &str = "a selector";
    let entries = item.table(OF)?;
    if let Some(error) = Error::many(unknown_keys(entries, SELECTOR_KEYS, OF)) {
        return Err(error);
    }
    let needed = |key: &str| find(entries, key).ok_or_else(|| messages::key_missing(key, OF, item.place.clone()));
    let name = needed("name")?;
    let written = needed("definition")?;
    if let WrittenValue::Table(parts) = &written.value {
        let is_set = parts.iter().any(|entry| entry.key == "union" || entry.key == "intersection");
        if let Some(extra) = parts.get(1).filter(|_| is_set) {
            return Err(messages::set_not_alone(extra.key_place.clone()));
        }
    }
    Ok(SelectorDefinition {
        name: name.text("name")?.to_owned(),
        place: name.place.clone(),
        description: find(entries, "description")
            .map(|text| text.text("description").map(str::to_owned))
            .transpose()?,
        is_default: find(entries, "default").map_or(Ok(false), |flag| flag.flag("default"))?,
        definition: definition(written)?,
        written: written.to_json(),
    })
}

fn definition(written: &Written) -> Result<Definition> {
    let entries = match &written.value {
        WrittenValue::Text(text) => return Ok(Definition::Text(text.clone(), written.place.clone())),
        WrittenValue::Table(entries) => entries,
        _ => return Err(messages::bad_definition(written.place.clone())),
    };
    if let Some(parts) = find(entries, "union") {
        let (parts, exclude) = set(parts, "union")?;
        return Ok(Definition::Union(parts, exclude));
    }
    if let Some(parts) = find(entries, "intersection") {
        let (parts, exclude) = set(parts, "intersection")?;
        return Ok(Definition::Intersection(parts, exclude));
    }
    criterion(entries, written)
}

/// The parts of a set, and the parts that are excluded from it.
fn set(written: &Written, key: &str) -> Result<(Vec<Definition>, Vec<Definition>)> {
    let mut parts = Vec::new();
    let mut exclude = None;
    for item in written.list(key)? {
        let found = match &item.value {
            WrittenValue::Table(entries) => find(entries, "exclude").filter(|_| find(entries, "method").is_none()),
            _ => None,
        };
        match found {
            Some(_) if exclude.is_some() => return Err(messages::two_excludes(item.place.clone())),
            Some(found) => exclude = Some(each(found)?),
            None => parts.push(definition(item)?),
        }
    }
    Ok((parts, exclude.unwrap_or_default()))
}

fn each(written: &Written) -> Result<Vec<Definition>> {
    written.list("exclude")?.iter().map(definition).collect()
}

fn criterion(entries: &[Entry], written: &Written) -> Result<Definition> {
    let scalar = |value: &Written| match &value.value {
        WrittenValue::Text(text) => Ok(text.clone()),
        WrittenValue::Bool(flag) => Ok(flag.to_string()),
        WrittenValue::Number(number) => Ok(number.to_string()),
        _ => Err(messages::wrong_kind("value", "a text", value.kind(), value.place.clone())),
    };
    let blank = |place: &Place, method: &str, value: String| Criterion {
        place: place.clone(),
        method: method.to_owned(),
        value,
        parents: false,
        parents_depth: None,
        children: false,
        children_depth: None,
        childrens_parents: false,
        indirect: None,
        exclude: Vec::new(),
    };
    // `tag: nightly` is a short form for a method and its value.
    if let [entry] = entries
        && entry.key != "method"
        && entry.key != "value"
    {
        return Ok(Definition::One(Box::new(blank(&entry.key_place, &entry.key, scalar(&entry.value)?))));
    }
    if let Some(error) = Error::many(unknown_keys(entries, CRITERION_KEYS, "a selector's definition")) {
        return Err(error);
    }
    let needed = |key: &str| {
        find(entries, key).ok_or_else(|| messages::key_missing(key, "this definition", written.place.clone()))
    };
    let method = needed("method")?;
    let value = needed("value")?;
    let flag = |key: &str| find(entries, key).map_or(Ok(false), |flag| flag.flag(key));
    let depth = |key: &str| match find(entries, key).filter(|value| !value.is_null()) {
        Some(value) if value.to_json() == 0 => Ok(Some(0)),
        Some(value) => value.count(key).map(Some),
        None => Ok(None),
    };
    let indirect = find(entries, "indirect_selection")
        .map(|word| Ok::<_, Error>((word.text("indirect_selection")?.to_owned(), word.place.clone())))
        .transpose()?;
    Ok(Definition::One(Box::new(Criterion {
        parents: flag("parents")?,
        parents_depth: depth("parents_depth")?,
        children: flag("children")?,
        children_depth: depth("children_depth")?,
        childrens_parents: flag("childrens_parents")?,
        indirect,
        exclude: find(entries, "exclude").map_or(Ok(Vec::new()), each)?,
        ..blank(&method.place, method.text("method")?, scalar(value)?)
    })))
}

impl SelectorDefinition {
    /// The definition in the form of dbt's manifest.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("name".into(), self.name.clone().into());
        if let Some(description) = &self.description {
            object.insert("description".into(), description.clone().into());
        }
        object.insert("definition".into(), self.written.clone());
        Value::Object(object)
    }
}
