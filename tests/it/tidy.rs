//! The invariants of the source tree that the compiler does not check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::main_job::FAILPOINTS;
use crate::project::repository;

const CODE_LINES_MAX: usize = 500;

/// Crates, and where alone each may be named (paths below `src/`, a prefix each).
const OWNERS: &[(&str, &[&str])] = &[
    ("duckdb", &["warehouse/", "warehouse.rs"]),
    ("mongodb", &["extract/mongodb", "generate/mongodb", "export/mongodb"]),
    ("mysql", &["export/mysql"]),
    ("postgres", &["export/postgres"]),
    ("postgres_types", &["export/postgres"]),
    ("tokio_postgres", &["export/postgres"]),
    ("tokio_postgres_rustls", &["export/postgres"]),
    ("clap", &["cli.rs", "cli/"]),
    ("minijinja", &["model/", "project/yaml_template"]),
    ("indicatif", &["report/"]),
    ("annotate_snippets", &["diagnostic"]),
    ("comfy_table", &["report/"]),
    ("fake", &["generate/"]),
];

/// Stages, none of which imports another.
const STAGES: [&str; 4] = ["extract", "land", "model", "export"];

struct SourceFile {
    /// Below `src/`, with `/`.
    path: String,
    text: String,
    /// The lines that are neither tests, comments nor blank, with their numbers; strings are kept.
    code: Vec<(usize, String)>,
}

#[test]
fn each_driver_is_named_in_one_place() {
    let mut wrong = Vec::new();
    for (name, places) in OWNERS {
        // A path or an import of the crate; not a word of a sentence, nor a longer name that ends alike.
        let named = Regex::new(&format!(r"(^|[^\w:.]){name}::|\b(use|extern crate) (::)?{name}\b|[^\w:]::{name}::"))
            .expect("a pattern");
        // A module of ours that is called as the crate is.
        let module = format!("mod {name};");
        let ours = |file: &SourceFile| file.code.iter().any(|(_, line)| line.trim().ends_with(&module));
        let elsewhere = |file: &&SourceFile| !places.iter().any(|place| file.path.starts_with(place)) && !ours(file);
        for file in sources().iter().filter(elsewhere) {
            wrong.extend(find(file, &named).map(|line| format!("`{name}` belongs to {places:?}: {line}")));
        }
    }
    none(wrong);
}

#[test]
fn stages_do_not_import_each_other() {
    let mut wrong = Vec::new();
    for stage in STAGES {
        let others: Vec<&str> = STAGES.iter().copied().filter(|other| *other != stage).collect();
        let import = Regex::new(&format!(r"\bcrate::({})\b", others.join("|"))).expect("a pattern");
        let grouped = Regex::new(&format!(r"\buse crate::\{{.*\b({})\b::", others.join("|"))).expect("a pattern");
        for file in sources().iter().filter(|file| is_of(&file.path, stage)) {
            wrong.extend(find(file, &import).chain(find(file, &grouped)));
        }
    }
    none(wrong);
}

#[test]
fn only_command_and_run_compose_stages() {
    const LEAVES: [&str; 8] =
        ["schema.rs", "path.rs", "batch.rs", "cancel.rs", "secret.rs", "error.rs", "error/", "project/"];
    let stage = Regex::new(r"\bcrate::(extract|land|model|export|command|run)\b").expect("a pattern");
    // It reads what `land` wrote down.
    let stage_of_warehouse = Regex::new(r"\bcrate::(extract|model|export|command|run)\b").expect("a pattern");
    let mut wrong = Vec::new();
    for file in sources() {
        if LEAVES.iter().any(|place| file.path.starts_with(place)) {
            wrong.extend(find(&file, &stage));
        } else if is_of(&file.path, "warehouse") {
            wrong.extend(find(&file, &stage_of_warehouse));
        }
    }
    none(wrong);
}

#[test]
fn files_say_what_they_are() {
    let mut all = rust_files(&repository().join("src"));
    all.extend(rust_files(&repository().join("tests/it")));
    all.extend(rust_files(&repository().join("benches")));
    all.push(repository().join("build.rs"));
    let wrong = all
        .iter()
        .filter(|path| !fs::read_to_string(path).unwrap_or_default().starts_with("//! "))
        .map(|path| format!("{} does not open with `//!`", shown(path)))
        .collect();
    none(wrong);
}

#[test]
fn files_are_short() {
    let wrong = sources()
        .iter()
        .filter(|file| file.code.len() > CODE_LINES_MAX)
        .map(|file| format!("src/{}: {} lines of code, more than {CODE_LINES_MAX}", file.path, file.code.len()))
        .collect();
    none(wrong);
}

