//! Publications to MongoDB: the documents of rows, deltas, kills, changes by others, and values that do not fit.

use std::thread;
use std::time::Duration;

use mongodb::bson::{Bson, Document, doc};

use crate::project::Project;
use crate::servers::{Mongo, MongoDatabase};
use crate::wire::{Fate, Side, Wire};

const PROFILES: &str = "[project]\nname = \"shop\"\n[project.vars]\nday = 1\n[target.dev]\nthreads = 2\n\
    [target.dev.export]\ntype = \"mongodb\"\nuri = \"${MONGODB_URI}\"\ndatabase = \"${MONGODB_DATABASE}\"\n";
const CUSTOMERS: &str = "{{ config(materialized='table') }}\n\
    select i as customer_id, 'day ' || case when i % 3 = 0 then {{ var('day') }} else 1 end as title, \
    (select list(struct_pack(loan_no := j, amount := (j * 1.5)::decimal(10, 2))) from range(i % 4) l(j)) as loans \
    from range({{ var('day') }}, 300 + {{ var('day') }}) t(i)";
const MARTS: &str = "models:\n  - name: customers\n    config:\n      indexes: [{columns: [title]}]\n    constraints:\n      \
    - {type: primary_key, columns: [customer_id]}\n";

fn project(mongo: &MongoDatabase) -> Project {
    let mut project = Project::of(&[
        ("profiles.toml", PROFILES),
        ("models/marts/customers.sql", CUSTOMERS),
        ("models/marts/totals.sql", "select title, count(*) as n from {{ ref('customers') }} group by 1"),
        ("models/marts/marts.yml", MARTS),
    ]);
    project.set("MONGODB_URI", &mongo.uri).set("MONGODB_DATABASE", &mongo.name);
    project
}

fn day(day: i64) -> String {
    format!("{{\"day\": {day}}}")
}

/// Fails unless the documents of the collections equal those of that day.
#[track_caller]
fn assert_at(mongo: &MongoDatabase, day: i64, when: &str) {
    let expected: Vec<Document> = (day..300 + day)
        .map(|i| {
            let loans: Vec<Bson> = (0..i % 4)
                .map(|j| {
                    let amount = format!("{}.{}0", j * 3 / 2, if j % 2 == 1 { 5 } else { 0 });
                    Bson::from(doc! { "loan_no": j, "amount": amount.parse::<mongodb::bson::Decimal128>().expect("a decimal") })
                })
                .collect();
            let loans = if loans.is_empty() { Bson::Null } else { loans.into() };
            let title = format!("day {}", if i % 3 == 0 { day } else { 1 });
            doc! { "_id": i, "customer_id": i, "title": title, "loans": loans }
        })
        .collect();
    let found = mongo.documents("customers");
    assert_eq!(found.len(), expected.len(), "{when}");
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected, "{when}");
    }
    let total: i64 = mongo.documents("totals").iter().map(|total| total.get_i64("n").expect("a count")).sum();
    assert_eq!(total, 300, "{when}");
}

#[test]
fn rows_become_documents_and_only_changes_go() {
    let mongo = Mongo::shared().database();
    let project = project(&mongo);
    project.elt(&["build"]).ok().says("300 inserted");
    assert_at(&mongo, 1, "the first load");
    project.elt(&["build"]).ok().says("(0 rows changed)");
    let publications = mongo.count("_elt_publications");
    assert_eq!(publications, 1, "nothing is written where nothing changed");
    project.elt(&["build", "--vars", &day(2)]).ok().says("1 inserted, 100 updated, 1 deleted");
    assert_at(&mongo, 2, "a delta, in one transaction");
    // Others change the documents, and the record too.
    mongo.delete("customers", doc! { "_id": 7 });
    mongo.insert("customers", vec![doc! { "_id": 100_000_i64 }]);
    project
        .elt(&["export", "--verify"])
        .exits(1)
        .says("1 row missing in the target, 1 row in the target that the warehouse does not have");
    mongo.delete("_elt_publications", doc! {});
    project.elt(&["export"]).ok().says("1 inserted, 1 deleted");
    assert_at(&mongo, 2, "healed");
}

