//! Commit markers: each transaction puts a row into a small table, and whether the row is there tells what became of it. For
//! engines that do not say so themselves, and for servers that take over; only where a setting asks for them.

use super::error::translate;
use crate::store::Fate;
use crate::{Error, ErrorKind, Result};
use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{Bool, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _};
use std::hash::{BuildHasher as _, RandomState};

/// The table of markers. A marker that was looked for and not found is put there as taken back, so that the transaction
/// which it stands for cannot be committed any more.
pub const TABLE: &str = "__diesel_shell_commits";

const CREATE: &str = "CREATE TABLE IF NOT EXISTS __diesel_shell_commits (id text PRIMARY KEY, \
    taken_back bool NOT NULL DEFAULT false, made timestamptz NOT NULL DEFAULT pg_catalog.now())";

/// The earlier marker of a session, whose commit was acknowledged, makes room.
const PUT: &str = "WITH gone AS (DELETE FROM __diesel_shell_commits WHERE id OPERATOR(pg_catalog.=) $2) \
    INSERT INTO __diesel_shell_commits (id) VALUES ($1)";

/// Waits for a transaction that has put the same marker and has not ended.
const FENCE: &str = "INSERT INTO __diesel_shell_commits (id, taken_back) VALUES ($1, true) ON CONFLICT (id) DO NOTHING";

const LOOK: &str = "SELECT taken_back FROM __diesel_shell_commits WHERE id OPERATOR(pg_catalog.=) $1";

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Bool)]
    taken_back: bool,
}

/// The markers of one session.
#[derive(Debug, Default)]
pub struct Markers {
    /// The marker of the latest transaction that was to commit.
    latest: Option<String>,
    /// The one of the latest that was acknowledged.
    acknowledged: Option<String>,
}

impl Markers {
    /// Makes the table, where it is not there.
    ///
    /// # Errors
    /// The database's own, with the way out.
    pub fn prepare(connection: &mut PgConnection, there: bool) -> Result<()> {
        if there {
            return Ok(());
        }
        connection.batch_execute(CREATE).map_err(|error| {
            let error = translate(&error);
            Error::new(ErrorKind::Usage, format!("the table of commit markers cannot be made: {}", error.message))
                .hint(format!("let somebody make it who may: {CREATE}"))
                .hint("or take `commit_markers` out of the configuration")
        })
    }

    /// Puts a new marker into the open transaction.
    ///
    /// # Errors
    /// The database's own.
    pub fn put(&mut self, connection: &mut PgConnection) -> Result<String> {
        let marker = fresh();
        let before = self.acknowledged.as_deref().unwrap_or_default();
        let put = diesel::sql_query(PUT).bind::<Text, _>(&marker).bind::<Text, _>(before);
        put.execute(connection).map_err(|error| translate(&error))?;
        self.latest = Some(marker.clone());
        Ok(marker)
    }

    /// A transaction was committed, and that was heard.
    pub fn acknowledge(&mut self) {
        if let Some(latest) = self.latest.take() {
            self.acknowledged = Some(latest);
        }
    }

    /// A transaction was rolled back.
    pub fn forget(&mut self) {
        self.latest = None;
    }
}

/// Nobody else's.
fn fresh() -> String {
    let half = || RandomState::new().hash_one(std::time::SystemTime::now());
    format!("{:016x}{:016x}{:08x}", half(), half(), std::process::id())
}

/// What became of the transaction that put a marker.
///
/// # Errors
/// `Connection`
pub fn fate(connection: &mut PgConnection, marker: &str) -> Result<Fate> {
    let fenced = fence(connection, marker);
    if let Err(error) = fenced {
        let _ = connection.batch_execute("ROLLBACK");
        return match error.kind {
            ErrorKind::Connection => Err(error),
            // Whoever put it there has not ended.
            ErrorKind::Busy => Ok(Fate::Running),
            _ => Ok(Fate::Unknown(format!("its commit marker cannot be looked for: {}", error.message))),
        };
    }
    let look = diesel::sql_query(LOOK).bind::<Text, _>(marker).get_result::<Found>(connection);
    Ok(if look.map_err(|error| translate(&error))?.taken_back { Fate::RolledBack } else { Fate::Committed })
}

fn fence(connection: &mut PgConnection, marker: &str) -> Result<()> {
    connection
        .batch_execute("BEGIN; SET LOCAL lock_timeout = 500")
        .and_then(|()| diesel::sql_query(FENCE).bind::<Text, _>(marker).execute(connection).map(drop))
        .and_then(|()| connection.batch_execute("COMMIT"))
        .map_err(|error| translate(&error))
}
