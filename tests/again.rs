//! Commands that run again: their connection was lost under way, and nothing was written.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(unix, feature = "postgres"))]

mod common;

use common::Shell as Process;
use common::cluster::{Cluster, over_tcp};
use common::observer::script;
use common::proxy::{Fault, Moment, Proxy};
use diesel_shell::{ErrorKind, Shell};
use expectrl::{Eof, Expect as _, Session};
use std::fmt::Write as _;
use std::time::Duration;

const TABLES: &str = "create table items (id serial primary key, name text unique not null, price numeric(10,2)); \
    insert into items (name) values ('one'), ('two'), ('three')";

fn place() -> Option<(Cluster, Proxy, String)> {
    let cluster = Cluster::new()?;
    cluster.sql("postgres", TABLES);
    let proxy = Proxy::to(cluster.port());
    let url = over_tcp(proxy.port(), "postgres");
    Some((cluster, proxy, url))
}

#[test]
fn what_reads_or_stages_runs_again() {
    let Some((cluster, proxy, url)) = place() else { return };
    let mut shell = Shell::builder().database(&url).build().unwrap();
    let commands = [
        "list items",
        "items where name like 't%'",
        "item 1",
        "count items",
        "let i = item 1",
        ".sql select * from items;",
        ".explain list items",
        "add items name=four",
        "set item four price=1.5",
        "delete item 2",
        "list items",
        "diff",
        "undo",
        "commit --dry-run",
    ];
    for command in commands {
        for moment in [Moment::Before, Moment::At, Moment::After] {
            let mut skip = 0;
            loop {
                let before = proxy.fired();
                proxy.fault(Fault::at("", moment).skipping(skip));
                let staged = shell.session().staged();
                let done = shell.execute(command);
                let fired = proxy.fired() > before;
                proxy.calm();
                assert!(done.is_ok(), "{command} {moment:?} at {skip}: {done:?}");
                if shell.session().staged() > staged && command != "undo" {
                    assert_eq!(shell.session().staged(), staged + 1, "{command}");
                    // The next try stages the same.
                    shell.execute("undo").unwrap();
                }
                if command == "undo" && shell.session().staged() < staged {
                    shell.execute("redo").unwrap();
                }
                if !fired {
                    break;
                }
                skip += 1;
            }
        }
        shell.execute(command).unwrap();
    }
    shell.execute("commit").unwrap();
    let found = cluster.sql("postgres", "select string_agg(name || coalesce(price, 0), ' ' order by id) from items");
    // The deletion was undone.
    assert_eq!(found, "one0 two0 three0 four1.50");
}

#[test]
fn what_was_shown_in_part_is_not_shown_again() {
    let Some((cluster, proxy, url)) = place() else { return };
    cluster.sql(
        "postgres",
        "insert into items (name) select 'n' || repeat('x', 1000) || i from generate_series(1, 5000) as i",
    );
    let mut shell = Shell::builder().database(&url).build().unwrap();
    // Somewhere behind the first rows the server ends.
    proxy.fault(Fault::at("select", Moment::Never).doing({
        let url = cluster.url("postgres");
        move || {
            std::thread::spawn({
                let url = url.clone();
                move || {
                    let mut killer = Shell::builder().database(url).build().unwrap();
                    std::thread::sleep(Duration::from_millis(50));
                    let others = ".sql select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend';";
                    killer.execute(others).unwrap();
                }
            });
        }
    }));
    let error = shell.execute(".sql select name, pg_sleep(0.001) from items;").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connection, "{error:?}");
    assert!(error.hints.iter().any(|hint| hint.contains("part of its result was shown")), "{error:?}");
    shell.execute("count items").unwrap();
}

/// The command at its prompt, in a terminal.
fn at_a_prompt(process: &Process, url: &str) -> expectrl::session::OsSession {
    let mut command = process.command();
    command.arg(url).env("TERM", "xterm");
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(30)));
    session.expect("> ").unwrap();
    session
}

