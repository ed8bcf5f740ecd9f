//! What a start does beside what was asked for, as the system sees it: every program, connection and file.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "tests that did not run must be heard of")]

mod common;

use common::Shell;
use common::screen::Screen;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether the system's calls can be watched here.
fn can_watch() -> bool {
    let watched = Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).stderr(Stdio::null()).status();
    if watched.is_ok_and(|status| status.success()) {
        return true;
    }
    let missing = "strace is not installed, or may not watch: the tests of what a start does did NOT run";
    assert!(std::env::var("CI").is_err(), "{missing}; in CI that is a failure");
    eprintln!("\n*** {missing} ***\n");
    false
}

/// A folder that somebody else has filled, which the shell is started in; above it is more of the kind.
fn hostile(shell: &Shell) -> std::path::PathBuf {
    let above = shell.path().join("project");
    let folder = above.join("sub");
    std::fs::create_dir_all(folder.join("migrations/2026-01-01-000000_evil")).unwrap();
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    let evil = "#!/bin/sh\ntouch \"$0.ran\"\n";
    for name in ["less", "sh", "p.sh", "psql", "bin/less", "git", "stty"] {
        let path = folder.join(name);
        std::fs::write(&path, evil).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    for place in [&folder, &above] {
        std::fs::write(
            place.join(".env"),
            format!(
                "PAGER=./p.sh\nLESSOPEN=|./p.sh\nPATH=./bin\nPGHOST=6.6.6.6\nXDG_CONFIG_HOME={}\n",
                folder.display()
            ),
        )
        .unwrap();
    }
    std::fs::create_dir_all(folder.join("diesel-shell")).unwrap();
    std::fs::write(folder.join("diesel-shell/config.toml"), "pager = \"on\"\n").unwrap();
    std::fs::write(folder.join("config.toml"), "nonsense").unwrap();
    for name in
        [".pgpass", ".pg_service.conf", "pg_service.conf", ".psqlrc", ".sqliterc", ".inputrc", ".lesskey", "history"]
    {
        std::fs::write(folder.join(name), "[evil]\nhost=6.6.6.6\n").unwrap();
    }
    std::fs::write(folder.join("diesel.toml"), "[print_schema]\nfile = \"src/schema.rs\"\n").unwrap();
    std::fs::write(folder.join("migrations/2026-01-01-000000_evil/up.sql"), "ATTACH 'evil.db' AS evil;\n").unwrap();
    std::fs::write(folder.join("migrations/2026-01-01-000000_evil/down.sql"), "DROP TABLE users;\n").unwrap();
    folder
}

/// strace on the shell in a folder, and where its log goes.
fn strace(shell: &Shell, folder: &Path, arguments: &[&str]) -> (Command, PathBuf) {
    let log = shell.path().join("strace.log");
    let inner = shell.command();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-s", "4096", "-e", "trace=%file,%net,%process", "-o"]).arg(&log);
    command.arg(inner.get_program()).args(arguments).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", "/usr/bin:/bin");
    command.current_dir(folder);
    (command, log)
}

fn lines(log: &Path) -> Vec<String> {
    std::fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
}

/// What was seen of a run: the call and its line.
fn watched(shell: &Shell, folder: &Path, arguments: &[&str]) -> Vec<String> {
    let (mut command, log) = strace(shell, folder, arguments);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    lines(&log)
}

/// What was seen of a session at a terminal: a command, and Ctrl-D.
fn watched_at_a_terminal(shell: &Shell, folder: &Path, arguments: &[&str]) -> Vec<String> {
    let (command, log) = strace(shell, folder, arguments);
    let mut screen = Screen::start(&command, 100);
    screen.line("count users");
    let said = screen.text();
    assert!(said.contains("\n2\n"), "{said}");
    screen.keys("\u{4}");
    lines(&log)
}

/// The paths that were to be opened or made, also those that were not there.
fn opened(calls: &[String]) -> Vec<String> {
    calls
        .iter()
        .filter(|line| {
            ["open(", "openat(", "creat(", "rename", "unlink", "mkdir", "link"].iter().any(|c| line.contains(c))
        })
        .filter_map(|line| line.split('"').nth(1).map(str::to_owned))
        .collect()
}

/// Nothing was run, and nothing was opened but what SECURITY.md names: of the folder, of the person's own, of the system's.
#[track_caller]
fn is_innocent(calls: &[String], shell: &Shell, folder: &Path) {
    assert!(calls.len() > 20, "the test has lost its subject: {calls:?}");
    let programs: Vec<&String> = calls.iter().filter(|line| line.contains("execve(")).collect();
    assert_eq!(programs.len(), 1, "a program was run: {programs:?}");
    let named = [".env", "diesel.toml", "migrations", ".git"];
    let real = std::fs::canonicalize(folder).unwrap();
    let ours = [
        "config/diesel-shell/config.toml",
        "data/diesel-shell/history",
        "data/diesel-shell/microblog.db",
        "data/diesel-shell/microblog.db-journal",
        "data/diesel-shell/microblog.db-wal",
        "data/diesel-shell/microblog.db-shm",
        "state/diesel-shell/recovery",
        ".pgpass",
        ".pg_service.conf",
        ".postgresql",
    ];
    // Folders are made, one in another.
    let is_ours = |path: &Path| {
        ours.iter().any(|name| path.starts_with(shell.path().join(name)) || shell.path().join(name).starts_with(path))
    };
    let system = ["/lib", "/usr/", "/proc/", "/sys/", "/dev/"];
    let etc = [
        "ld.so.cache",
        "ld.so.preload",
        "localtime",
        "nsswitch.conf",
        "passwd",
        "host.conf",
        "hosts",
        "resolv.conf",
        "gai.conf",
        "services",
        "ssl",
    ];
    for path in opened(calls) {
        let whole = real.join(&path);
        let below = whole.strip_prefix(&real).ok().map(|rest| rest.to_string_lossy().into_owned());
        let is_named = below.as_deref().is_some_and(|rest| {
            rest.is_empty() || named.iter().any(|name| rest == *name || rest.starts_with(&format!("{name}/")))
        });
        let above =
            below.is_none() && real.ancestors().any(|place| named[..2].iter().any(|name| place.join(name) == whole));
        let is_systems = system.iter().any(|place| path.starts_with(place))
            || etc.iter().any(|name| whole.starts_with(Path::new("/etc").join(name)));
        assert!(is_named || above || is_ours(&whole) || is_systems, "{path} was opened");
    }
    let made: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(".ran") || entry.file_name() == "evil.db")
        .collect();
    assert!(made.is_empty(), "{made:?}");
}

