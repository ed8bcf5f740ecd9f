//! A proxy that knows PostgreSQL's protocol (<https://www.postgresql.org/docs/current/protocol.html>): it counts round
//! trips, holds messages back, cuts connections at a chosen message, refuses new ones, and falls silent.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// What asks for encryption: <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// At which moment of a statement something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The server never sees it.
    Before,
    /// The server gets it; the connection is gone at once, whatever the server makes of it.
    At,
    /// The server has answered; the answer is lost.
    After,
    /// Nothing happens to the connection.
    Never,
}

/// Something that is done at a fault, while the connection stands still.
type Action = Arc<dyn Fn() + Send + Sync>;

/// What goes wrong, once.
#[derive(Clone)]
pub struct Fault {
    /// What the statement begins with, in any case; empty for every one.
    statement: String,
    /// How many such statements pass before.
    skip: usize,
    moment: Moment,
    /// How many connections are refused afterwards.
    refuse: usize,
    /// What is done at that moment.
    action: Option<Action>,
}

impl Fault {
    /// The connection is cut at the first statement that begins so.
    pub fn at(statement: &str, moment: Moment) -> Self {
        Self { statement: statement.to_lowercase(), skip: 0, moment, refuse: 0, action: None }
    }

    /// At a later one.
    pub const fn skipping(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// That many connections are refused afterwards.
    pub const fn refusing(mut self, refuse: usize) -> Self {
        self.refuse = refuse;
        self
    }

    /// Something is done at that moment: before the statement is passed on, or behind its answer.
    pub fn doing(mut self, action: impl Fn() + Send + Sync + 'static) -> Self {
        self.action = Some(Arc::new(action));
        self
    }
}

#[derive(Default)]
struct Shared {
    fault: Mutex<Option<Fault>>,
    fired: AtomicUsize,
    refuse: AtomicUsize,
    /// Milliseconds that each direction is held back.
    delay: AtomicU64,
    silent: AtomicBool,
    round_trips: AtomicUsize,
    /// What was sent to the server, statement by statement.
    statements: Mutex<Vec<String>>,
    /// The connections that there are. Those that ended are not kept: a process with thousands of descriptors is slow.
    pairs: Mutex<Vec<Weak<Pair>>>,
}

/// A proxy before a server on this machine, for as long as the test runs.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Before the server on a port.
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let refused = |n: usize| n.checked_sub(1);
                if all.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, refused).is_ok() {
                    continue;
                }
                // The server may be away: then the client's connection is closed too.
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                    connect(client, server, &all);
                }
            }
        });
        Self { port, shared }
    }

    /// The port that it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Prepares what goes wrong next.
    pub fn fault(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = Some(fault);
    }

    /// Takes back what was to go wrong next, if it did not, and refuses nobody any more.
    pub fn calm(&self) {
        *self.shared.fault.lock().unwrap() = None;
        self.refuse(0);
    }

    /// How many faults have happened.
    pub fn fired(&self) -> usize {
        self.shared.fired.load(Ordering::SeqCst)
    }

    /// Refuses that many connections.
    pub fn refuse(&self, connections: usize) {
        self.shared.refuse.store(connections, Ordering::SeqCst);
    }

    /// Holds each direction back.
    pub fn delay(&self, each_way: Duration) {
        self.shared.delay.store(u64::try_from(each_way.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Passes nothing on any more, or does again; connections stay open.
    pub fn silent(&self, silent: bool) {
        self.shared.silent.store(silent, Ordering::SeqCst);
    }

    /// Cuts every connection that there is.
    pub fn cut(&self) {
        for pair in self.shared.pairs.lock().unwrap().drain(..) {
            pair.upgrade().iter().for_each(|pair| pair.cut());
        }
    }

    /// How often a client has waited for the server, since this was last asked.
    pub fn round_trips(&self) -> usize {
        self.shared.round_trips.swap(0, Ordering::SeqCst)
    }

    /// What was sent to the server, since this was last asked.
    pub fn statements(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.statements.lock().unwrap())
    }
}

/// What the two directions of one connection share.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    /// The client has sent nothing since the server last spoke.
    answered: AtomicBool,
    /// The answer to come is swallowed, and the connection then cut.
    swallow: AtomicBool,
    /// What is done then.
    action: Mutex<Option<Action>>,
    /// What is said is encrypted: a piece of it counts as a statement without a text.
    encrypted: AtomicBool,
}

