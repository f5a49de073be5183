//! The MariaDB server of the tests. It is started at first use, like the servers in `servers`. Each test gets a fresh
//! database.
//!
//! `MYSQL_URI` in the environment replaces it. Its user must be allowed to create databases.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use mysql::prelude::{FromRow, Queryable};
use mysql::{Conn, Opts};

use crate::servers::{Server, ServerUser, expect_server, fresh_name, server_folder, text, with_path};

/// The password of the server that the tests start. It must never be in any output.
pub const PASSWORD: &str = "hush-77be10";

pub struct MariaDb {
    uri: String,
    _server: Option<Server>,
}

/// A fresh database. It is dropped when this value is dropped.
pub struct MariaDbDatabase {
    pub uri: String,
    name: String,
}

fn connect(uri: &str) -> Result<Conn, String> {
    let opts = Opts::from_url(uri).map_err(|error| error.to_string())?;
    Conn::new(opts).map_err(|error| error.to_string())
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
        Self::launch()
    }

    /// A separate server for a test that changes settings of the whole server.
    pub fn own() -> Self {
        Self::launch().unwrap_or_else(|error| panic!("this test needs a MariaDB server of its own: {error}"))
    }

    fn launch() -> Result<Self, String> {
        let server = "/usr/sbin/mariadbd";
        if !Path::new(server).is_file() {
            return Err(format!("no MariaDB server: `{server}` is not there"));
        }
        let user = ServerUser::choose("mysql")?;
        let folder = server_folder("elt-it-mariadb-", Some(&user))?;
        let data = format!("--datadir={}", folder.join("data").display());
        // Its own, because a server that starts removes the temporary tables that it finds, those of others too.
        let temporary = format!("--tmpdir={}", folder.join("tmp").display());
        fs::create_dir(folder.join("tmp")).map_err(text)?;
        user.own(&folder)?;
        user.run(Command::new("mariadb-install-db").args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            &data,
            &temporary,
        ]))?;
        // For a client from this machine, and also for one that connects by name.
        let users = format!(
            "create user elt@'%' identified by '{PASSWORD}'; grant all on *.* to elt@'%' with grant option;\n\
             drop user if exists ''@localhost; drop user if exists ''@'{}';\n",
            hostname()
        );
        let start = folder.join("users.sql");
        fs::write(&start, users.replace("; ", ";\n")).map_err(text)?;
        user.own(&folder)?;
        let (server, port) = Server::start(&folder, &user, "KILL", |port| {
            let mut words: Vec<String> = [
                server,
                "--no-defaults",
                "--bind-address=127.0.0.1",
                "--skip-networking=0",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=64M",
                "--max-connections=300",
            ]
            .map(String::from)
            .to_vec();
            words.push(data.clone());
            words.push(temporary.clone());
            words.push(format!("--port={port}"));
            words.push(format!("--init-file={}", start.display()));
            words.push(format!("--socket={}", folder.join("socket").display()));
            words.push(format!("--pid-file={}", folder.join("server.pid").display()));
            words
        })?;
        let uri = format!("mysql://elt:{PASSWORD}@127.0.0.1:{port}/mysql");
        server.wait_until_ready(|| connect(&uri).map(drop))?;
        Ok(Self { uri, _server: Some(server) })
    }

    pub fn database(&self) -> MariaDbDatabase {
        let name = fresh_name();
        let mut connection = connect(&self.uri).unwrap_or_else(|error| panic!("MariaDB: {error}"));
        connection
            .query_drop(format!("create database {name} character set utf8mb4"))
            .unwrap_or_else(|error| panic!("MariaDB: {error}"));
        MariaDbDatabase { uri: with_path(&self.uri, &name), name }
    }
}

fn hostname() -> String {
    fs::read_to_string("/etc/hostname").unwrap_or_default().trim().to_owned()
}

impl MariaDbDatabase {
    pub fn client(&self) -> Conn {
        let mut client = connect(&self.uri).unwrap_or_else(|error| panic!("MariaDB: {error}"));
        client.query_drop("set names utf8mb4").expect("utf8mb4");
        client
    }

    pub fn run(&self, sql: &str) {
        self.client().query_drop(sql).unwrap_or_else(|error| panic!("`{sql}`: {error}"));
    }

    pub fn rows<T: FromRow>(&self, sql: &str) -> Vec<T> {
        self.client().query(sql).unwrap_or_else(|error| panic!("`{sql}`: {error}"))
    }

    pub fn number(&self, sql: &str) -> i64 {
        self.rows::<i64>(sql).first().copied().unwrap_or_else(|| panic!("`{sql}` gave nothing"))
    }
}

impl Drop for MariaDbDatabase {
    fn drop(&mut self) {
        if let Ok(mut connection) = connect(&self.uri) {
            let _ = connection.query_drop(format!("drop database if exists {}", self.name));
        }
    }
}
