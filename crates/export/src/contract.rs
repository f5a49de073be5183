//! A relation that is published, resolved: its columns, key, constraints, and the rest of its contract.
//!
//! Pure: a function from a relation's columns and its YAML to a `Table`. Knows no connection, no SQL and no target's
//! types.

use std::collections::{BTreeMap, BTreeSet};

use crate::messages;
use elt_base::error::{Error, Place, Result, nearest};
use elt_base::names::folded;
use elt_project::{ColumnContract, Constraint, ConstraintKind, Index, OnConflict, OnHazard, RowsOf, TableContract};

/// A relation as the warehouse and the project know it: the input of `resolve`.
#[derive(Debug, Clone)]
pub struct Relation {
    /// The model's unique id, `model.project.customers`; its last part is what a foreign key's `ref` names.
    pub model: String,
    /// The relation's name, and that of the table it is published as unless its contract gives another.
    pub name: String,
    /// Column name and DuckDB's type text, in the relation's order.
    pub columns: Vec<(String, String)>,
    /// The model's constraints and its columns' constraints.
    pub constraints: Vec<Constraint>,
    /// The configured `unique_key`: the key where no primary key is declared.
    pub unique_key: Vec<String>,
    /// The rest of the contract in its YAML.
    pub contract: TableContract,
}

/// One table of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name in the warehouse's ledger: the table's name, with the schema before it if the contract sets a schema.
    pub label: String,
    /// The target's schema, if the contract sets one; else the profile's.
    pub schema: Option<String>,
    pub name: String,
    /// The model's unique id.
    pub model: String,
    pub columns: Vec<Column>,
    /// The primary key's columns; empty: the table is replaced whole whenever it changed.
    pub key: Vec<String>,
    /// The primary key constraint's own name.
    pub key_name: Option<String>,
    /// Unique constraints beside the key.
    pub unique: Vec<Unique>,
    pub foreign_keys: Vec<ForeignKey>,
    pub checks: Vec<Check>,
    pub indexes: Vec<Index>,
    pub comment: Option<String>,
    pub owner: Option<String>,
    /// A privilege and the roles that get it.
    pub grants: BTreeMap<String, Vec<String>>,
    /// For files: the columns that name folders.
    pub partition_by: Vec<String>,
    /// Which rows of an existing table are the model's; None: all, if elt made the table, else those that it published.
    pub rows: Option<RowsOf>,
    /// How a row is handled whose key exists in a row of others.
    pub on_conflict: OnConflict,
    /// Whether sequences behind its columns are advanced; None: the profile's value.
    pub sequences: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// DuckDB's type text, as the catalog prints it.
    pub duckdb_type: String,
    /// The type that the contract requires, as the target spells it, and its place in the contract.
    pub target_type: Option<(String, Option<Place>)>,
    /// Declared, or part of the key.
    pub not_null: bool,
    /// SQL in the target's dialect: the value for rows that others insert.
    pub default: Option<String>,
    pub comment: Option<String>,
    pub on_hazard: OnHazard,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    pub name: Option<String>,
    pub columns: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    pub name: Option<String>,
    pub columns: Vec<String>,
    /// The schema of the referenced table, if a contract sets one.
    pub to_schema: Option<String>,
    /// The referenced table.
    pub to_table: String,
    pub to_columns: Vec<String>,
}

impl ForeignKey {
    pub fn points_to(&self, table: &Table) -> bool {
        self.to_table == table.name && self.to_schema == table.schema
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: Option<String>,
    /// SQL, in Postgres' dialect.
    pub expression: String,
}

impl Table {
    /// A table of nothing but columns, each a name and DuckDB's type.
    #[cfg(test)]
    pub fn plain(name: &str, columns: &[(&str, &str)], key: &[&str]) -> Self {
        let relation = Relation {
            model: format!("model.p.{name}"),
            name: name.into(),
            columns: columns.iter().map(|(name, duckdb)| (name.to_string(), duckdb.to_string())).collect(),
            constraints: Vec::new(),
            unique_key: Vec::new(),
            contract: TableContract::default(),
        };
        let mut table = resolve_one(&relation, &[], &[], OnHazard::Fail).expect("a table");
        table.key = key.iter().map(|name| name.to_string()).collect();
        let key = table.key.clone();
        set_not_null(&mut table, &key);
        table
    }

