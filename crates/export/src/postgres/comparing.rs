//! Compares staged rows with their tables, those of all tables in one round trip.
//!
//! Changes nothing. Knows the queries of `Merge` by their text only.

use std::collections::BTreeMap;

use super::quarantine;
use super::said::describe;
use super::script::Script;
use super::staging::{PostgresPublication, PostgresStaged, text_rows};
use super::statements::OWN_SCHEMA;
use crate::changes::TextRows;
use crate::difference::Difference;
use crate::messages;
use crate::others::Others;
use elt_base::error::Result;

/// Tables with more staged rows than this are compared alone, so that a stop is noticed between them.
const ROWS_MAX: u64 = 100_000;

/// Runs a query; returns all rows as text.
pub type Query<'a> = dyn FnMut(&str) -> Result<TextRows> + 'a;

/// What is asked about one staged table.
type Asking<'a, T> = dyn Fn(usize, &mut PostgresStaged, &mut Query<'_>) -> Result<T> + 'a;

impl PostgresPublication {
    pub(super) fn difference_by(
        &self,
        index: usize,
        staged: &mut PostgresStaged,
        query: &mut Query<'_>,
    ) -> Result<Difference> {
        let table = &self.tables[index];
        let named = Difference { table: format!("{}.{}", table.schema, table.name), ..Difference::default() };
        let Some(mut merge) = self.merge(index, staged.coverage) else {
            return Ok(Difference { missing: staged.staged.rows, ..named });
        };
        let plan = &self.plans[index];
        if plan.has_quarantine && !plan.has_old_quarantine && !table.key.is_empty() {
            merge.rows = quarantine::of(table, String::new()).published_rows(&merge.rows);
        }
        let difference = merge.difference(named, table.on_conflict, query)?;
        // The map contains natural keys, which may be personal data.
        Ok(match table.schema == OWN_SCHEMA {
            true => Difference { keys: Vec::new(), ..difference },
            false => difference,
        })
    }

    pub(super) fn others_by(&self, index: usize, staged: &mut PostgresStaged, query: &mut Query<'_>) -> Result<Others> {
        let table = &self.tables[index];
        let place = format!("{}.{}", table.schema, table.name);
        let Some(merge) = self.merge(index, staged.coverage) else { return Ok(Others::default()) };
        let fresh = staged.staged.fresh;
        let others = merge.others(place, fresh, table.on_conflict, query)?;
        staged.staged.note(&others, merge.is_marked());
        Ok(others)
    }

    pub(super) fn compare(&self, index: usize, sql: &str) -> Result<TextRows> {
        text_rows(&mut self.main.lock(), sql)
            .map_err(|error| messages::export_postgres("comparing", Some(&self.tables[index].name), describe(&error)))
    }

    /// Asks about several tables: the queries that come first are collected and sent together, and those that depend on
    /// their answers follow, table by table.
    pub(super) fn ask_ahead<T>(
        &self,
        staged: &mut [(usize, &mut PostgresStaged)],
        asking: &Asking<'_, T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::with_capacity(staged.len());
        let mut rest = staged;
        while !rest.is_empty() {
            let (mut count, mut rows) = (0, 0);
            while let Some((_, staged)) = rest.get(count) {
                rows += staged.staged.rows;
                if count > 0 && rows > ROWS_MAX {
                    break;
                }
                count += 1;
            }
            let (now, later) = rest.split_at_mut(count);
            rest = later;
            self.cancel.check()?;
            let mut known = self.answers_ahead(now, asking);
            for (index, staged) in now {
                let index = *index;
                all.push(asking(index, staged, &mut |sql| match known.remove(sql) {
                    Some(rows) => Ok(rows),
                    None => self.compare(index, sql),
                })?);
            }
        }
        Ok(all)
    }

    /// The answers to the queries that are asked if every count is one.
    fn answers_ahead<T>(
        &self,
        staged: &mut [(usize, &mut PostgresStaged)],
        asking: &Asking<'_, T>,
    ) -> BTreeMap<String, TextRows> {
        let mut script = Script::default();
        let mut queries = Vec::new();
        for (index, staged) in staged {
            let before = staged.staged.clone();
            let mut collect = |sql: &str| {
                // Few tables differ, so keys are asked for when they are needed.
                let is_count = sql.starts_with("select count(*) from ");
                if is_count {
                    queries.push((*index, sql.to_owned()));
                }
                Ok(if is_count { vec![vec![Some("1".to_owned())]] } else { Vec::new() })
            };
            // The answers are not real, so neither is the result.
            let _ = asking(*index, staged, &mut collect);
            staged.staged = before;
        }
        for (index, sql) in &queries {
            script.add("comparing", Some(&self.tables[*index].name), &**sql);
        }
        // After a failure, each query is asked alone, and its error names its table.
        let answers = script.try_run(&mut self.main.lock()).unwrap_or_default();
        queries.into_iter().zip(answers).map(|((_, sql), answer)| (sql, answer.rows)).collect()
    }
}
