//! The messages of the MySQL and MariaDB target.

use std::time::Duration;

use elt_base::error::Error;

pub(crate) fn mysql_uri(cause: impl Into<String>) -> Error {
    Error::usage("the MySQL URI of the target cannot be read")
        .because(cause)
        .hint("`mysql://user:password@host:port/database`, with `?ssl-mode=` and `&ssl-ca=` if need be")
}

pub(crate) fn mysql_ssl_mode(mode: &str) -> Error {
    Error::usage(format!("unknown ssl-mode `{mode}` in the MySQL URI of the target"))
        .hint("`disabled`, `preferred`, `required`, `verify_ca` and `verify_identity` are known")
}

pub(crate) fn mysql_unreachable(server: &str, tried: Duration, cause: impl Into<String>) -> Error {
    Error::failed(format!("cannot reach MySQL at `{server}` (tried for {:.1} s)", tried.as_secs_f32())).because(cause)
}

pub fn mysql_refused(server: &str, cause: impl Into<String>) -> Error {
    Error::failed(format!("cannot connect to MySQL at `{server}`")).because(cause)
}
