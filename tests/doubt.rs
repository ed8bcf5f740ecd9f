//! A COMMIT whose answer is lost is sent once: what is in doubt is looked up before anything is sent again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(unix, feature = "postgres"))]

mod common;

use common::Shell as Process;
use common::cluster::{Cluster, over_tcp};
use common::proxy::{Fault, Moment, Proxy};
use diesel_shell::session::State;
use diesel_shell::{ErrorKind, Shell};

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::At, Moment::After];

/// Keys by a sequence, by the database's own making, and none at all.
const TABLES: &str = "create table items (id serial primary key, name text not null); \
    create table tokens (id uuid primary key default gen_random_uuid(), name text not null); \
    create table notes (name text not null)";

fn cluster() -> Option<Cluster> {
    let cluster = Cluster::new()?;
    cluster.sql("postgres", TABLES);
    Some(cluster)
}

fn count(cluster: &Cluster, table: &str, name: &str) -> String {
    cluster.sql("postgres", &format!("select count(*) from {table} where name = '{name}'"))
}

/// A process that waits for no server that is away for long.
fn process() -> Process {
    let process = Process::empty();
    let folder = process.path().join("config/diesel-shell");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "[network]\nwait = 1\n").unwrap();
    process
}

fn shell(url: &str) -> Shell {
    Shell::builder().database(url).build().unwrap()
}

/// Commits until that is acknowledged; nothing but doubt may come before.
fn commit(shell: &mut Shell) {
    for _ in 0..20 {
        match shell.execute("commit") {
            Ok(_) => return,
            Err(error) => assert!(matches!(error.kind, ErrorKind::InDoubt | ErrorKind::Connection), "{error:?}"),
        }
    }
    panic!("it is never acknowledged");
}

#[test]
fn at_a_prompt_what_is_acknowledged_is_there_once() {
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::to(cluster.port());
    let mut round = 0;
    for table in ["items", "tokens", "notes"] {
        for moment in MOMENTS {
            for refused in [0, 1, 4] {
                round += 1;
                let mut shell = shell(&over_tcp(proxy.port(), "postgres"));
                shell.execute(&format!("add {table} name=n{round}")).unwrap();
                proxy.fault(Fault::at("commit", moment).refusing(refused));
                commit(&mut shell);
                // At that moment the answer may come through all the same.
                proxy.refuse(0);
                assert_eq!(count(&cluster, table, &format!("n{round}")), "1", "{table} {moment:?} {refused}");
                assert_eq!(shell.session().state(), State::Clean);
            }
        }
    }
    assert_eq!(proxy.fired(), round);
}

#[test]
fn in_doubt_nothing_is_sent_and_queries_show_the_database() {
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::to(cluster.port());
    for (moment, expected) in [(Moment::Before, 0), (Moment::After, 1)] {
        cluster.sql("postgres", "delete from items");
        let mut shell = shell(&over_tcp(proxy.port(), "postgres"));
        shell.execute("add items name=pen").unwrap();
        proxy.fault(Fault::at("commit", moment).refusing(10_000));
        let error = shell.execute("commit").unwrap_err();
        assert_eq!(error.kind, ErrorKind::InDoubt, "{error:?}");
        assert!(error.message.contains("not known"), "{error:?}");
        assert_eq!(shell.session().state(), State::InDoubt);
        proxy.refuse(0);
        proxy.statements();
        for refused in ["add items name=other", "undo", "commit --dry-run"] {
            assert_eq!(shell.execute(refused).unwrap_err().kind, ErrorKind::InDoubt, "{refused}");
        }
        let read = |shell: &mut Shell| shell.execute("count items").and_then(|reply| reply.single::<i64>());
        // The first may find the connection gone, and makes it again.
        let found = read(&mut shell).or_else(|_| read(&mut shell)).unwrap();
        assert_eq!(found, expected, "{moment:?}");
        assert!(!proxy.statements().iter().any(|sql| sql.to_lowercase().starts_with("insert")));
        shell.execute("commit").unwrap();
        assert_eq!(count(&cluster, "items", "pen"), "1");
        shell.execute("add items name=next").unwrap();
        shell.execute("rollback").unwrap();
    }
}

