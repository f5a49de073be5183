//! A source's count that is asked for while other work goes on: some servers have it at hand, others count.
//!
//! Knows when to wait, not what the number is for.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use elt_base::error::Result;
use elt_extract::{Count, Source};

use super::load::Collection;

/// How long a server that has its count at hand takes to say it.
const AT_HAND: Duration = Duration::from_millis(50);

/// A count under way, or there.
#[derive(Debug)]
pub enum Counting {
    Asked(Receiver<Result<Option<u64>>>),
    Known(Option<u64>),
}

impl Counting {
    /// Asks when a load begins. What is not at hand is not waited for, unless the proof must hold or the count decides how
    /// the collection is split.
    pub fn begin(source: &Arc<dyn Source>, collection: &Collection) -> Self {
        let is_split = collection.options.range_size.is_some_and(|size| size > 0);
        let how = if is_split { Count::Estimate } else { Count::AtHand(AT_HAND) };
        Self::ask(source, collection, how)
    }

    /// Asks when a load ends.
    pub fn end(source: &Arc<dyn Source>, collection: &Collection) -> Self {
        Self::ask(source, collection, Count::Estimate)
    }

    fn ask(source: &Arc<dyn Source>, collection: &Collection, how: Count) -> Self {
        let (send, receive) = channel();
        let (source, name, options) = (source.clone(), collection.name.clone(), collection.options.clone());
        let how = if collection.is_strict { Count::Exact } else { how };
        thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = send.send(source.count(&name, &options, how));
        });
        Self::Asked(receive)
    }

    /// The count; None where the source cannot tell, and after an error was told once.
    pub fn wait(&mut self) -> Result<Option<u64>> {
        let answer = match self {
            Self::Known(count) => return Ok(*count),
            Self::Asked(receive) => receive.recv().map_err(|_| elt_base::messages::interrupted()).flatten(),
        };
        *self = Self::Known(*answer.as_ref().unwrap_or(&None));
        answer
    }
}
