//! The port to a database: what the session and the commands need, without naming Diesel.

use crate::model::definition::{Dialect, Orphan, Schema};
use crate::model::infer::TableFacts;
use crate::model::time::Spelling;
use crate::model::{Catalog, Cell, EntityId, Quirk};
use crate::plan::query::Statement;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

mod identity;
pub mod literal;
pub use identity::{Fate, Identity, Named, NoIdentity};

/// What differs between backends, as facts in one place.
#[derive(Debug, Clone)]
pub struct Facts {
    /// `SQLite`, `PostgreSQL`.
    pub name: &'static str,
    /// Which SQL it speaks.
    pub dialect: Dialect,
    /// Whether a failed statement spoils its transaction, so that a savepoint must precede each.
    pub failure_aborts: bool,
    /// Whether keys come from sequences, which do not go back when a transaction does.
    pub sequences: bool,
    /// Whether texts are ordered by their bytes.
    pub binary_order: bool,
    /// How many like inserts are worth sending in one statement.
    pub batch: usize,
    /// How many binds one statement may have, where each value is one.
    pub max_binds: usize,
    /// How it spells a value as a literal.
    pub literal: literal::Literal,
    /// Whether rows come as one array a column, so that a statement is the same for any number of them.
    pub arrays: bool,
}

impl Facts {
    /// How many rows of so many values one statement may bring along.
    #[must_use]
    pub fn rows_at_once(&self, width: usize) -> usize {
        if self.arrays { self.batch } else { self.batch.min(self.max_binds / width.max(1)).max(1) }
    }
}

/// Receives rows; `Ok(false)` stops the query.
pub type Each<'a> = dyn FnMut(&[Cell<'_>]) -> Result<bool> + 'a;

/// What a raw SQL statement gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawOutcome {
    /// Rows changed.
    pub affected: usize,
    /// Whether tables, views or indexes were made or changed.
    pub changed_schema: bool,
}

/// What came of a statement that was to run only if it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It reads, and has run.
    Read(RawOutcome),
    /// It writes, by the database's word. Nothing was written.
    Writes,
    /// It runs in no transaction, so it could not be tried.
    Alone,
}

/// Receives the column names of a raw statement once, then its rows.
pub trait RawSink {
    /// The columns; called before the first row.
    ///
    /// # Errors
    /// When reporting fails.
    fn columns(&mut self, names: &[String]) -> Result<()>;
    /// One row; `Ok(false)` stops the query.
    ///
    /// # Errors
    /// When reporting fails.
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool>;
}

/// Takes rows that nobody is to see: a rehearsal's, or those that were shown before.
pub struct Unseen;

impl RawSink for Unseen {
    fn columns(&mut self, _: &[String]) -> Result<()> {
        Ok(())
    }
    fn row(&mut self, _: &[Cell<'_>]) -> Result<bool> {
        Ok(true)
    }
}

/// A migration that the code or a folder has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The version as the `__diesel_schema_migrations` table has it: the digits before the first `_`.
    pub version: String,
    /// The folder's name: `2026-11-21-000000_create_users`.
    pub name: String,
    /// The SQL that applies it; none for one that is code.
    pub up: Option<String>,
    /// The SQL that reverts it; none for one that is code, or that has no way back.
    pub down: Option<String>,
    /// Whether it may run in a transaction (`run_in_transaction` in its metadata.toml).
    pub transaction: bool,
    /// Its folder, where it has one.
    pub folder: Option<PathBuf>,
}

/// A migration that the database has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its version.
    pub version: String,
    /// What its `up.sql` and `down.sql` were when it was applied, where that is on record.
    pub texts: Option<(String, Option<String>)>,
}

/// A migration, and whether it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its version.
    pub version: String,
    /// The folder's name; the version where only the database knows it.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
    /// What the code or the folder has of it; none for one that only the database knows.
    pub script: Option<Script>,
    /// What was applied, where that is on record.
    pub texts: Option<(String, Option<String>)>,
}

impl Revision {
    /// Whether its `up.sql` is another than the one that was applied.
    #[must_use]
    pub fn edited(&self) -> bool {
        match (&self.script, &self.texts) {
            (Some(Script { up: Some(now), .. }), Some((then, _))) => now.trim() != then.trim(),
            _ => false,
        }
    }
}

/// Stops the statement that runs on a connection.
pub type Cancel = Box<dyn Fn() + Send + Sync>;

