//! Names of sources and collections as folder names: any name becomes one folder, and can be read back.
//!
//! Letters, digits, `_` and `-` are kept, and so is `.` except at the start. Every other byte is `%` and two hex
//! digits. Some file systems treat names as equal that differ only in letter case or Unicode form. Of two such names,
//! the one that came later has `~` and a part of a digest at its end.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::disk::subfolders;
use elt_base::digest::sha256;
use elt_base::error::Result;
use elt_base::names::folded;

/// The folder of `name` below a folder: the existing one, or the one to create.
pub fn own(parent: &Path, name: &str) -> Result<PathBuf> {
    let plain = encode(name);
    let distinct = format!("{plain}~{}", &sha256(name)[..8]);
    let mut is_taken = false;
    for folder in subfolders(parent)? {
        let Some(there) = folder.file_name().and_then(|there| there.to_str()) else { continue };
        if there == plain || there == distinct {
            return Ok(folder);
        }
        is_taken |= folded(there) == folded(&plain);
    }
    Ok(parent.join(if is_taken { distinct } else { plain }))
}

/// The folder name of `name`.
pub fn encode(name: &str) -> String {
    let mut folder = String::with_capacity(name.len());
    for (index, letter) in name.char_indices() {
        if letter.is_alphanumeric() || matches!(letter, '_' | '-') || letter == '.' && index > 0 {
            folder.push(letter);
        } else {
            for byte in letter.encode_utf8(&mut [0; 4]).bytes() {
                // Writing into a `String` cannot fail.
                let _ = write!(folder, "%{byte:02x}");
            }
        }
    }
    if folder.is_empty() { "%".into() } else { folder }
}

#[cfg(test)]
mod tests {
    use super::{encode, own};

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(encode(name), expected);
    }

    #[test]
    fn names_that_a_file_system_treats_as_one() {
        let root = tempfile::tempdir().expect("a folder");
        let mut folders = std::collections::BTreeSet::new();
        for name in ["Order", "order", "ORDER", "prêts", "pre\u{302}ts", "Order"] {
            let folder = own(root.path(), name).expect("listed");
            std::fs::create_dir_all(&folder).expect("created");
            assert_eq!(own(root.path(), name).expect("listed"), folder, "{name}");
            let shown = folder.file_name().map(|name| name.to_string_lossy().to_lowercase());
            folders.extend(shown);
        }
        assert_eq!(folders.len(), 5, "{folders:?}");
    }

    #[test]
    fn any_name_is_one_folder() {
        check("loan_applications", "loan_applications");
        check("fs.files", "fs.files");
        check("..", "%2e.");
        check("../../etc", "%2e.%2f..%2fetc");
        check("a/b\0c%d", "a%2fb%00c%25d");
        check("prêts", "prêts");
        check("", "%");
    }
}
