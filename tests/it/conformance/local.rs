//! Targets without a server under test: a DuckDB file, and folders of Parquet, CSV and JSON files.
//!
//! The program itself reads and changes them, as a user may do with such files.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::target::{Columns, Hand, Hazard, Kind, Relayed, Row, Target, canonical_rows, duckdb_text};
use crate::project::Project;

/// Runs a statement in the project's warehouse.
const MACRO: &str = "{% macro statement_by_hand(sql) %}{% do run_query(sql) %}{% endmacro %}";

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("elt-it-target-").tempdir().expect("a folder")
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().canonicalize().expect("the folder")
}

/// A project whose warehouse is a DuckDB file. It names the folder of files, so that its queries may read them.
fn project_on(warehouse: &str, folder: &TempDir) -> Project {
    let profiles = format!(
        "[project]\nname = \"hand\"\ntarget = \"dev\"\n[target.dev]\nthreads = 1\nwarehouse = \"{warehouse}\"\n\
         [target.files.export]\ntype = \"parquet\"\npath = \"{}\"\n",
        path(folder).display()
    );
    Project::of(&[("profiles.toml", &profiles), ("macros/hand.sql", MACRO), ("models/one.sql", "select 1 as one")])
}

fn run(project: &Project, sql: &str) {
    let arguments = serde_json::json!({ "sql": sql }).to_string();
    project.elt(&["run-operation", "statement_by_hand", "--args", &arguments]).ok();
}

/// A relation in SQL, and the SQL for the texts of its columns.
type Read = (String, Vec<String>);

/// The rows of all relations, in one run of the program.
fn read_all(reader: &Project, tables: &[Columns], reads: Vec<Option<Read>>) -> Vec<Option<Vec<Row>>> {
    let selects = reads.iter().enumerate().filter_map(|(index, read)| {
        let (relation, texts) = read.as_ref()?;
        Some(format!("select {index} as part, to_json([{}])::varchar as texts from {relation}", texts.join(", ")))
    });
    let sql = selects.collect::<Vec<_>>().join(" union all ");
    let rows = if sql.is_empty() { Vec::new() } else { reader.query("dev", &sql) };
    let part = |index: usize| {
        let of = rows.iter().filter(|row| row["part"].as_u64() == Some(index as u64));
        let texts = of.map(|row| serde_json::from_str(row["texts"].as_str().unwrap_or_default()).expect("a list"));
        canonical_rows(texts.collect(), tables[index].1)
    };
    reads.iter().enumerate().map(|(index, read)| read.as_ref().map(|_| part(index))).collect()
}

pub struct DuckDbFile {
    folder: TempDir,
}

impl DuckDbFile {
    pub fn fresh() -> Self {
        Self { folder: folder() }
    }

    fn file(&self) -> PathBuf {
        path(&self.folder).join("shop.duckdb")
    }

    /// A project whose warehouse is a copy of the file, because elt would add its own tables to the file.
    fn reader(&self) -> Project {
        let project = project_on("shop.duckdb", &self.folder);
        fs::copy(self.file(), project.path().join("shop.duckdb")).expect("a copy");
        project
    }
}

impl Target for DuckDbFile {
    fn profile(&self) -> String {
        format!("type = \"duckdb\"\npath = \"{}\"\n", self.file().display())
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn tables(&self, tables: &[Columns]) -> Vec<Option<Vec<Row>>> {
        if !self.file().exists() {
            return vec![None; tables.len()];
        }
        let reader = self.reader();
        let names = reader.query("dev", "select table_name from duckdb_tables()");
        let exists = |table: &str| names.iter().any(|row| row["table_name"] == table);
        let read = |(table, columns): &Columns| {
            let texts = columns.iter().map(|(name, kind)| duckdb_text(name, *kind)).collect();
            exists(table).then(|| ((*table).to_owned(), texts))
        };
        read_all(&reader, tables, tables.iter().map(read).collect())
    }

    fn change(&self, hand: Hand) {
        run(&project_on(&self.file().display().to_string(), &self.folder), hand.sql());
    }

    fn forget(&self) {
        run(&project_on(&self.file().display().to_string(), &self.folder), "delete from _elt.publications");
    }

    fn record(&self) -> String {
        self.reader().number("dev", "select count(*) from _elt.publications").to_string()
    }

    fn hazard(&self) -> Option<Hazard> {
        Some(Hazard { odd: "'secret'", fits: "'12'", column_type: Some("integer") })
    }

    fn relay(&self) -> Option<Relayed> {
        None
    }
}

pub struct Files {
    folder: TempDir,
    format: &'static str,
    /// Reads the files and changes them.
    reader: OnceCell<Project>,
}

impl Files {
    pub fn fresh(format: &'static str) -> Self {
        Self { folder: folder(), format, reader: OnceCell::new() }
    }

