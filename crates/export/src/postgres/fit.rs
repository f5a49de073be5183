//! Compares a table of a publication with the existing table in the target: finds what to alter, or why the table does
//! not fit.
//!
//! Pure. Knows no connection: `catalog` reads the existing tables.

use std::collections::BTreeSet;

use super::definition::Definition;
use super::names::names;
use super::table::{PostgresForeignKey, PostgresTable};
use crate::postgres_type::PostgresType;
use crate::target::{CheckedTable, ExistingColumn, Fitting, UniqueSet, check};

/// A table that exists in the target schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExistingPostgresTable {
    /// An earlier publication created it, according to our record: we may add columns to it.
    pub is_ours: bool,
    /// False for views, foreign tables and the like.
    pub is_table: bool,
    /// `a table`, `a view`
    pub kind: String,
    /// Of a partitioned table, as Postgres prints it: `RANGE (day)`.
    pub partition_key: Option<String>,
    pub columns: Vec<ExistingColumn>,
    pub has_primary_key: bool,
    /// The columns of each unique index that covers all rows and is checked at once.
    pub unique: Vec<Vec<String>>,
    /// Each unique index that is checked at once, the key's too.
    pub unique_sets: Vec<UniqueSet>,
    pub foreign_keys: Vec<ExistingPostgresKey>,
    /// The names of its constraints and indexes.
    pub object_names: BTreeSet<String>,
    /// Keys and indexes that have the name of a staging table.
    pub strays: Vec<StrayName>,
    /// The contract that a publication applied last, if one was recorded.
    pub contract: Option<Definition>,
    /// Triggers of others and row security, which affect a publication.
    pub remarks: Vec<String>,
    /// All triggers and rules of others, and row security: they may change rows as these are written.
    pub hands: Vec<String>,
    /// Row security applies to this role.
    pub hides_rows: bool,
}

/// A key or index that an earlier version left under the name that it had while its table was staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayName {
    pub name: String,
    pub is_constraint: bool,
    /// The text of its definition.
    pub text: String,
}

/// A foreign key: its columns, the referenced schema and table, and the referenced columns.
pub type ExistingPostgresKey = (Vec<String>, (String, String), Vec<String>);

impl ExistingPostgresTable {
    /// The primary key that the recorded contract created, if it exists.
    fn made_key(&self) -> Option<&str> {
        let contract = self.contract.as_ref()?;
        let mut made = contract.constraints.iter().filter(|(name, _)| self.object_names.contains(*name));
        made.find(|(_, definition)| definition.starts_with("primary key")).map(|(_, definition)| definition.as_str())
    }

    /// Whether a publication created the column: it is in the recorded contract, or no contract is recorded yet.
    fn has_made(&self, column: &str) -> bool {
        self.contract.as_ref().is_none_or(|contract| contract.columns.contains_key(column))
    }
}

/// The change that the publication makes to an existing table before it merges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alteration {
    AddColumn {
        name: String,
        postgres_type: PostgresType,
        default: Option<String>,
    },
    Widen {
        name: String,
        postgres_type: PostgresType,
    },
    /// A column that elt created, and that the relation no longer fills.
    DropNotNull {
        name: String,
    },
    /// To a type that may not be able to store the existing values.
    Change {
        name: String,
        postgres_type: PostgresType,
    },
    DropColumn {
        name: String,
    },
}

impl Alteration {
    /// The column whose values it may lose.
    pub fn loses(&self) -> Option<&str> {
        match self {
            Self::Change { name, .. } | Self::DropColumn { name } => Some(name),
            _ => None,
        }
    }
}

/// How the publication writes to an existing table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostgresFit {
    pub alterations: Vec<Alteration>,
    /// For each published column, the type in the target, if a cast must name it because it differs: enums.
    pub casts: Vec<Option<String>>,
    /// Whether each published column is compared as text, because `json` has no equality.
    pub as_text: Vec<bool>,
    /// For each published column, the collation in the target if it holds different texts equal, as SQL.
    pub collations: Vec<Option<String>>,
    /// Its key has changed: no row is kept.
    pub is_replaced: bool,
    /// A column is generated always as an identity, and gets our values.
    pub overrides_identity: bool,
    /// Existing columns that nothing fills.
    pub unfilled: Vec<String>,
}

impl PostgresFit {
    /// Whether rows that did not change must be sent too: a new column is empty in all of them.
    pub fn wants_everything(&self) -> bool {
        // A column whose type changed was cast, so its values differ from the relation's values.
        let refills =
            |alteration: &Alteration| matches!(alteration, Alteration::AddColumn { .. } | Alteration::Change { .. });
        self.is_replaced || self.alterations.iter().any(refills)
    }
}

fn key_definition(table: &PostgresTable) -> String {
    format!("primary key ({})", names(&table.key))
}

