//! The lexer: lossless (its tokens cover every byte) and without copies.

use super::table::has_options;
use crate::text::Span;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Blanks, line ends, and a `\` at the end of a line.
    Space,
    /// `# ...` or `-- ...` to the end of the line.
    Comment,
    /// A plain word: a keyword, a name, or text.
    Word,
    /// A number.
    Number,
    /// A name in backticks; false when the closing one is missing.
    Quoted(bool),
    /// Text in quotes; false when the closing one is missing.
    Text(bool),
    /// `x'00ff'`; false when the closing quote is missing.
    Bytes(bool),
    /// `$name`
    Variable,
    /// `--word`, in commands that have options.
    Option,
    /// One or two characters of punctuation.
    Symbol,
    /// A character that no command has.
    Unknown,
}

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// Walks over a text, token by token.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    text: &'a str,
    at: usize,
    options: bool,
}

/// The text's first word, with its dot.
pub(super) fn first_word(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    let end = text.iter().position(|b| b.is_ascii_whitespace() || *b == b';').unwrap_or(text.len());
    &text[..end]
}

pub(super) const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The offset behind a quoted text that opens at `start`, and whether it is closed there. A doubled quote stands for
/// itself; a backslash escapes only within double quotes.
pub(super) fn quoted_end(bytes: &[u8], start: usize) -> (usize, bool) {
    let quote = bytes[start];
    let mut at = start + 1;
    while at < bytes.len() {
        let found = if quote == b'"' {
            memchr::memchr2(b'"', b'\\', &bytes[at..])
        } else {
            memchr::memchr(quote, &bytes[at..])
        };
        let Some(found) = found else { return (bytes.len(), false) };
        at += found;
        if bytes[at] == b'\\' || bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return (at + 1, true);
        }
    }
    (bytes.len(), false)
}

