//! One rendering: its node, the nodes that it may use, and what it records.
//!
//! All renderings share the functions of the environment. The functions find the differences between renderings here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use minijinja::value::{Object, Serde, Value};
use minijinja::{Error, State};
use serde_json::{Map, Value as Json};

use super::names::ProjectNames;
use super::refusal::Refusal;
use super::relation_value::RelationValue;
use super::used::Used;
use crate::graph::{Call, NodeId, Relation, TimeBatch};
use crate::sql::KeyUse;
use crate::template::{Answer, Asker, TemplateMessage, markup, overridden};
use elt_base::error::{Place, SourceText};
use elt_project::OverrideProperties;

/// The parts of a rendered text that contain marks. A mark says where a part was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Marks {
    /// No parts: the text is SQL.
    #[default]
    Nothing,
    /// The template's own text, except text that is captured into values.
    Own,
    /// All text, also text from macros and captured text.
    All,
}

/// The options of rendering a text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setting {
    /// False while parsing: names are recorded, not resolved.
    pub execute: bool,
    pub is_incremental: bool,
    pub this: Option<Relation>,
    /// The values that `config.get` reads.
    pub config: Map<String, Json>,
    /// The nodes that a resolved rendering may use. None allows all.
    pub allowed: Option<Vec<NodeId>>,
    /// One call fails, counted from 0 over `ref` and `source`, so that the error shows its place.
    pub fail_at: Option<(usize, Refusal)>,
    /// `model`: the node that is rendered.
    pub model: Option<Value>,
    /// The batch that filters the nodes that the text refers to.
    pub batch: Option<TimeBatch>,
    /// For a unit test: its overrides.
    pub overrides: Option<Arc<OverrideProperties>>,
    /// Additional names, such as the arguments of a generic test or the names that only a hook can use.
    pub extra: HashMap<String, Value>,
    pub marks: Marks,
    /// The answers to the queries of an earlier rendering of the same text. No query runs again.
    pub replay: Option<Arc<Vec<(String, Answer)>>>,
    /// The time to use instead of now.
    pub now: Option<DateTime<Utc>>,
}

/// One rendering.
#[derive(Debug)]
pub(crate) struct RenderScope {
    pub names: Arc<ProjectNames>,
    pub setting: Setting,
    /// The text's own file.
    pub source: Option<Arc<SourceText>>,
    pub host: Option<Asker>,
    pub heard: Mutex<Recording>,
    /// The results of `statement` blocks and `store_result`.
    pub results: Mutex<HashMap<String, Value>>,
    /// The time of the whole rendering, so that it can be repeated.
    pub now: DateTime<Utc>,
    /// What the rendering has used of its limits.
    pub used: Used,
    replayed: AtomicUsize,
}

/// The calls and values that a rendering recorded.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub calls: Vec<Call>,
    /// The maps passed to `config()`, merged.
    pub config: Map<String, Json>,
    /// Ephemeral models that the text refers to, each once.
    pub ephemerals: Vec<NodeId>,
    /// Queries with their answers, in order.
    pub answers: Vec<(String, Answer)>,
    /// The SQL that was passed to `set_sql_header`.
    pub header: Option<String>,
    /// Surrogate keys that the text uses, each once.
    pub keys: Vec<KeyUse>,
    /// The value that a macro passed to `return`, until the call ends.
    pub(super) returned: Option<Value>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SCOPE: &str = "__scope";

impl Object for RenderScope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        if let Some(value) = self.setting.overrides.as_ref().and_then(|overrides| overridden(overrides, key)) {
            return Some(value);
        }
        if let Some(value) = self.setting.extra.get(key) {
            return Some(value.clone());
        }
        match key {
            SCOPE => Some(Value::from_dyn_object(self.clone())),
            "execute" => Some(Value::from(self.setting.execute)),
            "this" => self.setting.this.clone().map(|relation| RelationValue::plain(relation).of(&self.names).into()),
            "model" => self.setting.model.clone(),
            "graph" => Some(self.names.graph.get().cloned().unwrap_or_else(empty_graph)),
            _ => None,
        }
    }
}

/// An empty `graph`, used while the real one is created.
fn empty_graph() -> Value {
    let kinds = ["nodes", "sources", "exposures", "metrics", "groups"];
    Value::from_pairs(kinds.map(|kind| (kind, Value::from(Serde(Map::<String, Json>::new())))))
}

/// The scope of the template that calls a function.
pub(super) fn scope(state: &State<'_, '_>) -> Result<Arc<RenderScope>, Error> {
    state
        .lookup(SCOPE)
        .and_then(|value| value.downcast_object::<RenderScope>())
        .ok_or_else(|| Refusal::new("the project is not available here").into())
}

impl RenderScope {
    pub fn new(
        names: Arc<ProjectNames>,
        setting: Setting,
        source: Option<Arc<SourceText>>,
        host: Option<Asker>,
    ) -> Self {
        Self {
            names,
            source,
            host,
            heard: Mutex::default(),
            results: Mutex::default(),
            now: setting.now.unwrap_or_else(Utc::now),
            setting,
            used: Used::default(),
            replayed: AtomicUsize::new(0),
        }
    }

    /// Queries the database. None while parsing, when no database is available.
    pub fn query(&self, sql: &str) -> Result<Option<Answer>, Error> {
        if !self.setting.execute {
            return Ok(None);
        }
        let sql = markup::unmarked(sql);
        if let Some(replay) = &self.setting.replay {
            let next = replay.get(self.replayed.fetch_add(1, Ordering::Relaxed));
            return match next.filter(|(asked, _)| *asked == sql) {
                Some((_, answer)) => Ok(Some(answer.clone())),
                None => Err(Refusal::new("the query differs from the earlier one").into()),
            };
        }
        let Some(host) = &self.host else {
            return Err(Refusal::new("the database is not available here").into());
        };
        match host.query(&sql) {
            Ok(answer) => {
                lock(&self.heard).answers.push((sql.into_owned(), answer.clone()));
                Ok(Some(answer))
            }
            Err(error) => {
                let (message, hint) = crate::messages::sql_said(&error.message, &error.candidates);
                Err(Refusal { message: format!("the query failed: {message}"), hint }.into())
            }
        }
    }

    /// Prints a line if there is a host. There is none while parsing, or while the text is rendered again for its
    /// places.
    pub fn say(&self, said: TemplateMessage) {
        if let Some(host) = &self.host {
            host.say(said);
        }
    }

    /// The place of a call in the template that makes it, found by the call's name.
    pub fn place_of(&self, state: &State<'_, '_>, call: &str) -> Option<Place> {
        let source = self.names.macro_files.get(state.name()).or(self.source.as_ref())?;
        let start = source.text.find(call)?;
        let rest = &source.text[start..];
        let line = rest.lines().next().unwrap_or(rest);
        let end = line.find(')').map_or(line.trim_end().len(), |end| end + 1);
        Some(Place::new(source, start..start + end))
    }
}
