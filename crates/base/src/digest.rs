//! Checksums in hexadecimal: SHA-256 of file texts and of fingerprints, and MD5 for the names of dbt's
//! generic tests. Pure.

use md5::Md5;
use sha2::{Digest, Sha256};

pub fn sha256(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

pub fn md5(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
