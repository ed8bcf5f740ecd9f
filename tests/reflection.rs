//! Databases that nobody designed for this shell.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;

/// A SQLite database made by SQL, and the shell on it.
fn sqlite(sql: &[&str]) -> Shell {
    let shell = Shell::new();
    let script: String = sql.iter().map(|statement| format!(".sql {statement};\n")).collect();
    shell.run(&["x.db", "--create"], script + "commit\n").ok();
    shell.with("x.db").with("--mode=csv")
}

#[test]
fn sqlite_tables_of_every_kind_are_models() {
    let shell = sqlite(&[
        "create table Artist (ArtistId integer primary key, Name text)",
        "create table Album (AlbumId integer primary key, Title text not null, ArtistId int not null references Artist (ArtistId))",
        "create table PlaylistTrack (PlaylistId int, TrackId int, primary key (PlaylistId, TrackId))",
        "create table country (code text primary key, name text not null unique) without rowid",
        "create table \"Order Details\" (\"Order ID\" integer primary key, \"select\" text)",
        "create table log (line text)",
        "create table gen (a int, b int generated always as (a * 2) stored, id integer primary key)",
        "create table tree (id integer primary key, parent_id int references tree)",
        "create table game (id integer primary key, home_id int references Artist, away_id int references Artist)",
        "create view albums_of as select Title, Name from Album join Artist using (ArtistId)",
        "create view broken as select x from nowhere",
        "insert into Artist values (1, 'AC/DC')",
        "insert into Album values (1, 'Let There Be Rock', 1)",
        "insert into PlaylistTrack values (1, 3402)",
        "insert into country values ('de', 'Germany')",
        "insert into \"Order Details\" values (1, 'x')",
        "insert into log values ('a')",
        "insert into gen (a) values (4)",
        "insert into tree values (1, null), (2, 1)",
        "insert into game values (1, 1, null)",
    ]);
    for (command, expected) in [
        ("artist 1 albums show title", "title\nLet There Be Rock\n"),
        ("list albums where artist.name = 'AC/DC' show artist.name", "artist.name\nAC/DC\n"),
        ("get playlist_track (1, 3402)", "PlaylistId,TrackId\n1,3402\n"),
        ("country de", "code,name\nde,Germany\n"),
        ("list `Order Details` show select", "select\nx\n"),
        ("list order_details where `Order ID` = 1 show `select`", "select\nx\n"),
        ("list logs", "line\na\n"),
        ("gen 1", "a,b,id\n4,8,1\n"),
        ("tree 2 parent show id", "id\n1\n"),
        ("tree 1 trees show id", "id\n2\n"),
        ("artist 1 games_by_home show id", "id\n1\n"),
        ("list albums_of", "Title,Name\nLet There Be Rock,AC/DC\n"),
        ("add country code=fr name=France; commit; count countries", "count\n2\n"),
    ] {
        let run = shell.script(command);
        assert_eq!((run.status, run.stdout.as_str()), (0, expected), "{command}\n{}", run.stderr);
    }
    shell.script("delete log where line = a").fails(1);
    shell.script("delete logs where line = a").fails(1).stderr_has("has no primary key");
    shell.script("set albums_of Title=x").fails(1).stderr_has("is a view");
    shell.script("set gen 1 b=3").fails(1).stderr_has("computed by the database");
    shell.script("get playlist_track 1").fails(1).stderr_has("the key of playlist_track is (PlaylistId, TrackId)");
    shell.script("add album title=x artist=9").fails(1).stderr_has("there is no artist 9");
}

