//! Opens connections to Postgres, with libpq's `sslmode` and `sslrootcert` over rustls. Errors name the server.
//!
//! <https://www.postgresql.org/docs/current/libpq-ssl.html>. Knows nothing of publications.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use super::postgres_client::{Answer, BinaryValue, CopyIn, PostgresClient, Query, Refusal, Request};
use super::tls_options::{TlsMode, TlsOptions};
use crate::messages;
use crate::time_limit::within;
use elt_base::error::Result;
use elt_base::secret::Secret;
use elt_base::wait::Wait;

/// The limit for a connection, from the first packet to the answer to the first statement, unless the URI sets another.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A network that loses packets without a word is noticed after about this time.
const LOST_NETWORK: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVES: u32 = 6;
/// How long to try again if a server does not answer.
const TRY_AGAIN_FOR: Duration = Duration::from_secs(5);

/// The settings of every connection, one statement each. A pooler may give the next transaction a connection without
/// them, so statements must be correct without them, too.
const SETTINGS: [&str; 8] = [
    "set timezone = 'UTC'",
    "set statement_timeout = 0",
    "set idle_in_transaction_session_timeout = 0",
    "set jit = off",
    "set client_min_messages = error",
    "set quote_all_identifiers = off",
    "select set_config('lock_timeout', '30s', false) where current_setting('lock_timeout') = '0'",
    "select set_config(name, '0', false) from pg_settings where name in ('idle_session_timeout', 'transaction_timeout')",
];

/// How to reach one database.
pub struct PostgresServer {
    uri: Secret,
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl PostgresServer {
    /// Reads the URI (or `key=value` words). Does not connect. `application` is the name that the server shows for elt,
    /// unless the URI has its own.
    pub fn new(uri: &Secret, application: &str) -> Result<Self> {
        uri.check_password().map_err(messages::export_uri)?;
        let (rest, options) = TlsOptions::split(uri.reveal())?;
        let mut config: Config = rest
            .parse()
            .map_err(|error: tokio_postgres::Error| messages::export_uri(uri.redact(&with_sources(&error))))?;
        if config.get_application_name().is_none() {
            config.application_name(application);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(LOST_NETWORK);
        }
        if config.get_keepalives_interval().is_none() && config.get_keepalives_retries().is_none() {
            config.keepalives_idle(LOST_NETWORK).keepalives_interval(KEEPALIVE_EVERY).keepalives_retries(KEEPALIVES);
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(messages::export_uri("the URI does not name a host"));
        }
        // As in libpq, a connection over a Unix socket is never encrypted.
        let is_local = config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_)));
        let mode = if is_local && config.get_hostaddrs().is_empty() { TlsMode::Disable } else { options.mode };
        config.ssl_mode(match mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        let tls = match mode {
            TlsMode::Disable => None,
            mode => Some(MakeRustlsConnect::new(client_config(mode, options.root_certificates.as_deref())?)),
        };
        Ok(Self { uri: uri.clone(), config, tls })
    }

    /// `host:port/database`, for messages.
    pub fn name(&self) -> String {
        let mut hosts: Vec<String> = Vec::new();
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            let host = match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            };
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            hosts.push(format!("{host}:{port}"));
        }
        if hosts.is_empty() {
            hosts.extend(self.config.get_hostaddrs().iter().map(ToString::to_string));
        }
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("{}/{database}", hosts.join(","))
    }

    /// Connects.
    pub fn connect(&self) -> Result<PostgresClient> {
        Ok(self.connect_with(&[])?.0)
    }

    /// Connects, and runs these statements in the round trip that sets the connection up; their answers are separate,
    /// because a statement that is refused is no refused connection. Tries again for a few seconds if no server
    /// answers, but not if the server refuses the connection: the statements must do no harm if they run twice.
    pub fn connect_with(&self, statements: &[String]) -> Result<(PostgresClient, Result<Vec<Answer>, Refusal>)> {
        self.try_to_connect(true, statements)
    }

    /// Connects; the settings are sent with the first request.
    pub fn connect_for_later(&self) -> Result<PostgresClient> {
        Ok(self.try_to_connect(false, &[])?.0)
    }

    fn try_to_connect(
        &self,
        sets_up: bool,
        statements: &[String],
    ) -> Result<(PostgresClient, Result<Vec<Answer>, Refusal>)> {
        let start = Instant::now();
        let wait = Wait::new(format!("Postgres at `{}`", self.name()), "connecting");
        loop {
            wait.heard();
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| messages::export_refused(&self.name(), error.to_string()))?;
            let Some(connected) = self.connect_in_time(runtime, sets_up, statements.to_vec()) else {
                return Err(messages::server_silent(
                    "Postgres",
                    &self.name(),
                    start.elapsed(),
                    "`connect_timeout` in the URI sets the limit, in seconds",
                ));
            };
            let error = match connected {
                Ok(connected) => {
                    tracing::info!(
                        server = self.name(),
                        seconds = start.elapsed().as_secs_f64(),
                        "connected to Postgres"
                    );
                    return Ok(connected);
                }
                Err(error) => error,
            };
            if !is_passing(&error) {
                let cause =
                    error.as_db_error().map_or_else(|| with_sources(&error), |error| error.message().to_owned());
                return Err(messages::export_refused(&self.name(), self.uri.redact(&cause)));
            }
            if start.elapsed() >= TRY_AGAIN_FOR {
                let cause = self.uri.redact(&with_sources(&error));
                return Err(messages::export_unreachable(&self.name(), start.elapsed(), cause));
            }
            tracing::warn!(server = self.name(), "Postgres does not answer; connects again");
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// None: the server accepted the connection, and was then silent.
    fn connect_in_time(&self, runtime: Runtime, sets_up: bool, statements: Vec<String>) -> Option<Connected> {
        let (config, tls) = (self.config.clone(), self.tls.clone());
        let limit = config.get_connect_timeout().copied().unwrap_or(CONNECT_TIMEOUT);
        let hosts = u32::try_from(config.get_hosts().len().max(1)).unwrap_or(1);
        within(limit * hosts, move || connect_once(runtime, &config, tls, sets_up, statements))
    }
}

