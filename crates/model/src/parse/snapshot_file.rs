//! Splits a file of `{% snapshot name %} … {% endsnapshot %}` blocks into one text per snapshot.
//!
//! Each text has the length of its file up to the block's end, so that places in the text are places in the file.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::parser::{CallSite, Draft, ProjectParser, by_name};
use crate::config::Of;
use crate::graph::{NodeKind, first_line, query_of};
use crate::messages;
use crate::template::TemplateText;
use crate::template::jinja::Setting;
use elt_base::digest::sha256;
use elt_base::error::{Error, Place, SourceText};
use elt_project::{NodeProperties, ProjectFile};

impl ProjectParser<'_> {
    /// Creates the snapshots of blocks in SQL files, and of YAML entries.
    pub(crate) fn snapshots(&mut self) {
        let project = self.project;
        let properties = by_name(&project.properties.snapshots);
        let mut files = Vec::new();
        for file in &project.snapshots {
            let (blocks, errors) = blocks(file);
            files.extend(blocks);
            self.errors.extend(errors);
        }
        for file in &files {
            let patch = properties.get(file.name.as_str()).copied();
            let mut defaults = self.file_defaults(&project.profiles.defaults.snapshots, file, patch);
            defaults.insert("materialized".into(), "snapshot".into());
            self.templated(NodeKind::Snapshot, file, patch, &format!("snapshot `{}`", file.name), defaults);
            if let Some(patch) = patch.filter(|patch| patch.relation.is_some()) {
                self.errors.push(messages::snapshot_twice(&file.name, patch.place.clone(), first_line(&file.source)));
            }
        }
        for entry in project.properties.snapshots.iter().filter(|entry| entry.relation.is_some()) {
            self.yaml_snapshot(entry);
        }
        let patches: Vec<NodeProperties> =
            project.properties.snapshots.iter().filter(|entry| entry.relation.is_none()).cloned().collect();
        self.unmatched(&patches, &files, "snapshot");
    }

    /// A snapshot that reads all of the relation in its `relation:`.
    fn yaml_snapshot(&mut self, entry: &NodeProperties) {
        let Some(relation) = &entry.relation else { return };
        let path = &entry.place.source.path;
        let file = ProjectFile {
            source: entry.place.source.clone(),
            name: entry.name.clone(),
            folders: self.yaml_folders(path),
            path: std::path::PathBuf::new(),
        };
        let owner = format!("snapshot `{}`", entry.name);
        let mut raw = self.file_defaults(&self.project.profiles.defaults.snapshots, &file, Some(entry));
        raw.insert("materialized".into(), "snapshot".into());
        let config = self.config(&raw, Of::Snapshot, &owner, &entry.place, None);
        if !config.enabled {
            self.disabled.insert(entry.name.clone());
            let fqn = std::iter::once(&self.project.profiles.name).chain(&file.folders).chain([&file.name]);
            self.disabled_fqns.push((NodeKind::Snapshot, fqn.cloned().collect()));
            return;
        }
        let query = query_of(relation);
        let text = TemplateText::Short(query.clone(), entry.place.clone());
        match self.templates.render(&owner, &text, Setting::default(), None) {
            Ok(rendered) => {
                let mut node = self.file_node(NodeKind::Snapshot, &file, Some(entry), config, raw);
                node.reads = Some(relation.clone());
                node.checksum = sha256(&query);
                let calls = rendered.heard.calls.into_iter().map(|call| CallSite { call, number: None });
                self.drafts.push(Draft { node, calls: calls.collect() });
            }
            Err(error) => self.errors.push(error),
        }
    }
}

static TAG: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?s)\{#.*?#\}|\{%[-+]?\s*(snapshot|endsnapshot)\b\s*([A-Za-z_]\w*)?\s*[-+]?%\}";
    Regex::new(pattern).unwrap_or_else(|error| unreachable!("{error}"))
});

