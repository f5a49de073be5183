//! Threads whose stack is large enough for templates.
//!
//! The depth of a template's values is limited where they are printed or compared. To drop a value, each of its levels
//! needs a part of the stack. Memory is used only as far as the stack grows. Knows no template.

use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

const STACK_BYTES: usize = 512 << 20;
/// The stack where the system refuses the large one, because the address space is limited.
const SMALL_STACK_BYTES: usize = 8 << 20;

/// Starts `work` on a thread of the scope.
pub fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: &'scope (impl Fn() -> T + Sync),
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    let spawn = |bytes| Builder::new().stack_size(bytes).spawn_scoped(scope, work);
    spawn(STACK_BYTES).or_else(|_| spawn(SMALL_STACK_BYTES))
}
