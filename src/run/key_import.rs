//! Imports existing ids into a map of surrogate keys, from a CSV file.
//!
//! Imports all rows or none. Rows that contradict each other or the map are refused. Knows no models and no targets.

use std::path::Path;

use crate::messages;
use elt_base::error::Result;
use elt_base::schema::{literal, quote};
use elt_model::keys::natural;
use elt_warehouse::Session;

/// The rows of the file, in the session's temporary schema: the row's number, its natural key, its id.
const READ: &str = "temp.main._elt_keys_read";

/// The numbers of rows that a message names.
const ROWS_SHOWN_MAX: u64 = 5;

/// The ids to import.
#[derive(Debug, Clone)]
pub struct KeyImport<'a> {
    pub map: &'a str,
    pub file: &'a Path,
    /// The column with the ids. All other columns are the natural key.
    pub id: &'a str,
}

/// The result of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedKeys {
    pub added: u64,
    /// Rows whose key had the same id before.
    pub known: u64,
}

impl KeyImport<'_> {
    /// # Errors
    /// The file is unreadable or has no such column; rows without a key or an id; ids of two types; keys with two ids
    /// and ids of two keys, within the file or together with the map. All at once, with the numbers of some rows.
    pub fn run(&self, session: &Session) -> Result<ImportedKeys> {
        let failed = |error| messages::keys_failed("importing surrogate keys", &error);
        let columns = self.read(session)?;
        let is_uuid = self.is_uuid(session)?;
        let wrong = self.contradictions(session, is_uuid)?;
        if !wrong.is_empty() {
            return Err(messages::keys_not_imported(self.map, self.file, wrong));
        }
        tracing::debug!(columns = columns.len(), is_uuid, "keys are imported");
        let map = literal(self.map);
        let there = format!("exists (select 1 from _elt.keys where _elt_map = {map} and _elt_key = key)");
        let known = session.count(&format!("select count(distinct key) from {READ} where {there}")).map_err(failed)?;
        let id = if is_uuid { "null, id::uuid" } else { "id::bigint, null" };
        let added = session
            .change(&format!(
                "insert into _elt.keys select {map}, key, {id}, now() from (select distinct key, id from {READ}) \
                 where not {there}"
            ))
            .map_err(failed)?;
        session.execute(&format!("drop table {READ}")).map_err(failed)?;
        Ok(ImportedKeys { added, known })
    }

    /// Reads the file into the temporary table. Returns the columns of the natural key.
    fn read(&self, session: &Session) -> Result<Vec<String>> {
        let unreadable = |error: elt_base::sql_error::SqlError| {
            messages::key_file_unreadable(self.file, error.message.lines().next().unwrap_or_default())
        };
        // On one thread, because the rows are counted in their order.
        let rows = format!(
            "read_csv({}, header = true, all_varchar = true, parallel = false, strict_mode = true)",
            literal(&self.file.to_string_lossy())
        );
        let columns = session.describe(&format!("select * from {rows}")).map_err(unreadable)?;
        let names: Vec<String> = columns.into_iter().map(|(name, _)| name).collect();
        let Some(id) = names.iter().find(|name| name.eq_ignore_ascii_case(self.id)) else {
            return Err(messages::key_file_without_id(self.file, self.id, &names));
        };
        let parts: Vec<String> = names.iter().filter(|name| *name != id).map(|name| quote(name)).collect();
        if parts.is_empty() {
            return Err(messages::key_file_without_key(self.file, id));
        }
        session
            .execute(&format!(
                "create or replace temp table _elt_keys_read as \
                 select row_number() over () as number, {} as key, nullif(trim({}), '') as id from {rows}",
                natural(&parts),
                quote(id),
            ))
            .map_err(unreadable)?;
        Ok(parts)
    }

    /// Whether the ids are UUIDs: as those of the map, or else as those of the file.
    fn is_uuid(&self, session: &Session) -> Result<bool> {
        let failed = |error| messages::keys_failed("importing surrogate keys", &error);
        let of_map = session
            .value(&format!(
                "select _elt_uuid is not null from _elt.keys where _elt_map = {} limit 1",
                literal(self.map)
            ))
            .map_err(failed)?;
        if let Some(of_map) = of_map {
            return Ok(of_map == "true");
        }
        let uuids = session
            .count(&format!("select count(*) from {READ} where try_cast(id as uuid) is not null"))
            .map_err(failed)?;
        Ok(uuids > 0)
    }

    /// All that is wrong with the rows, a line for each kind of fault.
    fn contradictions(&self, session: &Session, is_uuid: bool) -> Result<Vec<String>> {
        let (noun, own) = if is_uuid { ("a UUID", "_elt_uuid") } else { ("an integer", "_elt_id") };
        let map = literal(self.map);
        // A text such as `1.5` would be rounded to an integer.
        let id = match is_uuid {
            true => "try_cast(id as uuid)".to_owned(),
            false => "case when regexp_full_match(id, '-?[0-9]+') then try_cast(id as bigint) end".to_owned(),
        };
        let stored = format!("select 1 from _elt.keys where _elt_map = {map}");
        let faults = [
            ("without a complete key".to_owned(), "key is null".to_owned()),
            ("without an id".into(), "id is null".into()),
            (format!("with an id that is not {noun}"), format!("id is not null and ({id}) is null")),
            (
                "whose key has another id in the file".into(),
                format!("key in (select key from {READ} group by key having count(distinct {id}) > 1)"),
            ),
            (
                "whose id belongs to another key in the file".into(),
                format!("{id} in (select {id} from {READ} group by 1 having count(distinct key) > 1)"),
            ),
            (
                "whose key has another id in the map".into(),
                format!("exists ({stored} and _elt_key = key and {own} is distinct from {id})"),
            ),
            (
                "whose id belongs to another key in the map".into(),
                format!("exists ({stored} and {own} = {id} and _elt_key <> key)"),
            ),
        ];
        let mut lines = Vec::new();
        for (what, condition) in faults {
            let found = session
                .rows(&format!(
                    "select count(*), array_to_string(list(number order by number)[1:{ROWS_SHOWN_MAX}], ', ') \
                     from {READ} where {condition}"
                ))
                .map_err(|error| messages::keys_failed("importing surrogate keys", &error))?;
            let mut values = found.into_iter().flatten().flatten();
            let count: u64 = values.next().and_then(|count| count.parse().ok()).unwrap_or(0);
            if count > 0 {
                let mut rows = values.next().unwrap_or_default();
                if count > ROWS_SHOWN_MAX {
                    rows.push_str(", …");
                }
                lines.push(messages::key_rows(&what, &rows, count));
            }
        }
        Ok(lines)
    }
}
