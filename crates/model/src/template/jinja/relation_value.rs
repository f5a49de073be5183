//! Relations as templates see them.
//!
//! A relation renders to its quoted name, and has the attributes and methods of dbt.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Kwargs, Object, ObjectRepr, Rest, Value, from_args};
use minijinja::{Error, ErrorKind, State};

use super::names::ProjectNames;
use crate::graph::Relation;
use elt_base::schema::{CATALOG, quote};

/// A relation in a template. It renders to its quoted name, and has dbt's attributes.
#[derive(Debug, Clone)]
pub(crate) struct RelationValue {
    pub shown: String,
    pub relation: Relation,
    /// The warehouse's name in SQL.
    pub database: Arc<str>,
    /// `table`, `view` …, if the database was asked.
    pub kind: Option<String>,
    /// The result of `render()`, if it differs from the shown text: without the filter of a batch.
    pub plain: Option<String>,
}

impl RelationValue {
    pub fn plain(relation: Relation) -> Self {
        Self { shown: relation.to_string(), relation, database: CATALOG.into(), kind: None, plain: None }
    }

    /// A relation with another text than its name, such as a common table expression.
    pub fn shown_as(shown: impl Into<String>, relation: Relation) -> Self {
        Self { shown: shown.into(), relation, database: CATALOG.into(), kind: None, plain: None }
    }

    pub fn of_kind(mut self, kind: Option<String>) -> Self {
        self.kind = kind;
        self
    }

    /// The relation as part of a project's warehouse.
    pub fn of(mut self, names: &ProjectNames) -> Self {
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
            // The database is omitted unless it is requested, because there is only one.
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
