//! PostgreSQL, and what speaks its protocol, through libpq.

#[cfg(unix)]
mod busy;
mod cancel;
mod connect;
mod copy;
mod definition;
mod dialect;
mod distribution;
mod error;
mod guard;
mod identity;
mod marker;
mod numbering;
mod own;
mod parameters;
mod quirks;
mod reflect;
mod row;
#[cfg_attr(not(unix), path = "no_socket.rs")]
mod socket;
mod sqlstate;

use super::fragment::Dynamic;
use super::migrations::{self, Migrations};
use super::network::Network;
use crate::model::definition::{Dialect, Schema};
use crate::model::infer::TableFacts;
use crate::model::{Catalog, Cell, EntityId, Quirk};
use crate::plan::query::Statement;
use crate::store::{
    Applied, Attempt, Cancel, Distribution, Each, Facts, Fate, Identity, Named, RawOutcome, RawSink, Script, Store,
    Waiter,
};
use crate::text::sql::tokens;
use crate::{Error, ErrorKind, Result};
#[cfg(unix)]
pub use busy::when_stuck;
use cancel::{Running, Target};
pub use connect::{Around, around_connecting};
use connect::{Connected, Server};
use diesel::connection::{LoadConnection, SimpleConnection};
use diesel::pg::{Pg, PgRowByRowLoadingMode};
use diesel::query_builder::QueryFragment;
use diesel::{PgConnection, RunQueryDsl};
use error::{translate, translate_of};
use own::own;
use parameters::Parameters;
use row::RowBuffer;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What closes a session to writing.
const READ_ONLY: &str = "SET default_transaction_read_only = on";

/// A function that there is not: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
const UNDEFINED_FUNCTION: [u8; 5] = *b"42883";

/// The wait between two tries to reach a server.
const PAUSE: Duration = Duration::from_millis(100);

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
    parameters: Option<Parameters>,
    /// What the server said of itself when the connection was made.
    server: Option<Server>,
    migrations: Option<Migrations<Pg>>,
    folder: Option<PathBuf>,
    echo: Option<Vec<String>>,
    facts: Facts,
    read_only: bool,
    /// Another server, or another life of the same one, has been connected to since.
    renewed: bool,
    numbering: numbering::Numbering,
    /// By what commits are looked up, where a setting asks for that.
    markers: Option<marker::Markers>,
    /// What runs on the connection, for Ctrl-C.
    running: Running,
    waiter: Option<Waiter>,
}

impl Drop for PgStore {
    fn drop(&mut self) {
        self.running.set(None);
    }
}

impl PgStore {
    /// Connects; for reading alone the server is told so before the first query. Whatever the URL does not say comes from PG*
    /// variables, service files and `.pgpass`, as libpq has it; what those do not say either, from the settings.
    ///
    /// # Errors
    /// `Connection`, without the URL's password.
    pub fn open(url: &str, read_only: bool, network: Network) -> Result<Self> {
        let parameters = Parameters::new(url, network);
        let connected = connect::establish(&parameters, read_only)?;
        let running = Running::default();
        running.set(Some(target(&parameters, connected.server.as_ref(), connected.socket, connected.pooled)));
        let mut store = Self::over(connected.connection, connected.server, Some(parameters), running);
        store.read_only = read_only;
        if network.commit_markers && !read_only {
            let there = store.has_table(marker::TABLE)?;
            store.asked(|connection| marker::Markers::prepare(connection, there))?;
            store.markers = Some(marker::Markers::default());
        }
        Ok(store)
    }

    /// Takes over a connection that an application opened. The session's spelling of dates and the like is set on it; if
    /// it is lost it cannot be made again.
    ///
    /// # Errors
    /// The database's own.
    pub fn adopt(mut connection: PgConnection) -> Result<Self> {
        let running = Running::default();
        let server = running.guarded(|| {
            connect::spell(&mut connection)?;
            connect::ask(&mut connection)
        })?;
        Ok(Self::over(connection, server, None, running))
    }

    fn over(
        connection: PgConnection,
        server: Option<Server>,
        parameters: Option<Parameters>,
        running: Running,
    ) -> Self {
        let facts = Facts {
            name: "PostgreSQL",
            dialect: Dialect::Postgres,
            failure_aborts: true,
            sequences: true,
            binary_order: false,
            batch: 10_000,
            max_binds: 60_000,
            arrays: true,
            literal: dialect::literal,
        };
        let numbering = numbering::Numbering::default();
        Self {
            connection,
            parameters,
            server,
            migrations: None,
            folder: None,
            echo: None,
            facts,
            read_only: false,
            renewed: false,
            numbering,
            markers: None,
            running,
            waiter: None,
        }
    }

