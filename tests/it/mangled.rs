//! Whatever bytes the program reads, it does not panic, hang or grow without bound: mangled files, projects, selectors
//! and replies of servers.
//!
//! Each reader gets valid inputs that were cut, spliced and changed in places, always the same in each run.
//! `ELT_TEST_CASES=100000` takes so many cases of each instead of a few (a hundredth of them for servers), and
//! `ELT_TEST_SEED=7` others. Knows the readers' entry points, and nothing of their formats but some words.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bson::{Document, doc};
use elt_base::cancel::Cancel;
use elt_extract::window::{IdRange, Window};
use elt_extract::{CollectionOptions, Question, ReadingPlan, SurveyHints};
use elt_model::Compiler;
use elt_project::{Environment, Project as ProjectFiles, SourceProfile, Wanted};
use elt_warehouse::Warehouse;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use walkdir::WalkDir;

use crate::csv_cells;
use crate::documents::{keys, values};
use crate::project::{Project, repository};
use crate::relay::MangledRelay;
use crate::servers::{Mongo, Postgres};
use crate::typed_values::{KEY_TYPES, OTHER_TYPES};

/// The cases of a reader in the program's own process, if the environment has no number.
const CASES: u64 = 200;
/// A case that takes longer hangs.
const CASE_SECONDS_MAX: u64 = 60;
/// The memory that this process may use at most while it reads files of a few kilobytes.
const MEMORY_KB_MAX: u64 = 3 << 20;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Valid inputs, and what is inserted into them.
struct Mangler {
    random: ChaCha8Rng,
    corpus: Vec<Vec<u8>>,
    words: &'static [&'static str],
}

impl Mangler {
    fn new(corpus: Vec<Vec<u8>>, words: &'static [&'static str]) -> Self {
        assert!(!corpus.is_empty(), "a corpus");
        Self { random: ChaCha8Rng::seed_from_u64(number("ELT_TEST_SEED").unwrap_or(7)), corpus, words }
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end.max(1))
    }

    fn part(&mut self, of: &[u8]) -> Vec<u8> {
        let from = self.below(of.len());
        let length = 1 + self.below(64);
        of[from..of.len().min(from + length)].to_vec()
    }

    fn next(&mut self) -> Vec<u8> {
        const NUMBERS: [i32; 6] = [0, 1, -1, i32::MAX, i32::MIN, 0x7f7f_7f7f];
        let at = self.below(self.corpus.len());
        let mut bytes = self.corpus[at].clone();
        for _ in 0..1 + self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(9) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = self.random.random(),
                2 => bytes.truncate(at),
                3 => {
                    let end = bytes.len().min(at + 1 + self.below(40));
                    bytes.drain(at..end);
                }
                4 => {
                    let other = self.below(self.corpus.len());
                    let other = self.corpus[other].clone();
                    let from = self.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                5 if !bytes.is_empty() => {
                    let part = self.part(&bytes.clone());
                    for _ in 0..1 + self.below(8) {
                        bytes.splice(at..at, part.iter().copied());
                    }
                }
                6 => {
                    let word = self.words.choose(&mut self.random).copied().unwrap_or("\0");
                    bytes.splice(at..at, word.bytes());
                }
                7 => {
                    let number = NUMBERS.choose(&mut self.random).copied().unwrap_or_default().to_le_bytes();
                    let end = bytes.len().min(at + 4);
                    bytes.splice(at..end, number);
                }
                _ => {
                    let other = self.below(self.corpus.len());
                    let part = self.part(&self.corpus[other].clone());
                    bytes.splice(at..at, part);
                }
            }
        }
        bytes
    }
}

/// The inputs in `mangled/` that once were a fault of this reader. They are read first.
fn known(name: &str) -> Vec<Vec<u8>> {
    let folder = repository().join("tests/it/mangled");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_of = |path: &PathBuf| {
        path.file_name().and_then(|file| file.to_str()?.split_once('-')).is_some_and(|(reader, _)| reader == name)
    };
    paths.iter().filter(|path| is_of(path)).map(|path| fs::read(path).expect("an input")).collect()
}

