//! Checks the imports: no circle of files across folders, one direction through the model's folders, and no type name
//! twice in a stage.
//!
//! Reads the imports of the sources as text, without a compiler. Follows a path only through modules and re-exports.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use regex::Regex;

use super::{none, staged_sources};

/// The folders of `model`. Each imports only those before it.
const MODEL_FOLDERS: [&str; 11] =
    ["messages", "graph", "config", "sql", "template", "parse", "resolve", "compile", "describe", "select", "check"];

/// A path as written in an import, and its name in the file.
#[derive(Debug, Clone)]
struct Import {
    path: Vec<String>,
    name: String,
    /// The import is only a re-export.
    is_export: bool,
}

/// One file of a crate.
struct Module {
    /// The path, such as `model/graph/node.rs`, for any place of the crate.
    shown: String,
    /// The folder of the module. `foo.rs` beside `foo/` belongs to `foo`.
    folder: String,
    imports: Vec<Import>,
    /// The code without `use`.
    text: String,
    items: BTreeSet<String>,
}

/// The files of one crate, by their modules' paths.
type Modules = BTreeMap<Vec<String>, Module>;

#[test]
fn imports_form_no_circle_between_folders() {
    let mut wrong = Vec::new();
    for modules in crates() {
        let edges = edges(&modules);
        for circle in circles(&modules, &edges) {
            let files: Vec<&Module> = circle.iter().map(|path| &modules[path]).collect();
            let folders: BTreeSet<&str> = files.iter().map(|file| file.folder.as_str()).collect();
            if folders.len() == 1 && is_a_type_and_its_impls(&files) {
                continue;
            }
            let names: Vec<String> = circle
                .iter()
                .map(|from| {
                    let to = edges[from].iter().filter(|to| circle.contains(to));
                    let to: Vec<&str> = to.map(|to| modules[to].shown.as_str()).collect();
                    format!("  {} imports {}", modules[from].shown, to.join(", "))
                })
                .collect();
            wrong.push(format!("a circle of {} files:\n{}", names.len(), names.join("\n")));
        }
    }
    none(wrong);
}

#[test]
fn the_folders_of_the_model_import_downwards() {
    let place = |file: &Module| {
        let folder = file.shown.strip_prefix("model/")?.split_once('/')?.0;
        MODEL_FOLDERS.iter().position(|known| *known == folder)
    };
    let mut wrong = Vec::new();
    for modules in crates() {
        for (from, to) in edges(&modules) {
            let Some(from_place) = place(&modules[&from]) else { continue };
            let upwards = to.iter().filter(|to| place(&modules[*to]).is_none_or(|to| to > from_place));
            let upwards = upwards.filter(|to| modules[*to].shown.starts_with("model/"));
            wrong.extend(upwards.map(|to| format!("{} imports {}", modules[&from].shown, modules[to].shown)));
        }
    }
    none(wrong);
}

#[test]
fn type_names_are_unique_in_a_stage() {
    let defined = Regex::new(r"(?m)^(?:pub(?:\([^)]*\))? )?(?:struct|enum|trait|type|union) (\w+)").expect("a pattern");
    let mut places: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (shown, _, code) in staged_sources() {
        for found in defined.captures_iter(&code) {
            let key = (stage_of(&shown).to_owned(), found[1].to_owned());
            places.entry(key).or_default().insert(shown.clone());
        }
    }
    let doubled = places.into_iter().filter(|(_, files)| files.len() > 1);
    none(doubled.map(|((stage, name), files)| format!("`{stage}::{name}` is defined in {files:?}")).collect());
}

/// The first folder, or the file at the top level.
fn stage_of(shown: &str) -> &str {
    shown.split_once('/').map_or(shown, |(stage, _)| stage)
}

/// Whether one file defines a type, and the other files export only its methods.
fn is_a_type_and_its_impls(files: &[&Module]) -> bool {
    let open = Regex::new(r"(?m)^pub(?:\([^)]*\))? (?:struct|enum|trait|type|union|fn|const|static|mod)\b")
        .expect("a pattern");
    let implements = Regex::new(r"(?m)^impl\b").expect("a pattern");
    let others = files.iter().filter(|file| open.is_match(&file.text) || !implements.is_match(&file.text));
    others.count() <= 1
}

