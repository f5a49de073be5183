//! Names of sources and collections as folder names: any name becomes one folder, and can be read back.
//!
//! Letters, digits, `_` and `-` are kept, and so is `.` except at the start. Every other byte is `%` and two hex
//! digits. Pure.

use std::fmt::Write;

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
    use super::encode;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(encode(name), expected);
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
