//! The named lock that prevents two publications to one database at the same time. It ends with its connection.
//!
//! Knows one connection and no tables.

use std::time::Duration;

use mysql::Conn;
use mysql::prelude::Queryable;

use crate::messages;
use crate::target::PublicationLock;
use elt_base::error::{Error, Result};
use elt_connect::mysql::describe;

pub struct NamedLock<'a> {
    pub connection: &'a mut Conn,
    pub database: &'a str,
}

impl PublicationLock for NamedLock<'_> {
    type Held = ();

    fn ask(&mut self) -> Result<Option<()>> {
        let ask = format!("select get_lock({}, 0)", lock_name(self.database));
        let taken: Result<Option<Option<u8>>, mysql::Error> = self.connection.query_first(ask);
        let taken = taken.map_err(|error| messages::mysql("taking the publication lock", None, describe(&error)))?;
        Ok((taken.flatten() == Some(1)).then_some(()))
    }

    fn obstacle(&self) -> String {
        format!("another publication to `{}` is under way", self.database)
    }

    fn refusal(&mut self, waited: Duration) -> Error {
        let holder: Result<Option<(u64, String, String)>, mysql::Error> = self.connection.query_first(format!(
            "select id, user, host from information_schema.processlist where id = is_used_lock({})",
            lock_name(self.database)
        ));
        let holder = match holder {
            Ok(Some((id, user, host))) => format!("connection {id}, user `{user}`, from {host}"),
            _ => "its holder just ended, or this user may not see it".to_owned(),
        };
        messages::export_locked(&format!("database `{}`", self.database), waited, Some(&holder))
    }
}

/// The lock of publications to a database, at most 64 characters.
fn lock_name(database: &str) -> String {
    let hash = database
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    super::statements::text(&format!("elt publication {hash:016x}"))
}
