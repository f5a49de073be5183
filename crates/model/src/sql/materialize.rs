//! The SQL that builds a relation from a query: views, tables, and the incremental strategies.
//!
//! Pure text. Runs nothing. The run executes these statements, a model's tests and the commit in one transaction.

use super::compiled::Compiled;
use super::schema_change::NewColumn;
use crate::graph::{Config, Relation, Strategy, TimeBatch};
use crate::messages;
use elt_base::error::{Error, Result};
use elt_base::schema::quote;

/// The kind of relation that exists under a relation's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    Nothing,
    Table,
    View,
}

/// The columns that identify a row. Never empty.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a>(&'a [String]);

impl<'a> Key<'a> {
    /// The model's `unique_key`, if it has one. Each part must be among the query's columns.
    pub fn of(model: &str, config: &'a Config, columns: &[String]) -> Result<Option<Self>> {
        for part in &config.unique_key {
            if !columns.iter().any(|column| column.eq_ignore_ascii_case(part)) {
                return Err(messages::key_not_in_query("unique_key", model, part, columns));
            }
        }
        for part in &config.parent_key {
            if !columns.iter().any(|column| column.eq_ignore_ascii_case(part)) {
                return Err(messages::key_not_in_query("parent_key", model, part, columns));
            }
        }
        Ok(Self::unchecked(config))
    }

    /// The model's `parent_key`, if it has one.
    fn of_parents(config: &'a Config) -> Option<Self> {
        (!config.parent_key.is_empty()).then_some(Self(&config.parent_key))
    }

    /// The model's `unique_key` as configured.
    pub fn unchecked(config: &'a Config) -> Option<Self> {
        (!config.unique_key.is_empty()).then_some(Self(&config.unique_key))
    }

    fn list(self) -> String {
        self.0.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ")
    }

    /// An equality condition in which NULL equals NULL.
    fn matches(self, left: &str, right: &str) -> String {
        let parts = self.0.iter().map(|column| {
            let column = quote(column);
            format!("{left}.{column} is not distinct from {right}.{column}")
        });
        parts.collect::<Vec<_>>().join(" and ")
    }

    /// One row: how many keys exist more than once in `relation` (BIGINT), and up to five of them as text (VARCHAR,
    /// NULL if there are none).
    pub fn duplicates(self, relation: &Relation) -> String {
        let texts = self.0.iter().map(|column| format!("coalesce({}::varchar, 'NULL')", quote(column)));
        let shown = texts.collect::<Vec<_>>().join(" || ', ' || ");
        let list = self.list();
        format!(
            "select count(*) as keys, array_to_string(min(shown, 5), '; ') as shown\nfrom (\n  select {shown} as shown\n  \
             from {relation}\n  group by {list}\n  having count(*) > 1\n)"
        )
    }
}

/// The error to report if `Key::duplicates` counts any keys. `shown` is its second column.
pub fn duplicate_keys(model: &str, key: Key<'_>, keys: u64, shown: &str) -> Error {
    messages::duplicate_keys(model, key.0, keys, shown)
}

/// The error to report if `Incremental::doubled` counts any keys. `shown` is its second column.
pub fn doubled_keys(model: &str, key: Key<'_>, keys: u64, shown: &str) -> Error {
    messages::doubled_keys(model, key.0, keys, shown)
}

/// The statement that drops an existing relation of the other kind.
pub fn drop_existing(relation: &Relation, existing: Existing) -> Option<String> {
    match existing {
        Existing::Nothing => None,
        Existing::Table => Some(format!("drop table {relation}")),
        Existing::View => Some(format!("drop view {relation}")),
    }
}

/// Creates or replaces a view. A table with that name must be dropped first (`drop_existing`).
pub fn create_view(relation: &Relation, query: &Compiled) -> Compiled {
    query.within(&format!("create or replace view {relation} as (\n"), "\n)")
}

/// Creates or replaces a table, also for the full refresh of an incremental model. A view with that name must be
/// dropped first.
pub fn create_table(relation: &Relation, query: &Compiled) -> Compiled {
    query.within(&format!("create or replace table {relation} as (\n"), "\n)")
}

