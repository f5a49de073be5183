//! The changes to an incremental model's table when the columns of its query differ from the table's columns.
//!
//! Compares DuckDB's type texts, including fields of STRUCT, LIST and MAP. Pure; the run executes the statements.

use super::token::{SqlTokenKind, code_tokens, tokens};
use crate::graph::{OnSchemaChange, Relation};
use crate::messages;
use elt_base::error::Result;
use elt_base::schema::quote;

/// The statements to run before the new rows are written, and the columns to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange {
    /// `alter table …`, in order.
    pub statements: Vec<String>,
    /// The columns to write.
    pub columns: Vec<NewColumn>,
    /// The differences, for people: ``new column `a` ``.
    pub changes: Vec<String>,
}

/// A column that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewColumn {
    pub name: String,
    /// The table's type, if the new rows have another type.
    pub cast: Option<String>,
}

impl SchemaChange {
    /// Compares the table's columns with the columns of the new rows, each as `(name, DuckDB type)`.
    ///
    /// # Errors
    /// With `fail`: any difference. With `ignore`: a column is no longer in the query (as in dbt). With any choice: a
    /// column keeps its type, and a cast of the new values to it would round or cut them.
    pub fn plan(
        model: &str,
        target: &Relation,
        old: &[(String, String)],
        new: &[(String, String)],
        policy: OnSchemaChange,
    ) -> Result<Self> {
        let mut plan = Self { statements: Vec::new(), columns: Vec::new(), changes: Vec::new() };
        let find = |list: &'_ [(String, String)], name: &str| {
            list.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, sql)| sql.clone())
        };
        let is_growing = matches!(policy, OnSchemaChange::AppendNewColumns | OnSchemaChange::SyncAllColumns);
        let is_syncing = policy == OnSchemaChange::SyncAllColumns;
        let mut drops = Vec::new();
        for (name, old_sql) in old {
            let Some(new_sql) = find(new, name) else {
                plan.changes.push(format!("column `{name}` is gone"));
                if policy == OnSchemaChange::Ignore {
                    return Err(messages::schema_change_refused(model, name, "is no longer in the query"));
                }
                if is_syncing {
                    drops.push(format!("alter table {target} drop column {}", quote(name)));
                }
                continue;
            };
            let (old_type, new_type) = (SqlType::parse(old_sql), SqlType::parse(&new_sql));
            old_type.differences(&new_type, name, &mut plan.changes);
            let wanted = match policy {
                OnSchemaChange::AppendNewColumns => old_type.grown(&new_type),
                OnSchemaChange::SyncAllColumns => old_type.synced(&new_type),
                OnSchemaChange::Ignore | OnSchemaChange::Fail => old_type.clone(),
            };
            if old_type.parted(&wanted, name).is_some() {
                // DuckDB cannot cast a STRUCT to a STRUCT that shares no field with it. None of the old values would be
                // kept.
                plan.statements.push(format!("alter table {target} drop column {}", quote(name)));
                plan.statements.push(format!("alter table {target} add column {} {}", quote(name), wanted.sql()));
            } else if !wanted.equals(&old_type) {
                plan.statements.push(format!(
                    "alter table {target} alter column {} set data type {}",
                    quote(name),
                    wanted.sql()
                ));
            }
            if let Some(path) = new_type.parted(&wanted, name) {
                return Err(messages::schema_change_refused(
                    model,
                    &path,
                    "no longer has any field that the table has",
                ));
            }
            if let Some((path, was, is)) = wanted.loss(&new_type, name) {
                let complaint = format!("was {was} and is {is}, so the column would lose values");
                return Err(messages::schema_change_refused(model, &path, &complaint));
            }
            let cast = (wanted != new_type).then(|| wanted.sql());
            plan.columns.push(NewColumn { name: name.clone(), cast });
        }
        for (name, sql) in new {
            if find(old, name).is_some() {
                continue;
            }
            plan.changes.push(format!("column `{name}` is new"));
            if is_growing {
                plan.statements.push(format!("alter table {target} add column {} {sql}", quote(name)));
                plan.columns.push(NewColumn { name: name.clone(), cast: None });
            }
        }
        // A table must keep at least one column, so new columns are added first.
        plan.statements.extend(drops);
        if policy == OnSchemaChange::Fail && !plan.changes.is_empty() {
            return Err(messages::schema_changed(model, &plan.changes));
        }
        Ok(plan)
    }
}

