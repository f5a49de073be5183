//! `elt run-operation`: calls a macro of the project. All its statements are one transaction.

use serde_json::{Map, Value};

use crate::messages;
use crate::report::Console;
use crate::run::SessionHost;
use elt_base::error::Result;

use super::workspace::Workspace;
use super::{Common, OperationOptions};

pub fn run(common: &Common, options: &OperationOptions, console: &Console) -> Result<bool> {
    let arguments = arguments(options.args.as_deref())?;
    let workspace = Workspace::open(common, console)?;
    let warehouse = workspace.warehouse()?;
    let session = warehouse.session()?;
    session.begin()?;
    let host = SessionHost::new(&session, console);
    // Without a commit the session rolls back.
    workspace.graph.run_operation(&options.name, &arguments, &host)?;
    session.commit().map_err(|error| messages::operation_commit(&options.name, &error))?;
    Ok(true)
}

/// `--args`: JSON, or the shorter YAML syntax.
fn arguments(text: Option<&str>) -> Result<Map<String, Value>> {
    let Some(text) = text else { return Ok(Map::new()) };
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => Err(messages::args_malformed("it is a single value or a list")),
        Err(cause) => {
            Err(messages::args_malformed(cause.without_snippet().to_string().lines().next().unwrap_or_default()))
        }
    }
}
