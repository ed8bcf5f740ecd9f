//! The parser: recursive descent that remembers everything it would have accepted at the furthest place it reached, so
//! that error messages and Tab say the same.

mod change;
mod condition;
mod mend;
mod read;
mod value;

use super::ast::{Command, Line, Name, Path};
use super::lexer::{Lexer, Token, TokenKind};
use super::table::{self, Rest};
use crate::model::Catalog;
use crate::text::Span;
use crate::{Error, ErrorKind, Result};
use std::borrow::Cow;

/// How deep brackets and `not` may nest.
const DEPTH: u32 = 100;

/// Something the parser would have accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A word of the language, or a symbol.
    Word(&'static str),
    /// The name of a model.
    Model,
    /// A field, or a path that leads to one.
    Field,
    /// A relationship.
    Relationship,
    /// A value.
    Value,
    /// A record's key.
    Key,
    /// A name to be made up or looked up elsewhere: `savepoint NAME`.
    Name(&'static str),
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Model => f.write_str("a model"),
            Self::Field => f.write_str("a field"),
            Self::Relationship => f.write_str("a relationship"),
            Self::Value => f.write_str("a value"),
            Self::Key => f.write_str("a key"),
            Self::Name(what) => f.write_str(what),
        }
    }
}

/// Parses what a person typed: one command, and perhaps a program behind a `|` that its results go to.
///
/// A `|` begins a program only outside of text, brackets and values, with a blank before it, behind a command that is
/// complete.
///
/// # Errors
/// `Syntax`, with the place and what was expected there.
pub fn parse_line<'a>(text: &'a str, catalog: &Catalog) -> Result<Line<'a>> {
    let mut parser = Parser::new(text, catalog);
    parser.line().map_err(|error| match parser.mended.take().and_then(|text| mend::whole(text, catalog)) {
        Some(command) => Error { hints: vec![format!("write `{command}`")], ..error },
        None => error,
    })
}

/// Parses one command, where no program can run: within another command, or from code.
///
/// # Errors
/// As [`parse_line`], and for a `|`.
pub fn parse<'a>(text: &'a str, catalog: &Catalog) -> Result<Command<'a>> {
    let line = parse_line(text, catalog)?;
    match line.program {
        None => Ok(line.command),
        Some(program) => Err(Error::new(ErrorKind::Syntax, "no program can run here").at(program.span)),
    }
}

/// What a piece of a command is, for colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// A word of the language.
    Keyword,
    /// A model's name.
    Model,
    /// A name at the end of this path, which begins with a model or a variable.
    Member(Vec<String>),
}

/// What a parser noticed on its way, and what it would have accepted at the end of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace {
    /// Names and keywords in order.
    pub roles: Vec<(Span, Role)>,
    /// What could come at the end of the text; empty when the text is wrong before it.
    pub expected: Vec<Expected>,
    /// The path of names whose fields are meant at the end, from a model or a variable on.
    pub scope: Vec<String>,
    /// The field whose value is meant at the end, from the scope on.
    pub subject: Vec<String>,
    /// Fields take `=` and a value at the end: `add` and `set`.
    pub assigning: bool,
    /// Fields that have their value already.
    pub assigned: Vec<String>,
    /// Where the `|` stands that begins a program.
    pub program: Option<usize>,
}

/// Parses for an editor: whatever is wrong, what was understood is kept.
#[must_use]
pub fn trace(text: &str, catalog: &Catalog) -> Trace {
    let mut parser = Parser::new(text, catalog);
    parser.trace = Some(Trace::default());
    let complete = parser.command().is_ok();
    let at_end = parser.furthest >= text.len();
    let stopped = Some(parser.place()).filter(|at| complete && *at < text.len());
    let mut trace = parser.trace.take().unwrap_or_default();
    trace.program = stopped;
    trace.scope = parser.frames.pop().unwrap_or_default();
    trace.scope.append(&mut parser.partial);
    trace.subject = parser.subject;
    if at_end {
        trace.expected = parser.expected;
    }
    trace
}

