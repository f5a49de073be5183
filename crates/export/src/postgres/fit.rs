//! Compares a table of a publication with the one that stands in the target: what must be altered, or why it does not fit.
//!
//! Pure. Knows no connection: `catalog` fills in what is there.

use std::collections::BTreeSet;

use crate::postgres::statements::names;
use crate::postgres::table::{ForeignKey, Table};
use crate::postgres::wanted::Wanted;
use crate::postgres_type::PostgresType;

/// A table that stands in the target schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Made by an earlier publication, by our own account: we may add columns to it.
    pub is_ours: bool,
    /// False for views, foreign tables and the like.
    pub is_table: bool,
    /// `a table`, `a view`
    pub kind: String,
    /// Of a partitioned table, as Postgres prints it: `RANGE (day)`.
    pub partition_key: Option<String>,
    pub columns: Vec<StandingColumn>,
    pub has_primary_key: bool,
    /// The columns of each unique index that covers all rows and is checked at once.
    pub unique: Vec<Vec<String>>,
    pub foreign_keys: Vec<StandingKey>,
    /// The names of its constraints and indexes.
    pub object_names: BTreeSet<String>,
    /// The contract that a publication applied last, where one was recorded.
    pub contract: Option<Wanted>,
    /// Triggers of others, row security: what a publication will meet.
    pub remarks: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StandingColumn {
    pub name: String,
    /// As `format_type` prints it.
    pub type_name: String,
    pub is_enum: bool,
    pub not_null: bool,
    /// A default, or an identity: Postgres fills it where we do not.
    pub has_default: bool,
    /// `generated always`, as a value or as an identity: nobody may write it.
    pub is_generated: bool,
    /// Of those, an identity.
    pub is_identity: bool,
    /// The views that read it, whose types follow from its: Postgres does not let it become another under them.
    pub views: Vec<String>,
}

/// A foreign key: its columns, the schema and table they point to, and the columns there.
pub type StandingKey = (Vec<String>, (String, String), Vec<String>);

impl Standing {
    /// The primary key that the recorded contract made, where it stands.
    fn made_key(&self) -> Option<&str> {
        let contract = self.contract.as_ref()?;
        let mut made = contract.constraints.iter().filter(|(name, _)| self.object_names.contains(*name));
        made.find(|(_, definition)| definition.starts_with("primary key")).map(|(_, definition)| definition.as_str())
    }

    /// Whether a publication made the column: it is in the recorded contract, or none was recorded yet.
    fn has_made(&self, column: &str) -> bool {
        self.contract.as_ref().is_none_or(|contract| contract.columns.contains_key(column))
    }
}

/// What the publication does to a standing table before it merges.
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
    /// A column of ours that the relation no longer fills.
    DropNotNull {
        name: String,
    },
    /// To a type that may not hold what is there.
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

/// How a table that stands is published to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fit {
    pub alterations: Vec<Alteration>,
    /// For each column of ours the type it has there, where that is another one that must be named in a cast: enums.
    pub casts: Vec<Option<String>>,
    /// Whether each column of ours is compared as text: `json` has no equality.
    pub as_text: Vec<bool>,
    /// Its key is another than it was: no row is kept.
    pub is_replaced: bool,
    /// Columns there that nothing fills.
    pub unfilled: Vec<String>,
}

impl Fit {
    /// Whether rows that did not change must be sent too: a new column is empty in all of them.
    pub fn wants_everything(&self) -> bool {
        // What became another type was cast, and its values are not what the relation's are.
        let refills =
            |alteration: &Alteration| matches!(alteration, Alteration::AddColumn { .. } | Alteration::Change { .. });
        self.is_replaced || self.alterations.iter().any(refills)
    }
}

fn key_definition(table: &Table) -> String {
    format!("primary key ({})", names(&table.key))
}