/// Runs the cases of a reader. A panic, a hang or too much memory fails the test, and leaves the input in a file.
fn read_all(name: &str, mut mangler: Mangler, mut read: impl FnMut(&[u8])) {
    let cases = number("ELT_TEST_CASES").unwrap_or(CASES);
    let kept = std::env::temp_dir().join(format!("elt-mangled-{name}"));
    let (started, is_over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let since = Arc::new(AtomicU64::new(0));
    let input = Arc::new(Mutex::new(Vec::new()));
    let watch = thread::spawn({
        let (is_over, since, input, kept) = (is_over.clone(), since.clone(), input.clone(), kept.clone());
        move || {
            while !is_over.load(Ordering::SeqCst) {
                if started.elapsed().as_secs() > since.load(Ordering::SeqCst) + CASE_SECONDS_MAX {
                    let input: Vec<u8> = input.lock().map(|input| input.clone()).unwrap_or_default();
                    let _ = fs::write(&kept, input);
                    eprintln!("a case hangs; its input is {}", kept.display());
                    std::process::abort();
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let mut slowest = Duration::ZERO;
    let known = known(name);
    for case in 0..cases + known.len() as u64 {
        let bytes = known.get(case as usize).cloned().unwrap_or_else(|| mangler.next());
        bytes.clone_into(&mut input.lock().expect("the input"));
        since.store(started.elapsed().as_secs(), Ordering::SeqCst);
        let case_started = Instant::now();
        if catch_unwind(AssertUnwindSafe(|| read(&bytes))).is_err() {
            let _ = fs::write(&kept, &bytes);
            panic!("case {case} of {name} panics; its input is {}", kept.display());
        }
        slowest = slowest.max(case_started.elapsed());
    }
    is_over.store(true, Ordering::SeqCst);
    watch.join().expect("the watch");
    let memory = peak_kilobytes("self");
    println!(
        "{name}: {cases} cases in {:.1} s, the slowest {:.3} s, at most {} MB",
        started.elapsed().as_secs_f64(),
        slowest.as_secs_f64(),
        memory / 1024
    );
    assert!(memory < MEMORY_KB_MAX, "{name}: {memory} KB of memory");
}

/// The most memory that a running program has used.
fn peak_kilobytes(id: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Reads a file as a source does: looks at it, then reads all its batches.
fn read_file(folder: &Path, file: &str, bytes: &[u8]) {
    fs::write(folder.join(file), bytes).expect("a file");
    let source = elt_extract::open("f", &SourceProfile::Files { path: folder.to_path_buf() }).expect("a source");
    let question = Question {
        collection: "x".into(),
        options: Arc::new(CollectionOptions::default()),
        window: Window::Full,
        watermark: Some("a".into()),
        cancel: Cancel::default(),
    };
    let Ok(survey) = source.survey(&question, SurveyHints::default()) else { return };
    let plan = ReadingPlan::new(Vec::new(), Vec::new(), None, survey);
    let _ = source.read(&question, &plan, &IdRange::default(), &mut |_| Ok(()));
}

fn read_files(name: &str, file: &str, corpus: Vec<Vec<u8>>, words: &'static [&'static str]) {
    let folder = tempfile::tempdir().expect("a folder");
    read_all(name, Mangler::new(corpus, words), |bytes| read_file(folder.path(), file, bytes));
}

/// Some documents with values of all kinds.
fn some_documents() -> Vec<Document> {
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let fields = prop::collection::vec((keys(), values()), 0..6);
    (0..60)
        .map(|n| {
            let mut document = doc! { "_id": n, "a": n * 7 };
            document.extend(fields.new_tree(&mut runner).expect("fields").current());
            document
        })
        .collect()
}

/// The files of the repository's project and of all cases with one of these endings, but no large ones.
fn files(endings: &[&str]) -> Vec<Vec<u8>> {
    let roots = ["models", "macros", "seeds", "tests/cases"].map(|folder| repository().join(folder));
    let profiles = repository().join("profiles.toml");
    let mut paths: Vec<PathBuf> = roots
        .iter()
        .flat_map(|root| WalkDir::new(root).into_iter().flatten())
        .map(walkdir::DirEntry::into_path)
        .chain([profiles])
        .filter(|path| path.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted)))
        .collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).filter(|bytes| bytes.len() < 20_000).collect()
}

#[test]
fn bson_files_are_read_or_refused() {
    let documents = some_documents();
    let bytes =
        |documents: &[Document]| documents.iter().flat_map(|document| document.to_vec().expect("BSON")).collect();
    let corpus = documents.chunks(1).chain(documents.chunks(5)).map(bytes).collect();
    read_files("bson", "x.bson", corpus, &["\0", "\u{1}a\0", "\u{3}a\0", "\u{4}0\0", "\u{13}", "$date", "_id\0"]);
}

#[test]
fn extended_json_is_read_or_refused() {
    let documents = some_documents();
    let json = |document: &Document, is_relaxed: bool| {
        let value = bson::Bson::Document(document.clone());
        if is_relaxed { value.into_relaxed_extjson() } else { value.into_canonical_extjson() }.to_string()
    };
    let lines = |(index, documents): (usize, &[Document])| {
        let lines: Vec<String> = documents.iter().map(|document| json(document, index % 2 == 0)).collect();
        lines.join(if index % 3 == 0 { "\n" } else { "" }).into_bytes()
    };
    let corpus = documents.chunks(2).enumerate().map(lines).chain(files(&["json", "jsonl"])).collect();
    read_files(
        "extended_json",
        "x.jsonl",
        corpus,
        &[
            "{",
            "}",
            "[",
            "]",
            "\"",
            "\\u",
            "\\ud800",
            "{\"$date\":",
            "{\"$numberDecimal\":\"",
            "ObjectId(",
            "ISODate('",
            "1e999",
            "-",
            "0x",
            "/a/i",
            "{\"$binary\":",
            "[[[[[[[[[[[[[[[[",
            "\u{feff}",
            "NumberLong(",
            "\n",
        ],
    );
}

#[test]
fn csv_files_are_read_or_refused() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut corpus = files(&["csv", "tsv"]);
    for columns in 1..24 {
        let mut text = (0..columns).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
        for _ in 0..columns {
            let cells: Vec<_> =
                (0..columns).map(|column| Some(csv_cells::text(column % csv_cells::KINDS, &mut random))).collect();
            text += &format!("\n{}", csv_cells::line(&cells));
        }
        if columns % 5 == 0 {
            corpus.push([0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect());
        }
        corpus.push(text.into_bytes());
    }
    let words = ["\"", "\"\"", ",", ";", "\t", "\n", "\r", "\0", "sep=;\n", "\\N", "\u{feff}", "'", "|", "1e5"];
    let words: &'static [&'static str] = Box::leak(Box::new(words));
    read_files("csv", "x.csv", corpus, words);
}

#[test]
fn parquet_files_are_read_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let warehouse = Warehouse::in_memory(folder.path(), "w").expect("a database");
    let session = warehouse.session().expect("a session");
    let all: Vec<_> = KEY_TYPES.iter().chain(&OTHER_TYPES).collect();
    let mut corpus = Vec::new();
    for (index, types) in all.chunks(4).enumerate() {
        // The first values: DuckDB writes no negative intervals.
        let rows = (0..4).map(|row| {
            let values = types.iter().enumerate().map(|(column, (name, values))| {
                format!("cast({} as {name}) as {}", values[row], ["a", "b", "c", "d"][column])
            });
            format!("select {}", values.collect::<Vec<_>>().join(", "))
        });
        let codec = ["uncompressed", "zstd", "snappy"][index % 3];
        let path = folder.path().join(format!("{index}.parquet"));
        let rows = rows.collect::<Vec<_>>().join(" union all ");
        session
            .execute(&format!("copy ({rows}) to '{}' (format parquet, codec {codec})", path.display()))
            .unwrap_or_else(|error| panic!("a Parquet file: {error:?}"));
        corpus.push(fs::read(path).expect("a file"));
    }
    read_files("parquet", "x.parquet", corpus, &["PAR1", "\0\0\0\0", "\u{15}\u{2}", "\u{19}\u{4c}", "\u{7f}\u{7f}"]);
}

/// Reads a project with one more file, and parses its graph.
fn parse(root: &Path) -> Option<Compiler> {
    let environment = Environment::of([("MONGODB_URI", "mongodb://h"), ("POSTGRES_URI", "postgres://h/d")]);
    let wanted = Wanted { target: None, profiles_dir: None, profile: None, vars: Default::default() };
    let project = ProjectFiles::read(root, &wanted, &environment).ok()?;
    Compiler::parse(&project, &Default::default()).ok()
}

fn read_projects(name: &str, file: &str, corpus: Vec<Vec<u8>>, words: &'static [&'static str]) {
    let project = Project::of(&[
        ("profiles.toml", "[project]\nname = \"p\"\n\n[target.dev.sources.s]\ntype = \"files\"\npath = \"seeds/s\"\n"),
        ("models/customers.sql", "select 1 as customer_id"),
        ("models/orders.sql", "select 1 as order_id, customer_id from {{ ref('customers') }}"),
        ("macros/ordinals.sql", "{% macro ordinals(list) %}unnest(range(1, len({{ list }}) + 1)){% endmacro %}"),
    ]);
    let root = project.path();
    assert!(parse(&root).is_some(), "a project without the mangled file");
    read_all(name, Mangler::new(corpus, words), |bytes| {
        fs::write(root.join(file), bytes).expect("a file");
        parse(&root);
    });
}