/// A DuckDB type, parsed down to its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SqlType {
    Struct(Vec<(String, Self)>),
    /// With the text in the brackets: nothing, or an array's length.
    List(Box<Self>, String),
    Map(Box<Self>, Box<Self>),
    Scalar(String),
}

impl SqlType {
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.trim();
        if let Some(open) = text.strip_suffix(']').and_then(|inner| inner.rfind('[')) {
            let length = text[open + 1..text.len() - 1].trim();
            if length.chars().all(|c| c.is_ascii_digit()) {
                return Self::List(Box::new(Self::parse(&text[..open])), length.to_owned());
            }
        }
        if let Some(inner) = within(text, "STRUCT") {
            return Self::Struct(split(inner).into_iter().map(field).collect());
        }
        if let Some(inner) = within(text, "MAP")
            && let [key, value] = split(inner).as_slice()
        {
            return Self::Map(Box::new(Self::parse(key)), Box::new(Self::parse(value)));
        }
        Self::Scalar(text.to_owned())
    }

    pub(crate) fn sql(&self) -> String {
        match self {
            Self::Struct(fields) => {
                let fields = fields.iter().map(|(name, sql)| format!("{} {}", quote(name), sql.sql()));
                format!("STRUCT({})", fields.collect::<Vec<_>>().join(", "))
            }
            Self::List(item, length) => format!("{}[{length}]", item.sql()),
            Self::Map(key, value) => format!("MAP({}, {})", key.sql(), value.sql()),
            Self::Scalar(text) => text.clone(),
        }
    }

    /// Whether two types are equal, ignoring the order of fields.
    fn equals(&self, other: &Self) -> bool {
        let mut changes = Vec::new();
        self.differences(other, "", &mut changes);
        changes.is_empty()
    }

    fn differences(&self, new: &Self, path: &str, changes: &mut Vec<String>) {
        match (self, new) {
            (Self::Struct(old), Self::Struct(new)) => {
                for (name, sql) in old {
                    match find_field(new, name) {
                        Some(other) => sql.differences(other, &format!("{path}.{name}"), changes),
                        None => changes.push(format!("field `{path}.{name}` is gone")),
                    }
                }
                for (name, _) in new.iter().filter(|(name, _)| find_field(old, name).is_none()) {
                    changes.push(format!("field `{path}.{name}` is new"));
                }
            }
            (Self::List(old, a), Self::List(new, b)) if a == b => old.differences(new, &format!("{path}[]"), changes),
            (Self::Map(old_key, old), Self::Map(new_key, new)) if old_key == new_key => {
                old.differences(new, &format!("{path}[]"), changes);
            }
            (Self::Scalar(old), Self::Scalar(new)) if old.eq_ignore_ascii_case(new) => {}
            (old, new) => changes.push(format!("`{path}` was {} and is {}", old.sql(), new.sql())),
        }
    }

    /// The first place where this type and another are STRUCTs that share no field.
    fn parted(&self, other: &Self, path: &str) -> Option<String> {
        match (self, other) {
            (Self::Struct(own), Self::Struct(theirs)) => {
                let mut shared =
                    own.iter().filter_map(|(name, sql)| Some((name, sql, find_field(theirs, name)?))).peekable();
                if shared.peek().is_none() {
                    return Some(path.to_owned());
                }
                shared.find_map(|(name, sql, their)| sql.parted(their, &format!("{path}.{name}")))
            }
            (Self::List(own, _), Self::List(theirs, _)) | (Self::Map(_, own), Self::Map(_, theirs)) => {
                own.parted(theirs, &format!("{path}[]"))
            }
            _ => None,
        }
    }

    /// The first place where a cast of `new` to this type would silently lose a part of a value, with both types.
    fn loss(&self, new: &Self, path: &str) -> Option<(String, String, String)> {
        match (self, new) {
            (Self::Struct(own), Self::Struct(new)) => {
                own.iter().find_map(|(name, sql)| sql.loss(find_field(new, name)?, &format!("{path}.{name}")))
            }
            (Self::List(own, _), Self::List(new, _)) | (Self::Map(_, own), Self::Map(_, new)) => {
                own.loss(new, &format!("{path}[]"))
            }
            (Self::Scalar(own), Self::Scalar(new)) if is_lossy(new, own) => {
                Some((path.to_owned(), own.clone(), new.clone()))
            }
            _ => None,
        }
    }

    /// This type with the new fields added, and with numbers widened if nothing is lost. The rest is unchanged.
    fn grown(&self, new: &Self) -> Self {
        match (self, new) {
            (Self::Struct(old), Self::Struct(new)) => {
                let kept = old.iter().map(|(name, sql)| {
                    (name.clone(), find_field(new, name).map_or_else(|| sql.clone(), |other| sql.grown(other)))
                });
                let added = new.iter().filter(|(name, _)| find_field(old, name).is_none()).cloned();
                Self::Struct(kept.chain(added).collect())
            }
            (Self::List(old, a), Self::List(new, b)) if a == b => Self::List(Box::new(old.grown(new)), a.clone()),
            (Self::Map(key, old), Self::Map(_, new)) => Self::Map(key.clone(), Box::new(old.grown(new))),
            (Self::Scalar(old), Self::Scalar(new)) if is_wider(old, new) => Self::Scalar(new.clone()),
            _ => self.clone(),
        }
    }

    /// The new type, with its fields in the old order.
    fn synced(&self, new: &Self) -> Self {
        match (self, new) {
            (Self::Struct(old), Self::Struct(new)) => {
                let kept =
                    old.iter().filter_map(|(name, sql)| Some((name.clone(), sql.synced(find_field(new, name)?))));
                let added = new.iter().filter(|(name, _)| find_field(old, name).is_none()).cloned();
                Self::Struct(kept.chain(added).collect())
            }
            (Self::List(old, a), Self::List(new, b)) if a == b => Self::List(Box::new(old.synced(new)), a.clone()),
            (Self::Map(old_key, old), Self::Map(key, new)) if old_key == key => {
                Self::Map(key.clone(), Box::new(old.synced(new)))
            }
            _ => new.clone(),
        }
    }
}

