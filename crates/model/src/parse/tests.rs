//! Tests with valid projects, and the errors of invalid projects.

use serde_json::{Value, json};

use crate::compile::Compiler;
use crate::sample::{column, errors, graph, map, node, place, project, properties, source};
use crate::select::Gate;
use elt_base::error::{Place, SourceText};
use elt_project::Project;

#[track_caller]
fn check_errors(project: &Project, expected: &[&str]) {
    match Compiler::parse(project, &map(json!({}))) {
        Ok(_) => panic!("it parses"),
        Err(error) => assert_eq!(errors(&error), expected),
    }
}

#[test]
fn references() {
    let mut sample = project(&[
        ("models/staging/stg_orders.sql", "select * from {{ source('raw', 'orders') }}"),
        ("models/orders.sql", "select * from {{ ref('stg_orders') }} join {{ ref('shop', 'rates') }} using (x)"),
        (
            "models/daily.sql",
            "{{ config(materialized='incremental') }}{% if is_incremental() %}{{ ref('orders') }}{% endif %}select 1",
        ),
        ("seeds/rates.csv", ""),
        ("tests/no_orders.sql", "select * from {{ ref('orders') }} where x in (select x from {{ ref('rates') }})"),
    ]);
    sample.properties.sources.push(source("raw", &["orders"]));
    let found = graph(&sample);
    let check = |name: &str, id: &str, relation: &str, parents: &[&str]| {
        let node = node(&found, name);
        let names: Vec<String> = found.parents(node.id).map(|parent| parent.display_name()).collect();
        assert_eq!((node.unique_id.as_str(), node.relation.to_string().as_str()), (id, relation));
        assert_eq!(names, parents, "{name}");
    };
    check("raw.orders", "source.shop.raw.orders", "\"raw\".\"orders\"", &[]);
    check("rates", "seed.shop.rates", "\"main\".\"rates\"", &[]);
    check("stg_orders", "model.shop.stg_orders", "\"main\".\"stg_orders\"", &["raw.orders"]);
    check("orders", "model.shop.orders", "\"main\".\"orders\"", &["stg_orders", "rates"]);
    check("daily", "model.shop.daily", "\"main\".\"daily\"", &["orders"]);
    check("no_orders", "test.shop.no_orders", "\"main_dbt_test__audit\".\"no_orders\"", &["orders", "rates"]);
    let owner = node(&found, "no_orders").test.as_ref().and_then(|test| test.owner);
    assert_eq!(owner, Some(node(&found, "orders").id));
}

#[test]
fn precedence() {
    #[track_caller]
    fn check(folder: Value, yaml: Value, sql: &str, key: &str, expected: Value) {
        let mut sample = project(&[("models/marts/m.sql", &format!("{sql} select 1"))]);
        // Of a project of its own, `n` would be an error.
        sample.profiles.is_dbt = true;
        sample.profiles.defaults.models = map(folder);
        sample.properties.models.push(properties("m", yaml));
        let found = graph(&sample);
        assert_eq!(node(&found, "m").raw_config.get(key), Some(&expected));
    }
    let folder = json!({"+materialized": "view", "marts": {"+materialized": "ephemeral", "+tags": "a"}});
    let yaml = json!({"materialized": "table", "tags": ["b"]});
    let sql = "{{ config(materialized='incremental', tags=['c'], unique_key=['a', 'b'], n=3) }}";
    check(json!({}), json!({}), "", "materialized", json!("view"));
    check(folder.clone(), json!({}), "", "materialized", json!("ephemeral"));
    check(folder.clone(), yaml.clone(), "", "materialized", json!("table"));
    check(folder.clone(), yaml.clone(), sql, "materialized", json!("incremental"));
    check(folder.clone(), yaml, sql, "tags", json!(["a", "b", "c"]));
    check(folder.clone(), json!({}), sql, "unique_key", json!(["a", "b"]));
    check(folder, json!({}), sql, "n", json!(3));
}

