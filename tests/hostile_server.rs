//! A server that only pretends to be one: it answers with escapes, with messages of any length and of wrong types, and
//! stops where it likes.
#![cfg(all(unix, feature = "postgres"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "../fuzz/src/fake.rs"]
#[allow(clippy::pedantic, reason = "shared with a crate that has no lints of its own")]
mod fake;

use common::Shell;
use diesel::{Connection as _, PgConnection};
use diesel_shell::{Error, ErrorKind};
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
        let error = shell.execute("list users").err().unwrap();
        assert!(!error.message.is_empty(), "{what}");
        let again = shell.execute("list users").err();
        assert!(again.is_none(), "{what}: {error:?}, then {again:?}");
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
