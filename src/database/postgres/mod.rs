//! PostgreSQL, and what speaks its protocol, through libpq.

mod definition;
mod dialect;
mod error;
mod numbering;
mod own;
mod quirks;
mod reflect;
mod row;

use super::fragment::Dynamic;
use super::migrations::{self, Migrations};
use crate::model::definition::{Dialect, Schema};
use crate::model::infer::TableFacts;
use crate::model::{Catalog, Cell, EntityId, Quirk};
use crate::plan::query::Statement;
use crate::store::{Applied, Attempt, Cancel, Each, Facts, RawOutcome, RawSink, Script, Store};
use crate::text::sql::tokens;
use crate::{Error, ErrorKind, Result};
use diesel::connection::{LoadConnection, SimpleConnection};
use diesel::pg::{Pg, PgRowByRowLoadingMode};
use diesel::query_builder::QueryFragment;
use diesel::{Connection, ConnectionResult, PgConnection, RunQueryDsl};
use error::{translate, translate_of};
use own::own;
use row::RowBuffer;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What every connection is told first: dates are spelled as everywhere else in the shell, and notices stay out of it.
const SETTINGS: &str = "SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; \
    SET extra_float_digits = 1; SET bytea_output = 'hex'; SET client_min_messages = 'warning'";

/// A number from a sequence.
#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

/// A PostgreSQL database.
pub struct PgStore {
    connection: PgConnection,
    /// None for a connection that was handed over.
    url: Option<String>,
    migrations: Option<Migrations<Pg>>,
    folder: Option<PathBuf>,
    echo: Option<Vec<String>>,
    facts: Facts,
    read_only: bool,
    numbering: numbering::Numbering,
    /// The backend's process, by which a running statement is cancelled.
    process: i32,
}

/// What a process does around the making of each connection; it must call what it is given.
pub type Around = fn(&mut dyn FnMut());

static AROUND: OnceLock<Around> = OnceLock::new();

/// Says what is done around the making of each connection from now on: libpq writes to the process's standard error then,
/// and only the process's owner may lead that elsewhere. The first to say so counts.
pub fn around_connecting(around: Around) {
    let _ = AROUND.set(around);
}

fn connect(url: &str) -> ConnectionResult<PgConnection> {
    let Some(around) = AROUND.get() else { return PgConnection::establish(url) };
    let mut made = None;
    around(&mut || made = Some(PgConnection::establish(url)));
    made.unwrap_or_else(|| PgConnection::establish(url))
}

/// What closes a session to writing.
const READ_ONLY: &str = "SET default_transaction_read_only = on";

fn establish(url: &str, read_only: bool) -> Result<(PgConnection, i32)> {
    let connected = if read_only {
        // In the start packet: not even the first query can write.
        let closed = super::url::with_options(url, "-c default_transaction_read_only=on");
        match connect(&closed) {
            // A pooler may know no options; it is told before anything else.
            Err(cause) if cause.to_string().contains("unsupported startup parameter") => connect(url),
            done => done,
        }
    } else {
        connect(url)
    };
    let mut connection = connected.map_err(|cause| {
        let text = cause.to_string();
        Error::new(
            ErrorKind::Connection,
            format!("cannot connect: {}", super::url::without_password(text.trim_end(), url)),
        )
    })?;
    if read_only {
        connection.batch_execute(READ_ONLY).map_err(|e| translate(&e))?;
    }
    let process = prepare(&mut connection)?;
    Ok((connection, process))
}

/// Tells a connection what every one is told, and asks for its process.
fn prepare(connection: &mut PgConnection) -> Result<i32> {
    connection.batch_execute(SETTINGS).map_err(|e| translate(&e))?;
    let process = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>("pg_catalog.pg_backend_pid()"))
        .get_result(connection)
        // An engine without processes cannot be asked to cancel by one.
        .unwrap_or(0);
    Ok(process)
}

impl PgStore {
    /// Connects; for reading alone the server is told so before the first query. Whatever the URL does not say comes from PG*
    /// variables, service files and `.pgpass`, as libpq has it.
    ///
    /// # Errors
    /// `Connection`, without the URL's password.
    pub fn open(url: &str, read_only: bool) -> Result<Self> {
        let (connection, process) = establish(url, read_only)?;
        let mut store = Self::over(connection, process, Some(url.to_owned()));
        store.read_only = read_only;
        Ok(store)
    }