/// The condition of rows that only name their parent: all columns of the key that are not the parent's are NULL. None
/// for a model without `parent_key`.
fn names_parent_only(config: &Config) -> Option<String> {
    let parents = Key::of_parents(config)?;
    let is_own = |name: &&String| !parents.0.iter().any(|parent| parent.eq_ignore_ascii_case(name));
    let parts = config.unique_key.iter().filter(is_own).map(|name| format!("{} is null", quote(name)));
    Some(parts.collect::<Vec<_>>().join(" and ")).filter(|condition| !condition.is_empty())
}

/// The query's rows without rows that only name their parent.
pub fn children_only(config: &Config, query: &Compiled) -> Option<Compiled> {
    let condition = names_parent_only(config)?;
    Some(query.within("select * from (\n", &format!("\n) where not ({condition})")))
}

/// Deletes the rows whose key no longer exists in the model's full query (rendered with `is_incremental` false). With a
/// `parent_key`, the parent's key is compared. None for a model without a key.
pub fn sweep(target: &Relation, config: &Config, full_query: &Compiled) -> Option<Compiled> {
    let key = Key::of_parents(config).or_else(|| Key::unchecked(config))?;
    let head = format!(
        "delete from {target} as elt_old\nwhere not exists (\n  select 1\n  from (\nselect {} from (\n",
        key.list()
    );
    Some(full_query.within(&head, &format!("\n)) as elt_now\n  where {}\n)", key.matches("elt_now", "elt_old"))))
}

/// One incremental run of a model.
#[derive(Debug, Clone, Copy)]
pub struct Incremental<'a> {
    pub target: &'a Relation,
    /// The temporary table with the new rows; see `staged`.
    pub staged: &'a Relation,
    pub config: &'a Config,
    /// The columns to write; from `SchemaChange`.
    pub columns: &'a [NewColumn],
    /// For a microbatch model: the range that is replaced.
    pub batch: Option<TimeBatch>,
}

impl<'a> Incremental<'a> {
    /// The temporary table's name. The table exists only on one connection.
    pub fn staged(target: &Relation) -> Relation {
        Relation::new("temp", format!("{}__{}__new", target.schema, target.identifier))
    }

    /// Writes the new rows into the temporary table.
    pub fn stage(staged: &Relation, query: &Compiled) -> Compiled {
        query.within(&format!("create or replace temp table {staged} as (\n"), "\n)")
    }

    /// Drops the temporary table.
    pub fn unstage(staged: &Relation) -> String {
        format!("drop table if exists {staged}")
    }

    /// With a `parent_key`: deletes all rows of the parents that the staged rows name, then deletes the staged rows
    /// that only name their parent. The strategy handles the remaining rows.
    pub fn clear_parents(&self) -> Vec<String> {
        let Some((parents, alone)) = Key::of_parents(self.config).zip(names_parent_only(self.config)) else {
            return Vec::new();
        };
        let delete = format!(
            "delete from {} as DBT_INTERNAL_DEST\nusing (select distinct {} from {}) as DBT_INTERNAL_SOURCE\nwhere {}",
            self.target,
            parents.list(),
            self.staged,
            parents.matches("DBT_INTERNAL_DEST", "DBT_INTERNAL_SOURCE"),
        );
        vec![delete, format!("delete from {} where {alone}", self.staged)]
    }

    /// The statements of the strategy, in order. They require that each key exists once among the new rows
    /// (`Key::duplicates`).
    pub fn statements(&self) -> Vec<String> {
        if let (Some(batch), Some(config)) = (self.batch, &self.config.batch) {
            let condition = batch.condition(&config.event_time);
            let delete = format!("delete from {} where {condition}{}", self.target, self.predicates());
            return vec![delete, format!("{}\nwhere {condition}", self.insert())];
        }
        match (self.config.incremental_strategy, Key::unchecked(self.config)) {
            (Strategy::DeleteInsert, Some(key)) => vec![self.delete(key), self.insert()],
            (Strategy::Merge, Some(key)) => vec![self.merge(key)],
            _ => vec![self.insert()],
        }
    }

