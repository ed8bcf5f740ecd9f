//! The raw handle of a connection, for `sqlite3_interrupt` and the guard: Diesel keeps it to itself, but SQLite hands it to
//! every automatic extension when a connection opens (<https://www.sqlite.org/c3ref/auto_extension.html>).

#![allow(unsafe_code, reason = "sqlite3_interrupt and sqlite3_auto_extension have no safe wrapper")]

use crate::store::Cancel;
use libsqlite3_sys::{
    sqlite3, sqlite3_api_routines, sqlite3_auto_extension, sqlite3_cancel_auto_extension, sqlite3_interrupt,
};
use std::cell::Cell;
use std::ffi::{c_char, c_int};
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, PoisonError};

thread_local! {
    /// The handle of the connection that this thread opened last.
    static OPENED: Cell<*mut sqlite3> = const { Cell::new(null_mut()) };
}

/// Automatic extensions are the process's; one thread at a time installs ours.
static OPENING: Mutex<()> = Mutex::new(());

unsafe extern "C" fn remember(connection: *mut sqlite3, _: *mut *mut c_char, _: *const sqlite3_api_routines) -> c_int {
    OPENED.with(|opened| opened.set(connection));
    0
}

/// A connection's handle, for as long as the connection is open.
pub struct Handle(Arc<Mutex<Address>>);

/// Zero once the connection is closed.
struct Address(usize);

impl Handle {
    /// Of a connection that somebody else opened: nothing can interrupt it.
    pub fn none() -> Self {
        Self(Arc::new(Mutex::new(Address(0))))
    }

    /// Lends the raw connection; none where it is not known, or closed.
    pub fn with<T>(&self, work: impl FnOnce(*mut sqlite3) -> T) -> Option<T> {
        // Held meanwhile: nothing closes the connection under the work.
        let address = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (address.0 != 0).then(|| work(address.0 as *mut sqlite3))
    }

    /// Whether the raw connection is known.
    pub fn is_known(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 != 0
    }

    /// What interrupts the connection, from any thread.
    pub fn cancel(&self) -> Option<Cancel> {
        if !self.is_known() {
            return None;
        }
        let address = Arc::clone(&self.0);
        Some(Box::new(move || {
            let address = address.lock().unwrap_or_else(PoisonError::into_inner);
            if address.0 != 0 {
                // SAFETY: the connection is open, since closing it clears the address under this lock first; and
                // SQLite allows this call from any thread.
                unsafe { sqlite3_interrupt(address.0 as *mut sqlite3) };
            }
        }))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = 0;
    }
}

/// Opens a connection and gives its handle with it.
pub fn with_handle<T>(open: impl FnOnce() -> T) -> (T, Handle) {
    let _one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    OPENED.with(|opened| opened.set(null_mut()));
    // SAFETY: the function lives as long as the process and has the form that SQLite calls.
    unsafe { sqlite3_auto_extension(Some(remember)) };
    let opened = open();
    // SAFETY: as above.
    unsafe { sqlite3_cancel_auto_extension(Some(remember)) };
    let address = OPENED.with(Cell::get) as usize;
    (opened, Handle(Arc::new(Mutex::new(Address(address)))))
}