struct Parser<'a, 'c> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// The next token, once it has been looked at, and where it begins: none at the end of the text, or at a `|`.
    ahead: Option<(Option<Token>, usize)>,
    /// The end of what was taken last.
    behind: usize,
    catalog: &'c Catalog,
    /// What would have been accepted at `furthest`.
    expected: Vec<Expected>,
    furthest: usize,
    depth: u32,
    /// What an editor wants to know.
    trace: Option<Trace>,
    /// The paths whose fields are meant, innermost last.
    frames: Vec<Vec<String>>,
    /// Names before a dot that the next name belongs to.
    partial: Vec<String>,
    /// The field whose value comes next.
    subject: Vec<String>,
    /// A key that is near a keyword: if the command turns out wrong, this is why.
    suspect: Option<Span>,
    /// The clauses that the command takes.
    offered: &'static [&'static str],
    /// What was typed with its first error made right, where that is known.
    mended: Option<String>,
    /// What the figure is called that the command asks for.
    figure: Option<&'static str>,
    /// Records are being picked, so that no figure is known.
    picking: bool,
    /// A bare value has a bracket or a quote that is not closed in it: what follows may be meant as part of it.
    ragged: bool,
    /// How many brackets are open around what is being parsed.
    brackets: u32,
}

impl<'a, 'c> Parser<'a, 'c> {
    fn new(text: &'a str, catalog: &'c Catalog) -> Self {
        Self {
            text,
            lexer: Lexer::new(text),
            ahead: None,
            behind: 0,
            catalog,
            expected: Vec::new(),
            furthest: 0,
            depth: 0,
            trace: None,
            frames: Vec::new(),
            partial: Vec::new(),
            subject: Vec::new(),
            suspect: None,
            offered: &read::CLAUSES,
            mended: None,
            figure: None,
            picking: false,
            ragged: false,
            brackets: 0,
        }
    }

    fn peek(&mut self) -> Option<Token> {
        if let Some((token, _)) = self.ahead {
            return token;
        }
        self.behind = self.lexer.position();
        let ahead = match self.lexer.significant() {
            None => (None, self.text.len()),
            Some(token) if self.begins_program(token) => {
                // Nobody goes on behind it.
                self.lexer.seek(token.span.start);
                (None, token.span.start)
            }
            Some(token) => (Some(token), token.span.start),
        };
        self.ahead = Some(ahead);
        ahead.0
    }

    /// Whether a token ends the command because a program follows. It is asked only between the parts of a command, never
    /// within a text or a value.
    fn begins_program(&self, token: Token) -> bool {
        token.kind == TokenKind::Symbol
            && self.slice(token.span) == "|"
            && self.brackets == 0
            && !self.ragged
            && self.text[..token.span.start].ends_with([' ', '\t', '\n', '\r'])
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek();
        self.ahead = None;
        token
    }

    /// Where the next token begins.
    fn place(&mut self) -> usize {
        self.peek();
        self.ahead.map_or(self.text.len(), |(_, place)| place)
    }

    fn seek(&mut self, offset: usize) {
        self.lexer.seek(offset);
        self.ahead = None;
    }

