//! The quarantine tables of a publication to MySQL: `<table>_quarantine`, in the table's database.
//!
//! Contains what is MySQL's own; the steps and statements are shared among targets. MySQL commits when a table is
//! created, so the tables that may get entries are created before the transaction, and those that got none are dropped
//! after it.

use std::collections::BTreeSet;

use mysql::Conn;

use super::apply::failed;
use super::catalog::ExistingMysqlTable;
use super::mysql_type::MysqlType;
use super::staging::{MysqlPublication, MysqlStaged, text_rows};
use super::statements::{MysqlDialect, place, text, tick, typed};
use super::table::{MysqlColumn, MysqlTable};
use crate::changes::TextRows;
use crate::messages;
use crate::target::{QuarantineDialect, QuarantineTable, Quarantining, Reference, Work, is_quarantine};
use elt_base::error::Result;
use elt_connect::mysql::{Statements as _, describe};
use elt_project::OnHazard;

const DURING: &str = "quarantining rows of";

impl QuarantineDialect for MysqlDialect {
    fn types(&self) -> [&'static str; 7] {
        [
            "text not null",
            "text not null",
            "json not null",
            "char(36) character set ascii not null",
            "datetime(6) not null default current_timestamp(6)",
            "boolean not null default false",
            "varchar(20) null",
        ]
    }

    fn indexed(&self, key: &str) -> String {
        format!(", key ({key})")
    }

    fn create_staging(&self) -> (&'static str, &'static str) {
        ("create table if not exists", " engine = InnoDB character set utf8mb4 row_format = dynamic")
    }

    fn literal(&self, value: &str) -> String {
        text(value)
    }

    fn publication(&self, id: &str) -> String {
        text(id)
    }

    fn text_of(&self, value: &str, sql_type: &str) -> String {
        match MysqlType::parse(sql_type.split(" character set ").next().unwrap_or_default()) {
            Some(MysqlType::Blob(_) | MysqlType::Varbinary(_)) => format!("lower(hex({value}))"),
            _ => format!("convert({value} using utf8mb4)"),
        }
    }

    fn json_text(&self, row: &str, name: &str) -> String {
        let path = text(&format!("$.\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")));
        let value = format!("json_extract({row}, {path})");
        format!("case when json_type({value}) <> 'NULL' then json_unquote({value}) end")
    }

    fn same_text(&self, one: &str, other: &str) -> String {
        format!("cast({one} as binary) = cast({other} as binary)")
    }

    fn row_json(&self, row: &str, columns: &[(String, String)]) -> String {
        let pair = |(name, sql_type): &(String, String)| {
            format!("{}, {}", text(name), self.text_of(&format!("{row}.{}", tick(name)), sql_type))
        };
        format!("json_object({})", columns.iter().map(pair).collect::<Vec<_>>().join(", "))
    }

    fn delete_where(&self, place: &str, condition: &str) -> String {
        format!("delete c from {place} as c where {condition}")
    }
}

/// `staging` is the place of the table's staged entries.
pub fn of(table: &MysqlTable, staging: String) -> QuarantineTable {
    let named = |column: &MysqlColumn| {
        let typed = typed(column);
        (column.name.clone(), typed.strip_prefix(&tick(&column.name)).unwrap_or_default().trim().to_owned())
    };
    QuarantineTable {
        dialect: &MysqlDialect,
        place: place(&table.database, &table.beside),
        staging,
        key: table.key.iter().filter_map(|name| table.column(name)).map(named).collect(),
        columns: table.columns.iter().map(named).collect(),
    }
}

/// Whether an existing quarantine table has the columns of this one: the key's may change.
pub fn fits(table: &MysqlTable, there: &ExistingMysqlTable) -> bool {
    let parse = |name: &str| MysqlType::parse(name.split(" character set ").next().unwrap_or_default());
    let columns = there.columns.iter().map(|column| (column.name.as_str(), column.type_name.as_str()));
    of(table, String::new()).fits(columns, |there, ours| parse(there) == parse(ours))
}

pub fn is_beside(there: &ExistingMysqlTable) -> bool {
    is_quarantine(there.columns.iter().map(|column| column.name.as_str()))
}

/// The columns of staged entries as they are loaded: the key's in the table's order, then the entry's.
pub fn entry_columns(table: &MysqlTable) -> Vec<MysqlColumn> {
    let own = |name: &str, mysql_type| MysqlColumn {
        name: name.to_owned(),
        mysql_type,
        collation: None,
        not_null: false,
        is_key: false,
        default: None,
        comment: None,
        on_hazard: OnHazard::Replace,
    };
    let types =
        [MysqlType::Text(65_535), MysqlType::Text(65_535), MysqlType::Json, MysqlType::Bool, MysqlType::Varchar(20)];
    let entry = crate::target::STAGED_ENTRY.iter().zip(types).map(|(name, mysql_type)| own(name, mysql_type));
    let key = table.columns.iter().filter(|column| column.is_key).cloned();
    key.chain(entry).collect()
}