    /// Takes over a connection that an application opened. The session's spelling of dates and the like is set on it; if
    /// it is lost it cannot be made again.
    ///
    /// # Errors
    /// The database's own.
    pub fn adopt(mut connection: PgConnection) -> Result<Self> {
        let process = prepare(&mut connection)?;
        Ok(Self::over(connection, process, None))
    }

    fn over(connection: PgConnection, process: i32, url: Option<String>) -> Self {
        let facts = Facts {
            name: "PostgreSQL",
            dialect: Dialect::Postgres,
            failure_aborts: true,
            sequences: true,
            binary_order: false,
            batch: 10_000,
            max_binds: 60_000,
            arrays: true,
        };
        let numbering = numbering::Numbering::default();
        Self {
            connection,
            url,
            migrations: None,
            folder: None,
            echo: None,
            facts,
            read_only: false,
            numbering,
            process,
        }
    }

    /// The name of the database that the connection is to.
    ///
    /// # Errors
    /// The database's own.
    pub fn database(&mut self) -> Result<String> {
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>("pg_catalog.current_database()::pg_catalog.text"))
            .get_result(&mut self.connection)
            .map_err(|e| translate(&e))
    }

    fn note(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<()> {
        if self.echo.is_some() {
            let sql = self.describe(catalog, statement)?;
            self.echo.get_or_insert_default().push(sql);
        }
        Ok(())
    }

    /// Runs a query that gives rows. With `wrap`, a first row that has types which are not read stops it before anything
    /// is shown, and its columns' names are given back, if they can be told apart.
    fn stream(
        &mut self,
        sql: &str,
        wrap: bool,
        sink: &mut dyn RawSink,
        count: &mut usize,
    ) -> Result<Option<Vec<String>>> {
        let rows = LoadConnection::<PgRowByRowLoadingMode>::load(&mut self.connection, row::RawQuery(sql))
            .map_err(|e| translate(&e))?;
        let mut buffer = RowBuffer::default();
        for row in rows {
            let row = row.map_err(|e| translate(&e))?;
            if *count == 0 {
                let names = row::names(&row);
                let distinct: std::collections::HashSet<&String> = names.iter().collect();
                if wrap && distinct.len() == names.len() && !row::is_readable(&row) {
                    return Ok(Some(names));
                }
                sink.columns(&names)?;
            }
            *count += 1;
            buffer.read(&row);
            if !buffer.with_cells(|cells| sink.row(cells))? {
                break;
            }
        }
        Ok(None)
    }

    fn has_table(&mut self, name: &str) -> Result<bool> {
        use diesel::sql_types::{Bool, Text};
        let asked = diesel::dsl::sql::<Bool>("pg_catalog.to_regclass(").bind::<Text, _>(name).sql(") IS NOT NULL");
        diesel::select(asked).get_result(&mut self.connection).map_err(|e| translate(&e))
    }

    /// Makes an empty schema for the open transaction and puts it first. Types and functions of the ordinary schemas stay in
    /// reach.
    fn begin_scratch(&mut self) -> Result<()> {
        use diesel::sql_types::Text;
        self.batch("CREATE SCHEMA __diesel_shell_scratch")?;
        let path: String = diesel::select(diesel::dsl::sql::<Text>("pg_catalog.current_setting('search_path')"))
            .get_result(&mut self.connection)
            .map_err(|e| translate(&e))?;
        let path = if path.trim().is_empty() { path } else { format!(", {path}") };
        let set = diesel::dsl::sql::<Text>("pg_catalog.set_config('search_path', ")
            .bind::<Text, _>(format!("__diesel_shell_scratch{path}"))
            .sql(", true)");
        diesel::select(set).get_result::<String>(&mut self.connection).map(drop).map_err(|e| translate(&e))
    }

    /// Gives the connection the migrations that `db` works with.
    pub fn set_migrations(&mut self, migrations: Migrations<Pg>) {
        self.migrations = Some(migrations);
    }
}

/// Why nothing is written.
fn closed(error: &Error) -> Error {
    Error::new(ErrorKind::Refused, format!("this database is open for reading only ({})", error.message))
}

/// Notes whether anything of a result has been handed on.
struct Watched<'s> {
    sink: &'s mut dyn RawSink,
    begun: bool,
}

