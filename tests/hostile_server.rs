//! A server that only pretends to be one: it answers with escapes, with messages of any length and of wrong types, and
//! stops where it likes.
#![cfg(all(unix, feature = "postgres"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "../fuzz/src/fake.rs"]
#[allow(clippy::pedantic, reason = "shared with a crate that has no lints of its own")]
mod fake;
#[path = "../fuzz/src/looking.rs"]
mod looking;

use common::Shell;
use diesel::{Connection as _, PgConnection};
use diesel_shell::{Error, ErrorKind};
use std::io::{Read as _, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What drives a terminal, as an error's or notice's fields.
const ESCAPES: &[u8] =
    b"SERROR\0VERROR\0C42601\0M\x1b]52;c;ZXZpbA==\x07\x1b[31mred\xe2\x80\xae\x08\r\0D\x9b2J\x1b[2J\0H\x1b[1A\0\0";

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], length.as_slice(), body].concat()
}

/// Runs a command there; however it ends, it ends soon, says why, and drives no terminal.
#[track_caller]
fn survives(what: &str, script: &[u8]) {
    let server = fake::Server::start([script.to_vec()]);
    let shell = Shell::empty();
    let config = shell.path().join("config/diesel-shell");
    std::fs::create_dir_all(&config).unwrap();
    // Nobody waits for a server that goes away.
    std::fs::write(config.join("config.toml"), "[network]\nwait = 0\n").unwrap();
    let begun = Instant::now();
    let run = shell.run(&[&server.url(), "-c", ".tables", "-c", "list users"], "");
    assert!(begun.elapsed() < Duration::from_secs(60), "{what} takes {:?}", begun.elapsed());
    // It may have said enough before it stopped.
    assert!(matches!(run.status, 0..=2), "{what}: {} {}", run.status, run.stderr);
    assert_eq!(run.status != 0, run.stderr.contains("error:"), "{what}: {}", run.stderr);
    assert!(!run.stderr.contains("panicked") && !run.stderr.contains("a fault of the shell"), "{what}: {}", run.stderr);
    for text in [&run.stdout, &run.stderr] {
        let driving = text.chars().find(|c| diesel_shell::render::is_dangerous(*c) && *c != '\n');
        assert_eq!(driving, None, "{what}: {text:?}");
    }
}

#[test]
fn whatever_a_server_answers_is_an_error_in_words() {
    let (welcome, ready) = (message(b'R', &[0; 4]), message(b'Z', b"I"));
    let notice = message(b'N', ESCAPES);
    let error = message(b'E', ESCAPES);
    survives("an error at once", &error);
    survives("a notice before anything", &[notice.as_slice(), &error].concat());
    survives("notices while it starts", &[welcome.as_slice(), &notice, &ready, &notice, &error, &ready].concat());
    let state = message(b'S', b"server_version\0\x1b[31m15\0");
    survives("escapes as its version", &[welcome.as_slice(), &state, &ready, &error, &ready].concat());
    survives("an endless message", &[welcome.as_slice(), &ready, b"T\x7f\xff\xff\xff", &[b'x'; 4096]].concat());
    survives("an endless message while it starts", b"R\x7f\xff\xff\xffxxxx");
    survives("nothing", b"");
    survives("what is no message", b"\x1b[31mHTTP/1.1 400 Bad Request\r\n\r\n");
    survives("a password that is asked for in a way nobody knows", &message(b'R', &99_u32.to_be_bytes()));
    // Many notices: libpq is not waited for.
    let many = notice.repeat(20_000);
    survives("many notices", &[welcome.as_slice(), &many, &ready, &error, &ready].concat());
}

#[test]
fn a_real_servers_answers_cut_and_changed_are_errors_in_words() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/server");
    let real = std::fs::read(folder.join("00")).unwrap();
    for part in 1..8 {
        survives("an answer that stops", &real[..real.len() * part / 8 - 3]);
    }
    // Other types than were asked for, in every description of rows.
    let mut types = real.clone();
    let mut at = 0;
    while let Some(place) = types[at..].windows(4).position(|bytes| bytes == [0, 0, 0, 0x19]) {
        at += place;
        types[at..at + 4].copy_from_slice(&[0, 0, 0, 0x17]);
    }
    survives("other types", &types[..types.len() / 2]);
}

/// Columns' names and types, and a row of as many bytes each.
fn rows(columns: &[(&[u8], u32)]) -> Vec<u8> {
    let count = u16::try_from(columns.len()).unwrap().to_be_bytes();
    let (mut described, mut row) = (count.to_vec(), count.to_vec());
    for (name, oid) in columns {
        described.extend_from_slice(name);
        described.extend_from_slice(&[0; 7]);
        described.extend_from_slice(&oid.to_be_bytes());
        described.extend_from_slice(&[0, 4, 0xff, 0xff, 0xff, 0xff, 0, 1]);
        row.extend_from_slice(&[0, 0, 0, 4, 0, 0, 0, 1]);
    }
    [message(b'1', b""), message(b'2', b""), message(b'T', &described), message(b'D', &row)].concat()
}

