//! The `elt` program: calls the library and exits with its code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(elt::run(std::env::args_os()))
}
