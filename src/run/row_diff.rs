//! Compares expected rows with actual rows, and draws the differences for people.
//!
//! Pure. Values are texts; None is NULL. Compares the rows as multisets.

use std::collections::HashMap;

/// One value as text; None is NULL.
type Row = Vec<Option<String>>;

/// The largest number of differing rows to show, and the width of a value in them.
const ROWS_MAX: usize = 20;
const WIDTH_MAX: usize = 48;

/// The differences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowDiff {
    /// `1 row differs, 2 are missing`.
    pub summary: String,
    /// The differing rows below each other, with marks at the changed values. Ends with a line end.
    pub picture: String,
}

/// None if both sides have the same rows in any order.
pub fn row_diff(columns: &[String], expected: &[Row], actual: &[Row]) -> Option<RowDiff> {
    let (mut missing, mut unexpected) = leftovers(expected, actual);
    if missing.is_empty() && unexpected.is_empty() {
        return None;
    }
    let pairs = pairs(&mut missing, &mut unexpected);
    let as_expected = expected.len() - pairs.len() - missing.len();
    let mut parts = Vec::new();
    for (count, one, many) in [
        (pairs.len(), "row differs", "rows differ"),
        (missing.len(), "row is missing", "rows are missing"),
        (unexpected.len(), "row is not expected", "rows are not expected"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {}", if count == 1 { one } else { many }));
        }
    }
    let mut lines: Vec<Line> = Vec::new();
    for (expected, actual) in &pairs {
        let changed = expected.iter().zip(actual).map(|(a, b)| a != b).collect();
        lines.push(Line { sign: '-', values: shown(expected), changed: Vec::new() });
        lines.push(Line { sign: '+', values: shown(actual), changed });
    }
    lines.extend(missing.iter().map(|row| Line { sign: '-', values: shown(row), changed: Vec::new() }));
    lines.extend(unexpected.iter().map(|row| Line { sign: '+', values: shown(row), changed: Vec::new() }));
    let left = lines.len().saturating_sub(ROWS_MAX);
    lines.truncate(ROWS_MAX);
    let mut picture = picture(columns, &lines);
    if left > 0 {
        picture.push_str(&format!("  … and {left} more\n"));
    }
    picture.push_str("  - expected, + actual");
    if as_expected > 0 {
        let noun = if as_expected == 1 { "row is" } else { "rows are" };
        picture.push_str(&format!("; {as_expected} {noun} as expected"));
    }
    picture.push('\n');
    Some(RowDiff { summary: parts.join(", "), picture })
}

/// The expected rows that are missing, and the actual rows that are not expected.
fn leftovers(expected: &[Row], actual: &[Row]) -> (Vec<Row>, Vec<Row>) {
    let mut counts: HashMap<&Row, usize> = HashMap::new();
    for row in actual {
        *counts.entry(row).or_default() += 1;
    }
    let mut missing = Vec::new();
    for row in expected {
        match counts.get_mut(row) {
            Some(count) if *count > 0 => *count -= 1,
            _ => missing.push(row.clone()),
        }
    }
    let mut unexpected = Vec::new();
    for row in actual {
        if let Some(count) = counts.get_mut(row).filter(|count| **count > 0) {
            *count -= 1;
            unexpected.push(row.clone());
        }
    }
    (missing, unexpected)
}

