//! The fields of a collection, from its census: columns, the types found with their shares, rescued values, changes.
//!
//! A pure value from the raw table's columns and counts. `text`, `json` and `yaml` write it. Knows no warehouse.

mod drift;
mod json;
#[cfg(test)]
mod tests;
mod text;
pub mod yaml;

use std::collections::BTreeMap;

use elt_base::census::{Census, Censuses, TypeCount};
use elt_base::path::{Step, steps};
use elt_base::schema::{Column, ColumnType, ID};

pub use drift::Change;
pub use json::{fields_json, summary_json};
pub use text::{summaries_text, tree_text};

/// The prefix of elt's own columns. No field of a document has it.
const OURS: &str = "_elt_";

/// A collection.
#[derive(Debug)]
pub struct Tree {
    /// `loans.customers`.
    pub name: String,
    /// The loads in the raw table, and the documents that they read.
    pub loads: u64,
    pub documents: u64,
    pub rescued: u64,
    /// `_id` and the fields' columns.
    pub columns: usize,
    pub fields: Vec<Field>,
    /// The columns that a changed path reaches, in words.
    pub reaches: BTreeMap<String, String>,
}

/// A path below a collection.
#[derive(Debug)]
pub struct Field {
    pub step: Step,
    pub path: String,
    pub place: Place,
    /// The most frequent first.
    pub kinds: Vec<KindCount>,
    /// The number of which the shares are computed: the documents, the objects that can contain a nested field, or the
    /// elements.
    pub of: u64,
    pub changes: Vec<Change>,
    pub fields: Vec<Field>,
}

/// The place where the values of a path are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Column {
        name: String,
        column_type: ColumnType,
    },
    Element(ColumnType),
    /// Inside a value that is stored as Extended JSON text.
    InJson,
    /// A rescued value, or a value inside one.
    Rescued,
}

/// How often a BSON type was found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindCount {
    pub name: String,
    pub values: u64,
    pub rescued: u64,
    pub example: String,
}

impl Field {
    /// Whether its values were found in the loads of the raw table, or whether it has a column there anyway.
    pub fn stands(&self) -> bool {
        !self.kinds.is_empty() || matches!(self.place, Place::Column { .. } | Place::Element(_))
    }

    /// This field and all below it, in the tree's order.
    fn walk<'f>(&'f self, depth: usize, visit: &mut dyn FnMut(&'f Field, usize)) {
        visit(self, depth);
        self.fields.iter().for_each(|field| field.walk(depth + 1, visit));
    }
}

impl Tree {
    /// `columns` are the raw table's, as the state has them: without `_id`.
    pub fn new(name: String, columns: &[Column], censuses: &Censuses) -> Self {
        let mut trie = Trie::default();
        let last = censuses.last.as_ref().unwrap_or(&censuses.standing);
        trie.grow(Set::Standing, &censuses.standing.census);
        trie.grow(Set::Last, &last.census);
        let mut of = ByLoads { standing: censuses.standing.documents, last: last.documents, before: 0 };
        if let Some(before) = &censuses.before {
            trie.grow(Set::Before, &before.census);
            of.before = before.documents;
        }
        let id = Column::new(ID, ColumnType::Varchar);
        let own = columns.iter().filter(|column| !column.name.starts_with(OURS));
        let columns: Vec<&Column> = std::iter::once(&id).chain(own).collect();
        let is_part = censuses.last.is_some();
        let fields = fields(&trie, &columns, &Place::Rescued, "", &Parent { objects: of, is_part });
        let standing = &censuses.standing;
        Self {
            name,
            loads: standing.loads,
            documents: standing.documents,
            rescued: standing.rescued,
            columns: columns.len(),
            fields,
            reaches: BTreeMap::new(),
        }
    }

    /// The number of changes by the last load.
    pub fn changes(&self) -> usize {
        let mut changes = 0;
        self.walk(&mut |field, _| changes += field.changes.len());
        changes
    }

    /// Every field with its depth, in the tree's order.
    pub fn walk<'t>(&'t self, visit: &mut dyn FnMut(&'t Field, usize)) {
        self.fields.iter().for_each(|field| field.walk(0, visit));
    }
}

/// The loads that a count covers.
#[derive(Clone, Copy)]
enum Set {
    Standing,
    Last,
    Before,
}

/// The censuses' paths as a tree.
#[derive(Debug, Default)]
struct Trie<'c> {
    counts: ByLoads<Option<&'c BTreeMap<String, TypeCount>>>,
    steps: BTreeMap<Step, Trie<'c>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct ByLoads<T> {
    standing: T,
    last: T,
    before: T,
}

impl<T> ByLoads<T> {
    fn map<U>(self, by: impl Fn(T) -> U) -> ByLoads<U> {
        ByLoads { standing: by(self.standing), last: by(self.last), before: by(self.before) }
    }
}