    /// The result of `Key::duplicates` for the target, but only for the keys of the staged rows, because each staged
    /// row would replace several rows. None for a strategy that matches no rows.
    pub fn doubled(&self) -> Option<(Key<'a>, String)> {
        let key = Key::unchecked(self.config).filter(|_| self.config.incremental_strategy != Strategy::Append)?;
        let columns: Vec<String> = key.0.iter().map(|column| format!("DBT_INTERNAL_DEST.{}", quote(column))).collect();
        let texts = columns.iter().map(|column| format!("coalesce({column}::varchar, 'NULL')"));
        let shown = texts.collect::<Vec<_>>().join(" || ', ' || ");
        let sql = format!(
            "select count(*) as keys, array_to_string(min(shown, 5), '; ') as shown\nfrom (\n  select {shown} as shown\n  \
             from {} as DBT_INTERNAL_DEST\n  inner join (select {} from {}) as DBT_INTERNAL_SOURCE on {}{}\n  group by {}\n  \
             having count(*) > 1\n)",
            self.target,
            key.list(),
            self.staged,
            key.matches("DBT_INTERNAL_DEST", "DBT_INTERNAL_SOURCE"),
            self.predicates(),
            columns.join(", "),
        );
        Some((key, sql))
    }

    fn names(&self) -> String {
        self.columns.iter().map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ")
    }

    /// The staged rows, cast to the types of the target.
    fn rows(&self) -> String {
        let columns = self.columns.iter().map(|column| {
            let name = quote(&column.name);
            match &column.cast {
                Some(cast) => format!("cast({name} as {cast}) as {name}"),
                None => name,
            }
        });
        format!("select {}\nfrom {}", columns.collect::<Vec<_>>().join(", "), self.staged)
    }

    fn insert(&self) -> String {
        format!("insert into {} ({})\n{}", self.target, self.names(), self.rows())
    }

    fn predicates(&self) -> String {
        self.config.incremental_predicates.iter().map(|predicate| format!("\n  and ({predicate})")).collect()
    }

    fn delete(&self, key: Key<'_>) -> String {
        format!(
            "delete from {} as DBT_INTERNAL_DEST\nusing (select {} from {}) as DBT_INTERNAL_SOURCE\nwhere {}{}",
            self.target,
            key.list(),
            self.staged,
            key.matches("DBT_INTERNAL_DEST", "DBT_INTERNAL_SOURCE"),
            self.predicates(),
        )
    }

    fn merge(&self, key: Key<'_>) -> String {
        let named = |list: &[String], name: &str| list.iter().any(|column| column.eq_ignore_ascii_case(name));
        let config = self.config;
        let updates: Vec<String> = self
            .columns
            .iter()
            .map(|column| &column.name)
            .filter(|name| match config.merge_update_columns.as_slice() {
                [] => !named(key.0, name) && !named(&config.merge_exclude_columns, name),
                chosen => named(chosen, name),
            })
            .map(|name| format!("{0} = DBT_INTERNAL_SOURCE.{0}", quote(name)))
            .collect();
        let update = match updates.as_slice() {
            [] => String::new(),
            updates => {
                let condition = condition(config.merge_update_condition.as_deref());
                format!("when matched{condition} then update set {}\n", updates.join(", "))
            }
        };
        let values: Vec<String> =
            self.columns.iter().map(|column| format!("DBT_INTERNAL_SOURCE.{}", quote(&column.name))).collect();
        format!(
            "merge into {} as DBT_INTERNAL_DEST\nusing (\n{}\n) as DBT_INTERNAL_SOURCE\non {}{}\n{update}when not \
             matched{} then insert ({}) values ({})",
            self.target,
            self.rows(),
            key.matches("DBT_INTERNAL_DEST", "DBT_INTERNAL_SOURCE"),
            self.predicates(),
            condition(config.merge_insert_condition.as_deref()),
            self.names(),
            values.join(", "),
        )
    }
}

