//! Ends the wait for work that cannot be stopped.
//!
//! A driver's own limit ends when the server accepts the connection. Knows no driver.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// The driver's own limit ends first, because its error says more.
const GRACE: Duration = Duration::from_millis(500);

/// What the work gives. None: it did not end in time, and its thread is left alone.
pub(crate) fn within<T: Send + 'static>(limit: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (send, receive) = channel();
    thread::spawn(move || {
        // The receiver may no longer exist.
        let _ = send.send(work());
    });
    receive.recv_timeout(limit + GRACE).ok()
}
