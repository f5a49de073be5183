//! The registry of targets: the one place that turns a profile's `type` into a target.
//!
//! All other code asks the target for its capabilities and its name.

use super::duckdb::DuckdbTarget;
use super::exporter::Target;
use super::files::FileTarget;
use super::mongodb::MongodbTarget;
use super::mysql::MysqlTarget;
use super::postgres::PostgresTarget;
use elt_project::ExportPlace;

/// The target at a place.
pub fn target(place: &ExportPlace) -> Box<dyn Target + '_> {
    match place {
        ExportPlace::Files { path, format } => Box::new(FileTarget { folder: path, format }),
        ExportPlace::Duckdb { path, schema } => Box::new(DuckdbTarget { path, schema }),
        ExportPlace::Postgres { uri, schema, connections } => {
            Box::new(PostgresTarget { uri, schema, connections: *connections })
        }
        ExportPlace::Mysql { uri } => Box::new(MysqlTarget { uri }),
        ExportPlace::Mongodb { uri, database } => Box::new(MongodbTarget { uri, database }),
    }
}
