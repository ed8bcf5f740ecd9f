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

impl Address {
    /// What tells one database from another, by whatever name it is opened: a file's own identity, a server with a
    /// database's name. None for what nobody else can open, and for what is not there.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        match self {
            Self::Sqlite(path) if path == std::path::Path::new(":memory:") => None,
            Self::Sqlite(path) => file_identity(path),
            Self::Postgres(url) => Some(server_identity(url)),
            Self::Unknown(_) => None,
        }
    }
}

#[cfg(unix)]
fn file_identity(path: &std::path::Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let known = std::fs::metadata(path).ok()?;
    Some(format!("file {}:{}", known.dev(), known.ino()))
}

#[cfg(not(unix))]
fn file_identity(path: &std::path::Path) -> Option<String> {
    std::fs::canonicalize(path).ok().map(|path| format!("file {}", path.display()))
}

/// Host, port and name, with what libpq takes where they are not said
/// (<https://www.postgresql.org/docs/current/libpq-connect.html>). All names of this machine are one.
fn server_identity(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = address.split_once('/').unwrap_or((address, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let parameter = |name: &str| {
        let values = query.split('&').rev().filter_map(|pair| pair.split_once('='));
        values.into_iter().find(|(known, _)| *known == name).map(|(_, value)| decoded(value))
    };
    let said = |text: &str| Some(decoded(text)).filter(|text| !text.is_empty());
    let user = parameter("user").or_else(|| said(user.split(':').next().unwrap_or_default()));
    let name = parameter("dbname").or_else(|| said(path)).or(user).unwrap_or_default();
    let first = hosts.split(',').next().unwrap_or_default();
    let (host, port) = match first.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, said(port)),
        _ => (first, None),
    };
    let host = parameter("hostaddr").or_else(|| parameter("host")).unwrap_or_else(|| decoded(host)).to_lowercase();
    let local = host.is_empty() || matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1" | "[::1]");
    let host = if local { "this machine".to_owned() } else { host };
    let port = parameter("port").or(port).unwrap_or_else(|| "5432".to_owned());
    format!("server {host}:{port}/{name}")
}

/// What is secret among libpq's parameters.
const SECRETS: [&str; 3] = ["password", "sslpassword", "oauth_client_secret"];

/// The passwords in a URL, as they are written there and as they are meant: before the `@`, or as parameters.
fn in_url(url: &str, found: &mut Vec<String>) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut secret = |text: &str| found.extend([text.to_owned(), decoded(text)]);
    if let Some((user, _)) = authority.rsplit_once('@')
        && let Some((_, password)) = user.split_once(':')
    {
        secret(password);
    }
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if SECRETS.contains(&decoded(name).as_str()) {
            secret(value);
        }
    }
}

/// A text with `%41` and the like as what they stand for.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let digits = more.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            bytes.push(byte);
            rest = &more[2..];
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The passwords in `host=... password=...`, as they are written there and as they are meant. Values may stand in quotes,
/// and a backslash takes the next character as it is: libpq's "Keyword/Value Connection Strings".
fn in_keywords(text: &str, found: &mut Vec<String>) {
    for name in SECRETS {
        for (at, _) in text.match_indices(name) {
            let Some(value) = text[at + name.len()..].trim_start().strip_prefix('=') else { continue };
            let value = value.trim_start();
            let quoted = value.starts_with('\'');
            let mut meant = String::new();
            let mut end = value.len();
            let mut chars = value.char_indices().skip(usize::from(quoted));
            while let Some((at, c)) = chars.next() {
                match c {
                    '\\' => meant.extend(chars.next().map(|(_, c)| c)),
                    '\'' if quoted => {
                        end = at + 1;
                        break;
                    }
                    c if !quoted && c.is_whitespace() => {
                        end = at;
                        break;
                    }
                    c => meant.push(c),
                }
            }
            found.extend([value[..end].to_owned(), meant]);
        }
    }
}

/// A text, such as the address itself or an error about it, without the passwords of the address.
#[must_use]
pub fn without_password(text: &str, address: &str) -> String {
    let mut found = Vec::new();
    in_url(address, &mut found);
    if !matches!(Address::parse(address), Address::Postgres(_) | Address::Unknown(_)) {
        in_keywords(address, &mut found);
    }
    found.retain(|password| !password.is_empty() && password != "''");
    // The longest first: one may be a part of another.
    found.sort_by_key(|password| std::cmp::Reverse(password.len()));
    found.iter().fold(text.to_owned(), |text, password| text.replace(password.as_str(), "********"))
}

#[cfg(test)]
mod tests {
    use super::{Address, without_password};

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
    fn a_server_has_one_identity() {
        let same = |a: &str, b: &str| assert_eq!(Address::parse(a).identity(), Address::parse(b).identity(), "{a} {b}");
        same("postgres://a@localhost/shop", "postgresql://b:secret@127.0.0.1:5432/shop?sslmode=disable");
        same("postgres:///shop?host=db.example&port=6000", "postgres://DB.example:6000/shop");
        same("postgres://me@h/", "postgres://h/?user=me");
        same("postgres://h/sh%6fp", "postgres://h/x?dbname=shop");
        let differ =
            |a: &str, b: &str| assert_ne!(Address::parse(a).identity(), Address::parse(b).identity(), "{a} {b}");
        differ("postgres://h/a", "postgres://h/b");
        differ("postgres://h/a", "postgres://h:6000/a");
        differ("postgres:///a?host=/tmp/x", "postgres:///a?host=/tmp/y");
        assert_eq!(Address::parse(":memory:").identity(), None);
    }

    #[test]
    fn passwords_are_hidden() {
        let hidden = |url: &str| without_password(url, url);
        assert_eq!(hidden("postgres://u:s3cret@h:5432/d"), "postgres://u:********@h:5432/d");
        assert_eq!(hidden("postgres://u@h/d?password=s3cret&x=1"), "postgres://u@h/d?password=********&x=1");
        assert_eq!(hidden("postgres://u:a@b@h/d"), "postgres://u:********@h/d");
        assert_eq!(hidden("postgres:///d"), "postgres:///d");
        assert_eq!(hidden("postgres:///d?passw%6Frd=s3cret"), "postgres:///d?passw%6Frd=********");
        assert_eq!(without_password("no s3:cret", "postgres://u:s3%3Acret@h/d"), "no ********");
    }

    #[test]
    fn passwords_in_keywords_are_hidden_whole() {
        let hidden = |url: &str| without_password(url, url);
        assert_eq!(hidden("host=h password=s3cret user=u"), "host=h password=******** user=u");
        assert_eq!(hidden(r"host=h password = 'two \' words' user=u"), "host=h password = ******** user=u");
        assert_eq!(hidden(r"password=a\ b user=u"), "password=******** user=u");
        assert_eq!(hidden("password='not closed"), "password=********");
        assert_eq!(without_password("failed for it's", r"password='it\'s'"), "failed for ********");
        assert_eq!(hidden("password='' user=u"), "password='' user=u");
    }
}
