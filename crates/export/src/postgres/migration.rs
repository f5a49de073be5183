//! The steps that alter a table that elt created so that it matches its contract.
//!
//! Pure. Objects that the recorded contract did not create are left alone: a DBA's index or grant stays. Knows no
//! connection.

use super::catalog::PostgresCatalog;
use super::definition::{Definition, foreign_key, foreign_key_name};
use super::fit::{self, ExistingPostgresTable, PostgresFit};
use super::index_sql::is_plain;
use super::names::{names, qualified};
use super::statements::alter;
use super::table::{PostgresForeignKey, PostgresTable};
use elt_base::schema::quote;

/// When a step runs, within the publication's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// Before any table's other steps, children first: drops.
    First,
    /// Before the rows are merged.
    Before,
    /// After the rows are merged, because the step checks the merged rows.
    After,
}

/// One step of a table's migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStep {
    /// For people: `add column "city" text`.
    pub text: String,
    pub sql: String,
    /// The column whose values it loses.
    pub loses: Option<String>,
    pub when: When,
    /// A query that counts the rows that violate a constraint.
    pub offenders: Option<String>,
}

impl MigrationStep {
    fn new(place: &str, sql: String, when: When) -> Self {
        let text = sql.replacen(&format!("alter table {place} "), "", 1).replacen(&format!(" on {place} "), " ", 1);
        Self { text, sql, loses: None, when, offenders: None }
    }
}

/// All steps for an existing table that elt created, in their order. `recorded` is the contract that was applied last;
/// None for a table of an earlier version, whose constraints are read from the catalog.
pub fn steps(
    table: &PostgresTable,
    fit: &PostgresFit,
    there: &ExistingPostgresTable,
    recorded: Option<&Definition>,
) -> Vec<MigrationStep> {
    let place = qualified(&table.schema, &table.name);
    let new = Definition::of(table);
    let mut steps = Vec::new();
    let step = |sql: String, when: When| MigrationStep::new(&place, sql, when);
    let mut drops_key = false;
    let renamed = renames(table, there, recorded, &new);
    let gets_name = |name: &str| renamed.iter().any(|(_, new)| new.as_deref() == Some(name));
    let loses_name = |name: &str| renamed.iter().any(|(old, _)| old == name);
    let stands = |name: &str| gets_name(name) || there.object_names.contains(name) && !loses_name(name);
    // Drops come first, because old objects might block new ones.
    for (name, new_name) in &renamed {
        let sql = match new_name {
            Some(new_name) => format!("alter index {} rename to {}", qualified(&table.schema, name), quote(new_name)),
            None if there.strays.iter().any(|stray| stray.name == *name && stray.is_constraint) => {
                format!("alter table {place} drop constraint {}", quote(name))
            }
            None => format!("drop index {}", qualified(&table.schema, name)),
        };
        steps.push(step(sql, When::First));
    }
    for (name, old) in recorded.iter().flat_map(|recorded| &recorded.constraints) {
        if new.constraints.get(name) != Some(old) && stands(name) {
            drops_key |= old.starts_with("primary key");
            steps.push(step(format!("alter table {place} drop constraint {}", quote(name)), When::First));
        }
    }
    for (name, old) in recorded.iter().flat_map(|recorded| &recorded.indexes) {
        if new.indexes.get(name) != Some(old) && stands(name) {
            let sql = format!("drop index {}", qualified(&table.schema, name));
            steps.push(step(sql, When::First));
        }
    }
    for alteration in &fit.alterations {
        let loses = alteration.loses().map(str::to_owned);
        steps.push(MigrationStep { loses, ..step(alter(&place, alteration), When::Before) });
    }
    for (name, column) in &new.columns {
        let Some(theirs) = there.columns.iter().find(|theirs| theirs.name == *name) else { continue };
        let old = recorded.and_then(|recorded| recorded.columns.get(name));
        if old.and_then(|old| old.default.as_ref()) != column.default.as_ref() {
            let default = match &column.default {
                Some(default) => format!("set default {default}"),
                None => "drop default".into(),
            };
            steps.push(step(format!("alter table {place} alter column {} {default}", quote(name)), When::Before));
        }
        if theirs.not_null && !column.not_null && old.is_none_or(|old| old.not_null) {
            steps.push(step(format!("alter table {place} alter column {} drop not null", quote(name)), When::Before));
        }
    }
    for (name, column) in &new.columns {
        let is_nullable =
            there.columns.iter().find(|theirs| theirs.name == *name).is_none_or(|theirs| !theirs.not_null);
        if column.not_null && is_nullable {
            let offenders = Some(format!("select count(*) from {place} where {} is null", quote(name)));
            let sql = format!("alter table {place} alter column {} set not null", quote(name));
            steps.push(MigrationStep { offenders, ..step(sql, When::After) });
        }
    }
    for (name, wanted) in &new.constraints {
        // Foreign keys wait for the referenced table; a primary key that is not dropped is already the right one.
        let is_elsewhere = wanted.starts_with("foreign key")
            || wanted.starts_with("primary key") && there.has_primary_key && !drops_key;
        let is_same = recorded.is_none_or(|recorded| recorded.constraints.get(name) == Some(wanted));
        let is_done = is_elsewhere || gets_name(name) || stands(name) && is_same;
        if !is_done {
            let offenders = if let Some(expression) = wanted.strip_prefix("check ") {
                Some(format!("select count(*) from {place} where not {expression}"))
            } else if wanted.starts_with("primary key") {
                Some(twins(&place, &table.key))
            } else {
                let unique =
                    table.unique.iter().find(|unique| *wanted == format!("unique ({})", names(&unique.columns)));
                unique.map(|unique| twins(&place, &unique.columns))
            };
            let sql = format!("alter table {place} add constraint {} {wanted}", quote(name));
            steps.push(MigrationStep { offenders, ..step(sql, When::After) });
        }
    }
    for (name, wanted) in &new.indexes {
        let is_same = recorded.is_none_or(|recorded| recorded.indexes.get(name) == Some(wanted));
        if !(gets_name(name) || stands(name) && is_same) {
            let unique = if wanted.unique { "unique " } else { "" };
            let is_this =
                |index: &&elt_project::Index| wanted.definition.ends_with(&format!(" ({})", names(&index.columns)));
            let plain = table.indexes.iter().filter(|index| index.unique && is_plain(table, index));
            let index = plain.filter(|index| index.include.is_empty()).find(is_this);
            let offenders = index.map(|index| twins(&place, &index.columns));
            let sql = format!("create {unique}index {} on {place} {}", quote(name), wanted.definition);
            steps.push(MigrationStep { offenders, ..step(sql, When::After) });
        }
    }
    let none = Definition::default();
    for sql in recorded.unwrap_or(&none).steps_to(&new, &place) {
        steps.push(step(sql, When::After));
    }
    steps.sort_by_key(|step| step.when);
    steps
}

