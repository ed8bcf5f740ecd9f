//! The session: a buffer of changes that is not a transaction.
//!
//! It knows the port of `store.rs`, not Diesel.

mod commit;
mod conflict;
mod explain;
mod flush;
mod history;
pub mod journal;
pub mod net;
mod number;
mod own;
pub mod recovery;
mod reload;
mod renumber;
mod stretch;
mod typed;

pub use conflict::Conflict;
pub use own::is_exact;
pub use renumber::Renumbered;
pub use typed::{Difference, DifferenceKind, Edit, Key, State};

use crate::model::{Catalog, EntityId, Value};
use crate::plan::query::{Select, Statement};
use crate::store::{Each, Store};
use crate::text::Place;
use crate::{Error, ErrorKind, Result};
use history::Savepoint;
use journal::{Change, Counts, Entry};
use net::{Net, net};
use recovery::{Keeper, Left};
use std::rc::Rc;
use std::sync::Arc;

/// How many lists of columns are shared among inserts.
const SHAPES: usize = 16;

/// How many changes a script collects before it sends them.
const PENDING: usize = 4_000;

/// Whether a transaction stays open while changes are staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// No: every read applies the journal, asks, and rolls back. For a person, who thinks.
    No,
    /// Yes: from the first change sent to the commit. For a script, where nobody waits.
    Yes,
}

/// How many entries a terminal's session replays for each read; beyond it the transaction is held.
const CROWD: usize = 10_000;

/// A step that was taken back.
enum Undone {
    /// An entry.
    Entry(Entry),
    /// An edit of the whole journal; what it was after it.
    Edit(Vec<Entry>),
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
    hold: Hold,
    entries: Vec<Entry>,
    undone: Vec<Undone>,
    /// Journals before they were edited other than at their end, with the length that each edit left.
    edits: Vec<(usize, Vec<Entry>)>,
    savepoints: Vec<Savepoint>,
    keeper: Option<Keeper>,
    left: Vec<Left>,
    /// A person is typing: objections come on the line that causes them.
    eager: bool,
    sandbox: bool,
    /// Whether the transaction is held because of the number of changes.
    crowded: bool,
    /// Entries before this one are applied in the open transaction.
    flushed: usize,
    /// Whether a transaction is open.
    open: bool,
    next: u32,
    warnings: Vec<String>,
    renumbered: Vec<Renumbered>,
    /// The columns of the latest inserts, to share among like ones.
    shapes: Vec<Rc<[usize]>>,
    /// The same for inserts that were given their key: without it, and with it.
    keyed: Vec<(Rc<[usize]>, Rc<[usize]>)>,
    /// What is known without asking the database.
    own: own::Own,
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
            hold,
            entries: Vec::new(),
            undone: Vec::new(),
            edits: Vec::new(),
            savepoints: Vec::new(),
            keeper: None,
            left: Vec::new(),
            eager: hold == Hold::No,
            sandbox: false,
            crowded: false,
            flushed: 0,
            open: false,
            next: 1,
            warnings: Vec::new(),
            renumbered: Vec::new(),
            shapes: Vec::new(),
            keyed: Vec::new(),
            own: own::Own::default(),
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

