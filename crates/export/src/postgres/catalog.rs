//! Reads the existing tables of a target schema from Postgres' catalog.
//!
//! Knows the catalog's tables; decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use elt_connect::postgres::PostgresClient;
use postgres::types::{ToSql, Type};
use postgres::{Error, Row};

use super::definition::{DefinedIndex, Definition, object_text};
use super::fit::{ExistingPostgresTable, StrayName};
use super::names::names;
use super::table::PostgresTable;
use crate::target::{ExistingColumn, UniqueSet};

/// Every table, view and the like of some schemas, by schema and name.
pub type PostgresCatalog = BTreeMap<(String, String), ExistingPostgresTable>;

/// The tables that publications created, with their contracts. A table of a version before contracts were recorded has
/// no such column.
const OURS: &str = "\
select o.schema, o.name, to_jsonb(o) ->> 'contract' from _elt.tables o where o.schema = any($1)";

/// Tables, views and the like.
const RELATIONS: &str = "\
select c.relname::text, c.relkind in ('r', 'p'), n.nspname::text, row_security_active(c.oid), \
case c.relkind when 'v' then 'a view' when 'm' then 'a materialized view' when 'f' then 'a foreign table' else 'a table' end, \
case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end, \
array(select t.tgname::text from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal \
and t.tgenabled in ('O', 'A') and t.tgtype & 2 = 2 and t.tgtype & 28 <> 0 order by 1), \
array(select distinct format('trigger `%s` of others runs when rows are written', t.tgname) from pg_trigger t \
where not t.tgisinternal and t.tgenabled in ('O', 'A') and t.tgname <> 'elt_touched' and (t.tgrelid = c.oid \
or c.relkind = 'p' and t.tgrelid in (select p.relid from pg_partition_tree(c.oid) p)) \
union select format('rule `%s` of others replaces statements', r.rulename) from pg_rewrite r \
where r.ev_class = c.oid and r.ev_type <> '1' and r.ev_enabled in ('O', 'A') and c.relkind in ('r', 'p') \
order by 1) \
from pg_class c join pg_namespace n on n.oid = c.relnamespace \
where n.nspname = any($1) and c.relkind in ('r', 'p', 'v', 'm', 'f')";

/// Columns of tables.
const COLUMNS: &str = "\
select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), \
t.typtype = 'e' or exists (select from pg_type e where e.oid = t.typelem and e.typtype = 'e'), a.attnotnull, \
a.atthasdef or a.attidentity <> '', a.attgenerated <> '' or a.attidentity = 'a', a.attidentity = 'a', \
array(select distinct format('%s.%s', v.relnamespace::regnamespace, quote_ident(v.relname)) from pg_depend d \
join pg_rewrite r on r.oid = d.objid join pg_class v on v.oid = r.ev_class \
where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid \
and d.refobjsubid = a.attnum and v.oid <> c.oid order by 1), \
(select format('%I.%I', x.nspname, o.collname) from pg_collation o join pg_namespace x on x.oid = o.collnamespace \
where o.oid = a.attcollation and (to_jsonb(o) ->> 'collisdeterministic')::bool is false), n.nspname::text \
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace \
join pg_type t on t.oid = a.atttypid \
where n.nspname = any($1) and a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p') \
order by c.relname, a.attnum";

/// Unique indexes.
const UNIQUE: &str = "\
select c.relname::text, i.indisprimary, array(select a.attname::text from unnest(i.indkey[0:i.indnkeyatts - 1]) k \
join pg_attribute a on a.attrelid = c.oid and a.attnum = k), i.indpred is null and i.indexprs is null, \
coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false), n.nspname::text \
from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace \
where n.nspname = any($1) and i.indisunique and i.indisvalid and i.indimmediate";

/// Foreign keys.
const FOREIGN_KEYS: &str = "\
select c.relname::text, \
array(select a.attname::text from unnest(f.conkey) with ordinality k(n, o) join pg_attribute a \
on a.attrelid = f.conrelid and a.attnum = k.n order by k.o), t.relname::text, \
array(select a.attname::text from unnest(f.confkey) with ordinality k(n, o) join pg_attribute a \
on a.attrelid = f.confrelid and a.attnum = k.n order by k.o), o.nspname::text, n.nspname::text \
from pg_constraint f join pg_class c on c.oid = f.conrelid join pg_class t on t.oid = f.confrelid \
join pg_namespace n on n.oid = c.relnamespace join pg_namespace o on o.oid = t.relnamespace \
where f.contype = 'f' and n.nspname = any($1)";

/// Constraints and indexes by name, of each table.
const NAMES: &str = "\
select c.relname::text, f.conname::text, n.nspname::text from pg_constraint f join pg_class c on c.oid = f.conrelid \
join pg_namespace n on n.oid = c.relnamespace where n.nspname = any($1) \
union select c.relname::text, x.relname::text, n.nspname::text from pg_index i join pg_class c on c.oid = i.indrelid \
join pg_class x on x.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace where n.nspname = any($1)";

/// Keys and indexes that have the name of a staging table.
const STRAYS: &str = "\
select c.relname::text, x.relname::text, i.indisprimary, exists (select from pg_constraint o where o.conindid = x.oid \
and o.contype in ('p', 'u')), i.indisunique, m.amname::text, \
array(select a.attname::text from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k(n, o) \
join pg_attribute a on a.attrelid = c.oid and a.attnum = k.n order by k.o), n.nspname::text \
from pg_index i join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid \
join pg_am m on m.oid = x.relam join pg_namespace n on n.oid = c.relnamespace \
where n.nspname = any($1) and x.relname ~ '^new_[0-9a-f]{16}_[0-9]+_[0-9]+$'";

