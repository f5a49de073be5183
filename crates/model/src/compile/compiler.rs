//! The graph together with its templates, and the rendered SQL of its nodes. Ephemeral models become common table
//! expressions, and the places of the SQL in the templates are kept.
//!
//! Renders one node at a time. Runs nothing.

use std::collections::HashMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Map, Value};

use crate::graph::{Graph, Materialized, Node, NodeId, NodeKind, Relation, TimeBatch, cte_name, query_of};
use crate::parse::ProjectParser;
use crate::sql::{Compiled, SourceMap, is_blank, trimmed};
use crate::template::jinja::{RelationValue, Setting};
use crate::template::{Host, Invocation, Rendered, TemplateText, Templates, node_value};
use elt_base::error::{Place, Result};
use elt_project::{OverrideProperties, Project};

/// How a node is compiled.
#[derive(Clone, Copy, Default)]
pub struct Compile<'a> {
    /// The value that `is_incremental()` returns.
    pub is_incremental: bool,
    /// For a microbatch model: the range of time that filters its inputs.
    pub batch: Option<TimeBatch>,
    /// The host that answers templates and receives their lines. Without a host, a template that queries the database
    /// fails.
    pub host: Option<&'a dyn Host>,
}

impl fmt::Debug for Compile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compile").field("is_incremental", &self.is_incremental).finish_non_exhaustive()
    }
}

/// The replacements that a unit test defines for the inputs of its model.
#[derive(Debug, Default)]
pub(crate) struct Standins {
    pub overrides: Option<Arc<OverrideProperties>>,
    /// The relations that hold the given rows of ephemeral models.
    pub ephemerals: HashMap<NodeId, Relation>,
}

/// A node's own SQL, and the ephemeral models that it refers to.
type Rendering = (Compiled, Vec<NodeId>);

/// A project's graph together with the templates that render its nodes. Code that only reads nodes uses the `Graph`,
/// which this type derefs to.
#[derive(Debug)]
pub struct Compiler {
    graph: Graph,
    pub(crate) templates: Arc<Templates>,
    /// Renderings that have the same result each time, by node and `is_incremental()`, with the ephemeral models that
    /// they refer to.
    rendered: RwLock<HashMap<(NodeId, bool), Rendering>>,
}

impl Deref for Compiler {
    type Target = Graph;

    fn deref(&self) -> &Graph {
        &self.graph
    }
}

impl DerefMut for Compiler {
    fn deref_mut(&mut self) -> &mut Graph {
        &mut self.graph
    }
}

impl Compiler {
    /// Parses and resolves a project. `vars` override the project's own.
    ///
    /// # Errors
    /// All errors in names, configuration and templates, file by file. If macro files cannot be read, only those
    /// errors. Exit code 2.
    pub fn parse(project: &Project, vars: &Map<String, Value>) -> Result<Self> {
        Self::parse_for(project, vars, &Invocation::default())
    }

    /// Like `parse`, for a program call that templates can ask about.
    ///
    /// # Errors
    /// As `parse`.
    pub fn parse_for(project: &Project, vars: &Map<String, Value>, invocation: &Invocation) -> Result<Self> {
        let (graph, templates) = ProjectParser::read(project, vars, invocation).resolve()?;
        Ok(Self { graph, templates: Arc::new(templates), rendered: RwLock::default() })
    }

    /// The query of a model or data test (for a test: the query whose rows are failures).
    ///
    /// # Errors
    /// The errors that the template raises when it is executed, with their places; exit code 2.
    pub fn compile(&self, node: &Node, how: &Compile<'_>) -> Result<Compiled> {
        self.compile_with(node, how, &Standins::default())
    }

    /// The same for a unit test of `node`.
    pub(crate) fn compile_with(&self, node: &Node, how: &Compile<'_>, standins: &Standins) -> Result<Compiled> {
        let mut ephemerals = Vec::new();
        let mut main = self.compile_alone(node, how, standins, &mut ephemerals)?;
        let mut order = Vec::new();
        for id in ephemerals {
            self.collect(id, how, standins, &mut order)?;
        }
        if !order.is_empty() {
            main.add_expressions(&order);
        }
        Ok(main)
    }