#[test]
fn dirty_data_is_shown_as_it_is() {
    let shell = sqlite(&[
        "pragma foreign_keys = off",
        "create table a (id integer primary key, n int, b bool, d date)",
        "create table c (id integer primary key, a_id int references a)",
        "insert into a values (1, 'not a number', 7, 'someday'), (2, x'00ff', null, 12), (3, 1.5, 1, '2026-11-21')",
        "insert into c values (1, 99)",
        "insert into a (id, n) values (4, cast(x'ff41' as text))",
    ]);
    let run = shell.script("list a").ok();
    assert_eq!(run.stdout, "id,n,b,d\n1,not a number,7,someday\n2,x'00ff',,12\n3,1.5,true,2026-11-21\n4,\u{fffd}A,,\n");
    shell.script("list c show id, a.n").ok().stdout("id,a.n\n1,\n");
    shell.script("c 1 a").ok().stdout_has("id,n,b,d\n");
    shell.script("list c with a").fails(1).stderr_has("csv cannot show records under records");
}

#[test]
fn a_hundred_columns() {
    let columns: Vec<String> = (0..100).map(|n| format!("c{n} int")).collect();
    let shell = sqlite(&[
        &format!("create table wide (id integer primary key, {})", columns.join(", ")),
        "insert into wide (id, c99) values (1, 7)",
    ]);
    shell.script("wide 1 show c99").ok().stdout("c99\n7\n");
    let run = shell.script("list wide").ok();
    assert_eq!(run.stdout.lines().next().unwrap().split(',').count(), 101);
}

