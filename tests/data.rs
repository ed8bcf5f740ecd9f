//! Data in and out: import, export, dump, copies between databases, other programs.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both, on_postgres};
use proptest::prelude::*;

fn write(shell: &Shell, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(shell.path().join(name), text).unwrap();
}

#[test]
fn small_files_are_staged_with_natural_keys_and_defaults() {
    both(|| {
        let shell = Shell::seeded();
        write(&shell, "users.csv", "username,email\nann,a@x\n\"b, ob\",\"b\"\"x\"\n");
        write(&shell, "posts.tsv", "body\tauthor\ntab\\there\tann\nx\tb, ob\n");
        write(
            &shell,
            "posts.jsonl",
            "{\"body\":\"j1\",\"author\":\"ann\"}\n\n{\"author\":\"john\",\"body\":\"j2\",\"timestamp\":\"2020-01-02 03:04\"}\n",
        );
        write(&shell, "posts.json", "[{\"body\":\"k1\",\"user_id\":1},{\"body\":\"k2\",\"author\":\"susan\"}]");
        shell
            .script(
                ".import users.csv user\n.import posts.tsv post\n.import posts.jsonl post\n.import posts.json post\ncommit\n\
                 .mode csv\nlist posts where id > 2 order by body show body, author.username, timestamp",
            )
            .ok()
            .stdout(
                "body,author.username,timestamp\n\
                 j1,ann,2026-11-21 10:03:00\n\
                 j2,john,2020-01-02 03:04:00\n\
                 k1,john,2026-11-21 10:03:00\n\
                 k2,susan,2026-11-21 10:03:00\n\
                 tab\there,ann,2026-11-21 10:03:00\n\
                 x,\"b, ob\",2026-11-21 10:03:00\n",
            )
            .stderr_has("staged: 2 added (1 change; commit to write)");
        // One command, one undo.
        shell
            .script(".import users.csv user --columns username,email --on-conflict skip\nundo\nstatus")
            .ok()
            .stdout("nothing is staged\n");
    });
}

#[test]
fn rows_that_are_there_are_skipped_updated_or_refused() {
    both(|| {
        let shell = Shell::seeded();
        write(&shell, "u.csv", "username,email\njohn,new@x\nzoe,z@x\n");
        shell.script(".import u.csv user\ncommit").fails(1).stderr_has("username 'john' is taken by user 1");
        shell.script(".import u.csv user --on-conflict skip\ncommit").ok().stderr_has("1 added, 1 skipped");
        shell.script(".import u.csv user --on-conflict update\ncommit").ok().stderr_has("1 updated, 1 skipped");
        shell.script(".mode csv\nuser john show email").ok().stdout("email\nnew@x\n");
    });
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line() {
    let shell = Shell::seeded();
    for (name, text, message) in [
        ("a.csv", &b"username,email\na,b\nc\n"[..], "a.csv:3: 1 values, but 2 columns"),
        ("b.csv", b"usrname,email\n", "did you mean `username`?"),
        ("c.csv", b"username,email\n\xff,b\n", "c.csv:2: value 1 is not UTF-8 text"),
        ("d.csv", b"body,author\nx,nobody\n", "d.csv:2: author: there is no user 'nobody'"),
        ("e.jsonl", b"{\"body\":\"x\"}\nnot json\n", "e.jsonl:"),
        ("f.json", b"[{\"body\":\"x\",\"author\":1},", "f.json:1:"),
        ("g.csv", b"body,author,timestamp\nx,john,soon\n", "g.csv:2: timestamp: that is not a value of type timestamp"),
        ("h.xml", b"", "does not say what it holds"),
    ] {
        write(&shell, name, text);
        let model = if matches!(name, "d.csv" | "e.jsonl" | "f.json" | "g.csv") { "post" } else { "user" };
        shell.script(format!(".import {name} {model}")).fails(1).stderr_has(message);
    }
    shell.script("count users").ok().stdout("2\n");
}

#[test]
fn large_files_are_streamed_and_leave_nothing_behind_when_they_fail() {
    both(|| {
        let shell = Shell::seeded();
        let rows: String = (0..25_000).map(|n| format!("u{n},u{n}@x\n")).collect();
        write(&shell, "many.csv", format!("username,email\n{rows}"));
        shell
            .script(".import many.csv user")
            .ok()
            .stderr_has("imported and committed, in a transaction of its own: 25000 added");
        shell.script("count users").ok().stdout("25002\n");
        write(&shell, "bad.csv", format!("username,email\n{}john,x\n", rows.replace('u', "v")));
        shell.script(".import bad.csv user").fails(1);
        shell.script("count users").ok().stdout("25002\n");
        shell.script("add user username=a email=a\n.import bad.csv user").fails(1).stderr_has("changes are staged");
        shell.script(".import many.csv user --on-conflict skip").ok().stderr_has("25000 skipped");
    });
}

#[test]
fn exports_by_the_ending_of_the_name() {
    let shell = Shell::seeded();
    for (file, expected) in [
        ("u.csv", "id,username\n1,john\n2,susan\n"),
        ("u.tsv", "id\tusername\n1\tjohn\n2\tsusan\n"),
        ("u.json", "[{\"id\":1,\"username\":\"john\"},\n {\"id\":2,\"username\":\"susan\"}]\n"),
        ("u.jsonl", "{\"id\":1,\"username\":\"john\"}\n{\"id\":2,\"username\":\"susan\"}\n"),
        ("u.md", "| id | username |\n| ---: | --- |\n| 1 | john |\n| 2 | susan |\n"),
    ] {
        shell.script(format!(".export {file} list users show id, username\ncount users")).ok().stdout("2\n");
        assert_eq!(std::fs::read_to_string(shell.path().join(file)).unwrap(), expected, "{file}");
    }
    shell.script(".export u.csv delete users").fails(1).stderr_has("a command that reads");
    shell.script(".export u.csv list users show nothing").fails(1);
    let kept = std::fs::read_to_string(shell.path().join("u.csv")).unwrap();
    assert_eq!(kept, "id,username\n1,john\n2,susan\n", "a query that fails leaves the file as it was");
    assert!(!shell.path().join("u.csv.part").exists());
    shell.script(".export u.xyz list users").fails(1);
}

#[test]
fn results_go_to_other_programs() {
    let shell = Shell::seeded();
    let mut command = shell.command();
    command.env("PATH", std::env::var_os("PATH").unwrap()).args([
        "--mode",
        "csv",
        "-c",
        "list users show username | sort -r",
        "-c",
        "count users",
    ]);
    let output = command.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "username\nsusan\njohn\ncount\n2\n");
    shell.script("list users where username = 'a|b' show id\n.mode csv").ok();
    shell.script(".copy list users").fails(1).stderr_has("no terminal");
}

