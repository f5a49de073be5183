//! Locks a table for the transaction of a publication, and names the session that does not give it up.
//!
//! Knows one table, but no rows.

use postgres::types::Type;

use super::said::describe;
use super::staging::PostgresPublication;
use super::table::PostgresTable;
use crate::messages;
use elt_base::error::{Error, Result};
use elt_base::sql_text::masked;

impl PostgresPublication {
    /// Locks a table against writers. If another session does not give it up, the error names that session.
    pub(super) fn lock_table(&self, table: &PostgresTable, place: &str) -> Result<()> {
        self.cancel.check()?;
        let mut main = self.main.lock();
        let Err(error) = main.batch_execute(&format!("lock table {place} in share row exclusive mode")) else {
            return Ok(());
        };
        let error = match error.code().is_some_and(|code| code.code() == "55P03") {
            true => {
                let error = failed(&table.name, &error);
                match self.lock_holder(place) {
                    Some(holder) => error.because(holder),
                    None => error,
                }
            }
            false => failed(&table.name, &error),
        };
        Err(error)
    }

    /// The session that has a lock on a table which excludes writers, for people.
    fn lock_holder(&self, place: &str) -> Option<String> {
        let mut client = self.server.connect().ok()?;
        let row = client
            .query_typed_opt(
                "select a.pid, a.application_name, a.usename::text, a.state, a.query, \
                 date_trunc('second', clock_timestamp() - a.xact_start)::text \
                 from pg_locks l join pg_stat_activity a on a.pid = l.pid \
                 where l.relation = to_regclass($1) and l.granted and l.pid <> pg_backend_pid() \
                 and l.mode not in ('AccessShareLock', 'RowShareLock') \
                 and a.application_name not like 'elt %' order by a.xact_start limit 1",
                &[(&place, Type::TEXT)],
            )
            .ok()??;
        let text = |index: usize| row.get::<_, Option<String>>(index).unwrap_or_default();
        let program = Some(text(1)).filter(|name| !name.is_empty()).unwrap_or_else(|| "a program".into());
        Some(format!(
            "process {} (`{program}` of role `{}`, {}, in a transaction for {}) has the lock; its last statement: {}",
            row.get::<_, i32>(0),
            text(2),
            text(3),
            text(5),
            masked(&text(4))
        ))
    }
}

fn failed(table: &str, error: &postgres::Error) -> Error {
    messages::export_postgres("locking", Some(table), describe(error))
}
