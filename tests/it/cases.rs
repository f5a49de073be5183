//! The data-driven cases: every folder below `tests/cases/` has a project, the commands to run in it, and the expected
//! results. `tests/cases/README.md` describes the form.
//!
//! Each is a test `cases::<folder>`. `ELT_UPDATE_CASES=1` rewrites the expectations.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libtest_mimic::{Failed, Trial};
use mongodb::bson::{Bson, Document};
use regex::Regex;
use serde::Deserialize;
use snapbox::{Assert, IntoData};

use crate::mariadb::{MariaDb, MariaDbDatabase};
use crate::project::{Project, repository};
use crate::servers::{Mongo, MongoDatabase, Postgres, PostgresDatabase};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// The behaviour that the case shows.
    #[allow(dead_code, reason = "for its readers")]
    about: String,
    #[serde(default)]
    project: Origin,
    /// The servers. The case gets a fresh database on each, which the commands see as `MONGODB_URI` and
    /// `MONGODB_DATABASE`, `MYSQL_URI`, `POSTGRES_URI`.
    #[serde(default)]
    servers: Vec<ServerKind>,
    /// SQL statements that run in the database before the first command.
    #[serde(default)]
    mysql_setup: Vec<String>,
    postgres_setup: Option<String>,
    /// Documents, by collection, in Extended JSON, that are inserted before the first command.
    #[serde(default)]
    mongodb_setup: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    run: Vec<Step>,
    /// The target whose warehouse `queries` reads. The project's default target if absent.
    target: Option<String>,
    /// Queries over the warehouse after the last command, by name: `expected/<name>.csv`.
    #[serde(default)]
    queries: BTreeMap<String, String>,
    /// Queries over Postgres and MariaDB whose first column is a text: `expected/<name>.txt`, one line for each row.
    #[serde(default)]
    postgres_queries: BTreeMap<String, String>,
    #[serde(default)]
    mysql_queries: BTreeMap<String, String>,
    /// Collections of MongoDB: `expected/<name>.txt`, one line for each document, in canonical Extended JSON.
    #[serde(default)]
    mongodb_collections: BTreeMap<String, String>,
    /// Paths that must exist after the last command.
    #[serde(default)]
    present: Vec<String>,
    /// Paths that must not exist after the last command.
    #[serde(default)]
    absent: Vec<String>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Origin {
    /// The case's folder `project/`.
    #[default]
    Case,
    /// The repository's own project, with the files of `project/` copied over it.
    Repository,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum ServerKind {
    Mongodb,
    Mysql,
    Postgres,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// The arguments: a text in which spaces separate them, or a list.
    elt: Arguments,
    #[serde(default)]
    exit: i32,
    /// A folder of the case. Its files are copied over the project before the command.
    overlay: Option<String>,
    /// Whether the lines may be in any order, for example because collections load at the same time.
    #[serde(default)]
    unordered: bool,
    /// The outputs to compare, of `stdout` and `stderr`.
    #[serde(default = "both")]
    compare: Vec<Stream>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Arguments {
    Words(String),
    List(Vec<String>),
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Stream {
    Stdout,
    Stderr,
}

fn both() -> Vec<Stream> {
    vec![Stream::Stdout, Stream::Stderr]
}

/// A test for each folder, by name.
pub fn trials() -> Vec<Trial> {
    let mut folders: Vec<PathBuf> = fs::read_dir(repository().join("tests/cases"))
        .expect("the folder of the cases")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "no cases found");
    let named = |folder: PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(format!("cases::{name}"), move || {
            let hint = "hint: `ELT_UPDATE_CASES=1` rewrites the expectations";
            run(&folder).map_err(|errors| Failed::from(format!("{}\n{hint}", errors.join("\n"))))
        })
    };
    let mut trials: Vec<Trial> = folders.into_iter().map(named).collect();
    trials.push(Trial::test("cases::steady_replaces_only_what_differs", || {
        steady_replaces_only_what_differs();
        Ok(())
    }));
    trials
}

fn run(folder: &Path) -> Result<(), Vec<String>> {
    let text = fs::read_to_string(folder.join("case.toml")).map_err(|error| vec![format!("`case.toml`: {error}")])?;
    let case: Case = toml::from_str(&text).map_err(|error| vec![format!("`case.toml`: {error}")])?;
    let mut project = match case.project {
        Origin::Case => Project::empty(),
        Origin::Repository => Project::repository(),
    };
    project.overlay(&folder.join("project"));

    let databases = Databases::fresh(&case, &mut project)?;
    for (name, value) in &case.env {
        project.set(name, value);
    }

    let mut expected = Expected { folder: folder.join("expected"), errors: Vec::new() };
    for (index, step) in case.run.iter().enumerate() {
        let number = index + 1;
        if let Some(overlay) = &step.overlay {
            project.overlay(&folder.join(overlay));
        }
        let arguments: Vec<&str> = match &step.elt {
            Arguments::Words(words) => words.split_whitespace().collect(),
            Arguments::List(list) => list.iter().map(String::as_str).collect(),
        };
        let run = project.elt(&arguments);
        if run.status.code() != Some(step.exit) {
            expected.errors.push(format!("command {number} was to exit with {}\n{run}", step.exit));
        }
        for (stream, name, text) in [(Stream::Stdout, "stdout", &run.stdout), (Stream::Stderr, "stderr", &run.stderr)] {
            if step.compare.contains(&stream) {
                let mut text = steady(text, &project);
                if step.unordered {
                    let mut lines: Vec<&str> = text.lines().collect();
                    lines.sort_unstable();
                    text = lines.iter().map(|line| format!("{line}\n")).collect();
                }
                expected.compare(&format!("{number}.{name}"), &text);
            }
        }
    }

    for (name, sql) in &case.queries {
        let mut arguments = vec!["show", "--inline", sql, "--output", "csv", "--limit", "0"];
        if let Some(target) = &case.target {
            arguments.extend(["--target", target]);
        }
        let run = project.elt(&arguments);
        if run.status.success() {
            expected.compare(&format!("{name}.csv"), &run.stdout);
        } else {
            expected.errors.push(format!("query `{name}` failed\n{run}"));
        }
    }
    for (name, lines) in databases.read(&case)? {
        expected.compare(&format!("{name}.txt"), &lines.concat());
    }
    for path in case.present.iter().filter(|path| !project.path().join(path).exists()) {
        expected.errors.push(format!("`{path}` is not there"));
    }
    for path in case.absent.iter().filter(|path| project.path().join(path).exists()) {
        expected.errors.push(format!("`{path}` is there"));
    }
    if expected.errors.is_empty() { Ok(()) } else { Err(expected.errors) }
}

fn shown(value: Option<String>) -> String {
    format!("{}\n", value.as_deref().unwrap_or("NULL"))
}

/// The databases of one case.
struct Databases {
    mongodb: Option<MongoDatabase>,
    mysql: Option<MariaDbDatabase>,
    postgres: Option<PostgresDatabase>,
}

impl Databases {
    fn fresh(case: &Case, project: &mut Project) -> Result<Self, Vec<String>> {
        let wants = |kind| case.servers.contains(&kind);
        let mongodb = wants(ServerKind::Mongodb).then(|| Mongo::shared().database());
        if let Some(database) = &mongodb {
            project.set("MONGODB_URI", &database.uri).set("MONGODB_DATABASE", &database.name);
            for (collection, texts) in &case.mongodb_setup {
                let documents = texts.iter().map(|text| document(text));
                let documents = documents.collect::<Result<_, _>>();
                database.insert(collection, documents.map_err(|error| vec![format!("`mongodb_setup`: {error}")])?);
            }
        }
        let mysql = wants(ServerKind::Mysql).then(|| MariaDb::shared().database());
        if let Some(database) = &mysql {
            project.set("MYSQL_URI", &database.uri);
            for sql in &case.mysql_setup {
                database.run(sql);
            }
        }
        let postgres = wants(ServerKind::Postgres).then(|| Postgres::shared().database());
        if let Some(database) = &postgres {
            project.set("POSTGRES_URI", &database.uri);
            if let Some(sql) = &case.postgres_setup {
                database.client().batch_execute(sql).map_err(|error| vec![format!("`postgres_setup`: {error}")])?;
            }
        }
        Ok(Self { mongodb, mysql, postgres })
    }

    /// The results that the case requests after its last command: lines by name.
    fn read(&self, case: &Case) -> Result<Vec<(String, Vec<String>)>, Vec<String>> {
        let mut found = Vec::new();
        if let Some(database) = &self.postgres {
            for (name, sql) in &case.postgres_queries {
                let rows = database.client().query(sql, &[]).map_err(|error| vec![format!("`{name}`: {error:?}")])?;
                found.push((name.clone(), rows.iter().map(|row| shown(row.get(0))).collect()));
            }
        }
        if let Some(database) = &self.mysql {
            for (name, sql) in &case.mysql_queries {
                found.push((name.clone(), database.rows::<Option<String>>(sql).into_iter().map(shown).collect()));
            }
        }
        if let Some(database) = &self.mongodb {
            for (name, collection) in &case.mongodb_collections {
                let lines = database.documents(collection).into_iter().map(|document| {
                    let value = Bson::Document(document).into_canonical_extjson();
                    format!("{value}\n")
                });
                found.push((name.clone(), lines.collect()));
            }
        }
        Ok(found)
    }
}

/// A document of Extended JSON.
fn document(text: &str) -> Result<Document, String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match Bson::try_from(value).map_err(|error| error.to_string())? {
        Bson::Document(document) => Ok(document),
        other => Err(format!("`{other}` is not a document")),
    }
}

