//! The PostgreSQL server that the tests of one binary share, on a unix socket; each test has a database of its own.

use super::cluster::{Cluster, Setup, binaries};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

static SERVER: OnceLock<Option<Cluster>> = OnceLock::new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

fn server() -> Option<&'static Cluster> {
    SERVER.get_or_init(|| Setup::default().start()).as_ref()
}

/// Whether there is a server to test with.
pub fn is_there() -> bool {
    server().is_some()
}

/// A new, empty database's URL.
pub fn database(shell: &Path) -> String {
    let server = server().expect("a server");
    let name = format!("microblog_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let output = Command::new(shell)
        .env_clear()
        .args([&server.url("postgres"), "-c", &format!(".sql create database {name}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    server.url(&name)
}

/// A program of the server's installation.
pub fn binary(name: &str) -> PathBuf {
    binaries().expect("PostgreSQL").join(name)
}