fn circles(modules: &Modules, edges: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Vec<Vec<Vec<String>>> {
    let mut graph: DiGraph<&Vec<String>, ()> = DiGraph::new();
    let numbers: BTreeMap<&Vec<String>, NodeIndex> = modules.keys().map(|path| (path, graph.add_node(path))).collect();
    for (from, to) in edges {
        for to in to {
            graph.add_edge(numbers[from], numbers[to], ());
        }
    }
    let found = tarjan_scc(&graph).into_iter().filter(|circle| circle.len() > 1);
    found
        .map(|circle| {
            let mut paths: Vec<Vec<String>> = circle.into_iter().map(|number| graph[number].clone()).collect();
            paths.sort();
            paths
        })
        .collect()
}

/// The modules from which each module imports.
fn edges(modules: &Modules) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let inline = Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").expect("a pattern");
    let mut edges = BTreeMap::new();
    for (own, module) in modules {
        let mut to: BTreeSet<Vec<String>> = BTreeSet::new();
        let mut paths: Vec<Vec<String>> = inline.find_iter(&module.text).map(|found| split(found.as_str())).collect();
        for import in &module.imports {
            // A re-export is not a dependency. Its importers depend on the module that defines the name.
            let is_used = || Regex::new(&format!(r"\b{}\b", import.name)).is_ok_and(|word| word.is_match(&module.text));
            if import.is_export && !is_used() {
                continue;
            }
            paths.push(import.path.clone());
            // Through the name of a module.
            if absolute(own, &import.path, modules).is_some_and(|path| modules.contains_key(&path)) {
                paths.extend(
                    members(&module.text, &import.name)
                        .map(|member| import.path.iter().cloned().chain([member]).collect::<Vec<_>>()),
                );
            }
        }
        let children = modules.keys().filter(|path| path.len() == own.len() + 1 && path.starts_with(own));
        for child in children {
            let name = child.last().cloned().unwrap_or_default();
            let of_child = members(&module.text, &name).map(|member| vec!["self".into(), name.clone(), member]);
            paths.extend(of_child);
        }
        for path in paths {
            let found = absolute(own, &path, modules).and_then(|path| resolved(&path, modules, 0));
            to.extend(found.filter(|found| found != own));
        }
        edges.insert(own.clone(), to);
    }
    edges
}

/// The texts after `name::`.
fn members(text: &str, name: &str) -> impl Iterator<Item = String> {
    let pattern = Regex::new(&format!(r"(?:^|[^\w:.]){name}::(\w+)")).expect("a pattern");
    pattern.captures_iter(text).map(|found| found[1].to_owned()).collect::<Vec<_>>().into_iter()
}

/// A path from the crate's root. None for a path of another crate.
fn absolute(own: &[String], path: &[String], modules: &Modules) -> Option<Vec<String>> {
    let mut at = own.to_vec();
    let mut rest = path.iter();
    match path.first()?.as_str() {
        "crate" => {
            at.clear();
            rest.next();
        }
        "self" => drop(rest.next()),
        "super" => {
            while rest.clone().next().is_some_and(|part| part == "super") {
                at.pop()?;
                rest.next();
            }
        }
        // A child module, named without a path.
        first => {
            let child: Vec<String> = own.iter().cloned().chain([first.to_owned()]).collect();
            modules.get(&child)?;
        }
    }
    at.extend(rest.filter(|part| *part != "self").cloned());
    Some(at)
}

