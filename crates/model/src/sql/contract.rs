//! A model's contract: the columns and types that its YAML promises, and the constraints of its table.
//!
//! Pure: compares lists of columns and writes SQL (<https://docs.getdbt.com/reference/resource-configs/contract>).
//! Types are compared by DuckDB's names, so the caller must ask DuckDB for its names of the promised types.

use super::compiled::Compiled;
use crate::graph::{Graph, Node, NodeKind, Relation};
use crate::messages;
use elt_base::error::{Error, Place, Result};
use elt_base::schema::quote;
use elt_project::{Constraint, ConstraintKind};

/// The contract of a model that enforces one.
#[derive(Debug, Clone, Copy)]
pub struct Contract<'a> {
    node: &'a Node,
}

impl<'a> Contract<'a> {
    /// None if the model enforces none.
    pub fn of(node: &'a Node) -> Option<Self> {
        (node.kind == NodeKind::Model && node.config.contract).then_some(Self { node })
    }

    fn place(self) -> Place {
        self.node.patch.clone().unwrap_or_else(|| self.node.place())
    }

    /// A query without rows whose columns, in the contract's order, have the promised types.
    ///
    /// # Errors
    /// The contract has no columns, or columns without `data_type`; exit code 2.
    pub fn promised(self) -> Result<String> {
        let columns = &self.node.columns;
        if columns.is_empty() {
            return Err(messages::contract_without_columns(&self.node.name, self.place()));
        }
        let untyped: Vec<_> = columns.iter().filter(|column| column.data_type.is_none()).collect();
        if !untyped.is_empty() {
            let names: Vec<String> = untyped.iter().map(|column| column.name.clone()).collect();
            let places = untyped.iter().map(|column| column.place.clone()).collect();
            return Err(messages::contract_without_types(&self.node.name, &names, places));
        }
        Ok(Self::select(columns.iter().map(|column| (column.name.as_str(), column.data_type.as_deref()))))
    }

