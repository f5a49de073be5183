//! Cuts the text of a DuckDB type into its parts.
//!
//! Pure text. Knows no type.

/// Where the `[]` or `[n]` at the end of a list type begins.
pub fn list_suffix(text: &str) -> Option<usize> {
    let inner = text.strip_suffix(']')?;
    let open = inner.rfind('[')?;
    inner[open + 1..].bytes().all(|byte| byte.is_ascii_digit()).then_some(open)
}

/// A type's text cut at its quotes, each part with whether it is quoted: names of fields, values of an ENUM.
pub fn quoted_parts(text: &str) -> Vec<(&str, bool)> {
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

/// Whether a type's text has a word outside of quotes.
pub fn has_word(text: &str, word: &str) -> bool {
    quoted_parts(text).iter().filter(|(_, is_quoted)| !is_quoted).any(|(part, _)| {
        part.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
            .any(|found| found == word)
    })
}

/// A type with JSON in the place of each VARIANT.
pub fn without_variant(duckdb_type: &str) -> String {
    let parts = quoted_parts(duckdb_type).into_iter();
    parts.map(|(part, is_quoted)| if is_quoted { part.to_owned() } else { part.replace("VARIANT", "JSON") }).collect()
}

/// The parts between the commas of the outermost level.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut ends = Vec::new();
    let (mut depth, mut at) = (0usize, 0);
    for (part, is_quoted) in quoted_parts(text) {
        for (offset, character) in part.char_indices().filter(|_| !is_quoted) {
            match character {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                ',' if depth == 0 => ends.push(at + offset),
                _ => {}
            }
        }
        at += part.len();
    }
    let is_empty = text.trim().is_empty();
    ends.push(text.len());
    let mut start = 0;
    ends.into_iter().filter(move |_| !is_empty).map(move |end| {
        let part = &text[start.min(end)..end];
        start = end + 1;
        part.trim()
    })
}

/// The fields of a STRUCT or UNION: names and texts of types. A field without a name has the empty one.
pub fn fields(text: &str) -> impl Iterator<Item = (String, &str)> {
    split(text).map(|field| {
        if !field.starts_with('"') {
            // `TIMESTAMP WITH TIME ZONE` alone is not distinguished: a field without a name is rare, and has no such type.
            return match field.split_once(' ') {
                Some((name, rest)) if !name.contains(['(', '[', ',']) => (name.to_owned(), rest.trim()),
                _ => (String::new(), field),
            };
        }
        let (mut name, mut end) = (String::new(), field.len());
        let mut characters = field.char_indices().skip(1).peekable();
        while let Some((at, character)) = characters.next() {
            if character != '"' {
                name.push(character);
            } else if characters.next_if(|(_, next)| *next == '"').is_some() {
                name.push('"');
            } else {
                end = at + 1;
                break;
            }
        }
        (name, field[end..].trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_outermost_commas() {
        let parts: Vec<&str> = split("a DECIMAL(2,1), \"b, c\" ENUM('x, (', 'y'), d INTEGER[3]").collect();
        assert_eq!(parts, ["a DECIMAL(2,1)", "\"b, c\" ENUM('x, (', 'y')", "d INTEGER[3]"]);
        assert_eq!(split("").count(), 0);
    }

    #[test]
    fn finds_words_outside_of_quotes() {
        assert!(has_word("STRUCT(a UNION(k INTEGER))", "UNION"));
        assert!(!has_word("ENUM('UNION', 'it''s')", "UNION"));
    }
}
