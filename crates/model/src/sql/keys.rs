//! Stable surrogate keys: the SQL of `elt.surrogate_key` in a template, and the SQL that assigns ids to natural keys.
//!
//! Pure text. The map is one table of the warehouse, `_elt.keys`. An assigned id is never used for another key. Knows
//! no session.

use elt_base::schema::{literal, quote};

/// Creates the map. Its column names do not hide a column of a query that reads the map.
pub const TABLE: &str = "create schema if not exists _elt; create table if not exists _elt.keys (
    _elt_map varchar not null, _elt_key varchar not null, _elt_id bigint, _elt_uuid uuid, _elt_given_at timestamptz not null)";

/// One call of the macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// The map's name: `customer`.
    pub map: String,
    /// The natural key's columns, as SQL. The part after the last point is a column's name.
    pub columns: Vec<String>,
    /// The relation whose keys receive ids first, as SQL.
    pub from: Option<String>,
    pub is_uuid: bool,
}

impl KeyUse {
    /// The id of a row's natural key. NULL if a part of the key is NULL, or if the key has no id.
    pub fn lookup(&self) -> String {
        let id = self.column();
        format!(
            "(select {id} from _elt.keys where _elt_map = {} and _elt_key = {})",
            literal(&self.map),
            natural(&self.columns)
        )
    }

    /// Assigns ids to all keys of `from` that have none. None if the call only looks up ids.
    pub fn assign(&self) -> Option<String> {
        let from = self.from.as_ref()?;
        let map = literal(&self.map);
        let columns: Vec<String> = self.columns.iter().map(|column| own_name(column).to_owned()).collect();
        let given = match self.is_uuid {
            true => "null, uuid()".to_owned(),
            false => format!(
                "(select coalesce(max(_elt_id), 0) from _elt.keys where _elt_map = {map}) + row_number() over (order by _elt_new), null"
            ),
        };
        Some(format!(
            "insert into _elt.keys select {map}, _elt_new, {given}, now() \
             from (select distinct {} as _elt_new from {from}) as _elt_from where _elt_new is not null \
             and not exists (select 1 from _elt.keys where _elt_map = {map} and _elt_key = _elt_new)",
            natural(&columns)
        ))
    }

    /// Counts the ids of the other type in the map. If it is above 0, the type was changed.
    pub fn of_other_type(&self) -> String {
        let other = if self.is_uuid { "_elt_uuid" } else { "_elt_id" };
        format!("select count(*) from _elt.keys where _elt_map = {} and {other} is null", literal(&self.map))
    }

    fn column(&self) -> &'static str {
        if self.is_uuid { "_elt_uuid" } else { "_elt_id" }
    }
}

/// A natural key as text: a JSON array of its parts, each cast to VARCHAR. Therefore 1 is the same key as BIGINT, as
/// INTEGER and as text. NULL if a part is NULL.
pub fn natural(columns: &[String]) -> String {
    let nulls: Vec<String> = columns.iter().map(|column| format!("{column} is null")).collect();
    let parts: Vec<String> = columns.iter().map(|column| format!("({column})::varchar")).collect();
    format!("case when {} then null else to_json([{}])::varchar end", nulls.join(" or "), parts.join(", "))
}

/// `c.national_id` is `national_id` in the relation that contains it.
fn own_name(column: &str) -> &str {
    let is_path = column.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"'));
    if is_path { column.rsplit('.').next().unwrap_or(column) } else { column }
}

/// The SQL of a column's name that an analyst wrote. Plain names are quoted, so that any name works.
pub fn column(written: &str) -> String {
    let is_plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let parts: Vec<&str> = written.split('.').collect();
    if parts.iter().all(|part| is_plain(part)) {
        return parts.iter().map(|part| quote(part)).collect::<Vec<_>>().join(".");
    }
    written.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_up_and_gives() {
        let mut key = KeyUse {
            map: "customer".into(),
            columns: vec![column("c.national_id"), column("country")],
            from: Some("main.stg".into()),
            is_uuid: false,
        };
        assert_eq!(
            key.lookup(),
            "(select _elt_id from _elt.keys where _elt_map = 'customer' and _elt_key = \
             case when \"c\".\"national_id\" is null or \"country\" is null then null \
             else to_json([(\"c\".\"national_id\")::varchar, (\"country\")::varchar])::varchar end)"
        );
        let given = key.assign().expect("a relation whose keys receive ids");
        assert!(given.contains(
            "to_json([(\"national_id\")::varchar, (\"country\")::varchar])::varchar end as _elt_new from main.stg"
        ));
        key.from = None;
        assert_eq!(key.assign(), None);
    }
}
