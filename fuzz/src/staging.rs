//! What is staged because others wrote it: rows of a file, SQL beside them, what a crash left behind.

use super::outside::private;
use super::{text, within};
use diesel_shell::database::url::Address;
use diesel_shell::model::Catalog;
use diesel_shell::session::recovery;
use diesel_shell::text::sql;
use diesel_shell::{Builder, ErrorKind, Shell, Span, State, microblog};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// A file of any bytes is imported, or refused with an error; nothing stays staged after `rollback`, and nothing was
/// written.
pub fn import(data: &[u8]) {
    thread_local! {
        static SHELL: RefCell<(Shell, tempfile::TempDir)> =
            RefCell::new((microblog(":memory:"), tempfile::tempdir().expect("there is a temporary folder")));
    }
    let (how, data) = data.split_first().map_or((0, data), |(how, rest)| (*how, rest));
    let ending = ["csv", "tsv", "json", "jsonl"][usize::from(how & 3)];
    let model = if how & 4 == 0 { "user" } else { "post" };
    let conflict = ["", " --on-conflict skip", " --on-conflict update", ""][usize::from((how >> 3) & 3)];
    let columns = if how & 32 == 0 { "" } else { " --columns id,username,email" };
    let null = if how & 64 == 0 { "" } else { " --null -" };
    SHELL.with_borrow_mut(|(shell, folder)| {
        let path = folder.path().join(format!("rows.{ending}"));
        std::fs::write(&path, data).expect("the temporary folder can be written");
        let mut run = |command: &str| shell.execute(command).map(drop);
        let done = run(&format!(".import '{}' {model}{columns}{null}{conflict}", path.display()));
        if let Err(error) = &done {
            assert!(!matches!(error.kind, ErrorKind::Syntax | ErrorKind::Connection), "{error}");
        }
        // What was staged can be read, whatever it is.
        run(&format!("list {model}s")).expect("staged rows can be read");
        run("diff").expect("staged rows can be shown");
        run("rollback").expect("staged rows can be given up");
        assert_eq!(shell.session().state(), State::Clean);
    });
}

/// How much there is in a microblog, and how many files.
const COUNTS: &str = ".sql select (select count(*) from users) || ' ' || (select count(*) from posts) || ' ' || \
    (select count(*) from sqlite_schema) || ' ' || (select count(*) from pragma_database_list where file <> '');";

/// SQL of any bytes is run beside what is staged, or refused; the database is as it was before. It is read the same
/// everywhere: each of its statements and tokens is a piece of it, in order.
pub fn sql(data: &[u8]) {
    let text = text(data);
    for sqlite in [false, true] {
        let mut at = 0;
        for statement in sql::statements(&text, sqlite) {
            let start = statement.text.as_ptr() as usize - text.as_ptr() as usize;
            within(Span::new(start, start + statement.text.len()), &text);
            assert!(start >= at, "statements overlap in {text:?}");
            at = start + statement.text.len();
        }
        let mut at = 0;
        for token in sql::tokens(&text, sqlite).unwrap_or_default() {
            within(Span::new(token.start, token.end()), &text);
            assert!(token.start >= at, "tokens overlap in {text:?}");
            at = token.end();
        }
        let _ = sql::expression(&text, sqlite);
    }
    let _ = (sql::is_closed(&text), sql::is_complete(&text));
    thread_local! {
        static SHELL: RefCell<(Shell, tempfile::TempDir)> = {
            let (folder, path) = filed();
            RefCell::new((quiet(&path).sandbox().build().expect("it can be opened"), folder))
        };
    }
    SHELL.with_borrow_mut(|(shell, _)| {
        const ADD: &str = "add user username=zoe email=z@example.com";
        // What it is beside: nothing, what is staged, what has been sent in a script. Whether it reads is not known here.
        if data.len().is_multiple_of(3) {
            let _ = shell.script(format!("{ADD}\n.sql {text}\n;\nlist users\ncount posts\n").as_bytes());
        } else {
            if data.len() % 3 == 1 {
                shell.execute(ADD).expect("it is staged");
                shell.execute("set user john email=j@example.org").expect("it is staged");
            }
            let _ = shell.execute(&format!(".sql {text}"));
            let _ = shell.execute("list users with posts");
            let _ = shell.execute("rollback");
        }
        assert_eq!(shell.session().state(), State::Clean);
        let found = shell.execute(COUNTS).and_then(|reply| reply.single::<String>());
        assert!(found.as_ref().is_ok_and(|found| found == "1 1 10 1"), "{text:?} has changed the database: {found:?}");
    });
}

