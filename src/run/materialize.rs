//! Creates the relation of one node within the caller's transaction: view, table, incremental table or seed.
//!
//! Runs the SQL of `model`. Commits nothing.

use crate::messages;
use crate::report::Console;
use elt_base::error::{Error, Result};
use elt_base::schema::{literal, quote};
use elt_base::sql_error::SqlError;
use elt_model::{
    Compile, Compiled, Compiler, Contract, Deletes, Existing, Incremental, Key, Materialized, Node, Relation,
    SchemaChange, Strategy, children_only, create_table, create_view, doubled_keys, drop_existing, duplicate_keys,
    sweep,
};
use elt_warehouse::{Catalog, RelationKind, Session};

use super::host::SessionHost;
use super::statement::{execute, model_error};

/// A relation that was created.
pub struct Built {
    /// The rows of the relation, or the rows that an incremental run wrote; None for views.
    pub rows: Option<u64>,
    /// The kind of relation, and other useful details.
    pub note: String,
    /// The rendered query.
    pub compiled: String,
}

/// Builds a model. `full_refresh` is the command's flag. The model's own configuration takes precedence over it.
pub fn model(
    session: &Session,
    console: &Console,
    graph: &Compiler,
    node: &Node,
    catalog: &Catalog,
    full_refresh: bool,
) -> Result<Built> {
    let existing = existing(node, catalog);
    let refresh = node.config.full_refresh.unwrap_or(full_refresh);
    let materialized = node.config.materialized;
    let host = SessionHost::new(session, console);
    let how = Compile {
        host: Some(&host),
        is_incremental: materialized == Materialized::Incremental && existing == Existing::Table && !refresh,
        batch: None,
    };
    let query = graph.compile(node, &how)?;
    let (before, after) = graph.hooks(node, &how)?;
    hooks(session, node, &before)?;
    if let Some(header) = &query.header {
        session.execute(header).map_err(|error| messages::header_failed(&node.name, &error).at(node.place()))?;
    }
    let mut built = if how.is_incremental {
        incremental(session, graph, node, &query, &how)?
    } else {
        let wanted = if materialized == Materialized::View { Existing::View } else { Existing::Table };
        if existing != wanted
            && let Some(statement) = drop_existing(&node.relation, existing)
        {
            session.execute(&statement)?;
        }
        if wanted == Existing::View {
            contract(session, node, &query)?;
            execute(session, node, &create_view(&node.relation, &query))?;
            Built { rows: None, note: "view".into(), compiled: String::new() }
        } else {
            create(session, graph, node, &query)?;
            if materialized == Materialized::Incremental && node.config.incremental_strategy != Strategy::Append {
                // As strict as later runs, because a duplicate key would stay in the table for ever.
                single_keys(session, node, &node.relation)?;
            }
            let note = if materialized == Materialized::Incremental { "incremental, built in full" } else { "table" };
            Built { rows: Some(count(session, node)?), note: note.into(), compiled: String::new() }
        }
    };
    hooks(session, node, &after)?;
    built.compiled = query.sql;
    Ok(built)
}

/// Rejects rows whose `unique_key` is not unique. Returns the columns of `rows`.
fn single_keys(session: &Session, node: &Node, rows: &Relation) -> Result<Vec<(String, String)>> {
    let columns = session.describe(&rows.to_string())?;
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    if let Some(key) = Key::of(&node.name, &node.config, &names).map_err(|error| error.at(node.place()))?
        && let Some((keys, shown)) = counted_keys(session, &key.duplicates(rows))?
    {
        return Err(duplicate_keys(&node.name, key, keys, &shown).at(node.place()));
    }
    Ok(columns)
}

/// The result of a query such as `Key::duplicates`: the number of bad keys and the text beside it; None for 0.
fn counted_keys(session: &Session, sql: &str) -> Result<Option<(u64, String)>, SqlError> {
    let mut row = session.rows(sql)?.into_iter().next().unwrap_or_default().into_iter();
    let keys = row.next().flatten().and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok((keys > 0).then(|| (keys, row.next().flatten().unwrap_or_default())))
}

pub(super) fn hooks(session: &Session, node: &Node, statements: &[String]) -> Result<()> {
    for statement in statements {
        session.execute(statement).map_err(|error| messages::hook_failed(&node.name, &error).at(node.place()))?;
    }
    Ok(())
}

