//! Tests of CSV files: what becomes of a file's texts, as documents and as broken lines.

use std::io::{Cursor, Read};
use std::path::Path;

use super::CsvFile;
use crate::decode::Fault;
use crate::files::taker::{Broken, Taker};
use crate::options::{CsvOptions, Encoding};
use crate::question::ReadingPlan;
use elt_base::cancel::Cancel;
use elt_base::error::{Error, Result};
use elt_base::schema::{Column, ColumnType};

#[derive(Default)]
struct Found(Vec<String>);

impl Taker for Found {
    fn document(&mut self, document: &[u8]) -> Result<(), Fault> {
        self.0.push(bson::Document::from_reader(document).unwrap().to_string());
        Ok(())
    }

    fn broken(&mut self, broken: Broken<'_>, _: Error) -> Result<()> {
        let Broken { offset, line, what, bytes } = broken;
        self.0.push(format!("line {} at {offset}: {what}: {}", line.unwrap(), String::from_utf8_lossy(bytes)));
        Ok(())
    }
}

/// The columns of a file with their types, and its documents.
fn read(bytes: &[u8], options: &CsvOptions, pinned: &[(&str, ColumnType)]) -> Result<(String, Vec<String>)> {
    let open = || -> Result<Box<dyn Read>> { Ok(Box::new(Cursor::new(bytes.to_vec()))) };
    let cancel = Cancel::default();
    let path = Path::new("loans.csv");
    let table = CsvFile { path, open: &open, is_tab: false, options, cancel: &cancel }.survey()?;
    let pinned = pinned.iter().map(|(name, column_type)| Column::new(*name, column_type.clone())).collect();
    let typed = table.typed(&ReadingPlan { pinned, ..ReadingPlan::default() }, false, None);
    let mut found = Found::default();
    table.documents(Some(&typed), &[], &mut found)?;
    let columns = typed.plan.known.iter().map(|column| format!("{} {}", column.name, column.column_type.sql()));
    Ok((columns.collect::<Vec<_>>().join(", "), found.0))
}

#[track_caller]
fn check_with(options: &CsvOptions, bytes: &[u8], columns: &str, documents: &[&str]) {
    let (found, lines) = read(bytes, options, &[]).unwrap();
    assert_eq!((found.as_str(), lines), (columns, documents.iter().map(|text| (*text).to_owned()).collect()));
}

#[track_caller]
fn check(text: &str, columns: &str, documents: &[&str]) {
    check_with(&CsvOptions::default(), text.as_bytes(), columns, documents);
}

