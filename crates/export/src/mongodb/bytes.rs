//! Writes the bytes of BSON's elements.
//!
//! Format: <https://bsonspec.org/spec.html>. Knows no value of a relation.

/// Length, elements, and the zero byte at the end.
pub fn document<T>(out: &mut Vec<u8>, elements: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let done = elements(out);
    out.push(0);
    let length = (out.len() - start) as i32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    done
}

pub fn head(out: &mut Vec<u8>, kind: u8, name: &str) {
    out.push(kind);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
}

/// A string's length and bytes, behind its element's head.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as i32 + 1).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

pub fn int(out: &mut Vec<u8>, name: &str, value: i32) {
    head(out, 0x10, name);
    out.extend_from_slice(&value.to_le_bytes());
}

pub fn long(out: &mut Vec<u8>, name: &str, value: i64) {
    head(out, 0x12, name);
    out.extend_from_slice(&value.to_le_bytes());
}

pub fn double(out: &mut Vec<u8>, name: &str, value: f64) {
    head(out, 0x01, name);
    out.extend_from_slice(&value.to_le_bytes());
}

pub fn decimal(out: &mut Vec<u8>, name: &str, value: bson::Decimal128) {
    head(out, 0x13, name);
    out.extend_from_slice(&value.bytes());
}

pub fn binary(out: &mut Vec<u8>, name: &str, subtype: u8, bytes: &[u8]) {
    head(out, 0x05, name);
    out.extend_from_slice(&(bytes.len() as i32).to_le_bytes());
    out.push(subtype);
    out.extend_from_slice(bytes);
}

/// A document with more elements behind its own.
pub fn joined(document: &[u8], more: &bson::Document) -> Vec<u8> {
    let more = bson::serialize_to_vec(more).unwrap_or_default();
    let tail = more.get(4..).unwrap_or(&[0]);
    let mut joined = document[..document.len() - 1].to_vec();
    joined.extend_from_slice(tail);
    let length = (joined.len() as i32).to_le_bytes();
    joined[..4].copy_from_slice(&length);
    joined
}