/// The queries for `of`, each with the names of schemas as its parameter.
pub const QUERIES: [&str; 7] = [OURS, RELATIONS, COLUMNS, UNIQUE, FOREIGN_KEYS, NAMES, STRAYS];

/// The schemas of these tables, and the schemas that their foreign keys reference.
pub fn schemas_of(tables: &[PostgresTable]) -> Vec<String> {
    let own = tables.iter().map(|table| &table.schema);
    let pointed_to = tables.iter().flat_map(|table| &table.foreign_keys).map(|key| &key.to_schema);
    let schemas: BTreeSet<&String> = own.chain(pointed_to).collect();
    schemas.into_iter().cloned().collect()
}

/// Reads the schemas of these tables. If elt's own schema does not exist, elt created no table.
pub fn read_for(client: &mut PostgresClient, tables: &[PostgresTable]) -> Result<PostgresCatalog, Error> {
    let has_own: bool = client.query_typed_one("select to_regclass('_elt.tables') is not null", &[])?.get(0);
    let schemas = schemas_of(tables);
    let of_schemas: [(&(dyn ToSql + Sync), Type); 1] = [(&schemas, Type::TEXT_ARRAY)];
    let queries: Vec<_> = QUERIES.iter().skip(usize::from(!has_own)).map(|sql| (*sql, of_schemas.as_slice())).collect();
    let mut found = client.query_all(&queries)?;
    if !has_own {
        found.insert(0, Vec::new());
    }
    Ok(of(found))
}

/// The tables in the rows of `QUERIES`.
pub fn of(found: Vec<Vec<Row>>) -> PostgresCatalog {
    let mut found = found.into_iter();
    let mut next = || found.next().unwrap_or_default();
    let mut tables = BTreeMap::new();
    let mut ours: BTreeMap<(String, String), Option<Definition>> = BTreeMap::new();
    for row in next() {
        let contract: Option<String> = row.get(2);
        let contract = contract.and_then(|contract| serde_json::from_str(&contract).ok());
        ours.insert((row.get(0), row.get(1)), contract);
    }
    for row in next() {
        let place: (String, String) = (row.get(2), row.get(0));
        let contract = ours.remove(&place);
        let mut standing = ExistingPostgresTable {
            is_ours: contract.is_some(),
            is_table: row.get(1),
            ..ExistingPostgresTable::default()
        };
        standing.contract = contract.flatten();
        standing.kind = row.get(4);
        standing.partition_key = row.get(5);
        standing.hands = row.get(7);
        standing.hides_rows = row.get(3);
        if standing.hides_rows {
            let remark = "row security applies to this role";
            standing.remarks.push(remark.into());
            standing.hands.push(format!("{remark}, and may hide rows"));
        }
        for trigger in row.get::<_, Vec<String>>(6) {
            standing
                .remarks
                .push(format!("trigger `{trigger}` of others runs before rows are written, and may change them"));
        }
        tables.insert(place, standing);
    }
    add_columns(&next(), &mut tables);
    add_unique(&next(), &mut tables);
    add_foreign_keys(&next(), &mut tables);
    add_names(&next(), &mut tables);
    add_strays(&next(), &mut tables);
    tables
}

fn add_columns(rows: &[Row], tables: &mut PostgresCatalog) {
    for row in rows {
        if let Some(table) = tables.get_mut(&place(row)) {
            table.columns.push(ExistingColumn {
                name: row.get(1),
                type_name: row.get(2),
                is_enum: row.get(3),
                not_null: row.get(4),
                has_default: row.get(5),
                is_generated: row.get(6),
                is_identity: row.get(7),
                views: row.get(8),
                collation: row.get(9),
            });
        }
    }
}

fn add_unique(rows: &[Row], tables: &mut PostgresCatalog) {
    for row in rows {
        let Some(table) = tables.get_mut(&place(row)) else { continue };
        let (columns, is_plain): (Vec<String>, bool) = (row.get(2), row.get(3));
        let may_be_null = |name: &&String| table.columns.iter().any(|column| column.name == **name && !column.not_null);
        let nullable = match row.get(4) {
            true => Vec::new(),
            false => columns.iter().filter(may_be_null).cloned().collect(),
        };
        if is_plain {
            table.has_primary_key |= row.get::<_, bool>(1);
            table.unique.push(columns.clone());
        }
        table.unique_sets.push(UniqueSet { columns, nullable, is_plain });
    }
}

fn add_foreign_keys(rows: &[Row], tables: &mut PostgresCatalog) {
    for row in rows {
        if let Some(table) = tables.get_mut(&place(row)) {
            table.foreign_keys.push((row.get(1), (row.get(4), row.get(2)), row.get(3)));
        }
    }
}

fn add_names(rows: &[Row], tables: &mut PostgresCatalog) {
    for row in rows {
        if let Some(table) = tables.get_mut(&place(row)) {
            table.object_names.insert(row.get(1));
        }
    }
}

fn add_strays(rows: &[Row], tables: &mut PostgresCatalog) {
    for row in rows {
        let Some(table) = tables.get_mut(&place(row)) else { continue };
        let columns = names(&row.get::<_, Vec<String>>(6));
        let (is_primary, is_constraint): (bool, bool) = (row.get(2), row.get(3));
        let text = match (is_primary, is_constraint) {
            (true, _) => format!("primary key ({columns})"),
            (false, true) => format!("unique ({columns})"),
            (false, false) => object_text(&DefinedIndex {
                unique: row.get(4),
                definition: format!("using {} ({columns})", row.get::<_, String>(5)),
            }),
        };
        table.strays.push(StrayName { name: row.get(1), is_constraint, text });
    }
}

/// A row's table: its first column, in the schema of its last.
fn place(row: &Row) -> (String, String) {
    (row.get(row.len() - 1), row.get(0))
}
