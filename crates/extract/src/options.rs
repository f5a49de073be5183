//! How the documents of one collection are read: the settings of a source's table under `config:`.
//!
//! Only values. Knows neither the project's files nor a driver.

use elt_base::digest::sha256;
use elt_base::secret::Secret;

pub use crate::reshape::Mask;

/// The defaults are the options of a table without settings.
#[derive(Debug, Clone)]
pub struct CollectionOptions {
    /// A MongoDB query in Extended JSON. For the project, the collection contains only the documents that match.
    pub filter: Option<String>,
    /// The only paths that are read (`include`), or the paths that are not read (`exclude`). One of the two lists is
    /// empty.
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    /// Paths whose values are masked, so that nobody sees them.
    pub mask: Vec<(String, Mask)>,
    /// The salt of the hashes of masked values.
    pub mask_salt: Option<Secret>,
    /// Whether the raw document lands, too, as `_elt_bson`.
    pub keep_bson: bool,
    pub on_mismatch: OnMismatch,
    /// Whether a document that cannot be decoded ends the load. Otherwise it is quarantined.
    pub fail_on_malformed: bool,
    /// Whether the documents of an incomplete file are loaded. Otherwise it ends the load.
    pub takes_truncated: bool,
    /// MongoDB's read concern: `local`, `majority`, `available`, `linearizable`, `snapshot`.
    pub read_concern: Option<String>,
    /// The most documents of a server batch.
    pub batch_size: u32,
    /// The approximate number of documents in a range of `_id`s that is read and landed separately. With 0, the
    /// collection is read as a whole. None means `RANGE_SIZE` for a large collection.
    pub range_size: Option<u64>,
    pub csv: CsvOptions,
    /// The paths whose values identify a document of a file. Empty if `_id` does.
    pub key: Vec<String>,
    /// Whether a file's documents must have an `_id` or a key, because loads are merged.
    pub needs_key: bool,
}

/// How a CSV file is written. The file itself shows what is not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CsvOptions {
    pub delimiter: Option<u8>,
    /// `Some(None)`: there are no quotes.
    pub quote: Option<Option<u8>>,
    /// The texts that are NULL in fields without quotes.
    pub nulls: Option<Vec<String>>,
    pub encoding: Option<Encoding>,
    /// Whether the first line names the columns.
    pub header: Option<bool>,
}

/// An encoding of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    Latin1,
    Windows1252,
}

/// The treatment of a value that does not fit its column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OnMismatch {
    #[default]
    Rescue,
    Fail,
    /// Fails at these paths and below them. Rescues values of all other paths.
    FailAt(Vec<String>),
}

impl OnMismatch {
    /// Whether a value of a field, such as `phones[].number`, must fit its column.
    pub fn forbids(&self, path: &str) -> bool {
        let is_below = |above: &String| {
            path.strip_prefix(above.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        match self {
            Self::Rescue => false,
            Self::Fail => true,
            Self::FailAt(paths) => paths.iter().any(is_below),
        }
    }
}

/// The documents of a server batch. The server itself limits a batch to 16 MiB.
pub const BATCH_SIZE: u32 = 10_000;

/// The documents of a range.
pub const RANGE_SIZE: u64 = 250_000;

impl Default for CollectionOptions {
    fn default() -> Self {
        Self {
            filter: None,
            include: Vec::new(),
            exclude: Vec::new(),
            mask: Vec::new(),
            mask_salt: None,
            keep_bson: false,
            on_mismatch: OnMismatch::default(),
            fail_on_malformed: false,
            takes_truncated: false,
            read_concern: None,
            batch_size: BATCH_SIZE,
            range_size: None,
            csv: CsvOptions::default(),
            key: Vec::new(),
            needs_key: false,
        }
    }
}

impl CollectionOptions {
    /// Whether documents are rewritten or filtered before any other code sees them.
    pub fn reshapes(&self) -> bool {
        self.filter.is_some() || !self.include.is_empty() || !self.exclude.is_empty() || !self.mask.is_empty()
    }

    /// A checksum of the options that change which documents and columns land. Two runs may land parts of one load only
    /// if their checksums are equal.
    pub fn fingerprint(&self) -> String {
        let salt = self.mask_salt.as_ref().map(|salt| sha256(salt.reveal()));
        let text = format!(
            "{:?}",
            (
                &self.filter,
                &self.include,
                &self.exclude,
                &self.mask,
                salt,
                self.keep_bson,
                &self.on_mismatch,
                &self.key,
                &self.csv
            )
        );
        sha256(&text)
    }
}
