//! The integration tests. They run the built program like a user, with real servers.
//!
//! `tests/run` installs their dependencies and runs them. They know nothing of the tool's internals: a test sees the
//! program's output, its exit code, the warehouse through `elt show`, and the servers through their drivers. `named` is
//! the other test program: the tests that are tables.

#![allow(dead_code, reason = "the modules that drive the program and the servers are shared with `named`")]

mod bad_input;
mod changed;
mod contracts;
mod csv_cells;
mod csv_texts;
mod documents;
mod export_types;
mod extraction;
mod incremental;
mod landing;
mod logs;
mod main_job;
mod majority;
mod mangled;
mod mariadb;
mod mysql;
mod object_names;
mod other_warehouse;
mod own_postgres;
mod pooler;
mod project;
mod properties;
mod publication;
mod publication_cut;
mod publication_readers;
mod published_documents;
mod published_files;
mod relay;
mod rights;
mod round_trips;
mod roundtrip;
mod security;
mod servers;
mod several_exports;
mod shop;
mod silence;
mod tidy;
mod typed_values;
mod wire;
mod written_rows;