/// Told how long a server has been waited for, and why it cannot be reached; gives whether to go on waiting.
pub type Waiter = Box<dyn FnMut(std::time::Duration, &crate::Error) -> bool>;

/// Where the rows of a table are, on an engine of many nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread {
    /// On a node by the value of a column, together with the rows of other tables that have the same.
    By {
        /// The column.
        column: String,
        /// The other tables.
        with: Vec<String>,
    },
    /// All of them on every node.
    Everywhere,
    /// All of them on one node.
    OneNode,
    /// On the node that the connection is to.
    Here,
}

/// A table and where its rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// The schema, where it is not the default one.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
    /// Where its rows are.
    pub spread: Spread,
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::By { column, with } if with.is_empty() => write!(f, "distributed by {column}"),
            Self::By { column, with } => write!(f, "distributed by {column}, together with {}", with.join(", ")),
            Self::Everywhere => f.write_str("on every node (a reference table)"),
            Self::OneNode => f.write_str("on one node"),
            Self::Here => f.write_str("on the coordinator"),
        }
    }
}

/// A connection to a database.
pub trait Store {
    /// What this backend is like.
    fn facts(&self) -> &Facts;

    /// Begins a transaction. `write` takes the write lock at once where the backend has one lock for all; without, it sees
    /// the database as it was at its first query, whoever writes meanwhile.
    ///
    /// # Errors
    /// `Busy` when the lock is not to be had in time; `Database` otherwise.
    fn begin(&mut self, write: bool) -> Result<()>;

    /// Begins a transaction that writes and is going to be rolled back: a lock that is not to be had within `wait` is
    /// `Busy`, here or in any statement of it.
    ///
    /// # Errors
    /// As `begin`.
    fn begin_within(&mut self, wait: Duration) -> Result<()>;

    /// Commits.
    ///
    /// # Errors
    /// A deferred constraint, or the database's own trouble. The transaction is then still open.
    fn commit(&mut self) -> Result<()>;

    /// Rolls back, also when the database has done so by itself.
    ///
    /// # Errors
    /// When the connection is lost.
    fn rollback(&mut self) -> Result<()>;

    /// Marks a place in the open transaction to go back to.
    ///
    /// # Errors
    /// As `execute`; likewise for the next two.
    fn savepoint(&mut self) -> Result<()>;

    /// Forgets the place.
    ///
    /// # Errors
    /// As `execute`.
    fn release(&mut self) -> Result<()>;

    /// Goes back to the place and forgets it.
    ///
    /// # Errors
    /// As `execute`.
    fn back_to_savepoint(&mut self) -> Result<()>;

    /// Makes a lost connection again; waits for a server that is away for as long as its waiter says and the settings
    /// allow. Whatever transaction was open is gone.
    ///
    /// # Errors
    /// `Connection` when the database cannot be reached.
    fn reconnect(&mut self) -> Result<()>;

    /// Whether the connection is seen to be gone without asking the database. What has not been sent yet can then be sent
    /// after [`Store::reconnect`].
    fn is_lost(&self) -> bool {
        false
    }

    /// Whether the server has crashed, or another has taken over, since the store was opened: it may give numbers from
    /// sequences again that it gave before.
    fn is_renewed(&self) -> bool {
        false
    }

    /// Asked between tries to reach a server that is away; without it there is one try.
    fn set_waiter(&mut self, _waiter: Waiter) {}

    /// What the open transaction is called, to be kept before COMMIT is sent: if the answer is lost,
    /// [`Store::was_committed`] asks by it. At most one round trip, and the transaction is as before.
    ///
    /// # Errors
    /// `Connection` when the connection is lost: COMMIT was not sent then. The database's own.
    fn identity(&mut self) -> Result<Named> {
        Ok(Named::Untellable)
    }

    /// What became of a transaction of this or of an earlier connection. Outside of any transaction.
    ///
    /// # Errors
    /// `Connection` when the database cannot be asked, which is no answer.
    fn was_committed(&mut self, _transaction: &Identity) -> Result<Fate> {
        Ok(Fate::Unknown("this database cannot say what became of a transaction".into()))
    }

    /// Whether a transaction sees one state of the database from its first query to its end, so that what was read in it
    /// is worth nothing in another.
    fn keeps_snapshots(&self) -> bool {
        false
    }

