//! How a server is reached: what the settings say, where neither the URL nor the environment says it.

use std::time::Duration;

/// Bounds for a connection over a network. All but the last three are libpq's own parameters
/// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// After how much silence the network is asked whether the server is still there.
    pub keepalives_idle: Duration,
    /// How long what was sent may stay unacknowledged before the connection counts as lost.
    pub tcp_user_timeout: Duration,
    /// How long a server that cannot be reached, as one that restarts, is waited for.
    pub wait: Duration,
    /// Whether a pooler stands between that gives each transaction another backend; none finds it out.
    pub pooler: Option<bool>,
    /// Whether each commit puts a marker into a table, by which it is looked up where its answer is lost.
    pub commit_markers: bool,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            keepalives_idle: Duration::from_secs(30),
            tcp_user_timeout: Duration::from_secs(30),
            wait: Duration::from_secs(30),
            pooler: None,
            commit_markers: false,
        }
    }
}