pub(crate) fn find_field<'a>(fields: &'a [(String, SqlType)], name: &str) -> Option<&'a SqlType> {
    fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, sql)| sql)
}

/// Whether every value of `old` is also a value of `new`.
fn is_wider(old: &str, new: &str) -> bool {
    const WHOLE: [&str; 5] = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"];
    let rank = |name: &str| WHOLE.iter().position(|other| other.eq_ignore_ascii_case(name));
    let decimal = |name: &str| {
        let inner = name.to_uppercase();
        let (digits, scale) = inner.strip_prefix("DECIMAL(")?.strip_suffix(')')?.split_once(',')?;
        let (digits, scale): (u32, u32) = (digits.trim().parse().ok()?, scale.trim().parse().ok()?);
        Some((digits.checked_sub(scale)?, scale))
    };
    match (rank(old), rank(new), decimal(old), decimal(new)) {
        (Some(old), Some(new), ..) => new > old,
        (_, _, Some(old), Some(new)) => new.0 >= old.0 && new.1 >= old.1,
        _ => old.eq_ignore_ascii_case("FLOAT") && new.eq_ignore_ascii_case("DOUBLE"),
    }
}

/// Whether a cast silently rounds or cuts. A cast that fails on a value does not count.
fn is_lossy(from: &str, to: &str) -> bool {
    let (from, to) = (from.to_uppercase(), to.to_uppercase());
    let is_float = |name: &str| matches!(name, "FLOAT" | "DOUBLE");
    let is_whole = |name: &str| name.ends_with("INT") || name == "INTEGER" || name == "UINTEGER";
    let scale = |name: &str| -> Option<u32> {
        name.strip_prefix("DECIMAL(")?.strip_suffix(')')?.split_once(',')?.1.trim().parse().ok()
    };
    if is_float(&from) {
        return (from == "DOUBLE" && to == "FLOAT") || is_whole(&to) || scale(&to).is_some();
    }
    if let Some(digits) = scale(&from) {
        return is_float(&to) || (is_whole(&to) && digits > 0) || scale(&to).is_some_and(|kept| kept < digits);
    }
    if is_whole(&from) {
        return to == "FLOAT"
            || (to == "DOUBLE" && matches!(from.as_str(), "BIGINT" | "UBIGINT" | "HUGEINT" | "UHUGEINT"));
    }
    from.starts_with("TIMESTAMP") && (to == "DATE" || to.starts_with("TIME ") || to == "TIME")
}