    /// Adds an ephemeral model after the ephemeral models that it reads, each once.
    fn collect(
        &self,
        id: NodeId,
        how: &Compile<'_>,
        standins: &Standins,
        order: &mut Vec<(NodeId, String, Compiled)>,
    ) -> Result<()> {
        if order.iter().any(|(known, ..)| *known == id) {
            return Ok(());
        }
        let node = self.node(id);
        if let Some(relation) = standins.ephemerals.get(&id) {
            let given = Compiled::plain(format!("select * from {relation}"), node.place());
            order.push((id, cte_name(&node.name), given));
            return Ok(());
        }
        let mut deeper = Vec::new();
        let compiled = self.compile_alone(node, how, standins, &mut deeper)?;
        for id in deeper {
            self.collect(id, how, standins, order)?;
        }
        order.push((id, cte_name(&node.name), compiled));
        Ok(())
    }

    /// Compiles one node without the ephemeral models that it reads. Those that it refers to are added to `ephemerals`.
    /// A rendering with the same result each time is made once, for the check, for `--changed`, and for the build.
    fn compile_alone(
        &self,
        node: &Node,
        how: &Compile<'_>,
        standins: &Standins,
        ephemerals: &mut Vec<NodeId>,
    ) -> Result<Compiled> {
        let is_plain = standins.overrides.is_none() && !(how.batch.is_some() && node.config.batch.is_some());
        let is_file = node.reads.is_none() && node.test.as_ref().is_none_or(|test| test.generic.is_none());
        if !is_plain || !is_file || !self.templates.is_repeatable(&node.source.text) {
            return self.render_alone(node, how, standins, ephemerals);
        }
        let key = (node.id, how.is_incremental && node.config.materialized == Materialized::Incremental);
        let known = self.rendered.read().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let (compiled, mentioned) = match known {
            Some(known) => known,
            None => {
                let mut mentioned = Vec::new();
                let compiled = self.render_alone(node, how, standins, &mut mentioned)?;
                let known = (compiled, mentioned);
                self.rendered.write().unwrap_or_else(PoisonError::into_inner).insert(key, known.clone());
                known
            }
        };
        for id in mentioned {
            if !ephemerals.contains(&id) {
                ephemerals.push(id);
            }
        }
        Ok(compiled)
    }

    fn render_alone(
        &self,
        node: &Node,
        how: &Compile<'_>,
        standins: &Standins,
        ephemerals: &mut Vec<NodeId>,
    ) -> Result<Compiled> {
        let owner = node.described();
        let mut setting = self.setting(node, how);
        setting.is_incremental &= node.config.materialized == Materialized::Incremental;
        setting.allowed = Some(node.parents.clone());
        setting.overrides = standins.overrides.clone();
        setting.batch = how.batch.filter(|_| node.config.batch.is_some());
        let generic = node.test.as_ref().and_then(|test| Some((test.generic.as_ref()?, test.owner?)));
        let text = match generic {
            Some((generic, on)) => {
                let on = self.node(on);
                let mut filter = node.config.test.r#where.clone();
                if let Some(written) = filter.as_mut().filter(|text| text.contains("{{") || text.contains("{%")) {
                    let filter_owner = format!("`where` of {owner}");
                    let said = Setting { this: None, ..setting.clone() };
                    *written = self.templates.render_text(&filter_owner, written, &node.place(), said)?.sql;
                }
                let model = self.tested(on, filter.as_deref(), ephemerals);
                setting.allowed = None;
                setting.this = None;
                let (text, said) =
                    self.templates.test_text(&owner, generic, model, &node.place(), &setting, how.host)?;
                ephemerals.extend(said.ephemerals);
                match text {
                    Ok(text) => text,
                    // A built-in test has no template.
                    Err(sql) => return trimmed(&owner, sql, SourceMap::whole(node.place())),
                }
            }
            None => match &node.reads {
                Some(relation) => TemplateText::Short(query_of(relation), node.place()),
                None => TemplateText::File(node.source.clone()),
            },
        };
        let rendered = self.templates.render(&owner, &text, setting.clone(), how.host)?;
        let is_own = generic.is_none() && node.kind != NodeKind::Snapshot;
        let fallback = if is_own { Place::line(&node.source, 1) } else { node.place() };
        for id in &rendered.heard.ephemerals {
            if !ephemerals.contains(id) {
                ephemerals.push(*id);
            }
        }
        let header = rendered.heard.header.clone().or_else(|| {
            let configured = rendered.heard.config.get("sql_header").or_else(|| node.raw_config.get("sql_header"));
            configured.and_then(|header| header.as_str().map(str::to_owned))
        });
        let map = self.map_of(text, &rendered, setting, fallback);
        let (sql, keys) = (rendered.sql, rendered.heard.keys);
        let compiled = trimmed(&owner, sql, map)?;
        Ok(Compiled { header: header.filter(|header| !is_blank(header)), keys, ..compiled })
    }

