//! Reading commands.

use super::condition::FUNCTIONS;
use super::{Expected, Parser};
use crate::language::ast::{
    Aggregate, Command, Distinct, Function, LetValue, LiteralKind, Name, OrderKey, Pick, Query, RecordRef, Source,
};
use crate::language::lexer::{Token, TokenKind};
use crate::text::Span;
use crate::{Error, ErrorKind, Result};

pub(super) const CLAUSES: [&str; 9] = ["where", "show", "format", "with", "order", "limit", "offset", "by", "of"];

/// Which clauses a command takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Query,
    Aggregate,
    Distinct,
}

impl Shape {
    const fn clauses(self) -> &'static [&'static str] {
        match self {
            Self::Query => &["where", "order", "limit", "offset", "show", "with", "format"],
            Self::Aggregate => &["where", "order", "limit", "offset", "by"],
            Self::Distinct => &["where", "order", "limit", "offset"],
        }
    }
}

impl<'a> Parser<'a, '_> {
    pub(super) fn list(&mut self) -> Result<Command<'a>> {
        self.picked(Pick::All)
    }

    pub(super) fn first(&mut self) -> Result<Command<'a>> {
        self.picked(Pick::First)
    }

    pub(super) fn last(&mut self) -> Result<Command<'a>> {
        self.picked(Pick::Last)
    }

    pub(super) fn one(&mut self) -> Result<Command<'a>> {
        self.picked(Pick::One)
    }

    fn picked(&mut self, pick: Pick) -> Result<Command<'a>> {
        let source = self.source()?;
        Ok(Command::Query(self.query(source, pick)?))
    }

    /// `get user 1`
    pub(super) fn get(&mut self) -> Result<Command<'a>> {
        let record = self.record()?;
        let path = self.steps()?;
        let query = self.query(Source::Record(record, path), Pick::All)?;
        Ok(Command::Query(query))
    }

    /// A command that begins with a model: `user 1 posts`, `users where ...`.
    pub(super) fn bare_query(&mut self) -> Result<Command<'a>> {
        self.picked(Pick::All)
    }

    /// `$u`, `$u.email`, `$u posts`
    pub(super) fn variable_command(&mut self) -> Result<Command<'a>> {
        let Some(token) = self.next() else { return Err(self.unexpected()) };
        let name = self.variable_name(token);
        let text = self.slice(token.span);
        self.frame(|| vec![text.to_owned()]);
        let mut fields = Vec::new();
        let mut last = token.span;
        while self.dot(last) {
            let field = self.name(Expected::Field)?;
            last = field.span;
            fields.push(field);
        }
        if !fields.is_empty() || self.at_end() {
            self.expect(Expected::Relationship);
            return Ok(Command::Attribute(name, fields));
        }
        let path = self.steps()?;
        Ok(Command::Query(self.query(Source::Record(RecordRef::Variable(name), path), Pick::All)?))
    }

    /// A record: `user 1`, `$u`.
    pub(super) fn record(&mut self) -> Result<RecordRef<'a>> {
        if let Some(token @ Token { kind: TokenKind::Variable, .. }) = self.peek() {
            self.next();
            let name = self.slice(token.span);
            self.frame(|| vec![name.to_owned()]);
            return Ok(RecordRef::Variable(self.variable_name(token)));
        }
        let model = self.model()?;
        let key = self.key(Expected::Key)?;
        Ok(RecordRef::Key { model, key })
    }

    /// Relationship names in a row: `posts tags`; dots do as well.
    fn steps(&mut self) -> Result<Vec<Name<'a>>> {
        let mut steps = Vec::new();
        loop {
            self.expect(Expected::Relationship);
            if self.clause_is_next() {
                return Ok(steps);
            }
            let Some(name) = self.try_name(Expected::Relationship) else { return Ok(steps) };
            for name in self.dotted(name)? {
                if self.trace.is_some() {
                    let mut path = self.frames.pop().unwrap_or_default();
                    path.push(name.text.to_string());
                    self.note(name.span, super::Role::Member(path.clone()));
                    self.frames.push(path);
                }
                steps.push(name);
            }
        }
    }

    fn clause_is_next(&mut self) -> bool {
        match self.peek() {
            Some(Token { kind: TokenKind::Word, span }) => {
                let word = self.slice(span);
                CLAUSES.iter().any(|clause| clause.eq_ignore_ascii_case(word))
            }
            None => true,
            _ => false,
        }
    }

    fn source(&mut self) -> Result<Source<'a>> {
        if let Some(token @ Token { kind: TokenKind::Variable, .. }) = self.peek() {
            self.next();
            let name = self.slice(token.span);
            self.frame(|| vec![name.to_owned()]);
            return Ok(Source::Record(RecordRef::Variable(self.variable_name(token)), self.steps()?));
        }
        let model = self.model()?;
        if self.clause_is_next() {
            self.expect(Expected::Key);
            return Ok(Source::Model(model));
        }
        if self.is_symbol("|") || self.is_symbol("||") {
            return Err(self.unexpected());
        }
        if let Some(error) = self.foreign() {
            return Err(error);
        }
        if let Some(error) = self.joined(&model.text) {
            return Err(error);
        }
        let key = self.key(Expected::Key)?;
        if let [only] = key.as_slice()
            && matches!(only.kind, LiteralKind::Word(_))
            && crate::text::nearest(self.slice(only.span), CLAUSES).is_some()
        {
            self.suspect = Some(only.span);
        }
        Ok(Source::Record(RecordRef::Key { model, key }, self.steps()?))
    }

    fn query(&mut self, source: Source<'a>, pick: Pick) -> Result<Query<'a>> {
        let mut query = Query {
            source,
            pick,
            filter: None,
            show: Vec::new(),
            format: None,
            with: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: None,
        };
        self.clauses(&mut query, &mut Vec::new(), Shape::Query)?;
        Ok(query)
    }

    /// Clauses in any order, each at most once.
    fn clauses(&mut self, query: &mut Query<'a>, by: &mut Vec<super::Path<'a>>, shape: Shape) -> Result<()> {
        self.offered = shape.clauses();
        let mut given = Vec::new();
        while let Some(clause) = self.clause(shape, &given)? {
            given.push(clause);
            match clause {
                "where" => {
                    self.picking = match (&query.source, self.figure) {
                        (Source::Model(model), Some(figure)) => self.lacks(&model.text, figure),
                        _ => false,
                    };
                    query.filter = Some(self.condition()?);
                    self.picking = false;
                }
                "order" => {
                    if self.keyword("by").is_none() {
                        return Err(self.unexpected());
                    }
                    query.order = self.order_keys()?;
                }
                "limit" => query.limit = Some(self.whole_number("a number of rows")?),
                "offset" => query.offset = Some(self.whole_number("a number of rows")?),
                "by" => *by = self.paths(Expected::Field)?,
                "show" => query.show = self.paths(Expected::Field)?,
                "with" => query.with = self.paths(Expected::Relationship)?,
                _ => query.format = Some(self.template()?),
            }
        }
        Ok(())
    }

    /// The clause that comes next, if one does. What was given already is not expected again.
    fn clause(&mut self, shape: Shape, given: &[&str]) -> Result<Option<&'static str>> {
        for clause in shape.clauses() {
            let rival = match *clause {
                "show" => "format",
                "format" => "show",
                other => other,
            };
            let taken = given.contains(clause) || given.contains(&rival);
            if !self.is_word(clause) {
                if !taken {
                    self.expect(Expected::Word(clause));
                }
                continue;
            }
            if !taken {
                self.keyword(clause);
                return Ok(Some(clause));
            }
            let span = self.peek().map(|token| token.span).unwrap_or_default();
            let message = if given.contains(clause) {
                format!("`{clause}` is given twice")
            } else {
                format!("`{clause}` does not go with `{rival}`")
            };
            return Err(Error::new(ErrorKind::Syntax, message).at(span));
        }
        Ok(None)
    }

    fn template(&mut self) -> Result<(std::borrow::Cow<'a, str>, Span)> {
        let literal = self.literal(Expected::Name("a text such as \"{id}: {name}\""))?;
        match literal.kind {
            LiteralKind::Text(text) | LiteralKind::Word(text) => Ok((text, literal.span)),
            _ => Err(Error::new(ErrorKind::Syntax, "format takes a text")
                .at(literal.span)
                .hint("format \"{id}: {name}\"")),
        }
    }

    fn order_keys(&mut self) -> Result<Vec<OrderKey<'a>>> {
        let mut keys = Vec::new();
        loop {
            let path = self.order_key()?;
            let descending = self.keyword("desc").is_some() || {
                self.keyword("asc");
                false
            };
            let nulls_first = if self.keyword("nulls").is_some() {
                if self.keyword("first").is_some() {
                    Some(true)
                } else if self.keyword("last").is_some() {
                    Some(false)
                } else {
                    return Err(self.unexpected());
                }
            } else {
                None
            };
            keys.push(OrderKey { path, descending, nulls_first });
            if self.symbol(",").is_none() {
                return Ok(keys);
            }
        }
    }

    /// What is ordered by: a field, or the figure of each group.
    fn order_key(&mut self) -> Result<super::Path<'a>> {
        if let Some(figure) = self.figure {
            self.expect(Expected::Word(figure));
        }
        if let Some(figure) = self.figure
            && self.is_word(figure)
            && let Some(token) = self.next()
        {
            if let Some(error) = self.called(token.span) {
                return Err(error);
            }
            let name = Name { text: self.slice(token.span).into(), span: token.span };
            if !self.is_symbol(".") {
                self.note(token.span, super::Role::Keyword);
                return Ok(super::Path { names: vec![name] });
            }
            return Ok(super::Path { names: self.dotted(name)? });
        }
        let path = self.path(Expected::Field)?;
        match path.names.as_slice() {
            [only] => match self.called(only.span) {
                Some(error) => Err(error),
                None => Ok(path),
            },
            _ => Ok(path),
        }
    }

    pub(super) fn count(&mut self) -> Result<Command<'a>> {
        self.aggregate(Function::Count).map(Command::Aggregate)
    }

    pub(super) fn sum(&mut self) -> Result<Command<'a>> {
        self.aggregate(Function::Sum).map(Command::Aggregate)
    }

    pub(super) fn avg(&mut self) -> Result<Command<'a>> {
        self.aggregate(Function::Avg).map(Command::Aggregate)
    }

    pub(super) fn min(&mut self) -> Result<Command<'a>> {
        self.aggregate(Function::Min).map(Command::Aggregate)
    }

    pub(super) fn max(&mut self) -> Result<Command<'a>> {
        self.aggregate(Function::Max).map(Command::Aggregate)
    }

    /// Behind the function's name, which has been taken.
    fn aggregate(&mut self, function: Function) -> Result<Aggregate<'a>> {
        let end = self.ahead.map_or(self.lexer.position(), |(_, place)| place);
        let function_span = Span::new(end.saturating_sub(function.name().len() + 1).min(end), end);
        let field = self.field_of(function != Function::Count)?;
        let source = self.source()?;
        let mut query = Query {
            source,
            pick: Pick::All,
            filter: None,
            show: Vec::new(),
            format: None,
            with: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: None,
        };
        let mut by = Vec::new();
        self.figure = Some(function.name());
        self.clauses(&mut query, &mut by, Shape::Aggregate)?;
        Ok(Aggregate {
            function,
            function_span: self.trimmed(function_span),
            field,
            source: query.source,
            filter: query.filter,
            by,
            order: query.order,
            limit: query.limit,
            offset: query.offset,
        })
    }

    fn trimmed(&self, span: Span) -> Span {
        let text = self.text.get(span.start..span.end).unwrap_or_default();
        Span::new(span.end - text.trim_start().len(), span.start + text.trim_end().len())
    }

    /// `FIELD of`; for `count` it may be left out.
    fn field_of(&mut self, needed: bool) -> Result<Option<super::Path<'a>>> {
        let start = self.place();
        if needed {
            let path = self.path(Expected::Field)?;
            if self.keyword("of").is_none() {
                return Err(self.unexpected());
            }
            return Ok(Some(path));
        }
        if let Some(name) = self.try_name(Expected::Model) {
            let names = self.dotted(name)?;
            if self.is_word("of") {
                self.next();
                return Ok(Some(super::Path { names }));
            }
        }
        self.seek(start);
        Ok(None)
    }

    pub(super) fn distinct(&mut self) -> Result<Command<'a>> {
        let fields = self.paths(Expected::Field)?;
        if self.keyword("of").is_none() {
            return Err(self.unexpected());
        }
        let source = self.source()?;
        let mut query = Query {
            source,
            pick: Pick::All,
            filter: None,
            show: Vec::new(),
            format: None,
            with: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: None,
        };
        self.clauses(&mut query, &mut Vec::new(), Shape::Distinct)?;
        Ok(Command::Distinct(Distinct {
            fields,
            source: query.source,
            filter: query.filter,
            order: query.order,
            limit: query.limit,
            offset: query.offset,
        }))
    }

    /// `let u = user john`
    pub(super) fn bind(&mut self) -> Result<Command<'a>> {
        let name = match self.peek() {
            // `let $u = ...` is meant the same.
            Some(token @ Token { kind: TokenKind::Variable, .. }) => {
                self.next();
                self.variable_name(token)
            }
            _ => self.name(Expected::Name("a name for the variable"))?,
        };
        if self.symbol("=").is_none() {
            return Err(self.unexpected());
        }
        let value = self.let_value()?;
        Ok(Command::Let(name, Box::new(value)))
    }

    fn let_value(&mut self) -> Result<LetValue<'a>> {
        match self.peek() {
            Some(Token { kind: TokenKind::Variable, .. }) => {
                let start = self.place();
                let literal = self.literal(Expected::Value)?;
                if self.at_end() {
                    return Ok(LetValue::Literal(literal));
                }
                self.seek(start);
                let source = self.source()?;
                Ok(LetValue::Query(self.query(source, Pick::All)?))
            }
            Some(Token { kind: TokenKind::Quoted(true), .. }) => {
                let source = self.source()?;
                Ok(LetValue::Query(self.query(source, Pick::All)?))
            }
            Some(Token { kind: TokenKind::Word, span }) => {
                let word = self.slice(span);
                let function = FUNCTIONS.into_iter().find(|function| function.name().eq_ignore_ascii_case(word));
                if let Some(function) = function {
                    self.next();
                    return Ok(LetValue::Aggregate(self.aggregate(function)?));
                }
                let pick = match word.to_ascii_lowercase().as_str() {
                    "list" => Some(Pick::All),
                    "first" => Some(Pick::First),
                    "last" => Some(Pick::Last),
                    "one" => Some(Pick::One),
                    "get" => {
                        self.next();
                        let record = self.record()?;
                        let path = self.steps()?;
                        return Ok(LetValue::Query(self.query(Source::Record(record, path), Pick::All)?));
                    }
                    _ => None,
                };
                if pick.is_some() {
                    self.next();
                } else if !self.catalog.is_model(word) {
                    return Ok(LetValue::Literal(self.literal(Expected::Value)?));
                }
                let source = self.source()?;
                Ok(LetValue::Query(self.query(source, pick.unwrap_or(Pick::All))?))
            }
            _ => {
                self.expect(Expected::Model);
                Ok(LetValue::Literal(self.literal(Expected::Value)?))
            }
        }
    }
}
