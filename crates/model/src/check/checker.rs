//! Binds every query of the project in an empty database, before anything runs.
//!
//! Knows a database only as `Binder`. Reports each error at its place in the analyst's file. Does not report follow-up
//! errors in nodes that depend on a failed one.

use std::cell::Cell;
use std::collections::{BTreeSet, HashSet};

use crate::compile::{Compile, Compiler};
use crate::config::{key_in_sql, key_in_yaml};
use crate::graph::{Materialized, Node, NodeId, NodeKind, Origin, Relation, TimeBatch};
use crate::messages;
use crate::select::SelectedNodes;
use crate::sql::{Binder, Compiled, Contract, Key, KnownColumns, Snapshot, is_query};
use crate::template::{Answer, Host, TemplateMessage};
use elt_base::error::{Error, Result, nearest};
use elt_base::schema::quote;
use elt_base::sql_error::SqlError;

/// The result of a check.
#[derive(Debug, Default)]
pub struct Checked {
    /// The columns of each bound model, as its query returns them. Ephemeral models are not included.
    pub columns: KnownColumns,
    /// Models and tests that could not be bound because of their inputs: sources without known columns, or queries
    /// whose columns depend on data. This is not an error.
    pub unchecked: BTreeSet<NodeId>,
    /// Those of them that name a relation that does not exist yet, or something that hooks may create before they are
    /// built.
    pub by_hooks: BTreeSet<NodeId>,
    /// Those of them that read files which a command that only reads must not read.
    pub by_files: BTreeSet<NodeId>,
    /// Collections whose documents may have the columns that failed queries miss. The warehouse knows them from an
    /// earlier load.
    pub missed: BTreeSet<NodeId>,
    /// The number of errors that a load of these collections may mend.
    pub mendable: usize,
}

/// Binds the selected models, all nodes that they read, and the selected tests. Templates may query `host`, which
/// changes nothing. In a run, the answers may differ, so an error that depends on an answer is not reported yet.
///
/// # Errors
/// All errors of all queries; exit code 1 (2 for those that a template raises).
pub fn check(
    graph: &Compiler,
    selection: &SelectedNodes,
    known: &KnownColumns,
    binder: &mut dyn Binder,
    host: Option<&dyn Host>,
) -> Result<Checked> {
    let (checked, errors) = bind(graph, selection, known, binder, host);
    match Error::many(errors) {
        Some(error) => Err(error),
        None => Ok(checked),
    }
}

/// As above, and returns everything that could be bound in addition to the errors.
pub fn bind(
    graph: &Compiler,
    selection: &SelectedNodes,
    known: &KnownColumns,
    binder: &mut dyn Binder,
    host: Option<&dyn Host>,
) -> (Checked, Vec<Error>) {
    let mut work = Checker {
        graph,
        binder,
        host,
        by_data: BTreeSet::new(),
        schemas: BTreeSet::new(),
        broken: BTreeSet::new(),
        errors: Vec::new(),
        checked: Checked::default(),
    };
    let mut order: Vec<NodeId> = graph.with_ancestors(selection.iter()).into_iter().collect();
    order.sort_by_key(|id| graph.ranks[id.index()]);
    for id in order {
        work.node(graph.node(id), known);
    }
    (work.checked, work.errors)
}

/// The view that binds an ephemeral model.
pub fn bound_ephemeral(id: NodeId) -> Relation {
    Relation::new("elt_tests", format!("e{}", id.0))
}

/// One batch of a microbatch model. Names and types are the same for every batch.
fn sample_batch(node: &Node) -> Option<TimeBatch> {
    node.config.batch.as_ref().map(|config| TimeBatch { start: config.begin, end: config.begin })
}

pub(super) struct Checker<'a> {
    pub(super) graph: &'a Compiler,
    binder: &'a mut dyn Binder,
    host: Option<&'a dyn Host>,
    /// The node's SQL depends on the present content of the warehouse, or on such a node.
    by_data: BTreeSet<NodeId>,
    schemas: BTreeSet<String>,
    /// The node failed, or depends on a failed node. The failure is reported once.
    pub(super) broken: BTreeSet<NodeId>,
    pub(super) errors: Vec<Error>,
    pub(super) checked: Checked,
}

