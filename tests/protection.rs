//! What a database is protected by, and that nothing typed lifts it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod common;

use common::{Shell, both, on_postgres};
use std::path::Path;

fn configure(shell: &Shell, text: &str) {
    let folder = shell.path().join("config/diesel-shell");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), text).unwrap();
}

/// Two rows in a table of their own.
fn table(shell: &Shell) {
    shell.script(".sql create table item (id integer primary key, n integer);\n.sql insert into item values (1, 1), (2, 2);\ncommit").ok();
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What a hostile hand types under `--read-only`, in one session.
fn attacks() -> Vec<&'static str> {
    let both = [
        "insert into item values (3, 3)",
        "with x as (select 1) delete from item",
        "/* a */ delete from item",
        "-- a\ndelete from item",
        "select 1; delete from item",
        "begin; delete from item; commit",
        "begin",
        "commit; delete from item",
        "savepoint x",
        "drop table item",
        "explain delete from item; delete from item",
    ];
    let sqlite = [
        "pragma query_only = off",
        "pragma query_only(0)",
        "pragma journal_mode = delete",
        "pragma \"journal_mode\" = delete",
        "pragma main.[journal_mode]('delete')",
        "pragma writable_schema = on",
        "pragma user_version = 7",
        "pragma wal_checkpoint",
        "pragma optimize",
        "attach 'evil.db' as evil",
        "attach 'file:evil.db?mode=rwc' as evil",
        "vacuum",
        "vacuum into 'evil.db'",
        "select load_extension('evil')",
        "begin immediate",
        "reindex",
        "analyze",
        "create virtual table evil using fts5(x)",
        "create temp trigger evil after insert on main.item begin select 1; end",
    ];
    let postgres = [
        "set transaction read write",
        "set session characteristics as transaction read write",
        "set transaction_read_only = off",
        "set local transaction_read_only to off",
        "set default_transaction_read_only = off",
        "set session default_transaction_read_only to 'off'",
        "select set_config('transaction_read_only', 'off', false)",
        "select set_config('default_transaction_read_only', 'off', false)",
        "reset default_transaction_read_only",
        "reset all",
        "discard all",
        "alter role current_user set default_transaction_read_only = off",
        "begin read write",
        "start transaction read write",
        "do $$ begin set transaction_read_only = off; delete from item; end $$",
        "do $$ begin perform set_config('transaction_read_only', 'off', false); delete from item; end $$",
        "do $$ begin commit; set transaction read write; delete from item; end $$",
        "do $$ begin perform set_config('default_transaction_read_only', 'off', false); end $$",
        "select emptied()",
        "call empty()",
        "explain analyze delete from item",
        "select nextval('seq')",
        "create temp table evil as select emptied()",
        "prepare evil as delete from item",
        "execute evil",
        "vacuum item",
        "copy item from '/dev/null'",
        "truncate item",
        "prepare transaction 'x'",
    ];
    let own: &[&str] = if on_postgres() { &postgres } else { &sqlite };
    both.into_iter().chain(own.iter().copied()).collect()
}

#[test]
fn nothing_typed_lifts_read_only() {
    both(|| {
        let shell = Shell::new();
        table(&shell);
        if on_postgres() {
            shell
                .script(
                    ".sql create function emptied() returns int language plpgsql as $$ begin \
                     perform set_config('transaction_read_only', 'off', false); delete from item; return 1; end $$;\n\
                     .sql create procedure empty() language plpgsql as $$ begin delete from item; commit; end $$;\n\
                     .sql create sequence seq;\ncommit\n",
                )
                .ok();
        }
        let before = files(shell.path());
        let closed = shell.with("--read-only").with("--on-error").with("continue");
        // All in one session: what one of them sets, the next could use.
        let attacks = attacks();
        let script: String = attacks
            .iter()
            .flat_map(|first| [format!(".sql {first};\n"), ".sql delete from item;\n".into(), "count items\n".into()])
            .collect();
        let run = closed.script(&script);
        assert_eq!(
            run.stdout.lines().filter(|line| *line == "2").count(),
            attacks.len(),
            "{}\n{}",
            run.stdout,
            run.stderr
        );
        // By the shell's own commands as well.
        closed.script("add item id=4 n=4\ncommit").fails(1);
        closed.script("delete item 1\ncommit").fails(1);
        closed.script("db upgrade +1\ndb stamp base\n.reset\ndb drop-all\ncount items").stdout_has("2\n");
        assert_eq!(files(closed.path()), before);
    });
}

