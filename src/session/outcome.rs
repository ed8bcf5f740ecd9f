//! What became of a transaction whose COMMIT was not answered: the server is asked, and once more, within a bound.

use crate::store::{Fate, Named, Store};
use crate::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

/// How long it is asked for at once, beside what a server that is away is waited for.
const BOUND: Duration = Duration::from_secs(5);

/// The first wait between two questions; each is twice the one before, up to a second.
const FIRST_WAIT: Duration = Duration::from_millis(40);

/// What became of a transaction, as far as a server can be asked.
pub(crate) enum Outcome {
    Committed,
    RolledBack,
    /// Ask again; why.
    Open(String),
    /// Only the rows can tell; why.
    Untellable(String),
}

/// Asks what became of a transaction; over a new connection where the old one is gone.
pub(crate) fn outcome(store: &mut dyn Store, named: &Named) -> Outcome {
    let until = Instant::now() + BOUND;
    let mut wait = FIRST_WAIT;
    loop {
        let open = match ask(store, named) {
            Ok(Fate::Committed) => return Outcome::Committed,
            Ok(Fate::RolledBack) => return Outcome::RolledBack,
            Ok(Fate::Unknown(why)) => return Outcome::Untellable(why),
            // The server has not noticed yet that nobody listens.
            Ok(Fate::Running) => "the transaction has not ended yet".to_owned(),
            Err(error) => format!("the server cannot be asked: {}", error.message),
        };
        if Instant::now() + wait >= until {
            return Outcome::Open(open);
        }
        std::thread::sleep(wait);
        wait = (wait * 2).min(Duration::from_secs(1));
    }
}

/// Asks once.
fn ask(store: &mut dyn Store, named: &Named) -> Result<Fate> {
    let asked = |store: &mut dyn Store| match named {
        Named::NothingWritten => Ok(Fate::RolledBack),
        Named::Transaction(identity) => store.was_committed(identity),
        Named::Marked(marker) => store.has_marker(marker),
        Named::Untellable => {
            store.tables().map(|_| Fate::Unknown("this engine does not say what became of a transaction".into()))
        }
    };
    match asked(store) {
        Err(error) if error.kind == ErrorKind::Connection => {
            store.reconnect()?;
            asked(store)
        }
        done => done,
    }
}

/// Sends COMMIT in an open transaction, and looks it up where the answer is lost. Gives whether it had to be looked up.
///
/// # Errors
/// The database's own, and nothing was written then; `InDoubt` where that is not known.
pub(crate) fn commit(store: &mut dyn Store, send: impl FnOnce(&mut dyn Store) -> Result<()>) -> Result<bool> {
    let named = store.identity()?;
    let error = match send(store) {
        Err(error) if error.kind == ErrorKind::Connection => error,
        done => return done.map(|()| false),
    };
    let why = match outcome(store, &named) {
        Outcome::Committed => return Ok(true),
        Outcome::RolledBack => return Err(error.hint("nothing of it was written")),
        Outcome::Open(why) => why,
        Outcome::Untellable(why) => format!("the server cannot tell: {why}"),
    };
    let transaction = match &named {
        Named::Transaction(identity) => Some(identity.transaction),
        _ => None,
    };
    let name = transaction.map_or_else(String::new, |number| format!(" as transaction {number}"));
    Err(Error::new(ErrorKind::InDoubt, "it is not known whether this was committed")
        .hint(format!("COMMIT was sent once{name} and its answer was lost"))
        .hint(why)
        .hint(match transaction {
            Some(number) => {
                format!("ask that server before you run it again: select pg_xact_status('{number}')")
            }
            None => "look at the data before you run it again".into(),
        }))
}
