//! COPY between the server and its client, which Diesel does not take part in.

use crate::text::sql::{SqlToken, tokens};
use crate::{Error, ErrorKind, Result};

/// Refuses a COPY between the server and its client: Diesel would wait for ever for its end.
///
/// # Errors
/// `Refused`
pub fn refuse(sql: &str) -> Result<()> {
    let text = sql.to_ascii_lowercase();
    if !text.contains("stdin") && !text.contains("stdout") {
        return Ok(());
    }
    let words = tokens(sql, false).unwrap_or_default();
    let by_client = |pair: &[SqlToken<'_>]| {
        (pair[0].is("FROM") && pair[1].is("STDIN")) || (pair[0].is("TO") && pair[1].is("STDOUT"))
    };
    if !words.first().is_some_and(|word| word.is("COPY")) || !words.windows(2).any(by_client) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "a COPY from STDIN or to STDOUT is not for `.sql`")
        .hint("`.import FILE MODEL` reads rows from a file, `.export FILE QUERY` writes them to one"))
}

#[cfg(test)]
mod tests {
    use super::refuse;

    #[test]
    fn only_what_goes_to_the_client_is_refused() {
        for sql in [
            "copy users to stdout",
            "-- all\nCOPY (select 1) TO STDOUT WITH (format csv)",
            "copy users (id) from stdin",
            "copy users/**/from/**/stdin binary;",
        ] {
            assert!(refuse(sql).is_err(), "{sql}");
        }
        for sql in [
            "copy users to '/tmp/stdout'",
            "copy stdin to '/tmp/f'",
            "select 'copy users to stdout'",
            "select stdin from stdout",
            "copy \"to\" from '/tmp/stdin'",
        ] {
            assert!(refuse(sql).is_ok(), "{sql}");
        }
    }
}