    /// Whether a transaction was committed that has put a marker into the table of commit markers. One that was not can
    /// not be any more.
    ///
    /// # Errors
    /// As `was_committed`.
    fn has_marker(&mut self, _marker: &str) -> Result<Fate> {
        Ok(Fate::Unknown("this database keeps no commit markers".into()))
    }

    /// What tells this database from every other, by its server's own word; none where there is no server to say it.
    fn place(&mut self) -> Option<String> {
        None
    }

    /// Lets the database refuse every write from now on.
    ///
    /// # Errors
    /// As `execute`.
    fn set_read_only(&mut self) -> Result<()>;

    /// Lets the database refuse from now on what no rollback would take back, as far as it can tell.
    fn set_sandbox(&mut self) {}

    /// Whether it was told to.
    fn is_read_only(&self) -> bool;

    /// What its tables do beyond what changes say.
    ///
    /// # Errors
    /// As `execute`.
    fn quirks(&mut self) -> Result<Vec<Quirk>> {
        Ok(Vec::new())
    }

    /// Whether somebody else has committed since this was last asked, where keys are given so that two may get the same.
    ///
    /// # Errors
    /// As `execute`.
    fn others_wrote(&mut self) -> Result<bool> {
        Ok(false)
    }

    /// Takes keys for `count` new records from the sequence that numbers a table; none where there is no such sequence.
    ///
    /// # Errors
    /// As `execute`.
    fn reserve_keys(&mut self, _catalog: &Catalog, _entity: EntityId, _count: usize) -> Result<Vec<i64>> {
        Ok(Vec::new())
    }

    /// The greatest number that a table without a sequence has given, where that is known to be greater than its rows
    /// show; otherwise 0.
    ///
    /// # Errors
    /// As `execute`.
    fn last_number(&mut self, _catalog: &Catalog, _entity: EntityId) -> Result<i64> {
        Ok(0)
    }

    /// How a column of times is spelled, where the database has more than one spelling and all of the column has one; none
    /// where it has several, or no type for times is needed.
    ///
    /// # Errors
    /// As `execute`.
    fn spelling(&mut self, _catalog: &Catalog, _entity: EntityId, _column: usize) -> Result<Option<Spelling>> {
        Ok(None)
    }

