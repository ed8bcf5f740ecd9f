//! The shell's own queries, so that nothing in the database can take the place of what they name: a function, an operator or
//! a type that somebody made, and that fits better, would run with the rights of whoever looks
//! (CVE-2018-1058, <https://wiki.postgresql.org/wiki/A_Guide_to_CVE-2018-1058>). Functions and types are written with
//! `pg_catalog.`; operators get it here, since nobody could read them otherwise. The path by which a person's own SQL finds
//! its tables stays as it is.

use crate::text::sql::tokens;

/// Operators that our queries use.
const OPERATORS: [&str; 10] = ["=", "<>", "<", "<=", ">", ">=", "!~", "~", "||", "+"];

/// A query of ours with each operator named as PostgreSQL's own.
pub fn own(sql: &str) -> String {
    let mut qualified = String::with_capacity(sql.len() + 400);
    let mut from = 0;
    for token in tokens(sql, false).unwrap_or_default() {
        if OPERATORS.contains(&token.text) {
            qualified.push_str(&sql[from..token.start]);
            qualified.push_str(&operator(token.text));
            from = token.end();
        }
    }
    qualified.push_str(&sql[from..]);
    qualified
}

/// An operator by its whole name.
pub fn operator(symbol: &str) -> String {
    format!("OPERATOR(pg_catalog.{symbol})")
}

#[cfg(test)]
mod tests {
    use super::super::{cancel, connect, definition, distribution, identity, numbering, quirks, reflect};
    use super::{OPERATORS, own};
    use crate::text::sql::{SqlToken, tokens};

    /// What stands before a bracket and is no function.
    const SYNTAX: [&str; 18] = [
        "EXISTS", "ARRAY", "AND", "OR", "NOT", "ANY", "ALL", "WHERE", "ON", "AS", "BY", "FROM", "COALESCE", "K",
        "OVER", "THEN", "ELSE", "JOIN",
    ];

    /// What calls an operator without naming it.
    const HIDDEN: [&str; 8] = ["IN", "NULLIF", "BETWEEN", "LIKE", "ILIKE", "SIMILAR", "USING", "NATURAL"];

    fn in_catalog(words: &[SqlToken<'_>], at: usize) -> bool {
        at >= 2 && words[at - 1].text == "." && words[at - 2].is("pg_catalog")
    }

    #[test]
    fn nothing_is_found_by_the_path() {
        let all = reflect::QUERIES.iter().chain(&definition::QUERIES);
        let all = all.chain([&quirks::QUIRKS, &numbering::SEQUENCE, &numbering::MOVE, &numbering::STATE]);
        let all = all.chain([
            &connect::QUESTION,
            &identity::NAME,
            &cancel::STOP,
            &distribution::THERE,
            &distribution::SPREAD,
        ]);
        for sql in all.copied() {
            let words = tokens(sql, false).unwrap();
            for (at, word) in words.iter().enumerate() {
                let next = |step: usize| words.get(at + step);
                let here = &sql[word.start..sql.len().min(word.start + 60)];
                let called = next(1).is_some_and(|next| next.text == "(") && word.name().is_some();
                let syntax = SYNTAX.iter().any(|known| word.is(known)) || word.is("own");
                assert!(!called || syntax || in_catalog(&words, at), "a function by the path: {here}");
                assert!(!HIDDEN.iter().any(|hidden| word.is(hidden)), "an operator by the path: {here}");
                assert!(!word.is("CASE") || next(1).is_some_and(|next| next.is("WHEN")), "{here}");
                assert!(!word.is("DISTINCT") || next(1).is_some_and(|next| !next.is("FROM")), "{here}");
                assert!(
                    word.text != "::" || next(1).is_some_and(|next| next.is("pg_catalog")),
                    "a type by the path: {here}"
                );
                if word.is("FROM") || word.is("JOIN") {
                    // A query that the statement names itself comes before any table.
                    let named = |name: &SqlToken<'_>| {
                        words
                            .windows(2)
                            .any(|pair| (pair[0].is("RECURSIVE") || pair[0].text == ",") && pair[1].text == name.text)
                    };
                    let known = next(1).is_some_and(|next| next.text == "(" || next.is("pg_catalog") || named(next));
                    assert!(known, "a table by the path: {here}");
                }
            }
            let qualified = own(sql);
            let words = tokens(&qualified, false).unwrap();
            for (at, word) in words.iter().enumerate().filter(|(_, word)| OPERATORS.contains(&word.text)) {
                assert!(in_catalog(&words, at), "{}", &qualified[word.start..]);
            }
        }
    }

    #[test]
    fn operators_are_named_in_whole() {
        assert_eq!(own("a = 'x = y' AND b <> 1"), "a OPERATOR(pg_catalog.=) 'x = y' AND b OPERATOR(pg_catalog.<>) 1");
    }
}