#[test]
fn columns_have_types_that_give_the_texts_back() {
    check(
        "_id,n,x\n7,1,007\n8,,1\n",
        "n BIGINT, x VARCHAR",
        &[r#"{ "_id": "7", "n": 1, "x": "007" }"#, r#"{ "_id": "8", "x": "1" }"#],
    );
    check(
        "n,b,m\n1,true,2.50\n1.5,false,0.25\n",
        "n VARCHAR, b BOOLEAN, m DECIMAL(38,2)",
        &[r#"{ "_id": "1", "n": "1", "b": true, "m": 2.50 }"#, r#"{ "_id": "2", "n": "1.5", "b": false, "m": 0.25 }"#],
    );
    check(
        "\"a\nb\",c\n\"x,\ny\",z\n",
        "a\nb VARCHAR, c VARCHAR",
        &["{ \"_id\": \"1\", \"a\nb\": \"x,\ny\", \"c\": \"z\" }"],
    );
    check(
        "at,day\n2024-01-01 00:00:00+00,2024-01-01\n",
        "at TIMESTAMP WITH TIME ZONE, day DATE",
        &[r#"{ "_id": "1", "at": DateTime("2024-01-01 0:00:00.0 +00:00:00"), "day": "2024-01-01" }"#],
    );
    check("", "", &[]);
}

#[test]
fn every_column_of_the_header_exists() {
    check("a,b,_elt_x,B\n", "a VARCHAR, b VARCHAR, elt_x VARCHAR, B_2 VARCHAR", &[]);
    check("a,b\n1,\n2,\n", "a BIGINT, b VARCHAR", &[r#"{ "_id": "1", "a": 1 }"#, r#"{ "_id": "2", "a": 2 }"#]);
    check(
        "a,,\nx,1,2\n",
        "a VARCHAR, _empty BIGINT, column3 BIGINT",
        &[r#"{ "_id": "1", "a": "x", "": 1, "column3": 2 }"#],
    );
}

#[test]
fn an_empty_text_is_not_null() {
    check(
        "a,b\n\"\",1\n,2\n",
        "a VARCHAR, b BIGINT",
        &[r#"{ "_id": "1", "a": "", "b": 1 }"#, r#"{ "_id": "2", "b": 2 }"#],
    );
    check(
        "a,b\n,\\N\n\"\\N\",2\n",
        "a VARCHAR, b BIGINT",
        &[r#"{ "_id": "1", "a": "" }"#, r#"{ "_id": "2", "a": "\N", "b": 2 }"#],
    );
    let options = CsvOptions { nulls: Some(vec!["NA".into(), "-".into()]), ..CsvOptions::default() };
    check_with(
        &options,
        b"a,b\nNA,1\n,-\n\"NA\",3\n",
        "a VARCHAR, b BIGINT",
        &[r#"{ "_id": "1", "b": 1 }"#, r#"{ "_id": "2", "a": "" }"#, r#"{ "_id": "3", "a": "NA", "b": 3 }"#],
    );
    check("a\n1\n\n2\n", "a BIGINT", &[r#"{ "_id": "1", "a": 1 }"#, r#"{ "_id": "2" }"#, r#"{ "_id": "3", "a": 2 }"#]);
    check("sep=;\na;b\n1;2\n", "a BIGINT, b BIGINT", &[r#"{ "_id": "1", "a": 1, "b": 2 }"#]);
    check("\n\na,b\n\n1,2\n\n", "a BIGINT, b BIGINT", &[r#"{ "_id": "1", "a": 1, "b": 2 }"#]);
}

#[test]
fn broken_lines_are_set_apart() {
    check(
        "a,b\n1,2\n3\n4,5,6\n7,\"8\n9,10\n",
        "a BIGINT, b BIGINT",
        &[
            r#"{ "_id": "1", "a": 1, "b": 2 }"#,
            "line 3 at 8: the line has 1 field, not 2: 3",
            "line 4 at 10: the line has 3 fields, not 2: 4,5,6",
            "line 5 at 16: a quote is not closed: 7,\"8",
            r#"{ "_id": "5", "a": 9, "b": 10 }"#,
        ],
    );
}

#[test]
fn other_encodings_are_decoded() {
    let columns = "name VARCHAR, é VARCHAR";
    let documents = &[r#"{ "_id": "1", "name": "Zoë", "é": "€" }"#];
    let text = "name,é\nZoë,€\n";
    check(text, columns, documents);
    check_with(&CsvOptions::default(), b"name,\xe9\nZo\xeb,\x80\n", columns, documents);
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_with(&CsvOptions::default(), &utf16, columns, documents);
    let options = CsvOptions { encoding: Some(Encoding::Latin1), ..CsvOptions::default() };
    check_with(&options, b"name\nZo\xeb\n", "name VARCHAR", &[r#"{ "_id": "1", "name": "Zoë" }"#]);
    check_with(
        &CsvOptions::default(),
        "name\nZoë\nJosé\nBj\u{f6}rn".as_bytes(),
        "name VARCHAR",
        &[
            r#"{ "_id": "1", "name": "Zoë" }"#,
            r#"{ "_id": "2", "name": "José" }"#,
            r#"{ "_id": "3", "name": "Björn" }"#,
        ],
    );
    check_with(
        &CsvOptions::default(),
        b"name\nZo\xc3\xab\nJos\xc3\xa9\nBj\xf6rn",
        "name VARCHAR",
        &[
            r#"{ "_id": "1", "name": "Zoë" }"#,
            r#"{ "_id": "2", "name": "José" }"#,
            "line 4 at 16: the line is not UTF-8: Bj\u{fffd}rn",
        ],
    );
}

#[test]
fn a_file_without_a_header_has_numbered_columns() {
    check(
        "1,x\n2,y\n",
        "column1 BIGINT, column2 VARCHAR",
        &[r#"{ "_id": "1", "column1": 1, "column2": "x" }"#, r#"{ "_id": "2", "column1": 2, "column2": "y" }"#],
    );
    let options = CsvOptions { header: Some(false), ..CsvOptions::default() };
    check_with(
        &options,
        b"a,b\n",
        "column1 VARCHAR, column2 VARCHAR",
        &[r#"{ "_id": "1", "column1": "a", "column2": "b" }"#],
    );
}

#[test]
fn pinned_columns_keep_their_type() {
    let pinned = [("N", ColumnType::Decimal { scale: 2 }), ("b", ColumnType::Boolean), ("gone", ColumnType::Date)];
    let (columns, documents) = read(b"n,b\n007,t\nx,no\n", &CsvOptions::default(), &pinned).unwrap();
    assert_eq!(columns, "n DECIMAL(38,2), b BOOLEAN");
    assert_eq!(documents, [r#"{ "_id": "1", "n": 7.00, "b": true }"#, r#"{ "_id": "2", "n": "x", "b": false }"#]);
}

#[test]
fn two_columns_of_one_name_are_an_error() {
    let error = read(b"n,n\n1,2\n", &CsvOptions::default(), &[]).unwrap_err();
    assert_eq!(error.message(), "line 1 of `loans.csv` is not valid CSV: two columns are named `n`");
}
