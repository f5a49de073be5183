//! The variables that `${VAR}` and `env_var` read: the process's environment, which takes precedence, and the project's
//! `.env`.
//!
//! They are read once and passed on. This module never changes the process's own environment.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::messages;
use elt_base::error::Result;

/// Variables by name. Values may be secrets: Debug prints only the names.
#[derive(Clone, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
}

impl Environment {
    /// The process's environment, and the variables of `.env` in `root` that it does not set. Values that are not UTF-8
    /// are ignored.
    pub fn read(root: &Path) -> Result<Self> {
        let mut values = BTreeMap::new();
        let path = root.join(".env");
        if path.is_file() {
            let variables =
                dotenvy::from_path_iter(&path).map_err(|error| messages::malformed_env_file(None, &error))?;
            for variable in variables {
                let (name, value) = variable.map_err(|error| {
                    // The line may contain a secret, so only its number is reported.
                    let line = match &error {
                        dotenvy::Error::LineParse(text, _) => std::fs::read_to_string(&path)
                            .ok()
                            .and_then(|all| all.lines().position(|line| line.trim() == text.trim()))
                            .map(|index| index + 1),
                        _ => None,
                    };
                    messages::malformed_env_file(line, &error)
                })?;
                values.entry(name).or_insert(value);
            }
        }
        for (name, value) in std::env::vars_os() {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
                values.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(Self { values })
    }

    /// Exactly these variables.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { values: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The value of an argument, with every `${VAR}` and `${VAR:-default}` replaced.
    pub fn argument(&self, text: &str) -> Result<String> {
        self.fill(text).map_err(|unset| messages::unset_in_argument(&unset.written))
    }

    /// `text` with every `${VAR}` and `${VAR:-default}` replaced. As in a shell, the default also replaces an empty
    /// value. Fails with the range of the first part that has no value, and its variable's name (empty if the braces
    /// contain no name).
    pub(super) fn fill(&self, text: &str) -> Result<String, Unset> {
        let mut filled = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(start) = text[at..].find("${").map(|index| at + index) {
            filled.push_str(&text[at..start]);
            let Some(end) = text[start..].find('}').map(|index| start + index) else {
                return Err(Unset { written: text[start..].to_owned(), name: String::new() });
            };
            let (name, default) = match text[start + 2..end].split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (&text[start + 2..end], None),
            };
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let value = self.get(name).filter(|value| !value.is_empty() || default.is_none()).or(default);
            match value {
                Some(value) if is_name => filled.push_str(value),
                _ => {
                    let name = if is_name { name.to_owned() } else { String::new() };
                    return Err(Unset { written: text[start..=end].to_owned(), name });
                }
            }
            at = end + 1;
        }
        filled.push_str(&text[at..]);
        Ok(filled)
    }
}

/// A `${..}` that could not be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unset {
    /// Its text as written.
    pub written: String,
    /// The variable; empty if the braces contain no valid name.
    pub name: String,
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let environment = Environment::of([("HOST", "db"), ("EMPTY", "")]);
        let filled = environment.fill(text);
        assert_eq!(filled.as_deref().map_err(|unset| unset.name.as_str()), expected, "{text}");
    }

    #[test]
    fn fills_variables_in() {
        check("plain $HOST", Ok("plain $HOST"));
        check("a://${HOST}/x", Ok("a://db/x"));
        check("${HOST}${HOST:-y}", Ok("dbdb"));
        check("${NONE:-loans}", Ok("loans"));
        check("${NONE:-}", Ok(""));
        check("${EMPTY}", Ok(""));
        check("${EMPTY:-x}", Ok("x"));
        check("${NONE}", Err("NONE"));
        check("${HOST", Err(""));
        check("${a b}", Err(""));
    }

    #[track_caller]
    fn check_file(text: &str, expected: Result<&[(&str, Option<&str>)], &str>) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(".env"), text).expect("written");
        match (Environment::read(folder.path()), expected) {
            (Ok(environment), Ok(pairs)) => {
                for (name, value) in pairs {
                    assert_eq!(environment.get(name), *value, "{name}");
                }
                assert_eq!(
                    std::env::var("ELT_TEST_ONLY_IN_FILE").ok(),
                    None,
                    "the process's environment is left alone"
                );
            }
            (Err(error), Err(message)) => {
                assert_eq!(error.message(), message);
                assert!(!format!("{error:?}").contains("hush"));
            }
            (read, expected) => panic!("{read:?} is not {expected:?}"),
        }
    }

    #[test]
    fn reads_the_file_below_the_process() {
        let path = std::env::var("PATH").expect("there is a path");
        check_file(
            "PATH=x\nELT_TEST_ONLY_IN_FILE='a b'\n",
            Ok(&[("PATH", Some(path.as_str())), ("ELT_TEST_ONLY_IN_FILE", Some("a b")), ("ELT_TEST_NOWHERE", None)]),
        );
        check_file("A=1\nPASSWORD hush\n", Err("line 2 of `.env` is malformed"));
    }
}
