//! SQL that is ready to run, and the place where each part of it was written.
//!
//! Knows no template and no node.

use super::keys::KeyUse;
use super::source_map::SourceMap;
use super::token::code_tokens;
use crate::graph::{NodeId, TestConfig};
use crate::messages;
use elt_base::error::{Place, Result};

/// SQL without a trailing semicolon, and the place where each part of it was written.
#[derive(Debug, Clone)]
pub struct Compiled {
    pub sql: String,
    pub map: SourceMap,
    /// Statements that run before the statement that builds the relation: `set_sql_header`, or the configuration
    /// `sql_header`.
    pub header: Option<String>,
    /// Surrogate keys that it looks up.
    pub keys: Vec<KeyUse>,
}

impl Compiled {
    /// A text that does not come from a template.
    pub fn plain(sql: impl Into<String>, place: Place) -> Self {
        Self { sql: sql.into(), map: SourceMap::whole(place), header: None, keys: Vec::new() }
    }
}

impl Compiled {
    /// The query around a data test: one row `failures`, `should_warn`, `should_error`.
    pub fn failures(&self, config: &TestConfig) -> Self {
        let limit = limit(config);
        self.within(&config.counting("(\n"), &format!("{limit}\n) as dbt_internal_test"))
    }

    /// For `store_failures`: a data test's failing rows, up to the configured limit.
    pub fn failing_rows(&self, config: &TestConfig) -> Self {
        self.within("select * from (\n", &format!("\n) as dbt_internal_test{}", limit(config)))
    }

    /// This SQL with text around it. Places are kept.
    pub fn within(&self, head: &str, tail: &str) -> Self {
        let mut map = SourceMap::whole(self.map.whole_place());
        map.append(head.len(), &self.map);
        Self { sql: format!("{head}{}{tail}", self.sql), map, header: self.header.clone(), keys: self.keys.clone() }
    }

    /// The place of an offset in the SQL, or of all of the SQL.
    pub fn place(&self, offset: Option<usize>) -> Place {
        match offset {
            Some(offset) => self.map.place(offset),
            None => self.map.whole_place(),
        }
    }

    /// The same place, followed by the calls of the macros that wrote the SQL, for `Error::at_all`.
    pub fn places(&self, offset: Option<usize>) -> Vec<Place> {
        match offset {
            Some(offset) => self.map.places(offset),
            None => vec![self.map.whole_place()],
        }
    }

    /// Puts common table expressions before the query's own, or before the query.
    pub(crate) fn add_expressions(&mut self, expressions: &[(NodeId, String, Self)]) {
        let mut added =
            Self { sql: String::new(), map: SourceMap::whole(self.map.whole_place()), header: None, keys: Vec::new() };
        for (_, name, compiled) in expressions {
            self.keys.extend(compiled.keys.iter().filter(|key| !self.keys.contains(key)).cloned().collect::<Vec<_>>());
            if !added.sql.is_empty() {
                added.sql.push_str(", ");
            }
            added.sql.push_str(&format!("{name} as (\n"));
            let at = added.sql.len();
            added.map.append(at, &compiled.map);
            added.sql.push_str(&compiled.sql);
            added.sql.push_str("\n)");
        }
        let mut code = code_tokens(&self.sql);
        let (first, second) = (code.next(), code.next());
        drop(code);
        let (at, before, after) = match first {
            Some(with) if with.is_word("with") => {
                (second.filter(|next| next.is_word("recursive")).unwrap_or(with).end(), " ", ",")
            }
            first => (first.map_or(self.sql.len(), |first| first.start), "with ", "\n"),
        };
        let added = added.within(before, after);
        self.map.insert(at, added.sql.len(), &added.map);
        self.sql.insert_str(at, &added.sql);
    }
}

impl TestConfig {
    /// For `store_failures`: the row of `Compiled::failures`, computed from the table of the failing rows.
    pub fn count_failures(&self, table: &str) -> String {
        self.counting(table)
    }

    fn counting(&self, from: &str) -> String {
        let (calc, warn, error) = (&self.fail_calc, &self.warn_if, &self.error_if);
        format!(
            "select\n  {calc} as failures,\n  {calc} {warn} as should_warn,\n  {calc} {error} as should_error\nfrom {from}"
        )
    }
}

fn limit(config: &TestConfig) -> String {
    config.limit.map(|limit| format!("\nlimit {limit}")).unwrap_or_default()
}

/// The length of a query without its trailing semicolon and everything after it.
fn query_len(sql: &str) -> usize {
    let mut semicolon = None;
    for token in code_tokens(sql) {
        semicolon = if token.is_sign(';') { semicolon.or(Some(token.start)) } else { None };
    }
    sql[..semicolon.unwrap_or(sql.len())].trim_end().len()
}

/// Whether a text contains no SQL: only blanks, comments and semicolons.
pub(crate) fn is_blank(sql: &str) -> bool {
    code_tokens(sql).all(|token| token.is_sign(';'))
}

/// A query without its trailing semicolon. A query without any SQL is an error.
pub(crate) fn trimmed(owner: &str, mut sql: String, map: SourceMap) -> Result<Compiled> {
    if is_blank(&sql) {
        return Err(messages::empty_sql(owner, map.whole_place()));
    }
    sql.truncate(query_len(&sql));
    Ok(Compiled { sql, map, header: None, keys: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::query_len;

    #[test]
    fn queries_end_before_their_semicolon() {
        fn check(sql: &str, expected: &str) {
            assert_eq!(&sql[..query_len(sql)], expected);
        }
        check("select 1 ;\n", "select 1");
        check("select ';' as a; -- b; c\n/* d */", "select ';' as a");
        check("select 1 -- no; end", "select 1 -- no; end");
        check("select 1 -- own", "select 1 -- own");
        check("select \"a;\"", "select \"a;\"");
        check("select 'ü;", "select 'ü;");
    }
}
