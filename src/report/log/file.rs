//! The log file. Every command appends to it. It is split into pieces of bounded size, and the oldest piece is removed.
//!
//! Lines are collected, because a system call for each of them would cost more than the line. They are written when a
//! warning or an error comes, when there are many, and when `flush` is called, which the program does ten times a second.
//! Knows files, but not the content of the log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// A piece is closed when it exceeds this size.
const BYTES_MAX: u64 = 10 * 1024 * 1024;
/// The number of closed pieces to keep. `elt.log.1` is the newest.
const PIECES_MAX: u32 = 4;
/// Collected lines are written when they exceed this size.
const COLLECTED_BYTES_MAX: usize = 64 * 1024;

/// A file to which several threads write whole lines.
#[derive(Clone)]
pub struct LogFile(Arc<Mutex<Open>>);

struct Open {
    path: PathBuf,
    file: File,
    /// Written, without the collected lines.
    bytes: u64,
    bytes_max: u64,
    collected: Vec<u8>,
}

/// Takes the lines of one event.
pub struct EventLines {
    log: LogFile,
    is_urgent: bool,
}

impl LogFile {
    /// Opens the file, and creates its folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::bounded(path, BYTES_MAX)
    }

    fn bounded(path: &Path, bytes_max: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = append(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self(Arc::new(Mutex::new(Open { path: path.to_owned(), file, bytes, bytes_max, collected: Vec::new() }))))
    }

    /// Writes the collected lines.
    pub fn flush(&self) -> io::Result<()> {
        self.0.lock().flush()
    }
}

impl Open {
    fn flush(&mut self) -> io::Result<()> {
        if self.collected.is_empty() {
            return Ok(());
        }
        if self.bytes > self.bytes_max {
            // If the pieces cannot be moved, the file continues to grow: the events matter more than the bound.
            if let Ok(file) = next_piece(&self.path) {
                (self.file, self.bytes) = (file, 0);
            }
        }
        self.bytes += self.collected.len() as u64;
        let written = self.file.write_all(&self.collected);
        self.collected.clear();
        written
    }
}

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = EventLines;

    fn make_writer(&'a self) -> EventLines {
        EventLines { log: self.clone(), is_urgent: false }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> EventLines {
        EventLines { log: self.clone(), is_urgent: *event.level() <= Level::WARN }
    }
}

impl Write for EventLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut open = self.log.0.lock();
        open.collected.extend_from_slice(bytes);
        if self.is_urgent || open.collected.len() > COLLECTED_BYTES_MAX {
            open.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.log.flush()
    }
}

/// Renames each piece to the next number, removes the oldest, and starts a new file.
fn next_piece(path: &Path) -> io::Result<File> {
    let piece = |number: u32| PathBuf::from(format!("{}.{number}", path.display()));
    for number in (1..PIECES_MAX).rev() {
        match fs::rename(piece(number), piece(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::rename(path, piece(1))?;
    append(path)
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    // Other users must not read the names of tables and columns.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("logs/elt.log");
        let write = |log: &LogFile, line: &str| {
            log.make_writer().write_all(line.as_bytes()).expect("collected");
            log.flush().expect("written");
        };
        let log = LogFile::bounded(&path, 100).expect("a log");
        for number in 0..100 {
            write(&log, &format!("{number:>59}\n"));
        }
        let mut names: Vec<_> = fs::read_dir(folder.path().join("logs"))
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["elt.log", "elt.log.1", "elt.log.2", "elt.log.3", "elt.log.4"]);
        let youngest = fs::read_to_string(&path).expect("the log");
        assert!(youngest.ends_with("99\n") && youngest.len() <= 160, "{youngest}");
        // Another command continues in the same file.
        write(&LogFile::bounded(&path, 1_000).expect("a log"), "more\n");
        assert!(fs::read_to_string(&path).expect("the log").ends_with("99\nmore\n"));
    }
}
