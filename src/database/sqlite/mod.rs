//! SQLite, compiled in.

mod definition;
mod dialect;
mod error;
mod guard;
mod interrupt;
mod mirror;
mod quirks;
mod reflect;
mod row;
mod spelling;
mod times;

use super::fragment::Dynamic;
use super::migrations::{self, Migrations};
use crate::model::definition::{Dialect, Orphan, Schema};
use crate::model::infer::TableFacts;
use crate::model::time::Spelling;
use crate::model::{Catalog, EntityId, Quirk};
use crate::plan::overlay::Staged;
use crate::plan::query::{Bulk, ColumnRef, Select, Statement};
use crate::store::{Applied, Attempt, Cancel, Each, Facts, RawOutcome, RawSink, Script, Store, Unseen};
use crate::text::sql::{statements, tokens};
use crate::{Error, ErrorKind, Result};
use diesel::connection::{LoadConnection, SimpleConnection};
use diesel::query_builder::QueryFragment;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{Connection, RunQueryDsl};
use error::translate;
use guard::{Guard, Nature};
use row::RowBuffer;
use std::path::{Path, PathBuf};

/// A connection to one SQLite database.
pub struct SqliteStore {
    // Before the connection: nothing may interrupt one that is being closed.
    handle: interrupt::Handle,
    connection: SqliteConnection,
    migrations: Option<Migrations<Sqlite>>,
    folder: Option<PathBuf>,
    guard: Option<Guard>,
    facts: Facts,
    echo: Option<Vec<String>>,
    spellings: spelling::Spellings,
    /// SQLite's number of others' commits when it was last asked for: <https://www.sqlite.org/pragma.html#pragma_data_version>.
    others: Option<i32>,
}

/// How to open a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// It must exist.
    Existing,
    /// Created where it does not exist, in WAL mode.
    Create,
    /// It must exist, and SQLite itself writes nothing to it.
    Reading,
}

impl SqliteStore {
    /// Asks the database something.
    fn asked<T>(&mut self, work: impl FnOnce(&mut SqliteConnection) -> Result<T>) -> Result<T> {
        work(&mut self.connection)
    }

