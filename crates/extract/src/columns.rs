//! The fields of one object level: which key goes to which column, and what becomes of keys that can have none.
//!
//! A key gets no column, so that its values are rescued, if the object is pinned without it, or if the object has as
//! many fields as it may (`FIELDS_MAX`, `TOP_FIELDS_MAX`) already. `names` says what the others are called. Knows nothing
//! of how a column stores its values.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::bson::{Fields, Malformed};
use crate::builder::ColumnBuilder;
use crate::census::{Counts, Keys};
use crate::names::Names;
use crate::rescue::{Context, Path};
use elt_base::batch::{Census, IdKind};
use elt_base::path::{Step, push_key};
use elt_base::schema::{Column, ColumnType, ID};

/// Columns of one nested object, at most: beyond, new keys are data.
pub const FIELDS_MAX: usize = 1_000;

/// Columns of the document itself, at most.
pub const TOP_FIELDS_MAX: usize = 10_000;

/// Keys without a column that are counted each by themselves; the rest share one count.
const ODD_MAX: usize = 1_000;

/// Builders of the fields of an object, by key.
#[derive(Debug)]
pub struct Columns {
    fields: Vec<Field>,
    odd: Vec<Odd>,
    by_key: HashMap<Box<[u8]>, Slot>,
    names: Names,
    /// After field i−1 (0: at the start) came field `successor[i]` last time.
    successor: Vec<usize>,
    fields_max: usize,
}

#[derive(Debug)]
struct Field {
    name: String,
    /// The key and its NUL, as it stands in a document.
    key: Box<[u8]>,
    column: ColumnBuilder,
}

impl Field {
    /// Without its NUL.
    fn key(&self) -> Cow<'_, str> {
        let (_, key) = self.key.split_last().unwrap_or((&0, &[]));
        String::from_utf8_lossy(key)
    }
}

/// A key without a column.
#[derive(Debug)]
struct Odd {
    key: Box<[u8]>,
    counts: Counts,
    /// One more than the last row that had it.
    seen_until: usize,
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Field(usize),
    Odd(usize),
}

impl Columns {
    /// Of a nested object; `closed` if no fields may be added.
    pub fn nested(closed: bool) -> Self {
        Self {
            fields: Vec::new(),
            odd: Vec::new(),
            by_key: HashMap::new(),
            names: Names::default(),
            successor: vec![0],
            fields_max: if closed { 0 } else { FIELDS_MAX },
        }
    }

    /// Of the document itself: its first column is `_id`.
    pub fn of_document(id_kind: IdKind) -> Self {
        let mut columns = Self { names: Names::of_document(), fields_max: TOP_FIELDS_MAX, ..Self::nested(false) };
        columns.add_known(&Column::new(ID, ColumnType::Varchar), ColumnBuilder::id(id_kind));
        columns
    }

    /// Adds a column that has its name already. Nothing happens if the name or the key is taken.
    pub fn add_known(&mut self, column: &Column, builder: ColumnBuilder) {
        if !self.by_key.contains_key(column.key().as_bytes()) && self.names.take(&column.name) {
            self.push(column.name.clone(), column.key(), builder);
        }
    }

    /// Adds a column for a key, under the name that is free for it. Nothing happens if the key has one.
    pub fn add_key(&mut self, key: &str, builder: ColumnBuilder) {
        if !self.by_key.contains_key(key.as_bytes()) {
            let name = self.names.take_for(key);
            self.push(name, key, builder);
        }
    }

