//! `elt schema`: prints the fields of loaded collections to stdout, from their censuses. Only reads the warehouse.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use crate::messages;
use crate::report::schema_tree::yaml::{SourceTable, sources_yaml};
use crate::report::schema_tree::{Tree, fields_json, summaries_text, summary_json, tree_text};
use crate::report::{Console, table};
use crate::run::{binder, impact, plan};
use elt_base::error::Result;
use elt_base::path::{Step, steps};
use elt_base::schema::Column;
use elt_model::lineage::Field;
use elt_model::{NodeId, NodeKind};
use elt_warehouse::Session;

use super::workspace::Workspace;
use super::{Common, SchemaOptions, SchemaOutput};

pub fn run(common: &Common, options: &SchemaOptions, console: &Console) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    let warehouse = workspace.warehouse_read_only()?;
    let session = warehouse.as_ref().map(|warehouse| warehouse.session()).transpose()?;
    let loaded = session.as_ref().map(Session::loaded_collections).transpose()?.unwrap_or_default();
    let tables = tables(&workspace, &loaded);
    let mut chosen = Vec::new();
    for written in &options.collections {
        let table = named(written, &tables, &workspace.graph.project)?;
        if !chosen.contains(&table) {
            chosen.push(table);
        }
    }
    let Some(session) = session else { return Err(messages::no_warehouse(&workspace.target().warehouse)) };
    if options.collections.is_empty() {
        chosen = tables.iter().filter(|table| is_loaded(table, &loaded)).collect();
    }
    if chosen.is_empty() {
        return Err(messages::nothing_loaded());
    }
    if let Some(table) = chosen.iter().find(|table| !is_loaded(table, &loaded)) {
        return Err(messages::collection_never_loaded(&shown(table)));
    }
    let text = text(&workspace, &session, &chosen, options)?;
    table::stdout().write_all(text.as_bytes()).map_err(|cause| messages::output(&cause))?;
    Ok(true)
}

fn text(workspace: &Workspace, session: &Session, chosen: &[&SourceTable], options: &SchemaOptions) -> Result<String> {
    if options.output == SchemaOutput::Yaml {
        let mut chosen = chosen.to_vec();
        chosen.sort_by(|one, other| one.source.cmp(&other.source));
        let columns = chosen.iter().map(|table| columns(session, table)).collect::<Result<Vec<_>>>()?;
        let pairs: Vec<_> = chosen.into_iter().zip(columns.iter().map(Vec::as_slice)).collect();
        return Ok(sources_yaml(&pairs));
    }
    let mut trees = chosen.iter().map(|table| tree(session, table)).collect::<Result<Vec<_>>>()?;
    if !options.collections.is_empty() {
        reaches(workspace, session, chosen, &mut trees)?;
    }
    let lines = |objects: Vec<serde_json::Value>| objects.iter().map(|object| format!("{object}\n")).collect();
    Ok(match (options.output, options.collections.is_empty()) {
        (SchemaOutput::Json, true) => lines(trees.iter().map(summary_json).collect()),
        (SchemaOutput::Json, false) => lines(trees.iter().flat_map(fields_json).collect()),
        (_, true) => summaries_text(&trees),
        (_, false) => trees.iter().map(tree_text).collect::<Vec<_>>().join("\n"),
    })
}

fn tree(session: &Session, table: &SourceTable) -> Result<Tree> {
    let SourceTable { source, collection, .. } = table;
    let loaded = session.loaded(source, collection)?.ok_or_else(|| messages::collection_never_loaded(&shown(table)))?;
    let censuses = session.censuses(source, collection, &loaded)?;
    Ok(Tree::new(shown(table), &loaded.columns, &censuses))
}

