//! Walks raw BSON bytes: elements, their keys and value slices. Each bound is checked once, and nothing is copied.
//!
//! The format is bsonspec.org, version 1.1. No input causes a panic: bytes that violate the format result in a
//! `Malformed` with their byte offset. Knows nothing of columns, and not where the bytes come from.

pub mod decimal;
pub mod ejson;
pub mod id;

/// The deepest nesting that is accepted. The server itself accepts 100 levels.
pub const DEPTH_MAX: usize = 250;

/// The size of the largest document that is accepted. The server's limit is 16 MiB; other programs may write larger
/// dumps.
pub const DOCUMENT_BYTES_MAX: usize = 48 * 1024 * 1024;

/// The place where a document violates the format, in bytes from the document's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    pub offset: usize,
    pub what: &'static str,
}

/// The type of a BSON value. The numbers are the format's own tags, except those of `MinKey` and `MaxKey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    Double = 1,
    String,
    Object,
    Array,
    Binary,
    Undefined,
    ObjectId,
    Boolean,
    Date,
    Null,
    Regex,
    DbPointer,
    Code,
    Symbol,
    CodeWithScope,
    Int32,
    Timestamp,
    Int64,
    Decimal128,
    MinKey,
    MaxKey,
}

/// The greatest number of a `Kind`, plus one.
pub const KINDS: usize = 22;

use Kind::{
    Array, Binary, Boolean, Code, CodeWithScope, Date, DbPointer, Decimal128, Double, Int32, Int64, MaxKey, MinKey,
    Null, Object, ObjectId, Regex, String, Symbol, Timestamp, Undefined,
};

impl Kind {
    pub const ALL: [Kind; 21] = [
        Double,
        String,
        Object,
        Array,
        Binary,
        Undefined,
        ObjectId,
        Boolean,
        Date,
        Null,
        Regex,
        DbPointer,
        Code,
        Symbol,
        CodeWithScope,
        Int32,
        Timestamp,
        Int64,
        Decimal128,
        MinKey,
        MaxKey,
    ];

    fn from_tag(tag: u8) -> Option<Kind> {
        match tag {
            1..=19 => Self::ALL.get(usize::from(tag) - 1).copied(),
            0xff => Some(MinKey),
            0x7f => Some(MaxKey),
            _ => None,
        }
    }

    /// The tag of an element of this type.
    pub fn tag(self) -> u8 {
        match self {
            MinKey => 0xff,
            MaxKey => 0x7f,
            _ => self as u8,
        }
    }

    /// The alias of MongoDB's `$type` operator.
    pub fn name(self) -> &'static str {
        match self {
            Double => "double",
            String => "string",
            Object => "object",
            Array => "array",
            Binary => "binData",
            Undefined => "undefined",
            ObjectId => "objectId",
            Boolean => "bool",
            Date => "date",
            Null => "null",
            Regex => "regex",
            DbPointer => "dbPointer",
            Code => "javascript",
            Symbol => "symbol",
            CodeWithScope => "javascriptWithScope",
            Int32 => "int",
            Timestamp => "timestamp",
            Int64 => "long",
            Decimal128 => "decimal",
            MinKey => "minKey",
            MaxKey => "maxKey",
        }
    }

    pub fn is_null(self) -> bool {
        matches!(self, Null | Undefined)
    }
}

/// A value within a document: its bytes as the format stores them. Their length is already checked.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    pub kind: Kind,
    pub bytes: &'a [u8],
    /// The offset in bytes from the start of the outermost document.
    pub offset: usize,
}

/// The elements of one document or array, in order.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
    offset: usize,
}

/// An element: its key without the NUL, its value, and whether the key equals the guess.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    pub key: &'a [u8],
    pub value: Value<'a>,
    pub guessed: bool,
}

impl<'a> Fields<'a> {
    /// The elements of a whole document, whose bytes include the length prefix.
    pub fn new(document: &'a [u8]) -> Result<Self, Malformed> {
        Self::at(document, 0)
    }

