//! Compares a table of a publication with the one that stands: what must be altered, or why it does not fit.
//!
//! Pure. Knows no connection: `catalog` fills in what is there.

use std::collections::BTreeSet;

use super::catalog::Standing;
use super::mysql_type::MysqlType;
use super::statements::{define, names, tick};
use super::table::Table;

/// How a table that stands is published to.
#[derive(Debug, Clone, Default)]
pub struct Fit {
    /// What follows `alter table …`, one by one.
    pub alterations: Vec<String>,
    /// A column is new: rows that did not change must be sent too.
    pub wants_everything: bool,
    /// Columns there that nothing fills.
    pub unfilled: Vec<String>,
}

/// Every difference that keeps the table from being published, or how it fits. Gives the table's columns the types
/// that they have there, so that what does not fit is found before it is sent.
pub fn fit(table: &mut Table, there: &Standing) -> Result<Fit, Vec<String>> {
    match there.engine.as_deref() {
        None => return Err(vec!["it is no table".into()]),
        Some(engine) if !engine.eq_ignore_ascii_case("InnoDB") => {
            return Err(vec![format!("its engine is {engine}, which has no transactions; InnoDB does")]);
        }
        Some(_) => {}
    }
    let mut differences = Vec::new();
    let mut fit = Fit::default();
    for column in &mut table.columns {
        let name = column.name.clone();
        let ours = column.mysql_type.clone();
        // Column names do not tell case apart.
        let Some(theirs) = there.columns.iter().find(|there| there.name.eq_ignore_ascii_case(&name)) else {
            match there.is_ours {
                true => {
                    // Rows that stand have no value until the transaction brings it.
                    let not_null = std::mem::replace(&mut column.not_null, false);
                    fit.alterations.push(format!("add column {}", define(column)));
                    column.not_null = not_null;
                    fit.wants_everything = true;
                }
                false => differences.push(format!("column `{name}`: missing there, {ours} here")),
            }
            continue;
        };
        if theirs.is_generated {
            differences.push(format!("column `{name}`: generated there, published here"));
            continue;
        }
        let there_type = MysqlType::parse(&theirs.type_name);
        match there_type {
            Some(type_there) if there.is_ours && type_there != ours && type_there.widens_to(&ours) => {
                fit.alterations.push(format!("modify column {}", define(column)));
            }
            Some(type_there) if ours.fits(&type_there) => {
                if there.is_ours && theirs.not_null && !column.not_null {
                    column.mysql_type = type_there;
                    column.collation = theirs.collation.clone().filter(|_| column.mysql_type.is_text());
                    fit.alterations.push(format!("modify column {}", define(column)));
                } else {
                    // MariaDB's `json` has a check of its own that the name of the type brings.
                    if !(ours == MysqlType::Json && type_there == MysqlType::Text(super::mysql_type::LONG)) {
                        column.mysql_type = type_there;
                    }
                    column.collation = theirs.collation.clone().filter(|_| column.mysql_type.is_text());
                    column.not_null |= theirs.not_null;
                }
            }
            _ => differences.push(format!("column `{name}`: {} there, {ours} here", theirs.type_name)),
        }
    }
    for column in &there.columns {
        if table.columns.iter().any(|ours| ours.name.eq_ignore_ascii_case(&column.name)) {
            continue;
        }
        if column.not_null && !column.has_default && !column.is_generated {
            match there.is_ours {
                true => fit.alterations.push(format!("modify column {} {} null", tick(&column.name), column.type_name)),
                false => differences
                    .push(format!("column `{}`: not null without a default there, missing here", column.name)),
            }
        }
        if there.is_ours {
            fit.unfilled.push(column.name.clone());
        }
    }
    let lower = |names: &[String]| names.iter().map(|name| name.to_lowercase()).collect::<BTreeSet<_>>();
    let key = lower(&table.key);
    if !key.is_empty() && !there.unique.iter().any(|unique| key == lower(unique)) {
        if there.is_ours && !there.has_primary_key {
            fit.alterations.push(format!("add primary key ({})", names(&table.key)));
        } else {
            let columns: Vec<_> = table.key.iter().map(|name| format!("`{name}`")).collect();
            differences.push(format!("key: no primary key or unique index on {} there", columns.join(", ")));
        }
    }
    if differences.is_empty() { Ok(fit) } else { Err(differences) }
}

#[cfg(test)]
mod tests {
    use super::super::catalog::StandingColumn;
    use super::*;
    use crate::contract;
    use elt_connect::mysql::Flavour;

    fn column(name: &str, type_name: &str, not_null: bool, has_default: bool) -> StandingColumn {
        let type_name = type_name.to_owned();
        StandingColumn { name: name.into(), type_name, not_null, has_default, ..StandingColumn::default() }
    }

    #[track_caller]
    fn check(is_ours: bool, columns: Vec<StandingColumn>, unique: &[&str], expected: Result<&[&str], &[&str]>) {
        let engine = Some("InnoDB".into());
        let unique: Vec<Vec<String>> = vec![unique.iter().map(|name| name.to_string()).collect()];
        let there = Standing { is_ours, engine, columns, has_primary_key: true, unique };
        let plain = contract::Table::plain("t", &[("id", "BIGINT"), ("amount", "DECIMAL(38,2)")], &["id"]);
        let mut table = Table::of(&plain, "d", Flavour::MariaDb).expect("a table");
        let found = fit(&mut table, &there).map(|fit| fit.alterations);
        assert_eq!(found, expected.map(own).map_err(own));
    }

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| text.to_string()).collect()
    }

    #[test]
    fn takes_or_refuses_or_alters() {
        let theirs = |id: &str| vec![column("ID", id, true, false), column("amount", "decimal(12,2)", false, false)];
        check(false, theirs("int(11)"), &["ID"], Ok(&[]));
        check(false, [theirs("int(11)"), vec![column("made", "date", true, true)]].concat(), &["ID"], Ok(&[]));
        check(
            false,
            [theirs("double"), vec![column("must", "date", true, false)]].concat(),
            &["amount"],
            Err(&[
                "column `id`: double there, bigint here",
                "column `must`: not null without a default there, missing here",
                "key: no primary key or unique index on `id` there",
            ]),
        );
        check(
            true,
            vec![column("id", "int(11)", true, false)],
            &["id"],
            Ok(&["modify column `id` bigint not null", "add column `amount` decimal(38,2) null"]),
        );
    }
}
