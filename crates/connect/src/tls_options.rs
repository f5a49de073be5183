//! Removes libpq's TLS options from a connection string, because the driver's parser knows only some of them.
//!
//! Pure text. Knows neither sockets nor certificates.

use crate::messages;
use elt_base::error::Result;

/// libpq's `sslmode`. `allow` is read as `prefer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// `prefer` by default, as in libpq.
    pub mode: TlsMode,
    /// A PEM file, or `system`.
    pub root_certificates: Option<String>,
}

/// Options of libpq that have no effect here. The driver would not accept a string with them.
const IGNORED: &[&str] = &["gssencmode", "sslcompression", "sslsni", "client_encoding", "krbsrvname"];

impl TlsOptions {
    /// Splits a connection string into the string without TLS options, and the TLS options.
    pub fn split(text: &str) -> Result<(String, Self)> {
        let mut options = Self { mode: TlsMode::Prefer, root_certificates: None };
        let is_uri = text.starts_with("postgres://") || text.starts_with("postgresql://");
        let rest = if is_uri { options.take_from_uri(text)? } else { options.take_from_words(text)? };
        Ok((rest, options))
    }

    fn take_from_uri(&mut self, text: &str) -> Result<String> {
        let Some((base, query)) = text.split_once('?') else { return Ok(text.to_owned()) };
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !self.take(name, &percent_decode(value))? {
                kept.push(pair);
            }
        }
        Ok(if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) })
    }

    fn take_from_words(&mut self, text: &str) -> Result<String> {
        let mut kept = Vec::new();
        for word in words(text) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            if !self.take(name.trim(), value.trim().trim_matches('\''))? {
                kept.push(word);
            }
        }
        Ok(kept.join(" "))
    }

    /// Whether the option is one of ours.
    fn take(&mut self, name: &str, value: &str) -> Result<bool> {
        match name {
            "sslmode" => {
                self.mode = match value {
                    "disable" => TlsMode::Disable,
                    "allow" | "prefer" => TlsMode::Prefer,
                    "require" => TlsMode::Require,
                    "verify-ca" => TlsMode::VerifyCa,
                    "verify-full" => TlsMode::VerifyFull,
                    _ => return Err(messages::export_ssl_mode(value)),
                }
            }
            "sslrootcert" => self.root_certificates = Some(value.to_owned()),
            _ => return Ok(IGNORED.contains(&name)),
        }
        Ok(true)
    }
}

/// `key=value` words. A value may be in single quotes, with backslashes.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'\'' => quoted = !quoted,
            b' ' | b'\t' | b'\n' if !quoted => {
                words.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    words.push(&text[start..]);
    words.retain(|word| !word.is_empty());
    words
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = (byte == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, rest: &str, mode: TlsMode, root: Option<&str>) {
        let expected = TlsOptions { mode, root_certificates: root.map(Into::into) };
        assert_eq!(TlsOptions::split(text).expect("options"), (rest.to_owned(), expected));
    }

    #[test]
    fn takes_the_options_out() {
        check("postgres://u:p@h/db", "postgres://u:p@h/db", TlsMode::Prefer, None);
        check(
            "postgresql://h/db?sslmode=verify-full&application_name=x&sslrootcert=%2Fa%20b.pem",
            "postgresql://h/db?application_name=x",
            TlsMode::VerifyFull,
            Some("/a b.pem"),
        );
        check("postgres://h/db?sslmode=disable", "postgres://h/db", TlsMode::Disable, None);
        check(
            "host=h password='a b\\'c' sslmode=verify-ca sslrootcert='/x'",
            "host=h password='a b\\'c'",
            TlsMode::VerifyCa,
            Some("/x"),
        );
        assert!(TlsOptions::split("postgres://h/db?sslmode=no").is_err());
    }
}
