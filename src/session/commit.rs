//! Commit: one short transaction, all or nothing, tried again when the database asks for it.

use super::flush::is_objection;
use super::journal::{Change, Counts};
use super::net::Net;
use super::{Applied, Mode, Session};
use crate::model::{EntityId, Value};
use crate::plan::named_by_key;
use crate::store::{Fate, Named};
use crate::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::time::Duration;

/// How often a commit is tried.
const TRIES: u32 = 6;

/// The first wait between tries; each is twice the one before.
const BACKOFF: Duration = Duration::from_millis(40);

const KEPT: &str = "nothing was written; what was staged is still staged (`status`, `diff`, `undo`, `rollback`)";

impl Session {
    /// Commits everything that is staged, or what is staged for some entities, in one transaction, all or nothing. Gives
    /// what was written.
    ///
    /// Busy databases, deadlocks and serialization failures are answered by replaying the journal, a bounded number of
    /// times; so is a connection that is lost before COMMIT was sent.
    ///
    /// # Errors
    /// `Conflict` or `Constraint`, naming the change; `Busy` after the last try. The journal is kept.
    pub(crate) fn commit_only(&mut self, dry_run: bool, only: &[EntityId]) -> Result<Counts> {
        if self.sandbox && !dry_run {
            return Err(Error::new(ErrorKind::Refused, "this is a sandbox: nothing is ever committed")
                .hint("`commit --dry-run` tries it; start without --sandbox to write"));
        }
        let mut wait = BACKOFF;
        for _ in 1..TRIES {
            match self.commit_once(dry_run, only) {
                Err(error) if error.kind.is_transient() => {
                    if error.kind == ErrorKind::Connection {
                        self.reconnect()?;
                    }
                    std::thread::sleep(wait);
                    wait *= 2;
                }
                done => return done,
            }
        }
        self.commit_once(dry_run, only)
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
        if partial && self.journal.has_statement() {
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
            self.renumber()?;
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
            self.keep_safe(|keeper, _, _| keeper.committing())?;
            let id = self.store.identity()?;
            match self.send_commit() {
                Ok(()) => {
                    self.applied = Applied::Nothing;
                    self.seen.clear();
                }
                Err(error) if error.kind == ErrorKind::Connection => {
                    return self.unknown(error, &id, counts, only);
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

    /// Sends COMMIT; where the database only asks to wait (SQLite, while someone reads) the transaction stays as it is and
    /// COMMIT is sent again.
    fn send_commit(&mut self) -> Result<()> {
        let mut wait = BACKOFF;
        for _ in 1..TRIES {
            match self.store.commit() {
                Err(error) if error.kind == ErrorKind::Busy && !self.store.facts().failure_aborts => {
                    std::thread::sleep(wait);
                    wait *= 2;
                }
                done => return done,
            }
        }
        self.store.commit()
    }

    /// The answer to COMMIT was lost: look up what became of it before anything is sent again.
    fn unknown(&mut self, error: Error, id: &Named, counts: Counts, only: &[EntityId]) -> Result<Counts> {
        let told = self.fate(id).map_err(|cause| {
            // Not one that is tried again by itself: what may be there is not sent twice.
            Error { kind: ErrorKind::Database, ..cause }
                .hint("the connection was lost while COMMIT was under way: whether it was written is not known")
                .hint("what was staged is kept; look at the data before you `commit` again")
        })?;
        let committed = told.or_else(|| {
            if self.journal.has_statement() {
                // Nobody knows what it would have left in the rows.
                return None;
            }
            let nets = self.net();
            let mine = nets.iter().filter(|net| only.is_empty() || only.contains(&net.change.entity()));
            let told: Vec<Option<bool>> = mine.map(|net| self.is_applied(&net.change)).collect();
            // One that cannot be told is enough not to know.
            told.into_iter().collect::<Option<Vec<bool>>>().map(|told| told.iter().all(|applied| *applied))
        });
        match committed {
            Some(true) => {
                self.warnings.push("the connection was lost during COMMIT; the database has the changes".into());
                self.written(only)?;
                Ok(counts)
            }
            // It was rolled back, and may be sent again.
            Some(false) => Err(Error { kind: ErrorKind::Connection, ..error }),
            None => Err(Error::new(
                ErrorKind::Database,
                "the connection was lost while COMMIT was under way, and whether it was written cannot be told",
            )
            .hint("look at the data; then `rollback` if it is there, or `commit` again if it is not")),
        }
    }

    /// Makes the connection again and asks what became of a transaction; none where the server cannot tell.
    fn fate(&mut self, id: &Named) -> Result<Option<bool>> {
        self.reconnect()?;
        let Named::Transaction(id) = id else { return Ok((*id == Named::NothingWritten).then_some(false)) };
        let mut wait = BACKOFF;
        for _ in 1..TRIES {
            match self.store.was_committed(id)? {
                Fate::Committed => return Ok(Some(true)),
                Fate::RolledBack => return Ok(Some(false)),
                Fate::Unknown(_) => return Ok(None),
                // The server has not noticed yet that nobody listens.
                Fate::Running => std::thread::sleep(wait),
            }
            wait *= 2;
        }
        Err(Error::new(ErrorKind::Database, "the transaction has not ended yet"))
    }

    /// Whether a change is in the database already; none where that cannot be told.
    pub(super) fn is_applied(&mut self, change: &Change) -> Option<bool> {
        let entity = change.entity();
        let model = self.catalog.get(entity).clone();
        let key = change.key(&self.catalog)?;
        let by: Vec<(usize, Value)> = model.key.iter().copied().zip(key).collect();
        let row = self.row(entity, &by);
        Some(match change {
            Change::Insert { columns, values, .. } => {
                row.is_some_and(|row| columns.iter().zip(values).all(|(at, value)| row[*at] == *value))
            }
            Change::Update { set, .. } => row.is_some_and(|row| set.iter().all(|(at, value)| row[*at] == *value)),
            Change::Delete { .. } => row.is_none(),
        })
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
    fn written(&mut self, only: &[EntityId]) -> Result<()> {
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
    /// # Errors
    /// When the database cannot roll back.
    pub fn rollback(&mut self) -> Result<Counts> {
        let counts = self.counts();
        self.end()?;
        self.journal.roll_back();
        self.seen.sent();
        self.keep_safe(|keeper, _, _| keeper.clear())?;
        Ok(counts)
    }
}
