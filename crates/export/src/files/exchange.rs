//! Replaces a folder with another one in one instant, and repairs the state that a killed run left.
//!
//! Knows paths only.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::temporary::TEMPORARY_START;

/// Ends the name of a folder that is moved aside while another one replaces it.
const ASIDE_END: &str = ".old";

/// Puts `new` where `place` is; what was there stands at `new` afterwards. Where the file system can exchange two
/// names, a reader always finds one of both.
pub fn exchange(new: &Path, place: &Path) -> io::Result<()> {
    if fs::symlink_metadata(place).is_err() {
        return fs::rename(new, place);
    }
    if exchange_names(new, place)? {
        return Ok(());
    }
    in_two_steps(new, place)
}

/// False if the file system cannot do this.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange_names(new: &Path, place: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;

    match renameat_with(CWD, new, CWD, place, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange_names(_new: &Path, _place: &Path) -> io::Result<bool> {
    Ok(false)
}

/// For a moment the place is empty.
fn in_two_steps(new: &Path, place: &Path) -> io::Result<()> {
    let aside = aside(place);
    fs::rename(place, &aside)?;
    if let Err(error) = fs::rename(new, place) {
        // As it was.
        let _ = fs::rename(&aside, place);
        return Err(error);
    }
    fs::rename(&aside, new)
}

fn aside(place: &Path) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!("{TEMPORARY_START}{name}{ASIDE_END}"))
}

/// Puts back the folders that were moved aside, or removes them if their places are in use.
pub fn repair(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Some(name) = name.strip_prefix(TEMPORARY_START).and_then(|name| name.strip_suffix(ASIDE_END)) else {
            continue;
        };
        let place = folder.join(name);
        if fs::symlink_metadata(&place).is_ok() {
            remove(&entry.path())?;
        } else {
            fs::rename(entry.path(), place)?;
        }
    }
    Ok(())
}

/// Removes a file or a whole folder.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(path: &Path, text: &str) {
        fs::create_dir(path).expect("a folder");
        fs::write(path.join("data"), text).expect("a file");
    }

    #[track_caller]
    fn check(path: &Path, expected: Option<&str>) {
        assert_eq!(fs::read_to_string(path.join("data")).ok().as_deref(), expected, "{}", path.display());
    }

    #[test]
    fn exchanges_and_repairs() {
        let root = tempfile::tempdir().expect("a folder");
        let (new, place) = (root.path().join("._elt_t.tmp"), root.path().join("t"));
        folder_with(&new, "1");
        exchange(&new, &place).expect("moved");
        check(&place, Some("1"));
        folder_with(&new, "2");
        exchange(&new, &place).expect("exchanged");
        check(&place, Some("2"));
        check(&new, Some("1"));
        in_two_steps(&new, &place).expect("exchanged");
        check(&place, Some("1"));
        check(&new, Some("2"));
        // Killed after the first step, and after the second.
        fs::rename(&place, aside(&place)).expect("moved");
        repair(root.path()).expect("repaired");
        check(&place, Some("1"));
        fs::rename(&new, aside(&place)).expect("moved");
        repair(root.path()).expect("repaired");
        check(&place, Some("1"));
        assert_eq!(fs::read_dir(root.path()).expect("a folder").count(), 1);
    }
}
