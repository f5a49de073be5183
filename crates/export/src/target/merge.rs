//! The SQL that merges staged rows with a table that exists, and that compares them: the same for all SQL targets.
//!
//! In every statement `t` is the target's table and `s` are the staged rows. Pure. Knows no target: a `Dialect`
//! contains the differences between targets.

use crate::changes::{FRESH, TextRows};
use crate::difference::{Difference, KEYS_SHOWN};
use crate::others::Others;
use crate::publication::Coverage;
use elt_base::error::Result;
use elt_base::schema::quote;
use elt_project::OnConflict;

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

    /// Whether a column hides a table's name in a query around: in DuckDB `t.id` within a subquery over a relation with a
    /// column `t` is a field of that column.
    fn columns_hide_tables(&self) -> bool {
        false
    }

    /// Deletes the rows of `target` that have a row in `staged`.
    fn delete_matched(&self, target: &str, staged: &str, on: &str) -> String {
        format!("delete from {target} as t using {staged} as s where {on}")
    }

    /// Deletes the rows of `target` that have no row in `staged`; `key` is one column of the key.
    fn delete_unmatched(&self, target: &str, staged: &str, on: &str, _key: &str) -> String {
        format!("delete from {target} as t where not exists (select 1 from {staged} as s where {on})")
    }

    /// Deletes the rows of `staged` that have a row in `target` and meet a condition.
    fn delete_staged(&self, target: &str, staged: &str, on: &str, condition: &str) -> String {
        format!("delete from {staged} as s using {target} as t where {on} and {condition}")
    }

    /// Sets the columns of the rows that have a row in `staged` and meet a condition.
    fn update(&self, target: &str, staged: &str, on: &str, set: &[(String, String)], condition: &str) -> String {
        let set: Vec<_> = set.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        format!("update {target} as t set {} from {staged} as s where {on} and {condition}", set.join(", "))
    }

    /// Joins the staged rows, which come first, with the target's.
    fn join(&self) -> &'static str {
        "join"
    }

    /// A text that is ordered by its bytes.
    fn bytes(&self, text: &str) -> String {
        format!("({text}) collate \"C\"")
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
    /// Of the staged rows. If it is marked, they have the column `FRESH`.
    pub coverage: Coverage,
    /// Stands between an insert's columns and its rows: ` overriding system value`.
    pub overriding: &'static str,
}

/// Which staged rows a statement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    All,
    /// Published before; only of a marked coverage.
    Known,
    /// Not published before; only of a marked coverage.
    Fresh,
}

pub struct MergeColumn {
    pub name: String,
    pub is_key: bool,
    /// Follows a staged value in SQL: `::public.mood`.
    pub cast: String,
    /// The text around two values when they are compared: `cast(` and ` as binary)`.
    pub compared: (&'static str, &'static str),
    /// Of a key: the text around a value that makes two values equal only if they have the same letters, if the
    /// target's own equality does not: case, accents, trailing blanks.
    pub spelled: Option<(&'static str, &'static str)>,
    /// False for a column that the publication will add.
    pub exists: bool,
}