/// Adds new rows to an existing table.
pub(super) fn incremental(
    session: &Session,
    graph: &Compiler,
    node: &Node,
    query: &Compiled,
    how: &Compile<'_>,
) -> Result<Built> {
    let batch = how.batch;
    let staged = Incremental::staged(&node.relation);
    let stage = Incremental::stage(&staged, query);
    execute(session, node, &stage).map_err(|error| with_variants(session, node, query, error))?;
    let columns = &[];
    let parents =
        Incremental { target: &node.relation, staged: &staged, config: &node.config, columns, batch }.clear_parents();
    for statement in parents {
        session.execute(&statement).map_err(|error| model_error(node, &stage, &error))?;
    }
    let new = single_keys(session, node, &staged)?;
    let old = session.describe(&node.relation.to_string())?;
    let change = SchemaChange::plan(&node.name, &node.relation, &old, &new, node.config.on_schema_change)
        .map_err(|error| error.at(node.place()))?;
    let failed = |error| model_error(node, &stage, &error);
    for statement in &change.statements {
        session.execute(statement).map_err(failed)?;
    }
    let run =
        Incremental { target: &node.relation, staged: &staged, config: &node.config, columns: &change.columns, batch };
    if let Some((key, sql)) = run.doubled()
        && let Some((keys, shown)) = counted_keys(session, &sql).map_err(failed)?
    {
        return Err(doubled_keys(&node.name, key, keys, &shown).at(node.place()));
    }
    let mut rows = 0;
    for statement in run.statements() {
        // The last statement writes the rows.
        rows = session.change(&statement).map_err(failed)?;
    }
    let mut note = "incremental".to_owned();
    if !change.changes.is_empty() {
        note = format!("{note}, {}", change.changes.join(", "));
    }
    let is_swept = node.config.deletes == Deletes::Sweep;
    if is_swept
        && let Some(statement) =
            sweep(&node.relation, &node.config, &graph.compile(node, &Compile { is_incremental: false, ..*how })?)
    {
        let gone = session.change(&statement.sql).map_err(|error| model_error(node, &statement, &error))?;
        if gone > 0 {
            note = format!("{note}, {} gone", elt_base::numbers::thousands(gone));
        }
    }
    session.execute(&Incremental::unstage(&staged))?;
    references(session, graph, node)?;
    Ok(Built { rows: Some(rows), note, compiled: String::new() })
}

/// Creates or replaces a model's table, with its constraints if its contract is enforced.
pub(super) fn create(session: &Session, graph: &Compiler, node: &Node, query: &Compiled) -> Result<()> {
    let children = children_only(&node.config, query);
    let query = children.as_ref().unwrap_or(query);
    let Some(enforced) = Contract::of(node) else {
        let created = execute(session, node, &create_table(&node.relation, query));
        return created.map_err(|error| with_variants(session, node, query, error));
    };
    contract(session, node, query)?;
    session.execute(&enforced.create()).map_err(|error| {
        let place = node.patch.clone().unwrap_or_else(|| node.place());
        messages::model_failed(&node.name, &error).at(place)
    })?;
    execute(session, node, &enforced.fill(query))?;
    references(session, graph, node)
}

/// The error of a table with VARIANT columns, which the warehouse's file cannot store: with the names of the columns.
fn with_variants(session: &Session, node: &Node, query: &Compiled, error: Error) -> Error {
    if !error.iter().any(|error| error.message().contains("VARIANT columns are not supported")) {
        return error;
    }
    // The error ended the transaction, so that nothing could be asked in it.
    session.rollback();
    let columns = session.describe(&query.within("(\n", "\n)").sql).unwrap_or_default();
    let columns: Vec<String> =
        columns.into_iter().filter(|(_, sql_type)| sql_type.contains("VARIANT")).map(|(name, _)| name).collect();
    messages::variant_stored(&node.name, &columns).at(node.place())
}

/// Checks the contract again, with the current types of the query. Before the first load it could not be checked.
fn contract(session: &Session, node: &Node, query: &Compiled) -> Result<()> {
    let Some(contract) = Contract::of(node) else { return Ok(()) };
    let Ok(promised) = session.describe(&contract.promised()?) else {
        let unknown = contract.unknown_type(&mut |query| session.describe(query).is_ok());
        return unknown.map_or(Ok(()), Err);
    };
    let query = query.within("(\n", "\n)");
    let given = session.describe(&query.sql).map_err(|error| model_error(node, &query, &error))?;
    contract.compare(&promised, &given)
}

