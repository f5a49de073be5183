//! The messages about columns and where they come from.

use super::{Error, nearest};

impl Error {
    /// `known`: the names of models, seeds and sources' tables.
    pub fn lineage_unknown<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let near = nearest(written, known).map(|near| format!("did you mean `{near}`?"));
        let how = "`elt ls` lists the models and sources; a column is `model.column`, a field `source.table.field`";
        Self::usage(format!("`{written}` is no model, seed or source table")).hint(near.unwrap_or_else(|| how.into()))
    }

    /// `known`: all columns, or the fields beside it.
    pub fn column_unknown<'a>(node: &str, path: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        let near = nearest(path, known.clone()).map(|near| format!("did you mean `{near}`?"));
        let all = || {
            let all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).take(12).collect();
            (!all.is_empty()).then(|| format!("it has {}", all.join(", ")))
        };
        Self::usage(format!("`{node}` has no column or field `{path}`")).hint_maybe(near.or_else(all))
    }

    /// A model whose columns are not known. `sources`: what was never loaded.
    pub fn columns_unknown(node: &str, sources: &[String]) -> Self {
        let error = Self::failed(format!("the columns of `{node}` are not known"));
        match sources {
            [] => error.hint("`elt check` says what is wrong with its query"),
            sources => {
                let names: Vec<String> = sources.iter().map(|name| format!("`{name}`")).collect();
                error.because(format!("{} was never loaded", names.join(", "))).hint(format!(
                    "`elt extract --select source:{}` loads it; a `data_type` for each column of the source in YAML does too",
                    sources[0]
                ))
            }
        }
    }
}