/// Any file in the place of a journal is read, or its lines are left out. What fits the models is staged again, and can be
/// looked at, sent and given up; most are only read, which takes a tenth of the time.
pub fn journal(data: &[u8]) {
    struct Place {
        folder: tempfile::TempDir,
        database: String,
        key: String,
        journal: PathBuf,
    }
    thread_local! {
        static PLACE: Place = {
            let (folder, database) = filed();
            let key = Address::parse(&database).key();
            let opened = recovery::open(folder.path(), &key).expect("it can be written");
            let entries = std::fs::read_dir(folder.path()).expect("it is there").flatten();
            let mut paths = entries.map(|entry| entry.path());
            let journal = paths.find(|path| path.extension().is_some_and(|ending| ending == "journal"));
            drop(opened);
            Place { folder, database, key, journal: journal.expect("it is kept there") }
        };
        static CATALOG: Catalog = microblog::models().into_catalog().expect("the models fit each other");
    }
    let sum = data.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    PLACE.with(|place| {
        private(&place.journal, data);
        let found = recovery::open(place.folder.path(), &place.key).expect("the folder is usable");
        assert!(found.strange.is_empty(), "{:?}", found.strange);
        let mut doubted = false;
        CATALOG.with(|catalog| {
            for left in &found.left {
                let (entries, warnings) = left.entries(catalog);
                assert!(entries.len() + warnings.len() >= left.count().min(1), "a change is lost without a word");
                doubted |= left.committing(catalog).is_some();
            }
        });
        drop(found);
        // Rows that tell whether a commit has arrived are looked at twice, a second apart.
        if sum.is_multiple_of(if doubted { 2_000 } else { 10 }) {
            recovered(&place.database, place.folder.path(), sum.is_multiple_of(20));
        }
    });
}

/// Stages again what is left in a folder: in a script it is sent.
fn recovered(database: &str, folder: &Path, in_a_script: bool) {
    const COMMANDS: [&str; 6] = [
        ".recover",
        "diff",
        "list users with posts",
        "count posts by author.username",
        ".explain list posts",
        "rollback",
    ];
    let mut shell = quiet(database).recovery(folder).build().expect("a journal is no reason not to start");
    if in_a_script {
        let _ = shell.script(COMMANDS.join("\n").as_bytes());
    } else {
        for command in COMMANDS {
            if let Err(error) = shell.execute(command) {
                assert!(!matches!(error.kind, ErrorKind::Syntax | ErrorKind::Connection), "{command}: {error}");
            }
        }
    }
    // What cannot be told from the rows is the person's to say.
    assert!(matches!(shell.session().state(), State::Clean | State::InDoubt), "something is staged still");
    drop(shell);
    // The next one begins anew.
    let entries = std::fs::read_dir(folder).expect("it is there").flatten();
    for path in
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|ending| ending == "journal"))
    {
        std::fs::remove_file(path).expect("it is ours");
    }
}

/// The microblog, with a user and a post.
fn microblog(database: &str) -> Shell {
    let builder = quiet(database).sqlite_migrations(microblog::MIGRATIONS).create().upgrade();
    let mut shell = builder.build().expect("it can be made");
    for command in ["add user username=john email=john@example.com", "add post body=hello author=john", "commit"] {
        shell.execute(command).expect("the seeds are written");
    }
    shell
}

fn quiet(database: &str) -> Builder {
    Shell::builder().models(microblog::models()).database(database).output(std::io::sink()).messages(std::io::sink())
}

/// A file of the microblog in a folder of its own.
fn filed() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let path = folder.path().join("fuzz.db").to_str().expect("a path of letters").to_owned();
    drop(microblog(&path));
    (folder, path)
}
