//! The rights that a publication needs, and the statements that grant those which are missing.
//!
//! Reads the catalog, and tries in a transaction that is rolled back what the catalog does not tell. Changes nothing.

use elt_connect::postgres::PostgresClient;
use postgres::types::Type;

use super::names::qualified;
use super::own_schema::make_in_transaction;
use super::said::describe;
use super::statements::OWN_SCHEMA;
use crate::missing_right::MissingRight;
use elt_base::schema::quote;

/// Everything that this role may not do, and that a publication to `schema` and its `tables` (schema and name, those
/// that exist) needs.
pub fn missing(
    client: &mut PostgresClient,
    schema: &str,
    tables: &[(String, String)],
) -> Result<Vec<MissingRight>, postgres::Error> {
    client.undone(|transaction| find(transaction, schema, tables))
}

fn find(
    transaction: &mut PostgresClient,
    schema: &str,
    tables: &[(String, String)],
) -> Result<Vec<MissingRight>, postgres::Error> {
    let row = transaction.query_typed_one(
        "select current_user::text, current_database()::text, pg_is_in_recovery() \
         or current_setting('default_transaction_read_only')::bool, \
         has_database_privilege(current_database(), 'CREATE')",
        &[],
    )?;
    let (role, database, is_read_only, may_create): (String, String, bool, bool) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    let (role, database) = (quote(&role), quote(&database));
    let mut found = Vec::new();
    if is_read_only {
        found.push(MissingRight {
            what: "the database is read-only for this role".into(),
            grant: format!("alter role {role} set default_transaction_read_only = off"),
        });
    }
    for name in [OWN_SCHEMA, schema] {
        let row = transaction.query_typed_one(
            "select to_regnamespace($1) is not null, \
             coalesce(has_schema_privilege(to_regnamespace($1), 'USAGE') \
             and has_schema_privilege(to_regnamespace($1), 'CREATE'), false)",
            &[(&quote(name), Type::TEXT)],
        )?;
        let (exists, may_create_in): (bool, bool) = (row.get(0), row.get(1));
        let quoted = quote(name);
        if !exists && !may_create {
            found.push(MissingRight {
                what: format!("schema `{name}` does not exist, and this role may not create it"),
                grant: format!(
                    "create schema {quoted} authorization {role}` or `grant create on database {database} to {role}"
                ),
            });
        } else if exists && !may_create_in {
            found.push(MissingRight {
                what: format!("this role may not create tables in schema `{name}`"),
                grant: format!("grant usage, create on schema {quoted} to {role}"),
            });
        }
    }
    let own = transaction.query_typed(
        "select c.relname::text from pg_class c where c.relnamespace = to_regnamespace('_elt') and c.relkind = 'r' \
         and not (has_table_privilege(c.oid, 'SELECT') and has_table_privilege(c.oid, 'INSERT') \
         and has_table_privilege(c.oid, 'UPDATE') and has_table_privilege(c.oid, 'DELETE')) order by 1",
        &[],
    )?;
    if !own.is_empty() {
        let names: Vec<String> = own.iter().map(|row| format!("`{}`", row.get::<_, String>(0))).collect();
        found.push(MissingRight {
            what: format!("this role may not write to {} of schema `_elt`", names.join(", ")),
            grant: format!("grant select, insert, update, delete on all tables in schema _elt to {role}"),
        });
    }
    for (schema, name) in tables {
        let place = qualified(schema, name);
        // By the catalog: in a schema that may not be used, a name cannot be looked up.
        let row = transaction.query_typed_one(
            "select array(select p from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p, pg_class c \
             join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2 \
             and c.relkind in ('r', 'p') and not has_table_privilege(c.oid, p))",
            &[(schema, Type::TEXT), (name, Type::TEXT)],
        )?;
        let lacks: Vec<String> = row.get(0);
        if !lacks.is_empty() {
            let lacks = lacks.join(", ").to_lowercase();
            found.push(MissingRight {
                what: format!("this role may not {lacks} in table `{schema}.{name}`"),
                grant: format!("grant {lacks} on {place} to {role}"),
            });
        }
    }
    if found.is_empty() {
        found.extend(tried(transaction, schema)?);
    }
    Ok(found)
}

/// Does what a first publication does, where no right was found missing.
fn tried(transaction: &mut PostgresClient, schema: &str) -> Result<Option<MissingRight>, postgres::Error> {
    let table = qualified(schema, &format!("elt_{}", uuid::Uuid::new_v4().simple()));
    let exists = transaction
        .query_typed_one("select to_regnamespace($1) is not null", &[(&quote(schema), Type::TEXT)])?
        .get::<_, bool>(0);
    let create = if exists { String::new() } else { format!("create schema {};", quote(schema)) };
    let steps = format!(
        "{create} create table {table} (id bigint primary key); insert into {table} values (1); drop table {table}"
    );
    let failed = make_in_transaction(transaction).and_then(|()| transaction.batch_execute(&steps));
    match failed {
        Ok(()) => Ok(None),
        Err(error) if error.as_db_error().is_some() => {
            Ok(Some(MissingRight { what: describe(&error), grant: String::new() }))
        }
        Err(error) => Err(error),
    }
}
