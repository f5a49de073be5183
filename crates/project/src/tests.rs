//! Tests of reading projects from disk: the files, the properties, and the error for each mistake.

use std::fs;

use serde_json::json;

use super::{ConstraintKind, Environment, Project, init};
use elt_base::error::{Error, Result};

const PROFILES: &str = "[project]\nname = \"p\"\n[project.vars]\non = false\n[target.dev]\n";

fn read(files: &[(&str, &str)]) -> Result<Project> {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("profiles.toml"), PROFILES).expect("written");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    Project::read(folder.path(), &Default::default(), &Environment::default())
}

fn lines(error: &Error) -> Vec<String> {
    let places = |error: &Error| {
        let places = error.places().iter().map(|place| {
            let line = place.source.text[..place.span.start].matches('\n').count() + 1;
            let text = &place.source.text[place.span.clone()];
            format!("{}:{line} [{text}]", place.source.path.display())
        });
        places.collect::<Vec<_>>().join(" ")
    };
    error.iter().map(|error| format!("{} {}", places(error), error.message())).collect()
}

#[track_caller]
fn check(yaml: &str, expected: &[&str]) {
    let error = read(&[("models/m.yml", yaml)]).expect_err("the file has a mistake");
    assert_eq!(lines(&error), expected, "{:?}", error);
}

#[test]
fn walks_the_folders() {
    let project = read(&[
        ("models/marts/deep/b.sql", "b"),
        ("models/a.sql", "a"),
        ("models/.hidden.sql", "x"),
        ("models/notes.txt", "x"),
        ("macros/m.sql", "m"),
        ("seeds/ref/codes.csv", "a,b"),
        ("tests/one.sql", "t"),
        ("tests/generic/g.sql", "g"),
        ("tests/it/main.sql", "x"),
        ("tests/cases/c/models/x.sql", "x"),
    ])
    .expect("the project is good");
    let names = |files: &[super::ProjectFile]| {
        files.iter().map(|file| format!("{}/{}", file.folders.join("/"), file.name)).collect::<Vec<_>>()
    };
    assert_eq!(names(&project.models), ["/a", "marts/deep/b"]);
    assert_eq!(names(&project.macros), ["generic/g", "/m"]);
    assert_eq!(names(&project.tests), ["/one"]);
    assert_eq!(names(&project.seeds), ["ref/codes"]);
    assert_eq!(project.models[0].source.text, "a");
    assert_eq!(project.seeds[0].source.text, "");
}

#[test]
fn reads_properties() {
    let project = read(&[(
        "models/m.yml",
        r#"
version: 2
sources:
  - name: shop
    config: {load: full, tags: [a], enabled: "{{ var('on') }}"}
    tables:
      - name: orders
        config: {load: incremental, tags: b}
        columns: [{name: nickname, data_type: varchar}]
models:
  - name: m
    tags: x
    docs: {show: false}
    constraints:
      - {type: primary_key, columns: [a, b]}
      - {type: foreign_key, columns: [a], to: ref('n'), to_columns: [id]}
    columns:
      - name: a
        tests:
          - unique
          - accepted_values: {values: [1, no], severity: warn}
          - relationships: {name: r, arguments: {to: ref('n'), field: id}, config: {where: "x = '{{ var(1) }}'"}}
        constraints: [{type: check, expression: a > 0}]
"#,
    )])
    .expect("the file is good");
    let table = &project.properties.sources[0].tables[0];
    assert_eq!(json!(table.config), json!({"load": "incremental", "tags": ["a", "b"], "enabled": false}));
    assert_eq!(table.columns[0].data_type.as_deref(), Some("varchar"));
    let model = &project.properties.models[0];
    assert_eq!(json!(model.config), json!({"tags": "x", "docs": {"show": false}}));
    assert_eq!(model.constraints[0].columns, ["a", "b"]);
    assert_eq!(model.constraints[1].to.as_deref(), Some("ref('n')"));
    let column = &model.columns[0];
    assert_eq!(
        (column.constraints[0].kind, column.constraints[0].columns.as_slice()),
        (ConstraintKind::Check, ["a".to_owned()].as_slice())
    );
    let tests: Vec<_> =
        column.data_tests.iter().map(|test| json!([test.test, test.name, test.arguments, test.config])).collect();
    assert_eq!(
        json!(tests),
        json!([
            ["unique", null, {}, {}],
            ["accepted_values", null, {"values": [1, "no"]}, {"severity": "warn"}],
            ["relationships", "r", {"to": "ref('n')", "field": "id"}, {"where": "x = '{{ var(1) }}'"}],
        ])
    );
}

