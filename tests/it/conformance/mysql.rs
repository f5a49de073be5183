//! MariaDB as a target under test.

use super::target::{Columns, Hand, Hazard, Kind, Relayed, Row, Target, canonical_rows};
use crate::mariadb::{MariaDb, MariaDbDatabase};
use crate::wire::{Side, Wire};

const URI: &str = "MYSQL_URI";
/// The first byte of a command with a statement.
const QUERY: u8 = 3;

pub struct MysqlTarget {
    database: MariaDbDatabase,
}

impl MysqlTarget {
    pub fn fresh() -> Self {
        Self { database: MariaDb::shared().database() }
    }

    /// None if the table does not exist.
    fn rows(&self, table: &str, columns: &[(&str, Kind)]) -> Option<Vec<Row>> {
        let exists = "select table_name from information_schema.tables where table_schema = database()";
        if !self.database.rows::<String>(exists).iter().any(|name| name == table) {
            return None;
        }
        let texts: Vec<String> = columns
            .iter()
            .map(|(name, kind)| match kind {
                Kind::Blob => format!("lower(hex(`{name}`))"),
                _ => format!("cast(`{name}` as char)"),
            })
            .collect();
        let rows = self.database.rows::<mysql::Row>(&format!("select {} from `{table}`", texts.join(", ")));
        let row = |row: mysql::Row| (0..columns.len()).map(|index| row.get(index).expect("a column")).collect();
        Some(canonical_rows(rows.into_iter().map(row).collect(), columns))
    }
}

impl Target for MysqlTarget {
    fn profile(&self) -> String {
        format!("type = \"mysql\"\nuri = \"${{{URI}}}\"\n")
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![(URI, self.database.uri.clone())]
    }

    fn tables(&self, tables: &[Columns]) -> Vec<Option<Vec<Row>>> {
        tables.iter().map(|(table, columns)| self.rows(table, columns)).collect()
    }

    fn change(&self, hand: Hand) {
        self.database.run(hand.sql());
    }

    fn forget(&self) {
        self.database.run("delete from _elt_publications");
    }

    fn record(&self) -> String {
        self.database.number("select count(*) from _elt_publications").to_string()
    }

    fn hazard(&self) -> Option<Hazard> {
        Some(Hazard { odd: "'nan'::double", fits: "1.5::double", column_type: None })
    }

    fn relay(&self) -> Option<Relayed> {
        Some(Relayed {
            wire: Wire::before(&self.database.uri),
            variable: URI,
            is_commit: |message| message.from == Side::Client && message.tag == QUERY && &message.text[1..] == "commit",
        })
    }
}
