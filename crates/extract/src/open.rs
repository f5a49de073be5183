//! Opens the source that a profile names: the only place that knows all sources.

use crate::files::FileSource;
use crate::mongodb::Mongodb;
use crate::source::Source;
use elt_base::error::Result;
use elt_project::SourceProfile;

/// Opens a source. It connects at the first question, or fails with the server's name and the time that it tried.
pub fn open(name: &str, profile: &SourceProfile) -> Result<Box<dyn Source>> {
    Ok(match profile {
        SourceProfile::Mongodb { uri, database, snapshot } => Box::new(Mongodb::open(name, uri, database, *snapshot)?),
        SourceProfile::Files { path } => Box::new(FileSource::open(name, path)),
    })
}
