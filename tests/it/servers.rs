//! The servers that tests talk to: one Postgres and one MongoDB-compatible server for the whole test run, each
//! started at first use in a temporary folder on a free loopback port, with a fresh database for each test.
//!
//! `POSTGRES_URI` and `MONGODB_URI` in the environment replace them. If a server cannot be started, its tests panic
//! with a message that says what to do. Each server waits for the end of a pipe from this program. When the pipe
//! closes, for any reason, the server is stopped and its folder is removed.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use rand::RngExt;

const START_SECONDS_MAX: u64 = 60;
const LOG_LINES_SHOWN: usize = 30;
/// The first port that needs no rights, rounded up, and the first that Linux gives to clients.
const FIRST_PORT: u16 = 10_000;
const FIRST_CLIENT_PORT: u16 = 32_768;
/// The file with a server's output, in its folder.
const LOG: &str = "server.log";
/// The password of the server that the tests start. It must never be in any output.
const POSTGRES_PASSWORD: &str = "hush-0f3c9a";
const HOW: &str = "hint: `tests/run` installs what the tests need and runs them";

/// A Postgres server. `shared` starts it.
pub struct Postgres {
    /// The URI of the database `postgres`, as a superuser.
    uri: String,
    /// The certificate of the authority that signed the server's certificate, if the server was started here.
    authority: Option<PathBuf>,
    _server: Option<Server>,
}

/// A fresh Postgres database. It is dropped when this value is dropped.
pub struct PostgresDatabase {
    pub uri: String,
    name: String,
}

/// A MongoDB-compatible server. `shared` starts it.
pub struct Mongo {
    uri: String,
    runtime: tokio::runtime::Runtime,
    client: mongodb::Client,
    _server: Option<Server>,
}

/// A separate database on the shared server. It is dropped when this value is dropped.
pub struct MongoDatabase {
    pub uri: String,
    pub name: String,
}

impl Postgres {
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Postgres, String>> = OnceLock::new();
        expect_server(SHARED.get_or_init(Self::start))
    }

    fn start() -> Result<Self, String> {
        if let Ok(uri) = std::env::var("POSTGRES_URI") {
            postgres_client(&uri).map_err(|error| format!("`POSTGRES_URI` in the environment: {error}"))?;
            return Ok(Self { uri, authority: None, _server: None });
        }
        let programs = postgres_programs()?;
        let user = ServerUser::choose("postgres")?;
        let folder = server_folder("elt-it-postgres-", Some(&user))?;
        let data = folder.join("data");
        fs::write(folder.join("password"), POSTGRES_PASSWORD).map_err(text)?;
        user.run(
            Command::new(programs.join("initdb"))
                .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--username=elt", "--auth=scram-sha-256"])
                .arg(format!("--pwfile={}", folder.join("password").display()))
                .arg(format!("--pgdata={}", data.display())),
        )?;
        let authority = server_certificate(&folder, &user)?;
        let settings = fs::read_to_string(data.join("postgresql.conf")).map_err(text)?;
        let settings = format!(
            "{settings}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{0}'\nmax_connections = 200\n\
             fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n\
             ssl = on\nssl_cert_file = '{0}/server.crt'\nssl_key_file = '{0}/server.key'\n",
            folder.display()
        );
        fs::write(data.join("postgresql.conf"), settings).map_err(text)?;
        user.own(&folder)?;

        let (server, port) = Server::start(&folder, &user, "QUIT", |port| {
            vec![
                programs.join("postgres").display().to_string(),
                "-D".into(),
                data.display().to_string(),
                "-p".into(),
                port.to_string(),
            ]
        })?;
        let uri = format!("postgres://elt:{POSTGRES_PASSWORD}@127.0.0.1:{port}/postgres");
        server.wait_until_ready(|| postgres_client(&uri).map(drop).map_err(|error| error.to_string()))?;
        Ok(Self { uri, authority: Some(authority), _server: Some(server) })
    }

    pub fn database(&self) -> PostgresDatabase {
        let name = fresh_name();
        let mut client = postgres_client(&self.uri).unwrap_or_else(|error| panic!("Postgres: {error}"));
        client.batch_execute(&format!("create database {name}")).unwrap_or_else(|error| panic!("Postgres: {error}"));
        PostgresDatabase { uri: with_path(&self.uri, &name), name }
    }

    /// Makes the server that was started here reject connections of this role without TLS.
    pub fn require_tls(&self, role: &str) {
        let mut client = postgres_client(&self.uri).unwrap_or_else(|error| panic!("Postgres: {error}"));
        let file: String = client.query_one("show hba_file", &[]).expect("the file of rules").get(0);
        let rules = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
        fs::write(&file, format!("hostnossl all {role} all reject\n{rules}")).expect("to write the rules");
        client.batch_execute("select pg_reload_conf()").expect("to read the rules again");
        // The server reads the rules a moment later.
        thread::sleep(Duration::from_millis(300));
    }

    /// The certificate that a client must trust to use TLS. None for a server that was not started here.
    pub fn authority(&self) -> Option<&Path> {
        self.authority.as_deref()
    }
}

