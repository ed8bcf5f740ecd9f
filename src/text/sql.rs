//! SQL texts: their tokens with places, and where a statement ends. Nothing here knows what a statement means.

use sqlparser::dialect::{Dialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// One token: what it is, and where.
#[derive(Debug, Clone)]
pub struct SqlToken<'a> {
    /// Its text as written.
    pub text: &'a str,
    /// Offset of its first byte.
    pub start: usize,
    /// For a name or a keyword: its value without quotes.
    word: Option<String>,
    quoted: bool,
}

impl SqlToken<'_> {
    /// Whether it is this keyword (written without quotes, in any case).
    #[must_use]
    pub fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text.eq_ignore_ascii_case(keyword)
    }

    /// The name that it is, without quotes.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.word.as_deref()
    }

    /// Offset just past its last byte.
    #[must_use]
    pub const fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The tokens of a text, without whitespace and comments. What cannot be read as SQL (a quote that is never closed) gives
/// none.
#[must_use]
pub fn tokens(sql: &str, sqlite: bool) -> Option<Vec<SqlToken<'_>>> {
    let dialect: &dyn Dialect = if sqlite { &SQLiteDialect {} } else { &PostgreSqlDialect {} };
    let mut found: Vec<TokenWithSpan> = Vec::new();
    Tokenizer::new(dialect, sql).with_unescape(false).tokenize_with_location_into_buf(&mut found).ok()?;
    // Places are lines and columns in characters; offsets are needed. Tokens are in order, so one pass finds them all.
    let mut places = sql.char_indices();
    let (mut line, mut column, mut offset) = (1, 1, 0);
    let mut seek = |to_line: u64, to_column: u64| {
        while (line, column) < (to_line, to_column) {
            let Some((at, c)) = places.next() else { return sql.len() };
            offset = at + c.len_utf8();
            if c == '\n' {
                (line, column) = (line + 1, 1);
            } else {
                column += 1;
            }
        }
        offset
    };
    let mut tokens = Vec::with_capacity(found.len());
    for token in found {
        let (start, end) = (token.span.start, token.span.end);
        let start = seek(start.line, start.column);
        let end = seek(end.line, end.column);
        let (word, quoted) = match token.token {
            Token::Whitespace(_) | Token::EOF => continue,
            Token::Word(word) => (Some(unquoted(&word.value, word.quote_style)), word.quote_style.is_some()),
            // SQLite takes a text for a name where only a name can stand.
            Token::SingleQuotedString(text) if sqlite => (Some(text.replace("''", "'")), true),
            _ => (None, false),
        };
        tokens.push(SqlToken { text: sql.get(start..end)?, start, word, quoted });
    }
    Some(tokens)
}

fn unquoted(value: &str, quote: Option<char>) -> String {
    match quote {
        Some(quote @ ('"' | '`')) => value.replace(&format!("{quote}{quote}"), &quote.to_string()),
        _ => value.to_owned(),
    }
}

/// A statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text, without comments before it and without its semicolon.
    pub text: &'a str,
    /// One-based line on which it begins.
    pub line: usize,
}

/// A statement in one line, cut off after 160 characters, for a message.
#[must_use]
pub fn shortened(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(160) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}

/// A script's statements. A trigger, and a function with `BEGIN ATOMIC`, hold semicolons of their own and end with
/// `; END ;`, as `sqlite3_complete` has it (<https://www.sqlite.org/c3ref/complete.html>). A text that cannot be read is
/// one statement.
#[must_use]
pub fn statements(sql: &str, sqlite: bool) -> Vec<Statement<'_>> {
    let whole = || {
        let text = sql.trim();
        let line = 1 + sql[..sql.len() - sql.trim_start().len()].matches('\n').count();
        if text.is_empty() { Vec::new() } else { vec![Statement { text, line }] }
    };
    let Some(tokens) = tokens(sql, sqlite) else { return whole() };
    let mut found = Vec::new();
    let mut first = 0;
    let (mut line, mut counted) = (1, 0);
    let mut push = |from: usize, to: usize| {
        line += sql[counted..from].matches('\n').count();
        counted = from;
        found.push(Statement { text: &sql[from..to], line });
    };
    for (at, token) in tokens.iter().enumerate() {
        if token.text != ";" {
            continue;
        }
        let body = &tokens[first..at];
        if has_body(body) && !ends(body) {
            continue;
        }
        if let (Some(one), Some(last)) = (body.first(), body.last()) {
            push(one.start, last.end());
        }
        first = at + 1;
    }
    if let (Some(one), Some(last)) = (tokens[first.min(tokens.len())..].first(), tokens.last()) {
        push(one.start, last.end());
    }
    found
}

/// An expression as it may be put into a statement: without comments, which could swallow what follows, its brackets in
/// pairs, no semicolon. None for a text that is not so.
#[must_use]
pub fn expression(sql: &str, sqlite: bool) -> Option<String> {
    let tokens = tokens(sql, sqlite)?;
    let mut clean = String::with_capacity(sql.len());
    let (mut depth, mut last) = (0_usize, None);
    for token in &tokens {
        match token.text {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.checked_sub(1)?,
            ";" => return None,
            _ => {}
        }
        if let Some(end) = last {
            let gap = &sql[end..token.start];
            clean.push_str(if gap.trim().is_empty() { gap } else { " " });
        }
        clean.push_str(token.text);
        last = Some(token.end());
    }
    (depth == 0).then_some(clean)
}