    fn select<'b>(columns: impl Iterator<Item = (&'b str, Option<&'b str>)>) -> String {
        let casts = columns.map(|(name, sql)| format!("cast(null as {}) as {}", sql.unwrap_or("null"), quote(name)));
        format!("select {} limit 0", casts.collect::<Vec<_>>().join(", "))
    }

    /// The error about the first promised type that DuckDB does not know. `is_known` runs a query to find this out.
    pub fn unknown_type(self, is_known: &mut dyn FnMut(&str) -> bool) -> Option<Error> {
        let bad = self.node.columns.iter().find(|column| {
            !is_known(&Self::select(std::iter::once((column.name.as_str(), column.data_type.as_deref()))))
        })?;
        let written = bad.data_type.as_deref().unwrap_or_default();
        Some(messages::contract_unknown_type(&self.node.name, &bad.name, written, bad.place.clone()))
    }

    /// Compares the promised columns with the query's columns, each as `(name, DuckDB type)`. The order does not
    /// matter.
    ///
    /// # Errors
    /// All differences at once.
    pub fn compare(self, promised: &[(String, String)], given: &[(String, String)]) -> Result<()> {
        let find = |list: &'_ [(String, String)], name: &str| -> Option<String> {
            list.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, sql)| sql.clone())
        };
        let mut rows = Vec::new();
        for (name, sql) in given {
            let row = |contract: String, why: &str| [name.clone(), sql.clone(), contract, why.to_owned()];
            match find(promised, name) {
                None => rows.push(row(String::new(), "missing in the contract")),
                Some(wanted) if wanted != *sql => rows.push(row(wanted, "another type")),
                Some(_) => {}
            }
        }
        for (name, sql) in promised.iter().filter(|(name, _)| find(given, name).is_none()) {
            rows.push([name.clone(), String::new(), sql.clone(), "missing in the query".into()]);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let count = rows.len();
        let head = ["column", "query", "contract", ""].map(str::to_owned);
        rows.insert(0, head);
        Err(messages::contract_broken(&self.node.name, count, aligned(&rows), self.place()))
    }

    /// Creates or replaces the table, empty, with its constraints. Foreign keys that name a node are not created, but
    /// checked by `orphans`, because DuckDB refuses to rebuild a table that another table references.
    pub fn create(self) -> String {
        let constraints = &self.node.constraints;
        let named = |constraint: &Constraint, sql: String| match &constraint.name {
            Some(name) => format!("constraint {} {sql}", quote(name)),
            None => sql,
        };
        let mut parts: Vec<String> = Vec::new();
        for column in &self.node.columns {
            let mut sql = format!("{} {}", quote(&column.name), column.data_type.as_deref().unwrap_or_default());
            for constraint in constraints {
                let is_its = constraint.columns.len() == 1 && constraint.columns[0].eq_ignore_ascii_case(&column.name);
                let expression = constraint.expression.as_deref().unwrap_or_default();
                match constraint.kind {
                    ConstraintKind::NotNull
                        if constraint.columns.iter().any(|own| own.eq_ignore_ascii_case(&column.name)) =>
                    {
                        sql.push_str(" not null");
                    }
                    ConstraintKind::Custom if is_its => sql.push_str(&format!(" {expression}")),
                    _ => {}
                }
            }
            parts.push(sql);
        }
        for constraint in constraints {
            let columns = constraint.columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
            let expression = constraint.expression.as_deref().unwrap_or_default();
            let sql = match constraint.kind {
                ConstraintKind::PrimaryKey => format!("primary key ({columns})"),
                ConstraintKind::Unique => format!("unique ({columns})"),
                ConstraintKind::Check => format!("check ({expression})"),
                ConstraintKind::ForeignKey if constraint.to.is_none() => {
                    format!("foreign key ({columns}) references {expression}")
                }
                ConstraintKind::Custom if constraint.columns.len() != 1 => expression.to_owned(),
                ConstraintKind::NotNull | ConstraintKind::ForeignKey | ConstraintKind::Custom => continue,
            };
            parts.push(named(constraint, sql));
        }
        format!("create or replace table {} (\n  {}\n)", self.node.relation, parts.join(",\n  "))
    }

    /// Fills the table that `create` creates.
    pub fn fill(self, query: &Compiled) -> Compiled {
        query.within(&format!("insert into {} by name (\n", self.node.relation), "\n)")
    }

    /// For each foreign key: the constraint, and a query that counts the rows whose key does not exist in the
    /// referenced table. As in SQL, a key that contains a NULL references nothing and is not counted.
    pub fn orphans(self, graph: &Graph) -> Vec<(String, &'a Constraint)> {
        let keys = self.node.constraints.iter().filter(|constraint| constraint.kind == ConstraintKind::ForeignKey);
        keys.filter_map(|constraint| {
            let to: &Relation = &graph.referred(constraint.to.as_deref()?)?.relation;
            let theirs = if constraint.to_columns.is_empty() { &constraint.columns } else { &constraint.to_columns };
            let pairs: Vec<_> = constraint.columns.iter().map(|name| quote(name)).zip(theirs.iter().map(|name| quote(name))).collect();
            let all = |part: &dyn Fn(&str, &str) -> String| {
                pairs.iter().map(|(own, their)| part(own, their)).collect::<Vec<_>>().join(" and ")
            };
            let sql = format!(
                "select count(*) from {} as elt_child\nwhere {}\n  and not exists (select 1 from {to} as elt_parent where {})",
                self.node.relation,
                all(&|own, _| format!("elt_child.{own} is not null")),
                all(&|own, their| format!("elt_parent.{their} = elt_child.{own}")),
            );
            Some((sql, constraint))
        })
        .collect()
    }
}

/// Rows as columns of text, separated by two spaces.
fn aligned(rows: &[[String; 4]]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[String; 4]| {
        let cells = format!("  {:<3$}  {:<4$}  {:<5$}", row[0], row[1], row[2], widths[0], widths[1], widths[2]);
        format!("{cells}  {}", row[3]).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
