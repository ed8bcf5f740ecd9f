//! What a prompt sends: for a read one statement, for a change what it depends on.

use super::memory::Like;
use super::schema::table;
use super::world::{BOTH, World, text};
use crate::ErrorKind;
use crate::model::Value;
use crate::session::Hold;
use crate::session::journal::Change;

#[test]
fn a_read_is_one_statement_however_much_is_staged() {
    for like in BOTH {
        let mut world = World::prompt(like, 300);
        let changes: Vec<Change> = (1..=200).map(|n| world.age(n, -n)).collect();
        world.staged(changes);
        // What tables do beyond what changes say is asked once.
        world.read("count users");
        world.log();
        assert_eq!(world.read("count users where age < 0"), ["200"]);
        assert_eq!(world.log(), ["seen users"], "{like:?}");
        assert_eq!(world.read("list users where id = 7 show id, age"), ["7 -7"]);
        assert_eq!(world.log(), ["seen users"], "{like:?}");
        assert_eq!(world.read("list posts where author.age < 0"), [""; 0]);
        assert_eq!(world.log(), ["seen posts"], "{like:?}");
        assert_eq!(world.read("count logs"), ["0"]);
        assert_eq!(world.log(), ["select logs"], "{like:?}");
    }
}

#[test]
fn a_change_sends_only_what_it_depends_on() {
    let mut world = World::prompt(Like::Postgres, 1_000);
    let changes: Vec<Change> = (1..=500).map(|n| world.age(n, -n)).collect();
    world.staged(changes);
    world.read("count users");
    world.log();
    // Nothing of it has to do with this one.
    let change = world.age(900, 9);
    world.session.stage(vec![change], None).unwrap();
    assert_eq!(world.changes(), ["update users 1"]);
    // One of it is about the same record.
    let change = world.update("users", 7, &[("age", Value::Int(-7), Value::Int(77))]);
    world.session.stage(vec![change], None).unwrap();
    assert_eq!(world.changes(), ["update users 1", "update users 1"]);
    assert_eq!(world.session.staged(), 502);
}

#[test]
fn a_new_record_brings_along_what_it_refers_to() {
    for like in BOTH {
        let mut world = World::prompt(like, 2);
        for email in ["a", "b", "c"] {
            let change = world.insert("users", &[("email", text(email))]);
            world.session.stage(vec![change], None).unwrap();
        }
        world.log();
        let post = world.insert("posts", &[("title", text("t")), ("author_id", Value::Int(4))]);
        world.session.stage(vec![post], None).unwrap();
        assert_eq!(world.changes(), ["insert users 1", "insert posts 1"], "{like:?}");
        // Not at all there, the database says so on this line.
        let post = world.insert("posts", &[("title", text("t")), ("author_id", Value::Int(77))]);
        let error = world.session.stage(vec![post], None).unwrap_err();
        assert_eq!((error.kind, world.session.staged(), world.session.is_open()), (ErrorKind::Constraint, 4, false));
    }
}

/// A value that a staged change has freed may be taken; one that a staged change has taken may not.
#[test]
fn unique_values_are_those_with_what_is_staged() {
    for like in BOTH {
        let mut world = World::prompt(like, 4);
        let change = world.email(1, "new");
        world.session.stage(vec![change], None).unwrap();
        let taken = world.email(2, "new");
        let error = world.session.stage(vec![taken], None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Constraint, "{like:?}");
        assert!(error.message.starts_with("email 'new' is taken by user 1"), "{}", error.message);
        let freed = world.email(2, "1@x");
        world.session.stage(vec![freed], None).unwrap();
        let gone = world.delete("users", 3, &[("email", text("3@x"))]);
        world.session.stage(vec![gone], None).unwrap();
        let freed = world.email(4, "3@x");
        world.session.stage(vec![freed], None).unwrap();
        world.session.commit().unwrap();
        let mut rows = world.rows("users");
        rows.sort();
        assert_eq!(rows, ["1 new user1 1 free", "2 1@x user2 2 free", "4 3@x user4 4 free"]);
    }
}

