//! One table's statements in the transaction of a publication, for the steps that all SQL targets share.
//!
//! Knows the transaction's connection, not the order of the steps.

use mysql::Conn;

use super::staging::{MysqlPublication, text_rows};
use crate::changes::TextRows;
use crate::messages;
use crate::target::{Merge, SqlTransaction, Which};
use elt_base::error::{Error, Result};
use elt_connect::mysql::{Statements as _, describe};

/// A row has the value of another in a unique index (`ER_DUP_ENTRY`). InnoDB has undone the statement.
const DUPLICATE: u16 = 1062;

pub struct MysqlTableTransaction<'a> {
    pub publication: &'a MysqlPublication,
    /// The table's position in the publication.
    pub index: usize,
}

impl MysqlTableTransaction<'_> {
    fn failed(&self, during: &str, error: &mysql::Error) -> Error {
        messages::mysql(during, Some(&self.publication.tables[self.index].name), describe(error))
    }
}

impl SqlTransaction for MysqlTableTransaction<'_> {
    fn change(&mut self, during: &str, sql: &str) -> Result<u64> {
        self.publication.run(during, self.index, sql)
    }

    fn try_change(&mut self, during: &str, sql: &str) -> Result<Result<u64>> {
        self.publication.cancel.check()?;
        let mut main = self.publication.main.lock();
        match main.run(sql) {
            Ok(()) => Ok(Ok(main.affected_rows())),
            Err(error) if is_duplicate(&error) => Ok(Err(self.failed(during, &error))),
            Err(error) => Err(self.failed(during, &error)),
        }
    }

    /// A temporary table does not end the transaction.
    fn rewrite(&mut self, merge: &Merge<'_>, which: Which, condition: &str) -> Result<Option<u64>> {
        const DURING: &str = "moving unique values in";
        const MOVED: &str = "`_elt_moved`";
        let publication = self.publication;
        let (name, table) = (publication.name(self.index), &publication.tables[self.index]);
        let moves_referenced =
            publication.catalog.foreign_keys.iter().any(|key| {
                key.acts && key.to == name && !key.to_columns.iter().all(|column| table.key.contains(column))
            });
        if moves_referenced {
            return Ok(None);
        }
        // The keys stay, so no foreign key may act.
        let checks = u8::from(publication.others_act());
        self.change(DURING, "set session foreign_key_checks = 0")?;
        let (columns, values) = merge.rewritten(&self.publication.plans[self.index].others);
        let matched = merge.matched(which, condition);
        let (rows, target) = (&merge.rows, &merge.target);
        self.change(DURING, &format!("drop temporary table if exists {MOVED}"))?;
        self.change(
            DURING,
            &format!(
                "create temporary table {MOVED} engine = InnoDB select {values} \
                 from {rows} as s straight_join {target} as t where {matched}"
            ),
        )?;
        self.change(DURING, &format!("delete t from {rows} as s straight_join {target} as t where {matched}"))?;
        let moved = self.change(DURING, &format!("insert into {target} ({columns}) select {columns} from {MOVED}"))?;
        self.change(DURING, &format!("drop temporary table {MOVED}"))?;
        self.change(DURING, &format!("set session foreign_key_checks = {checks}"))?;
        Ok(Some(moved))
    }

    fn ask(&mut self, sql: &str) -> Result<TextRows> {
        self.publication.cancel.check()?;
        let main: &mut Conn = &mut self.publication.main.lock();
        text_rows(main, sql).map_err(|error| self.failed("checking", &error))
    }
}

fn is_duplicate(error: &mysql::Error) -> bool {
    matches!(error, mysql::Error::MySqlError(error) if error.code == DUPLICATE)
}
