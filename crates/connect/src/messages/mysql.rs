//! The messages about connections to MySQL and MariaDB.

use std::time::Duration;

use elt_base::error::Error;

pub(crate) fn mysql_uri(cause: impl Into<String>) -> Error {
    Error::usage("the target's MySQL URI is not valid")
        .because(cause)
        .hint("the form is `mysql://user:password@host:port/database`, optionally with `?ssl-mode=…&ssl-ca=…`")
}

pub(crate) fn mysql_ssl_mode(mode: &str) -> Error {
    Error::usage(format!("unknown `ssl-mode` `{mode}` in the target's MySQL URI"))
        .hint("`ssl-mode` must be `disabled`, `preferred`, `required`, `verify_ca` or `verify_identity`")
}

pub(crate) fn mysql_unreachable(server: &str, tried: Duration, cause: impl Into<String>) -> Error {
    Error::failed(format!("cannot reach MySQL at `{server}` (tried for {:.1} s)", tried.as_secs_f32())).because(cause)
}

pub fn mysql_refused(server: &str, cause: impl Into<String>) -> Error {
    Error::failed(format!("cannot connect to MySQL at `{server}`")).because(cause)
}