/// The views that prevent Postgres from altering the columns that they read, one line for each column.
pub fn blocked(fit: &PostgresFit, there: &ExistingPostgresTable) -> Vec<String> {
    let mut lines = Vec::new();
    for alteration in &fit.alterations {
        let (name, what) = match alteration {
            Alteration::Widen { name, postgres_type } | Alteration::Change { name, postgres_type } => {
                (name, format!("become {postgres_type}"))
            }
            Alteration::DropColumn { name } => (name, "be dropped".into()),
            _ => continue,
        };
        let views = there.columns.iter().find(|column| column.name == *name).map_or(&[][..], |column| &column.views);
        let views: Vec<_> = views.iter().map(|view| format!("`{view}`")).collect();
        match views.len() {
            0 => {}
            1 => lines.push(format!("column `{name}` cannot {what}: view {} reads it", views[0])),
            _ => lines.push(format!("column `{name}` cannot {what}: views {} read it", views.join(", "))),
        }
    }
    lines
}

/// Every difference that prevents the publication of the table, or how the table fits. `may_destroy`: a table that elt
/// created may lose data so that it matches its contract.
pub fn fit(
    table: &PostgresTable,
    there: &ExistingPostgresTable,
    may_destroy: bool,
) -> Result<PostgresFit, Vec<String>> {
    if !there.is_table {
        return Err(vec![format!("it is {}, not a table", there.kind)]);
    }
    let partitioned = there.partition_key.as_ref();
    let checked = CheckedTable {
        is_ours: there.is_ours,
        columns: &there.columns,
        unique: &there.unique,
        partition: partitioned.map_or_else(Vec::new, |key| partition_columns(key)),
        ignores_case: false,
        key_remark: partitioned.map_or(String::new(), |key| {
            format!("; it is partitioned by {key}, whose columns a unique index must have")
        }),
    };
    let columns: Vec<_> =
        table.columns.iter().map(|column| (column.name.as_str(), column.postgres_type.to_string())).collect();
    let none = PostgresFit {
        casts: vec![None; columns.len()],
        as_text: vec![false; columns.len()],
        collations: vec![None; columns.len()],
        ..PostgresFit::default()
    };
    let mut fitting = PostgresFitting { table, there, may_destroy, fit: none };
    let differences = check(&columns, &table.key, &checked, &mut fitting);
    if differences.is_empty() { Ok(fitting.fit) } else { Err(differences) }
}

/// The columns of a partition key as Postgres prints it: `LIST (region, lower(name))` has `region`.
fn partition_columns(key: &str) -> Vec<String> {
    let list = key.split_once('(').map_or("", |(_, list)| list).trim_end_matches(')');
    // An expression, or what follows a column, names no column that a table has.
    list.split(", ").map(|column| column.trim_matches('"').replace("\"\"", "\"")).collect()
}

struct PostgresFitting<'a> {
    table: &'a PostgresTable,
    there: &'a ExistingPostgresTable,
    may_destroy: bool,
    fit: PostgresFit,
}

impl Fitting for PostgresFitting<'_> {
    fn column_fits(&mut self, index: usize, theirs: &ExistingColumn) -> bool {
        let column = &self.table.columns[index];
        let (name, ours) = (column.name.clone(), column.postgres_type.clone());
        let widens = PostgresType::parse(&theirs.type_name).is_some_and(|theirs| theirs.widens_to(&ours));
        if self.may_destroy && is_changed(&ours, theirs, self.there) {
            self.fit.alterations.push(Alteration::Change { name, postgres_type: ours });
        } else if (ours.fits(&theirs.type_name, theirs.is_enum)
            || column.is_json_list && PostgresType::parse(&theirs.type_name) == Some(PostgresType::json_array()))
            && !narrows_ours(&ours, theirs, self.there)
        {
            self.fit.casts[index] = theirs.is_enum.then(|| theirs.type_name.clone());
            self.fit.as_text[index] = theirs.type_name == "json";
            self.fit.collations[index] = theirs.collation.clone();
        } else if self.there.is_ours && widens {
            self.fit.alterations.push(Alteration::Widen { name, postgres_type: ours });
        } else {
            return false;
        }
        true
    }

    fn add(&mut self, index: usize) {
        let column = &self.table.columns[index];
        self.fit.alterations.push(Alteration::AddColumn {
            name: column.name.clone(),
            postgres_type: column.postgres_type.clone(),
            default: column.default.clone(),
        });
    }

    fn leave(&mut self, theirs: &ExistingColumn, blocks: bool) {
        let name = theirs.name.clone();
        if self.may_destroy && self.there.has_made(&name) {
            self.fit.alterations.push(Alteration::DropColumn { name });
            return;
        }
        if blocks {
            self.fit.alterations.push(Alteration::DropNotNull { name: name.clone() });
        }
        self.fit.unfilled.push(name);
    }

    /// An inserted row may have a value of ours; an update may not set one, and a key is never updated.
    fn may_write_identity(&mut self, index: usize) -> bool {
        let is_key = self.table.key.contains(&self.table.columns[index].name);
        self.fit.overrides_identity |= is_key;
        is_key
    }

    /// The key is created after the rows are merged, so no existing row can be matched by it.
    fn make_key(&mut self) -> bool {
        let changes_key = self.there.made_key().is_some_and(|made| made != key_definition(self.table));
        self.fit.is_replaced = changes_key || !self.there.has_primary_key;
        self.fit.is_replaced
    }
}