    fn at(document: &'a [u8], offset: usize) -> Result<Self, Malformed> {
        let length = read_length(document, offset)?;
        if length != document.len() || length < 5 {
            return Err(Malformed { offset, what: "a document's length does not match its bytes" });
        }
        match document.get(4..length - 1).zip(document.get(length - 1)) {
            Some((rest, 0)) => Ok(Self { rest, offset: offset + 4 }),
            _ => Err(Malformed { offset: offset + length - 1, what: "a document does not end with a zero byte" }),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element. `guess` is a key with its NUL; it is compared before the key's end is searched.
    #[inline]
    pub fn next(&mut self, guess: &[u8]) -> Result<Option<Element<'a>>, Malformed> {
        let Some((&tag, rest)) = self.rest.split_first() else { return Ok(None) };
        let Some(kind) = Kind::from_tag(tag) else {
            return Err(Malformed { offset: self.offset, what: "an unknown element type" });
        };
        let guessed = !guess.is_empty() && starts_with(rest, guess);
        let key_length = if guessed {
            guess.len() - 1
        } else {
            match rest.iter().position(|&byte| byte == 0) {
                Some(length) => length,
                None => return Err(Malformed { offset: self.offset + 1, what: "a key does not end with a zero byte" }),
            }
        };
        let (key, value) = rest.split_at(key_length);
        let value = value.get(1..).unwrap_or_default();
        let offset = self.offset + key_length + 2;
        let length = value_length(kind, value, offset)?;
        let (Some(bytes), Some(rest)) = (value.get(..length), value.get(length..)) else {
            return Err(Malformed { offset, what: "a value is longer than the rest of its document" });
        };
        self.rest = rest;
        self.offset = offset + length;
        Ok(Some(Element { key, value: Value { kind, bytes, offset }, guessed }))
    }
}

/// Like `[u8]::starts_with`, but without a call to `memcmp`, which is slow for the few bytes of a key.
#[inline]
fn starts_with(bytes: &[u8], key: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..key.len()) else { return false };
    let (chunks, rest) = key.as_chunks::<8>();
    let (own_chunks, own_rest) = bytes.as_chunks::<8>();
    chunks.iter().zip(own_chunks).all(|(chunk, own)| u64::from_ne_bytes(*chunk) == u64::from_ne_bytes(*own))
        && rest.iter().zip(own_rest).all(|(byte, own)| byte == own)
}

fn read_length(bytes: &[u8], offset: usize) -> Result<usize, Malformed> {
    let Some(prefix) = bytes.first_chunk::<4>() else {
        return Err(Malformed { offset, what: "a length has fewer than four bytes" });
    };
    usize::try_from(i32::from_le_bytes(*prefix)).map_err(|_| Malformed { offset, what: "a length is negative" })
}

/// The length of a value in bytes. Checks that its last bytes are valid.
#[inline]
fn value_length(kind: Kind, bytes: &[u8], offset: usize) -> Result<usize, Malformed> {
    let malformed = |what| Err(Malformed { offset, what });
    Ok(match kind {
        Double | Date | Timestamp | Int64 => 8,
        Int32 => 4,
        Boolean => match bytes.first() {
            Some(0 | 1) => 1,
            _ => return malformed("a boolean is neither 0 nor 1"),
        },
        ObjectId => 12,
        Decimal128 => 16,
        Null | Undefined | MinKey | MaxKey => 0,
        String | Symbol | Code => {
            let length = read_length(bytes, offset)?;
            if length == 0 || bytes.get(length + 3) != Some(&0) {
                return malformed("a string does not end with a zero byte");
            }
            length + 4
        }
        Object | Array | CodeWithScope => {
            let length = read_length(bytes, offset)?;
            if length < 5 {
                return malformed("a length is below its minimum");
            }
            length
        }
        Binary => read_length(bytes, offset)? + 5,
        Regex => {
            let mut zeros = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0).map(|(index, _)| index);
            match (zeros.next(), zeros.next()) {
                (Some(_), Some(end)) => end + 1,
                _ => return malformed("a regular expression does not end with a zero byte"),
            }
        }
        DbPointer => {
            let length = read_length(bytes, offset)?;
            if length == 0 || bytes.get(length + 3) != Some(&0) {
                return malformed("a string does not end with a zero byte");
            }
            length + 4 + 12
        }
    })
}