/// Whether a text, in whichever dialect, ends with a semicolon that ends a statement, comments behind it aside.
#[must_use]
pub fn is_complete(sql: &str) -> bool {
    let Some(tokens) = read(sql) else { return false };
    let mut first = 0;
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.text == ";") {
        let body = &tokens[first..at];
        if !has_body(body) || ends(body) {
            first = at + 1;
        }
        if at + 1 == tokens.len() {
            return token.text == ";" && first == tokens.len();
        }
    }
    false
}

/// Whether every quote and comment of a text, in whichever dialect, is closed.
#[must_use]
pub fn is_closed(sql: &str) -> bool {
    read(sql).is_some()
}

/// The tokens of a text whose dialect is not known: PostgreSQL's has all of SQLite's quotes but backticks, and quotes by `$`
/// that SQLite does not have.
fn read(sql: &str) -> Option<Vec<SqlToken<'_>>> {
    tokens(sql, false).or_else(|| if sql.contains('$') { None } else { tokens(sql, true) })
}

/// Whether a statement has statements in it.
fn has_body(tokens: &[SqlToken<'_>]) -> bool {
    let trigger = tokens.first().is_some_and(|token| token.is("CREATE"))
        && tokens.iter().skip(1).take(2).any(|token| token.is("TRIGGER"))
        && tokens.iter().any(|token| token.is("BEGIN"));
    trigger || tokens.windows(2).any(|pair| pair[0].is("BEGIN") && pair[1].is("ATOMIC"))
}

fn ends(tokens: &[SqlToken<'_>]) -> bool {
    matches!(tokens, [.., before, end] if before.text == ";" && end.is("END"))
}

/// A name in double quotes, as every SQL reads it.
#[must_use]
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal.
#[must_use]
pub fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{Statement, expression, is_complete, statements, tokens};

    #[test]
    fn statements_end_where_they_end() {
        let sql = "-- first; comment\nCREATE TABLE a (x TEXT DEFAULT ';');\n\n/* ; */ INSERT INTO a VALUES ('it''s; ö');\n\
            CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM a; END;\nSELECT 1";
        let found = statements(sql, true);
        let lines: Vec<usize> = found.iter().map(|statement| statement.line).collect();
        assert_eq!(lines, [2, 4, 5, 6]);
        assert_eq!(found[1].text, "INSERT INTO a VALUES ('it''s; ö')");
        assert!(found[2].text.ends_with("DELETE FROM a; END"));
        assert_eq!(found[3], Statement { text: "SELECT 1", line: 6 });
        let function = "CREATE FUNCTION f() RETURNS int AS $x$ SELECT 1; $x$ LANGUAGE sql; SELECT 2;";
        assert_eq!(statements(function, false).len(), 2);
        let atomic = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3;";
        assert_eq!(statements(atomic, false).len(), 2);
        assert_eq!(statements("  \n'never closed", true), [Statement { text: "'never closed", line: 2 }]);
        assert_eq!(statements(" -- nothing\n", true), []);
    }

    #[test]
    fn a_statement_is_complete_at_its_semicolon() {
        for whole in [
            "select 1;",
            "select 1; -- done",
            "select ';' ; select 2 ;",
            "create trigger t after insert on a begin select 1; end;",
            "create trigger t after insert on a execute function f();",
            "create function f() returns int as $$ begin return 1; end; $$ language plpgsql;",
            "select `a;b`;",
        ] {
            assert!(is_complete(whole), "{whole}");
        }
        for open in [
            "",
            "select 1",
            "select 1; select 2",
            "select ';",
            "select 1 -- ;",
            "/* ;",
            "create trigger t after insert on a begin select 1;",
            "create function f() returns int as $$ begin return 1;",
            "do $plant$ declare a text := 'x';",
        ] {
            assert!(!is_complete(open), "{open}");
        }
    }

    #[test]
    fn an_expression_stays_within_itself() {
        let clean = |sql: &str| expression(sql, true);
        assert_eq!(clean("length(a)  > 3").as_deref(), Some("length(a)  > 3"));
        assert_eq!(clean("1 -- one").as_deref(), Some("1"));
        assert_eq!(clean("/* x */ a --b\n + ';)' /* never closed */").as_deref(), Some("a + ';)'"));
        for loose in ["1); delete from a", "1; 2", "(1", "1))", "'never closed"] {
            assert_eq!(clean(loose), None, "{loose}");
        }
    }

    #[test]
    fn names_lose_their_quotes() {
        let sql = "\"a\"\"b\" [c d] `e` 'f' g";
        let names: Vec<String> = tokens(sql, true).unwrap().iter().map(|t| t.name().unwrap().to_owned()).collect();
        assert_eq!(names, ["a\"b", "c d", "e", "f", "g"]);
    }
}
