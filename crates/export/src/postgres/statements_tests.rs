//! Tests of the statements' text, on one table with every kind of constraint.

use super::super::names::cut;
use super::super::table::PostgresForeignKey;
use super::*;
use crate::contract;
use crate::target::Which;

fn table(key: &[&str]) -> PostgresTable {
    let mut table = contract::Table::plain("t", &[("id", "BIGINT"), ("mood", "VARCHAR"), ("doc", "JSON")], key);
    table.columns[0].not_null = true;
    table.unique = vec![contract::Unique { name: None, columns: vec!["mood".into()] }];
    table.checks = vec![contract::Check { name: Some("positive".into()), expression: "id > 0".into() }];
    PostgresTable::of(&table, "public").expect("a table that Postgres can have")
}

#[track_caller]
fn check(found: impl AsRef<str>, expected: &str) {
    assert_eq!(found.as_ref(), expected);
}

#[test]
fn makes_a_table() {
    let table = table(&["id"]);
    check(
        create_table("_elt.x", &table, &Definition::of(&table)),
        "create table _elt.x (\"id\" bigint not null, \"mood\" text, \"doc\" jsonb, constraint \"positive\" check (id > 0)) with (fillfactor = 95)",
    );
    let keys = create_keys("_elt.x", "x", &Definition::of(&table));
    check(&keys[0].0, "alter table _elt.x add constraint \"x_0\" unique (\"mood\")");
    check(&keys[1].0, "alter table _elt.x add constraint \"x_1\" primary key (\"id\")");
    assert_eq!(keys[0].1, KeyName { staged: "x_0".into(), own: "t_mood_key".into() });
    assert_eq!(keys[1].1, KeyName { staged: "x_1".into(), own: "t_pkey".into() });
    assert_eq!(keys.len(), 2);
}

#[test]
fn indexes_foreign_keys_that_no_key_begins_with() {
    let mut table = table(&["id", "mood"]);
    let to = |columns: &[&str]| PostgresForeignKey {
        to_schema: "public".into(),
        name: None,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        to_table: "u".into(),
        to_columns: vec!["id".into()],
    };
    table.unique.clear();
    table.foreign_keys = vec![to(&["id"]), to(&["mood"]), to(&["mood"])];
    let keys = create_keys("_elt.x", "x", &Definition::of(&table));
    assert_eq!(keys.len(), 2);
    check(&keys[1].0, "create index \"x_1\" on _elt.x using btree (\"mood\")");
    assert_eq!(keys[1].1, KeyName { staged: "x_1".into(), own: "t_mood_idx".into() });
}

#[test]
fn merges_by_key_with_the_types_that_stand() {
    let table = table(&["id"]);
    let fit = PostgresFit {
        casts: vec![None, Some("public.feeling".into()), None],
        as_text: vec![false, false, true],
        ..PostgresFit::default()
    };
    let merge = merge(&table, &fit, "_elt.r".into(), "_elt.g".into(), Coverage::Everything);
    check(
        merge.update(Which::All).unwrap_or_default(),
        "update \"public\".\"t\" as t set \"mood\" = s.\"mood\"::public.feeling, \"doc\" = s.\"doc\" from _elt.r as s \
         where t.\"id\" = s.\"id\" and (t.\"mood\" is distinct from s.\"mood\"::public.feeling \
         or t.\"doc\"::text::jsonb is distinct from s.\"doc\"::text::jsonb)",
    );
    check(
        merge.insert(false),
        "insert into \"public\".\"t\" (\"id\", \"mood\", \"doc\") select s.\"id\", s.\"mood\"::public.feeling, s.\"doc\" \
         from _elt.r as s where not exists (select 1 from \"public\".\"t\" as t where t.\"id\" = s.\"id\")",
    );
    check(merge.delete_gone(), "delete from \"public\".\"t\" as t using _elt.g as s where t.\"id\" = s.\"id\"");
    check(
        merge.delete_others(),
        "delete from \"public\".\"t\" as t where not exists (select 1 from _elt.r as s where t.\"id\" = s.\"id\")",
    );
}

#[test]
fn replaces_a_table_without_key() {
    let table = table(&[]);
    let fit = PostgresFit::default();
    let merge = merge(&table, &fit, "_elt.r".into(), "_elt.g".into(), Coverage::Everything);
    assert_eq!(merge.update(Which::All), None);
    check(merge.delete_others(), "delete from \"public\".\"t\"");
    check(
        merge.insert(false),
        "insert into \"public\".\"t\" (\"id\", \"mood\", \"doc\") select s.\"id\", s.\"mood\", s.\"doc\" from _elt.r as s",
    );
}

#[test]
fn names_stay_within_63_bytes() {
    let name = cut(&"é".repeat(40), "_pkey");
    assert!(name.len() <= 63 && name.ends_with("é_pkey"), "{name}");
}