impl<'a> Value<'a> {
    fn fixed<const N: usize>(&self) -> [u8; N] {
        self.bytes.first_chunk::<N>().copied().unwrap_or([0; N])
    }

    /// The number of an int32, int64, date or timestamp (as its 64 bits). 0 for other types.
    #[inline]
    pub fn integer(&self) -> i64 {
        match self.kind {
            Int32 => i64::from(i32::from_le_bytes(self.fixed())),
            _ => i64::from_le_bytes(self.fixed()),
        }
    }

    #[inline]
    pub fn double(&self) -> f64 {
        f64::from_le_bytes(self.fixed())
    }

    #[inline]
    pub fn boolean(&self) -> bool {
        self.bytes.first() == Some(&1)
    }

    pub fn decimal(&self) -> [u8; 16] {
        self.fixed()
    }

    /// The seconds and the increment of a timestamp.
    pub fn timestamp(&self) -> (u32, u32) {
        let bits = u64::from_le_bytes(self.fixed());
        ((bits >> 32) as u32, bits as u32)
    }

    /// The bytes of a string, symbol or code, or of the namespace of a DBPointer. They may not be UTF-8.
    #[inline]
    pub fn text(&self) -> &'a [u8] {
        let end = match self.kind {
            DbPointer => self.bytes.len().saturating_sub(13),
            _ => self.bytes.len().saturating_sub(1),
        };
        self.bytes.get(4..end).unwrap_or_default()
    }

    /// The twelve bytes of an objectId, or of the objectId in a DBPointer.
    pub fn object_id(&self) -> &'a [u8] {
        self.bytes.get(self.bytes.len().saturating_sub(12)..).unwrap_or_default()
    }

    /// The subtype and the payload of a binary. For the old subtype 2, the payload does not include its inner length.
    pub fn binary(&self) -> (u8, &'a [u8]) {
        let subtype = self.bytes.get(4).copied().unwrap_or_default();
        let payload = self.bytes.get(5..).unwrap_or_default();
        match payload.split_first_chunk::<4>() {
            Some((inner, data)) if subtype == 2 && i32::from_le_bytes(*inner) as usize == data.len() => (subtype, data),
            _ => (subtype, payload),
        }
    }

    /// The sixteen bytes of a UUID. Only subtype 4 is a UUID.
    pub fn uuid(&self) -> Option<&'a [u8; 16]> {
        match self.binary() {
            (4, payload) => payload.try_into().ok(),
            _ => None,
        }
    }

    /// The pattern and the options of a regular expression.
    pub fn regex(&self) -> (&'a [u8], &'a [u8]) {
        let mut parts = self.bytes.split(|byte| *byte == 0);
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    }

    /// The code's bytes of code with scope, and the scope as a value.
    pub fn code_with_scope(&self) -> Result<(&'a [u8], Value<'a>), Malformed> {
        let malformed = Malformed { offset: self.offset, what: "code with a scope does not match its length" };
        let code = self.bytes.get(4..).ok_or(malformed)?;
        let length = read_length(code, self.offset + 4)?;
        let end = length.checked_add(4).ok_or(malformed)?;
        let (Some(text), Some(scope)) = (code.get(4..end.saturating_sub(1)), code.get(end..)) else {
            return Err(malformed);
        };
        Ok((text, Value { kind: Object, bytes: scope, offset: self.offset + 4 + end }))
    }

    /// The elements of an object or array.
    pub fn fields(&self) -> Result<Fields<'a>, Malformed> {
        Fields::at(self.bytes, self.offset)
    }
}

/// Checks a document at all levels: its format, the UTF-8 of its keys, and its depth.
pub fn validate(document: &[u8]) -> Result<(), Malformed> {
    validate_fields(Fields::new(document)?, true, 0)
}

