//! Which backend a URL or path means.

use std::path::PathBuf;

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A SQLite file, or `:memory:`.
    Sqlite(PathBuf),
    /// A PostgreSQL URL, for libpq.
    Postgres(String),
    /// A scheme that no backend has.
    Unknown(String),
}

impl Address {
    /// Reads a URL; what has no scheme is a path.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.split_once(':') {
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Self::Postgres(text.to_owned()),
            Some(("sqlite" | "sqlite3" | "file", rest)) => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                Self::Sqlite(PathBuf::from(path))
            }
            Some((scheme, rest)) if rest.starts_with("//") => Self::Unknown(scheme.to_owned()),
            _ => Self::Sqlite(PathBuf::from(text)),
        }
    }

    /// What tells one database from another on this machine.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Sqlite(path) => {
                let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                path.to_string_lossy().into_owned()
            }
            Self::Postgres(url) | Self::Unknown(url) => without_password(url, url),
        }
    }
}

/// The password in a URL, as it is written there: before the `@`, or as a parameter.
fn password(url: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some((user, _)) = authority.rsplit_once('@')
        && let Some((_, password)) = user.split_once(':')
    {
        found.push(password);
    }
    let secret = |pair: &'_ str| matches!(pair.split_once('='), Some(("password" | "sslpassword", _)));
    found.extend(
        query.split('&').filter(|pair| secret(pair)).filter_map(|pair| pair.split_once('=').map(|(_, value)| value)),
    );
    found.retain(|password| !password.is_empty());
    found
}

/// A PostgreSQL URL whose server is told these options in the start packet, behind those that the URL has already
/// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS>).
#[must_use]
pub fn with_options(url: &str, options: &str) -> String {
    let escaped: String = options
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let mut pairs: Vec<String> = query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
    // Where a parameter is said twice the last one counts.
    match pairs.iter_mut().rev().find(|pair| pair.starts_with("options=")) {
        Some(known) => known.push_str(&format!("%20{escaped}")),
        None => pairs.push(format!("options={escaped}")),
    }
    format!("{address}?{}", pairs.join("&"))
}

/// A text, such as the URL itself or an error about it, without the URL's password.
#[must_use]
pub fn without_password(text: &str, url: &str) -> String {
    password(url).iter().fold(text.to_owned(), |text, password| text.replace(password, "********"))
}

#[cfg(test)]
mod tests {
    use super::{Address, with_options, without_password};

    #[test]
    fn schemes_choose_the_backend() {
        assert_eq!(Address::parse("shop.db"), Address::Sqlite("shop.db".into()));
        assert_eq!(Address::parse("sqlite:///tmp/shop.db"), Address::Sqlite("/tmp/shop.db".into()));
        assert_eq!(Address::parse("sqlite://shop.db"), Address::Sqlite("shop.db".into()));
        assert_eq!(Address::parse(":memory:"), Address::Sqlite(":memory:".into()));
        assert_eq!(Address::parse("postgres:///shop"), Address::Postgres("postgres:///shop".into()));
        assert_eq!(Address::parse("mysql://x"), Address::Unknown("mysql".into()));
    }

    #[test]
    fn options_are_added_to_those_that_are_there() {
        let on = |url: &str| with_options(url, "-c a=on");
        assert_eq!(on("postgres:///d"), "postgres:///d?options=-c%20a%3Don");
        assert_eq!(on("postgres:///d?"), "postgres:///d?options=-c%20a%3Don");
        assert_eq!(on("postgres://h/d?user=u&x=1"), "postgres://h/d?user=u&x=1&options=-c%20a%3Don");
        assert_eq!(on("postgres:///d?options=-c%20b%3D1&x=1"), "postgres:///d?options=-c%20b%3D1%20-c%20a%3Don&x=1");
        assert_eq!(on("postgres:///d?options=x&options=y"), "postgres:///d?options=x&options=y%20-c%20a%3Don");
    }

    #[test]
    fn passwords_are_hidden() {
        let hidden = |url: &str| without_password(url, url);
        assert_eq!(hidden("postgres://u:s3cret@h:5432/d"), "postgres://u:********@h:5432/d");
        assert_eq!(hidden("postgres://u@h/d?password=s3cret&x=1"), "postgres://u@h/d?password=********&x=1");
        assert_eq!(hidden("postgres://u:a@b@h/d"), "postgres://u:********@h/d");
        assert_eq!(hidden("postgres:///d"), "postgres:///d");
    }
}
