//! Reads the configuration of a node's published table: `export`, `grants`, `indexes`, `persist_docs`.
//!
//! `grants` and `indexes` are dbt-postgres's (<https://docs.getdbt.com/reference/resource-configs/grants>,
//! <https://docs.getdbt.com/reference/resource-configs/postgres-configs#indexes>). Knows no target.

use std::collections::BTreeMap;

use serde_json::Value;

use super::value::{BadConfig, ConfigReader};
use crate::graph::Node;
use elt_project::{ColumnContract, ColumnProperties, Index, OnConflict, OnHazard, RowsOf, TableContract};

/// The part that a node's own configuration contains, without columns and comments.
pub(crate) fn read(read: &mut ConfigReader<'_>) -> TableContract {
    let mut contract = TableContract::default();
    let export = read.map("export");
    let mut own = ConfigReader::new(&export);
    contract.schema = own.text("schema");
    contract.table = own.text("table");
    contract.owner = own.text("owner");
    contract.column_order = own.names("columns");
    contract.partition_by = own.names("partition_by");
    contract.on_hazard = own.choice("on_hazard", OnHazard::CHOICES);
    contract.sequences = own.flag("sequences");
    contract.rows = own.choice("rows", RowsOf::CHOICES);
    contract.on_conflict = own.choice("on_conflict", OnConflict::CHOICES);
    for bad in own.finish_closed("`export`") {
        read.refuse_as(bad);
    }
    contract.grants = grants(read);
    contract.indexes = indexes(read);
    contract
}

fn grants(read: &mut ConfigReader<'_>) -> BTreeMap<String, Vec<String>> {
    let map = read.map("grants");
    let mut grants = BTreeMap::new();
    for (privilege, roles) in map {
        let roles = match roles {
            Value::String(role) => vec![role],
            Value::Array(roles) if roles.iter().all(Value::is_string) => {
                roles.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => {
                read.refuse("grants", format!("must list the roles of `{privilege}` as names"));
                continue;
            }
        };
        // dbt's sign for roles that are added to those of the parent folder.
        grants.insert(privilege.trim_start_matches('+').to_lowercase(), roles);
    }
    grants
}

fn indexes(read: &mut ConfigReader<'_>) -> Vec<Index> {
    let Some(value) = read.value("indexes") else { return Vec::new() };
    let Some(items) = value.as_array() else {
        read.refuse("indexes", "must be a list".into());
        return Vec::new();
    };
    let mut indexes = Vec::new();
    for item in items {
        let Some(map) = item.as_object() else {
            read.refuse("indexes", "must be a list of maps with `columns`".into());
            continue;
        };
        let mut own = ConfigReader::new(map);
        let index = Index {
            columns: own.names("columns"),
            unique: own.flag("unique").unwrap_or(false),
            method: own.text("type").or(own.text("using")).map(|method| method.to_lowercase()),
            include: own.names("include"),
            condition: own.text("where"),
        };
        for bad in own.finish_closed("an entry of `indexes`") {
            read.refuse_as(bad);
        }
        if index.columns.is_empty() {
            read.refuse("indexes", "has an entry without `columns`".into());
            continue;
        }
        indexes.push(index);
    }
    indexes
}

/// The part that a column's configuration contains.
pub(crate) fn column(column: &ColumnProperties) -> (ColumnContract, Vec<BadConfig>) {
    let mut contract =
        ColumnContract { name: column.name.clone(), place: Some(column.place.clone()), ..ColumnContract::default() };
    let mut of_column = ConfigReader::new(&column.config);
    let export = of_column.map("export");
    let mut own = ConfigReader::new(&export);
    contract.target_type = own.text("type");
    contract.default = own.text("default");
    contract.on_hazard = own.choice("on_hazard", OnHazard::CHOICES);
    for key in ["docs", "meta", "quote", "tags"] {
        of_column.value(key);
    }
    let mut bad = of_column.finish_closed("a column's `config`");
    bad.extend(own.finish_closed("a column's `export`"));
    (contract, bad)
}

/// The faults in the configuration of a source's column.
pub(crate) fn source_column(column: &ColumnProperties) -> Vec<BadConfig> {
    let mut own = ConfigReader::new(&column.config);
    for key in ["docs", "meta", "on_mismatch", "quote", "tags"] {
        own.value(key);
    }
    own.finish_closed("the `config` of a source's column")
}

impl Node {
    /// The complete configuration of a node's published table, without constraints.
    pub fn table_contract(&self) -> TableContract {
        let docs = self.raw_config.get("persist_docs");
        let persists = |part: &str| docs.and_then(|docs| docs.get(part)).is_some_and(|value| value == true);
        let comment = |part: &str, text: &str| (persists(part) && !text.is_empty()).then(|| text.to_owned());
        let columns = self.columns.iter().map(|properties| {
            let (mut contract, _) = column(properties);
            contract.comment = comment("columns", &properties.description);
            contract
        });
        TableContract {
            comment: comment("relation", &self.description),
            columns: columns.collect(),
            ..self.config.export.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(config: Value, expected: TableContract, bad: &[&str]) {
        let map = config.as_object().cloned().unwrap_or_default();
        let mut reader = ConfigReader::new(&map);
        let contract = read(&mut reader);
        let found: Vec<String> = reader.finish().0.iter().map(|bad| format!("{} {}", bad.key, bad.complaint)).collect();
        assert_eq!(contract, expected);
        assert_eq!(found, bad);
    }

    #[test]
    fn reads_what_a_table_is_to_be() {
        check(
            json!({
                "export": {"schema": "sales", "table": "Customer", "columns": ["b", "a"], "on_hazard": "quarantine", "rows": "all", "on_conflict": "keep"},
                "grants": {"select": ["reporting", "audit"], "+insert": "loader"},
                "indexes": [{"columns": ["a"], "unique": true}, {"columns": "b", "type": "GIN"}],
            }),
            TableContract {
                schema: Some("sales".into()),
                table: Some("Customer".into()),
                column_order: vec!["b".into(), "a".into()],
                on_hazard: Some(OnHazard::Quarantine),
                rows: Some(RowsOf::All),
                on_conflict: Some(OnConflict::Keep),
                grants: BTreeMap::from([
                    ("select".into(), vec!["reporting".into(), "audit".into()]),
                    ("insert".into(), vec!["loader".into()]),
                ]),
                indexes: vec![
                    Index { columns: vec!["a".into()], unique: true, ..Index::default() },
                    Index { columns: vec!["b".into()], method: Some("gin".into()), ..Index::default() },
                ],
                ..TableContract::default()
            },
            &[],
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        check(
            json!({"export": {"shema": "x", "on_hazard": "drop"}, "grants": {"select": 1}, "indexes": [{"unique": true}]}),
            TableContract { ..TableContract::default() },
            &[
                "shema is not a key of `export`",
                "on_hazard cannot be `drop`",
                "grants must list the roles of `select` as names",
                "indexes has an entry without `columns`",
            ],
        );
    }
}
