//! A text that must never be shown. Its `Debug` and `Display` are redacted.
//!
//! Does not know where secrets come from or what they are for.

use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Only for the call that opens a connection.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Replaces the secret, and the password in it if it is a URI, everywhere in a message
    /// that another library wrote.
    pub fn redact(&self, message: &str) -> String {
        let mut text = message.to_owned();
        if !self.0.is_empty() {
            text = text.replace(&self.0, "***");
        }
        for password in self.passwords() {
            text = text.replace(&password, "***");
        }
        text
    }

    /// The password of a URI or of a `key=value` connection string, both as written and percent-decoded.
    fn passwords(&self) -> Vec<String> {
        let mut found = Vec::new();
        let userinfo = self.0.split_once("://").and_then(|(_, rest)| {
            let authority = rest.split(['/', '?']).next().unwrap_or(rest);
            authority.rsplit_once('@').map(|(userinfo, _)| userinfo)
        });
        if let Some((_, password)) = userinfo.and_then(|text| text.split_once(':')) {
            found.push(password.to_owned());
            found.push(percent_decode(password));
        }
        for word in self.0.split([' ', '&', '?']) {
            if let Some(password) = word.strip_prefix("password=") {
                found.push(password.trim_matches('\'').to_owned());
            }
        }
        found.retain(|password| !password.is_empty());
        found
    }
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = (byte == b'%').then(|| tail.get(..2)).flatten();
        let code = hex.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[track_caller]
    fn check(secret: &str, message: &str, expected: &str) {
        assert_eq!(Secret::new(secret).redact(message), expected);
    }

    #[test]
    fn redacts_the_uri_and_its_password() {
        check("mongodb://ann:pa%40ss@h/db", "cannot open mongodb://ann:pa%40ss@h/db", "cannot open ***");
        check("mongodb://ann:pa%40ss@h/db", "bad password pa@ss", "bad password ***");
        check("host=h password=hush user=ann", "auth with hush failed", "auth with *** failed");
        check("postgres://h/db", "no route to h", "no route to h");
        assert_eq!(format!("{:?} {}", Secret::new("x"), Secret::new("x")), "*** ***");
    }
}
