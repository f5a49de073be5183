//! Publishes extreme values of every DuckDB type to Postgres, and compares each value with DuckDB's text: in a first
//! load, in changed rows, and in columns whose types a contract sets.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::project::Project;
use crate::servers::{Postgres, PostgresDatabase};

/// How two texts of one value are compared.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Text,
    /// As numbers, by their bits.
    Float,
    Json,
    /// As times. DuckDB writes BC in brackets.
    Time,
}

/// One column: its name, DuckDB's type, its values, the type expected in Postgres, and the expressions of the compared
/// texts, in which `$` is the column.
struct Column {
    name: &'static str,
    duckdb: &'static str,
    values: &'static [&'static str],
    postgres: &'static str,
    by: By,
    duckdb_text: &'static str,
    postgres_text: &'static str,
}

const fn column(
    name: &'static str,
    duckdb: &'static str,
    values: &'static [&'static str],
    postgres: &'static str,
    by: By,
) -> Column {
    let (duckdb_text, postgres_text) = match by {
        By::Json => ("to_json($)::varchar", "$::text"),
        _ => ("$::varchar", "$::text"),
    };
    Column { name, duckdb, values, postgres, by, duckdb_text, postgres_text }
}

/// Lists are compared as lists of texts.
const fn list(
    name: &'static str,
    duckdb: &'static str,
    values: &'static [&'static str],
    postgres: &'static str,
) -> Column {
    let text = ("to_json($::varchar[])::varchar", "to_json($::text[])::text");
    Column { name, duckdb, values, postgres, by: By::Json, duckdb_text: text.0, postgres_text: text.1 }
}

const MICROS: (&str, &str) = (
    "(date_part('year', $) * 12 + date_part('month', $)) || ' ' || date_part('day', $) || ' ' || \
     (date_part('hour', $) * 3600000000 + date_part('minute', $) * 60000000 + date_part('microsecond', $))",
    "(extract(year from $) * 12 + extract(month from $))::bigint || ' ' || extract(day from $)::bigint || ' ' || \
     (extract(hour from $) * 3600000000 + extract(minute from $) * 60000000 + extract(microseconds from $))::bigint",
);