impl Checker<'_> {
    fn node(&mut self, node: &Node, known: &KnownColumns) {
        if node.parents.iter().any(|parent| self.broken.contains(parent)) {
            self.broken.insert(node.id);
            return;
        }
        if node.parents.iter().any(|parent| self.by_data.contains(parent)) {
            self.by_data.insert(node.id);
        }
        let is_unknown = node.parents.iter().any(|parent| self.checked.unchecked.contains(parent));
        match node.kind {
            NodeKind::Source if matches!(node.origin, Origin::External(_)) => self.files(node),
            NodeKind::Source | NodeKind::Seed => self.table(node, known.get(&node.id).map(Vec::as_slice)),
            // The modules of their kinds bind them.
            NodeKind::UnitTest | NodeKind::Exposure if is_unknown => drop(self.checked.unchecked.insert(node.id)),
            _ if is_unknown => {
                self.checked.unchecked.insert(node.id);
                // No database is needed to find the template's own errors.
                self.compiled(node, false);
            }
            NodeKind::Model => self.model(node),
            NodeKind::Analysis => {
                if let Some(compiled) = self.compiled(node, false).filter(|compiled| is_query(&compiled.sql)) {
                    self.view(node, &Relation::new("elt_tests", format!("a{}", node.id.0)), &compiled);
                }
            }
            // The modules of their kinds bind them.
            NodeKind::UnitTest | NodeKind::Exposure => {}
            NodeKind::Snapshot => self.snapshot(node, known.get(&node.id).map(Vec::as_slice).unwrap_or_default()),
            NodeKind::Test => {
                if !self.is_plainly_bound(node)
                    && let Some(compiled) = self.compiled(node, false)
                {
                    let relation = Relation::new("elt_tests", format!("t{}", node.id.0));
                    self.view(node, &relation, &compiled.failures(&node.config.test));
                }
            }
        }
    }

    /// Whether a test is a built-in test on columns that are known to exist, and contains nothing that DuckDB could
    /// refuse. Most tests are of this kind.
    fn is_plainly_bound(&self, node: &Node) -> bool {
        let Some((owner, test)) = node.test.as_ref().and_then(|test| Some((test.owner?, test.generic.as_ref()?)))
        else {
            return false;
        };
        let config = &node.config.test;
        let is_plain = config.r#where.is_none()
            && !self.graph.has_own_test(&test.test)
            && (config.fail_calc.as_str(), config.warn_if.as_str(), config.error_if.as_str())
                == ("count(*)", "!= 0", "!= 0");
        let Some(own) = test.column.as_deref().and_then(|name| self.column_type(owner, name)) else { return false };
        let text = |key: &str| test.arguments.get(key).and_then(serde_json::Value::as_str);
        is_plain
            && match test.test.as_str() {
                "unique" | "not_null" => true,
                // Text columns accept any text literal, but a number or a date may refuse one.
                "accepted_values" => {
                    let values = test.arguments.get("values").and_then(serde_json::Value::as_array);
                    let are_texts = values.is_some_and(|values| values.iter().all(serde_json::Value::is_string));
                    own == "VARCHAR" && are_texts && !test.arguments.contains_key("quote")
                }
                "relationships" => {
                    let to = text("to").and_then(|to| self.graph.referred(to));
                    let other = to.zip(text("field")).and_then(|(to, field)| self.column_type(to.id, field));
                    other == Some(own)
                }
                _ => false,
            }
    }

    /// The type of a node's column, if it is known.
    fn column_type(&self, id: NodeId, column: &str) -> Option<&str> {
        let columns = self.checked.columns.get(&id)?;
        columns.iter().find(|(name, _)| name.eq_ignore_ascii_case(column)).map(|(_, sql)| sql.as_str())
    }

    /// An empty table with the columns of a source or seed.
    fn table(&mut self, node: &Node, columns: Option<&[(String, String)]>) {
        let Some(columns) = columns.filter(|columns| !columns.is_empty()) else {
            self.checked.unchecked.insert(node.id);
            return;
        };
        self.schema(&node.relation.schema);
        let create = create_table(node, columns);
        // The existing table may be built by a seed, or have a second name.
        let create = match (node.kind, &node.origin) {
            (NodeKind::Seed, _) | (_, Origin::Standing) => {
                create.replacen("create table", "create table if not exists", 1)
            }
            _ => create,
        };
        match self.binder.create(&create) {
            Ok(()) => {
                self.checked.columns.insert(node.id, columns.to_vec());
            }
            Err(error) => self.fail(node, &error, vec![node.place()]),
        }
    }

    /// Files that replace a source's table are read where they are stored. A table with their columns holds the rows of
    /// unit tests.
    fn files(&mut self, node: &Node) {
        let statement = format!("describe (select * from {})", node.read_as());
        match self.binder.describe(&statement) {
            Ok(columns) => {
                self.schema(&node.relation.schema);
                let _ = self.binder.create(&create_table(node, &columns));
                self.checked.columns.insert(node.id, columns);
            }
            Err(error) => {
                let mut error = error;
                if error.kind.eq_ignore_ascii_case("permission") {
                    // A source may read its own files, so they do not exist.
                    error.kind = "IO".into();
                    error.message =
                        format!("no files found that match the pattern `{}`", node.read_as().trim_matches('\''));
                }
                let place = key_in_yaml(&node.place(), "external_location");
                self.fail(node, &error, vec![place.unwrap_or_else(|| node.place())]);
            }
        }
    }

    fn model(&mut self, node: &Node) {
        let Some(full) = self.compiled(node, false) else { return };
        match node.config.materialized {
            // It is bound where it is read. It is also bound alone, so that its errors are reported at the node itself.
            Materialized::Ephemeral => {
                let relation = bound_ephemeral(node.id);
                self.view(node, &relation, &full);
            }
            Materialized::Incremental => {
                if !self.empty_table(node, &full) {
                    return;
                }
                self.event_time(node);
                // `this` exists now, with the columns of the full query.
                if let Some(new_rows) = self.compiled(node, true)
                    && new_rows.sql != full.sql
                {
                    let relation = Relation::new("elt_tests", format!("i{}", node.id.0));
                    self.view(node, &relation, &new_rows);
                }
            }
            _ => {
                self.empty_table(node, &full);
            }
        }
    }

    /// Binds a model's query and creates a table with its columns. Readers bind against this table, because nested
    /// views would be bound again and again. Returns false if the query could not be bound.
    fn empty_table(&mut self, node: &Node, query: &Compiled) -> bool {
        self.schema(&node.relation.schema);
        // A pivot without listed values would seem to have columns if it were described.
        if query.header.is_none() && !contains_word(&query.sql, "pivot") {
            let statement = query.within("describe (\n", "\n)");
            match self.binder.describe(&statement.sql) {
                Ok(columns) if is_tabular(&columns) && self.binder.create(&create_table(node, &columns)).is_ok() => {
                    self.key(node, &columns);
                    self.checked.columns.insert(node.id, columns);
                    return true;
                }
                // Two columns have the same name, which only a view can handle, or a type is not allowed in a table.
                Ok(_) => {}
                Err(error) => {
                    self.refused(node, &statement, &error);
                    return false;
                }
            }
        }
        self.view(node, &node.relation.clone(), query) && self.columns(node, query)
    }

    /// Binds a snapshot's query, then everything that its configuration names in the query. `held` contains the columns
    /// of the snapshot's table, which keeps columns that the query no longer returns.
    fn snapshot(&mut self, node: &Node, held: &[(String, String)]) {
        let Some(config) = &node.config.snapshot else { return };
        let Some(query) = self.compiled(node, false) else { return };
        let staged = Relation::new("elt_tests", format!("s{}", node.id.0));
        if !self.view(node, &staged, &query) {
            return;
        }
        let unique_key = &node.config.unique_key;
        let snapshot = Snapshot { target: &node.relation, staged: &staged, config, unique_key };
        self.schema(&node.relation.schema);
        let named = format!("create view elt_tests.n{} as {}", node.id.0, snapshot.named());
        let versions = format!("create view {} as {}", node.relation, snapshot.versions());
        for statement in [named, versions] {
            if let Err(error) = self.binder.create(&statement) {
                return self.fail(node, &error, vec![node.place()]);
            }
        }
        match self.binder.describe(&format!("describe {}", node.relation)) {
            Ok(mut columns) => {
                let is_new = |name: &str| !columns.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
                let gone: Vec<_> = held.iter().filter(|(name, _)| is_new(name)).cloned().collect();
                columns.extend(gone);
                if self.binder.create(&format!("drop view {}", node.relation)).is_ok() {
                    self.table(node, Some(&columns));
                }
            }
            Err(error) => self.fail(node, &error, vec![node.place()]),
        }
    }

    /// Reads the columns of a model that exists as a view, checks its key, and replaces the view with a table.
    fn columns(&mut self, node: &Node, query: &Compiled) -> bool {
        match self.binder.describe(&format!("describe {}", node.relation)) {
            Ok(columns) => {
                self.key(node, &columns);
                if self.binder.create(&format!("drop view {}", node.relation)).is_ok()
                    && self.binder.create(&create_table(node, &columns)).is_err()
                {
                    self.view(node, &node.relation.clone(), query);
                }
                self.checked.columns.insert(node.id, columns);
                true
            }
            Err(error) => {
                self.fail(node, &error, vec![node.place()]);
                false
            }
        }
    }

    /// Checks that the `unique_key` is among the columns.
    fn key(&mut self, node: &Node, columns: &[(String, String)]) {
        let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        if let Err(error) = Key::of(&node.name, &node.config, &names) {
            let place = key_in_sql(&node.source, "unique_key").unwrap_or_else(|| node.place());
            self.missing(node, error.at(place));
        }
        if let Err(error) = self.contract(node, columns) {
            self.missing(node, error);
        }
    }

    /// Compares a model's columns with its contract, if the contract is enforced.
    fn contract(&mut self, node: &Node, columns: &[(String, String)]) -> Result<()> {
        let Some(contract) = Contract::of(node) else { return Ok(()) };
        let mut types = |query: &str| self.binder.describe(&format!("describe {query}")).ok();
        match types(&contract.promised()?) {
            Some(promised) => contract.compare(&promised, columns),
            None => contract.unknown_type(&mut |query| types(query).is_some()).map_or(Ok(()), Err),
        }
    }

    /// Checks that a microbatch model's own `event_time` is among its columns.
    fn event_time(&mut self, node: &Node) {
        let Some(config) = &node.config.batch else { return };
        let Some(batch) = sample_batch(node) else { return };
        let condition = batch.condition(&config.event_time);
        let statement =
            format!("create view elt_tests.b{} as select * from {} where {condition}", node.id.0, node.relation);
        self.schema("elt_tests");
        if let Err(error) = self.binder.create(&statement) {
            let place = key_in_sql(&node.source, "event_time").unwrap_or_else(|| node.place());
            self.fail(node, &error, vec![place]);
        }
    }

    fn compiled(&mut self, node: &Node, is_incremental: bool) -> Option<Compiled> {
        let watched = self.host.map(Watched::new);
        let host = watched.as_ref().map(|watched| watched as &dyn Host);
        let compiled = self.graph.compile(node, &Compile { is_incremental, batch: sample_batch(node), host });
        if watched.as_ref().is_some_and(|watched| watched.asked.get()) {
            self.by_data.insert(node.id);
        }
        match compiled {
            Ok(compiled) => Some(compiled),
            Err(error) if self.by_data.contains(&node.id) => {
                self.checked.unchecked.insert(node.id);
                if error.message().contains("a command that only reads") {
                    self.checked.by_files.insert(node.id);
                }
                None
            }
            Err(error) => {
                self.errors.push(error);
                self.broken.insert(node.id);
                None
            }
        }
    }

    fn view(&mut self, node: &Node, relation: &Relation, query: &Compiled) -> bool {
        self.schema(&relation.schema);
        if let Some(header) = &query.header {
            // Its errors are reported when it runs, because it may name things that exist only in the warehouse.
            let _ = self.binder.create(header);
        }
        let statement = query.within(&format!("create view {relation} as (\n"), "\n)");
        match self.binder.create(&statement.sql) {
            Ok(()) => true,
            // A pivot without listed values: its columns are known only with data.
            Err(error) if error.message.contains("PIVOT") && error.message.contains("cannot be used in views") => {
                self.checked.unchecked.insert(node.id);
                false
            }
            Err(_) if query.header.is_some() => {
                self.checked.unchecked.insert(node.id);
                false
            }
            Err(error) => {
                self.refused(node, &statement, &error);
                false
            }
        }
    }

    fn refused(&mut self, node: &Node, statement: &Compiled, error: &SqlError) {
        let position = error.position.or_else(|| struct_key(&statement.sql, &error.message));
        self.fail(node, error, statement.places(position));
    }

    fn schema(&mut self, schema: &str) {
        if self.schemas.insert(schema.to_owned()) {
            // If a schema cannot be created, the first statement that needs it reports the error.
            let _ = self.binder.create(&format!("create schema if not exists {}", quote(schema)));
        }
    }

    /// For a qualified column that does not exist: the nearest column of all inputs of the node. DuckDB suggests no
    /// candidates for a column of a common table expression.
    fn column_read(&self, node: &Node, message: &str) -> Option<String> {
        let (_, rest) = message.split_once("does not have a column named \"")?;
        let written = rest.split('"').next()?;
        let mut open = node.parents.clone();
        let mut seen = BTreeSet::new();
        let mut names = Vec::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.checked.columns.get(&id) {
                Some(columns) => names.extend(columns.iter().map(|(name, _)| name.as_str())),
                // The columns of ephemeral models are not kept, but mostly those of their inputs are.
                None => open.extend(&self.graph.node(id).parents),
            }
        }
        nearest(written, names).map(str::to_owned)
    }

    /// Whether a hook before the run may create the object that DuckDB does not find. A hook can build a table name
    /// from any text. For a function, the words must appear in a hook or a macro.
    fn may_be_made(&self, message: &str) -> bool {
        const MAKES_FUNCTIONS: [&str; 5] = ["create macro", "replace macro", "create function", "load ", "install "];
        let hooks = &self.graph.run_hooks.start;
        let makes_functions = || {
            let texts = hooks.iter().map(|hook| hook.written.sql.as_str());
            texts.into_iter().any(|text| {
                MAKES_FUNCTIONS.iter().any(|word| {
                    let upper = word.to_uppercase();
                    self.graph.templates.mentions(text, word) || self.graph.templates.mentions(text, &upper)
                })
            })
        };
        is_missing(message) && !hooks.is_empty() && (!message.contains("Function with name") || makes_functions())
    }

    fn fail(&mut self, node: &Node, error: &SqlError, places: Vec<elt_base::error::Place>) {
        if self.by_data.contains(&node.id) {
            self.checked.unchecked.insert(node.id);
            return;
        }
        if error.kind.eq_ignore_ascii_case("permission") {
            self.checked.unchecked.insert(node.id);
            self.checked.by_files.insert(node.id);
            return;
        }
        // The name of a model, written as a plain table name without `ref`.
        let bare = error.message.strip_prefix("Table with name ").and_then(|rest| rest.split(' ').next());
        let bare = bare.filter(|name| self.graph.by_name(name).is_some());
        if bare.is_none() && self.may_be_made(&error.message) {
            self.checked.unchecked.insert(node.id);
            self.checked.by_hooks.insert(node.id);
            return;
        }
        let owner = format!("{} `{}`", node.kind, node.display_name());
        let read = error.candidates.is_empty().then(|| self.column_read(node, &error.message)).flatten();
        let candidates = match read {
            Some(near) => vec![near],
            // The columns that every raw table has are no candidates.
            None if self.reads_empty(node) => Vec::new(),
            None => error.candidates.clone(),
        };
        let said = messages::sql(&owner, &error.message, &candidates, places);
        let hint = bare.map(|name| format!("`{name}` is a node of this project: write `{{{{ ref('{name}') }}}}`"));
        let said = said.hint_maybe(hint);
        // A name or type that does not fit. A parser's error does not depend on columns.
        if error.kind.eq_ignore_ascii_case("binder") {
            return self.missing(node, said);
        }
        self.errors.push(said);
        self.broken.insert(node.id);
    }
}

