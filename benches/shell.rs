//! Whole commands, side by side with sqlite3's own shell in one run, as ratios: `cargo bench`.
//!
//! Each pair is run in turn several times and the fastest of each is compared. Rows whose rival is not installed are
//! left out, and that is said.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot go on fails")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where cargo puts the binary.
const SHELL: &str = env!("CARGO_BIN_EXE_diesel-shell");

/// Rounds for each pair.
const ROUNDS: usize = 5;

/// What one run took.
#[derive(Clone, Copy)]
struct Measure {
    time: Duration,
    /// Peak resident memory in KiB; 0 where it cannot be told.
    memory: u64,
}

/// Runs a program to its end with its input and output in files.
fn run(program: &str, arguments: &[&str], input: Option<&Path>, output: &Path) -> Measure {
    let mut command = Command::new(program);
    command.args(arguments).stdout(std::fs::File::create(output).unwrap()).stderr(Stdio::null());
    match input {
        Some(path) => command.stdin(std::fs::File::open(path).unwrap()),
        None => command.stdin(Stdio::null()),
    };
    let start = Instant::now();
    let child = command.spawn().unwrap();
    let (status, memory) = wait(child);
    assert_eq!(status, 0, "{program} {arguments:?} failed");
    Measure { time: start.elapsed(), memory }
}

/// Waits for a child: its status, and its peak memory in KiB.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the standard library does not give a child's resource usage")]
fn wait(child: std::process::Child) -> (i32, u64) {
    let mut status = 0;
    // SAFETY: both pointers are to initialised values that outlive the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::wait4(i32::try_from(child.id()).unwrap(), &raw mut status, 0, &raw mut usage);
        usage
    };
    (status, u64::try_from(usage.ru_maxrss).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn wait(mut child: std::process::Child) -> (i32, u64) {
    (child.wait().unwrap().code().unwrap_or(-1), 0)
}

/// The best of both over several rounds in turn.
fn pair(mut ours: impl FnMut() -> Measure, mut theirs: impl FnMut() -> Measure) -> (Measure, Measure) {
    let mut best: Option<(Measure, Measure)> = None;
    for _ in 0..ROUNDS {
        let (a, b) = (ours(), theirs());
        best = Some(match best {
            None => (a, b),
            Some((x, y)) => (if a.time < x.time { a } else { x }, if b.time < y.time { b } else { y }),
        });
    }
    best.unwrap()
}

fn row(what: &str, (ours, theirs): (Measure, Measure), goal: &str) {
    println!(
        "| {what} | {:.3} s | {:.3} s | {:.2} | {goal} | {:.0} MB |",
        ours.time.as_secs_f64(),
        theirs.time.as_secs_f64(),
        ours.time.as_secs_f64() / theirs.time.as_secs_f64(),
        ours.memory as f64 / 1024.0
    );
}

struct Bench {
    folder: PathBuf,
    empty: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("diesel-shell-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let empty = folder.join("empty.db");
        let path = empty.to_str().unwrap();
        run(SHELL, &[path, "--create", "-c", "db upgrade"], None, &folder.join("out"));
        Self { folder, empty }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A fresh copy of the empty database.
    fn fresh(&self, name: &str) -> String {
        let path = self.file(name);
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
        }
        std::fs::copy(&self.empty, &path).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn main() {
    let bench = Bench::new();
    if Command::new("sqlite3").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("sqlite3 is not installed: there is nothing to compare with");
        return;
    }
    println!("| | diesel-shell | sqlite3 | ratio | goal | peak memory |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let rows = 300_000;
    let (script, sql) = (bench.file("add.dsh"), bench.file("add.sql"));
    let mut ours = std::io::BufWriter::new(std::fs::File::create(&script).unwrap());
    let mut theirs = std::io::BufWriter::new(std::fs::File::create(&sql).unwrap());
    writeln!(theirs, "begin;").unwrap();
    for n in 0..rows {
        writeln!(ours, "add user username=user{n} email=user{n}@example.com").unwrap();
        writeln!(theirs, "INSERT INTO users (username, email) VALUES ('user{n}', 'user{n}@example.com');").unwrap();
    }
    writeln!(ours, "commit").unwrap();
    writeln!(theirs, "commit;").unwrap();
    ours.flush().unwrap();
    theirs.flush().unwrap();
    let out = bench.file("out");
    let added = pair(
        || run(SHELL, &[&bench.fresh("ours.db"), "--quiet"], Some(&script), &out),
        || run("sqlite3", &[&bench.fresh("theirs.db")], Some(&sql), &out),
    );
    row("300,000 `add` and `commit` from a pipe", added, "0.50");
    let database = bench.file("ours.db");
    let database = database.to_str().unwrap();
    for (mode, flag) in [("csv", "-csv"), ("json", "-json"), ("table", "-table")] {
        let read = pair(
            || run(SHELL, &[database, "--mode", mode, "-c", "list users"], None, &out),
            || run("sqlite3", &[flag, "-header", database, "select * from users"], None, &out),
        );
        row(&format!("300,000 rows as {mode}"), read, "1.00");
    }
    let counted = pair(
        || run(SHELL, &[database, "-c", "count users"], None, &out),
        || run("sqlite3", &[database, "select count(*) from users"], None, &out),
    );
    row("start, `count users`, end", counted, "2.00");
    std::fs::remove_dir_all(&bench.folder).unwrap();
}