/// Adds to each changed path the columns that it reaches.
fn reaches(workspace: &Workspace, session: &Session, chosen: &[&SourceTable], trees: &mut [Tree]) -> Result<()> {
    let graph = &workspace.graph;
    let node = |table: &SourceTable| {
        let mut sources = graph.nodes().filter(|node| node.kind == NodeKind::Source);
        let node = sources.find(|node| node.source_name.as_ref() == Some(&table.source) && node.name == table.table);
        node.map(|node| node.id)
    };
    let changed = chosen.iter().zip(trees.iter()).filter(|(_, tree)| tree.changes() > 0);
    let sources: BTreeSet<NodeId> = changed.filter_map(|(table, _)| node(table)).collect();
    if sources.is_empty() {
        return Ok(());
    }
    let everything = graph.select(&[], &[])?;
    let exports = plan::exported(graph, &everything, workspace.target())?;
    let mut known = binder::known(graph, session)?;
    for (table, tree) in chosen.iter().zip(trees.iter()) {
        let Some(columns) = node(table).and_then(|id| known.get_mut(&id)) else { continue };
        // With the columns that are gone, so that queries that still read them can be bound.
        for field in tree.fields.iter().filter(|field| !field.stands()) {
            if let Step::Key(name) = &field.step
                && !columns.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                columns.push((name.clone(), "VARCHAR".into()));
            }
        }
    }
    let lineage = impact::lineage(graph, &everything, &sources, &known)?;
    for (table, tree) in chosen.iter().zip(trees) {
        let Some(node) = node(table).filter(|id| sources.contains(id)) else { continue };
        let mut said = BTreeMap::new();
        tree.walk(&mut |field, _| {
            if !field.changes.is_empty() {
                let field_of = Field { node, path: steps(&field.path) };
                let words = impact::words(&lineage, &field_of, &exports);
                said.extend(words.map(|words| (field.path.clone(), words)));
            }
        });
        tree.reaches = said;
    }
    Ok(())
}

fn columns(session: &Session, table: &SourceTable) -> Result<Vec<Column>> {
    let loaded = session.loaded(&table.source, &table.collection)?;
    Ok(loaded.map(|loaded| loaded.columns).unwrap_or_default())
}

/// The source tables of the project, and the loaded tables that the project no longer contains.
fn tables(workspace: &Workspace, loaded: &[(String, String)]) -> Vec<SourceTable> {
    let sources = workspace.graph.nodes().filter(|node| node.kind == NodeKind::Source);
    let mut tables: Vec<SourceTable> = sources
        .map(|node| SourceTable {
            source: node.source_name.clone().unwrap_or_default(),
            schema: node.relation.schema.clone(),
            table: node.name.clone(),
            collection: node.collection.clone().unwrap_or_else(|| node.name.clone()),
        })
        .collect();
    for (source, collection) in loaded {
        if !tables.iter().any(|table| table.source == *source && table.collection == *collection) {
            tables.push(SourceTable {
                source: source.clone(),
                schema: source.clone(),
                table: collection.clone(),
                collection: collection.clone(),
            });
        }
    }
    tables.sort_by_key(shown);
    tables
}

/// The table for `source.table` or for a table's name alone. Also accepts a selector as `elt ls` prints it.
fn named<'t>(written: &str, tables: &'t [SourceTable], project: &str) -> Result<&'t SourceTable> {
    let name = written.strip_prefix("source:").unwrap_or(written);
    let short = name.strip_prefix(project).and_then(|name| name.strip_prefix('.')).unwrap_or(name);
    for name in [name, short] {
        if let Some(table) = tables.iter().find(|table| shown(table) == name) {
            return Ok(table);
        }
    }
    let alike: Vec<&SourceTable> = tables.iter().filter(|table| table.table == name).collect();
    match alike.as_slice() {
        [table] => Ok(table),
        [] => {
            let names: Vec<String> = tables.iter().flat_map(|table| [shown(table), table.table.clone()]).collect();
            Err(messages::table_unknown(name, names.iter().map(String::as_str)))
        }
        several => {
            Err(messages::collection_of_several(name, &several.iter().map(|table| shown(table)).collect::<Vec<_>>()))
        }
    }
}

fn is_loaded(table: &SourceTable, loaded: &[(String, String)]) -> bool {
    loaded.iter().any(|(source, collection)| *source == table.source && *collection == table.collection)
}

/// The name that people use for it.
fn shown(table: &SourceTable) -> String {
    format!("{}.{}", table.source, table.table)
}
