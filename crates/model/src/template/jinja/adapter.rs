//! `adapter`, `api` and related functions: templates use them to read and change relations.
//!
//! Knows DuckDB's catalog as SQL text. An unsupported feature is an error at its place.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Tuple, Value};
use minijinja::{Environment, Error, ErrorKind, State};

use super::arguments::Arguments;
use super::refusal::Refusal;
use super::relation_value::RelationValue;
use super::scope::{RenderScope, scope};
use super::table::ResultTable;
use crate::graph::Relation;
use crate::template::{Answer, Cell};
use elt_base::schema::{literal, quote};

pub(super) fn install(env: &mut Environment<'static>) {
    env.add_global("adapter", Value::from_object(Adapter));
    env.add_global(
        "api",
        Value::from_pairs([
            ("Relation", Value::from_object(RelationClass)),
            ("Column", Value::from_object(ColumnClass)),
        ]),
    );
    for name in ["load_relation", "load_cached_relation"] {
        env.add_function(name, move |state: &mut State, relation: Value| {
            let relation = relation_of(&relation, name)?;
            find(&*scope(state)?, &relation.relation)
        });
    }
    env.add_function("get_columns_in_query", |state: &mut State, sql: String| {
        let answer = scope(state)?.query(&format!("describe {sql}"))?.unwrap_or_default();
        Ok::<_, Error>(Value::from(texts(&answer, 0).into_iter().map(Value::from).collect::<Vec<_>>()))
    });
    env.add_function("make_temp_relation", |relation: Value, suffix: Option<String>| {
        let found = relation_of(&relation, "make_temp_relation")?;
        let suffix = suffix.unwrap_or_else(|| "__dbt_tmp".into());
        Ok::<_, Error>(Value::from(
            RelationValue { database: found.database, ..RelationValue::plain(found.relation.beside(&suffix)) }
                .of_kind(Some("table".into())),
        ))
    });
}

fn relation_of(value: &Value, function: &str) -> Result<RelationValue, Error> {
    value.downcast_object_ref::<RelationValue>().cloned().ok_or_else(|| {
        Refusal::new(format!("`{function}` needs a relation, not `{}`", value.kind()))
            .hint("pass `ref('…')`, `source('…', '…')`, `this` or `api.Relation.create(…)`")
            .into()
    })
}

fn texts(answer: &Answer, column: usize) -> Vec<String> {
    let cells = answer.rows.iter().filter_map(|row| row.get(column));
    cells.filter_map(|cell| if let Cell::Text(text) = cell { Some(text.clone()) } else { None }).collect()
}

/// The relation as it exists in the database. None if it does not exist, or while parsing.
fn find(scope: &RenderScope, relation: &Relation) -> Result<Value, Error> {
    let sql = format!(
        "select table_schema, table_name, table_type from information_schema.tables where table_catalog = \
         current_database() and lower(table_schema) = lower({}) and lower(table_name) = lower({})",
        literal(&relation.schema),
        literal(&relation.identifier)
    );
    let found = scope.query(&sql)?.map(|answer| relations(&answer)).unwrap_or_default();
    Ok(found.into_iter().next().map_or(Value::from(()), Value::from))
}

/// Relations from rows of schema, name and type.
fn relations(answer: &Answer) -> Vec<RelationValue> {
    let (schemas, names, kinds) = (texts(answer, 0), texts(answer, 1), texts(answer, 2));
    let kind = |shown: &str| if shown == "VIEW" { "view" } else { "table" };
    schemas
        .into_iter()
        .zip(names)
        .zip(kinds)
        .map(|((schema, name), shown)| {
            RelationValue::plain(Relation::new(schema, name)).of_kind(Some(kind(&shown).to_owned()))
        })
        .collect()
}

fn columns(scope: &RenderScope, relation: &Relation) -> Result<Vec<RelationColumn>, Error> {
    let sql = format!(
        "select column_name, data_type from duckdb_columns() where lower(schema_name) = lower({}) and lower(table_name) = \
         lower({}) and database_name in (current_database(), 'temp') order by column_index",
        literal(&relation.schema),
        literal(&relation.identifier)
    );
    let answer = scope.query(&sql)?.unwrap_or_default();
    Ok(texts(&answer, 0)
        .into_iter()
        .zip(texts(&answer, 1))
        .map(|(name, dtype)| RelationColumn { name, dtype })
        .collect())
}

fn schema_relations(scope: &RenderScope, schema: &str) -> Result<Value, Error> {
    let sql = format!(
        "select table_schema, table_name, table_type from information_schema.tables where table_catalog = \
         current_database() and lower(table_schema) = lower({}) order by table_name",
        literal(schema)
    );
    let found = scope.query(&sql)?.map(|answer| relations(&answer)).unwrap_or_default();
    Ok(Value::from(found.into_iter().map(Value::from).collect::<Vec<_>>()))
}

/// The schema that a relation or a text names.
fn schema_of(value: &Value) -> String {
    match value.downcast_object_ref::<RelationValue>() {
        Some(relation) => relation.relation.schema.clone(),
        None => value.to_string(),
    }
}

