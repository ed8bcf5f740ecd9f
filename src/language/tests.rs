//! The language by tables of cases: tokens, where commands end, trees, errors, what may come next, quoting.

use super::ast::Command;
use super::quote::{quote_name, quote_value, quote_word};
use super::{Lexer, Scan, TokenKind, parse_line, scan, trace};
use crate::cases;
use crate::model::{Catalog, Value};

fn catalog() -> Catalog {
    crate::microblog::models().into_catalog().unwrap()
}

#[test]
fn tokens() {
    let count = cases::hold("language/cases/tokens.txt", &mut |text| {
        let token = |token: super::Token| {
            (token.kind != TokenKind::Space)
                .then(|| format!("{:?} {}", token.kind, &text[token.span.start..token.span.end]))
        };
        vec![Lexer::new(text).filter_map(token).collect::<Vec<_>>().join(" | ")]
    });
    assert!(count >= 40, "{count}");
}

#[test]
fn ends_of_commands() {
    let count = cases::hold("language/cases/ends.txt", &mut |text| {
        let mut found = Vec::new();
        let mut from = 0;
        loop {
            match scan(text, from) {
                Scan::Complete { end, next } => {
                    found.push(format!("[{}]", &text[from..end]));
                    from = next;
                }
                Scan::Incomplete { open } => {
                    if from < text.len() {
                        let open = open.map_or_else(String::new, |open| format!(" open: {open:?}"));
                        found.push(format!("[{}]...{open}", &text[from..]));
                    }
                    return found;
                }
            }
        }
    });
    assert!(count >= 30, "{count}");
}

/// A tree without places and without what was not said.
fn tree(command: &Command<'_>) -> String {
    let mut text = format!("{command:?}");
    while let Some(start) = text.find("span: Span { ").or_else(|| text.find("Span { start")) {
        let end = start + text[start..].find('}').unwrap() + 1;
        let start = if text[..start].ends_with(", ") { start - 2 } else { start };
        text.replace_range(start..end, "");
    }
    for absent in [
        "filter: None",
        "show: []",
        "format: None",
        "with: []",
        "order: []",
        "limit: None",
        "offset: None",
        "by: []",
        "function_span: ",
        "function_",
    ] {
        text = text.replace(&format!(", {absent}"), "").replace(&format!("{absent}, "), "");
    }
    // A name alone is its text.
    while let Some(start) = text.find("Name { text: ") {
        let end = start + text[start..].find(" }").unwrap();
        let name = text[start + "Name { text: ".len()..end].to_owned();
        text.replace_range(start..end + 2, &name);
    }
    text
}

#[test]
fn trees() {
    let catalog = catalog();
    let count = cases::hold("language/cases/trees.txt", &mut |text| match parse_line(text, &catalog) {
        Ok(line) => {
            vec![tree(&line.command) + &line.program.map_or_else(String::new, |program| format!(" | {}", program.text))]
        }
        Err(error) => cases::refused(text, &error),
    });
    assert!(count >= 100, "{count}");
}

#[test]
fn errors() {
    let catalog = catalog();
    let count = cases::hold("language/cases/errors.txt", &mut |text| match parse_line(text, &catalog) {
        Ok(line) => vec![format!("taken: {}", tree(&line.command))],
        Err(error) => cases::refused(text, &error),
    });
    assert!(count >= 60, "{count}");
}

#[test]
fn what_may_come_next() {
    let catalog = catalog();
    let count = cases::hold("language/cases/next.txt", &mut |text| {
        let trace = trace(&text.replace('~', " "), &catalog);
        let mut all: Vec<String> = trace.expected.iter().map(ToString::to_string).collect();
        all.dedup();
        let mut line = all.join(" ");
        for (what, names) in [("of", &trace.scope), ("for", &trace.subject), ("has", &trace.assigned)] {
            if !names.is_empty() {
                line.push_str(&format!("  {what} {}", names.join(".")));
            }
        }
        vec![line]
    });
    assert!(count >= 40, "{count}");
}

#[test]
fn quoting() {
    let count = cases::hold("language/cases/quoting.txt", &mut |text| {
        let text = text.strip_prefix('=').unwrap_or(text);
        let value = Value::Text(text.to_owned());
        vec![format!("name {}  word {}  value {}", quote_name(text), quote_word(text), quote_value(&value))]
    });
    assert!(count >= 30, "{count}");
}
