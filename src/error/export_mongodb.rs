//! What is said of publications to MongoDB.

use super::Error;

impl Error {
    pub fn export_mongodb_uri(cause: String) -> Self {
        Self::usage("the export's `uri` is not a MongoDB connection string").because(cause)
    }

    pub fn export_mongodb_unreachable(place: &str) -> Self {
        Self::failed(format!("no MongoDB server answered at `{place}`"))
            .hint("nothing was published; `serverSelectionTimeoutMS` in the URI sets how long to try")
    }

    /// `during` says what was done: `writing to`.
    pub fn export_mongodb(during: &str, place: &str, cause: String) -> Self {
        Self::failed(format!("MongoDB failed while {during} `{place}`")).because(cause)
    }

    pub fn export_mongodb_hazards(collection: &str, hazards: &[String]) -> Self {
        let mut error = Self::failed(format!("`{collection}` holds values that MongoDB, or the contract, cannot hold"));
        for hazard in hazards {
            error = error.because(hazard);
        }
        error.hint("nothing was published; the model's SQL can mend them, or `on_hazard: replace` or `quarantine` on the column")
    }

    pub fn export_no_bson_type(table: &str, column: &str, written: &str, words: &[&str]) -> Self {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        Self::usage(format!("column `{column}` of `{table}` cannot be published as `{written}`"))
            .hint(format!("MongoDB's types are {}", words.join(", ")))
    }

    pub fn export_spill(cause: &std::io::Error) -> Self {
        Self::failed("cannot keep the documents to publish in a temporary file").caused_by(cause)
    }
}