    fn slice(&self, span: Span) -> &'a str {
        &self.text[span.start..span.end]
    }

    /// Remembers that something would have been accepted here.
    fn expect(&mut self, what: Expected) {
        let place = self.place();
        if place > self.furthest {
            self.furthest = place;
            self.expected.clear();
        }
        if place == self.furthest && !self.expected.contains(&what) {
            self.expected.push(what);
        }
    }

    fn is_word(&mut self, word: &str) -> bool {
        match self.peek() {
            Some(Token { kind: TokenKind::Word, span }) => self.slice(span).eq_ignore_ascii_case(word),
            _ => false,
        }
    }

    /// Takes a keyword if it is next.
    fn keyword(&mut self, word: &'static str) -> Option<Span> {
        if self.is_word(word) {
            let span = self.next().map(|token| token.span);
            if let Some(span) = span {
                self.note(span, Role::Keyword);
            }
            return span;
        }
        self.expect(Expected::Word(word));
        None
    }

    fn note(&mut self, span: Span, role: Role) {
        if let Some(trace) = &mut self.trace {
            trace.roles.push((span, role));
        }
    }

    /// From here on, fields are those of this path.
    fn frame(&mut self, path: impl FnOnce() -> Vec<String>) {
        if self.trace.is_some() {
            self.frames = vec![path()];
        }
    }

    /// Inside, fields are those at the end of a path from here.
    fn within<T>(&mut self, path: &Path<'a>, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.trace.is_none() {
            return inner(self);
        }
        let mut frame = self.frames.last().cloned().unwrap_or_default();
        frame.extend(path.names.iter().map(|name| name.text.to_string()));
        self.frames.push(frame);
        let result = inner(self)?;
        self.frames.pop();
        Ok(result)
    }

    fn is_symbol(&mut self, symbol: &str) -> bool {
        match self.peek() {
            Some(Token { kind: TokenKind::Symbol, span }) => self.slice(span) == symbol,
            _ => false,
        }
    }

    /// Takes a symbol if it is next.
    fn symbol(&mut self, symbol: &'static str) -> Option<Span> {
        if self.is_symbol(symbol) {
            return self.next().map(|token| token.span);
        }
        self.expect(Expected::Word(symbol));
        None
    }

    fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Refuses whatever is left.
    fn end(&mut self) -> Result<()> {
        if self.at_end() { Ok(()) } else { Err(self.unexpected()) }
    }

    /// The error for the furthest place reached.
    fn unexpected(&mut self) -> Error {
        if let Some(span) = self.suspect {
            let word = self.slice(span);
            return Error::new(ErrorKind::Syntax, format!("`{word}` is not expected here"))
                .at(span)
                .suggest(word, self.offered.iter().copied());
        }
        let place = self.place();
        if place > self.furthest {
            self.furthest = place;
            self.expected.clear();
        }
        self.seek(self.furthest.min(self.text.len()));
        let Some(token) = self.peek() else {
            let end = self.text[..self.place()].trim_end().len();
            let error = Error::new(ErrorKind::Syntax, "the command ends too early").at(Span::new(end, end));
            return self.wanted(error);
        };
        let open = match token.kind {
            TokenKind::Text(false) => Some(("text", &self.text[token.span.start..=token.span.start])),
            TokenKind::Quoted(false) => Some(("name", "`")),
            TokenKind::Bytes(false) => Some(("bytes", "'")),
            _ => None,
        };
        if let Some((what, quote)) = open {
            let verb = if what == "bytes" { "are" } else { "is" };
            return Error::new(ErrorKind::Syntax, format!("the {what} {verb} not closed"))
                .at(token.span)
                .hint(format!("close it with {quote}"));
        }
        let message = {
            // A whole character or word, never half of one.
            let shown: String = self.slice(token.span).chars().take(40).collect();
            let shown = if shown.is_empty() { "this".to_owned() } else { shown };
            format!("`{shown}` is not expected here")
        };
        if let Some(error) = self.foreign() {
            return error;
        }
        let error = Error::new(ErrorKind::Syntax, message).at(self.whole(token.span));
        let words: Vec<&str> = self
            .expected
            .iter()
            .filter_map(|expected| match expected {
                Expected::Word(word) => Some(*word),
                _ => None,
            })
            .collect();
        let typed = self.slice(self.whole(token.span));
        let changes =
            |verb: &str| self.text.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case(verb));
        match typed {
            "||" if changes("set") || changes("add") => {
                return error
                    .hint("for a text with `||` in it put all of it in quotes")
                    .hint("for what it gives use `.sql update ...`");
            }
            "||" if self.offered.contains(&"format") => return error.hint("`format \"{A} {B}\"` puts texts together"),
            "|" if self.ragged => {
                return error.hint("put the value before it in quotes, with what is not closed in it");
            }
            "|" if self.brackets == 0 => {
                return error.hint("a program stands behind a blank and `|`: list users | sort");
            }
            _ => {}
        }
        let error = error.suggest(typed, words);
        self.wanted(error)
    }

    /// A span widened to character boundaries.
    fn whole(&self, span: Span) -> Span {
        let mut end = span.end;
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        Span::new(span.start, end)
    }

    fn wanted(&self, error: Error) -> Error {
        let names: Vec<String> = self.expected.iter().map(ToString::to_string).collect();
        match names.as_slice() {
            [] if self.furthest == 0 => error,
            [] => error.hint("expected the end of the command"),
            [only] => error.hint(format!("expected {only}")),
            [most @ .., last] => error.hint(format!("expected {} or {last}", most.join(", "))),
        }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > DEPTH {
            let place = self.place();
            return Err(too_deep(place));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// A name: a word or one in backticks.
    fn name(&mut self, what: Expected) -> Result<Name<'a>> {
        match self.try_name(what) {
            Some(name) => Ok(name),
            None => Err(self.unexpected()),
        }
    }

    fn try_name(&mut self, what: Expected) -> Option<Name<'a>> {
        match self.peek() {
            Some(Token { kind: TokenKind::Word, span }) => {
                self.next();
                Some(Name { text: Cow::Borrowed(self.slice(span)), span })
            }
            Some(Token { kind: TokenKind::Quoted(true), span }) => {
                self.next();
                let inside = &self.text[span.start + 1..span.end - 1];
                let text = if inside.contains('`') { Cow::Owned(inside.replace("``", "`")) } else { inside.into() };
                Some(Name { text, span })
            }
            _ => {
                self.expect(what);
                None
            }
        }
    }

    /// Takes a dot that touches what is before it.
    fn dot(&mut self, after: Span) -> bool {
        match self.peek() {
            Some(Token { kind: TokenKind::Symbol, span }) if span.start == after.end && self.slice(span) == "." => {
                self.next();
                true
            }
            _ => false,
        }
    }

    fn path(&mut self, what: Expected) -> Result<Path<'a>> {
        let first = self.name(what)?;
        let names = self.dotted(first)?;
        if self.trace.is_some() {
            let mut path = self.frames.last().cloned().unwrap_or_default();
            for name in &names {
                path.push(name.text.to_string());
                self.note(name.span, Role::Member(path.clone()));
            }
        }
        Ok(Path { names })
    }

    /// The names behind a first one, while dots follow.
    fn dotted(&mut self, first: Name<'a>) -> Result<Vec<Name<'a>>> {
        let mut last = first.span;
        let mut names = vec![first];
        while self.dot(last) {
            if self.trace.is_some() {
                self.partial = names.iter().map(|name| name.text.to_string()).collect();
            }
            let name = self.name(Expected::Field)?;
            last = name.span;
            names.push(name);
        }
        self.partial.clear();
        Ok(names)
    }

    fn paths(&mut self, what: Expected) -> Result<Vec<Path<'a>>> {
        let mut paths = vec![self.path(what)?];
        while self.symbol(",").is_some() {
            paths.push(self.path(what)?);
        }
        Ok(paths)
    }

    /// A model's name, with its schema where that is written.
    fn model(&mut self) -> Result<Name<'a>> {
        let first = self.name(Expected::Model)?;
        self.model_behind(first)
    }

    fn model_behind(&mut self, first: Name<'a>) -> Result<Name<'a>> {
        let name = if self.is_symbol(".") {
            let names = self.dotted(first)?;
            let span = names.iter().map(|name| name.span).reduce(Span::to).unwrap_or_default();
            let text: Vec<&str> = names.iter().map(|name| name.text.as_ref()).collect();
            Name { text: Cow::Owned(text.join(".")), span }
        } else {
            first
        };
        self.note(name.span, Role::Model);
        self.frame(|| vec![name.text.to_string()]);
        Ok(name)
    }

    fn whole_number(&mut self, what: &'static str) -> Result<u64> {
        if let Some(Token { kind: TokenKind::Number, span }) = self.peek()
            && let Ok(number) = self.slice(span).parse::<u64>()
            && i64::try_from(number).is_ok()
        {
            self.next();
            return Ok(number);
        }
        self.expect(Expected::Name(what));
        Err(self.unexpected())
    }

    /// A command, and the program behind it.
    fn line(&mut self) -> Result<Line<'a>> {
        let command = self.command()?;
        let bar = self.place();
        let text = self.text[..self.behind].trim_end();
        if bar >= self.text.len() {
            return Ok(Line { command, text, program: None });
        }
        let mark = Span::new(bar, bar + 1);
        if command == Command::Empty {
            return Err(Error::new(ErrorKind::Syntax, "there is no command before the `|`").at(mark));
        }
        let program = self.rest_behind(mark);
        if program.text.is_empty() {
            return Err(Error::new(ErrorKind::Syntax, "there is no program behind the `|`").at(mark));
        }
        Ok(Line { command, text, program: Some(program) })
    }

    fn command(&mut self) -> Result<Command<'a>> {
        let Some(first) = self.peek() else { return Ok(Command::Empty) };
        let command = match first.kind {
            TokenKind::Word => self.verb(first)?,
            TokenKind::Symbol if self.slice(first.span) == "." => self.dot_command(first)?,
            TokenKind::Variable => self.variable_command()?,
            TokenKind::Quoted(true) => self.bare_query()?,
            _ => return Err(self.unexpected()),
        };
        self.end()?;
        Ok(command)
    }

    fn verb(&mut self, first: Token) -> Result<Command<'a>> {
        let word = self.slice(first.span);
        let mut buffer = [0_u8; 12];
        let Some(lower) = buffer.get_mut(..word.len()) else { return self.model_first(first) };
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        let rule: fn(&mut Self) -> Result<Command<'a>> = match &*lower {
            b"list" => Self::list,
            b"first" => Self::first,
            b"last" => Self::last,
            b"one" => Self::one,
            b"get" => Self::get,
            b"count" => Self::count,
            b"sum" => Self::sum,
            b"avg" => Self::avg,
            b"min" => Self::min,
            b"max" => Self::max,
            b"distinct" => Self::distinct,
            b"let" => Self::bind,
            b"add" => Self::add,
            b"set" => Self::set,
            b"delete" => Self::delete,
            b"commit" => Self::commit,
            b"rollback" => Self::rollback,
            b"savepoint" => Self::savepoint,
            b"status" => |_| Ok(Command::Status),
            b"diff" => Self::diff,
            b"undo" => Self::undo,
            b"redo" => Self::redo,
            b"discard" => Self::discard,
            b"keep" => Self::keep,
            b"db" => Self::db,
            _ => return self.model_first(first),
        };
        self.next();
        self.note(first.span, Role::Keyword);
        rule(self)
    }

    /// `user 1 posts`: a command that begins with a model.
    fn model_first(&mut self, first: Token) -> Result<Command<'a>> {
        let word = self.slice(first.span);
        if self.catalog.extra_command(word).is_some() {
            return self.own_command(first);
        }
        let known = self.catalog.is_model(word) || self.text[first.span.end..].starts_with('.');
        if known {
            return self.bare_query();
        }
        if word.eq_ignore_ascii_case("update") {
            self.mend(first.span, "set");
        }
        let verbs = table::COMMANDS.iter().map(|command| command.name.split(' ').next().unwrap_or_default());
        let verbs = verbs.chain(self.catalog.extra_commands().iter().map(|command| command.name.as_str()));
        let models = self.catalog.iter().flat_map(|(_, entity)| [entity.name.as_str(), entity.plural.as_str()]);
        let dotted = format!(".{word}");
        let bare_dot = table::find(&dotted).is_some() || self.catalog.extra_command(&dotted).is_some();
        let error =
            Error { kind: ErrorKind::Syntax, ..Error::unknown(format!("there is no command or model `{word}`")) };
        let error = error.at(first.span);
        let error = if bare_dot {
            error.hint(format!("did you mean `.{word}`?"))
        } else {
            error.suggest(word, verbs.chain(models))
        };
        Err(error.hint("`.help` lists the commands, `.models` the models"))
    }

    fn dot_command(&mut self, dot: Token) -> Result<Command<'a>> {
        self.next();
        let name = match self.peek() {
            Some(Token { kind: TokenKind::Word, span }) if span.start == dot.span.end => {
                // `.copy-to` is one name.
                let rest = &self.text[span.start..];
                let end = rest
                    .bytes()
                    .position(|b| !(super::lexer::is_word_byte(b) || b == b'-'))
                    .map_or(self.text.len(), |length| span.start + length);
                let span = Span::new(span.start, end);
                self.seek(end);
                let text = self.slice(span);
                let text = if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    Cow::Owned(text.to_ascii_lowercase())
                } else {
                    Cow::Borrowed(text)
                };
                Name { text, span }
            }
            _ => {
                return Err(Error::new(ErrorKind::Syntax, "a dot begins a command of the shell itself")
                    .at(dot.span)
                    .hint("`.help` lists them"));
            }
        };
        // A wrapped command or SQL has its own syntax; the others take words.
        let mut arguments = Vec::new();
        let rest = table::find(&format!(".{}", name.text)).map_or(Rest::Words, |command| command.rest);
        match rest {
            Rest::Sql => {
                let end = name.span.end + sql_end(&self.text[name.span.end..]);
                self.seek(end);
            }
            Rest::Command => self.wrapped(name.span.end)?,
            Rest::WordAndCommand => {
                let inner = self.behind_word(name.span.end);
                self.wrapped(inner)?;
            }
            Rest::WordAndLine => {
                // What it runs again and again is a whole line.
                let inner = self.behind_word(name.span.end);
                self.nested(inner)?.line().map_err(|error| error.moved(inner))?;
                self.seek(self.text.len());
            }
            Rest::Words => arguments = self.arguments()?,
        }
        let rest = self.rest_up_to_here(name.span);
        Ok(Command::Dot(name, arguments, rest))
    }

    /// A parser for the command that begins here, within this one.
    fn nested(&self, start: usize) -> Result<Parser<'a, 'c>> {
        let mut inner = Parser::new(&self.text[start..], self.catalog);
        inner.depth = self.depth + 1;
        if inner.depth > DEPTH {
            return Err(too_deep(start));
        }
        Ok(inner)
    }

    /// Goes over the command that begins here, to the end or a `|`.
    fn wrapped(&mut self, start: usize) -> Result<()> {
        let mut inner = self.nested(start)?;
        inner.command().map_err(|error| error.moved(start))?;
        let end = start + inner.place();
        self.seek(end);
        Ok(())
    }

    /// Where the text goes on behind the next word, or behind a file's name in quotes.
    fn behind_word(&self, from: usize) -> usize {
        let text = &self.text[from..];
        let word = text.trim_start();
        let length = match word.strip_prefix('\'').and_then(|quoted| quoted.find('\'')) {
            Some(closing) => closing + 2,
            None => word.find(char::is_whitespace).unwrap_or(word.len()),
        };
        from + (text.len() - word.len()) + length
    }

    /// `greet susan`: a command that an application adds takes words, as the shell's own do.
    fn own_command(&mut self, first: Token) -> Result<Command<'a>> {
        self.next();
        self.note(first.span, Role::Keyword);
        let name = Name { text: Cow::Borrowed(self.slice(first.span)), span: first.span };
        let arguments = self.arguments()?;
        Ok(Command::Own(name, arguments, self.rest_up_to_here(first.span)))
    }

    /// Everything behind a name, trimmed.
    fn rest_behind(&self, name: Span) -> Name<'a> {
        self.between(name.end, self.text.len())
    }

    /// What lies between a name and the next token, trimmed.
    fn rest_up_to_here(&mut self, name: Span) -> Name<'a> {
        let end = self.place();
        self.between(name.end, end)
    }

    fn between(&self, start: usize, end: usize) -> Name<'a> {
        let raw = &self.text[start..end.max(start)];
        let trimmed = raw.trim();
        let at = start + (raw.len() - raw.trim_start().len());
        Name { text: Cow::Borrowed(trimmed), span: Span::new(at, at + trimmed.len()) }
    }

    /// Words and quoted texts up to the end.
    fn arguments(&mut self) -> Result<Vec<Name<'a>>> {
        let mut arguments = Vec::new();
        while let Some(argument) = self.argument()? {
            arguments.push(argument);
        }
        Ok(arguments)
    }

    /// A bare value, as far as it goes.
    fn bare(&mut self, bracketed: bool) -> Span {
        let span = self.lexer.bare(bracketed);
        let value = self.slice(span);
        let open = value.matches('(').count() > value.matches(')').count();
        self.ragged |= open || ['"', '`'].iter().any(|quote| value.matches(*quote).count() % 2 == 1);
        span
    }

    fn argument(&mut self) -> Result<Option<Name<'a>>> {
        let Some(token) = self.peek() else { return Ok(None) };
        if let TokenKind::Text(closed) = token.kind {
            if !closed {
                return Err(self.unexpected());
            }
            self.next();
            let text = value::unquote(self.slice(token.span), token.span)?;
            return Ok(Some(Name { text, span: token.span }));
        }
        self.seek(token.span.start);
        let span = self.bare(false);
        if span.start == span.end {
            return Err(self.unexpected());
        }
        Ok(Some(Name { text: Cow::Borrowed(self.slice(span)), span }))
    }
}

fn too_deep(place: usize) -> Error {
    Error::new(ErrorKind::Syntax, format!("nested more than {DEPTH} deep")).at(Span::new(place, place))
}

/// Where SQL ends: it has a `|` of its own, so a program stands behind its `;`.
fn sql_end(text: &str) -> usize {
    if !text.contains('|') {
        return text.len();
    }
    let tokens = crate::text::sql::tokens(text, false).or_else(|| crate::text::sql::tokens(text, true));
    let tokens = tokens.unwrap_or_default();
    let bar = tokens.windows(2).find(|pair| pair[0].text == ";" && pair[1].text == "|");
    bar.map_or(text.len(), |pair| pair[1].start)
}

#[cfg(test)]
mod tests;