impl<'a> Lexer<'a> {
    /// A lexer at the beginning of one command's text.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, options: has_options(first_word(text.as_bytes())) }
    }

    /// The offset of the next token.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Goes to an offset, which must be a character boundary.
    pub const fn seek(&mut self, offset: usize) {
        self.at = offset;
    }

    /// The next token that is neither space nor comment.
    pub fn significant(&mut self) -> Option<Token> {
        loop {
            // Most spaces are one blank.
            if self.text.as_bytes().get(self.at) == Some(&b' ') {
                self.at += 1;
                continue;
            }
            let token = self.next()?;
            if !matches!(token.kind, TokenKind::Space | TokenKind::Comment) {
                return Some(token);
            }
        }
    }

    /// A bare value: everything up to white space or `;`, and within brackets up to `,` or `)`. Empty at a delimiter.
    pub fn bare(&mut self, bracketed: bool) -> Span {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let stop = |byte: &u8| match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b';' => true,
            b',' | b')' => bracketed,
            _ => false,
        };
        self.at = bytes[start..].iter().position(stop).map_or(bytes.len(), |length| start + length);
        Span::new(start, self.at)
    }

    fn token(&mut self, kind: TokenKind, end: usize) -> Token {
        let span = Span::new(self.at, end);
        self.at = end;
        Token { kind, span }
    }

    fn line_end(&self, from: usize) -> usize {
        memchr::memchr(b'\n', &self.text.as_bytes()[from..]).map_or(self.text.len(), |at| from + at)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let byte = *bytes.get(start)?;
        let second = bytes.get(start + 1).copied();
        let run = |from: usize, keep: &dyn Fn(u8) -> bool| {
            bytes[from..].iter().position(|b| !keep(*b)).map_or(bytes.len(), |length| from + length)
        };
        Some(match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                let end = run(start, &|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
                self.token(TokenKind::Space, end)
            }
            b'\\' if matches!(second, None | Some(b'\n' | b'\r')) => self.token(TokenKind::Space, start + 1),
            b'#' => {
                let end = self.line_end(start);
                self.token(TokenKind::Comment, end)
            }
            b'-' if second == Some(b'-') => {
                if self.options && bytes.get(start + 2).is_some_and(u8::is_ascii_alphabetic) {
                    let end = run(start + 2, &|b| is_word_byte(b) || b == b'-');
                    self.token(TokenKind::Option, end)
                } else {
                    let end = self.line_end(start);
                    self.token(TokenKind::Comment, end)
                }
            }
            b'\'' | b'"' => {
                let (end, closed) = quoted_end(bytes, start);
                self.token(TokenKind::Text(closed), end)
            }
            b'`' => {
                let (end, closed) = quoted_end(bytes, start);
                self.token(TokenKind::Quoted(closed), end)
            }
            b'x' | b'X' if second == Some(b'\'') => {
                let (end, closed) = quoted_end(bytes, start + 1);
                self.token(TokenKind::Bytes(closed), end)
            }
            b'$' => {
                let end = run(start + 1, &is_word_byte);
                let kind = if end == start + 1 { TokenKind::Unknown } else { TokenKind::Variable };
                self.token(kind, end)
            }
            b'0'..=b'9' => {
                let end = run(start, &|b| is_word_byte(b) || b == b'.');
                self.token(TokenKind::Number, end)
            }
            b'-' | b'+' if second.is_some_and(|b| b.is_ascii_digit()) => {
                let end = run(start + 1, &|b| is_word_byte(b) || b == b'.');
                self.token(TokenKind::Number, end)
            }
            _ if is_word_byte(byte) => {
                // An apostrophe inside a word belongs to it (o'brien), so that it opens no text.
                let end = run(start, &|b| is_word_byte(b) || b == b'\'' || b == b'"');
                self.token(TokenKind::Word, end)
            }
            b'<' if matches!(second, Some(b'=' | b'>')) => self.token(TokenKind::Symbol, start + 2),
            b'>' | b'!' | b'=' if second == Some(b'=') => self.token(TokenKind::Symbol, start + 2),
            b'|' if second == Some(b'|') => self.token(TokenKind::Symbol, start + 2),
            b'=' | b'<' | b'>' | b'(' | b')' | b',' | b'.' | b'*' | b'|' | b':' | b'-' | b'+' => {
                self.token(TokenKind::Symbol, start + 1)
            }
            _ => self.token(TokenKind::Unknown, start + 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Lexer, TokenKind};
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<(TokenKind, &str)> {
        Lexer::new(text)
            .filter(|token| token.kind != TokenKind::Space)
            .map(|token| (token.kind, &text[token.span.start..token.span.end]))
            .collect()
    }

    #[test]
    fn quotes_and_comments() {
        assert_eq!(
            kinds("body='it''s' \"a\\\"b\" x'00' # rest ' of"),
            [
                (TokenKind::Word, "body"),
                (TokenKind::Symbol, "="),
                (TokenKind::Text(true), "'it''s'"),
                (TokenKind::Text(true), "\"a\\\"b\""),
                (TokenKind::Bytes(true), "x'00'"),
                (TokenKind::Comment, "# rest ' of"),
            ]
        );
        assert_eq!(kinds("'open")[0].0, TokenKind::Text(false));
    }

    #[test]
    fn two_dashes_are_an_option_only_where_there_are_options() {
        assert_eq!(kinds("commit --dry-run")[1], (TokenKind::Option, "--dry-run"));
        assert_eq!(kinds("list users --all")[2].0, TokenKind::Comment);
        assert_eq!(kinds("commit -- now")[1].0, TokenKind::Comment);
    }

    proptest! {
        #[test]
        fn tokens_cover_every_byte(text in "\\PC*") {
            let mut at = 0;
            for token in Lexer::new(&text) {
                prop_assert_eq!(token.span.start, at);
                prop_assert!(token.span.end > at && text.is_char_boundary(token.span.end));
                at = token.span.end;
            }
            prop_assert_eq!(at, text.len());
        }
    }
}
