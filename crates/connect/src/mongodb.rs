//! Starts the MongoDB driver for a URI, with the threads that it runs on.
//!
//! <https://www.mongodb.com/docs/manual/reference/connection-string/>. Knows nothing of collections or documents.

use std::io;
use std::time::Duration;

use ::mongodb::Client;
use ::mongodb::error::{Error as DriverError, ErrorKind};
use ::mongodb::options::ClientOptions;
use elt_base::error::{Error, Result};
use elt_base::guarded;
use elt_base::secret::Secret;
use tokio::runtime::{Builder, Runtime};

use crate::messages;

/// How long the driver looks for a server, unless the URI sets another time.
const SELECTION_TIMEOUT: Duration = Duration::from_secs(5);
const THREADS: usize = 2;

/// A client and the threads that it runs on. The client must be used only on `runtime`.
pub struct Connection {
    pub client: Client,
    pub runtime: Runtime,
    /// `host:port` of each server that the URI names.
    pub hosts: Vec<String>,
}

impl Connection {
    /// Reads the URI and starts the driver. Contacts no server, except that the name of a `mongodb+srv` URI is looked
    /// up.
    ///
    /// `uri_error` creates the error for a URI that the driver does not accept, from a cause without the password.
    pub fn open(uri: &Secret, uri_error: impl Fn(String) -> Error) -> Result<Self> {
        uri.check_password().map_err(&uri_error)?;
        // A process has one default provider, and every part of the program chooses the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = runtime().map_err(|error| messages::mongodb_runtime(&error))?;
        let invalid = |error: DriverError| uri_error(uri.redact(&cause(&error)));
        let (client, hosts) = runtime.block_on(async {
            let mut options = ClientOptions::parse(uri.reveal()).await.map_err(invalid)?;
            options.server_selection_timeout.get_or_insert(SELECTION_TIMEOUT);
            options.app_name.get_or_insert_with(|| "elt".into());
            let hosts = options.hosts.iter().map(ToString::to_string).collect();
            Ok::<_, Error>((Client::with_options(options).map_err(invalid)?, hosts))
        })?;
        tracing::debug!(servers = ?hosts, "started the MongoDB driver");
        Ok(Self { client, runtime, hosts })
    }
}

fn runtime() -> io::Result<Runtime> {
    // The driver panics now and then in a task that it leaves behind when its client is dropped.
    Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("elt-mongodb")
        .on_thread_start(guarded::quiet)
        .enable_all()
        .build()
}

/// The driver's own text, without the labels and wrappers that its `Display` adds.
pub fn cause(error: &DriverError) -> String {
    let text = error.kind.to_string();
    let ErrorKind::ServerSelection { .. } = *error.kind else { return text };
    // The whole topology follows. Only the last error of each server helps, and it is often the same for all servers.
    let mut reasons: Vec<&str> =
        text.split("Error: Kind: ").skip(1).map(|rest| rest.split(", labels: ").next().unwrap_or_default()).collect();
    reasons.dedup();
    if reasons.is_empty() { "no server was found".into() } else { reasons.join("; ") }
}
