//! The steps that bring a table of ours from what it is to what its contract wants.
//!
//! Pure. What the recorded contract did not make is left alone: a DBA's index or grant stays. Knows no connection.

use super::fit::{Alteration, Fit, Standing};
use super::statements::{alter, qualified};
use super::table::Table;
use super::wanted::Wanted;
use crate::schema::quote;

/// One step of a table's migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// For people: `add column "city" text`.
    pub text: String,
    pub sql: String,
    /// It loses data.
    pub is_destructive: bool,
    /// After the rows are merged, which it then holds for.
    pub is_late: bool,
}

/// All steps for a table that stands and is ours, in their order. `recorded` is the contract that was applied last; None
/// for a table of an earlier version, whose constraints are known by what stands.
pub fn steps(table: &Table, fit: &Fit, there: &Standing, recorded: Option<&Wanted>) -> Vec<Step> {
    let place = qualified(&table.schema, &table.name);
    let new = Wanted::of(table);
    let mut steps = Vec::new();
    let mut step = |sql: String, is_destructive: bool, is_late: bool| {
        let text = sql.replacen(&format!("alter table {place} "), "", 1).replace(&format!(" on {place}"), "");
        steps.push(Step { text, sql, is_destructive, is_late });
    };
    let stands = |name: &str| there.object_names.contains(name);
    // What goes, before what it might stand in the way of.
    for (name, old) in recorded.iter().flat_map(|recorded| &recorded.constraints) {
        if new.constraints.get(name) != Some(old) && stands(name) {
            step(format!("alter table {place} drop constraint {}", quote(name)), false, false);
        }
    }
    for (name, old) in recorded.iter().flat_map(|recorded| &recorded.indexes) {
        if new.indexes.get(name) != Some(old) && stands(name) {
            let sql = format!("drop index {}", qualified(&table.schema, name));
            step(sql, false, false);
        }
    }
    for alteration in &fit.alterations {
        step(alter(&place, alteration), alteration.is_destructive(), false);
    }
    for (name, column) in &new.columns {
        let Some(theirs) = there.columns.iter().find(|theirs| theirs.name == *name) else { continue };
        let old = recorded.and_then(|recorded| recorded.columns.get(name));
        if old.and_then(|old| old.default.as_ref()) != column.default.as_ref() {
            let default = match &column.default {
                Some(default) => format!("set default {default}"),
                None => "drop default".into(),
            };
            step(format!("alter table {place} alter column {} {default}", quote(name)), false, false);
        }
        if theirs.not_null && !column.not_null {
            step(format!("alter table {place} alter column {} drop not null", quote(name)), false, false);
        }
    }
    for (name, column) in &new.columns {
        let is_nullable =
            there.columns.iter().find(|theirs| theirs.name == *name).is_none_or(|theirs| !theirs.not_null);
        if column.not_null && is_nullable {
            step(format!("alter table {place} alter column {} set not null", quote(name)), false, true);
        }
    }
    for (name, wanted) in &new.constraints {
        // Foreign keys wait for the table they point to; a key that the fit adds is there by then.
        let is_else = wanted.starts_with("foreign key")
            || wanted.starts_with("primary key")
                && (there.has_primary_key || !fit.alterations.is_empty() && adds_key(fit));
        let is_same = recorded.is_none_or(|recorded| recorded.constraints.get(name) == Some(wanted));
        if !is_else && !(stands(name) && is_same) {
            step(format!("alter table {place} add constraint {} {wanted}", quote(name)), false, true);
        }
    }
    for (name, wanted) in &new.indexes {
        let is_same = recorded.is_none_or(|recorded| recorded.indexes.get(name) == Some(wanted));
        if !(stands(name) && is_same) {
            let unique = if wanted.unique { "unique " } else { "" };
            step(format!("create {unique}index {} on {place} {}", quote(name), wanted.definition), false, true);
        }
    }
    let none = Wanted::default();
    for sql in recorded.unwrap_or(&none).steps_to(&new, &place) {
        step(sql, false, true);
    }
    steps
}

fn adds_key(fit: &Fit) -> bool {
    fit.alterations.iter().any(|alteration| matches!(alteration, Alteration::AddPrimaryKey { .. }))
}

/// What a table that is new will be, for people.
pub fn creation(table: &Table) -> String {
    let key = if table.key.is_empty() { String::new() } else { format!(", key ({})", table.key.join(", ")) };
    format!("create table with {} columns{key}", table.columns.len())
}
