//! The SQL of a contract's indexes: columns, expressions, orders and operator classes, `include` and `where`.
//!
//! Pure.

use super::names::names;
use super::table::PostgresTable;
use elt_base::schema::quote;
use elt_project::Index;

/// `using gin ("doc" jsonb_path_ops) where (kind = 'a')`: what follows `create index … on t`.
pub fn definition(table: &PostgresTable, index: &Index) -> String {
    let method = index.method.as_deref().unwrap_or("btree");
    let elements: Vec<String> = index.columns.iter().map(|written| element(table, written)).collect();
    let include = match index.include.is_empty() {
        true => String::new(),
        false => format!(" include ({})", names(&index.include)),
    };
    let condition = index.condition.as_ref().map(|condition| format!(" where ({condition})")).unwrap_or_default();
    format!("using {method} ({}){include}{condition}", elements.join(", "))
}

/// Whether an index has columns alone, and covers all rows.
pub fn is_plain(table: &PostgresTable, index: &Index) -> bool {
    index.condition.is_none() && index.columns.iter().all(|name| table.column(name).is_some())
}

/// A column, a column with words behind it, or an expression in parentheses, with words behind them.
fn element(table: &PostgresTable, written: &str) -> String {
    if table.column(written).is_some() {
        return quote(written);
    }
    let written = written.trim();
    let (first, rest) = written.split_once(char::is_whitespace).unwrap_or((written, ""));
    let named = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(first.trim_matches('"')));
    if let (Some(column), false) = (named, rest.trim_start().starts_with(is_operator)) {
        return format!("{} {}", quote(&column.name), rest.trim());
    }
    // Behind the last parenthesis only an order or an operator class can follow.
    let end = written.rfind(')').map_or(written.len(), |end| end + 1);
    let (expression, words) = written.split_at(end);
    match words.trim() {
        "" => format!("({expression})"),
        words => format!("({expression}) {words}"),
    }
}

fn is_operator(character: char) -> bool {
    !character.is_alphanumeric() && character != '_' && character != '"'
}

/// The words of an index' columns, for its name: `lower_name`.
pub fn words(columns: &[String]) -> String {
    let words = columns.iter().map(|written| {
        let parts = written.split(|character: char| !(character.is_alphanumeric() || character == '_'));
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
    });
    words.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[track_caller]
    fn check(index: Index, expected: &str) {
        let plain = contract::Table::plain("t", &[("id", "BIGINT"), ("Name", "VARCHAR"), ("doc", "JSON")], &["id"]);
        let table = PostgresTable::of(&plain, "public").expect("a table");
        assert_eq!(definition(&table, &index), expected);
    }

    #[test]
    fn writes_expressions_and_words() {
        let index = |columns: &[&str]| Index {
            columns: columns.iter().map(|name| name.to_string()).collect(),
            ..Index::default()
        };
        check(index(&["id", "name desc nulls last"]), "using btree (\"id\", \"Name\" desc nulls last)");
        check(index(&["lower(\"Name\")"]), "using btree ((lower(\"Name\")))");
        check(
            index(&["lower(\"Name\") text_pattern_ops desc"]),
            "using btree ((lower(\"Name\")) text_pattern_ops desc)",
        );
        check(index(&["(doc ->> 'a')"]), "using btree (((doc ->> 'a')))");
        check(
            Index { method: Some("gin".into()), ..index(&["doc jsonb_path_ops"]) },
            "using gin (\"doc\" jsonb_path_ops)",
        );
        check(
            Index { include: vec!["doc".into()], condition: Some("id > 5".into()), ..index(&["Name"]) },
            "using btree (\"Name\") include (\"doc\") where (id > 5)",
        );
        assert_eq!(words(&["lower(\"Name\")".into(), "id desc".into()]), "lower_Name_id_desc");
    }
}
