//! Making a connection, and what is asked of it first: which database, which server, what stands between.

use super::error::{one_line, translate};
use super::guard;
use super::own::own;
use super::parameters::{Parameters, SETTINGS};
use super::socket::Socket;
use crate::{Error, ErrorKind, Result};
use diesel::connection::{CacheSize, SimpleConnection};
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::{Connection, ConnectionError, ConnectionResult, PgConnection, QueryableByName, RunQueryDsl};
use std::sync::OnceLock;
use std::time::Instant;

/// What a server says of itself. The timeline comes from the position at which it writes: that of the last checkpoint may
/// be the one from before a promotion.
#[derive(Debug, Clone, Default, QueryableByName)]
pub struct Server {
    /// The database's name.
    #[diesel(sql_type = Text)]
    pub database: String,
    /// The backend's process.
    #[diesel(sql_type = Integer)]
    pub process: i32,
    /// When the server was started, in seconds.
    #[diesel(sql_type = Text)]
    pub started: String,
    /// The cluster's number.
    #[diesel(sql_type = Text)]
    pub system: String,
    /// The timeline that it writes; none while it is a replica.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub timeline: Option<i64>,
    /// What changes with a crash: statistics are begun anew after one.
    #[diesel(sql_type = Text)]
    pub incarnation: String,
    /// How transactions are kept apart, unless they say it themselves.
    #[diesel(sql_type = Text)]
    pub isolation: String,
    /// Whether dates and intervals are spelled as they were asked for.
    #[diesel(sql_type = Bool)]
    pub spelled: bool,
    /// Whether what the session was told with the first packet has arrived.
    #[diesel(sql_type = Bool)]
    pub direct: bool,
}

/// <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA>; that a WAL file's name
/// begins with the timeline: <https://www.postgresql.org/docs/current/wal-internals.html>.
pub const QUESTION: &str = "SELECT pg_catalog.current_database()::pg_catalog.text AS database, \
    pg_catalog.pg_backend_pid() AS process, \
    pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())::pg_catalog.text AS started, \
    (SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()) AS system, \
    CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN ('x' || pg_catalog.substr(\
        pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8))::pg_catalog.bit(32)::pg_catalog.int8 \
        END AS timeline, \
    coalesce(pg_catalog.date_part('epoch', pg_catalog.pg_stat_get_bgwriter_stat_reset_time())::pg_catalog.text, '') \
        AS incarnation, \
    pg_catalog.current_setting('default_transaction_isolation') AS isolation, \
    (pg_catalog.current_setting('DateStyle') || pg_catalog.current_setting('IntervalStyle')) = 'ISO, YMDpostgres' AS spelled, \
    coalesce(pg_catalog.current_setting('diesel_shell.direct', true) = 'on', false) AS direct";

/// What a process does around the making of each connection; it must call what it is given.
pub type Around = fn(&mut dyn FnMut());

static AROUND: OnceLock<Around> = OnceLock::new();

/// Says what is done around the making of each connection from now on: libpq writes to the process's standard error then,
/// and only the process's owner may lead that elsewhere. The first to say so counts.
pub fn around_connecting(around: Around) {
    let _ = AROUND.set(around);
}

/// Makes a connection, with what the process does around it.
fn connect(url: &str) -> ConnectionResult<PgConnection> {
    let make = || {
        guard::calm(|| PgConnection::establish(url))
            .unwrap_or_else(|| Err(ConnectionError::BadConnection(guard::error().message)))
    };
    let Some(around) = AROUND.get() else { return make() };
    let mut made = None;
    around(&mut || made = Some(make()));
    made.unwrap_or_else(make)
}

/// A connection that is ready for use.
pub struct Connected {
    /// The connection.
    pub connection: PgConnection,
    /// What the server says of itself; an engine that only speaks the protocol may not know all of that.
    pub server: Option<Server>,
    /// The socket under it.
    pub socket: Option<Socket>,
    /// Whether each transaction may have another backend.
    pub pooled: bool,
}

/// Connects.
///
/// # Errors
/// `Connection`, without the URL's password.
pub fn establish(parameters: &Parameters, read_only: bool) -> Result<Connected> {
    #[cfg(unix)]
    super::busy::watch();
    let (opened, socket, told) = open(parameters, read_only);
    let mut connection = opened.map_err(|cause| {
        let text = cause.to_string();
        let text = crate::database::url::without_password(&one_line(&text), parameters.url());
        Error::new(ErrorKind::Connection, format!("cannot connect: {text}"))
    })?;
    let (server, pooled) = guard::calm(|| introduce(&mut connection, parameters, told, read_only))
        .unwrap_or_else(|| Err(guard::error()))?;
    Ok(Connected { connection, server, socket, pooled })
}

/// Asks for the server, and tells it what it was not `told` with the first packet. Gives as well whether each transaction
/// may have another backend.
fn introduce(
    connection: &mut PgConnection,
    parameters: &Parameters,
    told: bool,
    read_only: bool,
) -> Result<(Option<Server>, bool)> {
    let server = ask(connection)?;
    // The person's own options may say the same, which tells nothing of ours.
    let direct = told && server.as_ref().is_some_and(|server| server.direct);
    // What was sent with the first packet and is not there was kept back by something in between.
    let kept_back = parameters.fit_options() && server.is_some() && !direct;
    let pooled = parameters.network().pooler.unwrap_or(kept_back);
    if pooled {
        // The next transaction may come to a backend where somebody else gave another statement the same name.
        connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    }
    if !server.as_ref().is_some_and(|server| server.spelled) {
        spell(connection)?;
    }
    if read_only && !direct {
        connection.batch_execute(super::READ_ONLY).map_err(|e| translate(&e))?;
    }
    Ok((server, pooled))
}

/// Opens a connection. What does not take the session's parameters with the first packet refuses it; then without. Gives as
/// well whether they were sent.
fn open(parameters: &Parameters, read_only: bool) -> (ConnectionResult<PgConnection>, Option<Socket>, bool) {
    let with = |options| {
        let (opened, socket) = Socket::opened_by(|| connect(&parameters.session(options, read_only)));
        (opened, socket, options)
    };
    if !parameters.fit_options() {
        return with(false);
    }
    let began = Instant::now();
    let first = with(true);
    // One that does not answer at all will not do so for less.
    if first.0.is_ok() || began.elapsed() >= parameters.network().connect_timeout {
        return first;
    }
    let second = with(false);
    if second.0.is_err() {
        return second;
    }
    // It may just have become ready.
    let third = with(true);
    if third.0.is_ok() { third } else { second }
}

/// Asks the server for itself. An engine that only speaks the protocol has none of these functions.
///
/// # Errors
/// `Connection`
pub fn ask(connection: &mut PgConnection) -> Result<Option<Server>> {
    match diesel::sql_query(own(QUESTION)).get_result::<Server>(connection) {
        Ok(server) => Ok(Some(server)),
        Err(error) => match translate(&error) {
            error if error.kind == ErrorKind::Connection => Err(error),
            _ => Ok(None),
        },
    }
}

/// Tells a connection how to spell dates and the like.
///
/// # Errors
/// The database's own.
pub fn spell(connection: &mut PgConnection) -> Result<()> {
    let settings: Vec<String> = SETTINGS.iter().map(|(name, value)| format!("SET {name} = {value}")).collect();
    connection.batch_execute(&settings.join("; ")).map_err(|e| translate(&e))
}