impl MysqlPublication {
    /// Creates, before the transaction, the quarantine tables and the tables of staged entries that it may need.
    pub(super) fn make_quarantines(&mut self, work: &[Work<MysqlStaged>]) -> Result<()> {
        let mut with_entries = BTreeSet::new();
        let mut keeps_out: BTreeSet<usize> =
            (0..self.tables.len()).filter(|index| self.plans[*index].keeps_out).collect();
        for (index, staged) in work.iter().filter_map(|work| Some((work.index, work.staged.as_ref()?))) {
            with_entries.extend((staged.entries > 0).then_some(index));
            keeps_out.extend((staged.rows_aside > 0).then_some(index));
        }
        loop {
            let is_child = |index: &usize| self.references(*index).iter().any(|key| keeps_out.contains(&key.parent));
            let children: Vec<usize> = (0..self.tables.len()).filter(is_child).collect();
            let before = keeps_out.len();
            keeps_out.extend(&children);
            with_entries.extend(children);
            if keeps_out.len() == before {
                break;
            }
        }
        with_entries.extend((0..self.tables.len()).filter(|index| self.plans[*index].has_old_quarantine));
        self.keeps_out = keeps_out;
        let main = &mut self.main.lock();
        let mut made = Vec::new();
        for index in with_entries {
            let name = self.tables[index].name.clone();
            let quarantine = self.quarantine(index);
            main.run(quarantine.create_staging()).map_err(failed(DURING, Some(&name)))?;
            if self.plans[index].has_old_quarantine {
                main.run(format!("drop table {}", quarantine.place)).map_err(failed(DURING, Some(&name)))?;
            }
            if !self.plans[index].has_quarantine || self.plans[index].has_old_quarantine {
                main.run(quarantine.create()).map_err(failed("creating the quarantine of", Some(&name)))?;
                made.push(index);
            }
        }
        self.made_quarantines.extend(made);
        Ok(())
    }

    /// Drops the quarantine tables that this publication made and that have no entries.
    pub(super) fn drop_empty_quarantines(&self, main: &mut Conn) {
        for index in &self.made_quarantines {
            let place = self.quarantine(*index).place;
            // What cannot be dropped stays, empty.
            if text_rows(main, &format!("select 1 from {place} limit 1")).is_ok_and(|rows| rows.is_empty()) {
                let _ = main.run(format!("drop table {place}"));
            }
        }
    }
}

impl Quarantining for MysqlPublication {
    fn quarantine(&self, index: usize) -> QuarantineTable {
        of(&self.tables[index], self.staging_table("bad", index))
    }

    fn called(&self, index: usize) -> (&str, &str, &[String]) {
        let table = &self.tables[index];
        (&table.name, &table.beside, &table.key)
    }

    fn references(&self, index: usize) -> Vec<Reference> {
        let table = &self.tables[index];
        let keys = table.contract.foreign_keys.iter().filter_map(|key| {
            let to = (key.to_schema.as_ref().unwrap_or(&table.database), &key.to_table);
            let parent = self.tables.iter().position(|other| (&other.database, &other.name) == to)?;
            Some(Reference { columns: key.columns.clone(), parent, to_columns: key.to_columns.clone() })
        });
        keys.collect()
    }

    fn has_quarantine(&self, index: usize) -> bool {
        let plan = &self.plans[index];
        plan.has_quarantine && !plan.has_old_quarantine || self.made_quarantines.contains(&index)
    }

    fn keeps_out(&self, index: usize) -> bool {
        self.keeps_out.contains(&index)
    }

    /// It was created before the transaction.
    fn make_quarantine(&mut self, index: usize) -> Result<()> {
        let name = &self.tables[index].name;
        Err(messages::mysql(DURING, Some(name), "its quarantine table does not exist"))
    }

    fn make_staging(&mut self, _: usize) -> Result<()> {
        Ok(())
    }

    fn place(&self, index: usize) -> String {
        place(&self.tables[index].database, &self.tables[index].name)
    }

    fn staged(&self, kind: &str, index: usize) -> String {
        self.staging_table(kind, index)
    }

    fn change(&mut self, index: usize, sql: &str) -> Result<u64> {
        self.run(DURING, index, sql)
    }

    fn ask(&mut self, index: usize, sql: &str) -> Result<TextRows> {
        self.cancel.check()?;
        let name = &self.tables[index].name;
        text_rows(self.main.get_mut(), sql).map_err(|error| messages::mysql(DURING, Some(name), describe(&error)))
    }

    fn publication(&self) -> &str {
        &self.id
    }

    fn tell(&mut self, note: String) {
        self.applied_notes.push(note);
    }
}
