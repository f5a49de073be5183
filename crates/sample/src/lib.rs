//! Generates the micro-finance documents, as `.bson` files or in a MongoDB database. Equal seeds have equal results.
//!
//! Knows only the errors and `Secret` of the rest of the tool, which reads the documents like any other source. Nothing
//! here reads a clock: time ends at `AS_OF`, and each mutation moves the data to the next day.

mod amount;
mod chance;
mod customer;
mod data_set;
mod day;
mod dirt;
mod everything;
mod folder;
mod loan;
pub mod messages;
mod mongodb;

pub use data_set::{Collection, Generated, Plan};
pub use folder::to_folder;
pub use mongodb::{MongodbPlace, to_mongodb};

#[cfg(test)]
mod tests;
