//! The SQL that merges staged rows with a table that exists, and that compares them: the same for all SQL targets.
//!
//! In every statement `t` is the target's table and `s` are the staged rows. Pure. Knows no target: a `Dialect`
//! contains the differences between targets.

use crate::changes::TextRows;
use crate::difference::{Difference, KEYS_SHOWN};
use crate::publication::Coverage;
use elt_base::error::Result;
use elt_base::schema::quote;

/// The SQL that differs between databases; the defaults are Postgres' SQL.
pub trait Dialect {
    fn quoted(&self, name: &str) -> String {
        quote(name)
    }

    /// Whether two values of a column differ; two nulls do not.
    fn differ(&self, there: &str, here: &str) -> String {
        format!("{there} is distinct from {here}")
    }

    /// Whether two values of a key's column are the same.
    fn same_key(&self, there: &str, here: &str) -> String {
        format!("{there} = {here}")
    }

    /// Deletes the rows of `target` that have a row in `staged`.
    fn delete_matched(&self, target: &str, staged: &str, on: &str) -> String {
        format!("delete from {target} as t using {staged} as s where {on}")
    }

    /// Deletes the rows of `target` that have no row in `staged`; `key` is one column of the key.
    fn delete_unmatched(&self, target: &str, staged: &str, on: &str, _key: &str) -> String {
        format!("delete from {target} as t where not exists (select 1 from {staged} as s where {on})")
    }

    /// Sets the columns of the rows that have a row in `staged` and differ from it.
    fn update(&self, target: &str, staged: &str, on: &str, set: &[(String, String)], differ: &str) -> String {
        let set: Vec<_> = set.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        format!("update {target} as t set {} from {staged} as s where {on} and ({differ})", set.join(", "))
    }

    /// Joins the staged rows, which come first, with the target's.
    fn join(&self) -> &'static str {
        "join"
    }

    /// A key as one text: `17`, or `(17, a)`.
    fn key_text(&self, columns: &[String]) -> String {
        let texts: Vec<_> = columns.iter().map(|column| format!("{column}::text")).collect();
        match texts.as_slice() {
            [one] => one.clone(),
            several => format!("'(' || concat_ws(', ', {}) || ')'", several.join(", ")),
        }
    }
}

/// The staged rows of one table, and the table that they are merged into. Places are qualified names.
pub struct Merge<'a> {
    pub dialect: &'a dyn Dialect,
    pub target: String,
    pub rows: String,
    /// The keys of removed rows.
    pub gone: String,
    pub columns: Vec<MergeColumn>,
    /// No row is kept, whatever its key.
    pub is_replaced: bool,
    /// Stands between an insert's columns and its rows: ` overriding system value`.
    pub overriding: &'static str,
}

pub struct MergeColumn {
    pub name: String,
    pub is_key: bool,
    /// Follows a staged value in SQL: `::public.mood`.
    pub cast: String,
    /// The text around two values when they are compared: `cast(` and ` as binary)`.
    pub compared: (&'static str, &'static str),
    /// False for a column that the publication will add.
    pub exists: bool,
}

