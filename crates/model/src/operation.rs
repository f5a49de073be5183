//! What is rendered beside the graph's nodes: a macro that is run for what it does, and hooks of a whole run.
//!
//! Renders, with what the host answers. Commits nothing.

use minijinja::value::{Serde, Value as Jinja};
use serde_json::{Map, Value, json};

use super::host::Host;
use super::node::Graph;
use super::node_value;
use super::parse::Parser;
use super::template::{Setting, Text};
use crate::messages;
use elt_base::error::{Exit, Result};
use elt_project::{Profiles, RunHook};

/// When a hook of the run is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookTime {
    /// Before the nodes.
    Start,
    /// After them, however they ended.
    End,
}

impl HookTime {
    /// The key it is written under.
    pub fn key(self) -> &'static str {
        match self {
            Self::Start => "on-run-start",
            Self::End => "on-run-end",
        }
    }

    /// The names that only hooks of this time see, each of them empty.
    fn blank(self) -> Map<String, Value> {
        match self {
            Self::Start => Map::new(),
            Self::End => ["schemas", "results", "database_schemas"]
                .map(|name| (name.to_owned(), json!([])))
                .into_iter()
                .collect(),
        }
    }
}

/// A statement, or several, of `on-run-start` or `on-run-end`.
#[derive(Debug, Clone)]
pub struct Hook {
    /// `<project>.on-run-start.<number from 0>`, as dbt's lines have it.
    pub name: String,
    /// `operation.<project>.<project>-on-run-start-<number>`.
    pub unique_id: String,
    pub written: RunHook,
}

impl Hook {
    fn described(&self) -> String {
        format!("hook `{}`", self.name)
    }
}

/// The hooks of a run, in order.
#[derive(Debug, Clone, Default)]
pub struct RunHooks {
    pub start: Vec<Hook>,
    pub end: Vec<Hook>,
    /// dbt's flag `skip_nodes_if_on_run_start_fails`; otherwise nodes are built all the same.
    pub skips_nodes: bool,
}

impl RunHooks {
    pub(super) fn of(profiles: &Profiles) -> Self {
        let project = &profiles.name;
        let hooks = |time: HookTime, written: &[RunHook]| {
            let key = time.key();
            let numbered = written.iter().enumerate().map(|(number, written)| Hook {
                name: format!("{project}.{key}.{number}"),
                unique_id: format!("operation.{project}.{project}-{key}-{number}"),
                written: written.clone(),
            });
            numbered.collect()
        };
        Self {
            start: hooks(HookTime::Start, &profiles.on_run_start),
            end: hooks(HookTime::End, &profiles.on_run_end),
            skips_nodes: profiles.flag("skip_nodes_if_on_run_start_fails"),
        }
    }

    pub fn at(&self, time: HookTime) -> &[Hook] {
        match time {
            HookTime::Start => &self.start,
            HookTime::End => &self.end,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.start.is_empty() && self.end.is_empty()
    }
}

impl Parser<'_> {
    /// Renders the hooks of the run once, so that what is wrong with them is said before anything is run.
    pub(super) fn run_hooks(&mut self) {
        let hooks = RunHooks::of(&self.project.profiles);
        let times = [HookTime::Start, HookTime::End];
        for (time, hook) in times.into_iter().flat_map(|time| hooks.at(time).iter().map(move |hook| (time, hook))) {
            let extra = time.blank().into_iter().map(|(key, value)| (key, Jinja::from(Serde(&value)))).collect();
            let setting = Setting { extra, ..Setting::default() };
            let RunHook { sql, place } = &hook.written;
            let owner = hook.described();
            match self.templates.render_text(&owner, sql, place, setting) {
                Ok(rendered) => {
                    let calls = rendered.heard.calls.into_iter();
                    self.hook_calls.extend(calls.map(|call| (owner.clone(), place.clone(), call)));
                }
                Err(error) => self.errors.push(error),
            }
        }
    }
}

