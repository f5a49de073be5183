//! The kind that most values of a field have wins on a full load, exactly, although the first documents have another:
//! from each format of files and from a server, in nested fields, and again on a full refresh.

use std::fs;

use mongodb::bson::{Bson, Document, doc, oid::ObjectId};

use crate::project::Project;
use crate::servers::Mongo;

/// The first documents are more than any sample of first documents.
const FIRST: i32 = 2_151;
const ALL: i32 = 21_640;

/// In the first documents, each field has another kind than in the others.
fn document(n: i32) -> Document {
    let id = ObjectId::from_bytes([(n % 251) as u8, (n / 251) as u8, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    if n < FIRST {
        return doc! {
            "_id": n, "v": 0, "o": { "x": n, "same": 1 }, "list": [1, 2], "id": "text", "d": n, "w": true,
            "items": [{ "a": 1 }], "t": "x",
        };
    }
    doc! {
        "_id": format!("k{n}"), "v": format!("x{n}"), "o": { "x": "text", "same": 1 }, "list": ["a", "b"], "id": id,
        "d": f64::from(n) + 0.5, "w": { "k": { "deep": "y" } }, "items": [{ "a": ["z"] }], "t": 7,
    }
}

fn project(format: &str, path: &str) -> Project {
    let profiles = format!("[project]\nname = \"shop\"\n\n[target.dev.sources.shop]\n{path}\n");
    let sources = "version: 2\nsources:\n  - name: shop\n    tables:\n      - name: c\n";
    let project = Project::of(&[("profiles.toml", &profiles), ("models/sources.yml", sources)]);
    let folder = project.path().join("data");
    fs::create_dir_all(&folder).expect("a folder");
    let documents = (0..ALL).map(document);
    let json = |document: Document| Bson::Document(document).into_canonical_extjson().to_string();
    let bytes = match format {
        "bson" => documents.flat_map(|document| document.to_vec().expect("BSON")).collect(),
        "jsonl" => documents.map(|document| json(document) + "\n").collect::<String>().into_bytes(),
        _ => format!("[{}]", documents.map(json).collect::<Vec<_>>().join(",")).into_bytes(),
    };
    if format != "server" {
        fs::write(folder.join(format!("c.{format}")), bytes).expect("a file");
    }
    project
}

#[track_caller]
fn assert_majority(project: &Project, ids: &str) {
    let of = "from {{ source('shop', 'c') }}";
    let typed = project.query(
        "dev",
        &format!(
            "select any_value(typeof(v)) as v, any_value(typeof(o)) as o, any_value(typeof(list)) as list, \
         any_value(typeof(d)) as d, any_value(typeof(w)) as w, any_value(typeof(items)) as items, \
         any_value(typeof(t)) as t {of}"
        ),
    );
    let expected = serde_json::json!({
        "v": "VARCHAR", "o": "STRUCT(x VARCHAR, same BIGINT)", "list": "VARCHAR[]", "d": "DOUBLE",
        "w": "STRUCT(k STRUCT(deep VARCHAR))", "items": "STRUCT(a VARCHAR[])[]", "t": "BIGINT",
    });
    assert_eq!(serde_json::Value::from(typed[0].clone()), expected);
    let count = |what: &str| project.number("dev", &format!("select count(*) {of} where {what}"));
    assert_eq!(count("true"), i64::from(ALL));
    assert_eq!(count("_elt_rescued is not null"), i64::from(FIRST), "only values of the minority are rescued");
    assert_eq!(count(ids), i64::from(ALL - FIRST), "most `_id`s are plain");
}

#[test]
fn of_files() {
    for format in ["jsonl", "json", "bson"] {
        let project = project(format, "type = \"files\"\npath = \"data\"");
        project.elt(&["extract"]).ok().says("21,640 documents");
        assert_majority(&project, "_id like 'k%'");
        project.elt(&["extract"]).ok().says("unchanged");
        project.elt(&["extract", "--full-refresh"]).ok();
        assert_majority(&project, "_id like 'k%'");
    }
}

#[test]
fn of_a_server_also_in_ranges() {
    let mongo = Mongo::shared().database();
    mongo.insert("c", (0..ALL).map(document).collect());
    for config in ["", "\n        config: { range_size: 5000 }"] {
        let mut project =
            project("server", "type = \"mongodb\"\nuri = \"${MONGODB_URI}\"\ndatabase = \"${MONGODB_DATABASE}\"");
        project.write(
            "models/sources.yml",
            &format!("version: 2\nsources:\n  - name: shop\n    tables:\n      - name: c{config}\n"),
        );
        project.set("MONGODB_URI", &mongo.uri).set("MONGODB_DATABASE", &mongo.name);
        project.elt(&["extract"]).ok();
        assert_majority(&project, "_id like 'k%'");
        if config.is_empty() {
            project.elt(&["extract", "--full-refresh"]).ok();
            assert_majority(&project, "_id like 'k%'");
        }
    }
}
