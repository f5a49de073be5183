//! Publishes to MongoDB: a relation's rows become documents, its key their `_id`.
//!
//! Documents are encoded and checked before anything is sent. A small change of existing collections is one transaction
//! if the server is a replica set. Any other change is sent collection by collection, parents first, between a pending
//! mark and the record in `_elt_publications`. Therefore the next run recognises an interrupted publication, and
//! repeats it in full. A new collection, or one without a key, is written under another name and renamed. With
//! `extract/mongodb` and `generate/mongodb` this folder alone names the driver.

mod apply;
mod bson_type;
mod bytes;
mod capabilities;
mod collection;
mod compare;
mod document_id;
mod documents;
mod encode;
mod entries;
mod hazard;
mod json;
mod lock;
mod numbers;
mod others;
mod server;
mod staging;

use bson::doc;

use self::capabilities::CAPABILITIES;
use self::server::Server;
use self::staging::MongodbPublication;
use super::capabilities::Capabilities;
use super::exporter::{Exporter, Opening, Target};
use elt_base::error::Result;
use elt_base::secret::Secret;

/// A database of MongoDB.
pub struct MongodbTarget<'p> {
    pub uri: &'p Secret,
    pub database: &'p str,
}

impl Target for MongodbTarget<'_> {
    fn capabilities(&self) -> &'static Capabilities {
        &CAPABILITIES
    }

    fn place(&self) -> String {
        format!("MongoDB database `{}`", self.database)
    }

    fn place_of(&self, label: &str) -> Option<String> {
        Some(format!("collection `{label}`"))
    }

    fn open<'a>(&self, opening: Opening<'a>) -> Result<Box<dyn Exporter + 'a>> {
        Ok(Box::new(MongodbPublication::open(self.uri, self.database, opening)?))
    }

    fn probe(&self) -> Result<String> {
        let server = Server::open(self.uri, self.database)?;
        let build = server.run("asking the version of", doc! { "buildInfo": 1 }, None)?;
        let version = build.get_str("version").unwrap_or("of an unknown version").to_owned();
        Ok(format!("MongoDB {version} at `{}`", server.place()))
    }
}