/// The text inside `NAME( … )`.
fn within<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = text.get(..name.len())?;
    if !head.eq_ignore_ascii_case(name) {
        return None;
    }
    text[name.len()..].trim_start().strip_prefix('(')?.strip_suffix(')')
}

/// Splits at commas outside of brackets.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0usize, 0);
    for token in tokens(text).filter(|token| token.kind == SqlTokenKind::Sign) {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                parts.push(text[start..token.start].trim());
                start = token.end();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// `name TYPE` or `"name" TYPE`.
fn field(text: &str) -> (String, SqlType) {
    match code_tokens(text).next().filter(|first| first.kind == SqlTokenKind::QuotedName) {
        Some(name) => (name.name(), SqlType::parse(&text[name.end()..])),
        None => {
            let (name, sql) = text.split_once(' ').unwrap_or((text, ""));
            (name.to_owned(), SqlType::parse(sql))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SchemaChange, SqlType};
    use crate::graph::OnSchemaChange;
    use crate::graph::OnSchemaChange::{AppendNewColumns, Fail, Ignore, SyncAllColumns};
    use crate::graph::Relation;

    fn columns(text: &str) -> Vec<(String, String)> {
        text.split(';')
            .filter_map(|column| column.trim().split_once(' '))
            .map(|(name, sql)| (name.to_owned(), sql.to_owned()))
            .collect()
    }

    /// Statements without `alter table "main"."m"`, then the columns written.
    #[track_caller]
    fn check(policy: OnSchemaChange, old: &str, new: &str, expected: &[&str]) {
        let plan = SchemaChange::plan("m", &Relation::new("main", "m"), &columns(old), &columns(new), policy);
        let found = match plan {
            Ok(plan) => {
                let mut lines: Vec<String> =
                    plan.statements.iter().map(|sql| sql.replace("alter table \"main\".\"m\" ", "")).collect();
                let columns = plan.columns.iter().map(|column| match &column.cast {
                    Some(cast) => format!("{}::{cast}", column.name),
                    None => column.name.clone(),
                });
                lines.push(columns.collect::<Vec<_>>().join(" "));
                lines
            }
            Err(error) => vec![error.message().to_owned()],
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn plans() {
        check(Ignore, "a INTEGER; b VARCHAR", "b VARCHAR; a INTEGER; c DATE", &["a b"]);
        check(Ignore, "a INTEGER; b VARCHAR", "a INTEGER", &["column `b` of `m` is no longer in the query"]);
        check(Ignore, "a STRUCT(x INTEGER)", "a STRUCT(x INTEGER, y DATE)", &["a::STRUCT(\"x\" INTEGER)"]);
        check(Fail, "a INTEGER", "A INTEGER", &["a"]);
        check(
            Fail,
            "a STRUCT(x INTEGER); b DATE",
            "a STRUCT(x INTEGER, y DATE); c DATE",
            &["the columns of `m` changed: field `a.y` is new, column `b` is gone, column `c` is new"],
        );
        check(
            AppendNewColumns,
            "a INTEGER; b DATE; s STRUCT(x INTEGER)[]",
            "a BIGINT; s STRUCT(y DATE, x INTEGER)[]; c DATE",
            &[
                "alter column \"a\" set data type BIGINT",
                "alter column \"s\" set data type STRUCT(\"x\" INTEGER, \"y\" DATE)[]",
                "add column \"c\" DATE",
                "a s::STRUCT(\"x\" INTEGER, \"y\" DATE)[] c",
            ],
        );
        check(AppendNewColumns, "a INTEGER", "a VARCHAR", &["a::INTEGER"]);
        check(
            Ignore,
            "s STRUCT(x BIGINT)[]",
            "s STRUCT(x DOUBLE)[]",
            &["column `s[].x` of `m` was BIGINT and is DOUBLE, so the column would lose values"],
        );
        check(
            SyncAllColumns,
            "a INTEGER; s STRUCT(x INTEGER)[]",
            "a INTEGER; s STRUCT(y INTEGER)[]",
            &["drop column \"s\"", "add column \"s\" STRUCT(\"y\" INTEGER)[]", "a s"],
        );
        check(
            Ignore,
            "s MAP(VARCHAR, STRUCT(x INTEGER))",
            "s MAP(VARCHAR, STRUCT(y INTEGER))",
            &["column `s[]` of `m` no longer has any field that the table has"],
        );
        check(
            AppendNewColumns,
            "s MAP(VARCHAR, STRUCT(x INTEGER, X2 DATE)); T STRUCT(\"A\" INTEGER)",
            "s MAP(VARCHAR, STRUCT(y INTEGER)); t STRUCT(a INTEGER)",
            &[
                "alter column \"s\" set data type MAP(VARCHAR, STRUCT(\"x\" INTEGER, \"X2\" DATE, \"y\" INTEGER))",
                "s::MAP(VARCHAR, STRUCT(\"x\" INTEGER, \"X2\" DATE, \"y\" INTEGER)) T::STRUCT(\"A\" INTEGER)",
            ],
        );
        check(Ignore, "s STRUCT(x DATE, y DATE)", "s STRUCT(y DATE, x DATE)", &["s::STRUCT(\"x\" DATE, \"y\" DATE)"]);
        check(Ignore, "a DECIMAL(18,2); b BIGINT", "a DECIMAL(38,2); b INTEGER", &["a::DECIMAL(18,2) b::BIGINT"]);
        check(
            SyncAllColumns,
            "a INTEGER; b DATE; s STRUCT(x INTEGER, z INTEGER)",
            "a VARCHAR; s STRUCT(x INTEGER); c DATE",
            &[
                "alter column \"a\" set data type VARCHAR",
                "alter column \"s\" set data type STRUCT(\"x\" INTEGER)",
                "add column \"c\" DATE",
                "drop column \"b\"",
                "a s c",
            ],
        );
    }

    #[test]
    fn types() {
        #[track_caller]
        fn check(text: &str) {
            assert_eq!(SqlType::parse(text).sql(), text);
        }
        check("STRUCT(\"a\" INTEGER, \"b \"\"c, d\" DECIMAL(18,3))[]");
        check("MAP(VARCHAR, STRUCT(\"a\" TIMESTAMP WITH TIME ZONE)[3])");
        check("ENUM('a,b', 'c')");
    }
}
