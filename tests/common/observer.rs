//! What tests of faults and of load share: chance that is the same each time, a look past the shell, a script's outcome.

use super::cluster::Cluster;
use diesel::{Connection as _, PgConnection, RunQueryDsl as _};
use diesel_shell::Shell;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Always the same: <https://en.wikipedia.org/wiki/Xorshift>
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (seed << 7))
    }

    pub fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }

    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

#[derive(diesel::QueryableByName)]
struct Answer {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

/// Looks at the database past the shell and past the proxy.
pub struct Observer {
    url: String,
    connection: Option<PgConnection>,
}

impl Observer {
    pub fn new(cluster: &Cluster) -> Self {
        Self { url: format!("{}&application_name=observer", cluster.url("postgres")), connection: None }
    }

    /// The server may just be starting, or have ended the connection: it is asked until it answers.
    pub fn ask(&mut self, sql: &str) -> String {
        let began = Instant::now();
        loop {
            if self.connection.is_none() {
                self.connection = PgConnection::establish(&self.url).ok();
            }
            let asked =
                self.connection.as_mut().map(|connection| diesel::sql_query(sql).get_result::<Answer>(connection));
            match asked {
                Some(Ok(answer)) => return answer.text,
                asked => {
                    self.connection = None;
                    assert!(began.elapsed() < Duration::from_secs(60), "{sql}: {:?}", asked.map(Result::err));
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    pub fn run(&mut self, sql: &str) {
        self.ask(&format!("with done as ({sql}) select '' as text"));
    }

    pub fn kill(&mut self) {
        self.ask(
            "select count(pg_terminate_backend(pid))::text as text from pg_stat_activity \
             where backend_type = 'client backend' and application_name <> 'observer'",
        );
    }
}

/// What a shell says, for a test to read.
#[derive(Clone, Default)]
pub struct Said(Arc<Mutex<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Said {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Runs a script to its end; gives its status and what it said.
pub fn script(url: &str, text: &str) -> (u8, String) {
    let said = Said::default();
    let mut shell = Shell::builder().database(url).output(said.clone()).messages(said.clone()).build().unwrap();
    let status = shell.script(text.as_bytes()).unwrap();
    (status.code(), said.text())
}
