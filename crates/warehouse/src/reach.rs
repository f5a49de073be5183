//! What SQL may do in a command that only reads: it reads the files that the project declares, and writes none.
//!
//! DuckDB itself refuses other files, databases and extensions (`enable_external_access`,
//! <https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview>). It cannot allow reading alone, so
//! statements that write files are refused before they run. Knows statements as text.

use std::path::PathBuf;
use std::sync::LazyLock;

use regex::Regex;

use super::session::Session;
use elt_base::schema::literal;
use elt_base::sql_error::SqlError;

/// The files that SQL may read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Folders with all files below them.
    pub folders: Vec<PathBuf>,
    pub files: Vec<PathBuf>,
}

/// Words of statements and settings that write files, run other statements, or attach databases.
static WRITES: LazyLock<Regex> = LazyLock::new(|| {
    let words = "copy|attach|detach|install|load|export|import|call|prepare|execute|secrets?|checkpoint|vacuum|\\w*profil\\w*|\\w*logging|\\w*_path|\\w*_directory";
    Regex::new(&format!("(?i)\\b({words})\\b")).unwrap_or_else(|error| unreachable!("{error}"))
});

/// The parts of a parsed query that read files: functions, and tables that are named as files are.
static READS_FILES: LazyLock<Regex> = LazyLock::new(|| {
    let pattern =
        r#""function_name":"(read_\w+|parquet_\w+|sniff_csv|glob|query|query_table)"|"table_name":"[^"]*[./*][^"]*""#;
    Regex::new(pattern).unwrap_or_else(|error| unreachable!("{error}"))
});

impl Reach {
    /// The statements that limit a database to these files. Nothing widens the limit again while it is open.
    pub(super) fn limit(&self) -> String {
        let list = |paths: &[PathBuf], end: &str| -> String {
            let paths = paths.iter().map(|path| literal(&format!("{}{end}", path.to_string_lossy())));
            paths.collect::<Vec<_>>().join(", ")
        };
        format!(
            "set allowed_directories = [{}]; set allowed_paths = [{}]; set enable_external_access = false",
            list(&self.folders, "/"),
            list(&self.files, "")
        )
    }
}

impl Session {
    /// Fails if a text of SQL may do more than read. Queries pass, and so do statements that a read-only transaction
    /// refuses.
    pub fn only_reads(&self, sql: &str) -> Result<(), SqlError> {
        // Most queries have none of these words, and need not be parsed once more.
        if !self.is_asking() && !WRITES.is_match(sql) {
            return Ok(());
        }
        let parsed = self.value(&format!("select json_serialize_sql({})", literal(sql)))?.unwrap_or_default();
        // The process that writes the warehouse may read all files.
        if self.is_asking() && READS_FILES.is_match(&parsed) {
            return Err(refused(
                "while another process writes the warehouse, a command that only reads cannot read files",
            ));
        }
        // The parser's own errors are reported when the statement runs.
        if !parsed.starts_with("{\"error\":true,\"error_type\":\"not implemented\"") || !WRITES.is_match(sql) {
            return Ok(());
        }
        Err(refused("a command that only reads cannot run this statement, which could write files or attach databases"))
    }
}

fn refused(message: &str) -> SqlError {
    SqlError { kind: "Permission".into(), message: message.into(), position: None, candidates: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::Reach;
    use crate::Warehouse;

    #[test]
    fn reads_what_is_declared() {
        let folder = tempfile::tempdir().expect("a folder");
        let (declared, other) = (folder.path().join("declared.csv"), folder.path().join("other.csv"));
        for path in [&declared, &other] {
            std::fs::write(path, "a\n1\n").expect("written");
        }
        let reach = Reach { folders: Vec::new(), files: vec![declared.clone(), "declared.csv".into()] };
        let database = Warehouse::in_memory_within(folder.path(), "w", Some(&reach)).expect("opened");
        let session = database.session().expect("a session");
        let run = |sql: &str| session.only_reads(sql).and_then(|()| session.rows(sql));
        assert_eq!(run("from 'declared.csv'"), Ok(vec![vec![Some("1".to_owned())]]));
        for refused in [
            format!("from '{}'", other.display()),
            "from read_text('/etc/hostname')".into(),
            "from glob('/etc/*')".into(),
            format!("attach '{}'", folder.path().join("x.duckdb").display()),
            format!("copy (select 1) to '{}'", declared.display()),
            format!("select 1; copy (select 1) to '{}'", declared.display()),
            format!("explain analyze copy (select 1) to '{}'", declared.display()),
            "set enable_external_access = true".into(),
            "pragma enable_profiling = 'json'".into(),
            "set profiling_output = 'x.json'".into(),
            "load httpfs".into(),
        ] {
            assert!(run(&refused).is_err(), "{refused}");
        }
        for allowed in ["select 1 as load", "pivot (select 1 as a) on a", "describe select 1", "show tables", ";", ""] {
            assert!(session.only_reads(allowed).is_ok(), "{allowed}");
        }
        assert_eq!(std::fs::read_to_string(&declared).expect("read"), "a\n1\n");
    }
}
