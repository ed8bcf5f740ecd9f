//! Conditions.

use super::{Expected, Parser};
use crate::Result;
use crate::language::ast::{CompareOp, Condition, Function, Literal, LiteralKind, Operand, TextOp};
use crate::language::lexer::{Token, TokenKind};

pub(super) const FUNCTIONS: [Function; 5] =
    [Function::Count, Function::Sum, Function::Avg, Function::Min, Function::Max];

const COMPARISONS: [(&str, CompareOp); 8] = [
    ("=", CompareOp::Eq),
    ("==", CompareOp::Eq),
    ("!=", CompareOp::Ne),
    ("<>", CompareOp::Ne),
    ("<", CompareOp::Lt),
    ("<=", CompareOp::Le),
    (">", CompareOp::Gt),
    (">=", CompareOp::Ge),
];

impl<'a> Parser<'a, '_> {
    pub(super) fn condition(&mut self) -> Result<Condition<'a>> {
        self.deeper(|parser| {
            let first = parser.conjunction()?;
            let mut all = vec![first];
            while parser.keyword("or").is_some() {
                all.push(parser.conjunction()?);
            }
            Ok(only_or(all, Condition::Or))
        })
    }

    fn conjunction(&mut self) -> Result<Condition<'a>> {
        let mut all = vec![self.negation()?];
        while self.keyword("and").is_some() {
            all.push(self.negation()?);
        }
        Ok(only_or(all, Condition::And))
    }

    fn negation(&mut self) -> Result<Condition<'a>> {
        if self.keyword("not").is_some() {
            return self.deeper(|parser| Ok(Condition::Not(Box::new(parser.negation()?))));
        }
        if self.is_symbol("(") {
            return self.bracketed(Self::condition);
        }
        if self.keyword("has").is_some() {
            let path = self.path(Expected::Relationship)?;
            let inner = if self.is_symbol("(") {
                let picking = std::mem::take(&mut self.picking);
                let inner = self.within(&path, |parser| parser.bracketed(Self::condition))?;
                self.picking = picking;
                Some(Box::new(inner))
            } else {
                self.expect(Expected::Word("("));
                None
            };
            return Ok(Condition::Has(path, inner));
        }
        let left = self.left()?;
        self.test(left)
    }

    /// The first operand: a field, a function of a relationship, or a value.
    fn left(&mut self) -> Result<Operand<'a>> {
        match self.peek() {
            Some(Token { kind: TokenKind::Word | TokenKind::Quoted(true), .. }) => {
                if let Some(function) = self.function()? {
                    return Ok(function);
                }
                let path = self.path(Expected::Field)?;
                if let [only] = path.names.as_slice()
                    && let Some(error) = self.not_a_figure(&only.text, only.span)
                {
                    return Err(error);
                }
                Ok(Operand::Path(path))
            }
            Some(Token {
                kind: TokenKind::Text(true) | TokenKind::Bytes(true) | TokenKind::Variable | TokenKind::Number,
                ..
            }) => Ok(Operand::Literal(self.literal(Expected::Value)?)),
            _ => {
                self.expect(Expected::Field);
                Err(self.unexpected())
            }
        }
    }

    /// `count(posts where ...)`, when it is next.
    fn function(&mut self) -> Result<Option<Operand<'a>>> {
        let Some(token @ Token { kind: TokenKind::Word, .. }) = self.peek() else { return Ok(None) };
        let word = self.slice(token.span);
        let function = FUNCTIONS.into_iter().find(|function| function.name().eq_ignore_ascii_case(word));
        let Some(function) = function.filter(|_| self.text[token.span.end..].trim_start().starts_with('(')) else {
            return Ok(None);
        };
        self.next();
        let (path, inner) = self.bracketed(|parser| {
            let path = parser.path(Expected::Relationship)?;
            let inner = if parser.keyword("where").is_some() {
                let picking = std::mem::take(&mut parser.picking);
                let inner = parser.within(&path, Self::condition)?;
                parser.picking = picking;
                Some(Box::new(inner))
            } else {
                None
            };
            Ok((path, inner))
        })?;
        let end = self.lexer.position();
        Ok(Some(Operand::Function(function, path, inner, crate::text::Span::new(token.span.start, end))))
    }

    /// The second operand: a function, a path in backticks, or a value; the planner decides what a plain word is.
    fn right(&mut self) -> Result<Operand<'a>> {
        if let Some(function) = self.function()? {
            return Ok(function);
        }
        if let Some(Token { kind: TokenKind::Quoted(true), .. }) = self.peek() {
            return Ok(Operand::Path(self.path(Expected::Field)?));
        }
        Ok(Operand::Literal(self.literal(Expected::Value)?))
    }

    fn test(&mut self, left: Operand<'a>) -> Result<Condition<'a>> {
        if self.trace.is_some() {
            self.subject = match &left {
                Operand::Path(path) => path.names.iter().map(|name| name.text.to_string()).collect(),
                _ => Vec::new(),
            };
        }
        if let Some(Token { kind: TokenKind::Symbol, span }) = self.peek() {
            let symbol = self.slice(span);
            if let Some((_, op)) = COMPARISONS.iter().find(|(known, _)| *known == symbol) {
                self.next();
                return Ok(Condition::Compare(left, *op, self.right()?));
            }
        }
        if self.keyword("is").is_some() {
            let negated = self.keyword("not").is_some();
            if self.keyword("null").is_some() {
                return Ok(Condition::IsNull(left, negated));
            }
            for (word, value) in [("true", true), ("false", false)] {
                if let Some(span) = self.keyword(word) {
                    let literal = Literal { kind: LiteralKind::Bool(value), span };
                    let op = if negated { CompareOp::Ne } else { CompareOp::Eq };
                    return Ok(Condition::Compare(left, op, Operand::Literal(literal)));
                }
            }
            return Err(self.unexpected());
        }
        let negated = self.keyword("not").is_some();
        if self.keyword("in").is_some() {
            return Ok(Condition::In(left, self.value_list()?, negated));
        }
        if self.keyword("between").is_some() {
            let low = self.literal(Expected::Value)?;
            if self.keyword("and").is_none() {
                return Err(self.unexpected());
            }
            return Ok(Condition::Between(left, low, self.literal(Expected::Value)?, negated));
        }
        for (word, op) in [("like", TextOp::Like), ("ilike", TextOp::Ilike), ("contains", TextOp::Contains)] {
            if self.keyword(word).is_some() {
                return Ok(Condition::Text(left, op, self.literal(Expected::Value)?, negated));
            }
        }
        for (word, whole, op) in
            [("starts", "starts with", TextOp::StartsWith), ("ends", "ends with", TextOp::EndsWith)]
        {
            if self.is_word(word) {
                self.next();
                if self.keyword("with").is_none() {
                    return Err(self.unexpected());
                }
                return Ok(Condition::Text(left, op, self.literal(Expected::Value)?, negated));
            }
            self.expect(Expected::Word(whole));
        }
        for (symbol, _) in COMPARISONS.iter().filter(|(symbol, _)| *symbol != "==" && *symbol != "<>") {
            self.expect(Expected::Word(symbol));
        }
        match left {
            // A boolean field stands for itself, where no operator follows.
            Operand::Path(path) if !negated && self.condition_may_end() => Ok(Condition::Field(path)),
            _ => Err(self.unexpected()),
        }
    }

    /// Whether what comes next can follow a whole condition.
    fn condition_may_end(&mut self) -> bool {
        const AFTER: [&str; 10] = ["and", "or", "order", "limit", "offset", "show", "with", "format", "by", "where"];
        match self.peek() {
            None => true,
            Some(Token { kind: TokenKind::Word, span }) => {
                AFTER.iter().any(|word| word.eq_ignore_ascii_case(self.slice(span))) || self.assignment_is_next()
            }
            Some(Token { kind: TokenKind::Quoted(true), .. }) => self.assignment_is_next(),
            Some(Token { kind: TokenKind::Symbol, span }) => self.slice(span) == ")",
            _ => false,
        }
    }

    /// Whether `name =` comes next.
    pub(super) fn assignment_is_next(&mut self) -> bool {
        let Some(token) = self.peek() else { return false };
        if !matches!(token.kind, TokenKind::Word | TokenKind::Quoted(true)) {
            return false;
        }
        let behind = self.text[token.span.end..].trim_start();
        behind.starts_with('=')
    }
}

fn only_or<'a>(mut all: Vec<Condition<'a>>, many: fn(Vec<Condition<'a>>) -> Condition<'a>) -> Condition<'a> {
    match all.len() {
        1 => all.swap_remove(0),
        _ => many(all),
    }
}
