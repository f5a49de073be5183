//! The COPY statement that writes a relation as Parquet, CSV or JSON lines, in one file or in a folder of partitions.
//!
//! Pure text; the run executes it. A value that a format cannot store is converted without loss to one that it can
//! store. In Parquet a HUGEINT would become a DOUBLE, and an INTERVAL would lose microseconds. CSV has no nested
//! values, and JSON has no NaN. Knows no connection.

use std::path::Path;

use super::contract::{Column, Table};
use super::duck_type::DuckType;
use elt_base::schema::{literal, quote};
use elt_project::{CsvFormat, FileFormat};

/// What a folder is called whose rows have a null there, after Hive.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";
/// The one column of JSON lines that are written as CSV.
const LINE: &str = "_elt_line";

/// The statement that writes all rows of `relation` (as SQL names it) to a new file or folder at `path`, by key if
/// `is_ordered`.
pub fn copy(table: &Table, relation: &str, path: &Path, format: &FileFormat, is_ordered: bool) -> String {
    // DuckDB's writer of JSON knows no partitions; it is one of CSV with a single unquoted column.
    let is_lines = matches!(format, FileFormat::Json { .. }) && !table.partition_by.is_empty();
    let is_partition = |column: &&Column| table.partition_by.contains(&column.name);
    let selected: Vec<String> = if is_lines {
        let fields = table.columns.iter().filter(|column| !is_partition(column));
        let fields: Vec<_> =
            fields.map(|column| format!("{} := {}", quote(&column.name), expression(table, column, format))).collect();
        let partitions = table.columns.iter().filter(is_partition);
        std::iter::once(format!("to_json(struct_pack({}))::VARCHAR as {LINE}", fields.join(", ")))
            .chain(partitions.map(|column| format!("{} as {}", partition(table, column), quote(&column.name))))
            .collect()
    } else {
        let columns = table.columns.iter().map(|column| {
            let expression =
                if is_partition(&column) { partition(table, column) } else { expression(table, column, format) };
            match quote(&column.name) {
                name if name == expression => name,
                name => format!("{expression} as {name}"),
            }
        });
        columns.collect()
    };
    let mut order: Vec<String> = Vec::new();
    if !table.partition_by.is_empty() {
        // One partition after the other: else as many files are open at once as there are partitions, each with a
        // buffer of its own.
        order.extend(table.partition_by.iter().map(|name| format!("_elt_row.{}", quote(name))));
    }
    if is_ordered {
        order.extend(table.key.iter().map(|name| format!("_elt_row.{}", quote(name))));
    }
    let order = if order.is_empty() { String::new() } else { format!(" order by {}", order.join(", ")) };
    format!(
        "copy (select {} from {relation} as _elt_row{order}) to {} ({})",
        selected.join(", "),
        literal(&path.to_string_lossy()),
        options(table, format)
    )
}

/// The options of the COPY: files that were written with the same are read the same.
pub fn options(table: &Table, format: &FileFormat) -> String {
    let mut options = match format {
        FileFormat::Parquet => "format parquet, compression zstd".to_owned(),
        FileFormat::Csv(csv) => csv_options(csv),
        FileFormat::Json { compression } if table.partition_by.is_empty() => {
            format!("format json, compression {compression}")
        }
        FileFormat::Json { compression } => format!(
            "format csv, header false, quote '', escape '', delimiter '\n', nullstr '', compression {compression}"
        ),
    };
    if !table.partition_by.is_empty() {
        let columns: Vec<_> = table.partition_by.iter().map(|name| quote(name)).collect();
        options.push_str(&format!(
            ", partition_by ({}), filename_pattern 'data_{{i}}', file_extension {}",
            columns.join(", "),
            literal(&format.ending())
        ));
    }
    options
}

fn csv_options(csv: &CsvFormat) -> String {
    format!(
        "format csv, header {}, delimiter {}, nullstr {}, quote {quote}, escape {quote}, compression {}",
        csv.header,
        literal(&csv.delimiter),
        literal(&csv.null),
        csv.compression,
        quote = literal(&csv.quote),
    )
}

