//! What is staged because others wrote it: rows of a file, SQL beside them, what a crash left behind.

use super::outside::{file_of, private};
use super::{text, within};
use diesel_shell::text::sql;
use diesel_shell::{Builder, ErrorKind, Shell, Span, State, microblog};
use std::cell::RefCell;
use std::path::PathBuf;

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

/// How much there is in a microblog.
const COUNTS: &str = ".sql select (select count(*) from users) || ' ' || (select count(*) from posts) || ' ' || \
    (select count(*) from sqlite_schema);";

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
        assert!(found.as_ref().is_ok_and(|found| found == "1 1 10"), "{text:?} has changed the database: {found:?}");
    });
}

/// What a crash left behind, or somebody put there, is staged again as far as it fits the models, and can be looked at, sent
/// and given up.
pub fn recover(data: &[u8]) {
    thread_local! {
        static PLACE: (tempfile::TempDir, String, PathBuf) = {
            let (folder, database) = filed();
            let shell = quiet(&database).recovery(folder.path()).build().expect("it can be opened");
            let path = file_of(folder.path(), "journal").expect("it is kept there");
            drop(shell);
            (folder, database, path)
        };
    }
    PLACE.with(|(folder, database, path)| {
        private(path, data);
        let mut shell = quiet(database).recovery(folder.path()).build().expect("a journal is no reason not to start");
        if data.len().is_multiple_of(2) {
            for command in
                [".recover", "diff", "list users with posts", "count posts by author.username", ".explain list posts"]
            {
                if let Err(error) = shell.execute(command) {
                    assert!(!matches!(error.kind, ErrorKind::Syntax | ErrorKind::Connection), "{command}: {error}");
                }
            }
            let _ = shell.execute("rollback");
        } else {
            // In a script it is sent, and taken back at its end.
            let _ = shell.script(".recover\ndiff\nlist users with posts\nrollback\n".as_bytes());
        }
        // What cannot be told from the rows is the person's to say.
        assert!(matches!(shell.session().state(), State::Clean | State::InDoubt), "something is staged still");
        drop(shell);
        let _ = std::fs::remove_file(path);
    });
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
