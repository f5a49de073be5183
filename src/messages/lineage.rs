//! The messages about columns and their origins.

use elt_base::error::{Error, nearest};

/// `known`: the names of models, seeds and sources' tables.
pub(crate) fn lineage_unknown<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Error {
    let near = nearest(written, known).map(|near| format!("did you mean `{near}`?"));
    let how = "`elt ls` lists the models and sources; a column is `model.column`, a field `source.table.field`";
    Error::usage(format!("`{written}` is not a model, seed or source table")).hint(near.unwrap_or_else(|| how.into()))
}

/// `known`: all columns, or the fields on the same level.
pub(crate) fn column_unknown<'a>(node: &str, path: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Error {
    let near = nearest(path, known.clone()).map(|near| format!("did you mean `{near}`?"));
    let all = || {
        let all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).take(12).collect();
        (!all.is_empty()).then(|| format!("it has {}", all.join(", ")))
    };
    Error::usage(format!("`{node}` has no column or field `{path}`")).hint_maybe(near.or_else(all))
}

/// A model whose columns are not known. `sources`: the sources that have never been loaded.
pub(crate) fn columns_unknown(node: &str, sources: &[String]) -> Error {
    let error = Error::failed(format!("the columns of `{node}` are not known"));
    match sources {
        [] => error.hint("`elt check` shows what is wrong with its query"),
        sources => {
            let names: Vec<String> = sources.iter().map(|name| format!("`{name}`")).collect();
            error.because(format!("{} has never been loaded", names.join(", "))).hint(format!(
                "run `elt extract --select source:{}` to load it, or add a `data_type` to each \
                 column of the source in YAML",
                sources[0]
            ))
        }
    }
}
