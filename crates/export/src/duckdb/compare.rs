//! How the tables of a DuckDB file differ from what was staged of them in full.
//!
//! Reads both; changes nothing.

use std::sync::PoisonError;

use super::DuckdbExporter;
use super::target::{Step, Target};
use crate::difference::KEYS_SHOWN;
use crate::{Difference, Extent};
use elt_base::error::Result;

impl DuckdbExporter<'_> {
    pub(super) fn compare(&self, labels: &[String]) -> Result<Vec<Difference>> {
        let staged = self.staged.lock().unwrap_or_else(PoisonError::into_inner);
        let mut differences = Vec::new();
        for label in labels {
            let (Some(target), Some(staged)) = (self.targets.get(label), staged.get(label)) else { continue };
            if staged.extent != Extent::Everything {
                continue;
            }
            self.cancel.check()?;
            let difference = self.compare_one(target, &staged.queries.rows)?;
            if !difference.is_zero() {
                differences.push(difference);
            }
        }
        Ok(differences)
    }

    fn compare_one(&self, target: &Target, rows: &str) -> Result<Difference> {
        let label = target.table.label.as_str();
        let count = |sql: &str| self.count("comparing", label, sql);
        let mut difference =
            Difference { table: format!("{}.{}", target.schema, target.name), ..Difference::default() };
        if target.step != Step::Nothing {
            // Not there, or with other columns: it is made, and nothing there can be compared with.
            difference.missing = count(&format!("select count(*) from ({rows})"))?;
            return Ok(difference);
        }
        let (here, there) = target.both(rows);
        if target.table.key.is_empty() {
            difference.missing = count(&format!("select count(*) from ({here} except all {there})"))?;
            difference.unknown = count(&format!("select count(*) from ({there} except all {here})"))?;
            return Ok(difference);
        }
        let compared = target.compared(rows);
        for (what, of) in [
            ("missing", &mut difference.missing),
            ("differing", &mut difference.differing),
            ("unknown", &mut difference.unknown),
        ] {
            *of = count(&format!("select count(*) from ({compared}) where _elt_what = '{what}'"))?;
        }
        difference.key = target.table.key.clone();
        let keys = format!("select _elt_key from ({compared}) order by _elt_key limit {KEYS_SHOWN}");
        difference.keys = self.run("comparing", Some(label), &keys)?.into_iter().flatten().flatten().collect();
        Ok(difference)
    }
}
