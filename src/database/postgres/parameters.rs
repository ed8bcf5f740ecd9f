//! What is said to libpq beside what the person said: in the URL, the environment (`PG*`) or a service file.

#![allow(unsafe_code, reason = "PQconndefaults has no safe wrapper")]

use crate::database::network::Network;
use crate::database::url::decoded;
use pq_sys::{PQconndefaults, PQconninfoFree};
use std::collections::HashMap;
use std::ffi::CStr;
use std::fmt::Write as _;

/// What every session is told: dates and the like are spelled as everywhere else in the shell, and notices stay out of it.
/// They go with the first packet, where a setting of a role or a database does not come before them.
pub const SETTINGS: [(&str, &str); 6] = [
    ("DateStyle", "ISO,YMD"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("client_min_messages", "warning"),
];

/// A parameter of our own, which no server knows and every PostgreSQL keeps: where it does not arrive, something stands
/// between (a pooler) that does not hand the session's parameters on.
pub const DIRECT: &str = "diesel_shell.direct";

/// What libpq takes from the environment and from the service that `PGSERVICE` names.
fn environment() -> HashMap<String, String> {
    let mut found = HashMap::new();
    // SAFETY: gives an array that ends with an entry without a keyword, or null; it is ours until it is freed below.
    let first = unsafe { PQconndefaults() };
    if first.is_null() {
        return found;
    }
    let text = |text: *const std::ffi::c_char| {
        // SAFETY: not null, ended by a zero, and alive until the array is freed.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    };
    let mut at = first;
    loop {
        // SAFETY: within the array: the entry before it had a keyword.
        let entry = unsafe { &*at };
        let Some(keyword) = text(entry.keyword) else { break };
        // What is compiled in is nobody's wish.
        if let Some(value) = text(entry.val).filter(|value| text(entry.compiled).as_ref() != Some(value)) {
            found.insert(keyword, value);
        }
        // SAFETY: the entry had a keyword, so there is one behind it.
        at = unsafe { at.add(1) };
    }
    // SAFETY: `first` came from PQconndefaults and is not used again.
    unsafe { PQconninfoFree(first) };
    found
}

/// How a URL is to be opened.
#[derive(Debug, Clone)]
pub struct Parameters {
    url: String,
    given: HashMap<String, String>,
    network: Network,
}

impl Parameters {
    /// Of a URL, with what the environment says.
    pub fn new(url: &str, network: Network) -> Self {
        let mut given = environment();
        given.extend(written(url));
        Self { url: url.to_owned(), given, network }
    }

    /// The URL as it was given.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Bounds on the network.
    pub const fn network(&self) -> &Network {
        &self.network
    }

    /// Whether session parameters go with the first packet. Not with a service file: whether it says the same is not to be
    /// seen from here; and not through a pooler, which refuses them.
    pub fn fit_options(&self) -> bool {
        !self.given.contains_key("service") && self.network.pooler != Some(true)
    }

    /// Whether there are several hosts.
    fn has_several_hosts(&self) -> bool {
        ["host", "hostaddr"].iter().any(|name| self.given.get(*name).is_some_and(|hosts| hosts.contains(',')))
    }

    /// The URL to connect with: for a session, with its parameters in the first packet or without.
    pub fn session(&self, options: bool, read_only: bool) -> String {
        let mut more = self.common(self.network.connect_timeout.as_secs());
        // Of several hosts the one that can be written, unless nothing is to be written.
        if self.has_several_hosts() && !read_only {
            more.push(("target_session_attrs", "read-write".into()));
        }
        if options {
            let mut words: Vec<String> = SETTINGS.iter().map(|(name, value)| format!("-c {name}={value}")).collect();
            words.push(format!("-c {DIRECT}=on"));
            words.extend(self.given.get("options").cloned());
            // Behind what the person said: of two the last counts.
            if read_only {
                words.push("-c default_transaction_read_only=on".into());
            }
            more.push(("options", words.join(" ")));
        }
        self.with(more)
    }

    /// The URL to ask the same server to cancel a statement with.
    pub fn cancelling(&self) -> String {
        let mut more = self.common(2);
        more.push(("application_name", "diesel-shell (cancel)".into()));
        more.push(("connect_timeout", "2".into()));
        self.with(more)
    }

    fn common(&self, connect_timeout: u64) -> Vec<(&'static str, String)> {
        let network = &self.network;
        let all = [
            ("connect_timeout", connect_timeout.max(2).to_string()),
            ("keepalives_idle", network.keepalives_idle.as_secs().to_string()),
            ("keepalives_interval", "10".to_owned()),
            ("keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", network.tcp_user_timeout.as_millis().to_string()),
        ];
        let mut more: Vec<(&'static str, String)> = all
            .into_iter()
            // A service file may say any of these.
            .filter(|(name, _)| !self.given.contains_key(*name) && !self.given.contains_key("service"))
            .collect();
        more.push(("fallback_application_name", "diesel-shell".into()));
        more
    }

    /// Parameters behind those of the URL; of two the last counts, but what the person said is not said again.
    fn with(&self, more: Vec<(&'static str, String)>) -> String {
        let mut url = self.url.clone();
        let mut sign = if url.contains('?') { '&' } else { '?' };
        for (name, value) in more {
            if name == "target_session_attrs" && self.given.contains_key(name) {
                continue;
            }
            let _ = write!(url, "{sign}{name}=");
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                    url.push(char::from(byte));
                } else {
                    let _ = write!(url, "%{byte:02X}");
                }
            }
            sign = '&';
        }
        url
    }
}

/// What a URL says, parameter by parameter; its hosts as `host`.
fn written(url: &str) -> HashMap<String, String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = place.split('/').next().unwrap_or_default().rsplit('@').next().unwrap_or_default();
    let mut found = HashMap::new();
    if !hosts.is_empty() {
        found.insert("host".to_owned(), hosts.to_owned());
    }
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        found.insert(decoded(name), decoded(value));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Network, Parameters, written};

    fn of(url: &str) -> Parameters {
        Parameters { url: url.to_owned(), given: written(url), network: Network::default() }
    }

    #[test]
    fn parameters_of_ours_stand_behind_those_of_the_url() {
        let url = of("postgres://u@h/d").session(true, false);
        assert!(url.starts_with("postgres://u@h/d?connect_timeout=10&keepalives_idle=30&"), "{url}");
        assert!(url.contains("&fallback_application_name=diesel-shell&options=-c%20DateStyle%3DISO%2CYMD%20"), "{url}");
        assert!(!url.contains("target_session_attrs") && !url.contains("read_only"), "{url}");
        assert!(of("postgres://u@h/d").session(true, true).contains("default_transaction_read_only%3Don"));
        assert!(!of("postgres://u@h/d").session(false, true).contains("options="));
    }

    #[test]
    fn what_the_person_said_counts() {
        let url = of("postgres:///d?connect_timeout=3&options=-c%20work_mem%3D1MB").session(true, false);
        assert_eq!(url.matches("connect_timeout").count(), 1, "{url}");
        assert!(url.ends_with("%20-c%20work_mem%3D1MB"), "{url}");
        let url = of("postgres:///d?service=shop").session(false, false);
        assert_eq!(url, "postgres:///d?service=shop&fallback_application_name=diesel-shell");
        assert!(!of("postgres:///d?service=shop").fit_options());
    }

    #[test]
    fn of_several_hosts_the_one_that_can_be_written() {
        for url in ["postgres://a,b/d", "postgres://a:1,b:2/d", "postgres:///d?host=/tmp/a,/tmp/b"] {
            assert!(of(url).session(true, false).contains("target_session_attrs=read-write"), "{url}");
            assert!(!of(url).session(true, true).contains("target_session_attrs"), "{url}");
        }
        let url = of("postgres://a,b/d?target_session_attrs=any").session(true, false);
        assert_eq!(url.matches("target_session_attrs").count(), 1, "{url}");
        assert!(!of("postgres://u@a/d").session(true, false).contains("target_session_attrs"));
    }
}
