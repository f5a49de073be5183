//! The SQL of quarantine tables, `<table>_quarantine`: the same for all SQL targets.
//!
//! In every statement `q` are the entries of a quarantine table, and `c` is a table whose rows reference others. Pure.
//! Knows no target: a `QuarantineDialect` contains the differences between targets.

use super::hash_tag::hash_tag;
use super::merge::Dialect;
use super::set_aside::{Cause, STAGED_ENTRY};
use crate::difference::KEYS_SHOWN;
use elt_base::schema::literal;

/// The columns by which a quarantine table is known; earlier versions made it with these.
const MARKS: [&str; 3] = ["_elt_hazard", "_elt_row", "_elt_publication"];

/// The columns of a quarantine table after the key's, in their order.
pub const ENTRY_COLUMNS: [&str; 7] = [
    "_elt_column",
    "_elt_hazard",
    "_elt_row",
    "_elt_publication",
    "_elt_quarantined_at",
    "_elt_published",
    "_elt_cause",
];

/// The SQL of quarantine tables that differs between databases; the defaults are Postgres' SQL.
pub trait QuarantineDialect: Dialect {
    /// The types of `ENTRY_COLUMNS`.
    fn types(&self) -> [&'static str; 7] {
        [
            "text not null",
            "text not null",
            "jsonb not null",
            "uuid not null",
            "timestamptz not null default now()",
            // Of a row that is published with other values.
            "boolean not null default false",
            "text",
        ]
    }

    /// Follows the columns of a quarantine table; `key` are the key's columns.
    fn indexed(&self, _key: &str) -> String {
        String::new()
    }

    /// What a statement begins with that creates a table of staged entries, and what it ends with.
    fn create_staging(&self) -> (&'static str, &'static str) {
        ("create unlogged table if not exists", "")
    }

    fn literal(&self, text: &str) -> String {
        literal(text)
    }

    /// The id of a publication as a value of its column.
    fn publication(&self, id: &str) -> String {
        format!("{}::uuid", literal(id))
    }

    /// A value of a column as a text.
    fn text_of(&self, value: &str, _sql_type: &str) -> String {
        format!("{value}::text")
    }

    /// A value of a row in JSON, as a text.
    fn json_text(&self, row: &str, name: &str) -> String {
        format!("{row} ->> {}", literal(name))
    }

    /// Whether two texts are the same.
    fn same_text(&self, one: &str, other: &str) -> String {
        format!("{one} = {other}")
    }

    /// A row as JSON, each value as a text; `columns` are names and types.
    fn row_json(&self, row: &str, _columns: &[(String, String)]) -> String {
        format!(
            "(select coalesce(jsonb_object_agg(each.key, each.value), '{{}}') from jsonb_each_text(to_jsonb({row})) as each)"
        )
    }

    /// Deletes the rows of a table, which is named `c`, that meet a condition.
    fn delete_where(&self, place: &str, condition: &str) -> String {
        format!("delete from {place} as c where {condition}")
    }
}

/// A table's quarantine table and its staged entries. Places are qualified names.
pub struct QuarantineTable {
    pub dialect: &'static dyn QuarantineDialect,
    pub place: String,
    pub staging: String,
    /// The key's columns in its order, and all columns: names and types.
    pub key: Vec<(String, String)>,
    pub columns: Vec<(String, String)>,
}

/// One foreign key between two tables of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub columns: Vec<String>,
    /// The referenced table's position in the publication.
    pub parent: usize,
    pub to_columns: Vec<String>,
}

/// The name of a table's quarantine table: `orders_quarantine`, or, if that does not fit, with a hash. `tagged` is what
/// the hash is made of; `cut` shortens the table's name before an ending.
pub fn quarantine_name(
    table: &str,
    tagged: &str,
    fits: impl FnOnce(&str) -> bool,
    cut: impl FnOnce(&str, &str) -> String,
) -> String {
    let usual = format!("{table}_quarantine");
    if fits(&usual) { usual } else { cut(table, &format!("_{}_quarantine", hash_tag(tagged))) }
}

/// Whether a table with these columns is a quarantine table.
pub fn is_quarantine<'a>(columns: impl Iterator<Item = &'a str> + Clone) -> bool {
    MARKS.iter().all(|mark| columns.clone().any(|name| name == *mark))
}

