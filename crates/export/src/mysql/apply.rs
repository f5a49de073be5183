//! Applies a publication: creates tables before the transaction, runs the one transaction, and looks for the
//! publication in the target if the answer to the commit was lost.
//!
//! InnoDB checks a foreign key row by row and cannot defer the check. Therefore the transaction runs without these
//! checks, so that tables can have any order and cycles. Before it commits, it looks for rows that reference missing
//! rows. The server's checks stay on only if a table of others has a foreign key that acts (`cascade`, `set null`).

use mysql::Conn;
use mysql::prelude::Queryable;

use super::capabilities::CAPABILITIES;
use super::lock::NamedLock;
use super::staging::{MysqlPublication, MysqlStaged};
use super::statements::{self, MysqlDialect, place, text};
use super::table_transaction::MysqlTableTransaction;
use crate::messages;
use crate::publication::Coverage;
use crate::target::{
    Account, Answer, Applying, ChangedTable, Merge, Pointer, PublicationRecord, StagedRows, TOOL, Unsettled, Work,
    keep_orphans_out, settle, settle_all, wait_for,
};
use elt_base::error::{Error, Result};
use elt_connect::mysql::Statements as _;
use elt_connect::mysql::{describe, is_lost};

impl MysqlPublication {
    /// Creates and alters tables; each statement is committed by itself.
    fn define(&self, main: &mut Conn, work: &[Work<MysqlStaged>], made: &mut Vec<usize>) -> Result<()> {
        self.cancel.check()?;
        let tables = place(&self.server.database, "_elt_tables");
        let existing: Vec<usize> = work.iter().filter(|work| self.exists(work)).map(|work| work.index).collect();
        let mut steps: Vec<((&'static str, Option<usize>), String)> = Vec::new();
        let mut creates = Vec::new();
        for index in existing.iter().copied() {
            let table = &self.tables[index];
            let Some(fit) = &self.plans[index].fit else {
                // It is recorded as ours first: if this run is killed here, the next run fills the empty table.
                let values = [&table.database, &table.name, &self.id].map(|value| text(value)).join(", ");
                let record = format!("replace into {tables} (database_name, name, publication) values ({values})");
                steps.push((("recording", Some(index)), record));
                creates.push((steps.len(), index));
                steps.push((("creating", Some(index)), statements::create_table(table)));
                continue;
            };
            for alteration in &fit.alterations {
                let statement = format!("alter table {} {alteration}", place(&table.database, &table.name));
                steps.push((("altering", Some(index)), statement));
            }
        }
        // Not checked against rows that exist: their parents may come with this publication.
        steps.push((("preparing", None), "set session foreign_key_checks = 0".into()));
        for index in existing {
            let keys = self.plans[index].foreign_keys.iter();
            steps.extend(keys.map(|key| {
                (("adding a foreign key to", Some(index)), statements::add_foreign_key(&self.tables[index], key))
            }));
        }
        for table in creates.iter().map(|(_, index)| *index) {
            for (privilege, roles) in &self.tables[table].contract.grants {
                let grants = roles.iter().map(|role| statements::grant(&self.tables[table], privilege, role));
                steps.extend(grants.map(|grant| (("granting on", Some(table)), grant)));
            }
        }
        let (labels, statements): (Vec<_>, Vec<String>) = steps.into_iter().unzip();
        let done = main.run_all(&statements);
        let ran = done.as_ref().map_or_else(|(failed, _)| *failed, |_| labels.len());
        made.extend(creates.iter().filter(|(at, _)| *at < ran).map(|(_, index)| *index));
        done.map(drop).map_err(|(at, error)| {
            let (during, index) = labels.get(at).copied().unwrap_or(("preparing", None));
            failed(during, index.map(|index| self.tables[index].name.as_str()))(error)
        })
    }

    /// The table exists, or is about to be created.
    fn exists(&self, work: &Work<MysqlStaged>) -> bool {
        self.plans[work.index].fit.is_some() || work.staged.is_some()
    }

    /// Drops the tables that were created but not filled.
    fn unmake(&self, main: &mut Conn) {
        for table in self.made.iter().map(|index| &self.tables[*index]) {
            let _ = main.run(format!("drop table if exists {}", place(&table.database, &table.name)));
            let _ = main.exec_drop(
                format!(
                    "delete from {} where database_name = ? and name = ?",
                    place(&self.server.database, "_elt_tables")
                ),
                (&table.database, &table.name),
            );
        }
    }

    /// How staged rows become the table's.
    pub(super) fn merge(&self, index: usize, coverage: Coverage) -> Merge<'static> {
        let (rows, gone) = (self.staging_table("rows", index), self.staging_table("gone", index));
        statements::merge(&self.tables[index], rows, gone, coverage)
    }

    fn account<'a>(&'a self, index: usize, merge: &'a Merge<'a>, staged: &'a StagedRows) -> Account<'a> {
        let (table, plan) = (&self.tables[index], &self.plans[index]);
        Account {
            called: CAPABILITIES.called,
            table: &table.name,
            merge,
            staged,
            unique: &plan.unique,
            keeps_others: plan.keeps_others,
            on_conflict: table.contract.on_conflict,
            hands: &plan.hands,
            hides_rows: false,
        }
    }

    /// Whether a table of others has a foreign key that acts on ours.
    pub(super) fn others_act(&self) -> bool {
        let ours = |name: &(String, String)| (0..self.tables.len()).any(|index| self.name(index) == *name);
        self.catalog.foreign_keys.iter().any(|key| key.acts && ours(&key.to) && !ours(&key.from))
    }

    /// Database and name of a table.
    pub(super) fn name(&self, index: usize) -> (String, String) {
        (self.tables[index].database.clone(), self.tables[index].name.clone())
    }

    /// Runs a statement of the transaction; returns how many rows it changed.
    pub(super) fn run(&self, during: &str, index: usize, statement: &str) -> Result<u64> {
        self.cancel.check()?;
        let mut main = self.main.lock();
        main.run(statement).map_err(failed(during, Some(&self.tables[index].name)))?;
        Ok(main.affected_rows())
    }

    /// Looks for rows that reference missing rows.
    fn verify(&self, main: &mut Conn, work: &[Work<MysqlStaged>]) -> Result<()> {
        let changes: Vec<ChangedTable> = work.iter().map(|work| self.changed(work)).collect();
        let existing = self.catalog.foreign_keys.iter().map(|key| Pointer {
            from: key.from.clone(),
            columns: key.columns.clone(),
            to: key.to.clone(),
            to_columns: key.to_columns.clone(),
            is_added: false,
        });
        let added = work.iter().flat_map(|work| {
            let table = &self.tables[work.index];
            self.plans[work.index].foreign_keys.iter().map(move |key| Pointer {
                from: self.name(work.index),
                columns: key.columns.clone(),
                to: (key.to_schema.clone().unwrap_or_else(|| table.database.clone()), key.to_table.clone()),
                to_columns: key.to_columns.clone(),
                // That of a new table is known by its rows.
                is_added: self.plans[work.index].fit.is_some(),
            })
        });
        self.cancel.check()?;
        let asked = existing.chain(added).flat_map(|pointer| {
            let queries = pointer.orphans(&changes, &MysqlDialect, &place);
            queries.into_iter().map(move |query| (pointer.clone(), format!("{query} lock in share mode")))
        });
        let (pointers, queries): (Vec<Pointer>, Vec<String>) = asked.unzip();
        let name = |at: usize| pointers.get(at).map(|pointer| pointer.from.1.as_str());
        let found =
            main.run_all(&queries).map_err(|(at, error)| failed("checking a foreign key of", name(at))(error))?;
        if let Some(pointer) =
            pointers.iter().zip(&found).find(|(_, rows)| !rows.is_empty()).map(|(pointer, _)| pointer)
        {
            let columns = pointer.columns.join(", ");
            return Err(messages::mysql_orphans(&pointer.from.1, &columns, &pointer.to.1));
        }
        Ok(())
    }

    fn changed(&self, work: &Work<MysqlStaged>) -> ChangedTable {
        let (table, has_left) = (&self.tables[work.index], self.left.contains(&work.index));
        let is_marked = work.staged.as_ref().is_some_and(|staged| staged.coverage.is_marked());
        ChangedTable {
            name: self.name(work.index),
            key: table.key.clone(),
            columns: table.columns.iter().map(|column| column.name.clone()).collect(),
            counts: work.counts,
            // Staged rows that left the table are no rows of it.
            rows: (!has_left).then(|| self.staging_table("rows", work.index)),
            gone: (is_marked && !has_left).then(|| self.staging_table("gone", work.index)),
            has_left,
        }
    }
}

impl Applying for MysqlPublication {
    fn begin(&mut self, work: &mut [Work<MysqlStaged>]) -> Result<()> {
        let mut made = Vec::new();
        let defined = self.define(&mut self.main.lock(), work, &mut made);
        self.made = made;
        defined?;
        self.make_quarantines(work)?;
        let checks = u8::from(self.others_act());
        let main = self.main.get_mut();
        let begin = [format!("set session foreign_key_checks = {checks}"), "start transaction".to_owned()];
        main.run_all(&begin).map(drop).map_err(|(_, error)| failed("beginning", None)(error))
    }

