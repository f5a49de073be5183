//! A published table of a DuckDB file, compared with the existing table.
//!
//! Reads the file's catalog through the engine; changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::changes::Engine;
use crate::contract::Table;
use crate::messages;
use crate::target::{hash_tag, keeps_others};
use crate::type_text::{has_word, without_variant};
use elt_base::error::{Error, Result};
use elt_base::schema::{literal, quote};
use elt_project::{ExportPolicy, OnContractChange};

/// The name that the file is attached as.
pub const CATALOG: &str = "_elt_export";

/// A table of the publication in the file.
#[derive(Debug, Clone)]
pub struct DuckdbTable {
    pub table: Table,
    pub schema: String,
    pub name: String,
    /// The contract's columns in its order, with the file's spelling and type.
    pub columns: Vec<(String, String)>,
    /// Existing columns that are not in the contract.
    pub others: Vec<ExtraColumn>,
    /// Those of them that are kept if the table is created again.
    pub kept: Vec<ExtraColumn>,
    pub step: TableStep,
    /// The last publication knew it, and as the contract describes it now.
    pub is_known: bool,
    pub is_ours: bool,
    pub has_new_comments: bool,
    /// The names of indexes by their columns.
    pub index_names: BTreeMap<Vec<String>, String>,
    /// The statements that the contract gives, as they are recorded: they change with it.
    pub definition: String,
    pub comments_text: String,
    /// The statements of indexes that others created, for a table that is created again.
    pub their_indexes: Vec<String>,
    /// Rows of others stay.
    pub keeps_others: bool,
    pub quarantine: DuckdbQuarantine,
    /// The collations of existing columns, by the file's names: they may hold different texts equal.
    pub collations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraColumn {
    pub name: String,
    pub sql_type: String,
    pub default: Option<String>,
    is_nullable: bool,
}

/// What is known of a table's quarantine table.
#[derive(Debug, Clone, Default)]
pub struct DuckdbQuarantine {
    pub name: String,
    pub exists: bool,
    /// It has other columns, because the key has changed. It is made again.
    pub is_old: bool,
    /// Entries depend on other rows.
    pub depends_on_others: bool,
}

/// The step for the table before its rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableStep {
    Create,
    /// Created again, with all rows, because DuckDB cannot alter a column that a key, a check or an index uses.
    Rebuild,
    Nothing,
}

/// The record of a table in `_elt.tables`.
struct RecordedDuckdbTable {
    is_ours: bool,
    columns: BTreeSet<String>,
    definition: String,
    comments: String,
}

/// The names of the file's indexes: schema, index and table.
pub type IndexNames = BTreeMap<(String, String), String>;

