//! The plan of a load that lands range by range, so that another run can continue it.
//!
//! Knows the plan's file, and no other file of a load.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::messages;
use crate::window::{Horizon, IdRange};
use elt_base::error::Result;
use elt_base::reading::IdKind;

/// The file's name in the folder of a load.
pub const PLAN: &str = "plan.json";

/// The start values of a load that lands range by range. Another run continues with the same plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadPlan {
    /// The version of the format, which is 1.
    pub version: u32,
    pub load_id: String,
    /// A checksum of the load's inputs: the source's options, the columns known before, and so on.
    pub fingerprint: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    pub ranges: Vec<IdRange>,
    pub id_kind: Option<IdKind>,
    pub horizon: Option<Horizon>,
    /// The source's count when the load began.
    pub count: Option<u64>,
}

/// None if the load is not a ranged one, or if the plan cannot be read.
pub fn read(folder: &Path) -> Result<Option<LoadPlan>> {
    let text = match fs::read(folder.join(PLAN)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(messages::landing("read", &folder.join(PLAN), &error)),
    };
    // The plan has another version or is malformed. The load is started again.
    Ok(serde_json::from_slice::<LoadPlan>(&text).ok().filter(|plan| plan.version == 1))
}
