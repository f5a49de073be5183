//! Detects changes by others to tables that publications created: a trigger records them in `_elt.touched`.
//!
//! The trigger fires once per statement, and only if the session does not have a publication's id. The next publication
//! compares a touched table in full. A table that elt created also counts as touched if its trigger was removed or
//! disabled for a while, or if a restore created the table again, because it may have been changed. Tables that others
//! created get no trigger, nor do tables that this role is not allowed to alter.

use std::collections::BTreeSet;

use postgres::types::Type;
use postgres::{Client, Error};

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

/// Reads the labels of the tables that others changed, or may have changed.
pub fn read(client: &mut Client, tables: &[PostgresTable]) -> Result<BTreeSet<String>, Error> {
    let rows = client.query_typed(
        &format!(
            "select schema, name from _elt.touched union select o.schema, o.name from {WATCHABLE} and not {IS_WATCHED}"
        ),
        &[],
    )?;
    let label = |schema: &str, name: &str| {
        tables.iter().find(|table| table.schema == schema && table.name == name).map(|table| table.label.clone())
    };
    Ok(rows.iter().filter_map(|row| label(row.get(0), row.get(1))).collect())
}

/// Creates the trigger on a table that elt created.
pub fn create(place: &str) -> String {
    format!(
        "create trigger {TRIGGER} after insert or update or delete or truncate on {place} \
         for each statement execute function _elt.touch(); {}",
        enable(place)
    )
}

fn enable(place: &str) -> String {
    format!("alter table {place} enable always trigger {TRIGGER}")
}

/// Ensures that an existing table that elt created has its trigger.
pub fn again(client: &mut Client, table: &PostgresTable) -> Result<(), Error> {
    let unwatched =
        format!("select g.tgname is not null from {WATCHABLE} and not {IS_WATCHED} and o.schema = $1 and o.name = $2");
    let Some(row) = client.query_typed_opt(&unwatched, &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT)])?
    else {
        return Ok(());
    };
    // The trigger is disabled, an earlier version created the table, or the table was restored without the trigger.
    let place = qualified(&table.schema, &table.name);
    client.batch_execute(&if row.get(0) { enable(&place) } else { create(&place) })?;
    remember(client, table)
}

/// Records the relation that the trigger watches.
pub fn remember(client: &mut Client, table: &PostgresTable) -> Result<(), Error> {
    client.execute_typed(
        "update _elt.tables set relation = to_regclass($3) where schema = $1 and name = $2",
        &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT), (&qualified(&table.schema, &table.name), Type::TEXT)],
    )?;
    Ok(())
}

/// Marks the publication's transaction, so that its changes are not recorded.
pub fn silence(client: &mut Client, id: &str) -> Result<(), Error> {
    client.batch_execute(&format!("set local elt.publication = {}", literal(id)))
}

/// Forgets what was touched in a table that is published in full. It is locked since before the rows were merged:
/// whatever others changed until then is healed, and what they change later they cannot have noted yet.
pub fn forget(client: &mut Client, table: &PostgresTable) -> Result<(), Error> {
    client
        .execute_typed(
            "delete from _elt.touched where schema = $1 and name = $2",
            &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT)],
        )
        .map(drop)
}
