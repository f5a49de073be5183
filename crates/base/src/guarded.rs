//! The panics of other people's libraries as errors. Some of them panic on input that they do not expect, such as a damaged
//! file.
//!
//! Knows no library.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Calls a library. A panic prints nothing, and its message is the error; what the library was working on must then not be
/// used again.
pub fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    prepare();
    let was_guarded = IS_GUARDED.replace(true);
    let called = catch_unwind(AssertUnwindSafe(call));
    IS_GUARDED.set(was_guarded);
    called.map_err(|panic| reason(&*panic).to_owned())
}

/// For a thread that runs nothing but tasks of a library: from now on, its panics print nothing. Whoever waits for a task
/// must notice that it panicked.
pub fn quiet() {
    prepare();
    IS_GUARDED.set(true);
}

/// Makes the panics of guarded calls print nothing.
fn prepare() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                others(panic);
            }
        }));
    });
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    match panic.downcast_ref::<String>() {
        Some(text) => text,
        None => panic.downcast_ref::<&str>().copied().unwrap_or("an unknown failure"),
    }
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn a_panic_is_an_error_and_a_result_passes() {
        assert_eq!(guarded(|| 7), Ok(7));
        assert_eq!(
            guarded(|| guarded(|| panic!("inner {}", 1)).map_err(|text: String| text + "!")),
            Ok::<Result<(), _>, _>(Err("inner 1!".to_owned()))
        );
        assert_eq!(guarded(|| -> u8 { panic!("outer") }), Err("outer".to_owned()));
    }
}
