//! What a publication is to do to each table, from what stands there.
//!
//! Pure. Knows no connection: `catalog` tells what stands.

use super::catalog::Catalog;
use super::fit::{self, Fit};
use super::migration::{self, Step};
use super::quarantine;
use super::table::{ForeignKey, Table};
use super::wanted::WantedColumn;
use crate::error::{Error, Result};
use crate::project::{ExportPolicy, OnContractChange};

/// How one table is published.
pub struct Plan {
    /// None: it does not stand yet.
    pub fit: Option<Fit>,
    /// It stands, and an earlier publication made it.
    pub is_ours: bool,
    /// The table beside it, for rows that were set aside, stands.
    pub has_quarantine: bool,
    /// To be added in the transaction.
    pub foreign_keys: Vec<ForeignKey>,
    /// What brings a table of ours to its contract.
    pub steps: Vec<Step>,
    /// Columns that contracts made and models no longer have: they stay ours to drop.
    pub left: Vec<(String, WantedColumn)>,
}

/// Compares all tables with what stands; all differences of all tables are one error.
pub fn plan(tables: &[Table], standing: &Catalog, policy: ExportPolicy) -> Result<(Vec<Plan>, Vec<String>)> {
    let (mut plans, mut notes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for table in tables {
        let place = format!("{}.{}", table.schema, table.name);
        let there = standing.get(&(table.schema.clone(), table.name.clone()));
        let fit = match there.map(|there| fit::fit(table, there, policy.allow_destructive)).transpose() {
            Ok(fit) => fit,
            Err(differences) => {
                let is_ours = there.is_some_and(|there| there.is_ours);
                errors.push(Error::export_table_does_not_fit(&table.schema, &table.name, is_ours, &differences));
                continue;
            }
        };
        let ours = there.filter(|there| there.is_ours);
        let steps = match (&fit, ours) {
            (Some(fit), Some(there)) => migration::steps(table, fit, there, there.contract.as_ref()),
            _ => Vec::new(),
        };
        if policy.on_schema_change == OnContractChange::Fail && !steps.is_empty() {
            let steps: Vec<String> = steps.iter().map(|step| step.text.clone()).collect();
            errors.push(Error::export_contract_changed(&place, &steps));
            continue;
        }
        if let (Some(fit), Some(_)) = (&fit, ours) {
            for column in &fit.unfilled {
                notes.push(format!("column `{column}` of `{place}` is no longer filled"));
            }
        }
        notes.extend(there.iter().flat_map(|there| &there.remarks).map(|remark| format!("`{place}`: {remark}")));
        let mut foreign_keys = Vec::new();
        for key in &table.foreign_keys {
            let to_stands = standing.contains_key(&(key.to_schema.clone(), key.to_table.clone()))
                || tables.iter().any(|other| other.schema == key.to_schema && other.name == key.to_table);
            match there {
                // What others made keeps the constraints they gave it.
                Some(there) if !there.is_ours || fit::has_foreign_key(there, key) => {}
                _ if to_stands => foreign_keys.push(key.clone()),
                _ => notes.push(format!(
                    "the foreign key of `{place}` to `{}` waits until that table is published",
                    key.to_table
                )),
            }
        }
        let left = ours.and_then(|there| there.contract.as_ref()).map_or(Vec::new(), |contract| {
            let is_left = |name: &String| fit.as_ref().is_some_and(|fit| fit.unfilled.contains(name));
            let left = contract.columns.iter().filter(|(name, _)| is_left(name));
            left.map(|(name, column)| (name.clone(), column.clone())).collect()
        });
        plans.push(Plan {
            left,
            fit,
            is_ours: ours.is_some(),
            has_quarantine: standing.contains_key(&(table.schema.clone(), quarantine::table_name(&table.name))),
            foreign_keys,
            steps,
        });
    }
    Error::many(errors).map_or(Ok((plans, notes)), Err)
}
