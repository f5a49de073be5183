//! CSV, and `.tsv` with tabs: each line becomes a document of typed values, and no text is lost.
//!
//! A file is read twice, so that memory stays bounded whatever its size. The first pass only cuts it into fields, finds
//! the encoding, and keeps a few flags for each column (`column_texts`): a column gets a type only if each of its texts
//! comes back from that type as it was written. The second pass passes the documents on. A column of the raw table keeps
//! its type, and a pinned one has its own; a text that is no value of the type is rescued.
//!
//! A field without quotes that is empty is NULL, and `""` is an empty text. In a file with `\N` fields, these are NULL,
//! and empty fields are empty texts. A line that is not a record of the header's width is quarantined. Empty lines
//! between records of several fields are skipped. Without an `_id` column and without `key`, the line's record number is
//! the `_id`. Knows neither what becomes of documents nor where they land.

mod column_texts;
mod dialect;
mod encoding;
mod records;
mod row;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::Path;

use column_texts::ColumnTexts;
use dialect::{Dialect, SAMPLE_BYTES};
use encoding::{Utf8Count, decoded};
use records::{Field, Piece, Records, text_of};
use row::RowWriter;

use crate::column::names::FieldNames;
use crate::decode::Fault;
use crate::files::taker::{Broken, Taker};
use crate::from_text::TextForm;
use crate::messages;
use crate::options::{CsvOptions, Encoding};
use crate::question::ReadingPlan;
use crate::watermark::TextMark;
use elt_base::cancel::Cancel;
use elt_base::error::{Result, nearest};
use elt_base::reading::IdKind;
use elt_base::schema::{Column, ColumnType, ID};

/// The number of records between two checks for a stop.
const CANCEL_EVERY: u64 = 4_096;

/// The text of NULL in files of MySQL, and of Postgres' text format.
const BACKSLASH_N: &[u8] = b"\\N";

/// A CSV file before its first pass.
pub struct CsvFile<'f> {
    pub path: &'f Path,
    /// Opens the file at its start, decompressed.
    pub open: &'f dyn Fn() -> Result<Box<dyn Read>>,
    /// Whether the file's name says that tabs are the delimiters.
    pub is_tab: bool,
    pub options: &'f CsvOptions,
    pub cancel: &'f Cancel,
}

/// A CSV file after its first pass.
pub struct CsvTable<'f> {
    file: CsvFile<'f>,
    encoding: Encoding,
    dialect: Dialect,
    /// The texts of fields without quotes that are NULL.
    nulls: Vec<Vec<u8>>,
    names: Vec<String>,
    columns: Vec<ColumnTexts>,
}

/// The type of each column of the file, and how its texts become values.
pub struct TypedColumns {
    pub plan: ReadingPlan,
    forms: Vec<(ColumnType, TextForm)>,
}

impl<'f> CsvFile<'f> {
    /// The first pass.
    pub fn survey(self) -> Result<CsvTable<'f>> {
        let failed = |error: std::io::Error| messages::source_file(self.path, &error);
        let wanted = self.options.encoding;
        let mut decoded = decoded((self.open)()?, wanted).map_err(failed)?;
        let mut sample = Vec::new();
        decoded.text.by_ref().take(SAMPLE_BYTES as u64).read_to_end(&mut sample).map_err(failed)?;
        let is_whole = sample.len() < SAMPLE_BYTES;
        let dialect = Dialect::of(&sample, is_whole, self.is_tab, self.options);
        let text = Box::new(std::io::Cursor::new(sample).chain(decoded.text));
        let mut records = Records::new(text, dialect.delimiter, dialect.quote, dialect.newline);
        let mut pass = FirstPass::new(&self, dialect);
        let mut fields = Vec::new();
        if dialect.has_separator_line {
            records.next(&mut fields).map_err(failed)?;
        }
        loop {
            let piece = records.next(&mut fields).map_err(failed)?;
            pass.utf8.see(records.bytes());
            match piece {
                Piece::End => break,
                Piece::Record => pass.record(records.bytes(), &fields)?,
                Piece::Broken(what) if pass.names.is_none() && dialect.has_header => {
                    return Err(messages::malformed_csv(self.path, records.line, what));
                }
                Piece::Broken(_) => {}
            }
        }
        let found = pass.utf8.encoding();
        let is_undecoded = decoded.encoding == Encoding::Utf8 && !decoded.is_certain && found != Encoding::Utf8;
        let encoding = if is_undecoded { found } else { decoded.encoding };
        let nulls = match &self.options.nulls {
            Some(nulls) => nulls.iter().map(|text| text.clone().into_bytes()).collect(),
            None if pass.has_backslash_n => {
                let empty = pass.columns.iter_mut().zip(&pass.has_empty).filter(|(_, has_empty)| **has_empty);
                empty.for_each(|(column, _)| column.see(b""));
                vec![BACKSLASH_N.to_vec()]
            }
            None => vec![Vec::new()],
        };
        let (columns, header) = (pass.columns, pass.names.unwrap_or_default());
        let names = names(self.path, header, is_undecoded.then_some(found))?;
        Ok(CsvTable { encoding, dialect, nulls, names, columns, file: self })
    }
}

