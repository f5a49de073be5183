//! Which models are published as which tables: the graph's nodes, described for the export.

use std::collections::BTreeSet;

use crate::messages;
use crate::run::{PublishedTable, WarehouseLedger, keys, plan};
use elt_base::error::{Error, Result};
use elt_export;
use elt_export::ledger::Ledger;
use elt_model::{Graph, Materialized, NodeId};
use elt_project::{ExportPolicy, ExportProfile, OnContractChange, OnDivergence, OnHazard, RowsOf, TableContract};
use elt_warehouse::Session;

use super::BuildOptions;

impl BuildOptions {
    /// The profile's policy, changed by flags.
    pub(super) fn policy(&self, profile: ExportPolicy) -> ExportPolicy {
        let mut policy = ExportPolicy { allow_destructive: self.allow_destructive, ..profile };
        if self.heal {
            policy.on_divergence = OnDivergence::Heal;
        }
        if self.apply {
            policy.on_schema_change = OnContractChange::Apply;
        }
        policy
    }
}

/// The label, in the warehouse's ledger, of the table of surrogate keys.
const KEYS_LABEL: &str = "_elt.keys";
/// The same label, for targets without schemas.
const KEYS_ALONE: &str = "_elt_keys";

/// The labels of all tables that the target's export selects, whether they are published this time or not.
pub fn labels(graph: &Graph, profile: &ExportProfile) -> Result<BTreeSet<String>> {
    let selected = graph.select(std::slice::from_ref(&profile.select), &[])?;
    Ok(selected
        .iter()
        .map(|id| graph.node(id))
        .filter(|node| node.config.materialized != Materialized::Ephemeral)
        .map(|node| elt_export::contract::label(&node.relation.identifier, &node.config.export))
        .chain([KEYS_LABEL.to_owned(), KEYS_ALONE.to_owned()])
        .collect())
}

/// The table of surrogate keys, which is published with the models that use them; None while no key is assigned.
fn keys(profile: &ExportProfile, session: &Session) -> Result<Option<PublishedTable>> {
    let failed = |error| messages::keys_failed("reading the map of surrogate keys", &error);
    let stands = session
        .count(
            "select count(*) from duckdb_tables() where database_name = current_database() \
             and schema_name = '_elt' and table_name = 'keys'",
        )
        .map_err(failed)?;
    if stands == 0 || session.count("select count(*) from (select 1 from _elt.keys limit 1)").map_err(failed)? == 0 {
        return Ok(None);
    }
    let has_schema = elt_export::target(&profile.place).capabilities().has_schemas;
    let columns = [("map", "VARCHAR"), ("natural_key", "VARCHAR"), ("id", "BIGINT"), ("uuid", "UUID")];
    let relation = elt_export::Relation {
        model: "elt.keys".into(),
        name: if has_schema { "keys" } else { KEYS_ALONE }.into(),
        columns: columns.map(|(name, sql)| (name.to_owned(), sql.to_owned())).into(),
        constraints: Vec::new(),
        unique_key: vec!["map".into(), "natural_key".into()],
        contract: TableContract {
            schema: has_schema.then(|| "_elt".into()),
            rows: Some(RowsOf::All),
            ..TableContract::default()
        },
    };
    let mut tables = elt_export::contract::resolve(&[relation], &[], OnHazard::Fail)?;
    let table = tables.pop().map(|mut table| {
        table.unique.push(elt_export::contract::Unique { name: None, columns: vec!["map".into(), "id".into()] });
        table
    });
    Ok(table.map(|table| PublishedTable {
        table,
        relation: "(select _elt_map as map, _elt_key as natural_key, _elt_id as id, _elt_uuid as uuid from _elt.keys)"
            .into(),
        is_stored: true,
        definition: None,
    }))
}

/// Adopts the target's surrogate keys, if any of these nodes uses surrogate keys.
pub fn take_in_keys(
    graph: &Graph,
    nodes: impl IntoIterator<Item = NodeId>,
    profile: Option<&ExportProfile>,
    session: &Session,
    is_rebuilt: bool,
) -> Result<()> {
    let Some(profile) = profile else { return Ok(()) };
    if !nodes.into_iter().any(|id| keys::asks(graph, graph.node(id))) {
        return Ok(());
    }
    keys::prepare(session)?;
    let store = WarehouseLedger(session);
    let ledger = Ledger::open(&store)?;
    let known = if session.count("select count(*) from _elt.keys")? == 0 { None } else { ledger.current() };
    match elt_export::target(&profile.place).keys(known)? {
        Some(there) => keys::take_in(session, &there, is_rebuilt),
        None => Ok(()),
    }
}

/// The models to publish as tables, with their relations, in foreign-key order.
pub fn tables(
    graph: &Graph,
    exports: &[NodeId],
    profile: &ExportProfile,
    session: &Session,
) -> Result<Vec<PublishedTable>> {
    let mut relations = Vec::new();
    let mut errors = Vec::new();
    let catalog = session.catalog()?;
    for id in exports {
        let node = graph.node(*id);
        if !plan::exists(node, &catalog) {
            errors.push(messages::never_built(&node.name));
            continue;
        }
        let columns =
            session.describe(&node.relation.to_string()).map_err(|error| messages::model_failed(&node.name, &error))?;
        let contract = node.table_contract();
        relations.push(elt_export::Relation {
            model: node.unique_id.clone(),
            name: node.relation.identifier.clone(),
            columns,
            constraints: node.constraints.clone(),
            unique_key: node.config.unique_key.clone(),
            contract: TableContract {
                rows: contract.rows.or(profile.policy.rows),
                on_conflict: contract.on_conflict.or(Some(profile.policy.on_conflict)),
                ..contract
            },
        });
    }
    if let Some(error) = Error::many(errors) {
        return Err(error);
    }
    let built = session.built()?;
    let keys = if relations.is_empty() { None } else { keys(profile, session)? };
    let tables = elt_export::contract::resolve(&relations, &[], profile.policy.on_hazard)?;
    Ok(tables
        .into_iter()
        .map(|table| {
            let node = graph.by_unique_id(&table.model);
            PublishedTable {
                table,
                relation: node.map(|node| node.relation.to_string()).unwrap_or_default(),
                definition: node
                    .and_then(|node| built.get(&node.unique_id))
                    .map(|built| built.definition.clone())
                    .filter(|definition| !definition.is_empty()),
                is_stored: node.is_some_and(|node| node.config.materialized != Materialized::View),
            }
        })
        .chain(keys)
        .collect())
}