#[test]
fn a_dump_reads_back() {
    both(|| {
        let shell = Shell::seeded();
        shell.script("add user username='o''brien' email='two\nlines' password_hash=secret\nadd post body='\"q\" ; # --' author=1\ncommit").ok();
        let dump = shell.script(".dump").ok().stdout;
        let again = Shell::new();
        again.script(&dump).ok();
        for query in ["list users order by id", "list posts order by id"] {
            let read = |shell: &Shell| shell.script(format!(".mode json\n{query}")).ok().stdout;
            assert_eq!(read(&shell), read(&again), "{dump}");
        }
        let sql = shell.script(".dump --sql").ok().stdout;
        assert!(sql.starts_with("BEGIN;\n") && sql.contains("INSERT INTO \"users\""), "{sql}");
    });
}

#[test]
fn an_export_of_inserts_is_sql_that_reads_back() {
    both(|| {
        let shell = Shell::new();
        shell
            .script(
                ".sql create table things (id bigint primary key, \"odd \"\" name\" text, blob bytea, amount float, yes boolean);\n\
                 commit\n.reload\nadd thing id=1 `odd \" name`='it''s; -- \\ <b>\u{1b}[2J' blob=x'00ff' amount=0.1 yes=true\n\
                 add thing id=2 `odd \" name`=''\ncommit\n",
            )
            .ok();
        let read = || shell.script(".mode tsv\nlist things order by id").ok().stdout;
        let before = read();
        shell.script(".export a.sql list things").ok();
        let sql = std::fs::read_to_string(shell.path().join("a.sql")).unwrap();
        assert_eq!(
            sql.matches("INSERT INTO \"things\" (\"id\", \"odd \"\" name\", \"blob\", \"amount\", \"yes\") VALUES (")
                .count(),
            2
        );
        let statements: String = sql.lines().map(|line| format!(".sql {line}\n")).collect();
        shell.script(format!("delete things\n{statements}commit")).ok();
        assert_eq!(read(), before, "{sql}");
        // Some columns of one table are its own, others make no table.
        for (query, table) in [("things show id", "things"), ("posts show author.username", "table")] {
            let out = shell
                .script(format!(
                    "add user username=a email=b password_hash=c\nadd post body=x author=a\n.mode insert\nlist {query}"
                ))
                .fails(3)
                .stdout;
            assert!(out.starts_with(&format!("INSERT INTO \"{table}\" (\"")), "{out}");
        }
        shell.script(".mode insert\ncount things").ok().stdout("INSERT INTO \"table\" (\"count\") VALUES (2);\n");
        shell
            .script(".mode insert\nlist users with posts")
            .fails(1)
            .stderr_has("insert cannot show records under records");
        shell.script(".export a.xls list users").fails(1).stderr_has(".md, .html or .sql");
    });
}