/// What the first pass finds.
struct FirstPass<'p> {
    file: &'p CsvFile<'p>,
    dialect: Dialect,
    /// The header's fields as they are in the file. None before the first record.
    names: Option<Vec<Vec<u8>>>,
    columns: Vec<ColumnTexts>,
    has_empty: Vec<bool>,
    has_backslash_n: bool,
    utf8: Utf8Count,
    room: Vec<u8>,
    count: u64,
}

impl<'p> FirstPass<'p> {
    fn new(file: &'p CsvFile<'p>, dialect: Dialect) -> Self {
        Self {
            file,
            dialect,
            names: None,
            columns: Vec::new(),
            has_empty: Vec::new(),
            has_backslash_n: false,
            utf8: Utf8Count::default(),
            room: Vec::new(),
            count: 0,
        }
    }

    fn record(&mut self, bytes: &[u8], fields: &[Field]) -> Result<()> {
        if self.count.is_multiple_of(CANCEL_EVERY) {
            self.file.cancel.check()?;
        }
        self.count += 1;
        if self.names.is_none() {
            if bytes.is_empty() {
                return Ok(());
            }
            self.columns.resize_with(fields.len(), ColumnTexts::default);
            self.has_empty.resize(fields.len(), false);
            let texts = fields.iter().map(|field| text_of(bytes, *field, self.dialect.quote, &mut self.room).to_vec());
            let is_header = self.dialect.has_header;
            let numbered = (1..=fields.len()).map(|number| format!("column{number}").into_bytes());
            self.names = Some(if is_header { texts.collect() } else { numbered.collect() });
            if is_header {
                return Ok(());
            }
        }
        if fields.len() != self.columns.len() {
            return Ok(());
        }
        for (index, (field, column)) in fields.iter().zip(&mut self.columns).enumerate() {
            let text = text_of(bytes, *field, self.dialect.quote, &mut self.room);
            if !field.is_quoted {
                match &self.file.options.nulls {
                    Some(nulls) if nulls.iter().any(|null| null.as_bytes() == text) => continue,
                    None if text.is_empty() => {
                        self.has_empty[index] = true;
                        continue;
                    }
                    None if text == BACKSLASH_N => {
                        self.has_backslash_n = true;
                        continue;
                    }
                    _ => {}
                }
            }
            column.see(text);
        }
        Ok(())
    }
}

/// The names of the columns, each one once. Several columns without a name are told apart by their numbers.
/// `undecoded` is the encoding of the names, if the first pass did not decode the file.
fn names(path: &Path, header: Vec<Vec<u8>>, undecoded: Option<Encoding>) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::with_capacity(header.len());
    let mut taken = HashSet::new();
    for (index, name) in header.into_iter().enumerate() {
        let mut text = Vec::new();
        match undecoded {
            None => text = name,
            Some(_) => {
                let name = Box::new(std::io::Cursor::new(name));
                let read = decoded(name, undecoded).and_then(|mut name| name.text.read_to_end(&mut text));
                read.map_err(|error| messages::source_file(path, &error))?;
            }
        }
        let name = String::from_utf8(text).map_err(|_| messages::malformed_csv(path, 1, "the header is not UTF-8"))?;
        if name.contains('\0') {
            return Err(messages::malformed_csv(path, 1, "a column's name contains a zero byte"));
        }
        let is_unnamed = name.is_empty() && taken.contains("");
        let name = if is_unnamed { format!("column{}", index + 1) } else { name };
        if !taken.insert(name.clone()) {
            let error = messages::malformed_csv(path, 1, &format!("two columns are named `{name}`"));
            return Err(error.hint("rename one of them in the file"));
        }
        names.push(name);
    }
    Ok(names)
}

