//! Ctrl-C: stops the running statement, and whatever shows its rows.

use diesel_shell::store::Cancel;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

static PRESSED: AtomicBool = AtomicBool::new(false);
/// How often, since the last command began.
static PRESSES: AtomicU32 = AtomicU32::new(0);
static RUNNING: Mutex<Option<Cancel>> = Mutex::new(None);

/// How a program that Ctrl-C ended reports it: 128 and the signal's number.
const ENDED: i32 = 130;

/// Listens for Ctrl-C from now on, and for the signal that asks a program to end. What runs is stopped; the third time in
/// one command the process ends, for a server can keep the library that speaks to it busy for ever.
///
/// # Errors
/// When the system does not let it.
pub fn listen() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        PRESSED.store(true, Ordering::SeqCst);
        if PRESSES.fetch_add(1, Ordering::SeqCst) >= 2 {
            let told =
                "error: the command could not be stopped, so the shell ends; what was staged at a prompt is kept";
            let _ = writeln!(std::io::stderr(), "\n{told}");
            std::process::exit(ENDED);
        }
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
    PRESSES.store(0, Ordering::SeqCst);
}