/// What keeps Postgres from altering columns: the views that read them, a line for each column.
pub fn blocked(fit: &Fit, there: &Standing) -> Vec<String> {
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

/// Every difference that keeps the table from being published, or how it fits. `may_destroy`: a table of ours may lose data to
/// become what its contract says.
pub fn fit(table: &Table, there: &Standing, may_destroy: bool) -> Result<Fit, Vec<String>> {
    if !there.is_table {
        return Err(vec![format!("it is {}, and no table", there.kind)]);
    }
    let mut differences = Vec::new();
    let mut fit = Fit::default();
    for column in &table.columns {
        let (name, ours) = (&column.name, &column.postgres_type);
        let (mut cast, mut as_text) = (None, false);
        match there.columns.iter().find(|there| there.name == *name) {
            None if there.is_ours => {
                fit.alterations.push(Alteration::AddColumn {
                    name: name.clone(),
                    postgres_type: ours.clone(),
                    default: column.default.clone(),
                });
            }
            None => {
                let near = there.columns.iter().find(|there| there.name.eq_ignore_ascii_case(name));
                let near = near.map(|near| format!(" (there is `{}`)", near.name)).unwrap_or_default();
                differences.push(format!("column `{name}`: missing there, {ours} here{near}"));
            }
            Some(there) if there.is_identity => differences.push(format!(
                "column `{name}`: generated always as identity there, published here; `generated by default` would take its values"
            )),
            Some(there) if there.is_generated => {
                differences.push(format!("column `{name}`: generated always there, published here"));
            }
            Some(theirs) if may_destroy && is_changed(ours, theirs, there) => {
                fit.alterations.push(Alteration::Change { name: name.clone(), postgres_type: ours.clone() });
            }
            Some(theirs) if ours.fits(&theirs.type_name, theirs.is_enum) && !narrows_ours(ours, theirs, there) => {
                cast = theirs.is_enum.then(|| theirs.type_name.clone());
                as_text = theirs.type_name == "json";
            }
            Some(theirs)
                if there.is_ours
                    && PostgresType::parse(&theirs.type_name).is_some_and(|theirs| theirs.widens_to(ours)) =>
            {
                fit.alterations.push(Alteration::Widen { name: name.clone(), postgres_type: ours.clone() });
            }
            Some(theirs) => differences.push(format!("column `{name}`: {} there, {ours} here", theirs.type_name)),
        }
        fit.casts.push(cast);
        fit.as_text.push(as_text);
    }
    for column in there.columns.iter().filter(|there| table.column(&there.name).is_none()) {
        if there.is_ours && may_destroy && there.has_made(&column.name) {
            fit.alterations.push(Alteration::DropColumn { name: column.name.clone() });
            continue;
        }
        match (column.not_null && !column.has_default && !column.is_generated, there.is_ours) {
            (true, true) => fit.alterations.push(Alteration::DropNotNull { name: column.name.clone() }),
            (true, false) => {
                differences.push(format!("column `{}`: not null without a default there, missing here", column.name))
            }
            (false, _) => {}
        }
        if there.is_ours || !(column.has_default || column.is_generated) {
            fit.unfilled.push(column.name.clone());
        }
    }
    let key: BTreeSet<_> = table.key.iter().collect();
    if !key.is_empty() && !there.unique.iter().any(|unique| key == unique.iter().collect()) {
        let changes_key = there.made_key().is_some_and(|made| made != key_definition(table));
        if there.is_ours && (changes_key || !there.has_primary_key) {
            // The key comes once the rows are there, and none that stand now is known by it.
            fit.is_replaced = true;
        } else {
            let columns: Vec<_> = table.key.iter().map(|name| format!("`{name}`")).collect();
            let partitioned = there.partition_key.as_ref();
            let partitioned = partitioned.map_or(String::new(), |key| {
                format!("; it is partitioned by {key}, whose columns a unique index must have")
            });
            differences
                .push(format!("key: no primary key or unique index on {} there{partitioned}", columns.join(", ")));
        }
    }
    if differences.is_empty() { Ok(fit) } else { Err(differences) }
}

/// Whether a column of ours is to become another type than it is, and not a wider one.
fn is_changed(ours: &PostgresType, theirs: &StandingColumn, there: &Standing) -> bool {
    there.is_ours
        && match PostgresType::parse(&theirs.type_name) {
            Some(theirs) => theirs != *ours && !theirs.widens_to(ours),
            None => !ours.fits(&theirs.type_name, theirs.is_enum),
        }
}

/// A table of ours follows the relation: where the relation's type is wider, the column is widened rather than fed with
/// values that may not fit.
fn narrows_ours(ours: &PostgresType, theirs: &StandingColumn, there: &Standing) -> bool {
    there.is_ours
        && PostgresType::parse(&theirs.type_name).is_some_and(|theirs| theirs != *ours && theirs.widens_to(ours))
}

/// Whether a foreign key of ours is there already, under whatever name.
pub fn has_foreign_key(there: &Standing, key: &ForeignKey) -> bool {
    let ours: BTreeSet<_> = key.columns.iter().zip(&key.to_columns).collect();
    there.foreign_keys.iter().any(|(columns, to_table, to_columns)| {
        *to_table == (key.to_schema.clone(), key.to_table.clone()) && ours == columns.iter().zip(to_columns).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    fn table() -> Table {
        let columns = [("id", "BIGINT"), ("amount", "DECIMAL(38,2)"), ("mood", "VARCHAR")];
        Table::of(&contract::Table::plain("t", &columns, &["id"]), "public").expect("a table that Postgres can have")
    }

    fn there(is_ours: bool, columns: &[(&str, &str, bool, bool)], unique: &[&str]) -> Standing {
        Standing {
            is_ours,
            is_table: true,
            columns: columns
                .iter()
                .map(|(name, type_name, not_null, has_default)| StandingColumn {
                    name: name.to_string(),
                    type_name: type_name.to_string(),
                    is_enum: *type_name == "feeling",
                    not_null: *not_null,
                    has_default: *has_default,
                    ..StandingColumn::default()
                })
                .collect(),
            has_primary_key: !unique.is_empty(),
            unique: vec![unique.iter().map(|name| name.to_string()).collect()],
            ..Standing::default()
        }
    }

    #[track_caller]
    fn check(there: Standing, expected: Result<&[Alteration], &[&str]>) {
        match (fit(&table(), &there, false), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.alterations, expected),
            (Err(found), Err(expected)) => assert_eq!(found, expected),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    #[test]
    fn takes_a_table_made_by_others_as_it_is() {
        check(
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
        check(
            there(
                false,
                &[("id", "uuid", true, false), ("Mood", "text", false, false), ("must", "text", true, false)],
                &[],
            ),
            Err(&[
                "column `id`: uuid there, bigint here",
                "column `amount`: missing there, numeric(38,2) here",
                "column `mood`: missing there, text here (there is `Mood`)",
                "column `must`: not null without a default there, missing here",
                "key: no primary key or unique index on `id` there",
            ]),
        );
    }

    #[test]
    fn alters_a_table_of_ours() {
        check(
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
