//! What an editor asks about a line: completion, colours, hints, whether it is finished. Pure functions over the language
//! and the catalog; all of it follows from the one command table and from what the parser would have accepted.

mod complete;
mod highlight;
mod hint;

pub use complete::{Candidate, Completion, World, complete};
pub use highlight::{Class, classes};
pub use hint::hint;

use crate::language::{Open, Scan, scan};
use crate::model::{Catalog, EntityId};

/// What the text's last command leaves open, if anything: a quote, a bracket, or a `\` at the end of the line.
#[must_use]
pub fn open_at_end(text: &str) -> Option<Open> {
    let ended = format!("{text}\n");
    let mut from = 0;
    while from < ended.len() {
        match scan(&ended, from) {
            Scan::Complete { next, .. } => from = next.max(from + 1),
            Scan::Incomplete { open } => return open,
        }
    }
    None
}

/// Where the command that the cursor is in begins.
fn command_start(text: &str, cursor: usize) -> usize {
    let mut from = 0;
    while let Scan::Complete { next, .. } = scan(text, from) {
        if next > cursor || next <= from {
            break;
        }
        from = next;
    }
    from
}

/// The entity at the end of a path of a model or variable and relationships.
fn entity_at(path: &[String], catalog: &Catalog, variable: &dyn Fn(&str) -> Option<EntityId>) -> Option<EntityId> {
    let (first, rest) = path.split_first()?;
    let mut at = match first.strip_prefix('$') {
        Some(name) => variable(name)?,
        None => catalog.resolve(first).ok()?,
    };
    for name in rest {
        at = catalog.relationship(at, name)?.to;
    }
    Some(at)
}

/// Whether a line only reads, so that proposing it can do no harm.
#[must_use]
pub fn only_reads(text: &str, catalog: &Catalog) -> bool {
    use crate::language::ast::Command;
    if text.contains([';', '\n']) {
        return false;
    }
    match crate::language::parse(text, catalog) {
        Ok(
            Command::Query(_) | Command::Attribute(..) | Command::Aggregate(_) | Command::Distinct(_) | Command::Status,
        ) => true,
        Ok(Command::Diff { .. }) => true,
        Ok(Command::Dot(name, ..)) => {
            matches!(
                name.text.as_ref(),
                "help" | "models" | "schema" | "tables" | "show" | "mode" | "timing" | "explain" | "history"
            )
        }
        _ => false,
    }
}

/// The offset of the bracket that belongs to the one at or before the cursor, outside of text.
#[must_use]
pub fn matching_bracket(text: &str, cursor: usize) -> Option<usize> {
    use crate::language::{Lexer, TokenKind};
    let brackets: Vec<(usize, bool)> = Lexer::new(text)
        .filter(|token| token.kind == TokenKind::Symbol)
        .filter_map(|token| match &text[token.span.start..token.span.end] {
            "(" => Some((token.span.start, true)),
            ")" => Some((token.span.start, false)),
            _ => None,
        })
        .collect();
    let at = brackets.iter().position(|(at, _)| *at == cursor || *at + 1 == cursor)?;
    let mut depth = 0;
    let mut pair = |(at, opens): &(usize, bool)| {
        depth += if *opens { 1 } else { -1 };
        (depth == 0).then_some(*at)
    };
    if brackets[at].1 {
        brackets[at..].iter().find_map(&mut pair)
    } else {
        brackets[..=at].iter().rev().find_map(&mut pair)
    }
}

#[cfg(test)]
mod tests;