/// `adapter`.
#[derive(Debug)]
struct Adapter;

impl Object for Adapter {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "Relation" => Some(Value::from_object(RelationClass)),
            "Column" => Some(Value::from_object(ColumnClass)),
            _ => None,
        }
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::read("adapter's method", args)?;
        let scope = scope(state)?;
        let done = Value::from("");
        let relation = |index, name: &str| relation_of(&arguments.need(index, name)?, &format!("adapter.{method}"));
        match method {
            "dispatch" => super::dbt::dispatch(state, &arguments.text(0, "macro_name")?),
            "type" => Ok(Value::from("duckdb")),
            "is_motherduck" => Ok(Value::from(false)),
            "get_relation" => {
                let (schema, name) = (arguments.text(1, "schema")?, arguments.text(2, "identifier")?);
                find(&scope, &Relation::new(schema, name))
            }
            "get_columns_in_relation" => {
                let found = columns(&scope, &relation(0, "relation")?.relation)?;
                Ok(Value::from(found.into_iter().map(Value::from_object).collect::<Vec<_>>()))
            }
            "get_missing_columns" => {
                let from = columns(&scope, &relation(0, "from_relation")?.relation)?;
                let to = columns(&scope, &relation(1, "to_relation")?.relation)?;
                let is_missing = |column: &RelationColumn| to.iter().all(|known| known.name != column.name);
                Ok(Value::from(from.into_iter().filter(is_missing).map(Value::from_object).collect::<Vec<_>>()))
            }
            "list_relations_without_caching" => {
                schema_relations(&scope, &schema_of(&arguments.need(0, "schema_relation")?))
            }
            "list_relations" => schema_relations(&scope, &arguments.text(1, "schema")?),
            "list_schemas" => {
                let sql = "select schema_name from information_schema.schemata where catalog_name = current_database() \
                           order by schema_name";
                let answer = scope.query(sql)?.unwrap_or_default();
                Ok(Value::from(texts(&answer, 0).into_iter().map(Value::from).collect::<Vec<_>>()))
            }
            "check_schema_exists" => {
                let sql = format!(
                    "select 1 from information_schema.schemata where catalog_name = current_database() and \
                     lower(schema_name) = lower({})",
                    literal(&arguments.text(1, "schema")?)
                );
                let answer = scope.query(&sql)?.unwrap_or_default();
                Ok(Value::from(!answer.rows.is_empty()))
            }
            "already_exists" => {
                let found = find(&scope, &Relation::new(arguments.text(0, "schema")?, arguments.text(1, "name")?))?;
                Ok(Value::from(!found.is_none()))
            }
            "create_schema" | "drop_schema" => {
                let schema = quote(&schema_of(&arguments.need(0, "relation")?));
                let sql = if method == "create_schema" {
                    format!("create schema if not exists {schema}")
                } else {
                    format!("drop schema if exists {schema} cascade")
                };
                scope.query(&sql)?;
                Ok(done)
            }
            "drop_relation" => {
                drop_relation(&scope, &relation(0, "relation")?)?;
                Ok(done)
            }
            "truncate_relation" => {
                scope.query(&format!("truncate {}", relation(0, "relation")?.relation))?;
                Ok(done)
            }
            "rename_relation" => {
                let (from, to) = (relation(0, "from_relation")?, relation(1, "to_relation")?);
                let kind = kind_of(&scope, &from)?.unwrap_or_else(|| "table".into());
                scope.query(&format!("alter {kind} {} rename to {}", from.relation, quote(&to.relation.identifier)))?;
                Ok(done)
            }
            // DuckDB's columns have no widths to extend, and this module caches nothing.
            "expand_target_column_types" | "cache_added" | "cache_dropped" | "cache_renamed" => Ok(done),
            "quote" => Ok(Value::from(quote(&arguments.text(0, "identifier")?))),
            "quote_as_configured" => Ok(Value::from(quote(&arguments.text(0, "identifier")?))),
            "quote_seed_column" => Ok(Value::from(quote(&arguments.text(0, "column")?))),
            "execute" => {
                let answer = scope.query(&arguments.text(0, "sql")?)?.unwrap_or_default();
                let fetched = if arguments.flag(2, "fetch", false) { answer } else { Answer::default() };
                Ok(Value::from(Tuple::from([Value::from("OK"), Value::from_dyn_object(ResultTable::new(&fetched))])))
            }
            "run_sql_for_tests" | "add_query" => {
                scope.query(&arguments.text(0, "sql")?)?;
                Ok(done)
            }
            _ if !scope.setting.execute => Ok(Value::from(())),
            _ => Err(Refusal::new(format!("`adapter.{method}` is not supported"))
                .hint("query the database with `run_query`")
                .into()),
        }
    }
}

fn kind_of(scope: &RenderScope, relation: &RelationValue) -> Result<Option<String>, Error> {
    if relation.kind.is_some() {
        return Ok(relation.kind.clone());
    }
    let found = find(scope, &relation.relation)?;
    Ok(found.downcast_object_ref::<RelationValue>().and_then(|found| found.kind.clone()))
}