    /// The indexes that only Postgres has: with expressions, words behind columns, `where` or `include`.
    pub fn indexes_of_postgres(&self) -> impl Iterator<Item = &Index> {
        let is_plain = |index: &Index| {
            let all_columns = index.columns.iter().all(|name| self.column(name).is_some());
            all_columns && index.include.is_empty() && index.condition.is_none()
        };
        self.indexes.iter().filter(move |index| !is_plain(index))
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The key's columns.
    pub fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|name| self.column(name))
    }
}

impl Relation {
    fn table_name(&self) -> &str {
        self.contract.table.as_deref().unwrap_or(&self.name)
    }

    fn label(&self) -> String {
        label(&self.name, &self.contract)
    }
}

/// The name, in the warehouse's ledger, of the table that a relation is published as.
pub fn label(relation: &str, contract: &TableContract) -> String {
    let table = contract.table.as_deref().unwrap_or(relation);
    match &contract.schema {
        Some(schema) => format!("{schema}.{table}"),
        None => table.to_owned(),
    }
}

/// The schema and the table of a label; `schema` is that of a label without one.
pub fn label_parts(label: &str, schema: &str) -> (String, String) {
    let (schema, table) = label.split_once('.').unwrap_or((schema, label));
    (schema.to_owned(), table.to_owned())
}

/// Resolves all relations of a publication, parents before children according to foreign keys (cycles: by name).
///
/// `known`: the name and key of published tables that are not in this publication, for foreign keys that reference
/// them. `on_hazard` is the profile's. All errors of all relations are reported at once.
pub fn resolve(relations: &[Relation], known: &[Table], on_hazard: OnHazard) -> Result<Vec<Table>> {
    let mut errors = Vec::new();
    let mut tables = Vec::new();
    let mut names: BTreeMap<String, &Relation> = BTreeMap::new();
    for relation in relations {
        if let Some(other) = names.insert(folded(&relation.label()), relation) {
            errors.push(messages::export_name_taken(&relation.label(), &relation.model, &other.model));
        }
        match resolve_one(relation, relations, known, on_hazard) {
            Ok(table) => tables.push(table),
            Err(error) => errors.extend(error.split()),
        }
    }
    if errors.is_empty() {
        errors.extend(unreferable(relations, &tables));
    }
    match Error::many(errors) {
        Some(error) => Err(error),
        None => Ok(parents_first(tables)),
    }
}

