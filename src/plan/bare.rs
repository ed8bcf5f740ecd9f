//! Bare words where a value may stand: text, unless they look like a field, a path, a call or an expression.

use crate::language::ast::{Name, Path};
use crate::language::quote::quote_value;
use crate::model::{Catalog, EntityId, Value};
use crate::text::Span;
use crate::{Error, Result};
use std::borrow::Cow;

/// What a bare word looks like.
#[derive(Debug, Clone, PartialEq)]
pub enum Bare<'a> {
    /// Nothing but text.
    Text,
    /// A field or relationship of the model, or a path from there.
    Path(Path<'a>),
    /// A path that begins with the name of a model.
    Qualified(EntityId, Path<'a>),
    /// `upper(name)`
    Call,
    /// `price*2`
    Expression,
}

/// What a word looks like where fields are those of a model.
#[must_use]
pub fn read<'a>(word: &'a str, span: Span, entity: EntityId, catalog: &Catalog) -> Bare<'a> {
    let has = |model: EntityId, name: &str| {
        catalog.get(model).column(name).is_some() || catalog.relationship(model, name).is_some()
    };
    // Most words are names of nothing.
    if is_name(word) && !has(entity, word) {
        return Bare::Text;
    }
    if let Some(path) = path(word, span) {
        return match path.names.as_slice() {
            [first, ..] if has(entity, &first.text) => Bare::Path(path),
            [first, second, ..] if catalog.is_model(&first.text) => match catalog.resolve(&first.text) {
                Ok(model) if has(model, &second.text) => Bare::Qualified(model, path),
                _ => Bare::Text,
            },
            _ => Bare::Text,
        };
    }
    let named = |operand: &str| {
        is_call(operand) || path(operand, span).is_some() && read(operand, span, entity, catalog) != Bare::Text
    };
    match operands(word).as_deref() {
        Some([only]) if is_call(only) => Bare::Call,
        Some(several @ [_, _, ..]) => {
            let plain = |operand: &str| operand.starts_with(['\'', '"', '$']) || operand.parse::<f64>().is_ok();
            let all = several.iter().all(|operand| plain(operand) || named(operand));
            if all && several.iter().any(|operand| named(operand)) { Bare::Expression } else { Bare::Text }
        }
        _ => Bare::Text,
    }
}

/// A word as names with dots between.
fn path(word: &str, span: Span) -> Option<Path<'_>> {
    let mut names = Vec::new();
    let mut start = span.start;
    for piece in word.split('.') {
        let name = piece.strip_prefix('`').and_then(|name| name.strip_suffix('`')).unwrap_or(piece);
        if !is_name(name) {
            return None;
        }
        names.push(Name { text: Cow::Borrowed(name), span: Span::new(start, start + piece.len()) });
        start += piece.len() + 1;
    }
    Some(Path { names })
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80)
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn is_call(text: &str) -> bool {
    text.split_once('(').is_some_and(|(name, _)| is_name(name))
}

/// The pieces between operators; none where something is missing beside one.
fn operands(word: &str) -> Option<Vec<&str>> {
    let bytes = word.as_bytes();
    let mut found = Vec::new();
    let (mut start, mut at, mut depth) = (0, 0, 0_usize);
    let mut quote = None;
    while at < bytes.len() {
        let byte = bytes[at];
        let long = bytes[at..].starts_with(b"||");
        match quote {
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if matches!(byte, b'\'' | b'"') => quote = Some(byte),
            None if byte == b'(' => depth += 1,
            None if byte == b')' => depth = depth.saturating_sub(1),
            // A sign belongs to what follows.
            None if depth == 0 && at > start && (long || matches!(byte, b'+' | b'-' | b'*' | b'/' | b'%')) => {
                found.push(&word[start..at]);
                at += usize::from(long);
                start = at + 1;
            }
            None => {}
        }
        at += 1;
    }
    found.push(&word[start..]);
    let found: Vec<&str> = found.into_iter().map(|operand| operand.trim_start_matches(['+', '-'])).collect();
    (!found.iter().any(|operand| operand.is_empty())).then_some(found)
}

/// How a word is written that is meant as text.
pub fn as_text(word: &str) -> String {
    format!("for the text write {}", quote_value(&Value::Text(word.to_owned())))
}

