//! `elt keys`: lists the maps of surrogate keys, and imports existing ids into one.
//!
//! Shows no key and no id.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::messages;
use crate::report::Console;
use crate::report::table::{self, Output};
use crate::run::keys;
use crate::run::{ImportedKeys, KeyImport};
use elt_base::error::Result;
use elt_base::numbers::thousands;
use elt_model::{Graph, KeyMapUse};

use super::workspace::Workspace;
use super::{Common, KeysOptions};

const COLUMNS: [&str; 6] = ["map", "type", "ids", "last_given_at", "filled_by", "looked_up_by"];

pub fn run(common: &Common, options: &KeysOptions, console: &Console) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    match options {
        KeysOptions::List(output) => list(&workspace, *output, console),
        KeysOptions::Import { map, file, id } => {
            let warehouse = workspace.warehouse()?;
            let session = warehouse.session()?;
            keys::prepare(&session)?;
            let ImportedKeys { added, known } = KeyImport { map, file, id }.run(&session)?;
            let before = if known > 0 { format!("; {} were there before", thousands(known)) } else { String::new() };
            console.say(&format!("imported {} ids into the key map `{map}`{before}", thousands(added)));
            if uses(&workspace.graph, map, |_| true).is_empty() {
                console.say(&format!("no model uses `{map}` yet: `{{{{ elt.surrogate_key('{map}', …) }}}}` does"));
            }
            Ok(true)
        }
    }
}

fn list(workspace: &Workspace, output: Output, console: &Console) -> Result<bool> {
    let failed = |error| messages::keys_failed("reading the map of surrogate keys", &error);
    let graph = &workspace.graph;
    let mut maps: BTreeMap<String, [Value; 3]> = BTreeMap::new();
    for used in graph.nodes().flat_map(|node| &node.key_maps) {
        maps.insert(used.map.clone(), [Value::Null, 0.into(), Value::Null]);
    }
    if let Some(warehouse) = workspace.warehouse_read_only()? {
        let session = warehouse.session()?;
        if keys::exist(&session)? {
            let rows = session
                .rows(
                    "select _elt_map, if(any_value(_elt_uuid) is null, 'integer', 'uuid'), count(*), \
                     strftime(max(_elt_given_at), '%Y-%m-%dT%H:%M:%SZ') from _elt.keys group by all",
                )
                .map_err(failed)?;
            for row in rows {
                let [Some(map), kind, count, at] = <[Option<String>; 4]>::try_from(row).unwrap_or_default() else {
                    continue;
                };
                let count: u64 = count.and_then(|count| count.parse().ok()).unwrap_or(0);
                maps.insert(map, [kind.into(), count.into(), at.into()]);
            }
        }
    }
    if maps.is_empty() {
        console.say("no map of surrogate keys exists: `elt.surrogate_key` in a model creates one");
    }
    let row = |(map, [kind, count, at]): (String, [Value; 3])| {
        let (fills, looks) = (uses(graph, &map, |used| used.fills), uses(graph, &map, |used| !used.fills));
        vec![map.into(), kind, count, at, fills.join(", ").into(), looks.join(", ").into()]
    };
    let rows: Vec<Vec<Value>> = maps.into_iter().map(row).collect();
    if !rows.is_empty() || output != Output::Table {
        table::write_values(&mut table::stdout(), output, &COLUMNS, &rows)?;
    }
    Ok(true)
}

/// The names of the nodes that use a map.
fn uses(graph: &Graph, map: &str, is_meant: impl Fn(&KeyMapUse) -> bool) -> Vec<String> {
    let has = |used: &KeyMapUse| used.map == map && is_meant(used);
    graph.nodes().filter(|node| node.key_maps.iter().any(has)).map(|node| node.name.clone()).collect()
}
