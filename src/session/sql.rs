//! SQL of a person's own beside what is staged.

use super::journal::{Entry, Whole};
use super::{Applied, Mode, Session};
use crate::store::{Attempt, RawOutcome, RawSink, Unseen};
use crate::text::Place;
use crate::{Error, ErrorKind, Result};
use std::rc::Rc;

impl Session {
    /// Runs a statement that sees what is staged, if it only reads; says so where it would write.
    ///
    /// # Errors
    /// The database's; `Refused` where it may not write at all.
    pub(crate) fn attempt(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<Attempt> {
        // Whatever it does is not known here.
        self.seen.reset();
        if self.mode != Mode::Prompt {
            self.flush()?;
            return self.store.attempt(sql, self.is_open(), sink);
        }
        if self.sees_the_database() {
            return self.store.attempt(sql, false, sink);
        }
        let open = self.apply_for_reading()?;
        let done = self.store.attempt(sql, open, sink);
        self.end()?;
        done
    }

    /// Runs a statement and takes it back.
    ///
    /// # Errors
    /// The database's.
    pub(crate) fn rehearse(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<RawOutcome> {
        self.trying(|store, _| store.raw(sql, sink))
    }

    /// Runs a statement in a transaction of its own and commits it.
    ///
    /// # Errors
    /// The database's; nothing is written then.
    pub(crate) fn write_at_once(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<RawOutcome> {
        let outcome = match self.direct(|store, _| store.raw(sql, sink)) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.abandon()?;
                return Err(error);
            }
        };
        self.commit_direct()?;
        Ok(outcome)
    }

    /// Runs a statement that no transaction may hold.
    ///
    /// # Errors
    /// `Refused` while something is staged, or where nothing is ever committed; the database's.
    pub(crate) fn run_alone(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<RawOutcome> {
        if self.sandbox {
            return Err(Error::new(ErrorKind::Refused, "this is a sandbox: nothing is ever committed")
                .hint("this statement runs in no transaction, so it cannot be tried and taken back"));
        }
        if !self.is_clean() {
            return Err(Error::new(
                ErrorKind::Refused,
                "changes are staged, and this statement runs in no transaction",
            )
            .hint("`commit` or `rollback` first"));
        }
        self.end()?;
        self.seen.reset();
        self.store.raw(sql, sink).map_err(|error| match error.kind {
            // Some of it may be done, and stays done.
            ErrorKind::Connection => Error { kind: ErrorKind::InDoubt, ..error }
                .hint("it runs in no transaction: whether it was done, or how much of it, is not known; look before you run it again"),
            _ => error,
        })
    }

    /// Runs a statement in the transaction that is held, and stages it: whatever sends the journal again sends it too.
    ///
    /// # Errors
    /// The database's; the transaction is then as it was before, and nothing is staged.
    pub(crate) fn stage_sql(&mut self, sql: &str, place: Option<Place>, sink: &mut dyn RawSink) -> Result<RawOutcome> {
        self.flush()?;
        self.begin(true)?;
        self.seen.reset();
        let outcome = self.guarded(|session| session.store.raw(sql, sink))?;
        let entry = Entry {
            number: self.journal.next_number(),
            place,
            changes: Vec::new(),
            effects: Vec::new(),
            whole: Some(Whole::Sql(Rc::from(sql))),
        };
        if let Some(keeper) = &mut self.keeper
            && let Err(error) = keeper.append(&entry, &self.catalog)
        {
            // What is not on disk is not staged, and the transaction must not have it.
            self.end()?;
            return Err(error);
        }
        self.journal.push(entry);
        self.applied = Applied::UpTo(self.journal.len());
        Ok(outcome)
    }

    /// Sends a staged statement again.
    pub(super) fn send_statement(&mut self, sql: &str) -> Result<()> {
        self.seen.reset();
        self.guarded(|session| session.store.raw(sql, &mut Unseen)).map(drop)
    }
}
