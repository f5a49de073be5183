//! A separate Postgres server for one test, which can be killed and started again.
//!
//! Knows processes and folders, but not the content of the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::servers::{Server, ServerUser, postgres_client, postgres_programs, server_folder};

pub struct OwnPostgres {
    pub uri: String,
    port: u16,
    folder: PathBuf,
    user: ServerUser,
    /// All starts of the server, with the folder of the process id. The last one is running.
    starts: Mutex<Vec<(Server, PathBuf)>>,
    /// The limit for the size of the server's files, which simulates a full disk.
    kilobytes: Option<u32>,
}

impl OwnPostgres {
    pub fn start() -> Self {
        Self::with_limit(None)
    }

    /// Limits the size of each file. Further writes fail.
    pub fn on_a_full_disk(kilobytes: u32) -> Self {
        Self::with_limit(Some(kilobytes))
    }

    fn with_limit(kilobytes: Option<u32>) -> Self {
        let user = ServerUser::choose("postgres").expect("a user for Postgres");
        let folder = server_folder("elt-it-own-postgres-", Some(&user)).expect("a folder");
        let mut initdb = Command::new(programs().join("initdb"));
        initdb.args([
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--username=elt",
            "--auth=trust",
            "--wal-segsize=1",
        ]);
        user.run(initdb.arg(format!("--pgdata={}", folder.join("data").display()))).expect("initdb");
        // The operating system has all committed data, so it survives the server's processes.
        let settings = format!(
            "\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nfsync = off\nautovacuum = off\n\
             wal_keep_size = 0\nmin_wal_size = 2\nmax_wal_size = 64\n",
            folder.display()
        );
        let file = folder.join("data/postgresql.conf");
        fs::write(&file, fs::read_to_string(&file).expect("settings") + &settings).expect("settings");
        user.own(&folder).expect("the server's folder");
        let mut own =
            Self { uri: String::new(), port: 0, folder: folder.clone(), user, starts: Mutex::default(), kilobytes };
        own.port = own.start_in(&folder, None);
        own.uri = format!("postgres://elt@127.0.0.1:{}/postgres?sslmode=disable", own.port);
        own.wait();
        own
    }

    pub fn client(&self) -> postgres::Client {
        postgres_client(&self.uri).unwrap_or_else(|error| panic!("Postgres: {error}"))
    }

    /// Sends SIGKILL to the server and all its processes.
    pub fn kill(&self) {
        let folder = self.starts.lock().expect("starts").last().expect("a start").1.clone();
        let id = fs::read_to_string(folder.join("pid")).expect("a process id").trim().to_owned();
        // The `kill` of the shell. It is not a failure if processes have ended by themselves.
        let signal = |name: &str, ids: &str| {
            let _ = Command::new("sh").args(["-c", &format!("kill -{name} {ids} 2>/dev/null")]).status();
        };
        // A server that is stopped starts no process that the list would lack. It is killed last: a process that sees it
        // end aborts its transaction and removes the files of the tables that this made. Postgres does not start again
        // if the abort is not in its log then, and the table was unlogged ("could not create file: File exists").
        signal("STOP", &id);
        let mut all = children(&id);
        all.push(id.clone());
        signal("KILL", &all.join(" "));
        let deadline = Instant::now() + Duration::from_secs(10);
        // The next server takes its lock file for that of a living server as long as the process has not been reaped.
        while fields(&id).is_some() || all.iter().any(|id| is_alive(id)) {
            assert!(Instant::now() < deadline, "Postgres survives SIGKILL");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts the server again in the same folder, and waits until it has recovered.
    pub fn start_again(&self) {
        let count = self.starts.lock().expect("starts").len();
        let folder = self.folder.join(format!("start-{count}"));
        fs::create_dir(&folder).expect("a folder");
        self.user.own(&folder).expect("a folder");
        self.start_in(&folder, Some(self.port));
        self.wait();
    }

    fn start_in(&self, folder: &Path, port: Option<u16>) -> u16 {
        let (server, chosen) = Server::start(folder, &self.user, "QUIT", |free| {
            let mut words = Vec::new();
            if let Some(kilobytes) = self.kilobytes {
                // In blocks of 512 bytes.
                words.extend([
                    "sh".into(),
                    "-c".into(),
                    format!("ulimit -f {}; exec \"$@\"", kilobytes * 2),
                    "sh".into(),
                ]);
            }
            words.extend([
                programs().join("postgres").display().to_string(),
                "-D".into(),
                self.folder.join("data").display().to_string(),
                "-p".into(),
                port.unwrap_or(free).to_string(),
            ]);
            words
        })
        .expect("Postgres starts");
        self.starts.lock().expect("starts").push((server, folder.to_path_buf()));
        port.unwrap_or(chosen)
    }

    fn wait(&self) {
        let starts = self.starts.lock().expect("starts");
        let (server, _) = starts.last().expect("a start");
        server
            .wait_until_ready(|| postgres_client(&self.uri).map(drop).map_err(|error| error.to_string()))
            .expect("Postgres answers");
    }
}

fn programs() -> PathBuf {
    postgres_programs().expect("Postgres' programs")
}

/// The child processes of this process, from `/proc/<id>/stat`.
fn children(parent: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry.file_name().to_string_lossy().into_owned();
        if fields(&id).is_some_and(|(_, its_parent)| its_parent == parent) {
            found.push(id);
        }
    }
    found
}

fn is_alive(id: &str) -> bool {
    fields(id).is_some_and(|(state, _)| state != "Z")
}

/// The state and the parent of a process.
fn fields(id: &str) -> Option<(String, String)> {
    id.parse::<u32>().ok()?;
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name, which may contain any character.
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}