#[test]
fn a_script_says_that_it_is_not_known_and_ends_with_4() {
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::to(cluster.port());
    let run = |name: &str, fault: Fault| {
        let process = process();
        proxy.fault(fault);
        process
            .with(&over_tcp(proxy.port(), "postgres"))
            .run(&["--on-error=continue"], format!("add tokens name={name}\ncommit\ncommit\n"))
    };
    for (at, moment) in MOMENTS.into_iter().enumerate() {
        let name = format!("s{at}");
        run(&name, Fault::at("commit", moment).refusing(2)).ok();
        assert_eq!(count(&cluster, "tokens", &name), "1", "{moment:?}");
        proxy.refuse(0);
        let name = format!("t{at}");
        let ended = run(&name, Fault::at("commit", moment).refusing(100_000));
        proxy.refuse(0);
        if moment == Moment::At && ended.stderr.contains("committed: 1 added") {
            // The answer came through all the same.
            assert_eq!(count(&cluster, "tokens", &name), "1");
            continue;
        }
        ended.fails(4).stderr_has("not known").stderr_lacks("discarded");
        let there = count(&cluster, "tokens", &name);
        assert!(there == "0" || (there == "1" && moment != Moment::Before), "{moment:?}: {there}");
    }
}

#[test]
fn a_promoted_server_is_not_asked_but_looked_at() {
    let Some(first) = cluster() else { return };
    first.sql("postgres", "insert into items (name) values ('old')");
    let second = first.replica();
    let proxy = Proxy::to(first.port());
    let url = format!(
        "postgresql://tester@127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable&target_session_attrs=read-write",
        second.port(),
        proxy.port()
    );
    let [mut replicated, mut lost, mut mixed] = [(); 3].map(|()| shell(&url));
    replicated.execute("add items name=replicated").unwrap();
    lost.execute("add items name=lost").unwrap();
    mixed.execute("add items name=mixed").unwrap();
    mixed.execute("add notes name=mixed").unwrap();
    let doubt = |shell: &mut Shell, moment| {
        proxy.fault(Fault::at("commit", moment).refusing(10_000));
        assert_eq!(shell.execute("commit").unwrap_err().kind, ErrorKind::InDoubt);
    };
    doubt(&mut replicated, Moment::After);
    first.wait_for(&second);
    doubt(&mut mixed, Moment::Before);
    doubt(&mut lost, Moment::Before);
    first.crash();
    second.promote();
    replicated.execute("commit").unwrap();
    assert_eq!(count(&second, "items", "replicated"), "1");
    lost.execute("commit").unwrap();
    assert_eq!(count(&second, "items", "lost"), "1");
    // A table without a key, and somebody else's row with the same value: that does not tell.
    second.sql("postgres", "insert into notes (name) values ('mixed')");
    for _ in 0..2 {
        let error = mixed.execute("commit").unwrap_err();
        assert_eq!(error.kind, ErrorKind::InDoubt, "{error:?}");
        let hints = error.hints.join("\n");
        assert!(hints.contains("another server has taken over") && hints.contains("cannot be told"), "{hints}");
        assert!(hints.contains("`status`") && hints.contains("`rollback`"), "{hints}");
    }
    mixed.execute("status").unwrap();
    mixed.execute("commit").unwrap();
    assert_eq!(count(&second, "items", "mixed"), "1");
    assert_eq!(count(&second, "notes", "mixed"), "2");
}

#[test]
fn what_a_killed_shell_was_committing_is_looked_up_at_the_next_start() {
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::to(cluster.port());
    let url = over_tcp(proxy.port(), "postgres");
    for (moment, again) in [(Moment::Before, "1"), (Moment::After, "0")] {
        cluster.sql("postgres", "delete from notes");
        let folder = tempfile::tempdir().unwrap();
        let open = || Shell::builder().database(&url).recovery(folder.path()).build().unwrap();
        let mut first = open();
        first.execute("add notes name=kept").unwrap();
        proxy.fault(Fault::at("commit", moment).refusing(10_000));
        assert_eq!(first.execute("commit").unwrap_err().kind, ErrorKind::InDoubt);
        // What it leaves is what kill -9 would leave.
        drop(first);
        proxy.refuse(0);
        let mut second = open();
        second.execute(".recover").unwrap();
        assert_eq!(second.session().staged().to_string(), again, "{moment:?}");
        let _ = second.execute("commit").unwrap();
        assert_eq!(count(&cluster, "notes", "kept"), "1", "{moment:?}");
    }
}