    /// Statements that put what numbers some tables where it is here; none where the rows say it all.
    ///
    /// # Errors
    /// As `execute`.
    fn numbering(&mut self, _catalog: &Catalog, _tables: &[EntityId]) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Runs a statement that gives no rows, and says how many rows it changed.
    ///
    /// # Errors
    /// `Constraint` when the database refuses the values; `Busy`, `Database` otherwise.
    fn execute(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<usize>;

    /// Runs a statement that gives rows.
    ///
    /// # Errors
    /// As `execute`, and whatever `each` returns.
    fn query(&mut self, catalog: &Catalog, statement: &Statement<'_>, each: &mut Each<'_>) -> Result<()>;

    /// The statement's SQL with its values beside it, for echo and explain.
    ///
    /// # Errors
    /// `Database` when it cannot be built.
    fn describe(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<String>;

    /// Whether statements are remembered for [`Store::take_echo`].
    fn set_echo(&mut self, on: bool);

    /// The SQL sent since it was last taken, without values: those may be secret.
    fn take_echo(&mut self) -> Vec<String>;

    /// The database's plan for a statement, one line a step, indented.
    ///
    /// # Errors
    /// As `query`.
    fn explain(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<Vec<String>>;

    /// Runs one SQL statement as a person typed it.
    ///
    /// # Errors
    /// As `query`; `Refused` where another statement stands behind it.
    fn raw(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<RawOutcome>;

    /// Runs one SQL statement as a person typed it, if it only reads: the database is asked, not its words. `open` says
    /// whether a transaction of ours is open, which is then as it was before.
    ///
    /// # Errors
    /// As `raw`; `Refused` where it would write and the database is open for reading only.
    fn attempt(&mut self, sql: &str, open: bool, sink: &mut dyn RawSink) -> Result<Attempt>;

    /// Whether an error says that a statement cannot run in a transaction.
    fn needs_no_transaction(&self, error: &Error, sql: &str) -> bool;

    /// The connection itself, for an application that knows its type.
    fn connection(&mut self) -> &mut dyn std::any::Any;

    /// What stops the running statement, from another thread; none where nothing can.
    fn cancel(&self) -> Option<Cancel> {
        None
    }

    /// All tables and views, as the database describes them.
    ///
    /// # Errors
    /// The database's own.
    fn tables(&mut self) -> Result<Vec<TableFacts>>;

    /// How tables are spread over nodes; none where there is one node, and for tables that are as anywhere.
    ///
    /// # Errors
    /// The database's own.
    fn distributions(&mut self) -> Result<Vec<Distribution>> {
        Ok(Vec::new())
    }

    /// Whether the table of applied migrations is there; asking for revisions would make it.
    ///
    /// # Errors
    /// The database's own.
    fn has_migrations_table(&mut self) -> Result<bool>;

    /// Takes its migrations from the connection: this database has none of ours.
    fn forget_migrations(&mut self);

    /// A number that changes whenever the schema does; none where there is no such number.
    ///
    /// # Errors
    /// The database's own.
    fn schema_version(&mut self) -> Result<Option<i64>> {
        Ok(None)
    }

    /// The files that the database is in; none where it is in memory or on a server.
    ///
    /// # Errors
    /// The database's own.
    fn files(&mut self) -> Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }

    /// The migrations of the code or the folder, oldest first.
    ///
    /// # Errors
    /// `Invalid` when this database has none; `Io` when they cannot be read.
    fn scripts(&mut self) -> Result<Vec<Script>>;

    /// Takes the migrations of a folder instead. What is wrong with them is said by [`Store::scripts`].
    fn set_folder(&mut self, folder: &Path);

    /// The migrations that the database has, oldest first; none where there is no table of them yet.
    ///
    /// # Errors
    /// The database's own.
    fn applied(&mut self) -> Result<Vec<Applied>>;

    /// Makes the tables that say which migrations are applied, where they are not there.
    ///
    /// # Errors
    /// The database's own.
    fn prepare_migrations(&mut self) -> Result<()>;

    /// Notes that a version is applied (with its texts, where it has such), or is not any more.
    ///
    /// # Errors
    /// `Constraint` when somebody else has noted it meanwhile.
    fn record(&mut self, version: &str, applied: bool, texts: Option<(&str, Option<&str>)>) -> Result<()>;

    /// Runs a migration that is code, in whatever transaction is open.
    ///
    /// # Errors
    /// The migration's own.
    fn run_code(&mut self, version: &str, up: bool) -> Result<()>;

    /// Runs statements that give nothing.
    ///
    /// # Errors
    /// As `execute`.
    fn batch(&mut self, sql: &str) -> Result<()>;

    /// The schema as the database defines it.
    ///
    /// # Errors
    /// The database's own.
    fn definition(&mut self) -> Result<Schema>;

    /// Works in an empty schema of the same kind that is gone afterwards.
    ///
    /// # Errors
    /// Whatever the work gives; `Database` where no such place is to be had.
    fn scratch(&mut self, work: &mut dyn FnMut(&mut dyn Store) -> Result<()>) -> Result<()>;

    /// Lets foreign keys be enforced or not, outside of a transaction. Only SQLite has that, and needs it to make tables
    /// anew: <https://www.sqlite.org/lang_altertable.html#otheralter>.
    ///
    /// # Errors
    /// The database's own.
    fn enforce_foreign_keys(&mut self, _on: bool) -> Result<()> {
        Ok(())
    }

    /// Rows whose foreign keys lead nowhere. Only where the database can be made to have such.
    ///
    /// # Errors
    /// The database's own.
    fn orphans(&mut self) -> Result<Vec<Orphan>> {
        Ok(Vec::new())
    }

    /// All migrations, oldest first: those of the code or the folder, and those that only the database knows.
    ///
    /// # Errors
    /// As `scripts` and `applied`.
    fn revisions(&mut self) -> Result<Vec<Revision>> {
        let scripts = self.scripts()?;
        let mut applied = self.applied()?;
        let mut all: Vec<Revision> = scripts
            .into_iter()
            .map(|script| {
                let at = applied.iter().position(|applied| applied.version == script.version);
                let found = at.map(|at| applied.swap_remove(at));
                Revision {
                    version: script.version.clone(),
                    name: script.name.clone(),
                    applied: found.is_some(),
                    script: Some(script),
                    texts: found.and_then(|applied| applied.texts),
                }
            })
            .collect();
        all.extend(applied.into_iter().map(|applied| Revision {
            name: applied.version.clone(),
            version: applied.version,
            applied: true,
            script: None,
            texts: applied.texts,
        }));
        all.sort_by(|a, b| a.version.cmp(&b.version));
        Ok(all)
    }
}
