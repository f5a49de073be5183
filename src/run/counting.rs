//! A source's count that is asked for while other work goes on: some servers have it at hand, others count.
//!
//! Decides when to wait; knows nothing of the number's use.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use elt_base::error::Result;
use elt_extract::{CountMode, Source};

use super::collection::CollectionLoad;

/// The time that a server takes to answer if it has its count at hand.
const AT_HAND: Duration = Duration::from_millis(50);

/// A count that was asked for, or is known.
#[derive(Debug)]
pub enum Counting {
    Asked(Receiver<Result<Option<u64>>>),
    Known(Option<u64>),
}

impl Counting {
    /// Asks when a load begins. Does not wait for a count that is not at hand, unless the counts must agree or the count
    /// decides how the collection is split.
    pub fn begin(source: &Arc<dyn Source>, collection: &CollectionLoad) -> Self {
        let is_split = collection.options.range_size.is_some_and(|size| size > 0);
        let mode = if is_split { CountMode::Estimate } else { CountMode::AtHand(AT_HAND) };
        Self::ask(source, collection, mode)
    }

    /// Asks when a load ends.
    pub fn end(source: &Arc<dyn Source>, collection: &CollectionLoad) -> Self {
        Self::ask(source, collection, CountMode::Estimate)
    }

    fn ask(source: &Arc<dyn Source>, collection: &CollectionLoad, mode: CountMode) -> Self {
        let (send, receive) = channel();
        let (source, name, options) = (source.clone(), collection.name.clone(), collection.options.clone());
        let mode = if collection.is_strict { CountMode::Exact } else { mode };
        thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = send.send(source.count(&name, &options, mode));
        });
        Self::Asked(receive)
    }

    /// The count; None where the source does not know it, and after an error was returned once.
    pub fn wait(&mut self) -> Result<Option<u64>> {
        let answer = match self {
            Self::Known(count) => return Ok(*count),
            Self::Asked(receive) => receive.recv().map_err(|_| elt_base::messages::interrupted()).flatten(),
        };
        *self = Self::Known(*answer.as_ref().unwrap_or(&None));
        answer
    }
}