/// The module whose file defines what a path names, through re-exports.
fn resolved(path: &[String], modules: &Modules, depth: usize) -> Option<Vec<String>> {
    const DEPTH_MAX: usize = 20;
    let length = (0..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
    let (at, rest) = path.split_at(length);
    let module = &modules[at];
    let Some(name) = rest.first().filter(|_| depth < DEPTH_MAX) else { return Some(at.to_vec()) };
    if !module.items.contains(name) {
        for import in module.imports.iter().filter(|import| import.name == *name || import.name == "*") {
            let Some(mut target) = absolute(at, &import.path, modules) else { continue };
            if import.name == "*" {
                target.pop();
                if !modules.get(&target).is_some_and(|module| module.items.contains(name)) {
                    continue;
                }
                target.push(name.clone());
            }
            target.extend(rest[1..].iter().cloned());
            return resolved(&target, modules, depth + 1);
        }
    }
    Some(at.to_vec())
}

fn crates() -> Vec<Modules> {
    let uses = Regex::new(r"(?m)^[ ]*(pub(?:\([^)]*\))? )?use ([^;]+);").expect("a pattern");
    let item = Regex::new(
        r"(?m)^(?:pub(?:\([^)]*\))? )?(?:unsafe |async |const )*(?:struct|enum|trait|type|union|fn|const|static|macro_rules!) (\w+)",
    )
    .expect("a pattern");
    let mut crates: BTreeMap<String, Modules> = BTreeMap::new();
    let all = staged_sources();
    let paths: BTreeSet<&str> = all.iter().map(|(shown, ..)| shown.as_str()).collect();
    for (shown, root, code) in &all {
        let within = if root.is_empty() { shown.as_str() } else { shown.split_once('/').map_or("", |(_, rest)| rest) };
        let mut path: Vec<String> = within.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if path.last().is_some_and(|last| last == "mod") || matches!(within, "lib.rs" | "main.rs") {
            path.pop();
        }
        // The program's `main.rs` is a separate crate, which uses only the library.
        if within == "main.rs" && paths.contains("lib.rs") {
            continue;
        }
        let own_folder = format!("{}/", shown.trim_end_matches(".rs"));
        let folder = match paths.iter().any(|other| other.starts_with(&own_folder)) {
            true => own_folder.trim_end_matches('/').to_owned(),
            false => shown.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned()),
        };
        let mut imports = Vec::new();
        for found in uses.captures_iter(code) {
            tree(&found[2], &[], found.get(1).is_some(), &mut imports);
        }
        let text = uses.replace_all(code, "").into_owned();
        let items = item.captures_iter(&text).map(|found| found[1].to_owned()).collect();
        let module = Module { shown: shown.clone(), folder, imports, text, items };
        crates.entry(root.clone()).or_default().insert(path, module);
    }
    crates.into_values().collect()
}

/// The paths of one `use`.
fn tree(text: &str, before: &[String], is_export: bool, found: &mut Vec<Import>) {
    let text = text.trim();
    if let Some((head, inner)) = text.split_once('{') {
        let before: Vec<String> = before.iter().cloned().chain(split(head.trim_end_matches("::"))).collect();
        let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    tree(&inner[start..at], &before, is_export, found);
                    start = at + 1;
                }
                _ => {}
            }
        }
    } else if !text.is_empty() {
        let (path, alias) = text.split_once(" as ").map_or((text, None), |(path, alias)| (path, Some(alias)));
        let mut path: Vec<String> = before.iter().cloned().chain(split(path)).collect();
        if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
            path.pop();
        }
        let name = alias.map_or_else(|| path.last().cloned().unwrap_or_default(), |alias| alias.trim().to_owned());
        found.push(Import { path, name, is_export });
    }
}

fn split(path: &str) -> Vec<String> {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[test]
fn circles_are_found_through_re_exports() {
    let module = |shown: &str, code: &str| {
        let mut imports = Vec::new();
        for line in code.lines().filter(|line| line.contains("use ")) {
            let text = line.trim_start_matches("pub ").trim_start_matches("use ").trim_end_matches(';');
            tree(text, &[], line.starts_with("pub "), &mut imports);
        }
        let text: String = code.lines().filter(|line| !line.contains("use ")).collect();
        let items = split(&text.replace(' ', "::")).into_iter().collect();
        Module { shown: shown.into(), folder: "x".into(), imports, text, items }
    };
    let path = |text: &str| split(text);
    let modules: Modules = [
        (path(""), module("lib.rs", "")),
        (path("a"), module("a/mod.rs", "pub use one::One;")),
        (path("a::one"), module("a/one.rs", "use crate::b::{self, Two as Second};\nstruct One")),
        (path("b"), module("b/mod.rs", "pub use two::*;")),
        (path("b::two"), module("b/two.rs", "use crate::a::One;\nstruct Two")),
        (path("b::three"), module("b/three.rs", "use super::two::Two;")),
    ]
    .into();
    let found = circles(&modules, &edges(&modules));
    assert_eq!(found, [[path("a::one"), path("b::two")]]);
}
