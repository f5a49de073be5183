//! The first steps of most subcommands: reads the project, parses its graph, applies the selection, opens the
//! warehouse.
//!
//! Knows only the order of these steps.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::messages;
use crate::report::{Console, artifacts};
use elt_base::error::{Error, Result};
use elt_model::{CompiledSql, Compiler, EarlierArtifacts, Invocation, Origin, SelectedNodes, SelectionRequest};
use elt_project::{
    DBT_PROJECT_FILE, Environment, ExportPlace, PROFILES_FILE, Paths, Project, ProjectFile, Target, Wanted,
};
use elt_warehouse::{Catalog, Options, Reach, Session, Warehouse};

use super::{Common, Selection};

/// A parsed project.
pub struct Workspace {
    pub project: Project,
    pub graph: Compiler,
}

impl Workspace {
    /// Reads and parses the project, and prints its warnings once.
    pub fn open(common: &Common, console: &Console) -> Result<Self> {
        Self::open_with(common, console, None)
    }

    /// Like `open`, with one additional model that is in no file.
    pub fn open_with(common: &Common, console: &Console, inline: Option<ProjectFile>) -> Result<Self> {
        let vars = vars(common.vars.as_deref())?;
        let environment = Environment::read(&common.project_dir)?;
        let mut project = Project::read(&common.project_dir, &wanted(common, vars.clone()), &environment)?;
        project.warnings.iter().for_each(|warning| console.warning(warning));
        if let Some(threads) = common.threads {
            project.profiles.target.threads = threads;
        }
        project.models.extend(inline);
        let invocation = Invocation {
            command: common.which.clone(),
            full_refresh: common.full_refresh,
            vars: vars.clone(),
            ..Invocation::default()
        };
        let graph = Compiler::parse_for(&project, &vars, &invocation)?;
        graph.warnings.iter().for_each(|warning| console.warning(warning));
        Ok(Self { project, graph })
    }

    pub fn target(&self) -> &Target {
        &self.project.profiles.target
    }

    /// Keeps only the exports with these names; all, if there is no name.
    pub fn keep_exports(&mut self, names: &[String]) -> Result<()> {
        let target = &mut self.project.profiles.target;
        let is_named = |name: &Option<String>| name.as_ref().is_some_and(|name| names.contains(name));
        let is_unknown = |name: &&String| !target.exports.iter().any(|export| export.name.as_ref() == Some(*name));
        let unknown = names.iter().filter(is_unknown).map(|name| messages::unknown_export(name, target));
        if let Some(error) = Error::many(unknown.collect()) {
            return Err(error);
        }
        target.exports.retain(|export| names.is_empty() || is_named(&export.name));
        Ok(())
    }

    /// The selected nodes. Prints a sentence for each selector that compares with a state and matches nothing.
    pub fn select(&self, selection: &Selection, console: &Console) -> Result<SelectedNodes> {
        let previous = selection.state.as_ref().map(|folder| self.previous(folder)).transpose()?;
        let selected = self.graph.select_with(&SelectionRequest {
            select: &selection.select,
            exclude: &selection.exclude,
            selector: selection.selector.as_deref(),
            indirect: selection.indirect,
            selectors: &self.project.selectors,
            previous: previous.as_ref(),
            kinds: &selection.kinds,
        })?;
        for text in &selected.unmatched {
            console.say(&format!("`{text}` selects nothing: no node differs from the state in this way"));
        }
        Ok(selected)
    }

    /// The artifacts of an earlier run in a folder, relative to the project's.
    fn previous(&self, folder: &std::path::Path) -> Result<EarlierArtifacts> {
        let folder = self.project.profiles.root.join(folder);
        Ok(EarlierArtifacts {
            manifest: artifacts::read(&folder.join("manifest.json"))?,
            run_results: artifacts::read(&folder.join("run_results.json"))?,
            sources: artifacts::read(&folder.join("sources.json"))?,
            sources_now: artifacts::read(&self.artifacts().join("sources.json"))?,
        })
    }

    /// A new id of this run for its artifacts.
    pub fn invocation(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }

    /// Writes `target/manifest.json`; `compiled` is the SQL of the compiled nodes.
    pub fn write_manifest(&self, invocation: &str, compiled: &CompiledSql) -> Result<PathBuf> {
        let path = self.artifacts().join("manifest.json");
        let manifest = self.graph.manifest(artifacts::metadata("manifest/v12", invocation), compiled);
        artifacts::write(&path, &manifest)?;
        Ok(path)
    }

    fn options(&self) -> Options {
        let target = self.target();
        // A schema with the name of the database would be ambiguous. In that case the database gets a name that no
        // schema has.
        let is_schema = |node: &elt_model::Node| node.relation.schema.eq_ignore_ascii_case(&target.database);
        let database = if self.graph.nodes().any(is_schema) { None } else { Some(target.database.clone()) };
        Options {
            threads: Some(target.threads),
            memory_limit: target.memory_limit.clone(),
            database,
            settings: target.settings.clone(),
            folder: Some(self.project.profiles.root.clone()),
            reach: None,
        }
    }

    /// Opens the target's warehouse for writing, and creates it if it does not exist.
    pub fn warehouse(&self) -> Result<Warehouse> {
        let warehouse = Warehouse::open(&self.target().warehouse, &self.options())?;
        warehouse.check_version()?;
        warehouse.follow_landing(&self.target().landing)?;
        Ok(warehouse)
    }

    /// Opens the warehouse for reading; None if it does not exist yet.
    pub fn warehouse_read_only(&self) -> Result<Option<Warehouse>> {
        Warehouse::open_read_only(&self.target().warehouse, &self.options())
    }

