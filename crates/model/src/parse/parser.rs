//! Turns a `Project` into drafts of nodes. Renders every template, to record its references and its configuration.
//!
//! Collects the errors of all files. Runs no SQL. `resolve` finds the nodes that names mean.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::{BadConfig, Freshness, Of, export, folder_defaults, key_in_sql, key_in_yaml, merge, unrendered};
use crate::graph::{Call, Config, DataTest, KeyMapUse, Node, NodeId, NodeKind, Origin, Relation, first_line};
use crate::messages;
use crate::template::jinja::Setting;
use crate::template::{Invocation, TemplateText, Templates, node_value};
use elt_base::digest::sha256;
use elt_base::error::{Error, Place, SourceText};
use elt_project::{ColumnProperties, NodeProperties, Project, ProjectFile};

/// A node before it is in the graph, with the calls of its template.
pub(crate) struct Draft {
    pub node: Node,
    pub calls: Vec<CallSite>,
}

/// A call that a template made.
pub(crate) struct CallSite {
    pub call: Call,
    /// The rendering that recorded the call, and the call's number in it. None for a call that is written in YAML.
    pub number: Option<(bool, usize)>,
}

/// The state of parsing one project.
pub(crate) struct ProjectParser<'a> {
    pub project: &'a Project,
    pub templates: Templates,
    pub drafts: Vec<Draft>,
    pub errors: Vec<Error>,
    pub warnings: Vec<Error>,
    /// Names of disabled models and seeds, and `source.table` of disabled tables.
    pub disabled: HashSet<String>,
    pub disabled_nodes: Vec<Node>,
    /// Full names of disabled resources that have no node.
    pub disabled_fqns: Vec<(NodeKind, Vec<String>)>,
    /// The references of the run's hooks: the hook as messages name it, its place, and the call.
    pub hook_calls: Vec<(String, Place, Call)>,
}

impl<'a> ProjectParser<'a> {
    /// Renders and configures the files of a project. `vars` take precedence over the project's own.
    pub(crate) fn read(project: &'a Project, vars: &Map<String, Value>, invocation: &Invocation) -> Self {
        let (templates, errors) = Templates::new(project, vars, invocation);
        let mut parser = Self {
            project,
            templates,
            drafts: Vec::new(),
            errors,
            warnings: Vec::new(),
            disabled: HashSet::new(),
            disabled_nodes: Vec::new(),
            disabled_fqns: Vec::new(),
            hook_calls: Vec::new(),
        };
        parser.sources();
        parser.seeds();
        parser.snapshots();
        parser.models();
        parser.analyses();
        parser.singular_tests();
        parser.generic_tests();
        parser.unit_tests();
        parser.exposures();
        parser.run_hooks();
        parser.unused_defaults();
        parser
    }
}

/// A node before its configuration is known.
pub(crate) fn blank_node(kind: NodeKind, name: &str, source: &Arc<SourceText>, config: Config) -> Node {
    Node {
        id: NodeId(0),
        kind,
        unique_id: String::new(),
        name: name.to_owned(),
        source_name: None,
        collection: None,
        origin: Origin::Loaded,
        made_by: None,
        reads: None,
        fqn: Vec::new(),
        source: source.clone(),
        path: std::path::PathBuf::new(),
        patch: None,
        relation: Relation::new("", ""),
        config,
        raw_config: Map::new(),
        unrendered_config: Map::new(),
        columns: Vec::new(),
        constraints: Vec::new(),
        description: String::new(),
        parents: Vec::new(),
        key_maps: Vec::new(),
        checksum: String::new(),
        test: None,
        unit_test: None,
        exposure: None,
    }
}

