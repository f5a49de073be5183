//! The columns of a collection's documents, from BSON values to Arrow arrays.
//!
//! `infer` decides the columns from a sample. `builder` and the files beside it fill them. Knows no source, and nothing
//! of where batches land.

mod binary;
pub mod builder;
mod bytes;
mod columns;
pub mod context;
mod counts;
mod elements;
pub mod id_list;
pub mod infer;
mod interval;
mod keyed;
pub mod majority;
mod map;
pub mod names;
mod nanoseconds;
mod number;
mod odd_keys;
mod parts;
pub mod rescue;
mod scalar;
pub mod shape;
pub mod shared_types;
mod text;
mod time;
mod types;
pub mod value_path;
pub mod values;
