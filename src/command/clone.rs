//! `elt clone`: copies relations from another target's warehouse into the warehouse of this target, so that people can
//! work without that target's servers.
//!
//! Reads the other file and never writes it. Views are copied as tables, and the next run turns them into views again.

use crate::messages;
use crate::report::{Console, Status};
use crate::run::{NodeResult, stage};
use elt_base::cancel::Cancel;
use elt_base::error::Result;
use elt_base::numbers::counted;
use elt_model::{Existing, Materialized, Node, NodeKind, drop_existing};
use elt_project::{Project, Wanted};
use elt_warehouse::{RelationKind, Session};

use super::workspace::{self, Workspace};
use super::{CloneOptions, Common};

pub fn run(common: &Common, options: &CloneOptions, console: &Console, cancel: &Cancel) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    let target = workspace.target();
    if options.from == target.name {
        return Err(messages::clone_onto_itself(&target.name));
    }
    let environment = &workspace.project.environment;
    let wanted = Wanted { target: Some(&options.from), ..workspace::wanted(common, Default::default()) };
    let other = Project::target(&common.project_dir, &wanted, environment)?;
    if !other.warehouse.exists() {
        return Err(messages::no_warehouse(&other.warehouse));
    }
    let selected = workspace.select(&options.selection, console)?;
    let warehouse = workspace.warehouse()?;
    let session = warehouse.session()?;
    let catalog = session.catalog()?;
    let has_relation = |node: &Node| {
        (node.kind == NodeKind::Source || node.kind.is_referable())
            && node.config.materialized != Materialized::Ephemeral
    };
    let nodes: Vec<&Node> =
        selected.iter().map(|id| workspace.graph.node(id)).filter(|node| has_relation(node)).collect();
    session.create_schemas(nodes.iter().map(|node| node.relation.schema.as_str()))?;
    session.attach_other(&other.warehouse).map_err(|error| messages::clone_unreadable(&other.warehouse, &error))?;
    let (mut copied, mut kept, mut missing) = (0, 0, 0);
    let mut ok = true;
    for node in nodes {
        cancel.check()?;
        let mut result = NodeResult::new(stage(node), &node.unique_id, node.display_name(), Status::Success);
        // The other target's models can be in another schema.
        let schema = match node.relation.schema.strip_prefix(target.schema.as_str()) {
            Some(rest) if node.kind != NodeKind::Source => format!("{}{rest}", other.schema),
            _ => node.relation.schema.clone(),
        };
        let stands = catalog.get(&node.relation.schema, &node.relation.identifier);
        let outcome = if stands.is_some() && !options.full_refresh {
            kept += 1;
            result.status = Status::Skipped;
            result.note = "already exists".into();
            Ok(None)
        } else if !session.is_in_other(&schema, &node.relation.identifier)? {
            missing += 1;
            result.status = Status::Skipped;
            result.note = format!("not in the warehouse of `{}`", options.from);
            Ok(None)
        } else {
            copy(&session, node, &schema, stands)
        };
        match outcome {
            Ok(Some(rows)) => {
                copied += 1;
                result.amount = Some((rows, "rows"));
                result.note = "cloned".into();
            }
            Ok(None) => {}
            Err(error) => {
                ok = false;
                session.rollback();
                result.status = Status::Error;
                console.error(&error);
            }
        }
        console.line(&result.line());
    }
    session.detach_other()?;
    let mut said = vec![format!("cloned {} from `{}`", counted(copied, "relations"), options.from)];
    for (count, what) in [(kept, "already exist (`--full-refresh` replaces them)"), (missing, "not found")] {
        if count > 0 {
            said.push(format!("{count} {what}"));
        }
    }
    console.say(&said.join(", "));
    Ok(ok)
}

fn copy(session: &Session, node: &Node, schema: &str, stands: Option<RelationKind>) -> Result<Option<u64>> {
    let failed = |error| messages::clone_failed(&node.display_name(), &error);
    session.begin()?;
    if stands == Some(RelationKind::View)
        && let Some(statement) = drop_existing(&node.relation, Existing::View)
    {
        session.execute(&statement).map_err(failed)?;
    }
    let rows =
        session.copy_from_other(schema, &node.relation.identifier, &node.relation.to_string()).map_err(failed)?;
    // The previous relation was built from something else.
    session.forget_built(&node.unique_id).map_err(failed)?;
    session.commit().map_err(failed)?;
    Ok(Some(rows))
}