#[test]
fn lines_that_arrive_together_are_staged_though_their_connection_dies() {
    let Some((cluster, proxy, url)) = place() else { return };
    for (round, statement) in ["insert", "select", "begin", "savepoint"].into_iter().enumerate() {
        let process = Process::empty();
        let mut session = at_a_prompt(&process, &url);
        let mut lines = String::new();
        for at in 0..300 {
            writeln!(lines, "add item name=p{round}n{at} price=1").unwrap();
        }
        lines.push_str("count items\n");
        for at in 0..300 {
            writeln!(lines, "set item p{round}n{at} price=2.5").unwrap();
        }
        proxy.fault(Fault::at(statement, Moment::Never).skipping(round % 2).doing({
            let pid = format!(
                "select count(pg_terminate_backend(pid, 2000)) from pg_stat_activity where application_name = 'diesel-shell' \
                 and '{round}' <> ''"
            );
            let url = cluster.url("postgres");
            move || {
                let psql = common::cluster::binaries().unwrap().join("psql");
                assert!(std::process::Command::new(psql).args(["-X", "-c", &pid, &url]).output().unwrap().status.success());
            }
        }));
        std::fs::write(process.path().join("lines.dsh"), lines).unwrap();
        session.send_line(".read lines.dsh").unwrap();
        if session.expect("it has been made again").is_err() {
            let mut seen = vec![0; 65536];
            let n = session.try_read(&mut seen).unwrap_or(0);
            let seen = String::from_utf8_lossy(&seen[..n]).into_owned();
            panic!("{statement} fired {}: {}", proxy.fired(), &seen[seen.len().saturating_sub(700)..]);
        }
        session.expect("staged: 300 added, 300 changed (600 changes; commit to write)").unwrap();
        session.send_line("commit").unwrap();
        session.expect("committed: 300 added").unwrap();
        session.send_line(".quit").unwrap();
        session.expect(Eof).unwrap();
        let there = format!("select count(*) from items where name like 'p{round}n%' and price = 2.5");
        assert_eq!(cluster.sql("postgres", &there), "300", "{statement}");
    }
}

#[test]
fn a_script_runs_again_from_where_its_transaction_began() {
    let Some((cluster, proxy, url)) = place() else { return };
    let lines = [
        "let first = item 1",
        "add item name=new price=$first.id",
        "set item one price=1",
        "let how = count items",
        ".sql update items set price = coalesce(price, 0) + 1 where name = 'two';",
        "add item name=other price=$how",
        "set item new price=$how",
        "let first = item 2",
        "commit",
    ];
    let text = lines.join("\n");
    for moment in [Moment::Before, Moment::After] {
        let mut skip = 0;
        loop {
            cluster.sql("postgres", "delete from items where id > 3; update items set price = null");
            // Not while it starts, nor COMMIT itself.
            proxy.fault(Fault::at("", moment).skipping(20 + skip));
            let before = proxy.fired();
            let (status, said) = script(&url, &text);
            let fired = proxy.fired() > before;
            proxy.calm();
            assert_eq!(status, 0, "{moment:?} {skip}: {said}");
            let sql = "select string_agg(name || coalesce(price, 0), ' ' order by name) from items";
            let found = cluster.sql("postgres", sql);
            assert_eq!(found, "new4.00 one1.00 other4.00 three0 two1.00", "{moment:?} {skip}: {said}");
            if !fired {
                break;
            }
            skip += 1;
        }
        assert!(skip > 5, "{skip}");
    }
}

#[test]
fn while_a_server_is_waited_for_the_screen_stays_whole() {
    let Some((_cluster, proxy, url)) = place() else { return };
    let process = Process::empty();
    let mut session = at_a_prompt(&process, &url);
    proxy.refuse(100_000);
    proxy.cut();
    session.send_line("count items").unwrap();
    let told = session.expect("waiting up to").unwrap();
    let told = String::from_utf8_lossy(told.before()).into_owned();
    assert!(told.contains("unexpectedly This probably means"), "{told}");
    // Long enough for something to be drawn between the tries.
    std::thread::sleep(Duration::from_secs(3));
    proxy.refuse(0);
    let seen = session.expect("it has been made again").unwrap();
    let seen = String::from_utf8_lossy(seen.before()).into_owned();
    assert!(seen.contains("Ctrl-C stops it") && !seen.contains("\\u{1b}"), "{seen}");
    session.expect("3\r\n").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}
