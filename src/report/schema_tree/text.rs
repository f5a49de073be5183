//! Trees for people: one line per field, nested by indentation, and the changes below.

use super::drift::Share;
use super::{Change, Field, Place, Tree};
use elt_base::numbers::counted;
use elt_base::numbers::thousands;
use elt_base::path::Step;
use elt_base::schema::ColumnType;

/// The largest width of a name or a type in columns. A longer one moves the next cell to the right.
const NAME_MAX: usize = 40;
const TYPE_MAX: usize = 32;

/// The number of characters to show of an example's `_id`.
const EXAMPLE_MAX: usize = 48;

/// What the shares of types are of.
pub const SHARES: &str = "shares are of all documents; below a field, of its objects or elements\n";

/// One line per collection, aligned.
pub fn summaries_text(trees: &[Tree]) -> String {
    let rows = trees.iter().map(|tree| {
        [tree.name.clone(), counted(tree.documents, "documents"), counted(tree.columns as u64, "columns"), noted(tree)]
    });
    let rows: Vec<[String; 4]> = rows.collect();
    let width = |cell: usize| rows.iter().map(|row| row[cell].chars().count()).max().unwrap_or(0);
    let [name_width, documents_width, columns_width] = [0, 1, 2].map(width);
    let mut text = String::new();
    for [name, documents, columns, rescued] in &rows {
        let line = format!("{name:<name_width$}  {documents:>documents_width$}  {columns:>columns_width$}  {rescued}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn noted(tree: &Tree) -> String {
    let loads = (tree.loads > 1).then(|| counted(tree.loads, "loads"));
    let rescued = (tree.rescued > 0).then(|| rescued(tree.rescued));
    let changes = tree.changes() as u64;
    let changed = (changes > 0).then(|| format!("{} by the last load", counted(changes, "changes")));
    loads.into_iter().chain(rescued).chain(changed).collect::<Vec<_>>().join(", ")
}

fn rescued(values: u64) -> String {
    format!("{} rescued", counted(values, "values"))
}

/// A heading, the fields, and the changes.
pub fn tree_text(tree: &Tree) -> String {
    let since = match tree.loads {
        0 | 1 => String::new(),
        loads => format!(" in {}, the last full one and those since", counted(loads, "loads")),
    };
    let columns = counted(tree.columns as u64, "columns");
    let mut text = format!("{}: {}{since}, {columns}", tree.name, counted(tree.documents, "documents"));
    if tree.rescued > 0 {
        text.push_str(&format!(", {}", rescued(tree.rescued)));
    }
    text.push('\n');

    let mut rows = Vec::new();
    let mut changes = Vec::new();
    tree.walk(&mut |field, depth| {
        if field.stands() {
            rows.push((
                mark(field),
                format!("{}{}", "  ".repeat(depth), label(&field.step)),
                place(field),
                kinds(field),
            ));
        }
        changes.extend(field.changes.iter().map(|change| (field.path.as_str(), told(change))));
    });
    let width = |cells: &mut dyn Iterator<Item = &String>, most: usize| {
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).min(most)
    };
    let name_width = width(&mut rows.iter().map(|row| &row.1), NAME_MAX);
    let place_width = width(&mut rows.iter().map(|row| &row.2), TYPE_MAX);
    for (mark, name, place, kinds) in &rows {
        let line = format!("{mark} {name:<name_width$}  {place:<place_width$}  {kinds}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if !rows.is_empty() {
        text.push_str(SHARES);
    }
    if !changes.is_empty() {
        text.push_str("changed by the last load:\n");
        let path_width =
            width(&mut changes.iter().map(|(path, _)| (*path).to_owned()).collect::<Vec<_>>().iter(), NAME_MAX);
        let mut above = "";
        for (path, told) in &changes {
            // Once for all changes of a path.
            let reaches = tree
                .reaches
                .get(*path)
                .filter(|_| above != *path)
                .map(|reaches| format!("; {reaches}"))
                .unwrap_or_default();
            text.push_str(&format!("  {path:<path_width$}  {told}{reaches}\n"));
            above = path;
        }
    }
    text
}

/// As in a diff.
fn mark(field: &Field) -> char {
    match field.changes.first() {
        None => ' ',
        Some(Change::NewPath(_)) => '+',
        Some(Change::GonePath(_)) => '-',
        Some(_) => '~',
    }
}

/// The text of a step at the end of a path.
fn label(step: &Step) -> String {
    let mut label = String::new();
    step.push(&mut label);
    match step {
        Step::AnyKey | Step::OtherKeys => label.split_off(1),
        _ => label,
    }
}

/// The column's type, after its name if the name differs from the key.
fn place(field: &Field) -> String {
    match &field.place {
        Place::Column { name, column_type } if field.step != Step::Key(name.clone()) => {
            format!("{} {}", elt_base::schema::quote(name), short(column_type))
        }
        Place::Column { column_type, .. } | Place::Element(column_type) => short(column_type),
        Place::InJson => "(in JSON)".into(),
        Place::Rescued => "(rescued)".into(),
    }
}

/// Without the fields of a STRUCT, because they are shown below it.
fn short(column_type: &ColumnType) -> String {
    match column_type {
        ColumnType::Struct(_) => "STRUCT".into(),
        ColumnType::List(element) => format!("{}[]", short(element)),
        ColumnType::BsonTimestamp => "STRUCT(t, i)".into(),
        ColumnType::Regex => "STRUCT(pattern, options)".into(),
        ColumnType::TimestampTz => "TIMESTAMPTZ".into(),
        other => other.sql(),
    }
}

fn kinds(field: &Field) -> String {
    if field.kinds.is_empty() {
        return "no value".into();
    }
    let kinds = field.kinds.iter().map(|kind| {
        let share = percent(Share { values: kind.values, of: field.of });
        let rescued = match kind.rescued {
            0 => return format!("{} {share}", kind.name),
            all if all == kind.values => thousands(all),
            some => format!("{} of {}", thousands(some), thousands(kind.values)),
        };
        format!("{} {share} ({rescued} rescued, {})", kind.name, such_as(kind.rescued, &kind.example))
    });
    let mut text = kinds.collect::<Vec<_>>().join(", ");
    if is_mostly_rescued(field) {
        text.push_str("  ← most values do not fit the column's type; pin `data_type`, or load with `--full-refresh`");
    }
    text
}

/// Whether most of a column's values are only in `_elt_rescued`.
fn is_mostly_rescued(field: &Field) -> bool {
    let (values, rescued) =
        field.kinds.iter().fold((0, 0), |(values, rescued), kind| (values + kind.values, rescued + kind.rescued));
    matches!(field.place, Place::Column { .. }) && rescued * 2 > values
}

fn told(change: &Change) -> String {
    match change {
        Change::NewPath(now) => format!("new, in {}", percent(*now)),
        Change::GonePath(before) => format!("gone, before in {}", percent(*before)),
        Change::NewType { kind, values, rescued, example } => {
            let rescued_too = match *rescued {
                0 => String::new(),
                all if all == *values => ", rescued".into(),
                some => format!(", {} rescued", thousands(some)),
            };
            let such_as = such_as(if *rescued > 0 { *rescued } else { *values }, example);
            format!("`{kind}` is new: {}{rescued_too}, {such_as}", counted(*values, "values"))
        }
        Change::GoneType { kind, before } => format!("`{kind}` is gone, before {}", percent(*before)),
        Change::Presence { before, now } => format!("in {}, before in {}", percent(*now), percent(*before)),
    }
}

/// With one decimal place. Only an exact 0 or 100 is shown as such.
fn percent(Share { values, of }: Share) -> String {
    if of == 0 {
        return "–".into();
    }
    let tenths = (u128::from(values) * 2000 / u128::from(of)).div_ceil(2);
    match (tenths, values == of) {
        (0, _) if values > 0 => "<0.1%".into(),
        (1000, false) if values < of => ">99.9%".into(),
        (tenths, _) if tenths.is_multiple_of(10) => format!("{}%", tenths / 10),
        (tenths, _) => format!("{}.{}%", tenths / 10, tenths % 10),
    }
}

/// An example document for this number of values.
fn such_as(values: u64, example: &str) -> String {
    let such_as = if values == 1 { "" } else { "such as " };
    format!("{such_as}_id {}", cut(example))
}

fn cut(example: &str) -> String {
    if example.chars().count() <= EXAMPLE_MAX {
        return example.to_owned();
    }
    example.chars().take(EXAMPLE_MAX - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{Share, percent};

    #[track_caller]
    fn check(values: u64, of: u64, expected: &str) {
        assert_eq!(percent(Share { values, of }), expected);
    }

    #[test]
    fn shares_are_rounded_but_not_to_none_or_all() {
        check(0, 3, "0%");
        check(1, 3, "33.3%");
        check(2, 3, "66.7%");
        check(3, 3, "100%");
        check(1, 100_000, "<0.1%");
        check(99_999, 100_000, ">99.9%");
        check(985, 1000, "98.5%");
        check(4, 2, "200%");
    }
}
