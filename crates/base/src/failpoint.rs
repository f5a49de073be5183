//! Named points at which a test can abort the program, as `kill -9` does.
//!
//! `ELT_FAILPOINT=name` aborts at the point of that name; `name:3` aborts the third time it is reached. If unset, a
//! point costs one look at a static.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Armed {
    name: String,
    left: AtomicU64,
}

fn armed() -> Option<&'static Armed> {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    ARMED
        .get_or_init(|| {
            let text = std::env::var("ELT_FAILPOINT").ok().filter(|text| !text.is_empty())?;
            let (name, count) = text.rsplit_once(':').unwrap_or((&text, "1"));
            Some(Armed { name: name.to_owned(), left: AtomicU64::new(count.parse().unwrap_or(1)) })
        })
        .as_ref()
}

/// Aborts here if the environment variable names this point. No destructor runs, and no file is flushed.
pub fn failpoint(name: &str) {
    if let Some(armed) = armed()
        && armed.name == name
        && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}