    /// The name of the database that the connection is to.
    ///
    /// # Errors
    /// The database's own.
    pub fn database(&mut self) -> Result<String> {
        if let Some(server) = &self.server {
            return Ok(server.database.clone());
        }
        let name = diesel::dsl::sql::<diesel::sql_types::Text>("pg_catalog.current_database()::pg_catalog.text");
        self.asked(|connection| diesel::select(name).get_result(connection).map_err(|e| translate(&e)))
    }

    /// Asks the server something; whatever it answers is a result or an error.
    fn asked<T>(&mut self, work: impl FnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        let connection = &mut self.connection;
        self.running.guarded(|| work(connection))
    }

    /// Sends something that Ctrl-C may stop.
    fn sent<T>(&mut self, work: impl FnOnce(&mut PgConnection) -> diesel::QueryResult<T>) -> Result<T> {
        let _at_work = self.running.begin();
        let done = self.asked(|connection| work(connection).map_err(|e| translate(&e)));
        done.map_err(|error| self.running.judged(error))
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
        let running = self.running.clone();
        let _at_work = running.begin();
        let wrong = |e| running.judged(translate(&e));
        let connection = &mut self.connection;
        let rows = running
            .guarded(|| LoadConnection::<PgRowByRowLoadingMode>::load(connection, row::RawQuery(sql)).map_err(wrong))?;
        let mut rows = running.rows(rows);
        let mut buffer = RowBuffer::default();
        while let Some(row) = running.guarded(|| buffer.next(&mut rows).map_err(wrong))? {
            if *count == 0 {
                let (names, readable) = running.guarded(|| Ok((row::names(&row), row::is_readable(&row))))?;
                let distinct: std::collections::HashSet<&String> = names.iter().collect();
                if wrap && distinct.len() == names.len() && !readable {
                    return Ok(Some(names));
                }
                sink.columns(&names)?;
            }
            *count += 1;
            if !buffer.with_cells(|cells| sink.row(cells))? {
                break;
            }
        }
        Ok(None)
    }

