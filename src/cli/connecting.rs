//! What libpq writes to the standard error while it connects: its own warnings, and whatever a server sends as notices
//! before anybody can stop them. It is held back, and shown as text that cannot drive a terminal. And the end of the process
//! where a server keeps it busy for ever.

use diesel_shell::ErrorKind;
use diesel_shell::render::sanitise_lines;
use std::io::{PipeReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::thread::JoinHandle;

/// How much of it is kept, in bytes; a server may send without end.
const MOST: u64 = 16 * 1024;

/// The standard error as the process was given it.
static ORIGINAL: OnceLock<OwnedFd> = OnceLock::new();

/// The standard error while it leads to us.
struct Held {
    reader: JoinHandle<Vec<u8>>,
}

/// Connects, with the standard error held back, and nothing drawn on it.
pub fn quietly(connect: &mut dyn FnMut()) {
    diesel_shell::shell::undrawn(&mut || held(connect));
}

fn held(connect: &mut dyn FnMut()) {
    let Ok(held) = Held::begin() else { return connect() };
    connect();
    let text = held.end();
    if !text.is_empty() {
        let text = String::from_utf8_lossy(&text);
        // Where nothing can be written there is nobody to be told.
        let _ = writeln!(std::io::stderr(), "{}", sanitise_lines(text.trim_end()));
    }
}

/// Ends the process, and says so where it was asked to say what goes wrong.
pub fn give_up() {
    const TOLD: &[u8] =
        b"error: the server sends what keeps the library that speaks to it busy for ever, so the shell ends; \
        what was staged at a prompt is kept\n";
    // While a connection is made, the standard error leads to ourselves.
    if let Some(original) = ORIGINAL.get() {
        let _ = rustix::io::write(original, TOLD);
    } else {
        let _ = std::io::stderr().write_all(TOLD);
    }
    std::process::exit(ErrorKind::Connection.exit_status().into());
}

impl Held {
    fn begin() -> std::io::Result<Self> {
        if ORIGINAL.get().is_none() {
            let original = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
            ORIGINAL.get_or_init(|| original);
        }
        let (ours, theirs) = std::io::pipe()?;
        rustix::stdio::dup2_stderr(&theirs)?;
        // Read while it is written, so that libpq never waits for us.
        Ok(Self { reader: std::thread::spawn(move || read(ours)) })
    }

    fn end(self) -> Vec<u8> {
        // With it the pipe's last writing end is closed.
        if ORIGINAL.get().is_none_or(|original| rustix::stdio::dup2_stderr(original).is_err()) {
            return Vec::new();
        }
        self.reader.join().unwrap_or_default()
    }
}

fn read(mut from: PipeReader) -> Vec<u8> {
    let mut kept = Vec::new();
    let _ = from.by_ref().take(MOST).read_to_end(&mut kept);
    let _ = std::io::copy(&mut from, &mut std::io::sink());
    kept
}