    /// Opens a database file, or `:memory:`.
    ///
    /// Foreign keys are enforced, which SQLite leaves off by default (<https://www.sqlite.org/foreignkeys.html>, §2),
    /// and a lock held by someone else is waited for up to five seconds. The file's schema is not trusted
    /// (<https://www.sqlite.org/security.html>).
    ///
    /// # Errors
    /// `Connection` when the file is not there, not readable, or not a database.
    pub fn open(path: &Path, how: Open) -> Result<Self> {
        let memory = path == Path::new(":memory:");
        let exists = memory || path.exists();
        if !exists && how != Open::Create {
            return Err(Error::new(ErrorKind::Connection, format!("there is no database at {}", path.display()))
                .hint("add --create to make a new one there"));
        }
        if path.is_dir() {
            return Err(Error::new(ErrorKind::Connection, format!("{} is a folder, not a database", path.display())));
        }
        if !exists {
            create_private(path)?;
        }
        let name = path.to_str().ok_or_else(|| {
            Error::new(ErrorKind::Connection, format!("the path {} is not valid UTF-8", path.display()))
        })?;
        // An absolute or dotted path: Diesel would read `file:` names as URIs and a leading `sqlite://` as a scheme.
        let mut name = if memory || path.is_absolute() { name.to_owned() } else { format!("./{name}") };
        if how == Open::Reading && !memory {
            name = reading_uri(&name);
        }
        let open_error = |cause: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Connection, format!("cannot open {}: {cause}", path.display()))
        };
        let (connection, handle) = interrupt::with_handle(|| SqliteConnection::establish(&name));
        let mut connection = connection.map_err(|cause| open_error(&cause))?;
        guard::distrust(&handle);
        connection
            .batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA cache_size = -16384; SELECT count(*) FROM sqlite_schema;")
            .map_err(|cause| open_error(&cause))?;
        if !exists {
            connection.batch_execute("PRAGMA journal_mode = WAL;").map_err(|cause| open_error(&cause))?;
        }
        times::register(&mut connection).map_err(|cause| open_error(&cause))?;
        let mut store = Self::over(connection, handle);
        if how == Open::Reading {
            store.set_read_only()?;
        }
        Ok(store)
    }

    /// Takes over a connection that an application opened, with the settings that it gave it. Its statements cannot be
    /// interrupted from another thread: Diesel does not give its handle away.
    ///
    /// # Errors
    /// When the connection does not take the functions that read times.
    pub fn adopt(mut connection: SqliteConnection) -> Result<Self> {
        times::register(&mut connection).map_err(|e| translate(&e))?;
        Ok(Self::over(connection, interrupt::Handle::none()))
    }

    fn over(connection: SqliteConnection, handle: interrupt::Handle) -> Self {
        let facts = Facts {
            name: "SQLite",
            dialect: Dialect::Sqlite,
            failure_aborts: false,
            sequences: false,
            binary_order: true,
            batch: 200,
            max_binds: 30_000,
            arrays: false,
            literal: dialect::literal,
        };
        let spellings = spelling::Spellings::default();
        Self {
            handle,
            connection,
            migrations: None,
            folder: None,
            guard: None,
            echo: None,
            others: None,
            facts,
            spellings,
        }
    }

    /// Finds out how the columns are spelled by which a statement is sorted and grouped.
    fn look(&mut self, catalog: &Catalog, select: &Select) -> Result<()> {
        let columns = times::sorted(select, catalog);
        if columns.is_empty() {
            return Ok(());
        }
        self.spellings.at(versions(&mut self.connection)?);
        for column in columns {
            self.known(catalog, column.entity, column.column)?;
        }
        Ok(())
    }

    fn known(&mut self, catalog: &Catalog, entity: EntityId, column: usize) -> Result<Option<Spelling>> {
        if let Some(found) = self.spellings.found((entity, column)) {
            return Ok(found);
        }
        let found = spelling::look(&mut self.connection, catalog.get(entity), column).map_err(|e| translate(&e))?;
        self.spellings.set((entity, column), found.clone());
        Ok(found)
    }

    /// Works with a statement whose times are read.
    fn timed<T>(
        &mut self,
        catalog: &Catalog,
        statement: &Statement<'_>,
        work: impl FnOnce(&mut Self, &Statement<'_>) -> Result<T>,
    ) -> Result<T> {
        let select = match statement {
            Statement::Select(select) => select,
            Statement::Bulk(bulk) => &bulk.rows,
            Statement::Seen(select, overlay) => {
                self.look(catalog, select)?;
                // What is staged may be spelled otherwise, and stands in no index.
                let one = |column: ColumnRef| {
                    let rows = overlay.get(column.entity).into_iter().flat_map(Staged::rows);
                    self.spellings.is_one_with(column, rows.filter_map(|row| row.get(column.column)))
                };
                let read = times::read(select, catalog, &one, &spelling::Ends::new());
                return work(self, &Statement::Seen(&read, overlay));
            }
            _ => return work(self, statement),
        };
        self.look(catalog, select)?;
        let ends = spelling::ends(&mut self.connection, &times::conditions(select, catalog), catalog)
            .map_err(|e| translate(&e))?;
        let read = times::read(select, catalog, &|column| self.spellings.is_one(column), &ends);
        match statement {
            Statement::Bulk(bulk) => {
                work(self, &Statement::Bulk(&Bulk { rows: read.into_owned(), set: bulk.set.clone() }))
            }
            _ => work(self, &Statement::Select(&read)),
        }
    }

    /// Notes the times that a statement is about to write.
    fn wrote(&mut self, catalog: &Catalog, statement: &Statement<'_>) {
        match statement {
            Statement::Insert(insert) => {
                let values = insert.rows.iter().flat_map(|row| insert.columns.iter().copied().zip(*row));
                self.spellings.wrote(insert.entity, values, catalog);
            }
            Statement::Update(update) => {
                let values = update.set.iter().map(|(at, value)| (*at, value));
                self.spellings.wrote(update.entity, values, catalog);
            }
            Statement::Updates(set) => {
                let values = set.rows.iter().flat_map(|row| row.set).map(|(at, value)| (*at, value));
                self.spellings.wrote(set.entity, values, catalog);
            }
            Statement::Bulk(bulk) => {
                let values = bulk.set.iter().flatten().map(|(at, value)| (*at, value));
                self.spellings.wrote(bulk.entity(), values, catalog);
            }
            Statement::Select(_) | Statement::Seen(..) | Statement::Delete(_) | Statement::Deletes(_) => {}
        }
    }

    fn note(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<()> {
        if self.echo.is_some() {
            let sql = self.describe(catalog, statement)?;
            self.echo.get_or_insert_default().push(sql);
        }
        Ok(())
    }

    /// Runs a statement with the temporary tables that it sees up to date, and the database as it is then to its end.
    fn seeing<T>(
        &mut self,
        catalog: &Catalog,
        statement: &Statement<'_>,
        run: impl FnOnce(&mut SqliteConnection, Dynamic<'_>) -> Result<T>,
    ) -> Result<T> {
        let query = Dynamic::new(catalog, statement, None);
        let Some(overlaid) = query.overlaid.as_ref().filter(|overlaid| !overlaid.seen.columns.is_empty()) else {
            return run(&mut self.connection, query);
        };
        self.connection.batch_execute("SAVEPOINT diesel_shell_seen").map_err(|e| translate(&e))?;
        // Temporary tables count as writing there; nothing else is written until it is on again.
        let closed = self.guard == Some(Guard::Reading) && !self.handle.is_known();
        if closed {
            self.connection.batch_execute("PRAGMA query_only = OFF").map_err(|e| translate(&e))?;
        }
        let fresh = mirror::refresh(&mut self.connection, catalog, overlaid.overlay, &overlaid.seen);
        if closed {
            self.connection.batch_execute("PRAGMA query_only = ON").map_err(|e| translate(&e))?;
        }
        let done = fresh.and_then(|()| run(&mut self.connection, query));
        let end = if done.is_ok() { "" } else { "ROLLBACK TO diesel_shell_seen; " };
        let ended = self.connection.batch_execute(&format!("{end}RELEASE diesel_shell_seen"));
        let done = done?;
        ended.map_err(|e| translate(&e))?;
        Ok(done)
    }

    /// The greatest number that an AUTOINCREMENT table has given.
    fn counted(&mut self, table: &str) -> Result<i64> {
        use diesel::sql_types::{BigInt, Bool, Text};
        // AUTOINCREMENT never gives a number twice: <https://www.sqlite.org/autoinc.html>.
        let there = "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence')";
        let counted: bool = diesel::select(diesel::dsl::sql::<Bool>(there))
            .get_result(&mut self.connection)
            .map_err(|e| translate(&e))?;
        if !counted {
            return Ok(0);
        }
        let query = diesel::dsl::sql::<BigInt>("(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ")
            .bind::<Text, _>(table)
            .sql(")");
        diesel::select(query).get_result(&mut self.connection).map_err(|e| translate(&e))
    }

    fn has_table(&mut self, name: &str) -> Result<bool> {
        use diesel::sql_types::{Bool, Text};
        let asked = diesel::dsl::sql::<Bool>("EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ");
        diesel::select(asked.bind::<Text, _>(name).sql(")")).get_result(&mut self.connection).map_err(|e| translate(&e))
    }

    fn stream(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<()> {
        let query = row::RawQuery(sql);
        let rows = LoadConnection::load(&mut self.connection, query).map_err(|e| translate(&e))?;
        let mut buffer = RowBuffer::untyped();
        let mut named = false;
        for row in rows {
            let row = row.map_err(|e| translate(&e))?;
            if !named {
                sink.columns(&row::names(&row))?;
                named = true;
            }
            buffer.read(&row)?;
            if !buffer.with_cells(|cells| sink.row(cells))? {
                break;
            }
        }
        Ok(())
    }

    /// Runs a statement of ours.
    fn own(&mut self, sql: &'static str) -> Result<()> {
        self.connection.batch_execute(sql).map_err(|e| self.or_refused(&e))
    }

    /// An error in the shell's words.
    fn or_refused(&self, error: &diesel::result::Error) -> Error {
        self.refused(translate(error))
    }

    /// Says why, where it is this connection's guard that refused.
    fn refused(&self, error: Error) -> Error {
        let denied = ["not authorized", "readonly database", "authorization denied", "prohibited"];
        match self.guard {
            Some(Guard::Reading) if denied.iter().any(|words| error.message.contains(words)) => {
                Error::new(ErrorKind::Refused, format!("this database is open for reading only ({})", error.message))
            }
            Some(Guard::Sandbox) if denied.iter().any(|words| error.message.contains(words)) => outside(),
            _ => error,
        }
    }

    /// What a text is, by SQLite's word; an error where it is more than one statement. None on a connection that an
    /// application opened, whose guard is a list of words.
    fn inspect(&self, sql: &str) -> Result<Option<Nature>> {
        let nature = guard::inspect(&self.handle, self.guard, sql).map_err(|error| self.refused(error))?;
        if nature.map_or_else(|| statements(sql, true).len() > 1, |nature| nature.more) {
            return Err(Error::new(ErrorKind::Refused, "more than one statement stands where one belongs"));
        }
        if nature.is_none() && self.guard == Some(Guard::Reading) && sets_or_leaves(sql) {
            return Err(Error::new(ErrorKind::Refused, "this database is open for reading only"));
        }
        if nature.is_none() && self.guard == Some(Guard::Sandbox) && (leaves(sql) || is_of_the_file(sql)) {
            return Err(outside());
        }
        Ok(nature)
    }

    /// Gives the connection the migrations that `db` works with.
    pub fn set_migrations(&mut self, migrations: Migrations<Sqlite>) {
        self.migrations = Some(migrations);
    }
}

/// Tunes SQLite for a process that never shares a connection between threads: no mutexes, no memory statistics.
///
/// Affects the whole process, so it is for a binary of its own, before anything opens a database.
/// See <https://www.sqlite.org/c3ref/c_config_covering_index_scan.html>.
#[allow(unsafe_code, reason = "sqlite3_config has no safe wrapper; it is called before SQLite is initialised")]
pub fn tune_process() {
    use libsqlite3_sys::{SQLITE_CONFIG_MEMSTATUS, SQLITE_CONFIG_MULTITHREAD, sqlite3_config};
    // SAFETY: both take what is given here, and no connection is open yet. Too late or not supported is no harm: SQLite
    // then answers SQLITE_MISUSE and stays as it is.
    unsafe {
        sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0_i32);
    }
}

/// Whether a statement is a pragma about the file as a whole, which in a transaction is without effect or an error.
fn is_of_the_file(sql: &str) -> bool {
    let tokens = tokens(sql, true).unwrap_or_default();
    let setting = tokens.iter().any(|token| matches!(token.text, "=" | "("));
    let named = |name: &str| tokens.iter().take(4).any(|token| token.is(name));
    tokens.first().is_some_and(|first| first.is("PRAGMA"))
        && ((setting && named("journal_mode")) || named("wal_checkpoint"))
}

/// Whether a statement could take back `PRAGMA query_only`, or writes to another file.
fn sets_or_leaves(sql: &str) -> bool {
    let Some(tokens) = tokens(sql, true) else { return true };
    let setting = tokens.iter().any(|token| matches!(token.text, "=" | "("));
    leaves(sql) || (setting && tokens.first().is_some_and(|first| first.is("PRAGMA")))
}

/// Whether a statement has to do with another file.
fn leaves(sql: &str) -> bool {
    let Some(tokens) = tokens(sql, true) else { return true };
    tokens.first().is_some_and(|first| ["ATTACH", "DETACH", "VACUUM"].iter().any(|word| first.is(word)))
}

/// What a sandbox refuses although it is no change of rows.
fn outside() -> Error {
    Error::new(
        ErrorKind::Refused,
        "this is a sandbox: no other file is written, and how this one is kept stays as it is",
    )
}

/// A file's name as a URI that opens it for reading: <https://www.sqlite.org/uri.html>.
fn reading_uri(name: &str) -> String {
    let escaped = name.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?mode=ro")
}

/// An empty file that only its owner may read; SQLite takes it for a new database.
fn create_private(path: &Path) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(path)
        .map(drop)
        .map_err(|cause| Error::new(ErrorKind::Connection, format!("cannot create {}: {cause}", path.display())))
}

impl Store for SqliteStore {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&mut self, write: bool) -> Result<()> {
        self.own(if write { "BEGIN IMMEDIATE" } else { "BEGIN" })
    }

    fn others_wrote(&mut self) -> Result<bool> {
        let version: i32 =
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("data_version FROM pragma_data_version"))
                .get_result(&mut self.connection)
                .map_err(|e| translate(&e))?;
        Ok(self.others.replace(version) != Some(version))
    }

    fn begin_within(&mut self, wait: std::time::Duration) -> Result<()> {
        // One lock for all: once it is had, no statement waits any more.
        let before: i32 =
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("timeout FROM pragma_busy_timeout"))
                .get_result(&mut self.connection)
                .map_err(|e| translate(&e))?;
        let within = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        self.batch(&format!("PRAGMA busy_timeout = {within}"))?;
        let begun = self.begin(true);
        self.batch(&format!("PRAGMA busy_timeout = {before}"))?;
        begun
    }

    fn commit(&mut self) -> Result<()> {
        self.own("COMMIT")
    }

    fn rollback(&mut self) -> Result<()> {
        match self.connection.batch_execute("ROLLBACK") {
            // SQLite has rolled back by itself (a full disk, say): nothing is left to do.
            Err(error) if error.to_string().contains("no transaction is active") => Ok(()),
            other => other.map_err(|e| translate(&e)),
        }
    }

    fn savepoint(&mut self) -> Result<()> {
        self.own("SAVEPOINT diesel_shell")
    }

    fn release(&mut self) -> Result<()> {
        self.own("RELEASE diesel_shell")
    }

    fn back_to_savepoint(&mut self) -> Result<()> {
        self.own("ROLLBACK TO diesel_shell")?;
        self.own("RELEASE diesel_shell")
    }

    fn reconnect(&mut self) -> Result<()> {
        // A file does not go away; what looked like it is reported by the next statement.
        Ok(())
    }

    fn files(&mut self) -> Result<Vec<PathBuf>> {
        #[derive(diesel::QueryableByName)]
        struct Attached {
            #[diesel(sql_type = diesel::sql_types::Text)]
            file: String,
        }
        let attached: Vec<Attached> = diesel::sql_query("SELECT file FROM pragma_database_list WHERE file <> ''")
            .load(&mut self.connection)
            .map_err(|e| translate(&e))?;
        Ok(attached.into_iter().map(|database| database.file.into()).collect())
    }

    fn set_read_only(&mut self) -> Result<()> {
        self.guard = Some(Guard::Reading);
        if self.handle.is_known() {
            guard::set(&self.handle, Guard::Reading);
            return Ok(());
        }
        self.own("PRAGMA query_only = ON")
    }

    fn set_sandbox(&mut self) {
        if self.guard.is_none() {
            self.guard = Some(Guard::Sandbox);
            guard::set(&self.handle, Guard::Sandbox);
        }
    }

    fn is_read_only(&self) -> bool {
        self.guard == Some(Guard::Reading)
    }

    fn quirks(&mut self) -> Result<Vec<Quirk>> {
        quirks::quirks(&mut self.connection).map_err(|e| translate(&e))
    }

    fn last_number(&mut self, catalog: &Catalog, entity: EntityId) -> Result<i64> {
        self.counted(&catalog.get(entity).table)
    }

    fn numbering(&mut self, catalog: &Catalog, tables: &[EntityId]) -> Result<Vec<String>> {
        let mut statements = Vec::new();
        for model in tables.iter().map(|id| catalog.get(*id)) {
            let last = self.counted(&model.table)?;
            if last > 0 {
                let name = model.table.replace('\'', "''");
                // The row is there once the table has had one.
                statements.push(format!(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT '{name}', 0 \
                     WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = '{name}')"
                ));
                statements.push(format!("UPDATE sqlite_sequence SET seq = {last} WHERE name = '{name}'"));
            }
        }
        Ok(statements)
    }

    fn spelling(&mut self, catalog: &Catalog, entity: EntityId, column: usize) -> Result<Option<Spelling>> {
        if !self.spellings.is_fresh() {
            self.spellings.at(versions(&mut self.connection)?);
        }
        self.known(catalog, entity, column)
    }

    fn execute(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<usize> {
        self.note(catalog, statement)?;
        self.wrote(catalog, statement);
        self.timed(catalog, statement, |store, statement| {
            Dynamic::new(catalog, statement, None)
                .execute(&mut store.connection)
                .map_err(|e| store.refused(told(&e, catalog, statement)))
        })
    }

    fn query(&mut self, catalog: &Catalog, statement: &Statement<'_>, each: &mut Each<'_>) -> Result<()> {
        self.note(catalog, statement)?;
        self.wrote(catalog, statement);
        self.timed(catalog, statement, |store, statement| {
            store.seeing(catalog, statement, |connection, query| {
                let rows = LoadConnection::load(connection, query).map_err(|e| told(&e, catalog, statement))?;
                let mut buffer = RowBuffer::for_statement(catalog, statement);
                for row in rows {
                    buffer.read(&row.map_err(|e| told(&e, catalog, statement))?)?;
                    if !buffer.with_cells(|cells| each(cells))? {
                        break;
                    }
                }
                Ok(())
            })
        })
    }

    fn describe(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<String> {
        self.timed(catalog, statement, |_, statement| {
            let query = Dynamic::new(catalog, statement, None);
            let mut builder = diesel::sqlite::query_builder::SqliteQueryBuilder::default();
            query.to_sql(&mut builder, &Sqlite).map_err(|e| translate(&e))?;
            Ok(diesel::query_builder::QueryBuilder::<Sqlite>::finish(builder))
        })
    }

    fn set_echo(&mut self, on: bool) {
        self.echo = on.then(Vec::new);
    }

    fn take_echo(&mut self) -> Vec<String> {
        self.echo.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn explain(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<Vec<String>> {
        self.timed(catalog, statement, |store, statement| {
            store.seeing(catalog, statement, |connection, inner| {
                let query = super::fragment::Explain { prefix: "EXPLAIN QUERY PLAN ", inner };
                let mut steps = Steps::default();
                let mut buffer = RowBuffer::untyped();
                for row in LoadConnection::load(connection, query).map_err(|e| translate(&e))? {
                    buffer.read(&row.map_err(|e| translate(&e))?)?;
                    buffer.with_cells(|cells| steps.row(cells))?;
                }
                Ok(steps.lines())
            })
        })
    }

    fn raw(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<RawOutcome> {
        self.inspect(sql)?;
        let before = counters(&mut self.connection)?;
        self.stream(sql, sink).map_err(|error| self.refused(error))?;
        let after = counters(&mut self.connection)?;
        if after != before {
            self.spellings.forget();
        }
        Ok(RawOutcome {
            affected: usize::try_from(after.0 - before.0).unwrap_or(0),
            changed_schema: after.1 != before.1,
        })
    }

    fn attempt(&mut self, sql: &str, open: bool, sink: &mut dyn RawSink) -> Result<Attempt> {
        if let Some(nature) = self.inspect(sql)? {
            return match nature {
                Nature { control: true, .. } => {
                    Err(Error::new(ErrorKind::Refused, "transactions are the session's: `commit` and `rollback`"))
                }
                _ if !self.is_read_only() && is_of_the_file(sql) => Ok(Attempt::Alone),
                Nature { reads: true, .. } => self.raw(sql, sink).map(Attempt::Read),
                // What the guard lets through touches temporary tables alone.
                _ if self.is_read_only() => self.raw(sql, sink).map(Attempt::Read),
                _ => Ok(Attempt::Writes),
            };
        }
        // What cannot be compiled beforehand is tried.
        if open {
            self.savepoint()?;
        } else {
            self.begin(false)?;
        }
        let tried = self.raw(sql, &mut Unseen);
        if open { self.back_to_savepoint() } else { self.rollback() }?;
        match tried {
            Ok(RawOutcome { affected: 0, changed_schema: false }) => self.raw(sql, sink).map(Attempt::Read),
            Ok(_) => Ok(Attempt::Writes),
            Err(error) if self.needs_no_transaction(&error, sql) => Ok(Attempt::Alone),
            Err(error) => Err(error),
        }
    }

    fn needs_no_transaction(&self, error: &Error, _: &str) -> bool {
        // SQLite speaks English alone: "cannot VACUUM from within a transaction", "cannot ATTACH database within transaction",
        // "Safety level may not be changed inside a transaction".
        ["within a transaction", "within transaction", "inside a transaction"]
            .iter()
            .any(|words| error.message.contains(words))
    }

    fn connection(&mut self) -> &mut dyn std::any::Any {
        &mut self.connection
    }

    fn cancel(&self) -> Option<Cancel> {
        self.handle.cancel()
    }

    fn tables(&mut self) -> Result<Vec<TableFacts>> {
        reflect::tables(&mut self.connection)
    }

    fn has_migrations_table(&mut self) -> Result<bool> {
        self.has_table("__diesel_schema_migrations")
    }

    fn forget_migrations(&mut self) {
        self.migrations = None;
        self.folder = None;
    }

    fn schema_version(&mut self) -> Result<Option<i64>> {
        counters(&mut self.connection).map(|(_, version)| Some(version))
    }

    migrations::methods!();

    fn scratch(&mut self, work: &mut dyn FnMut(&mut dyn Store) -> Result<()>) -> Result<()> {
        let mut store = Self::open(Path::new(":memory:"), Open::Create)?;
        store.enforce_foreign_keys(false)?;
        store.guard = Some(Guard::Scratch);
        guard::set(&store.handle, Guard::Scratch);
        work(&mut store)
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        let done = match self.inspect(sql)? {
            Some(_) => self.connection.batch_execute(sql),
            // Diesel compiles the first statement and no other.
            None => diesel::sql_query(sql).execute(&mut self.connection).map(drop),
        };
        done.map_err(|e| self.or_refused(&e))
    }

    fn enforce_foreign_keys(&mut self, on: bool) -> Result<()> {
        self.own(if on { "PRAGMA foreign_keys = ON" } else { "PRAGMA foreign_keys = OFF" })
    }

    fn orphans(&mut self) -> Result<Vec<Orphan>> {
        definition::orphans(&mut self.connection)
    }
}

/// Two numbers of which one changes when somebody else has written, and one with the schema.
fn versions(connection: &mut SqliteConnection) -> Result<(i64, i64)> {
    use diesel::sql_types::BigInt;
    let of = |name: &str| diesel::dsl::sql::<BigInt>(&format!("(SELECT {name} FROM pragma_{name})"));
    diesel::select((of("data_version"), of("schema_version"))).get_result(connection).map_err(|e| translate(&e))
}

/// A database error about a statement of the models, without the values of masked columns.
fn told(error: &diesel::result::Error, catalog: &Catalog, statement: &Statement<'_>) -> Error {
    super::secret::without_values(translate(error), catalog, statement)
}

/// A statement of ours: SQLite has no path by which something else could be found.
const fn own(sql: &str) -> &str {
    sql
}

/// How many rows this connection has changed, and the version of the schema.
fn counters(connection: &mut SqliteConnection) -> Result<(i64, i64)> {
    use diesel::sql_types::BigInt;
    let version = "(SELECT schema_version FROM pragma_schema_version)";
    diesel::select((diesel::dsl::sql::<BigInt>("total_changes()"), diesel::dsl::sql::<BigInt>(version)))
        .get_result(connection)
        .map_err(|e| translate(&e))
}

/// Collects `EXPLAIN QUERY PLAN`'s id, parent and detail, to indent each step under its parent.
#[derive(Default)]
struct Steps {
    rows: Vec<(i64, i64, String)>,
}

impl RawSink for Steps {
    fn columns(&mut self, _: &[String]) -> Result<()> {
        Ok(())
    }

    fn row(&mut self, cells: &[crate::model::Cell<'_>]) -> Result<bool> {
        use crate::model::Cell;
        if let [Cell::Int(id), Cell::Int(parent), _, Cell::Text(detail)] = cells {
            self.rows.push((*id, *parent, (*detail).to_owned()));
        }
        Ok(true)
    }
}

impl Steps {
    fn lines(&self) -> Vec<String> {
        let mut depths: std::collections::HashMap<i64, usize> = std::collections::HashMap::new();
        self.rows
            .iter()
            .map(|(id, parent, detail)| {
                let depth = depths.get(parent).map_or(0, |depth| depth + 1);
                depths.insert(*id, depth);
                format!("{}{detail}", "  ".repeat(depth))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Open, SqliteStore};
    use crate::model::{Catalog, Cell, Value, infer};
    use crate::plan::query::{Insert, Statement, Update};
    use crate::store::{RawOutcome, RawSink, Store};
    use std::path::Path;

    struct Texts(Vec<String>);

    impl RawSink for Texts {
        fn columns(&mut self, _: &[String]) -> crate::Result<()> {
            Ok(())
        }
        fn row(&mut self, cells: &[Cell<'_>]) -> crate::Result<bool> {
            self.0.push(cells.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
            Ok(true)
        }
    }

    /// Diesel caches prepared statements. With a static `QueryId` two tables of one shape would share one, and rows would
    /// land in the wrong table and report success.
    #[test]
    fn statements_of_like_tables_are_not_mixed_up() {
        let mut store = SqliteStore::open(Path::new(":memory:"), Open::Create).unwrap();
        let mut sink = Texts(Vec::new());
        for sql in ["create table a (n int)", "create table b (n int)"] {
            assert_eq!(store.raw(sql, &mut sink).unwrap(), RawOutcome { affected: 0, changed_schema: true });
        }
        let mut catalog = Catalog::default();
        infer::add_tables(&mut catalog, store.tables().unwrap());
        for round in 0..3 {
            for (name, number) in [("a", 1), ("b", 2)] {
                let entity = catalog.resolve(name).unwrap();
                let row = [Value::Int(number + round * 10)];
                let rows: [&[Value]; 1] = [&row];
                let insert = Insert { entity, columns: &[0], rows: &rows, returning: &[] };
                store.execute(&catalog, &Statement::Insert(insert)).unwrap();
            }
        }
        store.raw("select 'a', n from a union all select 'b', n from b order by 1, 2", &mut sink).unwrap();
        assert_eq!(sink.0, ["a,1", "a,11", "a,21", "b,2", "b,12", "b,22"]);
    }

    #[test]
    fn a_time_in_other_words_is_no_conflict() {
        let mut store = SqliteStore::open(Path::new(":memory:"), Open::Create).unwrap();
        let mut sink = Texts(Vec::new());
        store.raw("create table a (id integer primary key, at datetime, n int)", &mut sink).unwrap();
        store.raw("insert into a values (1, '1996-07-04T00:00:00.0Z', 1)", &mut sink).unwrap();
        let mut catalog = Catalog::default();
        infer::add_tables(&mut catalog, store.tables().unwrap());
        let entity = catalog.resolve("a").unwrap();
        let set = [(2, Value::Int(2))];
        for (base, changed) in [("1996-07-04", 1), ("1996-07-04 00:00:01", 0)] {
            let base = [(1, Value::Text(base.into()))];
            let update = Update { entity, set: &set, key: &[Value::Int(1)], base: &base };
            assert_eq!(store.execute(&catalog, &Statement::Update(update)).unwrap(), changed);
        }
    }
}
