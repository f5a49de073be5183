//! Loads from a real server that a data-driven case cannot simulate: kills, lost connections, odd `_id`s, concurrent
//! writes.
//!
//! The condition is always that each document of the server is in the raw table once.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mongodb::bson::{Binary, Bson, DateTime, Decimal128, Document, Timestamp, doc, oid::ObjectId};

use crate::project::Project;
use crate::relay::Relay;
use crate::servers::{Mongo, MongoDatabase};
use crate::wire::{Fate, Wire};

const PROFILES: &str = "[project]\nname = \"shop\"\n\n[target.dev.sources.shop]\ntype = \"mongodb\"\n\
                        uri = \"${MONGODB_URI}\"\ndatabase = \"${MONGODB_DATABASE}\"\n";

/// A project with the collection `orders` with that configuration, and one model over it.
fn project(config: &str, mongo: &MongoDatabase) -> Project {
    let sources = format!(
        "version: 2\nsources:\n  - name: shop\n    tables:\n      - name: orders\n        config: {{ {config} }}\n"
    );
    let mut project = Project::of(&[
        ("profiles.toml", PROFILES),
        ("models/sources.yml", &sources),
        ("models/orders.sql", "select * from {{ source('shop', 'orders') }}\n"),
    ]);
    project.set("MONGODB_URI", &mongo.uri).set("MONGODB_DATABASE", &mongo.name);
    project
}

/// `_id`s of every type that a server accepts, with many values of some types.
fn ids() -> Vec<Bson> {
    let mut ids: Vec<Bson> = vec![
        Bson::Null,
        true.into(),
        false.into(),
        doc! { "a": 1 }.into(),
        doc! { "a": 1, "b": "x" }.into(),
        Bson::Binary(Binary { subtype: 0.into(), bytes: vec![1, 2] }),
        Bson::Binary(Binary { subtype: 4.into(), bytes: vec![7; 16] }),
        Bson::Binary(Binary { subtype: 3.into(), bytes: vec![8; 16] }),
        Bson::Timestamp(Timestamp { time: 1, increment: 2 }),
        Bson::DateTime(DateTime::from_millis(-1)),
        Bson::MinKey,
        Bson::MaxKey,
        f64::NAN.into(),
        f64::INFINITY.into(),
        "0.1".parse::<Decimal128>().expect("a decimal").into(),
        "".into(),
        "{\"$oid\":\"x\"}".into(),
    ];
    for n in 0..400_i32 {
        ids.push(if n % 2 == 0 { n.into() } else { (f64::from(n) + 0.5).into() });
        ids.push(format!("text {n}").into());
        ids.push(ObjectId::from_bytes([(n % 251) as u8, (n / 251) as u8, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).into());
    }
    ids
}

fn documents() -> Vec<Document> {
    ids().into_iter().enumerate().map(|(n, id)| doc! { "_id": id, "n": n as i32, "text": "x".repeat(200) }).collect()
}

fn assert_whole(project: &Project, documents: usize) {
    let count =
        |what: &str| project.number("dev", &format!("select count({what}) from {{{{ source('shop', 'orders') }}}}"));
    assert_eq!(
        (count("*"), count("distinct _id"), count("distinct n")),
        (documents as i64, documents as i64, documents as i64)
    );
}

#[test]
fn every_kind_of_id_lands_once_in_ranges() {
    let mongo = Mongo::shared().database();
    mongo.insert("orders", documents());
    let whole = documents().len();
    let project = project("range_size: 100, verify: strict", &mongo);
    project.elt(&["build"]).ok().says("source 1,217");
    assert_whole(&project, whole);
    let segments = fs::read_dir(project.path().join(".elt/dev/landing/shop/orders"))
        .expect("the collection's loads")
        .flat_map(|load| fs::read_dir(load.expect("a load").path()).expect("its files"))
        .filter(|file| file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().starts_with("segment-")))
        .count();
    assert!(segments >= 8, "{segments} segments");
}

#[test]
fn a_killed_full_load_goes_on_with_the_ranges_that_landed() {
    let mongo = Mongo::shared().database();
    mongo.insert("orders", documents());
    let mut project = project("range_size: 100", &mongo);
    project.set("ELT_FAILPOINT", "land.part:4");
    project.elt(&["build", "--threads", "1"]).died();
    project.unset("ELT_FAILPOINT");
    project.elt(&["build"]).ok().says("ranges were already on disk");
    assert_whole(&project, documents().len());
    // Again from nothing: a finished load is not gone on with.
    project.elt(&["build", "--full-refresh"]).ok().hides("were already on disk");
    assert_whole(&project, documents().len());
    // With other options, the landed parts cannot be used.
    project.set("ELT_FAILPOINT", "land.part:2");
    project.elt(&["build", "--full-refresh", "--threads", "1"]).died();
    project.unset("ELT_FAILPOINT");
    project.write(
        "models/sources.yml",
        "version: 2\nsources:\n  - name: shop\n    tables:\n      - name: orders\n        config: { exclude: text }\n",
    );
    project.elt(&["build", "--full-refresh"]).ok().hides("were already on disk");
    assert_whole(&project, documents().len());
}

