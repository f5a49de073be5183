//! Counts how tables that stand differ from what was staged of them in full. Changes nothing.

use mysql::Conn;
use mysql::prelude::Queryable;

use super::statements::{self, Merge, place, tick};
use super::{MysqlExporter, locked};
use crate::difference::KEYS_SHOWN;
use crate::messages;
use crate::{Difference, Extent};
use elt_base::error::Result;
use elt_connect::mysql::describe;

impl MysqlExporter {
    /// Those of the labels that differ.
    pub(super) fn compare(&self, labels: &[String]) -> Result<Vec<Difference>> {
        let mut main = locked(&self.main);
        let staged = locked(&self.staged);
        let mut found = Vec::new();
        for (index, (table, plan)) in self.tables.iter().zip(&self.plans).enumerate() {
            let in_full = staged.get(&index).is_some_and(|staged| staged.extent == Extent::Everything);
            // A column that is to come has nothing to be compared with.
            let stands = plan.fit.as_ref().is_some_and(|fit| fit.alterations.is_empty());
            if !in_full || !stands || !labels.contains(&table.label) {
                continue;
            }
            self.cancel.check()?;
            let merge = Merge {
                table,
                target: place(&table.database, &table.name),
                rows: self.staging("rows", index),
                gone: String::new(),
            };
            let difference = difference(&mut main, &merge)
                .map_err(|error| messages::mysql("comparing", Some(&table.name), describe(&error)))?;
            found.extend((!difference.is_zero()).then_some(difference));
        }
        Ok(found)
    }
}

fn difference(main: &mut Conn, merge: &Merge<'_>) -> Result<Difference, mysql::Error> {
    let table = merge.table;
    let mut difference = Difference { table: table.label.clone(), key: table.key.clone(), ..Difference::default() };
    let queries = differing(merge);
    for (query, count) in
        queries.iter().zip([&mut difference.missing, &mut difference.unknown, &mut difference.differing])
    {
        *count = main.query_first(format!("select count(*) from ({query}) as d"))?.unwrap_or(0);
        if *count > 0 && !table.key.is_empty() && difference.keys.len() < KEYS_SHOWN {
            let room = KEYS_SHOWN - difference.keys.len();
            let keys: Vec<String> = main.query(format!("{query} limit {room}"))?;
            difference.keys.extend(keys);
        }
    }
    Ok(difference)
}

/// The queries of rows missing there, unknown here, and with other values; each gives the key as one text.
fn differing(merge: &Merge<'_>) -> Vec<String> {
    let (table, target, rows) = (merge.table, &merge.target, &merge.rows);
    if table.key.is_empty() {
        let columns = statements::names(table.columns.iter().map(|column| &column.name));
        let minus = |from: &str, other: &str| {
            format!("(select {columns} from {from}) except all (select {columns} from {other})")
        };
        return vec![minus(rows, target), minus(target, rows)];
    }
    let on = merge.on();
    let key = |alias: &str| {
        let parts = table.key.iter().map(|name| format!("convert({alias}.{} using utf8mb4)", tick(name)));
        let parts = parts.collect::<Vec<_>>().join(", ', ', ");
        if table.key.len() == 1 { parts } else { format!("concat('(', {parts}, ')')") }
    };
    let first = table.key.first().map(|name| tick(name)).unwrap_or_default();
    let one_sided = |has: &str, a: &str, lacks: &str, b: &str| {
        format!("select {} as k from {has} as {a} left join {lacks} as {b} on {on} where {b}.{first} is null", key(a))
    };
    let mut queries = vec![one_sided(rows, "s", target, "t"), one_sided(target, "t", rows, "s")];
    if let Some(same) = merge.same() {
        queries.push(format!(
            "select {} as k from {rows} as s straight_join {target} as t on {on} where not ({same})",
            key("s")
        ));
    }
    queries
}