#[test]
fn names_of_relations() {
    let sample = project(&[(
        "models/m.sql",
        "{{ config(schema='marts', alias='x') }} select '{{ this }}', '{{ this.schema }}'",
    )]);
    let found = graph(&sample);
    let compiled = found.compile(node(&found, "m"), &Default::default()).map(|compiled| compiled.sql);
    assert_eq!(compiled.ok().as_deref(), Some(" select '\"main_marts\".\"x\"', 'main_marts'"));
}

#[test]
fn names_by_macro() {
    let sample = project(&[
        ("models/m.sql", "{{ config(schema='marts') }} select 1"),
        ("models/n.sql", "select 1"),
        (
            "macros/names.sql",
            "{% macro generate_schema_name(custom_schema_name, node) -%}\n{%- if custom_schema_name is none -%}{{ \
             target.schema }}{%- else -%}{{ custom_schema_name | trim }}{%- endif -%}\n{%- endmacro %}",
        ),
    ]);
    let found = graph(&sample);
    assert_eq!(node(&found, "m").relation.to_string(), "\"marts\".\"m\"");
    assert_eq!(node(&found, "n").relation.to_string(), "\"main\".\"n\"");
}

#[test]
fn all_errors_at_their_places() {
    let mut sample = project(&[
        ("models/a.sql", "select *\nfrom {{ ref('ordes') }}\njoin {{ source('row', 'orders') }}"),
        ("models/b.sql", "select {{ amount }}"),
        ("models/c.sql", "{{ config(\n  materialized='tabel'\n) }}\nselect 1"),
        ("models/d.sql", "select {{ cents('x') }}"),
        ("models/e.sql", "select {% if %}"),
        ("models/f.sql", "select {{ env_var('NO_SUCH_VARIABLE') }}, 1"),
        ("models/g.sql", "select {{ var('cutof') }}"),
        ("models/h.sql", "select * from {{ source('raw', 'order') }}"),
        ("models/i.sql", "select {{ centss('x') }}"),
        ("models/orders.sql", "select {{ debug() }}"),
        ("macros/money.sql", "{% macro cents(column) %}\n{{ column / none }}\n{% endmacro %}"),
    ]);
    sample.profiles.vars = map(json!({"cutoff": 1}));
    sample.properties.sources.push(source("raw", &["orders"]));
    check_errors(
        &sample,
        &[
            "macros/money.sql:2:4 [column / none] model `d` cannot be rendered: tried to use / operator on unsupported \
             types string and none",
            "models/a.sql:2:9 [ref('ordes')] model `a` refers to `ordes`, which does not exist | did you mean \
             `orders`?",
            "models/a.sql:3:9 [source('row', 'orders')] model `a` refers to source `row`, which does not exist | did \
             you mean `raw`?",
            "models/b.sql:1:11 [amount] model `b` cannot be rendered: `amount` is undefined",
            "models/c.sql:2:3 [materialized='tabel'] `materialized` of model `c` cannot be `tabel` | did you mean \
             `table`? it accepts `view`, `table`, `incremental`, `ephemeral`",
            "models/e.sql:1:14 [%}] model `e` cannot be rendered: unexpected end of block",
            "models/f.sql:1:11 [env_var('NO_SUCH_VARIABLE')] model `f` cannot be rendered: environment variable \
             `NO_SUCH_VARIABLE` is not set | set it in the environment or in `.env`, or write a default: \
             `env_var('NO_SUCH_VARIABLE', '…')`",
            "models/g.sql:1:11 [var('cutof')] model `g` cannot be rendered: variable `cutof` has no value | did you \
             mean `cutoff`?",
            "models/h.sql:1:18 [source('raw', 'order')] model `h` refers to table `order` of source `raw`, which is \
             not declared | did you mean `orders`?",
            "models/i.sql:1:11 [centss('x')] model `i` cannot be rendered: function or macro `centss` does not exist | did \
             you mean `cents`?",
            "models/orders.sql:1:11 [debug()] model `orders` cannot be rendered: `debug()` is not supported | use `log(…, \
             info=true)` to show a value on the console",
        ],
    );
}

