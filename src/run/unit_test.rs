//! Unit tests: run a model's query over given rows, in an empty in-memory database. Its tables have the real columns of
//! the model's inputs.
//!
//! Each test is a transaction that is rolled back, so all tests of a run share one database. Does not open the
//! warehouse.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use crate::messages;
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Place, Result};
use elt_base::schema::{LOAD_ID, LOADED_AT, RESCUED, quote};
use elt_base::sql_error::SqlError;
use elt_model::{
    self, Compiled, Compiler, GivenInput, GivenRows, KnownColumns, Materialized, Node, NodeId, NodeKind, Origin,
    Relation, SelectedNodes, UnitTest, own_types, value_sql,
};
use elt_project::FixtureCell;
use elt_warehouse::{Session, Warehouse};

use super::binder::InMemory;
use super::materialize;
use super::pinned::pinned_columns;
use super::row_diff::{RowDiff, row_diff};

/// Rows whose values are texts; None is NULL.
type TextRows = Vec<Vec<Option<String>>>;

/// `(name, DuckDB type)` in order.
type ColumnList = Vec<(String, String)>;

/// The database that the unit tests of a run share.
pub struct UnitTests {
    session: Mutex<Session>,
    /// The models whose queries could be bound.
    columns: KnownColumns,
    // Keeps the database alive as long as its session.
    _database: Warehouse,
}

/// How a unit test ended.
pub struct Verdict {
    /// None if it passed.
    pub diff: Option<RowDiff>,
    /// The model's query as it was run.
    pub compiled: String,
}

impl UnitTests {
    /// Creates the relations that the models of `tests` read, without rows. `known` are the columns of the warehouse's
    /// tables. A relation that is not in the warehouse has the columns of its file or its YAML. `macros` are statements
    /// that create the macros of the warehouse.
    pub fn prepare(
        graph: &Compiler,
        tests: &[NodeId],
        known: &KnownColumns,
        macros: &[String],
        cancel: &Cancel,
    ) -> Result<Self> {
        let database = Warehouse::in_memory(&graph.root, &graph.database)?;
        let session = database.session()?;
        // No ids are assigned: in a unit test every surrogate key is NULL.
        super::keys::prepare(&session)?;
        for statement in macros {
            // A macro that cannot be created here causes an error where it is called.
            let _ = session.execute(statement);
        }
        let interrupter = session.interrupter();
        cancel.on_request(move || interrupter.interrupt());
        let unit_tests = tests.iter().filter_map(|id| graph.node(*id).unit_test.as_ref());
        let direct: BTreeSet<NodeId> = unit_tests
            .flat_map(|test| std::iter::once(test.model).chain(test.given.iter().map(|given| given.input)))
            .collect();
        let mut wanted = direct.clone();
        for id in direct {
            wanted.extend(graph.ancestors(id));
        }
        let mut known = known.clone();
        for id in &wanted {
            let node = graph.node(*id);
            if known.contains_key(id) {
                continue;
            }
            let columns = match node.kind {
                NodeKind::Source => declared(node)?,
                NodeKind::Seed => seed_columns(&session, node)?,
                _ => continue,
            };
            known.insert(*id, columns);
        }
        known.retain(|_, columns| !columns.is_empty());
        let selection: SelectedNodes = wanted.into_iter().collect();
        let mut binder = InMemory::new(database, session);
        // Queries that cannot be bound are reported where they are checked or read.
        let (checked, _) = elt_model::bind(graph, &selection, &known, &mut binder, None);
        let (database, session) = binder.parts();
        Ok(Self { session: Mutex::new(session), columns: checked.columns, _database: database })
    }

    /// Runs one unit test.
    ///
    /// # Errors
    /// The test cannot run: a column does not exist, a value has another type, or a query fails.
    pub fn run(&self, graph: &Compiler, node: &Node) -> Result<Verdict> {
        let Some(test) = &node.unit_test else { return Err(elt_base::messages::interrupted()) };
        let session = self.session.lock();
        session.begin()?;
        let running = Running { graph, node, test, columns: &self.columns, session: &session };
        let outcome = running.run();
        session.rollback();
        outcome
    }
}

