//! One node as an entry of the manifest. Pure, except that it reads the file of a seed for its checksum.

use serde_json::{Map, Value, json};

use super::below;
use super::config::{constraint_name, freshness, own_constraints};
use crate::config::texts;
use crate::graph::{Call, GenericTest, Graph, Materialized, Node, NodeKind};
use elt_project::{ColumnProperties, Constraint, seed_checksum};

impl Graph {
    /// A node's entry. `compiled` is its SQL, if the node was compiled.
    pub fn entry(&self, node: &Node, compiled: Option<&String>) -> Value {
        match node.kind {
            NodeKind::Source => self.source_entry(node),
            NodeKind::Exposure => self.exposure_entry(node),
            NodeKind::UnitTest => self.unit_test_entry(node),
            _ => self.node_entry(node, compiled),
        }
    }

    /// The name of a relation with its database: `"wh"."main"."customers"`.
    fn relation_name(&self, node: &Node) -> String {
        format!("{}.{}", elt_base::schema::quote(&self.database), node.relation)
    }

    fn created_at() -> f64 {
        chrono::Utc::now().timestamp_micros() as f64 / 1e6
    }

    fn node_entry(&self, node: &Node, compiled: Option<&String>) -> Value {
        let original = node.original_path().to_string_lossy();
        let generic = node.test.as_ref().and_then(|test| test.generic.as_ref());
        let path = match generic {
            Some(_) => format!("{}.sql", node.relation.identifier),
            None => below(&original).to_owned(),
        };
        let is_test = node.kind == NodeKind::Test;
        let config = self.shown_config(node);
        let is_kept = match node.kind {
            NodeKind::Test => node.config.test.store_failures,
            NodeKind::Analysis => false,
            _ => node.config.materialized != Materialized::Ephemeral,
        };
        let patch = node.patch.as_ref().filter(|_| generic.is_none());
        let mut entry = json!({
            "database": self.database,
            "schema": node.relation.schema,
            "name": node.name,
            "resource_type": node.kind.name(),
            "package_name": self.project,
            "path": if node.kind == NodeKind::Analysis { format!("analysis/{path}") } else { path.to_string() },
            "original_file_path": original,
            "unique_id": node.unique_id,
            "fqn": node.fqn,
            "alias": node.relation.identifier,
            "checksum": self.checksum(node),
            "tags": if generic.is_some() { json!(node.config.tags) } else { config["tags"].clone() },
            "description": node.description,
            "columns": if is_test { Map::new() } else { columns(&node.columns) },
            "meta": node.config.meta,
            "group": self.group_of_entry(node),
            "docs": config.get("docs").cloned().unwrap_or_else(|| json!({ "show": true, "node_color": null })),
            "patch_path": patch.map(|place| format!("{}://{}", self.project, place.source.path.display())),
            "build_path": null,
            "unrendered_config": self.unrendered_config(node),
            "created_at": Self::created_at(),
            "relation_name": is_kept.then(|| self.relation_name(node)),
            "raw_code": self.raw_code(node),
            "doc_blocks": [],
            "config": config,
        });
        let Some(object) = entry.as_object_mut() else { return entry };
        if node.kind == NodeKind::Seed {
            object.insert("root_path".into(), json!(self.root));
            object.insert("depends_on".into(), json!({ "macros": [] }));
            return entry;
        }
        let (refs, sources) = self.mentions(node);
        object.extend([
            ("language".into(), json!("sql")),
            ("refs".into(), refs),
            ("sources".into(), sources),
            ("metrics".into(), json!([])),
            ("functions".into(), json!([])),
            ("depends_on".into(), json!({ "macros": self.macros_of(node), "nodes": self.parent_ids(node) })),
            ("compiled_path".into(), json!(compiled.map(|_| self.compiled_path(node)))),
            ("contract".into(), self.contract(node)),
        ]);
        if let Some(sql) = compiled {
            object.extend([
                ("compiled".into(), true.into()),
                ("compiled_code".into(), sql.trim_end().into()),
                ("extra_ctes_injected".into(), true.into()),
                // The manifest sets them, because it compiles them.
                ("extra_ctes".into(), json!([])),
            ]);
        }
        if node.kind == NodeKind::Model {
            let own: Vec<Value> = own_constraints(node).iter().map(|one| constraint(one, true)).collect();
            object.extend([
                ("access".into(), node.access().name().into()),
                ("constraints".into(), own.into()),
                ("version".into(), Value::Null),
                ("latest_version".into(), Value::Null),
                ("deprecation_date".into(), Value::Null),
                ("primary_key".into(), json!(self.primary_key(node))),
                ("time_spine".into(), Value::Null),
            ]);
        }
        if let Some(generic) = generic {
            self.add_generic(object, node, generic);
        }
        entry
    }

