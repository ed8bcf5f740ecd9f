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

#[cfg(unix)]
#[path = "shell/bulk.rs"]
mod bulk;
#[cfg(all(unix, feature = "postgres"))]
#[allow(dead_code, reason = "tests use more of it")]
#[path = "../tests/common/cluster.rs"]
mod cluster;
#[cfg(unix)]
#[path = "shell/distance.rs"]
mod distance;
#[cfg(all(unix, feature = "postgres"))]
#[allow(dead_code, reason = "tests use more of it")]
#[path = "../tests/common/proxy.rs"]
mod proxy;
#[cfg(all(unix, feature = "postgres"))]
#[allow(dead_code, reason = "tests use more of it")]
#[path = "../tests/common/postgres.rs"]
mod server;

/// Where cargo puts the binary.
const SHELL: &str = env!("CARGO_BIN_EXE_diesel-shell");

/// Rounds for each pair.
const ROUNDS: usize = 3;

/// What one run took.
#[derive(Clone, Copy)]
struct Measure {
    time: Duration,
    /// Of that, at work on a processor; zero where it cannot be told.
    work: Duration,
    /// Peak resident memory in KiB; 0 where it cannot be told.
    memory: u64,
}

/// Runs a program to its end with its input and output in files.
fn run(program: &str, arguments: &[&str], input: Option<&Path>, output: &Path) -> Measure {
    let mut command = Command::new(program);
    // Not here: a folder with migrations of its own has a database of its own.
    command.current_dir(output.parent().unwrap());
    let messages = output.with_extension("messages");
    command.args(arguments).stdout(std::fs::File::create(output).unwrap());
    command.stderr(std::fs::File::create(&messages).unwrap());
    match input {
        Some(path) => command.stdin(std::fs::File::open(path).unwrap()),
        None => command.stdin(Stdio::null()),
    };
    let start = Instant::now();
    let child = command.spawn().unwrap();
    let (status, work, memory) = wait(child);
    let said = || std::fs::read_to_string(&messages).unwrap_or_default();
    assert_eq!(status, 0, "{program} {arguments:?} failed:\n{}", said());
    Measure { time: start.elapsed(), work, memory }
}