/// The foreign keys of an enforced contract.
fn references(session: &Session, graph: &Compiler, node: &Node) -> Result<()> {
    for (sql, key) in Contract::of(node).map(|contract| contract.orphans(graph)).unwrap_or_default() {
        let place = key.place.clone();
        let rows = session.count(&sql).map_err(|error| messages::model_failed(&node.name, &error).at(place.clone()))?;
        if rows > 0 {
            let to = graph.referred(key.to.as_deref().unwrap_or_default()).map(Node::display_name).unwrap_or_default();
            return Err(messages::contract_orphans(&node.name, &key.columns, &to, rows, place));
        }
    }
    Ok(())
}

/// Loads the CSV file of a seed. DuckDB infers the types, except those that the configuration sets.
pub fn seed(session: &Session, console: &Console, graph: &Compiler, node: &Node, catalog: &Catalog) -> Result<Built> {
    let existing = existing(node, catalog);
    if existing == Existing::View
        && let Some(statement) = drop_existing(&node.relation, existing)
    {
        session.execute(&statement)?;
    }
    if std::fs::read(&node.path).is_ok_and(|bytes| bytes.iter().all(u8::is_ascii_whitespace)) {
        return Err(messages::seed_empty(&node.name).at(node.place()));
    }
    let host = SessionHost::new(session, console);
    let (before, after) = graph.hooks(node, &Compile { host: Some(&host), ..Compile::default() })?;
    hooks(session, node, &before)?;
    let query = if graph.is_dbt { with_integers(session, node) } else { seed_query(node) };
    let statement = format!("create or replace table {} as {query}", node.relation);
    session.execute(&statement).map_err(|error| messages::seed_failed(&node.name, &error).at(node.place()))?;
    hooks(session, node, &after)?;
    Ok(Built { rows: Some(count(session, node)?), note: "seed".into(), compiled: String::new() })
}

/// The query with whole numbers as `integer` if they fit, as in dbt. Loading the seed reports rows that cannot be read.
fn with_integers(session: &Session, node: &Node) -> String {
    let query = seed_query(node);
    let is_given = |name: &str| node.config.column_types.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let wide: Vec<String> = session
        .described(&format!("describe {query}"))
        .unwrap_or_default()
        .into_iter()
        .filter(|(name, column_type)| column_type == "BIGINT" && !is_given(name))
        .map(|(name, _)| quote(&name))
        .collect();
    if wide.is_empty() {
        return query;
    }
    let fits: Vec<String> =
        wide.iter().map(|name| format!("min({name}) >= -2147483648 and max({name}) <= 2147483647")).collect();
    let rows = session.rows(&format!("select {} from ({query})", fits.join(", "))).unwrap_or_default();
    let fits = rows.into_iter().next().unwrap_or_default();
    let narrow: Vec<String> = wide
        .iter()
        .zip(fits)
        .filter(|(_, fits)| fits.as_deref() == Some("true"))
        .map(|(name, _)| format!("cast({name} as integer) as {name}"))
        .collect();
    if narrow.is_empty() { query } else { format!("select * replace ({}) from ({query})", narrow.join(", ")) }
}

/// The rows of a seed, read from its file.
pub fn seed_query(node: &Node) -> String {
    let types: Vec<String> = node
        .config
        .column_types
        .iter()
        .map(|(name, column_type)| format!("{}: {}", literal(name), literal(column_type)))
        .collect();
    let types = if types.is_empty() { String::new() } else { format!(", types = {{{}}}", types.join(", ")) };
    // The dialect is fixed, because DuckDB can guess one that skips odd lines and even the header before them. The
    // types are inferred from all rows, because a seed is small.
    format!(
        "select * from read_csv({}, header = true, delim = {}, quote = '\"', escape = '\"', comment = '', skip = 0, \
         null_padding = false, strict_mode = true, sample_size = -1{types})",
        literal(&node.path.to_string_lossy()),
        literal(&node.config.delimiter.to_string()),
    )
}

pub(super) fn existing(node: &Node, catalog: &Catalog) -> Existing {
    match catalog.get(&node.relation.schema, &node.relation.identifier) {
        None => Existing::Nothing,
        Some(RelationKind::Table) => Existing::Table,
        Some(RelationKind::View) => Existing::View,
    }
}

fn count(session: &Session, node: &Node) -> Result<u64> {
    Ok(session.count(&format!("select count(*) from {}", node.relation))?)
}