    /// Like `warehouse_read_only`, but SQL reads only these files, and writes none.
    pub fn warehouse_within(&self, reach: &Reach) -> Result<Option<Warehouse>> {
        let options = Options { reach: Some(reach.clone()), ..self.options() };
        Warehouse::open_read_only(&self.target().warehouse, &options)
    }

    /// The files that a command that only reads may read: the landing, because raw tables can be views over its
    /// segments, the files that sources name, and those that the export writes.
    pub fn reach(&self) -> Reach {
        let root = &self.project.profiles.root;
        let mut reach = Reach { folders: vec![self.target().landing.clone()], files: Vec::new() };
        reach.folders.extend(self.target().export_paths.iter().cloned());
        for export in &self.target().exports {
            if let ExportPlace::Files { path, .. } = &export.place {
                reach.folders.push(path.clone());
            }
        }
        let locations = self.graph.nodes().filter_map(|node| match &node.origin {
            Origin::External(sql) => Some(sql),
            _ => None,
        });
        // The texts in quotes, of which one or several are paths.
        for path in locations.flat_map(|sql| sql.split('\'').skip(1).step_by(2)).filter(|path| !path.is_empty()) {
            let is_remote = path.contains("://");
            let whole = if is_remote { PathBuf::from(path) } else { root.join(path) };
            match path.find(['*', '?', '[']) {
                Some(glob) => match path[..glob].rfind('/').map(|slash| &path[..slash]) {
                    Some(fixed) if is_remote => reach.folders.push(fixed.into()),
                    // As it is written, too: the program may have been started in another folder.
                    Some(fixed) if !fixed.is_empty() => reach.folders.extend([root.join(fixed), fixed.into()]),
                    // The project's own folder has more files, such as `.env`.
                    _ => reach.files.extend(files_ending_as(root, path)),
                },
                None => reach.files.extend([whole, path.into()]),
            }
        }
        reach
    }

    /// Like `reach`, with the project's files, but not those that may contain passwords: hidden ones, and profiles.
    pub fn reach_with_project(&self) -> Reach {
        let mut reach = self.reach();
        let entries = std::fs::read_dir(&self.project.profiles.root).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if text.starts_with('.') || text.starts_with("profiles.") {
                continue;
            }
            match entry.path().is_dir() {
                true => reach.folders.push(entry.path()),
                // As it is written, too: the program may have been started in another folder.
                false => reach.files.extend([entry.path(), name.into()]),
            }
        }
        reach
    }

    /// Opens the warehouse for writing. Fails if it does not exist yet.
    pub fn warehouse_there(&self) -> Result<Warehouse> {
        let path = &self.target().warehouse;
        if path.exists() { self.warehouse() } else { Err(messages::no_warehouse(path)) }
    }

    /// A read-only session. Fails if the warehouse does not exist yet or has another version.
    pub fn session_read_only(&self) -> Result<Session> {
        let warehouse = self.warehouse_read_only()?.ok_or_else(|| messages::no_warehouse(&self.target().warehouse))?;
        warehouse.check_version()?;
        warehouse.session()
    }

    /// `target/`: files that elt can create again.
    pub fn artifacts(&self) -> PathBuf {
        self.project.profiles.root.join(&self.project.profiles.paths.target)
    }

    /// `target/compiled/<project>/`.
    pub fn compiled(&self) -> PathBuf {
        self.artifacts().join("compiled").join(&self.project.profiles.name)
    }
}

/// The files directly in a folder whose names end as a pattern does.
fn files_ending_as(folder: &std::path::Path, pattern: &str) -> Vec<PathBuf> {
    let ending = pattern.rsplit('.').next().unwrap_or_default();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|own| own == ending)).collect()
}

/// The folders of a project that may have errors: its own folders if they can be read, otherwise the default ones.
pub fn paths(common: &Common) -> Paths {
    let environment = Environment::read(&common.project_dir).unwrap_or_default();
    Project::paths(&common.project_dir, &wanted(common, Map::new()), &environment)
}

/// `target/` of a project without reading the project.
pub fn artifacts_folder(common: &Common) -> PathBuf {
    let folder = common.project_dir.join(paths(common).target);
    folder.strip_prefix(".").map(PathBuf::from).unwrap_or(folder)
}

/// The parts of a project that the options of a command select.
pub fn wanted(common: &Common, vars: Map<String, Value>) -> Wanted<'_> {
    Wanted {
        target: common.target.as_deref(),
        profiles_dir: common.profiles_dir.as_deref(),
        profile: common.profile.as_deref(),
        vars,
    }
}

/// The relations of a warehouse; empty if there is no warehouse.
pub fn catalog(session: Option<&Session>) -> Result<Catalog> {
    match session {
        Some(session) => Ok(session.catalog()?),
        None => Ok(Catalog::default()),
    }
}

/// `--vars`: JSON, or the shorter YAML syntax.
pub fn vars(text: Option<&str>) -> Result<Map<String, Value>> {
    let Some(text) = text else { return Ok(Map::new()) };
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Object(vars)) => Ok(vars),
        Ok(_) => Err(messages::vars_malformed("it is a single value or a list")),
        // The parser's snippet of the text would show values that may be secrets.
        Err(cause) => {
            Err(messages::vars_malformed(cause.without_snippet().to_string().lines().next().unwrap_or_default()))
        }
    }
}

/// The folder that the log file is in; None where there is no project.
pub fn log_folder(common: &Common) -> Option<PathBuf> {
    let is_project = |name: &str| common.project_dir.join(name).is_file();
    [PROFILES_FILE, DBT_PROJECT_FILE].into_iter().any(is_project).then(|| artifacts_folder(common))
}
