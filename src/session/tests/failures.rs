//! What goes wrong in a commit: the change is named with its line, nothing is written, nothing is lost.

use super::memory::Like;
use super::world::{BOTH, World, text};
use crate::ErrorKind;
use crate::model::Value;
use crate::session::State;
use crate::session::journal::Change;

/// How many statements of changes a search by halves may take for one culprit among so many.
fn halves(changes: usize) -> usize {
    2 * usize::try_from(changes.ilog2()).unwrap() + 4
}

#[test]
fn a_culprit_among_a_thousand_is_found_by_halves() {
    for culprit in [1, 2, 499, 500, 777, 1_000] {
        let mut world = World::prompt(Like::Postgres, 1_001);
        let mut changes: Vec<Change> = (1..=1_000).map(|n| world.email(n, &format!("new{n}"))).collect();
        changes[culprit - 1] = world.email(culprit as i64, "1001@x");
        world.staged(changes);
        let error = world.session.commit().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Constraint);
        assert_eq!(error.place.unwrap().line as usize, culprit);
        let wanted = format!("change #{culprit}: email '1001@x' is taken by user 1001 <User user1001>");
        assert_eq!(error.message.replace("<User 1001@x>", "<User user1001>"), wanted);
        let sent = world.changes();
        assert!(sent.len() <= halves(1_000), "{}: {sent:?}", sent.len());
        assert_eq!(world.session.staged(), 1_000);
        assert!(world.rows("users").iter().all(|row| !row.contains("new")));
        // Mended and committed again.
        let users = world.entity("users");
        world.session.discard(users, &[Value::Int(culprit as i64)], None).unwrap();
        world.session.commit().unwrap();
        assert_eq!(world.rows("users").iter().filter(|row| row.contains("new")).count(), 999);
    }
}

/// The first one that was typed is named, also where a later kind would be sent before it.
#[test]
fn of_several_culprits_the_first_is_named() {
    for like in BOTH {
        let mut world = World::prompt(like, 20);
        let mut changes: Vec<Change> = (1..=10).map(|n| world.age(n, -n)).collect();
        changes.push(world.insert("users", &[("id", Value::Int(50)), ("email", text("20@x"))]));
        changes.push(world.email(12, "20@x"));
        changes.push(world.email(13, "19@x"));
        world.staged(changes);
        let error = world.session.commit().unwrap_err();
        assert_eq!(error.place.as_ref().unwrap().line, 11, "{like:?}: {error:?}");
    }
}

#[test]
fn a_row_that_is_still_referred_to_says_by_what() {
    let mut world = World::prompt(Like::Postgres, 3);
    let posts = world.entity("posts");
    world.database.borrow_mut().theirs(|work| {
        for title in ["a", "b"] {
            work.insert(posts, &[1, 2], &[text(title), Value::Int(2)]).unwrap();
        }
    });
    let changes = [world.gone(1), world.gone(2), world.gone(3)];
    world.staged(changes);
    let error = world.session.commit().unwrap_err();
    assert_eq!(error.message, "change #2: user 2 is still referred to by 2 posts");
    assert!(error.hints.iter().any(|hint| hint == "delete them too: `delete user 2 with posts`"), "{:?}", error.hints);
    assert!(error.hints.iter().any(|hint| hint == "`discard user 2` takes it out"), "{:?}", error.hints);
}

#[test]
fn a_conflict_is_named_three_ways() {
    for like in BOTH {
        let mut world = World::prompt(like, 100);
        let changes: Vec<Change> = (1..=100).map(|n| world.age(n, -n)).collect();
        world.staged(changes);
        let users = world.entity("users");
        world.database.borrow_mut().theirs(|work| work.set(users, 57, &[(3, Value::Int(570))]));
        world.log();
        let error = world.session.commit().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert_eq!(error.message, "change #57: user 57 was changed by someone else since it was read");
        assert_eq!(error.hints[0], "age: was 57, is now 570, yours is -57");
        assert!(error.hints[1].starts_with("`keep mine user 57`, `keep theirs user 57` or `discard user 57`"));
        assert_eq!(error.place.unwrap().line, 57);
        assert!(world.changes().len() <= halves(100) + if like == Like::Sqlite { 20 } else { 0 });
        // Nothing of the others was written. Then it is settled.
        assert_eq!(world.rows("users")[0], "1 1@x user1 1 free");
        world.session.keep(true, None).unwrap();
        world.session.commit().unwrap();
        assert_eq!(
            (world.rows("users")[0].as_str(), world.rows("users")[56].as_str()),
            ("1 1@x user1 -1 free", "57 57@x user57 -57 free")
        );
    }
}

