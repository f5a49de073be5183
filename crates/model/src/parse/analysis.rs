//! Analyses: queries that are rendered and checked like models, but never built.
//!
//! Creates nodes from their files. `check` finds out whether one can be bound.

use super::parser::{ProjectParser, by_name};
use crate::graph::NodeKind;

impl ProjectParser<'_> {
    pub(crate) fn analyses(&mut self) {
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
