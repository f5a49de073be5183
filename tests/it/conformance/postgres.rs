//! Postgres as a target under test.

use super::target::{Columns, Hand, Hazard, Kind, Relayed, Row, Target, canonical_rows};
use crate::servers::{Postgres, PostgresDatabase};
use crate::wire::Wire;

const URI: &str = "POSTGRES_URI";

pub struct PostgresTarget {
    database: PostgresDatabase,
}

impl PostgresTarget {
    pub fn fresh() -> Self {
        Self { database: Postgres::shared().database() }
    }

    fn client(&self) -> postgres::Client {
        let mut client = self.database.client();
        client.batch_execute("set timezone = 'UTC'; set search_path = shop").expect("settings");
        client
    }

    /// None if the table does not exist.
    fn rows(&self, table: &str, columns: &[(&str, Kind)]) -> Option<Vec<Row>> {
        if !self.database.tables("shop").iter().any(|name| name == table) {
            return None;
        }
        let texts: Vec<String> = columns
            .iter()
            .map(|(name, kind)| match kind {
                Kind::Json => format!("to_jsonb({name})::text"),
                Kind::Blob => format!("encode({name}, 'hex')"),
                _ => format!("{name}::text"),
            })
            .collect();
        let sql = format!("select {} from {table}", texts.join(", "));
        let rows = self.client().query(&sql, &[]).unwrap_or_else(|error| panic!("`{sql}`: {error}"));
        let row = |row: &postgres::Row| (0..columns.len()).map(|index| row.get(index)).collect();
        Some(canonical_rows(rows.iter().map(row).collect(), columns))
    }
}

impl Target for PostgresTarget {
    fn profile(&self) -> String {
        format!("type = \"postgres\"\nuri = \"${{{URI}}}\"\nschema = \"shop\"\n")
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![(URI, self.database.uri.clone())]
    }

    fn tables(&self, tables: &[Columns]) -> Vec<Option<Vec<Row>>> {
        tables.iter().map(|(table, columns)| self.rows(table, columns)).collect()
    }

    fn change(&self, hand: Hand) {
        self.client().batch_execute(hand.sql()).expect("a change by hand");
    }

    fn forget(&self) {
        self.client().batch_execute("delete from _elt.publications").expect("to forget");
    }

    fn record(&self) -> String {
        self.database.number("select count(*) from _elt.publications").to_string()
    }

    fn hazard(&self) -> Option<Hazard> {
        Some(Hazard { odd: "'secret' || chr(0)", fits: "'fine'", column_type: None })
    }

    fn relay(&self) -> Option<Relayed> {
        Some(Relayed {
            wire: Wire::before(&self.database.uri),
            variable: URI,
            is_commit: |message| message.tag == b'Q' && message.text.starts_with("COMMIT"),
        })
    }
}
