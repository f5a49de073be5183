//! Analyses: queries that are rendered and checked like models, and never built.
//!
//! Makes nodes of their files and tells which of them can be bound; renders nothing itself.

use super::node::NodeKind;
use super::parse::{Parser, by_name};

impl Parser<'_> {
    pub(super) fn analyses(&mut self) {
        let project = self.project;
        let properties = by_name(&project.properties.analyses);
        for file in &project.analyses {
            let patch = properties.get(file.name.as_str()).copied();
            let raw = patch.map(|patch| patch.config.clone()).unwrap_or_default();
            self.templated(NodeKind::Analysis, file, patch, &format!("analysis `{}`", file.name), raw);
        }
        self.unmatched(&project.properties.analyses, &project.analyses, "analysis");
    }
}

/// Whether an analysis is one query. It may be anything else, such as several statements: nothing ever runs it.
pub(super) fn is_query(sql: &str) -> bool {
    let text = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    let text = text.trim_start();
    let first = text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_lowercase();
    let begins = text.starts_with('(') || ["select", "with", "from", "values"].contains(&first.as_str());
    begins && !text.contains(';')
}

#[cfg(test)]
mod tests {
    use super::is_query;

    #[test]
    fn queries_are_told_from_other_statements() {
        let check = |sql: &str, expected: bool| assert_eq!(is_query(sql), expected, "{sql}");
        check("-- why\nselect 1", true);
        check("\n WITH a as (select 1) from a", true);
        check("(select 1)", true);
        check("select 1; select 2", false);
        check("create table t as select 1", false);
        check("", false);
    }
}
