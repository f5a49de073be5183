//! Whether a text of SQL is one query or something else.
//!
//! Reads the text. Binds nothing.

use super::token::code_tokens;

/// Whether an analysis is one query. It may also be anything else, such as several statements, because it never runs.
pub(crate) fn is_query(sql: &str) -> bool {
    const BEGINNINGS: [&str; 4] = ["select", "with", "from", "values"];
    let begins = code_tokens(sql)
        .next()
        .is_some_and(|first| first.is_sign('(') || BEGINNINGS.iter().any(|word| first.is_word(word)));
    begins && !code_tokens(sql).any(|token| token.is_sign(';'))
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
        check("/* why */ select ';' as a", true);
    }
}
