//! Many scripts at once on the same rows, at the isolation levels at which the database undoes transactions: nothing is
//! lost or doubled, and nothing is refused that another try could do.
//!
//! `LOADS=1000 cargo test --test loads` runs as many.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(unix, feature = "postgres"))]

mod common;

use common::cluster::Setup;
use common::observer::{Observer, Random, script};
use diesel_shell::Shell;

const LEVELS: [&str; 2] = ["serializable", "repeatable read"];

/// How many scripts run at once.
const WRITERS: usize = 4;

const TABLES: &str = "create table accounts (id int primary key, total int not null default 0, owner text); \
    create table entries (id serial primary key, account int not null, writer text not null, before int not null)";

fn loads() -> usize {
    std::env::var("LOADS").ok().and_then(|text| text.parse().ok()).unwrap_or(180)
}

/// A URL of a cluster's database at an isolation level.
fn at(url: &str, level: &str) -> String {
    format!("{url}&options=-c%20default_transaction_isolation%3D{}", level.replace(' ', "%5C%20"))
}

/// Two accounts, one after the other, with what was read of them in between.
fn transfer(writer: &str, first: usize, second: usize) -> String {
    format!(
        ".sql update accounts set total = total + 1 where id = {first};\n\
         let n = count entries where account = {second}\n\
         add entry account={second} writer={writer} before=$n\n\
         set account {first} owner={writer}\n\
         .sql update accounts set total = total + 1 where id = {second};\n\
         commit\n"
    )
}

#[test]
fn all_scripts_get_through() {
    // On several servers at once: most of the time is spent waiting.
    let servers = 3;
    std::thread::scope(|scope| {
        for seed in 0..servers {
            scope.spawn(move || loaded(seed, loads().div_ceil(servers as usize)));
        }
    });
}

fn loaded(seed: u64, loads: usize) {
    let Some(cluster) = Setup::default().setting("deadlock_timeout", "10ms").start() else { return };
    cluster.sql("postgres", TABLES);
    cluster.sql("postgres", "insert into accounts (id) select generate_series(1, 3)");
    let (mut observer, mut random) = (Observer::new(&cluster), Random::new(seed + 1));
    for load in 0..loads {
        let level = LEVELS[load % LEVELS.len()];
        let url = at(&cluster.url("postgres"), level);
        observer.run("delete from entries");
        observer.run("update accounts set total = 0, owner = null");
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let first = 1 + random.below(3);
                let second = 1 + (first + random.below(2)) % 3;
                let (url, text) = (url.clone(), transfer(&format!("w{writer}"), first, second).repeat(2));
                scope.spawn(move || {
                    let (status, said) = script(&url, &text);
                    assert_eq!(status, 0, "{level}: {said}");
                });
            }
        });
        let done =
            observer.ask("select sum(total)::text || ' ' || (select count(*) from entries) as text from accounts");
        assert_eq!(done, format!("{} {}", WRITERS * 4, WRITERS * 2), "{level}");
        if level == "serializable" {
            // As if one after the other: each has found as many as were there before it.
            let seen = observer.ask(
                "select count(*)::text as text from (select account, before from entries group by 1, 2 having count(*) > 1) as t",
            );
            assert_eq!(seen, "0", "two found the same");
        }
    }
    let undone = observer.ask("select deadlocks::text as text from pg_stat_database where datname = 'postgres'");
    assert_ne!(undone, "0", "there was no deadlock");
}

#[test]
fn forty_serializable_scripts_get_through() {
    let setup = Setup::default().setting("max_connections", "60").setting("deadlock_timeout", "50ms");
    let Some(cluster) = setup.start() else { return };
    cluster.sql("postgres", TABLES);
    cluster.sql("postgres", "insert into accounts (id) select generate_series(1, 3)");
    let url = at(&cluster.url("postgres"), "serializable");
    std::thread::scope(|scope| {
        for writer in 0..40 {
            let url = url.clone();
            scope.spawn(move || {
                let text = transfer(&format!("w{writer}"), 1 + writer % 3, 1 + (writer + 1) % 3);
                let (status, said) = script(&url, &text);
                let undone =
                    status == 1 && said.contains("nothing of its transaction was written: 1 added, 1 changed, ");
                assert!(status == 0 || undone, "{said}");
                status
            });
        }
    });
    let done = cluster.sql("postgres", "select sum(total) = 2 * (select count(*) from entries) from accounts");
    assert_eq!(done, "t");
    // All of them did, if the machine was not too slow for a minute of tries.
    assert_eq!(cluster.sql("postgres", "select count(*) from entries"), "40");
}

#[test]
fn a_script_that_has_shown_what_it_read_says_why_it_does_not_run_again() {
    let Some(cluster) = Setup::default().start() else { return };
    cluster.sql("postgres", TABLES);
    cluster.sql("postgres", "insert into accounts (id) select generate_series(1, 3)");
    let (mut observer, url) = (Observer::new(&cluster), at(&cluster.url("postgres"), "repeatable read"));
    let mine = ".sql update accounts set total = 1 where id = 1;\n";
    let theirs = format!("{mine}accounts where id = 1\n");
    let their_write = "update accounts set total = total + 10 where id = 2";
    for (text, shown) in [(mine, false), (&theirs, true)] {
        let (read, mut write) = std::io::pipe().unwrap();
        let script = std::thread::spawn({
            let url = url.clone();
            move || {
                let said = common::observer::Said::default();
                let mut shell =
                    Shell::builder().database(url).output(said.clone()).messages(said.clone()).build().unwrap();
                (shell.script(read).unwrap().code(), said.text())
            }
        });
        std::io::Write::write_all(&mut write, text.as_bytes()).unwrap();
        let open = "select count(*)::text as text from pg_stat_activity where state = 'idle in transaction'";
        while observer.ask(open) != "1" {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        observer.run(their_write);
        std::io::Write::write_all(&mut write, b".sql update accounts set total = total + 1 where id = 2;\ncommit\n")
            .unwrap();
        drop(write);
        let (status, said) = script.join().unwrap();
        let total = observer.ask("select total::text as text from accounts where id = 2");
        if shown {
            assert_eq!((status, total.as_str()), (1, "21"), "{said}");
            assert!(said.contains("could not serialize access") && said.contains("was not run again"), "{said}");
            assert!(said.contains("line 2 (`accounts where id = 1`) has shown what it read"), "{said}");
        } else {
            assert_eq!((status, total.as_str()), (0, "11"), "{said}");
        }
    }
}
