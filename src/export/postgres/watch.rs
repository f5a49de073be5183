//! Notices what others change in tables that publications made: a trigger notes it in `_elt.touched`.
//!
//! The trigger fires once a statement, and only where the session does not carry a publication's id. The next
//! publication compares a touched table in full. Tables that others made get no trigger.

use std::collections::BTreeMap;

use postgres::{Client, Transaction};

use super::statements::qualified;
use super::table::Table;
use crate::schema::literal;

/// The trigger's name on each table.
pub const TRIGGER: &str = "elt_touched";

/// The function behind the triggers, for `make_own_schema`. It runs as its owner, for whoever may write a published table
/// need not know of our schema.
pub const FUNCTION: &str = "\
create function _elt.touch() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    if coalesce(current_setting('elt.publication', true), '') = '' then
        insert into _elt.touched (schema, name, at) values (tg_table_schema, tg_table_name, clock_timestamp())
        on conflict (schema, name) do update set at = excluded.at;
    end if;
    return null;
end $$";

/// What others touched: the tables' labels, each with when it was last.
pub type Touched = BTreeMap<String, String>;

/// Reads which of the tables were touched.
pub fn read(client: &mut Client, tables: &[Table]) -> Result<Touched, postgres::Error> {
    let rows = client.query("select schema, name, at::text from _elt.touched", &[])?;
    let label = |schema: &str, name: &str| {
        tables.iter().find(|table| table.schema == schema && table.name == name).map(|table| table.label.clone())
    };
    Ok(rows.iter().filter_map(|row| Some((label(row.get(0), row.get(1))?, row.get(2)))).collect())
}

/// Makes the trigger on a table of ours.
pub fn create(place: &str) -> String {
    format!(
        "create trigger {TRIGGER} after insert or update or delete or truncate on {place} \
         for each statement execute function _elt.touch()"
    )
}

/// Within the publication's transaction: what it changes is not noted.
pub fn silence(transaction: &mut Transaction<'_>, id: &str) -> Result<(), postgres::Error> {
    transaction.batch_execute(&format!("set local elt.publication = {}", literal(id)))
}

/// Forgets what was known to be touched when the publication began, and is healed by it.
pub fn forget(transaction: &mut Transaction<'_>, table: &Table, at: &str) -> Result<(), postgres::Error> {
    transaction.execute(
        "delete from _elt.touched where schema = $1 and name = $2 and at = $3::text::timestamptz",
        &[&table.schema, &table.name, &at],
    )?;
    Ok(())
}

/// Whether the trigger is there.
pub fn is_watched(transaction: &mut Transaction<'_>, table: &Table) -> Result<bool, postgres::Error> {
    let place = qualified(&table.schema, &table.name);
    let row = transaction.query_one(
        "select exists (select from pg_trigger where tgrelid = to_regclass($1) and tgname = $2)",
        &[&place, &TRIGGER],
    )?;
    Ok(row.get(0))
}
