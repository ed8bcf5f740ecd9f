//! Words that other languages have and this one has not: the error names them, and the command is given made right where it
//! can be said here.

use super::Parser;
use crate::language::lexer::{Token, TokenKind};
use crate::model::{Cardinality, Catalog, Entity};
use crate::text::Span;
use crate::{Error, ErrorKind};

/// How many errors of one command are made right.
const ERRORS: usize = 6;

/// A command that is right, from one whose first error was made right; none if it cannot be.
pub(super) fn whole(mut text: String, catalog: &Catalog) -> Option<String> {
    for _ in 0..ERRORS {
        let mut parser = Parser::new(&text, catalog);
        let done = parser.line();
        let next = parser.mended.take();
        match (done, next) {
            (Ok(_), _) => return Some(text),
            (Err(_), Some(next)) => text = next,
            (Err(_), None) => return None,
        }
    }
    None
}

impl Parser<'_, '_> {
    /// Remembers the command with one piece of it replaced, as what was probably meant.
    pub(super) fn mend(&mut self, piece: Span, by: &str) {
        let (before, behind) = (&self.text[..piece.start], &self.text[piece.end..]);
        let behind = if by.is_empty() { behind.trim_start() } else { behind };
        self.mended = Some(format!("{before}{by}{behind}"));
    }

    /// The word at the place and the one behind it, if there are two.
    pub(super) fn two_words(&mut self) -> Option<(Span, Span)> {
        let Some(Token { kind: TokenKind::Word, span }) = self.peek() else { return None };
        let mut ahead = self.lexer.clone();
        ahead.seek(span.end);
        match ahead.significant() {
            Some(Token { kind: TokenKind::Word | TokenKind::Quoted(true), span: second }) => Some((span, second)),
            _ => None,
        }
    }

    /// The error for words of SQL that come next, which would otherwise be taken for a key or for nothing.
    pub(super) fn foreign(&mut self) -> Option<Error> {
        let (first, second) = self.two_words()?;
        let (word, next) = (self.slice(first).to_ascii_lowercase(), self.slice(second).to_ascii_lowercase());
        match (word.as_str(), next.as_str()) {
            ("group", "by") => {
                self.mend(Span::new(first.start, second.start), "");
                Some(
                    Error::new(ErrorKind::Syntax, "`group by` is called `by` here")
                        .at(first.to(second))
                        .hint("count, sum, avg, min and max give figures by groups"),
                )
            }
            ("having", _) => Some(self.picks_groups("`having` is not known here").at(first)),
            _ => None,
        }
    }

    /// The error for a join behind a model: `customers join invoices`, `customers left join invoices`.
    pub(super) fn joined(&mut self, model: &str) -> Option<Error> {
        const KINDS: [&str; 7] = ["inner", "left", "right", "full", "cross", "natural", "outer"];
        let start = self.place();
        let (mut join, mut other) = self.two_words()?;
        while KINDS.iter().any(|kind| kind.eq_ignore_ascii_case(self.slice(join))) {
            self.seek(other.start);
            let Some(next) = self.two_words() else { break };
            (join, other) = next;
        }
        self.seek(start);
        if !self.slice(join).eq_ignore_ascii_case("join") {
            return None;
        }
        let catalog = self.catalog;
        let entity = catalog.get(catalog.resolve(model).ok()?);
        let name = self.slice(other).trim_matches('`');
        let error = Error::new(ErrorKind::Syntax, "nothing is joined here: a relationship is followed by its name");
        let error = error.at(Span::new(start, join.end));
        let behind = self.text[other.end..].trim_start();
        let whole = behind.is_empty() || ["on ", "using ", "using("].iter().any(|word| behind.starts_with(word));
        let Some(way) = way_to(entity, name, catalog) else {
            let names: Vec<&str> = entity.relationships.iter().map(|way| way.name.as_str()).collect();
            return Some(if names.is_empty() {
                error.hint(format!("{} leads to nothing", entity.name))
            } else {
                error.hint(format!("{} leads to {}", entity.name, names.join(", ")))
            });
        };
        // Without a condition of its own it is what `with` shows, where the command takes that.
        let shown = format!("{}with {way}", &self.text[..start]);
        let shows = Parser::new(&shown, catalog).line().is_ok();
        if whole && shows {
            self.mended = Some(shown);
        }
        Some(error.hint(leads(entity, &way, shows, catalog)))
    }

