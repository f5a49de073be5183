//! Patterns in selectors: shell patterns over names, with the rules of Python's `fnmatch`, and globs over paths.
//!
//! Knows texts, but not their meaning.

use regex::Regex;

/// A shell pattern: `*`, `?`, `[abc]`, `[!abc]`. Other characters match themselves, with letter case.
#[derive(Debug)]
pub(super) struct NamePattern {
    /// None if nothing can match.
    regex: Option<Regex>,
}

impl NamePattern {
    pub fn new(pattern: &str) -> Self {
        Self { regex: Regex::new(&format!("(?s)^{}$", translate(pattern))).ok() }
    }

    pub fn matches(&self, text: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(text))
    }
}

/// Whether a text contains a special character of patterns.
pub(super) fn is_wild(text: &str) -> bool {
    text.contains(['*', '?', '[', ']'])
}

fn translate(pattern: &str) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                let negated = chars.get(at) == Some(&'!');
                let first = at + usize::from(negated);
                // A bracket in the first position is part of the set.
                let from = if chars.get(first) == Some(&']') { first + 1 } else { first };
                match chars.iter().skip(from).position(|c| *c == ']') {
                    Some(length) => {
                        let set: String = chars[first..from + length].iter().collect();
                        out.push_str(if negated { "[^" } else { "[" });
                        for c in set.chars() {
                            if matches!(c, '\\' | '[' | ']' | '^' | '&' | '~') {
                                out.push('\\');
                            }
                            out.push(c);
                        }
                        out.push(']');
                        at = from + length + 1;
                    }
                    None => out.push_str("\\["),
                }
            }
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out
}

/// A glob over paths: `*` and `?` match within a folder's name, `**` matches any number of folders.
#[derive(Debug)]
pub(super) struct PathPattern {
    parts: Vec<PathPart>,
}

#[derive(Debug)]
enum PathPart {
    Any,
    Name(NamePattern),
}

impl PathPattern {
    /// `./` and trailing slashes are ignored.
    pub fn new(pattern: &str) -> Self {
        let names = pattern.split('/').filter(|part| !part.is_empty() && *part != ".");
        let parts = names.map(|name| if name == "**" { PathPart::Any } else { PathPart::Name(NamePattern::new(name)) });
        Self { parts: parts.collect() }
    }

    pub fn matches(&self, path: &std::path::Path) -> bool {
        let names: Vec<String> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        fits(&self.parts, &names)
    }
}

fn fits(parts: &[PathPart], names: &[String]) -> bool {
    match (parts.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((PathPart::Any, rest)), _) => (0..=names.len()).any(|skipped| fits(rest, &names[skipped..])),
        (Some((PathPart::Name(pattern), rest)), Some((name, names))) => pattern.matches(name) && fits(rest, names),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{NamePattern, PathPattern};

    #[test]
    fn names() {
        #[track_caller]
        fn check(pattern: &str, text: &str, expected: bool) {
            assert_eq!(NamePattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
        check("a*", "a.b/c", true);
        check("a?", "ab", true);
        check("a?", "a", false);
        check("[ab]c", "bc", true);
        check("[!ab]c", "bc", false);
        check("[]x]", "]", true);
        check("a[", "a[", true);
        check("a+b.c", "a+b.c", true);
        check("a.c", "abc", false);
        check("A", "a", false);
        check("[a-c]", "b", true);
    }

    #[test]
    fn paths() {
        #[track_caller]
        fn check(pattern: &str, path: &str, expected: bool) {
            assert_eq!(PathPattern::new(pattern).matches(std::path::Path::new(path)), expected, "{pattern} {path}");
        }
        check("./models/", "models", true);
        check("models/*", "models/a", true);
        check("models/*", "models/a/b", false);
        check("models/**", "models/a/b", true);
        check("**/*.sql", "models/a/b.sql", true);
        check("models/**/b.sql", "models/b.sql", true);
        check("models/a?", "models/a/b", false);
    }
}
