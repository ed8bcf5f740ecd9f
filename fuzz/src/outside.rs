//! What others may have written whole: files of a folder, journals, databases, and what a server says.

use super::{Shared, text};
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use diesel_shell::{ErrorKind, Shell, microblog};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

#[path = "../../src/cli/config.rs"]
#[allow(dead_code, reason = "what reads files is not fuzzed")]
mod config;
#[path = "../../src/cli/dotenv.rs"]
#[allow(dead_code, reason = "what reads files is not fuzzed")]
mod dotenv;
#[cfg(feature = "postgres")]
#[path = "fake.rs"]
mod fake;

/// How long one input may take: more is a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Any text of a `.env` names a database or is refused, and what it names is not put together from the environment.
pub fn dotenv(data: &[u8]) {
    let text = text(data);
    for outside in [false, true] {
        if let Ok(Some(url)) = dotenv::url(&text, ".env", &|_| outside) {
            assert!(!url.is_empty(), "{text:?}");
            let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
            // Before a `?` they are a part of a name.
            let query = url.find('?').map_or("", |at| &url[at..]);
            let leads = ["?hostaddr=", "&hostaddr="].iter().any(|words| query.contains(words));
            assert!(!(postgres && leads), "{url:?} of {text:?}");
        }
    }
}

/// Any text is a configuration, or refused.
pub fn config(data: &[u8]) {
    let _ = config::parse(&text(data));
}

pub fn private(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("it can be written");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    }
}

/// Runs the commands until it is enough, whose errors may be any but those of the language; what is shown cannot drive a
/// terminal.
fn look(shell: &mut Shell, shown: &Rc<RefCell<Vec<u8>>>, enough: &dyn Fn() -> bool) {
    for command in super::looking::LOOKING {
        if enough() {
            break;
        }
        let begun = Instant::now();
        // As a script, so that results are written as well.
        drop(shell.script(command.as_bytes()));
        assert!(begun.elapsed() < PATIENCE, "{command} takes {:?}", begun.elapsed());
    }
    let shown = String::from_utf8_lossy(&shown.take()).into_owned();
    let driving = shown.chars().find(|c| diesel_shell::render::is_dangerous(*c) && *c != '\n');
    assert_eq!(driving, None, "{shown:?}");
}

fn builder(shown: &Rc<RefCell<Vec<u8>>>) -> diesel_shell::Builder {
    // Schemas and values may hold anything: what is written for programs is not looked at here.
    Shell::builder().output(std::io::sink()).messages(Shared(Rc::clone(shown)))
}

/// The microblog's file with rows, an index and a view.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let path = folder.path().join("fuzz.db");
    let mut shell = Shell::builder()
        .models(microblog::models())
        .sqlite_migrations(microblog::MIGRATIONS)
        .database(path.to_str().expect("a path of letters"))
        .create()
        .upgrade()
        .output(std::io::sink())
        .messages(std::io::sink())
        .build()
        .expect("a new file can be opened");
    let script = "add user username=john email=john@example.com\nadd user username=susan email=susan@example.com\n\
        add post body=hello author=john\nadd post body='hello too' author=susan\ncommit\n\
        .sql create index posts_of on posts (user_id, body);\n\
        .sql create view names as select username from users;\ncommit\n";
    assert!(shell.script(script.as_bytes()).expect("it is written").is_success(), "the seed is not as it should be");
    drop(shell);
    // Small pages make a small file of as many of them.
    let mut connection = SqliteConnection::establish(path.to_str().expect("letters")).expect("it can be opened");
    let smaller = "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM";
    connection.batch_execute(smaller).expect("it can be rewritten");
    drop(connection);
    let mut bytes = std::fs::read(&path).expect("it is there");
    // Without a log beside it: <https://www.sqlite.org/fileformat2.html#file_format_version_numbers>.
    bytes[18..20].copy_from_slice(&[1, 1]);
    bytes
});

/// A file changed at any bytes is opened and looked at, or refused; nothing is written but what belongs to it. Most stay in
/// memory, where there are a hundred times as many a second.
pub fn sqlite(data: &[u8]) {
    let mut bytes = FILE.clone();
    for change in data.chunks_exact(3) {
        // Half of the changes are where the schema is.
        let at = usize::from(change[0]) << 8 | usize::from(change[1]);
        let length = if at & 1 == 0 { bytes.len().min(4096) } else { bytes.len() };
        bytes[at % length] = change[2];
    }
    let shown = Rc::new(RefCell::new(Vec::new()));
    let in_a_file = data.iter().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(*byte)).is_multiple_of(64);
    if in_a_file {
        sqlite_file(&bytes, &shown);
        return;
    }
    let mut connection = SqliteConnection::establish(":memory:").expect("there is memory");
    if connection.deserialize_readonly_database_from_buffer(&bytes).is_ok() {
        looked(builder(&shown).models(microblog::models()).connection(connection), &shown, &|| false);
    }
}

fn sqlite_file(bytes: &[u8], shown: &Rc<RefCell<Vec<u8>>>) {
    thread_local! {
        static FOLDER: tempfile::TempDir = tempfile::tempdir().expect("there is a temporary folder");
    }
    FOLDER.with(|folder| {
        let path = folder.path().join("fuzz.db");
        for ending in ["-wal", "-shm", "-journal"] {
            let _ = std::fs::remove_file(folder.path().join(format!("fuzz.db{ending}")));
        }
        private(&path, bytes);
        looked(builder(shown).models(microblog::models()).database(path.to_str().expect("letters")), shown, &|| false);
        let entries = std::fs::read_dir(folder.path()).expect("it is there");
        for name in entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()) {
            assert!(name.starts_with("fuzz.db"), "{name} was written");
        }
    });
}

fn looked(builder: diesel_shell::Builder, shown: &Rc<RefCell<Vec<u8>>>, enough: &dyn Fn() -> bool) {
    match builder.build() {
        Ok(mut shell) => look(&mut shell, shown, enough),
        Err(error) => assert!(!matches!(error.kind, ErrorKind::Syntax), "{error}"),
    }
}

/// A server that says any bytes, as much of them at a time as a server would, is an error or a database.
#[cfg(feature = "postgres")]
pub fn server(data: &[u8]) {
    if fake::copies(data) {
        return;
    }
    thread_local! {
        static SERVER: fake::Server = fake::Server::start([]);
    }
    SERVER.with(|server| {
        server.says([data.to_vec()]);
        let shown = Rc::new(RefCell::new(Vec::new()));
        let begun = Instant::now();
        // When it has said all and sends those away who come again, the other commands end as this one did.
        looked(builder(&shown).database(server.url()), &shown, &|| server.has_sent_away());
        assert!(begun.elapsed() < PATIENCE, "it takes {:?}", begun.elapsed());
    });
}
