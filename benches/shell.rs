//! Whole commands, side by side with sqlite3's own shell, a loop on the C API and psql in one run, as ratios:
//! `cargo bench --bench shell`.
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
const ROUNDS: usize = 3;

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

/// The same inserts as a prepared statement in a loop, on the C API.
#[allow(unsafe_code, reason = "the C API is what is measured")]
fn raw_loop(path: &str, rows: usize) -> Measure {
    use libsqlite3_sys as ffi;
    use std::ffi::CString;
    let start = Instant::now();
    // SAFETY: every pointer comes from the call before it, texts outlive their step, and everything is closed at the end.
    unsafe {
        let (mut database, mut statement) = (std::ptr::null_mut(), std::ptr::null_mut());
        let name = CString::new(path).unwrap();
        assert_eq!(ffi::sqlite3_open(name.as_ptr(), &raw mut database), ffi::SQLITE_OK);
        let run = |sql: &str| {
            let sql = CString::new(sql).unwrap();
            let null = std::ptr::null_mut();
            assert_eq!(ffi::sqlite3_exec(database, sql.as_ptr(), None, null, std::ptr::null_mut()), ffi::SQLITE_OK);
        };
        run("begin");
        let sql = CString::new("insert into users (username, email) values (?, ?)").unwrap();
        ffi::sqlite3_prepare_v2(database, sql.as_ptr(), -1, &raw mut statement, std::ptr::null_mut());
        for n in 0..rows {
            let (name, email) = (format!("user{n}"), format!("user{n}@example.com"));
            for (at, text) in [(1, &name), (2, &email)] {
                ffi::sqlite3_bind_text(
                    statement,
                    at,
                    text.as_ptr().cast(),
                    i32::try_from(text.len()).unwrap(),
                    ffi::SQLITE_TRANSIENT(),
                );
            }
            assert_eq!(ffi::sqlite3_step(statement), ffi::SQLITE_DONE);
            ffi::sqlite3_reset(statement);
        }
        run("commit");
        ffi::sqlite3_finalize(statement);
        ffi::sqlite3_close(database);
    }
    Measure { time: start.elapsed(), memory: 0 }
}

/// Adds of users and of posts by their author's name, sets and deletes: for us, and as SQL.
fn mixed(ours: &mut impl std::io::Write, theirs: &mut impl std::io::Write, rounds: usize) {
    writeln!(theirs, "begin;").unwrap();
    for n in 0..rounds {
        writeln!(ours, "add user username=user{n} email=user{n}@example.com").unwrap();
        writeln!(theirs, "INSERT INTO users (username, email) VALUES ('user{n}', 'user{n}@example.com');").unwrap();
        writeln!(ours, "add post body='post {n}' author=user{n}").unwrap();
        writeln!(theirs, "INSERT INTO posts (body, timestamp, user_id) VALUES ('post {n}', '2026-11-21 10:03:00', (SELECT id FROM users WHERE username = 'user{n}'));").unwrap();
        if n % 4 == 3 {
            let old = n - 2;
            writeln!(ours, "set user user{old} email=new{old}@example.com").unwrap();
            writeln!(theirs, "UPDATE users SET email = 'new{old}@example.com' WHERE username = 'user{old}';").unwrap();
            writeln!(ours, "delete post {old}").unwrap();
            writeln!(theirs, "DELETE FROM posts WHERE id = {old};").unwrap();
        }
    }
    writeln!(ours, "commit").unwrap();
    writeln!(theirs, "commit;").unwrap();
}

fn file(path: &Path) -> std::io::BufWriter<std::fs::File> {
    std::io::BufWriter::new(std::fs::File::create(path).unwrap())
}

/// Writes `rows` adds for us and as INSERTs.
fn adds(bench: &Bench, rows: usize) -> (PathBuf, PathBuf) {
    let (script, sql) = (bench.file("add.dsh"), bench.file("add.sql"));
    let (mut ours, mut theirs) = (file(&script), file(&sql));
    writeln!(theirs, "begin;").unwrap();
    for n in 0..rows {
        writeln!(ours, "add user username=user{n} email=user{n}@example.com").unwrap();
        writeln!(theirs, "INSERT INTO users (username, email) VALUES ('user{n}', 'user{n}@example.com');").unwrap();
    }
    writeln!(ours, "commit").unwrap();
    writeln!(theirs, "commit;").unwrap();
    (script, sql)
}