#[test]
fn nothing_is_left_undone_or_unwrapped() {
    let undone = Regex::new(r"\b(todo|unimplemented|dbg)!|\.unwrap\(\)|\bTODO\b|\bFIXME\b").expect("a pattern");
    none(sources().iter().flat_map(|file| find(file, &undone).collect::<Vec<_>>()).collect());
}

#[test]
fn every_failpoint_is_tested() {
    let call = Regex::new(r#"\bfailpoint\("([^"]+)"\)"#).expect("a pattern");
    let text: String = sources().into_iter().flat_map(|file| file.code).map(|(_, line)| line + "\n").collect();
    let named: BTreeSet<&str> = call.captures_iter(&text).map(|found| found.extract::<1>().1[0]).collect();
    assert_eq!(named, BTreeSet::from(FAILPOINTS), "the points of the sources, and those that `main_job` dies at");
}

#[test]
fn names_avoid_empty_words() {
    let empty = Regex::new(r"\b(struct|enum|trait|mod|type) \w*([Mm]anager|[Hh]andler|[Hh]elper|[Uu]tils?)\w*\b")
        .expect("a pattern");
    none(sources().iter().flat_map(|file| find(file, &empty).collect::<Vec<_>>()).collect());
}

#[test]
fn no_machine_is_named() {
    let machine = Regex::new(r"(^|[^\w.$}])/(tmp|home|root|work)/").expect("a pattern");
    let mut paths = rust_files(&repository().join("src"));
    for name in ["README.md", "CHANGELOG.md", "profiles.toml", "Cargo.toml", "build.rs"] {
        paths.push(repository().join(name));
    }
    let mut folders = vec![repository().join("models")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { paths.push(entry.path()) }
        }
    }
    let mut wrong = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap_or_default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| machine.is_match(line)) {
            wrong.push(format!("{}:{}: {}", shown(&path), index + 1, line.trim()));
        }
    }
    none(wrong);
}

#[track_caller]
fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn find<'a>(file: &'a SourceFile, pattern: &'a Regex) -> impl Iterator<Item = String> + 'a {
    file.code
        .iter()
        .filter(|(_, line)| pattern.is_match(line))
        .map(|(number, line)| format!("src/{}:{number}: {}", file.path, line.trim()))
}

fn is_of(path: &str, stage: &str) -> bool {
    path.starts_with(&format!("{stage}/")) || path == format!("{stage}.rs")
}

fn shown(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap_or(path).display().to_string()
}

fn sources() -> Vec<SourceFile> {
    let root = repository().join("src");
    let files: Vec<SourceFile> = rust_files(&root)
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(&root).expect("a path below src").display().to_string().replace('\\', "/");
            // A file of tests alone.
            let code = if path.ends_with("tests.rs") || path.contains("/tests/") { Vec::new() } else { code(&text) };
            SourceFile { path, text, code }
        })
        .collect();
    assert!(files.iter().any(|file| file.path == "lib.rs" && !file.text.is_empty()), "no sources found");
    files
}

/// Without comments, blank lines and what stands below `#[cfg(test)]`.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut kept = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    let mut block_comment = false;
    while let Some((index, line)) = lines.next() {
        let trimmed = line.trim();
        if block_comment || trimmed.starts_with("/*") {
            block_comment = !trimmed.contains("*/");
        } else if trimmed == "#[cfg(test)]" {
            // rustfmt puts an item's end on the item's own indentation.
            let indent = &line[..line.len() - line.trim_start().len()];
            let end = [format!("{indent}}}"), format!("{indent}}};")];
            for (_, line) in lines.by_ref() {
                let one_line =
                    line.ends_with(';') && line.starts_with(indent) && !line[indent.len()..].starts_with(' ');
                if one_line || end.iter().any(|end| end == line) {
                    break;
                }
            }
        } else if !trimmed.is_empty() && !trimmed.starts_with("//") {
            kept.push((index + 1, line.to_owned()));
        }
    }
    kept
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn code_leaves_out_comments_and_tests() {
    let text = "//! a\nfn a() {\n    // b\n    b(); // c\n}\n\n#[cfg(test)]\nmod tests {\n    fn x() {\n    }\n}\nfn c() {}\n\
                #[cfg(test)]\nmod tests;\nfn d() {}\n/*\nfn e() {}\n*/\n";
    let lines: Vec<usize> = code(text).iter().map(|(number, _)| *number).collect();
    assert_eq!(lines, [2, 4, 5, 12, 15]);
}
