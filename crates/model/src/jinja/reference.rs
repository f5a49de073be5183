//! `ref`, `source`, and relations as templates see them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Kwargs, Object, ObjectRepr, Rest, Value, from_args};
use minijinja::{Error, ErrorKind, State};

use super::scope::{Call, Refusal, Scope, lock, scope};
use crate::relation::Relation;
use elt_base::schema::{CATALOG, quote};

/// A relation in a template: renders quoted; has dbt's attributes.
#[derive(Debug, Clone)]
pub(crate) struct RelationValue {
    pub shown: String,
    pub relation: Relation,
    /// The warehouse's name in SQL.
    pub database: Arc<str>,
    /// `table`, `view` …, where the database was asked.
    pub kind: Option<String>,
    /// What `render()` gives, where that is not what is shown: without the filter of a batch.
    pub plain: Option<String>,
}

impl RelationValue {
    pub fn plain(relation: Relation) -> Self {
        Self { shown: relation.to_string(), relation, database: CATALOG.into(), kind: None, plain: None }
    }

    /// Shown as something else than its name, such as a common table expression.
    pub fn shown_as(shown: impl Into<String>, relation: Relation) -> Self {
        Self { shown: shown.into(), relation, database: CATALOG.into(), kind: None, plain: None }
    }

    pub fn of_kind(mut self, kind: Option<String>) -> Self {
        self.kind = kind;
        self
    }

    /// As part of a project's warehouse.
    pub fn of(mut self, names: &super::scope::Names) -> Self {
        if !names.database.is_empty() {
            self.database = names.database.as_str().into();
        }
        self
    }

    fn is(&self, kind: &str) -> Value {
        Value::from(self.kind.as_deref() == Some(kind))
    }
}

impl From<RelationValue> for Value {
    fn from(relation: RelationValue) -> Self {
        Self::from_object(relation)
    }
}

