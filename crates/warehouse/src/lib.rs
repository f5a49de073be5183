//! The warehouse: one DuckDB database, its connections and transactions, raw loads, and the tool's own state.
//!
//! The only crate that uses the `duckdb` crate. Knows nothing of models, drivers or targets. It accepts SQL, finished
//! loads and lists of ids, and returns rows.

mod built;
mod catalog;
mod census;
mod clone;
mod history;
mod messages;
mod raw;
mod reach;
mod reader;
mod segments;
mod session;
mod shared;

mod state;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use duckdb::{Config, Connection};
use parking_lot::Mutex;

use elt_base::error::{Error, Result};
use elt_base::private;
use elt_base::schema::{CATALOG, literal, quote};
use elt_base::sql_error::SqlError;

pub use built::Built;
pub use catalog::{Catalog, Columns, RelationKind};
pub use history::{LastLoad, WatermarkChange};
pub use raw::{Applied, Intake};
pub use reach::Reach;
pub use session::{Interrupter, Session};

pub use state::Loaded;

use reader::Reader;
use shared::Server;

/// The rows of a row group: a quarter of DuckDB's default. A table shorter than one group is first written to the log,
/// and one thread compresses it when the database closes. All threads compress a longer table while it is created.
const ROW_GROUP_ROWS: u32 = 30_720;

/// How long a command that writes waits for commands that only read.
const READERS_PATIENCE: Duration = Duration::from_secs(5);
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// An open database. Sessions may be used on other threads. The database closes with its last session.
pub struct Warehouse {
    path: Option<PathBuf>,
    /// Answers readers. It stops before the connection closes.
    server: Option<Server>,
    root: Root,
    /// The name of the attached database. None for a database in memory.
    catalog: Option<String>,
    /// The settings of every session.
    settings: String,
}

/// The way in which the database is used.
enum Root {
    /// This connection is only cloned, because threads cannot share a connection of DuckDB.
    Own(Arc<Mutex<Connection>>),
    /// Another process has the file open for writing, and answers queries.
    Asked,
}

/// The settings of DuckDB.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub threads: Option<usize>,
    /// DuckDB's `memory_limit`, such as `4GB`.
    pub memory_limit: Option<String>,
    /// The name of the database in SQL. By default, elt's own name for it.
    pub database: Option<String>,
    /// The names and values of settings for every session.
    pub settings: Vec<(String, String)>,
    /// The folder for relative paths in SQL to files that are not in the current folder.
    pub folder: Option<PathBuf>,
    /// The files that SQL may read. None allows all, and writing.
    pub reach: Option<Reach>,
}

impl Options {
    fn catalog(&self) -> String {
        // The names of DuckDB itself.
        let own = |name: &&str| !["memory", "system", "temp"].contains(name);
        self.database.as_deref().filter(own).unwrap_or(CATALOG).to_owned()
    }

    fn session_settings(&self) -> String {
        let folder = self.folder.iter().map(|folder| ("file_search_path", folder.to_string_lossy().into_owned()));
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.clone()));
        folder.chain(own).map(|(name, value)| format!("; set {} = {}", quote(name), literal(&value))).collect()
    }
}

impl Warehouse {
    /// Fails if another version of elt wrote the warehouse. A warehouse that elt never wrote can be read.
    pub fn check_version(&self) -> Result<()> {
        let session = self.session()?;
        if !state::is_ours(&session)? {
            return Ok(());
        }
        let found = state::version(&session)?.unwrap_or_else(|| "unknown".into());
        match (&self.path, found == state::VERSION) {
            (Some(path), false) => Err(messages::warehouse_version(path, &found, state::VERSION)),
            _ => Ok(()),
        }
    }

    /// Opens or creates the database file and the tool's own tables. Errors name the process that has the file open.
    pub fn open(path: &Path, options: &Options) -> Result<Self> {
        if let Some(folder) = path.parent() {
            private::create_folders(folder).map_err(|cause| messages::warehouse_folder(folder, &cause))?;
        }
        let is_new = !path.exists();
        let root = attach_for_writing(path, options)?;
        let root = Arc::new(Mutex::new(root));
        let (catalog, settings) = (options.catalog(), options.session_settings());
        let mut warehouse = Self {
            path: Some(path.to_owned()),
            server: None,
            root: Root::Own(root.clone()),
            catalog: Some(catalog.clone()),
            settings: settings.clone(),
        };
        state::prepare(&warehouse.session()?).map_err(|error| messages::warehouse_state(path, &error))?;
        if is_new {
            let wal = PathBuf::from(format!("{}.wal", path.to_string_lossy()));
            let closed = private::close_file(path).and_then(|()| private::close_file(&wal));
            closed.map_err(|cause| messages::warehouse_folder(path, &cause))?;
        }
        warehouse.server = Server::start(path, move || {
            let connection = root.lock().try_clone().ok()?;
            Session::new(connection, Some(&catalog), &settings).ok()
        });
        Ok(warehouse)
    }

