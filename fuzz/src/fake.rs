//! A server on a socket of its own that plays back what it is given.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Says its bytes to who connects, one script to each; those for whom there is none are sent away.
pub struct Server {
    address: SocketAddr,
    said: Arc<Said>,
    thread: Option<JoinHandle<()>>,
}

/// What is shared with the thread that listens.
#[derive(Default)]
struct Said {
    scripts: Mutex<VecDeque<Vec<u8>>>,
    /// How many have been sent away.
    sent_away: AtomicUsize,
    gone: AtomicBool,
}

impl Server {
    pub fn start(scripts: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a loopback");
        let address = listener.local_addr().expect("it has an address");
        let said = Arc::new(Said::default());
        let shared = Arc::clone(&said);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.gone.load(Ordering::SeqCst) {
                    return;
                }
                let script = shared.scripts.lock().expect("nobody panics with it").pop_front();
                if let Some(script) = script {
                    // Beside each other: one that was given up may still be open. That the shell has gone is no failure.
                    std::thread::spawn(move || play(stream, &script));
                } else {
                    shared.sent_away.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let server = Self { address, said, thread: Some(thread) };
        server.says(scripts);
        server
    }

    /// What those are told who connect from now on.
    pub fn says(&self, scripts: impl IntoIterator<Item = Vec<u8>>) {
        *self.said.scripts.lock().expect("nobody panics with it") = scripts.into_iter().collect();
        self.said.sent_away.store(0, Ordering::SeqCst);
    }

    /// Whether somebody came for whom there was nothing to say.
    #[allow(dead_code, reason = "not everybody asks again and again")]
    pub fn has_sent_away(&self) -> bool {
        self.said.sent_away.load(Ordering::SeqCst) > 0
    }

    pub fn url(&self) -> String {
        format!(
            "postgres://fuzz@127.0.0.1:{}/fuzz?sslmode=disable&gssencmode=disable&connect_timeout=5",
            self.address.port()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.said.gone.store(true, Ordering::SeqCst);
        // Wakes it up.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whether a COPY begins in an answer. Diesel waits for its end for ever, or until there is no stack left: nothing here can
/// help that.
#[allow(dead_code, reason = "not everybody makes answers of any bytes")]
pub fn copies(script: &[u8]) -> bool {
    let mut at = 0;
    while let Some(head) = script.get(at..at + 5) {
        if matches!(head[0], b'G' | b'H' | b'W') {
            return true;
        }
        at = at.saturating_add(1).saturating_add(u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize);
    }
    false
}

/// After the start packet, and after each message that waits for an answer: all up to the next `ReadyForQuery`.
/// <https://www.postgresql.org/docs/current/protocol-message-formats.html>
fn play(mut stream: TcpStream, script: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.set_nodelay(true)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    skip(&mut stream, length)?;
    let mut rest = script;
    loop {
        let end = answer(rest);
        stream.write_all(&rest[..end])?;
        rest = &rest[end..];
        if rest.is_empty() {
            // It stops.
            return Ok(());
        }
        // Query, Sync and Terminate.
        while !matches!(message(&mut stream)?, b'Q' | b'S' | b'X') {}
    }
}

fn message(stream: &mut TcpStream) -> std::io::Result<u8> {
    let mut head = [0; 5];
    stream.read_exact(&mut head)?;
    skip(stream, [head[1], head[2], head[3], head[4]])?;
    Ok(head[0])
}

fn skip(stream: &mut TcpStream, length: [u8; 4]) -> std::io::Result<()> {
    let length = u64::from(u32::from_be_bytes(length).saturating_sub(4));
    std::io::copy(&mut stream.take(length), &mut std::io::sink()).map(drop)
}

/// How long the next answer is: to the end of a `ReadyForQuery`, or all of it where the lengths lead nowhere.
fn answer(script: &[u8]) -> usize {
    let mut at = 0;
    while let Some(head) = script.get(at..at + 5) {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let end = at.saturating_add(1).saturating_add(length);
        if length < 4 || end > script.len() {
            break;
        }
        at = end;
        if head[0] == b'Z' {
            return at;
        }
    }
    script.len()
}
