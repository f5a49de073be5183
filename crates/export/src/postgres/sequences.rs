//! Advances the sequences behind a table's columns beyond the published values, so that a row which others insert gets a
//! new one.
//!
//! Knows one table of one connection.

use postgres::Client;
use postgres::types::Type;

use super::names::qualified;
use super::table::PostgresTable;
use elt_base::schema::quote;

/// Columns and their sequences: of identities, of `serial`, and of defaults that call `nextval`.
const SEQUENCES: &str = "\
select a.attname::text, format('%I.%I', n.nspname, s.relname) from pg_attribute a \
join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum \
and d.classid = 'pg_class'::regclass and d.deptype = 'i' \
join pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_namespace n on n.oid = s.relnamespace \
where a.attrelid = $1::text::regclass \
union \
select a.attname::text, format('%I.%I', n.nspname, s.relname) from pg_attrdef f \
join pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum \
join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass \
join pg_class s on s.oid = d.refobjid and s.relkind = 'S' join pg_namespace n on n.oid = s.relnamespace \
where f.adrelid = $1::text::regclass";

/// Sets each sequence that is behind the greatest value of its column to that value.
pub fn advance(client: &mut Client, table: &PostgresTable) -> Result<(), postgres::Error> {
    let place = qualified(&table.schema, &table.name);
    for row in client.query_typed(SEQUENCES, &[(&place, Type::TEXT)])? {
        let (column, sequence): (String, String) = (row.get(0), row.get(1));
        if table.column(&column).is_none() {
            continue;
        }
        client.query_typed(
            &format!(
                "select setval($1::text::regclass, m.last) from (select max({})::bigint as last from {place}) as m, \
                 {sequence} as s where m.last > s.last_value or m.last = s.last_value and not s.is_called",
                quote(&column)
            ),
            &[(&sequence, Type::TEXT)],
        )?;
    }
    Ok(())
}
