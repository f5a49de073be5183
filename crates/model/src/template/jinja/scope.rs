//! One rendering: whose it is, what it may reach, and what it said.
//!
//! Functions of the environment are shared by all renderings; what differs from one to the next they find here.

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
use crate::graph::{Call, NodeId, Relation, TimeBatch};
use crate::sql::KeyUse;
use crate::template::{Answer, Asker, TemplateMessage, markup, overridden};
use elt_base::error::{Place, SourceText};
use elt_project::OverrideProperties;

/// Which of a rendered text's parts bear marks that say where they were written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Marks {
    /// None: the text is SQL.
    #[default]
    Nothing,
    /// The template's own text, outside of what is captured into values.
    Own,
    /// Everything that was written, also in macros and in captured text.
    All,
}

/// How a text is rendered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setting {
    /// False while parsing: names are recorded, not resolved.
    pub execute: bool,
    pub is_incremental: bool,
    pub this: Option<Relation>,
    /// What `config.get` reads.
    pub config: Map<String, Json>,
    /// The nodes that may be reached in a resolved rendering; None allows all.
    pub allowed: Option<Vec<NodeId>>,
    /// Makes one call fail, counted from 0 over `ref` and `source`, so that its place becomes known.
    pub fail_at: Option<(usize, Refusal)>,
    /// `model`: the node that is rendered.
    pub model: Option<Value>,
    /// What the nodes that are mentioned are filtered by.
    pub batch: Option<TimeBatch>,
    /// A unit test's.
    pub overrides: Option<Arc<OverrideProperties>>,
    /// More names, such as the arguments of a generic test or what only a hook sees.
    pub extra: HashMap<String, Value>,
    pub marks: Marks,
    /// What the queries of an earlier rendering of the same text gave; nothing is asked again.
    pub replay: Option<Arc<Vec<(String, Answer)>>>,
    /// What time it is, if it is not to be now.
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
    /// What `statement` blocks and `store_result` left.
    pub results: Mutex<HashMap<String, Value>>,
    /// One time for all of a rendering, so that it can be rendered again.
    pub now: DateTime<Utc>,
    replayed: AtomicUsize,
}

/// What a rendering said.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub calls: Vec<Call>,
    /// The maps given to `config()`, laid over each other.
    pub config: Map<String, Json>,
    /// Ephemeral models that were mentioned, each once.
    pub ephemerals: Vec<NodeId>,
    /// Queries that were answered, in order.
    pub answers: Vec<(String, Answer)>,
    /// What `set_sql_header` gave.
    pub header: Option<String>,
    /// Surrogate keys that were asked for, each once.
    pub keys: Vec<KeyUse>,
    /// What a macro gave to `return`, while it unwinds.
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

/// `graph` while it is made.
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
            replayed: AtomicUsize::new(0),
        }
    }

    /// Asks the database. None while parsing, when there is nothing to ask.
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

    /// Says a line, where somebody listens: not while parsing, nor while the text is rendered again for its places.
    pub fn say(&self, said: TemplateMessage) {
        if let Some(host) = &self.host {
            host.say(said);
        }
    }

    /// Where a call stands in the template that makes it, as far as its name tells.
    pub fn place_of(&self, state: &State<'_, '_>, call: &str) -> Option<Place> {
        let source = self.names.macro_files.get(state.name()).or(self.source.as_ref())?;
        let start = source.text.find(call)?;
        let rest = &source.text[start..];
        let line = rest.lines().next().unwrap_or(rest);
        let end = line.find(')').map_or(line.trim_end().len(), |end| end + 1);
        Some(Place::new(source, start..start + end))
    }
}
