//! The project's templates: one Jinja environment with its macros, rendering, and errors at their places.
//!
//! Knows texts and names. Does not know nodes or the use of the rendered SQL.

use std::sync::{Arc, OnceLock};

use minijinja::ErrorKind;
use minijinja::value::Value;
use serde_json::{Map, Value as Json};

use super::engine::{EngineKind, Recipe, TemplateEngine, has_any};
use super::host::{self, Asker, Host};
use super::invocation::Invocation;
use super::jinja::{self, ASKING, Marks, ProjectNames, Recording, RenderScope, Setting};
use super::markup::{CHANGES, DATE_WORDS, Manner, Markup, Rewrite};
use super::places::strip;
use crate::graph::MacroFiles;
use crate::messages;
use crate::sql::MapSegment;
use elt_base::error::{Error, Place, SourceText};
use elt_base::guarded::guarded;
use elt_project::Project;

/// The environments that render all templates of a project.
#[derive(Debug)]
pub(crate) struct Templates {
    engine: TemplateEngine,
    /// The same environment with markers in the macro files. It is created when a place is needed.
    marked: OnceLock<TemplateEngine>,
    /// The same environment, but undefined values count as empty. It is used before a database is available, when all
    /// answers are none.
    lenient: OnceLock<TemplateEngine>,
    recipe: Recipe,
    pub names: Arc<ProjectNames>,
    /// Whether a macro may query the database or print a line.
    macros_ask: bool,
    macros_change: bool,
}

/// A rendered text, and the calls that its rendering recorded.
pub(crate) struct Rendered {
    /// With markers, if the setting asks for them.
    pub sql: String,
    pub heard: Recording,
    scope_now: chrono::DateTime<chrono::Utc>,
}

impl Rendered {
    /// The options for rendering the same text again, for its places.
    pub fn again(&self, setting: Setting) -> Setting {
        Setting { replay: Some(Arc::new(self.heard.answers.clone())), now: Some(self.scope_now), ..setting }
    }
}

/// The text to render.
#[derive(Debug, Clone)]
pub(crate) enum TemplateText {
    /// A file of the project.
    File(Arc<SourceText>),
    /// A text without its own file, such as a hook, and the place that represents it.
    Short(String, Place),
    /// A macro by its name, with the names and values of its arguments. Arguments without a name are passed by
    /// position.
    Call(String, Vec<(String, Value)>, Place),
}

impl TemplateText {
    pub fn place(&self) -> Place {
        match self {
            Self::File(source) => Place::line(source, 1),
            Self::Short(_, place) | Self::Call(_, _, place) => place.clone(),
        }
    }
}

impl Templates {
    /// Reads the macro files. Reports the errors in each of them.
    pub fn new(project: &Project, vars: &Map<String, Json>, invocation: &Invocation) -> (Self, Vec<Error>) {
        let texts = || {
            let files = project.macros.iter().chain(&project.models).chain(&project.analyses).chain(&project.tests);
            let hooks = project.profiles.on_run_start.iter().chain(&project.profiles.on_run_end);
            files.map(|file| file.source.text.as_str()).chain(hooks.map(|hook| hook.sql.as_str()))
        };
        let recipe = Recipe::new(project, invocation, texts().any(|text| has_any(text, &DATE_WORDS)));
        let macros_change = project.macros.iter().any(|file| has_any(&file.source.text, &CHANGES));
        let macros_ask = project.macros.iter().any(|file| has_any(&file.source.text, &ASKING));
        let (engine, macros, errors) = TemplateEngine::new(&recipe, macros_change, EngineKind::Plain);
        let names = ProjectNames {
            project: project.profiles.name.clone(),
            schema: project.profiles.target.schema.clone(),
            database: project.profiles.target.database.clone(),
            vars: merged_vars(project, vars),
            macros,
            macro_files: recipe.macro_files(),
            ..ProjectNames::default()
        };
        let templates = Self {
            engine,
            marked: OnceLock::new(),
            lenient: OnceLock::new(),
            recipe,
            names: Arc::new(names),
            macros_ask,
            macros_change,
        };
        (templates, errors)
    }

