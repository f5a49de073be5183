//! A short hash that makes a name unique, and stays the same for ever.
//!
//! Pure.

/// Eight hexadecimal digits of a text's FNV-1a hash.
pub fn hash_tag(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{:08x}", hash >> 32)
}
