//! The quarantine table of one table in MySQL: `<table>_quarantine`, in the table's database.
//!
//! Contains what is MySQL's own; the statements are shared among targets. Knows no publication.

use super::catalog::ExistingMysqlTable;
use super::mysql_type::MysqlType;
use super::statements::{MysqlDialect, place, text, tick, typed};
use super::table::{MysqlColumn, MysqlTable};
use crate::target::{QuarantineDialect, QuarantineTable, is_quarantine};
use elt_project::OnHazard;

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
