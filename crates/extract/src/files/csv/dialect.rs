//! How a CSV file is written: its delimiter, quote, line end and header, as the settings say or the file's start shows.
//!
//! The delimiter is the one of `,` `;` tab `|` that cuts most lines into as many fields as the first line, and at least
//! into two. Quotes are `"`, or `'` if all fields of the first line are in them. The first line is a header unless its
//! fields look like the values below them in every column of numbers, times or booleans. Knows only texts.

use std::io::Cursor;

use super::column_texts::ColumnTexts;
use super::records::{Field, Piece, Records, text_of};
use crate::options::CsvOptions;

/// The bytes at the start of the text that show the dialect, and the most lines of them.
pub const SAMPLE_BYTES: usize = 1 << 18;
const SAMPLE_RECORDS: usize = 1_000;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    pub delimiter: u8,
    pub quote: Option<u8>,
    pub newline: u8,
    pub has_header: bool,
    /// Whether the first line is not one of the table's: `sep=;`, which tells a spreadsheet the delimiter.
    pub has_separator_line: bool,
}

impl Dialect {
    /// `text` is the file's start, or all of it if `is_whole`.
    pub fn of(text: &[u8], is_whole: bool, is_tab: bool, options: &CsvOptions) -> Self {
        let newline = if !text.contains(&b'\n') && text.contains(&b'\r') { b'\r' } else { b'\n' };
        // A line that is cut off has fewer fields.
        let end = if is_whole { None } else { text.iter().rposition(|byte| *byte == newline) };
        let text = text.get(..end.map_or(text.len(), |end| end + 1)).unwrap_or_default();
        let separator = separator_line(text, newline);
        let text = separator.map_or(text, |(_, rest)| rest);
        let quotes: Vec<Option<u8>> = match options.quote {
            Some(quote) => vec![quote],
            None => vec![Some(b'\''), Some(b'"')],
        };
        let delimiters = match options.delimiter.or(separator.map(|(delimiter, _)| delimiter)) {
            Some(delimiter) => vec![delimiter],
            None if is_tab => vec![b'\t'],
            None => DELIMITERS.to_vec(),
        };
        let mut best: Option<(u64, usize, Self)> = None;
        for quote in quotes {
            let is_odd = options.quote.is_none() && quote == Some(b'\'');
            for &delimiter in &delimiters {
                let dialect = Self { delimiter, quote, newline, has_header: true, has_separator_line: false };
                let Some((same, width)) = dialect.fits(text, is_odd) else { continue };
                if best.as_ref().is_none_or(|(most, widest, _)| (same, width) > (*most, *widest)) {
                    best = Some((same, width, dialect));
                }
            }
        }
        let quote = options.quote.unwrap_or(Some(b'"'));
        let delimiter = delimiters.first().copied().unwrap_or(b',');
        let mut dialect = best.map_or(
            Self { delimiter, quote, newline, has_header: true, has_separator_line: false },
            |(_, _, dialect)| dialect,
        );
        dialect.has_separator_line = separator.is_some();
        dialect.has_header = options.header.unwrap_or_else(|| dialect.is_header(text));
        dialect
    }

    fn records(&self, text: &[u8]) -> Records {
        Records::new(Box::new(Cursor::new(text.to_vec())), self.delimiter, self.quote, self.newline)
    }

    /// The number of lines with as many fields as the first line, and that number of fields. None if there is one field
    /// only, or if most lines have another number.
    fn fits(&self, text: &[u8], is_odd: bool) -> Option<(u64, usize)> {
        let (mut all, mut same, mut width) = (0_u64, 0_u64, 0);
        self.each(text, |_, fields| {
            if width == 0 {
                width = fields.len();
                if is_odd && !fields.iter().all(|field| field.is_quoted) {
                    width = 1;
                }
            }
            all += 1;
            same += u64::from(fields.len() == width);
        });
        (width > 1 && same * 2 > all).then_some((same, width))
    }

