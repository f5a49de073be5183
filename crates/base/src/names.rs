//! Names that different systems treat as one name.
//!
//! DuckDB ignores the letter case of names, MySQL also ignores accents and blanks at the end, and some file systems
//! ignore the case and the Unicode form. Text only: does not know what the names belong to.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The form in which names are compared that must be different everywhere: without letter case, Unicode form, and
/// blanks at the end.
pub fn folded(name: &str) -> String {
    let name = name.trim_end();
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    // Lowercase letters can have another composed form than their capitals.
    name.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// The form in which MySQL compares the names of columns: like `folded`, and without accents.
pub fn folded_without_accents(name: &str) -> String {
    let folded = folded(name);
    if folded.is_ascii() {
        return folded;
    }
    folded.nfd().filter(|c| !is_combining_mark(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::{folded, folded_without_accents};

    #[track_caller]
    fn check(one: &str, other: &str, are_alike: bool, are_alike_to_mysql: bool) {
        assert_eq!(folded(one) == folded(other), are_alike, "{one:?} and {other:?}");
        let to_mysql = folded_without_accents(one) == folded_without_accents(other);
        assert_eq!(to_mysql, are_alike_to_mysql, "{one:?} and {other:?}");
    }

    #[test]
    fn names_that_are_taken_for_one() {
        check("Order", "order", true, true);
        check("order ", "order", true, true);
        check(" order", "order", false, false);
        check("prêt", "PRÊT", true, true);
        check("pre\u{302}t", "prêt", true, true);
        check("PRE\u{302}T", "prêt", true, true);
        check("pret", "prêt", false, true);
        check("order_1", "order-1", false, false);
    }
}