#[test]
fn what_is_written_past_the_journal_is_sent_once_too() {
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::to(cluster.port());
    let url = over_tcp(proxy.port(), "postgres");
    let rows: String = (0..30_000).map(|_| "{\"name\":\"imported\"}\n").collect();
    for (moment, refused) in [(Moment::Before, 0), (Moment::After, 0), (Moment::After, 10_000)] {
        cluster.sql("postgres", "delete from notes");
        let process = process();
        std::fs::write(process.path().join("notes.jsonl"), &rows).unwrap();
        proxy.fault(Fault::at("commit", moment).refusing(refused));
        let run = process.with(&url).script(".import notes.jsonl notes\n");
        proxy.refuse(0);
        let there = count(&cluster, "notes", "imported");
        if refused == 0 {
            // Where it was not written it is sent again.
            assert_eq!((run.status, there.as_str()), (0, "30000"), "{}", run.stderr);
        } else {
            run.fails(4).stderr_has("not known");
            assert_eq!(there, "30000");
        }
    }
    cluster.sql("postgres", "create database other");
    cluster.sql("other", TABLES);
    cluster.sql("other", "insert into items (name) values ('copied')");
    proxy.fault(Fault::at("commit", Moment::After).refusing(10_000));
    let run = process().with(&cluster.url("other")).script(format!(".copy-to {url} items\n"));
    proxy.refuse(0);
    run.fails(4).stderr_has("not known");
    assert_eq!(count(&cluster, "items", "copied"), "1");
}

#[test]
fn in_any_order_of_faults_what_is_acknowledged_is_there_once() {
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::to(cluster.port());
    let url = over_tcp(proxy.port(), "postgres");
    // Always the same: <https://en.wikipedia.org/wiki/Xorshift>
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let mut shell = shell(&url);
    for round in 0..40 {
        let tables = ["items", "tokens", "notes"];
        let adds = 1 + random(3);
        for add in 0..adds {
            // A fault that the round before did not meet may meet this one, which is then not staged.
            let line = format!("add {} name=r{round}", tables[(add % 3) as usize]);
            if shell.execute(&line).is_err() {
                shell.execute(&line).unwrap();
            }
        }
        let moment = MOMENTS[random(3) as usize];
        let statement = ["commit", "insert", "begin"][random(3) as usize];
        proxy.fault(Fault::at(statement, moment).refusing(random(4) as usize));
        let answer = shell.execute("commit");
        proxy.refuse(0);
        let there = || -> u64 {
            tables.iter().map(|table| count(&cluster, table, &format!("r{round}")).parse::<u64>().unwrap()).sum()
        };
        if answer.is_ok() {
            assert_eq!(there(), adds, "round {round}: {statement} {moment:?}");
            continue;
        }
        let found = there();
        assert!(found == 0 || found == adds, "round {round}: {found} of {adds}");
        commit(&mut shell);
        assert_eq!(there(), adds, "round {round}: {statement} {moment:?}");
    }
}

#[test]
fn part_of_what_is_staged_is_in_doubt() {
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::to(cluster.port());
    for (round, moment) in MOMENTS.into_iter().enumerate() {
        for refused in [0, 10_000] {
            let name = format!("part{round}of{refused}");
            let folder = tempfile::tempdir().unwrap();
            let url = over_tcp(proxy.port(), "postgres");
            let mut shell = Shell::builder().database(&url).recovery(folder.path()).build().unwrap();
            shell.execute(&format!("add items name={name}")).unwrap();
            shell.execute(&format!("add tokens name={name}")).unwrap();
            proxy.fault(Fault::at("commit", moment).refusing(refused));
            let answer = shell.execute("commit items");
            proxy.calm();
            if let Err(error) = answer {
                assert_eq!(error.kind, ErrorKind::InDoubt, "{error:?}");
                assert!(error.message.ends_with("1 added"), "{error:?}");
                if refused > 0 {
                    // It is killed, and the next start looks.
                    drop(shell);
                    shell = Shell::builder().database(&url).recovery(folder.path()).build().unwrap();
                    shell.execute(".recover").unwrap();
                }
            }
            assert_eq!(count(&cluster, "tokens", &name), "0");
            let there: usize = count(&cluster, "items", &name).parse().unwrap();
            assert_eq!(shell.session().staged(), 2 - there, "{moment:?} {refused}");
            commit(&mut shell);
            assert_eq!(count(&cluster, "items", &name), "1", "{moment:?} {refused}");
            assert_eq!(count(&cluster, "tokens", &name), "1", "{moment:?} {refused}");
        }
    }
}