impl Graph {
    /// Calls a macro of the project for its effects: its queries go to `host`, its text nowhere.
    ///
    /// # Errors
    /// There is no such macro (exit code 2), or what it raises, at its place.
    pub fn run_operation(&self, name: &str, arguments: &Map<String, Value>, host: &dyn Host) -> Result<()> {
        // A macro of a package is named with the package.
        let plain = match name.split_once('.') {
            Some((package, plain)) if package == self.project => plain,
            _ => name,
        };
        let Some(place) = self.templates.macro_place(plain) else {
            let known = self.templates.names.macros.iter().map(String::as_str);
            return Err(messages::unknown_macro(name, known.filter(|known| !known.starts_with("test_"))));
        };
        let given = arguments.iter().map(|(key, value)| (key.clone(), Jinja::from(Serde(value)))).collect();
        let call = Text::Call(plain.to_owned(), given, place);
        let rendered = self.render_beside(&format!("macro `{name}`"), &call, Map::new(), host);
        rendered.map(drop).map_err(|error| error.exiting(Exit::Failed))
    }

    /// The SQL of a hook, with what it alone sees. Empty if it renders to nothing.
    ///
    /// # Errors
    /// What the template raises, at its place.
    pub fn compile_hook(&self, hook: &Hook, extra: Map<String, Value>, host: &dyn Host) -> Result<String> {
        let text = Text::Short(hook.written.sql.clone(), hook.written.place.clone());
        let sql = self.render_beside(&hook.described(), &text, extra, host)?;
        Ok(sql.trim().trim_end_matches(';').trim().to_owned())
    }

    /// A node, or a hook of the run, as `results` shows it to hooks.
    pub fn shown(&self, unique_id: &str) -> Value {
        if let Some(node) = self.by_unique_id(unique_id) {
            return node_value::json(self, node);
        }
        let name = unique_id.rsplit('.').next().unwrap_or_default();
        json!({
            "unique_id": unique_id,
            "name": name,
            "resource_type": "operation",
            "package_name": self.project,
            "fqn": [self.project, "hooks", name],
        })
    }

    fn render_beside(&self, owner: &str, text: &Text, extra: Map<String, Value>, host: &dyn Host) -> Result<String> {
        self.templates.names.graph.get_or_init(|| node_value::graph(self));
        let extra = extra.into_iter().map(|(key, value)| (key, Jinja::from(Serde(value)))).collect();
        let setting = Setting { execute: true, extra, ..Setting::default() };
        Ok(self.templates.render(owner, text, setting, Some(host))?.sql)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use crate::Graph;
    use crate::sample::{errors, graph, project};
    use elt_base::error::{Place, SourceText};
    use elt_project::{DocBlock, RunHook};

    fn hook(sql: &str) -> RunHook {
        let source = SourceText::new("dbt_project.yml", sql);
        RunHook { sql: sql.into(), place: Place::new(&source, 0..sql.len()) }
    }

    #[test]
    fn hooks_are_rendered_before_anything_is_run() {
        let check = |start: &[&str], end: &[&str], expected: &[&str]| {
            let mut sample = project(&[("models/orders.sql", "select 1")]);
            sample.profiles.on_run_start = start.iter().map(|sql| hook(sql)).collect();
            sample.profiles.on_run_end = end.iter().map(|sql| hook(sql)).collect();
            let found = Graph::parse(&sample, &Map::new()).map_or_else(|error| errors(&error), |_| Vec::new());
            assert_eq!(found, expected);
        };
        let each = "{% for result in results %}{{ result.node.name }}{% endfor %}{{ schemas | join }}";
        check(&["select * from {{ ref('orders') }}", "{{ run_query('select 1').rows[0][0] }}"], &[each], &[]);
        check(
            &["select * from {{ ref('order') }}"],
            &["{{ recrd(results) }}"],
            &[
                "dbt_project.yml:1:1 [{{ recrd(results) }}] hook `shop.on-run-end.0` cannot be rendered: no function or macro `recrd` \
                 exists",
                "dbt_project.yml:1:1 [select * from {{ ref('order') }}] hook `shop.on-run-start.0` refers to `order`, which does not \
                 exist | did you mean `orders`?",
            ],
        );
    }

    #[test]
    fn doc_blocks_have_ids() {
        let mut sample = project(&[]);
        let source = SourceText::new("models/deep/docs.md", "{% docs total %}All of it.{% enddocs %}");
        let place = Place::new(&source, 0..16);
        sample.docs.push(DocBlock { name: "total".into(), text: "All of it.".into(), source, place });
        let expected = json!({"doc.shop.total": {
            "name": "total", "resource_type": "doc", "package_name": "shop", "path": "deep/docs.md",
            "original_file_path": "models/deep/docs.md", "unique_id": "doc.shop.total", "block_contents": "All of it.",
        }});
        assert_eq!(json!(graph(&sample).docs), expected);
    }
}
