//! The advisory lock that prevents two publications to one schema at the same time.
//!
//! It belongs to a transaction on a connection of its own, which stays open until the publication ends: a pooler
//! (PgBouncer with `pool_mode = transaction`) keeps a server connection for a transaction, but not for a session. The
//! transaction writes and reads nothing, so it does not hold back vacuum. Knows one connection and no tables.

use std::time::Duration;

use elt_connect::postgres::{Answer, PostgresClient};
use postgres::types::Type;

use super::said::describe;
use crate::messages;
use crate::target::PublicationLock;
use elt_base::error::{Error, Result};

/// The key of the lock that a publication has from its begin to its end. The same in every version of the tool.
pub fn lock_key(schema: &str) -> i64 {
    key(&format!("elt publication {schema}"))
}

/// The key of the lock that the transaction has which applies a publication. While somebody has it, the outcome of the
/// transaction is not known.
pub fn apply_key(schema: &str) -> i64 {
    key(&format!("elt applies to {schema}"))
}

/// FNV-1a.
fn key(text: &str) -> i64 {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash as i64
}

/// Begins a transaction that limits of the role must not end, although it waits: for rows that are staged, or for locks.
/// One statement each.
pub const BEGIN: [&str; 4] = [
    "begin",
    "set local statement_timeout = 0",
    "set local idle_in_transaction_session_timeout = 0",
    "select set_config(name, '0', true) from pg_settings where name in ('idle_session_timeout', 'transaction_timeout')",
];

/// The statements that begin the transaction which will own the locks of a publication, and try to take the locks in
/// their order, up to the first that somebody else has.
pub fn begin_holding(keys: impl DoubleEndedIterator<Item = i64> + ExactSizeIterator) -> Vec<String> {
    let count = keys.len();
    let try_all = keys.rev().enumerate().fold(count.to_string(), |rest, (number, key)| {
        format!("case when pg_try_advisory_xact_lock({key}) then {rest} else {} end", count - 1 - number)
    });
    BEGIN.map(str::to_owned).into_iter().chain([format!("select {try_all}, pg_backend_pid()")]).collect()
}

/// The session that owns the locks.
pub struct Holding {
    process: String,
}

impl Holding {
    /// By the answers to `begin_holding`: the session, and how many of the locks it has.
    pub fn of(answers: &[Answer]) -> (Self, usize) {
        let row = answers.last().and_then(|answer| answer.rows.first());
        let text = |index: usize| row.and_then(|row| row.get(index)?.as_deref()).unwrap_or_default();
        (Self { process: text(1).to_owned() }, text(0).parse().unwrap_or(0))
    }

    /// The query whether it still has a lock.
    pub fn still(&self, key: i64) -> String {
        format!("select exists (select from pg_locks l where l.pid = {} and {})", self.process, has(&key.to_string()))
    }
}

/// Whether a row `l` of `pg_locks` is the lock with this key.
fn has(key: &str) -> String {
    format!(
        "l.locktype = 'advisory' and l.granted and l.objsubid = 1 \
         and l.database = (select oid from pg_database where datname = current_database()) \
         and (l.classid::bigint << 32) | l.objid::bigint = {key}"
    )
}

/// The lock could not be asked for.
pub fn refused(error: &postgres::Error) -> Error {
    messages::export_postgres("taking the publication lock", None, describe(error))
}

/// A lock of the transaction that is open on `client`.
pub struct AdvisoryLock<'a> {
    pub client: &'a mut PostgresClient,
    pub schema: &'a str,
    /// `lock_key` or `apply_key` of the schema.
    pub key: i64,
}

impl PublicationLock for AdvisoryLock<'_> {
    type Held = ();

    fn ask(&mut self) -> Result<Option<()>> {
        let taken = self.client.query_typed_one("select pg_try_advisory_xact_lock($1)", &[(&self.key, Type::INT8)]);
        Ok(taken.map_err(|error| refused(&error))?.get::<_, bool>(0).then_some(()))
    }

    fn obstacle(&self) -> String {
        format!("another publication to `{}` is under way", self.schema)
    }

    fn refusal(&mut self, waited: Duration) -> Error {
        let query = format!(
            "select format('process %s, `%s`, from %s, since %s', a.pid, a.application_name, \
             coalesce(a.client_addr::text, 'a local socket'), date_trunc('second', a.backend_start)) \
             from pg_locks l join pg_stat_activity a on a.pid = l.pid where {}",
            has("$1")
        );
        let holder = self.client.query_typed_opt(&query, &[(&self.key, Type::INT8)]);
        let holder = match holder {
            Ok(Some(row)) => row.get(0),
            _ => "its holder just ended".to_owned(),
        };
        messages::export_locked(&format!("schema `{}`", self.schema), waited, Some(&holder))
    }
}
