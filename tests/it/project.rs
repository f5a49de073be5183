//! A project in a temporary folder. The program runs in it and inherits nothing from the environment.
//!
//! Does not know the meaning of commands.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tempfile::TempDir;

/// The time limit of a single command. A command that takes longer is killed, and the test fails.
const RUN_SECONDS_MAX: u64 = 240;

/// A command's output and exit status.
#[derive(Debug)]
pub struct Run {
    pub command: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// A project's folder, which is removed when this value is dropped, and the environment of its commands.
pub struct Project {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

/// A command that is still running.
pub struct Running {
    command: String,
    child: Child,
    folder: TempDir,
}

impl Project {
    /// An empty folder.
    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("elt-it-").tempdir().expect("a temporary folder");
        // The path that the program sees, because the temporary folder may be a link.
        fs::create_dir(folder.path().join("project")).expect("a project folder");
        fs::create_dir(folder.path().join("home")).expect("a home folder");
        Self { folder, environment: BTreeMap::new() }
    }

    /// A copy of the repository's own project.
    pub fn repository() -> Self {
        let project = Self::empty();
        for name in ["profiles.toml", "models", "seeds", "macros"] {
            copy(&repository().join(name), &project.path().join(name));
        }
        // Only the part of `tests/` that belongs to the project.
        let tests = fs::read_dir(repository().join("tests")).into_iter().flatten().flatten();
        for entry in tests.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "sql")) {
            copy(&entry.path(), &project.path().join("tests").join(entry.file_name()));
        }
        copy(&repository().join("tests/generic"), &project.path().join("tests/generic"));
        project
    }

    /// A project with these files.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let project = Self::empty();
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("the project's folder").join("project")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a file within the project")).expect("a folder of the project");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Copies a folder's files over those of the project.
    pub fn overlay(&self, folder: &Path) {
        copy(folder, &self.path());
    }

    /// Sets a variable for the following commands.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.environment.remove(name);
        self
    }

    /// Runs the program to its end.
    pub fn elt(&self, arguments: &[&str]) -> Run {
        self.start(arguments).finish()
    }

    /// Runs the program with a limit of `kilobytes` for the size of its files. Further writes fail, as on a full disk.
    pub fn elt_on_a_full_disk(&self, kilobytes: u32, arguments: &[&str]) -> Run {
        // The limit is in blocks of 512 bytes. The signal is ignored, because it would end the program.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", kilobytes * 2);
        let mut command = Command::new("sh");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_elt")]);
        self.spawn(command, arguments).finish()
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        self.spawn(Command::new(env!("CARGO_BIN_EXE_elt")), arguments)
    }

    fn spawn(&self, mut command: Command, arguments: &[&str]) -> Running {
        let folder = tempfile::tempdir_in(self.folder.path()).expect("a folder for the output");
        let file = |name: &str| File::create(folder.path().join(name)).expect("a file for the output");
        let child = command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path().join("home"))
            .env("TMPDIR", std::env::temp_dir())
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .process_group(0)
            .spawn()
            .expect("the program to start");
        Running { command: format!("elt {}", arguments.join(" ")), child, folder }
    }

    /// The rows of a query over a target's warehouse.
    pub fn query(&self, target: &str, sql: &str) -> Vec<Map<String, Value>> {
        let run = self.elt(&["show", "--target", target, "--inline", sql, "--output", "json", "--limit", "0"]).ok();
        let rows = run.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        rows.unwrap_or_else(|error| panic!("no JSON rows: {error}\n{run}"))
    }

    /// The single number that a query returns.
    pub fn number(&self, target: &str, sql: &str) -> i64 {
        let rows = self.query(target, sql);
        let value = rows.first().and_then(|row| row.values().next()).cloned();
        let number = value.as_ref().and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
        number.unwrap_or_else(|| panic!("`{sql}` gave {rows:?}"))
    }

    /// The content of every text file below the project's folder, by path.
    pub fn texts(&self) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(bytes) = fs::read(&path) {
                    found.push((path, String::from_utf8_lossy(&bytes).into_owned()));
                }
            }
        }
        found
    }
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The text that the command has written to stderr so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal such as `INT`.
    pub fn signal(&self, name: &str) {
        // The `kill` of the shell, because a small machine may not have the program.
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {name} to `{}`", self.command);
    }

    pub fn finish(self) -> Run {
        self.finish_within(Duration::from_secs(RUN_SECONDS_MAX))
    }

    /// Waits for the end of the command. If it takes too long, it is killed, and the test fails.
    pub fn finish_within(mut self, limit: Duration) -> Run {
        let deadline = Instant::now() + limit;
        let status = loop {
            match self.child.try_wait().expect("the program's state") {
                Some(status) => break status,
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                None => {
                    let _ = self.child.kill();
                    let _ = self.child.wait();
                    panic!("`{}` ran for more than {limit:?}\n{}", self.command, self.stderr());
                }
            }
        };
        let read = |name: &str| {
            let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Run { command: self.command.clone(), status, stdout: read("stdout"), stderr: read("stderr") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Run {
    /// Fails the test unless the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "exit code\n{self}");
        self
    }

    /// Fails the test unless a signal ended the program, as a failpoint does.
    #[track_caller]
    pub fn died(self) -> Self {
        assert!(self.status.signal().is_some(), "the program was to die\n{self}");
        self
    }

    /// Fails the test unless stderr contains `part`.
    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "stderr lacks `{part}`\n{self}");
        self
    }

    /// Fails the test if an output contains `part`.
    #[track_caller]
    pub fn hides(self, part: &str) -> Self {
        assert!(!self.stderr.contains(part) && !self.stdout.contains(part), "the output holds `{part}`\n{self}");
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { command, status, stdout, stderr } = self;
        write!(f, "command: {command}\nstatus: {status}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies a file, or a folder with its content, if it exists.
fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap_or_else(|error| panic!("{}: {error}", to.display()));
        for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())).flatten() {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if from.is_file() {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        }
        fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}
