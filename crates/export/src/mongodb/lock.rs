//! The lock of a database's publications: a document in `_elt_locks` with an expiry time that its holder extends.
//!
//! MongoDB has no lock that ends with a connection. If the holder died, a publication on the same machine acquires the
//! lock at once, and one on another machine acquires it after it has expired.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bson::{DateTime, Document, doc};

use super::server::Server;
use crate::messages;
use crate::target::PublicationLock;
use elt_base::error::{Error, Result};

const COLLECTION: &str = "_elt_locks";
/// How long it is held without a sign of life.
const EXPIRY: Duration = Duration::from_secs(25);
const RENEWAL: Duration = Duration::from_secs(8);

/// The lock of one database.
pub struct DatabaseLock<'a> {
    pub server: &'a Arc<Server>,
    /// The publication's id.
    pub owner: &'a str,
}

impl DatabaseLock<'_> {
    fn document(&self) -> Result<Option<Document>> {
        self.server.find_one("reading the lock of", COLLECTION, doc! { "_id": "publication" }, doc! {})
    }
}

impl PublicationLock for DatabaseLock<'_> {
    type Held = HeldLock;

    fn ask(&mut self) -> Result<Option<HeldLock>> {
        if !claim(self.server, self.owner, None)? {
            let held = self.document()?;
            let Some(dead) = held.as_ref().and_then(dead_owner) else { return Ok(None) };
            if !claim(self.server, self.owner, Some(dead))? {
                return Ok(None);
            }
        }
        Ok(Some(HeldLock::renewed(self.server, self.owner)))
    }

    fn obstacle(&self) -> String {
        format!("another publication to `{}` is under way", self.server.database())
    }

    fn refusal(&mut self, waited: Duration) -> Error {
        let held = self.document().ok().flatten();
        let holder = held.as_ref().and_then(|held| held.get_str("holder").ok());
        messages::export_locked(&format!("database `{}`", self.server.database()), waited, holder)
    }
}

/// Held until dropped.
pub struct HeldLock {
    server: Arc<Server>,
    owner: String,
    is_done: Arc<AtomicBool>,
    renewing: Option<JoinHandle<()>>,
}

impl HeldLock {
    /// Renews the lock before it expires, again and again.
    fn renewed(server: &Arc<Server>, owner: &str) -> Self {
        let is_done = Arc::new(AtomicBool::new(false));
        let renewing = {
            let (server, owner, is_done) = (server.clone(), owner.to_owned(), is_done.clone());
            std::thread::spawn(move || {
                let mut last = Instant::now();
                while !is_done.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(100));
                    if last.elapsed() >= RENEWAL {
                        // One that fails is tried again before the lock expires.
                        let _ = claim(&server, &owner, None);
                        last = Instant::now();
                    }
                }
            })
        };
        Self { server: server.clone(), owner: owner.to_owned(), is_done, renewing: Some(renewing) }
    }
}

impl Drop for HeldLock {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::SeqCst);
        if let Some(renewing) = self.renewing.take() {
            let _ = renewing.join();
        }
        let command = doc! {
            "delete": COLLECTION,
            "deletes": [{ "q": { "_id": "publication", "owner": &self.owner }, "limit": 1 }],
        };
        // A lock that cannot be deleted now expires.
        let _ = self.server.run("giving back the lock of", command, None);
    }
}

/// The owner of a lock, if it was a process of this machine that has ended.
fn dead_owner(held: &Document) -> Option<&str> {
    let pid = rustix::process::Pid::from_raw(held.get_i32("pid").ok()?)?;
    let is_here = held.get_str("host").is_ok_and(|host| host == this_host());
    let is_dead = rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
    if is_here && is_dead { held.get_str("owner").ok() } else { None }
}

fn this_host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// True if the lock is ours now: it was free, had expired, was ours, or `dead`'s.
fn claim(server: &Server, owner: &str, dead: Option<&str>) -> Result<bool> {
    let now = DateTime::now();
    let expires = DateTime::from_millis(now.timestamp_millis() + EXPIRY.as_millis() as i64);
    let (host, pid) = (this_host(), std::process::id() as i32);
    let since = now.try_to_rfc3339_string().unwrap_or_default();
    let mut free = vec![doc! { "owner": owner }, doc! { "expires": { "$lt": now } }];
    free.extend(dead.map(|dead| doc! { "owner": dead }));
    let set = doc! {
        "owner": owner,
        "host": &host,
        "pid": pid,
        "expires": expires,
        "holder": format!("process {pid} on `{host}`, seen at {since}"),
    };
    let update = doc! { "q": { "_id": "publication", "$or": free }, "u": { "$set": set }, "upsert": true };
    let is_held = |error: &Error| error.causes().iter().any(|cause| cause.contains("[11000]"));
    match server.run("taking the lock of", doc! { "update": COLLECTION, "updates": [update] }, None) {
        Ok(_) => Ok(true),
        // It exists and is another owner's: the upsert met its `_id`.
        Err(error) if error.iter().any(is_held) => Ok(false),
        Err(error) => Err(error),
    }
}
