//! CSV → landing → CSV: every text comes back from its column, whatever type the column got.
//!
//! DuckDB's own text of a value is the witness. Knows no type.

use std::fs;

use rand::{RngExt, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value};

use crate::csv_cells::{KINDS, line, text};
use crate::project::Project;

const PROFILES: &str =
    "[project]\nname = \"shop\"\n\n[target.dev.sources.shop]\ntype = \"files\"\npath = \"seeds/shop\"\n";
const SOURCES: &str = "version: 2\nsources:\n  - name: shop\n    tables:\n      - name: cells\n";

const COLUMNS: usize = 300;
const ROWS: usize = 12;

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
        csv.push_str(&line(row));
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