#[test]
fn rows_are_compared_in_a_few_queries() {
    let Some(cluster) = cluster() else { return };
    // A role that may not ask for the server's number is like an engine that has none.
    cluster.sql("postgres", "create role plain login; grant all on all tables in schema public to plain");
    cluster.sql("postgres", "grant usage on all sequences in schema public to plain");
    cluster.sql("postgres", "revoke execute on function pg_control_system() from public");
    cluster.sql("postgres", "insert into items (name) select 'old' from generate_series(1, 500)");
    cluster.sql("postgres", "create table pairs (a int, b numeric, c text, primary key (a, b))");
    cluster.sql("postgres", "grant all on pairs to plain");
    let proxy = Proxy::to(cluster.port());
    let url = over_tcp(proxy.port(), "postgres").replace(common::cluster::USER, "plain");
    for moment in [Moment::After, Moment::Before] {
        let mut shell = shell(&url);
        for at in 1..=100 {
            shell.execute(&format!("set item {at} name={moment:?}")).unwrap();
            shell.execute(&format!("add pair a={at} b=1.50 c={moment:?}")).unwrap();
            shell.execute(&format!("add tokens name={moment:?}")).unwrap();
            shell.execute(&format!("delete item {}", at + if moment == Moment::After { 200 } else { 300 })).unwrap();
        }
        proxy.fault(Fault::at("commit", moment));
        proxy.statements();
        shell.execute("commit").unwrap();
        let asked = proxy.statements();
        let compared = asked.iter().filter(|sql| sql.starts_with("SELECT") && !sql.contains("pg_catalog")).count();
        assert!(compared <= 40, "{compared} of {} queries: {asked:#?}", asked.len());
        let changed = format!("select count(*) from items where name = '{moment:?}'");
        assert_eq!(cluster.sql("postgres", &changed), "100");
        assert_eq!(count(&cluster, "tokens", &format!("{moment:?}")), "100");
        cluster.sql("postgres", "delete from pairs");
    }
    assert_eq!(proxy.fired(), 2);
}

#[test]
fn what_a_script_was_committing_is_kept() {
    let Some(cluster) = cluster() else { return };
    let proxy = Proxy::to(cluster.port());
    let url = over_tcp(proxy.port(), "postgres");
    for (moment, there) in [(Moment::Before, "0"), (Moment::After, "1")] {
        cluster.sql("postgres", "delete from notes");
        let process = process().with(&url);
        proxy.fault(Fault::at("commit", moment).refusing(100_000));
        let run = process.script("add notes name=kept\ncommit\n").fails(4);
        proxy.calm();
        run.stderr_has("`.recover` at a prompt");
        assert_eq!(count(&cluster, "notes", "kept"), there);
        let run = process.script(".recover\ncommit\n").ok();
        assert_eq!(run.stderr.contains("has arrived"), there == "1", "{}", run.stderr);
        assert_eq!(count(&cluster, "notes", "kept"), "1", "{moment:?}");
        process.script(".recover\n").ok().stderr_has("nothing");
    }
}

#[test]
fn a_migration_whose_commit_is_lost_is_looked_up() {
    let Some(cluster) = Cluster::new() else { return };
    let proxy = Proxy::to(cluster.port());
    let url = over_tcp(proxy.port(), "postgres");
    for moment in MOMENTS {
        for refused in [0, 1, 100_000] {
            cluster.sql("postgres", "drop schema public cascade; create schema public");
            // The first COMMIT is the first migration's.
            proxy.fault(Fault::at("commit", moment).refusing(refused));
            let run = process().with(&url).script("db upgrade\n");
            proxy.calm();
            let noted = cluster.sql(
                "postgres",
                "select (xpath('/row/n/text()', query_to_xml(case when to_regclass('__diesel_schema_migrations') is null \
                 then 'select 0 as n' else 'select count(*) as n from __diesel_schema_migrations' end, false, true, '')))[1]",
            );
            let tables = cluster.sql("postgres", "select to_regclass('users') is not null");
            assert_eq!(tables == "t", noted != "0", "{}", run.stderr);
            match run.status {
                0 => assert_ne!(noted, "0", "{}", run.stderr),
                4 => {
                    assert!(
                        run.stderr.contains("it is not known whether") && run.stderr.contains("`db status`"),
                        "{}",
                        run.stderr
                    );
                }
                _ => {
                    assert_eq!(noted, "0", "{moment:?} {refused}: {}", run.stderr);
                    assert!(run.stderr.contains("nothing of it was written"), "{}", run.stderr);
                }
            }
            if refused == 0 && moment == Moment::After {
                assert_eq!(run.status, 0, "{}", run.stderr);
            }
            // The next one goes on from there.
            process().with(&url).script("db upgrade\n").ok();
        }
    }
}
