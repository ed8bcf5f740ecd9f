//! PgBouncer before a server, in transaction mode: each transaction may come to another backend.

use super::cluster::{Cluster, USER, folder, free_port, missing, over_tcp, unprivileged, watchdog};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// A running PgBouncer, stopped with its test.
pub struct Pooler {
    port: u16,
    watchdog: Child,
}

impl Pooler {
    /// Before a server, with room for two backends; none, and said so, where it is not installed.
    pub fn to(cluster: &Cluster) -> Option<Self> {
        let Some(program) = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer"]
            .into_iter()
            .find(|path| Path::new(path).exists())
        else {
            return missing("PgBouncer");
        };
        let (place, port) = (folder("bouncer"), free_port());
        let config = format!(
            "[databases]\n* = host={} port={} user={USER}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\nserver_round_robin = 1\n\
             logfile = {place}/log\npidfile = {place}/pid\n",
            cluster.folder().display(),
            cluster.port(),
            place = place.display(),
        );
        std::fs::write(place.join("ini"), config).unwrap();
        let place = place.display();
        let line = format!("{program} -d {place}/ini");
        assert!(unprivileged(&line).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
        let pooler = Self { port, watchdog: watchdog(&format!("kill -9 $(cat {place}/pid); rm -rf {place}")) };
        for _ in 0..250 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(pooler);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("PgBouncer does not listen");
    }

    /// The port that it listens on.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of one of the server's databases through it.
    pub fn url(&self, database: &str) -> String {
        over_tcp(self.port, database)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}