#[test]
fn a_staged_change_costs_as_many_round_trips_with_a_thousand_staged_as_with_none() {
    let mut world = World::prompt(Like::Postgres, 2_000);
    let trips = |world: &mut World, user: i64| {
        world.log();
        let change = world.age(user, 0);
        world.session.stage(vec![change], None).unwrap();
        world.log().len()
    };
    trips(&mut world, 1);
    let (few, changes) = (trips(&mut world, 2), (3..=1_000).map(|n| world.age(n, -n)).collect::<Vec<_>>());
    world.staged(changes);
    assert_eq!((trips(&mut world, 1_500), few <= 5), (few, true), "{few}");
}

#[test]
fn a_key_once_shown_is_the_key_that_is_committed() {
    for like in BOTH {
        let mut world = World::prompt(like, 3);
        let mut keys = Vec::new();
        for email in ["a", "b"] {
            let change = world.insert("users", &[("email", text(email))]);
            let entry = world.session.stage(vec![change], None).unwrap().clone();
            keys.push(entry.changes[0].key(world.session.catalog()).unwrap()[0].to_string());
        }
        assert_eq!(keys, ["4", "5"], "{like:?}");
        assert_eq!(world.read("list users where id > 3 show id, email, plan"), ["4 a free", "5 b free"]);
        world.session.commit().unwrap();
        assert_eq!(world.rows("users")[3..], ["4 a   free", "5 b   free"]);
    }
}

/// Somebody holds a lock for too long: the change is staged, unchecked, and that is said.
#[test]
fn a_lock_that_is_not_to_be_had_is_no_objection() {
    for like in BOTH {
        let mut world = World::prompt(like, 3);
        world.fail("update users", 0, 1, ErrorKind::Busy);
        let change = world.age(1, 10);
        world.session.stage(vec![change], None).unwrap();
        assert!(world.session.take_warnings()[0].contains("this is staged, but could not be checked"), "{like:?}");
        assert_eq!((world.session.staged(), world.session.is_open()), (1, false));
        assert_eq!(world.read("list users where id = 1 show age"), ["10"]);
        world.fail("begin within", 0, 1, ErrorKind::Busy);
        let change = world.insert("users", &[("email", text("new"))]);
        let entry = world.session.stage(vec![change], None).unwrap().clone();
        assert_eq!(entry.changes[0].key(world.session.catalog()), Some(vec![Value::Int(4)]), "{like:?}");
        world.session.commit().unwrap();
        assert_eq!(world.rows("users")[3], "4 new   free");
    }
}

/// What only applying the changes could show is applied and rolled back, set by set; past the bound the read shows the
/// database without it.
#[test]
fn where_there_are_triggers_the_journal_is_applied_in_sets() {
    let mut world = World::prompt(Like::Postgres, 100).with_triggers("users");
    let changes: Vec<Change> = (1..=50).map(|n| world.age(n, -n)).collect();
    world.staged(changes);
    assert_eq!(world.read("count users where age < 0"), ["50"]);
    assert_eq!(world.log(), ["begin within", "savepoint", "update users 50", "release", "select users", "rollback"]);
    world.fail("update users", 0, 1, ErrorKind::Busy);
    assert_eq!(world.read("count users where age < 0"), ["0"]);
    assert!(world.session.take_warnings()[0].ends_with("this is the database without what is staged"));
}

/// A change that no longer applies never fails a read.
#[test]
fn a_read_without_what_no_longer_applies() {
    let mut world = World::prompt(Like::Postgres, 10).with_triggers("users");
    let changes: Vec<Change> = (1..=10).map(|n| world.age(n, -n)).collect();
    world.staged(changes);
    let users = world.entity("users");
    world.database.borrow_mut().theirs(|work| work.go(users, 4));
    assert_eq!(world.read("count users where age < 0"), ["9"]);
    assert_eq!(world.session.take_warnings().len(), 1);
}

