//! SQL as DuckDB's lexer reads it: words, numbers, texts, quoted names, parameters, comments, blanks, signs.
//!
//! The only scanner of SQL in the model. Knows no grammar and refuses nothing: a token without an end extends to the
//! end of the text (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html>; DuckDB has the same lexer).

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SqlTokenKind {
    /// White space.
    Blank,
    /// `-- …`, without its line's end, or `/* … */`, which may contain nested comments.
    Comment,
    /// A keyword or a name without quotes.
    Word,
    /// `"…"`.
    QuotedName,
    /// `'…'`, `E'…'`, `$$…$$`, `$tag$…$tag$`.
    Text,
    Number,
    /// `$1`, `$name`, `?`.
    Parameter,
    /// One character of anything else.
    Sign,
}

/// A part of SQL. All tokens of a text, joined, are the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SqlToken<'a> {
    pub kind: SqlTokenKind,
    /// In bytes.
    pub start: usize,
    pub text: &'a str,
}

impl SqlToken<'_> {
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is a keyword, in any letter case.
    pub fn is_word(&self, word: &str) -> bool {
        self.kind == SqlTokenKind::Word && self.text.eq_ignore_ascii_case(word)
    }

    pub fn is_sign(&self, sign: char) -> bool {
        self.kind == SqlTokenKind::Sign && self.text.starts_with(sign)
    }

    /// Whether it is part of the code: neither a blank nor a comment.
    pub fn is_code(&self) -> bool {
        !matches!(self.kind, SqlTokenKind::Blank | SqlTokenKind::Comment)
    }

    /// The name without its quotes.
    pub fn name(&self) -> String {
        match self.kind {
            SqlTokenKind::QuotedName => {
                let inner = self.text.strip_prefix('"').unwrap_or(self.text);
                inner.strip_suffix('"').unwrap_or(inner).replace("\"\"", "\"")
            }
            _ => self.text.to_owned(),
        }
    }
}

/// All tokens of a text.
pub(crate) fn tokens(sql: &str) -> impl Iterator<Item = SqlToken<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = sql.get(at..).filter(|rest| !rest.is_empty())?;
        let (kind, length) = next(rest);
        let token = SqlToken { kind, start: at, text: &rest[..length] };
        at += length;
        Some(token)
    })
}

/// The tokens without blanks and comments.
pub(crate) fn code_tokens(sql: &str) -> impl Iterator<Item = SqlToken<'_>> {
    tokens(sql).filter(SqlToken::is_code)
}

