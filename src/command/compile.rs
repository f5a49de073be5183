//! `elt compile`: renders the selected models, analyses and data tests to `target/compiled/<project>/`, and checks them
//! against the columns the warehouse knows. Builds nothing.

use crate::report::{Console, short};
use crate::run::{SessionHost, binder, write_compiled};
use elt_base::error::{Error, Result};
use elt_base::numbers::counted;
use elt_model::{Compile, Host, Materialized, NodeKind};
use elt_warehouse::{RelationKind, Warehouse};

use super::workspace::{self, Workspace};
use super::{BuildOptions, Common};

pub fn run(common: &Common, options: &BuildOptions, console: &Console) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    let graph = &workspace.graph;
    let selected = workspace.select(&options.selection, console)?;
    let reach = workspace.reach();
    let warehouse = workspace.warehouse_within(&reach)?;
    let session = warehouse.as_ref().map(Warehouse::session).transpose()?;
    let catalog = workspace::catalog(session.as_ref())?;
    // If nothing has ever been built, templates query an empty database.
    let empty = match session {
        None => Some(Warehouse::in_memory_within(&graph.root, &graph.database, Some(&reach))?.session()?),
        Some(_) => None,
    };
    let host = session.as_ref().or(empty.as_ref()).map(|session| SessionHost::reading(session, console));
    let host = host.as_ref().map(|host| host as &dyn Host);
    let folder = workspace.compiled();
    let mut written = 0;
    let mut errors = Vec::new();
    for id in selected.iter() {
        let node = graph.node(id);
        if !matches!(node.kind, NodeKind::Model | NodeKind::Analysis | NodeKind::Test) {
            continue;
        }
        let stands = catalog.get(&node.relation.schema, &node.relation.identifier) == Some(RelationKind::Table);
        let is_incremental = node.config.materialized == Materialized::Incremental && stands && !options.full_refresh;
        match graph.compile(node, &Compile { is_incremental, batch: None, host }) {
            Ok(compiled) if options.dry_run => drop(compiled),
            Ok(compiled) => {
                write_compiled(&folder, node, &compiled.sql)?;
                written += 1;
            }
            Err(error) => errors.push(error),
        }
    }
    if let Some(error) = Error::many(errors) {
        return Err(error);
    }
    let known = session.as_ref().map_or_else(|| Ok(Default::default()), |session| binder::known(graph, session))?;
    let asked = session.as_ref().or(empty.as_ref());
    let (_, errors) = binder::check(graph, &selected, &known, asked, Some(&reach), console)?;
    if let Some(error) = Error::many(errors) {
        return Err(error);
    }
    console.say(&format!("compiled {} to {}", counted(written, "queries"), short(&folder).display()));
    Ok(true)
}
