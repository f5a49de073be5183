//! Assigns ids to natural keys before the model that looks them up is built.
//!
//! Uses separate transactions, one at a time. An assigned id stays even if the model fails.

use parking_lot::Mutex;

use crate::messages;
use crate::report::Console;
use elt_base::error::Result;
use elt_base::schema::literal;
use elt_export::PublishedKey;
use elt_model::keys::TABLE;
use elt_model::{Compile, Compiler, Graph, Node};
use elt_warehouse::{Session, Warehouse};

use super::host::SessionHost;

/// Two models can request ids of one map at the same time.
static GIVING: Mutex<()> = Mutex::new(());

/// Creates the key map in a warehouse, or in an empty database in which queries are bound.
pub fn prepare(session: &Session) -> Result<()> {
    session.execute(TABLE).map_err(|error| messages::keys_failed("creating the map of surrogate keys", &error))
}

/// Whether the warehouse has the key map.
pub fn exist(session: &Session) -> Result<bool> {
    let count = "select count(*) from duckdb_tables() where database_name = current_database() \
                 and schema_name = '_elt' and table_name = 'keys'";
    let failed = |error| messages::keys_failed("reading the map of surrogate keys", &error);
    Ok(session.count(count).map_err(failed)? > 0)
}

/// Whether a node can use surrogate keys.
pub fn asks(graph: &Graph, node: &Node) -> bool {
    graph.has_word(node, "surrogate_key")
}

/// Copies the ids that exist in the target but not in this warehouse, because another machine or a lost warehouse
/// assigned them. If both have assigned ids, those of the target are kept.
///
/// # Errors
/// Some ids of this warehouse were replaced, and `is_rebuilt` says that the models built with them are not built again:
/// exit code 1. The next run uses the target's ids.
pub fn take_in(session: &Session, keys: &[PublishedKey], is_rebuilt: bool) -> Result<()> {
    let failed = |error| messages::keys_failed("reading the target's surrogate keys", &error);
    session
        .execute(
            "create or replace temp table _elt_keys_there (map varchar, natural_key varchar, id bigint, uuid uuid)",
        )
        .map_err(failed)?;
    let text = |value: &Option<String>| value.as_ref().map_or("null".into(), |value| literal(value));
    for chunk in keys.chunks(1_000) {
        let rows = chunk.iter().map(|key| {
            format!("({}, {}, {}, {})", literal(&key.map), literal(&key.natural_key), text(&key.id), text(&key.uuid))
        });
        let rows = rows.collect::<Vec<_>>().join(", ");
        session.execute(&format!("insert into _elt_keys_there values {rows}")).map_err(failed)?;
    }
    const WRONG: &str = "_elt.keys as ours where exists (select 1 from _elt_keys_there as there where there.map = ours._elt_map \
        and ((there.natural_key = ours._elt_key and (there.id is distinct from ours._elt_id or there.uuid is distinct from ours._elt_uuid)) \
        or (there.id = ours._elt_id and there.natural_key <> ours._elt_key)))";
    let wrong =
        session.rows(&format!("select _elt_map, count(*) from {WRONG} group by all order by all")).map_err(failed)?;
    for statement in [
        "begin".to_owned(),
        format!("delete from {WRONG}"),
        "insert into _elt.keys select map, natural_key, id, uuid, now() from _elt_keys_there as there where not exists \
         (select 1 from _elt.keys where _elt_map = map and _elt_key = natural_key)"
            .into(),
        "commit".into(),
        "drop table _elt_keys_there".into(),
    ] {
        session.execute(&statement).map_err(failed)?;
    }
    let wrong: Vec<(String, String)> = wrong
        .into_iter()
        .filter_map(|row| <[Option<String>; 2]>::try_from(row).ok())
        .filter_map(|[map, count]| Some((map?, count?)))
        .collect();
    if wrong.is_empty() || is_rebuilt { Ok(()) } else { Err(messages::keys_gave_way(&wrong)) }
}

/// The number of ids in a map.
fn count(session: &Session, map: &str) -> Result<u64> {
    let count = format!("select count(*) from _elt.keys where _elt_map = {}", literal(map));
    session.count(&count).map_err(|error| messages::keys_failed("reading the map of surrogate keys", &error))
}

/// Assigns ids to the keys of all relations that a node's query names with `from`.
pub fn give(graph: &Compiler, warehouse: &Warehouse, console: &Console, node: &Node) -> Result<()> {
    if !asks(graph, node) {
        return Ok(());
    }
    let session = warehouse.session()?;
    let host = SessionHost::new(&session, console);
    let query = graph.compile(node, &Compile { host: Some(&host), ..Compile::default() })?;
    if query.keys.is_empty() {
        return Ok(());
    }
    let _one_at_a_time = GIVING.lock();
    for key in &query.keys {
        let is_filled = || graph.nodes().any(|node| node.key_maps.iter().any(|used| used.map == key.map && used.fills));
        if key.from.is_none() && !is_filled() && count(&session, &key.map)? == 0 {
            let filled = graph.nodes().flat_map(|node| &node.key_maps).filter(|used| used.fills);
            return Err(messages::key_map_empty(&key.map, filled.map(|used| used.map.as_str())).at(node.place()));
        }
        let failed = |error| {
            messages::keys_failed(&format!("assigning ids to the keys of `{}`", key.map), &error).at(node.place())
        };
        if session.count(&key.of_other_type()).map_err(failed)? > 0 {
            return Err(messages::key_map_of_other_type(&key.map, key.is_uuid).at(node.place()));
        }
        if let Some(assign) = key.assign() {
            session.execute(&assign).map_err(failed)?;
        }
    }
    Ok(())
}