/// The keys and indexes that only change their names, and those that an earlier version left and nothing needs: the old
/// name, and the new one if there is one. An object is renamed where its name is taken by now, or was never its own.
fn renames(
    table: &PostgresTable,
    there: &ExistingPostgresTable,
    recorded: Option<&Definition>,
    new: &Definition,
) -> Vec<(String, Option<String>)> {
    let mut renames: Vec<(String, Option<String>)> = Vec::new();
    let is_missing = |name: &&String| !there.object_names.contains(*name);
    for stray in &there.strays {
        let is_free = |name: &&String| !renames.iter().any(|(_, taken)| taken.as_ref() == Some(*name));
        let wanted = new.names_of(&stray.text).filter(is_missing).find(is_free).cloned();
        renames.push((stray.name.clone(), wanted));
    }
    for (text, name) in &table.object_names {
        let old = recorded.and_then(|recorded| recorded.names_of(text).find(|old| there.object_names.contains(*old)));
        let is_done = renames.iter().any(|(_, new)| new.as_ref() == Some(name));
        if let Some(old) = old.filter(|old| *old != name && is_missing(&name) && !is_done && !new.has_object(old)) {
            renames.push((old.clone(), Some(name.clone())));
        }
    }
    renames
}

/// The rows that have the same values in these columns as other rows; a unique constraint ignores nulls.
pub fn twins(place: &str, columns: &[String]) -> String {
    let known: Vec<_> = columns.iter().map(|name| format!("{} is not null", quote(name))).collect();
    let (known, columns) = (known.join(" and "), names(columns));
    format!(
        "select coalesce(sum(n), 0)::bigint from \
         (select count(*) as n from {place} where {known} group by {columns} having count(*) > 1) as d"
    )
}

/// The foreign keys to add to a table, and those that wait for the referenced table.
pub fn foreign_keys(
    table: &PostgresTable,
    there: Option<&ExistingPostgresTable>,
    standing: &PostgresCatalog,
    tables: &[PostgresTable],
) -> (Vec<PostgresForeignKey>, Vec<PostgresForeignKey>) {
    // A table that others created keeps its constraints.
    if there.is_some_and(|there| !there.is_ours) {
        return Default::default();
    }
    let new = Definition::of(table);
    let is_wanted = |key: &&PostgresForeignKey| {
        let Some(there) = there else { return true };
        // The key exists under a name that is no longer in the contract.
        let is_renamed = there.contract.iter().flat_map(|recorded| &recorded.constraints).any(|(name, definition)| {
            *definition == foreign_key(key) && there.object_names.contains(name) && !new.constraints.contains_key(name)
        });
        !fit::has_foreign_key(there, key) || is_renamed
    };
    let stands = |key: &PostgresForeignKey| {
        standing.contains_key(&(key.to_schema.clone(), key.to_table.clone()))
            || tables.iter().any(|other| other.schema == key.to_schema && other.name == key.to_table)
    };
    table.foreign_keys.iter().filter(is_wanted).cloned().partition(stands)
}

/// The step that adds a foreign key.
pub fn add_foreign_key(table: &PostgresTable, key: &PostgresForeignKey) -> MigrationStep {
    let place = qualified(&table.schema, &table.name);
    let name = quote(&foreign_key_name(table, key));
    let known: Vec<_> = key.columns.iter().map(|name| format!("t.{} is not null", quote(name))).collect();
    let pairs = key.columns.iter().zip(&key.to_columns);
    let same: Vec<_> = pairs.map(|(from, to)| format!("o.{} = t.{}", quote(to), quote(from))).collect();
    let offenders = format!(
        "select count(*) from {place} as t where {} and not exists (select from {} as o where {})",
        known.join(" and "),
        qualified(&key.to_schema, &key.to_table),
        same.join(" and ")
    );
    let sql = format!("alter table {place} add constraint {name} {}", foreign_key(key));
    MigrationStep { offenders: Some(offenders), ..MigrationStep::new(&place, sql, When::After) }
}

/// The description of a new table, for people.
pub fn creation(table: &PostgresTable) -> String {
    let key = if table.key.is_empty() { String::new() } else { format!(", key ({})", table.key.join(", ")) };
    format!("create table with {} columns{key}", table.columns.len())
}
