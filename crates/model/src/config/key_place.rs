//! The place where a configuration key is written: in the `config(…)` of a template, or below an entry in YAML.
//!
//! Reads texts only.

use std::ops::Range;
use std::sync::Arc;

use super::value::canonical;
use elt_base::error::{Place, SourceText};

/// `key=value` inside the `config(…)` of a template.
pub(crate) fn key_in_sql(source: &Arc<SourceText>, key: &str) -> Option<Place> {
    let text = &source.text;
    let from = text.find("config(").or_else(|| text.find("config ("))?;
    let spelled = [key.to_owned(), key.replace('_', "-")];
    spelled.iter().find_map(|key| {
        let pattern =
            format!(r#"['"]?\b{}\b['"]?\s*[=:]\s*("[^"\n]*"|'[^'\n]*'|\[[^\]]*\]|[\w.]+)?"#, regex::escape(key));
        let found = regex::Regex::new(&pattern).ok()?.find_at(text, from)?;
        Some(Place::new(source, found.range()))
    })
}

/// A key within `{…}` on one line.
fn key_in_braces(line: &str, key: &str) -> Option<Range<usize>> {
    let is_key = |at: &usize| {
        let before = line[..*at].trim_end_matches([' ', '\'', '"', '+']);
        let after = line[*at + key.len()..].trim_start_matches(['\'', '"']).trim_start();
        before.ends_with(['{', ',']) && after.starts_with(':')
    };
    let at = line.match_indices(key).map(|(at, _)| at).find(is_key)?;
    Some(at..at + key.len())
}

/// The `key:` line below an entry. The entry itself if the key is not found, and None if the entry has no text.
pub(crate) fn key_in_yaml(entry: &Place, key: &str) -> Option<Place> {
    let text = &entry.source.text;
    if text.is_empty() || entry.span.start > text.len() {
        return None;
    }
    let own_indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let mut at = text[..entry.span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let mut first = None;
    for line in text[at..].split_inclusive('\n') {
        let indent = own_indent(line);
        let body = line.trim_start_matches([' ', '-']);
        let is_content = !body.trim().is_empty() && !body.starts_with('#');
        match first {
            None => first = Some(indent),
            Some(first)
                if is_content && (indent < first || (indent == first && line.trim_start().starts_with('-'))) =>
            {
                break;
            }
            Some(_) => {}
        }
        let name = body.split(':').next().unwrap_or_default().trim_matches(['"', '\'']);
        if body.contains(':') && canonical(name) == key {
            return Some(Place::new(&entry.source, at + indent..at + line.trim_end().len()));
        }
        if let Some(found) = is_content.then(|| key_in_braces(line, key)).flatten() {
            return Some(Place::new(&entry.source, at + found.start..at + found.end));
        }
        at += line.len();
    }
    Some(entry.clone())
}

#[cfg(test)]
mod tests {
    use super::{Place, key_in_yaml};
    use elt_base::error::SourceText;

    #[test]
    fn keys_below_an_entry() {
        let text =
            "models:\n  - name: a\n    config: {tags: [x], export: {tabel: \"limit: 5\"}}\n  - name: b\n    limit: 5\n";
        let source = SourceText::new("m.yml", text);
        #[track_caller]
        fn check(source: &std::sync::Arc<SourceText>, line: usize, key: &str, expected: &str) {
            let found = key_in_yaml(&Place::line(source, line), key).expect("a place");
            assert_eq!(&source.text[found.span], expected);
        }
        check(&source, 2, "tabel", "tabel");
        check(&source, 2, "tags", "tags");
        check(&source, 2, "limit", "- name: a");
        check(&source, 4, "limit", "limit: 5");
    }
}