#[test]
fn rows_go_to_another_database_with_what_they_refer_to() {
    both(|| {
        let here = Shell::seeded();
        here.run(&[], "add post body=third author=susan\ncommit").ok();
        let there = here.path().join("there.db");
        Shell::new().run(&[], "").ok();
        let target = there.display().to_string();
        // A SQLite database, whatever the source is.
        let plain = std::process::Command::new(env!("CARGO_BIN_EXE_diesel-shell"))
            .args([target.as_str(), "--create", "-q", "-c", "db upgrade"])
            .env("HOME", here.path())
            .output()
            .unwrap();
        assert!(plain.status.success());
        here.script(format!(".copy-to {target} posts where body like 'my%'")).ok().stderr_has("copied: 1 user, 1 post");
        here.script(format!(".copy-to {target} posts")).ok().stderr_has("copied: 1 user, 2 posts");
        here.script(format!(".copy-to {target} users")).ok().stderr_has("nothing: all is there");
        here.script(format!(
            ".open {target}\n.mode csv\nlist posts order by id show id, body, author.username, timestamp"
        ))
        .ok()
        .stdout(
            "id,body,author.username,timestamp\n\
             1,my first post!,john,2026-11-21 10:03:00\n\
             2,hello from susan,susan,2026-11-21 10:03:00\n\
             3,third,susan,2026-11-21 10:03:00\n",
        );
        if on_postgres() {
            // And back: from SQLite to PostgreSQL.
            let empty = Shell::new();
            let url = empty.url().unwrap();
            empty
                .script(format!(".open {target}\n.copy-to {url} posts\n.open {url}\ncount posts\ncount users"))
                .ok()
                .stdout("3\n2\n");
        }
    });
}

/// Values of every kind that a SQLite column may hold.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        // SQLite reads numbers of extreme size only nearly, whoever spells them.
        any::<i32>().prop_map(|n| format!("{:?}", f64::from(n) / 1_024.0 + 0.1)),
        "[a-zA-Z'\"`;#\\\\ \n\t${}()-]{0,12}".prop_map(|text| format!("'{}'", text.replace('\'', "''"))),
        proptest::collection::vec(any::<u8>(), 0..6)
            .prop_map(|bytes| format!("x'{}'", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn dumps_of_random_databases_read_back(
        rows in proptest::collection::vec((value(), value(), proptest::option::of(0_usize..8)), 0..8)
    ) {
        const SCHEMA: &str = ".sql create table item (id integer primary key, a, b, parent_id int references item)\n\
             .sql create table tag (name text primary key, item_id int references item);\ncommit\n";
        let shell = Shell::new();
        let mut script = String::from(SCHEMA);
        for (index, (a, b, _)) in rows.iter().enumerate() {
            script.push_str(&format!(".sql insert into item (id, a, b) values ({}, {a}, {b});\n", index + 1));
        }
        for (index, (_, _, parent)) in rows.iter().enumerate() {
            if let Some(parent) = parent.filter(|parent| *parent < rows.len()) {
                script.push_str(&format!(".sql update item set parent_id = {} where id = {};\n", parent + 1, index + 1));
                script.push_str(&format!(".sql insert into tag values ('t{index}', {});\n", index + 1));
            }
        }
        shell.run(&["one.db", "--create", "-q"], script + "commit\n").ok();
        let everything = "select id, typeof(a), quote(a), typeof(b), quote(b), parent_id from item order by id";
        let read = |name: &str| {
            let items = shell.run(&[name, "-q", "--mode", "csv"], format!(".sql {everything};\nlist tags order by name")).ok();
            items.stdout
        };
        for (flag, copy) in [("", "two.db"), (" --sql", "three.db")] {
            let dump = shell.run(&["one.db", "-q", "-c", &format!(".dump{flag}")], "").ok().stdout;
            shell.run(&[copy, "--create", "-q"], SCHEMA).ok();
            if flag.is_empty() {
                let run = shell.run(&[copy, "-q"], &dump);
                prop_assert_eq!(run.status, 0, "{}\n{}", dump, run.stderr);
            } else {
                let path = shell.path().join("dump.sql");
                std::fs::write(&path, &dump).unwrap();
                let database = shell.path().join(copy);
                let fed = std::process::Command::new("sqlite3").arg(&database).stdin(std::fs::File::open(&path).unwrap()).status();
                match fed {
                    Ok(status) => prop_assert!(status.success(), "{}", dump),
                    // Without sqlite3's shell there is nothing else that reads SQL.
                    Err(_) => continue,
                }
            }
            prop_assert_eq!(read("one.db"), read(copy), "{}", dump);
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(shell.path().join(format!("{copy}{suffix}")));
            }
        }
    }
}
