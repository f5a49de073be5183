//! Checks the invariants of the source tree that the compiler does not check.

mod guarantees;
mod imports;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::main_job::FAILPOINTS;
use crate::project::repository;

const CODE_LINES_MAX: usize = 500;

/// External crates, and the only crates of ours that may depend on each. `elt` is the program.
const OWNERS: &[(&str, &[&str])] = &[
    ("arrow", &["base", "elt", "export", "extract", "warehouse"]),
    ("duckdb", &["warehouse"]),
    ("mongodb", &["connect", "export", "extract", "sample"]),
    ("mysql", &["connect", "export"]),
    ("postgres", &["connect", "export"]),
    ("tokio-postgres", &["connect"]),
    ("tokio-postgres-rustls", &["connect"]),
    ("clap", &["elt"]),
    ("minijinja", &["model", "project"]),
    ("indicatif", &["elt"]),
    ("annotate-snippets", &["base"]),
    ("comfy-table", &["elt"]),
    ("fake", &["sample"]),
];

/// Functions that open a connection to a server. Only `connect` may call them.
const OPENS: &str = r"\bClient::with_options\b|\bClientOptions::parse\b|\bConn::new\b|\bClient::connect\b|\bNoTls\b";

struct SourceFile {
    /// The path below the repository, with `/`.
    path: String,
    text: String,
    /// The lines that are not tests, comments or blank, with their numbers. Strings are kept.
    code: Vec<(usize, String)>,
}

#[test]
fn each_driver_has_its_crates() {
    let mut wrong = Vec::new();
    for (name, manifest) in manifests() {
        // A crate's dependencies for tests are not part of the crate.
        let dependencies = manifest["dependencies"].as_table().expect("dependencies");
        for (dependency, owners) in OWNERS {
            if dependencies.contains_key(*dependency) && !owners.contains(&name.as_str()) {
                wrong.push(format!("`{name}` depends on `{dependency}`, which belongs to {owners:?}"));
            }
        }
    }
    none(wrong);
}

#[test]
fn stages_depend_on_no_stage() {
    const BELOW: &[(&str, &[&str])] = &[
        ("base", &[]),
        ("connect", &["base"]),
        ("project", &["base"]),
        ("extract", &["base", "connect", "project"]),
        ("warehouse", &["base"]),
        ("model", &["base", "project"]),
        ("export", &["base", "connect", "project"]),
        ("sample", &["base"]),
    ];
    let mut wrong = Vec::new();
    for (name, manifest) in manifests().into_iter().filter(|(name, _)| name != "elt") {
        let (_, allowed) = BELOW.iter().find(|(below, _)| *below == name).expect("a crate that is known here");
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let ours = manifest.get(table).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
            for ours in ours.filter_map(|key| key.strip_prefix("elt-")).filter(|ours| !allowed.contains(ours)) {
                wrong.push(format!("`{name}` depends on `{ours}`, and may depend on {allowed:?} only"));
            }
        }
    }
    none(wrong);
}

#[test]
fn only_connect_opens_connections() {
    let opens = Regex::new(OPENS).expect("a pattern");
    let elsewhere = |file: &&SourceFile| !file.path.starts_with("crates/connect/");
    none(sources().iter().filter(elsewhere).flat_map(|file| find(file, &opens).collect::<Vec<_>>()).collect());
}

#[test]
fn files_say_what_they_are() {
    let mut all = rust_files(&repository().join("src"));
    all.extend(rust_files(&repository().join("crates")));
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
        .map(|file| format!("{}: {} lines of code, more than {CODE_LINES_MAX}", file.path, file.code.len()))
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
    paths.extend(rust_files(&repository().join("crates")));
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
        .map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim()))
}

/// Our crates, by name without `elt-`, with their manifests.
fn manifests() -> Vec<(String, toml::Table)> {
    let mut paths = vec![("elt".to_owned(), repository().join("Cargo.toml"))];
    for entry in fs::read_dir(repository().join("crates")).expect("crates").flatten() {
        paths.push((entry.file_name().to_string_lossy().into_owned(), entry.path().join("Cargo.toml")));
    }
    let read = |path: &Path| fs::read_to_string(path).expect("a manifest").parse().expect("TOML");
    paths.into_iter().map(|(name, path)| (name, read(&path))).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(repository()).unwrap_or(path).display().to_string()
}

fn sources() -> Vec<SourceFile> {
    let root = repository();
    let mut paths = rust_files(&root.join("src"));
    paths.extend(rust_files(&root.join("crates")));
    let files: Vec<SourceFile> = paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path =
                path.strip_prefix(root).expect("a path below the repository").display().to_string().replace('\\', "/");
            // A file with only tests.
            let code = if path.ends_with("tests.rs") || path.contains("/tests/") { Vec::new() } else { code(&text) };
            SourceFile { path, text, code }
        })
        .collect();
    assert!(files.iter().any(|file| file.path == "src/lib.rs" && !file.text.is_empty()), "no sources found");
    files
}

/// All sources of all crates. Each has the path from the stage on, such as `model/graph/node.rs`, for any place of the
/// crate; the crate's name, which is empty for the program; and the code without tests and comments.
fn staged_sources() -> Vec<(String, String, String)> {
    let mut roots = vec![(String::new(), repository().join("src"))];
    for entry in fs::read_dir(repository().join("crates")).into_iter().flatten().flatten() {
        roots.push((entry.file_name().to_string_lossy().into_owned(), entry.path().join("src")));
    }
    let mut found = Vec::new();
    for (name, root) in roots {
        for path in rust_files(&root) {
            let below =
                path.strip_prefix(&root).expect("a path below its root").display().to_string().replace('\\', "/");
            if below.ends_with("tests.rs") || below.contains("/tests/") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let lines = code(&text).into_iter().map(|(_, line)| match line.find(" // ") {
                Some(comment) => line[..comment].to_owned() + "\n",
                None => line + "\n",
            });
            let shown = if name.is_empty() { below } else { format!("{name}/{below}") };
            found.push((shown, name.clone(), lines.collect()));
        }
    }
    found
}

/// The code without comments, blank lines, and the lines below `#[cfg(test)]`.
fn code(text: &str) -> Vec<(usize, String)> {
    let mut kept = Vec::new();
    let mut lines = text.lines().enumerate().peekable();
    let mut block_comment = false;
    while let Some((index, line)) = lines.next() {
        let trimmed = line.trim();
        if block_comment || trimmed.starts_with("/*") {
            block_comment = !trimmed.contains("*/");
        } else if trimmed == "#[cfg(test)]" {
            // rustfmt writes an item's end with the indentation of the item.
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