#[test]
fn what_a_delete_takes_along_is_asked_for_once() {
    let tables = vec![
        table("owners", &["id int key", "name text"]),
        table("dogs", &["id int key", "owner_id int -> owners on delete cascade"]),
        table("toys", &["id int key", "dog_id int -> dogs on delete cascade"]),
        table("visits", &["id int key", "owner_id int -> owners on delete set null"]),
    ];
    for like in BOTH {
        let mut world = World::new(like, Hold::No, tables.clone());
        let [owners, dogs, toys, visits] = ["owners", "dogs", "toys", "visits"].map(|name| world.entity(name));
        world.database.borrow_mut().theirs(|work| {
            for n in 1..=3 {
                work.insert(owners, &[0], &[Value::Int(n)]).unwrap();
                work.insert(dogs, &[0, 1], &[Value::Int(n), Value::Int(n)]).unwrap();
                work.insert(toys, &[0, 1], &[Value::Int(n), Value::Int(n)]).unwrap();
                work.insert(visits, &[0, 1], &[Value::Int(n), Value::Int(n)]).unwrap();
            }
        });
        let change = world.delete("owners", 2, &[]);
        world.session.stage(vec![change], None).unwrap();
        world.log();
        assert_eq!(world.read("list toys show id"), ["1", "3"]);
        assert_eq!(world.read("list visits order by id show id, owner_id"), ["1 1", "2 ", "3 3"]);
        assert_eq!(world.log(), ["seen toys", "seen visits"], "{like:?}");
        world.session.undo(1).unwrap();
        assert_eq!(world.read("count toys"), ["3"]);
        world.session.redo(1).unwrap();
        world.log();
        world.session.commit().unwrap();
        // The database does the rest.
        assert_eq!(world.changes(), ["delete owners 1"]);
        assert_eq!(world.rows("visits"), ["1 1", "2 ", "3 3"]);
    }
}

/// `.set hold on`: a transaction stays open from the first change to the commit.
#[test]
fn a_held_transaction_gets_each_change_once() {
    for like in BOTH {
        let mut world = World::prompt(like, 5);
        world.session.set_hold(Hold::Yes).unwrap();
        for n in 1..=3 {
            let change = world.age(n, -n);
            world.session.stage(vec![change], None).unwrap();
        }
        assert!(world.session.is_open());
        assert_eq!(world.read("count users where age < 0"), ["3"]);
        world.session.undo(1).unwrap();
        assert!(!world.session.is_open());
        world.session.commit().unwrap();
        let log = world.log();
        let sent: Vec<&String> = log.iter().filter(|line| line.starts_with("update")).collect();
        // Three as they were typed, and the two that were left again after `undo`, in one.
        assert_eq!(sent, ["update users 1", "update users 1", "update users 1", "update users 2"], "{log:?}");
        assert_eq!(log.iter().filter(|line| *line == "begin").count(), 2, "{log:?}");
        assert_eq!(world.rows("users")[1..3], ["2 2@x user2 -2 free", "3 3@x user3 3 free"]);
    }
}

#[test]
fn a_change_that_is_refused_is_not_in_the_held_transaction() {
    for like in BOTH {
        let mut world = World::prompt(like, 3);
        world.session.set_hold(Hold::Yes).unwrap();
        let (good, bad) = (world.email(1, "new"), world.email(2, "3@x"));
        world.session.stage(vec![good], None).unwrap();
        assert_eq!(world.session.stage(vec![bad], None).unwrap_err().kind, ErrorKind::Constraint);
        assert_eq!((world.session.staged(), world.session.is_open()), (1, true));
        world.session.commit().unwrap();
        assert_eq!(world.rows("users")[0], "1 new user1 1 free");
    }
}