impl QuarantineTable {
    /// Whether an existing quarantine table with these columns can hold the entries; `is_same`: whether a type of the
    /// target's catalog and one of ours are the same.
    pub fn fits<'a>(
        &self,
        columns: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        is_same: impl Fn(&str, &str) -> bool,
    ) -> bool {
        let has = |name: &str| columns.clone().any(|(there, _)| there == name);
        let has_typed = |name: &str, sql_type: &str| {
            columns.clone().any(|(there, type_there)| there == name && is_same(type_there, sql_type))
        };
        let is_whole = columns.clone().count() == self.key.len() + ENTRY_COLUMNS.len();
        is_whole && ENTRY_COLUMNS.iter().all(|name| has(name)) && self.key.iter().all(|(name, of)| has_typed(name, of))
    }

    /// Creates the quarantine table.
    pub fn create(&self) -> String {
        let key = self.key.iter().map(|(name, sql_type)| format!("{} {sql_type}", self.dialect.quoted(name)));
        let own = ENTRY_COLUMNS.iter().zip(self.dialect.types()).map(|(name, sql_type)| format!("{name} {sql_type}"));
        let columns = key.chain(own).collect::<Vec<_>>().join(", ");
        let indexed = if self.key.is_empty() { String::new() } else { self.dialect.indexed(&self.key_names()) };
        format!("create table if not exists {} ({columns}{indexed})", self.place)
    }

    /// Creates a quarantine table that has other columns again. Its entries are forgotten: the table is published in
    /// full.
    pub fn renew(&self) -> [String; 2] {
        [format!("drop table {}", self.place), self.create()]
    }

    /// Creates the table of staged entries.
    pub fn create_staging(&self) -> String {
        let key = self.key.iter().map(|(name, sql_type)| format!("{} {sql_type}", self.dialect.quoted(name)));
        let types = self.dialect.types();
        let typed =
            |name: &&str| ENTRY_COLUMNS.iter().position(|own| *own == *name).map(|at| format!("{name} {}", types[at]));
        let columns = key.chain(STAGED_ENTRY.iter().filter_map(typed)).collect::<Vec<_>>().join(", ");
        let (create, options) = self.dialect.create_staging();
        format!("{create} {} ({columns}){options}", self.staging)
    }

    /// The staged rows of the table without those that are quarantined because of other rows.
    pub fn published_rows(&self, rows: &str) -> String {
        format!(
            "(select * from {rows} as r where not exists (select 1 from {} as q where {} and not q._elt_published \
             and q._elt_cause is not null))",
            self.place,
            self.same_key("q", "r")
        )
    }

    /// Whether entries depend on other rows.
    pub fn depends_on_others(&self) -> String {
        format!("select exists (select 1 from {} where _elt_cause is not null)", self.place)
    }

    /// Whether rows are kept out of the table.
    pub fn keeps_out(&self) -> String {
        format!("select exists (select 1 from {} where not _elt_published)", self.place)
    }

    /// Forgets all entries, or those of rows that are staged by key in `staged`.
    pub fn forget(&self, staged: Option<&str>) -> String {
        match staged {
            Some(staged) if !self.key.is_empty() => {
                self.dialect.delete_matched(&self.place, staged, &self.same_key("t", "s"))
            }
            _ => format!("delete from {}", self.place),
        }
    }

    /// Inserts the staged entries.
    pub fn enter(&self, publication: &str) -> String {
        let columns = self.staged_columns();
        let publication = self.dialect.publication(publication);
        format!(
            "insert into {} ({columns}, _elt_publication) select {columns}, {publication} from {}",
            self.place, self.staging
        )
    }

    pub fn clear_staging(&self) -> String {
        format!("delete from {}", self.staging)
    }

    fn key_names(&self) -> String {
        self.key.iter().map(|(name, _)| self.dialect.quoted(name)).collect::<Vec<_>>().join(", ")
    }

    fn staged_columns(&self) -> String {
        let key = self.key.iter().map(|(name, _)| self.dialect.quoted(name));
        key.chain(STAGED_ENTRY.iter().map(|name| (*name).to_owned())).collect::<Vec<_>>().join(", ")
    }

    fn same_key(&self, one: &str, other: &str) -> String {
        let same = self.key.iter().map(|(name, _)| self.dialect.quoted(name));
        same.map(|name| format!("{one}.{name} = {other}.{name}")).collect::<Vec<_>>().join(" and ")
    }

    fn type_of(&self, name: &str) -> &str {
        self.columns.iter().find(|(own, _)| own == name).map_or("", |(_, sql_type)| sql_type)
    }
}

/// The rows of `from` (a table, or its staged rows) that reference quarantined rows by one foreign key.
pub struct Orphans<'a> {
    pub from: &'a str,
    pub child: &'a QuarantineTable,
    pub parent: &'a QuarantineTable,
    pub key: &'a Reference,
    /// The tables with the current entries of the child's rows.
    pub entries: &'a [&'a str],
}

