//! Tests of reading `profiles.toml`, and of the error for each mistake in it.

use std::path::PathBuf;

use super::{Profiles, SourceProfile};
use crate::{Environment, ExportPlace, ExportProfile, FileFormat, TargetPart};
use elt_base::error::{Error, Result};

const GOOD: &str = r#"
[project]
name = "loans"
[project.vars]
as_of = "2025-01-01"
[project.models.staging]
"+materialized" = "view"
[target.dev.sources.loans]
type = "files"
path = "seeds/loans"
[target.dev.export]
type = "parquet"
[target.prod]
warehouse = "${WAREHOUSE:-/data/w.duckdb}"
threads = "${THREADS:-3}"
[target.prod.sources.loans]
type = "mongodb"
uri = "${MONGODB_URI}"
database = "${MONGODB_DATABASE:-loans}"
[target.prod.export]
type = "postgres"
uri = "postgres://${USER}:hush@db/x"
"#;

fn read(text: &str, target: Option<&str>, pairs: &[(&str, &str)]) -> Result<Profiles> {
    Profiles::parse(PathBuf::from("/p"), text, target, &Environment::of(pairs.iter().copied()))
        .map(|(profiles, _)| profiles)
}

/// Each error as `line:column message`, and the source line of the first.
fn lines(error: &Error) -> Vec<String> {
    let place = |error: &Error| {
        let Some(place) = error.places().first() else { return "-".to_owned() };
        let before = &place.source.text[..place.span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |index| index + 1) + 1;
        format!("{line}:{column} [{}]", &place.source.text[place.span.clone()])
    };
    error.iter().map(|error| format!("{} {}", place(error), error.message())).collect()
}

#[track_caller]
fn check(text: &str, target: Option<&str>, expected: &[&str]) {
    let error = read(text, target, &[]).expect_err("the file has a mistake");
    assert_eq!(error.exit(), elt_base::error::Exit::Usage);
    assert_eq!(lines(&error), expected);
}

#[test]
fn reads_the_default_target() {
    let profiles = read(GOOD, None, &[]).expect("the file is good");
    assert_eq!((profiles.name.as_str(), profiles.target.name.as_str()), ("loans", "dev"));
    assert_eq!(profiles.target.warehouse, PathBuf::from("/p/.elt/dev/warehouse.duckdb"));
    assert_eq!(profiles.target.landing, PathBuf::from("/p/.elt/dev/landing"));
    assert_eq!(profiles.vars["as_of"], "2025-01-01");
    assert_eq!(profiles.defaults.models["staging"]["+materialized"], "view");
    let Some(SourceProfile::Files { path }) = profiles.target.sources.get("loans") else { panic!("no files") };
    assert_eq!(path, &PathBuf::from("/p/seeds/loans"));
    let [ExportProfile { select, place: ExportPlace::Files { path, format: FileFormat::Parquet }, .. }] =
        profiles.target.exports.as_slice()
    else {
        panic!("no export")
    };
    assert_eq!((path.as_path(), select.as_str()), (PathBuf::from("/p/.elt/dev/export").as_path(), "path:models/marts"));
}

#[test]
fn fills_variables_of_the_chosen_target() {
    let profiles = read(GOOD, Some("prod"), &[("MONGODB_URI", "mongodb://m"), ("USER", "ann")]).expect("all are set");
    let target = &profiles.target;
    assert_eq!(target.warehouse, PathBuf::from("/data/w.duckdb"));
    assert_eq!((target.landing.as_path(), target.threads), (PathBuf::from("/data/landing").as_path(), 3));
    let Some(SourceProfile::Mongodb { uri, database, snapshot: false }) = target.sources.get("loans") else {
        panic!("no mongodb")
    };
    assert_eq!((uri.reveal(), database.as_str()), ("mongodb://m", "loans"));
    let [ExportProfile { place: ExportPlace::Postgres { uri, schema, connections }, .. }] = target.exports.as_slice()
    else {
        panic!("no export")
    };
    assert_eq!((uri.reveal(), schema.as_str(), *connections), ("postgres://ann:hush@db/x", "public", 3));
}

#[test]
fn names_unset_variables_and_hides_passwords() {
    // A command needs only the variables of the parts that it uses.
    let profiles = read(GOOD, Some("prod"), &[]).expect("it is read without them");
    let parts = [TargetPart::Source("loans"), TargetPart::Export(None)];
    let error = profiles.target.require(&parts).expect_err("two are not set");
    assert_eq!(
        lines(&error),
        [
            "18:8 [${MONGODB_URI}] the environment variable `MONGODB_URI` is not set",
            "22:19 [${USER}] the environment variable `USER` is not set",
        ]
    );
    assert!(!format!("{error:?}").contains("hush"));
}

#[test]
fn points_at_mistakes() {
    check("[project\nname = 1", None, &["1:9 [] malformed TOML"]);
    check("[target.dev]", None, &["1:1 [] `profiles.toml` has no `project`"]);
    check("[project]\nname = 1\n[target.dev]", None, &["2:8 [1] `name` is a number, not a text"]);
    check(
        "[project]\nnam = \"x\"\n[target.dev]\nthread = 1",
        None,
        &[
            "1:1 [[project]] `[project]` has no `name`",
            "2:1 [nam] unknown key `nam` in `[project]`",
            "4:1 [thread] unknown key `thread` in `[target.dev]`",
        ],
    );
    check("[project]\nname = \"x\"", None, &["1:1 [] `profiles.toml` has no target"]);
    check("[project]\nname = \"x\"\n[target.dev]", Some("prd"), &["- `profiles.toml` has no target `prd`"]);
    check("[project]\nname = \"x\"\n[target.a]\n[target.b]", None, &["1:1 [[project]] no target is chosen"]);
    check(
        "[project]\nname = \"x\"\n[target.dev.sources.a]\npath = \"x\"\n[target.dev.export]\ntype = \"oracle\"",
        None,
        &["3:21 [a] source `a` of `[target.dev]` has no `type`", "6:8 [\"oracle\"] unknown type `oracle` of export"],
    );
    let exports = |tables: &str| format!("[project]\nname = \"x\"\n[target.dev]\n{tables}");
    check(
        &exports("export = {type = \"csv\"}\n[[target.dev.exports]]\nname = \"a\"\ntype = \"csv\""),
        None,
        &["5:1 [[[target.dev.exports]]] a target has either `export` or `exports`"],
    );
    check(
        &exports(
            "exports = [\n{type = \"csv\"},\n{name = \"a b\", type = \"csv\"},\n{name = \"a\", type = \"csv\"},\n\
             {name = \"A\", type = \"json\"},\n{name = \"c\", type = \"json\", path = \".elt/dev/export/a\"},\n\
             {name = \"d\", type = \"csv\", connections = 2}]",
        ),
        None,
        &[
            "5:1 [{type = \"csv\"}] `[[target.dev.exports]]` has no `name`",
            "6:9 [\"a b\"] the name of an export consists of letters, digits, `_` and `-`",
            "8:1 [{name = \"A\", type = \"json\"}] another export of this target is export `A`",
            "9:1 [{name = \"c\", type = \"json\", path = \".elt/dev/export/a\"}] export `c` and export `a` publish to the same place",
            "10:28 [connections] unknown key `connections` in `[[target.dev.exports]]`",
        ],
    );
    check(
        "[project]\nname = \"x\"\n[target.dev]\nthreads = 0",
        None,
        &["4:11 [0] `threads` is a number, not a whole number of at least 1"],
    );
}
