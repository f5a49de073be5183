//! Tests of trees from columns and censuses, as text and as JSON.

use serde_json::{Value, json};

use super::text::SHARES;
use super::{Tree, fields_json, tree_text};
use elt_base::census::{CensusSum, Censuses, TypeCount};
use elt_base::schema::{Column, ColumnType};

/// Each line has a path, a type, the number of values and of rescued values. The example of each is `7`.
fn sum(documents: u64, lines: &[&str]) -> CensusSum {
    let mut sum = CensusSum { loads: 1, documents, ..CensusSum::default() };
    for line in lines {
        let mut words = line.rsplitn(4, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (rescued, values, kind, path) = (word(), word(), word(), word());
        let count =
            TypeCount { values: values.parse().unwrap(), rescued: rescued.parse().unwrap(), example: "7".to_owned() };
        sum.rescued += count.rescued;
        sum.census.0.entry(path).or_default().insert(kind, count);
    }
    sum
}

fn column(name: &str, column_type: ColumnType) -> Column {
    Column::new(name, column_type)
}

fn list(element: ColumnType) -> ColumnType {
    ColumnType::List(Box::new(element))
}

#[track_caller]
fn check(columns: &[Column], censuses: &Censuses, expected: &[&str]) {
    let tree = Tree::new("shop.orders".into(), columns, censuses);
    let text = tree_text(&tree);
    let lines: Vec<&str> = text.lines().filter(|line| *line != SHARES.trim_end()).collect();
    assert_eq!(lines, expected, "{text}");
}

#[test]
fn fields_nest_and_name_where_they_land() {
    let columns = [
        column("n", ColumnType::BigInt),
        column(
            "o",
            ColumnType::Struct(vec![
                Column { name: "x_2".into(), key: Some("X".into()), column_type: ColumnType::Varchar },
                column("never", ColumnType::Double),
            ]),
        ),
        column("l", list(ColumnType::Struct(vec![column("k", list(ColumnType::BigInt))]))),
        column("m", ColumnType::Json),
        column("at", ColumnType::BsonTimestamp),
        column("_elt_bson", ColumnType::Blob),
    ];
    let standing = sum(
        4,
        &[
            "_id object 4 0",
            "_id.a int 4 0",
            "n int 2 0",
            "n string 1 1",
            "n double 2 1",
            "o object 2 0",
            "o string 1 1",
            "o.X string 1 0",
            "o[\"y z\"] int 1 1",
            "o[] int 3 0",
            "l array 2 0",
            "l[] object 3 0",
            "l[] int 1 1",
            "l[].k array 3 0",
            "l[].k[] int 9 0",
            "m object 4 0",
            "m.* array 8 0",
            "m.*[] int 8 0",
            "at timestamp 4 0",
            ".… int 5 5",
        ],
    );
    check(
        &columns,
        &Censuses { standing, ..Censuses::default() },
        &[
            "shop.orders: 4 documents, 6 columns, 10 values rescued",
            "  _id        VARCHAR        object 100%",
            "    a        (in JSON)      int 100%",
            "  n          BIGINT         double 50% (1 of 2 rescued, _id 7), int 50%, string 25% (1 rescued, _id 7)",
            "  o          STRUCT         object 50%, string 25% (1 rescued, _id 7)",
            r#"    X        "x_2" VARCHAR  string 50%"#,
            "    never    DOUBLE         no value",
            r#"    ["y z"]  (rescued)      int 50% (1 rescued, _id 7)"#,
            "    []       (rescued)      int 100%",
            "  l          STRUCT[]       array 50%",
            "    []       STRUCT         object 75%, int 25% (1 rescued, _id 7)",
            "      k      BIGINT[]       array 100%",
            "        []   BIGINT         int 100%",
            "  m          JSON           object 100%",
            "    *        (in JSON)      array 100%",
            "      []     (in JSON)      int 100%",
            "  at         STRUCT(t, i)   timestamp 100%",
            "  …          (rescued)      int 100% (5 rescued, such as _id 7)",
        ],
    );
}

#[test]
fn a_part_is_compared_with_all_before_it() {
    let before = sum(100, &["_id int 100 0", "a int 100 0", "b int 1 0", "c int 90 0"]);
    let last = sum(20, &["_id int 20 0", "a int 18 0", "a string 2 2", "c int 2 0", "d object 1 0", "d.e int 1 0"]);
    let mut standing = sum(
        120,
        &["_id int 120 0", "a int 118 0", "a string 2 2", "b int 1 0", "c int 92 0", "d object 1 0", "d.e int 1 0"],
    );
    standing.loads = 3;
    let columns = ["a", "b", "c"].map(|name| column(name, ColumnType::BigInt));
    check(
        &columns,
        &Censuses { standing, last: Some(last), before: Some(before) },
        &[
            "shop.orders: 120 documents in 3 loads, the last full one and those since, 4 columns, 2 values rescued",
            "  _id  VARCHAR    int 100%",
            "~ a    BIGINT     int 98.3%, string 1.7% (2 rescued, such as _id 7)",
            "  b    BIGINT     int 0.8%",
            "~ c    BIGINT     int 76.7%",
            "+ d    (rescued)  object 0.8%",
            "    e  (rescued)  int 100%",
            "changed by the last load:",
            "  a  `string` is new: 2 values, rescued, such as _id 7",
            "  c  in 10%, before in 90%",
            "  d  new, in 5%",
        ],
    );
}

#[test]
fn a_full_load_is_compared_with_the_one_before() {
    let before = sum(2, &["_id int 2 0", "a object 2 2", "a.b int 2 0", "gone int 2 0", "m object 2 0", "m.* int 2 0"]);
    let standing = sum(2, &["_id int 2 0", "a int 2 0", "m object 2 0", "m.* string 2 0", "tags array 2 0"]);
    let columns = [
        column("a", ColumnType::BigInt),
        column("gone", ColumnType::BigInt),
        column("m", ColumnType::Json),
        column("tags", list(ColumnType::Null)),
    ];
    check(
        &columns,
        &Censuses { standing, last: None, before: Some(before) },
        &[
            "shop.orders: 2 documents, 5 columns",
            "  _id   VARCHAR    int 100%",
            "~ a     BIGINT     int 100%",
            "- gone  BIGINT     no value",
            "  m     JSON       object 100%",
            "~   *   (in JSON)  string 100%",
            "+ tags  VARCHAR[]  array 100%",
            "changed by the last load:",
            "  a     `int` is new: 2 values, such as _id 7",
            "  a     `object` is gone, before 100%",
            "  gone  gone, before in 100%",
            "  m.*   `string` is new: 2 values, such as _id 7",
            "  m.*   `int` is gone, before 100%",
            "  tags  new, in 100%",
        ],
    );
}

#[test]
fn programs_get_an_object_a_path() {
    let standing = sum(4, &["_id int 4 0", "n int 2 0", "n string 1 1"]);
    let before = sum(4, &["_id int 4 0", "n int 3 0"]);
    let tree = Tree::new(
        "shop.orders".into(),
        &[column("n", ColumnType::BigInt)],
        &Censuses { standing, last: None, before: Some(before) },
    );
    let kind = |name: &str, values: u64, share: f64, rescued: u64| {
        json!({
            "type": name, "values": values, "share": share, "rescued": rescued, "example_id": "7",
        })
    };
    let field = |name: &str, column_type: &str, kinds: &[Value], drift: &[Value]| {
        json!({
            "collection": "shop.orders", "path": name, "column": name, "type": column_type, "of": 4,
            "kinds": kinds, "drift": drift,
        })
    };
    let drift = json!({ "change": "new_type", "type": "string", "values": 1, "rescued": 1, "example_id": "7" });
    let expected = [
        field("_id", "VARCHAR", &[kind("int", 4, 1.0, 0)], &[]),
        field("n", "BIGINT", &[kind("int", 2, 0.5, 0), kind("string", 1, 0.25, 1)], &[drift]),
    ];
    assert_eq!(fields_json(&tree), expected);
}
