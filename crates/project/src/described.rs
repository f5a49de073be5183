//! Descriptions, whose `{{ doc('x') }}` is rendered, and the YAML entries of macros, which contain only descriptions.
//!
//! Knows the shape of these entries, but not their use.

use super::properties::{MacroArgument, MacroProperties};
use super::property_file::PropertyFile;
use super::written::{Entry, Written, find};

const MACRO_KEYS: &[&str] = &["name", "description", "config", "meta", "docs", "arguments"];

impl PropertyFile<'_> {
    pub(super) fn description(&mut self, entries: &[Entry]) -> String {
        self.rendered_text(entries, "description").unwrap_or_default()
    }

    pub(super) fn macros(&mut self, value: &Written) -> Vec<MacroProperties> {
        let Some(items) = self.keep(value.list("macros")) else { return Vec::new() };
        items.iter().filter_map(|item| self.described_macro(item)).collect()
    }

    fn described_macro(&mut self, item: &Written) -> Option<MacroProperties> {
        let (entries, name, place) = self.named(item, "a macro", MACRO_KEYS, &[])?;
        let mut arguments = Vec::new();
        if let Some(written) = find(entries, "arguments") {
            for item in self.keep(written.list("arguments")).unwrap_or_default() {
                let known = ["name", "type", "description"];
                let Some((entries, name, _)) = self.named(item, "an argument of a macro", &known, &[]) else {
                    continue;
                };
                let data_type = self.rendered_text(entries, "type");
                arguments.push(MacroArgument { name, data_type, description: self.description(entries) });
            }
        }
        Some(MacroProperties { name, place, description: self.description(entries), arguments })
    }
}