/// Answers that Diesel does not expect of any server, and panics on.
fn strange() -> Vec<(&'static str, Vec<u8>)> {
    let (done, ready) = (message(b'C', b"SELECT 1\0"), message(b'Z', b"I"));
    vec![
        ("no result", ready.clone()),
        ("a name that is no text", [rows(&[(b"\xff\xfe", 23)]), done.clone(), ready.clone()].concat()),
        ("a type that is none", [rows(&[(b"database", 0)]), done.clone(), ready.clone()].concat()),
        ("two results", [rows(&[(b"database", 25)]), done.clone(), done, ready].concat()),
    ]
}

/// What Diesel asks while it connects, answered.
fn connected() -> Vec<u8> {
    let ready = message(b'Z', b"I");
    let set = [message(b'1', b""), message(b'2', b""), message(b'n', b""), message(b'C', b"SET\0"), ready.clone()];
    [message(b'R', &[0; 4]), ready, set.concat(), set.concat()].concat()
}

fn quiet() -> diesel_shell::Builder {
    diesel_shell::Shell::builder().output(std::io::sink()).messages(std::io::sink())
}

#[test]
fn an_application_gets_an_error_where_diesel_panics() {
    let in_words = |what: &str, error: Error| {
        assert!(matches!(error.kind, ErrorKind::Connection | ErrorKind::Database), "{what}: {error:?}");
        assert!(!error.message.is_empty(), "{what}: {error:?}");
    };
    for (what, answer) in strange() {
        survives(what, &[message(b'R', &[0; 4]), message(b'Z', b"I"), answer.repeat(20)].concat());
        let script = [connected(), answer.repeat(20)].concat();
        survives(what, &script);
        let server = fake::Server::start([script.clone()]);
        in_words(what, quiet().database(server.url()).build().err().unwrap());
        // A connection of the application's own.
        let server = fake::Server::start([script]);
        let connection = PgConnection::establish(&server.url()).unwrap();
        in_words(what, quiet().connection(connection).build().err().unwrap());
    }
}

/// Where the answers of a recorded server end.
fn ends(real: &[u8]) -> Vec<usize> {
    let ready = |(at, bytes): (usize, &[u8])| bytes.starts_with(b"Z\0\0\0\x05").then_some(at + 6);
    real.windows(6).enumerate().filter_map(ready).collect()
}

/// What a real server answers to whoever connects to a URL, byte by byte.
fn recorded(cluster: &common::cluster::Cluster, database: &str, work: impl FnOnce(&str)) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, server) = (listener.local_addr().unwrap().port(), cluster.port());
    let recorder = std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to).and_then(|_| to.shutdown(Shutdown::Write)));
        let (mut server, mut client, mut said, mut buffer) = (server, client, Vec::new(), [0; 4096]);
        loop {
            let count = server.read(&mut buffer).unwrap_or(0);
            if count == 0 {
                return said;
            }
            said.extend_from_slice(&buffer[..count]);
            client.write_all(&buffer[..count]).unwrap();
        }
    });
    work(&common::cluster::over_tcp(port, database));
    recorder.join().unwrap()
}

/// Runs commands as the fuzz target does.
fn run(url: &str, commands: &[&str]) {
    let mut shell = quiet().database(url).build().unwrap();
    for command in commands {
        drop(shell.script(command.as_bytes()));
    }
}

/// The seeds of the fuzz target are what a server answers to what the shell asks of it today. Where that has changed,
/// `UPDATE=1 cargo test --test hostile_server` records them again.
#[test]
fn the_recorded_servers_are_understood() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/server");
    if std::env::var_os("UPDATE").is_some() {
        let cluster = common::cluster::Cluster::new().unwrap();
        cluster.sql("postgres", "create database empty");
        for sql in [
            "create type mood as enum ('sad', 'fine')",
            "create table users (id serial primary key, username varchar(64) not null unique, email varchar(120), feeling mood, \
             born date, worth numeric(10, 2) default 1.5, seen timestamptz default '2026-01-02 03:04:05Z', big bigint)",
            "create table posts (id bigserial primary key, body text not null check (body <> ''), \
             user_id int not null references users on delete cascade, tags text[], data jsonb, raw bytea)",
            "create view names as select username from users",
            "insert into users (username, email, feeling, born) values ('john', 'john@example.com', 'fine', '2000-01-02')",
            "insert into users (username, feeling) values ('susan', 'sad')",
            "insert into posts (body, user_id, tags, data, raw) values ('hello', 1, '{a,b}', '{\"a\": 1}', '\\x00ff')",
            "insert into posts (body, user_id) values ('hello too', 2)",
        ] {
            cluster.sql("postgres", sql);
        }
        let changing = ["add user username=zoe\nset user john email=x\nlist users with posts\ndelete post 2\ncommit"];
        for (name, database, commands) in [
            ("00", "postgres", &looking::LOOKING[..]),
            ("02", "postgres", &changing),
            ("03", "empty", &[".tables", "list nothing", ".sql select 1 as x;"]),
        ] {
            std::fs::write(folder.join(name), recorded(&cluster, database, |url| run(url, commands))).unwrap();
        }
        // And as the command does.
        let by_command = |url: &str| drop(Shell::empty().run(&[url, "-c", "list users"], "").ok());
        std::fs::write(folder.join("01"), recorded(&cluster, "postgres", by_command)).unwrap();
    }
    for (name, command, told) in [("00", ".models\n.tables\n", "users"), ("03", ".tables", "no tables")] {
        let server = fake::Server::start([std::fs::read(folder.join(name)).unwrap()]);
        let shown = Shared::default();
        let built =
            diesel_shell::Shell::builder().output(shown.clone()).messages(shown.clone()).database(server.url()).build();
        let mut shell =
            built.unwrap_or_else(|error| panic!("{name} is not what is asked for today (see above): {error}"));
        drop(shell.script(command.as_bytes()));
        let shown = String::from_utf8(shown.0.lock().unwrap().clone()).unwrap();
        assert!(
            shown.contains(told) && !shown.contains("error"),
            "{name} is not what is asked for today (see above): {shown}"
        );
    }
    let server = fake::Server::start([std::fs::read(folder.join("01")).unwrap()]);
    Shell::empty().run(&[&server.url(), "-c", "list users"], "").ok().stdout_has("john");
}

