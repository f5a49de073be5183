//! One table's statements in the transaction of a publication, for the steps that all SQL targets share.
//!
//! Knows the transaction's connection, not the order of the steps.

use super::names::{names, qualified};
use super::said::describe;
use super::staging::{PostgresPublication, text_rows};
use crate::changes::TextRows;
use crate::messages;
use crate::target::{Merge, SqlTransaction, Which};
use elt_base::error::{Error, Result};
use elt_base::schema::literal;

pub struct PostgresTableTransaction<'a> {
    pub publication: &'a PostgresPublication,
    /// The table's position in the publication.
    pub index: usize,
}

impl PostgresTableTransaction<'_> {
    fn name(&self) -> &str {
        &self.publication.tables[self.index].name
    }

    /// Switches triggers off, and with them the actions of foreign keys. False: this role may not.
    fn silence_triggers(&self) -> Result<bool> {
        let mut main = self.publication.main.lock();
        let silenced = main.batch_execute("savepoint elt; set local session_replication_role = replica");
        let rest = if silenced.is_ok() { "release savepoint elt" } else { "rollback to savepoint elt" };
        main.batch_execute(rest).map_err(|error| self.failed("moving unique values in", &error))?;
        Ok(silenced.is_ok())
    }

    fn failed(&self, during: &str, error: &postgres::Error) -> Error {
        messages::export_postgres(during, Some(self.name()), describe(error))
    }
}

impl SqlTransaction for PostgresTableTransaction<'_> {
    fn change(&mut self, during: &'static str, sql: &str) -> Result<u64> {
        self.publication.run(during, self.name(), sql)
    }

    fn try_change(&mut self, during: &'static str, sql: &str) -> Result<Result<u64>> {
        self.publication.cancel.check()?;
        let mut main = self.publication.main.lock();
        let statements = ["savepoint elt", sql, "release savepoint elt"].map(str::to_owned).to_vec();
        let refusal = match main.run(statements) {
            Ok(answers) => return Ok(Ok(answers.get(1).map_or(0, |answer| answer.changed))),
            Err(refusal) => refusal.error,
        };
        let error = self.failed(during, &refusal);
        if refusal.code().is_none_or(|code| code.code() != "23505") {
            return Err(error);
        }
        main.batch_execute("rollback to savepoint elt; release savepoint elt")
            .map_err(|error| self.failed(during, &error))?;
        Ok(Err(error))
    }

    fn rewrite(&mut self, merge: &Merge<'_>, which: Which, condition: &str) -> Result<Option<u64>> {
        const DURING: &str = "moving unique values in";
        let table = &self.publication.tables[self.index];
        let key = table.key.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ");
        // Foreign keys that act on deletes, and whether all of them reference the key, which stays.
        let acting = self.ask(&format!(
            "select bool_and(array(select a.attname::text from unnest(f.confkey) k join pg_attribute a \
             on a.attrelid = f.confrelid and a.attnum = k) <@ array[{key}]) from pg_constraint f \
             where f.contype = 'f' and f.confrelid = to_regclass({}) and f.confdeltype <> 'a'",
            literal(&qualified(&table.schema, &table.name))
        ))?;
        let acting = acting.into_iter().flatten().flatten().next();
        let is_silenced = match acting.as_deref() {
            None => false,
            Some("t") => self.silence_triggers()?,
            Some(_) => return Ok(None),
        };
        if acting.is_some() && !is_silenced {
            return Ok(None);
        }
        let others = &self.publication.plans[self.index].others;
        let (columns, values) = merge.rewritten(others);
        // In one statement, so that foreign keys to these rows are checked after it. The order makes the insert wait
        // until all rows are deleted.
        let sql = format!(
            "with moved as (delete from {} as t using {} as s where {} returning {values}) \
             insert into {0} ({columns}) overriding system value select {columns} from moved order by {}",
            merge.target,
            merge.rows,
            merge.matched(which, condition),
            names(&table.key)
        );
        let rewritten = self.change(DURING, &sql)?;
        if is_silenced {
            self.change(DURING, "reset session_replication_role")?;
        }
        Ok(Some(rewritten))
    }

    fn ask(&mut self, sql: &str) -> Result<TextRows> {
        self.publication.cancel.check()?;
        text_rows(&mut self.publication.main.lock(), sql).map_err(|error| self.failed("checking", &error))
    }
}
