//! The integration tests: the built program, run as a user runs it, against real servers.
//!
//! `tests/run` installs what they need and runs them. Knows nothing of the tool's insides: what a test sees is
//! the program's output, its exit code, the warehouse through `elt show`, and the servers through their drivers.

mod bad_input;
mod cases;
mod changed;
mod export_types;
mod extraction;
mod incremental;
mod main_job;
mod project;
mod relay;
mod roundtrip;
mod security;
mod servers;
mod tidy;