/// A URL with one more parameter.
fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("{url}{}{name}={value}", if url.contains('?') { '&' } else { '?' })
}

#[test]
fn no_option_of_a_connection_lifts_read_only() {
    const OPTIONS: [&str; 9] = [
        "-c default_transaction_read_only=off",
        "--default_transaction_read_only=off",
        "--default-transaction-read-only=off -c transaction_read_only=off",
        "-c diesel_shell.direct=on -c default_transaction_read_only=off",
        "-c diesel_shell.direct=off -c default_transaction_read_only=off",
        // What comes behind would be a part of it, or no option any more: the server refuses that.
        "-c diesel_shell.direct=on -c default_transaction_read_only=off -c application_name=x\\",
        "-c diesel_shell.direct=on -c default_transaction_read_only=off --",
        "-c default_transaction_read_only=off -c",
        "-c default_transaction_read_only=off -c application_name=",
    ];
    both(|| {
        let shell = Shell::new();
        let Some(url) = shell.url() else { return };
        table(&shell);
        for option in OPTIONS {
            let by_url = with_parameter(&url, "options", option);
            for (url, environment) in [(&url, option), (&by_url, ""), (&by_url, option)] {
                let place = Shell::empty();
                let mut command = place.command();
                command.env("PGOPTIONS", environment).args([url, "--read-only", "--on-error", "continue"]);
                let commands = [
                    ".sql show default_transaction_read_only;",
                    ".sql delete from item;",
                    "add item id=9 n=9",
                    "commit",
                    "rollback",
                    "count items",
                ];
                command.args(commands.iter().flat_map(|text| ["-c", text]));
                let output = command.output().unwrap();
                let (said, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                // One that no server takes is an error as well.
                if told.contains("cannot connect") {
                    assert!(said.is_empty(), "{option}: {said}{told}");
                    continue;
                }
                assert!(
                    said.contains("│ on ") && !said.contains("off") && said.ends_with("2\n"),
                    "{option}: {said}{told}"
                );
                assert!(
                    told.contains("cannot execute DELETE") && told.contains("cannot execute INSERT"),
                    "{option}: {told}"
                );
            }
        }
        shell.script("count items").ok().stdout("2\n");
    });
}

#[test]
fn what_only_reads_works_under_read_only() {
    both(|| {
        let shell = Shell::new();
        table(&shell);
        let shell = shell.with("--read-only");
        let own = if on_postgres() {
            ".sql set search_path = pg_catalog, public;\n.sql set work_mem = '8MB';\n.sql show work_mem;\n"
        } else {
            ".sql pragma table_info(item);\n.sql pragma foreign_keys;\n.sql pragma integrity_check;\n\
             .sql create temp table t as select 1 as x;\n.sql select x from t;\n"
        };
        shell.script(format!("{own}.sql select sum(n) as total from item;\nlist items\n.explain list items\n")).ok();
    });
}

#[test]
fn nothing_typed_writes_out_of_a_sandbox() {
    both(|| {
        let shell = Shell::new();
        table(&shell);
        let before = files(shell.path());
        let boxed = shell.with("--sandbox").with("--on-error").with("continue");
        let script: String = attacks()
            .iter()
            .map(|first| format!("add item id=9 n=9\n.sql {first};\n.sql commit;\n.sql end;\n"))
            .collect();
        boxed.script(&script);
        // With nothing staged no transaction is in the way.
        boxed.script(attacks().iter().map(|first| format!(".sql {first};\n")).collect::<String>());
        boxed.script("add item id=5 n=5\n.sql commit;\ncommit\n.sql end;\n").stderr_has("this is a sandbox");
        boxed.script("count items\nlist items show n order by n").ok().stdout_has("2\n");
        assert_eq!(files(boxed.path()), before);
        boxed
            .script(".sql delete from item;\ncount items")
            .ok()
            .stderr_has("done and rolled back: this is a sandbox")
            .stdout_has("2\n");
    });
}

#[test]
fn flags_belong_to_the_database_by_whatever_name() {
    let shell = Shell::seeded();
    let path = shell.database();
    let link = shell.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let hard = shell.path().join("hard.db");
    std::fs::hard_link(&path, &hard).unwrap();
    let (one, two, three) = (path.to_str().unwrap(), link.to_str().unwrap(), hard.to_str().unwrap());
    configure(&shell, &format!("[connections.prod]\nurl = {one:?}\nread_only = true\nprotected = true\n"));
    let relative = path.strip_prefix(shell.path()).unwrap().to_str().unwrap().to_owned();
    for name in ["prod", one, two, three, &relative, &format!("sqlite://{one}")] {
        shell.run(&[name], "add user username=x email=y\ncommit").fails(1).stderr_has("open for reading only");
        shell
            .run(&[":memory:"], format!(".open {name}\n.sql delete from posts;\n"))
            .fails(1)
            .stderr_has("reading only");
        shell.run(&[":memory:"], format!(".open {name}\n.reset\n")).fails(1).stderr_has("is protected");
    }
    // As the target of a copy, too.
    let other = shell.path().join("other.db");
    std::fs::copy(&path, &other).unwrap();
    let other = other.to_str().unwrap();
    shell.run(&[other], "add user username=x email=y\ncommit").ok();
    for name in ["prod", one, three] {
        shell.run(&[other], format!(".copy-to {name} users")).fails(1).stderr_has("reading only");
    }
    shell.run(&[one, "-c", "count users"], "").ok().stdout("2\n");
    // The file of the default database is no exception.
    shell.script("add user username=x email=y\ncommit").fails(1).stderr_has("open for reading only");
}

#[cfg(feature = "postgres")]
#[test]
fn flags_belong_to_the_server_and_its_database() {
    both(|| {
        if !on_postgres() {
            return;
        }
        let shell = Shell::new();
        table(&shell);
        let url = shell.url().unwrap();
        let other = format!("{url}&application_name=x");
        configure(&shell, &format!("[connections.prod]\nurl = {url:?}\nread_only = true\nprotected = true\n"));
        shell.script(format!(".open {other}\n.sql delete from item;")).fails(1).stderr_has("reading only");
        shell.script(format!(".open {other}\n.reset")).fails(1).stderr_has("is protected");
        shell.script("count items").ok().stdout("2\n");
    });
}

#[test]
fn one_migration_of_a_protected_database_is_taken_back_by_a_person() {
    use expectrl::{Expect as _, Regex, Session};
    let shell = Shell::seeded();
    let url = shell.database().display().to_string();
    configure(&shell, &format!("[connections.prod]\nurl = {url:?}\nprotected = true\n"));
    shell
        .run(&["prod", "db", "downgrade"], "")
        .fails(1)
        .stderr_has("is protected")
        .stderr_has("one migration at a time");
    shell.run(&["prod", "db", "downgrade", "base"], "").fails(1).stderr_has("is protected");
    shell.run(&["prod", "db", "downgrade", "base", "--sql"], "").ok();
    shell.script("count users").ok().stdout("2\n");
    let mut command = shell.command();
    command.args(["prod", "db", "downgrade"]).env("TERM", "dumb");
    let mut terminal = Session::spawn(command).unwrap();
    terminal.set_expect_timeout(Some(std::time::Duration::from_secs(30)));
    terminal.expect(Regex("is protected. Revert .*What its down.sql drops is gone")).unwrap();
    terminal.send_line("n").unwrap();
    terminal.expect(Regex("nothing was reverted")).unwrap();
    terminal.expect(expectrl::Eof).unwrap();
}
