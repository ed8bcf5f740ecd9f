//! `.sql`: statements of the person's own, sent as they are.

use super::{Context, Front, Origin, mask};
use crate::language::ast::Name;
use crate::model::definition::Dialect;
use crate::model::{Catalog, Cell, DataType};
use crate::outcome::{Header, HeaderColumn, Level, Mark};
use crate::session::Hold;
use crate::store::{Attempt, RawOutcome, RawSink, Unseen};
use crate::text::Span;
use crate::text::sql::{Statement, is_closed, shortened, statements, tokens};
use crate::{Error, ErrorKind, Result};
use std::sync::Arc;

/// Hands rows on as they come.
struct Rows<'f> {
    front: &'f mut dyn Front,
    statement: &'f str,
    catalog: &'f Catalog,
    begun: bool,
}

impl RawSink for Rows<'_> {
    fn columns(&mut self, names: &[String]) -> Result<()> {
        let columns = names
            .iter()
            .map(|name| HeaderColumn { name: name.clone(), data_type: DataType::Any, masked: false })
            .collect();
        self.begun = true;
        mask::warn_sql(names, self.statement, self.catalog, self.front)?;
        self.front.begin(&Header { columns, noun: Some(("row".into(), "rows".into())), ..Header::default() })
    }
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool> {
        self.front.row(cells, Mark::None)?;
        Ok(true)
    }
}

/// `.sql STATEMENT; ...`: one after the other, each with its result.
pub fn run(rest: &Name<'_>, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    mask::unlocked(".sql", context).map_err(|e| e.at(rest.span))?;
    let sqlite = context.session.store().facts().dialect == Dialect::Sqlite;
    let all = statements(&rest.text, sqlite);
    if all.is_empty() {
        return Err(Error::invalid(".sql needs a statement").at(rest.span).hint(".sql select count(*) from users;"));
    }
    if !is_closed(&rest.text) {
        return Err(Error::new(ErrorKind::Syntax, "a quote or a comment in this SQL is never closed").at(rest.span));
    }
    for statement in all {
        let start = rest.span.start + (statement.text.as_ptr() as usize).saturating_sub(rest.text.as_ptr() as usize);
        let at = Span::new(start, start + statement.text.len());
        control(statement.text, sqlite).and_then(|()| one(&statement, origin, context, front)).map_err(|error| {
            let error = error.at(at);
            let swallowed = statement.text.lines().skip(1).any(|line| {
                let word = line.split_whitespace().next().unwrap_or_default();
                ["list", "add", "count", "user", "users", "commit", "let", "undo", "status", "diff", "db"]
                    .contains(&word)
            });
            if swallowed {
                error.hint("SQL goes on over lines to its `;`: write one behind the statement")
            } else {
                error
            }
        })?;
    }
    Ok(())
}

/// Refuses what begins, ends or marks a transaction: the session has commands for that.
fn control(sql: &str, sqlite: bool) -> Result<()> {
    let words = tokens(sql, sqlite).unwrap_or_default();
    let is = |at: usize, word: &str| words.get(at).is_some_and(|token| token.is(word));
    let way = if is(0, "BEGIN") || (is(0, "START") && is(1, "TRANSACTION")) {
        "changes are staged as it is, and `commit` writes them together"
    } else if is(0, "COMMIT") || is(0, "END") {
        "`commit` writes what is staged"
    } else if is(0, "ROLLBACK") || is(0, "ABORT") {
        "`rollback` discards what is staged, `rollback to NAME` goes back to a savepoint"
    } else if is(0, "SAVEPOINT") || is(0, "RELEASE") {
        "`savepoint NAME` marks a place, `rollback to NAME` goes back to it"
    } else if is(0, "PREPARE") && is(1, "TRANSACTION") {
        "`commit` writes what is staged, in one step"
    } else if is(0, "SET")
        && (is(1, "TRANSACTION") || (is(1, "SESSION") && is(2, "CHARACTERISTICS")) || is(2, "TRANSACTION"))
    {
        "each statement and each commit has a transaction of its own; `.set hold on` keeps one open"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::Refused, format!("transactions are the session's: {way}")))
}