type Connected = Result<(PostgresClient, Result<Vec<Answer>, Refusal>), tokio_postgres::Error>;

fn connect_once(
    runtime: Runtime,
    config: &Config,
    tls: Option<MakeRustlsConnect>,
    sets_up: bool,
    statements: Vec<String>,
) -> Connected {
    let settings: Vec<String> = SETTINGS.map(str::to_owned).to_vec();
    let mut client = match tls {
        Some(tls) => PostgresClient::connect(runtime, config, tls, settings)?,
        None => PostgresClient::connect(runtime, config, NoTls, settings)?,
    };
    let answered = if sets_up { client.set_up(statements)? } else { Ok(Vec::new()) };
    Ok((client, answered))
}

/// Whether no server answered, or the server is still starting, so that another attempt may succeed.
fn is_passing(error: &tokio_postgres::Error) -> bool {
    if let Some(error) = error.as_db_error() {
        return error.code().code() == "57P03";
    }
    let mut next = error.source();
    while let Some(source) = next {
        if let Some(error) = source.downcast_ref::<io::Error>() {
            use io::ErrorKind::*;
            let kind = error.kind();
            return matches!(
                kind,
                ConnectionRefused
                    | ConnectionReset
                    | ConnectionAborted
                    | HostUnreachable
                    | NetworkUnreachable
                    | TimedOut
                    | UnexpectedEof
                    | NotFound
            );
        }
        next = source.source();
    }
    false
}

/// An error with its sources, because some errors say only `error connecting to server` and hide the reason.
pub fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    text
}

fn client_config(mode: TlsMode, root_certificates: Option<&str>) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifies = match mode {
        TlsMode::VerifyCa | TlsMode::VerifyFull => true,
        // As in libpq, `require` verifies like `verify-ca` if there is a root certificate.
        TlsMode::Require => root_certificates.is_some(),
        TlsMode::Prefer | TlsMode::Disable => false,
    };
    let verifier: Arc<dyn ServerCertVerifier> = if verifies {
        let trusted = trusted(root_certificates)?;
        let failed = |cause: String| messages::export_root_certificates(root_certificates.unwrap_or("system"), cause);
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(trusted.iter().cloned());
        if added == 0 {
            return Err(failed("the file contains no certificate".into()));
        }
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .build()
            .map_err(|error| failed(error.to_string()))?;
        // Only the user's own file can name the certificate of one server.
        let own = if root_certificates.is_some_and(|path| path != "system") { trusted } else { Vec::new() };
        Arc::new(Trusted { chain, own, verifies_name: mode == TlsMode::VerifyFull })
    } else {
        Arc::new(AnyCertificate(provider.clone()))
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| messages::export_uri(error.to_string()))?;
    Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The certificates of `sslrootcert`, or those of the system.
fn trusted(path: Option<&str>) -> Result<Vec<CertificateDer<'static>>> {
    match path {
        None | Some("system") => {
            let found = rustls_native_certs::load_native_certs();
            match found.errors.first() {
                Some(error) if found.certs.is_empty() => {
                    Err(messages::export_root_certificates("system", error.to_string()))
                }
                _ => Ok(found.certs),
            }
        }
        Some(path) => {
            let failed = |cause: String| messages::export_root_certificates(path, cause);
            CertificateDer::pem_file_iter(path)
                .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
                .map_err(|error| failed(with_sources(&error)))
        }
    }
}

/// `verify-ca` verifies the chain, but not the name. `verify-full` verifies both. A server's self-signed certificate
/// that is in `sslrootcert` itself is trusted, as in libpq, even if it declares itself an authority.
#[derive(Debug)]
struct Trusted {
    chain: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
    verifies_name: bool,
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let result = if self.own.contains(end_entity) {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            verify_server_name(&certificate, server_name).map(|()| ServerCertVerified::assertion())
        } else {
            self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        match result {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.verifies_name => Ok(ServerCertVerified::assertion()),
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// `prefer` and `require`: the connection is encrypted, but any certificate is accepted, as in libpq.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
