//! Files and folders that only their owner may read, because they contain rows.
//!
//! Only new ones are made private: a user who opens a folder to others finds it open at the next run. Knows nothing of
//! their content.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::Path;

/// Creates one folder.
pub fn create_folder(path: &Path) -> io::Result<()> {
    builder().create(path)
}

/// Creates a folder and those above it that do not exist.
pub fn create_folders(path: &Path) -> io::Result<()> {
    builder().recursive(true).create(path)
}

/// Closes a file that was just created to other users. Does nothing if it does not exist.
pub fn close_file(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if path.exists() {
        use std::os::unix::fs::PermissionsExt;
        return fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    }
    Ok(())
}

fn builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[track_caller]
    fn check(path: &Path, mode: u32) {
        assert_eq!(fs::metadata(path).expect("its mode").permissions().mode() & 0o777, mode, "{}", path.display());
    }

    #[test]
    fn others_cannot_read_what_is_new() {
        let scratch = std::env::temp_dir().join(format!("elt-private-{}", std::process::id()));
        let (open, new) = (scratch.join("open"), scratch.join("open/a/b"));
        fs::create_dir_all(&open).expect("a folder");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("its mode");
        create_folders(&new).expect("folders");
        fs::write(new.join("file"), "rows").expect("a file");
        close_file(&new.join("file")).expect("a closed file");
        close_file(&new.join("none")).expect("no file");
        check(&open, 0o755);
        check(&open.join("a"), 0o700);
        check(&new, 0o700);
        check(&new.join("file"), 0o600);
        fs::remove_dir_all(scratch).expect("an end");
    }
}
