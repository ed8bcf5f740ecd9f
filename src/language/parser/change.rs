//! Changing commands, and `db`.

use super::{Expected, Parser};
use crate::language::ast::{Assignment, Command, Db, LiteralKind, Name, RecordRef, Target};
use crate::language::lexer::{Token, TokenKind};
use crate::language::table;
use crate::text::Span;
use crate::{Error, ErrorKind, Result};
use std::borrow::Cow;

impl<'a> Parser<'a, '_> {
    pub(super) fn add(&mut self) -> Result<Command<'a>> {
        let model = self.model()?;
        let assignments = self.assignments(false)?;
        Ok(Command::Add(model, assignments))
    }

    pub(super) fn set(&mut self) -> Result<Command<'a>> {
        let target = self.target(true)?;
        let assignments = self.assignments(true)?;
        Ok(Command::Set(target, assignments))
    }

    pub(super) fn delete(&mut self) -> Result<Command<'a>> {
        let target = self.target(false)?;
        let with = if self.keyword("with").is_some() { self.paths(Expected::Relationship)? } else { Vec::new() };
        Ok(Command::Delete(target, with))
    }

    fn target(&mut self, setting: bool) -> Result<Target<'a>> {
        if let Some(token @ Token { kind: TokenKind::Variable, .. }) = self.peek() {
            self.next();
            let name = self.slice(token.span);
            self.frame(|| vec![name.to_owned()]);
            return Ok(Target::Record(RecordRef::Variable(self.variable_name(token))));
        }
        let model = self.model()?;
        if !setting && model.text.eq_ignore_ascii_case("from") && !self.catalog.is_model("from") && !self.at_end() {
            let next = self.place();
            self.mend(Span::new(model.span.start, next), "");
            return Err(Error::new(ErrorKind::Syntax, "`from` is not needed here").at(model.span));
        }
        if self.keyword("where").is_some() {
            return Ok(Target::Where(model, Some(self.condition()?)));
        }
        let all = if setting { self.assignment_is_next() } else { self.at_end() || self.is_word("with") };
        if all {
            self.expect(Expected::Key);
            return Ok(Target::Where(model, None));
        }
        if setting
            && let Some((first, second)) = self.two_words()
            && self.slice(first).eq_ignore_ascii_case("set")
            && self.text[second.end..].trim_start().starts_with('=')
        {
            self.mend(Span::new(first.start, second.start), "");
            return Err(Error::new(ErrorKind::Syntax, "`set` stands before the model, once").at(first));
        }
        if let Some(error) = self.joined(&model.text) {
            return Err(error);
        }
        let key = self.key(Expected::Key)?;
        Ok(Target::Record(RecordRef::Key { model, key }))
    }

    fn assignments(&mut self, needed: bool) -> Result<Vec<Assignment<'a>>> {
        let mut all = Vec::new();
        let first = self.place();
        loop {
            if let Some(trace) = &mut self.trace {
                trace.assigning = true;
            }
            if needed && !all.is_empty() && self.is_word("where") && !self.assignment_is_next() {
                return Err(self.late_where(first));
            }
            if self.at_end() {
                self.expect(Expected::Field);
                if needed && all.is_empty() {
                    return Err(self.unexpected());
                }
                return Ok(all);
            }
            let field = self.name(Expected::Field)?;
            if self.trace.is_some() {
                let path = self.frames.last().cloned().into_iter().flatten().chain([field.text.to_string()]).collect();
                self.note(field.span, super::Role::Member(path));
            }
            if self.symbol("=").is_none() {
                return Err(self.stray(&field, all.last()));
            }
            if let Some(trace) = &mut self.trace {
                trace.assigning = false;
                trace.assigned.push(field.text.to_string());
                self.subject = vec![field.text.to_string()];
            }
            let mut value = self.key(Expected::Value)?;
            let comma = value.last_mut().is_some_and(|last| self.trailing_comma(last));
            all.push(Assignment { field, value });
            if !comma {
                self.symbol(",");
            }
        }
    }

    /// `a=1, b=2`: a comma behind a bare value separates when another assignment follows.
    fn trailing_comma(&mut self, value: &mut crate::language::ast::Literal<'a>) -> bool {
        let text = self.slice(value.span);
        let bare = !matches!(value.kind, LiteralKind::Text(_) | LiteralKind::Bytes(_) | LiteralKind::Variable(..));
        let Some(without) = text.strip_suffix(',').filter(|_| bare) else { return false };
        if without.is_empty() || !self.assignment_is_next() {
            return false;
        }
        let after = self.place();
        let end = value.span.end - 1;
        // Read again without its comma.
        self.seek(value.span.start);
        let brackets = std::mem::replace(&mut self.brackets, 1);
        if let Ok(again) = self.literal(Expected::Value)
            && again.span.end == end
        {
            *value = again;
        }
        self.brackets = brackets;
        self.seek(after);
        true
    }

    /// A word where an assignment should be: often the rest of a text that was not quoted.
    fn stray(&mut self, word: &Name<'a>, before: Option<&Assignment<'a>>) -> Error {
        let error = Error::new(ErrorKind::Syntax, format!("`{}` is not followed by =", word.text)).at(word.span);
        let bare = before.and_then(|assignment| match assignment.value.as_slice() {
            [only] if matches!(only.kind, LiteralKind::Word(_)) => Some((&assignment.field, only)),
            _ => None,
        });
        match bare {
            Some((field, value)) => error.hint(format!(
                "a text with blanks is quoted: {}='{} {} ...'",
                field.text,
                self.slice(value.span),
                word.text
            )),
            None => error.hint("write field=value"),
        }
    }

    fn flag(&mut self, flag: &'static str) -> bool {
        match self.peek() {
            Some(Token { kind: TokenKind::Option, span }) if self.slice(span) == flag => {
                self.next();
                true
            }
            _ => {
                self.expect(Expected::Word(flag));
                false
            }
        }
    }

    pub(super) fn commit(&mut self) -> Result<Command<'a>> {
        let mut dry_run = self.flag("--dry-run");
        let mut models = Vec::new();
        while let Some(name) = self.try_name(Expected::Model) {
            models.push(self.model_behind(name)?);
            self.symbol(",");
        }
        dry_run = dry_run || self.flag("--dry-run");
        Ok(Command::Commit { dry_run, models })
    }

    pub(super) fn rollback(&mut self) -> Result<Command<'a>> {
        if self.keyword("to").is_some() {
            return Ok(Command::RollbackTo(self.name(Expected::Name("a savepoint's name"))?));
        }
        Ok(Command::Rollback)
    }

    pub(super) fn savepoint(&mut self) -> Result<Command<'a>> {
        Ok(Command::Savepoint(self.name(Expected::Name("a name for the savepoint"))?))
    }

    pub(super) fn diff(&mut self) -> Result<Command<'a>> {
        let mut sql = self.flag("--sql");
        let record = self.maybe_record()?;
        sql = sql || self.flag("--sql");
        Ok(Command::Diff { record, sql })
    }

    fn maybe_record(&mut self) -> Result<Option<RecordRef<'a>>> {
        if let Some(Token { kind: TokenKind::Word | TokenKind::Quoted(true) | TokenKind::Variable, .. }) = self.peek() {
            self.record().map(Some)
        } else {
            self.expect(Expected::Model);
            Ok(None)
        }
    }

    fn times(&mut self) -> Result<u64> {
        if self.at_end() {
            self.expect(Expected::Name("a number of changes"));
            return Ok(1);
        }
        self.whole_number("a number of changes")
    }

    pub(super) fn undo(&mut self) -> Result<Command<'a>> {
        self.times().map(Command::Undo)
    }

    pub(super) fn redo(&mut self) -> Result<Command<'a>> {
        self.times().map(Command::Redo)
    }

    pub(super) fn discard(&mut self) -> Result<Command<'a>> {
        let mut record = self.record()?;
        let key_end = Span::new(0, self.lexer.position());
        let mut field = None;
        let last = match &mut record {
            RecordRef::Key { key, .. } => key.last_mut(),
            RecordRef::Variable(name) => {
                let span = name.span;
                if self.dot(span) {
                    field = Some(self.name(Expected::Field)?);
                }
                None
            }
        };
        if let Some(last) = last {
            let text = self.slice(last.span);
            match (&last.kind, text.rsplit_once('.')) {
                // `user 1.email`: the key runs to the last dot.
                (LiteralKind::Word(_) | LiteralKind::Number(_), Some((key, name)))
                    if !key.is_empty() && name.starts_with(|c: char| c.is_alphabetic() || c == '_') =>
                {
                    let span = Span::new(last.span.end - name.len(), last.span.end);
                    field = Some(Name { text: Cow::Borrowed(name), span });
                    let behind = self.place();
                    let end = span.start - 1;
                    let mut inner = Parser::new(&self.text[..end], self.catalog);
                    inner.seek(last.span.start);
                    *last = inner.literal(Expected::Key)?;
                    self.seek(behind);
                }
                _ => {
                    if self.dot(key_end) {
                        field = Some(self.name(Expected::Field)?);
                    }
                }
            }
        }
        Ok(Command::Discard(record, field))
    }

    pub(super) fn keep(&mut self) -> Result<Command<'a>> {
        let mine = if self.keyword("mine").is_some() {
            true
        } else if self.keyword("theirs").is_some() {
            false
        } else {
            return Err(self.unexpected());
        };
        Ok(Command::Keep(mine, self.maybe_record()?))
    }

    pub(super) fn db(&mut self) -> Result<Command<'a>> {
        let start = self.place();
        let verb = self.argument()?;
        let Some((verb, known)) = verb
            .and_then(|verb| table::db_verbs().find(|known| known.eq_ignore_ascii_case(&verb.text)).map(|k| (verb, k)))
        else {
            self.seek(start);
            let typed = self.argument()?;
            self.seek(start);
            for verb in table::db_verbs() {
                self.expect(Expected::Word(verb));
            }
            let error = self.unexpected();
            return Err(match typed {
                Some(name) if error.hints.len() < 2 => Error { span: Some(name.span), ..error },
                _ => error,
            });
        };
        let (mut words, mut options) = (Vec::new(), Vec::new());
        for argument in self.arguments()? {
            let quoted = self.text[argument.span.start..].starts_with(['\'', '"']);
            if argument.text.starts_with("--") && !quoted {
                options.push(argument);
            } else if let Some(Name { text, .. }) = options.last()
                && table::option(text).is_some_and(|option| option.contains(' '))
            {
                options.push(argument);
            } else {
                words.push(argument);
            }
        }
        if let Some(extra) = words.get(1) {
            let error = Error::new(ErrorKind::Syntax, format!("`db {known}` takes one word")).at(extra.span);
            return Err(if matches!(known, "revision" | "migrate") {
                error.hint("put the message in quotes")
            } else {
                error
            });
        }
        let mut words = words.into_iter();
        let first = words.next();
        let needed = |what: &str| {
            Error::new(ErrorKind::Syntax, format!("`db {known}` needs {what}"))
                .at(Span::new(verb.span.end, verb.span.end))
        };
        let alone = |db: Db<'a>, first: Option<Name<'a>>| match first {
            None => Ok(db),
            Some(extra) => {
                Err(Error::new(ErrorKind::Syntax, format!("`db {known}` takes nothing behind it")).at(extra.span))
            }
        };
        let db = match known {
            "upgrade" => Db::Upgrade(first),
            "downgrade" => Db::Downgrade(first),
            "stamp" => Db::Stamp(first.ok_or_else(|| needed("a version: head, base, or one of `db history`"))?),
            "revision" => Db::Revision(first.ok_or_else(|| needed("a message in quotes"))?),
            "migrate" => Db::Migrate(first.ok_or_else(|| needed("a message in quotes"))?),
            "current" => alone(Db::Current, first)?,
            "history" => alone(Db::History, first)?,
            "status" => alone(Db::Status, first)?,
            "check" => alone(Db::Check, first)?,
            "init" => alone(Db::Init, first)?,
            "create-all" => alone(Db::CreateAll, first)?,
            "drop-all" => alone(Db::DropAll, first)?,
            _ => alone(Db::Schema, first)?,
        };
        Ok(Command::Db(db, options))
    }
}
