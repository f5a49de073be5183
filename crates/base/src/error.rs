//! The error that every fallible function returns: a message with its place, cause and next step.
//!
//! The messages are functions in the `messages` module of the crate that raises them, so that each message is
//! written once and tested once. This module knows no stage's types and prints nothing. `diagnostic` is the
//! only renderer.
//!
//! Messages are lowercase, put names in backquotes and end without a period. They never contain a row's
//! values or a secret.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The exit code of the tool after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 1: a model, test, load or export failed.
    Failed = 1,
    /// 2: usage or configuration.
    Usage = 2,
}

/// A text that the user wrote, with its path relative to the project's root.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    pub path: PathBuf,
    pub text: String,
    /// The user's own text, if `text` was made from it. A byte offset means the same place in both.
    original: Option<String>,
}

impl SourceText {
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into(), original: None })
    }

    /// The user's text with some parts masked. Both texts have the same length in bytes.
    pub fn prepared(path: impl Into<PathBuf>, text: impl Into<String>, original: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into(), original: Some(original.into()) })
    }

    /// The text that is shown to the user.
    pub fn shown(&self) -> &str {
        self.original.as_deref().unwrap_or(&self.text)
    }

    /// The byte range of a line (1-based), without its line end; the end of the text if the line does not exist.
    pub fn line_span(&self, line: usize) -> Range<usize> {
        let mut start = 0;
        for (index, text) in self.text.split_inclusive('\n').enumerate() {
            if index + 1 == line {
                return start..start + text.trim_end_matches(['\n', '\r']).len();
            }
            start += text.len();
        }
        self.text.len()..self.text.len()
    }
}

/// The place of an error: a byte range of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub source: Arc<SourceText>,
    pub span: Range<usize>,
    /// A text under the carets, if it adds something to the message.
    pub label: Option<String>,
}

impl Place {
    pub fn new(source: &Arc<SourceText>, span: Range<usize>) -> Self {
        Self { source: source.clone(), span, label: None }
    }

    /// A whole line, 1-based, without its indentation.
    pub fn line(source: &Arc<SourceText>, line: usize) -> Self {
        let span = source.line_span(line);
        let text = &source.text[span.clone()];
        let indent = text.len() - text.trim_start().len();
        Self::new(source, span.start + indent..span.end)
    }

    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }
}

/// An error that is shown to the user. Cheap to move. Functions in the `messages` modules create it.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    exit: Exit,
    message: String,
    places: Vec<Place>,
    causes: Vec<String>,
    hints: Vec<String>,
    picture: Option<String>,
    more: Vec<Error>,
    is_transient: bool,
    is_timeout: bool,
    is_of_values: bool,
}

impl Error {
    /// An error that exits with 1: a model, test, load or export failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// An error that exits with 2: usage or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            exit,
            message: message.into(),
            places: Vec::new(),
            causes: Vec::new(),
            hints: Vec::new(),
            picture: None,
            more: Vec::new(),
            is_transient: false,
            is_timeout: false,
            is_of_values: false,
        }))
    }

    /// Sets another exit code, for example for a template that fails while it runs.
    pub fn exiting(mut self, exit: Exit) -> Self {
        self.0.exit = exit;
        self
    }

    /// Marks an error that may not occur if the same attempt is made again later.
    pub fn transient(mut self) -> Self {
        self.0.is_transient = true;
        self
    }

    pub fn is_transient(&self) -> bool {
        self.0.is_transient
    }

    /// Marks that a server stopped a statement because its time limit was over.
    pub fn timeout(mut self) -> Self {
        self.0.is_timeout = true;
        self
    }

    pub fn is_timeout(&self) -> bool {
        self.0.is_timeout
    }

    /// Marks that values of the data cause the error. The caller looks for more of them and reports all together.
    pub fn of_values(mut self) -> Self {
        self.0.is_of_values = true;
        self
    }

    pub fn is_of_values(&self) -> bool {
        self.0.is_of_values
    }

    /// Joins several errors into one. They are reported one after the other, and the highest exit code is used. None if
    /// `errors` is empty.
    pub fn many(errors: Vec<Error>) -> Option<Self> {
        let mut all = errors.into_iter();
        let mut first = all.next()?;
        first.0.more.extend(all);
        Some(first)
    }

    /// The primary place.
    pub fn at(mut self, place: Place) -> Self {
        self.0.places.push(place);
        self
    }

    pub fn at_maybe(self, place: Option<Place>) -> Self {
        match place {
            Some(place) => self.at(place),
            None => self,
        }
    }

    /// Lines that illustrate the message, such as rows side by side.
    pub fn picture(mut self, lines: String) -> Self {
        self.0.picture = Some(lines);
        self
    }

    /// Several places, the primary one first.
    pub fn at_all(mut self, places: Vec<Place>) -> Self {
        self.0.places.extend(places);
        self
    }

    /// A statement about the next step, without a period.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    pub fn hint_maybe(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// The message of another library's error and of its causes, outermost first.
    pub fn caused_by(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = error.to_string();
            if self.0.causes.last().is_none_or(|last| !last.contains(&text)) {
                self.0.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// A cause that is only a text.
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.0.causes.push(cause.into());
        self
    }

    pub fn exit(&self) -> Exit {
        self.iter().map(|error| error.0.exit).max().unwrap_or(Exit::Failed)
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn places(&self) -> &[Place] {
        &self.0.places
    }

    pub fn causes(&self) -> &[String] {
        &self.0.causes
    }

    pub fn shown_picture(&self) -> Option<&str> {
        self.0.picture.as_deref()
    }

    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// This error and the errors that are reported with it.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        std::iter::once(self).chain(self.0.more.iter())
    }

    /// Splits an error that `many` joined.
    pub fn split(mut self) -> Vec<Error> {
        let more = std::mem::take(&mut self.0.more);
        std::iter::once(self).chain(more).collect()
    }
}

/// The message and its causes on one line, for logs and artifacts.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for cause in &self.0.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Names in backquotes, separated by commas, for a sentence.
pub fn listed(names: &[impl AsRef<str>]) -> String {
    names.iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}

/// The candidate whose spelling is nearest to `written`, if one is near enough to be a likely intention.
pub fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| {
            let longer = written.chars().count().max(candidate.chars().count());
            *distance < longer && *distance <= 1.max(longer / 3)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