impl Pair {
    fn cut(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

fn connect(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let pair = Arc::new(Pair {
        client,
        server,
        answered: AtomicBool::new(true),
        swallow: AtomicBool::new(false),
        action: Mutex::default(),
        encrypted: AtomicBool::new(false),
    });
    {
        let mut pairs = shared.pairs.lock().unwrap();
        pairs.retain(|pair| pair.strong_count() > 0);
        pairs.push(Arc::downgrade(&pair));
    }
    let (forth, back) = (Arc::clone(&pair), pair);
    let (all, too) = (Arc::clone(shared), Arc::clone(shared));
    std::thread::spawn(move || {
        requests(&forth, &all);
        forth.cut();
    });
    std::thread::spawn(move || {
        answers(&back, &too);
        back.cut();
    });
}

/// Holds a piece of the stream back as long as it is to be.
fn hold(shared: &Shared, since: Instant) {
    let until = since + Duration::from_millis(shared.delay.load(Ordering::SeqCst));
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    while shared.silent.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The client's messages, one by one: a length without a type first (startup, cancel), then with one.
fn requests(pair: &Pair, shared: &Shared) {
    let mut prepared: HashMap<Vec<u8>, String> = HashMap::new();
    let mut pending: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 65_536];
    let mut started = false;
    loop {
        let Ok(count @ 1..) = (&pair.client).read(&mut buffer) else { return };
        let since = Instant::now();
        pending.extend_from_slice(&buffer[..count]);
        let encrypted = pair.encrypted.load(Ordering::SeqCst);
        let next = |pending: &[u8], started: bool| match (encrypted, pending.len()) {
            (true, 0) => None,
            (true, all) => Some(all),
            (false, _) => length(pending, usize::from(started)),
        };
        while let Some(length) = next(&pending, started) {
            let message: Vec<u8> = pending.drain(..length).collect();
            let statement = match (encrypted, started) {
                (true, _) => Some(String::new()),
                (false, true) => statement(&message, &mut prepared),
                (false, false) => None,
            };
            if message == SSL_REQUEST {
                pair.encrypted.store(true, Ordering::SeqCst);
            } else {
                started = true;
            }
            let ends = message[0] == b'X' && !encrypted;
            if !ends && pair.answered.swap(false, Ordering::SeqCst) {
                shared.round_trips.fetch_add(1, Ordering::SeqCst);
            }
            let (moment, action) = statement.as_deref().and_then(|text| due(shared, text)).unzip();
            let action = action.flatten();
            shared.statements.lock().unwrap().extend(statement);
            match moment {
                Some(Moment::After) => {
                    *pair.action.lock().unwrap() = action;
                    pair.swallow.store(true, Ordering::SeqCst);
                }
                _ => action.into_iter().for_each(|action| action()),
            }
            if moment == Some(Moment::Before) {
                return;
            }
            hold(shared, since);
            if (&pair.server).write_all(&message).is_err() {
                return;
            }
            if moment == Some(Moment::At) {
                // What belongs to the statement (Execute, Sync) goes with it, but nothing comes back.
                let _ = (&pair.server).write_all(&pending);
                let _ = pair.client.shutdown(Shutdown::Both);
                std::thread::sleep(Duration::from_millis(20));
                return;
            }
        }
    }
}

/// The length of the first message, when all of it is there.
fn length(bytes: &[u8], kind: usize) -> Option<usize> {
    let length = bytes.get(kind..kind + 4)?;
    let length = kind + usize::try_from(u32::from_be_bytes(length.try_into().unwrap())).unwrap();
    (bytes.len() >= length).then_some(length)
}

/// The statement that a message runs: of a query its text, of a bind what was prepared under that name.
fn statement(message: &[u8], prepared: &mut HashMap<Vec<u8>, String>) -> Option<String> {
    let text = |bytes: &[u8]| bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    let body = &message[5..];
    match message[0] {
        b'Q' => Some(String::from_utf8_lossy(&text(body)).into_owned()),
        b'P' => {
            let name = text(body);
            let sql = text(&body[name.len() + 1..]);
            prepared.insert(name, String::from_utf8_lossy(&sql).into_owned());
            None
        }
        b'B' => {
            let portal = text(body);
            prepared.get(&text(&body[portal.len() + 1..])).cloned()
        }
        _ => None,
    }
}

/// Whether the prepared fault happens at this statement, and what is done then.
fn due(shared: &Shared, statement: &str) -> Option<(Moment, Option<Action>)> {
    let mut fault = shared.fault.lock().unwrap();
    let wanted = fault.as_mut()?;
    if !statement.to_lowercase().starts_with(&wanted.statement) {
        return None;
    }
    if wanted.skip > 0 {
        wanted.skip -= 1;
        return None;
    }
    let Fault { moment, refuse, action, .. } = fault.take()?;
    shared.refuse.store(refuse, Ordering::SeqCst);
    shared.fired.fetch_add(1, Ordering::SeqCst);
    Some((moment, action))
}

fn answers(pair: &Pair, shared: &Shared) {
    let mut buffer = vec![0; 65_536];
    let mut swallowed: Vec<u8> = Vec::new();
    loop {
        let Ok(count @ 1..) = (&pair.server).read(&mut buffer) else { return };
        let since = Instant::now();
        if pair.swallow.load(Ordering::SeqCst) {
            swallowed.extend_from_slice(&buffer[..count]);
            let done = || pair.action.lock().unwrap().take().into_iter().for_each(|action| action());
            if pair.encrypted.load(Ordering::SeqCst) {
                done();
                return;
            }
            while let Some(length) = length(&swallowed, 1) {
                // ReadyForQuery: the statement is done.
                if swallowed[0] == b'Z' {
                    done();
                    return;
                }
                swallowed.drain(..length);
            }
            continue;
        }
        hold(shared, since);
        pair.answered.store(true, Ordering::SeqCst);
        if (&pair.client).write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}