/// The files of `expected/`, and the differences of the run from them.
struct Expected {
    folder: PathBuf,
    errors: Vec<String>,
}

impl Expected {
    /// Compares with the file `name`. If the file does not exist, the output must be empty. `[..]` in the file matches
    /// any part of a line, and a line `...` matches any lines.
    fn compare(&mut self, name: &str, actual: &str) {
        let path = self.folder.join(name);
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let compared = Assert::new().normalize_paths(false).try_eq(
            Some(&name),
            actual.to_owned().into_data(),
            expected.into_data(),
        );
        let Err(difference) = compared else { return };
        if std::env::var_os("ELT_UPDATE_CASES").is_none() {
            self.errors.push(difference.to_string());
        } else if actual.is_empty() {
            let _ = fs::remove_file(&path);
        } else if let Err(error) = fs::create_dir_all(&self.folder).and_then(|()| fs::write(&path, actual)) {
            self.errors.push(format!("`{}`: {error}", path.display()));
        }
    }
}

/// The text, with placeholders for the parts that differ in each run.
fn steady(text: &str, project: &Project) -> String {
    static VOLATILE: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"\x1b\[[0-9;]*m", ""),
            (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "[id]"),
            (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?", "[timestamp]"),
            (r"\b\d\d:\d\d:\d\d(\.\d+)?\b", "[clock]"),
            (r"\b\d{8}T\d{12}Z\b", "[load]"),
            (r"elt_it_\d+_\d+", "[database]"),
            (r"(127\.0\.0\.1|localhost):\d{4,5}\b", "$1:[port]"),
            (r"\b(pid|PID|process) \d+", "$1 [pid]"),
            (r"[\d.,_]+ ?[kMG]?(rows|documents|docs|bytes|B|KB|MB|GB|KiB|MiB|GiB)/s\b", "[rate]"),
            (r"[\d,]+/s\b", "[rate]"),
            // Includes the spaces that align it.
            (r" *\b(\d+m ?)?\d+(\.\d+)? ?(ns|µs|us|ms|s|sec|seconds?)\b", " [time]"),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
        .into()
    });
    let mut text = text.replace(&*project.path().to_string_lossy(), "[project]");
    for (pattern, with) in &*VOLATILE {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    // The width of this table depends on such values.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn steady_replaces_only_what_differs() {
    let project = Project::empty();
    let check = |text: &str, expected: &str| assert_eq!(steady(text, &project), expected);
    check("3 rows in 0.31s", "3 rows in [time]\n");
    check("  model    a     1 row     0.31s  12,345/s", "  model    a     1 row [time]  [rate]\n");
    check("held by pid 4711 at 127.0.0.1:40123", "held by pid [pid] at 127.0.0.1:[port]\n");
    check("loaded 12 rows, 1200 rows/s, 2026-01-02T03:04:05.678Z", "loaded 12 rows, [rate], [timestamp]\n");
    check("models/a.sql:3:12", "models/a.sql:3:12\n");
    check(&format!("{}/models", project.path().display()), "[project]/models\n");
}
