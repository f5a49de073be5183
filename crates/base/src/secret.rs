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

    /// Replaces the secret, and the password in it if it is a URI, everywhere in a message that another library wrote.
    ///
    /// A password is replaced where it is a word of its own, because a short one is a part of many words. If the URI
    /// has a password that is not percent-encoded, the library may have quoted any part of it, so none of the message
    /// remains.
    pub fn redact(&self, message: &str) -> String {
        if let Some(character) = self.unescaped() {
            return unescaped_password(character);
        }
        let mut text = message.to_owned();
        if !self.0.is_empty() {
            text = text.replace(&self.0, "***");
        }
        for password in self.passwords() {
            text = replace_word(&text, &password);
        }
        text
    }

    /// The reason if a URI's user name or password is not percent-encoded. Otherwise a client may connect to a part of it.
    pub fn check_password(&self) -> Result<(), String> {
        self.unescaped().map_or(Ok(()), |character| Err(unescaped_password(character)))
    }

    /// A character of the user name or the password that must be percent-encoded in a URI and is not. A library then
    /// takes a part of the password for something else: a host, a port, a database, an option.
    fn unescaped(&self) -> Option<char> {
        let (_, rest) = self.0.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let after = &rest[authority.len()..];
        // `/?appName=ann@home`: an `@` may belong to an option.
        let is_host_list = |hosts: &str| hosts.split(',').all(|host| port_of(host).is_none_or(is_number));
        let before = after.rsplit_once('@').map(|(before, _)| before);
        let is_option = before.and_then(|before| before.split_once('?')).is_some_and(|(_, text)| text.contains('='));
        match authority.rsplit_once('@') {
            Some((userinfo, _)) if userinfo.contains('@') => Some('@'),
            Some((_, hosts)) => before.filter(|_| !is_option || !is_host_list(hosts)).map(|_| '@'),
            None => {
                let is_option =
                    is_option && is_host_list(authority) && (after.starts_with('/') || !authority.contains(':'));
                before.filter(|_| !is_option).and(after.chars().next())
            }
        }
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

/// The part behind the last colon of `host:port` or `[::1]:port`.
fn port_of(host: &str) -> Option<&str> {
    match host.rsplit_once(']') {
        Some((_, rest)) => rest.strip_prefix(':'),
        None => host.split_once(':').map(|(_, port)| port),
    }
}

fn is_number(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit())
}

fn unescaped_password(character: char) -> String {
    let code = u32::from(character);
    format!(
        "the user name or the password in the URI contains `{character}`, which must be written as `%{code:02X}` there"
    )
}

/// Replaces `word` where no letter or digit is beside it.
fn replace_word(text: &str, word: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (rest[..at].chars().next_back().or(shown.chars().next_back()), &rest[at + word.len()..]);
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_word = !is_part(before) && !is_part(after.chars().next());
        shown.push_str(&rest[..at]);
        shown.push_str(if is_word { "***" } else { word });
        rest = after;
    }
    shown.push_str(rest);
    shown
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
        check("postgres://ann:p@h/db", "cannot open the port `p` of host h", "cannot open the port `***` of host h");
        check("postgres://nouser:user@h/db", "role \"nouser\" does not exist", "role \"nouser\" does not exist");
        check("postgres://ann:hush@h/db", "hush hushed:hush", "*** hushed:***");
    }

    #[test]
    fn a_password_with_reserved_characters_is_never_quoted() {
        let part = |character: &str, code: &str| {
            format!(
                "the user name or the password in the URI contains `{character}`, which must be written as `%{code}` there"
            )
        };
        check("mongodb://bob:Hunter2?Sup3r@h/", "the port must be an integer, got Hunter2", &part("?", "3F"));
        check("mongodb://bob:12?x=y@h/", "host bob:12", &part("?", "3F"));
        check("postgres://ann:p@ss/w#1@h/db", "cannot connect to `ss:5432/w#1@h`", &part("@", "40"));
        check("postgres://ann:p/w@h/db", "host p", &part("/", "2F"));
        check("postgres://ann:p@ss:w@h:1/db", "host p", &part("@", "40"));
        check("mysql://ann:p#w@h/db", "host p", &part("#", "23"));
        check("mongodb://h:27017/?appName=ann@home", "no route to h", "no route to h");
        check("mongodb://ann:hush@h:27017,i:27018/?appName=ann@home", "no hush", "no ***");
        check("postgres://ann:hush@[::1]:5432/db", "no hush", "no ***");
        assert_eq!(format!("{:?} {}", Secret::new("x"), Secret::new("x")), "*** ***");
    }
}
