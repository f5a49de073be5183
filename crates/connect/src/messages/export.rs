//! The messages about connections to Postgres.

use std::time::Duration;

use elt_base::error::Error;

pub(crate) fn export_uri(message: impl Into<String>) -> Error {
    Error::usage("the target's Postgres URI is not valid").because(message)
}

pub(crate) fn export_ssl_mode(mode: &str) -> Error {
    Error::usage(format!("unknown `sslmode` `{mode}` in the target's Postgres URI"))
        .hint("`sslmode` must be `disable`, `prefer`, `require`, `verify-ca` or `verify-full`")
}

pub(crate) fn export_root_certificates(path: &str, cause: impl Into<String>) -> Error {
    Error::usage(format!("cannot read certificates from `{path}` (`sslrootcert`)")).because(cause)
}

pub(crate) fn export_unreachable(server: &str, tried: Duration, cause: impl Into<String>) -> Error {
    Error::failed(format!("cannot reach Postgres at `{server}` (tried for {:.1} s)", tried.as_secs_f32()))
        .because(cause)
}

pub(crate) fn server_silent(kind: &str, server: &str, waited: Duration, limit: &str) -> Error {
    let waited = waited.as_secs_f32();
    Error::failed(format!("{kind} at `{server}` accepts connections, but has not answered for {waited:.1} s"))
        .hint(format!("{limit}; another service, or a proxy without its server, may have this port"))
}

pub fn export_refused(server: &str, cause: impl Into<String>) -> Error {
    Error::failed(format!("cannot connect to Postgres at `{server}`")).because(cause)
}
