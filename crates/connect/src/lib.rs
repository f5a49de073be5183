//! Opens connections to servers: URIs, TLS, time limits, and the names of servers for messages.
//!
//! The only crate that builds a client. Knows nothing of collections, publications or models.

pub mod messages;
pub mod mongodb;
pub mod mysql;
pub mod postgres;
mod postgres_client;
mod time_limit;
mod tls_options;
