//! Small projects in memory, for tests. Reads no file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::compile::Compiler;
use crate::graph::{Graph, Node};
use elt_base::error::{Error, Place, SourceText};
use elt_project::{
    ColumnProperties, Environment, NodeProperties, Profiles, Project, ProjectFile, Properties, SourceProperties,
    TableProperties, Target, TestProperties,
};

pub(super) fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// A project with the given files, each as `(path, text)`: `models/…`, `tests/…`, `macros/…`, `seeds/…`.
pub(super) fn project(files: &[(&str, &str)]) -> Project {
    let mut project = Project {
        profiles: Profiles {
            root: PathBuf::from("/p"),
            name: "shop".into(),
            profile: "shop".into(),
            is_dbt: false,
            vars: Map::new(),
            defaults: Default::default(),
            paths: Default::default(),
            on_run_start: Vec::new(),
            on_run_end: Vec::new(),
            flags: Map::new(),
            target: Target {
                name: "dev".into(),
                warehouse: PathBuf::from("/p/w.duckdb"),
                landing: PathBuf::from("/p/landing"),
                schema: "main".into(),
                threads: 2,
                memory_limit: None,
                sources: BTreeMap::new(),
                exports: Vec::new(),
                database: "elt_warehouse".into(),
                settings: Vec::new(),
                missing: Vec::new(),
                export_paths: Vec::new(),
            },
        },
        models: Vec::new(),
        tests: Vec::new(),
        fixtures: Vec::new(),
        macros: Vec::new(),
        seeds: Vec::new(),
        snapshots: Vec::new(),
        analyses: Vec::new(),
        default_folders: Vec::new(),
        docs: Vec::new(),
        warnings: Vec::new(),
        properties: Properties::default(),
        selectors: Vec::new(),
        environment: Environment::default(),
    };
    for (path, text) in files {
        let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        let file = ProjectFile {
            source: SourceText::new(*path, *text),
            name: Path::new(path).file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            folders: parts[1..parts.len() - 1].to_vec(),
            path: Path::new("/p").join(path),
        };
        match parts[0].as_str() {
            "models" => project.models.push(file),
            "tests" => project.tests.push(file),
            "macros" => project.macros.push(file),
            "analyses" => project.analyses.push(file),
            "snapshots" => project.snapshots.push(file),
            _ => project.seeds.push(file),
        }
    }
    project
}

fn yaml() -> Arc<SourceText> {
    SourceText::new("models/schema.yml", "models:\n  - name: x\n    config:\n      materialized: tabel\n")
}

pub(super) fn place() -> Place {
    Place::line(&yaml(), 2)
}

/// A `sources:` entry without columns.
pub(super) fn source(name: &str, tables: &[&str]) -> SourceProperties {
    let tables = tables.iter().map(|table| TableProperties {
        name: (*table).to_owned(),
        place: place(),
        description: String::new(),
        identifier: None,
        config: Map::new(),
        columns: Vec::new(),
        data_tests: Vec::new(),
    });
    SourceProperties {
        name: name.into(),
        place: place(),
        description: String::new(),
        schema: None,
        config: Map::new(),
        tables: tables.collect(),
    }
}

/// A `models:` entry.
pub(super) fn properties(name: &str, config: Value) -> NodeProperties {
    NodeProperties {
        name: name.into(),
        place: place(),
        description: String::new(),
        config: map(config),
        columns: Vec::new(),
        data_tests: Vec::new(),
        constraints: Vec::new(),
        relation: None,
    }
}

/// A column with tests, each as `(test, arguments, config)`.
pub(super) fn column(name: &str, tests: &[(&str, Value, Value)]) -> ColumnProperties {
    let tests = tests.iter().map(|(test, arguments, config)| TestProperties {
        test: (*test).to_owned(),
        name: None,
        place: place(),
        arguments: map(arguments.clone()),
        config: map(config.clone()),
    });
    ColumnProperties {
        name: name.into(),
        place: place(),
        description: String::new(),
        data_type: None,
        config: Map::new(),
        data_tests: tests.collect(),
        constraints: Vec::new(),
    }
}

pub(super) fn graph(project: &Project) -> Compiler {
    match Compiler::parse(project, &Map::new()) {
        Ok(graph) => graph,
        Err(error) => panic!("{:#?}", errors(&error)),
    }
}

/// A node of any kind by name.
pub(super) fn node<'a>(graph: &'a Graph, name: &str) -> &'a Node {
    match graph.nodes().find(|node| node.display_name() == name) {
        Some(node) => node,
        None => panic!("no node {name}"),
    }
}

/// Each error as `path:line:column message | marked text | hints`.
pub(super) fn errors(error: &Error) -> Vec<String> {
    let shown = error.iter().map(|error| {
        let mut line = String::new();
        if let Some(place) = error.places().first() {
            let text = &place.source.text;
            let before = &text[..place.span.start];
            let row = before.matches('\n').count() + 1;
            let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
            let marked = &text[place.span.clone()];
            line = format!("{}:{row}:{column} [{marked}] ", place.source.path.display());
        }
        line.push_str(error.message());
        for hint in error.hints() {
            line.push_str(&format!(" | {hint}"));
        }
        line
    });
    shown.collect()
}