    fn delete(&mut self, work: &mut Work<MysqlStaged>) -> Result<u64> {
        let (Some(_), Some(staged)) = (&self.plans[work.index].fit, &work.staged) else { return Ok(0) };
        let merge = self.merge(work.index, staged.coverage);
        let mut transaction = MysqlTableTransaction { publication: self, index: work.index };
        self.account(work.index, &merge, &staged.staged).delete(&mut transaction)
    }

    fn write(&mut self, work: &mut Work<MysqlStaged>) -> Result<(u64, u64)> {
        let Some(mut staged) = work.staged.take() else { return Ok((0, 0)) };
        let (index, is_new) = (work.index, self.plans[work.index].fit.is_none());
        let mut unsettled = Unsettled { coverage: Some(staged.coverage), entries: staged.entries };
        let moved = keep_orphans_out(self, index, &mut unsettled)?;
        if moved > 0 {
            staged.staged.rows = staged.staged.rows.saturating_sub(moved);
            if staged.coverage.is_marked() && !self.tables[index].key.is_empty() {
                staged.staged.fresh = self.count_fresh(&mut self.main.lock(), index)?;
            }
        }
        let merge = self.merge(index, staged.coverage);
        let mut transaction = MysqlTableTransaction { publication: self, index };
        let written = self.account(index, &merge, &staged.staged).write(is_new, &mut transaction)?;
        if settle(self, index, unsettled, 0..index + 1)? > 0 {
            self.left.insert(index);
        }
        work.staged = Some(staged);
        Ok(written)
    }