fn columns() -> Vec<Column> {
    use By::{Float, Json, Text, Time};
    let timestamp = "timestamp without time zone";
    let stamps = &[
        "'2024-02-29 12:34:56'",
        "'1999-12-31 23:59:59'",
        "'infinity'",
        "'-infinity'",
        "'1677-09-22 00:12:44'",
        "null",
        "'1970-01-01'",
    ];
    vec![
        column("c_bool", "BOOLEAN", &["true", "false", "null"], "boolean", Text),
        column("c_tiny", "TINYINT", &["-128", "127", "0"], "smallint", Text),
        column("c_utiny", "UTINYINT", &["0", "255"], "smallint", Text),
        column("c_small", "SMALLINT", &["-32768", "32767"], "smallint", Text),
        column("c_usmall", "USMALLINT", &["65535", "0"], "integer", Text),
        column("c_int", "INTEGER", &["-2147483648", "2147483647", "null"], "integer", Text),
        column("c_uint", "UINTEGER", &["4294967295", "0"], "bigint", Text),
        column("c_big", "BIGINT", &["-9223372036854775808", "9223372036854775807"], "bigint", Text),
        column("c_ubig", "UBIGINT", &["18446744073709551615", "0", "10000"], "numeric", Text),
        column(
            "c_huge",
            "HUGEINT",
            &["-170141183460469231731687303715884105728", "170141183460469231731687303715884105727", "0", "-10000"],
            "numeric",
            Text,
        ),
        column("c_uhuge", "UHUGEINT", &["'340282366920938463463374607431768211455'", "'0'"], "numeric", Text),
        column(
            "c_bignum",
            "BIGNUM",
            &["'1234567890123456789012345678901234567890123456789012345678901234567890'", "'-1000000000'", "'0'"],
            "numeric",
            Text,
        ),
        column(
            "c_float",
            "FLOAT",
            &["1.5", "-0.0", "3.4028235e38", "'nan'", "'inf'", "'-inf'", "1e-45"],
            "real",
            Float,
        ),
        column(
            "c_double",
            "DOUBLE",
            &["0.1", "-0.0", "1.7976931348623157e308", "'nan'", "'inf'", "'-inf'", "5e-324"],
            "double precision",
            Float,
        ),
        column("c_dec4", "DECIMAL(4,1)", &["999.9", "-0.1", "0"], "numeric(4,1)", Text),
        column("c_dec9", "DECIMAL(9,9)", &["0.123456789", "-0.000000001"], "numeric(9,9)", Float),
        column("c_dec18", "DECIMAL(18,3)", &["999999999999999.999", "-1", "10000"], "numeric(18,3)", Text),
        column(
            "c_dec38",
            "DECIMAL(38,10)",
            &["9999999999999999999999999999.9999999999", "-0.0000000001", "100000000"],
            "numeric(38,10)",
            Text,
        ),
        column("c_text", "VARCHAR", &["''", "'a é 😀'", "e'tab\\tline\\n\\\\'", "'  '", "null"], "text", Text),
        column("c_enum", "ENUM('happy', 'so so')", &["'happy'", "'so so'", "null"], "text", Text),
        column("c_bit", "BIT", &["'101'", "'0'"], "text", Text),
        column(
            "c_date",
            "DATE",
            &["'2024-02-29'", "'infinity'", "'-infinity'", "'4713-12-31 (BC)'", "'0001-01-01 (BC)'", "'10000-01-01'"],
            "date",
            Time,
        ),
        column(
            "c_time",
            "TIME",
            &["'00:00:00'", "'23:59:59.999999'", "'12:30:00.5'", "'24:00:00'"],
            "time without time zone",
            Text,
        ),
        column("c_timetz", "TIMETZ", &["'12:30:00+02'", "'00:00:00.25-05:30'"], "text", Text),
        column(
            "c_stamp",
            "TIMESTAMP",
            &[
                "'2024-02-29 12:34:56.123456'",
                "'infinity'",
                "'-infinity'",
                "'4713-12-31 (BC) 00:00:00'",
                "'1969-12-31 23:59:59.999999'",
                "'10000-01-01 00:00:00.1'",
            ],
            timestamp,
            Time,
        ),
        column("c_stamp_s", "TIMESTAMP_S", stamps, timestamp, Time),
        column("c_stamp_ms", "TIMESTAMP_MS", stamps, timestamp, Time),
        column("c_stamp_ns", "TIMESTAMP_NS", &["'2024-02-29 12:34:56.123456'", "'infinity'", "null"], timestamp, Time),
        column(
            "c_stamptz",
            "TIMESTAMPTZ",
            &["'2024-02-29 12:34:56+05:30'", "'infinity'", "'-infinity'", "'0044-03-15 (BC) 12:00:00+00'"],
            "timestamp with time zone",
            Time,
        ),
        Column {
            duckdb_text: MICROS.0,
            postgres_text: MICROS.1,
            ..column(
                "c_interval",
                "INTERVAL",
                &[
                    "'14 months -3 days 5 microseconds'",
                    "'-1 year 2 days -25:00:00.000001'",
                    "'0 days'",
                    "'1000 hours'",
                    "null",
                ],
                "interval",
                Text,
            )
        },
        column(
            "c_uuid",
            "UUID",
            &["'00112233-4455-6677-8899-aabbccddeeff'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
            "uuid",
            Text,
        ),
        Column {
            duckdb_text: "hex($)",
            postgres_text: "upper(encode($, 'hex'))",
            ..column("c_blob", "BLOB", &["''", "'\\x00\\xff\\x5c'", "'text'", "null"], "bytea", Text)
        },
        Column {
            duckdb_text: "$::varchar",
            ..column(
                "c_json",
                "JSON",
                &["'{\"a\": [1, null, {\"b\": \"é \\\"q\\\"\"}]}'", "'null'", "'\"text\"'", "'[]'", "'1.50'", "null"],
                "jsonb",
                Json,
            )
        },
        column(
            "c_struct",
            "STRUCT(a INTEGER, \"b c\" VARCHAR[], d STRUCT(e DECIMAL(6,2), f DATE))",
            &[
                "{'a': 1, 'b c': ['x', null], 'd': {'e': 1.25, 'f': '2024-01-01'}}",
                "{'a': null, 'b c': [], 'd': null}",
                "null",
            ],
            "jsonb",
            Json,
        ),
        column("c_map", "MAP(VARCHAR, INTEGER)", &["map {'k': 1, '': null}", "map {}", "null"], "jsonb", Json),
        column(
            "c_union",
            "UNION(n INTEGER, s VARCHAR)",
            &["union_value(n := 1)::UNION(n INTEGER, s VARCHAR)", "union_value(s := 'x')::UNION(n INTEGER, s VARCHAR)"],
            "jsonb",
            Json,
        ),
        column("c_structs", "STRUCT(a INTEGER)[]", &["[{'a': 1}, null]", "[]", "null"], "jsonb", Json),
        column("c_lists", "INTEGER[][]", &["[[1, null], [], null]", "[]", "[[]]", "null"], "jsonb", Json),
        list("l_bool", "BOOLEAN[]", &["[true, null, false]", "[]", "null"], "boolean[]"),
        list("l_int", "INTEGER[]", &["[1, null, -2147483648]", "[]", "[null]", "null"], "integer[]"),
        list("l_utiny", "UTINYINT[]", &["[255, null]", "[]"], "smallint[]"),
        list("l_huge", "HUGEINT[]", &["[170141183460469231731687303715884105727, null]", "[]"], "numeric[]"),
        list("l_fixed", "INTEGER[2]", &["[1, 2]", "[null, 3]", "null"], "integer[]"),
        list("l_dec", "DECIMAL(10,2)[]", &["[1.25, null, -0.01]", "[]"], "numeric(10,2)[]"),
        list("l_text", "VARCHAR[]", &["['', 'NULL', null, 'a,\"b\" é', '{}']", "[]", "['  ']"], "text[]"),
        list("l_enum", "ENUM('a', 'b')[]", &["['a', null, 'b']", "[]"], "text[]"),
        list("l_uuid", "UUID[]", &["['00112233-4455-6677-8899-aabbccddeeff', null]", "[]"], "uuid[]"),
        list("l_date", "DATE[]", &["['2024-02-29', null, 'infinity']", "[]"], "date[]"),
        list(
            "l_stamp",
            "TIMESTAMP[]",
            &["['2024-02-29 12:34:56.5', null, '-infinity']", "[]"],
            "timestamp without time zone[]",
        ),
        list("l_stamptz", "TIMESTAMPTZ[]", &["['2024-02-29 12:34:56+02', null]", "[]"], "timestamp with time zone[]"),
        list("l_time", "TIME[]", &["['12:30:00', null]", "[]"], "time without time zone[]"),
        Column {
            duckdb_text: "to_json(list_transform($, lambda x: hex(x)))::varchar",
            postgres_text: "case when $ is not null then to_json(array(select upper(encode(x, 'hex')) from unnest($) x)) end",
            ..list("l_blob", "BLOB[]", &["['\\x00\\xff', 'a', null]", "[]"], "bytea[]")
        },
    ]
}

/// Enough rows for each value of each column, and for a null in each column.
const ROWS: usize = 8;

/// Without VARIANT, which a table cannot store in the storage version of warehouses.
fn model(columns: &[Column], shift: usize) -> String {
    let mut parts = vec!["i as id".to_owned()];
    for column in columns {
        let values = column.values.join(", ");
        parts.push(format!("([{values}]::{}[])[(i + {shift}) % {ROWS} + 1] as {}", column.duckdb, column.name));
    }
    let lines = parts.join(",\n    ");
    format!("{{{{ config(materialized='table', unique_key='id') }}}}\n\nselect\n    {lines}\nfrom range({ROWS}) t(i)\n")
}

fn project(database: &PostgresDatabase, files: &[(&str, &str)]) -> Project {
    let profiles = format!(
        "[project]\nname = \"types\"\n\n[target.dev]\nthreads = 1\n\n[target.dev.export]\ntype = \"postgres\"\nuri = \"{}\"\n",
        database.uri
    );
    let files: Vec<_> = [("profiles.toml", profiles.as_str())].into_iter().chain(files.iter().copied()).collect();
    Project::of(&files)
}

/// The text of each value, by row, then by column.
type Texts = Vec<BTreeMap<String, Option<String>>>;

fn in_duckdb(project: &Project, columns: &[Column]) -> Texts {
    let selected = columns
        .iter()
        .map(|column| format!("{} as {}", column.duckdb_text.replace('$', &format!("t.{}", column.name)), column.name));
    let sql =
        format!("select {} from {{{{ ref('everything') }}}} t order by t.id", selected.collect::<Vec<_>>().join(", "));
    let rows = project.query("dev", &sql);
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    rows.iter().map(|row| row.iter().map(|(name, value)| (name.clone(), text(value))).collect()).collect()
}

fn in_postgres(database: &PostgresDatabase, columns: &[Column]) -> Texts {
    let mut client = database.client();
    client.batch_execute("set timezone = 'UTC'; set extra_float_digits = 3").expect("settings");
    let selected = columns.iter().map(|column| {
        format!("({})::text as {}", column.postgres_text.replace('$', &format!("t.{}", column.name)), column.name)
    });
    let sql = format!("select {} from everything t order by t.id", selected.collect::<Vec<_>>().join(", "));
    let rows = client.query(&sql, &[]).expect("the published table");
    let row = |row: &postgres::Row| {
        columns.iter().enumerate().map(|(index, column)| (column.name.to_owned(), row.get(index))).collect()
    };
    rows.iter().map(row).collect()
}

/// The canonical form of all texts of one value.
fn canonical(by: By, text: &str) -> Value {
    match by {
        By::Text => text.into(),
        By::Float => {
            let number: f64 = text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"));
            if number.is_nan() { "nan".into() } else { format!("{number:?}").into() }
        }
        // The order of keys does not matter for the equality of objects.
        By::Json => serde_json::from_str(text).unwrap_or_else(|_| panic!("`{text}` is no JSON")),
        // `4713-12-31 (BC) 00:00:00` here, `4713-12-31 00:00:00 BC` there.
        By::Time => match text.replace(" (BC)", " BC").split_once(" BC") {
            Some((date, time)) => format!("{date}{time} BC").into(),
            None => text.into(),
        },
    }
}

#[track_caller]
fn compare(project: &Project, database: &PostgresDatabase, columns: &[Column]) {
    let (here, there) = (in_duckdb(project, columns), in_postgres(database, columns));
    assert_eq!((here.len(), there.len()), (ROWS, ROWS));
    let mut differences = Vec::new();
    for (index, (here, there)) in here.iter().zip(&there).enumerate() {
        for column in columns {
            let of = |row: &BTreeMap<String, Option<String>>| {
                row.get(column.name).cloned().flatten().map(|text| canonical(column.by, &text))
            };
            if of(here) != of(there) {
                differences.push(format!("{} of row {index}: {:?}, {:?}", column.name, of(here), of(there)));
            }
        }
    }
    assert!(differences.is_empty(), "DuckDB and Postgres differ:\n{}", differences.join("\n"));
}

/// The types that a contract sets for columns, by name.
fn contract(types: &[(&str, &str)]) -> String {
    let mut yaml = "models:\n  - name: everything\n    columns:\n".to_owned();
    for (name, written) in types {
        yaml.push_str(&format!("      - name: {name}\n        config: {{export: {{type: \"{written}\"}}}}\n"));
    }
    yaml
}

fn types(database: &PostgresDatabase) -> BTreeMap<String, String> {
    let sql = "select attname::text, format_type(atttypid, atttypmod) from pg_attribute \
               where attrelid = 'everything'::regclass and attnum > 0";
    let rows = database.client().query(sql, &[]).expect("the catalog");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn every_type_arrives_as_it_is() {
    let database = Postgres::shared().database();
    let columns = columns();
    let project = project(&database, &[("models/marts/everything.sql", &model(&columns, 0))]);
    project.elt(&["build"]).ok().says("8 inserted");
    let types = types(&database);
    for column in &columns {
        assert_eq!(types.get(column.name).map(String::as_str), Some(column.postgres), "{}", column.name);
    }
    compare(&project, &database, &columns);

    // Staged rows update the changed rows.
    project.write("models/marts/everything.sql", &model(&columns, 1));
    project.elt(&["build"]).ok().says("8 updated");
    compare(&project, &database, &columns);
    project.elt(&["build"]).ok().says("unchanged");
}

#[test]
fn contracts_give_types_that_hold_the_same_values() {
    use By::{Float, Json, Text, Time};
    let database = Postgres::shared().database();
    database
        .client()
        .batch_execute("create extension citext; create schema app; create type app.mood as enum ('happy', 'so so')")
        .expect("types of the database's own");
    let printed = |name, duckdb, values, postgres| column(name, duckdb, values, postgres, Text);
    let columns = vec![
        printed("varchar_n", "VARCHAR", &["'12345'", "'éé'", "'12345   '", "null"], "character varying(5)"),
        Column {
            postgres_text: "rtrim($::text)",
            ..printed("char_n", "VARCHAR", &["'123'", "'é'", "''"], "character(3)")
        },
        printed("small", "BIGINT", &["-32768", "32767", "null"], "smallint"),
        printed("int_of_huge", "HUGEINT", &["-2147483648", "2147483647"], "integer"),
        column("int_of_dec", "DECIMAL(18,2)", &["12.00", "-1"], "bigint", Float),
        column("num", "DECIMAL(38,6)", &["12345678.25", "-0.01"], "numeric(10,2)", Float),
        column("num_of_int", "INTEGER", &["12345", "-1"], "numeric(10,2)", Float),
        column("num_of_double", "DOUBLE", &["0.1", "-1234.5", "0"], "numeric(10,2)", Float),
        column("narrow_float", "DOUBLE", &["'0.1'", "'nan'", "'-inf'", "'1.5'"], "real", Float),
        column("plain_json", "STRUCT(a INTEGER[])", &["{'a': [1, null]}", "{'a': null}"], "json", Json),
        printed("citext", "VARCHAR", &["'AbC'", "''"], "citext"),
        printed("enum", "VARCHAR", &["'happy'", "'so so'", "null"], "app.mood"),
        printed("enum_of_enum", "ENUM('happy', 'so so', 'never')", &["'happy'", "null"], "app.mood"),
        printed("uuid_of_text", "VARCHAR", &["'00112233-4455-6677-8899-aabbccddeeff'"], "uuid"),
        printed("text_of_uuid", "UUID", &["'00112233-4455-6677-8899-aabbccddeeff'"], "text"),
        printed("text_of_int", "BIGINT", &["-9223372036854775808", "0"], "text"),
        printed("text_of_bool", "BOOLEAN", &["true", "false"], "text"),
        printed("text_of_dec", "DECIMAL(10,2)", &["-1234.50", "0", "0.01"], "text"),
        printed("text_of_huge", "HUGEINT", &["170141183460469231731687303715884105727"], "text"),
        column("text_of_json", "JSON", &["'{\"b\": 1,  \"a\": 2}'", "'\"x\\u0000\"'"], "text", Json),
        printed("varchar_of_int", "BIGINT", &["-1234", "12345"], "character varying(5)"),
        column(
            "milli",
            "TIMESTAMP",
            &["'2024-02-29 12:34:56.123'", "'infinity'"],
            "timestamp(3) without time zone",
            Time,
        ),
        column("second", "TIMESTAMPTZ", &["'2024-02-29 12:34:56+02'", "null"], "timestamp(0) with time zone", Time),
        column("tenth", "TIME", &["'12:34:56.1'", "'24:00:00'"], "time(1) without time zone", Time),
        printed("zoned", "TIMETZ", &["'12:30:00+02'", "'00:00:00.25-05:30'"], "time with time zone"),
        column("day", "TIMESTAMP", &["'2024-02-29'", "'-infinity'", "'0044-03-15 (BC)'"], "date", Time),
        column("midnight", "DATE", &["'2024-02-29'", "'infinity'"], "timestamp without time zone", Time),
        Column {
            duckdb_text: "replace($::varchar, '+00', '')",
            ..column("utc", "TIMESTAMPTZ", &["'2024-02-29 12:34:56+02'"], "timestamp without time zone", Time)
        },
        list("smalls", "BIGINT[]", &["[1, null]", "[]"], "smallint[]"),
        list("varchars", "VARCHAR[]", &["['abc', null]", "[]"], "character varying(3)[]"),
        list("moods", "VARCHAR[]", &["['happy', null]", "[]", "null"], "app.mood[]"),
        list("citexts", "VARCHAR[]", &["['aB', null]"], "citext[]"),
        list("uuids", "VARCHAR[]", &["['00112233-4455-6677-8899-aabbccddeeff', null]"], "uuid[]"),
        list("millis", "TIMESTAMP[]", &["['2024-02-29 12:34:56.123', null]"], "timestamp(3) without time zone[]"),
    ];
    // BC, and a date without a time, have another form in a timestamp.
    let columns: Vec<_> = columns
        .into_iter()
        .map(|column| match column.name {
            "day" => Column { duckdb_text: "$::date::varchar", ..column },
            "midnight" => Column { duckdb_text: "$::timestamp::varchar", ..column },
            "varchar_n" => Column { duckdb_text: "left($, 5)", ..column },
            _ => column,
        })
        .collect();
    let written: Vec<_> = columns.iter().map(|column| (column.name, column.postgres)).collect();
    let project = project(
        &database,
        &[("models/marts/everything.sql", &model(&columns, 0)), ("models/marts/everything.yml", &contract(&written))],
    );
    project.elt(&["build"]).ok().says("8 inserted").hides("note:");
    let types = types(&database);
    for column in &columns {
        assert_eq!(types.get(column.name).map(String::as_str), Some(column.postgres), "{}", column.name);
    }
    compare(&project, &database, &columns);
    project.write("models/marts/everything.sql", &model(&columns, 1));
    project.elt(&["build"]).ok().says("updated").hides("note:");
    compare(&project, &database, &columns);
    project.elt(&["build"]).ok().says("unchanged");
}

/// Values that are equal for Postgres, but not the same.
#[test]
fn changes_that_postgres_hardly_sees_are_published() {
    let database = Postgres::shared().database();
    database.client().batch_execute("create extension citext").expect("an extension");
    let sql = |name: &str, interval: &str, json: &str| {
        format!(
            "{{{{ config(materialized='table', unique_key='id') }}}}\n\nselect 1 as id, '{name}' as name, \
             [interval '{interval}'] as list, interval '{interval}' as span, '{json}'::json as doc\n"
        )
    };
    let yaml = contract(&[("name", "citext"), ("doc", "json")]);
    let path = "models/marts/everything.sql";
    let project =
        project(&database, &[(path, &sql("ada", "1 month", "{\"a\": 1}")), ("models/marts/everything.yml", &yaml)]);
    project.elt(&["build"]).ok().says("1 inserted");
    let row = || -> String {
        let sql = "select concat_ws(' | ', name, list, span, doc) from everything";
        database.client().query_one(sql, &[]).expect("a row").get(0)
    };
    assert_eq!(row(), "ada | {\"1 mon\"} | 1 mon | {\"a\": 1}");
    for (name, interval, json, expected) in [
        ("Ada", "1 month", "{\"a\": 1}", "Ada | {\"1 mon\"} | 1 mon | {\"a\": 1}"),
        ("Ada", "30 days", "{\"a\": 1}", "Ada | {\"30 days\"} | 30 days | {\"a\": 1}"),
        ("Ada", "30 days", "{\"a\": 2}", "Ada | {\"30 days\"} | 30 days | {\"a\": 2}"),
    ] {
        project.write(path, &sql(name, interval, json));
        project.elt(&["build"]).ok().says("1 updated");
        assert_eq!(row(), expected);
    }
}