impl PostgresDatabase {
    pub fn client(&self) -> postgres::Client {
        postgres_client(&self.uri).unwrap_or_else(|error| panic!("Postgres: {error}"))
    }

    /// The single number that a query returns, such as a count.
    pub fn number(&self, sql: &str) -> i64 {
        let row = self.client().query_one(sql, &[]).unwrap_or_else(|error| panic!("`{sql}`: {error}"));
        row.get(0)
    }

    /// The names of a schema's tables, in order.
    pub fn tables(&self, schema: &str) -> Vec<String> {
        let sql = "select table_name::text from information_schema.tables \
                   where table_schema = $1 and table_type = 'BASE TABLE' order by 1";
        let rows = self.client().query(sql, &[&schema]).unwrap_or_else(|error| panic!("`{sql}`: {error}"));
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The server's URI with another password.
    pub fn uri_with_password(&self, password: &str) -> String {
        let (scheme, rest) = self.uri.split_once("://").expect("an URI");
        let (userinfo, host) = rest.rsplit_once('@').unwrap_or(("postgres", rest));
        let user = userinfo.split(':').next().unwrap_or("postgres");
        format!("{scheme}://{user}:{password}@{host}")
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        // The server's whole folder is removed, so this is only for a server that was not started here.
        if let Ok(mut client) = postgres_client(&with_path(&self.uri, "postgres")) {
            let _ = client.batch_execute(&format!("drop database if exists {} with (force)", self.name));
        }
    }
}

impl Mongo {
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Mongo, String>> = OnceLock::new();
        expect_server(SHARED.get_or_init(Self::start))
    }

    fn start() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        if let Ok(uri) = std::env::var("MONGODB_URI") {
            let client = mongo_client(&runtime, &uri)?;
            ping(&runtime, &client).map_err(|error| format!("`MONGODB_URI` in the environment: {error}"))?;
            return Ok(Self { uri, runtime, client, _server: None });
        }
        let program = mongo_program()?;
        let folder = server_folder("elt-it-mongo-", None)?;
        let (server, port) = Server::start(&folder, &ServerUser::Same, "KILL", |port| {
            vec![
                program.display().to_string(),
                "--host".into(),
                "127.0.0.1".into(),
                "--port".into(),
                port.to_string(),
                "--storage-path".into(),
                folder.join("data").display().to_string(),
                "--log-level".into(),
                "WARNING".into(),
            ]
        })?;
        let uri = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
        let client = mongo_client(&runtime, &uri)?;
        server.wait_until_ready(|| {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(text)?;
            ping(&runtime, &client)
        })?;
        Ok(Self { uri, runtime, client, _server: Some(server) })
    }

    pub fn database(&self) -> MongoDatabase {
        MongoDatabase { uri: self.uri.clone(), name: fresh_name() }
    }
}

impl MongoDatabase {
    pub fn insert(&self, collection: &str, documents: Vec<Document>) {
        let mongo = Mongo::shared();
        let collection = mongo.client.database(&self.name).collection::<Document>(collection);
        mongo
            .runtime
            .block_on(async { collection.insert_many(documents).await })
            .unwrap_or_else(|error| panic!("MongoDB: {error}"));
    }

