//! Advances the sequences behind a table's columns beyond the published values, so that a row which others insert gets a
//! new one.
//!
//! Pure. Knows no connection.

use elt_connect::postgres::Answer;

use super::names::qualified;
use super::table::PostgresTable;
use elt_base::schema::{literal, quote};

/// The query for the sequences behind columns of these tables, each with its schema, table and column: of identities, of
/// `serial`, and of defaults that call `nextval`.
pub fn find<'t>(tables: impl Iterator<Item = &'t PostgresTable>) -> String {
    let tables: Vec<_> =
        tables.map(|table| format!("{}::regclass", literal(&qualified(&table.schema, &table.name)))).collect();
    let tables = tables.join(", ");
    format!(
        "select r.nspname::text, c.relname::text, a.attname::text, format('%I.%I', n.nspname, s.relname) \
         from pg_attribute a \
         join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum \
         and d.classid = 'pg_class'::regclass and d.deptype = 'i' \
         join pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_namespace n on n.oid = s.relnamespace \
         join pg_class c on c.oid = a.attrelid join pg_namespace r on r.oid = c.relnamespace \
         where a.attrelid in ({tables}) \
         union \
         select r.nspname::text, c.relname::text, a.attname::text, format('%I.%I', n.nspname, s.relname) from pg_attrdef f \
         join pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum \
         join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass \
         join pg_class s on s.oid = d.refobjid and s.relkind = 'S' join pg_namespace n on n.oid = s.relnamespace \
         join pg_class c on c.oid = a.attrelid join pg_namespace r on r.oid = c.relnamespace \
         where f.adrelid in ({tables})"
    )
}

/// The statements that set each sequence of a table which is behind the greatest value of its column to that value.
/// `found` are the rows of `find`.
pub fn advance(table: &PostgresTable, found: &Answer) -> Vec<String> {
    let place = qualified(&table.schema, &table.name);
    let mut statements = Vec::new();
    for row in &found.rows {
        let [Some(schema), Some(name), Some(column), Some(sequence)] = row.as_slice() else { continue };
        if *schema == table.schema && *name == table.name && table.column(column).is_some() {
            statements.push(format!(
                "select setval({}::regclass, m.last) from (select max({})::bigint as last from {place}) as m, \
                 {sequence} as s where m.last > s.last_value or m.last = s.last_value and not s.is_called",
                literal(sequence),
                quote(column)
            ));
        }
    }
    statements
}