fn validate_fields(mut fields: Fields<'_>, keyed: bool, depth: usize) -> Result<(), Malformed> {
    while let Some(element) = fields.next(&[])? {
        let Element { key, value, .. } = element;
        // The keys of an array have no meaning.
        if keyed && !key.is_ascii() && std::str::from_utf8(key).is_err() {
            return Err(Malformed { offset: value.offset, what: "a key is not UTF-8" });
        }
        let scope;
        let below = match value.kind {
            Object | Array => value.fields()?,
            CodeWithScope => {
                (_, scope) = value.code_with_scope()?;
                scope.fields()?
            }
            _ => continue,
        };
        if depth >= DEPTH_MAX {
            return Err(Malformed { offset: value.offset, what: "values are nested more than 250 levels deep" });
        }
        validate_fields(below, value.kind != Array, depth + 1)?;
    }
    Ok(())
}

/// The value of a top-level key, if it exists in the document.
pub fn find<'a>(document: &'a [u8], key: &[u8]) -> Result<Option<Value<'a>>, Malformed> {
    let mut fields = Fields::new(document)?;
    while let Some(element) = fields.next(&[])? {
        if element.key == key {
            return Ok(Some(element.value));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{Fields, Kind, Malformed, Value};
    use bson::{doc, oid::ObjectId};

    /// Walks the whole document, and returns the kinds of its values.
    fn walk(mut fields: Fields<'_>, met: &mut Vec<&'static str>) -> Result<(), Malformed> {
        while let Some(element) = fields.next(b"a\0")? {
            met.push(element.value.kind.name());
            if matches!(element.value.kind, Kind::Object | Kind::Array) {
                walk(element.value.fields()?, met)?;
            }
        }
        Ok(())
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<&[&str], usize>) {
        let mut met = Vec::new();
        let result = Fields::new(bytes).and_then(|fields| walk(fields, &mut met));
        assert_eq!(result.map(|()| met.as_slice()).map_err(|error| error.offset), expected);
    }

    #[test]
    fn walks_what_is_sound() {
        let document = doc! { "a": 1_i32, "b": { "a": "x", "c": [true, ObjectId::from_bytes([7; 12])] } };
        let bytes = document.to_vec().unwrap();
        check(&bytes, Ok(&["int", "object", "string", "array", "bool", "objectId"]));
        check(&[5, 0, 0, 0, 0], Ok(&[]));
    }

    #[test]
    fn names_the_byte_that_breaks_the_format() {
        check(&[], Err(0));
        check(&[6, 0, 0, 0, 0], Err(0));
        check(&[5, 0, 0, 0, 1], Err(4));
        check(&[8, 0, 0, 0, 0x77, b'k', 0, 0], Err(4));
        check(&[8, 0, 0, 0, 0x0a, b'k', b'k', 0], Err(5));
        check(&[9, 0, 0, 0, 0x10, b'k', 0, 1, 0], Err(7));
        check(&[13, 0, 0, 0, 0x02, b'k', 0, 0xff, 0xff, 0xff, 0x7f, 0, 0], Err(7));
    }

    #[test]
    fn no_single_changed_byte_makes_it_panic() {
        let document = doc! { "a": [1_i64, { "b": "text" }, bson::Binary { subtype: 4.into(), bytes: vec![1; 16] }],
        "r": bson::Regex { pattern: bson::raw::CString::try_from("a").unwrap(), options: bson::raw::CString::try_from("i").unwrap() } };
        let bytes = document.to_vec().unwrap();
        for index in 0..bytes.len() {
            for byte in 0..=255 {
                let mut broken = bytes.clone();
                broken[index] = byte;
                if let Ok(fields) = Fields::new(&broken) {
                    let _ = walk(fields, &mut Vec::new());
                }
            }
            let _ = Fields::new(&bytes[..index]);
        }
        let value = Value { kind: Kind::CodeWithScope, bytes: &[1, 2], offset: 0 };
        assert!(value.code_with_scope().is_err());
    }
}
