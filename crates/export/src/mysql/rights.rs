//! The rights that a publication needs, and the statements that grant those which are missing.
//!
//! Tries statements that change nothing: MySQL checks rights before it looks for tables and columns. Knows no table but
//! by its name.

use mysql::Conn;
use mysql::prelude::Queryable;

use super::catalog::Name;
use super::statements::{place, tick};
use crate::missing_right::MissingRight;
use elt_connect::mysql::Statements as _;

/// A user may not do this to a table (`ER_TABLEACCESS_DENIED_ERROR`), a column or a database.
const DENIED: [u16; 3] = [1142, 1143, 1044];
/// Everything that this user may not do, and that a publication to the database `own` and to `tables`, which may be in
/// others, needs.
pub fn missing(connection: &mut Conn, own: &str, tables: &[Name]) -> Result<Vec<MissingRight>, mysql::Error> {
    let user: Option<String> = connection.query_first("select current_user()")?;
    let user = user.unwrap_or_default();
    let (name, host) = user.rsplit_once('@').unwrap_or((&user, "%"));
    let user = format!("{}@{}", tick(name), tick(host));
    let mut found = Vec::new();
    // No table has this name, and no column: nothing can be changed by it.
    let nobody = format!("_elt_rights_{}", uuid::Uuid::new_v4().simple());
    let in_own = place(own, &nobody);
    let lacks = denied(connection, &[rows(&in_own, &nobody), definition(&in_own, &nobody)].concat())?;
    if !lacks.is_empty() {
        found.push(MissingRight {
            what: format!("this user may not {} in database `{own}`", lacks.join(", ")),
            grant: format!("grant {} on {}.* to {user}", lacks.join(", "), tick(own)),
        });
    }
    let lacks_own = !found.is_empty();
    for (database, table) in tables.iter().filter(|(database, _)| database != own || !lacks_own) {
        let place = place(database, table);
        let exists: Option<u8> = connection.exec_first(
            "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
            (database, table),
        )?;
        let mut tried = rows(&place, &nobody);
        if exists.is_none() {
            tried.extend(definition(&self::place(database, &nobody), &nobody));
        }
        let lacks = denied(connection, &tried)?.join(", ");
        if !lacks.is_empty() {
            found.push(MissingRight {
                what: format!("this user may not {lacks} in table `{database}.{table}`"),
                grant: format!("grant {lacks} on {place} to {user}"),
            });
        }
    }
    Ok(found)
}

/// Rights on rows, each with a statement that needs it.
fn rows(place: &str, nobody: &str) -> Vec<(&'static str, String)> {
    vec![
        ("select", format!("select {nobody} from {place} limit 0")),
        ("insert", format!("insert into {place} ({nobody}) values (1)")),
        ("update", format!("update {place} set {nobody} = 1 where false")),
        ("delete", format!("delete from {place} where {nobody} = 1")),
    ]
}

/// Rights on the definition of tables. `place` is of a table that nobody has.
fn definition(place: &str, nobody: &str) -> Vec<(&'static str, String)> {
    vec![
        // Two columns of one name are refused after the right was checked.
        ("create", format!("create table {place} (id int, id int)")),
        ("drop", format!("drop table {place}")),
        ("alter", format!("alter table {place} add column {nobody} int")),
        ("index", format!("create index {nobody} on {place} ({nobody})")),
    ]
}

/// The rights that are denied.
fn denied(connection: &mut Conn, tried: &[(&'static str, String)]) -> Result<Vec<&'static str>, mysql::Error> {
    let mut lacks = Vec::new();
    for (right, statement) in tried {
        match connection.run(statement) {
            Err(mysql::Error::MySqlError(error)) if is_denied(&error, right) => lacks.push(*right),
            // There is no such table or column.
            Err(mysql::Error::MySqlError(_)) | Ok(()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(lacks)
}

/// Whether a server's error says that this right is missing, and not another one that the statement needs, too.
fn is_denied(error: &mysql::error::MySqlError, right: &str) -> bool {
    DENIED.contains(&error.code)
        && match error.message.split_once(" command denied") {
            Some((command, _)) => command.to_lowercase().ends_with(right),
            None => true,
        }
}
