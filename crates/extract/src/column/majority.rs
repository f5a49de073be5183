//! Chooses the columns again after a whole reading, if a sample chose a kind that most values do not have.
//!
//! A column stores the values of one kind; all others are rescued, and counted here by their own kinds. If one of those
//! kinds has more values than the column could store, its column takes the place of the first. Knows no documents.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::column::shape::Shape;
use elt_base::census::Census;
use elt_base::path::{path_of_key, push_key};
use elt_base::reading::{IdKind, Reading};
use elt_base::schema::{Column, ColumnType, ID, Nesting};

/// The values that did not fit their columns, by path, of all parts of a load.
#[derive(Debug, Default)]
pub struct Misfits(Mutex<HashMap<String, Shape>>);

/// Columns, and the kind of most `_id`s, that fit more values than those of the reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Better {
    pub columns: Vec<Column>,
    pub id_kind: Option<IdKind>,
}

impl Misfits {
    /// Adds the misfits of one part.
    pub fn add(&self, part: Vec<(String, Shape)>) {
        let mut all = self.0.lock();
        for (path, shape) in part {
            all.entry(path).or_default().merge(shape);
        }
    }

    /// The columns that fit more values. None if there are none. Columns for which `is_fixed` is true stay as they are,
    /// and so does the kind of `_id`s if `has_fixed_ids`.
    pub fn better(&self, reading: &Reading, is_fixed: &dyn Fn(&str) -> bool, has_fixed_ids: bool) -> Option<Better> {
        let shapes = self.0.lock();
        let choice = Choice { shapes: &shapes, census: &reading.census };
        let columns: Vec<Column> = reading
            .columns
            .iter()
            .map(|column| match is_fixed(&column.name) {
                true => column.clone(),
                false => choice.column(column, &path_of_key(column.key()), Nesting::COLUMN),
            })
            .collect();
        let id_kind = if has_fixed_ids { reading.id_kind } else { id_kind(reading) };
        let is_better = columns != reading.columns || id_kind != reading.id_kind;
        is_better.then_some(Better { columns, id_kind })
    }
}

/// Whether a column of the reading stores fewer values than one of the kinds that it rescued has. This needs no misfits,
/// so it is also known of parts that an earlier run read.
pub fn is_doubtful(reading: &Reading) -> bool {
    let choice = Choice { shapes: &HashMap::new(), census: &reading.census };
    reading.columns.iter().any(|column| choice.is_doubtful(&column.column_type, &path_of_key(column.key())))
}

struct Choice<'r> {
    shapes: &'r HashMap<String, Shape>,
    census: &'r Census,
}

impl Choice<'_> {
    fn column(&self, column: &Column, path: &str, at: Nesting) -> Column {
        Column { column_type: self.column_type(&column.column_type, path, at), ..column.clone() }
    }

    fn column_type(&self, have: &ColumnType, path: &str, at: Nesting) -> ColumnType {
        if let Some(shape) = self.shapes.get(path)
            && shape.storable() > self.stored(path)
        {
            return shape.column_type(at);
        }
        match have {
            ColumnType::Struct(fields) => {
                let field = |field: &Column| {
                    let mut path = path.to_owned();
                    push_key(&mut path, field.key());
                    self.column(field, &path, at.field())
                };
                ColumnType::Struct(fields.iter().map(field).collect())
            }
            ColumnType::List(element) => {
                ColumnType::List(Box::new(self.column_type(element, &format!("{path}[]"), at.element())))
            }
            other => other.clone(),
        }
    }

    fn is_doubtful(&self, column_type: &ColumnType, path: &str) -> bool {
        let stored = self.stored(path);
        let mut kinds = self.census.0.get(path).into_iter().flatten();
        if *column_type != ColumnType::Null && kinds.any(|(_, count)| count.rescued > stored) {
            return true;
        }
        match column_type {
            ColumnType::Struct(fields) => fields.iter().any(|field| {
                let mut path = path.to_owned();
                push_key(&mut path, field.key());
                self.is_doubtful(&field.column_type, &path)
            }),
            ColumnType::List(element) => self.is_doubtful(element, &format!("{path}[]")),
            _ => false,
        }
    }

    /// The number of values in the column.
    fn stored(&self, path: &str) -> u64 {
        let kinds = self.census.0.get(path).into_iter().flatten();
        let not_null = kinds.filter(|(kind, _)| !matches!(kind.as_str(), "null" | "undefined"));
        not_null.map(|(_, count)| count.values.saturating_sub(count.rescued)).sum()
    }
}

/// The kind of most `_id`s. In a tie, or if the census does not show it, the reading's.
fn id_kind(reading: &Reading) -> Option<IdKind> {
    let Some(kinds) = reading.census.0.get(ID) else { return reading.id_kind };
    let count =
        |names: &[&str]| -> u64 { names.iter().filter_map(|name| kinds.get(*name)).map(|count| count.values).sum() };
    let counts = [
        (IdKind::ObjectId, count(&["objectId"])),
        (IdKind::Text, count(&["string"])),
        (IdKind::Number, count(&["int", "long", "double", "decimal"])),
        (IdKind::Date, count(&["date"])),
    ];
    let all: u64 = kinds.values().map(|count| count.values).sum();
    let other = all - counts.iter().map(|(_, count)| count).sum::<u64>();
    let have = reading
        .id_kind
        .map_or(0, |have| counts.iter().find(|(kind, _)| *kind == have).map_or(other, |(_, count)| *count));
    let most = counts.iter().max_by_key(|(_, count)| *count)?;
    if most.1 > have && most.1 > other { Some(most.0) } else { reading.id_kind }
}
