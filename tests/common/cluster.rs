//! PostgreSQL servers of the tests' own, one cluster each: in temporary folders, gone with the tests.
#![allow(clippy::print_stderr, reason = "tests that did not run must be heard of")]

use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// The user that owns every cluster.
pub const USER: &str = "tester";

/// A server, running unless a test has stopped it.
pub struct Cluster {
    folder: PathBuf,
    /// Where its programs are.
    bin: PathBuf,
    port: u16,
    /// Stops the server when its standard input ends: when this is dropped, and when the test's process dies.
    watchdog: Child,
}

/// How a cluster is made.
#[derive(Default)]
pub struct Setup {
    bin: Option<PathBuf>,
    settings: String,
    tls: bool,
    stranger: bool,
}

fn folders() -> Option<PathBuf> {
    let mut candidates: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    debian.reverse();
    candidates.extend(debian);
    let found =
        candidates.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())?;
    // What stands on the path may be a link to where the rest is.
    std::fs::canonicalize(found.join("initdb")).ok()?.parent().map(Path::to_path_buf)
}

/// Where PostgreSQL's programs are; none, and said so, where it is not installed.
pub fn binaries() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| folders().or_else(|| missing("PostgreSQL"))).as_deref()
}

/// Says that tests did not run for want of something; where everything is to run, that is a failure.
pub fn missing<T>(what: &str) -> Option<T> {
    let text = format!("{what} is not installed: tests that need it did NOT run");
    assert!(std::env::var("CI").is_err(), "{text}; in CI that is a failure");
    eprintln!("\n*** {text} ***\n");
    None
}

/// A locale in whose language a server speaks German; none, and said so, where it is not installed.
pub fn german() -> Option<&'static str> {
    let known = Command::new("locale").arg("-a").output().is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).lines().any(|name| name.eq_ignore_ascii_case("de_DE.utf8"))
    });
    if known { Some("de_DE.UTF-8") } else { missing("the locale de_DE.UTF-8") }
}

/// A shell line as somebody who may run PostgreSQL and PgBouncer: both refuse root.
pub fn unprivileged(line: &str) -> Command {
    static USER: OnceLock<Option<&str>> = OnceLock::new();
    let user = USER.get_or_init(|| {
        let exists = |name: &str| Command::new("id").arg(name).output().is_ok_and(|output| output.status.success());
        let root =
            std::fs::metadata("/proc/self").is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0);
        root.then(|| if exists("postgres") { "postgres" } else { "nobody" })
    });
    let mut command = Command::new(if user.is_some() { "su" } else { "sh" });
    match user {
        Some(user) => command.args([user, "-s", "/bin/sh", "-c", line]),
        None => command.args(["-c", line]),
    };
    command
}

/// An empty folder that such a user may write to.
pub fn folder(prefix: &str) -> PathBuf {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir().unwrap().keep();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    folder
}

