//! The integration tests: the built program, run as a user runs it, against real servers.
//!
//! `tests/run` installs what they need and runs them. Knows nothing of the tool's insides: what a test sees is
//! the program's output, its exit code, the warehouse through `elt show`, and the servers through their drivers.
//! `named` is the other half: the tests that are tables.

#![allow(dead_code, reason = "the modules that drive the program and the servers are shared with `named`")]

mod bad_input;
mod changed;
mod contracts;
mod export_types;
mod extraction;
mod incremental;
mod main_job;
mod mariadb;
mod mysql;
mod own_postgres;
mod project;
mod properties;
mod publication;
mod publication_cut;
mod publication_readers;
mod published_documents;
mod published_files;
mod relay;
mod roundtrip;
mod security;
mod servers;
mod shop;
mod tidy;
mod wire;
