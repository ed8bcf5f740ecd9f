//! The session: a buffer of changes that is not a transaction.
//!
//! It knows the port of `store.rs`, not Diesel.

mod bulk;
mod commit;
mod conflict;
mod doubt;
pub mod effects;
mod explain;
mod flush;
mod history;
pub mod journal;
pub mod net;
mod number;
pub(crate) mod outcome;
mod patience;
pub mod recovery;
mod reload;
mod renumber;
mod seen;
mod sets;
mod sight;
mod spelling;
mod sql;
mod stage;
#[cfg(test)]
mod tests;
mod together;
mod touch;
mod trace;
mod typed;

pub use bulk::Way;
pub(crate) use commit::REMADE;
pub use conflict::{Conflict, Settled};
pub(crate) use patience::Patience;
pub use renumber::Renumbered;
pub use seen::is_exact;
pub(crate) use spelling::Keep;
pub use typed::{Difference, DifferenceKind, Edit, Key, State};

use crate::model::{Catalog, EntityId, Value};
use crate::store::Store;
use crate::{Error, ErrorKind, Result};
use journal::{Change, Counts, Entry, Journal};
use net::{Net, net};
use recovery::{Keeper, Left};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How many lists of columns are shared among inserts.
const SHAPES: usize = 16;

/// How long locks of others are waited for where nothing is written, unless it is set otherwise.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// How many changes a script collects before it sends them.
const PENDING: usize = 10_000;

/// Whether a transaction stays open while changes are staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// No: reads see what is staged without one. For a person, who thinks.
    No,
    /// Yes: from the first change sent to the commit. For a script, where nobody waits.
    Yes,
}

/// How a session works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A person is typing: no transaction is open between commands, and objections come on the line that causes them.
    Prompt,
    /// The same with a transaction that is held open (`.set hold on`).
    Held,
    /// A script: changes are collected and sent together, in a transaction that is held open.
    Script,
}

/// What of the journal the open transaction has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applied {
    /// No transaction is open.
    Nothing,
    /// A transaction is open, and has the entries before this one.
    UpTo(usize),
}

/// How much was staged at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StagedMark {
    staged: usize,
    next: u32,
}

impl StagedMark {
    /// Whether anything was.
    pub(crate) const fn is_staged(self) -> bool {
        self.staged > 0
    }
}

/// A database with the changes staged for it: a journal of typed changes, not a transaction.
///
/// A session is *clean* until something is *staged*. It may be *flushed*, sent in a transaction that is held open, and is
/// *committed* all or nothing, or rolled back: see [`State`], and the crate's page for the whole way. Made by
/// [`Shell::into_session`](crate::Shell::into_session), or borrowed by [`Shell::session`](crate::Shell::session) and
/// [`Call::session`](crate::Call::session).
///
/// | to | call |
/// | --- | --- |
/// | stage changes | [`add`](Self::add), [`set`](Self::set), [`delete`](Self::delete) |
/// | read, with what is staged | [`get`](Self::get), [`read`](Self::read), [`read_with`](Self::read_with) |
/// | look at what is staged | [`state`](Self::state), [`staged`](Self::staged), [`counts`](Self::counts), [`differences`](Self::differences) |
/// | go back and forth | [`undo`](Self::undo), [`redo`](Self::redo), [`savepoint`](Self::savepoint), [`rollback_to`](Self::rollback_to) |
/// | end | [`commit`](Self::commit), [`rollback`](Self::rollback) |
/// | use Diesel on the same connection | [`connection`](Self::connection) |
pub struct Session {
    store: Box<dyn Store>,
    catalog: Arc<Catalog>,
    mode: Mode,
    journal: Journal,
    applied: Applied,
    /// Changes that arrive together at a prompt are being collected.
    together: Option<together::Together>,
    /// A COMMIT whose answer was lost; the journal stays as it was sent, and no transaction is begun to write.
    doubt: Option<doubt::Doubt>,
    keeper: Option<Keeper>,
    left: Vec<Left>,
    /// Where recovery files are, and the database's name there, for a script that asks for them.
    recovery: Option<(PathBuf, String)>,
    /// A script has staged what was left: it is kept at the end, where it is not committed.
    recovered: bool,
    sandbox: bool,
    /// Whoever sends a script's commands sends them again where the database undoes their transaction.
    replayed: bool,
    /// How long locks of others are waited for where nothing is written.
    lock_timeout: Duration,
    warnings: Vec<String>,
    renumbered: Vec<Renumbered>,
    /// The columns of the latest inserts, to share among like ones.
    shapes: Vec<Rc<[usize]>>,
    /// The same for inserts that were given their key: without it, and with it.
    keyed: Vec<(Rc<[usize]>, Rc<[usize]>)>,
    /// What is known without asking the database.
    seen: seen::Seen,
    /// What tables will be with what is staged.
    sight: sight::Sight,
    /// The clock, in UTC.
    clock: fn() -> chrono::NaiveDateTime,
}

