//! `run_query`, `statement` blocks and `load_result`: functions with which templates query the database.

use minijinja::value::{Kwargs, Rest, Value};
use minijinja::{Environment, Error, State};

use super::arguments::Arguments;
use super::refusal::Refusal;
use super::scope::{lock, scope};
use super::table::ResultTable;
use crate::template::Answer;

/// Adds the functions of this file to an environment.
pub(super) fn install(env: &mut Environment<'static>) {
    env.add_function("run_query", run_query);
    env.add_function("statement", statement);
    env.add_function("load_result", load_result);
    env.add_function("store_result", store_result);
    env.add_function("set_sql_header", set_sql_header);
}

fn run_query(state: &mut State, args: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let arguments = Arguments::of("run_query", args, named);
    let sql = arguments.text(0, "sql")?;
    Ok(match scope(state)?.query(&sql)? {
        Some(answer) => Value::from_dyn_object(ResultTable::new(&answer)),
        None => Value::from(()),
    })
}

/// `{% call statement('name', fetch_result=true) %} select … {% endcall %}`.
fn statement(state: &mut State, args: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let arguments = Arguments::of("statement", args, named);
    let sql = called(state, &arguments, "statement")?;
    let scope = scope(state)?;
    let Some(answer) = scope.query(&sql)? else { return Ok(Value::from("")) };
    if let Some(name) = arguments.get(0, "name") {
        let answer = if arguments.flag(1, "fetch_result", false) { answer } else { Answer::default() };
        let table = ResultTable::new(&answer);
        let kept = result(Value::from("OK"), table.data(), Value::from_dyn_object(table));
        lock(&scope.results).insert(name.to_string(), kept);
    }
    Ok(Value::from(""))
}

/// The text in the block of a `{% call … %}`.
fn called(state: &mut State, arguments: &Arguments, function: &str) -> Result<String, Error> {
    let caller = arguments.named.get::<Option<Value>>("caller")?.ok_or_else(|| {
        Refusal::new(format!("`{function}` must be called as a block: `{{% call {function}(…) %}} … {{% endcall %}}`"))
    })?;
    Ok(caller.call(state, &[])?.to_string())
}

fn result(response: Value, data: Value, table: Value) -> Value {
    Value::from_pairs([("response", response), ("data", data), ("table", table)])
}

fn load_result(state: &mut State, name: String) -> Result<Value, Error> {
    Ok(lock(&scope(state)?.results).get(&name).cloned().unwrap_or(Value::from(())))
}

fn store_result(state: &mut State, args: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let arguments = Arguments::of("store_result", args, named);
    let name = arguments.text(0, "name")?;
    let response = arguments.get(1, "response").unwrap_or(Value::from("OK"));
    let table = arguments.get(2, "agate_table").unwrap_or(Value::from(()));
    let data = table.downcast_object::<ResultTable>().map_or_else(|| Value::from(()), |table| table.data());
    lock(&scope(state)?.results).insert(name, result(response, data, table));
    Ok(Value::from(""))
}

/// `{% call set_sql_header(config) %} … {% endcall %}`.
fn set_sql_header(state: &mut State, args: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let arguments = Arguments::of("set_sql_header", args, named);
    let header = called(state, &arguments, "set_sql_header")?;
    lock(&scope(state)?.heard).header = Some(header);
    Ok(Value::from(""))
}
