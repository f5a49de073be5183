//! Finds rows that reference missing rows, for targets whose transaction runs without the server's own checks: among the
//! new rows, and among the rows that referenced deleted rows.
//!
//! In every query `c` is the referencing row, `p` the referenced one, and `g` the key of a removed one. Pure. Knows no
//! target.

use super::merge::Dialect;
use crate::publication::Counts;

/// Schema and name of a table.
pub type TableName = (String, String);

/// A foreign key, wherever it exists.
#[derive(Clone)]
pub struct Pointer {
    pub from: TableName,
    pub columns: Vec<String>,
    pub to: TableName,
    pub to_columns: Vec<String>,
    /// It was just added to a table with rows, which have never been looked at.
    pub is_added: bool,
}

/// A table of the publication after its rows were applied.
pub struct ChangedTable {
    pub name: TableName,
    pub key: Vec<String>,
    pub columns: Vec<String>,
    pub counts: Counts,
    /// The places of its staged rows and removed keys, if those are all that changed.
    pub rows: Option<String>,
    pub gone: Option<String>,
    /// Rows left the table after it was written.
    pub has_left: bool,
}

impl Pointer {
    /// The queries that return a row for a row that references a missing one; none if the publication cannot have made
    /// any. `place` qualifies a name.
    pub fn orphans(
        &self,
        changes: &[ChangedTable],
        dialect: &dyn Dialect,
        place: &dyn Fn(&str, &str) -> String,
    ) -> Vec<String> {
        let named = |name: &TableName| changes.iter().find(|table| table.name == *name);
        let place = |name: &TableName| place(&name.0, &name.1);
        let (from, to) = (place(&self.from), place(&self.to));
        if self.is_added {
            return vec![self.orphan(&from, &to, dialect)];
        }
        let mut queries = Vec::new();
        if let Some(child) = named(&self.from).filter(|child| child.counts.inserted + child.counts.updated > 0) {
            let is_staged = self.columns.iter().all(|name| child.columns.contains(name));
            let rows = child.rows.as_ref().filter(|_| is_staged).unwrap_or(&from);
            queries.push(self.orphan(rows, &to, dialect));
        }
        if let Some(parent) = named(&self.to) {
            let is_key = self.to_columns.iter().all(|name| parent.key.contains(name));
            let is_whole_key = is_key && self.to_columns.len() == parent.key.len();
            let went = parent.counts.deleted > 0 || parent.has_left;
            match &parent.gone {
                Some(gone) if went && is_whole_key => queries.push(self.orphaned(gone, &from, dialect)),
                _ if went || !is_key && parent.counts.updated > 0 => queries.push(self.orphan(&from, &to, dialect)),
                _ => {}
            }
        }
        queries
    }

    /// A row of `from` (the table, or its staged rows) that references a missing row.
    fn orphan(&self, from: &str, to: &str, dialect: &dyn Dialect) -> String {
        let given = self.columns.iter().map(|name| format!("c.{} is not null", dialect.quoted(name)));
        let given = given.collect::<Vec<_>>().join(" and ");
        let first = self.to_columns.first().map(|name| dialect.quoted(name)).unwrap_or_default();
        format!(
            "select 1 from {from} as c left join {to} as p on {} where {given} and p.{first} is null limit 1",
            self.same("p", dialect)
        )
    }

    /// A row of the table that references a removed key.
    fn orphaned(&self, gone: &str, from: &str, dialect: &dyn Dialect) -> String {
        let (join, same) = (dialect.join(), self.same("g", dialect));
        format!("select 1 from {gone} as g {join} {from} as c on {same} limit 1")
    }

    fn same(&self, to: &str, dialect: &dyn Dialect) -> String {
        let pairs = self.to_columns.iter().zip(&self.columns);
        let same = pairs.map(|(a, b)| format!("{to}.{} = c.{}", dialect.quoted(a), dialect.quoted(b)));
        same.collect::<Vec<_>>().join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;

    impl Dialect for Plain {}

    fn table(name: &str, counts: Counts) -> ChangedTable {
        ChangedTable {
            name: ("s".into(), name.into()),
            key: vec!["id".into()],
            columns: vec!["id".into(), "to_id".into()],
            counts,
            rows: Some(format!("rows_{name}")),
            gone: Some(format!("gone_{name}")),
            has_left: false,
        }
    }

    #[test]
    fn asks_for_what_the_publication_changed() {
        let pointer = |is_added| Pointer {
            from: ("s".into(), "c".into()),
            columns: vec!["to_id".into()],
            to: ("s".into(), "p".into()),
            to_columns: vec!["id".into()],
            is_added,
        };
        let place = |schema: &str, name: &str| format!("{schema}.{name}");
        let check = |is_added, child: Counts, parent: Counts, expected: &[&str]| {
            let found = pointer(is_added).orphans(&[table("c", child), table("p", parent)], &Plain, &place);
            assert_eq!(found, expected);
        };
        let missing = |from: &str| {
            format!(
                "select 1 from {from} as c left join s.p as p on p.\"id\" = c.\"to_id\" \
                 where c.\"to_id\" is not null and p.\"id\" is null limit 1"
            )
        };
        let none = Counts::default();
        check(false, none, none, &[]);
        check(true, none, none, &[&missing("s.c")]);
        check(false, Counts { inserted: 1, ..none }, none, &[&missing("rows_c")]);
        let removed = "select 1 from gone_p as g join s.c as c on g.\"id\" = c.\"to_id\" limit 1";
        check(false, none, Counts { deleted: 1, ..none }, &[removed]);
    }
}
