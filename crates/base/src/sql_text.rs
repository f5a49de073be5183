//! Makes SQL safe to log: removes the values of its literals.
//!
//! Knows where literals begin and end in SQL. Does not know the meaning of a statement.

/// The most bytes of a statement in a log; the rest is cut off.
const BYTES_MAX: usize = 4_000;
/// A longer word is copied in parts.
const WORD_BYTES_MAX: usize = 64;

/// `sql` on one line, with `?` for each string and number, without comments, cut to 4,000 bytes.
///
/// Names are kept, quoted or not. A literal without an end hides the rest of the text.
pub fn masked(sql: &str) -> String {
    let mut shown = String::with_capacity(sql.len().min(BYTES_MAX + 16));
    let mut rest = sql.trim();
    let mut last = ' ';
    while let Some(first) = rest.chars().next() {
        if shown.len() > BYTES_MAX {
            shown.push('…');
            break;
        }
        let length = if first == '\'' {
            shown.push('?');
            // In `e'…'` a backslash escapes the next quote. Applied to all strings, this rule can only hide more text.
            string_length(rest, matches!(last, 'e' | 'E'))
        } else if first == '"' {
            let length = quoted_length(rest, '"');
            shown.push_str(&rest[..length]);
            length
        } else if let Some(length) = dollar_length(rest).filter(|_| !is_word(last)) {
            shown.push('?');
            length
        } else if first.is_ascii_digit() && !is_word(last) {
            shown.push('?');
            let is_number = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
            rest.find(|c| !is_number(c)).unwrap_or(rest.len())
        } else if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if first.is_whitespace() {
            if !shown.ends_with(' ') {
                shown.push(' ');
            }
            rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len())
        } else if is_word(first) {
            let mut characters = rest.char_indices();
            let ends = |(at, c): &(usize, char)| !is_word(*c) || *at >= WORD_BYTES_MAX;
            let length = characters.find(ends).map_or(rest.len(), |(at, _)| at);
            shown.push_str(&rest[..length]);
            length
        } else {
            shown.push(first);
            first.len_utf8()
        };
        last = rest[..length].chars().next_back().unwrap_or(' ');
        rest = &rest[length..];
    }
    shown
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The length in bytes of the string at the start of `text`, with its quotes.
fn string_length(text: &str, escapes: bool) -> usize {
    if !escapes {
        return quoted_length(text, '\'');
    }
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b'\'' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The length in bytes up to the closing quote. Two quotes in a row are one quote inside the string.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut from = 1;
    while let Some(at) = text[from..].find(quote) {
        let end = from + at + 1;
        if !text[end..].starts_with(quote) {
            return end;
        }
        from = end + 1;
    }
    text.len()
}

/// The length in bytes of `$tag$ … $tag$`. None if `text` does not begin with such a string.
fn dollar_length(text: &str) -> Option<usize> {
    let tag = text.strip_prefix('$')?;
    let end = tag.find('$')?;
    let is_tag = |c: char| c.is_alphanumeric() || c == '_';
    if !tag[..end].chars().all(is_tag) || tag.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let tag = &text[..end + 2];
    Some(text[tag.len()..].find(tag).map_or(text.len(), |at| tag.len() + at + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::{BYTES_MAX, WORD_BYTES_MAX, masked};

    #[track_caller]
    fn check(sql: &str, expected: &str) {
        assert_eq!(masked(sql), expected);
    }

    #[test]
    fn literals_are_hidden_and_names_stay() {
        check(
            "select a1, \"b'2\" from t3 where n = 42 and x = 'it''s'",
            "select a1, \"b'2\" from t3 where n = ? and x = ?",
        );
        check("values (1.5e3, -7, E'a\\'b', 'ü')", "values (?, -?, E?, ?)");
        check("select $$secret$$, $q$it's $$ secret$q$, $1", "select ?, ?, $1");
        check("select 1 -- secret 'x\n  from /* a\nb */ t", "select ? from t");
        check("select 'unclosed secret", "select ?");
        check("select $tag$ unclosed secret", "select ?");
        check("0x1F", "?");
    }

    #[test]
    fn long_statements_are_cut() {
        let shown = masked(&"name, ".repeat(10_000));
        assert!(shown.len() < BYTES_MAX + WORD_BYTES_MAX + 16 && shown.ends_with('…'), "{}", shown.len());
    }
}
