//! A PostgreSQL server of the tests' own: in a temporary folder, on a unix socket, gone with the tests.
#![allow(clippy::print_stderr, reason = "tests that did not run must be heard of")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The server, once started for a test binary.
struct Server {
    folder: PathBuf,
    user: String,
    /// Stops the server when its standard input ends, which is when this process does.
    _watchdog: Child,
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

fn binaries() -> Option<PathBuf> {
    let mut candidates: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    debian.reverse();
    candidates.extend(debian);
    candidates.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

/// Runs a shell line as somebody who may run PostgreSQL: it refuses root.
fn run(user: Option<&str>, line: &str) -> Command {
    if let Some(user) = user {
        let mut command = Command::new("su");
        command.args([user, "-s", "/bin/sh", "-c", line]);
        return command;
    }
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

fn start() -> Option<Server> {
    let Some(binaries) = binaries() else {
        let missing = "PostgreSQL is not installed: tests that need it did NOT run";
        assert!(std::env::var("CI").is_err(), "{missing}; in CI that is a failure");
        eprintln!("\n*** {missing} ***\n");
        return None;
    };
    let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap().keep();
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0);
    let user = root.then(|| {
        let exists = |name: &str| Command::new("id").arg(name).output().is_ok_and(|output| output.status.success());
        if exists("postgres") { "postgres" } else { "nobody" }
    });
    if let Some(user) = user {
        assert!(Command::new("chown").arg(user).arg(&folder).status().unwrap().success());
    }
    let (bin, data) = (binaries.display(), folder.display());
    // Nothing here must survive a power cut, so nothing waits for a disk.
    let line = format!(
        "{bin}/initdb -D {data}/data -U tester -A trust -E UTF8 --locale=C --no-sync > {data}/initdb.log 2>&1 && \
         {bin}/pg_ctl -D {data}/data -w -l {data}/server.log -o \"-k {data} -c listen_addresses='' -c fsync=off\" start > /dev/null"
    );
    let status = run(user, &line).status().unwrap();
    assert!(status.success(), "no server:\n{}", std::fs::read_to_string(folder.join("initdb.log")).unwrap_or_default());
    let line =
        format!("cat > /dev/null; {bin}/pg_ctl -D {data}/data -m immediate stop > /dev/null 2>&1; rm -rf {data}");
    let watchdog = run(user, &line).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    Some(Server { folder, user: "tester".into(), _watchdog: watchdog })
}

fn server() -> Option<&'static Server> {
    SERVER.get_or_init(start).as_ref()
}

/// Whether there is a server to test with.
pub fn is_there() -> bool {
    server().is_some()
}

fn url(server: &Server, database: &str) -> String {
    format!("postgresql:///{database}?host={}&user={}", server.folder.display(), server.user)
}

/// A new, empty database's URL.
pub fn database(shell: &Path) -> String {
    let server = server().expect("a server");
    let name = format!("microblog_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let output = Command::new(shell)
        .env_clear()
        .args([&url(server, "postgres"), "-c", &format!(".sql create database {name}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    url(server, &name)
}

/// A program of the server's installation.
pub fn binary(name: &str) -> PathBuf {
    let folder = binaries().expect("PostgreSQL");
    // What stands on the path may be a link to where the rest is.
    let real = std::fs::canonicalize(folder.join("initdb")).unwrap();
    real.with_file_name(name)
}
