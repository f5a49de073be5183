//! The YAML of a source in dbt's schema, with the current type of each column. If it replaces the YAML in the project,
//! it pins the types.
//!
//! Knows only names and types. Other properties of sources in the project are not repeated.

use elt_base::path::Step;
use elt_base::schema::{Column, ColumnType};

use super::OURS;

/// A collection with its names in YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTable {
    pub source: String,
    /// The DuckDB schema of the source's raw tables.
    pub schema: String,
    pub table: String,
    pub collection: String,
}

/// Tables of one source must be adjacent.
pub fn sources_yaml(tables: &[(&SourceTable, &[Column])]) -> String {
    let mut text = String::from("version: 2\n\nsources:\n");
    for of_source in tables.chunk_by(|(one, _), (other, _)| one.source == other.source) {
        for (table, _) in of_source.iter().take(1) {
            text.push_str(&format!("  - name: {}\n", scalar(&table.source)));
            if table.schema != table.source {
                text.push_str(&format!("    schema: {}\n", scalar(&table.schema)));
            }
            text.push_str("    tables:\n");
        }
        for (table, columns) in of_source {
            text.push_str(&format!("      - name: {}\n", scalar(&table.table)));
            if table.collection != table.table {
                text.push_str(&format!("        identifier: {}\n", scalar(&table.collection)));
            }
            let mut columns = columns.iter().filter(|column| !column.name.starts_with(OURS)).peekable();
            if columns.peek().is_some() {
                text.push_str("        columns:\n");
            }
            columns.for_each(|column| push_column(&mut text, column));
        }
    }
    text
}

fn push_column(text: &mut String, column: &Column) {
    text.push_str(&format!("          - name: {}\n", scalar(&column.name)));
    let mut nulls = Vec::new();
    find_nulls(&column.column_type, "", &mut nulls);
    match nulls.as_slice() {
        [] => {}
        [path] if path.chars().all(|step| matches!(step, '[' | ']')) => {
            // The first value can still decide the type.
            text.push_str("            # no value so far, so no type to pin\n");
            return;
        }
        paths => text.push_str(&format!("            # no value so far: {}\n", paths.join(", "))),
    }
    text.push_str(&format!("            data_type: {}\n", scalar(&column.column_type.sql())));
}

/// The paths without a type, because no value was found.
fn find_nulls(column_type: &ColumnType, path: &str, nulls: &mut Vec<String>) {
    let below = |step: Step| {
        let mut path = path.to_owned();
        step.push(&mut path);
        path
    };
    match column_type {
        ColumnType::Null => nulls.push(path.to_owned()),
        ColumnType::List(element) => find_nulls(element, &below(Step::Element), nulls),
        ColumnType::Struct(fields) => {
            for field in fields {
                find_nulls(&field.column_type, &below(Step::Key(field.key().to_owned())), nulls);
            }
        }
        _ => {}
    }
}

/// A text as a YAML scalar: plain if every parser reads it as this text, otherwise in quotes.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan"];
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_word);
    let is_type = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.ends_with(|c: char| is_word(c) || c == ')' || c == ']')
        && text.chars().all(|c| is_word(c) || matches!(c, ' ' | '(' | ')' | ',' | '[' | ']'));
    if (is_name || is_type) && !WORDS.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    if text.chars().all(is_printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if is_printable(c) => quoted.push(c),
            // All characters that are not printable are below U+10000.
            c => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

/// The characters that need no escape in YAML (YAML 1.2.2, section 5.1), except those that end a line in older parsers.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let written = scalar(text);
        assert_eq!(written, expected);
        let read: serde_json::Value = serde_saphyr::from_str(&format!("- name: {written}\n")).expect("valid YAML");
        assert_eq!(read, serde_json::json!([{ "name": text }]));
    }

    #[test]
    fn texts_read_back() {
        check("customer_id", "customer_id");
        check("DECIMAL(38,2)", "DECIMAL(38,2)");
        check("TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE");
        check("VARCHAR[]", "VARCHAR[]");
        check(r#"STRUCT("a" BIGINT, "b: #'c" VARCHAR)[]"#, r#"'STRUCT("a" BIGINT, "b: #''c" VARCHAR)[]'"#);
        check("no", "'no'");
        check("n", "'n'");
        check("Null", "'Null'");
        check("12", "'12'");
        check("1e3", "'1e3'");
        check("", "''");
        check(" a ", "' a '");
        check("a ", "'a '");
        check("{{ x }}", "'{{ x }}'");
        check("größe", "'größe'");
        check("a\n\t\"b\\", r#""a\u000a\u0009\"b\\""#);
        check("\u{7f}\u{85}\u{2028}\u{feff}", r#""\u007f\u0085\u2028\ufeff""#);
        check("😀", "'😀'");
    }

    #[test]
    fn a_source_reads_as_dbt_has_it() {
        let column = |name: &str, column_type| Column::new(name, column_type);
        let table = |source: &str, schema: &str, table: &str, collection: &str| SourceTable {
            source: source.into(),
            schema: schema.into(),
            table: table.into(),
            collection: collection.into(),
        };
        let list = |element| ColumnType::List(Box::new(element));
        let columns = [
            column("id", ColumnType::BigInt),
            column("empty", ColumnType::Null),
            column("lists", list(list(ColumnType::Null))),
            column("o", ColumnType::Struct(vec![column("x", list(ColumnType::Null)), column("y z", ColumnType::Uuid)])),
            column("_elt_bson", ColumnType::Blob),
        ];
        let (one, two, three) = (table("a", "a", "t", "t"), table("a", "a", "u", "old u"), table("b", "raw", "t", "t"));
        let text = sources_yaml(&[(&one, &columns), (&two, &[]), (&three, &columns[..1])]);
        let expected = "\
version: 2

sources:
  - name: a
    tables:
      - name: t
        columns:
          - name: id
            data_type: BIGINT
          - name: empty
            # no value so far, so no type to pin
          - name: lists
            # no value so far, so no type to pin
          - name: o
            # no value so far: x[]
            data_type: 'STRUCT(\"x\" VARCHAR[], \"y z\" UUID)'
      - name: u
        identifier: old u
  - name: b
    schema: raw
    tables:
      - name: t
        columns:
          - name: id
            data_type: BIGINT
";
        assert_eq!(text, expected);
    }
}
