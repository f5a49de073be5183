//! The stop that Ctrl-C requests: a flag that every loop over batches, models and retries checks.
//!
//! Knows nothing of signals except how to set the flag. `lib` installs the handler.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::error::Result;
use crate::messages;

/// Cheap to clone; all clones share the flag.
#[derive(Clone, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Default)]
struct CancelState {
    requested: AtomicBool,
    wakers: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl Cancel {
    /// Requests the stop, and calls the functions that `on_request` registered for waits that cannot check the flag.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        for wake in self.0.wakers.lock().iter() {
            wake();
        }
    }

    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::Relaxed)
    }

    /// Calls `wake` when a stop is requested. For work that cannot check the flag, such as a running statement.
    pub fn on_request(&self, wake: impl Fn() + Send + 'static) {
        self.0.wakers.lock().push(Box::new(wake));
    }

    /// Returns an error after a stop was requested.
    pub fn check(&self) -> Result<()> {
        if self.is_requested() { Err(messages::interrupted()) } else { Ok(()) }
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_requested()).finish()
    }
}