#[test]
fn an_error_in_a_macro_names_the_call() {
    let sample = project(&[
        ("models/a.sql", "select {{ outer() }}"),
        (
            "macros/m.sql",
            "{% macro outer() %}{{ inner() }}{% endmacro %}{% macro inner() %}{{ nothing }}{% endmacro %}",
        ),
    ]);
    let error = Compiler::parse(&sample, &map(json!({}))).err();
    let places: Vec<(String, Option<String>)> = error
        .iter()
        .flat_map(|error| error.places())
        .map(|place| (place.source.text[place.span.clone()].to_owned(), place.label.clone()))
        .collect();
    let called = Some("called from here".to_owned());
    assert_eq!(
        places,
        [("nothing".to_owned(), None), ("inner()".to_owned(), called.clone()), ("outer()".to_owned(), called)]
    );
}

#[test]
fn endless_macros_end() {
    let sample = project(&[
        ("models/a.sql", "select {{ one() }}"),
        (
            "macros/m.sql",
            "{% macro one() %}{{ two() }}{% endmacro %}{% macro two() %}{% for i in [1] %}{{ one() }}{% endfor %}{% endmacro %}",
        ),
    ]);
    let error = Compiler::parse(&sample, &map(json!({}))).err();
    let message = error.as_ref().map(|error| error.message());
    assert_eq!(message, Some("model `a` cannot be rendered: macro `one` calls itself endlessly"));
}

#[test]
fn tests_of_what_is_disabled_are_left_out() {
    let mut sample = project(&[
        ("models/a.sql", "select 1 as id"),
        ("models/b.sql", "{{ config(enabled=false) }} select 1 as id"),
        ("tests/t.sql", "select * from {{ ref('b') }}"),
    ]);
    let mut entry = properties("a", json!({}));
    entry.columns.push(column(
        "id",
        &[("relationships", json!({"to": "ref('b')", "field": "id"}), json!({})), ("unique", json!({}), json!({}))],
    ));
    sample.properties.models.push(entry);
    let found = graph(&sample);
    let names: Vec<&str> = found.nodes().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["a", "unique_a_id"]);
    assert_eq!(found.warnings.len(), 2);
}

#[test]
fn circles_and_doubles() {
    check_errors(
        &project(&[
            ("models/a.sql", "select * from {{ ref('b') }}"),
            ("models/b.sql", "select * from {{ ref('c') }}"),
            ("models/c.sql", "select * from {{ ref('a') }}"),
            ("models/d.sql", "select * from {{ ref('a') }}"),
            ("models/e.sql", "select * from {{ ref('e') }}"),
        ]),
        &[
            "models/a.sql:1:18 [ref('b')] models refer to each other in a circle: a -> b -> c -> a",
            "models/e.sql:1:18 [ref('e')] models refer to each other in a circle: e -> e",
        ],
    );
    check_errors(
        &project(&[("models/x/a.sql", "select 1"), ("models/y/a.sql", "select 2")]),
        &[
            "models/y/a.sql:1:1 [select 2] two nodes are called `a`, so `ref('a')` could mean either | rename one of the \
           files",
        ],
    );
    check_errors(
        &project(&[("models/a.sql", "select 1"), ("models/b.sql", "{{ config(alias='A') }} select 2")]),
        &["models/b.sql:1:1 [{{ config(alias='A') }} select 2] `b` and `a` would both be built as the relation \
           \"main\".\"A\" | set a different `alias` or `schema` for one of them"],
    );
}

#[test]
fn disabled() {
    check_errors(
        &project(&[
            ("models/a.sql", "{{ config(enabled=false) }} select 1"),
            ("models/b.sql", "select * from {{ ref('a') }}"),
        ]),
        &["models/b.sql:1:18 [ref('a')] model `b` refers to `a`, which is disabled | set `enabled: true` for `a`, or \
           disable the nodes that read it"],
    );
}

