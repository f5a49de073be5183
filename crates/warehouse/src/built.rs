//! Records in `_elt.built` from which inputs each node was last built. `--changed` compares with these records.
//!
//! A record is committed together with its relation. Fingerprints are only texts here.

use std::collections::{BTreeMap, HashMap};

use super::session::Session;
use elt_base::schema::literal;
use elt_base::sql_error::SqlError;

/// The table is created by the first build.
const TABLE: &str = "create table if not exists _elt.built (
    node varchar not null, definition varchar not null, fingerprint varchar not null, version varchar not null,
    tests json not null, built_at timestamptz not null)";

/// The inputs from which a node's relation was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Built {
    /// The fingerprint of the node's query and configuration.
    pub definition: String,
    /// The fingerprint of `definition` and of the versions of the inputs. Empty if the result may differ in each build.
    pub fingerprint: String,
    /// The version of the relation's content. It changes whenever the content may have changed.
    pub version: String,
    /// The tests that passed on the relation: unique id and fingerprint of each test.
    pub tests: BTreeMap<String, String>,
}

impl Session {
    /// Creates the table, before transactions on several threads write to it.
    pub fn prepare_built(&self) -> Result<(), SqlError> {
        self.execute(TABLE)
    }

    /// Deletes the record of a node.
    pub fn forget_built(&self, node: &str) -> Result<(), SqlError> {
        self.execute(&format!("{TABLE}; delete from _elt.built where node = {}", literal(node)))
    }

    /// All records, by the nodes' unique ids. Empty if nothing was ever built.
    pub fn built(&self) -> Result<HashMap<String, Built>, SqlError> {
        let is_there = self.count(
            "select count(*) from duckdb_tables() where database_name = current_database() \
             and schema_name = '_elt' and table_name = 'built'",
        )?;
        if is_there == 0 {
            return Ok(HashMap::new());
        }
        let rows = self.rows("select node, definition, fingerprint, version, tests::varchar from _elt.built")?;
        let read = |row: Vec<Option<String>>| {
            let [node, definition, fingerprint, version, tests] = <[Option<String>; 5]>::try_from(row).ok()?;
            let tests = serde_json::from_str(&tests?).ok()?;
            Some((node?, Built { definition: definition?, fingerprint: fingerprint?, version: version?, tests }))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Records how a node was built. Called in the transaction that builds it.
    pub fn record_built(&self, node: &str, built: &Built) -> Result<(), SqlError> {
        let tests = serde_json::to_string(&built.tests).map_err(|cause| SqlError::parse(&cause.to_string()))?;
        self.execute(&format!(
            "delete from _elt.built where node = {0}; insert into _elt.built values ({0}, {1}, {2}, {3}, {4}, now())",
            literal(node),
            literal(&built.definition),
            literal(&built.fingerprint),
            literal(&built.version),
            literal(&tests),
        ))
    }

    /// The last load of each raw table, by source and collection.
    pub fn standing_loads(&self) -> Result<HashMap<(String, String), String>, SqlError> {
        let rows = self.rows("select source, collection, load_id from _elt.collections")?;
        let read = |row: Vec<Option<String>>| {
            let [source, collection, load] = <[Option<String>; 3]>::try_from(row).ok()?;
            Some(((source?, collection?), load?))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}
