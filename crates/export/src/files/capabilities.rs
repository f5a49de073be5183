//! The capabilities of a folder of files as a target, by the format of the files.
//!
//! Values only.

use crate::capabilities::Capabilities;
use elt_project::FileFormat;

pub const fn capabilities_of(format: &FileFormat) -> &'static Capabilities {
    match format {
        FileFormat::Parquet => {
            const { &Capabilities { can_quarantine: true, ..Capabilities::only_publishes("Parquet") } }
        }
        // Numbers that the format does not know are texts.
        FileFormat::Csv(_) => {
            const { &Capabilities { holds_every_value: true, ..Capabilities::only_publishes("CSV") } }
        }
        FileFormat::Json { .. } => {
            const { &Capabilities { holds_every_value: true, ..Capabilities::only_publishes("JSON") } }
        }
    }
}