/// The first token's kind and length.
fn next(rest: &str) -> (SqlTokenKind, usize) {
    let mut chars = rest.chars();
    let (Some(first), second) = (chars.next(), chars.next()) else { return (SqlTokenKind::Blank, 0) };
    match (first, second) {
        ('-', Some('-')) => (SqlTokenKind::Comment, rest.find('\n').unwrap_or(rest.len())),
        ('/', Some('*')) => (SqlTokenKind::Comment, comment_len(rest)),
        ('\'', _) => (SqlTokenKind::Text, quoted_len(rest, b'\'', false)),
        ('"', _) => (SqlTokenKind::QuotedName, quoted_len(rest, b'"', false)),
        ('e' | 'E', Some('\'')) => (SqlTokenKind::Text, 1 + quoted_len(&rest[1..], b'\'', true)),
        ('b' | 'B' | 'x' | 'X', Some('\'')) => (SqlTokenKind::Text, 1 + quoted_len(&rest[1..], b'\'', false)),
        ('?', _) => (SqlTokenKind::Parameter, 1),
        ('$', _) => dollar(rest),
        ('.', Some(digit)) if digit.is_ascii_digit() => (SqlTokenKind::Number, number_len(rest)),
        (digit, _) if digit.is_ascii_digit() => (SqlTokenKind::Number, number_len(rest)),
        (blank, _) if blank.is_whitespace() => {
            (SqlTokenKind::Blank, rest.len() - rest.trim_start_matches(char::is_whitespace).len())
        }
        (letter, _) if is_name(letter) => (SqlTokenKind::Word, name_len(rest, true)),
        (sign, _) => (SqlTokenKind::Sign, sign.len_utf8()),
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || (!c.is_ascii() && !c.is_whitespace())
}

fn name_len(rest: &str, with_dollars: bool) -> usize {
    rest.find(|c: char| !(is_name(c) || with_dollars && c == '$')).unwrap_or(rest.len())
}

/// The length of a comment that may contain nested comments.
fn comment_len(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (0, 0usize);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (at, depth) = (at + 2, depth + 1),
            Some(b"*/") if depth == 1 => return at + 2,
            Some(b"*/") => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a quoted token. A doubled quote is part of it, and so is a character after an escaping backslash.
fn quoted_len(rest: &str, quote: u8, escapes: bool) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match *byte {
            b'\\' if escapes => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// A text between dollar signs, or a parameter.
fn dollar(rest: &str) -> (SqlTokenKind, usize) {
    let tag_len = 1 + name_len(&rest[1..], false);
    let begins_with_digit = rest[1..].starts_with(|c: char| c.is_ascii_digit());
    if rest[tag_len..].starts_with('$') && !begins_with_digit {
        let tag = &rest[..=tag_len];
        let end = rest[tag.len()..].find(tag).map_or(rest.len(), |found| found + 2 * tag.len());
        return (SqlTokenKind::Text, end);
    }
    if tag_len > 1 { (SqlTokenKind::Parameter, tag_len) } else { (SqlTokenKind::Sign, 1) }
}

/// `12`, `1_000`, `1.5`, `.5`, `1e-3`, `0x1F`.
fn number_len(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let run = |from: usize, is: fn(u8) -> bool| {
        bytes[from..].iter().position(|byte| !is(*byte)).map_or(bytes.len(), |length| from + length)
    };
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    if bytes[0] == b'0' && matches!(bytes.get(1), Some(b'x' | b'X')) {
        return run(2, |byte| byte.is_ascii_hexdigit() || byte == b'_');
    }
    let mut at = run(0, is_digit);
    if bytes.get(at) == Some(&b'.') {
        at = run(at + 1, is_digit);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        if bytes.get(at + 1 + sign).is_some_and(u8::is_ascii_digit) {
            at = run(at + 1 + sign, is_digit);
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::{SqlTokenKind, code_tokens, tokens};

    /// Each token except blanks, as its kind's letter and its text.
    #[track_caller]
    fn check(sql: &str, expected: &[&str]) {
        let letter = |kind: SqlTokenKind| match kind {
            SqlTokenKind::Blank => ' ',
            SqlTokenKind::Comment => 'c',
            SqlTokenKind::Word => 'w',
            SqlTokenKind::QuotedName => 'q',
            SqlTokenKind::Text => 't',
            SqlTokenKind::Number => 'n',
            SqlTokenKind::Parameter => 'p',
            SqlTokenKind::Sign => 's',
        };
        let all: Vec<_> = tokens(sql).collect();
        assert_eq!(all.iter().map(|token| token.text).collect::<String>(), sql, "nothing is lost");
        let kept = all.iter().filter(|token| token.kind != SqlTokenKind::Blank);
        let shown: Vec<String> = kept.map(|token| format!("{}{}", letter(token.kind), token.text)).collect();
        assert_eq!(shown, expected, "{sql}");
    }

    #[test]
    fn words_and_numbers() {
        check("select a_1, über.b$c", &["wselect", "wa_1", "s,", "wüber", "s.", "wb$c"]);
        check("1 1.5 .5 1e10 1.5E-3 0x1F 1_000", &["n1", "n1.5", "n.5", "n1e10", "n1.5E-3", "n0x1F", "n1_000"]);
        check("a.1 2e x[1:2]", &["wa", "n.1", "n2", "we", "wx", "s[", "n1", "s:", "n2", "s]"]);
        check("$1 + $name - ?", &["p$1", "s+", "p$name", "s-", "p?"]);
    }

    #[test]
    fn texts_and_names() {
        check("'it''s' \"a\"\"b\"", &["t'it''s'", "q\"a\"\"b\""]);
        check(r"E'a\'b' e'\\' 'a\'", &[r"tE'a\'b'", r"te'\\'", r"t'a\'"]);
        check("x'ff' B'01' be'a'", &["tx'ff'", "tB'01'", "wbe", "t'a'"]);
        check("$$it's$$ $a$x $$ y$a$ z", &["t$$it's$$", "t$a$x $$ y$a$", "wz"]);
        check("'--' \"/*\" -- 'a'\n1", &["t'--'", "q\"/*\"", "c-- 'a'", "n1"]);
    }

    #[test]
    fn comments_nest() {
        check("/* a /* b */ c */ 1 /**/ 2", &["c/* a /* b */ c */", "n1", "c/**/", "n2"]);
        check("a--b\r\nc - -d / *e", &["wa", "c--b\r", "wc", "s-", "s-", "wd", "s/", "s*", "we"]);
    }

    #[test]
    fn what_never_ends_goes_to_the_end() {
        for sql in ["'a", "\"a", "E'a\\", "/* a /* b */", "$$a", "$a$ b $$", "--", "'ü;"] {
            assert_eq!(tokens(sql).count(), 1, "{sql}");
        }
        check("", &[]);
        check("$", &["s$"]);
        assert_eq!(code_tokens(" -- a\n/* b */ c").map(|token| token.start).collect::<Vec<_>>(), [14]);
    }

    #[test]
    fn names_are_read_without_quotes() {
        let names: Vec<String> = code_tokens("a \"b\"\"c\" \"open").map(|token| token.name()).collect();
        assert_eq!(names, ["a", "b\"c", "open"]);
    }
}