impl Merge<'_> {
    pub fn is_marked(&self) -> bool {
        self.coverage.is_marked() && self.is_by_key()
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

    /// Updates the rows that differ; None if there is nothing beside the key, or no key. A key that has other letters
    /// than its staged row gets those.
    pub fn update(&self, which: Which) -> Option<String> {
        let others = self.columns.iter().filter(|column| !column.is_key || column.spelled.is_some());
        let others: Vec<&MergeColumn> = others.collect();
        if others.is_empty() || !self.is_by_key() {
            return None;
        }
        let set: Vec<_> = others.iter().map(|column| (self.name(column), self.staged(column))).collect();
        let condition = self.of(which, &format!("({})", self.differ(others.into_iter())));
        Some(self.dialect.update(&self.target, &self.rows, &self.on(), &set, &condition))
    }

    /// Whether a row differs from its staged row in some of these columns, as a condition.
    pub fn differing_in(&self, names: &[String]) -> String {
        format!("({})", self.differ(self.columns.iter().filter(|column| names.contains(&column.name))))
    }

    /// Sets columns to NULL in the rows that meet a condition.
    pub fn park(&self, names: &[String], which: Which, condition: &str) -> String {
        let set: Vec<_> = names.iter().map(|name| (self.dialect.quoted(name), "null".to_owned())).collect();
        self.dialect.update(&self.target, &self.rows, &self.on(), &set, &self.of(which, condition))
    }

    /// The columns of a row as it is to be: their names, and the staged values, with the values there in the columns of
    /// others.
    pub fn rewritten(&self, others: &[String]) -> (String, String) {
        let ours = self.columns.iter().filter(|column| column.exists);
        let (mut names, mut values): (Vec<_>, Vec<_>) =
            ours.map(|column| (self.name(column), format!("{} as {}", self.staged(column), self.name(column)))).unzip();
        for name in others.iter().map(|name| self.dialect.quoted(name)) {
            values.push(format!("t.{name}"));
            names.push(name);
        }
        (names.join(", "), values.join(", "))
    }

    /// The condition of a statement that joins the target with its staged rows.
    pub fn matched(&self, which: Which, condition: &str) -> String {
        format!("{} and {}", self.on(), self.of(which, condition))
    }

    /// The keys, as text, of the first and the last of several staged rows with the same values in these columns.
    pub fn twins_in(&self, names: &[String]) -> String {
        let key: Vec<_> = self.keys().map(|column| format!("s.{}", self.name(column))).collect();
        let text = self.dialect.bytes(&self.dialect.key_text(&key));
        let columns: Vec<_> = self.columns.iter().filter(|column| names.contains(&column.name)).collect();
        let by: Vec<_> = columns.iter().map(|column| self.staged(column)).collect();
        let known: Vec<_> = columns.iter().map(|column| format!("s.{} is not null", self.name(column))).collect();
        format!(
            "select min({text}), max({text}) from {} as s where {} group by {} having count(*) > 1",
            self.rows,
            known.join(" and "),
            by.join(", ")
        )
    }

    /// The keys, as text, of staged rows and of rows there that are not staged, with the same values in these columns.
    pub fn held(&self, names: &[String]) -> String {
        let text = |of: &str| {
            let key: Vec<_> = self.keys().map(|column| format!("{of}.{}", self.name(column))).collect();
            self.dialect.key_text(&key)
        };
        let columns = self.columns.iter().filter(|column| names.contains(&column.name));
        let same: Vec<_> = columns.map(|column| format!("t.{} = {}", self.name(column), self.staged(column))).collect();
        format!(
            "select {}, {} from {} as s {} {} as t on {} where {}{}",
            text("s"),
            text("t"),
            self.rows,
            self.dialect.join(),
            self.target,
            same.join(" and "),
            self.none_in(&self.rows, "s"),
            if self.is_marked() { format!(" and {}", self.none_in(&self.gone, "s")) } else { String::new() }
        )
    }

    /// Takes the fresh rows whose key exists in the target out of the staged rows.
    pub fn drop_conflicts(&self) -> String {
        self.dialect.delete_staged(&self.target, &self.rows, &self.on(), &self.of(Which::Fresh, "true"))
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

    /// The keys of the target's rows that were not staged; with a marked coverage, of those that are to be removed.
    pub fn unknown(&self) -> String {
        match self.is_marked() {
            true => format!("select {} {}", self.key_of("t"), self.joined(&self.gone)),
            false => {
                format!("select {} from {} as t where {}", self.key_of("t"), self.target, self.none_in(&self.rows, "s"))
            }
        }
    }

    /// The keys of rows of others that nothing is published to; only if all rows of a marked coverage are staged.
    fn left(&self) -> String {
        let (rows, gone) = (self.none_in(&self.rows, "s"), self.none_in(&self.gone, "s"));
        format!("select {} from {} as t where {rows} and {gone}", self.key_of("t"), self.target)
    }

    /// The keys of fresh rows whose key exists in the target, and their numbers; only of a marked coverage.
    pub fn conflicts(&self) -> String {
        let fresh = self.dialect.quoted(FRESH);
        let condition = self.of(Which::Fresh, "true");
        format!("select {}, s.{fresh} {} where {condition}", self.key_of("s"), self.joined(&self.rows))
    }

    /// The keys of rows whose values differ. None if nothing can differ.
    pub fn differing(&self, which: Which) -> Option<String> {
        let of_values = |column: &&MergeColumn| (!column.is_key || column.spelled.is_some()) && column.exists;
        let mut others = self.columns.iter().filter(of_values).peekable();
        others.peek()?;
        let condition = self.of(which, &format!("({})", self.differ(others)));
        Some(format!("select {} {} where {condition}", self.key_of("s"), self.joined(&self.rows)))
    }

    /// Whether the target holds keys equal that are not the same.
    pub fn has_loose_key(&self) -> bool {
        self.is_by_key() && self.keys().any(|column| column.spelled.is_some())
    }

    /// The first and the last text of each key that several staged rows have, by the target's equality.
    pub fn twins(&self) -> String {
        let key: Vec<_> = self.keys().map(|column| format!("s.{}", self.name(column))).collect();
        let text = self.dialect.bytes(&self.dialect.key_text(&key));
        let by: Vec<_> = self.keys().map(|column| self.staged(column)).collect();
        format!(
            "select min({text}), max({text}) from {} as s group by {} having count(*) > 1",
            self.rows,
            by.join(", ")
        )
    }

    /// The keys of staged rows, and the keys in the target that are equal to them, but not the same. The target may cut
    /// off blanks of a key that was published before, so such a key is compared as the target stores it.
    pub fn respelled(&self) -> String {
        let text = |of: &str| {
            let key: Vec<_> = self.keys().map(|column| format!("{of}.{}", self.name(column))).collect();
            self.dialect.key_text(&key)
        };
        let fresh = self.dialect.quoted(FRESH);
        let differ = self.keys().filter_map(|column| {
            let (before, behind) = column.spelled?;
            let (name, staged) = (self.name(column), self.staged(column));
            let there = format!("{before}t.{name}{behind}");
            let raw = self.dialect.differ(&there, &format!("{before}s.{name}{behind}"));
            let cast = self.dialect.differ(&there, &format!("{before}{staged}{behind}"));
            Some(format!("(s.{fresh} is not null and {raw} or {cast})"))
        });
        let differ = differ.collect::<Vec<_>>().join(" or ");
        format!("select {}, {} {} where {differ}", text("s"), text("t"), self.joined(&self.rows))
    }

    /// How many rows the target has.
    pub fn count(&self) -> String {
        format!("select count(*) from {}", self.target)
    }

    /// The texts of some of the keys that a query returns, in order.
    pub fn key_texts(&self, keys: &str, count: usize) -> String {
        let key: Vec<_> = self.keys().map(|column| format!("d.{}", self.name(column))).collect();
        let (text, order) = (self.dialect.key_text(&key), key.join(", "));
        format!("select {text} from ({keys}) as d order by {order} limit {count}")
    }

    /// The names of the key's columns.
    pub fn key_names(&self) -> Vec<String> {
        self.keys().map(|column| column.name.clone()).collect()
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
    pub fn difference(
        &self,
        named: Difference,
        on_conflict: OnConflict,
        query: &mut dyn FnMut(&str) -> Result<TextRows>,
    ) -> Result<Difference> {
        if self.keys().next().is_none() {
            let (there, here) = self.both();
            return Ok(Difference {
                missing: count(query, &format!("({here}) except all ({there})"))?,
                unknown: count(query, &format!("({there}) except all ({here})"))?,
                ..named
            });
        }
        // Rows of others are no differences; but in a conflict, the publication updates them or fails.
        let which = if self.is_marked() { Which::Known } else { Which::All };
        let conflicts = (self.is_marked() && on_conflict != OnConflict::Keep).then(|| self.conflicts());
        let queries = [Some(self.missing()), self.differing(which), Some(self.unknown()), conflicts];
        let mut counts = [0; 4];
        for (sql, counted) in queries.iter().zip(&mut counts) {
            *counted = sql.as_deref().map_or(Ok(0), |sql| count(query, sql))?;
        }
        let [missing, differing, unknown, conflicts] = counts;
        let mut keys = Vec::new();
        for sql in queries.iter().zip(counts).filter(|(_, count)| *count > 0).filter_map(|(sql, _)| sql.as_ref()) {
            let room = KEYS_SHOWN - keys.len();
            if room > 0 {
                keys.extend(texts(query(&self.key_texts(sql, room))?));
            }
        }
        Ok(Difference { missing, differing, unknown, conflicts, keys, key: self.key_names(), ..named })
    }

    /// The rows of others in the table; `fresh` is the number of staged rows that are.
    pub fn others(
        &self,
        table: String,
        fresh: u64,
        on_conflict: OnConflict,
        query: &mut dyn FnMut(&str) -> Result<TextRows>,
    ) -> Result<Others> {
        let mut others = Others { table, key: self.key_names(), ..Others::default() };
        if self.coverage.is_full() {
            others.there = count(query, &format!("select 1 from {}", self.target))?;
        }
        if !self.is_marked() || (others.there == 0 && self.coverage.is_full()) {
            return Ok(others);
        }
        let conflicts = self.conflicts();
        if fresh > 0 {
            others.conflicts = count(query, &conflicts)?;
        }
        if others.conflicts > 0 {
            others.keys = texts(query(&self.key_texts(&conflicts, KEYS_SHOWN))?).collect();
        }
        if others.conflicts > 0 && on_conflict == OnConflict::Keep {
            let numbers = format!("select d.{} from ({conflicts}) as d", self.dialect.quoted(FRESH));
            others.numbers = texts(query(&numbers)?).filter_map(|number| number.parse().ok()).collect();
        }
        if self.coverage.is_full() {
            others.left = count(query, &self.left())?;
        }
        Ok(others)
    }

    fn keys(&self) -> impl Iterator<Item = &MergeColumn> {
        self.columns.iter().filter(|column| column.is_key)
    }

    pub fn is_by_key(&self) -> bool {
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
        let (before, behind) = column.spelled.unwrap_or(column.compared);
        (format!("{before}t.{}{behind}", self.name(column)), format!("{before}{}{behind}", self.staged(column)))
    }

    fn differ<'c>(&self, columns: impl Iterator<Item = &'c MergeColumn>) -> String {
        let differ = columns.map(|column| {
            let (there, here) = self.comparable(column);
            self.dialect.differ(&there, &here)
        });
        differ.collect::<Vec<_>>().join(" or ")
    }

    /// The staged rows (or keys) with their rows in the target.
    fn joined(&self, staged: &str) -> String {
        format!("from {staged} as s {} {} as t on {}", self.dialect.join(), self.target, self.on())
    }

    fn of(&self, which: Which, condition: &str) -> String {
        let fresh = self.dialect.quoted(FRESH);
        match which {
            Which::All => condition.to_owned(),
            Which::Known => format!("{condition} and s.{fresh} is null"),
            Which::Fresh => format!("{condition} and s.{fresh} is not null"),
        }
    }

    fn none_in(&self, place: &str, alias: &str) -> String {
        if !self.dialect.columns_hide_tables() {
            return format!("not exists (select 1 from {place} as {alias} where {})", self.on());
        }
        let (mut keys, mut same) = (Vec::new(), Vec::new());
        for (index, column) in self.keys().enumerate() {
            let (name, key) = (self.name(column), format!("{alias}._elt_key_{index}"));
            keys.push(format!("{alias}.{name} as _elt_key_{index}"));
            same.push(match alias {
                "s" => self.dialect.same_key(&format!("t.{name}"), &format!("{key}{}", column.cast)),
                _ => self.dialect.same_key(&key, &self.staged(column)),
            });
        }
        let (keys, same) = (keys.join(", "), same.join(" and "));
        format!("not exists (select 1 from (select {keys} from {place} as {alias}) as {alias} where {same})")
    }

    fn on(&self) -> String {
        let parts =
            self.keys().map(|column| self.dialect.same_key(&format!("t.{}", self.name(column)), &self.staged(column)));
        parts.collect::<Vec<_>>().join(" and ")
    }
}

/// How many rows a query returns.
pub fn count(query: &mut dyn FnMut(&str) -> Result<TextRows>, sql: &str) -> Result<u64> {
    let found = texts(query(&format!("select count(*) from ({sql}) as d"))?).next();
    Ok(found.and_then(|text| text.parse().ok()).unwrap_or(0))
}

pub fn texts(rows: TextRows) -> impl Iterator<Item = String> {
    rows.into_iter().flatten().flatten()
}