    /// Whether a generic test's macro exists.
    pub fn has_macro(&self, name: &str) -> bool {
        self.names.has_macro(name)
    }

    /// The macros as values.
    pub fn macros(&self) -> MacroFiles {
        MacroFiles { files: self.recipe.macros.clone(), names: self.names.macros.clone() }
    }

    /// The project's macro file that defines a macro.
    pub fn macro_place(&self, name: &str) -> Option<Place> {
        let (source, _) =
            self.engine.macro_files.values().find(|(_, markup)| markup.macros.iter().any(|m| m == name))?;
        let shown = name.strip_prefix("test_").unwrap_or(name);
        let at = source.text.find(&format!(" {shown}(")).map_or(0, |at| at + 1);
        Some(Place::new(source, at..at + if at > 0 { shown.len() } else { 0 }))
    }

    /// Whether a text, or any macro, contains a word.
    pub fn mentions(&self, text: &str, word: &str) -> bool {
        text.contains(word) || self.recipe.macros.iter().any(|source| source.text.contains(word))
    }

    /// Whether a text has the same rendering each time within one call of the program. The text and all macros must not
    /// query the database, print a line, or read the time.
    pub fn is_repeatable(&self, text: &str) -> bool {
        !self.recipe.dates && !self.macros_ask && !has_any(text, &ASKING)
    }

    fn manner(&self, text: &str, marks: Marks, marks_from: usize) -> Manner {
        let literals = self.macros_change || has_any(text, &CHANGES);
        Manner {
            marks_from: (marks != Marks::Nothing).then_some(marks_from),
            marks_captured: marks == Marks::All,
            rewrite: Rewrite { literals, dates: self.recipe.dates },
        }
    }

    fn engine(&self, marks: Marks) -> &TemplateEngine {
        match marks {
            Marks::All => {
                self.marked.get_or_init(|| TemplateEngine::new(&self.recipe, self.macros_change, EngineKind::Marked).0)
            }
            Marks::Own | Marks::Nothing => &self.engine,
        }
    }

    /// Renders a text. `owner` is its name in errors: ``model `customers` ``. Its queries and lines are sent to `host`.
    pub fn render(
        &self,
        owner: &str,
        text: &TemplateText,
        setting: Setting,
        host: Option<&dyn Host>,
    ) -> Result<Rendered, Error> {
        let own = match text {
            TemplateText::File(source) => source.text.as_str(),
            TemplateText::Short(text, _) => text,
            TemplateText::Call(name, ..) => name,
        };
        let asks = self.macros_ask || matches!(text, TemplateText::Call(..)) || has_any(own, &ASKING);
        match host.filter(|_| asks) {
            Some(host) => {
                host::with_host(host, |asker| self.render_here(owner, text, setting, Some(asker))).map_err(|cause| {
                    messages::template(owner, "cannot start a thread to render it").because(cause.to_string())
                })?
            }
            None if asks && !setting.execute && setting.fail_at.is_none() => {
                let strict = self.render_here(owner, text, setting.clone(), None);
                // Errors that depend on answers appear when there are answers.
                strict.or_else(|error| {
                    let lenient = || TemplateEngine::new(&self.recipe, self.macros_change, EngineKind::Lenient).0;
                    self.render_in(self.lenient.get_or_init(lenient), owner, text, setting, None).map_err(|_| error)
                })
            }
            None => self.render_here(owner, text, setting, None),
        }
    }

    /// Renders a short text without its own file while the project is parsed, when no host can answer.
    pub fn render_text(&self, owner: &str, text: &str, place: &Place, setting: Setting) -> Result<Rendered, Error> {
        self.render(owner, &TemplateText::Short(text.to_owned(), place.clone()), setting, None)
    }

    fn render_here(
        &self,
        owner: &str,
        text: &TemplateText,
        setting: Setting,
        host: Option<Asker>,
    ) -> Result<Rendered, Error> {
        self.render_in(self.engine(setting.marks), owner, text, setting, host)
    }

