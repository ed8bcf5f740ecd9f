//! Diesel panics on some of what a server should never answer. Here that becomes an error, and says nothing on the way.

use crate::{Error, ErrorKind};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many calls of [`calm`] there have been, and how many are under way.
static STEPS: AtomicU64 = AtomicU64::new(0);
static UNDER_WAY: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Whether this thread is in [`calm`].
    static CALM: Cell<bool> = const { Cell::new(false) };
}

/// What it is when Diesel panicked.
pub fn error() -> Error {
    let told = "the server answered what is not PostgreSQL's protocol; the connection is closed";
    Error::new(ErrorKind::Connection, told)
}

/// Panics in [`calm`] are said nowhere from now on; all others are, as before. A hook is the process's own: it is put
/// there once, around the one that there is, so that no thread takes away another's.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // A thread that ends has nothing left to look in.
            if !CALM.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
}

/// Does what only Diesel and libpq take part in. None if Diesel panicked: nothing is known then of the state that the
/// connection is in. Nothing of a caller's may run inside, for its panics are its own.
pub fn calm<T>(work: impl FnOnce() -> T) -> Option<T> {
    // The hook cannot be changed while the thread panics; then one more is an abort in any case.
    if !std::thread::panicking() {
        hush();
    }
    let outer = CALM.replace(true);
    UNDER_WAY.fetch_add(1, Ordering::SeqCst);
    STEPS.fetch_add(1, Ordering::SeqCst);
    let done = catch_unwind(AssertUnwindSafe(work));
    UNDER_WAY.fetch_sub(1, Ordering::SeqCst);
    CALM.set(outer);
    done.ok()
}

/// The number of the latest call, while one is under way in any thread.
#[cfg_attr(not(unix), allow(dead_code, reason = "nobody looks there"))]
pub fn calls() -> Option<u64> {
    (UNDER_WAY.load(Ordering::SeqCst) > 0).then(|| STEPS.load(Ordering::SeqCst))
}

#[cfg(test)]
mod tests {
    use super::calm;

    #[test]
    fn only_what_panics_inside_is_caught() {
        assert_eq!(calm(|| 1), Some(1));
        assert_eq!(calm(|| calm(|| panic!("inside"))), Some(None::<()>));
        assert!(std::panic::catch_unwind(|| calm(|| ()).map(|()| panic!("outside"))).is_err());
    }
}
