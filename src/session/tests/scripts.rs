//! What a script sends, and what lines that arrive together at a prompt do: a few statements for every thousand.

use super::memory::Like;
use super::world::{BOTH, World, text};
use crate::ErrorKind;
use crate::model::Value;
use crate::session::journal::Change;

#[test]
fn a_script_sends_in_sets() {
    let mut world = World::script(Like::Postgres, 2_000);
    for n in 1..=1_000 {
        let changes = [world.age(n, -n), world.email(1_000 + n, &format!("new{n}"))];
        for change in changes {
            world.session.stage(vec![change], None).unwrap();
        }
    }
    assert_eq!(world.log(), [""; 0]);
    world.session.commit().unwrap();
    assert_eq!(
        world.log(),
        ["begin", "savepoint", "update users 1000", "update users 1000", "release", "identity", "commit"]
    );
}

/// What is collected has a bound, so that a script of any length needs no more memory for what it has sent.
#[test]
fn a_long_script_sends_every_few_thousand_changes() {
    let mut world = World::script(Like::Postgres, 23_000);
    for n in 1..=23_000 {
        let change = world.age(n, -n);
        world.session.stage(vec![change], None).unwrap();
    }
    world.session.commit().unwrap();
    assert_eq!(world.changes(), ["update users 10000", "update users 10000", "update users 3000"]);
}

#[test]
fn a_scripts_read_sends_what_is_collected() {
    for like in BOTH {
        let mut world = World::script(like, 64);
        for n in 1..=64 {
            let change = world.age(n, -n);
            world.session.stage(vec![change], None).unwrap();
        }
        assert_eq!(world.read("count users where age < 0"), ["64"]);
        assert_eq!(world.changes(), ["update users 64"], "{like:?}");
        world.session.commit().unwrap();
        assert_eq!(world.changes(), [""; 0]);
    }
}

/// The line that is wrong is named, those before it are in the transaction, those behind it are sent once it is mended.
#[test]
fn a_scripts_failing_line_is_named() {
    for like in BOTH {
        let mut world = World::script(like, 100);
        let mut changes: Vec<Change> = (1..=60).map(|n| world.email(n, &format!("new{n}"))).collect();
        changes[40] = world.email(41, "99@x");
        world.staged(changes);
        let error = world.session.flush().unwrap_err();
        assert_eq!((error.kind, error.place.unwrap().line), (ErrorKind::Constraint, 41), "{like:?}");
        assert_eq!(world.session.staged(), 59);
        world.session.commit().unwrap();
        assert_eq!(world.rows("users").iter().filter(|row| row.contains("new")).count(), 59);
    }
}

#[test]
fn a_thousand_lines_that_arrive_together_are_a_few_statements() {
    for like in BOTH {
        let mut world = World::prompt(like, 1_000);
        let changes: Vec<Change> = (1..=1_000).map(|n| world.age(n, -n)).collect();
        world.together(changes).unwrap();
        assert!(!world.session.is_open());
        let log = world.log();
        let most = if like == Like::Postgres { 6 } else { 18 };
        assert!(log.len() <= most, "{like:?}: {log:?}");
        assert_eq!(world.rows("users")[0], "1 1@x user1 1 free");
        assert_eq!(world.read("count users where age < 0"), ["1000"]);
        assert_eq!(world.log(), ["seen users"]);
    }
}

#[test]
fn lines_that_arrive_together_are_as_good_as_one_by_one() {
    for like in BOTH {
        let lines = |world: &World| {
            vec![
                world.insert("users", &[("email", text("a"))]),
                world.insert("users", &[("email", text("b")), ("age", Value::Int(5))]),
                world.age(2, 20),
                world.delete("users", 3, &[("email", text("3@x"))]),
                world.email(1, "3@x"),
                world.insert("posts", &[("title", text("t")), ("author_id", Value::Int(1))]),
            ]
        };
        let mut together = World::prompt(like, 3);
        let changes = lines(&together);
        together.together(changes).unwrap();
        let mut alone = World::prompt(like, 3);
        for change in lines(&alone) {
            alone.session.stage(vec![change], None).unwrap();
        }
        let changes = |world: &World| -> Vec<Vec<Change>> {
            world.session.entries().iter().map(|entry| entry.changes.clone()).collect()
        };
        assert_eq!(changes(&together), changes(&alone), "{like:?}");
        for query in ["list users order by id", "list posts", "count users by plan"] {
            assert_eq!(together.read(query), alone.read(query), "{like:?}: {query}");
        }
        together.session.commit().unwrap();
        alone.session.commit().unwrap();
        assert_eq!(together.rows("users"), alone.rows("users"));
    }
}

/// Behind the line that is wrong nothing is staged; those before it are.
#[test]
fn the_failing_line_of_those_that_arrive_together_is_named() {
    for like in BOTH {
        let mut world = World::prompt(like, 100);
        let mut changes: Vec<Change> = (1..=60).map(|n| world.email(n, &format!("new{n}"))).collect();
        changes[40] = world.email(41, "99@x");
        let error = world.together(changes).unwrap_err();
        assert_eq!((error.kind, error.place.unwrap().line), (ErrorKind::Constraint, 41), "{like:?}");
        assert_eq!((world.session.staged(), world.session.is_open()), (40, false));
        assert_eq!(world.read("count users where email starts with 'new'"), ["40"]);
    }
}

#[test]
fn lines_that_arrive_together_meet_what_was_staged_before() {
    for like in BOTH {
        let mut world = World::prompt(like, 10);
        let change = world.email(1, "free");
        world.session.stage(vec![change], None).unwrap();
        let changes = vec![world.email(2, "1@x"), world.email(3, "2@x"), world.email(4, "free")];
        let error = world.together(changes).unwrap_err();
        assert_eq!((error.kind, error.place.unwrap().line), (ErrorKind::Constraint, 3), "{like:?}");
        assert_eq!(world.session.staged(), 3);
        world.session.commit().unwrap();
        assert_eq!(world.rows("users").iter().filter(|row| row.contains(" 1@x ")).count(), 1);
    }
}

#[test]
fn a_lock_stops_no_lines_that_arrive_together() {
    for like in BOTH {
        for statement in ["begin within", "update users"] {
            let mut world = World::prompt(like, 50);
            world.fail(statement, 0, 1, ErrorKind::Busy);
            let mut changes: Vec<Change> = (1..=50).map(|n| world.age(n, -n)).collect();
            changes.push(world.insert("users", &[("email", text("new"))]));
            world.together(changes).unwrap();
            assert_eq!(world.session.staged(), 51, "{like:?} {statement}");
            assert!(world.session.take_warnings()[0].contains("could not be checked"));
            assert_eq!(world.read("count users where age < 0"), ["50"]);
            world.session.commit().unwrap();
            assert_eq!(world.rows("users")[50], "51 new   free");
        }
    }
}

/// A connection that goes while they are collected is made again, and they are sent again.
#[test]
fn a_lost_connection_loses_no_lines_that_arrive_together() {
    let mut world = World::prompt(Like::Postgres, 50);
    world.fail("update users", 0, 1, ErrorKind::Connection);
    let changes: Vec<Change> = (1..=50).map(|n| world.age(n, -n)).collect();
    world.together(changes).unwrap();
    assert!(world.session.take_warnings()[0].contains("it has been made again"));
    assert_eq!(world.session.staged(), 50);
    world.session.commit().unwrap();
    assert_eq!(world.rows("users")[49], "50 50@x user50 -50 free");
}
