//! Property tests over random documents: the chosen fields equal those of an implementation on `bson::Document` that
//! follows the manual, and the result is valid BSON.

use bson::{Bson, Document, doc};
use proptest::prelude::*;

use super::tests::walk;
use super::{Mask, Reshape};
use crate::bson::Fields;

fn keys() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "odd key", "0"]).prop_map(str::to_owned)
}

fn values() -> impl Strategy<Value = Bson> {
    let leaf = prop_oneof![
        Just(Bson::Null),
        Just(Bson::Undefined),
        Just(Bson::MaxKey),
        any::<bool>().prop_map(Bson::Boolean),
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        "[a-c\u{e9}]{0,4}".prop_map(Bson::String),
        any::<[u8; 12]>().prop_map(|bytes| bson::oid::ObjectId::from_bytes(bytes).into()),
        any::<[u8; 3]>().prop_map(|bytes| bson::Binary { subtype: 0.into(), bytes: bytes.into() }.into()),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Bson::Array),
            prop::collection::vec((keys(), inner), 0..5)
                .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
        ]
    })
}

fn documents() -> impl Strategy<Value = Document> {
    prop::collection::vec((keys(), values()), 0..6).prop_map(|fields| {
        let mut document = doc! { "_id": 1 };
        document.extend(fields);
        document
    })
}

/// Paths. No path is above another.
fn paths() -> impl Strategy<Value = Vec<String>> {
    let path = prop::collection::vec(keys(), 1..4).prop_map(|steps| steps.join("."));
    prop::collection::vec(path, 1..5).prop_map(|paths| {
        let mut kept: Vec<String> = Vec::new();
        for path in paths {
            let meets = |other: &String| {
                *other == path || other.starts_with(&format!("{path}.")) || path.starts_with(&format!("{other}."))
            };
            if !kept.iter().any(meets) {
                kept.push(path);
            }
        }
        kept
    })
}

fn exclude(document: &mut Document, path: &str) {
    match path.split_once('.') {
        None => drop(document.remove(path)),
        Some((key, rest)) => {
            if let Some(value) = document.get_mut(key)
                && !exclude_below(value, rest)
            {
                document.remove(key);
            }
        }
    }
}

/// False if nothing is left, because the value is of another kind.
fn exclude_below(value: &mut Bson, path: &str) -> bool {
    match value {
        Bson::Document(document) => exclude(document, path),
        Bson::Array(items) => items.retain_mut(|item| exclude_below(item, path)),
        _ => return matches!(value, Bson::Null | Bson::Undefined),
    }
    true
}

fn include(document: &Document, paths: &[&str]) -> Document {
    let taken = document.iter().filter_map(|(key, value)| {
        let below: Vec<&str> = paths.iter().filter_map(|path| path.strip_prefix(&format!("{key}."))).collect();
        let value = if paths.contains(&key.as_str()) { Some(value.clone()) } else { include_below(value, &below) };
        Some((key.clone(), value?))
    });
    taken.collect()
}

fn include_below(value: &Bson, paths: &[&str]) -> Option<Bson> {
    match value {
        _ if paths.is_empty() => None,
        Bson::Document(document) => Some(include(document, paths).into()),
        Bson::Array(items) => {
            Some(items.iter().filter_map(|item| include_below(item, paths)).collect::<Vec<_>>().into())
        }
        _ => None,
    }
}

fn apply(reshape: &Reshape, document: &Document) -> Document {
    let mut out = Vec::new();
    let after = reshape.apply(&document.to_vec().unwrap(), &mut out).unwrap();
    Fields::new(after).and_then(walk).unwrap();
    Document::from_reader(after).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn excluding_equals_removing(document in documents(), paths in paths()) {
        let mut expected = document.clone();
        for path in &paths {
            exclude(&mut expected, path);
        }
        let reshape = Reshape::new(&[], &paths, &[], b"").unwrap().unwrap();
        prop_assert_eq!(apply(&reshape, &document), expected);
    }

    #[test]
    fn including_equals_picking(document in documents(), paths in paths()) {
        let mut all: Vec<&str> = paths.iter().map(String::as_str).collect();
        all.push("_id");
        let expected = include(&document, &all);
        let reshape = Reshape::new(&paths, &[], &[], b"").unwrap().unwrap();
        let after = apply(&reshape, &document);
        prop_assert_eq!(apply(&reshape, &after), expected.clone());
        prop_assert_eq!(after, expected);
    }

    #[test]
    fn excluding_beforehand_changes_no_mask(document in documents(), paths in paths(), masked in paths()) {
        let masks: Vec<(String, Mask)> = masked.into_iter().map(|path| (path, Mask::Hash)).collect();
        let both = Reshape::new(&[], &paths, &masks, b"salt").unwrap().unwrap();
        let first = Reshape::new(&[], &paths, &[], b"").unwrap().unwrap();
        let second = Reshape::new(&[], &[], &masks, b"salt").unwrap().unwrap();
        prop_assert_eq!(apply(&both, &document), apply(&second, &apply(&first, &document)));
    }
}
