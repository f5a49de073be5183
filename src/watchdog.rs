//! Ends the program if a requested stop or a server takes too long. Meanwhile it writes the log's collected lines.
//!
//! A stage checks for a requested stop between its steps, but a driver waits for a silent server, and a template may
//! loop. The program can be killed at any instant without loss, so it does not wait for them. Knows no server.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::messages;
use crate::report::{Console, log};
use elt_base::cancel::Cancel;
use elt_base::wait;

/// The time in which the stages may end by themselves after a stop was requested.
const GRACE: Duration = Duration::from_millis(1_500);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A server that is silent for longer than this is given up, unless `ELT_ANSWER_TIMEOUT` sets another limit.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const VARIABLE: &str = "ELT_ANSWER_TIMEOUT";

/// Starts the watch. It ends with the process.
///
/// # Errors
/// `ELT_ANSWER_TIMEOUT` is not a number of seconds above 0: exit code 2.
pub fn start(cancel: &Cancel, console: &Console) -> elt_base::error::Result<()> {
    let limit = match std::env::var(VARIABLE) {
        Err(_) => ANSWER_TIMEOUT,
        Ok(text) => match text.trim().parse::<f64>() {
            Ok(seconds) if seconds > 0.0 && seconds < 1e9 => Duration::from_secs_f64(seconds),
            _ => return Err(messages::answer_timeout(VARIABLE, &text)),
        },
    };
    let (cancel, console) = (cancel.clone(), console.clone());
    thread::spawn(move || {
        let mut requested: Option<Instant> = None;
        loop {
            thread::sleep(LOOK_EVERY);
            log::flush();
            if cancel.is_requested() {
                let since = *requested.get_or_insert_with(Instant::now);
                if since.elapsed() >= GRACE {
                    console.error(&messages::stopped(wait::longest().as_ref()));
                    end();
                }
            }
            if let Some(silence) = wait::longest().filter(|silence| silence.time >= limit) {
                console.error(&messages::silent(&silence, VARIABLE));
                end();
            }
        }
    });
    Ok(())
}

/// Ends the process with exit code 1, without waiting for other threads.
fn end() -> ! {
    let _ = std::io::stdout().flush();
    log::flush();
    // SAFETY: `_exit` only ends the process. `exit` would run destructors of libraries whose threads are still working.
    unsafe { libc::_exit(1) }
}