#[test]
fn properties_are_read_or_refused() {
    let words = [
        "- ",
        ": ",
        "\n",
        "\n  ",
        "\t",
        "&a",
        "*a",
        "<<: *a",
        "{{ ",
        " }}",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "|\n",
        ">-\n",
        "!!binary ",
        "---\n",
        "? ",
        "null",
        "1e999",
        "config:",
        "columns:",
        "models:",
        "data_tests:",
        "\u{feff}",
        "#",
        "&a [*a, *a]",
        "%YAML 9\n",
    ];
    read_projects("yaml", "models/x.yml", files(&["yml", "yaml"]), Box::leak(Box::new(words)));
}

#[test]
fn profiles_are_read_or_refused() {
    let words = ["[", "]", "[[", "=", "\"", "'''", "${", "${A:-", "}", "\n", ".", "#", "{", "1979-05-27", "inf", "0x"];
    read_projects("profiles", "profiles.toml", files(&["toml"]), Box::leak(Box::new(words)));
}

#[test]
fn templates_are_rendered_or_refused() {
    let words = [
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{% for x in range(99999999) %}",
        "{% endfor %}",
        "{% set x = [] %}",
        "{% do x.append(x) %}",
        "{{ x }}",
        "{% macro m() %}",
        "{% endmacro %}",
        "{{ m() }}",
        "ref('customers')",
        "ref(",
        "config(",
        "'",
        "\"",
        "|",
        "|tojson",
        "~",
        "%",
        "'%99999999d' % 1",
        "{% if %}",
        "{% endif %}",
        "loop.",
        "[::-1]",
        "*",
        "9999999999",
        "{% raw %}",
        "{{ this }}",
        "{{ var('x') }}",
        "is_incremental()",
        "{%- call m() -%}",
        "-%}",
        "{% test t(model) %}",
        "{% snapshot s %}",
    ];
    read_projects("jinja", "models/x.sql", files(&["sql"]), Box::leak(Box::new(words)));
}

