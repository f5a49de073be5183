//! The origins and the uses of a column, as text for people.
//!
//! Knows only names and notes.

/// A field, and the fields after it.
#[derive(Debug, Clone)]
pub struct Branch {
    pub name: String,
    /// Empty, or a note about the field.
    pub note: String,
    pub below: Vec<Branch>,
}

/// Longer names push the next cell to the right.
const NAME_MAX: usize = 40;

/// The field, its origins, and the fields that it reaches.
pub fn tree_text(name: &str, note: &str, up: &[Branch], down: &[Branch]) -> String {
    let mut text = format!("{}\n", line(name, note));
    for (word, branches) in [("from", up), ("to", down)] {
        if !branches.is_empty() {
            text.push_str(&format!("  {word}\n"));
            write(&mut text, branches, "    ");
        }
    }
    text
}

fn write(text: &mut String, branches: &[Branch], indent: &str) {
    for (at, branch) in branches.iter().enumerate() {
        let is_last = at + 1 == branches.len();
        let (own, below) = if is_last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        text.push_str(&format!("{indent}{own}{}\n", line(&branch.name, &branch.note)));
        write(text, &branch.below, &format!("{indent}{below}"));
    }
}

fn line(name: &str, note: &str) -> String {
    if note.is_empty() { name.to_owned() } else { format!("{name} ({note})") }
}

/// One line per column: its name and the fields at the other end.
pub fn columns_text(name: &str, note: Option<&str>, is_made: bool, columns: &[(String, Vec<String>)]) -> String {
    let word = if is_made { "from" } else { "to" };
    let counted = elt_base::numbers::counted(columns.len() as u64, "columns");
    let mut text = line(&format!("{name}: {counted}"), note.unwrap_or_default());
    text.push('\n');
    let width = columns.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(NAME_MAX);
    for (name, ends) in columns {
        let ends = match ends.as_slice() {
            [] => "–".to_owned(),
            ends => format!("{word} {}", ends.join(", ")),
        };
        text.push_str(&format!("  {name:<width$}  {ends}\n"));
    }
    text
}
