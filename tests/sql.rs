//! `.sql`: statements of a person's own beside what is staged.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod common;

use common::{Shell, both, on_postgres};
use expectrl::{Expect as _, Regex, Session};

/// A shell at a terminal.
fn terminal(shell: &Shell, arguments: &[&str]) -> expectrl::session::OsSession {
    let mut command = shell.command();
    command.args(arguments).env("TERM", "dumb");
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(std::time::Duration::from_secs(30)));
    session.expect("> ").unwrap();
    session
}

#[test]
fn what_sql_writes_in_a_script_waits_for_commit() {
    both(|| {
        let shell = Shell::seeded();
        shell
            .script(".sql delete from posts;\ncount posts\ncommit\n")
            .ok()
            .stdout("0\n")
            .stderr_has("it waits for `commit`");
        shell.script("count posts").ok().stdout("0\n");
        let run =
            shell.script("add user username=a email=a\n.sql delete from users;\ncount users\n").fails(3).stdout("0\n");
        assert!(run.stderr.contains("discarded at the end, not committed: 1 added, 1 SQL statement"), "{}", run.stderr);
        shell.script("count users").ok().stdout("2\n");
        // In the order in which it was typed, among what is staged.
        shell
            .script(
                "add user username=a email=a\n.sql update users set email = email || '!';\nadd user username=b email=b\n\
                 status\ncommit\n.mode csv\nlist users show username, email order by id",
            )
            .ok()
            .stdout_has("#2 .sql update users set email = email || '!'")
            .stdout_has("john,john@example.com!\nsusan,susan@example.com!\na,a!\nb,b\n")
            .stderr_has("committed: 2 added, 1 SQL statement");
        // What fails stops the script, and nothing of the unit is written.
        shell.script(".sql delete from users where username = 'a';\n.sql delete from nowhere;\ncommit").fails(1);
        shell.script("count users where username = a").ok().stdout("1\n");
    });
}

#[test]
fn a_step_of_sql_can_be_undone() {
    both(|| {
        let shell = Shell::seeded();
        shell
            .script(
                "savepoint a\n.sql delete from posts;\nundo\ncount posts\n.sql update posts set body = 'x';\n\
                 rollback to a\nadd user username=c email=c\ncommit\ncount posts where body = x",
            )
            .ok()
            .stdout("2\n0\n");
        // What commits one table only cannot tell what SQL is about.
        shell.script(".sql delete from posts;\ncommit users").fails(1).stderr_has("SQL is staged");
    });
}

#[test]
fn statements_run_in_order_each_with_its_result() {
    both(|| {
        let shell = Shell::seeded().with("--mode=csv");
        shell
            .script(".sql select 1 as a; select 2 as b; select 3\nas c; -- the last\ncount users")
            .ok()
            .stdout("a\n1\nb\n2\nc\n3\ncount\n2\n");
        shell
            .script(".sql select count(*) as n from posts; delete from posts; select count(*) as n\nfrom posts;\n")
            .fails(3)
            .stdout("n\n2\nn\n0\n");
        shell.script(".sql select 1 as a; select nonsense; select 2 as b;").fails(1).stdout("a\n1\n");
        // Without a semicolon it goes on, and says so where that was not meant.
        shell
            .script(".sql select count(*) from users\nlist users\n")
            .fails(1)
            .stderr_has("SQL goes on over lines to its `;`");
        shell.script(".sql select 1 as a\n.mode json\ncount users").ok().stdout_has("a\n1\n");
        shell.script(".sql select 'never closed;").fails(1).stderr_has("never closed");
    });
}

#[test]
fn transactions_are_the_sessions() {
    both(|| {
        let shell = Shell::seeded();
        for (sql, way) in [
            ("begin", "`commit` writes them together"),
            ("BEGIN; delete from posts; COMMIT", "`commit` writes them together"),
            ("/* x */ commit", "`commit` writes what is staged"),
            ("-- x\nend", "`commit` writes what is staged"),
            ("rollback", "`rollback` discards what is staged"),
            ("abort", "`rollback` discards what is staged"),
            ("savepoint a", "`savepoint NAME` marks a place"),
            ("release a", "`savepoint NAME` marks a place"),
            ("prepare transaction 'x'", "`commit` writes what is staged"),
            ("start transaction", "`commit` writes them together"),
            ("set transaction read only", "`.set hold on` keeps one open"),
            ("set session characteristics as transaction read only", "`.set hold on` keeps one open"),
        ] {
            shell
                .script(format!("add user username=a email=a\n.sql {sql};\n"))
                .fails(1)
                .stderr_has("transactions are the session's")
                .stderr_has(way);
        }
        shell.script("count users\ncount posts").ok().stdout("2\n2\n");
    });
}