/// A column as the format can hold it.
fn expression(table: &Table, column: &Column, format: &FileFormat) -> String {
    let name = format!("_elt_row.{}", quote(&column.name));
    let text = column.duckdb_type.as_str();
    let duck = DuckType::parse(text);
    match (format, &duck) {
        (FileFormat::Parquet, _) if has_word(text, "UNION") => format!("to_json({name})"),
        // Few readers know Parquet's own.
        (FileFormat::Parquet, DuckType::Plain(plain)) if plain == "VARIANT" => format!("{name}::JSON"),
        (FileFormat::Parquet, _) => match parquet_type(text) {
            Some(cast) => format!("{name}::{cast}"),
            None => quote(&column.name),
        },
        (FileFormat::Csv(_), DuckType::Nested | DuckType::List(_)) => json_text(table, column, &name),
        (FileFormat::Csv(_), DuckType::Plain(plain)) if plain == "VARIANT" => format!("{name}::JSON::VARCHAR"),
        (FileFormat::Json { .. }, DuckType::Nested | DuckType::List(_)) if has_float(text) => {
            format!("{}::JSON", json_text(table, column, &name))
        }
        (FileFormat::Json { .. }, DuckType::Plain(plain)) => match plain.as_str() {
            "VARIANT" => format!("{name}::JSON"),
            // As Postgres writes them: "nan" and "inf" are texts in JSON.
            "FLOAT" | "DOUBLE" => {
                format!("case when isfinite({name}) then to_json({name}) else to_json({name}::VARCHAR) end")
            }
            _ => quote(&column.name),
        },
        _ => quote(&column.name),
    }
}

/// A nested value as JSON text. DuckDB writes NaN and Infinity bare, which no reader of JSON takes: that is refused.
fn json_text(table: &Table, column: &Column, name: &str) -> String {
    let json = format!("to_json({name})::VARCHAR");
    if !has_float(&column.duckdb_type) {
        return json;
    }
    let complaint = format!(
        "column `{}` of `{}` contains NaN or Infinity in nested values, which JSON cannot represent",
        column.name, table.label
    );
    // Without the texts in it.
    let bare = format!(r#"regexp_replace({json}, '"(\\.|[^"\\])*"', '', 'g')"#);
    format!("case when regexp_matches({bare}, 'NaN|Infinity') then error({}) else {json} end", literal(&complaint))
}

/// A column that names folders. Texts that readers take for a null there are refused: the value would be lost.
fn partition(table: &Table, column: &Column) -> String {
    let is_text = match DuckType::parse(&column.duckdb_type) {
        DuckType::Enum => true,
        DuckType::Plain(plain) => plain == "VARCHAR" || plain == "JSON",
        _ => false,
    };
    if !is_text {
        return quote(&column.name);
    }
    let name = format!("_elt_row.{}", quote(&column.name));
    let complaint = format!(
        "column `{}`, which `{}` is partitioned by, contains the text `NULL` or `{NULL_PARTITION}`, which means null in the name of a folder",
        column.name, table.label
    );
    format!(
        "case when upper({name}::VARCHAR) in ('NULL', {}) then error({}) else {name} end",
        literal(NULL_PARTITION),
        literal(&complaint)
    )
}

/// The type a column is cast to for Parquet; None: its own is held without loss.
fn parquet_type(text: &str) -> Option<String> {
    const CASTS: [(&str, &str); 4] = [
        ("UHUGEINT", "DECIMAL(38,0)"),
        ("HUGEINT", "DECIMAL(38,0)"),
        ("INTERVAL", "VARCHAR"),
        ("TIME WITH TIME ZONE", "VARCHAR"),
    ];
    let mut cast = String::with_capacity(text.len());
    let mut is_changed = false;
    for (part, is_quoted) in parts(text) {
        let mut rest = part;
        while let Some(character) = rest.chars().next() {
            let is_start = is_quoted || !cast.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '_');
            let found = CASTS.iter().find(|(word, _)| {
                !is_quoted
                    && is_start
                    && rest.strip_prefix(word).is_some_and(|after| {
                        !after.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
                    })
            });
            match found {
                Some((word, with)) => {
                    cast.push_str(with);
                    rest = &rest[word.len()..];
                    is_changed = true;
                }
                None => {
                    cast.push(character);
                    rest = &rest[character.len_utf8()..];
                }
            }
        }
    }
    is_changed.then_some(cast)
}