/// What is written, for who looks at it later.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn behind_such_an_answer_the_next_command_connects_again() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/server");
    let real = std::fs::read(folder.join("01")).unwrap();
    let ends = ends(&real);
    // Two settings, the server, the tables; whether it still answers, which is not asked here; the statement and its rows.
    let (connected, opened, asked, listed) = (ends[3], ends[4], ends[5], ends[7]);
    for (what, answer) in strange() {
        let first = [&real[..opened], &answer.repeat(20)].concat();
        let second = [&real[..connected], &real[asked..listed]].concat();
        let server = fake::Server::start([first, second]);
        let mut shell = quiet().database(server.url()).build().unwrap();
        // What only reads runs again by itself, on the new connection.
        let done = shell.execute("list users").or_else(|_| shell.execute("list users"));
        assert!(done.is_ok(), "{what}: {done:?}");
    }
}

#[test]
fn a_third_ctrl_c_ends_what_nothing_else_stops() {
    use rustix::process::{Pid, Signal, kill_process};
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/server");
    let real = std::fs::read(folder.join("01")).unwrap();
    // Where the rows are to come a COPY begins, and Diesel waits for ever for its end.
    let copy = [message(b'1', b""), message(b'2', b""), message(b'H', &[0; 3])].concat();
    let server = fake::Server::start([[&real[..ends(&real)[6]], &copy].concat()]);
    let shell = Shell::empty();
    let mut child =
        shell.command().args([&server.url(), "-c", "list users"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        std::thread::sleep(Duration::from_millis(200));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it goes on");
        if begun.elapsed() > Duration::from_secs(2) {
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        }
    };
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("the command could not be stopped, so the shell ends"), "{said}");
}

#[test]
fn a_copy_that_nobody_asked_for_ends_the_shell_by_itself() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/server");
    let real = std::fs::read(folder.join("01")).unwrap();
    let begun = |kind: u8| [message(b'1', b""), message(b'2', b""), message(kind, &[0; 3])].concat();
    let greeting = [message(b'R', &[0; 4]), message(b'Z', b"I")].concat();
    // Where the rows are to come, and while the connection is made, when libpq's words are held back. At the same time: it
    // takes as long as it takes to be sure.
    let servers = [[&real[..ends(&real)[6]], &begun(b'H')].concat(), [greeting, begun(b'G')].concat()]
        .map(|script| (fake::Server::start([script]), Shell::empty()));
    let children = servers.each_ref().map(|(server, shell)| {
        let mut command = shell.command();
        command.args([&server.url(), "-c", "list users"]).stderr(std::process::Stdio::piped()).spawn().unwrap()
    });
    let begun = Instant::now();
    for mut child in children {
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(200) {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("error: the server sends what keeps the library that speaks to it busy"), "{said}");
    }
}

#[test]
fn nowhere_does_a_panic_of_diesel_get_out() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/server");
    let real = std::fs::read(folder.join("00")).unwrap();
    let answered = ends(&real);
    assert!(answered.len() > 10);
    // Elsewhere the fuzz target looks.
    for (end, (what, answer)) in answered.into_iter().skip(3).zip(strange().into_iter().cycle()) {
        let server = fake::Server::start([[&real[..end], &answer.repeat(20)].concat()]);
        let Ok(mut shell) = quiet().database(server.url()).build() else { continue };
        for command in [".tables", "list users", ".schema", ".sql select 1;", "commit"] {
            // However it ends: a panic ends the test.
            let ended = shell.execute(command);
            let known = ended.as_ref().err().map_or(ErrorKind::Database, |error| error.kind);
            assert_ne!(known, ErrorKind::Syntax, "{what} behind {end}: {command}");
        }
    }
}
