//! The project's templates: one Jinja environment with its macros, rendering, and errors at their places.
//!
//! Knows texts and names; not nodes, and not what the rendered SQL is for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value as Json};

use super::batches::{Batch, BatchSize};
use super::jinja::{self, Heard, Names, ProjectMacro, Refusal, Scope};
use super::markup::Markup;
use super::relation::Relation;
use super::source_map::SourceMap;
use crate::error::{Error, Place, SourceText, nearest};
use crate::project::{OverrideProperties, Project};

/// The environment that all templates of a project are rendered in.
#[derive(Debug)]
pub(super) struct Templates {
    env: Environment<'static>,
    pub names: Arc<Names>,
    macro_files: HashMap<String, (Arc<SourceText>, Markup)>,
}

/// How a text is rendered.
#[derive(Debug, Default)]
pub(super) struct Setting {
    pub execute: bool,
    pub is_incremental: bool,
    pub this: Option<Relation>,
    pub config: Map<String, Json>,
    pub allowed: Option<Vec<super::node::NodeId>>,
    pub fail_at: Option<(usize, Refusal)>,
    pub overrides: Option<Arc<OverrideProperties>>,
    /// What the nodes that are mentioned are filtered by.
    pub batch: Option<(Batch, BatchSize)>,
    /// The node's name: `model.name`.
    pub name: String,
}

/// A rendered text, and what it said while it was rendered.
pub(super) struct Rendered {
    pub sql: String,
    pub map: SourceMap,
    pub heard: Heard,
}

impl Templates {
    /// Reads the macro files. Reports what is wrong in each of them.
    pub fn new(project: &Project, vars: &Map<String, Json>) -> (Self, Vec<Error>) {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_debug(true);
        env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        let target = &project.profiles.target;
        let mut shown = Map::new();
        shown.insert("name".into(), target.name.clone().into());
        shown.insert("target_name".into(), target.name.clone().into());
        shown.insert("schema".into(), target.schema.clone().into());
        shown.insert("type".into(), "duckdb".into());
        shown.insert("threads".into(), target.threads.into());
        jinja::install(&mut env, Value::from(minijinja::value::Serde(shown)), project.environment.clone());
        env.add_global("project_name", project.profiles.name.clone());

        let mut errors = Vec::new();
        let mut macro_files = HashMap::new();
        let mut defined: HashMap<String, String> = HashMap::new();
        for file in &project.macros {
            let name = file.source.path.display().to_string();
            let markup = Markup::of_macros(&file.source.text);
            for found in &markup.macros {
                if let Some(other) = defined.insert(found.clone(), name.clone()) {
                    errors.push(Error::duplicate_macro(found, &other, Place::line(&file.source, 1)));
                    continue;
                }
                env.add_global(
                    found.clone(),
                    Value::from_object(ProjectMacro { name: found.clone(), file: name.clone() }),
                );
            }
            let added = env.add_template_owned(name.clone(), markup.text.clone());
            macro_files.insert(name.clone(), (file.source.clone(), markup));
            if let Err(error) = added {
                let place = macro_files.get(&name).and_then(|(source, markup)| place_of(&error, source, markup));
                errors.push(Error::bad_macro_file(&name, &reason(&error)).at_maybe(place));
            }
        }
        let mut macros: Vec<String> = defined.into_keys().collect();
        macros.sort();
        let names = Names {
            project: project.profiles.name.clone(),
            schema: target.schema.clone(),
            vars: merged_vars(project, vars),
            targets: std::sync::OnceLock::new(),
            macros,
        };
        (Self { env, names: Arc::new(names), macro_files }, errors)
    }