/// A port that nobody listens on, and that no connection gets by itself: a server that is started again finds it free. Systems
/// give those from 32768 (Linux) or 49152 on.
pub fn free_port() -> u16 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = || 20_000 + u16::try_from(RandomState::new().hash_one(()) % 12_000).unwrap();
    let mut ports = std::iter::repeat_with(random).take(1_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// Something that stops when this process does: the line runs once the given child's input ends.
pub fn watchdog(line: &str) -> Child {
    unprivileged(&format!("cat > /dev/null; {line}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[track_caller]
fn run(line: &str, log: &Path) {
    let status = unprivileged(line).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{line}\n{}", std::fs::read_to_string(log).unwrap_or_default());
}

/// Makes an empty cluster. Nothing in it must survive a power cut, so nothing waits for a disk.
fn initialise(folder: &Path, bin: &Path) {
    let (bin, place) = (bin.display(), folder.display());
    run(
        &format!(
            "{bin}/initdb -D {place}/data -U {USER} -A trust -E UTF8 --locale=C --no-sync > {place}/log 2>&1 && \
             printf 'fsync = off\\nmax_connections = 40\\nshared_buffers = 16MB\\n' >> {place}/data/postgresql.conf"
        ),
        &folder.join("log"),
    );
}

impl Setup {
    /// Adds a line to `postgresql.conf`.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push_str(&format!("{name} = '{value}'\n"));
        self
    }

    /// Whoever comes over TCP must encrypt, with a certificate that the cluster makes for itself.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// With the programs of another installation.
    pub fn with(mut self, bin: &Path) -> Self {
        self.bin = Some(bin.to_path_buf());
        self
    }

    /// It has a number of its own: other clusters are copies of one that was made once.
    pub fn stranger(mut self) -> Self {
        self.stranger = true;
        self
    }

    /// Makes the cluster and starts it; none where PostgreSQL is not installed.
    pub fn start(self) -> Option<Cluster> {
        let own = self.bin.is_some();
        let bin = self.bin.map_or_else(|| binaries().map(Path::to_path_buf), Some)?;
        let folder = folder("pg");
        let place = folder.display();
        if self.stranger || own {
            initialise(&folder, &bin);
        } else {
            static FIRST: OnceLock<(PathBuf, Child)> = OnceLock::new();
            let (first, _) = FIRST.get_or_init(|| {
                let first = self::folder("pg");
                initialise(&first, &bin);
                let watchdog = watchdog(&format!("rm -rf {}", first.display()));
                (first, watchdog)
            });
            run(&format!("cp -a {}/data {place}/", first.display()), &folder.join("log"));
        }
        let mut settings = self.settings;
        if self.tls {
            let made = unprivileged(&format!(
                "cd {place}/data && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
                 -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout server.key -out server.crt && chmod 600 server.key && \
                 printf 'local all all trust\\nhostssl all all all trust\\n' > pg_hba.conf"
            ))
            .output();
            if !made.is_ok_and(|output| output.status.success()) {
                return missing("openssl");
            }
            settings.push_str("ssl = on\n");
        }
        let port = free_port();
        settings
            .push_str(&format!("port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{place}'\n"));
        let mut write =
            unprivileged(&format!("cat >> {place}/data/postgresql.conf")).stdin(Stdio::piped()).spawn().unwrap();
        write.stdin.take().unwrap().write_all(settings.as_bytes()).unwrap();
        assert!(write.wait().unwrap().success());
        let cluster = Cluster::over(folder, bin, port);
        cluster.start();
        Some(cluster)
    }
}

impl Cluster {
    /// A cluster as it is by itself; none where PostgreSQL is not installed.
    pub fn new() -> Option<Self> {
        Setup::default().start()
    }

    fn over(folder: PathBuf, bin: PathBuf, port: u16) -> Self {
        let (programs, place) = (bin.display(), folder.display());
        let watchdog =
            watchdog(&format!("{programs}/pg_ctl -D {place}/data -m immediate stop > /dev/null 2>&1; rm -rf {place}"));
        Self { folder, bin, port, watchdog }
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where its socket is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The URL of one of its databases, by its socket.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql:///{database}?host={}&port={}&user={USER}", self.folder.display(), self.port)
    }

    /// The URL of one of its databases over TCP, without encryption.
    pub fn tcp(&self, database: &str) -> String {
        over_tcp(self.port, database)
    }

    fn control(&self, what: &str) {
        let (bin, place) = (self.bin.display(), self.folder.display());
        run(&format!("{bin}/pg_ctl -D {place}/data -w {what}"), &self.folder.join("log"));
    }

    /// Starts it.
    pub fn start(&self) {
        self.control(&format!("-l {}/log start", self.folder.display()));
    }

    /// Stops it as a power cut would.
    pub fn crash(&self) {
        self.control("-m immediate stop");
    }

    /// Stops it in order, ending whoever is connected.
    pub fn stop(&self) {
        self.control("-m fast stop");
    }

    /// A replica that follows it, from here on.
    pub fn replica(&self) -> Self {
        let folder = folder("pg");
        let (bin, place) = (self.bin.display(), folder.display());
        let port = free_port();
        run(
            &format!(
                "{bin}/pg_basebackup -h {} -p {} -U {USER} -D {place}/data -R -X stream -c fast --no-sync > {place}/log 2>&1 && \
                 printf \"port = {port}\\nunix_socket_directories = '{place}'\\n\" >> {place}/data/postgresql.conf",
                self.folder.display(),
                self.port
            ),
            &folder.join("log"),
        );
        let replica = Self::over(folder, self.bin.clone(), port);
        replica.start();
        replica
    }

    /// Makes a replica a server of its own, which begins another timeline.
    pub fn promote(&self) {
        self.control("promote");
    }

    /// Waits until a replica has everything that this server has written.
    #[track_caller]
    pub fn wait_for(&self, replica: &Self) {
        let written = self.sql("postgres", "SELECT pg_current_wal_lsn()");
        for _ in 0..500 {
            if replica.sql("postgres", &format!("SELECT pg_last_wal_replay_lsn() >= '{written}'")) == "t" {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("the replica does not follow");
    }

    /// What psql answers, without a frame.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let output = Command::new(self.bin.join("psql"))
            .env_clear()
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h"])
            .arg(&self.folder)
            .args(["-p", &self.port.to_string(), "-U", USER, "-d", database, "-c", sql])
            .output()
            .unwrap();
        assert!(output.status.success(), "{sql}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The certificate that it made for itself.
    pub fn certificate(&self) -> Vec<u8> {
        let output = unprivileged(&format!("cat {}/data/server.crt", self.folder.display())).output().unwrap();
        output.stdout
    }

    /// Ends every connection to its databases but the one that asks.
    pub fn kill_backends(&self) {
        self.sql(
            "postgres",
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// The URL of a database on a port of this machine, without encryption.
pub fn over_tcp(port: u16, database: &str) -> String {
    format!("postgresql://{USER}@127.0.0.1:{port}/{database}?sslmode=disable")
}