    fn file(&self, table: &str) -> PathBuf {
        let ending = if self.format == "json" { "jsonl" } else { self.format };
        path(&self.folder).join(format!("{table}.{ending}"))
    }

    /// A project whose warehouse exists, so that it can query files.
    fn reader(&self) -> &Project {
        self.reader.get_or_init(|| {
            let project = project_on("reader.duckdb", &self.folder);
            project.elt(&["run"]).ok();
            project
        })
    }

    /// The SQL for a column's text. For JSON it uses each value's text, so that the type that the reader infers does
    /// not matter.
    fn text(&self, name: &str, kind: Kind) -> String {
        match (self.format, kind) {
            ("json", Kind::Json) => format!("nullif(json -> '{name}', 'null')::varchar"),
            // The written digits, because a JSON reader converts them to a double.
            ("json", Kind::Decimal) => {
                format!("nullif(regexp_extract(json::varchar, '\"{name}\":\\s*(-?[0-9.]+)', 1), '')")
            }
            ("json", Kind::Blob) => duckdb_text(&format!("(json ->> '{name}')"), kind),
            ("json", _) => format!("json ->> '{name}'"),
            // In JSON this is a text.
            ("csv", Kind::Json) => format!("{name}::json::varchar"),
            _ => duckdb_text(name, kind),
        }
    }

    fn relation(&self, table: &str) -> String {
        let file = self.file(table).display().to_string();
        match self.format {
            "parquet" => format!("read_parquet('{file}')"),
            "csv" => format!("read_csv('{file}', header = true, all_varchar = true, allow_quoted_nulls = false)"),
            _ => format!("read_json('{file}', format = 'newline_delimited')"),
        }
    }
}

impl Target for Files {
    fn profile(&self) -> String {
        format!("type = \"{}\"\npath = \"{}\"\n", self.format, path(&self.folder).display())
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn tables(&self, tables: &[Columns]) -> Vec<Option<Vec<Row>>> {
        let read = |(table, columns): &Columns| {
            let file = self.file(table);
            let relation = match self.format {
                "json" => format!("read_json_objects('{}')", file.display()),
                _ => self.relation(table),
            };
            let texts = columns.iter().map(|(name, kind)| self.text(name, *kind)).collect();
            file.exists().then_some((relation, texts))
        };
        read_all(self.reader(), tables, tables.iter().map(read).collect())
    }

    fn change(&self, hand: Hand) {
        let file = self.file(hand.table());
        let new = file.with_extension("new");
        let options = match self.format {
            "parquet" => "format parquet",
            "csv" => "format csv, header true",
            _ => "format json",
        };
        let sql = format!("copy ({}) to '{}' ({options})", hand.query(&self.relation(hand.table())), new.display());
        run(self.reader(), &sql);
        fs::rename(new, file).expect("the changed file");
    }

    fn forget(&self) {
        fs::remove_file(path(&self.folder).join("publication.json")).expect("the record");
    }

    fn record(&self) -> String {
        let mut files: Vec<String> = fs::read_dir(self.folder.path())
            .expect("the folder")
            .map(|entry| {
                let entry = entry.expect("an entry");
                let modified = entry.metadata().and_then(|metadata| metadata.modified()).expect("a time");
                format!("{:?} {modified:?}", entry.file_name())
            })
            .collect();
        files.sort();
        files.join("\n")
    }

    fn hazard(&self) -> Option<Hazard> {
        // More than 38 digits.
        let odd = "(-170141183460469231731687303715884105727)::hugeint";
        (self.format == "parquet").then_some(Hazard { odd, fits: "1::hugeint", column_type: None })
    }

    fn relay(&self) -> Option<Relayed> {
        None
    }
}
