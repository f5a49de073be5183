//! CSV → landing → CSV: every text comes back from its column, whatever type the column got.
//!
//! DuckDB's own text of a value is the witness. Knows no type.

use std::fmt::Write;
use std::fs;

use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

use crate::project::Project;

const PROFILES: &str =
    "[project]\nname = \"shop\"\n\n[target.dev.sources.shop]\ntype = \"files\"\npath = \"seeds/shop\"\n";
const SOURCES: &str = "version: 2\nsources:\n  - name: shop\n    tables:\n      - name: cells\n";

const COLUMNS: usize = 300;
const ROWS: usize = 12;

/// A text of one kind. Texts of a kind often have a type in common, but not always.
fn text(kind: usize, random: &mut ChaCha8Rng) -> String {
    let mut number = |most: i64| random.random_range(0..=most);
    match kind {
        0 => (number(2_000) - 1_000).to_string(),
        1 => format!("{}{}", number(i64::MAX), number(i64::MAX)),
        2 => format!("{}.{:02}", number(99_999) - 50_000, number(99)),
        3 => format!("{}.{}", number(999), number(99_999)),
        4 => format!("0.{}{}", "0".repeat(number(6) as usize), number(999)),
        5 => format!("{}.{}", number(i64::MAX), number(i64::MAX)),
        6 => format!("{:03}", number(99)),
        7 => format!("{}e{}", number(9), number(9)),
        8 => ["true", "false"][number(1) as usize].to_owned(),
        9 => format!("{:04}-{:02}-{:02}", 1_900 + number(199), 1 + number(11), 1 + number(30)),
        10 => format!("{:02}:{:02}:{:02}", number(24), number(59), number(60)),
        11 => {
            let day = format!("2024-{:02}-{:02}", 1 + number(11), 1 + number(27));
            format!("{day} {:02}:{:02}:{:02}.{}", number(23), number(59), number(59), number(999_999))
        }
        12 => format!("2024-01-{:02} {:02}:00:00", 1 + number(30), number(23)),
        13 => {
            const ODD: [&str; 20] = [
                "", " ", "NULL", "\\N", "NaN", "-0", "-0.0", "+1", "1.", ".5", "1,5", "Infinity", "t", "0x1F", "\"",
                "a\nb", "a\r\nb", ",;|\t", "'x'", "é😀",
            ];
            ODD[number(ODD.len() as i64 - 1) as usize].to_owned()
        }
        14 => format!("{}.0", number(999_999)),
        _ => format!("{}{}", "9".repeat(number(40) as usize), number(9)),
    }
}

const KINDS: usize = 16;

#[test]
fn every_text_of_a_csv_file_comes_back() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    // Half of the columns have texts of one kind, the others of two.
    let kinds: Vec<Vec<usize>> =
        (0..COLUMNS).map(|column| (0..=column % 2).map(|_| random.random_range(0..KINDS)).collect()).collect();
    let cells: Vec<Vec<Option<String>>> = (0..ROWS)
        .map(|_| {
            let cell = |kinds: &Vec<usize>| {
                let kind = kinds.choose(&mut random).copied().unwrap_or_default();
                (!random.random_bool(0.1)).then(|| text(kind, &mut random))
            };
            kinds.iter().map(cell).collect()
        })
        .collect();
    let mut csv = (0..COLUMNS).map(|column| format!("c{column}")).collect::<Vec<_>>().join(",");
    for row in &cells {
        csv.push('\n');
        for (column, cell) in row.iter().enumerate() {
            if column > 0 {
                csv.push(',');
            }
            if let Some(text) = cell {
                let plain =
                    text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | ':'));
                match plain && !text.is_empty() {
                    true => csv.push_str(text),
                    false => write!(csv, "\"{}\"", text.replace('"', "\"\"")).expect("a text"),
                }
            }
        }
    }
    let project = Project::of(&[("profiles.toml", PROFILES), ("models/sources.yml", SOURCES)]);
    fs::create_dir_all(project.path().join("seeds/shop")).expect("a folder");
    fs::write(project.path().join("seeds/shop/cells.csv"), csv).expect("a file");
    project.elt(&["extract"]).ok().hides("rescued").hides("quarantined");
    let query = "select columns('^c[0-9]+$')::varchar from shop.cells order by _id::int";
    let found = project.elt(&["show", "--output", "json", "--limit", "0", "--inline", query]).ok().stdout;
    let found: Vec<Map<String, Value>> =
        found.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect();
    assert_eq!(found.len(), ROWS);
    for (row, found) in cells.iter().zip(&found) {
        for (column, cell) in row.iter().enumerate() {
            let found = found[&format!("c{column}")].as_str();
            assert_eq!(found, cell.as_deref(), "column {column}: {:?}", kinds[column]);
        }
    }
}