    /// The places of the parts of a rendered text. They are computed when they are needed.
    pub(crate) fn map_of(
        &self,
        text: TemplateText,
        rendered: &Rendered,
        setting: Setting,
        fallback: Place,
    ) -> SourceMap {
        let (templates, whole, again) = (self.templates.clone(), rendered.sql.clone(), rendered.again(setting));
        SourceMap::found_by(fallback, move || templates.segments(&text, &whole, &again))
    }

    /// The names that every template of a node can use.
    fn setting(&self, node: &Node, how: &Compile<'_>) -> Setting {
        let own = node.raw_text();
        if self.templates.mentions(own, "graph") {
            self.templates.names.graph.get_or_init(|| node_value::graph(self));
        }
        Setting {
            execute: true,
            is_incremental: how.is_incremental,
            this: Some(node.relation.clone()),
            config: node.raw_config.clone(),
            model: self.templates.mentions(own, "model").then(|| node_value::model(self, node, how.batch)),
            ..Setting::default()
        }
    }

    /// The value of a generic test's `model`.
    fn tested(&self, on: &Node, filter: Option<&str>, ephemerals: &mut Vec<NodeId>) -> RelationValue {
        let name = if on.config.materialized == Materialized::Ephemeral {
            ephemerals.push(on.id);
            cte_name(&on.name)
        } else {
            on.read_as()
        };
        let shown = match filter {
            Some(filter) => format!("(select * from {name} where {filter}) dbt_subquery"),
            None => name,
        };
        RelationValue::shown_as(shown, on.relation.clone()).of(&self.templates.names)
    }

