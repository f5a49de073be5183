//! Exposures as nodes.
//!
//! Records their inputs. Runs nothing.

use super::parser::{CallSite, Draft, ProjectParser, blank_node};
use crate::config::{Of, folder_defaults, merge};
use crate::graph::{Call, NodeKind};
use crate::messages;
use crate::template::jinja::Setting;

impl ProjectParser<'_> {
    pub(crate) fn exposures(&mut self) {
        let project = self.project;
        let name = &project.profiles.name;
        for exposure in &project.properties.exposures {
            let owner = format!("exposure `{}`", exposure.name);
            let mut fqn = vec![name.clone()];
            fqn.extend(self.yaml_folders(&exposure.place.source.path));
            fqn.push(exposure.name.clone());
            let mut raw = folder_defaults(&project.profiles.defaults.exposures, &fqn);
            merge(&mut raw, exposure.config.clone());
            let config = self.config(&raw, Of::Other, &owner, &exposure.place, None);
            if !config.enabled {
                self.disabled_fqns.push((NodeKind::Exposure, fqn));
                continue;
            }
            let mut calls = Vec::new();
            for (text, place) in &exposure.depends_on {
                let text = text.trim().trim_start_matches("{{").trim_end_matches("}}");
                let rendered =
                    self.templates.render_text(&owner, &format!("{{{{ {text} }}}}"), place, Setting::default());
                match rendered {
                    Ok(rendered) if rendered.heard.calls.is_empty() => {
                        self.errors.push(messages::exposure_reads_nothing(&exposure.name, place.clone()));
                    }
                    Ok(rendered) => {
                        calls.extend(rendered.heard.calls.into_iter().map(|call| CallSite { call, number: None }));
                    }
                    Err(error) => self.errors.push(error),
                }
            }
            // Sources come first, as dbt lists them.
            calls.sort_by_key(|heard| matches!(heard.call, Call::Ref(_)));
            let mut node = blank_node(NodeKind::Exposure, &exposure.name, &exposure.place.source, config);
            node.unique_id = format!("exposure.{name}.{}", exposure.name);
            node.fqn = fqn;
            node.patch = Some(exposure.place.clone());
            node.unrendered_config = raw.clone();
            node.raw_config = raw;
            node.description = exposure.description.clone();
            node.exposure = Some(Box::new(exposure.clone()));
            self.drafts.push(Draft { node, calls });
        }
    }
}