/// Whom it connected to, but for the cache of the C library's own names.
fn connections(calls: &[String]) -> Vec<&String> {
    let asked = calls.iter().filter(|line| line.contains("connect(") || line.contains("sendto("));
    asked.filter(|line| !line.contains("/var/run/nscd/socket")).collect()
}

#[test]
fn a_start_in_a_hostile_folder_reads_what_is_named_and_runs_nothing() {
    if !can_watch() {
        return;
    }
    let shell = Shell::seeded();
    let folder = hostile(&shell);
    let calls = watched(&shell, &folder, &["-c", "count users"]);
    is_innocent(&calls, &shell, &folder);
    assert_eq!(connections(&calls), Vec::<&String>::new(), "a connection was made");
    assert!(
        !opened(&calls).iter().any(|path| path.contains("history") || path.contains("recovery")),
        "a script has none"
    );
}

#[test]
fn so_does_a_start_at_a_terminal() {
    if !can_watch() {
        return;
    }
    let shell = Shell::seeded();
    let folder = hostile(&shell);
    let calls = watched_at_a_terminal(&shell, &folder, &[]);
    is_innocent(&calls, &shell, &folder);
    assert_eq!(connections(&calls), Vec::<&String>::new(), "a connection was made");
    for own in ["config.toml", "data/diesel-shell/history", "state/diesel-shell/recovery/"] {
        assert!(opened(&calls).iter().any(|path| path.contains(own)), "the test has lost its subject: {own}");
    }
}

#[cfg(feature = "postgres")]
#[test]
fn a_start_on_postgres_reads_what_libpq_reads_of_the_persons_own() {
    if !can_watch() {
        return;
    }
    // Encrypted, where the most is read.
    let Some(cluster) = common::cluster::Setup::default().tls().start() else { return };
    cluster.sql("postgres", "create table users (id int primary key); insert into users values (1), (2)");
    let shell = Shell::empty();
    let folder = hostile(&shell);
    let url = cluster.tcp("postgres").replace("sslmode=disable", "sslmode=require");
    assert!(url.contains("sslmode=require"), "{url}");
    for at_a_terminal in [false, true] {
        let calls = if at_a_terminal {
            watched_at_a_terminal(&shell, &folder, &[&url])
        } else {
            watched(&shell, &folder, &[&url, "-c", "count users"])
        };
        is_innocent(&calls, &shell, &folder);
        let all = connections(&calls);
        let elsewhere: Vec<_> = all
            .iter()
            .filter(|line| line.contains("connect(") && !line.contains(&format!("htons({})", cluster.port())))
            .collect();
        assert!(all.len() > 3 && elsewhere.is_empty(), "{elsewhere:?}");
        for own in ["/.pgpass", "/.postgresql/postgresql.crt"] {
            assert!(calls.iter().any(|line| line.contains(own)), "the test has lost its subject: {own}");
        }
    }
}

#[test]
fn a_database_that_a_folder_names_is_all_that_is_opened_for_it() {
    if !can_watch() {
        return;
    }
    let shell = Shell::seeded();
    let folder = hostile(&shell);
    std::fs::write(folder.join(".env"), format!("PAGER=./p.sh\nDATABASE_URL={}\n", shell.database().display()))
        .unwrap();
    let calls = watched(&shell, &folder, &["-c", "count users"]);
    let programs: Vec<&String> = calls.iter().filter(|line| line.contains("execve(")).collect();
    assert_eq!(programs.len(), 1, "a program was run: {programs:?}");
    assert!(!calls.iter().any(|line| line.contains("connect(") && !line.contains("AF_UNIX")), "a connection was made");
    let database = shell.database().display().to_string();
    assert!(opened(&calls).contains(&database), "the test has lost its subject");
    let written: Vec<&String> = calls
        .iter()
        .filter(|line| line.contains("O_CREAT") || line.contains("O_TRUNC"))
        .filter(|line| !line.contains(&database) && !line.contains("= -1 "))
        .collect();
    assert_eq!(written, Vec::<&String>::new(), "something was written beside the database");
}