    fn push(&mut self, name: String, key: &str, column: ColumnBuilder) {
        let index = self.fields.len();
        let mut key = key.as_bytes().to_vec();
        self.by_key.insert(key.clone().into(), Slot::Field(index));
        key.push(0);
        self.fields.push(Field { name, key: key.into(), column });
        self.successor.push(index + 1);
    }

    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Appends an object's values as row `row`. Columns that it does not name are filled later.
    pub fn append(
        &mut self,
        row: usize,
        mut elements: Fields<'_>,
        path: &Path<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Malformed> {
        let mut previous = 0;
        loop {
            let guess = self.successor[previous];
            let key = self.fields.get(guess).map_or(&[][..], |field| &field.key);
            let Some(element) = elements.next(key)? else { return Ok(()) };
            let slot = if element.guessed {
                Slot::Field(guess)
            } else {
                self.slot(element.key, element.value.offset, path, cx)?
            };
            let path = path.key(element.key);
            match slot {
                Slot::Field(index) => {
                    self.successor[previous] = index;
                    previous = index + 1;
                    let column = &mut self.fields[index].column;
                    if column.len() > row {
                        column.repeat(element.value, &path, cx)?;
                    } else {
                        column.append(row, element.value, &path, cx)?;
                    }
                }
                Slot::Odd(index) => {
                    let odd = &mut self.odd[index];
                    odd.counts.saw(element.value.kind, cx);
                    odd.counts.rescued(element.value.kind, cx);
                    // Where keys share one count, those within are data too.
                    let keys = if index < ODD_MAX { Keys::Named } else { Keys::Any };
                    odd.counts.look_within(element.value, keys, cx)?;
                    let repeated = odd.seen_until > row && index < ODD_MAX;
                    odd.seen_until = row + 1;
                    cx.rescue(&path, element.value, repeated)?;
                }
            }
        }
    }

    fn slot(&mut self, key: &[u8], offset: usize, path: &Path<'_>, cx: &Context<'_>) -> Result<Slot, Malformed> {
        if let Some(slot) = self.by_key.get(key) {
            return Ok(*slot);
        }
        let text = std::str::from_utf8(key).map_err(|_| Malformed { offset, what: "a key that is not UTF-8" })?;
        if self.fields.len() < self.fields_max {
            let name = match cx.agreed {
                Some(agreed) => agreed.name(path, text, &self.names),
                None => self.names.take_for(text),
            };
            self.names.take(&name);
            self.push(name, text, ColumnBuilder::untyped());
            return Ok(Slot::Field(self.fields.len() - 1));
        }
        if self.odd.len() <= ODD_MAX {
            // The last one, without a key, is all the others'.
            let key = if self.odd.len() < ODD_MAX { key } else { &[] };
            self.odd.push(Odd { key: key.into(), counts: Counts::default(), seen_until: 0 });
            if self.odd.len() <= ODD_MAX {
                self.by_key.insert(key.into(), Slot::Odd(self.odd.len() - 1));
            }
        }
        Ok(Slot::Odd(self.odd.len() - 1))
    }

    /// The builder at a place that `add` filled: 0 is the first.
    pub fn column(&mut self, index: usize) -> Option<&mut ColumnBuilder> {
        self.fields.get_mut(index).map(|field| &mut field.column)
    }

    pub fn named(&self) -> impl Iterator<Item = (&str, &ColumnBuilder)> {
        self.fields.iter().map(|field| (field.name.as_str(), &field.column))
    }

    pub fn named_mut(&mut self) -> impl Iterator<Item = (&str, &mut ColumnBuilder)> {
        self.fields.iter_mut().map(|field| (field.name.as_str(), &mut field.column))
    }

    /// The columns with their types as of now.
    pub fn types(&self) -> Vec<Column> {
        let column = |field: &Field| {
            let key = field.key();
            let key = (key != field.name).then(|| key.into_owned());
            Column { name: field.name.clone(), key, column_type: field.column.column_type() }
        };
        self.fields.iter().map(column).collect()
    }

    /// Begins a batch: rows count from 0 again.
    pub fn restart(&mut self) {
        for odd in &mut self.odd {
            odd.seen_until = 0;
        }
    }

    pub fn gather(&self, path: &str, census: &mut Census) {
        for field in &self.fields {
            let mut path = path.to_owned();
            push_key(&mut path, &field.key());
            field.column.gather(&path, census);
        }
        for (index, odd) in self.odd.iter().enumerate() {
            let mut path = path.to_owned();
            if index < ODD_MAX {
                push_key(&mut path, &String::from_utf8_lossy(&odd.key));
            } else {
                Step::OtherKeys.push(&mut path);
            }
            odd.counts.gather(&path, census);
        }
    }
}