    fn group_of_entry<'a>(&'a self, node: &'a Node) -> Option<&'a str> {
        let owner = node.test.as_ref().filter(|test| test.generic.is_some()).and_then(|test| test.owner);
        node.group().or_else(|| self.nodes.get(owner?.index())?.group())
    }

    fn add_generic(&self, object: &mut Map<String, Value>, node: &Node, generic: &GenericTest) {
        let owner = node.test.as_ref().and_then(|test| test.owner).and_then(|id| self.nodes.get(id.index()));
        let Some(owner) = owner else { return };
        let is_source = owner.kind == NodeKind::Source;
        let call = match &owner.source_name {
            Some(source) => Call::Source(source.clone(), owner.name.clone()),
            None => Call::Ref(owner.name.clone()),
        };
        let key = match &owner.source_name {
            Some(source) => format!("sources.{source}"),
            None => format!("{}s.{}", owner.kind, owner.name),
        };
        object.extend([
            ("column_name".into(), json!(generic.column)),
            ("file_key_name".into(), key.into()),
            ("attached_node".into(), if is_source { Value::Null } else { owner.unique_id.clone().into() }),
            ("test_metadata".into(), generic.metadata(&call)),
        ]);
    }

    /// dbt's `checksum`: of a file's text, or of a seed's bytes. Nodes that are defined in YAML have none.
    fn checksum(&self, node: &Node) -> Value {
        match node.kind {
            NodeKind::Seed => self.seed_checksum(node),
            NodeKind::Test if node.checksum.is_empty() => json!({ "name": "none", "checksum": "" }),
            _ => json!({ "name": "sha256", "checksum": node.checksum }),
        }
    }

    pub(crate) fn seed_checksum(&self, node: &Node) -> Value {
        match seed_checksum(&node.path) {
            Some(checksum) => json!({ "name": "sha256", "checksum": checksum }),
            None => json!({ "name": "path", "checksum": node.original_path() }),
        }
    }

    /// Jinja as dbt stores it. A generic test is the call of its macro.
    pub(crate) fn raw_code(&self, node: &Node) -> String {
        let Some(generic) = node.test.as_ref().and_then(|test| test.generic.as_ref()) else {
            return node.raw_text().trim().to_owned();
        };
        let config: Vec<String> = node.unrendered_config.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let call = format!("{{{{ test_{}(**_dbt_generic_test_kwargs) }}}}", generic.test);
        if config.is_empty() { call } else { format!("{call}{{{{ config({}) }}}}", config.join(",")) }
    }

    fn parent_ids(&self, node: &Node) -> Vec<&str> {
        // A disabled node was never resolved.
        node.parents.iter().map(|id| self.node(*id).unique_id.as_str()).collect()
    }

    fn mentions(&self, node: &Node) -> (Value, Value) {
        let parents = || node.parents.iter().map(|id| self.node(*id));
        let refs = parents().filter(|parent| parent.kind.is_referable());
        let refs = refs.map(|parent| json!({ "name": parent.name, "package": null, "version": null }));
        let sources = parents().filter_map(|parent| Some(json!([parent.source_name.as_ref()?, parent.name])));
        (refs.collect(), sources.collect())
    }

    fn compiled_path(&self, node: &Node) -> String {
        let mut path = std::path::Path::new("target/compiled").join(&self.project).join(node.original_path());
        if path.extension().is_none_or(|ending| ending != "sql") {
            path = path.join(format!("{}.sql", node.name));
        }
        path.display().to_string()
    }

    /// The columns that identify a row according to the tests: columns that are unique and not null, else columns that
    /// are unique.
    fn primary_key(&self, node: &Node) -> Vec<String> {
        let keys = own_constraints(node).iter().chain(node.columns.iter().flat_map(|column| &column.constraints));
        let key = keys.filter(|one| one.kind == elt_project::ConstraintKind::PrimaryKey).map(|one| &one.columns);
        let declared: Vec<String> = key.flatten().cloned().collect();
        if !declared.is_empty() || node.test.is_some() || self.by_unique_id(&node.unique_id).is_none() {
            return declared;
        }
        let tested = |name: &str| -> Vec<String> {
            let tests = self.tests_of(node.id).filter_map(|test| test.test.as_ref()?.generic.as_ref());
            let columns = tests.filter(|generic| generic.test == name).filter_map(|generic| generic.column.clone());
            columns.collect()
        };
        let (unique, not_null) = (tested("unique"), tested("not_null"));
        let both: Vec<String> = unique.iter().filter(|column| not_null.contains(column)).cloned().collect();
        if both.is_empty() { unique } else { both }
    }

