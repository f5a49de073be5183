//! Opens connections to MySQL: reads the URI with `ssl-mode` and `ssl-ca`. Errors name the server and contain no
//! values.
//!
//! <https://dev.mysql.com/doc/refman/8.4/en/connection-options.html#option_general_ssl-mode>. Knows nothing of
//! publications.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Opts, OptsBuilder, Row, SslOpts};

use crate::messages;
use crate::time_limit::within;
use elt_base::error::Result;
use elt_base::secret::Secret;
use elt_base::sql_text::masked;
use elt_base::wait::Wait;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to try again if a server does not answer.
const TRY_AGAIN_FOR: Duration = Duration::from_secs(5);
/// The server is shutting down, or the session was killed. The statement may have been executed.
const ENDING: [u16; 3] = [1053, 1927, 3169];

/// How to reach one database.
pub struct MysqlServer {
    uri: Secret,
    plain: Opts,
    tls: Option<Opts>,
    /// `preferred`: a server without TLS is accepted, too.
    may_be_plain: bool,
    pub database: String,
}

impl MysqlServer {
    /// Reads the URI. Does not connect.
    pub fn new(uri: &Secret) -> Result<Self> {
        uri.check_password().map_err(messages::mysql_uri)?;
        let (base, query) = uri.reveal().split_once('?').unwrap_or((uri.reveal(), ""));
        let (mut mode, mut authority, mut kept) = ("preferred", None, Vec::new());
        for word in query.split('&').filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some(("ssl-mode", value)) => mode = value,
                Some(("ssl-ca", value)) => authority = Some(PathBuf::from(value)),
                _ => kept.push(word),
            }
        }
        let rest = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        let rest = match rest.strip_prefix("mariadb://") {
            Some(rest) => format!("mysql://{rest}"),
            None => rest,
        };
        let opts = Opts::from_url(&rest).map_err(|error| messages::mysql_uri(uri.redact(&error.to_string())))?;
        let Some(database) = opts.get_db_name().filter(|name| !name.is_empty()).map(str::to_owned) else {
            return Err(messages::mysql_uri("the URI does not name a database"));
        };
        let mode = mode.to_lowercase();
        if !["disabled", "preferred", "required", "verify_ca", "verify_identity"].contains(&mode.as_str()) {
            return Err(messages::mysql_ssl_mode(&mode));
        }
        let verifies = mode.starts_with("verify");
        let limit = opts.get_tcp_connect_timeout().unwrap_or(CONNECT_TIMEOUT);
        let plain = OptsBuilder::from_opts(opts)
            .tcp_connect_timeout(Some(limit))
            // A local socket may belong to another server than the one that the URI names.
            .prefer_socket(false);
        let ssl = SslOpts::default()
            .with_root_cert_path(authority)
            .with_danger_accept_invalid_certs(!verifies)
            .with_danger_skip_domain_validation(mode == "verify_ca");
        let tls = (mode != "disabled").then(|| Opts::from(plain.clone().ssl_opts(Some(ssl))));
        Ok(Self { uri: uri.clone(), plain: plain.into(), tls, may_be_plain: mode == "preferred", database })
    }

    /// `host:port/database`, for messages.
    pub fn name(&self) -> String {
        format!("{}:{}/{}", self.plain.get_ip_or_hostname(), self.plain.get_tcp_port(), self.database)
    }

    /// Connects. Tries again for a few seconds if no server answers, but not if the server refuses the connection.
    pub fn connect(&self) -> Result<Conn> {
        let start = Instant::now();
        let wait = Wait::new(format!("MySQL at `{}`", self.name()), "connecting");
        loop {
            wait.heard();
            let Some(connected) = self.connect_in_time() else {
                return Err(messages::server_silent(
                    "MySQL",
                    &self.name(),
                    start.elapsed(),
                    "`tcp_connect_timeout_ms` in the URI sets the limit",
                ));
            };
            let error = match connected {
                Ok(connection) => {
                    tracing::info!(server = self.name(), seconds = start.elapsed().as_secs_f64(), "connected to MySQL");
                    return Ok(connection);
                }
                Err(error) => error,
            };
            let cause = self.uri.redact(&describe(&error));
            if !matches!(error, mysql::Error::IoError(_) | mysql::Error::CodecError(_) | mysql::Error::DriverError(_)) {
                return Err(messages::mysql_refused(&self.name(), cause));
            }
            if start.elapsed() >= TRY_AGAIN_FOR {
                return Err(messages::mysql_unreachable(&self.name(), start.elapsed(), cause));
            }
            tracing::warn!(server = self.name(), "MySQL does not answer; connects again");
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// None: the server accepted the connection, and was then silent.
    fn connect_in_time(&self) -> Option<Result<Conn, mysql::Error>> {
        let (plain, tls) = (self.plain.clone(), self.tls.clone());
        let limit = plain.get_tcp_connect_timeout().unwrap_or(CONNECT_TIMEOUT);
        let may_be_plain = self.may_be_plain;
        within(limit, move || connect_once(&plain, tls.as_ref(), may_be_plain))
    }
}

fn connect_once(plain: &Opts, tls: Option<&Opts>, may_be_plain: bool) -> Result<Conn, mysql::Error> {
    let mut connection = match tls {
        None => Conn::new(plain.clone())?,
        Some(tls) => match Conn::new(tls.clone()) {
            Err(mysql::Error::DriverError(mysql::DriverError::TlsNotSupported)) if may_be_plain => {
                Conn::new(plain.clone())?
            }
            connection => connection?,
        },
    };
    // The server's settings must not change stored values, nor how long the server waits for us.
    let settings = |isolation: &str| {
        let names = "set names utf8mb4".to_owned();
        let session = format!(
            "set session sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,\
             NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, \
             wait_timeout = 28800, net_read_timeout = 3600, net_write_timeout = 3600, lock_wait_timeout = 30, \
             innodb_lock_wait_timeout = 30, {isolation} = 'READ-COMMITTED'"
        );
        [names, session]
    };
    let set = match connection.run_all(&settings("transaction_isolation")) {
        // MariaDB before 11.1 has the older name.
        Err((_, mysql::Error::MySqlError(error))) if error.code == 1193 => {
            connection.run_all(&settings("tx_isolation"))
        }
        set => set,
    };
    set.map_err(|(_, error)| error)?;
    Ok(connection)
}

/// The server's kind and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    MariaDb,
    MySql,
}

