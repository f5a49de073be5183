//! The data-driven cases: every folder below `tests/cases/` is a project, the commands to run in it, and what
//! must come of it. `tests/cases/README.md` describes the form.
//!
//! `ELT_UPDATE_CASES=1` rewrites the expectations; `ELT_CASE=part` runs only the cases whose name holds `part`.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::thread;

use regex::Regex;
use serde::Deserialize;
use snapbox::{Assert, IntoData};

use crate::project::{Project, repository};
use crate::servers::{Mongo, Postgres};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What the case shows.
    #[allow(dead_code, reason = "for its readers")]
    about: String,
    #[serde(default)]
    project: Origin,
    /// `mongodb`, `postgres`: a fresh database each, told through `MONGODB_URI`, `MONGODB_DATABASE` and `POSTGRES_URI`.
    #[serde(default)]
    servers: Vec<ServerKind>,
    /// SQL run in the Postgres database before the first command.
    postgres_setup: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    run: Vec<Step>,
    /// The target whose warehouse `queries` reads; the project's default if absent.
    target: Option<String>,
    /// Queries over the warehouse after the last command, by name: `expected/<name>.csv`.
    #[serde(default)]
    queries: BTreeMap<String, String>,
    /// Queries over Postgres, each giving one text a row: `expected/<name>.txt`.
    #[serde(default)]
    postgres_queries: BTreeMap<String, String>,
    /// Paths that must be there after the last command.
    #[serde(default)]
    present: Vec<String>,
    /// Paths that must not.
    #[serde(default)]
    absent: Vec<String>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Origin {
    /// The case's folder `project/`.
    #[default]
    Case,
    /// The repository's own project, `project/` laid over it.
    Repository,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum ServerKind {
    Mongodb,
    Postgres,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// The arguments, separated by spaces, or as a list.
    elt: Arguments,
    #[serde(default)]
    exit: i32,
    /// A folder of the case, laid over the project before the command.
    overlay: Option<String>,
    /// Whether the order of the lines is left open, as where collections load at once.
    #[serde(default)]
    unordered: bool,
    /// Of `stdout` and `stderr`, what is compared.
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

#[test]
fn cases() {
    let mut folders: Vec<PathBuf> = fs::read_dir(repository().join("tests/cases"))
        .expect("the folder of the cases")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    assert!(!folders.is_empty(), "no cases found");
    if let Ok(part) = std::env::var("ELT_CASE") {
        folders.retain(|folder| name_of(folder).contains(&part));
        assert!(!folders.is_empty(), "no case has `{part}` in its name");
    }
    let failures = Mutex::new(BTreeMap::new());
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(2, usize::from).min(8);
    // Failures are collected and told together.
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = panic::catch_unwind(AssertUnwindSafe(|| run(folder))).unwrap_or_else(|payload| {
                        let message = payload.downcast_ref::<String>().map(String::as_str);
                        let message = message.or_else(|| payload.downcast_ref::<&str>().copied());
                        Err(vec![message.unwrap_or("a panic").to_owned()])
                    });
                    if let Err(errors) = result {
                        failures.lock().expect("no panic while locked").insert(name_of(folder), errors.join("\n"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic while locked");
    if !failures.is_empty() {
        let names: Vec<&str> = failures.keys().map(String::as_str).collect();
        for (name, error) in &failures {
            eprintln!("==== {name}\n{error}\n");
        }
        panic!(
            "{} of {} cases failed: {}\nhint: `ELT_UPDATE_CASES=1` rewrites what is expected",
            failures.len(),
            folders.len(),
            names.join(", ")
        );
    }
}

fn run(folder: &Path) -> Result<(), Vec<String>> {
    let text = fs::read_to_string(folder.join("case.toml")).map_err(|error| vec![format!("`case.toml`: {error}")])?;
    let case: Case = toml::from_str(&text).map_err(|error| vec![format!("`case.toml`: {error}")])?;
    let mut project = match case.project {
        Origin::Case => Project::empty(),
        Origin::Repository => Project::repository(),
    };
    project.overlay(&folder.join("project"));

    let mongo = case.servers.contains(&ServerKind::Mongodb).then(|| Mongo::shared().database());
    if let Some(database) = &mongo {
        project.set("MONGODB_URI", &database.uri).set("MONGODB_DATABASE", &database.name);
    }
    let postgres = case.servers.contains(&ServerKind::Postgres).then(|| Postgres::shared().database());
    if let Some(database) = &postgres {
        project.set("POSTGRES_URI", &database.uri);
        if let Some(sql) = &case.postgres_setup {
            database.client().batch_execute(sql).map_err(|error| vec![format!("`postgres_setup`: {error}")])?;
        }
    }
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
    if let Some(database) = &postgres {
        for (name, sql) in &case.postgres_queries {
            let rows = database.client().query(sql, &[]).map_err(|error| vec![format!("`{name}`: {error:?}")])?;
            let lines: Vec<String> = rows.iter().map(|row| row.get::<_, Option<String>>(0)).map(shown).collect();
            expected.compare(&format!("{name}.txt"), &lines.concat());
        }
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

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files of `expected/`, and where the run differs from them.
struct Expected {
    folder: PathBuf,
    errors: Vec<String>,
}

impl Expected {
    /// Compares with the file `name`; no file stands for no output. `[..]` in it matches any part of a line, a line
    /// `...` any lines.
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

/// The text with what differs from run to run replaced.
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
            // With the spaces that align it.
            (r" *\b(\d+m ?)?\d+(\.\d+)? ?(ns|µs|us|ms|s|sec|seconds?)\b", " [time]"),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
        .into()
    });
    let mut text = text.replace(&*project.path().to_string_lossy(), "[project]");
    for (pattern, with) in &*VOLATILE {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    // A table drawn to the width of such values.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
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
