//! Renders the hooks of a run once, to find their errors before anything runs.
//!
//! Records their references. Runs nothing.

use minijinja::value::{Serde, Value as Jinja};

use super::parser::ProjectParser;
use crate::graph::{HookTime, RunHooks};
use crate::template::jinja::Setting;
use elt_project::RunHook;

impl ProjectParser<'_> {
    /// Renders the hooks of the run once, so that their errors are reported before anything runs.
    pub(crate) fn run_hooks(&mut self) {
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
