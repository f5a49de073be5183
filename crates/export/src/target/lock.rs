//! Waits until another publication to the same place ends. All targets use this loop.
//!
//! Knows no driver: each target implements how it asks for its lock.

use std::time::{Duration, Instant};

use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};

/// How long a publication waits for another one to end.
pub const LOCK_WAIT: Duration = Duration::from_secs(30);
const LOCK_POLL: Duration = Duration::from_millis(200);

/// The lock that prevents two publications to one place at the same time.
pub trait PublicationLock {
    /// The lock is released when this value is dropped; `()` if a connection holds the lock.
    type Held;

    /// Asks once, without waiting. None: somebody else has it.
    fn ask(&mut self) -> Result<Option<Self::Held>>;

    /// The reason for the wait, for the user: ``another publication to `shop` is under way``.
    fn obstacle(&self) -> String;

    /// The error after the wait has taken too long; it names the holder of the lock.
    fn refusal(&mut self, waited: Duration) -> Error;
}

/// Waits until it has the lock, and reports the wait once.
///
/// # Errors
/// Somebody else has it for longer than `LOCK_WAIT`; a stop was asked for.
pub fn wait_for<L: PublicationLock>(lock: &mut L, cancel: &Cancel, say: &dyn Fn(&str)) -> Result<L::Held> {
    wait_until(lock, cancel, say, LOCK_WAIT)
}

fn wait_until<L: PublicationLock>(
    lock: &mut L,
    cancel: &Cancel,
    say: &dyn Fn(&str),
    patience: Duration,
) -> Result<L::Held> {
    let start = Instant::now();
    let mut has_said = false;
    loop {
        cancel.check()?;
        if let Some(held) = lock.ask()? {
            tracing::debug!(seconds = start.elapsed().as_secs_f64(), "has the lock of publications");
            return Ok(held);
        }
        if !has_said {
            say(&format!("  note: {}; waiting for it to end", lock.obstacle()));
            has_said = true;
        }
        if start.elapsed() >= patience {
            return Err(lock.refusal(start.elapsed()));
        }
        std::thread::sleep(LOCK_POLL);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Free after so many refusals.
    struct Busy(u32);

    impl PublicationLock for Busy {
        type Held = ();

        fn ask(&mut self) -> Result<Option<()>> {
            let is_free = self.0 == 0;
            self.0 = self.0.saturating_sub(1);
            Ok(is_free.then_some(()))
        }

        fn obstacle(&self) -> String {
            "it is busy".into()
        }

        fn refusal(&mut self, _: Duration) -> Error {
            crate::messages::export_incomplete()
        }
    }

    #[track_caller]
    fn check(refusals: u32, patience: Duration, is_taken: bool, expected: &[&str]) {
        let said = RefCell::new(Vec::new());
        let say = |text: &str| said.borrow_mut().push(text.to_owned());
        let taken = wait_until(&mut Busy(refusals), &Cancel::default(), &say, patience);
        assert_eq!(taken.is_ok(), is_taken);
        assert_eq!(*said.borrow(), expected);
    }

    #[test]
    fn waits_and_says_so_once() {
        check(0, Duration::ZERO, true, &[]);
        check(2, LOCK_WAIT, true, &["  note: it is busy; waiting for it to end"]);
        check(2, Duration::ZERO, false, &["  note: it is busy; waiting for it to end"]);
    }
}