/// All that others have changed among a thousand staged records is found by a question or two.
#[test]
fn conflicts_are_looked_for_together() {
    for like in BOTH {
        let mut world = World::prompt(like, 1_000);
        let mut changes: Vec<Change> = (1..=998).map(|n| world.age(n, -n)).collect();
        changes.push(world.gone(999));
        let memberships = world.entity("memberships");
        let key = |n: i64| vec![Value::Int(n), text("chess")];
        for n in 1..=300 {
            let base = vec![(2, Value::Int(n))];
            changes.push(Change::Update { entity: memberships, key: key(n), set: vec![(2, Value::Null)].into(), base });
        }
        world.staged(changes);
        let users = world.entity("users");
        world.database.borrow_mut().theirs(|work| {
            for n in 1..=300 {
                work.insert(memberships, &[0, 1, 2], &[Value::Int(n), text("chess"), Value::Int(n % 150)]).unwrap();
            }
            work.set(users, 5, &[(3, Value::Int(55))]);
            work.set(users, 6, &[(2, text("of no matter"))]);
            work.go(users, 998);
            work.go(users, 999);
        });
        world.log();
        let found = world.session.conflicts().unwrap();
        let keys: Vec<String> = found.iter().map(|conflict| format!("{:?}", conflict.key[0])).take(4).collect();
        assert_eq!(keys, ["Int(5)", "Int(998)", "Int(999)", "Int(150)"], "{like:?}");
        assert_eq!((found.len(), found[0].gone, found[1].gone), (3 + 151, false, true));
        assert_eq!(found[0].columns, [(3, Value::Int(5), Value::Int(55))]);
        assert_eq!(world.log(), ["select users", "select memberships", "select memberships"]);
    }
}

#[test]
fn only_edited_columns_conflict() {
    let mut world = World::prompt(Like::Postgres, 10);
    let changes: Vec<Change> = (1..=10).map(|n| world.age(n, -n)).collect();
    world.staged(changes);
    let users = world.entity("users");
    world.database.borrow_mut().theirs(|work| work.set(users, 5, &[(2, text("theirs"))]));
    world.session.commit().unwrap();
    assert_eq!(world.rows("users")[4], "5 5@x theirs -5 free");
}

#[test]
fn a_row_that_is_gone_is_a_conflict_for_a_delete_too() {
    for like in BOTH {
        let mut world = World::prompt(like, 5);
        let changes: Vec<Change> = (1..=5).map(|n| world.gone(n)).collect();
        world.staged(changes);
        let users = world.entity("users");
        world.database.borrow_mut().theirs(|work| work.go(users, 3));
        let error = world.session.commit().unwrap_err();
        assert_eq!(error.message, "change #3: user 3 was deleted by someone else since it was read");
        assert_eq!(world.session.keep(false, None).unwrap().conflicts, 1);
        world.session.commit().unwrap();
        assert!(world.rows("users").is_empty());
    }
}

#[test]
fn a_serialization_failure_replays_everything() {
    let mut world = World::prompt(Like::Postgres, 50);
    let mut changes: Vec<Change> = (1..=50).map(|n| world.age(n, -n)).collect();
    changes.push(world.insert("users", &[("id", Value::Int(70)), ("email", text("new"))]));
    world.staged(changes);
    world.fail("insert users", 0, 2, ErrorKind::Busy);
    world.session.commit().unwrap();
    let once = ["update users 50", "insert users 1"];
    assert_eq!(world.changes(), [once, once, once].concat());
    assert_eq!((world.rows("users").len(), world.session.is_clean()), (51, true));
}

#[test]
fn trying_again_has_an_end() {
    let mut world = World::prompt(Like::Postgres, 2);
    let changes = [world.age(1, 10)];
    world.staged(changes);
    world.fail("update users", 0, 100, ErrorKind::Busy);
    let error = world.session.commit().unwrap_err();
    assert_eq!((error.kind, world.session.staged()), (ErrorKind::Busy, 1));
    assert_eq!(world.changes().len(), 6);
    world.database.borrow_mut().heal();
    world.session.commit().unwrap();
    assert_eq!(world.rows("users")[0], "1 1@x user1 10 free");
}