/// Records that a question was asked. Prints nothing, because the template prints its lines when it runs.
struct Watched<'a> {
    host: &'a dyn Host,
    asked: Cell<bool>,
}

impl<'a> Watched<'a> {
    fn new(host: &'a dyn Host) -> Self {
        Self { host, asked: Cell::new(false) }
    }
}

impl Host for Watched<'_> {
    fn query(&self, sql: &str) -> Result<Answer, SqlError> {
        self.asked.set(true);
        self.host.query(sql)
    }

    fn say(&self, _: TemplateMessage) {}
}

/// Whether DuckDB refuses a statement because a table, schema, function, macro or type does not exist. A hook may
/// create one from any text, so the hook's text does not show whether it does.
fn is_missing(message: &str) -> bool {
    message.contains("does not exist")
}

/// The place of a field that DuckDB did not find in a STRUCT. DuckDB reports only the field's name.
fn struct_key(sql: &str, message: &str) -> Option<usize> {
    let (_, rest) = message.split_once("Could not find key \"")?;
    let key = rest.split('"').next().filter(|key| !key.is_empty())?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let found = sql.match_indices(key).find(|(at, _)| {
        let before = sql[..*at].chars().next_back();
        let after = sql[at + key.len()..].chars().next();
        matches!(before, Some('.' | '\'' | '"')) && !after.is_some_and(is_word)
    });
    found.map(|(at, _)| at)
}