impl Session {
    /// A session without changes.
    #[must_use]
    #[doc(hidden)]
    pub fn new(store: Box<dyn Store>, catalog: Arc<Catalog>, hold: Hold) -> Self {
        Self {
            store,
            catalog,
            mode: if hold == Hold::Yes { Mode::Script } else { Mode::Prompt },
            journal: Journal::default(),
            applied: Applied::Nothing,
            together: None,
            doubt: None,
            keeper: None,
            left: Vec::new(),
            recovery: None,
            recovered: false,
            sandbox: false,
            lock_timeout: LOCK_TIMEOUT,
            replayed: false,
            warnings: Vec::new(),
            renumbered: Vec::new(),
            shapes: Vec::new(),
            keyed: Vec::new(),
            seen: seen::Seen::default(),
            sight: sight::Sight::default(),
            clock: || chrono::Utc::now().naive_utc(),
        }
    }

    /// Sets the clock, in UTC, that `now` is taken from.
    pub(crate) fn set_clock(&mut self, clock: fn() -> chrono::NaiveDateTime) {
        self.clock = clock;
    }

    /// Keeps the journal on disk from now on; what earlier shells left there can be recovered.
    pub(crate) fn set_keeper(&mut self, keeper: Keeper, left: Vec<Left>) {
        self.keeper = Some(keeper);
        self.left = left;
    }

    /// Says where recovery files are, without looking for any.
    pub(crate) fn set_recovery(&mut self, folder: PathBuf, database: String) {
        self.recovery = Some((folder, database));
    }

    /// Whether what is staged was left by an earlier shell and stays on disk until it is committed or rolled back.
    #[must_use]
    pub(crate) const fn is_recovered(&self) -> bool {
        self.recovered
    }

