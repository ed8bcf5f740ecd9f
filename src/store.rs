//! The port to a database: what the session and the commands need, without naming Diesel.

use crate::Result;
use crate::model::infer::TableFacts;
use crate::model::{Catalog, Cell};
use crate::plan::query::Statement;

/// What differs between backends, as facts in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// `SQLite`, `PostgreSQL`.
    pub name: &'static str,
    /// Whether a failed statement spoils its transaction, so that a savepoint must precede each.
    pub failure_aborts: bool,
    /// Whether keys come from sequences, which do not go back when a transaction does.
    pub sequences: bool,
    /// Whether texts are ordered by their bytes.
    pub binary_order: bool,
    /// How many like inserts are worth sending in one statement.
    pub batch: usize,
    /// How many binds one statement may have.
    pub max_binds: usize,
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

/// A migration, and whether it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The version as the `__diesel_schema_migrations` table has it: the digits before the first `_`.
    pub version: String,
    /// The folder's name: `2026-11-21-000000_create_users`.
    pub name: String,
    /// Whether the database has it.
    pub applied: bool,
    /// Whether the code has it; false for a version that only the database knows.
    pub known: bool,
}

/// Stops the statement that runs on a connection.
pub type Cancel = Box<dyn Fn() + Send + Sync>;

/// A connection to a database.
pub trait Store {
    /// What this backend is like.
    fn facts(&self) -> &Facts;

    /// Begins a transaction; `write` takes the write lock at once where the backend has one lock for all.
    ///
    /// # Errors
    /// `Busy` when the lock is not to be had in time; `Database` otherwise.
    fn begin(&mut self, write: bool) -> Result<()>;

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

    /// Makes a lost connection again. Whatever transaction was open is gone.
    ///
    /// # Errors
    /// `Connection` when the database cannot be reached.
    fn reconnect(&mut self) -> Result<()>;

    /// A name for the open transaction, by which its outcome can be looked up if the answer to COMMIT is lost.
    ///
    /// # Errors
    /// `Connection` when the connection is lost: COMMIT was not sent then.
    fn transaction_id(&mut self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Whether the transaction with this name was committed; none where the database cannot tell.
    fn was_committed(&mut self, _id: &str) -> Option<bool> {
        None
    }

    /// Lets the database refuse every write from now on.
    ///
    /// # Errors
    /// As `execute`.
    fn set_read_only(&mut self) -> Result<()>;

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
    fn describe(&self, catalog: &Catalog, statement: &Statement<'_>) -> Result<String>;

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
    /// As `query`.
    fn raw(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<RawOutcome>;

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

    /// All migrations, oldest first.
    ///
    /// # Errors
    /// `Database`; `Invalid` when this database has no migrations of its own.
    fn revisions(&mut self) -> Result<Vec<Revision>>;

    /// Applies (`up`) or reverts one migration with its version row.
    ///
    /// # Errors
    /// `Database`, naming the migration; the database is then as it was.
    fn migrate(&mut self, version: &str, up: bool) -> Result<()>;
}
