//! The functions that a rewritten template calls, and the words that show that a text must be rewritten.
//!
//! Names only; `jinja` defines the functions.

/// The functions that create rewritten literals.
pub(crate) const LIST: &str = "__list";

pub(crate) const MAP: &str = "__map";

/// Methods that change a list or map. If a project's text contains none of them, its literals are not rewritten.
pub(crate) const CHANGES: [&str; 8] =
    [".append(", ".extend(", ".insert(", ".update(", ".pop(", ".setdefault(", ".remove(", ".clear("];

/// The function for a rewritten `%`.
pub(crate) const MODULO: &str = "__modulo";

/// The functions for rewritten `~` and `*`.
pub(crate) const CONCAT: &str = "__concat";

pub(crate) const MULTIPLY: &str = "__multiply";

/// The functions for rewritten `+` and `-`.
pub(crate) const ADD: &str = "__add";

pub(crate) const SUBTRACT: &str = "__subtract";

/// A project without these words does not calculate with dates.
pub(crate) const DATE_WORDS: [&str; 3] = ["modules.datetime", "run_started_at", "modules.pytz"];