/// Compares one table with the file. Notes are for people. `indexes` gets the names of the table's own.
pub fn resolve(
    table: &Table,
    default_schema: &str,
    engine: &Engine<'_>,
    has_record: bool,
    policy: ExportPolicy,
    indexes: &mut IndexNames,
    notes: &mut Vec<String>,
) -> Result<DuckdbTable> {
    if let Some(index) = table.indexes_of_postgres().next() {
        return Err(messages::export_index_of_postgres(&table.name, &index.columns, "DuckDB"));
    }
    let schema = table.schema.clone().unwrap_or_else(|| default_schema.to_owned());
    let mut target = DuckdbTable {
        name: table.name.clone(),
        schema,
        columns: types(table, engine)?,
        table: table.clone(),
        others: Vec::new(),
        kept: Vec::new(),
        step: TableStep::Create,
        is_known: false,
        is_ours: true,
        has_new_comments: false,
        index_names: BTreeMap::new(),
        definition: String::new(),
        comments_text: String::new(),
        their_indexes: Vec::new(),
        keeps_others: false,
        quarantine: DuckdbQuarantine::default(),
        collations: BTreeMap::new(),
    };
    let recorded = if has_record { recorded(&target, engine)? } else { None };
    name_indexes(&mut target, recorded.as_ref(), indexes);
    target.definition = target.define();
    target.comments_text = target.comments().join(";\n");
    let at = format!("database_name = '{CATALOG}' and lower(schema_name) = lower({})", literal(&target.schema));
    let is_named = |column: &str| format!("{at} and lower({column}) = lower({})", literal(&target.name));
    let view = engine(&format!("select view_name from duckdb_views() where {}", is_named("view_name")))?;
    if !view.is_empty() {
        return Err(messages::export_duckdb_view(&target.schema, &target.name));
    }
    let there: Vec<ExtraColumn> = engine(&format!(
        "select column_name, data_type, column_default, is_nullable from duckdb_columns() where {} order by column_index",
        is_named("table_name")
    ))?
    .into_iter()
    .filter_map(|row| {
        let mut row = row.into_iter();
        let (name, sql_type) = (row.next()??, row.next()??);
        let default = row.next()?.filter(|default| default != "NULL");
        Some(ExtraColumn { name, sql_type, default, is_nullable: row.next()?.as_deref() == Some("true") })
    })
    .collect();
    if there.is_empty() {
        return Ok(target);
    }
    target.others = there
        .iter()
        .filter(|there| !target.columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(&there.name)))
        .cloned()
        .collect();
    target.is_ours = recorded.as_ref().is_some_and(|recorded| recorded.is_ours);
    target.keeps_others = keeps_others(table.rows, Some(target.is_ours));
    match recorded {
        Some(recorded) if recorded.is_ours => {
            let differences = differences(&target, &there, false);
            target.has_new_comments = recorded.comments != target.comments_text;
            if differences.is_empty() && recorded.definition == target.definition {
                (target.step, target.is_known) = (TableStep::Nothing, true);
                return Ok(target);
            }
            rebuild(&mut target, &there, &recorded, policy, notes)?;
        }
        recorded => {
            let differences = differences(&target, &there, true);
            if !differences.is_empty() {
                return Err(messages::export_table_does_not_fit(&target.schema, &target.name, false, &differences));
            }
            for (name, sql_type) in &mut target.columns {
                if let Some(there) = there.iter().find(|there| there.name.eq_ignore_ascii_case(name)) {
                    (*name, *sql_type) = (there.name.clone(), there.sql_type.clone());
                }
            }
            let sql = engine(&format!("select sql from duckdb_tables() where {}", is_named("table_name")))?;
            target.collations = collations(&sql.into_iter().flatten().flatten().collect::<String>(), &target.columns);
            target.step = TableStep::Nothing;
            target.is_known = recorded.is_some_and(|recorded| recorded.definition == target.definition);
            if !target.is_known && !target.others.is_empty() {
                let names: Vec<_> = target.others.iter().map(|extra| format!("`{}`", extra.name)).collect();
                notes.push(format!(
                    "`{}.{}` has {}, which the model does not publish; elt leaves these columns alone",
                    target.schema,
                    target.name,
                    names.join(", ")
                ));
            }
        }
    }
    Ok(target)
}

/// Names the indexes: as they are recorded, else as usual, else, where another table's index has that name, with a hash.
fn name_indexes(target: &mut DuckdbTable, recorded: Option<&RecordedDuckdbTable>, indexes: &mut IndexNames) {
    for index in target.table.indexes.iter().filter(|index| !index.unique) {
        let usual = target.usual_index_name(&index.columns);
        let tag = hash_tag(&format!("{}\n{}\n{}", target.schema, target.name, index.columns.join("\n")));
        let hashed = format!("{}_{tag}_idx", usual.trim_end_matches("_idx"));
        let place = |name: &str| (target.schema.to_lowercase(), name.to_lowercase());
        let is_recorded = |name: &String| {
            recorded.is_some_and(|recorded| recorded.definition.contains(&format!("create index {} on ", quote(name))))
        };
        let is_free = indexes.get(&place(&usual)).is_none_or(|table| *table == target.name);
        let remembered = [&usual, &hashed].into_iter().find(|name| is_recorded(name) && (**name == hashed || is_free));
        let name = remembered.cloned().unwrap_or(if is_free { usual } else { hashed });
        indexes.insert(place(&name), target.name.clone());
        target.index_names.insert(index.columns.clone(), name);
    }
}