    /// Whether a generic test's macro exists.
    pub fn has_macro(&self, name: &str) -> bool {
        self.names.macros.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    fn scope(&self, setting: Setting) -> Arc<Scope> {
        Arc::new(Scope {
            names: self.names.clone(),
            execute: setting.execute,
            is_incremental: setting.is_incremental,
            this: setting.this,
            config: Mutex::new(setting.config),
            fail_at: setting.fail_at,
            allowed: setting.allowed,
            overrides: setting.overrides,
            batch: setting.batch,
            name: setting.name,
            heard: Mutex::new(Heard::default()),
        })
    }

    /// Renders a file's text. `owner` is how an error names it: ``model `customers` ``.
    pub fn render(&self, owner: &str, source: &Arc<SourceText>, setting: Setting) -> Result<Rendered, Error> {
        let markup = Markup::of_sql(&source.text);
        let path = source.path.display().to_string();
        let scope = self.scope(setting);
        let rendered = self
            .env
            .template_from_named_str(&path, &markup.text)
            .and_then(|template| template.render(Value::from_dyn_object(scope.clone())))
            .map_err(|error| self.error(owner, &error, Some((&path, source, &markup)), None))?;
        let (sql, map) = SourceMap::strip(&rendered, source, &markup.stretches);
        Ok(Rendered { sql, map, heard: std::mem::take(&mut jinja::lock(&scope.heard)) })
    }

    /// Renders a short text that has no file of its own, such as a hook or a test's argument.
    pub fn render_text(&self, owner: &str, text: &str, place: &Place, setting: Setting) -> Result<Rendered, Error> {
        let scope = self.scope(setting);
        let sql = self
            .env
            .render_named_str("<text>", text, Value::from_dyn_object(scope.clone()))
            .map_err(|error| self.error(owner, &error, None, Some(place)))?;
        let map = SourceMap::whole(place.clone());
        Ok(Rendered { sql, map, heard: std::mem::take(&mut jinja::lock(&scope.heard)) })
    }

    /// Calls a project macro with named arguments: a generic test.
    pub fn call_macro(
        &self,
        owner: &str,
        name: &str,
        arguments: Vec<(String, Value)>,
        place: &Place,
        setting: Setting,
    ) -> Result<Rendered, Error> {
        let scope = self.scope(setting);
        let context = Value::from_pairs(
            arguments.iter().enumerate().map(|(number, (_, value))| (format!("a{number}"), value.clone())),
        );
        let call = arguments
            .iter()
            .enumerate()
            .map(|(number, (key, _))| format!("{key}=__arguments.a{number}"))
            .collect::<Vec<_>>()
            .join(", ");
        let text = format!("{{{{ {name}({call}) }}}}");
        let root = Value::from_object(CallScope { scope: scope.clone(), arguments: context });
        let sql = self
            .env
            .render_named_str("<call>", &text, root)
            .map_err(|error| self.error(owner, &error, None, Some(place)))?;
        let map = SourceMap::whole(place.clone());
        Ok(Rendered { sql, map, heard: std::mem::take(&mut jinja::lock(&scope.heard)) })
    }

    /// A Jinja error as ours: at the innermost place, with the calls that led there.
    fn error(
        &self,
        owner: &str,
        error: &minijinja::Error,
        main: Option<(&str, &Arc<SourceText>, &Markup)>,
        fallback: Option<&Place>,
    ) -> Error {
        let mut frames = vec![error];
        let mut refusal = None;
        let mut next = std::error::Error::source(error);
        while let Some(cause) = next {
            if let Some(inner) = cause.downcast_ref::<minijinja::Error>() {
                frames.push(inner);
            } else if let Some(found) = cause.downcast_ref::<Refusal>() {
                refusal = Some(found);
            }
            next = cause.source();
        }
        let mut places = Vec::new();
        for frame in frames.iter().rev() {
            let named = frame.name().unwrap_or_default();
            let place = match main {
                Some((path, source, markup)) if path == named => place_of(frame, source, markup),
                _ => self.macro_files.get(named).and_then(|(source, markup)| place_of(frame, source, markup)),
            };
            let place = match place {
                Some(place) => Some(place),
                None => fallback.cloned(),
            };
            if let Some(place) = place
                && !places.contains(&place)
            {
                places.push(place);
            }
        }
        let innermost = frames.last().copied().unwrap_or(error);
        let (message, hint) = match refusal {
            Some(refusal) => (refusal.message.clone(), refusal.hint.clone()),
            None => (reason(innermost), self.suggestion(innermost)),
        };
        let mut ours = Error::template(owner, &message).hint_maybe(hint);
        for (number, place) in places.into_iter().enumerate() {
            ours = ours.at(if number == 0 { place } else { place.label("called from here") });
        }
        ours
    }

    /// The function nearest to one that is not known.
    fn suggestion(&self, error: &minijinja::Error) -> Option<String> {
        const KNOWN: [&str; 10] =
            ["ref", "source", "config", "var", "env_var", "is_incremental", "this", "target", "log", "execute"];
        let written = unknown_name(error)?;
        if written.starts_with("dbt_") || written == "dbt" {
            return Some("packages are not supported: copy the macro into the project's `macros` folder".into());
        }
        let names = self.names.macros.iter().map(String::as_str).chain(KNOWN);
        nearest(&written, names).map(|near| format!("did you mean `{near}`?"))
    }
}

/// A scope with arguments beside it, for the call of a generic test's macro.
#[derive(Debug)]
struct CallScope {
    scope: Arc<Scope>,
    arguments: Value,
}

impl minijinja::value::Object for CallScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        if key.as_str() == Some("__arguments") {
            return Some(self.arguments.clone());
        }
        self.scope.get_value(key)
    }
}

/// `vars` over the project's; variables below the project's own name count as plain ones, as in dbt.
fn merged_vars(project: &Project, vars: &Map<String, Json>) -> Map<String, Json> {
    let mut merged = project.profiles.vars.clone();
    if let Some(Json::Object(own)) = merged.get(&project.profiles.name).cloned() {
        merged.extend(own);
    }
    merged.extend(vars.clone());
    merged
}

/// The name in the engine's "unknown function: x is unknown" or "`x` is undefined".
fn unknown_name(error: &minijinja::Error) -> Option<String> {
    let detail = error.detail()?;
    match error.kind() {
        minijinja::ErrorKind::UnknownFunction => detail.split(' ').next().map(str::to_owned),
        minijinja::ErrorKind::UndefinedError => detail.split('`').nth(1).map(str::to_owned),
        _ => None,
    }
}

/// What the engine says, in our manner.
fn reason(error: &minijinja::Error) -> String {
    use minijinja::ErrorKind;
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownFunction => match unknown_name(error) {
            Some(name) => format!("no function or macro `{name}` exists"),
            None => detail.to_owned(),
        },
        ErrorKind::UndefinedError if !detail.is_empty() => detail.to_owned(),
        ErrorKind::InvalidOperation | ErrorKind::SyntaxError if !detail.is_empty() => detail.to_owned(),
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {detail}"),
    }
}

fn place_of(error: &minijinja::Error, source: &Arc<SourceText>, markup: &Markup) -> Option<Place> {
    match error.range() {
        Some(range) if !range.is_empty() => {
            let mut span = markup.original_range(range);
            let text = &source.text;
            // A method's range begins at its dot: take what stands before it along.
            if text.get(span.start..).is_some_and(|rest| rest.starts_with('.')) {
                let before = &text[..span.start];
                span.start = before.trim_end_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '.').len();
            }
            let is_good =
                span.end <= text.len() && text.is_char_boundary(span.start) && text.is_char_boundary(span.end);
            let line = || error.line().map(|line| Place::line(source, line));
            if is_good { Some(Place::new(source, span)) } else { line() }
        }
        _ => error.line().map(|line| Place::line(source, line)),
    }
}
