//! Requests the count of a source while other work continues. Some servers know the count, and others must count.
//!
//! Decides when to wait. Does not know how the number is used.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use elt_base::error::Result;
use elt_extract::{CountMode, Source};

use super::collection::CollectionLoad;

/// The time in which a server answers if it knows its count.
const AT_HAND: Duration = Duration::from_millis(50);

/// A count that was requested or is known.
#[derive(Debug)]
pub enum Counting {
    Asked(Receiver<Result<Option<u64>>>),
    Known(Option<u64>),
}

impl Counting {
    /// Requests the count at the start of a load. Waits for a slow count only if the counts must agree or if the count
    /// decides how the collection is split.
    pub fn begin(source: &Arc<dyn Source>, collection: &CollectionLoad) -> Self {
        let is_split = collection.options.range_size.is_some_and(|size| size > 0);
        let mode = if is_split { CountMode::Estimate } else { CountMode::AtHand(AT_HAND) };
        Self::ask(source, collection, mode)
    }

    /// Requests the count at the end of a load.
    pub fn end(source: &Arc<dyn Source>, collection: &CollectionLoad) -> Self {
        Self::ask(source, collection, CountMode::Estimate)
    }

    fn ask(source: &Arc<dyn Source>, collection: &CollectionLoad, mode: CountMode) -> Self {
        let (send, receive) = channel();
        let (source, name, options) = (source.clone(), collection.name.clone(), collection.options.clone());
        let mode = if collection.is_strict { CountMode::Exact } else { mode };
        thread::spawn(move || {
            // The receiver may no longer exist.
            let _ = send.send(source.count(&name, &options, mode));
        });
        Self::Asked(receive)
    }

    /// The count; None if the source does not know it, or after an error has been returned once.
    pub fn wait(&mut self) -> Result<Option<u64>> {
        let answer = match self {
            Self::Known(count) => return Ok(*count),
            Self::Asked(receive) => receive.recv().map_err(|_| elt_base::messages::interrupted()).flatten(),
        };
        *self = Self::Known(*answer.as_ref().unwrap_or(&None));
        answer
    }
}
