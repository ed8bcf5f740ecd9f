//! Commit: one short transaction, all or nothing, tried again when the database asks for it.

use super::doubt::{Doubt, Resolved};
use super::flush::is_objection;
use super::journal::{Change, Counts};
use super::net::Net;
use super::{Applied, Mode, Patience, Session};
use crate::model::EntityId;
use crate::plan::named_by_key;
use crate::store::{Named, Store};
use crate::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::time::Duration;

/// How often a commit is tried while something is in its way.
const TRIES: u32 = 6;

/// How long it is tried.
const BOUND: Duration = Duration::from_secs(30);

/// The first wait between tries; each is twice the one before.
const BACKOFF: Duration = Duration::from_millis(40);

/// What is said where a lost connection was no more than that.
pub(crate) const REMADE: &str = "the connection was lost; it has been made again";

const KEPT: &str = "nothing was written; what was staged is still staged (`status`, `diff`, `undo`, `rollback`)";

impl Session {
    /// Commits everything that is staged, or what is staged for some entities, in one transaction, all or nothing. Gives
    /// what was written.
    ///
    /// Busy databases, deadlocks and serialization failures are answered by replaying the journal, a bounded number of
    /// times; so is a connection that is lost before COMMIT was sent.
    ///
    /// # Errors
    /// `Conflict` or `Constraint`, naming the change; `Busy` after the last try; `InDoubt` where the answer to COMMIT was lost
    /// and what became of it is not known. The journal is kept.
    pub(crate) fn commit_only(&mut self, dry_run: bool, only: &[EntityId]) -> Result<Counts> {
        self.end_together()?;
        if self.sandbox && !dry_run {
            return Err(Error::new(ErrorKind::Refused, "this is a sandbox: nothing is ever committed")
                .hint("`commit --dry-run` tries it; start without --sandbox to write"));
        }
        if self.is_in_doubt() {
            if dry_run {
                self.certain()?;
            }
            // What was sent is looked up first; then the rest, if there is any.
            if let Resolved::Committed(counts) = self.resolve()?
                && self.journal.is_empty()
            {
                return Ok(counts);
            }
        }
        let mut patience = Patience::new(BOUND, BACKOFF);
        let mut tries = 1;
        let mut undone = None;
        loop {
            let error = match self.commit_once(dry_run, only) {
                Err(error) if error.kind.is_transient() && !self.is_for_others(&error) => error,
                Err(error) if error.kind == ErrorKind::Conflict => {
                    let because = |why| format!("the database undid the first try because of what others did ({why})");
                    return Err(undone.map(because).into_iter().fold(error, Error::hint));
                }
                done => return done,
            };
            if error.is_undone() {
                undone.get_or_insert_with(|| error.message.clone());
            }
            // What others undo again and again goes well some time; what is only in the way may stay there.
            tries += u32::from(!error.is_undone());
            if tries > TRIES || !patience.pause() {
                return Err(error);
            }
            if error.kind == ErrorKind::Connection {
                self.reconnect()?;
            } else {
                // A new transaction, which sees what is there now.
                self.end()?;
            }
        }
    }

    /// Whether a failure is for whoever sends a script's commands: they are sent again, or what was read among them would
    /// be worth nothing in another transaction.
    fn is_for_others(&self, error: &Error) -> bool {
        self.may_be_undone()
            && (self.replayed || self.store.keeps_snapshots())
            && (error.is_undone() || error.kind == ErrorKind::Connection)
    }

    /// Forgets what is staged, of which nothing is written: it is going to be staged again.
    pub(crate) fn forget(&mut self) -> Result<()> {
        self.end()?;
        self.journal.written();
        self.seen.sent();
        Ok(())
    }

    /// Whether the connection is seen to be gone while no transaction was open: what is asked next can be sent over a new
    /// one.
    pub(crate) fn is_lost(&self) -> bool {
        !self.is_open() && self.store.is_lost()
    }

    /// Makes a lost connection again; the journal is replayed by whatever needs it.
    ///
    /// # Errors
    /// `Connection` when the database cannot be reached.
    pub(crate) fn reconnect(&mut self) -> Result<()> {
        self.applied = Applied::Nothing;
        self.seen.unsent();
        self.store.reconnect()
    }

    fn commit_once(&mut self, dry_run: bool, only: &[EntityId]) -> Result<Counts> {
        let partial = !only.is_empty();
        if partial {
            self.spell_out()?;
        }
        if partial && self.journal.has_sql() {
            return Err(Error::new(ErrorKind::Refused, "SQL is staged, and what it is about is not known")
                .hint("`commit` writes everything that is staged"));
        }
        let mut counts = Counts::default();
        if !partial && self.mode != Mode::Prompt {
            counts = self.counts();
            self.flush()?;
        } else if !self.journal.is_empty() {
            self.end()?;
            self.begin(true)?;
            let generation = self.journal.generation();
            self.renumber().or_else(|error| self.end().and(Err(error)))?;
            if self.journal.generation() != generation {
                // What is found after a crash has the keys that were sent.
                self.keep_safe(super::recovery::Keeper::rewrite)?;
            }
            let mut nets = self.net();
            nets.retain(|net| !partial || only.contains(&net.change.entity()));
            for net in &nets {
                counts.count(&net.change);
            }
            self.send_nets(&nets, only).or_else(|error| self.end().and(Err(error)))?;
        }
        if dry_run {
            self.end()?;
            return Ok(counts);
        }
        if self.is_open() {
            let named = match self.announce(only) {
                Ok(named) => named,
                Err(error) => return self.end().and(Err(error)),
            };
            match send_commit(&mut *self.store) {
                Ok(()) => {
                    self.applied = Applied::Nothing;
                    self.seen.clear();
                }
                Err(error) if error.kind == ErrorKind::Connection => {
                    // Never sent again before it is known what became of it.
                    self.applied = Applied::Nothing;
                    self.seen.unsent();
                    self.doubt = Some(Doubt::new(named, counts, only.to_vec()));
                    return match self.resolve()? {
                        Resolved::Committed(counts) => Ok(counts),
                        Resolved::Sendable => Err(Error::new(
                            ErrorKind::Busy,
                            format!("the connection was lost, and nothing was written: {}", error.message),
                        )),
                    };
                }
                Err(error) => {
                    self.end()?;
                    self.keep_safe(super::recovery::Keeper::rewrite)?;
                    return Err(error.hint(KEPT));
                }
            }
        }
        self.written(only)?;
        Ok(counts)
    }

