//! Compares staged rows with the tables that stand, by queries that change nothing.
//!
//! Writes and runs the SQL; decides nothing.

use postgres::Client;

use super::copy::describe;
use super::statements::{Merge, OWN_SCHEMA, names, qualified};
use super::{PostgresExporter, locked};
use crate::Extent;
use crate::difference::{Difference, KEYS_SHOWN};
use crate::messages;
use elt_base::error::Result;
use elt_base::schema::quote;

impl PostgresExporter {
    /// How those of the named tables that were staged in full differ from what stands; tables that do not are left out.
    pub(super) fn compare(&self, labels: &[String]) -> Result<Vec<Difference>> {
        let staged = locked(&self.staged);
        let mut main = locked(&self.main);
        let mut differences = Vec::new();
        for (index, (table, plan)) in self.tables.iter().zip(&self.plans).enumerate() {
            let Some(staged) = staged.get(&index).filter(|staged| staged.extent == Extent::Everything) else {
                continue;
            };
            if !labels.contains(&table.label) {
                continue;
            }
            self.cancel.check()?;
            let named = Difference { table: format!("{}.{}", table.schema, table.name), ..Difference::default() };
            let difference = match &plan.fit {
                None => Difference { missing: staged.rows, ..named },
                Some(fit) => {
                    let merge = Merge {
                        table,
                        fit,
                        target: qualified(&table.schema, &table.name),
                        rows: qualified(OWN_SCHEMA, &self.staging_name("rows", index)),
                        deletes: String::new(),
                    };
                    let failed = |error: postgres::Error| {
                        messages::export_postgres("comparing", Some(&table.name), describe(&error))
                    };
                    compare_one(&mut main, &merge, named).map_err(failed)?
                }
            };
            if !difference.is_zero() {
                differences.push(difference);
            }
        }
        Ok(differences)
    }
}

fn compare_one(client: &mut Client, merge: &Merge<'_>, named: Difference) -> Result<Difference, postgres::Error> {
    if merge.table.key.is_empty() {
        // A column that is to be added is nowhere yet: every row differs.
        let (there, here) = merge.both();
        let mut count = |sql: String| -> Result<u64, postgres::Error> {
            Ok(client.query_one(&sql, &[])?.get::<_, i64>(0).unsigned_abs())
        };
        return Ok(Difference {
            missing: count(format!("select count(*) from (({here}) except all ({there})) as d"))?,
            unknown: count(format!("select count(*) from (({there}) except all ({here})) as d"))?,
            ..named
        });
    }
    let key: Vec<String> = merge.table.key.iter().map(|name| format!("d.{}", quote(name))).collect();
    let shown = match key.as_slice() {
        [one] => format!("{one}::text"),
        several => {
            let parts: Vec<_> = several.iter().map(|part| format!("{part}::text")).collect();
            format!("'(' || concat_ws(', ', {}) || ')'", parts.join(", "))
        }
    };
    let mut keys = Vec::new();
    let mut look = |from: Option<String>| -> Result<u64, postgres::Error> {
        let Some(from) = from else { return Ok(0) };
        let row = client.query_one(
            &format!(
                "with d as materialized ({from}) select (select count(*) from d), \
                 array(select {shown} from d order by {} limit {KEYS_SHOWN})",
                names(&merge.table.key)
            ),
            &[],
        )?;
        // Natural keys are what the map is of, and may be a person's.
        if merge.table.schema != OWN_SCHEMA {
            keys.extend(row.get::<_, Vec<Option<String>>>(1).into_iter().flatten());
        }
        Ok(row.get::<_, i64>(0).unsigned_abs())
    };
    let (missing, differing, unknown) =
        (look(Some(merge.missing()))?, look(merge.differing())?, look(Some(merge.unknown()))?);
    keys.truncate(KEYS_SHOWN);
    Ok(Difference { missing, differing, unknown, keys, key: merge.table.key.clone(), ..named })
}