impl Flavour {
    /// A collation that compares bytes and does not ignore trailing spaces, so that two keys in DuckDB are two keys
    /// there.
    pub fn collation(self) -> &'static str {
        match self {
            Self::MariaDb => "utf8mb4_nopad_bin",
            Self::MySql => "utf8mb4_0900_bin",
        }
    }
}

/// Statements that are told to the log, with their literals masked.
pub trait Statements {
    /// Runs a statement, and drops its result.
    fn run(&mut self, sql: impl AsRef<str>) -> Result<(), mysql::Error>;

    /// Runs statements in one round trip; returns the rows of each. After one that fails, the others do not run: the
    /// error is with its position.
    fn run_all(&mut self, statements: &[String]) -> Result<Vec<Vec<Row>>, (usize, mysql::Error)>;
}

impl Statements for Conn {
    fn run(&mut self, sql: impl AsRef<str>) -> Result<(), mysql::Error> {
        tracing::debug!(sql = masked(sql.as_ref()), "statement");
        self.query_drop(sql)
    }

    fn run_all(&mut self, statements: &[String]) -> Result<Vec<Vec<Row>>, (usize, mysql::Error)> {
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        for sql in statements {
            tracing::debug!(sql = masked(sql), "statement");
        }
        // A comment at the end of a statement must not hide the next one.
        let mut answers = self.query_iter(statements.join("\n;\n")).map_err(|error| (0, error))?;
        let mut all = Vec::with_capacity(statements.len());
        while let Some(rows) = answers.iter() {
            let rows: Result<Vec<Row>, mysql::Error> = rows.collect();
            all.push(rows.map_err(|error| (all.len(), error))?);
        }
        Ok(all)
    }
}

/// The server's version, and whether it is MySQL or MariaDB.
pub fn version(connection: &mut Conn) -> Result<(String, Flavour), mysql::Error> {
    let version: String = connection.query_first("select version()")?.unwrap_or_default();
    let flavour = if version.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql };
    Ok((version, flavour))
}

/// Whether the session has ended, so that a commit may have succeeded without an answer.
pub fn is_lost(error: &mysql::Error) -> bool {
    match error {
        mysql::Error::MySqlError(error) => ENDING.contains(&error.code),
        _ => true,
    }
}

/// MySQL's message for an error, without values of rows.
pub fn describe(error: &mysql::Error) -> String {
    match error {
        mysql::Error::MySqlError(error) => format!("{} [{}]", without_values(error.code, &error.message), error.code),
        mysql::Error::IoError(error) => error.to_string(),
        mysql::Error::DriverError(error) => error.to_string(),
        mysql::Error::UrlError(error) => error.to_string(),
        mysql::Error::TlsError(error) => error.to_string(),
        mysql::Error::CodecError(error) => error.to_string(),
        // These errors contain a row.
        mysql::Error::FromValueError(_) | mysql::Error::FromRowError(_) => "the server's answer cannot be read".into(),
    }
}

/// MySQL quotes the value after the first words of its message. The text after the value names the column or key.
pub fn without_values(code: u16, message: &str) -> String {
    let named = |word: &str| message.rfind(word).and_then(|at| message.get(at..)).unwrap_or_default().to_owned();
    match code {
        // The author of a trigger writes the text of a SIGNAL, so it may contain anything.
        1644 => "a trigger or procedure raised an error".into(),
        // The message repeats the statement, which may contain rows.
        1064 => "the server cannot parse a statement".into(),
        1062 | 1586 | 1859 => format!("duplicate entry{}", named(" for key ")),
        1292 | 1366 | 1367 | 1411 | 1525 | 3140 | 3141 | 4038 => {
            let start = message.find([':', '\'']).and_then(|at| message.get(..at)).unwrap_or("incorrect value");
            format!("{}{}", start.trim_end(), named(" for column "))
        }
        1690 => "a value is out of range".into(),
        1265 | 1264 | 1406 | 1048 | 1452 | 1451 | 4025 | 3819 => message.to_owned(),
        _ => match message.find(" value") {
            Some(at) if message.contains('\'') && message.contains("ncorrect") => message[..at].to_owned(),
            _ => message.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[track_caller]
    fn check(code: u16, message: &str, expected: &str) {
        assert_eq!(without_values(code, message), expected);
    }

    #[test]
    fn drops_values() {
        check(1062, "Duplicate entry 'hush' for key 'PRIMARY'", "duplicate entry for key 'PRIMARY'");
        check(
            1366,
            "Incorrect integer value: 'hush for column x' for column `d`.`t`.`n` at row 1",
            "Incorrect integer value for column `d`.`t`.`n` at row 1",
        );
        check(1292, "Truncated incorrect DOUBLE value: 'hush'", "Truncated incorrect DOUBLE value");
        check(1406, "Data too long for column 'n' at row 1", "Data too long for column 'n' at row 1");
        check(1644, "bad hush", "a trigger or procedure raised an error");
    }
}
