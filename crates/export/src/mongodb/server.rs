//! One MongoDB database to publish to: commands, and errors without values or secrets.
//!
//! Knows the driver, but no publication.

use std::future::IntoFuture;

use ::mongodb::error::{Error as DriverError, ErrorKind, WriteFailure};
use ::mongodb::{Client, ClientSession, Database};
use bson::{Document, RawDocument, RawDocumentBuf};
use tokio::runtime::Runtime;

use crate::messages;
use elt_base::error::{Error, Result};
use elt_base::secret::Secret;
use elt_connect::mongodb::Connection;

pub struct Server {
    runtime: Runtime,
    client: Client,
    database: Database,
    uri: Secret,
    hosts: String,
}

impl Server {
    /// Reads the URI and starts the driver; the first command finds out whether a server answers.
    pub fn open(uri: &Secret, database: &str) -> Result<Self> {
        let Connection { client, runtime, hosts } = Connection::open(uri, messages::export_mongodb_uri)?;
        let database = client.database(database);
        Ok(Self { runtime, client, database, uri: uri.clone(), hosts: hosts.join(",") })
    }

    pub fn database(&self) -> &str {
        self.database.name()
    }

    /// `host:port/database`, for messages.
    pub fn place(&self) -> String {
        format!("{}/{}", self.hosts, self.database.name())
    }

    /// Runs a command; the answer of one whose writes failed is an error.
    pub fn run(&self, during: &str, command: Document, session: Option<&mut ClientSession>) -> Result<Document> {
        let raw = RawDocumentBuf::try_from(&command)
            .map_err(|error| messages::export_mongodb(during, &self.place(), error.to_string()))?;
        self.run_raw(during, raw, session)
    }

    /// The same for a command in BSON.
    pub fn run_raw(
        &self,
        during: &str,
        command: RawDocumentBuf,
        session: Option<&mut ClientSession>,
    ) -> Result<Document> {
        tracing::debug!(during, bytes = command.as_bytes().len(), "command");
        let answer = self.runtime.block_on(async {
            let action = self.database.run_raw_command(command);
            match session {
                Some(session) => action.session(session).await,
                None => action.await,
            }
        });
        let answer = answer.map_err(|error| self.failed(during, &error))?;
        if let Some(first) = answer.get_array("writeErrors").ok().and_then(|errors| errors.first()) {
            let first = first.as_document();
            let code = first.and_then(|error| error.get_i32("code").ok()).unwrap_or_default();
            let message = first.and_then(|error| error.get_str("errmsg").ok()).unwrap_or_default();
            let cause = without_values(code, message);
            return Err(messages::export_mongodb(during, &self.place(), self.uri.redact(&cause)));
        }
        Ok(answer)
    }

    /// The same in the database that renames.
    pub fn run_admin(&self, during: &str, command: Document) -> Result<()> {
        let admin = self.client.database("admin");
        let action = admin.run_command(command);
        self.runtime.block_on(action.into_future()).map(drop).map_err(|error| self.failed(during, &error))
    }

    pub fn find_one(
        &self,
        during: &str,
        collection: &str,
        filter: Document,
        sort: Document,
    ) -> Result<Option<Document>> {
        let documents = self.database.collection::<Document>(collection);
        let found = documents.find_one(filter).sort(sort);
        self.runtime.block_on(found.into_future()).map_err(|error| self.failed(during, &error))
    }

    /// All documents of a collection, one by one.
    pub fn documents(&self, collection: &str, mut each: impl FnMut(&RawDocument) -> Result<()>) -> Result<()> {
        let failed = |error: DriverError| self.failed("reading from", &error);
        self.runtime.block_on(async {
            let documents = self.database.collection::<RawDocumentBuf>(collection);
            let mut cursor = documents.find(Document::new()).batch_size(5_000).await.map_err(failed)?;
            while cursor.advance().await.map_err(failed)? {
                each(cursor.current())?;
            }
            Ok(())
        })
    }

    pub fn collections(&self) -> Result<Vec<String>> {
        let names = self.database.list_collection_names();
        self.runtime.block_on(names.into_future()).map_err(|error| self.failed("listing the collections of", &error))
    }

    /// A session in a transaction.
    pub fn transaction(&self) -> Result<ClientSession> {
        self.runtime
            .block_on(async {
                let mut session = self.client.start_session().await?;
                session.start_transaction().await?;
                Ok::<_, DriverError>(session)
            })
            .map_err(|error| self.failed("beginning", &error))
    }

    pub fn commit(&self, session: &mut ClientSession) -> Result<()> {
        self.runtime
            .block_on(session.commit_transaction().into_future())
            .map_err(|error| self.failed("committing", &error))
    }

    pub fn abort(&self, session: &mut ClientSession) {
        // If the server cannot be reached now, it aborts the transaction with the session.
        let _ = self.runtime.block_on(session.abort_transaction().into_future());
    }

    fn failed(&self, during: &str, error: &DriverError) -> Error {
        let cause = match error.kind.as_ref() {
            ErrorKind::Command(error) => without_values(error.code, &error.message),
            ErrorKind::Write(WriteFailure::WriteError(error)) => without_values(error.code, &error.message),
            ErrorKind::ServerSelection { .. } => return messages::export_mongodb_unreachable(&self.place()),
            ErrorKind::Authentication { .. } => "it refused the user or password".into(),
            _ => error.to_string(),
        };
        messages::export_mongodb(during, &self.place(), self.uri.redact(&cause))
    }
}

/// A number of an answer, whatever its type.
pub fn number(answer: &Document, key: &str) -> u64 {
    let value = answer.get(key);
    let value =
        value.and_then(|value| value.as_i64().or(value.as_i32().map(i64::from)).or(value.as_f64().map(|n| n as i64)));
    value.unwrap_or(0).unsigned_abs()
}

/// A server's message of an error, without the values that some messages quote.
fn without_values(code: i32, message: &str) -> String {
    let text = match code {
        // The text after it contains the index' fields with the document's values.
        11000 => message.split(" dup key").next().unwrap_or(message),
        121 => "document failed validation",
        _ => message,
    };
    format!("{text} [{code}]")
}
