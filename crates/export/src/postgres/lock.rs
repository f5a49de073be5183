//! The advisory lock that prevents two publications to one schema at the same time. It ends with its connection.
//!
//! Knows one connection and no tables.

use std::time::Duration;

use postgres::Client;

use super::copy::describe;
use crate::messages;
use crate::target::PublicationLock;
use elt_base::error::{Error, Result};

/// FNV-1a of the schema's name: the same in every version of the tool.
pub fn lock_key(schema: &str) -> i64 {
    let text = format!("elt publication {schema}");
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash as i64
}

pub struct AdvisoryLock<'a> {
    pub client: &'a mut Client,
    pub schema: &'a str,
}

impl PublicationLock for AdvisoryLock<'_> {
    type Held = ();

    fn ask(&mut self) -> Result<Option<()>> {
        let taken = self.client.query_one("select pg_try_advisory_lock($1)", &[&lock_key(self.schema)]);
        let taken =
            taken.map_err(|error| messages::export_postgres("taking the publication lock", None, describe(&error)))?;
        Ok(taken.get::<_, bool>(0).then_some(()))
    }

    fn obstacle(&self) -> String {
        format!("another publication to `{}` is under way", self.schema)
    }

    fn refusal(&mut self, waited: Duration) -> Error {
        let holder = self.client.query_opt(
            "select format('process %s, `%s`, from %s, since %s', a.pid, a.application_name, \
             coalesce(a.client_addr::text, 'a local socket'), date_trunc('second', a.backend_start)) \
             from pg_locks l join pg_stat_activity a on a.pid = l.pid \
             where l.locktype = 'advisory' and l.granted and l.objsubid = 1 \
             and l.database = (select oid from pg_database where datname = current_database()) \
             and (l.classid::bigint << 32) | l.objid::bigint = $1",
            &[&lock_key(self.schema)],
        );
        let holder = match holder {
            Ok(Some(row)) => row.get(0),
            _ => "its holder just ended".to_owned(),
        };
        messages::export_locked(&format!("schema `{}`", self.schema), waited, Some(&holder))
    }
}