impl Object for RelationValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "database" => Some(Value::from(&*self.database)),
            "schema" => Some(Value::from(&self.relation.schema)),
            "identifier" | "name" | "table" => Some(Value::from(&self.relation.identifier)),
            "type" => Some(self.kind.as_deref().map_or(Value::from(()), Value::from)),
            "is_table" => Some(self.is("table")),
            "is_view" => Some(self.is("view")),
            "is_cte" | "is_materialized_view" | "is_dynamic_table" => Some(Value::from(false)),
            _ => None,
        }
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let (_, kwargs): (Rest<Value>, Kwargs) = from_args(args)?;
        let included = |part: &str| kwargs.get::<Option<bool>>(part).map(|given| given.unwrap_or(true));
        let shown = |schema: bool, identifier: bool, database: bool| {
            let parts = [
                database.then(|| quote(&self.database)),
                schema.then(|| quote(&self.relation.schema)),
                identifier.then(|| quote(&self.relation.identifier)),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(".")
        };
        match method {
            "render" => Ok(Value::from(self.plain.as_ref().unwrap_or(&self.shown))),
            // The database is left out unless it is asked for: there is one only.
            "include" => {
                let database = kwargs.get::<Option<bool>>("database")?.unwrap_or(false);
                let shown = shown(included("schema")?, included("identifier")?, database);
                Ok(Self { shown, ..(**self).clone() }.into())
            }
            "without_identifier" => Ok(Self { shown: shown(true, false, false), ..(**self).clone() }.into()),
            "quote" => {
                let part = |is_quoted: bool, name: &str| if is_quoted { quote(name) } else { name.to_owned() };
                let schema = part(included("schema")?, &self.relation.schema);
                let identifier = part(included("identifier")?, &self.relation.identifier);
                Ok(Self { shown: format!("{schema}.{identifier}"), ..(**self).clone() }.into())
            }
            "incorporate" => {
                let path = kwargs.get::<Option<Value>>("path")?;
                let part = |name: &str, own: &str| {
                    let given = path.as_ref().and_then(|path| path.get_attr(name).ok());
                    given.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_else(|| own.to_owned())
                };
                let relation =
                    Relation::new(part("schema", &self.relation.schema), part("identifier", &self.relation.identifier));
                let kind = kwargs.get::<Option<String>>("type")?.or_else(|| self.kind.clone());
                Ok(Self { database: self.database.clone(), ..Self::plain(relation).of_kind(kind) }.into())
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Self>()?;
        Some(self.shown.cmp(&other.shown))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn text_args(function: &str, args: &[Value]) -> Result<Vec<String>, Error> {
    args.iter()
        .map(|arg| {
            arg.as_str()
                .map(str::to_owned)
                .ok_or_else(|| Refusal::new(format!("`{function}` takes names as text, not `{}`", arg.kind())).into())
        })
        .collect()
}

pub(super) fn jinja_ref(state: &mut State, args: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    if kwargs.args().next().is_some() {
        return Err(Refusal::new("`ref` with a version is not supported").into());
    }
    let scope = scope(state)?;
    let names = text_args("ref", &args.0)?;
    let name = match names.as_slice() {
        [name] => name,
        [package, name] if *package == scope.names.project => name,
        [package, _] => {
            return Err(Refusal::new(format!("package `{package}` does not exist"))
                .hint(format!("the only package is this project, `{}`", scope.names.project))
                .into());
        }
        _ => return Err(Refusal::new("`ref` takes a model's name, or a package and a model's name").into()),
    };
    mention(&scope, Call::Ref(name.clone()))
}

pub(super) fn jinja_source(state: &mut State, args: Rest<Value>) -> Result<Value, Error> {
    let scope = scope(state)?;
    let names = text_args("source", &args.0)?;
    match names.as_slice() {
        [source, table] => mention(&scope, Call::Source(source.clone(), table.clone())),
        _ => Err(Refusal::new("`source` takes a source's and a table's name: `source('loans', 'customers')`").into()),
    }
}

/// Records a call and gives the relation it stands for.
fn mention(scope: &Scope, call: Call) -> Result<Value, Error> {
    let mut heard = lock(&scope.heard);
    let number = heard.calls.len();
    heard.calls.push(call.clone());
    if let Some((_, refusal)) = scope.setting.fail_at.as_ref().filter(|(at, _)| *at == number) {
        return Err(refusal.clone().into());
    }
    let Some(targets) = scope.names.targets.get() else {
        let relation = match &call {
            Call::Ref(name) => Relation::new(&scope.names.schema, name),
            Call::Source(source, table) => Relation::new(source, table),
        };
        return Ok(RelationValue::plain(relation).of(&scope.names).into());
    };
    let described = match &call {
        Call::Ref(name) => format!("ref('{name}')"),
        Call::Source(source, table) => format!("source('{source}', '{table}')"),
    };
    let Some(target) = targets.get(&call) else {
        return Err(Refusal::new(format!("`{described}` names nothing in this project")).into());
    };
    if scope.setting.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&target.id)) {
        return Err(Refusal::new(format!("`{described}` was not seen while the project was parsed"))
            .hint(format!("name it outside of the condition too: `-- depends_on: {{{{ {described} }}}}`"))
            .into());
    }
    let is_unit_test = scope.setting.overrides.is_some();
    let shown = match (&target.cte, &target.external) {
        // A unit test's rows stand in the relation.
        (None, Some(external)) if !is_unit_test => external.clone(),
        (Some(cte), _) => {
            if !heard.ephemerals.contains(&target.id) {
                heard.ephemerals.push(target.id);
            }
            cte.clone()
        }
        (None, _) => target.relation.to_string(),
    };
    let mut relation = RelationValue::shown_as(shown.clone(), target.relation.clone()).of(&scope.names);
    if let (Some(batch), Some(event_time)) = (&scope.setting.batch, &target.event_time) {
        relation.shown = format!("(select * from {shown} where {})", batch.condition(event_time));
        relation.plain = Some(shown);
    }
    Ok(relation.into())
}