    /// Gives a query's rows with every column as text; its columns' names are those of its first row.
    fn stream_as_text(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<usize> {
        let query = sql.trim_end_matches([';', ' ', '\n']);
        let mut names = Names::default();
        let asked = format!(
            "SELECT pg_catalog.json_object_keys(f.j) FROM (SELECT pg_catalog.row_to_json(q) AS j FROM ({query}\n) AS q LIMIT 1) AS f"
        );
        self.stream(&asked, false, &mut names, &mut 0)?;
        let mut count = 0;
        if !names.0.is_empty() {
            self.stream(&as_text(sql, &names.0), false, sink, &mut count)?;
        }
        Ok(count)
    }

    /// One try of [`Store::attempt`], in a transaction that only reads; whether anything was shown.
    fn read_alone(
        &mut self,
        open: bool,
        sink: &mut dyn RawSink,
        work: impl FnOnce(&mut Self, &mut dyn RawSink) -> Result<RawOutcome>,
    ) -> Result<(Result<RawOutcome>, bool)> {
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
        let done = work(self, &mut watched);
        let begun = watched.begun;
        let ended = match (&done, open) {
            (Ok(_), true) => self.release(),
            // What was read was read, whether or not the end of it is heard of.
            (Ok(_), false) => match self.commit() {
                Err(error) if error.kind == ErrorKind::Connection => return Ok((done, begun)),
                ended => ended,
            },
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
        Ok((done, begun))
    }

    fn has_table(&mut self, name: &str) -> Result<bool> {
        use diesel::sql_types::{Bool, Text};
        let asked = diesel::dsl::sql::<Bool>("pg_catalog.to_regclass(").bind::<Text, _>(name).sql(") IS NOT NULL");
        self.asked(|connection| diesel::select(asked).get_result(connection).map_err(|e| translate(&e)))
    }

    /// Makes an empty schema for the open transaction and puts it first. Types and functions of the ordinary schemas stay in
    /// reach.
    fn begin_scratch(&mut self) -> Result<()> {
        use diesel::sql_types::Text;
        self.batch("CREATE SCHEMA __diesel_shell_scratch")?;
        let path = diesel::dsl::sql::<Text>("pg_catalog.current_setting('search_path')");
        let path: String =
            self.asked(|connection| diesel::select(path).get_result(connection).map_err(|e| translate(&e)))?;
        let path = if path.trim().is_empty() { path } else { format!(", {path}") };
        let set = diesel::dsl::sql::<Text>("pg_catalog.set_config('search_path', ")
            .bind::<Text, _>(format!("__diesel_shell_scratch{path}"))
            .sql(", true)");
        let set = |connection: &mut PgConnection| diesel::select(set).get_result::<String>(connection);
        self.asked(|connection| set(connection).map(drop).map_err(|e| translate(&e)))
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

/// Keeps the texts of a result's first column.
#[derive(Default)]
struct Names(Vec<String>);

impl RawSink for Names {
    fn columns(&mut self, _: &[String]) -> Result<()> {
        Ok(())
    }
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool> {
        self.0.extend(cells.first().map(ToString::to_string));
        Ok(true)
    }
}

/// The first word of a statement, in small letters.
fn first_word(sql: &str) -> String {
    let first = sql.trim_start_matches(|c: char| c.is_whitespace() || c == '(').split_whitespace().next();
    first.unwrap_or_default().to_ascii_lowercase()
}

/// Whether a statement is a query that can stand in another's FROM.
fn is_plain(sql: &str) -> bool {
    matches!(first_word(sql).as_str(), "select" | "values" | "table")
}

/// How what runs on a connection is stopped.
fn target(parameters: &Parameters, server: Option<&Server>, socket: Option<socket::Socket>, pooled: bool) -> Target {
    Target {
        url: parameters.cancelling(),
        // An engine without processes cannot be asked to cancel by one, and a pooler's next transaction has another.
        process: server.filter(|_| !pooled).map(|server| server.process),
        started: server.map(|server| server.started.clone()).unwrap_or_default(),
        socket,
    }
}

/// Whether a server remembers what it was told before.
fn is_same_life(before: Option<&Server>, now: Option<&Server>) -> bool {
    let life = |server: &Server| (server.system.clone(), server.timeline, server.incarnation.clone());
    before.is_some() && before.map(life) == now.map(life)
}

/// A statement as Diesel takes it, with the rows that it brings along as arrays.
fn dynamic<'a>(catalog: &'a Catalog, statement: &'a Statement<'a>) -> Dynamic<'a> {
    Dynamic::new(catalog, statement, Some(dialect::array_text))
}

/// A query with every column as the text that the server gives for it; truth values are words, as everywhere.
fn as_text(sql: &str, names: &[String]) -> String {
    let column = |name: &String| {
        let name = format!("\"{}\"", name.replace('"', "\"\""));
        // A record of NULLs is no NULL, whatever IS NULL says; `concat` asks a type for its own spelling.
        format!(
            "CASE WHEN pg_catalog.num_nulls(q.{name}) = 1 THEN NULL \
             WHEN pg_catalog.pg_typeof(q.{name}) = 'pg_catalog.bool'::pg_catalog.regtype THEN q.{name}::pg_catalog.text \
             ELSE pg_catalog.concat(q.{name}) END"
        )
    };
    let columns: Vec<String> =
        names.iter().map(|name| format!("{} AS \"{}\"", own(&column(name)), name.replace('"', "\"\""))).collect();
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
        // milliseconds, up to 2^31 - 1; 0 would wait for ever.
        let wait = wait.as_millis().clamp(1, i32::MAX as u128);
        let sql = format!("BEGIN; SET LOCAL lock_timeout = {wait}");
        self.sent(|connection| connection.batch_execute(&sql))
    }

    fn commit(&mut self) -> Result<()> {
        let connection = &mut self.connection;
        self.running.guarded(|| self.numbering.settle(connection))?;
        self.batch("COMMIT")?;
        self.markers.iter_mut().for_each(marker::Markers::acknowledge);
        Ok(())
    }

    fn rollback(&mut self) -> Result<()> {
        self.numbering.forget();
        self.markers.iter_mut().for_each(marker::Markers::forget);
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
        let parameters = self.parameters.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Connection, "the application opened the connection, so only it can open another")
        })?;
        let began = Instant::now();
        let Connected { connection, server, socket, pooled } = loop {
            match connect::establish(parameters, self.read_only) {
                Ok(connected) => break connected,
                Err(error) => {
                    let waited = began.elapsed();
                    let waits = self.waiter.as_mut().is_some_and(|waiter| waiter(waited, &error));
                    if !waits || waited >= parameters.network().wait {
                        return Err(error);
                    }
                    std::thread::sleep(PAUSE);
                }
            }
        };
        self.running.set(Some(target(parameters, server.as_ref(), socket, pooled)));
        self.renewed |= !is_same_life(self.server.as_ref(), server.as_ref());
        (self.connection, self.server) = (connection, server);
        Ok(())
    }

    fn is_renewed(&self) -> bool {
        self.renewed
    }

    fn is_lost(&self) -> bool {
        self.parameters.is_some() && self.running.is_closed()
    }

    fn set_waiter(&mut self, waiter: Waiter) {
        self.waiter = Some(waiter);
    }

    fn identity(&mut self) -> Result<Named> {
        let (connection, server) = (&mut self.connection, &mut self.server);
        if let Some(markers) = &mut self.markers {
            return self.running.guarded(|| markers.put(connection).map(Named::Marked));
        }
        self.running.guarded(|| identity::of(connection, server))
    }

    fn was_committed(&mut self, transaction: &Identity) -> Result<Fate> {
        self.asked(|connection| identity::fate(connection, transaction))
    }

    fn keeps_snapshots(&self) -> bool {
        self.server
            .as_ref()
            .is_some_and(|server| matches!(server.isolation.as_str(), "repeatable read" | "serializable"))
    }

    fn has_marker(&mut self, marker: &str) -> Result<Fate> {
        self.asked(|connection| marker::fate(connection, marker))
    }

    fn place(&mut self) -> Option<String> {
        use diesel::sql_types::Text;
        let asked = "(SELECT pg_catalog.concat(system_identifier, '/', pg_catalog.current_database()) \
            FROM pg_catalog.pg_control_system())";
        let asked = diesel::dsl::sql::<Text>(asked);
        self.asked(|connection| diesel::select(asked).get_result(connection).map_err(|e| translate(&e))).ok()
    }

    fn set_read_only(&mut self) -> Result<()> {
        self.read_only = true;
        self.batch(READ_ONLY)
    }

    fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn quirks(&mut self) -> Result<Vec<Quirk>> {
        self.asked(|connection| quirks::quirks(connection).map_err(|e| translate(&e)))
    }

    fn reserve_keys(&mut self, catalog: &Catalog, entity: EntityId, count: usize) -> Result<Vec<i64>> {
        use diesel::sql_types::{BigInt, Nullable, Text};
        let model = catalog.get(entity);
        let Some(key) = model.numbered_key() else { return Ok(Vec::new()) };
        // A table without a sequence of its own gives NULL, and so no rows. OFFSET keeps the planner from looking for the
        // sequence once for each number.
        let query = diesel::sql_query(
            "SELECT pg_catalog.nextval(sequence) AS number FROM (SELECT pg_catalog.pg_get_serial_sequence(\
             pg_catalog.format('%I.%I', coalesce($1, pg_catalog.current_schema()), $2), $3)::pg_catalog.regclass AS sequence OFFSET 0) \
             AS own, pg_catalog.generate_series(1, $4) WHERE sequence IS NOT NULL",
        )
        .bind::<Nullable<Text>, _>(&model.schema)
        .bind::<Text, _>(&model.table)
        .bind::<Text, _>(&model.columns[key].name)
        .bind::<BigInt, _>(count as i64);
        let rows: Vec<Number> = self.asked(|connection| query.load(connection).map_err(|e| translate(&e)))?;
        let numbers: Vec<i64> = rows.into_iter().map(|row| row.number).collect();
        self.numbering.gave(entity, &numbers);
        Ok(numbers)
    }

    fn numbering(&mut self, catalog: &Catalog, tables: &[EntityId]) -> Result<Vec<String>> {
        self.asked(|connection| numbering::states(connection, catalog, tables))
    }

    fn execute(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<usize> {
        self.note(catalog, statement)?;
        if let Statement::Insert(insert) = statement {
            self.numbering.wrote(insert, catalog);
        }
        let _at_work = self.running.begin();
        let query = dynamic(catalog, statement);
        self.asked(|connection| query.execute(connection).map_err(|e| translate_of(&e, catalog, statement)))
            .map_err(|error| self.running.judged(error))
    }

    fn query(&mut self, catalog: &Catalog, statement: &Statement<'_>, each: &mut Each<'_>) -> Result<()> {
        self.note(catalog, statement)?;
        if let Statement::Insert(insert) = statement {
            self.numbering.wrote(insert, catalog);
        }
        let running = self.running.clone();
        let _at_work = running.begin();
        let wrong = |e| running.judged(translate_of(&e, catalog, statement));
        let query = dynamic(catalog, statement);
        let connection = &mut self.connection;
        let rows =
            running.guarded(|| LoadConnection::<PgRowByRowLoadingMode>::load(connection, query).map_err(wrong))?;
        let mut rows = running.rows(rows);
        let mut buffer = RowBuffer::of(statement.width());
        while running.guarded(|| buffer.next(&mut rows).map_err(wrong))?.is_some() {
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
        self.asked(|connection| {
            let wrong = |e| translate(&e);
            let mut rows = LoadConnection::<PgRowByRowLoadingMode>::load(connection, query).map_err(wrong)?;
            let mut buffer = RowBuffer::default();
            let mut lines = Vec::new();
            while buffer.next(&mut rows).map_err(wrong)?.is_some() {
                buffer.with_cells(|cells| {
                    lines.extend(cells.first().map(ToString::to_string));
                    Ok(())
                })?;
            }
            Ok(lines)
        })
    }

    fn raw(&mut self, sql: &str, sink: &mut dyn RawSink) -> Result<RawOutcome> {
        copy::refuse(sql)?;
        // What gives rows is loaded, what gives none is executed for its count; PostgreSQL's protocol says which only
        // afterwards, and a statement must not run twice.
        let word = first_word(sql);
        let returns = sql.to_ascii_lowercase().contains("returning");
        let reads =
            matches!(word.as_str(), "select" | "with" | "values" | "table" | "show" | "explain" | "fetch" | "execute");
        if !reads && !returns {
            let affected = self.sent(|connection| row::RawQuery(sql).execute(connection))?;
            // Whatever is no change of rows may change what there is, or which of it is seen.
            let rows = matches!(word.as_str(), "insert" | "update" | "delete" | "merge");
            return Ok(RawOutcome { affected, changed_schema: !rows });
        }
        let mut count = 0;
        // Arrays, ranges and other types arrive in forms of their own; a query can be asked for their text instead.
        if let Some(names) = self.stream(sql, is_plain(sql), sink, &mut count)? {
            self.stream(&as_text(sql, &names), false, sink, &mut count)?;
        }
        let writes = returns && !matches!(word.as_str(), "select" | "values" | "table" | "show" | "explain");
        Ok(RawOutcome { affected: if writes { count } else { 0 }, changed_schema: false })
    }

    fn attempt(&mut self, sql: &str, open: bool, sink: &mut dyn RawSink) -> Result<Attempt> {
        let (mut done, mut begun) = self.read_alone(open, sink, |store, sink| store.raw(sql, sink))?;
        // A type may have no form but its text, and what has been sent so far is in the other one.
        if done.as_ref().is_err_and(|error| error.code == Some(UNDEFINED_FUNCTION)) && !begun && is_plain(sql) {
            let by_text = |store: &mut Self, sink: &mut dyn RawSink| {
                store.stream_as_text(sql, sink).map(|_| RawOutcome { affected: 0, changed_schema: false })
            };
            let (again, shown) = self.read_alone(open, sink, by_text)?;
            if again.is_ok() {
                (done, begun) = (again, shown);
            }
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
        error.kind == ErrorKind::Database && (error.code == Some(*b"25001") || named())
    }

    fn connection(&mut self) -> &mut dyn std::any::Any {
        &mut self.connection
    }

    fn cancel(&self) -> Option<Cancel> {
        self.parameters.is_some().then(|| self.running.cancel())
    }

    fn tables(&mut self) -> Result<Vec<TableFacts>> {
        let _at_work = self.running.begin();
        self.asked(reflect::tables).map_err(|error| self.running.judged(error))
    }

    fn distributions(&mut self) -> Result<Vec<Distribution>> {
        self.asked(distribution::of)
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
        copy::refuse(sql)?;
        // By the extended protocol, in which the server takes one statement and no more.
        self.sent(|connection| diesel::sql_query(sql).execute(connection).map(drop))
    }

    fn scratch(&mut self, work: &mut dyn FnMut(&mut dyn Store) -> Result<()>) -> Result<()> {
        self.batch("BEGIN")?;
        let done = self.begin_scratch().and_then(|()| work(self));
        self.rollback()?;
        done
    }
}