fn sqlite(bench: &Bench) {
    let out = bench.file("out");
    println!("| SQLite | diesel-shell | rival | ratio | goal | peak memory |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let rows = 300_000;
    let (script, sql) = adds(bench, rows);
    let ours = || run(SHELL, &[&bench.fresh("ours.db"), "--quiet"], Some(&script), &out);
    row(
        "300,000 `add` and `commit` from a pipe; sqlite3 with INSERTs",
        pair(ours, || run("sqlite3", &[&bench.fresh("theirs.db")], Some(&sql), &out)),
        "0.45",
    );
    row("the same; a prepared loop on the C API", pair(ours, || raw_loop(&bench.fresh("theirs.db"), rows)), "1.50");
    let (script, sql) = (bench.file("mix.dsh"), bench.file("mix.sql"));
    mixed(&mut file(&script), &mut file(&sql), 60_000);
    row(
        "150,000 mixed changes; sqlite3",
        pair(
            || run(SHELL, &[&bench.fresh("mix.db"), "--quiet"], Some(&script), &out),
            || run("sqlite3", &[&bench.fresh("theirs.db")], Some(&sql), &out),
        ),
        "0.45",
    );
    // A million users, and as many posts, to read.
    let big = bench.fresh("big.db");
    let fill = "insert into users (username, email) select 'user' || value, 'user' || value || '@example.com' \
        from generate_series(1, 1000000); insert into posts (body, timestamp, user_id) \
        select 'post ' || id, '2026-11-21 10:03:00', id from users;";
    let fill = fill.replace(
        "generate_series(1, 1000000)",
        "(with recursive n(value) as (select 1 union all select value + 1 from n where value < 1000000) select value from n)",
    );
    run("sqlite3", &[&big, &fill], None, &out);
    for (mode, flag) in [("csv", "-csv"), ("json", "-json"), ("jsonl", "-json"), ("table", "-table")] {
        let read = pair(
            || run(SHELL, &[&big, "--mode", mode, "-q", "-c", "list users"], None, &out),
            || run("sqlite3", &[flag, "-header", &big, "select * from users"], None, &out),
        );
        row(&format!("1,000,000 rows as {mode}; sqlite3 {flag}"), read, "0.90");
    }
    let joined = pair(
        || run(SHELL, &[&big, "--mode", "csv", "-q", "-c", "list posts show id, author.username, body"], None, &out),
        || {
            let sql =
                "select p.id, u.username, p.body from posts p left join users u on p.user_id = u.id order by p.id";
            run("sqlite3", &["-csv", "-header", &big, sql], None, &out)
        },
    );
    row("1,000,000 posts with their author's name; the join in sqlite3", joined, "1.10");
    let counted = pair(
        || run(SHELL, &[&bench.fresh("ours.db"), "-c", "count users"], None, &out),
        || run("sqlite3", &[&bench.fresh("theirs.db"), "select count(*) from users"], None, &out),
    );
    row("start, `count users`, end; sqlite3", counted, "2.00");
}

fn growth(bench: &Bench) {
    let out = bench.file("out");
    println!("\n| growth, per row | 10^4 | 10^5 | 10^6 |");
    println!("| --- | ---: | ---: | ---: |");
    let sizes = [10_000_usize, 100_000, 1_000_000];
    let line = |what: &str, times: Vec<f64>| {
        let cells: Vec<String> = times.iter().map(|time| format!("{time:.2} µs")).collect();
        println!("| {what} | {} |", cells.join(" | "));
    };
    let per_row = |time: Duration, rows: usize| time.as_secs_f64() * 1e6 / rows as f64;
    let start = run(SHELL, &[&bench.fresh("ours.db"), "-c", "count users"], None, &out).time;
    let (mut written, mut read) = (Vec::new(), Vec::new());
    for rows in sizes {
        let (script, _) = adds(bench, rows);
        let best =
            (0..3).map(|_| run(SHELL, &[&bench.fresh("ours.db"), "-q"], Some(&script), &out).time).min().unwrap();
        written.push(per_row(best.saturating_sub(start), rows));
        let database = bench.file("ours.db");
        let database = database.to_str().unwrap();
        let best = (0..3)
            .map(|_| run(SHELL, &[database, "-q", "--mode", "csv", "-c", "list users"], None, &out).time)
            .min()
            .unwrap();
        read.push(per_row(best.saturating_sub(start), rows));
    }
    line("`add` from a pipe, and commit", written);
    line("`list` as csv", read);
}

fn parsing() {
    let catalog = diesel_shell::microblog::models().into_catalog().unwrap();
    let commands = [
        "add user username=john email=john@example.com",
        "list users where username like 's%' order by username desc limit 10",
        "set post 1 body='Updated content'",
        "user 1 posts",
    ];
    let start = Instant::now();
    let rounds = 250_000;
    for _ in 0..rounds {
        for command in commands {
            let _ = std::hint::black_box(diesel_shell::language::parse(std::hint::black_box(command), &catalog));
        }
    }
    let rate = (rounds * commands.len()) as f64 / start.elapsed().as_secs_f64();
    println!("\nParsing alone: {:.1} million commands a second (goal: 1).", rate / 1e6);
}

/// Against psql, where `DIESEL_SHELL_BENCH_POSTGRES` names an empty database.
fn postgres(bench: &Bench) {
    let Ok(url) = std::env::var("DIESEL_SHELL_BENCH_POSTGRES") else {
        println!("\nDIESEL_SHELL_BENCH_POSTGRES names no empty database: PostgreSQL is left out.");
        return;
    };
    let out = bench.file("out");
    run(SHELL, &[&url, "-q", "-c", "db upgrade"], None, &out);
    let empty = || {
        run("psql", &[&url, "-q", "-c", "truncate users restart identity cascade"], None, &out);
    };
    println!("\n| PostgreSQL | diesel-shell | rival | ratio | goal | peak memory |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let rows = 100_000;
    let (script, sql) = adds(bench, rows);
    let data = bench.file("users.csv");
    let mut csv = file(&data);
    for n in 0..rows {
        writeln!(csv, "user{n},user{n}@example.com").unwrap();
    }
    csv.flush().unwrap();
    drop(csv);
    let ours = || {
        empty();
        run(SHELL, &[&url, "-q"], Some(&script), &out)
    };
    row(
        "100,000 `add` and `commit` from a pipe; psql with INSERTs",
        pair(ours, || {
            empty();
            run("psql", &[&url, "-q"], Some(&sql), &out)
        }),
        "0.20",
    );
    let copy = format!("\\copy users (username, email) from '{}' csv", data.display());
    row(
        "the same; psql with \\copy",
        pair(ours, || {
            empty();
            run("psql", &[&url, "-q", "-c", &copy], None, &out)
        }),
        "2.00",
    );
    empty();
    let fill = "insert into users (username, email) select 'user' || n, 'user' || n || '@example.com' from generate_series(1, 1000000) n";
    run("psql", &[&url, "-q", "-c", fill], None, &out);
    let read = |mode: &str, flags: &[&str], what: &str| {
        let mut arguments = vec![url.as_str(), "-q", "-c", "select * from users order by id"];
        arguments.extend_from_slice(flags);
        row(
            what,
            pair(
                || run(SHELL, &[&url, "-q", "--mode", mode, "-c", "list users"], None, &out),
                || run("psql", &arguments, None, &out),
            ),
            "1.00",
        );
    };
    read("csv", &["--csv"], "1,000,000 rows as csv; psql --csv");
    read("table", &[], "1,000,000 rows as table; psql aligned");
}

fn main() {
    let bench = Bench::new();
    if Command::new("sqlite3").arg("--version").stdout(Stdio::null()).status().is_ok() {
        sqlite(&bench);
    } else {
        println!("sqlite3 is not installed: SQLite is left out");
    }
    growth(&bench);
    parsing();
    postgres(&bench);
    std::fs::remove_dir_all(&bench.folder).unwrap();
}
