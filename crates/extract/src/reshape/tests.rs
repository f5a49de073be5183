//! Tests of documents before and after: choice of fields, masks, both, and errors.

use bson::{Bson, Document, doc};
use sha2::{Digest, Sha256};

use super::{Mask, Reshape};
use crate::bson::{Fields, Kind, Malformed};

fn owned(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

fn masks(paths: &[(&str, Mask)]) -> Vec<(String, Mask)> {
    paths.iter().map(|(path, mask)| ((*path).to_owned(), *mask)).collect()
}

fn reshape(include: &[&str], exclude: &[&str], mask: &[(&str, Mask)]) -> Reshape {
    Reshape::new(&owned(include), &owned(exclude), &masks(mask), b"salt").unwrap().unwrap()
}

/// Walks the whole document.
pub fn walk(mut fields: Fields<'_>) -> Result<(), Malformed> {
    while let Some(element) = fields.next(&[])? {
        if matches!(element.value.kind, Kind::Object | Kind::Array) {
            walk(element.value.fields()?)?;
        }
    }
    Ok(())
}

#[track_caller]
fn check(reshape: &Reshape, before: Document, expected: &Document) {
    let before = before.to_vec().unwrap();
    let mut out = vec![7; 3];
    let after = reshape.apply(&before, &mut out).unwrap();
    Fields::new(after).and_then(walk).unwrap();
    assert_eq!(&Document::from_reader(after).unwrap(), expected);
    assert_eq!(after, expected.to_vec().unwrap());
}

#[track_caller]
fn check_error(include: &[&str], exclude: &[&str], mask: &[(&str, Mask)], expected: &str) {
    let error = Reshape::new(&owned(include), &owned(exclude), &masks(mask), b"salt").unwrap_err();
    assert_eq!(error, expected);
}

fn hashed(text: &str) -> Bson {
    let digest = Sha256::digest(format!("salt{text}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

#[test]
fn excludes() {
    let top = reshape(&[], &["b"], &[]);
    check(&top, doc! { "_id": 1, "a": 1, "b": 2, "c": 3 }, &doc! { "_id": 1, "a": 1, "c": 3 });
    check(&top, doc! { "b": { "x": 1 } }, &doc! {});
    check(&top, doc! { "_id": 1, "a": { "b": 1 } }, &doc! { "_id": 1, "a": { "b": 1 } });
    let deep = reshape(&[], &["a.b", "a.c.d"], &[]);
    check(&deep, doc! { "a": { "b": 1, "c": { "d": 1, "e": 2 }, "f": 3 } }, &doc! { "a": { "c": { "e": 2 }, "f": 3 } });
    check(&deep, doc! { "_id": 1, "a": 5 }, &doc! { "_id": 1 });
    check(&deep, doc! { "a": { "b": 1, "c": "d is here", "f": 3 } }, &doc! { "a": { "f": 3 } });
    check(&deep, doc! { "a": Bson::Null }, &doc! { "a": Bson::Null });
    check(
        &deep,
        doc! { "a": [{ "b": 1, "x": 1 }, 7, [{ "b": 2 }, "b"], { "c": [{ "d": 1 }] }, {}, Bson::Null] },
        &doc! { "a": [{ "x": 1 }, [{}], { "c": [{}] }, {}, Bson::Null] },
    );
    // The steps of a path are keys, never indexes of an array.
    check(&reshape(&[], &["a.0"], &[]), doc! { "a": [{ "1": 1 }, { "0": 2 }] }, &doc! { "a": [{ "1": 1 }, {}] });
}

#[test]
fn includes() {
    let top = reshape(&["c", "a"], &[], &[]);
    check(&top, doc! { "a": 1, "b": 2, "_id": 9, "c": { "d": 1 } }, &doc! { "a": 1, "_id": 9, "c": { "d": 1 } });
    check(&top, doc! { "b": 2 }, &doc! {});
    check(&reshape(&["_id"], &[], &[]), doc! { "_id": { "x": 1 }, "a": 1 }, &doc! { "_id": { "x": 1 } });
    let deep = reshape(&["a.b", "a.c.d"], &[], &[]);
    check(
        &deep,
        doc! { "_id": 1, "a": { "b": 1, "x": 2, "c": { "d": 1, "e": 2 } } },
        &doc! { "_id": 1, "a": { "b": 1, "c": { "d": 1 } } },
    );
    check(&deep, doc! { "a": 5 }, &doc! {});
    check(&deep, doc! { "a": Bson::Null, "b": 1 }, &doc! {});
    check(&deep, doc! { "a": { "x": 1 } }, &doc! { "a": {} });
    check(
        &deep,
        doc! { "a": [1, { "b": 1, "x": 1 }, [2, { "b": 2 }], Bson::Null, { "c": 4 }, []] },
        &doc! { "a": [{ "b": 1 }, [{ "b": 2 }], {}, []] },
    );
}

#[test]
fn masks_values() {
    let all = reshape(&[], &[], &[("a", Mask::Hash), ("n", Mask::Null)]);
    check(&all, doc! { "a": "é", "b": 1, "n": "secret" }, &doc! { "a": hashed("é"), "b": 1, "n": Bson::Null });
    check(&all, doc! { "a": 7, "n": { "x": 1 } }, &doc! { "a": hashed(r#"{"$numberInt":"7"}"#), "n": Bson::Null });
    let oid = bson::oid::ObjectId::from_bytes([0xab; 12]);
    check(&all, doc! { "a": oid }, &doc! { "a": hashed(&"ab".repeat(12)) });
    check(&all, doc! { "a": { "x": [true] } }, &doc! { "a": hashed(r#"{"x":[true]}"#) });
    check(&all, doc! { "a": Bson::Null, "b": Bson::Undefined }, &doc! { "a": Bson::Null, "b": Bson::Undefined });
    check(
        &all,
        doc! { "a": Bson::MaxKey, "b": Bson::MinKey },
        &doc! { "a": hashed(r#"{"$maxKey":1}"#), "b": Bson::MinKey },
    );
    check(
        &all,
        doc! { "a": ["x", ["y", Bson::Null], { "z": "w" }], "n": [1, [2], []] },
        &doc! { "a": [hashed("x"), [hashed("y"), Bson::Null], hashed(r#"{"z":"w"}"#)], "n": [Bson::Null, [Bson::Null], []] },
    );
}

#[test]
fn masks_go_through_arrays() {
    let deep = reshape(&[], &[], &[("a.b", Mask::Hash)]);
    check(
        &deep,
        doc! { "a": [{ "b": "x", "c": 1 }, 5, [{ "b": ["y"] }], { "c": 2 }], "b": "z" },
        &doc! { "a": [{ "b": hashed("x"), "c": 1 }, hashed(r#"{"$numberInt":"5"}"#), [{ "b": [hashed("y")] }], { "c": 2 }], "b": "z" },
    );
}

#[test]
fn masks_hide_values_of_other_kinds_above() {
    let deep = reshape(&[], &[], &[("a.b.c", Mask::Hash), ("n.x", Mask::Hash), ("n.y", Mask::Null)]);
    check(&deep, doc! { "a": "x", "n": "y" }, &doc! { "a": hashed("x"), "n": Bson::Null });
    check(&deep, doc! { "a": { "b": "x" } }, &doc! { "a": { "b": hashed("x") } });
    check(&deep, doc! { "a": ["x", ["y"]] }, &doc! { "a": [hashed("x"), [hashed("y")]] });
    check(&deep, doc! { "a": Bson::Null, "n": [] }, &doc! { "a": Bson::Null, "n": [] });
    check(&deep, doc! { "a": { "b": {} }, "n": {} }, &doc! { "a": { "b": {} }, "n": {} });
    let scope = bson::JavaScriptCodeWithScope { code: "f".into(), scope: doc! { "b": 1 } };
    let text = r#"{"$code":"f","$scope":{"b":{"$numberInt":"1"}}}"#;
    check(&deep, doc! { "a": Bson::JavaScriptCodeWithScope(scope) }, &doc! { "a": hashed(text) });
}

#[test]
fn similar_keys_are_hidden_too() {
    let all = reshape(&[], &["Secret", "o.p"], &[("email", Mask::Hash), ("größe.x", Mask::Null)]);
    check(
        &all,
        doc! { "Email": "x", "EMAIL": "y", "e-mail": "z" },
        &doc! {
            "Email": hashed("x"), "EMAIL": hashed("y"), "e-mail": "z",
        },
    );
    check(&all, doc! { "secret": 1, "SECRET": { "a": 1 }, "O": { "P": 1, "q": 2 } }, &doc! { "O": { "q": 2 } });
    check(&all, doc! { "GRÖSSE": 1, "GRÖßE": { "X": 1 } }, &doc! { "GRÖSSE": 1, "GRÖßE": { "X": Bson::Null } });
    check(
        &all,
        doc! { "o.p": 1, "O.P.q": 2, "o.x": 3, "email.home": "x" },
        &doc! {
            "o.x": 3, "email.home": hashed("x"),
        },
    );
    // The `_id` is kept, whatever paths look like it.
    check(&reshape(&[], &["_ID"], &[]), doc! { "_id": 1, "_Id": 2 }, &doc! { "_id": 1 });
    check(
        &reshape(&[], &[], &[("_ID.a", Mask::Null)]),
        doc! { "_id": 1, "_Id": 2 },
        &doc! { "_id": 1, "_Id": Bson::Null },
    );
    // What is read is named exactly.
    check(&reshape(&["email"], &[], &[]), doc! { "_id": 1, "Email": "x" }, &doc! { "_id": 1 });
}

#[test]
fn masks_see_what_the_choice_left() {
    let both = reshape(&[], &["a.b", "c"], &[("a", Mask::Hash), ("c", Mask::Null), ("d.e", Mask::Null)]);
    check(
        &both,
        doc! { "a": { "b": 1, "x": "y" }, "c": 1, "d": { "e": 1, "f": 2 } },
        &doc! { "a": hashed(r#"{"x":"y"}"#), "d": { "e": Bson::Null, "f": 2 } },
    );
    let chosen = reshape(&["a.b"], &[], &[("a", Mask::Hash), ("d", Mask::Null)]);
    check(&chosen, doc! { "a": [1, { "b": true, "c": 2 }], "d": 1 }, &doc! { "a": [hashed(r#"{"b":true}"#)] });
    check(&chosen, doc! { "a": 5 }, &doc! {});
}

#[test]
fn each_of_repeated_keys_is_met() {
    let parts = [doc! { "_id": 1 }, doc! { "a": "x" }, doc! { "b": 1 }, doc! { "a": "y" }, doc! { "b": 2 }];
    let mut before = vec![0; 4];
    for part in parts {
        let bytes = part.to_vec().unwrap();
        before.extend_from_slice(&bytes[4..bytes.len() - 1]);
    }
    before.push(0);
    let length = before.len() as u32;
    before[..4].copy_from_slice(&length.to_le_bytes());
    let mut out = Vec::new();
    let after = reshape(&[], &["b"], &[("a", Mask::Null)]).apply(&before, &mut out).unwrap();
    let mut fields = Fields::new(after).unwrap();
    let mut met = Vec::new();
    while let Some(element) = fields.next(&[]).unwrap() {
        met.push((element.key.to_vec(), element.value.kind));
    }
    let expected = [(&b"_id"[..], Kind::Int32), (b"a", Kind::Null), (b"a", Kind::Null)];
    assert_eq!(met, expected.map(|(key, kind)| (key.to_vec(), kind)));
}

#[test]
fn many_paths_and_long_arrays() {
    let names: Vec<String> = (0..40).map(|number| format!("f{number}")).collect();
    let document: Document = names.iter().map(|name| (name.clone(), Bson::Int32(1))).collect();
    let left: Document = names[20..].iter().map(|name| (name.clone(), Bson::Int32(1))).collect();
    let many = Reshape::new(&[], &names[..20], &[], b"").unwrap().unwrap();
    check(&many, document, &left);
    let long: Vec<Bson> = (0..1234).map(|number| doc! { "b": number, "c": 1 }.into()).collect();
    let kept: Vec<Bson> = (0..1234).map(|number| doc! { "b": number }.into()).collect();
    check(&reshape(&["a.b"], &[], &[]), doc! { "a": long }, &doc! { "a": kept });
}

#[test]
fn refuses_by_path() {
    assert!(Reshape::new(&[], &[], &[], b"").unwrap().is_none());
    check_error(&["a"], &["b"], &[], "`include` and `exclude` cannot be used together");
    check_error(&[""], &[], &[], "path `` has an empty part");
    check_error(&[], &["a..b"], &[], "path `a..b` has an empty part");
    check_error(&[], &[], &[("a.", Mask::Null)], "path `a.` has an empty part");
    check_error(&["a", "a.b"], &[], &[], "path `a.b` is listed, but it is below path `a`, which is listed too");
    check_error(
        &[],
        &["a.b.c", "x", "a.b"],
        &[],
        "path `a.b.c` is listed, but it is below path `a.b`, which is listed too",
    );
    check_error(&[], &[], &[("a", Mask::Null), ("a", Mask::Hash)], "path `a` is listed twice");
    check_error(&[], &["_id"], &[], "`_id` cannot be excluded, because every document keeps its `_id`");
    check_error(&[], &["_id.a"], &[], "`_id.a` cannot be excluded, because every document keeps its `_id`");
    check_error(&[], &[], &[("_id", Mask::Hash)], "`_id` cannot be masked, because `_id` identifies a document");
    check_error(&["_id.a"], &[], &[], "`_id.a` cannot be included alone, because `_id` is always kept whole");
}

#[test]
fn shows_no_salt() {
    let reshape = reshape(&["a"], &[], &[("a", Mask::Hash)]);
    assert!(!format!("{reshape:?}").contains("salt"));
}

#[test]
fn malformed_documents_are_named_as_such() {
    let reshape = reshape(&[], &["a.b"], &[("c", Mask::Hash)]);
    let bytes = doc! { "a": [{ "b": 1_i64 }], "c": "text", "d": 1.5 }.to_vec().unwrap();
    let mut out = Vec::new();
    for index in 0..bytes.len() {
        for byte in [0, 1, 4, 0x7f, 0xff] {
            let mut broken = bytes.clone();
            broken[index] = byte;
            let _ = reshape.apply(&broken, &mut out);
        }
        assert!(reshape.apply(&bytes[..index], &mut out).is_err());
    }
    let mut nested = Bson::Array(vec![]);
    for _ in 0..260 {
        nested = Bson::Array(vec![nested]);
    }
    let deep = doc! { "a": nested }.to_vec().unwrap();
    assert_eq!(reshape.apply(&deep, &mut out).unwrap_err().what, "values are nested more than 250 levels deep");
}