/// The collations of a table's columns, from the statement that creates it: no function of DuckDB returns them.
fn collations(sql: &str, columns: &[(String, String)]) -> BTreeMap<String, String> {
    let of = |(name, _): &(String, String)| {
        let marks = [format!("{} VARCHAR COLLATE ", quote(name)), format!("{name} VARCHAR COLLATE ")];
        let (_, rest) = marks.iter().find_map(|mark| sql.split_once(mark.as_str()))?;
        let collation = rest.split([' ', ',', ')']).next().filter(|collation| !collation.is_empty())?;
        Some((name.clone(), collation.to_owned()))
    };
    columns.iter().filter_map(of).collect()
}

/// Decides what a table that elt created keeps, if it may be created again.
fn rebuild(
    target: &mut DuckdbTable,
    there: &[ExtraColumn],
    recorded: &RecordedDuckdbTable,
    policy: ExportPolicy,
    notes: &mut Vec<String>,
) -> Result<()> {
    let shown = format!("`{}.{}`", target.schema, target.name);
    let mut steps = differences(target, there, false);
    let is_of_contract = |extra: &&ExtraColumn| recorded.columns.contains(&extra.name);
    for extra in target.others.iter().filter(is_of_contract) {
        steps.push(format!("column `{}` is no longer published", extra.name));
    }
    if steps.is_empty() {
        steps.push("its keys, checks, defaults or indexes changed".into());
    }
    if target.keeps_others {
        return Err(messages::export_own_made_again(&shown, &steps));
    }
    if policy.on_schema_change == OnContractChange::Fail {
        return Err(messages::export_duckdb_contract_changed(&target.schema, &target.name, &steps));
    }
    let (gone, others): (Vec<ExtraColumn>, Vec<ExtraColumn>) =
        target.others.iter().cloned().partition(|extra| is_of_contract(&extra));
    for extra in &gone {
        if policy.allow_destructive {
            notes.push(format!("column `{}` of {shown} is dropped", extra.name));
        } else {
            notes.push(format!(
                "column `{}` of {shown} is no longer published; it stays, and new rows have NULL in it",
                extra.name
            ));
        }
    }
    target.kept = others;
    if !policy.allow_destructive {
        target.kept.extend(gone.into_iter().map(|extra| ExtraColumn { default: None, ..extra }));
    }
    notes.push(format!("{shown} is created again, because its contract changed: {}", steps.join(", ")));
    target.step = TableStep::Rebuild;
    Ok(())
}

/// The differences between the existing and the published table; `is_theirs`: others created the table, and wider types
/// are accepted.
fn differences(target: &DuckdbTable, there: &[ExtraColumn], is_theirs: bool) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, wanted) in &target.columns {
        match there.iter().find(|there| there.name.eq_ignore_ascii_case(name)) {
            None => differences.push(format!("column `{name}` ({wanted}) does not exist in the target")),
            Some(there) if there.sql_type == *wanted || is_theirs && holds(&there.sql_type, wanted) => {}
            Some(there) => differences
                .push(format!("column `{name}` is {} in the target, but is published as {wanted}", there.sql_type)),
        }
    }
    if is_theirs {
        for extra in target.others.iter().filter(|extra| !extra.is_nullable && extra.default.is_none()) {
            differences
                .push(format!("column `{}` does not accept NULL, has no default, and is not published", extra.name));
        }
    }
    differences
}