impl RawSink for Watched<'_> {
    fn columns(&mut self, names: &[String]) -> Result<()> {
        self.begun = true;
        self.sink.columns(names)
    }
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool> {
        self.sink.row(cells)
    }
}

/// A statement as Diesel takes it, with the rows that it brings along as arrays.
fn dynamic<'a>(catalog: &'a Catalog, statement: &'a Statement<'a>) -> Dynamic<'a> {
    Dynamic::new(catalog, statement, Some(dialect::array_text))
}

/// A query with every column as text.
fn as_text(sql: &str, names: &[String]) -> String {
    let quoted = |name: &String| name.replace('"', "\"\"");
    let columns: Vec<String> = names.iter().map(|name| format!("q.\"{0}\"::text AS \"{0}\"", quoted(name))).collect();
    format!("SELECT {} FROM ({}\n) AS q", columns.join(", "), sql.trim_end_matches([';', ' ', '\n']))
}

impl Store for PgStore {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&mut self, write: bool) -> Result<()> {
        self.batch(match (write, self.read_only) {
            (false, _) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            // Said each time: the default can be set by whoever may type SQL.
            (true, true) => "BEGIN READ ONLY",
            (true, false) => "BEGIN",
        })
    }

    fn begin_within(&mut self, wait: std::time::Duration) -> Result<()> {
        // Both in one message. <https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-LOCK-TIMEOUT>: in
        // milliseconds, of which 0 would wait for ever.
        let sql = format!("BEGIN; SET LOCAL lock_timeout = {}", wait.as_millis().max(1));
        self.connection.batch_execute(&sql).map_err(|e| translate(&e))
    }

    fn commit(&mut self) -> Result<()> {
        self.numbering.settle(&mut self.connection)?;
        self.batch("COMMIT")
    }

    fn rollback(&mut self) -> Result<()> {
        self.numbering.forget();
        match self.batch("ROLLBACK") {
            // The transaction went with the connection.
            Err(error) if error.kind == ErrorKind::Connection => self.reconnect(),
            other => other,
        }
    }

    fn savepoint(&mut self) -> Result<()> {
        self.batch("SAVEPOINT diesel_shell")
    }

    fn release(&mut self) -> Result<()> {
        self.batch("RELEASE SAVEPOINT diesel_shell")
    }

    fn back_to_savepoint(&mut self) -> Result<()> {
        self.batch("ROLLBACK TO SAVEPOINT diesel_shell")?;
        self.batch("RELEASE SAVEPOINT diesel_shell")
    }

    fn reconnect(&mut self) -> Result<()> {
        let url = self.url.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Connection, "the application opened the connection, so only it can open another")
        })?;
        (self.connection, self.process) = establish(url, self.read_only)?;
        Ok(())
    }

    fn transaction_id(&mut self) -> Result<Option<String>> {
        // In a savepoint: an engine without this function must not lose the transaction for it.
        self.savepoint()?;
        let sql = "pg_catalog.pg_current_xact_id()::pg_catalog.text";
        let asked: diesel::QueryResult<String> =
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(sql)).get_result(&mut self.connection);
        match asked {
            Ok(id) => self.release().map(|()| Some(id)),
            Err(error) => {
                let error = translate(&error);
                if error.kind == ErrorKind::Connection {
                    return Err(error);
                }
                self.back_to_savepoint().map(|()| None)
            }
        }
    }

    fn was_committed(&mut self, id: &str) -> Option<bool> {
        use diesel::sql_types::{Nullable, Text};
        // <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT>
        let asked = diesel::dsl::sql::<Nullable<Text>>("pg_catalog.pg_xact_status(")
            .bind::<Text, _>(id)
            .sql("::pg_catalog.xid8)::pg_catalog.text");
        let status: Option<String> = diesel::select(asked).get_result(&mut self.connection).ok()?;
        match status.as_deref() {
            Some("committed") => Some(true),
            Some("aborted") => Some(false),
            _ => None,
        }
    }

    fn set_read_only(&mut self) -> Result<()> {
        self.read_only = true;
        self.batch(READ_ONLY)
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn quirks(&mut self) -> Result<Vec<Quirk>> {
        quirks::quirks(&mut self.connection).map_err(|e| translate(&e))
    }

    fn reserve_keys(&mut self, catalog: &Catalog, entity: EntityId, count: usize) -> Result<Vec<i64>> {
        use diesel::sql_types::{BigInt, Nullable, Text};
        let model = catalog.get(entity);
        let Some(key) = model.numbered_key() else { return Ok(Vec::new()) };
        // A table without a sequence of its own gives NULL, and so no rows.
        let query = diesel::sql_query(
            "SELECT pg_catalog.nextval(sequence) AS number FROM (SELECT pg_catalog.pg_get_serial_sequence(\
             pg_catalog.format('%I.%I', coalesce($1, pg_catalog.current_schema()), $2), $3)::pg_catalog.regclass AS sequence) \
             AS own, pg_catalog.generate_series(1, $4) WHERE sequence IS NOT NULL",
        )
        .bind::<Nullable<Text>, _>(&model.schema)
        .bind::<Text, _>(&model.table)
        .bind::<Text, _>(&model.columns[key].name)
        .bind::<BigInt, _>(count as i64);
        let rows: Vec<Number> = query.load(&mut self.connection).map_err(|e| translate(&e))?;
        let numbers: Vec<i64> = rows.into_iter().map(|row| row.number).collect();
        self.numbering.gave(entity, &numbers);
        Ok(numbers)
    }

    fn numbering(&mut self, catalog: &Catalog, tables: &[EntityId]) -> Result<Vec<String>> {
        numbering::states(&mut self.connection, catalog, tables)
    }

    fn execute(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<usize> {
        self.note(catalog, statement)?;
        if let Statement::Insert(insert) = statement {
            self.numbering.wrote(insert, catalog);
        }
        dynamic(catalog, statement).execute(&mut self.connection).map_err(|e| translate_of(&e, catalog, statement))
    }

    fn query(&mut self, catalog: &Catalog, statement: &Statement<'_>, each: &mut Each<'_>) -> Result<()> {
        self.note(catalog, statement)?;
        if let Statement::Insert(insert) = statement {
            self.numbering.wrote(insert, catalog);
        }
        let query = dynamic(catalog, statement);
        let rows = LoadConnection::<PgRowByRowLoadingMode>::load(&mut self.connection, query)
            .map_err(|e| translate_of(&e, catalog, statement))?;
        let mut buffer = RowBuffer::default();
        for row in rows {
            buffer.read(&row.map_err(|e| translate_of(&e, catalog, statement))?);
            if !buffer.with_cells(|cells| each(cells))? {
                break;
            }
        }
        Ok(())
    }

    fn describe(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<String> {
        let query = dynamic(catalog, statement);
        let mut builder = diesel::pg::PgQueryBuilder::default();
        query.to_sql(&mut builder, &Pg).map_err(|e| translate(&e))?;
        Ok(diesel::query_builder::QueryBuilder::<Pg>::finish(builder))
    }

    fn set_echo(&mut self, on: bool) {
        self.echo = on.then(Vec::new);
    }

    fn take_echo(&mut self) -> Vec<String> {
        self.echo.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn explain(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<Vec<String>> {
        let query = super::fragment::Explain { prefix: "EXPLAIN ", inner: dynamic(catalog, statement) };
        let rows =
            LoadConnection::<PgRowByRowLoadingMode>::load(&mut self.connection, query).map_err(|e| translate(&e))?;
        let mut buffer = RowBuffer::default();
        let mut lines = Vec::new();
        for row in rows {
            buffer.read(&row.map_err(|e| translate(&e))?);
            buffer.with_cells(|cells| {
                lines.extend(cells.first().map(ToString::to_string));
                Ok(())
            })?;
        }
        Ok(lines)
    }

    fn raw(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<RawOutcome> {
        // What gives rows is loaded, what gives none is executed for its count; PostgreSQL's protocol says which only
        // afterwards, and a statement must not run twice.
        let first = sql.trim_start_matches(|c: char| c.is_whitespace() || c == '(').split_whitespace().next();
        let word = first.unwrap_or_default().to_ascii_lowercase();
        let returns = sql.to_ascii_lowercase().contains("returning");
        let reads =
            matches!(word.as_str(), "select" | "with" | "values" | "table" | "show" | "explain" | "fetch" | "execute");
        if !reads && !returns {
            let affected = row::RawQuery(sql).execute(&mut self.connection).map_err(|e| translate(&e))?;
            // Whatever is no change of rows may change what there is, or which of it is seen.
            let rows = matches!(word.as_str(), "insert" | "update" | "delete" | "merge");
            return Ok(RawOutcome { affected, changed_schema: !rows });
        }
        let mut count = 0;
        // Arrays, ranges and other types arrive in forms of their own; a query can be asked for their text instead.
        let plain = matches!(word.as_str(), "select" | "values" | "table");
        if let Some(names) = self.stream(sql, plain, sink, &mut count)? {
            self.stream(&as_text(sql, &names), false, sink, &mut count)?;
        }
        let writes = returns && !matches!(word.as_str(), "select" | "values" | "table" | "show" | "explain");
        Ok(RawOutcome { affected: if writes { count } else { 0 }, changed_schema: false })
    }

    fn attempt(&mut self, sql: &str, open: bool, sink: &mut dyn RawSink) -> Result<Attempt> {
        if open {
            self.savepoint()?;
            self.batch("SET LOCAL transaction_read_only = on")?;
        } else {
            self.batch("BEGIN READ ONLY")?;
        }
        // Behind the first query nothing turns a transaction back to writing:
        // <https://www.postgresql.org/docs/current/sql-set-transaction.html>.
        self.batch("SELECT 1")?;
        let mut watched = Watched { sink, begun: false };
        let done = self.raw(sql, &mut watched);
        let begun = watched.begun;
        let ended = match (&done, open) {
            (Ok(_), true) => self.release(),
            (Ok(_), false) => self.commit(),
            (Err(error), _) if error.kind == ErrorKind::Connection => Ok(()),
            (Err(_), true) => self.back_to_savepoint(),
            (Err(_), false) => self.rollback(),
        };
        if self.read_only && !open {
            // Settings stay, this one excepted.
            ended.and_then(|()| self.batch(READ_ONLY))?;
        } else {
            ended?;
        }
        match done {
            Ok(outcome) => Ok(Attempt::Read(outcome)),
            Err(error) if self.read_only && error.kind == ErrorKind::Refused => Err(closed(&error)),
            Err(error) if begun && error.kind == ErrorKind::Refused => Err(Error::new(
                ErrorKind::Refused,
                format!("it gave rows before it came to write, and was stopped: {}", error.message),
            )
            .hint("nothing was written; put what writes into a statement of its own")),
            Err(error) if error.kind == ErrorKind::Refused => Ok(Attempt::Writes),
            Err(error) if self.needs_no_transaction(&error, sql) => {
                if self.read_only {
                    Err(closed(&error))
                } else {
                    Ok(Attempt::Alone)
                }
            }
            Err(error) => Err(error),
        }
    }

    fn needs_no_transaction(&self, error: &Error, sql: &str) -> bool {
        // The server's words are in its language; these are the statements that its manual names.
        let named = || {
            let words = tokens(sql, false).unwrap_or_default();
            let is = |at: usize, word: &str| words.get(at).is_some_and(|token| token.is(word));
            is(0, "VACUUM")
                || is(0, "REINDEX")
                || (is(0, "ALTER") && is(1, "SYSTEM"))
                || ((is(0, "CREATE") || is(0, "DROP") || is(0, "ALTER")) && (is(1, "DATABASE") || is(1, "TABLESPACE")))
                || words.iter().any(|token| token.is("CONCURRENTLY"))
        };
        error.kind == ErrorKind::Database && (error.message.contains("transaction block") || named())
    }

    fn connection(&mut self) -> &mut dyn std::any::Any {
        &mut self.connection
    }

    fn cancel(&self) -> Option<Cancel> {
        let (url, process) = (self.url.clone()?, self.process);
        (process != 0).then(|| -> Cancel {
            Box::new(move || {
                // From a connection of its own; if that fails there is nobody to tell.
                if let Ok(mut other) = PgConnection::establish(&url) {
                    let _ = other.batch_execute(&format!("SELECT pg_catalog.pg_cancel_backend({process})"));
                }
            })
        })
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

    migrations::methods!();

    fn batch(&mut self, sql: &str) -> Result<()> {
        // By the extended protocol, in which the server takes one statement and no more.
        diesel::sql_query(sql).execute(&mut self.connection).map(drop).map_err(|e| translate(&e))
    }

    fn scratch(&mut self, work: &mut dyn FnMut(&mut dyn Store) -> Result<()>) -> Result<()> {
        self.batch("BEGIN")?;
        let done = self.begin_scratch().and_then(|()| work(self));
        self.rollback()?;
        done
    }
}