    /// Whether what is staged is on disk too.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.keeper.is_some()
    }

    /// Whether the transaction stays open while changes are staged.
    #[must_use]
    pub const fn hold(&self) -> Hold {
        self.hold
    }

    /// Holds the transaction open from now on, or no longer.
    ///
    /// # Errors
    /// When the database cannot roll back.
    pub fn set_hold(&mut self, hold: Hold) -> Result<()> {
        self.end()?;
        self.hold = hold;
        self.crowded = false;
        Ok(())
    }

    /// Refuses every commit from now on.
    pub(crate) const fn set_sandbox(&mut self) {
        self.sandbox = true;
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

    /// Stages again what earlier shells have left behind. Gives how many entries that were.
    ///
    /// What a COMMIT was under way for is looked up first: what the database has already is not staged again.
    ///
    /// # Errors
    /// `Io`, and the database's own.
    pub fn recover(&mut self) -> Result<usize> {
        let catalog = Arc::clone(&self.catalog);
        let mut count = 0;
        for left in std::mem::take(&mut self.left) {
            let (mut entries, warnings) = left.entries(&catalog);
            self.warnings.extend(warnings);
            if left.committing && !entries.is_empty() {
                self.end()?;
                let applied: Vec<bool> =
                    net(&entries, &catalog).iter().filter_map(|net| self.is_applied(&net.change)).collect();
                if !applied.is_empty() && applied.iter().all(|applied| *applied) {
                    self.warnings
                        .push("the commit that was under way has arrived; nothing of it is staged again".into());
                    entries.clear();
                }
            }
            for entry in &mut entries {
                entry.number = self.next;
                self.next += 1;
            }
            self.apart(&mut entries)?;
            count += entries.len();
            self.entries.extend(entries);
            self.keep_safe(recovery::Keeper::rewrite)?;
            left.remove()?;
        }
        self.undone.clear();
        Ok(count)
    }

    /// Does something with the recovery file, where there is one.
    fn keep_safe(&mut self, work: impl FnOnce(&mut Keeper, &[Entry], &Catalog) -> Result<()>) -> Result<()> {
        match &mut self.keeper {
            Some(keeper) => work(keeper, &self.entries, &self.catalog),
            None => Ok(()),
        }
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
        self.own.reset();
        self.store.connection().downcast_mut()
    }

    /// Works as in a script (changes are collected and sent together, in a transaction that is held), or as at a prompt.
    ///
    /// # Errors
    /// When the database cannot roll back.
    pub(crate) fn set_scripted(&mut self, scripted: bool) -> Result<()> {
        self.set_hold(if scripted { Hold::Yes } else { Hold::No })?;
        self.eager = !scripted;
        Ok(())
    }

    /// What stops the running statement, from another thread; none where nothing can.
    #[must_use]
    pub fn cancel(&self) -> Option<crate::store::Cancel> {
        self.store.cancel()
    }

    /// Whether a transaction is open now.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether nothing is staged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many commands' changes are staged.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.entries.len()
    }

    /// The staged entries, oldest first.
    #[must_use]
    #[doc(hidden)]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What a commit would send.
    #[must_use]
    #[doc(hidden)]
    pub fn net(&self) -> Vec<Net> {
        net(&self.entries, &self.catalog)
    }

    /// How many records a commit would add, change and delete.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        if self.hold == Hold::Yes {
            // Sent as typed: nothing is netted.
            for change in self.entries.iter().flat_map(|entry| &entry.changes) {
                counts.count(change);
            }
        } else {
            for net in self.net() {
                counts.count(&net.change);
            }
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
        Change::Insert { entity, columns, values, given: false }
    }

    /// Stages changes as one entry.
    ///
    /// Without a held transaction they are tried out at once, so that the database's own objections come now and a new
    /// record's key is known and stays; the changes are then undone until `commit`.
    ///
    /// # Errors
    /// What the database objects to; nothing is staged then.
    #[doc(hidden)]
    pub fn stage(&mut self, changes: Vec<Change>, place: Option<Place>) -> Result<&Entry> {
        let mut entry = Entry { number: self.next, place, changes };
        match self.hold {
            Hold::No => {
                self.begin(true)?;
                let tried = self.try_out(&mut entry.changes);
                self.end()?;
                tried?;
            }
            Hold::Yes if self.eager => {
                self.flush()?;
                self.begin(true)?;
                if let Err(error) = self.try_changes(&mut entry.changes) {
                    if entry.changes.len() > 1 {
                        // Some of it may be applied: replay what was there before.
                        self.end()?;
                    }
                    return Err(error);
                }
            }
            Hold::Yes => {
                if self.entries.len() - self.flushed >= PENDING {
                    self.flush()?;
                }
                self.number(&mut entry.changes)?;
            }
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.append(&entry, &self.catalog)?;
        }
        self.undone.clear();
        self.next += 1;
        self.entries.push(entry);
        self.note_staged();
        if self.eager && self.hold == Hold::Yes {
            self.flushed = self.entries.len();
        } else if self.hold == Hold::No && self.entries.len() >= CROWD {
            self.hold = Hold::Yes;
            self.crowded = true;
            self.warnings.push(format!(
                "{CROWD} changes are staged: from here to the commit a transaction is held open (`.set hold off` ends that)"
            ));
        }
        self.entries.last().ok_or_else(|| Error::new(ErrorKind::Database, "the journal is empty"))
    }

    fn try_out(&mut self, changes: &mut [Change]) -> Result<()> {
        self.renumber()?;
        self.apply_staged();
        self.try_changes(changes)
    }

    /// Applies the journal in the open transaction for a read; what no longer applies is skipped with a warning.
    fn apply_staged(&mut self) {
        for net in net(&self.entries, &self.catalog) {
            if let Err(error) = self.send(&net.change) {
                let number = self.entries[net.entry].number;
                self.warnings.push(format!("staged change #{number} no longer applies: {}", error.message));
            }
        }
    }

    fn begin(&mut self, write: bool) -> Result<()> {
        if !self.open {
            self.store.begin(write)?;
            self.open = true;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.own.unsent();
        if std::mem::take(&mut self.open) {
            self.flushed = 0;
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
        self.apply_staged();
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
        if !self.entries.is_empty() {
            return Err(Error::new(ErrorKind::Refused, "changes are staged").hint("`commit` or `rollback` first"));
        }
        self.begin(true)?;
        self.own.reset();
        work(&mut *self.store, &self.catalog)
    }

    /// From here on all queries see the database as it is now, until `abandon`; false where a transaction of
    /// ours, or staged changes that each query applies, are in the way.
    ///
    /// # Errors
    /// The database's own.
    pub fn begin_steady(&mut self) -> Result<bool> {
        if self.open || !self.entries.is_empty() {
            return Ok(false);
        }
        self.begin(false)?;
        Ok(true)
    }

    /// Commits what [`Session::direct`] did.
    ///
    /// # Errors
    /// The database's own; nothing is written then.
    pub(crate) fn commit_direct(&mut self) -> Result<()> {
        if self.open {
            if let Err(error) = self.store.commit() {
                self.end()?;
                return Err(error);
            }
            self.open = false;
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

    /// Rolls back whatever was done in a held transaction beside what is staged, which is sent again.
    ///
    /// # Errors
    /// When the database cannot roll back.
    pub(crate) fn undo_unstaged(&mut self) -> Result<()> {
        self.end()
    }

    /// Runs a query that sees what is staged.
    ///
    /// # Errors
    /// The database's, and whatever `each` returns.
    #[doc(hidden)]
    pub fn query(&mut self, select: &Select, each: &mut Each<'_>) -> Result<()> {
        if self.hold == Hold::Yes {
            self.flush()?;
            return self.store.query(&self.catalog, &Statement::Select(select), each);
        }
        self.reading(|store, catalog| store.query(catalog, &Statement::Select(select), each))
    }

    /// Does something with the database while staged changes are visible in it.
    ///
    /// # Errors
    /// What `work` returns, or the database's own when the changes cannot be applied.
    pub(crate) fn reading<T>(&mut self, work: impl FnOnce(&mut dyn Store, &Catalog) -> Result<T>) -> Result<T> {
        if self.hold == Hold::Yes {
            self.flush()?;
            // It may be a statement of the user's own.
            self.own.reset();
            return work(&mut *self.store, &self.catalog);
        }
        if self.entries.is_empty() {
            return work(&mut *self.store, &self.catalog);
        }
        if let Err(error) = self.begin(true) {
            if error.kind == ErrorKind::Busy {
                // A read is never refused because of what is staged.
                self.warnings.push("someone else is writing: this is the database without what is staged".into());
                return work(&mut *self.store, &self.catalog);
            }
            return Err(error);
        }
        self.renumber()?;
        self.apply_staged();
        let result = work(&mut *self.store, &self.catalog);
        self.end()?;
        result
    }
}

pub use explain::by_values;