/// The text after `matched`.
fn condition(sql: Option<&str>) -> String {
    sql.map(|sql| format!(" and ({sql})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::schema_change::NewColumn;
    use super::{Incremental, Key};
    use crate::config::Of;
    use crate::graph::Config;
    use crate::graph::Relation;

    fn config(value: Value) -> Config {
        Config::read(&value.as_object().cloned().unwrap_or_default(), Of::Model).0
    }

    #[test]
    fn strategies() {
        #[track_caller]
        fn check(value: Value, expected: &[&str]) {
            let config = config(value);
            let columns = [
                NewColumn { name: "id".into(), cast: None },
                NewColumn { name: "a".into(), cast: Some("BIGINT".into()) },
                NewColumn { name: "b".into(), cast: None },
            ];
            let (target, staged) = (Relation::new("main", "m"), Relation::new("temp", "n"));
            let run = Incremental { target: &target, staged: &staged, config: &config, columns: &columns, batch: None };
            let flat = |sql: &String| sql.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(run.statements().iter().map(flat).collect::<Vec<_>>(), expected);
        }
        let insert = "insert into \"main\".\"m\" (\"id\", \"a\", \"b\") select \"id\", cast(\"a\" as BIGINT) as \"a\", \
                      \"b\" from \"temp\".\"n\"";
        check(json!({}), &[insert]);
        check(
            json!({"unique_key": "id", "incremental_predicates": ["b > 1"]}),
            &[
                "delete from \"main\".\"m\" as DBT_INTERNAL_DEST using (select \"id\" from \"temp\".\"n\") as \
                 DBT_INTERNAL_SOURCE where DBT_INTERNAL_DEST.\"id\" is not distinct from DBT_INTERNAL_SOURCE.\"id\" and \
                 (b > 1)",
                insert,
            ],
        );
        let merge = |updates: &str| {
            format!(
                "merge into \"main\".\"m\" as DBT_INTERNAL_DEST using ( select \"id\", cast(\"a\" as BIGINT) as \"a\", \
                 \"b\" from \"temp\".\"n\" ) as DBT_INTERNAL_SOURCE on DBT_INTERNAL_DEST.\"id\" is not distinct from \
                 DBT_INTERNAL_SOURCE.\"id\" {updates}when not matched then insert (\"id\", \"a\", \"b\") values \
                 (DBT_INTERNAL_SOURCE.\"id\", DBT_INTERNAL_SOURCE.\"a\", DBT_INTERNAL_SOURCE.\"b\")"
            )
        };
        let strategy = json!({"unique_key": "ID", "incremental_strategy": "merge"});
        let with = |key: &str, list: Value| {
            let mut map = strategy.clone();
            map[key] = list;
            map["unique_key"] = "id".into();
            map
        };
        let a = "\"a\" = DBT_INTERNAL_SOURCE.\"a\"";
        let b = "\"b\" = DBT_INTERNAL_SOURCE.\"b\"";
        let both = merge(&format!("when matched then update set {a}, {b} "));
        check(with("tags", json!([])), &[&both]);
        check(with("merge_update_columns", json!(["B"])), &[&merge(&format!("when matched then update set {b} "))]);
        check(with("merge_exclude_columns", json!(["b"])), &[&merge(&format!("when matched then update set {a} "))]);
        check(with("merge_exclude_columns", json!(["a", "b"])), &[&merge("")]);
        check(
            with("merge_update_condition", json!("DBT_INTERNAL_SOURCE.a > 1")),
            &[&merge(&format!("when matched and (DBT_INTERNAL_SOURCE.a > 1) then update set {a}, {b} "))],
        );
        check(
            with("merge_insert_condition", json!("DBT_INTERNAL_SOURCE.a > 1")),
            &[&merge(&format!("when matched then update set {a}, {b} "))
                .replace("when not matched", "when not matched and (DBT_INTERNAL_SOURCE.a > 1)")],
        );
    }

    #[test]
    fn keys() {
        #[track_caller]
        fn check(key: Value, columns: &[&str], expected: Result<Option<usize>, &str>) {
            let config = config(json!({"unique_key": key}));
            let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
            let found = Key::of("m", &config, &columns);
            let found = found.as_ref().map(|key| key.map(|key| key.0.len())).map_err(|error| error.message());
            assert_eq!(found, expected);
        }
        check(json!(["a", "B"]), &["A", "b"], Ok(Some(2)));
        check(json!([]), &["a"], Ok(None));
        check(json!("c"), &["a"], Err("`unique_key` of model `m` names `c`, which is not a column of the query"));
    }
}