#[test]
fn a_server_that_is_lost_for_a_moment_costs_no_document() {
    for config in ["range_size: 100", "load: full"] {
        let mongo = Mongo::shared().database();
        mongo.insert("orders", documents());
        let mut project = project(config, &mongo);
        let relay = Relay::before_mongo(&mongo, 150_000);
        project.set("MONGODB_URI", &relay.uri);
        let run = thread::scope(|scope| {
            scope.spawn(|| {
                relay.wait_for_cut(Duration::from_secs(60));
                // Longer than the driver's time limit for finding a server.
                thread::sleep(Duration::from_millis(1_500));
                relay.mend();
            });
            project.elt(&["build", "--threads", "1"])
        });
        run.ok().says("elt reads it again in").says("collection `shop.orders`");
        assert_whole(&project, documents().len());
    }
}

#[test]
fn a_connection_that_is_cut_once_costs_no_load() {
    let mongo = Mongo::shared().database();
    mongo.insert("orders", documents());
    let mut project = project("load: incremental, watermark: at, deletes: sweep", &mongo);
    let wire = Wire::before(&mongo.uri);
    project.set("MONGODB_URI", &wire.uri);
    // The messages from a connection's first one on; a few are the driver's own.
    for at in [2, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 30, 34] {
        let seen = AtomicUsize::new(0);
        wire.judge(move |_| if seen.fetch_add(1, Ordering::SeqCst) == at { Fate::CutBefore } else { Fate::Pass });
        project.elt(&["build"]).ok();
    }
    assert_whole(&project, documents().len());
}

#[test]
fn all_collections_are_read_as_they_were_at_one_moment() {
    let mongo = Mongo::shared().database();
    mongo.insert("orders", documents());
    let mut project = project("range_size: 300", &mongo);
    project.write("profiles.toml", &format!("{PROFILES}snapshot = true\n"));
    project.elt(&["build"]).ok().says("source 1,217");
    assert_whole(&project, documents().len());
    project.set("MONGODB_DATABASE", "");
}

#[test]
fn a_late_write_below_the_window_is_told_or_refused() {
    let mongo = Mongo::shared().database();
    let order = |n: i32| doc! { "_id": n, "n": n, "at": n };
    mongo.insert("orders", (0..50).map(order).collect());
    let config = "load: incremental, watermark: at";
    let project = project(config, &mongo);
    project.elt(&["build"]).ok();
    assert_whole(&project, 50);
    // No window reads this document, because its watermark is far below the greatest.
    mongo.insert("orders", vec![doc! { "_id": 100, "n": 100, "at": -1 }]);
    project.elt(&["build"]).ok().says("the source has 51 documents in `shop.orders`, but the raw table has 50");
    project.write(
        "models/sources.yml",
        &format!(
            "version: 2\nsources:\n  - name: shop\n    tables:\n      - name: orders\n        config: {{ {config}, verify: strict }}\n"
        ),
    );
    mongo.insert("orders", vec![order(60)]);
    project.elt(&["build"]).exits(1).says("the source has 52 documents in `shop.orders`, but the raw table has 51");
    assert_whole(&project, 50);
    project.elt(&["build", "--full-refresh"]).ok();
    assert_whole(&project, 52);
}

#[test]
fn deleted_documents_are_marked_and_come_back() {
    let mongo = Mongo::shared().database();
    let order = |n: i32| doc! { "_id": n, "n": n, "at": n };
    mongo.insert("orders", (0..50).map(order).collect());
    let project = project("load: incremental, watermark: at, deletes: mark", &mongo);
    let gone = "select count(*) from {{ source('shop', 'orders') }} where _elt_deleted_at is not null";
    project.elt(&["build"]).ok();
    assert_eq!(project.number("dev", gone), 0);
    mongo.delete("orders", doc! { "n": { "$lt": 7 } });
    project.elt(&["build"]).ok().says("7 marked as deleted").says("source 43");
    assert_eq!(project.number("dev", gone), 7);
    assert_whole(&project, 50);
    // One document is inserted again below the window, and one is inserted again without a change.
    mongo.insert("orders", vec![order(1), doc! { "_id": 2, "n": 2, "at": 99 }]);
    project.elt(&["build"]).ok().says("source 45");
    assert_eq!(project.number("dev", gone), 5);
}
