//! Whether a query's result also depends on something other than its `ref` and `source` inputs: the time, chance,
//! files.
//!
//! Reads only the tokens of the text, because every kind of statement has tokens. A name that only looks like such a
//! function makes a model count as volatile. This costs a build, but never causes a wrong row.

use std::sync::LazyLock;

use regex::Regex;

use super::token::{SqlTokenKind, tokens};

/// Names of functions, which a call follows.
const FUNCTIONS: &str = "now|today|random|setseed|uuid|uuidv4|uuidv7|gen_random_uuid|age|nextval|currval|txid_current|\
    get_current_timestamp|get_current_time|transaction_timestamp|current_localtime|current_localtimestamp|getenv|getvariable|\
    read_\\w+|parquet_scan|glob|sniff_csv|query|query_table|\\w+_scan|\\w+_query|duckdb_\\w+|pragma_\\w+|current_setting";

/// Keywords of SQL.
const WORDS: &str = "current_date|current_time|current_timestamp|localtime|localtimestamp|tablesample|using\\s+sample|\
    information_schema|pg_catalog";

/// Whether the query may return other rows the next time, although its inputs are the same.
pub fn is_volatile(sql: &str) -> bool {
    static VOLATILE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(&format!(r"(?i)\b(?:(?:{FUNCTIONS})\s*\(|(?:{WORDS})\b|(?:from|join)\s+'|attach\s)")).ok()
    });
    VOLATILE.as_ref().is_none_or(|volatile| volatile.is_match(&code(sql)))
}

/// The query without comments, and without the content of texts.
fn code(sql: &str) -> String {
    let kept = tokens(sql).map(|token| match token.kind {
        SqlTokenKind::Comment => " ",
        SqlTokenKind::Text => "''",
        _ => token.text,
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::is_volatile;

    #[track_caller]
    fn check(sql: &str, expected: bool) {
        assert_eq!(is_volatile(sql), expected, "{sql}");
    }

    #[test]
    fn sees_time_chance_and_files() {
        check("select now()", true);
        check("select Current_Date as d", true);
        check("select random () < 0.5", true);
        check("select * from read_csv('x.csv')", true);
        check("select * from 'x.parquet'", true);
        check("select * from t using sample 10%", true);
        check("select gen_random_uuid()", true);
        check("select age(born_at) from t", true);
    }

    #[test]
    fn sees_code_only() {
        check("select 1 -- now()\n, /* random() */ 'it''s now()' as x", false);
        check("select today, uuid, random from t join u on true", false);
        check("select page(x), max(age) from t", false);
        check("select $$now()$$, e'\\'now()', 1 /* a /* b */ now() */", false);
        check("select \"it's\", now()", true);
    }
}