fn one(statement: &Statement<'_>, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let sql = statement.text;
    let catalog = Arc::clone(context.session.catalog());
    let mut rows = Rows { front, statement: sql, catalog: &catalog, begun: false };
    let (outcome, told) = match context.session.attempt(sql, &mut rows)? {
        Attempt::Read(outcome) => (outcome, Told::Nothing),
        Attempt::Writes if context.session.is_sandbox() => match context.session.rehearse(sql, &mut rows) {
            Ok(outcome) => (outcome, Told::TakenBack),
            Err(error) if context.session.store().needs_no_transaction(&error, sql) => {
                return alone(sql, context, rows);
            }
            Err(error) => return Err(error),
        },
        Attempt::Writes if context.session.hold() == Hold::Yes => {
            match context.session.stage_sql(sql, Some(origin.place.clone()), &mut rows) {
                Ok(outcome) => (outcome, Told::Staged),
                Err(error) if context.session.store().needs_no_transaction(&error, sql) => {
                    return alone(sql, context, rows);
                }
                Err(error) => return Err(error),
            }
        }
        Attempt::Writes if !context.session.is_clean() => {
            return Err(Error::new(
                ErrorKind::Refused,
                "changes are staged, and SQL that writes does not mix with them",
            )
            .hint("nothing was written; `commit` or `rollback` first"));
        }
        Attempt::Writes => match context.session.rehearse(sql, &mut Unseen) {
            Ok(outcome) => {
                if !agreed(sql, &effect(&outcome), rows.front)? {
                    return rows.front.notice(Level::Info, "nothing was written");
                }
                (context.session.write_at_once(sql, &mut rows)?, Told::Written)
            }
            Err(error) if context.session.store().needs_no_transaction(&error, sql) => {
                return alone(sql, context, rows);
            }
            Err(error) => return Err(error),
        },
        Attempt::Alone => return alone(sql, context, rows),
    };
    finish(&outcome, told, rows, context)
}

/// What runs in no transaction: it cannot be tried, so it can only be asked about.
fn alone(sql: &str, context: &mut Context, mut rows: Rows<'_>) -> Result<()> {
    let free = context.session.is_clean() && !context.session.is_sandbox();
    if free && !agreed(sql, "it runs in no transaction, so what it changes cannot be counted", rows.front)? {
        return rows.front.notice(Level::Info, "nothing was written");
    }
    let outcome = context.session.run_alone(sql, &mut rows)?;
    finish(&outcome, Told::Written, rows, context)
}

/// What is said of a statement behind its result.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    TakenBack,
    Staged,
    Written,
}

fn finish(outcome: &RawOutcome, told: Told, rows: Rows<'_>, context: &mut Context) -> Result<()> {
    let (begun, front) = (rows.begun, rows.front);
    if begun {
        front.end()?;
    }
    if told == Told::TakenBack {
        return front.notice(Level::Warning, "done and rolled back: this is a sandbox");
    }
    if outcome.changed_schema {
        context.reload()?;
    }
    let done = match outcome.affected {
        0 => "done".to_owned(),
        1 => "done: 1 row changed".to_owned(),
        many => format!("done: {many} rows changed"),
    };
    let text = match told {
        Told::Staged => format!("{done}; it waits for `commit`"),
        Told::Written if context.interactive => format!("{done}; it is written and cannot be undone"),
        _ if begun => return Ok(()),
        _ => done,
    };
    front.notice(Level::Info, &text)
}

fn effect(outcome: &RawOutcome) -> String {
    let rows = match outcome.affected {
        0 => "no row would change".to_owned(),
        1 => "1 row would change".to_owned(),
        many => format!("{many} rows would change"),
    };
    match (outcome.affected, outcome.changed_schema) {
        (_, false) => rows,
        (0, true) => "more than rows would change".to_owned(),
        (_, true) => format!("{rows}, and more than rows"),
    }
}

/// Whether the person wants it; where nobody is there to be asked, it was wanted by being typed.
fn agreed(sql: &str, effect: &str, front: &mut dyn Front) -> Result<bool> {
    let question = format!("{}: {effect}. It is written at once and cannot be undone. Run it?", shortened(sql));
    Ok(front.ask(&question)? != Some(false))
}
