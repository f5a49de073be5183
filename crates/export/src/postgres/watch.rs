//! Detects changes by others to tables that publications created: a trigger records them in `_elt.touched`.
//!
//! The trigger fires once per statement, and only if the session does not have a publication's id. The next publication
//! compares a touched table in full. A table that elt created also counts as touched if its trigger was removed or
//! disabled for a while, or if a restore created the table again, because it may have been changed. Tables that others
//! created get no trigger, nor do tables that this role is not allowed to alter.

use std::collections::BTreeSet;

use elt_connect::postgres::Answer;
use postgres::Row;

use super::names::qualified;
use super::table::PostgresTable;
use elt_base::schema::literal;

/// The trigger's name on each table.
pub const TRIGGER: &str = "elt_touched";

/// The trigger function, for `make_own_schema`. It runs as its owner, because a role that may write a published table
/// need not have access to elt's schema.
///
/// One line for a table is enough, but nobody waits for another's: two sessions that are first write two. A snapshot
/// that is older than the statement may show a line that a publication has removed since, so it is not relied on.
pub const FUNCTION: &str = "\
create function _elt.touch() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    if coalesce(current_setting('elt.publication', true), '') = '' and (
        current_setting('transaction_isolation') <> 'read committed'
        or not exists (select from _elt.touched t where t.schema = tg_table_schema and t.name = tg_table_name)
    ) then
        insert into _elt.touched (schema, name, at) values (tg_table_schema, tg_table_name, clock_timestamp());
    end if;
    return null;
end $$";

/// Existing tables that elt created and that this role may alter, with their trigger.
const WATCHABLE: &str = "\
_elt.tables o join pg_class c on c.oid = to_regclass(format('%I.%I', o.schema, o.name))
left join pg_trigger g on g.tgrelid = c.oid and g.tgname = 'elt_touched'
where pg_has_role(c.relowner, 'USAGE')";

/// `disable trigger all` and then `enable trigger all`, as a restore runs them, do not restore `enable always`. A
/// restored table has another oid.
const IS_WATCHED: &str = "(g.tgenabled is not distinct from 'A' and o.relation is not distinct from c.oid)";

/// The query for the tables that others changed, or may have changed: schema and name.
pub fn touched() -> String {
    format!("select schema, name from _elt.touched union select o.schema, o.name from {WATCHABLE} and not {IS_WATCHED}")
}

/// The same where changes are not watched.
pub const NOTHING: &str = "select ''::text, ''::text where false";

/// The labels of the tables that `touched` found.
pub fn labels(found: &[Row], tables: &[PostgresTable]) -> BTreeSet<String> {
    let label = |schema: &str, name: &str| {
        tables.iter().find(|table| table.schema == schema && table.name == name).map(|table| table.label.clone())
    };
    found.iter().filter_map(|row| label(row.get(0), row.get(1))).collect()
}

/// The statements that create the trigger on a table that elt created.
pub fn create(place: &str) -> [String; 2] {
    let trigger = format!(
        "create trigger {TRIGGER} after insert or update or delete or truncate on {place} \
         for each statement execute function _elt.touch()"
    );
    [trigger, enable(place)]
}

fn enable(place: &str) -> String {
    format!("alter table {place} enable always trigger {TRIGGER}")
}

/// The query for the existing tables that elt created and whose trigger is missing or disabled: schema, name, and
/// whether there is a trigger.
pub fn unwatched() -> String {
    format!("select o.schema, o.name, g.tgname is not null from {WATCHABLE} and not {IS_WATCHED}")
}

/// The statements that give a table its trigger again, if it is among the rows of `unwatched`: the trigger is disabled,
/// an earlier version created the table, or the table was restored without the trigger.
pub fn again(unwatched: &Answer, table: &PostgresTable) -> Vec<String> {
    let is_it = |row: &&Vec<Option<String>>| {
        row.first().and_then(|schema| schema.as_ref()) == Some(&table.schema)
            && row.get(1).and_then(|name| name.as_ref()) == Some(&table.name)
    };
    let Some(row) = unwatched.rows.iter().find(is_it) else { return Vec::new() };
    let place = qualified(&table.schema, &table.name);
    let has_trigger = row.get(2).and_then(|text| text.as_deref()) == Some("t");
    let mut statements = if has_trigger { vec![enable(&place)] } else { create(&place).to_vec() };
    statements.push(remember(table));
    statements
}

/// Records the relation that the trigger watches.
pub fn remember(table: &PostgresTable) -> String {
    let place = literal(&qualified(&table.schema, &table.name));
    format!("update _elt.tables set relation = to_regclass({place}) where {}", is_it(table))
}

/// Marks the publication's transaction, so that its changes are not recorded.
pub fn silence(id: &str) -> String {
    format!("set local elt.publication = {}", literal(id))
}

/// Forgets what was touched in a table that is published in full. It is locked since before the rows were merged:
/// whatever others changed until then is healed, and what they change later they cannot have noted yet.
pub fn forget(table: &PostgresTable) -> String {
    format!("delete from _elt.touched where {}", is_it(table))
}

fn is_it(table: &PostgresTable) -> String {
    format!("schema = {} and name = {}", literal(&table.schema), literal(&table.name))
}
