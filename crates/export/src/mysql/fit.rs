//! Compares a table of a publication with the existing table: finds what to alter, or why the table does not fit.
//!
//! Pure. Knows no connection: `catalog` reads the existing tables.

use super::catalog::ExistingMysqlTable;
use super::mysql_type::{LONG, MysqlType};
use super::statements::{define, names, tick};
use super::table::{MysqlColumn, MysqlTable};
use crate::target::{CheckedTable, ExistingColumn, Fitting, check};

/// How the publication writes to an existing table.
#[derive(Debug, Clone, Default)]
pub struct MysqlFit {
    /// The clauses after `alter table …`, one by one.
    pub alterations: Vec<String>,
    /// A column is new: rows that did not change must be sent too.
    pub wants_everything: bool,
    /// Existing columns that nothing fills.
    pub unfilled: Vec<String>,
}

/// Every difference that prevents the publication of the table, or how it fits. Sets the types of the table's columns
/// to those in the target, so that a value that does not fit is found before it is sent.
pub fn fit(table: &mut MysqlTable, there: &ExistingMysqlTable) -> Result<MysqlFit, Vec<String>> {
    match there.engine.as_deref() {
        None => return Err(vec!["it is not a table".into()]),
        Some(engine) if !engine.eq_ignore_ascii_case("InnoDB") => {
            return Err(vec![format!("its engine is {engine}, which does not support transactions; use InnoDB")]);
        }
        Some(_) => {}
    }
    let checked = CheckedTable {
        is_ours: there.is_ours,
        columns: &there.columns,
        unique: &there.unique,
        partition: Vec::new(),
        // Column names ignore case.
        ignores_case: true,
        key_remark: String::new(),
    };
    let names: Vec<(String, String)> =
        table.columns.iter().map(|column| (column.name.clone(), column.mysql_type.to_string())).collect();
    let columns: Vec<_> = names.iter().map(|(name, ours)| (name.as_str(), ours.clone())).collect();
    let key = table.key.clone();
    let mut fitting = MysqlFitting { table, there, fit: MysqlFit::default() };
    let differences = check(&columns, &key, &checked, &mut fitting);
    if differences.is_empty() { Ok(fitting.fit) } else { Err(differences) }
}

struct MysqlFitting<'a> {
    table: &'a mut MysqlTable,
    there: &'a ExistingMysqlTable,
    fit: MysqlFit,
}

impl Fitting for MysqlFitting<'_> {
    fn column_fits(&mut self, index: usize, theirs: &ExistingColumn) -> bool {
        let (column, is_ours) = (&mut self.table.columns[index], self.there.is_ours);
        let ours = column.mysql_type.clone();
        let Some(type_there) = MysqlType::parse(&theirs.type_name) else { return false };
        if is_ours && type_there != ours && type_there.widens_to(&ours) {
            self.fit.alterations.push(format!("modify column {}", define(column)));
            return true;
        }
        if !ours.fits(&type_there) {
            return false;
        }
        let loses_not_null = is_ours && theirs.not_null && !column.not_null;
        // MariaDB's `json` has a check of its own that the name of the type brings.
        let is_json = ours == MysqlType::Json && type_there == MysqlType::Text(LONG);
        if loses_not_null || !is_json {
            column.mysql_type = type_there;
        }
        column.collation = theirs.collation.clone().filter(|_| column.mysql_type.is_text());
        if loses_not_null {
            self.fit.alterations.push(format!("modify column {}", define(column)));
        } else {
            column.not_null |= theirs.not_null;
        }
        true
    }

    fn add(&mut self, index: usize) {
        // Rows that exist have no value until the transaction brings it.
        let column = MysqlColumn { not_null: false, ..self.table.columns[index].clone() };
        self.fit.alterations.push(format!("add column {}", define(&column)));
        self.fit.wants_everything = true;
    }

    fn leave(&mut self, theirs: &ExistingColumn, blocks: bool) {
        if blocks {
            let (name, type_name) = (tick(&theirs.name), &theirs.type_name);
            self.fit.alterations.push(format!("modify column {name} {type_name} null"));
        }
        self.fit.unfilled.push(theirs.name.clone());
    }

    fn make_key(&mut self) -> bool {
        if !self.there.has_primary_key {
            self.fit.alterations.push(format!("add primary key ({})", names(&self.table.key)));
        }
        !self.there.has_primary_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;
    use elt_connect::mysql::Flavour;

    fn column(name: &str, type_name: &str, not_null: bool, has_default: bool) -> ExistingColumn {
        let type_name = type_name.to_owned();
        ExistingColumn { name: name.into(), type_name, not_null, has_default, ..ExistingColumn::default() }
    }

    #[track_caller]
    fn check_fit(is_ours: bool, columns: Vec<ExistingColumn>, unique: &[&str], expected: Result<&[&str], &[&str]>) {
        let engine = Some("InnoDB".into());
        let unique: Vec<Vec<String>> = vec![unique.iter().map(|name| name.to_string()).collect()];
        let there = ExistingMysqlTable {
            is_ours,
            engine,
            columns,
            has_primary_key: true,
            unique,
            ..ExistingMysqlTable::default()
        };
        let plain = contract::Table::plain("t", &[("id", "BIGINT"), ("amount", "DECIMAL(38,2)")], &["id"]);
        let mut table = MysqlTable::of(&plain, "d", Flavour::MariaDb).expect("a table");
        let found = fit(&mut table, &there).map(|fit| fit.alterations);
        assert_eq!(found, expected.map(own).map_err(own));
    }

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| text.to_string()).collect()
    }

    #[test]
    fn takes_or_refuses_or_alters() {
        let theirs = |id: &str| vec![column("ID", id, true, false), column("amount", "decimal(12,2)", false, false)];
        check_fit(false, theirs("int(11)"), &["ID"], Ok(&[]));
        check_fit(false, [theirs("int(11)"), vec![column("made", "date", true, true)]].concat(), &["ID"], Ok(&[]));
        check_fit(
            false,
            [theirs("double"), vec![column("must", "date", true, false)]].concat(),
            &["amount"],
            Err(&[
                "column `id`: double in the target, bigint in the model",
                "column `must`: not null without a default in the target, missing in the model",
                "key: no primary key or unique index on `id` in the target",
            ]),
        );
        check_fit(
            true,
            vec![column("id", "int(11)", true, false)],
            &["id"],
            Ok(&["modify column `id` bigint not null", "add column `amount` decimal(38,2) null"]),
        );
    }
}