/// Refuses what looks like something that a condition does not have.
///
/// # Errors
/// Always, but for text and paths.
pub fn in_condition(bare: &Bare<'_>, word: &str, span: Span, entity: EntityId, catalog: &Catalog) -> Result<()> {
    let model = catalog.get(entity);
    let error = match bare {
        Bare::Text | Bare::Path(_) => return Ok(()),
        Bare::Qualified(own, path) if *own == entity => {
            let rest: Vec<&str> = path.names.iter().skip(1).map(|name| name.text.as_ref()).collect();
            Error::invalid(format!(
                "`{word}` looks like a field, and fields of {} need no name before them",
                model.name
            ))
            .hint(format!("for the field write {}", rest.join(".")))
        }
        Bare::Qualified(other, _) => {
            let (one, other) = (&model.name, &catalog.get(*other).name);
            let ways: Vec<&str> = model.relationships.iter().map(|way| way.name.as_str()).collect();
            let ways = if ways.is_empty() { "none".to_owned() } else { ways.join(", ") };
            Error::invalid(format!("`{word}` looks like a field of {other}, and a path begins at {one}"))
                .hint(format!("relationships of {one}: {ways}"))
        }
        Bare::Call => Error::invalid(format!("`{word}` looks like a call, and a condition compares fields and values"))
            .hint("for what it gives use `.sql select ...`"),
        Bare::Expression => {
            Error::invalid(format!("`{word}` looks like an expression, and a condition compares fields and values"))
                .hint("for what it gives use `.sql select ...`")
        }
    };
    Err(error.at(span).hint(as_text(word)))
}

/// Refuses what looks like something else than a value to be written into a field.
///
/// # Errors
/// Always, but for text.
pub fn in_assignment(
    bare: &Bare<'_>,
    (word, span): (&str, Span),
    field: &str,
    is_text: bool,
    adding: bool,
    entity: EntityId,
    catalog: &Catalog,
) -> Result<()> {
    let model = catalog.get(entity);
    let many = if adding { "" } else { "; in each of many: `.sql update ...`" };
    let (what, way) = match bare {
        Bare::Text => return Ok(()),
        Bare::Path(path) | Bare::Qualified(_, path) => {
            let mut names: Vec<&str> = path.names.iter().map(|name| name.text.as_ref()).collect();
            let of = match bare {
                Bare::Qualified(other, _) => {
                    names.remove(0);
                    &catalog.get(*other).name
                }
                _ => &model.name,
            };
            let last = names.pop().unwrap_or_default();
            let lead: String = names.iter().map(|name| format!(" {name}")).collect();
            let what = if lead.is_empty() { format!("a field of {of}") } else { format!("a path from {of}") };
            (what, format!("for its value in one record: `let x = {of} KEY{lead}`, then `{field}=$x.{last}`{many}"))
        }
        Bare::Call => ("a call".to_owned(), "for what it gives use `.sql update ...`".to_owned()),
        Bare::Expression => ("an expression".to_owned(), "for what it gives use `.sql update ...`".to_owned()),
    };
    let error = Error::invalid(format!("`{word}` looks like {what}, and {field} takes a value")).at(span);
    let text = quote_value(&Value::Text(word.to_owned()));
    let error = if is_text { error.hint(format!("for the text write {field}={text}")) } else { error };
    Err(error.hint(way))
}

#[cfg(test)]
mod tests {
    use super::{Bare, read};
    use crate::text::Span;

    #[test]
    fn only_what_names_something_is_no_text() {
        let catalog = crate::microblog::models().into_catalog().unwrap();
        let post = catalog.resolve("post").unwrap();
        let looks = |word| match read(word, Span::new(0, 0), post, &catalog) {
            Bare::Text => "text",
            Bare::Path(_) => "path",
            Bare::Qualified(..) => "qualified",
            Bare::Call => "call",
            Bare::Expression => "expression",
        };
        for (expected, words) in [
            (
                "text",
                &[
                    "john",
                    "john@example.com",
                    "a.b",
                    "thing.nothing",
                    "v1.2",
                    "well-known",
                    "c++",
                    "a/b",
                    "body-language",
                    "2026-11-21",
                    "o'brien",
                    "(body)",
                    "body.",
                    ".body",
                    "100%",
                    "http://body",
                    "-body",
                    "body-",
                    "x*2",
                ][..],
            ),
            (
                "path",
                &["body", "BODY", "user_id", "author", "author.username", "`body`", "author.nothing", "user", "body.x"],
            ),
            ("qualified", &["users.email", "post.body"]),
            ("call", &["upper(body)", "now()", "upper(body", "a(b+c)"]),
            (
                "expression",
                &["body||'x'", "id*2", "'x'||body", "id+user_id", "id*-1", "upper(body)||x(1)", "author.id/2"],
            ),
        ] {
            for word in words {
                assert_eq!(looks(word), expected, "{word}");
            }
        }
    }
}
