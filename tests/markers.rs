//! Commit markers: what became of a COMMIT is told by a row that came with it, where nothing else can tell.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(unix, feature = "postgres"))]

mod common;

use common::cluster::{Cluster, over_tcp};
use common::proxy::{Fault, Moment, Proxy};
use common::{Run, Shell};
use diesel_shell::database::network::Network;
use diesel_shell::database::postgres::PgStore;
use diesel_shell::store::{Fate, Named, Store};

fn open(url: &str) -> PgStore {
    PgStore::open(url, false, Network { commit_markers: true, ..Network::default() }).unwrap()
}

fn begun(store: &mut PgStore) -> String {
    store.begin(true).unwrap();
    store.batch("insert into notes values ('n')").unwrap();
    match store.identity().unwrap() {
        Named::Marked(marker) => marker,
        other => panic!("{other:?}"),
    }
}

fn cluster() -> Option<Cluster> {
    let cluster = Cluster::new()?;
    cluster.sql("postgres", "create table notes (name text not null)");
    Some(cluster)
}

#[test]
fn a_marker_tells_what_became_of_its_transaction() {
    let Some(cluster) = cluster() else { return };
    let (mut store, mut other) = (open(&cluster.url("postgres")), open(&cluster.url("postgres")));
    let marker = begun(&mut store);
    assert_eq!(other.has_marker(&marker).unwrap(), Fate::Running);
    store.commit().unwrap();
    assert_eq!(other.has_marker(&marker).unwrap(), Fate::Committed);
    let marker = begun(&mut store);
    store.rollback().unwrap();
    // Asked again it is the same, though the question itself has put a row there.
    for _ in 0..2 {
        assert_eq!(other.has_marker(&marker).unwrap(), Fate::RolledBack);
    }
    // A crash makes nothing uncertain.
    let committed = begun(&mut store);
    store.commit().unwrap();
    let lost = begun(&mut store);
    cluster.crash();
    cluster.start();
    store.reconnect().unwrap();
    assert_eq!(store.has_marker(&committed).unwrap(), Fate::Committed);
    assert_eq!(store.has_marker(&lost).unwrap(), Fate::RolledBack);
    // One row for each session, and those that were asked for.
    for _ in 0..20 {
        begun(&mut store);
        store.commit().unwrap();
    }
    let rows = cluster.sql("postgres", "select count(*) from __diesel_shell_commits where not taken_back");
    assert!(rows.parse::<usize>().unwrap() <= 3, "{rows}");
}

#[test]
fn on_a_server_that_took_over_a_marker_is_there_or_lost() {
    let Some(first) = cluster() else { return };
    let second = {
        // The table is there before the replica is.
        drop(open(&first.url("postgres")));
        first.replica()
    };
    let mut store = open(&first.url("postgres"));
    let replicated = begun(&mut store);
    store.commit().unwrap();
    first.wait_for(&second);
    second.sql("postgres", "alter system set primary_conninfo = ''");
    second.sql("postgres", "select pg_reload_conf()");
    while second.sql("postgres", "select count(*) from pg_stat_wal_receiver") != "0" {}
    let mut store = open(&first.url("postgres"));
    let lost = begun(&mut store);
    store.commit().unwrap();
    first.crash();
    second.promote();
    let mut store = open(&second.url("postgres"));
    assert_eq!(store.has_marker(&replicated).unwrap(), Fate::Committed);
    assert_eq!(store.has_marker(&lost).unwrap(), Fate::RolledBack);
}

fn run(url: &str, markers: bool, script: &str) -> Run {
    let shell = Shell::empty();
    let folder = shell.path().join("config/diesel-shell");
    std::fs::create_dir_all(&folder).unwrap();
    let config = format!("[network]\nwait = 1\n[connections.shop]\nurl = \"{url}\"\ncommit_markers = {markers}\n");
    std::fs::write(folder.join("config.toml"), config).unwrap();
    shell.with("shop").run(&[], script)
}

#[test]
fn where_the_engine_cannot_tell_the_marker_does() {
    let Some(cluster) = cluster() else { return };
    // A role that may not ask for the server's number is like an engine that has none.
    cluster.sql(
        "postgres",
        "create role plain login; grant all on notes to plain; grant create, usage on schema public to plain",
    );
    cluster.sql("postgres", "revoke execute on function pg_control_system() from public");
    let proxy = Proxy::to(cluster.port());
    let url = over_tcp(proxy.port(), "postgres").replace(common::cluster::USER, "plain");
    for moment in [Moment::Before, Moment::At, Moment::After] {
        cluster.sql("postgres", "delete from notes");
        proxy.fault(Fault::at("commit", moment).refusing(1));
        let without = run(&url, false, "add note name=x\ncommit\n");
        proxy.calm();
        if moment == Moment::After {
            without.fails(4).stderr_has("this engine does not say").stderr_has("cannot be told");
        }
        cluster.sql("postgres", "delete from notes");
        // Where the table is made, COMMIT stands too.
        run(&url, true, "count notes").ok();
        proxy.fault(Fault::at("commit", moment).refusing(1));
        run(&url, true, "add note name=x\ncommit\n").ok();
        proxy.calm();
        assert_eq!(cluster.sql("postgres", "select count(*) from notes"), "1", "{moment:?}");
    }
    assert_eq!(proxy.fired(), 6);
    // The table is none of the models.
    assert!(!run(&url, true, ".tables").ok().stdout.contains("commits"));
    cluster.sql("postgres", "drop table __diesel_shell_commits; revoke create on schema public from plain, public");
    let refused = run(&url, true, "count notes").fails(2);
    refused.stderr_has("the table of commit markers cannot be made").stderr_has("commit_markers");
}
