//! Colours while typing.

use super::entity_at;
use crate::language::{Lexer, Role, Scan, Token, TokenKind, scan, table, trace};
use crate::model::{Catalog, EntityId};
use crate::text::Span;

/// What a piece of the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// A word of the language.
    Keyword,
    /// A model.
    Model,
    /// A field or relationship.
    Field,
    /// Text in quotes, or bytes.
    Text,
    /// A number.
    Number,
    /// A variable.
    Variable,
    /// A comment.
    Comment,
    /// A name that is not known, or a quote that is not closed.
    Wrong,
}

/// The classes of a text's pieces, in order and without overlap; what has none is plain.
#[must_use]
pub fn classes(text: &str, catalog: &Catalog, variable: &dyn Fn(&str) -> Option<EntityId>) -> Vec<(Span, Class)> {
    let mut found = Vec::new();
    let mut from = 0;
    while from < text.len() {
        let (end, next) = match scan(text, from) {
            Scan::Complete { end, next } => (end, next.max(from + 1)),
            Scan::Incomplete { .. } => (text.len(), text.len()),
        };
        one(&text[from..end], from, catalog, variable, &mut found);
        from = next;
    }
    found
}

fn one(
    command: &str,
    offset: usize,
    catalog: &Catalog,
    variable: &dyn Fn(&str) -> Option<EntityId>,
    found: &mut Vec<(Span, Class)>,
) {
    let moved = |span: Span| Span::new(span.start + offset, span.end + offset);
    let trimmed = command.trim_start();
    if trimmed.starts_with('.') {
        let start = command.len() - trimmed.len();
        let end = trimmed.find(char::is_whitespace).map_or(command.len(), |length| start + length);
        let name = &command[start..end];
        let own = catalog.extra_command(name).is_some();
        let known = own || table::find(name).is_some() || name.eq_ignore_ascii_case(".exit");
        let typing = end == command.len() && begins_command(name, catalog);
        found.push((moved(Span::new(start, end)), if known || typing { Class::Keyword } else { Class::Wrong }));
        return;
    }
    let trace = trace(command, catalog);
    let roles = trace.roles;
    let role_at = |span: Span| roles.iter().find(|(known, _)| *known == span).map(|(_, role)| role);
    let mut at_first = true;
    let own = |token: &Token| trace.program.is_none_or(|program| token.span.start < program);
    for token in Lexer::new(command).take_while(own) {
        let first = match token.kind {
            TokenKind::Space | TokenKind::Comment => false,
            _ => std::mem::take(&mut at_first),
        };
        let class = match token.kind {
            TokenKind::Comment => Some(Class::Comment),
            TokenKind::Text(closed) | TokenKind::Bytes(closed) => Some(if closed { Class::Text } else { Class::Wrong }),
            TokenKind::Quoted(false) => Some(Class::Wrong),
            TokenKind::Number => Some(Class::Number),
            TokenKind::Variable => Some(Class::Variable),
            TokenKind::Option => Some(Class::Keyword),
            TokenKind::Word | TokenKind::Quoted(true) => match role_at(token.span) {
                Some(Role::Keyword) => Some(Class::Keyword),
                // While a name is being typed it is not wrong yet.
                Some(Role::Model) => {
                    let name = command[token.span.start..token.span.end].trim_matches('`');
                    let known = catalog.is_model(name) || token.span.end == command.len();
                    Some(if known { Class::Model } else { Class::Wrong })
                }
                Some(Role::Member(path)) => member(path, catalog, variable, token.span.end == command.len()),
                None if first => {
                    let word = &command[token.span.start..token.span.end];
                    let typing = token.span.end == command.len()
                        && (begins_command(word, catalog) || begins_model(word, catalog));
                    (!typing).then_some(Class::Wrong)
                }
                None => None,
            },
            _ => None,
        };
        if let Some(class) = class {
            found.push((moved(token.span), class));
        }
    }
}

/// Whether a command's first word begins so.
fn begins_command(word: &str, catalog: &Catalog) -> bool {
    table::COMMANDS.iter().any(|info| info.name.split(' ').next().is_some_and(|verb| verb.starts_with(word)))
        || catalog.extra_commands().iter().any(|info| info.name.starts_with(word))
}

fn begins_model(word: &str, catalog: &Catalog) -> bool {
    catalog.iter().any(|(_, entity)| entity.name.starts_with(word) || entity.plural.starts_with(word))
}

fn member(
    path: &[String],
    catalog: &Catalog,
    variable: &dyn Fn(&str) -> Option<EntityId>,
    typing: bool,
) -> Option<Class> {
    let (name, way) = path.split_last()?;
    // Where the way there is not known, neither is this; the first unknown name is marked, not all behind it.
    let entity = entity_at(way, catalog, variable)?;
    let known = catalog.get(entity).column(name).is_some() || catalog.relationship(entity, name).is_some();
    Some(if known || typing { Class::Field } else { Class::Wrong })
}
