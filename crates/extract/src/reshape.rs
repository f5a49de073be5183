//! Rewrites a raw document: removes excluded fields, and masks others.
//!
//! Fields are chosen as in MongoDB's projection (manual, "Project Fields to Return from Query"): by one list, of
//! included or of excluded fields. A dotted path continues in each element of an array, also of nested arrays. Then
//! masking applies to the fields that are left.
//!
//! A value must not be seen because it has another kind than expected. So a path that is excluded or masked takes with it
//! any value above it that is neither an object nor an array, and keys that differ from it only in case. Pure: knows
//! nothing of sources or columns. Values are masked before any other code sees them.

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
mod tree;

use sha2::{Digest, Sha256};

use crate::bson::ejson;
use crate::bson::{DEPTH_MAX, Fields, Kind, Malformed, Value};
use tree::PathTree;

/// The replacement of a masked value. Null, undefined and missing values stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// A string: lowercase hexadecimal SHA-256 over a salt and the value (a string's bytes, an objectId's 24 digits,
    /// canonical Extended JSON of any other).
    Hash,
    Null,
}

/// The changes to each document of a collection.
#[derive(Clone)]
pub struct Reshape {
    shape: Option<FieldChoice>,
    mask: Option<PathTree<Mask>>,
    /// A hash that has already read the salt.
    salted: Sha256,
}

#[derive(Debug, Clone)]
enum FieldChoice {
    Include(PathTree<()>),
    Exclude(PathTree<()>),
}

/// Does not show the salt, which is a secret.
impl std::fmt::Debug for Reshape {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = formatter.debug_struct("Reshape");
        debug.field("shape", &self.shape).field("mask", &self.mask);
        debug.finish_non_exhaustive()
    }
}

impl Reshape {
    /// None if documents do not change. The error is a message that names paths.
    pub fn new(
        include: &[String],
        exclude: &[String],
        mask: &[(String, Mask)],
        salt: &[u8],
    ) -> Result<Option<Self>, String> {
        if !include.is_empty() && !exclude.is_empty() {
            return Err("`include` and `exclude` cannot be used together".to_owned());
        }
        if include.is_empty() && exclude.is_empty() && mask.is_empty() {
            return Ok(None);
        }
        if let Some(path) = exclude.iter().find(|path| is_id(path)) {
            return Err(format!("`{path}` cannot be excluded, because every document keeps its `_id`"));
        }
        if let Some((path, _)) = mask.iter().find(|(path, _)| is_id(path)) {
            return Err(format!("`{path}` cannot be masked, because `_id` identifies a document"));
        }
        if let Some(path) = include.iter().find(|path| is_id(path) && *path != "_id") {
            return Err(format!("`{path}` cannot be included alone, because `_id` is always kept whole"));
        }
        let marked = |paths: &[String]| PathTree::new(paths.iter().map(|path| (path.as_str(), ())));
        let shape = if !include.is_empty() {
            let mut tree = marked(include)?;
            tree.mark(b"_id", ());
            Some(FieldChoice::Include(tree))
        } else if !exclude.is_empty() {
            Some(FieldChoice::Exclude(marked(exclude)?))
        } else {
            None
        };
        let mask = match mask {
            [] => None,
            _ => Some(PathTree::new(mask.iter().map(|(path, mask)| (path.as_str(), *mask)))?),
        };
        let salted = Sha256::new_with_prefix(salt);
        Ok(Some(Self { shape, mask, salted }))
    }

    /// Replaces the content of `out` by the new document.
    pub fn apply<'b>(&self, document: &[u8], out: &'b mut Vec<u8>) -> Result<&'b [u8], Malformed> {
        out.clear();
        let level = Level {
            shape: match &self.shape {
                None => Chosen::All,
                Some(FieldChoice::Include(tree)) => Chosen::Only(tree),
                Some(FieldChoice::Exclude(tree)) => Chosen::Without(tree),
            },
            mask: self.mask.as_ref(),
        };
        let mut writer = Writer { document, out, salted: &self.salted };
        writer.object(Value { kind: Kind::Object, bytes: document, offset: 0 }, level, 0)?;
        Ok(out)
    }
}

