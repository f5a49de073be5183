//! What is rendered beside the graph's nodes: a macro that is run for what it does, and hooks of a whole run.
//!
//! Renders, with what the host answers. Commits nothing.

use minijinja::value::{Serde, Value as Jinja};
use serde_json::{Map, Value};

use super::host::Host;
use super::node::Graph;
use super::node_value;
use super::template::{Setting, Text};
use crate::error::{Error, Exit, Place, Result};

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
            return Err(Error::unknown_macro(name, known.filter(|known| !known.starts_with("test_"))));
        };
        let given = arguments.iter().map(|(key, value)| (key.clone(), Jinja::from(Serde(value)))).collect();
        let call = Text::Call(plain.to_owned(), given, place);
        let rendered = self.render_beside(&format!("macro `{name}`"), &call, Map::new(), host);
        rendered.map(drop).map_err(|error| error.exiting(Exit::Failed))
    }

    /// The SQL of an `on-run-start` or `on-run-end` hook; `extra` are names that only it sees, such as `schemas` and
    /// `results`. Empty if it renders to nothing.
    ///
    /// # Errors
    /// What the template raises, at `place`.
    pub fn run_hook(
        &self,
        owner: &str,
        text: &str,
        place: &Place,
        extra: Map<String, Value>,
        host: &dyn Host,
    ) -> Result<String> {
        let sql = self.render_beside(owner, &Text::Short(text.to_owned(), place.clone()), extra, host)?;
        Ok(sql.trim().trim_end_matches(';').trim().to_owned())
    }

    fn render_beside(&self, owner: &str, text: &Text, extra: Map<String, Value>, host: &dyn Host) -> Result<String> {
        self.templates.names.graph.get_or_init(|| node_value::graph(self));
        let extra = extra.into_iter().map(|(key, value)| (key, Jinja::from(Serde(value)))).collect();
        let setting = Setting { execute: true, extra, ..Setting::default() };
        Ok(self.templates.render(owner, text, setting, Some(host))?.sql)
    }
}