    /// The error for a call where the name of a figure belongs: `order by count(*)`.
    pub(super) fn called(&mut self, name: Span) -> Option<Error> {
        if !self.is_symbol("(") {
            return None;
        }
        let word = self.slice(name);
        let end = closing(&self.text[name.end..]).map_or(self.text.len(), |length| name.end + length);
        let call = Span::new(name.start, end);
        Some(match self.figure.filter(|figure| figure.eq_ignore_ascii_case(word)) {
            Some(figure) => {
                self.mend(call, figure);
                Error::new(ErrorKind::Syntax, format!("the figure is called `{figure}` here")).at(call)
            }
            None => Error::new(ErrorKind::Syntax, "`order by` takes fields").at(call),
        })
    }

    /// The error for SQL's order of clauses: `set tracks UnitPrice=1 where GenreId = 1`. The `where` comes next; the first
    /// assignment begins at `first`.
    pub(super) fn late_where(&mut self, first: usize) -> Error {
        let at = self.place();
        let error = Error::new(ErrorKind::Syntax, "`where` stands before what is set").at(Span::new(at, at + 5));
        self.next();
        if self.condition().is_ok() && self.at_end() {
            let end = self.place();
            let (assignments, condition) = (self.text[first..at].trim_end(), self.text[at..end].trim_end());
            let behind = if end < self.text.len() { format!(" {}", &self.text[end..]) } else { String::new() };
            self.mended = Some(format!("{}{condition} {assignments}{behind}", &self.text[..first]));
        }
        error
    }

    /// Refuses the figure of a group where records are picked, unless a field is called so.
    pub(super) fn not_a_figure(&self, name: &str, span: Span) -> Option<Error> {
        let figure = self.figure.filter(|figure| self.picking && figure.eq_ignore_ascii_case(name))?;
        let message = format!("`{figure}` is known for whole groups, and `where` picks records before that");
        Some(self.picks_groups(&message).at(span))
    }

    /// Whether a model has no member of this name, as far as that can be known here.
    pub(super) fn lacks(&self, model: &str, name: &str) -> bool {
        let entity = self.catalog.resolve(model).map(|id| self.catalog.get(id));
        entity.is_ok_and(|entity| !entity.member_names().any(|member| member.eq_ignore_ascii_case(name)))
    }

    fn picks_groups(&self, message: &str) -> Error {
        let error = Error::new(ErrorKind::Syntax, message);
        match self.figure {
            Some(figure) => error.hint(format!(
                "groups are not picked by their figures; `order by {figure} desc` puts the largest first"
            )),
            None => error.hint("`where` picks records"),
        }
    }
}

/// The name of the one relationship that is called so, or leads to the model that is.
fn way_to(entity: &Entity, name: &str, catalog: &Catalog) -> Option<String> {
    if let Some(way) = entity.relationships.iter().find(|way| way.name.eq_ignore_ascii_case(name)) {
        return Some(way.name.clone());
    }
    let target = catalog.resolve(name).ok()?;
    let mut ways = entity.relationships.iter().filter(|way| way.to == target);
    match (ways.next(), ways.next()) {
        (Some(way), None) => Some(way.name.clone()),
        _ => None,
    }
}

/// How a relationship is followed, where the command takes `with` or does not.
fn leads(entity: &Entity, name: &str, shows: bool, catalog: &Catalog) -> String {
    let Some(way) = entity.relationships.iter().find(|way| way.name == name) else { return String::new() };
    let to = catalog.get(way.to);
    let field = to.display.or(to.key.first().copied()).map_or("id", |at| to.columns[at].name.as_str());
    if way.cardinality == Cardinality::One {
        format!("a path leads to its fields: {name}.{field}")
    } else if shows {
        format!("`where has {name} (...)` asks about them, `with {name}` shows them")
    } else {
        format!("`where has {name} (...)` asks about them")
    }
}

/// The length of a bracket that opens at the beginning, up to the one that closes it.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth <= 1 => return Some(at + 1),
            b')' => depth -= 1,
            _ => {}
        }
    }
    None
}
