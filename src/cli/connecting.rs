//! What libpq writes to the standard error while it connects: its own warnings, and whatever a server sends as notices
//! before anybody can stop them. It is held back, and shown as text that cannot drive a terminal.

use diesel_shell::render::sanitise_lines;
use std::io::{PipeReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

/// How much of it is kept, in bytes; a server may send without end.
const MOST: u64 = 16 * 1024;

/// The standard error while it leads to us.
struct Held {
    original: OwnedFd,
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

impl Held {
    fn begin() -> std::io::Result<Self> {
        let original = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?;
        let (ours, theirs) = std::io::pipe()?;
        rustix::stdio::dup2_stderr(&theirs)?;
        // Read while it is written, so that libpq never waits for us.
        Ok(Self { original, reader: std::thread::spawn(move || read(ours)) })
    }

    fn end(self) -> Vec<u8> {
        // With it the pipe's last writing end is closed.
        if rustix::stdio::dup2_stderr(&self.original).is_err() {
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
