//! Runs the shell as a person's script would: a temporary folder, a fixed time, no environment of the machine's own.

#![allow(dead_code, reason = "each test file uses what it needs")]

#[cfg(all(unix, feature = "postgres"))]
pub mod cluster;
#[cfg(all(unix, feature = "postgres"))]
pub mod observer;
pub mod people;
#[cfg(all(unix, feature = "postgres"))]
pub mod pooler;
#[cfg(all(unix, feature = "postgres"))]
pub mod postgres;
#[cfg(all(unix, feature = "postgres"))]
pub mod proxy;
#[cfg(unix)]
pub mod screen;

use std::cell::Cell;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

thread_local! {
    /// Whether new shells are on PostgreSQL.
    static POSTGRES: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test on SQLite, then on PostgreSQL where there is one.
pub fn both(test: impl Fn()) {
    test();
    #[cfg(all(unix, feature = "postgres"))]
    if postgres::is_there() {
        POSTGRES.set(true);
        test();
        POSTGRES.set(false);
    }
}

/// Whether the test runs on PostgreSQL now.
pub fn on_postgres() -> bool {
    POSTGRES.get()
}

/// A hermetic run of the shell.
pub struct Shell {
    folder: tempfile::TempDir,
    arguments: Vec<String>,
}

/// What a run gave.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    pub stdout: String,
    pub stderr: String,
    pub status: i32,
}

impl Shell {
    /// The microblog in a folder of its own.
    pub fn new() -> Self {
        let mut shell = Self { folder: tempfile::tempdir().unwrap(), arguments: Vec::new() };
        #[cfg(all(unix, feature = "postgres"))]
        if on_postgres() {
            let url = postgres::database(Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
            shell.arguments.push(url);
            shell.script("db upgrade").ok();
        }
        shell.arguments.shrink_to_fit();
        shell
    }

    /// A folder without any database.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), arguments: Vec::new() }
    }

    /// A microblog with john (1) and susan (2), and a post each.
    pub fn seeded() -> Self {
        let shell = Self::new();
        let run = shell.script(
            "add user username=john email=john@example.com\n\
             add user username=susan email=susan@example.com\n\
             add post body='my first post!' author=john\n\
             add post body='hello from susan' author=susan\n\
             commit\n",
        );
        assert_eq!(run.status, 0, "{}", run.stderr);
        shell
    }

    /// Adds an argument to every run.
    pub fn with(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The URL of its PostgreSQL database, if it is on one.
    pub fn url(&self) -> Option<String> {
        self.arguments.iter().find(|argument| argument.starts_with("postgres")).cloned()
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The default database's file.
    pub fn database(&self) -> PathBuf {
        self.folder.path().join("data/diesel-shell/microblog.db")
    }

    /// The command, ready for more arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_diesel-shell"));
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("XDG_DATA_HOME", self.folder.path().join("data"))
            .env("XDG_CONFIG_HOME", self.folder.path().join("config"))
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("DIESEL_SHELL_NOW", "2026-11-21 10:03:00")
            .current_dir(self.folder.path())
            .args(&self.arguments);
        command
    }

    /// Pipes a script in.
    pub fn script(&self, text: impl AsRef<[u8]>) -> Run {
        self.run(&[], text)
    }

    /// Runs with arguments and standard input.
    pub fn run(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Run {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.as_ref().to_vec();
        let writer = std::thread::spawn(move || {
            // The shell may stop reading at an error.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Run {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().unwrap_or(-1),
        }
    }
}

impl Run {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Succeeds, unless the subject is one of those that may fail.
    #[track_caller]
    pub fn run_ok_or(self, may_fail: &[&str], subject: &str) {
        assert!(self.status == 0 || may_fail.contains(&subject) || subject == "name", "{subject}: {}", self.stderr);
    }

    #[track_caller]
    pub fn fails(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn stdout(self, expected: &str) -> Self {
        assert_eq!(self.stdout, expected, "stderr:\n{}", self.stderr);
        self
    }

    #[track_caller]
    pub fn stdout_has(self, expected: &str) -> Self {
        assert!(
            self.stdout.contains(expected),
            "no {expected:?} in stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
        self
    }

    #[track_caller]
    pub fn stderr_has(self, expected: &str) -> Self {
        assert!(
            self.stderr.contains(expected),
            "no {expected:?} in stderr:\n{}\nstdout:\n{}",
            self.stderr,
            self.stdout
        );
        self
    }

    #[track_caller]
    pub fn stderr_lacks(self, unexpected: &str) -> Self {
        assert!(!self.stderr.contains(unexpected), "{unexpected:?} in stderr:\n{}", self.stderr);
        self
    }
}