    /// A node's `pre_hook` and `post_hook` statements, rendered, without empty ones.
    pub fn hooks(&self, node: &Node, how: &Compile<'_>) -> Result<(Vec<String>, Vec<String>)> {
        let render = |hooks: &[String]| -> Result<Vec<String>> {
            let mut statements = Vec::new();
            for hook in hooks {
                let owner = format!("hook of {} `{}`", node.kind, node.name);
                let text = TemplateText::Short(hook.clone(), node.place());
                let rendered = self.templates.render(&owner, &text, self.setting(node, how), how.host)?;
                let sql = rendered.sql.trim().trim_end_matches(';').trim();
                if !sql.is_empty() {
                    statements.push(sql.to_owned());
                }
            }
            Ok(statements)
        };
        Ok((render(&node.config.pre_hook)?, render(&node.config.post_hook)?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Compile;
    use crate::sample::column;
    use crate::sample::errors;
    use crate::sample::graph;
    use crate::sample::node;
    use crate::sample::project;
    use crate::sample::properties;
    use crate::sample::source;

    /// Compiles `m` and looks up the place in the template of each given text in its SQL.
    #[track_caller]
    fn check(files: &[(&str, &str)], sql: &str, places: &[(&str, &str)]) {
        let found = graph(&project(files));
        let compiled = match found.compile(node(&found, "m"), &Compile::default()) {
            Ok(compiled) => compiled,
            Err(error) => panic!("{:?}", errors(&error)),
        };
        assert_eq!(compiled.sql, sql);
        for (text, expected) in places {
            let Some(offset) = compiled.sql.find(text) else { panic!("no {text}") };
            let place = compiled.map.place(offset);
            let line = place.source.text[..place.span.start].matches('\n').count() + 1;
            let found = format!("{}:{line} {}", place.source.path.display(), &place.source.text[place.span.clone()]);
            assert_eq!(found, *expected);
        }
    }

    #[test]
    fn places() {
        check(
            &[
                (
                    "models/m.sql",
                    "{{ config(materialized='table') }}\n{%- set names = ['a', 'b'] %}\nselect\n{%- for name in names %}\n  \
                     {{ name }} as x_{{ name }},\n{%- endfor %}\n  wrong_one,\n  {{ twice('q') }} as z\nfrom t -- end\n;\n",
                ),
                ("macros/twice.sql", "{% macro twice(x) %}{{ x }} + {{ x }}{% endmacro %}"),
            ],
            "\nselect\n  a as x_a,\n  b as x_b,\n  wrong_one,\n  q + q as z\nfrom t -- end",
            &[
                ("select", "models/m.sql:3 select"),
                ("b as", "models/m.sql:5 {{ name }}"),
                ("x_b", "models/m.sql:5 x_"),
                ("wrong_one", "models/m.sql:7 wrong_one"),
                ("+ q", "macros/twice.sql:1 +"),
                ("z\n", "models/m.sql:8 z"),
                ("t --", "models/m.sql:9 t"),
            ],
        );
    }

    #[test]
    fn ephemerals() {
        let one = ("models/one.sql", "{{ config(materialized='ephemeral') }}select 1 as a_one");
        let two =
            ("models/two.sql", "{{ config(materialized='ephemeral') }}select a_one as a_two from {{ ref('one') }};");
        let ctes = "__dbt__cte__one as (\nselect 1 as a_one\n), __dbt__cte__two as (\nselect a_one as a_two from \
                    __dbt__cte__one\n)";
        check(
            &[one, two, ("models/m.sql", "-- all\nselect b from {{ ref('two') }} join {{ ref('one') }} on c")],
            &format!("-- all\nwith {ctes}\nselect b from __dbt__cte__two join __dbt__cte__one on c"),
            &[
                ("1 as", "models/one.sql:1 1"),
                ("a_two", "models/two.sql:1 a_two"),
                ("b from", "models/m.sql:2 b"),
                ("on c", "models/m.sql:2 on"),
            ],
        );
        check(
            &[one, two, ("models/m.sql", "WITH x as (select b from {{ ref('two') }}) select c from x")],
            &format!("WITH {ctes}, x as (select b from __dbt__cte__two) select c from x"),
            &[("a_two", "models/two.sql:1 a_two"), ("x as", "models/m.sql:1 x"), ("c from", "models/m.sql:1 c")],
        );
        check(
            &[one, ("models/m.sql", "with recursive x as (select b from {{ ref('one') }}) select c from x")],
            "with recursive __dbt__cte__one as (\nselect 1 as a_one\n), x as (select b from __dbt__cte__one) select c from x",
            &[("c from", "models/m.sql:1 c")],
        );
    }

    #[test]
    fn macros() {
        check(
            &[
                (
                    "models/m.sql",
                    "select {{ outer(2) }}, {{ listed() | join('+') }}, {% do listed() %}{{ adapter.dispatch('d')() }}",
                ),
                ("macros/a.sql", "{% macro outer(n) %}o{{ inner(n) }}{{ this.name }}{% endmacro %}"),
                (
                    "macros/b.sql",
                    "{% macro inner(n) -%} i{{ n + 1 }} {%- endmacro %}{% macro default__d() %}d{% endmacro %}",
                ),
                ("macros/c.sql", "{% macro listed() %}{{ return(['a', 'b']) }}{% endmacro %}"),
            ],
            "select oi3m, a+b, d",
            &[("oi3m", "macros/a.sql:1 o")],
        );
    }

    #[test]
    fn what_renders_the_same_is_rendered_once() {
        let found = graph(&project(&[
            ("models/e.sql", "{{ config(materialized='ephemeral') }}select 1 as a"),
            (
                "models/m.sql",
                "{{ config(materialized='incremental') }}select * from {{ ref('e') }}{% if is_incremental() %} x{% endif %}",
            ),
            ("models/asks.sql", "select {{ run_query('select 1') }}"),
        ]));
        let how = |is_incremental| Compile { is_incremental, ..Compile::default() };
        for _ in 0..2 {
            let sql = |how| found.compile(node(&found, "m"), &how).map(|compiled| compiled.sql).unwrap_or_default();
            assert!(sql(how(false)).ends_with("from __dbt__cte__e"));
            assert!(sql(how(true)).ends_with("from __dbt__cte__e x"));
            assert!(sql(how(false)).contains("select 1 as a"));
            assert!(found.compile(node(&found, "asks"), &how(false)).is_err(), "no host can answer");
        }
        let known = found.rendered.read().map(|known| known.len()).unwrap_or_default();
        assert_eq!(known, 3, "`m` twice, and its input once");
    }

    #[test]
    fn windows_line_ends() {
        check(
            &[("models/m.sql", "select\r\n  {{ 1 }},\r\n  wrong\r\nfrom t")],
            "select\r\n  1,\r\n  wrong\r\nfrom t",
            &[("wrong", "models/m.sql:3 wrong"), ("1", "models/m.sql:2 {{ 1 }}")],
        );
    }

    #[test]
    fn hooks() {
        let found = graph(&project(&[(
            "models/m.sql",
            "{{ config(pre_hook=\"insert into log values ('{{ this.name }}');\", post_hook=[{'sql': 'analyze {{ this }}'}, '{% \
             if false %}x{% endif %}']) }}select 1",
        )]));
        let hooks = found.hooks(node(&found, "m"), &Compile::default()).unwrap_or_default();
        assert_eq!(hooks.0, ["insert into log values ('m')"]);
        assert_eq!(hooks.1, ["analyze \"main\".\"m\""]);
    }

    #[test]
    fn yaml_names_nodes() {
        let mut sample = project(&[("models/m.sql", "select 1")]);
        sample.properties.sources.push(source("raw", &["t"]));
        let found = graph(&sample);
        let check = |written: &str, expected: Option<&str>| {
            assert_eq!(found.referred(written).map(|node| node.unique_id.as_str()), expected, "{written}");
        };
        check("ref('m')", Some("model.shop.m"));
        check("{{ ref(\"shop\", \"m\") }}", Some("model.shop.m"));
        check("source('raw', 't')", Some("source.shop.raw.t"));
        check("m", Some("model.shop.m"));
        check("ref('x')", None);
    }

    #[test]
    fn scope_reaches_everywhere() {
        check(
            &[
                ("models/a.sql", "select 1"),
                (
                    "models/m.sql",
                    "{% macro own(x) %}{{ ref('a') }}{{ x }}{% endmacro %}{% set s %}{{ ref('a') }}{% endset %}{% for i in [1] \
                     %}{{ ref('a') }}{% endfor %}, {{ own(1) }}, {{ s }}, {{ through(ref('a')) }}, {% filter upper %}{{ \
                     ref('a') }}{% endfilter %}",
                ),
                ("macros/m.sql", "{% macro through(x) %}{{ x }}{{ ref('a') }}{{ x.identifier }}{% endmacro %}"),
            ],
            "\"main\".\"a\", \"main\".\"a\"1, \"main\".\"a\", \"main\".\"a\"\"main\".\"a\"a, \"MAIN\".\"A\"",
            &[],
        );
    }

    #[test]
    fn jinja() {
        check(
            &[(
                "models/m.sql",
                "{% set ns = namespace(n=1) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}select {{ ns.n }}, \
                 {{ {'a': 1}.items() | list | length }}, {{ 'X'.lower() }}, {{ tojson([1]) }}, {{ var('v', 7) }}, \
                 {{ target.name }}, {{ target.type }}, {{ config.get('materialized', 'none') }}, {{ execute }}, \
                 {% if missing is defined %}1{% else %}2{% endif %}, '{{ \"<&\" }}'",
            )],
            "select 4, 1, x, [1], 7, dev, duckdb, view, True, 2, '<&'",
            &[],
        );
    }

    #[test]
    fn tests_filter_and_wrap() {
        let mut sample = project(&[
            ("models/m.sql", "select 1 as a"),
            ("models/e.sql", "{{ config(materialized='ephemeral') }}select 1 as a"),
            (
                "macros/t.sql",
                "{% test over(model, column_name, least=0) %}select * from {{ model }} where {{ column_name }} <= {{ least }}{% endtest %}",
            ),
        ]);
        let mut entry = properties("m", json!({}));
        entry.columns.push(column(
            "a",
            &[
                ("not_null", json!({}), json!({"where": "a > 1", "limit": 5, "warn_if": "> 10"})),
                ("over", json!({"least": 3}), json!({})),
                ("relationships", json!({"to": "ref('e')", "field": "a"}), json!({})),
            ],
        ));
        sample.properties.models.push(entry);
        let found = graph(&sample);
        let sql = |name: &str| match found.compile(node(&found, name), &Compile::default()) {
            Ok(compiled) => compiled,
            Err(error) => panic!("{:?}", errors(&error)),
        };
        let not_null = sql("not_null_m_a");
        assert_eq!(
            not_null.failures(&node(&found, "not_null_m_a").config.test).sql,
            "select\n  count(*) as failures,\n  count(*) > 10 as should_warn,\n  count(*) != 0 as should_error\nfrom \
             (\nselect \"a\"\nfrom (select * from \"main\".\"m\" where a > 1) dbt_subquery\nwhere \"a\" is null\nlimit 5\n) as \
             dbt_internal_test"
        );
        assert_eq!(sql("over_m_a__3").sql, "select * from \"main\".\"m\" where a <= 3");
        assert!(
            sql("relationships_m_a__a__ref_e_")
                .sql
                .starts_with("with __dbt__cte__e as (\nselect 1 as a\n), child as (")
        );
    }
}
