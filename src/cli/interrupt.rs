//! Ctrl-C: stops the running statement, and whatever shows its rows.

use diesel_shell::store::Cancel;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

static PRESSED: AtomicBool = AtomicBool::new(false);
static RUNNING: Mutex<Option<Cancel>> = Mutex::new(None);

/// Listens for Ctrl-C from now on, and for the signal that asks a program to end.
///
/// # Errors
/// When the system does not let it.
pub fn listen() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        PRESSED.store(true, Ordering::SeqCst);
        if let Some(cancel) = &*RUNNING.lock().unwrap_or_else(PoisonError::into_inner) {
            cancel();
        }
    })?;
    Ok(())
}

/// What Ctrl-C stops.
pub fn watch(cancel: Option<Cancel>) {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = cancel;
}

/// Whether Ctrl-C was pressed since it was last forgotten.
pub fn was_pressed() -> bool {
    PRESSED.load(Ordering::Relaxed)
}

/// A new command begins.
pub fn forget() {
    PRESSED.store(false, Ordering::SeqCst);
}
