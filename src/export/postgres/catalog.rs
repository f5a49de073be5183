//! Reads what stands in a target schema from Postgres' catalog.
//!
//! Knows the catalog's tables; judges nothing.

use std::collections::BTreeMap;

use postgres::{Client, Error};

use super::fit::{Standing, StandingColumn};

/// Every table, view and the like of a schema, by name.
pub fn read(client: &mut Client, schema: &str) -> Result<BTreeMap<String, Standing>, Error> {
    let mut tables = BTreeMap::new();
    let ours = client.query("select name from _elt.tables where schema = $1", &[&schema])?;
    let ours: Vec<String> = ours.iter().map(|row| row.get(0)).collect();
    let relations = client.query(
        "select c.relname::text, c.relkind in ('r', 'p') from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and c.relkind in ('r', 'p', 'v', 'm', 'f')",
        &[&schema],
    )?;
    for row in relations {
        let name: String = row.get(0);
        let is_ours = ours.contains(&name);
        tables.insert(name, Standing { is_ours, is_table: row.get(1), ..Standing::default() });
    }
    read_columns(client, schema, &mut tables)?;
    read_unique(client, schema, &mut tables)?;
    read_foreign_keys(client, schema, &mut tables)?;
    Ok(tables)
}

fn read_columns(client: &mut Client, schema: &str, tables: &mut BTreeMap<String, Standing>) -> Result<(), Error> {
    let columns = client.query(
        "select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), t.typtype = 'e', a.attnotnull, \
         a.atthasdef or a.attidentity <> '', a.attgenerated <> '' or a.attidentity = 'a' \
         from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace \
         join pg_type t on t.oid = a.atttypid \
         where n.nspname = $1 and a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p') \
         order by c.relname, a.attnum",
        &[&schema],
    )?;
    for row in columns {
        if let Some(table) = tables.get_mut(row.get::<_, &str>(0)) {
            table.columns.push(StandingColumn {
                name: row.get(1),
                type_name: row.get(2),
                is_enum: row.get(3),
                not_null: row.get(4),
                has_default: row.get(5),
                is_generated: row.get(6),
            });
        }
    }
    Ok(())
}

fn read_unique(client: &mut Client, schema: &str, tables: &mut BTreeMap<String, Standing>) -> Result<(), Error> {
    let indexes = client.query(
        "select c.relname::text, i.indisprimary, array(select a.attname::text from unnest(i.indkey[0:i.indnkeyatts - 1]) k \
         join pg_attribute a on a.attrelid = c.oid and a.attnum = k) \
         from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null \
         and i.indexprs is null",
        &[&schema],
    )?;
    for row in indexes {
        if let Some(table) = tables.get_mut(row.get::<_, &str>(0)) {
            table.has_primary_key |= row.get::<_, bool>(1);
            table.unique.push(row.get(2));
        }
    }
    Ok(())
}

fn read_foreign_keys(client: &mut Client, schema: &str, tables: &mut BTreeMap<String, Standing>) -> Result<(), Error> {
    let keys = client.query(
        "select c.relname::text, \
         array(select a.attname::text from unnest(f.conkey) with ordinality k(n, o) join pg_attribute a \
         on a.attrelid = f.conrelid and a.attnum = k.n order by k.o), t.relname::text, \
         array(select a.attname::text from unnest(f.confkey) with ordinality k(n, o) join pg_attribute a \
         on a.attrelid = f.confrelid and a.attnum = k.n order by k.o) \
         from pg_constraint f join pg_class c on c.oid = f.conrelid join pg_class t on t.oid = f.confrelid \
         join pg_namespace n on n.oid = c.relnamespace \
         where f.contype = 'f' and n.nspname = $1 and t.relnamespace = c.relnamespace",
        &[&schema],
    )?;
    for row in keys {
        if let Some(table) = tables.get_mut(row.get::<_, &str>(0)) {
            table.foreign_keys.push((row.get(1), row.get(2), row.get(3)));
        }
    }
    Ok(())
}
