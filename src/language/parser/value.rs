//! Literals.

use super::{Expected, Parser};
use crate::language::ast::{Literal, LiteralKind, Name};
use crate::language::lexer::{Token, TokenKind};
use crate::text::Span;
use crate::{Error, ErrorKind, Result};
use std::borrow::Cow;

/// A quoted text with its escapes resolved.
pub(super) fn unquote(raw: &str, span: Span) -> Result<Cow<'_, str>> {
    let quote = if raw.starts_with('"') { '"' } else { '\'' };
    let inside = &raw[1..raw.len() - 1];
    if !inside.contains(quote) && (quote == '\'' || !inside.contains('\\')) {
        return Ok(Cow::Borrowed(inside));
    }
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            chars.next();
            text.push(quote);
        } else if c == '\\' && quote == '"' {
            let escape = chars.next().map(|(_, c)| c);
            match escape {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(c @ ('\\' | '"' | '\'')) => text.push(c),
                Some('u') => {
                    let rest = &inside[at + 2..];
                    let digits = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(digits, _)| digits);
                    let parsed = digits.and_then(|digits| {
                        u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).zip(Some(digits))
                    });
                    let Some((c, digits)) = parsed else { return Err(escape_error(span, at)) };
                    text.push(c);
                    for _ in 0..digits.len() + 2 {
                        chars.next();
                    }
                }
                _ => return Err(escape_error(span, at)),
            }
        } else {
            text.push(c);
        }
    }
    Ok(Cow::Owned(text))
}

fn escape_error(span: Span, at: usize) -> Error {
    let start = span.start + 1 + at;
    Error::new(ErrorKind::Syntax, "there is no such escape in \"...\"")
        .at(Span::new(start, start + 1))
        .hint(r#"write \n, \t, \r, \\, \", \u{1f600}; or use '...', where a backslash is just a backslash"#)
}

fn bytes(raw: &str, span: Span) -> Result<LiteralKind<'static>> {
    let digits = &raw.as_bytes()[2..raw.len() - 1];
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let parsed: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        })
        .collect();
    parsed.map(LiteralKind::Bytes).ok_or_else(|| {
        Error::new(ErrorKind::Syntax, "bytes are pairs of hexadecimal digits").at(span).hint("write them as x'00ff'")
    })
}

/// What a bare word means as a value.
fn classify(word: &str) -> LiteralKind<'_> {
    let first = word.as_bytes().first().copied().unwrap_or_default();
    if first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.') {
        if let Some(number) = number(word) {
            return number;
        }
    } else if matches!(word.len(), 3..=5) {
        for (keyword, kind) in [
            ("null", LiteralKind::Null),
            ("true", LiteralKind::Bool(true)),
            ("false", LiteralKind::Bool(false)),
            ("now", LiteralKind::Now),
            ("today", LiteralKind::Today),
        ] {
            if word.eq_ignore_ascii_case(keyword) {
                return kind;
            }
        }
    }
    LiteralKind::Word(Cow::Borrowed(word))
}

/// Numbers keep their spelling unless it is the only one they have: 007 and 1.50 may be meant as text.
fn number(word: &str) -> Option<LiteralKind<'_>> {
    let digits = word.strip_prefix('-').unwrap_or(word);
    if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() {
        let canonical = (digits == "0" && word == "0") || !digits.starts_with('0');
        if canonical && let Ok(number) = word.parse() {
            return Some(LiteralKind::Int(number));
        }
        return Some(LiteralKind::Number(Cow::Borrowed(word)));
    }
    let numeric = word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+'));
    (numeric && word.parse::<f64>().is_ok()).then_some(LiteralKind::Number(Cow::Borrowed(word)))
}

impl<'a> Parser<'a, '_> {
    /// One value.
    pub(super) fn literal(&mut self, what: Expected) -> Result<Literal<'a>> {
        let bracketed = self.brackets > 0;
        let Some(token) = self.peek() else {
            self.expect(what);
            return Err(self.unexpected());
        };
        match token.kind {
            TokenKind::Text(true) => {
                self.next();
                let text = unquote(self.slice(token.span), token.span)?;
                Ok(Literal { kind: LiteralKind::Text(text), span: token.span })
            }
            TokenKind::Bytes(true) => {
                self.next();
                Ok(Literal { kind: bytes(self.slice(token.span), token.span)?, span: token.span })
            }
            TokenKind::Variable => self.variable(token),
            TokenKind::Text(false) | TokenKind::Bytes(false) => Err(self.unexpected()),
            _ => {
                self.seek(token.span.start);
                let span = self.bare(bracketed);
                if span.start == span.end {
                    self.seek(token.span.start);
                    self.expect(what);
                    return Err(self.unexpected());
                }
                Ok(Literal { kind: classify(self.slice(span)), span })
            }
        }
    }

    fn variable(&mut self, token: Token) -> Result<Literal<'a>> {
        self.next();
        let name = self.variable_name(token);
        let mut span = token.span;
        let mut path = Vec::new();
        while self.dot(span) {
            let field = self.name(Expected::Field)?;
            span = span.to(field.span);
            path.push(field);
        }
        Ok(Literal { kind: LiteralKind::Variable(name, path), span })
    }

    pub(super) fn variable_name(&self, token: Token) -> Name<'a> {
        Name { text: Cow::Borrowed(&self.text[token.span.start + 1..token.span.end]), span: token.span }
    }

    /// A key: one value, or several in brackets.
    pub(super) fn key(&mut self, what: Expected) -> Result<Vec<Literal<'a>>> {
        if !self.is_symbol("(") {
            return Ok(vec![self.literal(what)?]);
        }
        self.bracketed(|parser| parser.values(what))
    }

    /// Values with commas between.
    fn values(&mut self, what: Expected) -> Result<Vec<Literal<'a>>> {
        let mut values = vec![self.literal(what)?];
        while self.symbol(",").is_some() {
            values.push(self.literal(what)?);
        }
        Ok(values)
    }

    /// Something in brackets, the opening one of which is next.
    pub(super) fn bracketed<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.symbol("(").is_none() {
            return Err(self.unexpected());
        }
        self.brackets += 1;
        let result = self.deeper(inner)?;
        self.brackets -= 1;
        if self.symbol(")").is_none() {
            return Err(self.unexpected());
        }
        Ok(result)
    }

    /// `(1, 2, 3)`, also empty.
    pub(super) fn value_list(&mut self) -> Result<Vec<Literal<'a>>> {
        // `in $everyone` needs no brackets.
        if let Some(token @ Token { kind: TokenKind::Variable, .. }) = self.peek() {
            return Ok(vec![self.variable(token)?]);
        }
        self.bracketed(|parser| if parser.is_symbol(")") { Ok(Vec::new()) } else { parser.values(Expected::Value) })
    }
}
