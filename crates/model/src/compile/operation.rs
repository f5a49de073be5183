//! Renderings that belong to no node: a macro that is run for its effects, and the hooks of a whole run.
//!
//! Renders with the answers of the host. Commits nothing.

use minijinja::value::{Serde, Value as Jinja};
use serde_json::{Map, Value, json};

use super::compiler::Compiler;
use crate::graph::Hook;
use crate::messages;
use crate::template::jinja::Setting;
use crate::template::{Host, TemplateText, node_value};
use elt_base::error::{Exit, Result};

impl Compiler {
    /// Calls a macro of the project for its effects. Sends its queries to `host` and discards its text.
    ///
    /// # Errors
    /// The macro does not exist (exit code 2), or the errors that it raises, with their places.
    pub fn run_operation(&self, name: &str, arguments: &Map<String, Value>, host: &dyn Host) -> Result<()> {
        // The name of a package's macro includes the package.
        let plain = match name.split_once('.') {
            Some((package, plain)) if package == self.project => plain,
            _ => name,
        };
        let Some(place) = self.templates.macro_place(plain) else {
            let known = self.templates.names.macros.iter().map(String::as_str);
            return Err(messages::unknown_macro(name, known.filter(|known| !known.starts_with("test_"))));
        };
        let given = arguments.iter().map(|(key, value)| (key.clone(), Jinja::from(Serde(value)))).collect();
        let call = TemplateText::Call(plain.to_owned(), given, place);
        let rendered = self.render_beside(&format!("macro `{name}`"), &call, Map::new(), host);
        rendered.map(drop).map_err(|error| error.exiting(Exit::Failed))
    }

    /// The SQL of a hook, rendered with the names that only the hook can use. Empty if the hook renders to empty SQL.
    ///
    /// # Errors
    /// The errors that the template raises, with their places.
    pub fn compile_hook(&self, hook: &Hook, extra: Map<String, Value>, host: &dyn Host) -> Result<String> {
        let text = TemplateText::Short(hook.written.sql.clone(), hook.written.place.clone());
        let sql = self.render_beside(&hook.described(), &text, extra, host)?;
        Ok(sql.trim().trim_end_matches(';').trim().to_owned())
    }

    /// A node, or a hook of the run, as hooks see it in `results`.
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

    fn render_beside(
        &self,
        owner: &str,
        text: &TemplateText,
        extra: Map<String, Value>,
        host: &dyn Host,
    ) -> Result<String> {
        self.templates.names.graph.get_or_init(|| node_value::graph(self));
        let extra = extra.into_iter().map(|(key, value)| (key, Jinja::from(Serde(value)))).collect();
        let setting = Setting { execute: true, extra, ..Setting::default() };
        Ok(self.templates.render(owner, text, setting, Some(host))?.sql)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use crate::compile::Compiler;
    use crate::sample::errors;
    use crate::sample::graph;
    use crate::sample::project;
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
            let found = Compiler::parse(&sample, &Map::new()).map_or_else(|error| errors(&error), |_| Vec::new());
            assert_eq!(found, expected);
        };
        let each = "{% for result in results %}{{ result.node.name }}{% endfor %}{{ schemas | join }}";
        check(&["select * from {{ ref('orders') }}", "{{ run_query('select 1').rows[0][0] }}"], &[each], &[]);
        check(
            &["select * from {{ ref('order') }}"],
            &["{{ recrd(results) }}"],
            &[
                "dbt_project.yml:1:1 [{{ recrd(results) }}] hook `shop.on-run-end.0` cannot be rendered: function or macro \
                 `recrd` does not exist",
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
