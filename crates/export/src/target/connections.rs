//! Connections for staging: opened when they are needed, up to a maximum number.
//!
//! Knows no driver.

use parking_lot::{Condvar, Mutex};

use elt_base::error::Result;

/// Connections of one kind.
pub struct Connections<C> {
    max: usize,
    state: Mutex<State<C>>,
    freed: Condvar,
}

struct State<C> {
    idle: Vec<C>,
    in_use: usize,
}

impl<C> Connections<C> {
    pub fn at_most(max: usize) -> Self {
        Self { max, state: Mutex::new(State { idle: Vec::new(), in_use: 0 }), freed: Condvar::new() }
    }

    /// Runs `work` on a connection of its own, an idle one that `is_usable` or else a new one; waits while all are in
    /// use. A connection whose work failed is closed.
    pub fn with<T>(
        &self,
        connect: impl FnOnce() -> Result<C>,
        is_usable: impl FnOnce(&C) -> bool,
        work: impl FnOnce(&mut C) -> Result<T>,
    ) -> Result<T> {
        let mut state = self.state.lock();
        while state.in_use >= self.max {
            self.freed.wait(&mut state);
        }
        state.in_use += 1;
        let idle = state.idle.pop();
        drop(state);
        let slot = Slot(self);
        let mut connection = idle.filter(is_usable).map_or_else(connect, Ok)?;
        let result = work(&mut connection);
        if result.is_ok() {
            self.state.lock().idle.push(connection);
        }
        drop(slot);
        result
    }

    /// Closes those that are idle.
    pub fn close(&self) {
        self.state.lock().idle.clear();
    }
}

/// A connection in use: its place becomes free even if the work fails.
struct Slot<'a, C>(&'a Connections<C>);

impl<C> Drop for Slot<'_, C> {
    fn drop(&mut self) {
        self.0.state.lock().in_use -= 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::Connections;

    #[test]
    fn keeps_connections_that_worked() {
        let connections = Connections::at_most(1);
        let take = |new: u32, is_usable: bool, fails: bool| {
            let work = |connection: &mut u32| {
                if fails { Err(elt_base::messages::interrupted()) } else { Ok(*connection) }
            };
            connections.with(|| Ok(new), |_| is_usable, work).ok()
        };
        assert_eq!(take(1, true, false), Some(1));
        assert_eq!(take(2, true, false), Some(1));
        assert_eq!(take(3, false, true), None);
        assert_eq!(take(4, true, false), Some(4));
    }
}