/// Whether a type can store every value of another unchanged.
fn holds(wide: &str, narrow: &str) -> bool {
    const INTEGERS: [&str; 5] = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"];
    const UNSIGNED: [&str; 4] = ["UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"];
    let place = |list: &[&str], name: &str| list.iter().position(|known| *known == name);
    if let Some(wide) = place(&INTEGERS, wide) {
        return place(&INTEGERS, narrow).is_some_and(|narrow| narrow <= wide)
            || place(&UNSIGNED, narrow).is_some_and(|narrow| narrow < wide);
    }
    if let (Some(wide), Some(narrow)) = (place(&UNSIGNED, wide), place(&UNSIGNED, narrow)) {
        return narrow <= wide;
    }
    let decimal = |text: &str| -> Option<(u8, u8)> {
        let (precision, scale) = text.strip_prefix("DECIMAL(")?.strip_suffix(')')?.split_once(',')?;
        Some((precision.trim().parse().ok()?, scale.trim().parse().ok()?))
    };
    if let (Some(wide), Some(narrow)) = (decimal(wide), decimal(narrow)) {
        return wide.1 >= narrow.1 && wide.0 - wide.1 >= narrow.0 - narrow.1;
    }
    match wide {
        "VARCHAR" => narrow == "UUID" || narrow == "JSON" || narrow.starts_with("ENUM("),
        "DOUBLE" => narrow == "FLOAT" || place(&INTEGERS[..3], narrow).is_some(),
        "TIMESTAMP" => narrow == "DATE" || narrow == "TIMESTAMP_S" || narrow == "TIMESTAMP_MS",
        _ => false,
    }
}

/// The columns with their types: the relation's own, or the contract's as DuckDB spells it.
fn types(table: &Table, engine: &Engine<'_>) -> Result<Vec<(String, String)>> {
    let mut columns = Vec::new();
    let mut errors = Vec::new();
    for column in &table.columns {
        let sql_type = match &column.target_type {
            None if column.duckdb_type.trim_matches('"') == "NULL" => "VARCHAR".to_owned(),
            // A file that every DuckDB since 1.0 reads has no VARIANT.
            None if has_word(&column.duckdb_type, "VARIANT") => without_variant(&column.duckdb_type),
            None => column.duckdb_type.clone(),
            Some((written, place)) => match engine(&format!("select typeof(null::{written})")) {
                Ok(rows) => rows.into_iter().flatten().flatten().next().unwrap_or_default(),
                Err(error) => {
                    errors.push(
                        messages::export_duckdb_type(&table.label, &column.name, written, error.causes())
                            .at_maybe(place.clone()),
                    );
                    continue;
                }
            },
        };
        columns.push((column.name.clone(), sql_type));
    }
    Error::many(errors).map_or(Ok(columns), Err)
}

fn recorded(target: &DuckdbTable, engine: &Engine<'_>) -> Result<Option<RecordedDuckdbTable>> {
    let rows = engine(&format!(
        "select is_ours, columns::varchar, definition, comments from {CATALOG}._elt.tables where schema = {} and name = {}",
        literal(&target.schema),
        literal(&target.name)
    ))?;
    let Some(row) = rows.into_iter().next() else { return Ok(None) };
    let mut texts = row.into_iter().map(Option::unwrap_or_default);
    let mut text = || texts.next().unwrap_or_default();
    Ok(Some(RecordedDuckdbTable {
        is_ours: text() == "true",
        columns: serde_json::from_str(&text()).unwrap_or_default(),
        definition: text(),
        comments: text(),
    }))
}

#[cfg(test)]
mod tests {
    use super::{collations, holds};

    #[test]
    fn finds_collations() {
        let columns = ["a", "b b", "c"].map(|name| (name.to_owned(), "VARCHAR".to_owned()));
        let sql =
            "CREATE TABLE t(a VARCHAR COLLATE nocase PRIMARY KEY, \"b b\" VARCHAR COLLATE de.noaccent, c VARCHAR);";
        let found: Vec<_> = collations(sql, &columns).into_values().collect();
        assert_eq!(found, ["nocase", "de.noaccent"]);
    }

    #[track_caller]
    fn check(wide: &str, narrow: &str, expected: bool) {
        assert_eq!(holds(wide, narrow), expected, "{narrow} in {wide}");
    }

    #[test]
    fn knows_what_holds_what() {
        check("BIGINT", "INTEGER", true);
        check("BIGINT", "UINTEGER", true);
        check("BIGINT", "UBIGINT", false);
        check("INTEGER", "BIGINT", false);
        check("DECIMAL(20,4)", "DECIMAL(18,2)", true);
        check("DECIMAL(18,4)", "DECIMAL(18,2)", false);
        check("VARCHAR", "ENUM('a')", true);
        check("DOUBLE", "BIGINT", false);
        check("UUID", "VARCHAR", false);
    }
}