impl Orphans<'_> {
    /// Some of the rows, by key: the key, and the key that the row references, as texts.
    pub fn shown(&self) -> String {
        let dialect = self.child.dialect;
        let names = |names: &mut dyn Iterator<Item = &String>| -> Vec<String> {
            names.map(|name| format!("c.{}", dialect.quoted(name))).collect()
        };
        let key = names(&mut self.child.key.iter().map(|(name, _)| name));
        let references = dialect.key_text(&names(&mut self.key.columns.iter()));
        let (from, condition) = (self.from, self.condition());
        match key.is_empty() {
            true => {
                format!(
                    "select distinct '', {references} from {from} as c where {condition} order by 2 limit {KEYS_SHOWN}"
                )
            }
            false => format!(
                "select {}, {references} from {from} as c where {condition} order by {} limit {KEYS_SHOWN}",
                dialect.key_text(&key),
                key.join(", ")
            ),
        }
    }

    /// Adds the rows to the child's staged entries.
    pub fn enter(&self) -> String {
        let (child, dialect) = (self.child, self.child.dialect);
        let key = child.key.iter().map(|(name, _)| format!("c.{}, ", dialect.quoted(name)));
        format!(
            "insert into {} ({}) select {}{}, {}, {}, false, {} from {} as c where {}",
            child.staging,
            child.staged_columns(),
            key.collect::<String>(),
            dialect.literal(self.key.columns.first().map_or("", String::as_str)),
            dialect.literal("references a quarantined row"),
            dialect.row_json("c", &child.columns),
            dialect.literal(Cause::Reference.word()),
            self.from,
            self.condition()
        )
    }

    /// Deletes the rows.
    pub fn delete(&self) -> String {
        self.child.dialect.delete_where(self.from, &self.condition())
    }

    /// Gives the moved rows the originals that their earlier entries in `entries` have (the staged ones, or the
    /// quarantine table's), and forgets those: the rows are no longer published with other values. Empty without a key.
    pub fn unpublish(&self, entries: &str) -> Vec<String> {
        let (child, dialect) = (self.child, self.child.dialect);
        if child.key.is_empty() {
            return Vec::new();
        }
        let reference = dialect.literal(Cause::Reference.word());
        let on = |earlier: &str, moved: &str| {
            format!(
                "{earlier}._elt_published and not {moved}._elt_published and {moved}._elt_cause = {reference} and {}",
                child.same_key("t", "s")
            )
        };
        let set = [("_elt_row".to_owned(), "s._elt_row".to_owned())];
        vec![
            dialect.update(&child.staging, entries, &on("s", "t"), &set, "true"),
            dialect.delete_matched(entries, &child.staging, &on("t", "s")),
        ]
    }

    /// Whether the row `c` references a quarantined row. (A row whose own key has a hazard has no key in the quarantine:
    /// a reference that was replaced, too, has its original among the staged entries.)
    fn condition(&self) -> String {
        let (child, parent, dialect) = (self.child, self.parent, self.child.dialect);
        let all = |of: &dyn Fn(&str, &str) -> String| {
            let pairs = self.key.columns.iter().zip(&self.key.to_columns);
            pairs.map(|(own, to)| of(own, to)).collect::<Vec<_>>().join(" and ")
        };
        let is_aside = all(&|own, to| {
            let value = format!("c.{}", dialect.quoted(own));
            match parent.key.iter().any(|(key, _)| key == to) {
                true => format!("q.{} = {value}", dialect.quoted(to)),
                false => {
                    let text = dialect.text_of(&value, child.type_of(own));
                    dialect.same_text(&dialect.json_text("q._elt_row", to), &text)
                }
            }
        });
        let references =
            format!("exists (select 1 from {} as q where {is_aside} and not q._elt_published)", parent.place);
        if child.key.is_empty() || self.entries.is_empty() {
            return references;
        }
        // A reference that was replaced may have met another row's key: its original tells.
        let was_aside = all(&|own, to| {
            dialect.same_text(&dialect.json_text("q._elt_row", to), &dialect.json_text("b._elt_row", own))
        });
        let by_original = self.entries.iter().map(|entries| {
            format!(
                "exists (select 1 from {entries} as b join {} as q on {was_aside} and not q._elt_published \
                 and q._elt_cause is not null where {} and b._elt_published)",
                parent.place,
                child.same_key("b", "c")
            )
        });
        format!("({references} or {})", by_original.collect::<Vec<_>>().join(" or "))
    }
}