/// The mask of a value above the end of paths.
fn whole_mask(tree: &PathTree<Mask>) -> Mask {
    if tree.any(&|mask| mask == Mask::Null) { Mask::Null } else { Mask::Hash }
}

fn is_id(path: &str) -> bool {
    path.split('.').next() == Some("_id")
}

/// The changes to one value and to all values below it.
#[derive(Debug, Clone, Copy)]
struct Level<'t> {
    shape: Chosen<'t>,
    mask: Option<&'t PathTree<Mask>>,
}

#[derive(Debug, Clone, Copy)]
enum Chosen<'t> {
    All,
    Nothing,
    /// Only these fields are kept. A value that is not an object or array is removed.
    Only(&'t PathTree<()>),
    /// These fields are removed, and so is a value that is not an object, an array or null.
    Without(&'t PathTree<()>),
}

impl<'t> Level<'t> {
    #[inline]
    fn below(self, key: &[u8]) -> Self {
        let shape = match self.shape {
            Chosen::All | Chosen::Nothing => self.shape,
            Chosen::Only(tree) => match tree.child(key) {
                None => Chosen::Nothing,
                Some(child) if child.is_end() => Chosen::All,
                Some(child) => Chosen::Only(child),
            },
            Chosen::Without(tree) => match tree.hidden_child(key) {
                None => Chosen::All,
                Some(child) if child.is_end() => Chosen::Nothing,
                Some(child) => Chosen::Without(child),
            },
        };
        Self { shape, mask: self.mask.and_then(|tree| tree.hidden_child(key)) }
    }

    /// The level of a document's `_id`, which is always kept whole.
    fn of_id(self) -> Self {
        let shape = match self.shape {
            Chosen::Only(_) => self.below(b"_id").shape,
            _ => Chosen::All,
        };
        Self { shape, mask: None }
    }

    fn is_untouched(self) -> bool {
        matches!((self.shape, self.mask), (Chosen::All, None))
    }
}

struct Writer<'d> {
    document: &'d [u8],
    out: &'d mut Vec<u8>,
    salted: &'d Sha256,
}