    /// Names the open transaction, on disk too, before COMMIT is sent: by that its outcome can be asked for.
    fn announce(&mut self, only: &[EntityId]) -> Result<Named> {
        let named = self.store.identity()?;
        self.keep_safe(|keeper, _, catalog| keeper.committing(&named, only, catalog))?;
        Ok(named)
    }

    fn send_nets(&mut self, nets: &[Net], only: &[EntityId]) -> Result<()> {
        let changes: Vec<&Change> = nets.iter().map(|net| &net.change).collect();
        let error = match self.send_sets(&changes) {
            Err(error) if is_objection(&error) => error,
            done => return done,
        };
        // Nothing of this is going to be written: the rest is to say which change it was.
        self.end()?;
        self.begin(true)?;
        let (at, error) = self.culprit(&changes, error);
        let net = &nets[at];
        let error = self.explained(error, &net.change);
        if error.kind.is_transient() {
            return Err(error);
        }
        let error = if only.is_empty() { error } else { self.depends(error, net, only) };
        let entry = &self.journal.entries()[net.entry];
        let mut error = error.from_place(entry.place.clone());
        error.message = format!("change #{}: {}", entry.number, error.message);
        if error.kind == ErrorKind::Conflict {
            let name = self.spelled(&net.change);
            error = error.hint(format!("`keep mine {name}`, `keep theirs {name}` or `discard {name}`, then `commit`"));
        }
        if error.kind == ErrorKind::Constraint {
            error = error.hint(format!("`discard {}` takes it out", self.spelled(&net.change)));
        }
        Err(error.hint(KEPT))
    }

    /// Why a change cannot be committed without others.
    fn depends(&self, error: Error, net: &Net, only: &[EntityId]) -> Error {
        let model = self.catalog.get(net.change.entity());
        let other = model
            .foreign_keys
            .iter()
            .map(|key| key.to)
            .chain(self.catalog.iter().filter_map(|(id, other)| {
                other.foreign_keys.iter().any(|key| key.to == net.change.entity()).then_some(id)
            }))
            .find(|id| !only.contains(id) && self.journal.changes().any(|change| change.entity() == *id));
        match other {
            Some(id) => {
                error.hint(format!("it may depend on what is staged for {}: commit both", self.catalog.get(id).plural))
            }
            None => error,
        }
    }

    /// `user 1`, as it is typed.
    pub(super) fn spelled(&self, change: &Change) -> String {
        let model = self.catalog.get(change.entity());
        named_by_key(model, &change.key(&self.catalog).unwrap_or_default())
    }

    /// The database has what was staged: forget it.
    pub(super) fn written(&mut self, only: &[EntityId]) -> Result<()> {
        if only.is_empty() {
            self.journal.written();
            self.applied = Applied::Nothing;
            self.seen.unsent();
            self.seen.sent();
            return self.keep_safe(|keeper, _, _| keeper.clear());
        }
        let only: HashSet<EntityId> = only.iter().copied().collect();
        self.journal.written_only(|entity| only.contains(&entity));
        self.seen.unsent();
        self.keep_safe(super::recovery::Keeper::rewrite)
    }

    /// Discards everything that is staged; `undo` brings it back until something else is staged. Gives what it was.
    ///
    /// What is in doubt is forgotten for good, whether or not the database has it; whatever else is staged stays.
    ///
    /// # Errors
    /// When the database cannot roll back.
    pub fn rollback(&mut self) -> Result<Counts> {
        if let Some(doubt) = self.doubt.take() {
            return self.forget_doubt(&doubt);
        }
        // What is wrong with what was being collected is of no matter any more.
        let _ = self.end_together();
        let counts = self.counts();
        self.end()?;
        self.journal.roll_back();
        self.seen.sent();
        self.keep_safe(|keeper, _, _| keeper.clear())?;
        Ok(counts)
    }
}

/// Sends COMMIT; where the database only asks to wait (SQLite, while someone reads) the transaction stays as it is and
/// COMMIT is sent again.
pub(super) fn send_commit(store: &mut dyn Store) -> Result<()> {
    let mut wait = BACKOFF;
    for _ in 1..TRIES {
        match store.commit() {
            Err(error) if error.kind == ErrorKind::Busy && !store.facts().failure_aborts => {
                std::thread::sleep(wait);
                wait *= 2;
            }
            done => return done,
        }
    }
    store.commit()
}
