//! Ctrl-C: stops what runs on the connection that there is now, also when nothing comes back from it any more.

use super::guard;
use super::own::own;
use super::socket::Socket;
use crate::store::Cancel;
use crate::{Error, ErrorKind, Result};
use diesel::sql_types::{Integer, Text};
use diesel::{Connection, PgConnection, RunQueryDsl};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the server is given to stop a statement before the connection is given up.
const PATIENCE: Duration = Duration::from_secs(3);

/// Stops a backend. The start of its server is asked for in the same statement: of several hosts this may be another one, and
/// what the first has said of itself is no SQL there.
pub const STOP: &str = "SELECT pg_catalog.pg_cancel_backend($1) WHERE \
    pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())::pg_catalog.text = $2";

/// How to stop what runs on one connection.
pub struct Target {
    /// How the same server is reached, without waiting for long.
    pub url: String,
    /// The backend's process; none where another transaction may have another.
    pub process: Option<i32>,
    /// When that server was started, which tells it from others that the same URL may lead to.
    pub started: String,
    /// The connection's socket.
    pub socket: Option<Socket>,
}

/// What is shared with the thread that Ctrl-C runs in.
#[derive(Default)]
struct Shared {
    target: Mutex<Option<Target>>,
    /// Odd while a statement runs, and another number for each.
    statement: AtomicU64,
    /// Whether the running statement was asked to stop.
    asked: AtomicBool,
    /// Whether the server answered what nobody understands: the connection is not used again.
    broken: AtomicBool,
}

/// What runs on a store's connection, whichever that is just now.
#[derive(Clone, Default)]
pub struct Running(Arc<Shared>);

/// A statement runs for as long as this lives.
pub struct AtWork(Arc<Shared>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.statement.fetch_add(1, Ordering::SeqCst);
    }
}

/// Rows that come one by one; what is left of them is read when they are given up.
pub struct Rows<I> {
    running: Running,
    rows: Option<I>,
}

impl<I: Iterator> Iterator for Rows<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.rows.as_mut()?.next()
    }
}

impl<I> Drop for Rows<I> {
    fn drop(&mut self) {
        let rows = self.rows.take();
        if guard::calm(|| drop(rows)).is_none() {
            self.running.0.broken.store(true, Ordering::SeqCst);
        }
    }
}

impl Running {
    /// Takes over the rows of a statement, so that no panic gets out where they are given up.
    pub fn rows<I: Iterator>(&self, rows: I) -> Rows<I> {
        Rows { running: self.clone(), rows: Some(rows) }
    }

    /// There is another connection now, or none.
    pub fn set(&self, target: Option<Target>) {
        *self.0.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
        self.0.broken.store(false, Ordering::SeqCst);
    }

    /// A statement begins.
    pub fn begin(&self) -> AtWork {
        self.0.asked.store(false, Ordering::SeqCst);
        self.0.statement.fetch_add(1, Ordering::SeqCst);
        AtWork(Arc::clone(&self.0))
    }

    /// An error of the latest statement: what was stopped is no error of its own, and what somebody else or a timeout of
    /// the server stopped was not stopped by Ctrl-C.
    pub fn judged(&self, error: Error) -> Error {
        match (error.kind, self.0.asked.load(Ordering::SeqCst)) {
            (ErrorKind::Interrupted, true) => Error::new(ErrorKind::Interrupted, "interrupted"),
            (ErrorKind::Interrupted, false) => Error { kind: ErrorKind::Database, ..error },
            (ErrorKind::Connection, true) => {
                error.hint("the server did not answer to Ctrl-C, so the connection was given up")
            }
            _ => error,
        }
    }

    /// Does what only Diesel and libpq take part in. When that is no conversation any more, the connection is given up.
    ///
    /// # Errors
    /// That of the work; `Connection` when Diesel panicked, now or earlier.
    pub fn guarded<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.0.broken.load(Ordering::SeqCst) {
            return Err(guard::error());
        }
        let done = guard::calm(work).unwrap_or_else(|| {
            self.0.broken.store(true, Ordering::SeqCst);
            Err(guard::error())
        });
        if let Err(error) = &done
            && error.kind == ErrorKind::Connection
            && error.code.is_none()
        {
            // No word of the server's own: whatever it says next is no answer to what is asked next.
            let target = self.0.target.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(socket) = target.as_ref().and_then(|target| target.socket.as_ref()) {
                socket.shut();
            }
        }
        done
    }

    /// Whether the connection cannot be used any more, as far as can be seen from here.
    pub fn is_closed(&self) -> bool {
        if self.0.broken.load(Ordering::SeqCst) {
            return true;
        }
        let target = self.0.target.lock().unwrap_or_else(PoisonError::into_inner);
        target.as_ref().and_then(|target| target.socket.as_ref()).is_some_and(Socket::is_closed)
    }

    /// What stops the running statement. The first call asks the server; when that does not help in time, or with the
    /// second call, the connection is given up.
    pub fn cancel(&self) -> Cancel {
        let shared = Arc::clone(&self.0);
        Box::new(move || {
            let statement = shared.statement.load(Ordering::SeqCst);
            if statement.is_multiple_of(2) {
                return;
            }
            if shared.asked.swap(true, Ordering::SeqCst) {
                give_up(&shared, statement);
                return;
            }
            // From a thread of its own: a second Ctrl-C must not wait for the first.
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                let pressed = Instant::now();
                let asked = ask(&shared);
                while !asked && pressed.elapsed() < PATIENCE {
                    std::thread::sleep(Duration::from_millis(20));
                    if shared.statement.load(Ordering::SeqCst) != statement {
                        return;
                    }
                }
                if !asked {
                    give_up(&shared, statement);
                }
            });
        })
    }
}

/// Lets the server stop the statement. Gives whether it was told.
fn ask(shared: &Shared) -> bool {
    let (url, process, started) = {
        let target = shared.target.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Target { url, process: Some(process), started, .. }) = &*target else { return false };
        (url.clone(), *process, started.clone())
    };
    let stop = diesel::sql_query(own(STOP)).bind::<Integer, _>(process).bind::<Text, _>(started);
    // Not with what the process does around it: another thread may be writing messages just now.
    guard::calm(|| PgConnection::establish(&url).is_ok_and(|mut other| stop.execute(&mut other).is_ok()))
        .unwrap_or(false)
}

fn give_up(shared: &Shared, statement: u64) {
    let target = shared.target.lock().unwrap_or_else(PoisonError::into_inner);
    if shared.statement.load(Ordering::SeqCst) == statement
        && let Some(socket) = target.as_ref().and_then(|target| target.socket.as_ref())
    {
        socket.shut();
    }
}

#[cfg(test)]
mod tests {
    use super::{Running, guard};

    #[test]
    fn rows_are_given_up_in_calm() {
        struct Panics;
        impl Iterator for Panics {
            type Item = ();
            fn next(&mut self) -> Option<()> {
                Some(())
            }
        }
        impl Drop for Panics {
            fn drop(&mut self) {
                assert!(guard::calls().is_some(), "it is seen from outside");
                panic!("at the end");
            }
        }
        let running = Running::default();
        assert!(running.rows(Panics).next().is_some());
        assert!(running.is_closed(), "nothing is asked on it any more");
    }
}