#[test]
fn selectors_select_or_are_refused() {
    const CORPUS: [&str; 22] = [
        "customers",
        "+loan_portfolio+",
        "2+loan_portfolio",
        "customers+1",
        "@loan_types",
        "tag:staging",
        "loan_*",
        "path:models/marts",
        "models/marts/*",
        "file:customers.sql",
        "source:loans",
        "source:loans.customers+",
        "config.materialized:incremental",
        "config.meta.owner:x",
        "state:modified.body",
        "result:error",
        "exposure:weekly",
        "resource_type:seed",
        "test_type:singular",
        "tag:marts,loan_*",
        "fqn:*.marts.*",
        "group:finance",
    ];
    let project = Project::repository();
    let graph = parse(&project.path()).expect("the repository's project");
    let corpus = CORPUS.iter().map(|text| text.as_bytes().to_vec()).collect();
    let words = ["+", "@", ":", ",", " ", "*", "**", "[", "[!a", "?", ".", "999999999999", "\\", "config.", "\u{0}"];
    read_all("selectors", Mangler::new(corpus, Box::leak(Box::new(words))), |bytes| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let _ = graph.select(std::slice::from_ref(&text), &[]);
        let _ = graph.select(&[], &[text]);
    });
}

/// A real server answers, and a relay changes its replies.
#[test]
fn mangled_replies_of_servers_are_errors() {
    let cases = number("ELT_TEST_CASES").map_or(6, |cases| cases.div_ceil(100));
    let (mongo, postgres) = (Mongo::shared().database(), Postgres::shared().database());
    mongo.insert("things", some_documents().iter().map(without_odd_values).collect());
    let mut project = Project::of(&[
        (
            "profiles.toml",
            "[project]\nname = \"p\"\n\n[target.dev]\nthreads = 2\n\n[target.dev.sources.s]\ntype = \"mongodb\"\n\
             uri = \"${MONGODB_URI}\"\ndatabase = \"${MONGODB_DATABASE}\"\n\n[target.dev.export]\ntype = \"postgres\"\n\
             uri = \"${POSTGRES_URI}\"\nschema = \"shop\"\n",
        ),
        ("models/sources.yml", "version: 2\nsources:\n  - name: s\n    tables: [{name: things}]\n"),
        (
            "models/marts/things.sql",
            "{{ config(materialized='table', unique_key='_id') }}\nselect _id, a from {{ source('s', 'things') }}\n",
        ),
    ]);
    project.set("MONGODB_DATABASE", &mongo.name).set("ELT_ANSWER_TIMEOUT", "3");
    let mut random = ChaCha8Rng::seed_from_u64(number("ELT_TEST_SEED").unwrap_or(7));
    let (started, mut peak, mut failed) = (Instant::now(), 0, 0);
    for case in 0..cases {
        let relays = [MangledRelay::before(&mongo.uri), MangledRelay::before(&postgres.uri)];
        let [of_mongo, of_postgres] = &relays;
        project.set("MONGODB_URI", &of_mongo.uri).set("POSTGRES_URI", &of_postgres.uri);
        relays[(case % 2) as usize].mangle_at(1 << random.random_range(0..15), random.random());
        let mut running = project.start(&["build", "--full-refresh"]);
        let limit = Instant::now();
        while running.is_running() && limit.elapsed().as_secs() < CASE_SECONDS_MAX {
            peak = peak.max(peak_kilobytes(&running.id().to_string()));
            thread::sleep(Duration::from_millis(5));
        }
        let run = running.finish_within(Duration::from_secs(1));
        assert!(matches!(run.status.code(), Some(0 | 1)), "case {case}\n{run}");
        assert!(!run.stderr.contains("panicked"), "case {case}\n{run}");
        failed += u64::from(run.status.code() == Some(1));
    }
    println!(
        "replies: {cases} cases in {:.1} s, {failed} of them failed, at most {} MB",
        started.elapsed().as_secs_f64(),
        peak / 1024
    );
    assert!(peak < MEMORY_KB_MAX, "{peak} KB of memory");
}

/// The MongoDB-compatible server of the tests refuses dates beyond the year 9999, and some keys.
fn without_odd_values(document: &Document) -> Document {
    doc! { "_id": document.get("_id").cloned(), "a": document.get("a").cloned(), "t": format!("{document}").len() as i64 }
}
