//! What one rendering has used of the limits on its texts and its macro calls.
//!
//! Counters. Does not know what makes the texts.

use std::sync::atomic::{AtomicU64, Ordering};

use minijinja::Error;

use super::refusal::Refusal;

/// The instructions of all macro calls of a rendering.
const MACRO_STEPS_MAX: u64 = 20_000_000;
/// The bytes of all texts that a rendering makes, and of one of them.
const TEXT_BYTES_MAX: u64 = 128 << 20;

/// What a rendering has used.
#[derive(Debug, Default)]
pub(crate) struct Used {
    text: AtomicU64,
    macro_steps: AtomicU64,
}

impl Used {
    /// Counts a text before it is made.
    pub fn text(&self, bytes: u64) -> Result<(), Error> {
        let before = self.text.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > TEXT_BYTES_MAX {
            return Err(refused(format!("it makes more than {} MB of text", TEXT_BYTES_MAX >> 20)));
        }
        Ok(())
    }

    /// Counts the steps of a macro call after it ended.
    pub fn macro_steps(&self, steps: u64) -> Result<(), Error> {
        if self.macro_steps.fetch_add(steps, Ordering::Relaxed) + steps > MACRO_STEPS_MAX {
            return Err(refused(format!(
                "its macro calls take more than {} million steps",
                MACRO_STEPS_MAX / 1_000_000
            )));
        }
        Ok(())
    }
}

pub(super) fn refused(what: String) -> Error {
    Refusal::new(what).hint("a loop or a macro in the template does more than it seems to").into()
}