#[test]
fn killed_publications_are_repeated() {
    let mongo = Mongo::shared().database();
    let mut project = project(&mongo);
    for (index, failpoint) in ["export.staged", "export.before_commit", "export.after_commit"].into_iter().enumerate() {
        let day_of_kill = 1 + 2 * index as i64;
        project.set("ELT_FAILPOINT", failpoint);
        project.elt(&["build", "--vars", &day(day_of_kill)]).died();
        project.unset("ELT_FAILPOINT");
        project.elt(&["build", "--vars", &day(day_of_kill)]).ok();
        assert_at(&mongo, day_of_kill, failpoint);
        project.elt(&["build", "--vars", &day(day_of_kill + 1)]).ok();
        assert_at(&mongo, day_of_kill + 1, &format!("the day after `{failpoint}`"));
    }
    for kill in 0..8_u64 {
        // The days are far apart, so that nearly all rows change, which is too much for one transaction.
        let running = project.start(&["build", "--vars", &day(1_000 * (kill as i64 + 1))]);
        thread::sleep(Duration::from_millis(120 + 40 * kill));
        running.signal("KILL");
        running.finish_within(Duration::from_secs(10));
    }
    project.elt(&["build", "--vars", &day(3)]).ok();
    assert_at(&mongo, 3, "after a row of kills");
}

#[test]
fn what_documents_cannot_hold_is_found_first() {
    let mongo = Mongo::shared().database();
    let mut project = Project::of(&[
        ("profiles.toml", PROFILES),
        (
            "models/marts/odd.sql",
            "{{ config(materialized='table', unique_key='id') }}\nselect i as id, \
             if(i = 2, 'no id', '65a1b2c3d4e5f60718293a4b') as reference, \
             if(i = 3, repeat('x', 17 * 1024 * 1024), 'short') as text from range(5) t(i)",
        ),
        (
            "models/marts/odd.yml",
            "models:\n  - name: odd\n    config: {export: {on_hazard: fail}}\n    columns:\n      - name: reference\n        \
             config: {export: {type: objectId}}\n",
        ),
    ]);
    project.set("MONGODB_URI", &mongo.uri).set("MONGODB_DATABASE", &mongo.name);
    let run = project.elt(&["build"]).exits(1);
    let run = run.says("column `reference`, not of the column's type: 1 value (`id` 2)");
    run.says("documents over 16 MB: 1 value (`id` 3)").hides("no id");
    assert_eq!(mongo.count("odd"), 0);
    project.write(
        "models/marts/odd.yml",
        "models:\n  - name: odd\n    config: {export: {on_hazard: quarantine}}\n    columns:\n      - name: reference\n        \
         config: {export: {type: objectId}}\n",
    );
    project.elt(&["build"]).ok().says("3 inserted").says("their rows are in `odd_quarantine`");
    let ids: Vec<i64> =
        mongo.documents("odd_quarantine").iter().map(|entry| entry.get_i64("_id").expect("a key")).collect();
    assert_eq!(ids, [2, 3]);
    project.elt(&["export"]).ok().says("(0 rows changed)");
}

#[test]
fn fields_of_others_stay() {
    let mongo = Mongo::shared().database();
    mongo.insert("customers", vec![doc! { "_id": 5_i64, "note": "theirs" }]);
    let project = project(&mongo);
    project.elt(&["build"]).exits(1).says("customers`: 1 row (`customer_id` 5)");
    assert_eq!(mongo.count("customers"), 1);
    project.elt(&["export", "--adopt"]).ok();
    let found = mongo.documents("customers").into_iter().find(|found| found.get_i64("_id").is_ok_and(|id| id == 5));
    let found = found.expect("a document");
    assert_eq!((found.get_str("note").expect("theirs"), found.get_str("title").expect("ours")), ("theirs", "day 1"));
}

/// A publication into a collection of others that was cut off amid its documents: the next run knows which are its own.
#[test]
fn documents_of_a_publication_that_was_cut_off_are_known() {
    let mongo = Mongo::shared().database();
    mongo.insert("customers", vec![doc! { "_id": "theirs" }]);
    let wire = Wire::before(&mongo.uri);
    let mut project = project(&mongo);
    project.set("MONGODB_URI", &wire.uri);
    for number in [1, 20] {
        // The record comes last.
        let is_record = |text: &str| text.contains("_elt_publications") && text.contains("done");
        wire.judge(move |message| match message.from == Side::Client && is_record(&message.text) {
            true => Fate::CutBefore,
            false => Fate::Pass,
        });
        project.elt(&["build", "--vars", &day(number)]).exits(1);
        wire.judge(|_| Fate::Pass);
        project.elt(&["export"]).ok();
        assert_eq!(mongo.count("customers"), 301);
    }
    project.elt(&["export", "--verify"]).ok();
}