impl Merge<'_> {
    /// Deletes the removed rows; None if no row is known to be removed.
    pub fn delete(&self, coverage: Coverage, has_gone: bool) -> Option<String> {
        match coverage {
            Coverage::Everything => Some(self.delete_others()),
            Coverage::Delta => has_gone.then(|| self.delete_gone()),
        }
    }

    /// Deletes the rows whose keys are staged as removed.
    pub fn delete_gone(&self) -> String {
        self.dialect.delete_matched(&self.target, &self.gone, &self.on())
    }

    /// Removes the rows that the relation does not have; without a key all of them.
    pub fn delete_others(&self) -> String {
        match self.keys().next().filter(|_| self.is_by_key()) {
            Some(key) => self.dialect.delete_unmatched(&self.target, &self.rows, &self.on(), &self.name(key)),
            None => format!("delete from {}", self.target),
        }
    }

    /// Updates the rows that differ; None if there is nothing beside the key, or no key.
    pub fn update(&self) -> Option<String> {
        let others: Vec<&MergeColumn> = self.columns.iter().filter(|column| !column.is_key).collect();
        if others.is_empty() || !self.is_by_key() {
            return None;
        }
        let set: Vec<_> = others.iter().map(|column| (self.name(column), self.staged(column))).collect();
        let differ = self.differ(others.into_iter());
        Some(self.dialect.update(&self.target, &self.rows, &self.on(), &set, &differ))
    }

    /// Inserts the rows whose key does not exist in the table; all rows, if there is no key or the table is empty.
    pub fn insert(&self, is_empty: bool) -> String {
        let names: Vec<_> = self.columns.iter().map(|column| self.name(column)).collect();
        let staged: Vec<_> = self.columns.iter().map(|column| self.staged(column)).collect();
        let new = match self.is_by_key() && !is_empty {
            true => format!(" where {}", self.none_in(&self.target, "t")),
            false => String::new(),
        };
        format!(
            "insert into {} ({}){} select {} from {} as s{new}",
            self.target,
            names.join(", "),
            self.overriding,
            staged.join(", "),
            self.rows
        )
    }

    /// The keys of staged rows that are missing in the target.
    pub fn missing(&self) -> String {
        format!("select {} from {} as s where {}", self.key_of("s"), self.rows, self.none_in(&self.target, "t"))
    }

    /// The keys of the target's rows that were not staged.
    pub fn unknown(&self) -> String {
        format!("select {} from {} as t where {}", self.key_of("t"), self.target, self.none_in(&self.rows, "s"))
    }

    /// The keys of rows whose values differ. None if nothing can differ.
    pub fn differing(&self) -> Option<String> {
        let mut others = self.columns.iter().filter(|column| !column.is_key && column.exists).peekable();
        others.peek()?;
        Some(format!(
            "select {} from {} as s {} {} as t on {} where {}",
            self.key_of("s"),
            self.rows,
            self.dialect.join(),
            self.target,
            self.on(),
            self.differ(others)
        ))
    }

    /// All rows of the target and all that were staged, with comparable columns.
    pub fn both(&self) -> (String, String) {
        let (there, here): (Vec<_>, Vec<_>) =
            self.columns.iter().filter(|column| column.exists).map(|column| self.comparable(column)).unzip();
        (
            format!("select {} from {} as t", there.join(", "), self.target),
            format!("select {} from {} as s", here.join(", "), self.rows),
        )
    }

    /// The difference between the table and its rows, which are staged in full; `named` contains the table's name.
    /// `query` runs a query and returns all rows as text.
    pub fn difference(&self, named: Difference, query: &mut dyn FnMut(&str) -> Result<TextRows>) -> Result<Difference> {
        let texts = |rows: TextRows| rows.into_iter().flatten().flatten();
        let mut count = |sql: &str| -> Result<u64> {
            let found = texts(query(&format!("select count(*) from ({sql}) as d"))?).next();
            Ok(found.and_then(|text| text.parse().ok()).unwrap_or(0))
        };
        if self.keys().next().is_none() {
            let (there, here) = self.both();
            return Ok(Difference {
                missing: count(&format!("({here}) except all ({there})"))?,
                unknown: count(&format!("({there}) except all ({here})"))?,
                ..named
            });
        }
        let queries = [Some(self.missing()), self.differing(), Some(self.unknown())];
        let mut counts = [0; 3];
        for (sql, counted) in queries.iter().zip(&mut counts) {
            *counted = sql.as_deref().map_or(Ok(0), &mut count)?;
        }
        let [missing, differing, unknown] = counts;
        let key: Vec<_> = self.keys().map(|column| format!("d.{}", self.name(column))).collect();
        let text = self.dialect.key_text(&key);
        let mut keys = Vec::new();
        for sql in queries.iter().zip(counts).filter(|(_, count)| *count > 0).filter_map(|(sql, _)| sql.as_ref()) {
            let room = KEYS_SHOWN - keys.len();
            if room > 0 {
                let order = key.join(", ");
                keys.extend(texts(query(&format!("select {text} from ({sql}) as d order by {order} limit {room}"))?));
            }
        }
        let key = self.keys().map(|column| column.name.clone()).collect();
        Ok(Difference { missing, differing, unknown, keys, key, ..named })
    }

    fn keys(&self) -> impl Iterator<Item = &MergeColumn> {
        self.columns.iter().filter(|column| column.is_key)
    }

    fn is_by_key(&self) -> bool {
        !self.is_replaced && self.keys().next().is_some()
    }

    fn name(&self, column: &MergeColumn) -> String {
        self.dialect.quoted(&column.name)
    }

    /// Assignment casts do the rest: they refuse what an explicit cast would cut off.
    fn staged(&self, column: &MergeColumn) -> String {
        format!("s.{}{}", self.name(column), column.cast)
    }

    fn key_of(&self, of: &str) -> String {
        self.keys().map(|column| format!("{of}.{}", self.name(column))).collect::<Vec<_>>().join(", ")
    }

    /// The target's value and the staged one, as they are compared.
    fn comparable(&self, column: &MergeColumn) -> (String, String) {
        let (before, behind) = column.compared;
        (format!("{before}t.{}{behind}", self.name(column)), format!("{before}{}{behind}", self.staged(column)))
    }

    fn differ<'c>(&self, columns: impl Iterator<Item = &'c MergeColumn>) -> String {
        let differ = columns.map(|column| {
            let (there, here) = self.comparable(column);
            self.dialect.differ(&there, &here)
        });
        differ.collect::<Vec<_>>().join(" or ")
    }

    fn none_in(&self, place: &str, alias: &str) -> String {
        format!("not exists (select 1 from {place} as {alias} where {})", self.on())
    }

    fn on(&self) -> String {
        let parts =
            self.keys().map(|column| self.dialect.same_key(&format!("t.{}", self.name(column)), &self.staged(column)));
        parts.collect::<Vec<_>>().join(" and ")
    }
}
