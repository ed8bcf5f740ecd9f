//! Commands that run again: because the database undid their transaction (a deadlock, a serialization failure), or because
//! their connection was lost before anything was written.
//!
//! At a prompt a command runs again by itself. A script holds a transaction, so all that it ran since that began runs again,
//! unless somebody may have used what was read in it.

use super::console::Console;
use crate::command::{Context, Flow};
use crate::language::ast::{Command, Line};
use crate::outcome::{Level, Report as _};
use crate::plan::Bound;
use crate::session::{Patience, REMADE};
use crate::text::Place;
use crate::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::time::Duration;

/// How long the same is tried before it is given up.
const BOUND: Duration = Duration::from_secs(60);

/// The first wait between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// How often a command may lose its connection.
const LOSSES: usize = 3;

/// How much text of a script is kept to be run again, in bytes.
const LONGEST: usize = 4 << 20;

/// What a script has run since its transaction began.
#[derive(Default)]
pub(super) struct Unit {
    lines: Vec<(Box<str>, Place)>,
    bytes: usize,
    /// What was known before the first of them.
    variables: HashMap<String, Bound>,
    added: bool,
    /// Why it cannot run again.
    spoiled: Option<String>,
}

/// What is done about a failure that may go away.
enum Way {
    /// The command runs again; what is staged stays as it is.
    Alone,
    /// The script's transaction runs again from its beginning.
    Unit,
}

/// What running a command again would mean.
#[derive(PartialEq, Eq)]
enum Sort {
    /// It shows what it reads.
    Shows,
    /// It stages, or binds a variable: whatever it did is gone with its transaction.
    Stages,
    /// It writes what is staged.
    Commits,
    /// It does more than the database can take back.
    Other,
}

fn sort(command: &Command<'_>) -> Sort {
    match command {
        Command::Query(_)
        | Command::Attribute(..)
        | Command::Aggregate(_)
        | Command::Distinct(_)
        | Command::Status
        | Command::Diff { .. } => Sort::Shows,
        Command::Empty
        | Command::Let(..)
        | Command::Add(..)
        | Command::Set(..)
        | Command::Delete(..)
        | Command::Rollback
        | Command::RollbackTo(_)
        | Command::Savepoint(_)
        | Command::Undo(_)
        | Command::Redo(_)
        | Command::Discard(..)
        | Command::Keep(..) => Sort::Stages,
        Command::Commit { .. } => Sort::Commits,
        Command::Dot(name, arguments, _) => match name.text.as_ref() {
            "sql" => Sort::Stages,
            // What comes through a pipe can be read once.
            "import" if arguments.iter().any(|word| std::path::Path::new(word.text.as_ref()).is_file()) => Sort::Stages,
            "explain" | "tables" | "schema" | "export" => Sort::Shows,
            _ => Sort::Other,
        },
        Command::Db(..) | Command::Own(..) => Sort::Other,
    }
}

/// Whether a failure may be gone with another transaction, or another connection.
fn may_pass(error: &Error) -> bool {
    error.kind == ErrorKind::Connection || error.is_undone()
}

/// The command as it is told, cut where it is long.
fn told(text: &str, place: &Place) -> String {
    format!("line {} (`{}`)", place.line, crate::text::sql::shortened(text))
}

impl Unit {
    /// Before a command of a script: where nothing is staged, a transaction may begin with it.
    fn begin(&mut self, sort: &Sort, context: &Context) {
        if context.session.is_open() || !context.session.is_clean() {
            return;
        }
        self.lines.clear();
        (self.bytes, self.spoiled) = (0, None);
        if *sort != Sort::Shows {
            self.variables.clone_from(&context.variables);
            self.added = context.added;
        }
    }

    fn spoil(&mut self, why: String) {
        self.spoiled = Some(why);
        self.lines = Vec::new();
    }

    /// A command of a script is done.
    fn note(&mut self, line: &Line<'_>, place: &Place, sort: &Sort, shown: bool) {
        if matches!(line.command, Command::Empty) || self.spoiled.is_some() {
            return;
        }
        match sort {
            Sort::Other => self.spoil(format!("{} cannot be taken back", told(line.text, place))),
            // Where all was written the next command begins anew.
            Sort::Commits => self.spoil(format!("part of it is written by {}", told(line.text, place))),
            _ if shown || *sort == Sort::Shows => {
                self.spoil(format!("{} has shown what it read, which may have been used", told(line.text, place)));
            }
            _ => {
                self.bytes += line.text.len();
                self.lines.push((line.text.into(), place.clone()));
                if self.bytes > LONGEST {
                    self.spoil(format!("it is longer than {} MiB", LONGEST >> 20));
                }
            }
        }
    }
}

