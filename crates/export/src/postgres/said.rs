//! What Postgres says about an error: its message, detail, hint and place, with values masked.
//!
//! <https://www.postgresql.org/docs/current/protocol-error-fields.html>. Knows no statement and no table.

use elt_base::values;
use elt_connect::postgres::with_sources;
use postgres::error::DbError;

/// The text of an error, on one line. Values of rows are masked, unless the user asked for them.
pub fn describe(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => said(error),
        None => with_sources(error),
    }
}

fn said(error: &DbError) -> String {
    let code = error.code().code();
    let mut text = message(code, error.message());
    let context = error.where_().unwrap_or_default();
    // COPY names the column in its context, before the value.
    let copying = context.lines().find_map(|line| line.strip_prefix("COPY "));
    if let Some((_, rest)) = copying.and_then(|line| line.split_once(", column ")) {
        let column = rest.split(':').next().unwrap_or(rest);
        text = format!("{text} (column `{column}`)");
    }
    text = format!("{text} [{code}]");
    if let Some(detail) = error.detail() {
        text = format!("{text}; {}", one_line(&values::detail(detail)));
    }
    if let Some(hint) = error.hint() {
        text = format!("{text}; hint: {}", one_line(&values::sentence(hint)));
    }
    if let Some(place) = context.lines().find(|line| line.starts_with("PL/pgSQL function ")) {
        text = format!("{text}; in {}", place.trim_end());
    }
    text
}

/// Class 22 (data exception) quotes the value after a colon; P0001 is the text of a trigger's author.
fn message(code: &str, message: &str) -> String {
    if values::are_shown() {
        return message.to_owned();
    }
    if code == "P0001" {
        return one_line(&values::sentence(message));
    }
    let cut = if code.starts_with("22") { message.find(": \"") } else { None };
    cut.and_then(|cut| message.get(..cut)).unwrap_or(message).to_owned()
}

fn one_line(text: &str) -> String {
    text.trim().trim_end_matches('.').replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::message;

    #[track_caller]
    fn check(code: &str, text: &str, expected: &str) {
        assert_eq!(message(code, text), expected);
    }

    #[test]
    fn drops_values() {
        check("22P02", "invalid input value for enum mood: \"hush\"", "invalid input value for enum mood");
        check(
            "23505",
            "duplicate key value violates unique constraint \"t_pkey\"",
            "duplicate key value violates unique constraint \"t_pkey\"",
        );
        check("P0001", "no row 7 of 'hush' please", "no row … of '…' please");
    }
}