impl Writer<'_> {
    fn object(&mut self, object: Value<'_>, level: Level<'_>, depth: usize) -> Result<(), Malformed> {
        let start = self.open(object, depth)?;
        let mut fields = object.fields()?;
        // Adjacent elements without changes are copied together.
        let mut from = object.offset + 4;
        while let Some(element) = fields.next(&[])? {
            let is_id = depth == 0 && element.key == b"_id";
            let level = if is_id { level.of_id() } else { level.below(element.key) };
            if level.is_untouched() {
                continue;
            }
            self.copy(from, element.value.offset - element.key.len() - 2);
            from = element.value.offset + element.value.bytes.len();
            self.element(element.key, element.value, level, depth)?;
        }
        self.copy(from, object.offset + object.bytes.len() - 1);
        self.close(start, object)
    }

    /// Removed elements leave no gap: the indexes of the following elements become smaller.
    fn array(&mut self, array: Value<'_>, level: Level<'_>, depth: usize) -> Result<(), Malformed> {
        let start = self.open(array, depth)?;
        let mut fields: Fields<'_> = array.fields()?;
        let (mut index, mut digits) = (0, [0; INDEX_DIGITS]);
        while let Some(element) = fields.next(&[])? {
            if self.element(decimal(index, &mut digits), element.value, level, depth)? {
                index += 1;
            }
        }
        self.close(start, array)
    }

    /// Writes an element, if a part of it is left.
    fn element(&mut self, key: &[u8], value: Value<'_>, level: Level<'_>, depth: usize) -> Result<bool, Malformed> {
        let nests = matches!(value.kind, Kind::Object | Kind::Array);
        let is_left = match level.shape {
            Chosen::All => true,
            Chosen::Nothing => false,
            Chosen::Only(_) => nests,
            Chosen::Without(_) => nests || value.kind.is_null(),
        };
        if !is_left {
            return Ok(false);
        }
        let mask = match level.mask {
            // An object is masked where the path ends, and any other value also above.
            Some(tree) if value.kind != Kind::Object => tree.end().or(Some(whole_mask(tree))),
            tree => tree.and_then(PathTree::end),
        };
        match (mask, value.kind) {
            (_, Kind::Array) => {
                self.header(Kind::Array, key);
                self.array(value, level, depth + 1)?;
            }
            (Some(_), Kind::Null | Kind::Undefined) => {
                self.header(value.kind, key);
            }
            (Some(Mask::Null), _) => self.header(Kind::Null, key),
            (Some(Mask::Hash), _) => {
                let hash = self.hash(value, level.shape, depth)?;
                self.header(Kind::String, key);
                self.out.extend_from_slice(&(2 * hash.len() as u32 + 1).to_le_bytes());
                ejson::push_hex(self.out, &hash);
                self.out.push(0);
            }
            (None, Kind::Object) => {
                self.header(Kind::Object, key);
                self.object(value, level, depth + 1)?;
            }
            (None, _) => {
                self.header(value.kind, key);
                self.out.extend_from_slice(value.bytes);
            }
        }
        Ok(true)
    }

    fn hash(&mut self, value: Value<'_>, shape: Chosen<'_>, depth: usize) -> Result<[u8; 32], Malformed> {
        let mut hasher = self.salted.clone();
        match (value.kind, shape) {
            (Kind::String, _) => hasher.update(value.text()),
            (Kind::ObjectId, _) => {
                let mut digits = String::with_capacity(24);
                ejson::write_hex(&mut digits, value.object_id());
                hasher.update(digits);
            }
            (Kind::Object, Chosen::Only(_) | Chosen::Without(_)) => {
                // Temporarily, the object as it would be without the mask.
                let start = self.out.len();
                self.object(value, Level { shape, mask: None }, depth + 1)?;
                let bytes = self.out.get(start..).unwrap_or_default();
                hasher.update(ejson::canonical(Value { bytes, ..value })?);
                self.out.truncate(start);
            }
            _ => hasher.update(ejson::canonical(value)?),
        }
        Ok(hasher.finalize().into())
    }

    fn header(&mut self, kind: Kind, key: &[u8]) {
        self.out.push(kind.tag());
        self.out.extend_from_slice(key);
        self.out.push(0);
    }

    /// Copies bytes of the document, by their offsets in it.
    fn copy(&mut self, from: usize, to: usize) {
        self.out.extend_from_slice(self.document.get(from..to).unwrap_or_default());
    }

    /// Begins a document or array. Returns the offset of its length.
    fn open(&mut self, value: Value<'_>, depth: usize) -> Result<usize, Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed { offset: value.offset, what: "values are nested more than 250 levels deep" });
        }
        let start = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        Ok(start)
    }

    fn close(&mut self, start: usize, value: Value<'_>) -> Result<(), Malformed> {
        self.out.push(0);
        let too_long = Malformed { offset: value.offset, what: "the document is too long after masking" };
        let length = i32::try_from(self.out.len() - start).map_err(|_| too_long)?;
        match self.out.get_mut(start..start + 4) {
            Some(place) => place.copy_from_slice(&length.to_le_bytes()),
            None => return Err(too_long),
        }
        Ok(())
    }
}

/// The number of digits of the greatest possible index.
const INDEX_DIGITS: usize = 20;

/// Writes the key of an array's element.
fn decimal(index: usize, digits: &mut [u8; INDEX_DIGITS]) -> &[u8] {
    let mut rest = index;
    let mut start = INDEX_DIGITS;
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        start = place;
        if rest == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}