/// Whether a type's text has a word outside of quotes.
fn has_word(text: &str, word: &str) -> bool {
    parts(text).iter().filter(|(_, is_quoted)| !is_quoted).any(|(part, _)| {
        part.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
            .any(|found| found == word)
    })
}

fn has_float(text: &str) -> bool {
    ["FLOAT", "DOUBLE", "VARIANT"].iter().any(|word| has_word(text, word))
}

/// A type's text cut at its quotes, each part with whether it is quoted: names of fields, values of an ENUM.
fn parts(text: &str) -> Vec<(&str, bool)> {
    let mut parts = Vec::new();
    let (mut start, mut open) = (0, None);
    for (at, character) in text.char_indices() {
        match open {
            None if character == '"' || character == '\'' => {
                parts.push((&text[start..at], false));
                (start, open) = (at, Some(character));
            }
            // A doubled quote closes and opens again.
            Some(mark) if character == mark => {
                parts.push((&text[start..=at], true));
                (start, open) = (at + 1, None);
            }
            _ => {}
        }
    }
    parts.push((&text[start..], open.is_some()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(columns: &[(&str, &str)], partition_by: &[&str], format: &FileFormat, expected: &str) {
        let mut table = Table::plain("t", columns, &["id"]);
        table.partition_by = partition_by.iter().map(|name| name.to_string()).collect();
        assert_eq!(copy(&table, "main.t", Path::new("/x"), format, true), expected);
    }

    #[test]
    fn writes_what_the_format_holds() {
        check(
            &[("id", "BIGINT"), ("s", "STRUCT(\"HUGEINT\" HUGEINT, t TIMESTAMP WITH TIME ZONE)"), ("d", "INTERVAL")],
            &[],
            &FileFormat::Parquet,
            "copy (select \"id\", _elt_row.\"s\"::STRUCT(\"HUGEINT\" DECIMAL(38,0), t TIMESTAMP WITH TIME ZONE) as \"s\", \
             _elt_row.\"d\"::VARCHAR as \"d\" from main.t as _elt_row order by _elt_row.\"id\") to '/x' \
             (format parquet, compression zstd)",
        );
        let csv = CsvFormat {
            delimiter: ";".into(),
            header: true,
            null: "NA".into(),
            quote: "'".into(),
            compression: "gzip".into(),
        };
        check(
            &[("id", "BIGINT"), ("l", "VARCHAR[]")],
            &[],
            &FileFormat::Csv(csv),
            "copy (select \"id\", to_json(_elt_row.\"l\")::VARCHAR as \"l\" from main.t as _elt_row \
             order by _elt_row.\"id\") to '/x' (format csv, header true, delimiter ';', nullstr 'NA', quote '''', \
             escape '''', compression gzip)",
        );
        check(
            &[("id", "BIGINT"), ("x", "DOUBLE"), ("day", "DATE")],
            &["day"],
            &FileFormat::Json { compression: "none".into() },
            "copy (select to_json(struct_pack(\"id\" := \"id\", \"x\" := case when isfinite(_elt_row.\"x\") then \
             to_json(_elt_row.\"x\") else to_json(_elt_row.\"x\"::VARCHAR) end))::VARCHAR as _elt_line, \"day\" as \"day\" \
             from main.t as _elt_row order by _elt_row.\"day\", _elt_row.\"id\") to '/x' (format csv, header false, \
             quote '', escape '', delimiter '\n', nullstr '', compression none, partition_by (\"day\"), \
             filename_pattern 'data_{i}', file_extension 'jsonl')",
        );
    }

    #[test]
    fn finds_words_outside_of_quotes() {
        assert!(has_word("STRUCT(a UNION(k INTEGER))", "UNION"));
        assert!(!has_word("ENUM('UNION', 'it''s')", "UNION"));
        assert_eq!(parquet_type("ENUM('INTERVAL', 'HUGEINT')"), None);
        assert_eq!(parquet_type("TIMESTAMP WITH TIME ZONE"), None);
        assert_eq!(parquet_type("UHUGEINT[]").as_deref(), Some("DECIMAL(38,0)[]"));
        assert_eq!(parquet_type("MAP(VARCHAR, TIME WITH TIME ZONE)").as_deref(), Some("MAP(VARCHAR, VARCHAR)"));
    }
}
