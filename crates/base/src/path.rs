//! The written form of a path within a collection's documents: `address.city`, `phones[].number`, `totals.*`.
//!
//! A key that is not a plain name is written as a JSON string in brackets, `["odd key"]`. `[]` is every element of an
//! array. `*` is every key of an object whose keys are data. `…` is the keys of an object that are too many to list.
//! Pure.

/// A step from a value into it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    /// Every element.
    Element,
    /// Every key.
    AnyKey,
    /// The keys that are too many to have a step of their own.
    OtherKeys,
}

impl Step {
    /// Appends the step to a path's text.
    pub fn push(&self, out: &mut String) {
        match self {
            Self::Key(key) => push_key(out, key),
            Self::Element => out.push_str("[]"),
            Self::AnyKey => out.push_str(".*"),
            Self::OtherKeys => out.push_str(".…"),
        }
    }
}

/// The path of a top-level key.
pub fn path_of_key(key: &str) -> String {
    let mut path = String::new();
    push_key(&mut path, key);
    path
}

/// Appends a key to a path's text.
pub fn push_key(out: &mut String, key: &str) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
    if !key.is_empty() && key.bytes().all(plain) && !key.starts_with(|first: char| first.is_ascii_digit()) {
        if !out.is_empty() {
            out.push('.');
        }
        out.push_str(key);
    } else {
        out.push('[');
        out.push_str(&serde_json::Value::from(key).to_string());
        out.push(']');
    }
}

/// Reads a path of the census. If a part of the text is not valid, the last step is a key with the rest of the text.
pub fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, length) = next(rest);
        steps.push(step);
        rest = &rest[length..];
    }
    steps
}

/// The first step, and its length in bytes.
fn next(rest: &str) -> (Step, usize) {
    if rest.starts_with("[]") {
        return (Step::Element, 2);
    }
    if let Some(quoted) = rest.strip_prefix('[') {
        let mut keys = serde_json::Deserializer::from_str(quoted).into_iter::<String>();
        if let Some(Ok(key)) = keys.next() {
            let end = 1 + keys.byte_offset();
            if rest[end..].starts_with(']') {
                return (Step::Key(key), end + 1);
            }
        }
        return (Step::Key(rest.to_owned()), rest.len());
    }
    let word = rest.strip_prefix('.').unwrap_or(rest);
    let end = word.find(['.', '[']).unwrap_or(word.len());
    let step = match &word[..end] {
        "" => return (Step::Key(rest.to_owned()), rest.len()),
        "*" => Step::AnyKey,
        "…" => Step::OtherKeys,
        key => Step::Key(key.to_owned()),
    };
    (step, rest.len() - word.len() + end)
}

#[cfg(test)]
mod tests {
    use super::{Step, steps};

    #[track_caller]
    fn check(path: &str, expected: &[Step]) {
        let found = steps(path);
        assert_eq!(found, expected);
        let mut written = String::new();
        found.iter().for_each(|step| step.push(&mut written));
        assert_eq!(written, path);
    }

    #[test]
    fn reads_what_it_writes() {
        let key = |key: &str| Step::Key(key.into());
        check("", &[]);
        check("address.city", &[key("address"), key("city")]);
        check("phones[].number", &[key("phones"), Step::Element, key("number")]);
        check("matrix[][]", &[key("matrix"), Step::Element, Step::Element]);
        check(r#"["odd key"]["a.b"][]"#, &[key("odd key"), key("a.b"), Step::Element]);
        check(r#"o["]\"["]["*"].x"#, &[key("o"), key("]\"["), key("*"), key("x")]);
        check("totals.*.*", &[key("totals"), Step::AnyKey, Step::AnyKey]);
        check(".….x", &[Step::OtherKeys, key("x")]);
    }

    #[test]
    fn what_is_no_path_is_kept() {
        assert_eq!(steps("a[3"), [Step::Key("a".into()), Step::Key("[3".into())]);
        assert_eq!(steps("a."), [Step::Key("a".into()), Step::Key(".".into())]);
    }
}