impl CsvTable<'_> {
    /// Fails if the file has no column of that name.
    pub fn require(&self, what: &str, name: &str) -> Result<()> {
        if self.names.is_empty() || self.names.iter().any(|have| have == name) {
            return Ok(());
        }
        let near = nearest(name, self.names.iter().map(String::as_str));
        Err(messages::file_column_missing(self.file.path, what, name, near))
    }

    /// Fails if the file has no `_id`.
    pub fn require_id(&self, collection: &str) -> Result<()> {
        match self.names.is_empty() || self.names.iter().any(|name| name == ID) {
            true => Ok(()),
            false => Err(messages::key_missing(collection)),
        }
    }

    /// The columns of the file beside those of the raw table, with their types. `has_key`: `_id` is a column like others.
    pub fn typed(&self, plan: &ReadingPlan, has_key: bool, watermark: Option<&str>) -> TypedColumns {
        let mut known = plan.known.clone();
        let mut taken = FieldNames::of_document();
        taken.take(ID);
        for column in &known {
            taken.take(&column.name);
        }
        let by_key: HashMap<String, usize> = known.iter().map(|column| column.key().to_owned()).zip(0..).collect();
        let mut forms = Vec::with_capacity(self.names.len());
        for (key, texts) in self.names.iter().zip(&self.columns) {
            if key == ID && !has_key {
                forms.push((ColumnType::Varchar, TextForm::Canonical));
                continue;
            }
            let found = texts.column_type();
            let column = match by_key.get(key) {
                Some(index) => &mut known[*index],
                None => {
                    let name = taken.take_for(key);
                    let column_key = (name != *key).then(|| key.clone());
                    known.push(Column { name, key: column_key, column_type: ColumnType::Null });
                    let last = known.len() - 1;
                    &mut known[last]
                }
            };
            let pin = plan.pinned.iter().find(|pin| pin.name.eq_ignore_ascii_case(&column.name));
            match (pin, &column.column_type, &found) {
                (Some(pin), ColumnType::Null, _) => column.column_type = pin.column_type.clone(),
                // All texts come back from the wider type, too.
                (None, ColumnType::Null, _) | (None, ColumnType::BigInt, ColumnType::Decimal { scale: 0 }) => {
                    column.column_type = found;
                }
                _ => {}
            }
            forms.push(match pin {
                Some(pin) => (pin.column_type.clone(), TextForm::Any),
                None => (column.column_type.clone(), TextForm::Canonical),
            });
        }
        let index = watermark.and_then(|name| self.names.iter().position(|have| have == name));
        let mark =
            index.and_then(|index| forms.get(index)).map(|(column_type, form)| TextMark::new(column_type, *form));
        TypedColumns {
            plan: ReadingPlan::of_texts(known, plan.pinned.clone(), plan.id_kind.unwrap_or(IdKind::Text), mark),
            forms,
        }
    }

    /// The second pass. Without types, all values are texts. `key` names the columns that identify a line.
    pub fn documents(&self, typed: Option<&TypedColumns>, key: &[String], taker: &mut dyn Taker) -> Result<()> {
        let path = self.file.path;
        let failed = |error: std::io::Error| messages::source_file(path, &error);
        let input = decoded((self.file.open)()?, Some(self.encoding)).map_err(failed)?.text;
        let Dialect { delimiter, quote, newline, has_header, has_separator_line } = self.dialect;
        let mut records = Records::new(input, delimiter, quote, newline);
        let mut row = RowWriter::new(&self.names, key);
        for (index, texts) in self.columns.iter().enumerate() {
            if let Some((column_type, form)) = typed.and_then(|typed| typed.forms.get(index)) {
                row.set_type(index, column_type, *form, texts.is_in_millis());
            }
        }
        let (mut fields, mut room, mut number) = (Vec::new(), Vec::new(), 0_u64);
        let mut is_header = has_header;
        if has_separator_line {
            records.next(&mut fields).map_err(failed)?;
        }
        loop {
            let piece = records.next(&mut fields).map_err(failed)?;
            let what = match piece {
                Piece::End => return Ok(()),
                Piece::Record if records.bytes().is_empty() && (is_header || self.names.len() > 1) => continue,
                Piece::Record if is_header => {
                    is_header = false;
                    continue;
                }
                Piece::Record => self.row(&records, &fields, number, &mut row, &mut room, taker)?,
                Piece::Broken(what) => Some(what.to_owned()),
            };
            number += 1;
            if let Some(what) = what {
                let line = records.line;
                let error = messages::malformed_csv(path, line, &what);
                let broken = Broken { offset: records.offset, line: Some(line), what, bytes: records.bytes() };
                taker.broken(broken, error)?;
            }
        }
    }

    /// Passes a record on as a document. Returns what is wrong with it.
    fn row(
        &self,
        records: &Records,
        fields: &[Field],
        number: u64,
        row: &mut RowWriter<'_>,
        room: &mut Vec<u8>,
        taker: &mut dyn Taker,
    ) -> Result<Option<String>> {
        let bytes = records.bytes();
        if fields.len() != self.names.len() {
            let plural = if fields.len() == 1 { "" } else { "s" };
            return Ok(Some(format!("the line has {} field{plural}, not {}", fields.len(), self.names.len())));
        }
        if simdutf8::basic::from_utf8(bytes).is_err() {
            return Ok(Some("the line is not UTF-8".to_owned()));
        }
        row.begin(number + 1);
        for (index, field) in fields.iter().enumerate() {
            let text = text_of(bytes, *field, self.dialect.quote, room);
            if field.is_quoted || !self.nulls.iter().any(|null| null == text) {
                row.push(index, text);
            }
        }
        let taken = match row.key() {
            Ok(None) => taker.document(row.end()),
            Ok(Some(())) => {
                let (document, key) = row.end_keyed();
                taker.keyed(document, key)
            }
            Err(what) => return Ok(Some(what.to_owned())),
        };
        match taken {
            Ok(()) => Ok(None),
            Err(Fault::Malformed(malformed)) => Ok(Some(malformed.what.to_owned())),
            Err(Fault::Stopped(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
