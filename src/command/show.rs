//! `elt show`: prints rows of one model, data test or query to stdout. Writes nothing to the warehouse.

use std::path::Path;

use arrow::record_batch::RecordBatch;

use crate::messages;
use crate::report::Console;
use crate::report::table::{self, Output};
use crate::run::{SessionHost, plan};
use elt_base::error::{Result, SourceText};
use elt_base::numbers::counted;
use elt_base::schema::quote;
use elt_model::{Compile, Compiled, NodeKind, SourceMap};
use elt_project::{INLINE_PATH, ProjectFile};

use super::workspace::Workspace;
use super::{Common, ShowOptions};

/// The name of the model for a query of the command line.
const INLINE: &str = "inline_query";

pub fn run(common: &Common, options: &ShowOptions, console: &Console) -> Result<bool> {
    let inline = options.inline.as_ref().map(|sql| ProjectFile {
        source: SourceText::new(INLINE_PATH, sql.clone()),
        name: INLINE.into(),
        folders: Vec::new(),
        path: Path::new("").into(),
    });
    let select = match (&inline, options.selection.select.as_slice()) {
        (Some(_), _) => vec![INLINE.to_owned()],
        (None, []) => return Err(messages::show_what()),
        (None, select) => select.to_vec(),
    };
    let workspace = Workspace::open_with(common, console, inline)?;
    let selected = workspace.graph.select(&select, &options.selection.exclude)?;
    let shown: Vec<_> = selected
        .iter()
        .map(|id| workspace.graph.node(id))
        // Selecting a relation also selects its tests. A test is shown only if it is selected alone.
        .filter(|node| !node.kind.is_test() || selected.len() == 1)
        .collect();
    let [node] = shown.as_slice() else {
        return Err(messages::show_one(&shown.iter().map(|node| node.name.as_str()).collect::<Vec<_>>()));
    };
    // The models' own queries read what they read in a build.
    let is_free = options.inline.is_none();
    let opened = match is_free {
        true => workspace.warehouse_read_only()?,
        // It may also show files of the project, which models can read without a source.
        false => {
            let reach = workspace.reach_with_project();
            workspace.warehouse_within(&reach)?
        }
    };
    let warehouse = match opened {
        Some(warehouse) => warehouse,
        None => return Err(messages::no_warehouse(&workspace.target().warehouse)),
    };
    let session = warehouse.session()?;
    let is_relation = matches!(node.kind, NodeKind::Source | NodeKind::Seed);
    let query = if is_relation {
        Compiled {
            sql: format!("select * from {}", node.read_as()),
            map: SourceMap::whole(node.place()),
            header: None,
            keys: Vec::new(),
        }
    } else {
        let host = SessionHost::reading(&session, console);
        workspace.graph.compile(node, &Compile { host: Some(&host), ..Compile::default() })?
    };
    let catalog = session.catalog()?;
    let missing = plan::unmet(&workspace.graph, node.id, &|parent| plan::exists(parent, &catalog));
    if let Some(error) = plan::unmet_error(node, &missing) {
        return Err(error);
    }
    if is_relation && !plan::exists(node, &catalog) {
        let prefix = if node.kind == NodeKind::Source { "source:" } else { "" };
        return Err(messages::never_built(&format!("{prefix}{}", node.display_name())));
    }
    let shown_as = node.described();
    // A text can close the brackets that enclose it, so the whole statement is checked.
    let only_reads = |text: &str| match is_free {
        true => Ok(()),
        false => session.only_reads(text).map_err(|error| messages::show_failed(&shown_as, &error).at(node.place())),
    };
    only_reads(&format!("from (\n{}\n)", query.sql))?;
    // One row more, to know whether there is one.
    let limit = options.limit.map_or(String::new(), |limit| format!("\nlimit {}", limit.saturating_add(1)));
    let statement = match options.output {
        Output::Json => query.within(
            "select to_json(elt_row)::varchar as json from (select * from (\n",
            &format!("\n){limit}) as elt_row"),
        ),
        Output::Table | Output::Csv => {
            // A query that cannot be described cannot run either. Running it reports the error at its place.
            let columns = session.describe(&format!("from (\n{}\n)", query.sql)).unwrap_or_default();
            query.within(&format!("select {} from (\n", shown_columns(&columns)), &format!("\n){limit}"))
        }
    };
    only_reads(&statement.sql)?;
    if let Some(header) = &query.header {
        only_reads(header)?;
        session.execute(header).map_err(|error| messages::header_failed(&node.name, &error).at(node.place()))?;
    }
    let (schema, batches) = session
        .batches(&statement.sql)
        .map_err(|error| messages::show_failed(&shown_as, &error).at_all(statement.places(error.position)))?;
    let (batches, is_cut) = match options.limit {
        Some(limit) => first_rows(&batches, limit),
        None => (batches, false),
    };
    let mut out = table::stdout();
    table::write(&mut out, options.output, &schema, &batches)?;
    if is_cut {
        let rows = counted(options.limit.unwrap_or_default(), "rows");
        console.say(&format!("note: only the first {rows} are shown; `--limit 0` shows all"));
    }
    Ok(true)
}

/// The first `limit` rows, and whether there are more.
fn first_rows(batches: &[RecordBatch], limit: u64) -> (Vec<RecordBatch>, bool) {
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut first = Vec::new();
    for batch in batches {
        let rows = batch.num_rows().min(left);
        first.push(batch.slice(0, rows));
        if rows < batch.num_rows() {
            return (first, true);
        }
        left -= rows;
    }
    (first, false)
}

/// The select list that shows a query's columns. Times with a time zone are cast to DuckDB's text, because Arrow's
/// printer does not know the names of time zones.
fn shown_columns(columns: &[(String, String)]) -> String {
    let zoned = |(_, column_type): &&(String, String)| column_type.contains("WITH TIME ZONE");
    let replaced: Vec<String> =
        columns.iter().filter(zoned).map(|(name, _)| format!("cast({0} as varchar) as {0}", quote(name))).collect();
    if replaced.is_empty() { "*".into() } else { format!("* replace ({})", replaced.join(", ")) }
}