#[test]
fn a_change_of_schema_by_another_program_is_noticed() {
    let shell = sqlite(&["create table a (id integer primary key)"]);
    let mut child = shell
        .command()
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::Write::write_all(&mut stdin, b".mode list\ncount a\n").unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    shell
        .script(".sql create table later (id integer primary key);\n.sql alter table a add column x int;\ncommit")
        .ok();
    std::io::Write::write_all(&mut stdin, b"count later\nadd a x=1\nlist a show x\nrollback\n").unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stdout, &mut rest).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((line.as_str(), rest.as_str()), ("0\n", "0\n1\n"), "{stderr}");
    assert!(stderr.contains("the schema was changed by another program"), "{stderr}");
    shell.script(".sql create table again (id int);\ncount again\n.reload\ncommit").ok().stderr_has("models");
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::Shell;
    use super::common::{both, on_postgres};

    /// On PostgreSQL only, where there is one.
    fn there(test: impl Fn(Shell)) {
        both(|| {
            if on_postgres() {
                test(Shell::new().with("--mode=csv"));
            }
        });
    }

    #[test]
    fn every_type_is_shown_filtered_and_set() {
        there(|shell| {
            shell
                .script(
                    ".sql create type mood as enum ('sad', 'ok', 'happy')\n\
                     .sql create domain posint as int check (value > 0)\n\
                     .sql create table people (id int generated always as identity primary key, name text unique not null, \
                      m mood default 'ok', tags text[], data jsonb, js json, u uuid, price numeric(10,2), raw bytea, \
                      span interval, at timestamptz, d date, t time, ok bool not null default true, p posint, pt point, \
                      x xml, r real, full_name text generated always as (name || '!') stored, boss_id int references people, \
                      net inet, rng int4range, small smallint, big bigint);\n\
                     add people name=ann m=happy tags='{a,\"b c\"}' data='{\"x\": [1, 2]}' js='{\"a\":1}' \
                      u=52e8ce07-1c3a-4897-9ccf-7841ca980947 price=12.50 raw=x'00ff' span='1 day 02:00' \
                      at='2026-11-21 10:03:00+02' d=2026-11-21 t=10:03 p=5 pt='(1,2)' x='<a/>' r=1.1 net='10.0.0.1/8' \
                      rng='[1,5)' small=3 big=9007199254740993\n\
                     commit",
                )
                .ok();
            for (field, value) in [
                ("m", "happy"),
                ("tags", "{a,\"b c\"}"),
                ("data", "{\"x\": [1, 2]}"),
                ("js", "{\"a\":1}"),
                ("u", "52e8ce07-1c3a-4897-9ccf-7841ca980947"),
                ("price", "12.50"),
                ("raw", "x'00ff'"),
                ("span", "1 day 02:00:00"),
                ("at", "2026-11-21 08:03:00+00"),
                ("d", "2026-11-21"),
                ("t", "10:03:00"),
                ("ok", "true"),
                ("p", "5"),
                ("pt", "(1,2)"),
                ("x", "<a/>"),
                ("r", "1.1"),
                ("full_name", "ann!"),
                ("net", "10.0.0.1/8"),
                ("rng", "[1,5)"),
                ("small", "3"),
                ("big", "9007199254740993"),
            ] {
                let shown = shell.script(format!("list people format '{{{field}}}'")).ok().stdout;
                assert_eq!(shown, format!("{value}\n"), "{field}");
                // Set to what it is: no change, and a conflict check that compares what was read.
                if !matches!(field, "full_name") {
                    let quoted =
                        if field == "raw" { value.to_owned() } else { format!("'{}'", value.replace('\'', "''")) };
                    shell.script(format!("set people ann {field}={quoted}\ncommit")).ok();
                    shell.script(format!("set people ann {field}=null\nrollback")).run_ok_or(&["ok"], field);
                }
                if !matches!(field, "js" | "pt" | "x" | "raw" | "r") {
                    let quoted = value.replace('\'', "''");
                    shell.script(format!("count people where {field} = '{quoted}'")).ok().stdout("count\n1\n");
                }
            }
            shell.script("set people ann js='{\"b\":2}' pt='(3,4)' x='<b/>' m=sad\ncommit").ok();
            shell.script("list people format '{js} {pt} {x} {m}'").ok().stdout("{\"b\":2} (3,4) <b/> sad\n");
            shell.script("set people ann m=angry").fails(3);
            shell.script("set people ann m=angry\ncommit").fails(1).stderr_has("invalid input value for enum mood");
            // Only the database numbers them, unless a key is brought along.
            shell.script("add people name=bob id=7\ncommit\npeople 7 show name\ndelete people 7\ncommit").ok();
            shell.script("list people where m ilike 'SA%' show name").ok().stdout("name\nann\n");
            shell.script("delete people ann\ncommit").ok();
            shell
                .script(".sql select '{1,2}'::int[] as a, '(1,2)'::point as p")
                .ok()
                .stdout("a,p\n\"{1,2}\",\"(1,2)\"\n");
        });
    }

    #[test]
    fn schemas_partitions_identities_and_links() {
        there(|shell| {
            shell
                .script(
                    ".sql create schema other\n\
                     .sql create table people (id serial primary key, name text)\n\
                     .sql create table other.people (id bigserial primary key, label text)\n\
                     .sql create table parted (id int not null, k text not null, primary key (id, k)) partition by list (k)\n\
                     .sql create table parted_a partition of parted for values in ('a')\n\
                     .sql create table byd (id int generated by default as identity primary key, n int)\n\
                     .sql create table \"Order Details\" (\"Order ID\" int, \"select\" int, primary key (\"Order ID\", \"select\"))\n\
                     .sql create table students (id serial primary key, name text)\n\
                     .sql create table courses (id serial primary key, title text)\n\
                     .sql create table enrolment (student_id int references students on delete cascade, \
                      course_id int references courses, primary key (student_id, course_id))\n\
                     .sql create view names as select name from people\n\
                     .sql create materialized view mv as select 1 as n\n\
                     .sql create table gone (a int, b int, c int unique)\n\
                     .sql alter table gone drop column b;\ncommit",
                )
                .ok();
            for (command, expected) in [
                ("add people name=ann; add other.people label=x; commit; list other.people", "id,label\n1,x\n"),
                ("list people", "id,name\n1,ann\n"),
                ("add parted id=1 k=a; commit; list parted", "id,k\n1,a\n"),
                ("add byd id=77 n=1; add byd n=2; commit; list byds show id", "id\n1\n77\n"),
                (
                    "add `Order Details` `Order ID`=1 select=2; commit; get `Order Details` (1, 2)",
                    "Order ID,select\n1,2\n",
                ),
                (
                    "add student name=s; add course title=c; commit; add enrolment student=1 course=1; commit; student 1 courses show title",
                    "title\nc\n",
                ),
                ("list students where courses.title = c show name", "name\ns\n"),
                ("delete student 1; commit; count enrolments", "count\n0\n"),
                ("list names", "name\nann\n"),
                ("list mv", "n\n1\n"),
                ("list gone", "a,c\n"),
            ] {
                let run = shell.script(command);
                assert_eq!((run.status, run.stdout.as_str()), (0, expected), "{command}\n{}", run.stderr);
            }
        });
    }

    #[test]
    fn a_lost_connection_is_made_again_and_nothing_is_lost() {
        there(|shell| {
            shell.script("add user username=john email=j@x\ncommit").ok();
            // A script kills its own backend from inside; what is staged is sent again.
            let kill = ".sql select pg_terminate_backend(pg_backend_pid());";
            let run = shell.run(
                &["--on-error", "continue"],
                format!("add user username=zoe email=z@x\n{kill}\ncommit\ncount users\n"),
            );
            assert!(run.stderr.contains("committed: 1 added"), "{run:?}");
            assert!(run.stdout.ends_with("count\n2\n"), "{run:?}");
        });
    }

    /// A trigger that does something the first time a commit comes by.
    fn once(shell: &Shell, what: &str) {
        shell
            .script(format!(
                ".sql create sequence once\n\
                 .sql create function trouble() returns trigger language plpgsql as $$ begin \
                  if nextval('once') = 1 then {what}; end if; return null; end $$\n\
                 .sql create constraint trigger trouble after insert on users deferrable initially deferred \
                  for each row execute function trouble();\ncommit"
            ))
            .ok();
    }

    #[test]
    fn a_backend_that_dies_during_commit_commits_once() {
        there(|shell| {
            once(&shell, "perform pg_terminate_backend(pg_backend_pid())");
            let run = shell.script("add user username=zoe email=z@x\ncommit\ncount users").ok();
            assert_eq!(run.stdout, "count\n1\n", "{run:?}");
            assert!(run.stderr.contains("committed: 1 added"), "{run:?}");
        });
    }

    #[test]
    fn serialization_failures_and_deadlocks_are_tried_again() {
        for code in ["40001", "40P01"] {
            there(|shell| {
                once(&shell, &format!("raise exception 'deadlock detected' using errcode = '{code}'"));
                shell
                    .script("add user username=zoe email=z@x\nadd post body=x author=zoe\ncommit\ncount posts")
                    .ok()
                    .stdout("count\n1\n");
            });
        }
    }

    #[test]
    fn passwords_are_never_shown() {
        let shell = Shell::new();
        let run = shell.run(&["postgres://u:s3cretword@127.0.0.1:1/d", "-c", "count users"], "").fails(2);
        assert!(!run.stderr.contains("s3cretword") && !run.stdout.contains("s3cretword"), "{}", run.stderr);
        assert!(run.stderr.contains("cannot connect"), "{}", run.stderr);
    }
}

#[test]
fn an_unknown_scheme_names_those_there_are() {
    Shell::new().run(&["mysql://h/d", "-c", "count users"], "").fails(2).stderr_has("postgres://");
}

#[test]
fn ctrl_c_stops_a_query_within_200_milliseconds() {
    common::both(|| {
        let shell = Shell::seeded();
        let slow = if common::on_postgres() {
            ".sql select count(*) from generate_series(1, 10000000000);"
        } else {
            ".sql with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n;"
        };
        let mut child = shell
            .command()
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::Write::write_all(&mut stdin, b"count users\n").unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
        std::io::Write::write_all(&mut stdin, format!("{slow}\n").as_bytes()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(300));
        let start = std::time::Instant::now();
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(130));
        assert!(start.elapsed() < std::time::Duration::from_millis(1_500), "{:?}", start.elapsed());
    });
}