impl Console {
    /// Runs a command; again, where that may help and nobody can have used what it read.
    pub(super) fn persist(&mut self, line: &Line<'_>, place: &Place) -> Result<Flow> {
        let sort = sort(&line.command);
        let scripted = self.context.session.may_be_undone() && !self.context.session.is_together();
        if scripted {
            self.unit.begin(&sort, &self.context);
            self.context.session.set_replayed(self.unit.spoiled.is_none());
        }
        let before = self.context.session.mark();
        self.screen.shown = false;
        let mut patience = Patience::new(BOUND, FIRST_WAIT);
        let mut losses = 0;
        let mut staged = None;
        let mut done = self.once(line, place);
        while let Err(error) = done {
            if !may_pass(&error) {
                if scripted && self.unit.spoiled.is_none() {
                    // A script that goes on does so perhaps without what an earlier line was to stage.
                    self.unit.spoil(format!("{} has failed", told(line.text, place)));
                }
                return Err(error);
            }
            let lost = error.kind == ErrorKind::Connection;
            losses += usize::from(lost);
            let way = self.way(&sort, scripted, before);
            if way.is_err() || losses > LOSSES || (self.screen.interrupted)() || !patience.pause() {
                let mut error = if lost { self.reconnected(error) } else { error };
                if !lost {
                    self.context.session.abandon()?;
                }
                if let Some(counts) = staged {
                    error = error
                        .hint(format!("tried again and again, and nothing of its transaction was written: {counts}"));
                }
                return Err(way.err().flatten().into_iter().fold(error, Error::hint));
            }
            if lost {
                self.screen.rest();
                if let Err(cause) = self.context.session.reconnect() {
                    return Err(error.hint(format!("and it cannot be made again: {cause}")));
                }
                self.screen.notice(Level::Warning, REMADE)?;
            } else {
                self.context.session.abandon()?;
            }
            done = match way {
                Ok(Way::Unit) => {
                    staged.get_or_insert_with(|| self.context.session.counts());
                    self.replay()
                }
                _ => Ok(()),
            }
            .and_then(|()| self.once(line, place));
        }
        if scripted {
            self.unit.note(line, place, &sort, self.screen.shown);
        }
        done
    }

    /// How a command that failed may run again, or why it may not.
    fn way(
        &self,
        sort: &Sort,
        scripted: bool,
        before: crate::session::StagedMark,
    ) -> std::result::Result<Way, Option<String>> {
        if self.screen.shown {
            return Err(Some("part of its result was shown, so it was not run again".into()));
        }
        if *sort == Sort::Other {
            return Err(None);
        }
        if scripted && (self.context.session.is_open() || !self.context.session.is_clean() || before.is_staged()) {
            return match &self.unit.spoiled {
                None => Ok(Way::Unit),
                Some(why) => Err(Some(format!("its transaction was not run again from the beginning: {why}"))),
            };
        }
        if *sort == Sort::Commits || self.context.session.mark() != before {
            return Err(None);
        }
        Ok(Way::Alone)
    }

    /// Runs again what a script has run since its transaction began, all of which is gone. It says nothing a second time.
    fn replay(&mut self) -> Result<()> {
        self.context.session.forget()?;
        self.context.variables.clone_from(&self.unit.variables);
        self.context.added = self.unit.added;
        let lines = std::mem::take(&mut self.unit.lines);
        self.screen.hush(true);
        let done = lines.iter().try_for_each(|(text, place)| {
            let catalog = std::sync::Arc::clone(self.context.session.catalog());
            let line = crate::language::parse_line(text, &catalog)?;
            self.once(&line, place).map(drop).map_err(|error| error.from_place(Some(place.clone())))
        });
        self.screen.hush(false);
        self.unit.lines = lines;
        done
    }

    /// Makes a lost connection again, and says what came of that.
    pub(super) fn reconnected(&mut self, error: Error) -> Error {
        self.screen.rest();
        match self.context.session.reconnect() {
            // The journal is intact; whatever needs the connection next replays it.
            Ok(()) => error.hint("the connection has been made again, and what is staged is still staged"),
            Err(cause) => error.hint(format!("and it cannot be made again: {cause}")),
        }
    }
}
