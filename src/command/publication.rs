//! Which models are published as which tables: the graph's nodes, described for the export.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::export;
use crate::model::{Graph, Materialized, NodeId};
use crate::project::{ExportPolicy, ExportProfile, OnContractChange, OnDivergence};
use crate::run::{PublishedTable, plan};
use crate::warehouse::Session;

use super::BuildOptions;

impl BuildOptions {
    /// What the profile allows, and flags on top.
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

/// The labels of all tables that the target's export selects, whether they are published this time or not.
pub fn labels(graph: &Graph, profile: &ExportProfile) -> Result<BTreeSet<String>> {
    let selected = graph.select(std::slice::from_ref(&profile.select), &[])?;
    Ok(selected
        .iter()
        .map(|id| graph.node(id))
        .filter(|node| node.config.materialized != Materialized::Ephemeral)
        .map(|node| export::contract::label(&node.relation.identifier, &node.config.export))
        .collect())
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
            errors.push(Error::never_built(&node.name));
            continue;
        }
        let columns =
            session.describe(&node.relation.to_string()).map_err(|error| Error::model_failed(&node.name, &error))?;
        relations.push(export::Relation {
            model: node.unique_id.clone(),
            name: node.relation.identifier.clone(),
            columns,
            constraints: node.constraints.clone(),
            unique_key: node.config.unique_key.clone(),
            contract: node.table_contract(),
        });
    }
    if let Some(error) = Error::many(errors) {
        return Err(error);
    }
    let built = session.built()?;
    let tables = export::contract::resolve(&relations, &[], profile.policy.on_hazard)?;
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
        .collect())
}