fn resolve_one(relation: &Relation, all: &[Relation], known: &[Table], on_hazard: OnHazard) -> Result<Table> {
    let mut errors = Vec::new();
    let contract = &relation.contract;
    // What one list of the contract names, in the relation's own spelling.
    let listed = |errors: &mut Vec<Error>, names: &[String]| -> Vec<String> {
        let mut found = Vec::new();
        for written in names {
            match column_name(relation, written) {
                Some(name) => found.push(name),
                None => {
                    let near = nearest(written, relation.columns.iter().map(|(name, _)| name.as_str()));
                    errors.push(messages::export_no_such_column(&relation.name, written, near));
                }
            }
        }
        found
    };
    let order = listed(&mut errors, &contract.column_order);
    let partition_by = listed(&mut errors, &contract.partition_by);
    let mut indexes = Vec::new();
    for index in &contract.indexes {
        let mut columns = Vec::new();
        for written in &index.columns {
            match column_name(relation, written) {
                None if is_index_expression(relation, written) => columns.push(written.clone()),
                _ => columns.extend(listed(&mut errors, std::slice::from_ref(written))),
            }
        }
        indexes.push(Index { columns, include: listed(&mut errors, &index.include), ..index.clone() });
    }
    let mut table = Table {
        label: relation.label(),
        schema: contract.schema.clone(),
        name: relation.table_name().to_owned(),
        model: relation.model.clone(),
        columns: Vec::with_capacity(relation.columns.len()),
        key: Vec::new(),
        key_name: None,
        unique: Vec::new(),
        foreign_keys: Vec::new(),
        checks: Vec::new(),
        indexes,
        comment: contract.comment.clone(),
        owner: contract.owner.clone(),
        grants: contract.grants.clone(),
        partition_by,
        rows: contract.rows,
        on_conflict: contract.on_conflict.unwrap_or_default(),
        sequences: contract.sequences,
    };
    let on_hazard = contract.on_hazard.unwrap_or(on_hazard);
    for (name, duckdb_type) in &relation.columns {
        let none = ColumnContract::default();
        let declared = contract.columns.iter().find(|column| column.name.trim_matches('"').eq_ignore_ascii_case(name));
        let declared = declared.unwrap_or(&none);
        table.columns.push(Column {
            name: name.clone(),
            duckdb_type: duckdb_type.clone(),
            target_type: declared.target_type.clone().map(|written| (written, declared.place.clone())),
            not_null: false,
            default: declared.default.clone(),
            comment: declared.comment.clone(),
            on_hazard: declared.on_hazard.unwrap_or(on_hazard),
        });
    }
    for declared in &contract.columns {
        let sets_something =
            declared.target_type.is_some() || declared.default.is_some() || declared.on_hazard.is_some();
        if !sets_something || column_name(relation, &declared.name).is_some() {
            continue;
        }
        // A column that left the model may still be described. A misspelt name, or a path to a field, never has an effect.
        let near = nearest(&declared.name, relation.columns.iter().map(|(name, _)| name.as_str()));
        let is_misspelt = near.is_some_and(|near| near.chars().count().abs_diff(declared.name.chars().count()) <= 1);
        if is_misspelt || declared.name.contains(['.', '[']) {
            let error = messages::export_no_such_column(&relation.name, &declared.name, near);
            errors.push(error.at_maybe(declared.place.clone()));
        }
    }
    // Those that are not named keep their order behind them.
    let position = |column: &Column| order.iter().position(|name| *name == column.name).unwrap_or(order.len());
    table.columns.sort_by_key(position);
    let mut primary_keys = 0;
    for constraint in &relation.constraints {
        let columns = match constraint_columns(relation, constraint) {
            Ok(columns) => columns,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        match constraint.kind {
            // DuckDB's own words mean nothing to another database.
            ConstraintKind::Custom => {}
            ConstraintKind::NotNull => set_not_null(&mut table, &columns),
            ConstraintKind::PrimaryKey => {
                primary_keys += 1;
                if primary_keys > 1 {
                    errors.push(messages::export_two_primary_keys(&relation.name).at(constraint.place.clone()));
                }
                table.key = columns;
                table.key_name = constraint.name.clone();
            }
            ConstraintKind::Unique => table.unique.push(Unique { name: constraint.name.clone(), columns }),
            ConstraintKind::Check => match &constraint.expression {
                Some(expression) => {
                    table.checks.push(Check { name: constraint.name.clone(), expression: expression.clone() });
                }
                None => {
                    errors.push(messages::export_check_without_expression(&relation.name).at(constraint.place.clone()))
                }
            },
            ConstraintKind::ForeignKey => match foreign_key(relation, constraint, columns, all, known) {
                Ok(key) => table.foreign_keys.push(key),
                Err(error) => errors.push(error),
            },
        }
    }
    if table.key.is_empty() {
        table.key = relation.unique_key.iter().filter_map(|name| column_name(relation, name)).collect();
    }
    let key = table.key.clone();
    table.unique.retain(|unique| unique.columns != key);
    set_not_null(&mut table, &key);
    Error::many(errors).map_or(Ok(table), Err)
}

/// Whether an index' column is an expression, or a column with words behind it: `lower(name)`, `name desc`.
fn is_index_expression(relation: &Relation, written: &str) -> bool {
    let first = written.split_whitespace().next().unwrap_or_default();
    written.contains('(') || first != written.trim() && column_name(relation, first).is_some()
}

fn set_not_null(table: &mut Table, names: &[String]) {
    for column in &mut table.columns {
        column.not_null |= names.contains(&column.name);
    }
}

/// The relation's own spelling of a column, because YAML and DuckDB ignore case.
fn column_name(relation: &Relation, written: &str) -> Option<String> {
    let written = written.trim_matches('"');
    relation.columns.iter().map(|(name, _)| name).find(|name| name.eq_ignore_ascii_case(written)).cloned()
}

fn constraint_columns(relation: &Relation, constraint: &Constraint) -> Result<Vec<String>> {
    let find = |written: &String| {
        column_name(relation, written).ok_or_else(|| {
            let near = nearest(written, relation.columns.iter().map(|(name, _)| name.as_str()));
            messages::export_no_such_column(&relation.name, written, near).at(constraint.place.clone())
        })
    };
    constraint.columns.iter().map(find).collect()
}

/// `ref('customers')`, `ref("package", "customers")` or a plain name: the last name in it.
fn referred(to: &str) -> &str {
    let mut quoted = to.split(['\'', '"']);
    let mut last = None;
    while let (Some(_), Some(name)) = (quoted.next(), quoted.next()) {
        last = Some(name);
    }
    last.unwrap_or_else(|| to.rsplit('.').next().unwrap_or(to)).trim()
}

fn foreign_key(
    relation: &Relation,
    constraint: &Constraint,
    columns: Vec<String>,
    all: &[Relation],
    known: &[Table],
) -> Result<ForeignKey> {
    let written = constraint.to.as_deref().unwrap_or_default();
    let name = referred(written);
    let leaf = |model: &str| model.rsplit('.').next() == Some(name);
    let published = all.iter().find(|other| leaf(&other.model) || other.name == name);
    let elsewhere = known.iter().find(|other| leaf(&other.model) || other.name == name);
    let (to_schema, to_table) = match (published, elsewhere) {
        (Some(relation), _) => (relation.contract.schema.clone(), relation.table_name().to_owned()),
        (None, Some(table)) => (table.schema.clone(), table.name.clone()),
        // Not ours to judge: the table may exist in the target. The exporter adds the key once it does.
        (None, None) if !name.is_empty() => (None, name.to_owned()),
        (None, None) => return Err(messages::export_foreign_key_nowhere(&relation.name).at(constraint.place.clone())),
    };
    let to_columns = match published {
        Some(to) if constraint.to_columns.is_empty() => declared_key(to),
        Some(to) => constraint
            .to_columns
            .iter()
            .map(|written| {
                column_name(to, written).ok_or_else(|| {
                    let near = nearest(written, to.columns.iter().map(|(name, _)| name.as_str()));
                    messages::export_no_such_column(&to.name, written, near).at(constraint.place.clone())
                })
            })
            .collect::<Result<Vec<_>>>()?,
        None if constraint.to_columns.is_empty() => elsewhere.map(|table| table.key.clone()).unwrap_or_default(),
        None => constraint.to_columns.clone(),
    };
    if to_columns.len() != columns.len() {
        return Err(messages::export_foreign_key_width(&relation.name, &to_table, columns.len(), to_columns.len())
            .at(constraint.place.clone()));
    }
    Ok(ForeignKey { name: constraint.name.clone(), columns, to_schema, to_table, to_columns })
}

fn declared_key(relation: &Relation) -> Vec<String> {
    let declared = relation.constraints.iter().find(|constraint| constraint.kind == ConstraintKind::PrimaryKey);
    let names = declared.map_or(&relation.unique_key, |constraint| &constraint.columns);
    names.iter().filter_map(|name| column_name(relation, name)).collect()
}

/// Foreign keys within the publication that reference columns which are neither a key nor unique.
fn unreferable(relations: &[Relation], tables: &[Table]) -> Vec<Error> {
    let mut errors = Vec::new();
    for table in tables {
        for key in &table.foreign_keys {
            let Some(to) = tables.iter().find(|to| key.points_to(to)) else { continue };
            let wanted: BTreeSet<_> = key.to_columns.iter().collect();
            let referable = wanted == to.key.iter().collect()
                || to.unique.iter().any(|unique| wanted == unique.columns.iter().collect());
            if !referable {
                let relation = relations.iter().find(|relation| relation.model == table.model);
                let place = relation.and_then(|relation| {
                    relation
                        .constraints
                        .iter()
                        .find(|constraint| {
                            constraint.kind == ConstraintKind::ForeignKey
                                && constraint.to.as_deref().is_some_and(|to| referred(to) == key.to_table)
                        })
                        .map(|constraint| constraint.place.clone())
                });
                errors.push(
                    messages::export_foreign_key_not_unique(&table.name, &to.name, &key.to_columns).at_maybe(place),
                );
            }
        }
    }
    errors
}

/// Orders tables so that a table that a foreign key references precedes the table with the foreign key. Tables in a
/// cycle are in name order; the exporter defers their constraints.
pub fn parents_first(mut tables: Vec<Table>) -> Vec<Table> {
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let mut ordered: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let ready = |table: &Table| {
            table
                .foreign_keys
                .iter()
                .all(|key| key.points_to(table) || !tables.iter().any(|other| key.points_to(other)))
        };
        // In a cycle nothing is ready: the first by name goes, which breaks it.
        let next = tables.iter().position(ready).unwrap_or(0);
        ordered.push(tables.remove(next));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use elt_base::error::{Place, SourceText};

    fn constraint(kind: ConstraintKind, columns: &[&str], to: Option<&str>, to_columns: &[&str]) -> Constraint {
        Constraint {
            kind,
            place: Place::new(&SourceText::new("models/m.yml", "m"), 0..1),
            name: None,
            columns: columns.iter().map(|name| name.to_string()).collect(),
            expression: None,
            to: to.map(Into::into),
            to_columns: to_columns.iter().map(|name| name.to_string()).collect(),
        }
    }

    fn relation(name: &str, columns: &[(&str, &str)], constraints: Vec<Constraint>) -> Relation {
        Relation {
            model: format!("model.loans.{name}"),
            name: name.into(),
            columns: columns.iter().map(|(name, duckdb)| (name.to_string(), duckdb.to_string())).collect(),
            constraints,
            unique_key: Vec::new(),
            contract: TableContract::default(),
        }
    }

    /// The tables as `name(key) -> table(columns)` lines, or the errors' messages.
    #[track_caller]
    fn check(relations: &[Relation], expected: &[&str]) {
        let lines: Vec<String> = match resolve(relations, &[], OnHazard::Fail) {
            Ok(tables) => tables
                .iter()
                .map(|table| {
                    let keys: Vec<_> = table
                        .foreign_keys
                        .iter()
                        .map(|key| format!(" -> {}({})", key.to_table, key.to_columns.join(",")))
                        .collect();
                    format!("{}({}){}", table.name, table.key.join(","), keys.concat())
                })
                .collect(),
            Err(error) => error.iter().map(|error| error.message().to_owned()).collect(),
        };
        assert_eq!(lines, expected);
    }

    use ConstraintKind::{ForeignKey, PrimaryKey};

    #[test]
    fn orders_parents_first() {
        check(
            &[
                relation(
                    "a_child",
                    &[("id", "BIGINT"), ("Parent_id", "VARCHAR")],
                    vec![
                        constraint(PrimaryKey, &["ID"], None, &[]),
                        constraint(ForeignKey, &["parent_id"], Some("ref('parent')"), &["id"]),
                    ],
                ),
                relation("parent", &[("id", "VARCHAR")], vec![constraint(PrimaryKey, &["id"], None, &[])]),
            ],
            &["parent(id)", "a_child(id) -> parent(id)"],
        );
    }

    #[test]
    fn breaks_cycles() {
        let side = |name: &str, other: &str| {
            relation(
                name,
                &[("id", "BIGINT"), ("other", "BIGINT")],
                vec![
                    constraint(PrimaryKey, &["id"], None, &[]),
                    constraint(ForeignKey, &["other"], Some(&format!("ref('pkg', \"{other}\")")), &[]),
                ],
            )
        };
        check(&[side("b", "a"), side("a", "b")], &["a(id) -> b(id)", "b(id) -> a(id)"]);
    }

    #[test]
    fn reports_all_that_is_wrong() {
        check(
            &[
                relation("t", &[("id", "BIGINT")], Vec::new()),
                relation("T", &[("id", "BIGINT")], vec![constraint(PrimaryKey, &["ids"], None, &[])]),
                relation("u", &[("id", "BIGINT")], vec![constraint(ForeignKey, &["id"], Some("ref('T')"), &["id"])]),
            ],
            &["`T` is published by `model.loans.T` and `model.loans.t`", "`T` has no column `ids`"],
        );
        check(
            &[
                relation("t", &[("id", "BIGINT")], Vec::new()),
                relation("u", &[("id", "BIGINT")], vec![constraint(ForeignKey, &["id"], Some("ref('t')"), &["id"])]),
            ],
            &["a foreign key of `u` points to `t` (`id`), which is neither its primary key nor unique"],
        );
    }
}