    pub fn delete(&self, collection: &str, filter: Document) {
        let mongo = Mongo::shared();
        let collection = mongo.client.database(&self.name).collection::<Document>(collection);
        mongo
            .runtime
            .block_on(async { collection.delete_many(filter).await })
            .unwrap_or_else(|error| panic!("MongoDB: {error}"));
    }

    /// Replaces the document with this `_id`, or inserts it.
    pub fn replace(&self, collection: &str, document: Document) {
        let mongo = Mongo::shared();
        let collection = mongo.client.database(&self.name).collection::<Document>(collection);
        let filter = doc! { "_id": document.get("_id").cloned() };
        mongo
            .runtime
            .block_on(async { collection.replace_one(filter, document).upsert(true).await })
            .unwrap_or_else(|error| panic!("MongoDB: {error}"));
    }

    /// All documents in the order of their `_id`s.
    pub fn documents(&self, collection: &str) -> Vec<Document> {
        let mongo = Mongo::shared();
        let collection = mongo.client.database(&self.name).collection::<Document>(collection);
        let found = mongo.runtime.block_on(async {
            let mut cursor = collection.find(doc! {}).sort(doc! { "_id": 1 }).await?;
            let mut documents = Vec::new();
            while cursor.advance().await? {
                documents.push(cursor.deserialize_current()?);
            }
            Ok::<_, mongodb::error::Error>(documents)
        });
        found.unwrap_or_else(|error| panic!("MongoDB: {error}"))
    }

    /// The names of the collections.
    pub fn collections(&self) -> Vec<String> {
        let mongo = Mongo::shared();
        let database = mongo.client.database(&self.name);
        mongo
            .runtime
            .block_on(async { database.list_collection_names().await })
            .unwrap_or_else(|error| panic!("MongoDB: {error}"))
    }

    pub fn count(&self, collection: &str) -> u64 {
        let mongo = Mongo::shared();
        let collection = mongo.client.database(&self.name).collection::<Document>(collection);
        mongo
            .runtime
            .block_on(async { collection.count_documents(doc! {}).await })
            .unwrap_or_else(|error| panic!("MongoDB: {error}"))
    }
}

impl Drop for MongoDatabase {
    fn drop(&mut self) {
        let mongo = Mongo::shared();
        let database = mongo.client.database(&self.name);
        let _ = mongo.runtime.block_on(async { database.drop().await });
    }
}

/// A free loopback port below those that the system gives to clients: a client's connection could take such a port before
/// the server does, or while a server is started again.
pub fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut ports = std::iter::repeat_with(|| rand::rng().random_range(FIRST_PORT..FIRST_CLIENT_PORT));
    ports.by_ref().take(1_000).find(is_free).expect("a loopback port to bind")
}

/// A server's program under a shell that stops it and removes its folder when `_pipe` closes.
pub struct Server {
    _pipe: ChildStdin,
    folder: PathBuf,
}

impl Server {
    /// Starts the command that `command` returns for a free port. Returns that port.
    pub fn start(
        folder: &Path,
        user: &ServerUser,
        stop_signal: &str,
        command: impl FnOnce(u16) -> Vec<String>,
    ) -> Result<(Self, u16), String> {
        const WATCHDOG: &str = r#"
            folder=$1 signal=$2; shift 2
            (
                "$@" </dev/null & echo $! >"$folder/pid"
                wait $!
                : >"$folder/ended"
            ) &
            cat >/dev/null
            pid=$(cat "$folder/pid")
            kill -"$signal" "$pid" 2>/dev/null
            tries=50
            while kill -0 "$pid" 2>/dev/null && [ "$tries" -gt 0 ]; do
                sleep 0.1
                tries=$((tries - 1))
            done
            kill -KILL "$pid" 2>/dev/null
            rm -rf "$folder"
        "#;
        let port = free_port();
        let output = fs::File::create(folder.join(LOG)).map_err(text)?;
        let mut shell = Command::new("sh")
            .args(["-c", WATCHDOG, "elt-it-server"])
            .arg(folder)
            .arg(stop_signal)
            .args(user.prefix())
            .args(command(port))
            .stdin(Stdio::piped())
            .stdout(output.try_clone().map_err(text)?)
            .stderr(output)
            .current_dir(folder)
            .process_group(0)
            .spawn()
            .map_err(text)?;
        let pipe = shell.stdin.take().ok_or("no pipe to the server's shell")?;
        Ok((Self { _pipe: pipe, folder: folder.to_path_buf() }, port))
    }