fn create_table(node: &Node, columns: &[(String, String)]) -> String {
    let list: Vec<String> = columns.iter().map(|(name, sql)| format!("{} {sql}", quote(name))).collect();
    format!("create table {} ({})", node.relation, list.join(", "))
}

/// Whether all column names differ, ignoring letter case.
fn is_tabular(columns: &[(String, String)]) -> bool {
    let mut names = HashSet::new();
    columns.iter().all(|(name, _)| names.insert(name.to_lowercase()))
}

/// Whether SQL contains a lower-case word, also as part of another word.
fn contains_word(sql: &str, word: &str) -> bool {
    sql.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Binder, KnownColumns, SqlError, check};
    use crate::sample::column;
    use crate::sample::errors;
    use crate::sample::graph;
    use crate::sample::project;
    use crate::sample::properties;
    use crate::sample::source;

    /// Refuses statements that contain the word `wrong`, and records the others.
    #[derive(Default)]
    struct Refuser {
        created: Vec<String>,
    }

    impl Binder for Refuser {
        fn create(&mut self, statement: &str) -> Result<(), SqlError> {
            let Some(position) = statement.find("wrong") else {
                self.created.push(statement.split_whitespace().collect::<Vec<_>>().join(" "));
                return Ok(());
            };
            Err(SqlError {
                kind: "Binder".into(),
                message: "Referenced column \"wrong\" not found in FROM clause!\nCandidate bindings: \"right\"".into(),
                position: Some(position),
                candidates: vec!["far".into(), "wrung".into()],
            })
        }

        fn describe(&mut self, statement: &str) -> Result<Vec<(String, String)>, SqlError> {
            self.create(statement)?;
            Ok(vec![("id".into(), "INTEGER".into())])
        }

        fn plan(&mut self, _: &str) -> Result<String, SqlError> {
            Ok("{}".into())
        }
    }

    #[test]
    fn each_error_once_at_its_place() {
        let mut sample = project(&[
            ("models/a.sql", "select\n  id,\n  wrong\nfrom {{ source('raw', 't') }}"),
            ("models/b.sql", "select * from {{ ref('a') }}"),
            (
                "models/c.sql",
                "{{ config(materialized='incremental', unique_key='nope') }}\nselect id from {{ source('raw', 't') }}\n\
                 {% if is_incremental() %}where wrong > (select max(id) from {{ this }}){% endif %}",
            ),
            ("models/d.sql", "select wrong from {{ source('raw', 'unknown') }}"),
            ("models/e.sql", "select id from {{ source('raw', 't') }}"),
        ]);
        sample.properties.sources.push(source("raw", &["t", "unknown"]));
        let mut entry = properties("e", json!({}));
        entry.columns.push(column("wrong", &[("unique", json!({}), json!({}))]));
        entry.columns.push(column("ID", &[("unique", json!({}), json!({}))]));
        sample.properties.models.push(entry);
        let graph = graph(&sample);
        let known: KnownColumns = graph
            .nodes()
            .filter(|node| node.name == "t")
            .map(|node| (node.id, vec![("id".to_owned(), "INTEGER".to_owned())]))
            .collect();
        let selection = graph.select(&[], &[]).unwrap_or_default();
        let mut binder = Refuser::default();
        let found = check(&graph, &selection, &known, &mut binder, None).err().map(|error| errors(&error));
        let said = "referenced column `wrong` not found in FROM clause | did you mean `wrung`?";
        let expected = vec![
            format!("models/a.sql:3:3 [wrong] model `a`: {said}"),
            "models/c.sql:1:39 [unique_key='nope'] `unique_key` of model `c` names `nope`, which is not a column of the query"
                .to_owned(),
            format!("models/c.sql:3:32 [wrong] model `c`: {said}"),
            format!("models/schema.yml:2:3 [- name: x] test `unique_e_wrong`: {said}"),
        ];
        assert_eq!(found, Some(expected));
        assert_eq!(
            binder.created,
            [
                "create schema if not exists \"raw\"",
                "create table \"raw\".\"t\" (\"id\" INTEGER)",
                "create schema if not exists \"main\"",
                "describe ( select id from \"raw\".\"t\" )",
                "create table \"main\".\"c\" (\"id\" INTEGER)",
                "create schema if not exists \"elt_tests\"",
                "describe ( select id from \"raw\".\"t\" )",
                "create table \"main\".\"e\" (\"id\" INTEGER)",
            ]
        );
    }
}
