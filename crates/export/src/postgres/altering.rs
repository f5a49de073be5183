//! Moves new tables into their schemas, and alters existing ones, in the transaction of a publication.
//!
//! Knows the steps of `migration`, but no rows.

use elt_connect::postgres::{Answer, PostgresClient};

use super::definition::Definition;
use super::migration::{MigrationStep, When};
use super::names::qualified;
use super::said::describe;
use super::script::Script;
use super::staging::{PostgresPublication, PostgresStaged};
use super::statements::OWN_SCHEMA;
use crate::messages;
use elt_base::error::Result;
use elt_base::schema::{literal, quote};

pub const ALTERING: &str = "altering";

impl PostgresPublication {
    /// A table's steps for one `When`.
    pub(super) fn steps(&self, index: usize, when: When) -> impl Iterator<Item = &MigrationStep> {
        self.plans[index].steps.iter().filter(move |step| step.when == when)
    }

    /// Runs steps that check the merged rows, all in one round trip. If rows violate a constraint, the steps run again
    /// one by one, and the error has the count of these rows. `before` runs before them, and `query` after them; returns
    /// its answer.
    pub(super) fn alter(
        &self,
        mut before: Script,
        steps: &[(usize, MigrationStep)],
        query: Option<String>,
    ) -> Result<Option<Answer>> {
        self.cancel.check()?;
        let first = before.len();
        if !steps.is_empty() {
            before.add(ALTERING, None, "savepoint steps");
        }
        for (index, step) in steps {
            before.add(ALTERING, Some(&self.tables[*index].name), &*step.sql);
        }
        let has_query = query.is_some();
        if let Some(query) = &query {
            before.add("advancing the sequences of", None, &**query);
        }
        let tried = before.try_run(&mut self.main.lock());
        let failure = match tried {
            Ok(mut answers) => return Ok(answers.pop().filter(|_| has_query)),
            Err(failure) => failure,
        };
        let is_of_steps = failure.index > first && failure.index <= first + steps.len();
        // Class 23: a constraint is violated.
        if !is_of_steps || !failure.has_class("23") {
            return Err(failure.into_error());
        }
        let mut client = self.main.lock();
        let failed =
            |error: postgres::Error| messages::export_postgres(ALTERING, failure.table.as_deref(), describe(&error));
        client.batch_execute("rollback to savepoint steps").map_err(failed)?;
        for (index, step) in steps {
            self.alter_alone(&mut client, *index, step)?;
        }
        drop(client);
        let mut again = Script::default();
        again.add("advancing the sequences of", None, query.unwrap_or_else(|| "select".into()));
        Ok(again.run(&mut self.main.lock())?.pop().filter(|_| has_query))
    }

    /// Runs a step. If rows violate a constraint, the error has their count.
    fn alter_alone(&self, client: &mut PostgresClient, index: usize, step: &MigrationStep) -> Result<()> {
        self.cancel.check()?;
        let table = &self.tables[index];
        let failed = |error: postgres::Error| messages::export_postgres(ALTERING, Some(&table.name), describe(&error));
        let Some(offenders) = &step.offenders else { return client.batch_execute(&step.sql).map_err(failed) };
        client.batch_execute("savepoint step").map_err(failed)?;
        let Err(error) = client.batch_execute(&step.sql) else {
            return client.batch_execute("release savepoint step").map_err(failed);
        };
        client.batch_execute("rollback to savepoint step").map_err(failed)?;
        if !error.code().is_some_and(|code| code.code().starts_with("23")) {
            return Err(failed(error));
        }
        let count: i64 = client.query_typed_one(offenders, &[]).map_err(failed)?.get(0);
        Err(messages::export_constraint_broken(&format!("{}.{}", table.schema, table.name), &step.text, count))
    }

    /// Moves a newly created table into the schema, with its own name, its keys' names and its default grants, which
    /// are rows of `default_grants`.
    pub(super) fn move_in(&self, script: &mut Script, index: usize, staged: &PostgresStaged, grants: &Answer) {
        const DURING: &str = "moving in";
        let table = &self.tables[index];
        let mut add = |statement: String| script.add(DURING, Some(&table.name), statement);
        let definition = Definition::of(table);
        let (schema, name) = (quote(&table.schema), quote(&table.name));
        let staging = self.staging_name("new", index);
        // The map of surrogate keys stays in elt's own schema.
        if table.schema != OWN_SCHEMA {
            add(format!("alter table {} set schema {schema}", qualified(OWN_SCHEMA, &staging)));
        }
        add(format!("alter table {schema}.{} rename to {name}", quote(&staging)));
        for key in &staged.keys {
            // Also renames the constraint of an index.
            add(format!("alter index {schema}.{} rename to {}", quote(&key.staged), quote(&key.own)));
        }
        for row in &grants.rows {
            if let [Some(schema), Some(name), Some(grant)] = row.as_slice()
                && *schema == table.schema
                && *name == table.name
            {
                add(grant.clone());
            }
        }
        for statement in definition.finish(&qualified(&table.schema, &table.name)) {
            add(statement);
        }
        add(format!(
            "insert into _elt.tables (schema, name, publication) values ({}, {}, {}::uuid) \
             on conflict (schema, name) do update set publication = excluded.publication",
            literal(&table.schema),
            literal(&table.name),
            literal(&self.id)
        ));
    }

    /// Records the definition of the table, which the next contract is compared with.
    pub(super) fn record_contract(&self, index: usize) -> String {
        let (table, plan) = (&self.tables[index], &self.plans[index]);
        let mut definition = Definition::of(table);
        definition.columns.extend(plan.left.clone());
        let contract = literal(&serde_json::to_string(&definition).unwrap_or_else(|_| "{}".into()));
        format!(
            "update _elt.tables set contract = {contract}::jsonb where schema = {} and name = {} \
             and contract is distinct from {contract}::jsonb",
            literal(&table.schema),
            literal(&table.name)
        )
    }
}
