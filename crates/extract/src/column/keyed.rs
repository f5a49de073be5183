//! The columns of one object, by key: each has a name, and most objects have their keys in the order of the last one.
//!
//! A container: knows nothing of what its columns do.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::column::names::FieldNames;
use elt_base::schema::Column;

#[derive(Debug)]
pub struct Keyed<C> {
    fields: Vec<KeyedField<C>>,
    by_key: HashMap<Box<[u8]>, usize>,
    names: FieldNames,
    /// Last time, field `successor[i]` followed field i−1 (or was the first, for i = 0).
    successor: Vec<usize>,
}

#[derive(Debug)]
pub struct KeyedField<C> {
    pub name: String,
    /// The key and its NUL, as in a document.
    key: Box<[u8]>,
    pub column: C,
}

impl<C> KeyedField<C> {
    /// The key without its NUL.
    pub fn key(&self) -> Cow<'_, str> {
        let (_, key) = self.key.split_last().unwrap_or((&0, &[]));
        String::from_utf8_lossy(key)
    }
}

impl<C> Keyed<C> {
    pub fn new(names: FieldNames) -> Self {
        Self { fields: Vec::new(), by_key: HashMap::new(), names, successor: vec![0] }
    }

    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub fn names(&self) -> &FieldNames {
        &self.names
    }

    pub fn fields(&self) -> impl Iterator<Item = &KeyedField<C>> {
        self.fields.iter()
    }

    pub fn fields_mut(&mut self) -> impl Iterator<Item = &mut KeyedField<C>> {
        self.fields.iter_mut()
    }

    /// The column at `index`, in the order in which columns were added.
    pub fn column(&mut self, index: usize) -> Option<&mut C> {
        self.fields.get_mut(index).map(|field| &mut field.column)
    }

    /// Adds a column that has a name already. Does nothing if the name or the key is used.
    pub fn add_known(&mut self, known: &Column, column: C) {
        if !self.by_key.contains_key(known.key().as_bytes()) && self.names.take(&known.name) {
            self.push(known.name.clone(), known.key(), column);
        }
    }

    /// Adds a column for a key, under a free name. Does nothing if the key has a column.
    pub fn add_key(&mut self, key: &str, column: C) {
        if !self.by_key.contains_key(key.as_bytes()) {
            let name = self.names.take_for(key);
            self.push(name, key, column);
        }
    }

    /// Adds a column for a key that has none, under the name that the parts share. Returns its index.
    pub fn add_named(&mut self, name: String, key: &str, column: C) -> usize {
        self.names.take(&name);
        self.push(name, key, column);
        self.fields.len() - 1
    }

    fn push(&mut self, name: String, key: &str, column: C) {
        let index = self.fields.len();
        let mut key = key.as_bytes().to_vec();
        self.by_key.insert(key.clone().into(), index);
        key.push(0);
        self.fields.push(KeyedField { name, key: key.into(), column });
        self.successor.push(index + 1);
    }

    pub fn find(&self, key: &[u8]) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// The field that probably follows, and its key with the NUL. `previous` is 0 at an object's start, and the result
    /// of `follow` afterwards.
    #[inline]
    pub fn guess(&self, previous: usize) -> (usize, &[u8]) {
        let guess = self.successor[previous];
        (guess, self.fields.get(guess).map_or(&[][..], |field| &field.key))
    }

    /// Records that field `index` followed, and returns its column.
    #[inline]
    pub fn follow(&mut self, previous: &mut usize, index: usize) -> &mut C {
        self.successor[*previous] = index;
        *previous = index + 1;
        &mut self.fields[index].column
    }
}