    /// Whether what is staged is on disk too.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.keeper.is_some()
    }

    /// Whether the transaction stays open while changes are staged.
    #[must_use]
    pub const fn hold(&self) -> Hold {
        match self.mode {
            Mode::Prompt => Hold::No,
            Mode::Held | Mode::Script => Hold::Yes,
        }
    }

    /// Whether a person is typing, and no transaction is open between commands.
    pub(crate) fn is_prompt(&self) -> bool {
        self.mode == Mode::Prompt
    }

    /// The number that the next entry will have.
    pub(crate) const fn next_entry(&self) -> u32 {
        self.journal.next_number()
    }

    /// Holds the transaction open from now on, or no longer.
    ///
    /// # Errors
    /// When the database cannot roll back; `Refused` where SQL of the person's own is staged.
    pub fn set_hold(&mut self, hold: Hold) -> Result<()> {
        if hold == Hold::No && self.journal.has_sql() {
            return Err(Error::new(
                ErrorKind::Refused,
                "SQL is staged, which only a transaction that is held can show",
            )
            .hint("`commit` or `rollback` first"));
        }
        self.spell_out()?;
        self.end()?;
        self.mode = match (hold, self.mode) {
            (Hold::No, _) => Mode::Prompt,
            (Hold::Yes, Mode::Script) => Mode::Script,
            (Hold::Yes, _) => Mode::Held,
        };
        self.renew_effects()
    }

    /// How long locks of others are waited for while a change is tried out, or staged changes are applied for a read.
    #[must_use]
    pub const fn lock_timeout(&self) -> Duration {
        self.lock_timeout
    }

    /// Sets how long locks of others are waited for where nothing is written; zero is not at all. A commit waits as long as
    /// the database does.
    pub const fn set_lock_timeout(&mut self, timeout: Duration) {
        self.lock_timeout = timeout;
    }

    /// What is said where a lock was not to be had in time.
    fn locked(&self) -> String {
        if self.lock_timeout.is_zero() {
            return "someone else holds a lock".into();
        }
        format!("someone else holds a lock for longer than {} s", self.lock_timeout.as_secs_f64())
    }

    /// Refuses every commit from now on.
    pub(crate) fn set_sandbox(&mut self) {
        self.sandbox = true;
        self.store.set_sandbox();
    }

    /// Whether commits are refused.
    #[must_use]
    pub const fn is_sandbox(&self) -> bool {
        self.sandbox
    }

    /// How many entries earlier shells on this database have left behind.
    #[must_use]
    pub fn left(&self) -> usize {
        self.left.iter().map(Left::count).sum()
    }

    /// The models.
    #[must_use]
    #[doc(hidden)]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The database itself. Only for what has nothing to do with staged changes: see [`Session::is_clean`].
    pub(crate) fn store(&mut self) -> &mut dyn Store {
        &mut *self.store
    }

    /// The connection as Diesel has it, for the application's own queries: they do not see what is staged, unless it is
    /// flushed, and what they change is committed at once. None when it is of another type.
    ///
    /// ```
    /// # use diesel::prelude::*;
    /// # use diesel_shell::Shell;
    /// # let connection = SqliteConnection::establish(":memory:").unwrap();
    /// # let mut session = Shell::builder().connection(connection).build()?.into_session();
    /// if let Some(connection) = session.connection::<SqliteConnection>() {
    ///     diesel::sql_query("CREATE TABLE notes (id INTEGER PRIMARY KEY)").execute(connection).unwrap();
    /// }
    /// # Ok::<(), diesel_shell::Error>(())
    /// ```
    pub fn connection<C: 'static>(&mut self) -> Option<&mut C> {
        // Whatever is done with it is not ours to know.
        self.seen.reset();
        self.store.connection().downcast_mut()
    }

    /// Works as in a script (changes are collected and sent together, in a transaction that is held), or as at a prompt.
    ///
    /// # Errors
    /// When the database cannot roll back.
    pub(crate) fn set_scripted(&mut self, scripted: bool) -> Result<()> {
        self.spell_out()?;
        self.end()?;
        self.mode = if scripted { Mode::Script } else { Mode::Prompt };
        Ok(())
    }

    /// What stops the running statement, from another thread; none where nothing can.
    #[must_use]
    pub fn cancel(&self) -> Option<crate::store::Cancel> {
        self.store.cancel()
    }

    /// Whether a transaction is open now.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.applied != Applied::Nothing
    }

    /// Whether a script's transaction, which the database may undo or lose, is held here.
    pub(crate) fn may_be_undone(&self) -> bool {
        self.mode == Mode::Script && self.store.facts().failure_aborts
    }

    /// Says whether all commands since a script's transaction began can be sent again.
    pub(crate) const fn set_replayed(&mut self, replayed: bool) {
        self.replayed = replayed;
    }

    /// How much is staged, to see whether a command has staged anything.
    pub(crate) fn mark(&self) -> StagedMark {
        StagedMark { staged: self.journal.len(), next: self.journal.next_number() }
    }

    /// Whether nothing is staged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.journal.is_empty()
    }

    /// How many commands' changes are staged.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.journal.len()
    }

    /// The staged entries, oldest first.
    #[must_use]
    #[doc(hidden)]
    pub fn entries(&self) -> &[Entry] {
        self.journal.entries()
    }

    /// What a commit would send.
    #[must_use]
    #[doc(hidden)]
    pub fn net(&self) -> Vec<Net> {
        net(self.journal.entries(), &self.catalog)
    }

    /// How many records a commit would add, change and delete.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        if self.mode == Mode::Prompt {
            for net in self.net() {
                counts.count(&net.change);
            }
            counts.statements = self.journal.entries().iter().filter(|entry| entry.sql().is_some()).count();
        } else {
            // Sent as typed: nothing is netted.
            self.journal.entries().iter().for_each(|entry| counts.count_entry(entry));
        }
        counts
    }

    /// Warnings since they were last taken: staged changes that no longer apply.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// An insert of these values.
    #[doc(hidden)]
    pub fn insert(&mut self, entity: EntityId, values: Vec<(usize, Value)>) -> Change {
        let same = |known: &Rc<[usize]>| {
            known.len() == values.len() && known.iter().zip(&values).all(|(known, (column, _))| known == column)
        };
        let columns = if let Some(known) = self.shapes.iter().find(|known| same(known)) {
            Rc::clone(known)
        } else {
            let columns: Rc<[usize]> = values.iter().map(|(column, _)| *column).collect();
            if self.shapes.len() >= SHAPES {
                self.shapes.clear();
            }
            self.shapes.push(Rc::clone(&columns));
            columns
        };
        // Not in place: what is staged is to be no larger than it must.
        let mut only = Vec::with_capacity(values.len());
        only.extend(values.into_iter().map(|(_, value)| value));
        let values = only;
        Change::Insert { entity, columns, values, given: false, row: None }
    }

    /// Applies the journal in the open transaction; what no longer applies is skipped with a warning.
    ///
    /// # Errors
    /// `Busy` when somebody else holds a lock for too long; `Connection`.
    fn apply_staged(&mut self) -> Result<()> {
        let nets = self.net();
        let numbers: Vec<u32> = nets.iter().map(|net| self.journal.entries()[net.entry].number).collect();
        self.apply_nets(&nets, &numbers)
    }

    /// Applies staged changes in the open transaction; one that no longer applies is a warning, with its entry's number.
    fn apply_nets(&mut self, nets: &[Net], numbers: &[u32]) -> Result<()> {
        let changes: Vec<&Change> = nets.iter().map(|net| &net.change).collect();
        for (at, error) in self.apply(&changes)? {
            let number = numbers[at];
            self.warnings.push(format!("staged change #{number} no longer applies: {}", error.message));
        }
        Ok(())
    }

    /// How many entries the open transaction has.
    const fn flushed(&self) -> usize {
        match self.applied {
            Applied::Nothing => 0,
            Applied::UpTo(entries) => entries,
        }
    }

    fn begin(&mut self, write: bool) -> Result<()> {
        if write {
            self.certain()?;
        }
        if self.applied == Applied::Nothing {
            self.store.begin(write)?;
            self.applied = Applied::UpTo(0);
        }
        Ok(())
    }

    /// Begins a transaction that is going to be rolled back: it waits for no lock longer than the bound.
    fn begin_trial(&mut self) -> Result<()> {
        self.certain()?;
        self.end()?;
        self.store.begin_within(self.lock_timeout)?;
        self.applied = Applied::UpTo(0);
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.seen.unsent();
        if std::mem::replace(&mut self.applied, Applied::Nothing) != Applied::Nothing {
            self.store.rollback()?;
        }
        Ok(())
    }

    /// Does something with the database and rolls it back, with staged changes visible in it.
    ///
    /// # Errors
    /// What `work` returns, or the database's own.
    pub(crate) fn trying<T>(&mut self, work: impl FnOnce(&mut dyn Store, &Catalog) -> Result<T>) -> Result<T> {
        self.end()?;
        self.begin(true)?;
        self.renumber()?;
        self.apply_staged()?;
        let result = work(&mut *self.store, &self.catalog);
        self.end()?;
        result
    }

    /// Does something in a transaction that is no part of the journal, until [`Session::commit_direct`] or
    /// [`Session::abandon`]. Only while nothing is staged.
    ///
    /// # Errors
    /// `Refused` when something is staged; what `work` returns.
    pub(crate) fn direct<T>(&mut self, work: impl FnOnce(&mut dyn Store, &Catalog) -> Result<T>) -> Result<T> {
        if self.sandbox {
            return Err(Error::new(ErrorKind::Refused, "this is a sandbox: nothing is ever committed"));
        }
        if !self.journal.is_empty() {
            return Err(Error::new(ErrorKind::Refused, "changes are staged").hint("`commit` or `rollback` first"));
        }
        self.begin(true)?;
        self.seen.reset();
        work(&mut *self.store, &self.catalog)
    }

    /// From here on all queries see the database as it is now, until `abandon`; false where a transaction of
    /// ours, or staged changes that each query applies, are in the way.
    ///
    /// # Errors
    /// The database's own.
    pub fn begin_steady(&mut self) -> Result<bool> {
        if self.is_open() || !self.journal.is_empty() {
            return Ok(false);
        }
        self.begin(false)?;
        Ok(true)
    }

    /// Commits what [`Session::direct`] did.
    ///
    /// # Errors
    /// The database's own, and nothing is written then; `InDoubt` where that is not known.
    pub(crate) fn commit_direct(&mut self) -> Result<()> {
        if self.is_open() {
            if let Err(error) = self.commit_named() {
                self.end()?;
                return Err(error);
            }
            self.applied = Applied::Nothing;
        }
        Ok(())
    }

    /// Rolls back what [`Session::direct`] did.
    ///
    /// # Errors
    /// When the database cannot roll back.
    pub(crate) fn abandon(&mut self) -> Result<()> {
        self.end()
    }
}

pub use explain::by_values;
