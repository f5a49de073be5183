//! `elt lineage`: prints the origins and the uses of a column to stdout. Builds nothing.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::{Value, json};

use crate::messages;
use crate::report::lineage_tree::{Branch, columns_text, tree_text};
use crate::report::{Console, table};
use crate::run::{binder, plan};
use elt_base::error::Result;
use elt_base::path::{Step, steps};
use elt_model::lineage::{Field, How, Lineage, OutputColumns, path_text, same_step};
use elt_model::{Graph, KnownColumns, Node, NodeId, NodeKind, missing_field};
use elt_warehouse::Warehouse;

use super::workspace::Workspace;
use super::{Common, LineageOptions};

pub fn run(common: &Common, options: &LineageOptions, console: &Console) -> Result<bool> {
    let workspace = Workspace::open(common, console)?;
    let graph = &workspace.graph;
    let (node, path) = named(graph, &options.of)?;
    let mut around = graph.ancestors(node.id);
    around.insert(node.id);
    around.extend(graph.descendants(node.id));
    // A downstream column can also be computed from nodes that are not upstream of this node.
    let all: BTreeSet<NodeId> =
        around.iter().flat_map(|id| graph.ancestors(*id)).chain(around.iter().copied()).collect();
    let reach = workspace.reach();
    let known = {
        let warehouse = workspace.warehouse_read_only()?;
        let session = warehouse.as_ref().map(Warehouse::session).transpose()?;
        session.as_ref().map_or_else(|| Ok(KnownColumns::new()), |session| binder::known(graph, session))?
    };
    let mut selection = workspace.graph.select(&[], &[])?;
    selection.retain(|id| all.contains(&id) && !graph.node(id).kind.is_test());
    let (mut columns, checked, _) = binder::examine(graph, &selection, known, None, Some(&reach))?;
    columns.extend(checked.columns);
    let lineage = binder::lineage(graph, around, &columns, Some(&reach))?;
    let exports = plan::exported(graph, &workspace.graph.select(&[], &[])?, workspace.target())?;
    let look = Look { lineage: &lineage, known: &columns, exports: &exports, conditions: options.conditions };
    let field = look.field(node, path)?;
    let text = match (field, options.json) {
        (Some(field), true) => format!("{}\n", look.object(&field)),
        (Some(field), false) => look.text(&field),
        (None, as_json) => look.model(node, as_json)?,
    };
    table::stdout().write_all(text.as_bytes()).map_err(|cause| messages::output(&cause))?;
    Ok(true)
}

/// The node that the argument names, and the path inside it: a model, seed or snapshot by its name, or a source's
/// table.
fn named<'g>(graph: &'g Graph, written: &str) -> Result<(&'g Node, Vec<Step>)> {
    let text = written.strip_prefix("source:").unwrap_or(written);
    let is_source = text.len() < written.len();
    let short = text.strip_prefix(graph.project.as_str()).and_then(|rest| rest.strip_prefix('.'));
    for text in [Some(text), short].into_iter().flatten() {
        let path = steps(text);
        let key = |at: usize| match path.get(at) {
            Some(Step::Key(key)) => key.as_str(),
            _ => "",
        };
        if let Some(node) = graph.by_name(key(0)).filter(|_| !is_source) {
            return Ok((node, path[1..].to_vec()));
        }
        let mut sources = graph.nodes().filter(|node| node.kind == NodeKind::Source);
        let is_meant = |node: &&Node| node.source_name.as_deref() == Some(key(0)) && node.name == key(1);
        if let Some(node) = sources.find(is_meant) {
            return Ok((node, path[2..].to_vec()));
        }
        let alone: Vec<&Node> =
            graph.nodes().filter(|node| node.kind == NodeKind::Source && node.name == key(0)).collect();
        if let [node] = alone.as_slice() {
            return Ok((node, path[1..].to_vec()));
        }
    }
    let known = graph.nodes().filter(|node| node.kind.is_referable() || node.kind == NodeKind::Source);
    let known: Vec<String> = known.map(Node::display_name).collect();
    let start: Vec<&str> = text.split('.').collect();
    let name = if start.len() > 1 && known.iter().any(|name| name.starts_with(&format!("{}.", start[0]))) {
        start[..2].join(".")
    } else {
        start[0].to_owned()
    };
    Err(messages::lineage_unknown(&name, known.iter().map(String::as_str)))
}