#[test]
fn yaml() {
    let mut sample = project(&[("models/x.sql", "select 1 as id")]);
    let mut entry = properties("x", json!({"materialized": "tabel"}));
    entry.columns.push(column("id", &[("uniqe", json!({}), json!({})), ("accepted_values", json!({}), json!({}))]));
    entry.columns.push(column(
        "to",
        &[("relationships", json!({"to": "ref('y')", "field": "id"}), json!({"severity": "fatal"}))],
    ));
    sample.properties.models.push(entry);
    let at = "models/schema.yml:2:3 [- name: x]";
    check_errors(
        &sample,
        &[
            &format!("{at} `x` is tested with `uniqe`, which does not exist | did you mean `unique`?"),
            &format!("{at} test `accepted_values` needs `values`"),
            &format!(
                "{at} `severity` of test `relationships_x_to__id__ref_y_` cannot be `fatal` | it accepts `error`, `warn`"
            ),
            &format!("{at} data test `relationships_x_to__id__ref_y_` refers to `y`, which does not exist"),
            "models/schema.yml:4:7 [materialized: tabel] `materialized` of model `x` cannot be `tabel` | did you mean \
             `table`? it accepts `view`, `table`, `incremental`, `ephemeral`",
        ],
    );
    assert_eq!(place().source.path.display().to_string(), "models/schema.yml");
}

#[test]
fn a_thousand_models_parse_quickly() {
    let files: Vec<(String, String)> = (0..1000)
        .map(|number| {
            let from = if number == 0 { "t".into() } else { format!("{{{{ ref('m{}') }}}}", number - 1) };
            let columns: String =
                (0..30).map(|column| format!("    {{{{ cents('c{column}') }}}} as c{column},\n")).collect();
            (format!("models/m{number}.sql"), format!("select\n{columns} 1\nfrom {from}"))
        })
        .chain([("macros/m.sql".into(), "{% macro cents(c) %}{{ c }} / 100{% endmacro %}".into())])
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let mut sample = project(&files);
    for number in 0..1000 {
        let mut entry = properties(&format!("m{number}"), json!({}));
        let empty = || (json!({}), json!({}));
        let tests = ["unique", "not_null"].map(|test| (test, empty().0, empty().1));
        entry.columns.push(column("c1", &tests));
        entry.columns.push(column("c2", &[("relationships", json!({"to": "ref('m0')", "field": "c1"}), json!({}))]));
        sample.properties.models.push(entry);
    }
    let start = std::time::Instant::now();
    let found = graph(&sample);
    assert_eq!(found.nodes().count(), 4000);
    let steps = found.order(&found.select(&[], &[]).unwrap_or_default(), Gate::Commit);
    assert_eq!(steps.len(), 1000);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn unread_configuration_is_told_at_its_place() {
    let mut sample = project(&[
        (
            "models/a.sql",
            "{{ config(materialised='table', owner='x', mine=1, severity='warn') }}\nselect {{ config.get('mine') }}",
        ),
        ("models/b.sql", "select 1"),
        ("models/x.sql", "select 1"),
    ]);
    let mut entry = properties("x", json!({"materialised": "table", "meta": {"anything": 1}}));
    let yaml = SourceText::new("models/x.yml", "models:\n  - name: x\n    config:\n      materialised: table\n");
    entry.place = Place::line(&yaml, 2);
    sample.properties.models.push(entry);
    let own = "keys of your own belong under `meta`";
    let said = [
        format!(
            "models/a.sql:1:11 [materialised='table'] `materialised` of model `a` has no effect | did you mean \
             `materialized`? | {own}"
        ),
        format!("models/a.sql:1:33 [owner='x'] `owner` of model `a` has no effect | {own}"),
        format!(
            "models/a.sql:1:52 [severity='warn'] `severity` of model `a` has no effect | it configures data tests | {own}"
        ),
        format!(
            "models/x.yml:4:7 [materialised: table] `materialised` of model `x` has no effect | did you mean \
             `materialized`? | {own}"
        ),
    ];
    check_errors(&sample, &said.iter().map(String::as_str).collect::<Vec<_>>());
    sample.profiles.is_dbt = true;
    let mut found: Vec<String> = graph(&sample).warnings.iter().flat_map(errors).collect();
    found.sort();
    assert_eq!(found, said);
}
