//! The `.env` of a folder, which may name a database and nothing else: only `DATABASE_URL` is read from it, nothing gets
//! into the environment, and nothing of the environment gets into it.

use diesel_shell::database::url::{Address, without_password};
use diesel_shell::{Error, ErrorKind, Result, files};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The only name that is looked for.
const NAME: &str = "DATABASE_URL";

/// How long a `.env` may be, in bytes.
const LONGEST: u64 = 1 << 20;

/// Stands for a `$` while references are looked for: a character that nobody writes.
const DOLLAR: char = '\u{f8ff}';

/// What a URL of PostgreSQL may say beside user, password, host, port and database when a folder names it. The others of
/// libpq let it send a password to another place than the URL seems to name, or read, write and load files:
/// <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS>.
const PARAMETERS: [&str; 31] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssencmode",
    "host",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "options",
    "password",
    "port",
    "require_auth",
    "requirepeer",
    "ssl",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcompression",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// A database that a folder names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Where it is.
    pub url: String,
    /// The file that says so, as seen from the folder.
    pub file: PathBuf,
}

impl Named {
    /// What is said at the start: which database, and who says so.
    pub fn notice(&self) -> String {
        format!("database: {} ({NAME} in {})", without_password(&self.url, &self.url), self.file.display())
    }
}

/// What a folder's `.env` names, or that of the nearest folder above it that has one, as far up as
/// [`files::upward`] goes. What there is to know about is added to `warnings`.
///
/// # Errors
/// `Usage` when the file says what a folder may not say.
pub fn find(folder: &Path, warnings: &mut Vec<String>) -> Result<Option<Named>> {
    for (above, folder) in files::upward(folder).into_iter().enumerate() {
        let path = folder.join(".env");
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        let file = "../".repeat(above) + ".env";
        let read = match files::read(&path, LONGEST) {
            // The link's owner as well as the file's: who can link can choose.
            Ok((text, read)) if files::is_trusted(&metadata) && files::is_trusted(&read) => text,
            Ok(_) => {
                warnings.push(format!("{file} belongs to somebody else: it was not read"));
                return Ok(None);
            }
            Err(cause) => {
                warnings.push(format!("{file} was not read: {cause}"));
                return Ok(None);
            }
        };
        let text = String::from_utf8_lossy(&read);
        let outside = |name: &str| std::env::var_os(name).is_some();
        let url = url(&text, &file, &outside)?;
        return Ok(url.map(|url| Named { url, file: file.into() }));
    }
    Ok(None)
}

/// The URL in a file's text; `outside` says whether the environment has a name.
///
/// # Errors
/// `Usage` when it takes something from the environment, or is one that a folder may not say.
pub fn url(text: &str, file: &str, outside: &dyn Fn(&str) -> bool) -> Result<Option<String>> {
    let text = text.trim_start_matches('\u{feff}').replace(DOLLAR, "");
    let refused = |message: String| {
        Error::new(ErrorKind::Usage, message)
            .hint(format!("name the database on the command line, or write {NAME} so that it needs no more"))
    };
    // First as it is written, to see what it refers to.
    let written = parse(&text.replace('$', &DOLLAR.to_string()));
    if let Some(name) = references(NAME, &written).into_iter().find(|name| outside(name)) {
        return Err(refused(format!(
            "{NAME} in {file} refers to {name}, which is in your environment: a folder gets nothing from there"
        )));
    }
    let Some(url) = parse(&text).remove(NAME).filter(|url| !url.is_empty()) else { return Ok(None) };
    if let Address::Postgres(_) = Address::parse(&url)
        && let Some(name) = parameters(&url).find(|name| !PARAMETERS.contains(name))
    {
        return Err(refused(format!(
            "{NAME} in {file} sets `{name}`, which a folder may not: it is for your own configuration"
        )));
    }
    Ok(Some(url))
}

/// Names and values; the first of each name counts. A line that cannot be read says nothing.
fn parse(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in dotenvy::from_read_iter(text.as_bytes()).flatten() {
        found.entry(name).or_insert(value);
    }
    found
}

/// All names that a value refers to, also by way of others of the file.
fn references(name: &str, written: &BTreeMap<String, String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = vec![name.to_owned()];
    while let Some(name) = open.pop() {
        for rest in written.get(&name).map_or("", String::as_str).split(DOLLAR).skip(1) {
            let word = rest.strip_prefix('{').unwrap_or(rest);
            let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
            let word = word[..end].to_owned();
            if !found.contains(&word) {
                open.push(word.clone());
                found.push(word);
            }
        }
    }
    found
}

/// The names of a URL's parameters, as they are written: one with `%` in it is none that is allowed. Each `?` may be the one
/// that libpq takes for their beginning, as a user's name may have one in it.
fn parameters(url: &str) -> impl Iterator<Item = &str> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query
        .split(['&', '?'])
        .map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
        .filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::url;

    fn read(text: &str) -> Result<Option<String>, String> {
        url(text, ".env", &|name| matches!(name, "HOME" | "AWS_SECRET")).map_err(|error| error.message)
    }

    #[test]
    fn what_honest_files_say() {
        let is = |text: &str, expected: &str| assert_eq!(read(text), Ok(Some(expected.to_owned())), "{text}");
        is("DATABASE_URL=shop.db", "shop.db");
        is("\u{feff}export DATABASE_URL = \"shop.db\" # ours\n", "shop.db");
        is("PAGER=./p.sh\nDATABASE_URL='postgres:///shop'\nLOGS=$HOME/logs", "postgres:///shop");
        is(
            "U=app\nDATABASE_URL=postgres://${U}:pw@db/shop?sslmode=require",
            "postgres://app:pw@db/shop?sslmode=require",
        );
        is("= what\nDATABASE_URL=a.db", "a.db");
        assert_eq!(read("PAGER=./p.sh\n# DATABASE_URL=no"), Ok(None));
        assert_eq!(read("DATABASE_URL="), Ok(None));
    }

    #[test]
    fn nothing_of_the_environment_gets_into_it() {
        for text in [
            "DATABASE_URL=postgres://evil/?password=$AWS_SECRET",
            "A=x${AWS_SECRET}\nB=$A\nDATABASE_URL=postgres://evil/$B",
            "DATABASE_URL=\"$HOME/x.db\"",
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains("refers to AWS_SECRET") || error.contains("refers to HOME"), "{error}");
        }
    }

    #[test]
    fn parameters_that_lead_elsewhere_are_not_a_folders() {
        for parameter in [
            "hostaddr=6.6.6.6",
            "service=prod",
            "passfile=x",
            "sslkey=engine:x",
            "sslkeylogfile=x",
            "%68ostaddr=1",
            "password=x@h/d?hostaddr=1",
        ] {
            let error = read(&format!("DATABASE_URL=postgres://prod/shop?sslmode=require&{parameter}")).unwrap_err();
            assert!(error.contains("which a folder may not"), "{error}");
        }
    }
}