struct Look<'a> {
    lineage: &'a Lineage<'a>,
    known: &'a KnownColumns,
    exports: &'a [NodeId],
    conditions: bool,
}

impl Look<'_> {
    fn graph(&self) -> &Graph {
        self.lineage.graph()
    }

    fn names(&self, node: NodeId) -> Option<Vec<&str>> {
        match (self.lineage.columns(node), self.known.get(&node)) {
            (Some(columns), _) => Some(columns.names.iter().map(String::as_str).collect()),
            (None, Some(columns)) => Some(columns.iter().map(|(name, _)| name.as_str()).collect()),
            _ => None,
        }
    }

    /// The field of a path, with the real spelling of its column; None for the whole node.
    fn field(&self, node: &Node, mut path: Vec<Step>) -> Result<Option<Field>> {
        let Some(names) = self.names(node.id) else {
            let sources = self.graph().ancestors(node.id).into_iter().chain([node.id]);
            let missing =
                sources.filter(|id| self.graph().node(*id).kind == NodeKind::Source && !self.known.contains_key(id));
            let missing: Vec<String> = missing.map(|id| self.graph().node(id).display_name()).collect();
            return Err(messages::columns_unknown(&node.display_name(), &missing));
        };
        let Some(first) = path.first_mut() else { return Ok(None) };
        match names.iter().find(|name| same_step(&Step::Key((**name).to_owned()), first)) {
            Some(name) => *first = Step::Key((*name).to_owned()),
            None => {
                let written = path_text(std::slice::from_ref(first));
                return Err(messages::column_unknown(&node.display_name(), &written, names));
            }
        }
        let types = self.known.get(&node.id).map(Vec::as_slice).unwrap_or_default();
        let column = types.iter().find(|(name, _)| same_step(&Step::Key(name.clone()), &path[0]));
        if let Some((at, names)) = column.and_then(|(_, sql)| missing_field(sql, &path[1..])) {
            let (mut above, written) = (node.display_name(), path_text(&path[at + 1..at + 2]));
            path[..=at].iter().for_each(|step| step.push(&mut above));
            return Err(messages::column_unknown(&above, &written, names.iter().map(String::as_str)));
        }
        Ok(Some(Field { node: node.id, path }))
    }

    fn shown(&self, field: &Field) -> String {
        let name = self.graph().node(field.node).display_name();
        let mut text = name;
        field.path.iter().for_each(|step| step.push(&mut text));
        text
    }

    fn is_exported(&self, field: &Field) -> bool {
        self.exports.contains(&field.node)
    }

    fn note(&self, field: &Field, how: How) -> String {
        let exposed = self.graph().children(field.node).filter(|child| child.kind == NodeKind::Exposure);
        let exposed = exposed.map(|exposure| format!("read by exposure `{}`", exposure.name));
        let decides = (how == How::Decides).then(|| match field.path.is_empty() {
            true => "decides its rows".to_owned(),
            false => "decides".to_owned(),
        });
        let inexact = self.lineage.columns(field.node).and_then(|columns| columns.inexact.as_ref());
        let inexact = inexact.map(|cause| format!("not exact: {cause}"));
        let exported = self.is_exported(field).then(|| "exported".to_owned());
        decides.into_iter().chain(exported).chain(exposed).chain(inexact).collect::<Vec<_>>().join(", ")
    }

    fn branches(&self, field: &Field, is_up: bool, seen: &mut BTreeSet<Field>) -> Vec<Branch> {
        let mut next: Vec<(Field, How)> = match (is_up, field.path.is_empty()) {
            (_, true) => Vec::new(),
            (true, _) => self.lineage.above(field).into_iter().collect(),
            (false, _) => self.lineage.below(field).into_iter().collect(),
        };
        if is_up
            && self.conditions
            && let Some(columns) = self.lineage.columns(field.node)
        {
            let known: BTreeSet<Field> = next.iter().map(|(field, _)| field.clone()).collect();
            next.extend(columns.rows.iter().filter(|row| !known.contains(row)).map(|row| (row.clone(), How::Decides)));
        }
        next.retain(|(_, how)| self.conditions || *how != How::Decides);
        next.sort_by_key(|(_, how)| *how == How::Decides);
        let branch = |(next, how): (Field, How), seen: &mut BTreeSet<Field>| {
            let is_new = seen.insert(next.clone());
            // Deciding fields are shown, but not followed: nearly every field decides something.
            let below = if is_new && how != How::Decides { self.branches(&next, is_up, seen) } else { Vec::new() };
            Branch { name: self.shown(&next), note: self.note(&next, how), below }
        };
        next.into_iter().map(|one| branch(one, seen)).collect()
    }

    fn text(&self, field: &Field) -> String {
        let up = self.branches(field, true, &mut BTreeSet::new());
        let down = self.branches(field, false, &mut BTreeSet::new());
        let mut text = tree_text(&self.shown(field), &self.note(field, How::Copied), &up, &down);
        let is_made = self.lineage.columns(field.node).is_some();
        if up.is_empty() && is_made {
            text.push_str("  computed from no column: it is a constant or a count of rows\n");
        }
        if down.is_empty() && !is_made {
            text.push_str(match self.lineage.below(field).is_empty() {
                true => "  no model reads it\n",
                false => {
                    "  no column is computed from it, but it decides which rows exist: `--conditions` shows where\n"
                }
            });
        }
        let deciding = self.lineage.columns(field.node).map_or(0, |columns| columns.rows.len());
        if !self.conditions && deciding > 0 {
            let verb = if deciding == 1 { "decides" } else { "decide" };
            let said = elt_base::numbers::counted(deciding as u64, "columns");
            text.push_str(&format!("  {said} {verb} which rows exist: `--conditions` shows them\n"));
        }
        text
    }

    fn object(&self, field: &Field) -> Value {
        json!({
            "field": self.shown(field),
            "exported": self.is_exported(field),
            "upstream": self.objects(field, true, &mut BTreeSet::new()),
            "downstream": self.objects(field, false, &mut BTreeSet::new()),
        })
    }

    /// JSON contains every field with its role. Fields that only decide rows are not followed further.
    fn objects(&self, field: &Field, is_up: bool, seen: &mut BTreeSet<Field>) -> Vec<Value> {
        let next = match is_up {
            true => self.lineage.above(field),
            false => self.lineage.below(field),
        };
        let mut objects = Vec::new();
        for (next, how) in next {
            let node = self.graph().node(next.node);
            let further = how != How::Decides && seen.insert(next.clone());
            let below = if further { self.objects(&next, is_up, seen) } else { Vec::new() };
            let name = if is_up { "upstream" } else { "downstream" };
            let columns = self.lineage.columns(next.node);
            let mut object = json!({
                "field": self.shown(&next),
                "node": node.unique_id,
                "path": next.text(),
                "how": how_name(how),
                "exported": self.is_exported(&next),
                "exact": columns.is_none_or(|columns| columns.inexact.is_none()),
            });
            object[name] = below.into();
            objects.push(object);
        }
        objects
    }

    /// All columns of a node, each with the source fields that it is computed from.
    fn model(&self, node: &Node, as_json: bool) -> Result<String> {
        let names = self.names(node.id).unwrap_or_default();
        let mut lines = Vec::new();
        for name in names {
            let field = Field::column(node.id, name);
            let is_made = self.lineage.columns(node.id).is_some();
            let ends = if is_made { self.lineage.origins(&field) } else { self.lineage.reached(&field) };
            let ends: Vec<String> = ends.iter().map(|field| self.shown(field)).collect();
            lines.push((name.to_owned(), ends));
        }
        if as_json {
            let is_made = self.lineage.columns(node.id).is_some();
            let key = if is_made { "origins" } else { "reaches" };
            let line = |(name, ends): &(String, Vec<String>)| {
                let mut object = json!({ "node": node.unique_id, "column": name });
                object[key] = json!(ends);
                format!("{object}\n")
            };
            return Ok(lines.iter().map(line).collect());
        }
        let inexact = self.lineage.columns(node.id).and_then(|columns: &OutputColumns| columns.inexact.clone());
        let note = inexact.map(|cause| format!("not exact: {cause}"));
        let is_made = self.lineage.columns(node.id).is_some();
        Ok(columns_text(&node.display_name(), note.as_deref(), is_made, &lines))
    }
}

fn how_name(how: How) -> &'static str {
    match how {
        How::Copied => "copied",
        How::Computed => "computed",
        How::Decides => "decides",
    }
}