    /// Opens an existing database only for reading. None if it does not exist yet. While another process of elt writes
    /// to it, that process answers the queries.
    pub fn open_read_only(path: &Path, options: &Options) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let reach = || match attach(path, options, " (read_only)") {
            Ok(root) => Ok(Root::Own(Arc::new(Mutex::new(root)))),
            Err(_) if reader::is_served(path) => Ok(Root::Asked),
            Err(error) => Err(error),
        };
        // The writer may be starting or ending at this moment.
        let root = reach().or_else(|_| {
            std::thread::sleep(RETRY_PAUSE);
            reach()
        })?;
        Ok(Some(Self {
            path: Some(path.to_owned()),
            server: None,
            root,
            catalog: Some(options.catalog()),
            settings: options.session_settings(),
        }))
    }

    /// An empty database of this name in memory. Relative paths in SQL begin at `folder`.
    pub fn in_memory(folder: &Path, database: &str) -> Result<Self> {
        Self::in_memory_within(folder, database, None)
    }

    /// Like `in_memory`, but SQL may read only these files, and writes none. None allows all.
    pub fn in_memory_within(folder: &Path, database: &str, reach: Option<&Reach>) -> Result<Self> {
        let database = Some(database.to_owned()).filter(|name| !name.is_empty());
        let options = Options { threads: Some(1), folder: Some(folder.to_owned()), database, ..Options::default() };
        let root = config(&options).and_then(|config| {
            Connection::open_in_memory_with_flags(config).map_err(|error| cannot_open(Path::new(":memory:"), error))
        })?;
        let limit = reach.map(|reach| format!("; {}", reach.limit())).unwrap_or_default();
        root.execute_batch(&format!("attach ':memory:' as {}{limit}", quote(&options.catalog())))
            .map_err(|error| cannot_open(Path::new(":memory:"), error))?;
        Ok(Self {
            path: None,
            server: None,
            root: Root::Own(Arc::new(Mutex::new(root))),
            catalog: Some(options.catalog()),
            settings: options.session_settings(),
        })
    }

    /// If the landing folder was moved, changes the raw tables that are views over its segments.
    pub fn follow_landing(&self, landing: &Path) -> Result<()> {
        let shown = self.path.as_deref().unwrap_or(Path::new(":memory:"));
        let session = self.session()?;
        session.follow_landing(landing).map_err(|error| {
            session.rollback();
            messages::warehouse_state(shown, &error)
        })
    }

    /// Another connection, with its own transaction, in UTC.
    pub fn session(&self) -> Result<Session> {
        let shown = || self.path.as_deref().unwrap_or(Path::new(":memory:"));
        let connection = match &self.root {
            Root::Own(root) => root.lock().try_clone().map_err(|error| cannot_open(shown(), error))?,
            Root::Asked => {
                let reader = Reader::connect(shown()).ok_or_else(|| messages::warehouse_writer_gone(shown()))?;
                return Ok(Session::asking(reader));
            }
        };
        Session::new(connection, self.catalog.as_deref(), &self.settings)
            .map_err(|error| messages::warehouse_state(shown(), &error))
    }
}

/// Attaches the file for writing. Waits for a process that reads it, but fails at once if another process writes it.
fn attach_for_writing(path: &Path, options: &Options) -> Result<Connection> {
    let how = format!(" (row_group_size {ROW_GROUP_ROWS})");
    let started = Instant::now();
    loop {
        match attach(path, options, &how) {
            Err(error) if started.elapsed() < READERS_PATIENCE && error.is_transient() && !reader::is_served(path) => {
                std::thread::sleep(RETRY_PAUSE);
            }
            attached => return attached,
        }
    }
}

/// Attaches the file under a name of our own. By default DuckDB names the catalog after the file, so that a file
/// `loans.duckdb` would make the schema `loans` ambiguous.
fn attach(path: &Path, options: &Options, how: &str) -> Result<Connection> {
    let root = Connection::open_in_memory_with_flags(config(options)?).map_err(|error| cannot_open(path, error))?;
    // Beside the file. By default, DuckDB writes temporary files to `.tmp` in the folder in which the program was
    // started.
    let spill = format!("{}.tmp", path.to_string_lossy());
    let file = literal(&path.to_string_lossy());
    let limit = options.reach.as_ref().map(|reach| format!("; {}", reach.limit())).unwrap_or_default();
    root.execute_batch(&format!(
        "set temp_directory = {}; attach {file} as {}{how}{limit}",
        literal(&spill),
        quote(&options.catalog())
    ))
    .map_err(|error| cannot_open(path, error))?;
    Ok(root)
}

fn config(options: &Options) -> Result<Config> {
    let build = || {
        let mut config = Config::default();
        if let Some(threads) = options.threads {
            config = config.threads(threads as i64)?;
        }
        if let Some(limit) = &options.memory_limit {
            config = config.max_memory(limit)?;
        }
        config
            .with("autoinstall_known_extensions", "false")?
            .with("preserve_insertion_order", "false")?
            .with("wal_autocheckpoint", "1GB")
    };
    build().map_err(|error| {
        messages::warehouse_options(&SqlError::parse(&error.to_string()), options.memory_limit.as_deref())
    })
}

fn cannot_open(path: &Path, error: duckdb::Error) -> Error {
    let text = error.to_string();
    match text.split_once("PID ").and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()) {
        Some(pid) if text.contains("lock") => {
            let program = text.split_once("held in ").and_then(|(_, rest)| rest.split(" (").next());
            messages::warehouse_locked(path, pid, program)
        }
        _ => messages::warehouse_open(path, &SqlError::parse(&text)),
    }
}
