//! The waits for servers that are under way: for which server, in which step, and how long it has been silent.
//!
//! A driver's call cannot be interrupted while the server is silent. The program looks at this list, and ends itself if
//! a stop was requested or a server is silent for too long. Knows no driver and ends nothing.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

static WAITS: Mutex<Waits> = Mutex::new(Waits { next: 0, list: Vec::new() });

struct Waits {
    next: u64,
    list: Vec<Waiting>,
}

struct Waiting {
    id: u64,
    server: String,
    step: String,
    heard: Instant,
}

/// A wait for a server. It ends when this value is dropped.
#[derive(Debug)]
pub struct Wait(u64);

/// A server that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silence {
    /// As messages name it: ``Postgres at `localhost:5432/shop` ``.
    pub server: String,
    /// What was asked of it: `connecting`, ``staging `customers` ``.
    pub step: String,
    pub time: Duration,
}

impl Wait {
    /// Begins a wait for `server`, which is to do `step`.
    pub fn new(server: impl Into<String>, step: impl Into<String>) -> Self {
        let mut waits = WAITS.lock();
        waits.next += 1;
        let id = waits.next;
        waits.list.push(Waiting { id, server: server.into(), step: step.into(), heard: Instant::now() });
        Self(id)
    }

    /// The server has answered, and the wait goes on.
    pub fn heard(&self) {
        if let Some(wait) = WAITS.lock().list.iter_mut().find(|wait| wait.id == self.0) {
            wait.heard = Instant::now();
        }
    }

    /// As `heard`, and it now does another step.
    pub fn step(&self, step: impl Into<String>) {
        if let Some(wait) = WAITS.lock().list.iter_mut().find(|wait| wait.id == self.0) {
            wait.heard = Instant::now();
            wait.step = step.into();
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        WAITS.lock().list.retain(|wait| wait.id != self.0);
    }
}

/// The server that has been silent for the longest time. None: no wait is under way.
pub fn longest() -> Option<Silence> {
    let waits = WAITS.lock();
    let oldest = waits.list.iter().min_by_key(|wait| wait.heard)?;
    Some(Silence { server: oldest.server.clone(), step: oldest.step.clone(), time: oldest.heard.elapsed() })
}

#[cfg(test)]
mod tests {
    use super::{Wait, longest};

    #[test]
    fn names_the_server_that_is_silent_for_the_longest_time() {
        let step = || longest().map(|silence| silence.step);
        let first = Wait::new("a server", "connecting");
        let second = Wait::new("a server", "staging");
        assert_eq!(step().as_deref(), Some("connecting"));
        first.step("committing");
        assert_eq!(step().as_deref(), Some("staging"));
        drop(second);
        assert_eq!(step().as_deref(), Some("committing"));
        drop(first);
        assert_eq!(longest(), None);
    }
}
