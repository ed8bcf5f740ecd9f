//! At a prompt: a database that is 20 ms away, side by side with psql, and a file of one's own, side by side with sqlite3.
//!
//! A proxy on this machine holds each direction back for 10 ms and counts round trips. The prompt is a real one, in a
//! pseudo-terminal. psql sends the same statements from a file, over the same proxy; what it takes to connect is taken off.

use super::{Bench, SHELL, file};
#[cfg(feature = "postgres")]
use super::{cluster, proxy};
use expectrl::{Expect as _, Regex, Session};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long each direction is held back.
const EACH_WAY: Duration = Duration::from_millis(10);

/// Users in the database.
const USERS: usize = 10_000;

/// How often a command is measured; the fastest counts.
const ROUNDS: usize = 5;

/// What a prompt says, with or without something staged.
const PROMPT: &str = "bench[^ \r\n]*> ";

/// The shell at a prompt.
pub struct Prompt(expectrl::session::OsSession);

impl Prompt {
    /// Starts the shell in a folder of its own, and waits for its prompt. Gives how long that took.
    pub fn start(home: &Path, database: &str) -> (Self, Duration) {
        let mut command = Command::new(SHELL);
        command.env_clear().env("HOME", home).env("TERM", "xterm").env("NO_COLOR", "1").current_dir(home);
        command.arg(database);
        let begun = Instant::now();
        let mut session = Session::spawn(command).unwrap();
        session.set_expect_timeout(Some(Duration::from_secs(120)));
        session.expect(Regex(PROMPT)).unwrap();
        (Self(session), begun.elapsed())
    }

    /// Types a line, and gives how long it took from Enter to the next prompt.
    pub fn line(&mut self, line: &str) -> Duration {
        self.typed(line);
        self.enter()
    }

    /// The shell's process.
    pub fn process(&self) -> i32 {
        self.0.get_process().pid().as_raw()
    }

    /// Types without Enter, and waits until the line stands there.
    fn typed(&mut self, text: &str) {
        self.send(text);
        self.quiet(Duration::from_millis(200));
    }

    /// Types, and takes what comes meanwhile: a terminal holds no more than a few thousand characters either way.
    fn send(&mut self, text: &str) {
        let mut buffer = [0; 8_192];
        for piece in text.as_bytes().chunks(1_024) {
            self.0.write_all(piece).unwrap();
            while matches!(self.0.try_read(&mut buffer), Ok(1..)) {}
        }
    }

