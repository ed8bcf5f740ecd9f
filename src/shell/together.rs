//! Lines that arrive together at a prompt, by a paste or from a file: their changes are staged together, and told together.

use super::console::Console;
use crate::command::{self, Context};
use crate::language::ast::{Command, Line, Target};
use crate::outcome::{Level, Report as _};
use crate::{Error, ErrorKind, Result};

/// Lines that arrive together are being run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// The number that the next change had before them.
    first: u32,
    /// Whether the line before was one of those that may be staged together.
    joined: bool,
}

/// Whether a command only stages changes to records that it names; what it shows, if anything, does not depend on others.
fn stages(command: &Command<'_>) -> bool {
    matches!(command, Command::Add(..) | Command::Set(Target::Record(_), _) | Command::Delete(Target::Record(_), _))
}

/// Whether what a command says is part of what is said of all of them.
fn is_change(command: &Command<'_>) -> bool {
    matches!(command, Command::Add(..) | Command::Set(..) | Command::Delete(..))
}

impl Console {
    /// Several lines are going to be run. Gives whether they are those that were typed, and not lines of a file among them;
    /// scripts are no matter of this.
    pub(super) fn begin_run(&mut self) -> bool {
        self.ahead = 0;
        let begins = self.run.is_none() && self.context.interactive && self.context.session.is_prompt();
        if begins {
            self.run = Some(Run { first: self.context.session.next_entry(), joined: false });
        }
        begins
    }

    /// The lines have been run, or those of a file among them.
    ///
    /// # Errors
    /// The database's objection to one of the changes, with its place.
    pub(super) fn end_run(&mut self) -> Result<()> {
        self.ahead = 0;
        let Some(run) = &mut self.run else { return Ok(()) };
        run.joined = false;
        self.screen.hush(false);
        command::end_together(&mut self.context, &mut self.screen)
    }

    /// All lines have been run: what they staged is told.
    ///
    /// # Errors
    /// When writing fails.
    pub(super) fn tell_run(&mut self, outermost: bool) -> Result<()> {
        match self.run.take_if(|_| outermost).and_then(|run| command::staged_since(run.first, &self.context)) {
            Some(text) => self.screen.notice(Level::Info, &text),
            None => Ok(()),
        }
    }

    /// A command of several is about to be run: its changes join those before it, or those are staged first.
    pub(super) fn join(&mut self, line: &Line<'_>) -> Result<()> {
        match self.joined(line) {
            Err(error) if error.kind == ErrorKind::Connection => Err(self.reconnected(error)),
            done => done,
        }
    }

    fn joined(&mut self, line: &Line<'_>) -> Result<()> {
        let Some(run) = &mut self.run else { return Ok(()) };
        self.screen.hush(is_change(&line.command));
        if matches!(line.command, Command::Empty) {
            return Ok(());
        }
        let joins = line.program.is_none() && (stages(&line.command) || matches!(line.command, Command::Let(..)));
        let joined = std::mem::replace(&mut run.joined, joins);
        if !joins {
            return command::end_together(&mut self.context, &mut self.screen);
        }
        // A single change among other commands is cheaper by itself. Where errors do not end the run, each has its own.
        if joined && stages(&line.command) && !self.screen.options.continue_on_error {
            self.context.session.begin_together()?;
        }
        Ok(())
    }

    /// A command of several has failed. What was staged before it stays staged, and what is wrong with that comes first.
    ///
    /// # Errors
    /// When writing fails.
    pub(super) fn failed(&mut self, error: Error) -> Result<Error> {
        if !self.context.session.is_together() {
            return Ok(error);
        }
        match command::end_together(&mut self.context, &mut self.screen) {
            Err(earlier) if error.kind == ErrorKind::Interrupted && earlier.place.is_some() => {
                if let Some(place) = earlier.place.clone() {
                    self.show_error(&earlier, "", &place, &*place.source != "prompt")?;
                }
                Ok(error)
            }
            Err(earlier) if earlier.place.is_some() => Ok(earlier),
            _ => Ok(error),
        }
    }

    /// Looks ahead in the text that is still to be run, where the records that it names are at a distance.
    ///
    /// # Errors
    /// The database's objection to what is pending.
    pub(super) fn look_ahead(&mut self, text: impl FnOnce() -> String) -> Result<()> {
        if !self.context.session.looks_ahead() {
            return Ok(());
        }
        if self.ahead == 0 {
            self.ahead = command::look_ahead(&text(), &mut self.context)?;
        }
        self.ahead = self.ahead.saturating_sub(1);
        Ok(())
    }
}

/// A lock was not to be had while changes were collected: they go on without a look at the database.
pub(super) fn goes_on_unchecked(error: &Error, context: &mut Context) -> Result<bool> {
    let busy = error.kind == ErrorKind::Busy && !error.is_undone() && context.session.is_together();
    if busy {
        context.session.unchecked()?;
    }
    Ok(busy)
}