    fn finish(&mut self, work: &mut [Work<MysqlStaged>]) -> Result<()> {
        let existing: Vec<usize> = work.iter().filter(|work| self.exists(work)).map(|work| work.index).collect();
        let left = settle_all(self, &existing, self.tables.len())?;
        self.left.extend(existing.iter().zip(left).filter(|(_, rows)| *rows > 0).map(|(index, _)| *index));
        if self.others_act() { Ok(()) } else { self.verify(&mut self.main.lock(), work) }
    }

    fn applied_notes(&self) -> Vec<String> {
        self.applied_notes.clone()
    }

    fn record(&mut self, record: &PublicationRecord<'_>) -> Result<()> {
        let publications = place(&self.server.database, "_elt_publications");
        let values = [record.id, record.project, record.target, TOOL, &record.tables_json()].map(text).join(", ");
        self.main
            .get_mut()
            .run(format!("insert into {publications} (id, project, target, tool, tables) values ({values})"))
            .map_err(failed("recording the publication", None))
    }

    fn commit(&mut self) -> Result<Answer> {
        match self.main.get_mut().run("commit") {
            Ok(()) => {
                self.drop_empty_quarantines(&mut self.main.lock());
                Ok(Answer::Committed)
            }
            Err(error) if is_lost(&error) => Ok(Answer::Lost(describe(&error))),
            Err(error) => Err(failed("committing", None)(error)),
        }
    }

    fn roll_back(&mut self, error: Error) -> Error {
        let mut main = self.main.lock();
        let _ = main.run("rollback");
        self.unmake(&mut main);
        self.drop_empty_quarantines(&mut main);
        error
    }

    fn is_recorded(&mut self, id: &str) -> Result<bool> {
        let mut connection = self.server.connect()?;
        let database = &self.server.database;
        wait_for(&mut NamedLock { connection: &mut connection, database }, &self.cancel, &|_| ())?;
        let found = connection
            .exec_first::<u8, _, _>("select 1 from `_elt_publications` where id = ?", (id,))
            .map_err(failed("reading the publication", None))?;
        *self.main.get_mut() = connection;
        Ok(found.is_some())
    }

    fn failed(&self, during: &str, cause: &str) -> Error {
        messages::mysql(during, None, cause)
    }
}

pub fn failed<'a>(during: &'a str, table: Option<&'a str>) -> impl FnOnce(mysql::Error) -> Error + 'a {
    move |error| messages::mysql(during, table, describe(&error))
}
