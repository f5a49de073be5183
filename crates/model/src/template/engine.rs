//! A Jinja environment that contains dbt's context and the project's macros.
//!
//! It is created once for rendering, and once more with markers when a place is needed. Renders nothing.

use std::collections::HashMap;
use std::sync::Arc;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value as Json, json};

use super::invocation::Invocation;
use super::jinja::{self, BUILT_IN_FILE, ProjectMacro, built_in_text};
use super::markup::{CHANGES, Manner, Markup, Rewrite, Stretch};
use super::reason::{place_of, reason};
use crate::messages;
use elt_base::error::{Error, Place, SourceText};
use elt_project::Project;

/// The inputs for creating an environment.
#[derive(Debug)]
pub(super) struct Recipe {
    /// Plain values by name.
    globals: Map<String, Json>,
    target: Map<String, Json>,
    environment: elt_project::Environment,
    pub macros: Vec<Arc<SourceText>>,
    invocation: Invocation,
    /// Whether any text calculates with dates.
    pub dates: bool,
}

impl Recipe {
    pub fn new(project: &Project, invocation: &Invocation, dates: bool) -> Self {
        let target = &project.profiles.target;
        let shown = json!({
            "name": target.name,
            "target_name": target.name,
            "profile_name": project.profiles.name,
            "database": target.database,
            "dbname": target.database,
            "schema": target.schema,
            "type": "duckdb",
            "threads": target.threads,
            "path": target.warehouse.to_string_lossy(),
        });
        let flags = json!({
            "FULL_REFRESH": invocation.full_refresh,
            "WHICH": invocation.command,
            "STORE_FAILURES": false,
            "FAIL_FAST": false,
            "WARN_ERROR": false,
            "EMPTY": false,
            "DEBUG": false,
            "PRINT": true,
        });
        let globals = json!({
            "project_name": project.profiles.name,
            "dbt_version": "1.11.0",
            "invocation_id": invocation.id,
            "flags": flags,
            "invocation_args_dict": {
                "which": invocation.command,
                "full_refresh": invocation.full_refresh,
                "vars": invocation.vars,
                "target": target.name,
                "threads": target.threads,
            },
            "dbt_metadata_envs": {},
        });
        let map = |value: Json| if let Json::Object(map) = value { map } else { Map::new() };
        Self {
            globals: map(globals),
            target: map(shown),
            environment: project.environment.clone(),
            macros: project.macros.iter().map(|file| file.source.clone()).collect(),
            invocation: invocation.clone(),
            dates,
        }
    }

    /// The macro files by the names of their templates.
    pub fn macro_files(&self) -> HashMap<String, Arc<SourceText>> {
        self.macros.iter().map(|source| (source.path.display().to_string(), source.clone())).collect()
    }
}

/// The purpose of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EngineKind {
    Plain,
    /// Macro files contain markers.
    Marked,
    /// Undefined values are allowed and render to nothing.
    Lenient,
}

/// An environment, and its macro files.
#[derive(Debug)]
pub(super) struct TemplateEngine {
    pub env: Environment<'static>,
    pub macro_files: HashMap<String, (Arc<SourceText>, Markup)>,
    /// The segments of the markers of macro files, by the markers' numbers.
    pub stretches: Vec<(Arc<SourceText>, Stretch)>,
}

impl TemplateEngine {
    /// Also returns the sorted names of all macros, and the errors in the files.
    pub fn new(recipe: &Recipe, macros_change: bool, kind: EngineKind) -> (Self, Vec<String>, Vec<Error>) {
        let mut env = Environment::new();
        let is_marked = kind == EngineKind::Marked;
        env.set_undefined_behavior(match kind {
            EngineKind::Lenient => UndefinedBehavior::Chainable,
            EngineKind::Plain | EngineKind::Marked => UndefinedBehavior::SemiStrict,
        });
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_debug(true);
        env.set_unknown_method_callback(jinja::unknown_method);
        let dates = recipe.dates;
        env.set_loader(move |name| {
            let text = name.strip_prefix(BUILT_IN_FILE).and_then(built_in_text);
            let manner = Manner { rewrite: Rewrite { literals: false, dates }, ..Manner::default() };
            Ok(text.map(|text| Markup::of_macros(text, manner).text))
        });
        jinja::install(&mut env, Value::from(Serde(&recipe.target)), recipe.environment.clone(), is_marked);
        for (name, value) in &recipe.globals {
            env.add_global(name.clone(), Value::from(Serde(value)));
        }
        env.add_global("run_started_at", jinja::started_at(&recipe.invocation));

        let mut errors = Vec::new();
        let mut macro_files = HashMap::new();
        let mut stretches = Vec::new();
        let mut defined: HashMap<String, String> = HashMap::new();
        for source in &recipe.macros {
            let name = source.path.display().to_string();
            let manner = Manner {
                marks_from: is_marked.then_some(stretches.len()),
                marks_captured: true,
                rewrite: Rewrite { literals: macros_change || has_any(&source.text, &CHANGES), dates },
            };
            let markup = Markup::of_macros(&source.text, manner);
            stretches.extend(markup.stretches.iter().map(|stretch| (source.clone(), stretch.clone())));
            for found in &markup.macros {
                if let Some(other) = defined.insert(found.clone(), name.clone()) {
                    errors.push(messages::duplicate_macro(found, &other, Place::line(source, 1)));
                    continue;
                }
                let own = ProjectMacro { name: found.clone(), file: name.clone() };
                env.add_global(found.clone(), Value::from_object(own));
            }
            let added = env.add_template_owned(name.clone(), markup.text.clone());
            macro_files.insert(name.clone(), (source.clone(), markup));
            if let Err(error) = added {
                let place = macro_files.get(&name).and_then(|(source, markup)| place_of(&error, source, markup));
                errors.push(messages::bad_macro_file(&name, &reason(&error)).at_maybe(place));
            }
        }
        let mut macros: Vec<String> = defined.into_keys().collect();
        macros.sort();
        (Self { env, macro_files, stretches }, macros, errors)
    }
}

pub(super) fn has_any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}
