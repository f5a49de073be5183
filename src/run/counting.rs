//! A source's count that is asked for while other work goes on: some servers have it at hand, others count.
//!
//! Knows when to wait, not what the number is for.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::extract::Source;

use super::load::Collection;

/// How long a server that has its count at hand takes to say it.
pub const AT_HAND: Duration = Duration::from_millis(250);

/// A count under way, or there.
#[derive(Debug)]
pub enum Counting {
    Asked(Receiver<Result<Option<u64>>>),
    Known(Option<u64>),
}

impl Counting {
    /// Asks the source: for all documents that pass the collection's filter, one by one, if its proof must hold; else for
    /// what the source can tell cheaply.
    pub fn ask(source: &Arc<dyn Source>, collection: &Collection) -> Self {
        let (send, receive) = channel();
        let (source, name, options) = (source.clone(), collection.name.clone(), collection.options.clone());
        let exact = collection.is_strict;
        thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = send.send(source.count(&name, &options, exact));
        });
        Self::Asked(receive)
    }

    /// The count, if it is there within that time.
    pub fn within(&mut self, time: Duration) -> Result<Option<u64>> {
        if let Self::Asked(receive) = self {
            match receive.recv_timeout(time) {
                Ok(count) => *self = Self::Known(count?),
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => *self = Self::Known(None),
            }
        }
        self.wait()
    }

    pub fn wait(&mut self) -> Result<Option<u64>> {
        if let Self::Asked(receive) = self {
            *self = Self::Known(receive.recv().map_err(|_| Error::interrupted())??);
        }
        match self {
            Self::Known(count) => Ok(*count),
            Self::Asked(_) => Ok(None),
        }
    }
}
