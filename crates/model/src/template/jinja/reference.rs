//! `ref` and `source`: they record a call and return its relation.

use minijinja::value::{Kwargs, Rest, Value};
use minijinja::{Error, State};

use super::refusal::Refusal;
use super::relation_value::RelationValue;
use super::scope::{RenderScope, lock, scope};
use crate::graph::{Call, Relation};

fn text_args(function: &str, args: &[Value]) -> Result<Vec<String>, Error> {
    args.iter()
        .map(|arg| {
            arg.as_str()
                .map(str::to_owned)
                .ok_or_else(|| Refusal::new(format!("`{function}` needs names as text, not `{}`", arg.kind())).into())
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
        _ => return Err(Refusal::new("write `ref` with a model's name, or with a package and a model's name").into()),
    };
    mention(&scope, Call::Ref(name.clone()))
}

pub(super) fn jinja_source(state: &mut State, args: Rest<Value>) -> Result<Value, Error> {
    let scope = scope(state)?;
    let names = text_args("source", &args.0)?;
    match names.as_slice() {
        [source, table] => mention(&scope, Call::Source(source.clone(), table.clone())),
        _ => {
            Err(Refusal::new("write `source` with a source's and a table's name: `source('loans', 'customers')`")
                .into())
        }
    }
}

/// Records a call and returns its relation.
fn mention(scope: &RenderScope, call: Call) -> Result<Value, Error> {
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
        return Err(Refusal::new(format!("`{described}` does not exist in this project")).into());
    };
    if scope.setting.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&target.id)) {
        return Err(Refusal::new(format!("`{described}` was not found while the project was parsed"))
            .hint(format!("write it outside of the condition, too: `-- depends_on: {{{{ {described} }}}}`"))
            .into());
    }
    let is_unit_test = scope.setting.overrides.is_some();
    let shown = match (&target.cte, &target.external) {
        // The relation contains a unit test's rows.
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