/// The columns that YAML declares for a source's table, and those that every raw table has. Empty if no column has a
/// type.
fn declared(node: &Node) -> Result<ColumnList> {
    if node.origin != Origin::Loaded {
        let typed = node.columns.iter().filter_map(|column| Some((column.name.clone(), column.data_type.clone()?)));
        return Ok(typed.collect());
    }
    let mut columns: ColumnList =
        pinned_columns(node)?.into_iter().map(|column| (column.name, column.column_type.sql())).collect();
    if !columns.is_empty() {
        add_own_columns(&mut columns);
    }
    Ok(columns)
}

fn add_own_columns(columns: &mut ColumnList) {
    for (name, column_type) in
        [("_id", "VARCHAR"), (LOAD_ID, "VARCHAR"), (LOADED_AT, "TIMESTAMP WITH TIME ZONE"), (RESCUED, "JSON")]
    {
        if !columns.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            columns.push((name.into(), column_type.into()));
        }
    }
}

fn seed_columns(session: &Session, node: &Node) -> Result<ColumnList> {
    // A seed that cannot be read reports its error when it is built.
    Ok(session.describe(&materialize::seed_query(node)).unwrap_or_default())
}

/// Runs one test in its transaction.
struct Running<'a> {
    graph: &'a Compiler,
    node: &'a Node,
    test: &'a UnitTest,
    columns: &'a KnownColumns,
    session: &'a Session,
}

