//! Locks tables for the transaction of a publication, and names the session that does not give one up.
//!
//! Knows names of tables, but no rows.

use postgres::types::Type;

use super::script::ScriptFailure;
use super::staging::PostgresPublication;
use elt_base::error::Error;
use elt_base::sql_text::masked;

/// Locks a table against writers.
pub fn lock(place: &str) -> String {
    format!("lock table {place} in share row exclusive mode")
}

impl PostgresPublication {
    /// The error of a script whose failed statement may be a lock: it names the session that does not give the lock up.
    pub(super) fn not_locked(&self, failure: ScriptFailure, locks: &[(usize, String)]) -> Error {
        let place = locks.iter().find(|(index, _)| *index == failure.index).map(|(_, place)| place);
        let is_busy = failure.error.code().is_some_and(|code| code.code() == "55P03");
        let error = failure.into_error();
        match place.filter(|_| is_busy).and_then(|place| self.lock_holder(place)) {
            Some(holder) => error.because(holder),
            None => error,
        }
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
