//! `format "{author.username} wrote: {body}"`.

use crate::language::ast::{Name, Path};
use crate::text::Span;
use crate::{Error, Result};
use std::borrow::Cow;

/// A text with places for values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// The number of the path whose value stands here.
    Value(usize),
}

impl Template {
    /// Takes a text apart. `{{` and `}}` stand for the brackets themselves.
    ///
    /// # Errors
    /// `Syntax` for a bracket that is not closed, or an empty one.
    pub fn parse(text: &str, span: Span) -> Result<(Self, Vec<Path<'static>>)> {
        let mut pieces = Vec::new();
        let mut paths = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' | '}' if chars.peek() == Some(&c) => {
                    chars.next();
                    plain.push(c);
                }
                '{' => {
                    let mut inside = String::new();
                    loop {
                        match chars.next() {
                            Some('}') => break,
                            Some(c) => inside.push(c),
                            None => return Err(broken("a `{` is not closed", span)),
                        }
                    }
                    if inside.trim().is_empty() {
                        return Err(broken("`{}` names no field", span));
                    }
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::Value(paths.len()));
                    let names = inside
                        .split('.')
                        .map(|name| Name { text: Cow::Owned(name.trim().trim_matches('`').to_owned()), span })
                        .collect();
                    paths.push(Path { names });
                }
                '}' => return Err(broken("a `}` was not opened", span)),
                c => plain.push(c),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok((Self { pieces }, paths))
    }

    /// Appends the text with the values filled in.
    pub fn render<'v>(&self, value: impl Fn(usize) -> Cow<'v, str>, out: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(index) => out.push_str(&value(*index)),
            }
        }
    }
}

fn broken(what: &str, span: Span) -> Error {
    Error::new(crate::ErrorKind::Syntax, what).at(span).hint("write {field} for a value, {{ and }} for the brackets")
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::text::Span;

    #[test]
    fn fills_in_values() {
        let (template, paths) = Template::parse("{author.username} wrote: {{{body}}}", Span::default()).unwrap();
        assert_eq!(paths.len(), 2);
        let mut out = String::new();
        template.render(|index| ["john", "hi"][index].into(), &mut out);
        assert_eq!(out, "john wrote: {hi}");
    }

    #[test]
    fn refuses_what_is_not_closed() {
        assert!(Template::parse("{body", Span::default()).is_err());
        assert!(Template::parse("body}", Span::default()).is_err());
        assert!(Template::parse("{}", Span::default()).is_err());
    }
}