    /// Takes what comes, until nothing more does for a while.
    fn quiet(&mut self, long: Duration) {
        let mut buffer = [0; 8_192];
        let mut last = Instant::now();
        while last.elapsed() < long {
            match self.0.try_read(&mut buffer) {
                Ok(1..) => last = Instant::now(),
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn enter(&mut self) -> Duration {
        let begun = Instant::now();
        self.0.write_all(b"\r").unwrap();
        let said = self.0.expect(Regex(&format!("(?s)\r\n.*{PROMPT}"))).unwrap();
        let took = begun.elapsed();
        let said = String::from_utf8_lossy(said.as_bytes()).into_owned();
        assert!(!said.contains("error:"), "{said}");
        took
    }
}

/// One line of the table: times, and how many round trips ours took.
fn row(what: &str, ours: Duration, trips: Option<usize>, theirs: Option<Duration>, goal: &str) {
    let seconds = |time: Duration| format!("{:.3} s", time.as_secs_f64());
    let ratio = theirs.map_or_else(String::new, |theirs| format!("{:.2}", ours.as_secs_f64() / theirs.as_secs_f64()));
    let (trips, theirs) =
        (trips.map_or(String::new(), |trips| trips.to_string()), theirs.map_or(String::new(), seconds));
    println!("| {what} | {} | {trips} | {theirs} | {ratio} | {goal} |", seconds(ours));
}

fn heading(what: &str, other: &str) {
    println!("\n| {what} | diesel-shell | round trips | {other} | ratio | goal |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
}

/// Runs a program over a file of statements; gives how long that took.
fn other(program: &str, arguments: &[&str], input: &Path) -> Duration {
    let begun = Instant::now();
    let input = std::fs::File::open(input).unwrap();
    let status = Command::new(program).args(arguments).stdin(input).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
    begun.elapsed()
}

/// What the shell does and what psql is sent for it: reads, then changes.
const COMMANDS: [(&str, &str, &str); 7] = [
    ("count users", "select count(*) from users;", "2 round trips"),
    ("list users limit 10", "select * from users order by id limit 10;", "2 round trips"),
    ("user u4999", "select * from users where username = 'u4999';", "2 round trips"),
    ("user 1 posts", "select * from posts where user_id = 1 order by id limit 100;", "2 round trips"),
    ("set user 4000 email='new NUMBER'", "update users set email = 'new NUMBER' where id = 4000;", "5 round trips"),
    (
        "add user username=newNUMBER email=newNUMBER@x",
        "insert into users (username, email) values ('newNUMBER', 'newNUMBER@x');",
        "5 round trips",
    ),
    ("delete user NUMBER", "delete from users where id = NUMBER;", "5 round trips"),
];

fn sets(rows: usize, mark: &str) -> String {
    (1..=rows).map(|n| format!("set user {n} email={mark}{n}@example.com\n")).collect()
}

fn updates(rows: usize, mark: &str) -> String {
    (1..=rows).map(|n| format!("update users set email = '{mark}{n}@example.com' where id = {n};\n")).collect()
}

/// Points 1 to 5: a prompt on PostgreSQL that is 20 ms away.
#[cfg(feature = "postgres")]
pub fn postgres(bench: &Bench) {
    let Some(cluster) = cluster::Cluster::new() else { return };
    cluster.sql("postgres", "create database bench");
    let home = bench.file("home");
    std::fs::create_dir_all(&home).unwrap();
    let (near, out) = (cluster.tcp("bench"), bench.file("out"));
    super::run(SHELL, &[&near, "-q", "-c", "db upgrade"], None, &out);
    cluster.sql(
        "bench",
        &format!(
            "insert into users (username, email) select 'u' || n, 'u' || n || '@x' from generate_series(1, {USERS}) n; \
             insert into posts (body, timestamp, user_id) select 'post', '2026-01-01', n from generate_series(1, 100) n; \
             analyze"
        ),
    );
    let proxy = proxy::Proxy::to(cluster.port());
    let far = cluster::over_tcp(proxy.port(), "bench");
    let psql = |sql: &str| {
        let path = bench.file("theirs.sql");
        file(&path).write_all(sql.as_bytes()).unwrap();
        other("psql", &["-q", &far], &path)
    };
    proxy.delay(EACH_WAY);
    heading("PostgreSQL, 20 ms away, at a prompt", "psql");
    let best = |times: Vec<Duration>| times.into_iter().min().unwrap();
    let connecting = best((0..ROUNDS).map(|_| psql("")).collect());
    proxy.round_trips();
    let (mut prompt, start) = Prompt::start(&home, &far);
    row("start to the prompt; psql connects", start, Some(proxy.round_trips()), Some(connecting), "8 round trips");
    let mut number = 2_000;
    for staged in [0, 10, 1_000] {
        if staged > 0 {
            let path = bench.file("staged.dsh");
            file(&path).write_all(sets(staged, "staged").as_bytes()).unwrap();
            prompt.line(&format!(".read '{}'", path.display()));
        }
        for (command, sql, goal) in COMMANDS {
            let mut times = Vec::new();
            let mut trips = usize::MAX;
            for _ in 0..ROUNDS {
                number += 1;
                prompt.typed(&command.replace("NUMBER", &number.to_string()));
                proxy.round_trips();
                times.push(prompt.enter());
                trips = trips.min(proxy.round_trips());
            }
            let many: String = (0..10)
                .map(|_| {
                    number += 1;
                    format!("{}\n", sql.replace("NUMBER", &format!("9{number}")))
                })
                .collect();
            let theirs = psql(&many).saturating_sub(connecting) / 10;
            row(&format!("`{command}`, {staged} changes staged before"), best(times), Some(trips), Some(theirs), goal);
        }
        prompt.line("rollback");
    }
    let path = bench.file("sets.dsh");
    file(&path).write_all(sets(10_000, "read").as_bytes()).unwrap();
    prompt.typed(&format!(".read '{}'", path.display()));
    proxy.round_trips();
    let read = prompt.enter();
    let trips = proxy.round_trips();
    // Taken back, or it would be in conflict with what is staged.
    let theirs = psql(&format!("begin;\n{}rollback;\n", updates(100, "theirs")));
    let theirs = theirs.saturating_sub(connecting) * 100;
    row(
        "`.read` of 10,000 `set`s; psql with 100 UPDATEs, times 100",
        read,
        Some(trips),
        Some(theirs),
        "a few for 1,000",
    );
    prompt.typed("count users");
    proxy.round_trips();
    row("`count users` behind it", prompt.enter(), Some(proxy.round_trips()), None, "2 round trips");
    prompt.typed("commit");
    proxy.round_trips();
    let committed = prompt.enter();
    row("`commit` of the 10,000", committed, Some(proxy.round_trips()), None, "1 s");
    proxy.delay(Duration::ZERO);
}

/// Point 5: many lines at a prompt on SQLite.
pub fn sqlite(bench: &Bench) {
    let home = bench.file("home");
    std::fs::create_dir_all(&home).unwrap();
    let out = bench.file("out");
    heading("SQLite, at a prompt", "sqlite3");
    let fresh = |name: &str| {
        let path = bench.fresh(name);
        let fill = format!(
            "with recursive n(v) as (select 1 union all select v + 1 from n where v < {USERS}) \
             insert into users (username, email) select 'u' || v, 'u' || v || '@x' from n"
        );
        super::run("sqlite3", &[&path, &fill], None, &out);
        path
    };
    for (what, rows, paste, goal) in [
        ("5,000 `set`s pasted; sqlite3 with UPDATEs from a pipe", 5_000, true, ""),
        ("`.read` of 10,000 `set`s; sqlite3 with UPDATEs from a file", 10_000, false, "1.5 s"),
    ] {
        let (mut times, mut behind, mut commits, mut theirs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..3 {
            let (mut prompt, _) = Prompt::start(&home, &fresh("bench.db"));
            if paste {
                let begun = Instant::now();
                let text = format!("\x1b[200~{}\x1b[201~", sets(rows, "new").trim_end());
                prompt.send(&text);
                prompt.0.write_all(b"\r").unwrap();
                prompt.0.expect(format!("staged: {rows} changed").as_str()).unwrap();
                times.push(begun.elapsed());
                prompt.quiet(Duration::from_millis(300));
            } else {
                let path = bench.file("sets.dsh");
                file(&path).write_all(sets(rows, "new").as_bytes()).unwrap();
                times.push(prompt.line(&format!(".read '{}'", path.display())));
            }
            behind.push(prompt.line("count users"));
            commits.push(prompt.line("commit"));
            let sql = bench.file("theirs.sql");
            file(&sql).write_all(format!("begin;\n{}commit;\n", updates(rows, "new")).as_bytes()).unwrap();
            theirs.push(other("sqlite3", &[&fresh("theirs.db")], &sql));
        }
        let best = |times: Vec<Duration>| times.into_iter().min().unwrap();
        row(what, best(times), None, Some(best(theirs)), goal);
        row("`count users` behind it", best(behind), None, None, "0.1 s");
        row("`commit` behind it", best(commits), None, None, "");
    }
}