impl Running<'_> {
    fn run(&self) -> Result<Verdict> {
        let mut ephemerals = HashMap::new();
        let mut errors = Vec::new();
        for given in &self.test.given {
            match self.give(given) {
                Ok(Some(relation)) => drop(ephemerals.insert(given.input, relation)),
                Ok(None) => {}
                Err(error) => errors.extend(error.split()),
            }
        }
        if let Some(error) = Error::many(errors) {
            return Err(error);
        }
        self.leave_empty(&ephemerals)?;
        let query = self.graph.compile_unit_test(self.test, ephemerals)?;
        let statement = query.within("create temp table elt_actual as (\n", "\n)");
        self.session.execute(&statement.sql).map_err(|error| self.broken(&statement, &error))?;
        let columns = self.session.describe("elt_actual")?;
        let (names, expected) = self.expected(&columns)?;
        let of = |name: &String| columns.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let compared: Vec<&(String, String)> = names.iter().filter_map(of).collect();
        let list: Vec<String> = compared.iter().map(|(name, sql)| text_of(&quote(name), sql)).collect();
        let actual = self.session.rows(&format!("select {} from elt_actual", list.join(", ")))?;
        let is_json: Vec<bool> = compared.iter().map(|(_, sql)| sql.eq_ignore_ascii_case("JSON")).collect();
        let (expected, actual) = (plain_json(expected, &is_json), plain_json(actual, &is_json));
        Ok(Verdict { diff: row_diff(&names, &expected, &actual), compiled: query.sql })
    }

    /// Inserts the rows of an input into the relation that the model reads. For an ephemeral model, returns this
    /// relation.
    fn give(&self, given: &GivenInput) -> Result<Option<Relation>> {
        let input = self.graph.node(given.input);
        let is_ephemeral = input.config.materialized == Materialized::Ephemeral;
        let relation = if is_ephemeral {
            Relation::new("elt_tests", format!("given_{}", input.unique_id))
        } else {
            input.relation.clone()
        };
        let bound = if is_ephemeral { self.ephemeral_columns(input) } else { self.columns.get(&given.input).cloned() };
        let of = format!("the rows of `{}`", given.written);
        let query = self.graph.compile_rows(&self.node.described(), self.test, &given.rows)?;
        let is_made = bound.is_some() && !is_ephemeral;
        let columns = match (&given.rows, bound) {
            (_, Some(columns)) => columns,
            (GivenRows::Cells { columns, rows, is_csv }, None) => {
                let mut own = Vec::new();
                for (name, _) in columns {
                    let cells = rows.iter().flat_map(|row| &row.cells);
                    let values = cells.filter(|cell| cell.column.eq_ignore_ascii_case(name)).map(|cell| &cell.value);
                    own.push((name.clone(), own_types(values, *is_csv)));
                }
                let own = with_declared(own, input);
                if own.is_empty() {
                    return Err(messages::unit_test_columns_unknown(
                        &self.node.name,
                        &input.display_name(),
                        given.place.clone(),
                    ));
                }
                own
            }
            (_, None) => {
                let sql = match &query {
                    Some(query) => query.sql.clone(),
                    None => materialize::seed_query(input),
                };
                let described = self.session.describe(&format!("({sql})"));
                described.map_err(|error| self.broken_rows(query.as_ref(), given, &error))?
            }
        };
        if !is_made {
            self.create(&relation, &columns)?;
        }
        match (&given.rows, query) {
            (GivenRows::Cells { columns: named, rows, .. }, _) => {
                check_names(&of, named, &columns)?;
                let types = types_of(named, &columns);
                if !rows.is_empty() {
                    let list: Vec<String> = types.iter().map(|(name, _)| quote(name)).collect();
                    let head = format!("insert into {relation} ({}) values ", list.join(", "));
                    let rows: Vec<&[FixtureCell]> = rows.iter().map(|row| row.cells.as_slice()).collect();
                    let tuples = self.tuples(&rows, &types)?;
                    let insert = format!("{head}{}", tuples.join(", "));
                    self.session.execute(&insert).map_err(|error| self.bad_value(&rows, &types, &error))?;
                }
            }
            (_, query) => {
                let query =
                    query.unwrap_or_else(|| Compiled::plain(materialize::seed_query(input), given.place.clone()));
                let own = self.session.describe(&format!("({})", query.sql));
                let own = own.map_err(|error| self.broken(&query, &error))?;
                let place = given.rows.place().unwrap_or_else(|| given.place.clone());
                let named: Vec<(String, Place)> = own.into_iter().map(|(name, _)| (name, place.clone())).collect();
                check_names(&of, &named, &columns)?;
                let insert = query.within(&format!("insert into {relation} by name (\n"), "\n)");
                self.session.execute(&insert.sql).map_err(|error| self.broken(&insert, &error))?;
            }
        }
        Ok(is_ephemeral.then_some(relation))
    }

    /// Creates tables for the inputs without given rows, if they do not exist yet.
    fn leave_empty(&self, ephemerals: &HashMap<NodeId, Relation>) -> Result<()> {
        let given: BTreeSet<NodeId> = self.test.given.iter().map(|given| given.input).collect();
        let mut open = vec![self.test.model];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            for parent in self.graph.parents(id).filter(|parent| seen.insert(parent.id)) {
                if parent.config.materialized == Materialized::Ephemeral {
                    if !ephemerals.contains_key(&parent.id) {
                        open.push(parent.id);
                    }
                    continue;
                }
                if given.contains(&parent.id) || self.columns.contains_key(&parent.id) {
                    continue;
                }
                let columns = with_declared(Vec::new(), parent);
                if columns.is_empty() {
                    let (name, place) = (parent.display_name(), self.node.place());
                    return Err(messages::unit_test_columns_unknown(&self.node.name, &name, place));
                }
                self.create(&parent.relation, &columns)?;
            }
        }
        Ok(())
    }

    fn ephemeral_columns(&self, input: &Node) -> Option<ColumnList> {
        let view = elt_model::bound_ephemeral(input.id);
        self.session.describe(&view.to_string()).ok().filter(|columns| !columns.is_empty())
    }

    fn create(&self, relation: &Relation, columns: &[(String, String)]) -> Result<()> {
        let list: Vec<String> = columns.iter().map(|(name, sql)| format!("{} {sql}", quote(name))).collect();
        let schema = quote(&relation.schema);
        self.session.execute(&format!("create schema if not exists {schema}"))?;
        Ok(self.session.execute(&format!("create table {relation} ({})", list.join(", ")))?)
    }

    /// The names of the compared columns, as in the query, and the expected rows.
    fn expected(&self, columns: &[(String, String)]) -> Result<(Vec<String>, TextRows)> {
        let expect = &self.test.expect;
        let of = "the expected rows";
        let GivenRows::Cells { columns: named, rows, .. } = expect else {
            let query = self.graph.compile_rows(&self.node.described(), self.test, expect)?;
            let Some(query) = query else { return Ok((Vec::new(), Vec::new())) };
            let statement = query.within("create temp table elt_expected as (\n", "\n)");
            self.session.execute(&statement.sql).map_err(|error| self.broken(&statement, &error))?;
            let own = self.session.describe("elt_expected")?;
            let place = expect.place().unwrap_or_else(|| self.node.place());
            let named: Vec<(String, Place)> = own.into_iter().map(|(name, _)| (name, place.clone())).collect();
            check_names(of, &named, columns)?;
            let types = types_of(&named, columns);
            let cast = |(name, sql): &(String, String)| text_of(&format!("cast({} as {sql})", quote(name)), sql);
            let list: Vec<String> = types.iter().map(cast).collect();
            let rows = self.session.rows(&format!("select {} from elt_expected", list.join(", ")));
            return Ok((names(&types), rows.map_err(|error| self.broken(&statement, &error))?));
        };
        if named.is_empty() {
            // Without rows and names, all columns are compared, as in dbt.
            return Ok((columns.iter().map(|(name, _)| name.clone()).collect(), Vec::new()));
        }
        check_names(of, named, columns)?;
        let types = types_of(named, columns);
        if rows.is_empty() {
            return Ok((names(&types), Vec::new()));
        }
        let rows: Vec<&[FixtureCell]> = rows.iter().map(|row| row.cells.as_slice()).collect();
        let tuples = self.tuples(&rows, &types)?;
        let aliases: Vec<String> = types.iter().map(|(name, _)| quote(name)).collect();
        let list: Vec<String> = types.iter().map(|(name, sql)| text_of(&quote(name), sql)).collect();
        let query = format!(
            "select {} from (values {}) as elt_expected({})",
            list.join(", "),
            tuples.join(", "),
            aliases.join(", ")
        );
        let found = self.session.rows(&query).map_err(|error| self.bad_value(&rows, &types, &error))?;
        Ok((names(&types), found))
    }

    /// Each row as `(…)`, with one value per column.
    fn tuples(&self, rows: &[&[FixtureCell]], types: &[(String, String)]) -> Result<Vec<String>> {
        let mut errors = Vec::new();
        let mut tuples = Vec::new();
        for row in rows {
            let values = types.iter().map(|(name, sql)| {
                let cell = row.iter().find(|cell| cell.column.eq_ignore_ascii_case(name));
                match cell.map(|cell| (cell, cell_sql(cell, sql))) {
                    None => format!("cast(null as {sql})"),
                    Some((_, Ok(value))) => value,
                    Some((cell, Err(why))) => {
                        errors.push(messages::unit_test_value(&cell.column, sql, &why, cell.place.clone()));
                        "null".into()
                    }
                }
            });
            tuples.push(format!("({})", values.collect::<Vec<_>>().join(", ")));
        }
        match Error::many(errors) {
            Some(error) => Err(error),
            None => Ok(tuples),
        }
    }

    /// Finds the values that DuckDB rejected. Tries each value alone, in a session with its own transaction.
    fn bad_value(&self, rows: &[&[FixtureCell]], types: &[(String, String)], error: &SqlError) -> Error {
        // The statement that failed has ended the transaction.
        self.session.rollback();
        let mut errors = Vec::new();
        for cell in rows.iter().flat_map(|row| row.iter()) {
            let Some((_, sql)) = types.iter().find(|(name, _)| name.eq_ignore_ascii_case(&cell.column)) else {
                continue;
            };
            if let Ok(value) = cell_sql(cell, sql)
                && let Err(refused) = self.session.rows(&format!("select {value}::varchar"))
            {
                errors.push(messages::unit_test_value(&cell.column, sql, &refused.message, cell.place.clone()));
            }
        }
        Error::many(errors).unwrap_or_else(|| messages::unit_test_broken(&self.node.name, error).at(self.node.place()))
    }

    /// The error of a query that failed, with the place in the query and the place of the test.
    fn broken(&self, statement: &Compiled, error: &SqlError) -> Error {
        if error.is_interrupt() {
            return elt_base::messages::interrupted();
        }
        let place = statement.place(error.position);
        let test = self.node.place();
        let said = messages::unit_test_broken(&self.node.name, error).at(place.clone());
        if place.source.path == test.source.path { said } else { said.at(test.label("in this unit test")) }
    }

    fn broken_rows(&self, query: Option<&Compiled>, given: &GivenInput, error: &SqlError) -> Error {
        match query {
            Some(query) => self.broken(query, error),
            None => messages::unit_test_broken(&self.node.name, error).at(given.place.clone()),
        }
    }
}

