//! Which models are published as which tables: the graph's nodes, described for the export.

use std::collections::{BTreeMap, BTreeSet};

use crate::messages;
use crate::run::{PlannedExport, PublishedTable, WarehouseLedger, keys, plan};
use elt_base::error::{Error, Result};
use elt_base::names::folded;
use elt_export;
use elt_export::ledger::Ledger;
use elt_model::{Graph, KnownColumns, Materialized, Node, NodeId};
use elt_project::{
    ConstraintKind, ExportPolicy, ExportProfile, OnContractChange, OnDivergence, OnHazard, RowsOf, TableContract,
    Target,
};
use elt_warehouse::{Columns, Session};

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
    if !keys::exist(session)?
        || session.count("select count(*) from (select 1 from _elt.keys limit 1)").map_err(failed)? == 0
    {
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

/// Adopts the surrogate keys of the target's exports, if any of these nodes uses surrogate keys.
pub fn take_in_keys(
    graph: &Graph,
    nodes: impl IntoIterator<Item = NodeId>,
    target: &Target,
    session: &Session,
    is_rebuilt: bool,
) -> Result<()> {
    if target.exports.is_empty() {
        return Ok(());
    }
    if !nodes.into_iter().any(|id| keys::asks(graph, graph.node(id))) {
        return Ok(());
    }
    target.require(&target.export_parts().collect::<Vec<_>>())?;
    keys::prepare(session)?;
    let store = WarehouseLedger(session);
    let has_keys = session.count("select count(*) from _elt.keys")? > 0;
    for profile in &target.exports {
        let ledger = Ledger::open(&store, &profile.identity())?;
        let known = if has_keys { ledger.current() } else { None };
        if let Some(there) = elt_export::target(&profile.place).keys(known)? {
            keys::take_in(session, &there, is_rebuilt)?;
        }
    }
    Ok(())
}

/// What `check` finds in the planned exports. What several of them find is listed once.
pub fn check_all(
    graph: &Graph,
    exports: &[PlannedExport],
    target: &Target,
    columns: &KnownColumns,
    stands: &Columns,
) -> Vec<Error> {
    let mut errors: Vec<Error> = Vec::new();
    for export in exports {
        let found = check(graph, &export.models, &target.exports[export.index], columns, stands);
        for error in found.err().into_iter().flat_map(Error::split) {
            if !errors.iter().any(|known| known.message() == error.message() && known.causes() == error.causes()) {
                errors.push(error);
            }
        }
    }
    errors
}

/// Checks the models that will be published, before anything is read or built: their tables' names and, as far as the
/// columns are known, their contracts. `columns` are those of the models' queries; `stands` of existing relations.
///
/// # Errors
/// Everything that is wrong with names and contracts, at once.
fn check(
    graph: &Graph,
    exports: &[NodeId],
    profile: &ExportProfile,
    columns: &KnownColumns,
    stands: &Columns,
) -> Result<()> {
    let mut labels: BTreeMap<String, &Node> = BTreeMap::new();
    let mut errors = Vec::new();
    let mut relations = Vec::new();
    for node in exports.iter().map(|id| graph.node(*id)) {
        let label = elt_export::contract::label(&node.relation.identifier, &node.config.export);
        if let Some(other) = labels.insert(folded(&label), node) {
            errors.push(messages::published_twice(&label, (&node.name, node.place()), (&other.name, other.place())));
        }
        if let Some(columns) = published_columns(node, columns, stands) {
            relations.push(relation(node, columns));
        }
    }
    if let Some(error) = Error::many(errors) {
        return Err(error);
    }
    if relations.len() < exports.len() {
        // A key may point to a relation whose columns are not known yet.
        for relation in &mut relations {
            relation.constraints.retain(|constraint| constraint.kind != ConstraintKind::ForeignKey);
        }
    }
    let tables = elt_export::contract::resolve(&relations, &[], profile.policy.on_hazard)?;
    elt_export::target(&profile.place).check(&tables)
}

/// The columns that a relation will have, if its query decides them. A statement after the build may change them.
fn published_columns(node: &Node, columns: &KnownColumns, stands: &Columns) -> Option<Vec<(String, String)>> {
    let mut columns = columns.get(&node.id).filter(|_| node.config.post_hook.is_empty())?.clone();
    if node.config.materialized == Materialized::Incremental {
        // Its table keeps columns that the query no longer returns, and their types.
        let key = (node.relation.schema.to_lowercase(), node.relation.identifier.to_lowercase());
        let mut all = stands.get(&key).cloned().unwrap_or_default();
        columns.retain(|(name, _)| !all.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)));
        all.extend(columns);
        columns = all;
    }
    Some(columns)
}

fn relation(node: &Node, columns: Vec<(String, String)>) -> elt_export::Relation {
    elt_export::Relation {
        model: node.unique_id.clone(),
        name: node.relation.identifier.clone(),
        columns,
        constraints: node.constraints.clone(),
        unique_key: node.config.unique_key.clone(),
        contract: node.table_contract(),
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
            contract: TableContract {
                rows: contract.rows.or(profile.policy.rows),
                on_conflict: contract.on_conflict.or(Some(profile.policy.on_conflict)),
                ..contract
            },
            ..relation(node, columns)
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
