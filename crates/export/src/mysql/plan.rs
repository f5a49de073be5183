//! Plans what a publication does to each table, based on the existing tables.
//!
//! Pure. Knows no connection: `catalog` reads the existing tables.

use super::catalog::{ExistingMysqlTable, MysqlCatalog, Name};
use super::fit::{self, MysqlFit};
use super::quarantine;
use super::table::{IDENTIFIER_CHARACTERS_MAX, MysqlTable};
use crate::contract::ForeignKey;
use crate::messages;
use crate::target::{ExistingColumn, UniqueSet, keeps_others, quarantine_name};
use elt_base::error::{Error, Result};
use elt_project::OnContractChange;

/// How one table is published.
pub struct MysqlPlan {
    /// None: it does not exist yet.
    pub fit: Option<MysqlFit>,
    /// To be added before the transaction.
    pub foreign_keys: Vec<ForeignKey>,
    /// Rows of others stay.
    pub keeps_others: bool,
    /// The unique indexes beside the key, with the columns' names as the publication spells them.
    pub unique: Vec<UniqueSet>,
    /// The columns of others that a row keeps.
    pub others: Vec<String>,
    /// The triggers of others, which may change rows as they are written.
    pub hands: Vec<String>,
    /// Its quarantine table exists.
    pub has_quarantine: bool,
    /// It has other columns, because the key has changed. It is made again.
    pub has_old_quarantine: bool,
    /// Rows are kept out of the table.
    pub keeps_out: bool,
    /// Entries depend on other rows.
    pub depends_on_others: bool,
}

impl MysqlPlan {
    /// An existing table is altered.
    pub fn alters(&self) -> bool {
        self.fit.as_ref().is_some_and(|fit| !fit.alterations.is_empty() || !self.foreign_keys.is_empty())
    }

    pub fn wants_everything(&self) -> bool {
        self.depends_on_others || self.has_old_quarantine || self.fit.as_ref().is_none_or(|fit| fit.wants_everything)
    }
}

/// Compares all tables with the existing tables; all differences of all tables are one error.
pub fn plan(
    tables: &mut [MysqlTable],
    catalog: &MysqlCatalog,
    may: OnContractChange,
) -> Result<(Vec<MysqlPlan>, Vec<String>)> {
    let (mut plans, mut notes, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let planned: Vec<Name> = tables.iter().map(|table| (table.database.clone(), table.name.clone())).collect();
    for table in tables {
        let name = (table.database.clone(), table.name.clone());
        let there = catalog.tables.get(&name);
        let fit = match there.map(|there| fit::fit(table, there)).transpose() {
            Ok(fit) => fit,
            Err(differences) => {
                let is_ours = there.is_some_and(|there| there.is_ours);
                errors.push(messages::mysql_does_not_fit(&table.name, is_ours, &differences));
                continue;
            }
        };
        if let Some(owner) = table.contract.owner.as_ref().filter(|_| there.is_none()) {
            notes.push(format!("MySQL tables have no owner, so the owner of `{}` is not set to `{owner}`", table.name));
        }
        let mut steps = Vec::new();
        for fit in fit.iter() {
            notes.extend(
                fit.unfilled.iter().map(|column| format!("column `{column}` of `{}` is no longer filled", table.name)),
            );
            steps.extend(fit.alterations.clone());
        }
        let mut foreign_keys = Vec::new();
        for key in &table.contract.foreign_keys {
            let to = (key.to_schema.clone().unwrap_or_else(|| table.database.clone()), key.to_table.clone());
            let exists = catalog.foreign_keys.iter().any(|there| {
                there.from == name
                    && there.to == to
                    && there.columns == key.columns
                    && there.to_columns == key.to_columns
            });
            match there {
                // A table that others created keeps its constraints.
                Some(there) if !there.is_ours || exists => {}
                _ if planned.contains(&to) || catalog.tables.contains_key(&to) => {
                    if there.is_some() {
                        steps.push(format!("add foreign key to {}", key.to_table));
                    }
                    foreign_keys.push(key.clone());
                }
                _ => notes.push(format!(
                    "the foreign key of `{}` to `{}` waits until that table is published",
                    table.name, key.to_table
                )),
            }
        }
        if may == OnContractChange::Fail && !steps.is_empty() {
            errors.push(messages::mysql_contract_changed(&table.name, &steps));
        }
        table.beside = beside(table, &planned, catalog);
        let beside = catalog.tables.get(&(table.database.clone(), table.beside.clone()));
        plans.push(MysqlPlan {
            fit,
            foreign_keys,
            keeps_others: keeps_others(table.contract.rows, there.map(|there| there.is_ours)),
            unique: there.map_or_else(|| declared(table), |there| beside_key(table, there)),
            others: there.map(|there| others(table, there)).unwrap_or_default(),
            hands: there.map(|there| there.hands.clone()).unwrap_or_default(),
            has_quarantine: beside.is_some(),
            has_old_quarantine: beside.is_some_and(|beside| !quarantine::fits(table, beside)),
            keeps_out: false,
            depends_on_others: false,
        });
    }
    Error::many(errors).map_or(Ok((plans, notes)), Err)
}

/// The name of a table's quarantine table: with a hash where it would be too long, or is another table's.
fn beside(table: &MysqlTable, planned: &[Name], catalog: &MysqlCatalog) -> String {
    let fits = |usual: &str| {
        let place = (table.database.clone(), usual.to_owned());
        let is_free = !planned.contains(&place) && catalog.tables.get(&place).is_none_or(quarantine::is_beside);
        usual.chars().count() <= IDENTIFIER_CHARACTERS_MAX && is_free
    };
    quarantine_name(&table.name, &table.name, fits, |name, ending| {
        let stem: String = name.chars().take(IDENTIFIER_CHARACTERS_MAX - ending.len()).collect();
        format!("{stem}{ending}")
    })
}

fn beside_key(table: &MysqlTable, there: &ExistingMysqlTable) -> Vec<UniqueSet> {
    let ours = |name: &String| {
        let column = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        column.map_or(name, |column| &column.name).clone()
    };
    let sets = there.unique_sets.iter().map(|set| UniqueSet {
        columns: set.columns.iter().map(ours).collect(),
        nullable: set.nullable.iter().map(ours).collect(),
        ..set.clone()
    });
    let is_key = |set: &UniqueSet| {
        set.is_plain && set.columns.len() == table.key.len() && set.columns.iter().all(|name| table.key.contains(name))
    };
    sets.filter(|set| !is_key(set)).collect()
}

/// The unique indexes of a table that is created.
fn declared(table: &MysqlTable) -> Vec<UniqueSet> {
    let unique = table.contract.unique.iter().map(|unique| &unique.columns);
    let indexes = table.contract.indexes.iter().filter(|index| index.unique).map(|index| &index.columns);
    let set = |columns: &Vec<String>| UniqueSet { columns: columns.clone(), nullable: Vec::new(), is_plain: true };
    unique.chain(indexes).map(set).collect()
}

/// The columns that no publication fills, and that can be written.
fn others(table: &MysqlTable, there: &ExistingMysqlTable) -> Vec<String> {
    let is_other = |theirs: &&ExistingColumn| {
        !theirs.is_generated && !table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(&theirs.name))
    };
    there.columns.iter().filter(is_other).map(|theirs| theirs.name.clone()).collect()
}
