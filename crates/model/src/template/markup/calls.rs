//! The functions that a rewritten template calls, and the words that show that one needs rewriting.
//!
//! Names only; `jinja` defines the functions.

/// What the rewritten literals call.
pub(crate) const LIST: &str = "__list";

pub(crate) const MAP: &str = "__map";

/// Methods that change a list or map; where a project's text has none, its literals stay the engine's own.
pub(crate) const CHANGES: [&str; 8] =
    [".append(", ".extend(", ".insert(", ".update(", ".pop(", ".setdefault(", ".remove(", ".clear("];

/// What a rewritten `%` calls.
pub(crate) const MODULO: &str = "__modulo";

/// What rewritten `+`, `-` and `%` call.
pub(crate) const ADD: &str = "__add";

pub(crate) const SUBTRACT: &str = "__subtract";

/// Words without which a project has no dates to calculate with.
pub(crate) const DATE_WORDS: [&str; 3] = ["modules.datetime", "run_started_at", "modules.pytz"];