/// Whether the type of a column that elt created must change to a type that is not wider.
fn is_changed(ours: &PostgresType, theirs: &ExistingColumn, there: &ExistingPostgresTable) -> bool {
    there.is_ours
        && match PostgresType::parse(&theirs.type_name) {
            Some(theirs) => theirs != *ours && !theirs.widens_to(ours),
            None => !ours.fits(&theirs.type_name, theirs.is_enum),
        }
}

/// A table that elt created follows the relation: if the relation's type is wider, the column is widened, because
/// values may not fit the old type.
fn narrows_ours(ours: &PostgresType, theirs: &ExistingColumn, there: &ExistingPostgresTable) -> bool {
    there.is_ours
        && PostgresType::parse(&theirs.type_name).is_some_and(|theirs| theirs != *ours && theirs.widens_to(ours))
}

/// Whether this foreign key exists already, under any name.
pub fn has_foreign_key(there: &ExistingPostgresTable, key: &PostgresForeignKey) -> bool {
    let ours: BTreeSet<_> = key.columns.iter().zip(&key.to_columns).collect();
    there.foreign_keys.iter().any(|(columns, to_table, to_columns)| {
        *to_table == (key.to_schema.clone(), key.to_table.clone()) && ours == columns.iter().zip(to_columns).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    fn table() -> PostgresTable {
        let columns = [("id", "BIGINT"), ("amount", "DECIMAL(38,2)"), ("mood", "VARCHAR")];
        PostgresTable::of(&contract::Table::plain("t", &columns, &["id"]), "public")
            .expect("a table that Postgres can have")
    }

    fn there(is_ours: bool, columns: &[(&str, &str, bool, bool)], unique: &[&str]) -> ExistingPostgresTable {
        ExistingPostgresTable {
            is_ours,
            is_table: true,
            columns: columns
                .iter()
                .map(|(name, type_name, not_null, has_default)| ExistingColumn {
                    name: name.to_string(),
                    type_name: type_name.to_string(),
                    is_enum: *type_name == "feeling",
                    not_null: *not_null,
                    has_default: *has_default,
                    ..ExistingColumn::default()
                })
                .collect(),
            has_primary_key: !unique.is_empty(),
            unique: vec![unique.iter().map(|name| name.to_string()).collect()],
            ..ExistingPostgresTable::default()
        }
    }

    #[track_caller]
    fn check_fit(there: ExistingPostgresTable, expected: Result<&[Alteration], &[&str]>) {
        match (fit(&table(), &there, false), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.alterations, expected),
            (Err(found), Err(expected)) => assert_eq!(found, expected),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn takes_a_table_made_by_others_as_it_is() {
        check_fit(
            there(
                false,
                &[
                    ("id", "integer", true, false),
                    ("amount", "numeric(12,2)", false, false),
                    ("mood", "feeling", false, false),
                    ("note", "text", true, true),
                ],
                &["id"],
            ),
            Ok(&[]),
        );
    }

    #[test]
    fn tells_every_difference() {
        check_fit(
            there(
                false,
                &[("id", "uuid", true, false), ("Mood", "text", false, false), ("must", "text", true, false)],
                &[],
            ),
            Err(&[
                "column `id`: uuid in the target, bigint in the model",
                "column `amount`: missing in the target, numeric(38,2) in the model",
                "column `mood`: missing in the target, text in the model (there is `Mood`)",
                "column `must`: not null without a default in the target, missing in the model",
                "key: no primary key or unique index on `id` in the target",
            ]),
        );
    }

    #[test]
    fn alters_a_table_of_ours() {
        check_fit(
            there(
                true,
                &[("id", "integer", true, false), ("mood", "text", false, false), ("old", "text", true, false)],
                &["id"],
            ),
            Ok(&[
                Alteration::Widen { name: "id".into(), postgres_type: PostgresType::Int8 },
                Alteration::AddColumn {
                    name: "amount".into(),
                    postgres_type: PostgresType::Numeric(Some((38, 2))),
                    default: None,
                },
                Alteration::DropNotNull { name: "old".into() },
            ]),
        );
    }
}