/// The blocks of a file, each as a separate file. It has the name of the block and is in a folder with the name of the
/// file, as in dbt's `fqn`. Errors in the tags are returned, too.
pub(crate) fn blocks(file: &ProjectFile) -> (Vec<ProjectFile>, Vec<Error>) {
    let text = &file.source.text;
    let mut found = Vec::new();
    let mut errors = Vec::new();
    let mut open: Option<(String, Range<usize>)> = None;
    for tag in TAG.captures_iter(text) {
        let Some(whole) = tag.get(0).map(|whole| whole.range()) else { continue };
        let place = || Place::new(&file.source, whole.clone());
        match (tag.get(1).map(|word| word.as_str()), &open) {
            (None, _) => {}
            (Some("snapshot"), None) => match tag.get(2) {
                Some(name) => open = Some((name.as_str().to_owned(), whole)),
                None => errors.push(messages::snapshot_tag("has no name", place())),
            },
            (Some("snapshot"), Some((name, _))) => {
                errors.push(messages::snapshot_tag(&format!("begins before snapshot `{name}` has ended"), place()));
            }
            (Some(_), None) => errors.push(messages::snapshot_tag("ends, but no snapshot has begun", place())),
            (Some(_), Some((name, start))) => {
                let mut folders = file.folders.clone();
                folders.push(file.name.clone());
                found.push(ProjectFile {
                    source: SourceText::prepared(
                        &file.source.path,
                        masked(text, start.clone(), whole.start),
                        text.clone(),
                    ),
                    name: name.clone(),
                    folders,
                    path: file.path.clone(),
                });
                open = None;
            }
        }
    }
    if let Some((name, start)) = open {
        errors.push(messages::snapshot_tag(&format!("`{name}` never ends"), Place::new(&file.source, start)));
    }
    (found, errors)
}

/// The file's text up to the block's end. Everything before the body becomes one Jinja comment that renders to nothing.
fn masked(text: &str, tag: Range<usize>, end: usize) -> String {
    let mut bytes: Vec<u8> =
        text.as_bytes()[..tag.start].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }).collect();
    bytes.extend(text.as_bytes()[tag.start..end].iter());
    // The tag's own brackets become the brackets of a comment. If there is room, the comment covers everything before
    // the body.
    let last = tag.end - 2;
    bytes[last] = b'#';
    bytes[tag.start + 1] = b'#';
    if tag.start >= 2 && !bytes[..2].contains(&b'\n') {
        bytes[tag.start] = b' ';
        bytes[tag.start + 1] = b' ';
        bytes[0] = b'{';
        bytes[1] = b'#';
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::{blocks, first_line};
    use crate::graph::body;
    use crate::sample::errors;
    use crate::sample::project;

    /// Each block as `folders/name@line:column of its body|body`, then the errors.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let sample = project(&[("snapshots/a/f.sql", text)]);
        let (found, wrong) = blocks(&sample.snapshots[0]);
        let mut shown: Vec<String> = found
            .iter()
            .map(|file| {
                let own = &file.source.text;
                let at = own.len() - own.find("#}").map_or(0, |at| own.len() - at - 2);
                assert_eq!(own.get(at..), text.get(at..own.len()), "places are the file's");
                let line = file.source.text[..first_line(&file.source).span.start].matches('\n').count() + 1;
                format!("{}/{}@{line}|{}", file.folders.join("/"), file.name, body(own))
            })
            .collect();
        shown.extend(wrong.iter().flat_map(errors).map(|line| line.split(" | ").next().unwrap_or_default().to_owned()));
        assert_eq!(shown, expected);
    }

    #[test]
    fn files() {
        check("{% snapshot a %}select 1{% endsnapshot %}", &["a/f/a@1|select 1"]);
        check(
            "-- ä text\n{%- snapshot one -%}\n{{ config(x=1) }}\nselect 1\n{% endsnapshot %}\n\n{% snapshot two %} b {% endsnapshot %}",
            &["a/f/one@2|{{ config(x=1) }}\nselect 1", "a/f/two@7|b"],
        );
        check("{# {% snapshot a %} #} nothing", &[]);
        check(
            "{% snapshot a %} {% snapshot b %}",
            &[
                "snapshots/a/f.sql:1:18 [{% snapshot b %}] a snapshot begins before snapshot `a` has ended",
                "snapshots/a/f.sql:1:1 [{% snapshot a %}] a snapshot `a` never ends",
            ],
        );
        check(
            "{% endsnapshot %}{% snapshot %}",
            &[
                "snapshots/a/f.sql:1:1 [{% endsnapshot %}] a snapshot ends, but no snapshot has begun",
                "snapshots/a/f.sql:1:18 [{% snapshot %}] a snapshot has no name",
            ],
        );
    }
}