    /// Calls `see` for each record of the sample. Broken and empty lines are not records.
    fn each(&self, text: &[u8], mut see: impl FnMut(&[u8], &[Field])) {
        let mut records = self.records(text);
        let mut fields = Vec::new();
        let mut count = 0;
        // Reading from memory cannot fail.
        while let Ok(piece) = records.next(&mut fields) {
            match piece {
                Piece::End => return,
                Piece::Record if !records.bytes().is_empty() && count < SAMPLE_RECORDS => {
                    count += 1;
                    see(records.bytes(), &fields);
                }
                Piece::Record | Piece::Broken(_) => {}
            }
        }
    }

    fn is_header(&self, text: &[u8]) -> bool {
        let (mut first, mut rest): (Vec<ColumnTexts>, Vec<ColumnTexts>) = (Vec::new(), Vec::new());
        let mut room = Vec::new();
        self.each(text, |record, fields| {
            let columns = if first.is_empty() { &mut first } else { &mut rest };
            if columns.len() < fields.len() {
                columns.resize_with(fields.len(), ColumnTexts::default);
            }
            for (column, field) in columns.iter_mut().zip(fields) {
                let text = text_of(record, *field, self.quote, &mut room);
                if !text.is_empty() {
                    column.see(text);
                }
            }
        });
        let classes = first.iter().zip(&rest).filter(|(first, _)| !first.is_empty());
        let mut classes = classes.filter_map(|(first, rest)| rest.class().map(|rest| (first.class(), rest)));
        let mut is_typed_at_all = false;
        let all_alike = classes.all(|(first, rest)| {
            is_typed_at_all = true;
            first == Some(rest)
        });
        !(is_typed_at_all && all_alike)
    }
}

/// The delimiter of a line `sep=;`, and the text after it.
fn separator_line(text: &[u8], newline: u8) -> Option<(u8, &[u8])> {
    let rest = text.strip_prefix(b"sep=")?;
    let end = rest.iter().position(|byte| *byte == newline)?;
    let (line, rest) = rest.split_at_checked(end)?;
    match line.strip_suffix(b"\r").unwrap_or(line) {
        [delimiter] => Some((*delimiter, rest.get(1..)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Dialect;
    use crate::options::CsvOptions;

    #[track_caller]
    fn check(text: &str, delimiter: char, quote: char, has_header: bool) {
        let found = Dialect::of(text.as_bytes(), true, false, &CsvOptions::default());
        assert_eq!(
            (char::from(found.delimiter), found.quote.map(char::from), found.has_header),
            (delimiter, Some(quote), has_header),
            "{text}"
        );
    }

    #[test]
    fn the_start_shows_the_dialect() {
        check("a,b\n1,2\n", ',', '"', true);
        check("a;b\n1,5;2,5\n3,25;4\n", ';', '"', true);
        check("a\tb\nx, y\tz\n", '\t', '"', true);
        check("a|b|c\n1|2|3\n", '|', '"', true);
        check("'a','b;c'\n'1','x'\n", ',', '\'', true);
        check("\"a;b\",c\n\"1;2\",3\n", ',', '"', true);
        check("note\nx, y\nz\n", ',', '"', true);
        check("a,b\r1,2\r", ',', '"', true);
        check("sep=;\r\na;b,c\r\n1;2\r\n", ';', '"', true);
        check("", ',', '"', true);
        check("a,b\n", ',', '"', true);
        check("name,city\nAda,London\n", ',', '"', true);
        check("1,Ada,2024-01-01\n2,Bola,2024-01-02\n", ',', '"', false);
        check("Ada,1.5\nBola,2\n", ',', '"', false);
        check("country,2022,2023\nGhana,100,200\n", ',', '"', true);
        check("2022,2023\n1,2\n", ',', '"', true);
        check("id,2022\n1,2\n", ',', '"', true);
    }

    #[test]
    fn settings_come_first() {
        let options =
            CsvOptions { delimiter: Some(b'|'), quote: Some(None), header: Some(false), ..CsvOptions::default() };
        let found = Dialect::of(b"a,b\n\"1,2\n", true, false, &options);
        assert_eq!(
            found,
            Dialect { delimiter: b'|', quote: None, newline: b'\n', has_header: false, has_separator_line: false }
        );
        assert_eq!(Dialect::of(b"a,b\n", true, true, &CsvOptions::default()).delimiter, b'\t');
    }
}