#[test]
fn at_the_prompt_it_is_shown_what_would_change() {
    both(|| {
        let shell = Shell::seeded();
        let mut session = terminal(&shell, &[]);
        let mut says = |line: &str, expected: &str, prompt: &str| {
            session.send_line(line).unwrap();
            session.expect(expected).unwrap_or_else(|error| panic!("{line}: no {expected:?}: {error}"));
            // What is typed before the prompt is there may be lost.
            session.expect(Regex(prompt)).unwrap();
        };
        let (prompt, question) = (r"microblog[^\r\n]*> (\x1b\[[0-9;?]*[A-Za-z])*$", r"\[y/N\] ");
        says(
            ".sql delete from posts;",
            "2 rows would change. It is written at once and cannot be undone. Run it?",
            question,
        );
        says("n", "nothing was written", prompt);
        says("count posts", "2", prompt);
        // Over lines, to its semicolon.
        says(".sql update posts\rset body = 'x' where id = 1;", "1 row would change.", question);
        says("y", "done: 1 row changed; it is written and cannot be undone", prompt);
        says("add user username=zoe email=z", "staged: user zoe", prompt);
        says(".sql select count(*) as n from users;", "3", prompt);
        says(".sql delete from posts;", "changes are staged, and SQL that writes does not mix with them", prompt);
        says("rollback", "rolled back: 1 added", prompt);
        session.send_line(".quit").unwrap();
        session.expect(expectrl::Eof).unwrap();
        shell.script("count posts where body = x\ncount posts").ok().stdout("1\n2\n");
    });
}

#[test]
fn what_runs_in_no_transaction_runs_while_nothing_is_staged() {
    both(|| {
        let shell = Shell::seeded();
        let alone = if on_postgres() {
            ["create index concurrently on posts (body)", "vacuum posts"]
        } else {
            ["vacuum", "pragma journal_mode = delete"]
        };
        for sql in alone {
            shell.script(format!(".sql {sql};\ncount posts")).ok().stdout_has("2\n");
            shell
                .script(format!("add user username=a email=a\n.sql {sql};\n"))
                .fails(1)
                .stderr_has("changes are staged, and this statement runs in no transaction");
            let boxed = Shell::seeded().with("--sandbox");
            boxed.script(format!(".sql {sql};\n")).fails(1).stderr_has("this is a sandbox");
        }
        let mut session = terminal(&shell, &[]);
        session.send_line(format!(".sql {};", alone[0])).unwrap();
        session.expect(Regex("runs in no transaction.*Run it")).unwrap();
        session.send_line("y").unwrap();
        session.expect("it is written and cannot be undone").unwrap();
        session.expect(Regex(r"microblog[^\r\n]*> ")).unwrap();
        session.send_line(".quit").unwrap();
        session.expect(expectrl::Eof).unwrap();
    });
}

#[cfg(feature = "postgres")]
#[test]
fn whether_a_statement_writes_is_the_databases_word() {
    both(|| {
        let shell = Shell::seeded();
        if !on_postgres() {
            shell.script(".sql with x as (select 1) delete from posts;").fails(3);
            return;
        }
        shell
            .script(
                ".sql create function gone() returns int language plpgsql as $$ begin\n  delete from posts;\n  return 1;\n\
                 end $$;\n.sql create sequence seq;\ncommit",
            )
            .ok();
        for sql in [
            "select gone()",
            "select nextval('seq')",
            "do $$ begin perform gone(); end $$",
            "explain analyze delete from posts",
            "with x as (delete from posts returning id) select * from x",
        ] {
            shell.script(format!(".sql {sql};")).fails(3).stderr_has("it waits for `commit`");
            shell.script("count posts").ok().stdout("2\n");
        }
        shell.script(".sql select 'delete from posts';\n.sql explain delete from posts;\n.sql show work_mem;").ok();
        // What is set stays set for the statements behind it.
        shell
            .script(".mode csv\n.sql set search_path = pg_catalog, public;\n.sql show search_path;")
            .ok()
            .stdout_has("pg_catalog, public");
    });
}

/// A connection that dies is made again, and SQL in the unit is sent again in its place.
#[cfg(feature = "postgres")]
#[test]
fn what_is_sent_again_has_the_sql_in_it() {
    both(|| {
        if !on_postgres() {
            return;
        }
        let shell = Shell::seeded();
        let run = shell.run(
            &["--on-error", "continue", "--mode", "csv"],
            "add user username=a email=a\n.sql update users set email = email || '!';\nadd user username=b email=b\n\
             .sql select pg_terminate_backend(pg_backend_pid());\ncommit\nlist users show username, email order by id",
        );
        assert!(run.stderr.contains("committed: 2 added, 1 SQL statement"), "{run:?}");
        assert!(run.stdout.ends_with("john,john@example.com!\nsusan,susan@example.com!\na,a!\nb,b\n"), "{run:?}");
    });
}
