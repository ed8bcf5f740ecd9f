//! What became of a transaction whose COMMIT was not answered: what a server says of it, and what it cannot know.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(unix, feature = "postgres"))]

mod common;

use common::cluster::{Cluster, Setup, over_tcp};
use common::proxy::{Fault, Moment, Proxy};
use diesel_shell::ErrorKind;
use diesel_shell::database::network::Network;
use diesel_shell::database::postgres::PgStore;
use diesel_shell::store::{Fate, Identity, Named, Store};

fn open(url: &str) -> PgStore {
    PgStore::open(url, false, Network::default()).unwrap()
}

/// Begins a transaction that writes, and names it.
fn begun(store: &mut PgStore) -> Identity {
    store.begin(true).unwrap();
    // Also before anything is written here: what is written on other nodes needs no number of this one.
    assert!(matches!(store.identity().unwrap(), Named::Transaction(_)));
    store.batch("insert into t default values").unwrap();
    named(store)
}

fn named(store: &mut PgStore) -> Identity {
    match store.identity().unwrap() {
        Named::Transaction(identity) => identity,
        other => panic!("{other:?}"),
    }
}

fn with_table() -> Option<Cluster> {
    let cluster = Cluster::new()?;
    cluster.sql("postgres", "create table t (id serial primary key)");
    Some(cluster)
}

#[test]
fn a_transaction_is_committed_rolled_back_or_running() {
    let Some(cluster) = with_table() else { return };
    let (mut store, mut other) = (open(&cluster.url("postgres")), open(&cluster.url("postgres")));
    let identity = begun(&mut store);
    assert_eq!(identity.to_string().parse(), Ok(identity.clone()));
    assert_eq!(other.was_committed(&identity).unwrap(), Fate::Running);
    store.commit().unwrap();
    assert_eq!(other.was_committed(&identity).unwrap(), Fate::Committed);
    let identity = begun(&mut store);
    store.rollback().unwrap();
    assert_eq!(other.was_committed(&identity).unwrap(), Fate::RolledBack);
    // A savepoint's number is not the transaction's.
    store.begin(true).unwrap();
    store.savepoint().unwrap();
    store.batch("insert into t default values").unwrap();
    let identity = named(&mut store);
    store.back_to_savepoint().unwrap();
    store.commit().unwrap();
    assert_eq!(other.was_committed(&identity).unwrap(), Fate::Committed);
}

#[test]
fn the_name_costs_one_round_trip() {
    let Some(cluster) = with_table() else { return };
    let proxy = Proxy::to(cluster.port());
    let mut store = open(&over_tcp(proxy.port(), "postgres"));
    store.begin(true).unwrap();
    store.batch("insert into t default values").unwrap();
    proxy.round_trips();
    named(&mut store);
    assert_eq!(proxy.round_trips(), 1);
}

#[test]
fn a_commit_whose_answer_is_lost_is_looked_up() {
    let Some(cluster) = with_table() else { return };
    let proxy = Proxy::to(cluster.port());
    for (moment, fate) in
        [(Moment::Before, Fate::RolledBack), (Moment::At, Fate::Committed), (Moment::After, Fate::Committed)]
    {
        let mut store = open(&over_tcp(proxy.port(), "postgres"));
        let identity = begun(&mut store);
        proxy.fault(Fault::at("commit", moment).refusing(4));
        assert_eq!(store.commit().unwrap_err().kind, ErrorKind::Connection, "{moment:?}");
        // Not reached is no answer.
        assert_eq!(store.was_committed(&identity).unwrap_err().kind, ErrorKind::Connection);
        while store.reconnect().is_err() {}
        let found = (0..100)
            .map(|_| store.was_committed(&identity).unwrap())
            .inspect(|_| std::thread::sleep(std::time::Duration::from_millis(20)))
            .find(|fate| *fate != Fate::Running);
        assert_eq!(found, Some(fate), "{moment:?}");
    }
}

#[test]
fn a_promoted_replica_is_not_believed() {
    let Some(first) = with_table() else { return };
    let second = first.replica();
    let mut store = open(&first.url("postgres"));
    let replicated = begun(&mut store);
    store.commit().unwrap();
    first.wait_for(&second);
    // A transaction that the replica never gets.
    first.sql("postgres", "alter system set max_wal_senders = 0");
    first.stop();
    first.start();
    let mut store = open(&first.url("postgres"));
    let lost = begun(&mut store);
    store.commit().unwrap();
    first.crash();
    // While it only follows, it is of the same timeline and cannot say either.
    let mut follower = open(&second.url("postgres"));
    assert!(matches!(follower.was_committed(&lost).unwrap(), Fate::Unknown(_)));
    second.promote();
    // It gives the same number to something of its own.
    let mut other = open(&second.url("postgres"));
    loop {
        let theirs = begun(&mut other);
        other.commit().unwrap();
        assert_eq!(theirs.system, lost.system);
        assert_ne!(theirs.timeline, lost.timeline);
        if theirs.transaction >= lost.transaction {
            break;
        }
    }
    let said = second.sql("postgres", &format!("select pg_xact_status('{}')", lost.transaction));
    assert_eq!(said, "committed", "the trap is not there");
    for identity in [lost, replicated] {
        // The connection that was made before the promotion, and one from behind it.
        for store in [&mut follower, &mut other] {
            match store.was_committed(&identity).unwrap() {
                Fate::Unknown(why) => assert!(why.contains("another server has taken over"), "{why}"),
                fate => panic!("{fate:?}"),
            }
        }
    }
    // What begins there is named there, also over the connection from before.
    let identity = begun(&mut follower);
    follower.commit().unwrap();
    assert_eq!(other.was_committed(&identity).unwrap(), Fate::Committed);
}

#[test]
fn another_server_is_not_believed() {
    let Some(cluster) = with_table() else { return };
    let Some(stranger) = Setup::default().stranger().start() else { return };
    let mut store = open(&cluster.url("postgres"));
    let identity = begun(&mut store);
    store.commit().unwrap();
    let found = open(&stranger.url("postgres")).was_committed(&identity).unwrap();
    assert_eq!(found, Fate::Unknown("this is another server than the one that was to commit".into()));
}

#[test]
fn after_a_crash_a_number_may_be_anothers() {
    let Some(cluster) = with_table() else { return };
    let mut store = open(&cluster.url("postgres"));
    let committed = begun(&mut store);
    store.commit().unwrap();
    let rolled_back = begun(&mut store);
    store.rollback().unwrap();
    let open_then = begun(&mut store);
    cluster.crash();
    cluster.start();
    store.reconnect().unwrap();
    // It may be, and is not believed; what was not committed was not, whoever has the number.
    assert!(matches!(store.was_committed(&committed).unwrap(), Fate::Unknown(why) if why.contains("crashed")));
    assert_eq!(store.was_committed(&rolled_back).unwrap(), Fate::RolledBack);
    // Its number may have been lost, or even given to another already.
    assert_ne!(store.was_committed(&open_then).unwrap(), Fate::Committed);
    // A number that is not given out yet was lost in the crash.
    let unheard = Identity { transaction: open_then.transaction + 1_000_000, ..open_then };
    assert_eq!(store.was_committed(&unheard).unwrap(), Fate::RolledBack);
    // A restart in order changes nothing.
    let identity = begun(&mut store);
    store.commit().unwrap();
    cluster.stop();
    cluster.start();
    store.reconnect().unwrap();
    assert_eq!(store.was_committed(&identity).unwrap(), Fate::Committed);
}