/// Waits for a child: its status, how long it was at work, and its peak memory in KiB.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the standard library does not give a child's resource usage")]
fn wait(child: std::process::Child) -> (i32, Duration, u64) {
    let mut status = 0;
    // SAFETY: both pointers are to initialised values that outlive the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::wait4(i32::try_from(child.id()).unwrap(), &raw mut status, 0, &raw mut usage);
        usage
    };
    (status, worked(&usage), u64::try_from(usage.ru_maxrss).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn wait(mut child: std::process::Child) -> (i32, Duration, u64) {
    (child.wait().unwrap().code().unwrap_or(-1), Duration::ZERO, 0)
}

#[cfg(target_os = "linux")]
fn worked(usage: &libc::rusage) -> Duration {
    let of = |time: libc::timeval| Duration::from_micros((time.tv_sec * 1_000_000 + time.tv_usec) as u64);
    of(usage.ru_utime) + of(usage.ru_stime)
}

/// How long this process was at work.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the standard library does not give a process's resource usage")]
fn own_work() -> Duration {
    // SAFETY: the pointer is to an initialised value that outlives the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    worked(&usage)
}

#[cfg(not(target_os = "linux"))]
fn own_work() -> Duration {
    Duration::ZERO
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
    let ratio = |a: Duration, b: Duration| if b.is_zero() { 0.0 } else { a.as_secs_f64() / b.as_secs_f64() };
    println!(
        "| {what} | {:.3} s | {:.3} s | {:.2} | {:.2} | {goal} | {:.0} MB |",
        ours.time.as_secs_f64(),
        theirs.time.as_secs_f64(),
        ratio(ours.time, theirs.time),
        ratio(ours.work, theirs.work),
        ours.memory as f64 / 1024.0
    );
}

fn heading(backend: &str) {
    println!("\n| {backend} | diesel-shell | the other | ratio | of work | goal | peak memory |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
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
    let (start, work) = (Instant::now(), own_work());
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
    Measure { time: start.elapsed(), work: own_work().saturating_sub(work), memory: 0 }
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
    heading("SQLite");
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
        "0.42",
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

/// Time per row at several sizes, ours and the C API's own.
fn growth(bench: &Bench) {
    let out = bench.file("out");
    println!("\n| time per row at | 10^4 | 10^5 | 10^6 |");
    println!("| --- | ---: | ---: | ---: |");
    let sizes = [10_000_usize, 100_000, 1_000_000];
    let line = |what: &str, times: Vec<f64>| {
        let cells: Vec<String> = times.iter().map(|time| format!("{time:.2} µs")).collect();
        println!("| {what} | {} |", cells.join(" | "));
    };
    let best = |work: &mut dyn FnMut() -> Measure| (0..ROUNDS).map(|_| work().time).min().unwrap();
    let per_row = |time: Duration, rows: usize| time.as_secs_f64() * 1e6 / rows as f64;
    let start = best(&mut || run(SHELL, &[&bench.fresh("ours.db"), "-c", "count users"], None, &out));
    let mut lines: [Vec<f64>; 5] = Default::default();
    for rows in sizes {
        let (script, _) = adds(bench, rows);
        let added = best(&mut || run(SHELL, &[&bench.fresh("ours.db"), "-q"], Some(&script), &out));
        lines[0].push(per_row(added.saturating_sub(start), rows));
        lines[1].push(per_row(best(&mut || raw_loop(&bench.fresh("theirs.db"), rows)), rows));
        let database = bench.file("ours.db");
        let database = database.to_str().unwrap();
        for (at, mode) in [(2, "csv"), (3, "table")] {
            let read = best(&mut || run(SHELL, &[database, "-q", "--mode", mode, "-c", "list users"], None, &out));
            lines[at].push(per_row(read.saturating_sub(start), rows));
        }
        let data = users(bench, rows);
        let import = format!(".import '{}' user", data.display());
        let taken =
            best(&mut || run(SHELL, &[&bench.fresh("ours.db"), "-q", "-c", &import, "-c", "commit"], None, &out));
        lines[4].push(per_row(taken.saturating_sub(start), rows));
    }
    let names = [
        "`add` from a pipe, and commit",
        "a prepared loop on the C API",
        "`list` as csv",
        "`list` as a table",
        "`.import` of csv",
    ];
    for (name, times) in names.into_iter().zip(lines) {
        line(name, times);
    }
}

/// Users as a csv file.
fn users(bench: &Bench, rows: usize) -> PathBuf {
    let path = bench.file("users.csv");
    let mut csv = file(&path);
    writeln!(csv, "username,email").unwrap();
    for n in 0..rows {
        writeln!(csv, "user{n},user{n}@example.com").unwrap();
    }
    csv.flush().unwrap();
    path
}

/// Memory and time per row of what is streamed, up to ten million rows.
fn large(bench: &Bench) {
    let out = bench.file("out");
    println!("\n| streamed, time per row and peak memory | 10^5 | 10^6 | 10^7 |");
    println!("| --- | ---: | ---: | ---: |");
    let mut lines: [Vec<String>; 3] = Default::default();
    for rows in [100_000_usize, 1_000_000, 10_000_000] {
        let cell = |run: Measure| {
            format!("{:.2} µs, {:.0} MB", run.time.as_secs_f64() * 1e6 / rows as f64, run.memory as f64 / 1024.0)
        };
        let data = users(bench, rows);
        let (ours, copy) = (bench.fresh("ours.db"), bench.fresh("copy.db"));
        let import = format!(".import '{}' user", data.display());
        lines[0].push(cell(run(SHELL, &[&ours, "-q", "-c", &import, "-c", "commit"], None, &out)));
        std::fs::remove_file(&data).unwrap();
        lines[1].push(cell(run(SHELL, &[&ours, "-q", "--mode", "csv", "-c", "list users"], None, &out)));
        lines[2].push(cell(run(SHELL, &[&ours, "-q", "-c", &format!(".copy-to {copy} users")], None, &out)));
    }
    for (name, cells) in ["`.import` of csv", "`list` as csv", "`.copy-to` another SQLite file"].iter().zip(lines) {
        println!("| {name} | {} |", cells.join(" | "));
    }
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

/// Against psql, on a server of its own.
#[cfg(all(unix, feature = "postgres"))]
fn postgres(bench: &Bench) {
    if !server::is_there() {
        return;
    }
    let url = server::database(Path::new(SHELL));
    let out = bench.file("out");
    run(SHELL, &[&url, "-q", "-c", "db upgrade"], None, &out);
    let empty = || {
        run("psql", &[&url, "-q", "-c", "truncate users, posts restart identity cascade"], None, &out);
    };
    heading("PostgreSQL");
    let rows = 100_000;
    let (script, sql) = adds(bench, rows);
    let data = users(bench, rows);
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
    let copy = format!("\\copy users (username, email) from '{}' csv header", data.display());
    row(
        "the same; psql with \\copy",
        pair(ours, || {
            empty();
            run("psql", &[&url, "-q", "-c", &copy], None, &out)
        }),
        "2.00",
    );
    let import = format!(".import '{}' user", data.display());
    row(
        "`.import` of 100,000 rows; psql with \\copy",
        pair(
            || {
                empty();
                run(SHELL, &[&url, "-q", "-c", &import, "-c", "commit"], None, &out)
            },
            || {
                empty();
                run("psql", &[&url, "-q", "-c", &copy], None, &out)
            },
        ),
        "1.50",
    );
    bulk::postgres(&url, bench);
    let (script, sql) = (bench.file("mix.dsh"), bench.file("mix.sql"));
    mixed(&mut file(&script), &mut file(&sql), 20_000);
    row(
        "50,000 mixed changes; psql",
        pair(
            || {
                empty();
                run(SHELL, &[&url, "-q"], Some(&script), &out)
            },
            || {
                empty();
                run("psql", &[&url, "-q"], Some(&sql), &out)
            },
        ),
        "0.12",
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

/// All of it, or the parts that are named: sqlite, growth, large, parsing, postgres, bulk, distance. `large` writes some gigabytes and is
/// only done when it is named.
fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |part: &str| named.iter().any(|word| word == part) || (named.is_empty() && part != "large");
    let bench = Bench::new();
    if wanted("sqlite") {
        if Command::new("sqlite3").arg("--version").stdout(Stdio::null()).status().is_ok() {
            sqlite(&bench);
        } else {
            println!("sqlite3 is not installed: SQLite is left out");
        }
    }
    if wanted("growth") {
        growth(&bench);
    }
    if wanted("large") {
        large(&bench);
    }
    if wanted("parsing") {
        parsing();
    }
    #[cfg(all(unix, feature = "postgres"))]
    if wanted("postgres") {
        postgres(&bench);
    }
    #[cfg(unix)]
    if wanted("bulk") {
        bulk::sqlite(&bench);
    }
    #[cfg(unix)]
    if wanted("distance") {
        distance::sqlite(&bench);
        #[cfg(feature = "postgres")]
        distance::postgres(&bench);
    }
    std::fs::remove_dir_all(&bench.folder).unwrap();
}