#[test]
fn points_at_mistakes() {
    check("models:\n  - name: a\n    colums: []\n", &["models/m.yml:3 [colums] unknown key `colums` in a model"]);
    check("metrics: []\nmodls: []\n", &["models/m.yml:2 [modls] unknown key `modls` in a properties file"]);
    check("version: 1", &["models/m.yml:1 [1] `version` must be 2"]);
    check("models:\n  - description: x\n", &["models/m.yml:2 [description: x] a model has no `name`"]);
    check(
        "models:\n  - name: a\n  - name: a\n",
        &["models/m.yml:3 [a] models/m.yml:2 [a] model `a` is described twice"],
    );
    check(
        "models:\n  - name: é\n    config: {x: \"{{ var('no') }}\"}\n",
        &["models/m.yml:3 [\"{{ var('no') }}\"] cannot render this value"],
    );
    check(
        "models:\n  - name: a\n    constraints: [{type: primary}]\n",
        &["models/m.yml:3 [primary] unknown type `primary` of constraint"],
    );
    check(
        "models:\n  - name: a\n    data_tests:\n      - unique:\n        config: {}\n",
        &["models/m.yml:4 [unique:] an entry of `data_tests` must be a name, or one name with its arguments"],
    );
    check("models:\n  - name: [a\n", &["models/m.yml:2 [[a] malformed YAML"]);
}

#[test]
fn refuses_what_is_no_text_and_models_of_one_name() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("profiles.toml"), PROFILES).expect("written");
    fs::create_dir_all(folder.path().join("models")).expect("made");
    fs::write(folder.path().join("models/a.sql"), b"select '\xff'").expect("written");
    let error = Project::read(folder.path(), &Default::default(), &Environment::default()).expect_err("not UTF-8");
    assert_eq!(error.message(), "`models/a.sql` is not UTF-8");
    let error = read(&[("models/x/a.sql", ""), ("models/y/a.sql", "")]).expect_err("one name");
    assert_eq!(error.to_string(), "two models or seeds are named `a`: `models/x/a.sql` and `models/y/a.sql`");
}

#[test]
fn initial_project_reads_back() {
    let folder = tempfile::tempdir().expect("a folder");
    init(folder.path(), "shop").expect("made");
    let project = Project::read(&folder.path().join("shop"), &Default::default(), &Environment::default());
    let project = project.expect("the project is good");
    assert_eq!((project.profiles.name.as_str(), project.models.len(), project.properties.models.len()), ("shop", 2, 2));
    assert_eq!(init(folder.path(), "shop").expect_err("not empty").exit(), elt_base::error::Exit::Usage);
    assert!(init(folder.path(), "../x").is_err());
}

#[test]
fn this_repositorys_project_is_good() {
    let root = &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = Project::read(root, &Default::default(), &Environment::default()).expect("the project is good");
    let described: Vec<&str> = project.properties.models.iter().map(|model| model.name.as_str()).collect();
    for model in &project.models {
        assert!(described.contains(&model.name.as_str()), "`{}` is not described", model.name);
    }
    assert_eq!(described.len(), project.models.len());
    let marts = project.models.iter().filter(|model| model.folders == ["marts"]);
    for mart in marts {
        let properties = project.properties.models.iter().find(|model| model.name == mart.name).expect("described");
        let key = properties.constraints.iter().find(|constraint| constraint.kind == ConstraintKind::PrimaryKey);
        let key = &key.unwrap_or_else(|| panic!("`{}` has no key", mart.name)).columns[0];
        let column = properties.columns.iter().find(|column| column.name == *key).expect("described");
        let tests: Vec<&str> = column.data_tests.iter().map(|test| test.test.as_str()).collect();
        assert!(tests.contains(&"unique") && tests.contains(&"not_null"), "`{}`.`{key}` is not tested", mart.name);
    }
}