/// Pairs the rows that probably belong together: those with the most values in common. Earlier columns count more.
fn pairs(missing: &mut Vec<Row>, unexpected: &mut Vec<Row>) -> Vec<(Row, Row)> {
    /// Above this number nobody reads the pairs.
    const COMPARED_MAX: usize = 200;
    let likeness = |a: &Row, b: &Row| -> usize {
        let alike = a.iter().zip(b).enumerate().filter(|(_, (a, b))| a == b && a.is_some());
        alike.map(|(index, _)| 2 * a.len() - index).sum()
    };
    let mut scored = Vec::new();
    for (m, expected) in missing.iter().enumerate().take(COMPARED_MAX) {
        for (u, actual) in unexpected.iter().enumerate().take(COMPARED_MAX) {
            let score = likeness(expected, actual);
            // With only one column, rows have nothing in common unless the value is equal.
            if score > 0 || (missing.len() == 1 && unexpected.len() == 1) {
                scored.push((score, m, u));
            }
        }
    }
    scored.sort_by_key(|(score, m, u)| (std::cmp::Reverse(*score), *m, *u));
    let mut taken: Vec<(usize, usize)> = Vec::new();
    for (_, m, u) in scored {
        if taken.iter().all(|(other_m, other_u)| *other_m != m && *other_u != u) {
            taken.push((m, u));
        }
    }
    taken.sort_unstable();
    let found = taken.iter().map(|(m, u)| (missing[*m].clone(), unexpected[*u].clone())).collect();
    let mut index = 0;
    missing.retain(|_| {
        index += 1;
        taken.iter().all(|(m, _)| *m != index - 1)
    });
    index = 0;
    unexpected.retain(|_| {
        index += 1;
        taken.iter().all(|(_, u)| *u != index - 1)
    });
    found
}

struct Line {
    sign: char,
    values: Vec<String>,
    /// The values to mark; empty for none.
    changed: Vec<bool>,
}

fn shown(row: &Row) -> Vec<String> {
    let cell = |value: &Option<String>| {
        let text = match value {
            None => return "NULL".to_owned(),
            Some(text) if text.is_empty() => return "''".to_owned(),
            Some(text) => text.replace('\n', "⏎"),
        };
        if text.chars().count() <= WIDTH_MAX {
            return text;
        }
        text.chars().take(WIDTH_MAX - 1).chain(['…']).collect()
    };
    row.iter().map(cell).collect()
}

fn picture(columns: &[String], lines: &[Line]) -> String {
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, name)| {
            lines.iter().filter_map(|line| line.values.get(index)).map(|text| width(text)).fold(width(name), usize::max)
        })
        .collect();
    let row = |values: &[String]| -> String {
        let padded = values.iter().zip(&widths).map(|(text, column)| {
            let gap = column.saturating_sub(width(text));
            format!("{text}{}", " ".repeat(gap))
        });
        padded.collect::<Vec<_>>().join(" | ").trim_end().to_owned()
    };
    let mut text = format!("    {}\n", row(columns));
    for line in lines {
        text.push_str(&format!("  {} {}\n", line.sign, row(&line.values)));
        if line.changed.contains(&true) {
            let marks = line.changed.iter().zip(&widths).zip(&line.values).map(|((changed, column), value)| {
                let mark = if *changed { "^" } else { " " };
                let marked = if *changed { width(value) } else { 0 };
                format!("{}{}   ", mark.repeat(marked), " ".repeat(column.saturating_sub(marked)))
            });
            text.push_str(&format!("    {}\n", marks.collect::<String>().trim_end()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Row, row_diff};

    /// Rows as `1,a;2,b`; `~` is NULL.
    fn rows(text: &str) -> Vec<Row> {
        let cell = |text: &str| (text != "~").then(|| text.to_owned());
        text.split(';').filter(|row| !row.is_empty()).map(|row| row.split(',').map(cell).collect()).collect()
    }

    #[track_caller]
    fn check(expected: &str, actual: &str, shown: &str) {
        let columns = ["id".to_owned(), "name".to_owned()];
        let diff = row_diff(&columns, &rows(expected), &rows(actual));
        let found = diff.map_or_else(String::new, |diff| format!("{}\n{}", diff.summary, diff.picture));
        assert_eq!(found.trim_end(), shown.trim_end());
    }

    #[test]
    fn rows_are_a_multiset() {
        check("1,a;2,b", "2,b;1,a", "");
        check("", "", "");
        check(
            "1,a",
            "1,a;1,a",
            "1 row is not expected\n    id | name\n  + 1  | a\n  - expected, + actual; 1 row is as expected",
        );
    }

    #[test]
    fn what_differs_stands_together() {
        check(
            "1,Ada;2,Bo;3,~",
            "1,Adele;2,Bo;4,Cy",
            "1 row differs, 1 row is missing, 1 row is not expected
    id | name
  - 1  | Ada
  + 1  | Adele
         ^^^^^
  - 3  | NULL
  + 4  | Cy
  - expected, + actual; 1 row is as expected",
        );
    }
}