/// The columns that the rows name, and those that YAML declares for their input.
fn with_declared(mut columns: ColumnList, input: &Node) -> ColumnList {
    for column in &input.columns {
        match (columns.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(&column.name)), &column.data_type) {
            (Some(known), Some(data_type)) => known.1.clone_from(data_type),
            (Some(_), None) => {}
            (None, data_type) => {
                columns.push((column.name.clone(), data_type.clone().unwrap_or_else(|| "VARCHAR".into())));
            }
        }
    }
    if input.kind == NodeKind::Source && !columns.is_empty() {
        add_own_columns(&mut columns);
    }
    columns
}

/// A number as it is written, because the value that YAML parses can have fewer digits.
fn cell_sql(cell: &FixtureCell, column_type: &str) -> Result<String, String> {
    let written = cell.place.source.text.get(cell.place.span.clone()).unwrap_or_default().trim();
    let is_plain = written.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    if cell.value.is_number() && is_plain && written.parse::<f64>().is_ok() {
        return value_sql(&serde_json::Value::String(written.to_owned()), column_type);
    }
    value_sql(&cell.value, column_type)
}

fn names(types: &[(String, String)]) -> Vec<String> {
    types.iter().map(|(name, _)| name.clone()).collect()
}

/// The named columns, with the spelling and the types of their origin.
fn types_of(named: &[(String, Place)], columns: &[(String, String)]) -> ColumnList {
    named
        .iter()
        .filter_map(|(name, _)| columns.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)))
        .cloned()
        .collect()
}

