//! What a transaction is called, and what became of it.

use super::connect::{Server, ask};
use super::error::translate;
use crate::store::{Fate, Identity, Named};
use crate::{ErrorKind, Result};
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};

/// <https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT>
///
/// A number is taken where there is none: what is written on other nodes (Citus) or servers (foreign tables) needs none here
/// until COMMIT, and would pass for nothing. A replica gives none.
pub const NAME: &str = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_current_xact_id_if_assigned() \
    ELSE pg_catalog.pg_current_xact_id() END::pg_catalog.text::pg_catalog.int8 AS number";

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
}

#[derive(QueryableByName)]
struct Status {
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<String>,
}

/// The name of the open transaction.
///
/// # Errors
/// The database's own.
pub fn of(connection: &mut PgConnection, server: &mut Option<Server>) -> Result<Named> {
    if server.as_ref().is_some_and(|server| server.timeline.is_none()) {
        // It was a replica when the connection was made, and has been promoted since, for replicas write nothing.
        *server = ask(connection)?;
    }
    let known = server.as_ref().and_then(|server| Some((server, u32::try_from(server.timeline?).ok()?)));
    let Some((server, timeline)) = known else { return Ok(Named::Untellable) };
    let number: Number = diesel::sql_query(NAME).get_result(connection).map_err(|e| translate(&e))?;
    Ok(match number.number.and_then(|number| u64::try_from(number).ok()) {
        Some(transaction) => Named::Transaction(Identity {
            system: server.system.clone(),
            timeline,
            incarnation: server.incarnation.clone(),
            transaction,
        }),
        None => Named::NothingWritten,
    })
}

/// What became of a transaction. Only the server that gave the number knows: on a promoted replica it may be another
/// transaction's, and so it may be after a crash, when a number that never reached the disk is given again.
///
/// # Errors
/// `Connection`
pub fn fate(connection: &mut PgConnection, transaction: &Identity) -> Result<Fate> {
    // Asked anew: the server behind a connection may have been promoted since.
    let Some(server) = ask(connection)? else {
        return Ok(Fate::Unknown("this engine cannot say what became of a transaction".into()));
    };
    if server.system != transaction.system {
        return Ok(Fate::Unknown("this is another server than the one that was to commit".into()));
    }
    if server.timeline != Some(i64::from(transaction.timeline)) {
        let why = "another server has taken over since, and what the first one had not handed on is lost";
        return Ok(Fate::Unknown(why.into()));
    }
    let sql = format!("SELECT pg_catalog.pg_xact_status('{}') AS status", transaction.transaction);
    let status = match diesel::sql_query(sql).get_result::<Status>(connection) {
        Ok(row) => row.status,
        // 22023 is "in the future": the number was lost in a crash, and the transaction with it.
        Err(error) => {
            return match translate(&error) {
                error if error.kind == ErrorKind::Connection => Err(error),
                error if error.code == Some(*b"22023") => Ok(Fate::RolledBack),
                error => Ok(Fate::Unknown(error.message)),
            };
        }
    };
    let same_life = server.incarnation == transaction.incarnation;
    Ok(match status.as_deref() {
        // What is committed keeps its number for good: whoever has it now, it was not this one.
        Some("aborted") => Fate::RolledBack,
        Some("in progress") if same_life => Fate::Running,
        Some("in progress") => Fate::RolledBack,
        Some("committed") if same_life => Fate::Committed,
        Some("committed") => Fate::Unknown(
            "the server has crashed since, and may have given the number of the transaction to another".into(),
        ),
        _ => Fate::Unknown("the server no longer knows what became of a transaction that old".into()),
    })
}
