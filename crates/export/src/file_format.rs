//! The COPY statement that writes a relation as Parquet, CSV or JSON lines, in one file or in a folder of partitions.
//!
//! Pure text; the run executes it. A value that a format cannot store is converted without loss to one that it can
//! store. In Parquet a HUGEINT would become a DOUBLE, and an INTERVAL would lose microseconds; an array of fixed length
//! with a null is written in a form that only DuckDB reads. CSV has no nested values, and JSON has no NaN. Knows no
//! connection.

use std::path::Path;

use super::contract::{Column, Table};
use super::duck_type::DuckType;
use super::exact_json::{JsonValue, decimal_text, object};
use super::sql_screen::SqlCast;
use super::type_text::{has_word, list_suffix, quoted_parts, without_variant};
use elt_base::schema::{literal, quote};
use elt_project::{CsvFormat, FileFormat, OnHazard};

/// What a folder is called whose rows have a null there, after Hive.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";
/// The one column of JSON lines that are written as CSV.
const LINE: &str = "_elt_line";

/// The statement that writes all rows of `relation` (as SQL names it) to a new file or folder at `path`, by key if
/// `is_ordered`.
pub fn copy(table: &Table, relation: &str, path: &Path, format: &FileFormat, is_ordered: bool) -> String {
    let is_partition = |column: &&Column| table.partition_by.contains(&column.name);
    let selected: Vec<String> = if is_lines(table, format) {
        let fields = table.columns.iter().filter(|column| !is_partition(column));
        let fields: Vec<_> = fields.map(|column| (column.name.as_str(), json_value(column))).collect();
        let partitions = table.columns.iter().filter(is_partition);
        std::iter::once(format!("{} as {LINE}", object(&fields)))
            .chain(partitions.map(|column| format!("{} as {}", partition(table, column), quote(&column.name))))
            .collect()
    } else {
        let columns = table.columns.iter().map(|column| {
            let expression = if is_partition(&column) { partition(table, column) } else { expression(column, format) };
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

/// Whether JSON lines are written as CSV with a single unquoted column: DuckDB's writer of JSON knows no partitions, and
/// reads the numbers of JSON values as doubles.
fn is_lines(table: &Table, format: &FileFormat) -> bool {
    let is_exact = |column: &Column| {
        let duck = DuckType::parse(&column.duckdb_type);
        // A nested value with floats is written as JSON, too, because DuckDB would write NaN into it.
        duck.is_exact_in_json() && !(duck.is_nested() && has_float(&column.duckdb_type))
    };
    matches!(format, FileFormat::Json { .. }) && (!table.partition_by.is_empty() || !table.columns.iter().all(is_exact))
}

/// The options of the COPY: files that were written with the same are read the same.
pub fn options(table: &Table, format: &FileFormat) -> String {
    let mut options = match format {
        FileFormat::Parquet => "format parquet, compression zstd".to_owned(),
        FileFormat::Csv(csv) => csv_options(csv),
        FileFormat::Json { compression } if !is_lines(table, format) => {
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
fn expression(column: &Column, format: &FileFormat) -> String {
    let name = format!("_elt_row.{}", quote(&column.name));
    let text = column.duckdb_type.as_str();
    let duck = DuckType::parse(text);
    match (format, &duck) {
        (FileFormat::Parquet, _) if has_word(text, "UNION") => format!("({})::JSON", duck.json_text(&name)),
        // Few readers know Parquet's own.
        (FileFormat::Parquet, _) if has_word(text, "VARIANT") => {
            let json = |part: &DuckType, value: &str| {
                part.is_plain("VARIANT").then(|| format!("({})::JSON", part.json_text(value)))
            };
            let rebuilt = duck.rebuilt(&name, &json).unwrap_or(name);
            parquet_type(&without_variant(text)).map_or(rebuilt.clone(), |cast| format!("({rebuilt})::{cast}"))
        }
        (FileFormat::Parquet, _) => match parquet_type(text) {
            Some(cast) if column.on_hazard != OnHazard::Fail && may_fail(text) => format!("try_cast({name} as {cast})"),
            Some(cast) => format!("{name}::{cast}"),
            None => quote(&column.name),
        },
        (FileFormat::Csv(_), _) if duck.is_nested() => json_text(column, &duck, &name),
        (FileFormat::Csv(_), _) if duck.is_plain("VARIANT") => duck.json_text(&name),
        // DuckDB writes `.5`, which few readers take for a number.
        (FileFormat::Csv(_), DuckType::Decimal { precision, scale }) if precision == scale => decimal_text(&name),
        (FileFormat::Json { .. }, _) if is_float(&duck) => float(&name),
        _ => quote(&column.name),
    }
}

/// The columns with values that the format cannot store.
pub fn casts(table: &Table, format: &FileFormat) -> Vec<SqlCast> {
    let cast = |(index, column): (usize, &Column)| {
        let from = column.duckdb_type.clone();
        let is_held = has_word(&from, "UNION") || has_word(&from, "VARIANT") || !may_fail(&from);
        let to = parquet_type(&from).filter(|_| *format == FileFormat::Parquet && !is_held)?;
        Some(SqlCast { column: index, value: format!("r.{}", quote(&column.name)), from, to })
    };
    table.columns.iter().enumerate().filter_map(cast).collect()
}

/// The type of a column in the file.
pub fn held_type(column: &Column, format: &FileFormat) -> String {
    let to = parquet_type(&column.duckdb_type).filter(|_| *format == FileFormat::Parquet);
    to.unwrap_or_else(|| column.duckdb_type.clone())
}

/// Whether the cast to Parquet's type may fail: for more than 38 digits, and for times far away.
fn may_fail(text: &str) -> bool {
    ["HUGEINT", "UHUGEINT", "TIMESTAMP_S", "TIMESTAMP_MS"].iter().any(|word| has_word(text, word))
}

fn is_float(duck: &DuckType) -> bool {
    duck.is_plain("FLOAT") || duck.is_plain("DOUBLE")
}

/// As Postgres writes them: "nan" and "inf" are texts in JSON.
fn float(name: &str) -> String {
    format!("case when isfinite({name}) then to_json({name}) else to_json({name}::VARCHAR) end")
}

/// A column as a field of a JSON line.
fn json_value(column: &Column) -> JsonValue {
    let duck = DuckType::parse(&column.duckdb_type);
    let name = format!("_elt_row.{}", quote(&column.name));
    if is_float(&duck) {
        return JsonValue::Exact(float(&name));
    }
    let value = match has_float(&column.duckdb_type) {
        true => JsonValue::Text(json_text(column, &duck, &name)),
        false => JsonValue::of(&duck, name),
    };
    match value {
        // A line has no line breaks, which JSON may have between its tokens.
        JsonValue::Text(text) if has_word(&column.duckdb_type, "JSON") => {
            JsonValue::Text(format!(r#"regexp_replace({text}, '("(?:\\.|[^"\\])*")|\s+', '\1', 'g')"#))
        }
        value => value,
    }
}

/// A nested value as JSON text. DuckDB writes NaN and Infinity bare, which no reader of JSON takes: they become the texts
/// that numbers of their own are written as.
fn json_text(column: &Column, duck: &DuckType, name: &str) -> String {
    let json = duck.json_text(name);
    if !has_float(&column.duckdb_type) {
        return json;
    }
    // Outside of texts.
    let parts = format!(r#"regexp_extract_all({json}, '"(?:\\.|[^"\\])*"|[^"]+')"#);
    let quoted = r#"regexp_replace(regexp_replace(_elt_part, '(?i)-?nan', '"nan"', 'g'), '(?i)(-?)inf(?:inity)?', '"\1inf"', 'g')"#;
    format!(
        "case when regexp_matches({json}, '(?i)nan|inf') then array_to_string(list_transform({parts}, \
         lambda _elt_part: if(_elt_part[1] = '\"', _elt_part, {quoted})), '') else {json} end"
    )
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

/// The type a column is cast to for Parquet; None: its own is held without loss. An infinite timestamp in seconds
/// cannot be written, and one in milliseconds cannot be read by others.
fn parquet_type(text: &str) -> Option<String> {
    const CASTS: [(&str, &str); 6] = [
        ("UHUGEINT", "DECIMAL(38,0)"),
        ("HUGEINT", "DECIMAL(38,0)"),
        ("INTERVAL", "VARCHAR"),
        ("TIME WITH TIME ZONE", "VARCHAR"),
        ("TIMESTAMP_S", "TIMESTAMP"),
        ("TIMESTAMP_MS", "TIMESTAMP"),
    ];
    let mut cast = String::with_capacity(text.len());
    let mut is_changed = false;
    for (part, is_quoted) in quoted_parts(text) {
        let mut rest = part;
        while let Some(character) = rest.chars().next() {
            // A list of any length.
            let length = rest.find(']').filter(|end| !is_quoted && character == '[' && *end > 1);
            if let Some(end) = length.filter(|end| list_suffix(&rest[..=*end]).is_some()) {
                cast.push_str("[]");
                rest = &rest[end + 1..];
                is_changed = true;
                continue;
            }
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

/// Whether a value may contain NaN or Infinity.
fn has_float(text: &str) -> bool {
    ["FLOAT", "DOUBLE", "VARIANT", "JSON"].iter().any(|word| has_word(text, word))
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
            "copy (select to_json(struct_pack(\"id\" := _elt_row.\"id\", \"x\" := case when isfinite(_elt_row.\"x\") then \
             to_json(_elt_row.\"x\") else to_json(_elt_row.\"x\"::VARCHAR) end))::VARCHAR as _elt_line, \"day\" as \"day\" \
             from main.t as _elt_row order by _elt_row.\"day\", _elt_row.\"id\") to '/x' (format csv, header false, \
             quote '', escape '', delimiter '\n', nullstr '', compression none, partition_by (\"day\"), \
             filename_pattern 'data_{i}', file_extension 'jsonl')",
        );
    }

    #[test]
    fn casts_what_parquet_has_not() {
        assert_eq!(parquet_type("ENUM('INTERVAL', 'HUGEINT')"), None);
        assert_eq!(parquet_type("TIMESTAMP WITH TIME ZONE"), None);
        assert_eq!(parquet_type("UHUGEINT[]").as_deref(), Some("DECIMAL(38,0)[]"));
        assert_eq!(
            parquet_type("STRUCT(a INTEGER[3][], \"b[2]\" INTEGER)[2]").as_deref(),
            Some("STRUCT(a INTEGER[][], \"b[2]\" INTEGER)[]")
        );
        assert_eq!(parquet_type("INTEGER[]"), None);
        assert_eq!(parquet_type("TIMESTAMP_S[]").as_deref(), Some("TIMESTAMP[]"));
        assert_eq!(parquet_type("MAP(VARCHAR, TIME WITH TIME ZONE)").as_deref(), Some("MAP(VARCHAR, VARCHAR)"));
    }
}