fn check_names(of: &str, named: &[(String, Place)], columns: &[(String, String)]) -> Result<()> {
    let known = columns.iter().map(|(name, _)| name.as_str());
    let is_known = |name: &str| columns.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let wrong = named.iter().filter(|(name, _)| !is_known(name));
    let errors =
        wrong.map(|(name, place)| messages::unit_test_column(of, name, known.clone(), place.clone())).collect();
    Error::many(errors).map_or(Ok(()), Err)
}

/// A text that is equal for equal values. The entries of a map have no order.
fn text_of(expression: &str, column_type: &str) -> String {
    if column_type.to_uppercase().starts_with("MAP(") && column_type.ends_with(')') {
        return format!("cast(map_from_entries(list_sort(map_entries({expression}))) as varchar)");
    }
    format!("cast({expression} as varchar)")
}

/// JSON without blanks, with sorted keys.
fn plain_json(rows: Vec<Vec<Option<String>>>, is_json: &[bool]) -> Vec<Vec<Option<String>>> {
    fn sorted(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Object(map) => {
                let ordered: std::collections::BTreeMap<String, serde_json::Value> =
                    map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
                serde_json::Value::Object(ordered.into_iter().collect())
            }
            serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
            other => other,
        }
    }
    let plain = |(text, is_json): (Option<String>, &bool)| {
        let text = text?;
        match serde_json::from_str(&text) {
            Ok(value) if *is_json => Some(sorted(value).to_string()),
            _ => Some(text),
        }
    };
    rows.into_iter().map(|row| row.into_iter().zip(is_json).map(plain).collect()).collect()
}