impl<'c> Trie<'c> {
    fn grow(&mut self, set: Set, census: &'c Census) {
        for (path, counts) in &census.0 {
            let end = steps(path).into_iter().fold(&mut *self, |trie, step| trie.steps.entry(step).or_default());
            let slot = match set {
                Set::Standing => &mut end.counts.standing,
                Set::Last => &mut end.counts.last,
                Set::Before => &mut end.counts.before,
            };
            *slot = Some(counts);
        }
    }

    fn values(&self, kind: &str) -> ByLoads<u64> {
        self.counts.map(|counts| counts.and_then(|counts| counts.get(kind)).map_or(0, |count| count.values))
    }

    fn all_values(&self) -> ByLoads<u64> {
        self.counts.map(|counts| counts.map_or(0, |counts| counts.values().map(|count| count.values).sum()))
    }
}

/// The value that contains a field.
struct Parent {
    /// How often it was an object (for the document: the number of documents), or an array if elements are counted.
    objects: ByLoads<u64>,
    /// Whether the last load read only a part of the collection.
    is_part: bool,
}

/// The fields of an object: those with columns in the order of the columns, then the others. `place` is the place of
/// the others.
fn fields(trie: &Trie<'_>, columns: &[&Column], place: &Place, path: &str, parent: &Parent) -> Vec<Field> {
    let nothing = Trie::default();
    let mut found = Vec::new();
    for column in columns {
        let step = Step::Key(column.key().to_owned());
        let trie = trie.steps.get(&step).unwrap_or(&nothing);
        let place = Place::Column { name: column.name.clone(), column_type: column.column_type.clone() };
        found.push(field(step, trie, place, path, parent));
    }
    let others = trie.steps.iter().filter(|(step, _)| match step {
        Step::Key(key) => !columns.iter().any(|column| column.key() == key),
        Step::AnyKey | Step::OtherKeys => true,
        Step::Element => false,
    });
    found.extend(others.map(|(step, trie)| field(step.clone(), trie, place.clone(), path, parent)));
    found
}

fn field(step: Step, trie: &Trie<'_>, place: Place, above: &str, parent: &Parent) -> Field {
    let mut path = above.to_owned();
    step.push(&mut path);
    let all = trie.all_values();
    let of = if matches!(step, Step::Key(_)) { parent.objects } else { all };
    let mut kinds: Vec<KindCount> = trie.counts.standing.into_iter().flatten().map(kind_count).collect();
    kinds.sort_by(|a, b| b.values.cmp(&a.values).then_with(|| a.name.cmp(&b.name)));

    let seen = |counts, of, could| drift::Seen { counts, of, could };
    let before = seen(trie.counts.before, of.before, parent.objects.before);
    let last = seen(trie.counts.last, of.last, parent.objects.last);
    let changes = drift::changes(&before, &last, parent.is_part);

    let (columns, beside): (Vec<&Column>, Place) = match &place {
        Place::Column { column_type: ColumnType::Struct(fields), .. } | Place::Element(ColumnType::Struct(fields)) => {
            (fields.iter().collect(), Place::Rescued)
        }
        Place::Column { column_type: ColumnType::Json, .. } | Place::Element(ColumnType::Json) | Place::InJson => {
            (Vec::new(), Place::InJson)
        }
        // The only text column that can store objects, as Extended JSON.
        Place::Column { name, .. } if above.is_empty() && name == ID => (Vec::new(), Place::InJson),
        _ => (Vec::new(), Place::Rescued),
    };
    let element = match &place {
        Place::Column { column_type: ColumnType::List(element), .. } | Place::Element(ColumnType::List(element)) => {
            Place::Element((**element).clone())
        }
        _ => beside.clone(),
    };
    let within = |kind: &str| Parent { objects: trie.values(kind), is_part: parent.is_part };
    let mut below = fields(trie, &columns, &beside, &path, &within("object"));
    // Perhaps no element was ever found, but the type of the column defines the elements.
    let is_nested = matches!(&element, Place::Element(ColumnType::Struct(_) | ColumnType::List(_)));
    let nothing = Trie::default();
    if let Some(elements) = trie.steps.get(&Step::Element).or(is_nested.then_some(&nothing)) {
        // Fields with columns come first.
        let at = if columns.is_empty() { 0 } else { below.len() };
        below.insert(at, field(Step::Element, elements, element, &path, &within("array")));
    }
    Field { step, path, place, kinds, of: of.standing, changes, fields: below }
}

fn kind_count((name, count): (&String, &TypeCount)) -> KindCount {
    KindCount { name: name.clone(), values: count.values, rescued: count.rescued, example: count.example.clone() }
}