    fn render_in(
        &self,
        engine: &TemplateEngine,
        owner: &str,
        text: &TemplateText,
        mut setting: Setting,
        host: Option<Asker>,
    ) -> Result<Rendered, Error> {
        let mut main = None;
        let (name, markup) = match text {
            TemplateText::File(source) => {
                let name = source.path.display().to_string();
                let manner = self.manner(&source.text, setting.marks, engine.stretches.len());
                let markup = Markup::of_sql(&source.text, manner);
                main = Some(source.clone());
                (name, markup)
            }
            TemplateText::Short(text, _) => {
                ("<text>".to_owned(), Markup::of_sql(text, self.manner(text, Marks::Nothing, 0)))
            }
            TemplateText::Call(name, arguments, _) => {
                let mut given = Vec::new();
                for (number, (key, value)) in arguments.iter().enumerate() {
                    setting.extra.insert(format!("__argument{number}"), value.clone());
                    let equals = if key.is_empty() { "" } else { "=" };
                    given.push(format!("{key}{equals}__argument{number}"));
                }
                let call = format!("{{{{ {name}({}) }}}}", given.join(", "));
                ("<call>".to_owned(), Markup::of_sql(&call, Manner::default()))
            }
        };
        let scope = Arc::new(RenderScope::new(self.names.clone(), setting, main.clone(), host));
        let render = || {
            let template = engine.env.template_from_named_str(&name, &markup.text)?;
            template.render(Value::from_dyn_object(scope.clone()))
        };
        // The engine panics on some expressions, such as `[][::-1]`.
        let guarded = guarded(render);
        let has_no_line = main.is_none() || guarded.is_err();
        let rendered = guarded.unwrap_or_else(|panic| {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, messages::engine_failed(&panic)))
        });
        let sql = rendered.map_err(|error| {
            let fallback = text.place();
            let main = main.as_ref().map(|source| (name.as_str(), source, &markup));
            let fallback = has_no_line.then_some(&fallback);
            self.error(engine, owner, &error, main, fallback)
        })?;
        Ok(Rendered { sql, heard: std::mem::take(&mut jinja::lock(&scope.heard)), scope_now: scope.now })
    }

    /// The places of the parts of a text that was rendered to `sql`. Renders the text again with as many markers as
    /// possible without a change of the result. Does not repeat any query.
    pub fn segments(&self, text: &TemplateText, sql: &str, again: &Setting) -> Vec<MapSegment> {
        for marks in [Marks::All, Marks::Own] {
            let setting = Setting { marks, ..again.clone() };
            let Ok(rendered) = self.render_here("", text, setting, None) else { continue };
            let (stripped, segments) = self.stripped(&rendered.sql, text, marks);
            if stripped == sql {
                return segments;
            }
        }
        Vec::new()
    }

    fn stripped(&self, rendered: &str, text: &TemplateText, marks: Marks) -> (String, Vec<MapSegment>) {
        let engine = self.engine(marks);
        let first = engine.stretches.len();
        let own = match text {
            TemplateText::File(source) => {
                let manner = self.manner(&source.text, marks, first);
                Some((source, Markup::of_sql(&source.text, manner).stretches))
            }
            TemplateText::Short(..) | TemplateText::Call(..) => None,
        };
        strip(rendered, &text.place(), |number| match number.checked_sub(first) {
            None => engine.stretches.get(number).cloned(),
            Some(number) => {
                own.as_ref().and_then(|(source, stretches)| Some(((*source).clone(), stretches.get(number)?.clone())))
            }
        })
    }
}

/// Merges `vars` over the project's variables. Variables below the project's own name count as plain variables, as in
/// dbt.
fn merged_vars(project: &Project, vars: &Map<String, Json>) -> Map<String, Json> {
    let mut merged = project.profiles.vars.clone();
    if let Some(Json::Object(own)) = merged.get(&project.profiles.name).cloned() {
        merged.extend(own);
    }
    merged.extend(vars.clone());
    merged
}