    fn source_entry(&self, node: &Node) -> Value {
        let path = node.original_path().to_string_lossy();
        let config = self.shown_config(node);
        let at = |key: &str| node.raw_config.get(key).cloned();
        let text = |key: &str| at(key).filter(Value::is_string);
        let freshness = freshness(node.raw_config.get("freshness"));
        json!({
            "database": self.database,
            "schema": node.relation.schema,
            "name": node.name,
            "resource_type": "source",
            "package_name": self.project,
            "path": path,
            "original_file_path": path,
            "unique_id": node.unique_id,
            "fqn": node.fqn,
            "source_name": node.source_name,
            "source_description": "",
            "loader": text("loader").unwrap_or_else(|| "".into()),
            "identifier": node.relation.identifier,
            "quoting": { "database": null, "schema": null, "identifier": null, "column": null },
            "loaded_at_field": at("loaded_at_field"),
            "loaded_at_query": at("loaded_at_query"),
            "freshness": freshness,
            "external": null,
            "description": node.description,
            "columns": columns(&node.columns),
            "meta": node.config.meta,
            "source_meta": {},
            "tags": config["tags"].clone(),
            "config": config,
            "patch_path": null,
            "unrendered_config": self.unrendered_config(node),
            "relation_name": self.relation_name(node),
            "created_at": Self::created_at(),
            "unrendered_database": null,
            "unrendered_schema": node.relation.schema,
            "doc_blocks": [],
        })
    }

    pub(crate) fn exposure_entry(&self, node: &Node) -> Value {
        let Some(exposure) = &node.exposure else { return Value::Null };
        let path = node.original_path().to_string_lossy();
        let (refs, sources) = self.mentions(node);
        json!({
            "name": node.name,
            "resource_type": "exposure",
            "package_name": self.project,
            "path": below(&path),
            "original_file_path": path,
            "unique_id": node.unique_id,
            "fqn": node.fqn,
            "type": exposure.kind,
            "owner": exposure.owner.to_json(),
            "description": node.description,
            "label": exposure.label,
            "maturity": exposure.maturity,
            "meta": node.config.meta,
            "tags": node.config.tags,
            "config": self.shown_config(node),
            "unrendered_config": self.unrendered_config(node),
            "url": exposure.url,
            "depends_on": { "macros": [], "nodes": self.parent_ids(node) },
            "refs": refs,
            "sources": sources,
            "metrics": [],
            "created_at": Self::created_at(),
        })
    }

    fn unit_test_entry(&self, node: &Node) -> Value {
        let path = node.original_path().to_string_lossy();
        let inputs = node.unit_test.iter().flat_map(|test| &test.given);
        // Rows are not copied from the YAML, because they contain the analyst's own values.
        let given: Vec<Value> = inputs
            .map(|given| json!({ "input": given.written, "rows": null, "format": "dict", "fixture": null }))
            .collect();
        let model = node.parents.first().map(|id| self.node(*id).name.as_str()).unwrap_or_default();
        json!({
            "model": model,
            "given": given,
            "expect": { "rows": [], "format": "dict", "fixture": null },
            "name": node.name,
            "resource_type": "unit_test",
            "package_name": self.project,
            "path": below(&path),
            "original_file_path": path,
            "unique_id": node.unique_id,
            "fqn": node.fqn,
            "description": node.description,
            "overrides": null,
            "depends_on": { "macros": [], "nodes": self.parent_ids(node) },
            "config": self.shown_config(node),
            "checksum": node.checksum,
            "schema": node.relation.schema,
            "created_at": Self::created_at(),
            "versions": null,
            "version": null,
        })
    }
}

fn columns(columns: &[ColumnProperties]) -> Map<String, Value> {
    let entries = columns.iter().map(|column| {
        let constraints: Vec<Value> = column.constraints.iter().map(|one| constraint(one, false)).collect();
        let meta = column.config.get("meta").cloned().unwrap_or_else(|| json!({}));
        let tags = texts(column.config.get("tags"));
        let entry = json!({
            "name": column.name,
            "description": column.description,
            "meta": meta,
            "data_type": column.data_type,
            "constraints": constraints,
            "quote": column.config.get("quote"),
            "config": { "meta": meta, "tags": tags },
            "tags": tags,
            "granularity": null,
            "doc_blocks": [],
        });
        (column.name.clone(), entry)
    });
    entries.collect()
}

fn constraint(constraint: &Constraint, of_model: bool) -> Value {
    let mut entry = json!({
        "type": constraint_name(constraint.kind),
        "name": constraint.name,
        "expression": constraint.expression,
        "warn_unenforced": true,
        "warn_unsupported": true,
        "to": constraint.to,
        "to_columns": constraint.to_columns,
    });
    if let Some(object) = entry.as_object_mut().filter(|_| of_model) {
        object.insert("columns".into(), json!(constraint.columns));
    }
    entry
}