#[test]
fn a_connection_lost_before_commit_is_made_again_and_everything_replayed() {
    for at in ["begin", "update users", "identity"] {
        let mut world = World::prompt(Like::Postgres, 9);
        let changes: Vec<Change> = (1..=9).map(|n| world.age(n, -n)).collect();
        world.staged(changes);
        world.fail(at, 0, 1, ErrorKind::Connection);
        world.session.commit().unwrap();
        let log = world.log();
        assert!(log.contains(&"reconnect".to_owned()), "{at}: {log:?}");
        assert_eq!(log.iter().filter(|line| *line == "commit").count(), 1, "{at}: {log:?}");
        assert_eq!(world.rows("users")[8], "9 9@x user9 -9 free");
    }
}

/// The answer to COMMIT is lost: the server is asked, and nothing is sent twice.
#[test]
fn a_commit_whose_answer_is_lost_is_looked_up() {
    let mut world = World::prompt(Like::Postgres, 3);
    let changes = [world.age(1, 10), world.insert("logs", &[("line", text("once"))])];
    world.staged(changes);
    world.database.borrow_mut().fail("commit", 0, 1, ErrorKind::Connection, true);
    let counts = world.session.commit().unwrap();
    assert_eq!((counts.added, counts.changed), (1, 1));
    assert_eq!(world.log().iter().filter(|line| *line == "commit").count(), 1);
    assert_eq!((world.rows("logs").len(), world.session.state()), (1, State::Clean));
    assert!(world.session.take_warnings()[0].starts_with("the answer to COMMIT was lost; the database has it"));
}

#[test]
fn a_commit_that_never_arrived_is_sent_again() {
    let mut world = World::prompt(Like::Postgres, 3);
    let changes = [world.insert("logs", &[("line", text("once"))])];
    world.staged(changes);
    world.fail("commit", 0, 1, ErrorKind::Connection);
    world.session.commit().unwrap();
    assert_eq!(world.log().iter().filter(|line| *line == "commit").count(), 2);
    assert_eq!((world.rows("logs").len(), world.session.is_clean()), (1, true));
}

/// As long as it is not known nothing is sent, staged or undone, and reads show the database. Then a person decides.
#[test]
fn a_commit_in_doubt_is_a_persons_to_decide() {
    for sends in [true, false] {
        let mut world = World::prompt(Like::Postgres, 3);
        // By a row without a key nobody can tell, nor by the name of its transaction.
        let changes = [world.insert("logs", &[("line", text("once"))])];
        world.staged(changes);
        world.database.borrow_mut().nameless = true;
        world.database.borrow_mut().fail("commit", 0, 1, ErrorKind::Connection, true);
        assert_eq!(world.session.commit().unwrap_err().kind, ErrorKind::InDoubt);
        world.log();
        assert_eq!(world.session.state(), State::InDoubt);
        assert_eq!(world.session.undo(1).unwrap_err().kind, ErrorKind::InDoubt);
        let change = world.age(2, 20);
        assert_eq!(world.session.stage(vec![change], None).unwrap_err().kind, ErrorKind::InDoubt);
        assert_eq!(world.read("count logs"), ["1"]);
        assert_eq!(world.session.commit().unwrap_err().kind, ErrorKind::InDoubt);
        assert_eq!(world.changes(), [""; 0]);
        world.session.show_doubt();
        if sends {
            world.session.commit().unwrap();
        } else {
            world.session.rollback().unwrap();
        }
        assert_eq!(world.changes().len(), usize::from(sends));
        assert_eq!((world.rows("logs").len(), world.session.state()), (1 + usize::from(sends), State::Clean));
    }
}

/// Where no server can tell, the rows can.
#[test]
fn rows_tell_what_became_of_a_commit() {
    for arrived in [true, false] {
        let mut world = World::prompt(Like::Postgres, 3);
        let changes = [world.age(1, 10)];
        world.staged(changes);
        world.database.borrow_mut().nameless = true;
        world.database.borrow_mut().fail("commit", 0, 1, ErrorKind::Connection, arrived);
        world.session.commit().unwrap();
        assert_eq!(world.changes().len(), if arrived { 1 } else { 2 });
        assert_eq!((world.rows("users")[0].as_str(), world.session.state()), ("1 1@x user1 10 free", State::Clean));
    }
}

#[test]
fn a_commit_that_the_database_refuses_keeps_everything() {
    let mut world = World::prompt(Like::Postgres, 3);
    let changes = [world.age(1, 10)];
    world.staged(changes);
    // A deferred constraint.
    world.fail("commit", 0, 1, ErrorKind::Constraint);
    let error = world.session.commit().unwrap_err();
    assert_eq!((error.kind, world.session.staged(), world.session.is_open()), (ErrorKind::Constraint, 1, false));
    world.session.commit().unwrap();
    assert_eq!(world.rows("users")[0], "1 1@x user1 10 free");
}