/// Drops a table or a view, whichever exists.
pub(super) fn drop_relation(scope: &RenderScope, relation: &RelationValue) -> Result<(), Error> {
    if let Some(kind) = kind_of(scope, relation)? {
        scope.query(&format!("drop {kind} if exists {} cascade", relation.relation))?;
    }
    Ok(())
}

/// `api.Relation`.
#[derive(Debug)]
struct RelationClass;

impl Object for RelationClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            kind @ ("Table" | "View" | "CTE" | "External") => Some(Value::from(kind.to_lowercase())),
            _ => None,
        }
    }

    fn call_method(self: &Arc<Self>, state: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if method != "create" {
            return Err(Error::from(ErrorKind::UnknownMethod));
        }
        let arguments = Arguments::read("api.Relation.create", args)?;
        let own = scope(state)?.names.database.clone();
        if let Some(database) = arguments.get(0, "database").filter(|database| database.as_str() != Some(own.as_str()))
        {
            return Err(Refusal::new(format!("database `{database}` is not attached"))
                .hint("use `target.database`: a project has only one warehouse")
                .into());
        }
        let schema = match arguments.get(1, "schema") {
            Some(schema) => schema.to_string(),
            None => scope(state)?.names.schema.clone(),
        };
        let identifier = arguments.get(2, "identifier").map(|name| name.to_string()).unwrap_or_default();
        let kind = arguments.get(3, "type").map(|kind| kind.to_string());
        Ok(RelationValue::plain(Relation::new(schema, identifier)).of(&scope(state)?.names).of_kind(kind).into())
    }
}

/// A column of a relation.
#[derive(Debug, Clone)]
struct RelationColumn {
    name: String,
    /// DuckDB's type.
    dtype: String,
}

impl RelationColumn {
    fn is(&self, types: &[&str]) -> bool {
        // The whole name, as in dbt: a DECIMAL with its digits does not match.
        types.contains(&self.dtype.to_lowercase().as_str())
    }

    fn is_string(&self) -> bool {
        self.is(&["text", "character varying", "character", "varchar"])
    }

    fn is_integer(&self) -> bool {
        self.is(&[
            "smallint",
            "integer",
            "bigint",
            "tinyint",
            "hugeint",
            "utinyint",
            "usmallint",
            "uinteger",
            "ubigint",
            "int",
        ])
    }

    fn is_float(&self) -> bool {
        self.is(&["float", "double", "real", "double precision"])
    }

    fn is_numeric(&self) -> bool {
        self.is(&["numeric", "decimal"])
    }
}

impl Object for RelationColumn {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "name" | "column" => Value::from(&self.name),
            "quoted" => Value::from(quote(&self.name)),
            "data_type" if self.is_string() => Value::from("character varying(256)"),
            "dtype" | "data_type" => Value::from(&self.dtype),
            "char_size" | "numeric_precision" | "numeric_scale" => Value::from(()),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        Ok(match method {
            "is_string" => Value::from(self.is_string()),
            "is_integer" => Value::from(self.is_integer()),
            "is_float" => Value::from(self.is_float()),
            "is_numeric" => Value::from(self.is_numeric()),
            "is_number" => Value::from(self.is_numeric() || self.is_integer() || self.is_float()),
            "string_size" => Value::from(256),
            "can_expand_to" => Value::from(false),
            "string_type" => match args.first() {
                Some(size) => Value::from(format!("character varying({size})")),
                None => Value::from("character varying"),
            },
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Column {} ({})>", self.name, self.dtype)
    }
}

/// `api.Column`.
#[derive(Debug)]
struct ColumnClass;

impl ColumnClass {
    fn made(args: &[Value]) -> Result<Value, Error> {
        let arguments = Arguments::read("api.Column", args)?;
        let name = arguments.text(0, "column").or_else(|_| arguments.text(0, "name"))?;
        let dtype = arguments.text(1, "dtype").or_else(|_| arguments.text(1, "label_or_dtype"))?;
        Ok(Value::from_object(RelationColumn { name, dtype }))
    }
}

impl Object for ColumnClass {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        Self::made(args)
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "create" => Self::made(args),
            "translate_type" => {
                let dtype = Arguments::read("translate_type", args)?.text(0, "dtype")?;
                Ok(Value::from(if dtype.eq_ignore_ascii_case("string") { "TEXT".to_owned() } else { dtype }))
            }
            "string_type" => match args.first() {
                Some(size) => Ok(Value::from(format!("character varying({size})"))),
                None => Ok(Value::from("character varying")),
            },
            "numeric_type" => {
                let shown: Vec<String> = args.iter().map(ToString::to_string).collect();
                match shown.as_slice() {
                    [dtype, precision, scale] => Ok(Value::from(format!("{dtype}({precision},{scale})"))),
                    _ => Ok(Value::from(shown.into_iter().next().unwrap_or_default())),
                }
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
