//! A MariaDB server for all tests: started on a free port, or the one that `MYSQL_URI` names.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use mysql::prelude::Queryable;
use mysql::{Conn, Opts};

use crate::servers::{Server, ServerUser, expect_server, fresh_name, server_folder, text};

pub struct MariaDb {
    /// Without a database.
    uri: String,
    _server: Option<Server>,
}

/// A database of one test.
pub struct Database {
    pub uri: String,
    name: String,
}

impl MariaDb {
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<MariaDb, String>> = OnceLock::new();
        expect_server(SHARED.get_or_init(Self::start))
    }

    fn start() -> Result<Self, String> {
        if let Ok(uri) = std::env::var("MYSQL_URI") {
            connect(&uri).map_err(|error| format!("`MYSQL_URI` in the environment: {error}"))?;
            return Ok(Self { uri, _server: None });
        }
        let program = |name: &str| -> PathBuf {
            let debian = PathBuf::from("/usr/sbin").join(name);
            if debian.is_file() { debian } else { name.into() }
        };
        let user = ServerUser::choose()?;
        let folder = server_folder("elt-it-mariadb-", Some(&user))?;
        let data = folder.join("data");
        fs::create_dir(&data).map_err(text)?;
        user.own(&folder)?;
        user.run(
            Command::new("mariadb-install-db")
                .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
                .arg(format!("--datadir={}", data.display())),
        )?;
        let (server, port) = Server::start(&folder, &user, "TERM", |port| {
            vec![
                program("mariadbd").display().to_string(),
                "--no-defaults".into(),
                format!("--datadir={}", data.display()),
                format!("--port={port}"),
                "--bind-address=127.0.0.1".into(),
                format!("--socket={}/socket", folder.display()),
                "--innodb-flush-log-at-trx-commit=0".into(),
                "--skip-name-resolve".into(),
            ]
        })?;
        let uri = format!("mysql://root@127.0.0.1:{port}");
        server.wait_until_ready(|| connect(&uri).map(drop))?;
        Ok(Self { uri, _server: Some(server) })
    }

    pub fn database(&self) -> Database {
        let name = fresh_name();
        let mut client = connect(&self.uri).unwrap_or_else(|error| panic!("MariaDB: {error}"));
        client.query_drop(format!("create database {name}")).unwrap_or_else(|error| panic!("MariaDB: {error}"));
        let (place, options) = self
            .uri
            .split_once('?')
            .map_or((self.uri.as_str(), String::new()), |(place, options)| (place, format!("?{options}")));
        Database { uri: format!("{}/{name}{options}", place.trim_end_matches('/')), name }
    }
}

impl Database {
    pub fn run(&self, sql: &str) {
        let mut client = connect(&self.uri).unwrap_or_else(|error| panic!("MariaDB: {error}"));
        client.query_drop(sql).unwrap_or_else(|error| panic!("MariaDB: {error}"));
    }

    /// The first column of each row, as text.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        let mut client = connect(&self.uri).unwrap_or_else(|error| panic!("MariaDB: {error}"));
        client.query(sql).unwrap_or_else(|error| panic!("MariaDB: {error}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Ok(mut client) = connect(&self.uri) {
            let _ = client.query_drop(format!("drop database {}", self.name));
        }
    }
}

fn connect(uri: &str) -> Result<Conn, String> {
    let options = Opts::from_url(uri).map_err(|error| error.to_string())?;
    Conn::new(options).map_err(|error| error.to_string())
}