    pub fn wait_until_ready(&self, ready: impl Fn() -> Result<(), String>) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
        loop {
            let answer = ready();
            let has_ended = self.folder.join("ended").exists();
            // If it has ended, another program answers at its port.
            let error = match answer {
                Ok(()) if !has_ended => return Ok(()),
                Ok(()) => "another program answers at its port".to_owned(),
                Err(error) => error,
            };
            if Instant::now() > deadline || has_ended {
                let log = self.log_end();
                return Err(format!("it does not answer, or has ended: {error}\nthe end of its log:\n{log}"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

/// The user that runs a server.
pub enum ServerUser {
    Same,
    /// A system user, if the tests run as root, because servers do not run as root.
    Other {
        uid: u32,
        gid: u32,
    },
}

impl ServerUser {
    /// The user of this name, or `nobody` if the package that adds the user is not installed.
    pub fn choose(name: &str) -> Result<Self, String> {
        if id(&["-u"])? != 0 {
            return Ok(Self::Same);
        }
        let other = |name| Ok(Self::Other { uid: id(&["-u", name])?, gid: id(&["-g", name])? });
        let missing = |error| format!("the server refuses to run as root, and there is no user `{name}`: {error}");
        other(name).or_else(|error: String| other("nobody").map_err(|_: String| missing(error)))
    }

    fn prefix(&self) -> Vec<String> {
        match self {
            Self::Same => Vec::new(),
            Self::Other { uid, gid } => {
                vec!["setpriv".into(), format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".into()]
            }
        }
    }

    /// Makes this user the owner of a folder and its content.
    pub fn own(&self, folder: &Path) -> Result<(), String> {
        let Self::Other { uid, gid } = self else { return Ok(()) };
        chown(folder, Some(*uid), Some(*gid)).map_err(text)?;
        for entry in fs::read_dir(folder).map_err(text)? {
            let path = entry.map_err(text)?.path();
            if path.is_dir() {
                self.own(&path)?;
            } else {
                chown(&path, Some(*uid), Some(*gid)).map_err(text)?;
            }
        }
        Ok(())
    }

    /// Runs a program to its end as this user.
    pub fn run(&self, command: &mut Command) -> Result<(), String> {
        let mut words = self.prefix();
        words.push(command.get_program().to_string_lossy().into_owned());
        words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
        run(Command::new(&words[0]).args(&words[1..]).current_dir("/"))
    }
}

fn id(arguments: &[&str]) -> Result<u32, String> {
    let output = Command::new("id").args(arguments).output().map_err(text)?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().map_err(|_| String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot run `{name}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{name}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// A fresh folder that the server's user can access. The server's shell removes it.
pub fn server_folder(prefix: &str, user: Option<&ServerUser>) -> Result<PathBuf, String> {
    let mut parents = vec![std::env::temp_dir()];
    parents.extend(["/tmp", "/var/tmp"].map(PathBuf::from));
    let mut last = String::new();
    for parent in parents {
        let folder = match tempfile::Builder::new().prefix(prefix).tempdir_in(&parent) {
            Ok(folder) => folder,
            Err(error) => {
                last = format!("`{}`: {error}", parent.display());
                continue;
            }
        };
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).map_err(text)?;
        if let Some(user) = user {
            user.own(folder.path())?;
            if let Err(error) = user.run(Command::new("test").arg("-w").arg(folder.path())) {
                last = format!("`{}` is out of the server's reach: {error}", parent.display());
                continue;
            }
        }
        return Ok(folder.keep());
    }
    Err(format!("no folder for a server: {last}"))
}

/// Signs a certificate for 127.0.0.1 in `folder` (`server.crt`, `server.key`). Returns the authority's certificate.
fn server_certificate(folder: &Path, user: &ServerUser) -> Result<PathBuf, String> {
    const KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let openssl = |arguments: &[&str]| run(Command::new("openssl").args(arguments).current_dir(folder));
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        .map_err(text)?;
    let authority = ["req", "-x509", "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=elt test ca"];
    openssl(&[&authority[..], &KEY].concat())?;
    let request = ["req", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"];
    openssl(&[&request[..], &KEY].concat())?;
    let signed = ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(&[&signed[..], &["-days", "2", "-extfile", "names", "-out", "server.crt"]].concat())?;
    fs::set_permissions(folder.join("server.key"), fs::Permissions::from_mode(0o600)).map_err(text)?;
    user.own(folder)?;
    Ok(folder.join("ca.crt"))
}

/// The folder of Postgres's server programs: `ELT_TEST_POSTGRES_BIN`, Debian's newest, or one on the PATH.
pub fn postgres_programs() -> Result<PathBuf, String> {
    if let Some(folder) = std::env::var_os("ELT_TEST_POSTGRES_BIN") {
        return Ok(PathBuf::from(folder));
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .max_by_key(|(version, _)| *version)
        .map(|(_, folder)| folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .ok_or_else(|| "no Postgres server programs (`initdb`, `postgres`) found".to_owned())
}

/// The MongoDB-compatible server: `ELT_TEST_SECANTUSD`, or the one that `tests/run` stored in its cache folder.
fn mongo_program() -> Result<PathBuf, String> {
    if let Some(program) = std::env::var_os("ELT_TEST_SECANTUSD") {
        return Ok(PathBuf::from(program));
    }
    let cache = match std::env::var_os("ELT_TEST_CACHE") {
        Some(cache) => PathBuf::from(cache),
        // The test program is `<target>/<profile>/deps/it-…`.
        None => std::env::current_exe()
            .ok()
            .and_then(|program| Some(program.ancestors().nth(3)?.join("it-cache")))
            .ok_or("the test program has no folder")?,
    };
    let program = cache.join("venv/bin/secantusd-py");
    if !program.is_file() {
        return Err(format!("no MongoDB-compatible server: `{}` is not there", program.display()));
    }
    Ok(program)
}

pub fn postgres_client(uri: &str) -> Result<postgres::Client, postgres::Error> {
    postgres::Client::connect(uri, postgres::NoTls)
}

fn mongo_client(runtime: &tokio::runtime::Runtime, uri: &str) -> Result<mongodb::Client, String> {
    runtime.block_on(async {
        let mut options = mongodb::options::ClientOptions::parse(uri).await.map_err(|error| error.to_string())?;
        options.server_selection_timeout = Some(Duration::from_secs(5));
        mongodb::Client::with_options(options).map_err(|error| error.to_string())
    })
}

fn ping(runtime: &tokio::runtime::Runtime, client: &mongodb::Client) -> Result<(), String> {
    let database = client.database("admin");
    runtime.block_on(async { database.run_command(doc! { "ping": 1 }).await }).map(drop).map_err(|e| e.to_string())
}

pub fn expect_server<T>(started: &'static Result<T, String>) -> &'static T {
    started.as_ref().unwrap_or_else(|error| panic!("this test needs a server: {error}\n{HOW}"))
}

pub fn fresh_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("elt_it_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The URI with another database.
pub fn with_path(uri: &str, database: &str) -> String {
    let (uri, parameters) = uri.split_once('?').map_or((uri, None), |(uri, parameters)| (uri, Some(parameters)));
    let (scheme, rest) = uri.split_once("://").expect("an URI");
    let host = rest.split('/').next().unwrap_or(rest);
    let parameters = parameters.map(|parameters| format!("?{parameters}")).unwrap_or_default();
    format!("{scheme}://{host}/{database}{parameters}")
}

pub fn text(error: std::io::Error) -> String {
    error.to_string()
}

/// A test of the servers themselves. It fails, like every test that needs them, if one cannot be started.
#[test]
fn servers_answer() {
    let postgres = Postgres::shared().database();
    assert_eq!(postgres.number("select 40::bigint + 2"), 42);
    let mongo = Mongo::shared().database();
    mongo.insert("answers", vec![doc! { "n": 42 }, doc! { "n": 43 }]);
    mongo.delete("answers", doc! { "n": 43 });
    assert_eq!(mongo.count("answers"), 1);
    assert_eq!(with_path("postgres://u:p@h:1/old?sslmode=require", "new"), "postgres://u:p@h:1/new?sslmode=require");
}