impl ProjectParser<'_> {
    pub(crate) fn target_schema(&self) -> &str {
        &self.project.profiles.target.schema
    }

    fn sources(&mut self) {
        let project = self.project;
        let name = &project.profiles.name;
        for source in &project.properties.sources {
            for table in &source.tables {
                let owner = format!("source table `{}.{}`", source.name, table.name);
                let mut fqn = vec![name.clone()];
                fqn.extend(self.yaml_folders(&table.place.source.path));
                fqn.extend([source.name.clone(), table.name.clone()]);
                let mut raw = folder_defaults(&project.profiles.defaults.sources, &fqn);
                merge(&mut raw, source.config.clone());
                merge(&mut raw, table.config.clone());
                let config = self.config(&raw, Of::Source, &owner, &table.place, None);
                if !config.enabled {
                    self.disabled.insert(format!("{}.{}", source.name, table.name));
                    self.disabled_fqns.push((NodeKind::Source, fqn));
                    continue;
                }
                if let Err(complaint) = Freshness::read(&raw) {
                    let place = key_in_yaml(&table.place, "freshness");
                    self.errors.push(messages::bad_config(&owner, "freshness", &complaint, place));
                }
                let mut node = blank_node(NodeKind::Source, &table.name, &table.place.source, config);
                let identifier = table.identifier.as_ref().unwrap_or(&table.name);
                node.unique_id = format!("source.{name}.{}.{}", source.name, table.name);
                node.fqn = fqn;
                node.relation = Relation::new(source.schema.as_ref().unwrap_or(&source.name), identifier);
                node.origin =
                    self.origin(&source.name, &table.name, &node.relation, &raw, (&table.place, &source.place));
                node.source_name = Some(source.name.clone());
                node.collection = Some(identifier.clone());
                node.patch = Some(table.place.clone());
                node.raw_config = raw;
                // Artifacts and `ls` show the other configuration.
                node.raw_config.remove("mask_salt");
                node.unrendered_config = node.raw_config.clone();
                node.columns = table.columns.clone();
                for column in &table.columns {
                    self.bad_column(column, &owner, export::source_column(column));
                }
                node.description = table.description.clone();
                self.drafts.push(Draft { node, calls: Vec::new() });
            }
        }
    }

    fn seeds(&mut self) {
        let project = self.project;
        let properties = by_name(&project.properties.seeds);
        for file in &project.seeds {
            let patch = properties.get(file.name.as_str()).copied();
            let mut raw = self.file_defaults(&project.profiles.defaults.seeds, file, patch);
            raw.entry("materialized").or_insert_with(|| "seed".into());
            let place = patch.map_or_else(|| Place::new(&file.source, 0..0), |patch| patch.place.clone());
            let config = self.config(&raw, Of::Seed, &format!("seed `{}`", file.name), &place, None);
            let written = self.unrendered(&project.profiles.defaults.seeds, file, patch, &Map::new());
            let is_enabled = config.enabled;
            let mut node = self.file_node(NodeKind::Seed, file, patch, config, raw);
            node.unrendered_config = written;
            if !is_enabled {
                self.disabled.insert(file.name.clone());
                self.disabled_nodes.push(node);
                continue;
            }
            self.drafts.push(Draft { node, calls: Vec::new() });
        }
        self.unmatched(&project.properties.seeds, &project.seeds, "seed");
    }

    /// The snapshots of files with blocks, then the snapshots that are defined only in YAML.
    fn models(&mut self) {
        let project = self.project;
        let properties = by_name(&project.properties.models);
        for file in &project.models {
            let patch = properties.get(file.name.as_str()).copied();
            let is_inline = file.source.path == std::path::Path::new(elt_project::INLINE_PATH);
            let owner = if is_inline { "the query".to_owned() } else { format!("model `{}`", file.name) };
            let defaults = self.file_defaults(&project.profiles.defaults.models, file, patch);
            self.templated(NodeKind::Model, file, patch, &owner, defaults);
        }
        self.unmatched(&project.properties.models, &project.models, "model");
    }

    fn singular_tests(&mut self) {
        let project = self.project;
        let properties = by_name(&project.properties.tests);
        for file in &project.tests {
            let patch = properties.get(file.name.as_str()).copied();
            let owner = format!("test `{}`", file.name);
            let defaults = self.file_defaults(&project.profiles.defaults.data_tests, file, patch);
            self.templated(NodeKind::Test, file, patch, &owner, defaults);
        }
        self.unmatched(&project.properties.tests, &project.tests, "test");
    }

    /// Parses a model or singular test, and records the calls of its template.
    pub(crate) fn templated(
        &mut self,
        kind: NodeKind,
        file: &ProjectFile,
        patch: Option<&NodeProperties>,
        owner: &str,
        mut raw: Map<String, Value>,
    ) {
        let this = {
            let profiles = &self.project.profiles;
            let (names, plain) =
                ((&*profiles.name, &*profiles.target.database), Relation::new(self.target_schema(), &*file.name));
            let shown = self.has_naming().then(|| node_value::parsed_json(names, kind, file, &plain, &raw));
            let place = Place::line(&file.source, 1);
            self.relation(&format!("{kind} `{}`", file.name), &file.name, &raw, shown, &place)
        };
        let mut calls = Vec::new();
        let mut key_maps: Vec<KeyMapUse> = Vec::new();
        let mut said = Map::new();
        // Both branches of `{% if is_incremental() %}` are rendered, so that every reference is found.
        let renderings: &[bool] = if file.source.text.contains("is_incremental") { &[false, true] } else { &[false] };
        for &is_incremental in renderings {
            let own = self.templates.mentions(&file.source.text, "model");
            let model = || {
                let profiles = &self.project.profiles;
                node_value::parsed((&profiles.name, &profiles.target.database), kind, file, &this, &raw)
            };
            let setting = Setting {
                is_incremental,
                this: Some(this.clone()),
                model: own.then(model).map(node_value::outside_of_batches),
                config: raw.clone(),
                ..Setting::default()
            };
            match self.templates.render(owner, &TemplateText::File(file.source.clone()), setting, None) {
                Ok(rendered) => {
                    let uses = rendered.heard.keys.into_iter();
                    key_maps.extend(uses.map(|key| KeyMapUse { map: key.map, fills: key.from.is_some() }));
                    calls.extend(
                        rendered
                            .heard
                            .calls
                            .into_iter()
                            .enumerate()
                            .map(|(number, call)| CallSite { call, number: Some((is_incremental, number)) }),
                    );
                    if !is_incremental {
                        said = rendered.heard.config;
                    }
                }
                Err(error) => {
                    self.errors.push(error);
                    break;
                }
            }
        }
        let said_keys: HashSet<String> = said.keys().cloned().collect();
        let defaults = &self.project.profiles.defaults;
        let nothing = Map::new();
        let folder_defaults = match kind {
            NodeKind::Model => &defaults.models,
            NodeKind::Snapshot => &defaults.snapshots,
            NodeKind::Test => &defaults.data_tests,
            _ => &nothing,
        };
        let written = self.unrendered(folder_defaults, file, patch, &said);
        merge(&mut raw, said);
        let (of, default) = match kind {
            NodeKind::Test => (Of::Test, "test"),
            NodeKind::Snapshot => (Of::Snapshot, "snapshot"),
            NodeKind::Analysis => (Of::Other, "view"),
            _ => (Of::Model, "view"),
        };
        let yaml_place = patch.map(|patch| patch.place.clone());
        let place = yaml_place.unwrap_or_else(|| match kind {
            NodeKind::Snapshot => first_line(&file.source),
            _ => Place::line(&file.source, 1),
        });
        let config = self.config(&raw, of, owner, &place, Some((&file.source, &said_keys)));
        let is_enabled = config.enabled;
        raw.entry("materialized").or_insert_with(|| default.into());
        let mut node = self.file_node(kind, file, patch, config, raw);
        node.unrendered_config = written;
        node.key_maps = key_maps;
        if !is_enabled {
            self.disabled.insert(file.name.clone());
            self.disabled_nodes.push(node);
            return;
        }
        if kind == NodeKind::Analysis {
            node.fqn.insert(1, "analysis".into());
        }
        if kind == NodeKind::Test {
            node.relation = self.audit_relation(&node, &file.name);
            node.test = Some(DataTest { owner: None, generic: None });
        }
        calls.extend(contract_calls(&node));
        self.drafts.push(Draft { node, calls });
    }

    /// The YAML entry's configuration, merged over the folder defaults.
    pub(crate) fn file_defaults(
        &self,
        defaults: &Map<String, Value>,
        file: &ProjectFile,
        patch: Option<&NodeProperties>,
    ) -> Map<String, Value> {
        let mut path = vec![self.project.profiles.name.clone()];
        path.extend(file.folders.iter().cloned());
        path.push(file.name.clone());
        let mut raw = folder_defaults(defaults, &path);
        if let Some(patch) = patch {
            merge(&mut raw, patch.config.clone());
        }
        raw
    }

    pub(crate) fn unrendered(
        &self,
        defaults: &Map<String, Value>,
        file: &ProjectFile,
        patch: Option<&NodeProperties>,
        said: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut path = vec![self.project.profiles.name.clone()];
        path.extend(file.folders.iter().cloned());
        path.push(file.name.clone());
        unrendered(defaults, &path, patch.map(|patch| &patch.config), said)
    }

    /// The folders between a resource's top folder and one of its YAML files. Full names of resources that the file
    /// declares begin with them.
    pub(crate) fn yaml_folders(&self, path: &std::path::Path) -> Vec<String> {
        let paths = &self.project.profiles.paths;
        let mut tops = [&paths.models, &paths.seeds, &paths.snapshots, &paths.tests].into_iter().flatten();
        let parent = path.parent().unwrap_or(path);
        let below = tops.find_map(|top| parent.strip_prefix(top).ok()).unwrap_or(parent);
        below.iter().map(|part| part.to_string_lossy().into_owned()).collect()
    }

    pub(crate) fn file_node(
        &mut self,
        kind: NodeKind,
        file: &ProjectFile,
        patch: Option<&NodeProperties>,
        config: Config,
        raw: Map<String, Value>,
    ) -> Node {
        let project = self.project.profiles.name.clone();
        let mut node = blank_node(kind, &file.name, &file.source, config);
        node.unique_id = format!("{kind}.{project}.{}", file.name);
        node.fqn.push(project.clone());
        node.fqn.extend(file.folders.iter().cloned());
        node.fqn.push(file.name.clone());
        node.path = file.path.clone();
        node.raw_config = raw;
        node.checksum = sha256(file.source.text.trim());
        if let Some(patch) = patch {
            node.patch = Some(patch.place.clone());
            node.columns = patch.columns.clone();
            node.constraints = patch.constraints.clone();
            node.constraints.extend(patch.columns.iter().flat_map(|column| column.constraints.iter().cloned()));
            node.description = patch.description.clone();
            for column in &patch.columns {
                self.bad_column(column, &format!("`{}`", file.name), export::column(column).1);
            }
        }
        // For a test, the relation stores its failing rows, if they are stored.
        if kind != NodeKind::Test {
            node.relation = self.relation_of(&node, None);
        }
        node
    }

    /// Reports the faults in a column's configuration. `of` is the column's node in messages.
    fn bad_column(&mut self, column: &ColumnProperties, of: &str, faults: Vec<BadConfig>) {
        for bad in faults {
            let owner = format!("column `{}` of {of}", column.name);
            let place = key_in_yaml(&column.place, &bad.key);
            self.errors.push(messages::bad_config(&owner, &bad.key, &bad.complaint, place).hint_maybe(bad.hint));
        }
    }

    /// Reads a configuration. Reports wrong values and uses their defaults.
    pub(crate) fn config(
        &mut self,
        raw: &Map<String, Value>,
        of: Of,
        owner: &str,
        yaml: &Place,
        sql: Option<(&Arc<SourceText>, &HashSet<String>)>,
    ) -> Config {
        let (config, bad, unread) = Config::read(raw, of);
        self.own_database(raw, of, owner, yaml, sql);
        for bad in bad {
            let place = match sql {
                Some((source, said)) if said.contains(&bad.key) => key_in_sql(source, &bad.key),
                _ => key_in_yaml(yaml, &bad.key).filter(|place| place != yaml),
            };
            let error = match place {
                Some(place) => messages::bad_config(owner, &bad.key, &bad.complaint, Some(place)),
                // The error is reported once, and not for each node with this default.
                None => match self.default_place(of, &bad.key, raw.get(&bad.key)) {
                    Some((folder, place)) => messages::bad_config(&folder, &bad.key, &bad.complaint, Some(place)),
                    None => messages::bad_config(owner, &bad.key, &bad.complaint, key_in_yaml(yaml, &bad.key)),
                },
            };
            let is_said = |known: &Error| known.message() == error.message() && known.places() == error.places();
            if !self.errors.iter().any(is_said) {
                self.errors.push(error.hint_maybe(bad.hint));
            }
        }
        for key in unread {
            self.unread_key(&key, raw, of, owner, yaml, sql);
        }
        config
    }

    /// Reports a warning for each YAML entry that describes no file, as in dbt, and an error for two entries of one
    /// file.
    pub(crate) fn unmatched(&mut self, entries: &[NodeProperties], files: &[ProjectFile], kind: &str) {
        let mut seen: HashMap<&str, &NodeProperties> = HashMap::new();
        for entry in entries {
            if let Some(first) = seen.insert(&entry.name, entry) {
                self.errors.push(messages::doubled_properties(
                    kind,
                    &entry.name,
                    entry.place.clone(),
                    first.place.clone(),
                ));
            }
        }
        let names: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
        for entry in entries.iter().filter(|entry| !names.contains(entry.name.as_str())) {
            let candidates = files.iter().map(|file| file.name.as_str());
            self.warnings.push(messages::unknown_property(kind, &entry.name, candidates, entry.place.clone()));
        }
    }
}

/// The nodes that the foreign keys of an enforced contract point to. They must be built first.
fn contract_calls(node: &Node) -> Vec<CallSite> {
    let keys = node.constraints.iter().filter(|_| node.config.contract).filter_map(|key| key.to.as_deref());
    let quoted = |to: &str| -> Vec<String> { to.split(['\'', '"']).skip(1).step_by(2).map(str::to_owned).collect() };
    keys.filter_map(|to| match (to.split('(').next()?.trim(), quoted(to).as_slice()) {
        ("source", [source, table]) => Some(Call::Source(source.clone(), table.clone())),
        (_, [.., name]) => Some(Call::Ref(name.clone())),
        (name, []) => Some(Call::Ref(name.to_owned())),
    })
    .map(|call| CallSite { call, number: None })
    .collect()
}

pub(crate) fn by_name(entries: &[NodeProperties]) -> HashMap<&str, &NodeProperties> {
    entries.iter().map(|entry| (entry.name.as_str(), entry)).collect()
}
