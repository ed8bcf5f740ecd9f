//! What a commit sends: as many statements as there are kinds of changes.

use super::memory::Like;
use super::world::{BOTH, World, text};
use crate::model::Value;
use crate::session::journal::Change;

/// The statements of a commit of these changes on PostgreSQL, where a set is one however large.
fn statements(users: i64, staged: impl FnOnce(&World) -> Vec<Change>) -> Vec<String> {
    let mut world = World::prompt(Like::Postgres, users);
    let changes = staged(&world);
    world.staged(changes);
    world.session.commit().unwrap();
    world.changes()
}

#[test]
fn ten_thousand_changes_of_one_kind_are_one_statement() {
    let mut world = World::prompt(Like::Postgres, 10_000);
    let changes: Vec<Change> = (1..=10_000).map(|user| world.age(user, -user)).collect();
    world.staged(changes);
    let counts = world.session.commit().unwrap();
    assert_eq!(counts.changed, 10_000);
    assert_eq!(world.log(), ["begin", "update users 10000", "identity", "commit"]);
    assert_eq!(world.rows("users")[9_999], "10000 10000@x user10000 -10000 free");
}

/// Where each number of rows is a statement of its own, few sizes are used, so that statements are prepared once.
#[test]
fn a_database_without_arrays_gets_full_statements_and_a_few_small_ones() {
    let mut world = World::prompt(Like::Sqlite, 3_000);
    let changes: Vec<Change> = (1..=3_000).map(|user| world.age(user, -user)).collect();
    world.staged(changes);
    world.session.commit().unwrap();
    let sizes: Vec<usize> =
        world.changes().iter().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(sizes, [512, 512, 512, 512, 512, 256, 128, 32, 16, 8]);
}

#[test]
fn mixed_changes_are_as_many_statements_as_kinds() {
    let sent = statements(900, |world| {
        let mut changes = Vec::new();
        for n in 1..=300 {
            changes.push(world.age(n, -n));
            changes.push(world.insert("users", &[("id", Value::Int(2_000 + n)), ("email", text(format!("new{n}")))]));
            changes.push(world.gone(600 + n));
            changes.push(world.email(300 + n, &format!("other{n}")));
        }
        changes
    });
    assert_eq!(sent, ["update users 300", "insert users 300", "delete users 300", "update users 300"]);
}

/// Which columns a change names is its kind: of the table, of the values, of what was read.
#[test]
fn other_columns_are_another_kind() {
    let sent = statements(100, |world| {
        let both = |n: i64| {
            world.update(
                "users",
                n,
                &[("age", Value::Int(n), Value::Int(-n)), ("name", text(format!("user{n}")), text("both"))],
            )
        };
        (1..=100).map(|n| if n % 2 == 0 { world.age(n, -n) } else { both(n) }).collect()
    });
    assert_eq!(sent, ["update users 50", "update users 50"]);
}

#[test]
fn new_records_come_before_those_that_refer_to_them() {
    let sent = statements(0, |world| {
        let mut changes = Vec::new();
        for n in 1..=50 {
            changes.push(world.insert("users", &[("id", Value::Int(n)), ("email", text(format!("{n}@x")))]));
            changes.push(
                world.insert("posts", &[("id", Value::Int(n)), ("title", text("t")), ("author_id", Value::Int(n))]),
            );
            changes.push(world.insert("comments", &[("id", Value::Int(n)), ("post_id", Value::Int(n))]));
        }
        changes
    });
    assert_eq!(sent, ["insert users 50", "insert posts 50", "insert comments 50"]);
}

#[test]
fn records_that_refer_go_before_what_they_refer_to() {
    let mut world = World::prompt(Like::Postgres, 20);
    let (posts, memberships) = (world.entity("posts"), world.entity("memberships"));
    world.database.borrow_mut().theirs(|work| {
        for n in 1..=20 {
            work.insert(posts, &[1, 2], &[text("t"), Value::Int(n)]).unwrap();
            work.insert(memberships, &[0, 1], &[Value::Int(n), text("chess")]).unwrap();
        }
    });
    let membership =
        |n| Change::Delete { entity: memberships, key: vec![Value::Int(n), text("chess")], base: Vec::new() };
    let mut changes = Vec::new();
    for n in 1..=20 {
        changes.push(world.delete("posts", n, &[]));
        changes.push(membership(n));
        changes.push(world.gone(n));
    }
    world.staged(changes);
    world.session.commit().unwrap();
    assert_eq!(world.changes(), ["delete posts 20", "delete memberships 20", "delete users 20"]);
    assert!(world.rows("users").is_empty());
}

/// Two records take each other's unique value by way of a third one. The database looks at each row as it is changed, so
/// no two of these may share a statement, but many swaps do.
#[test]
fn swaps_of_unique_values_keep_their_order() {
    for like in BOTH {
        let mut world = World::prompt(like, 40);
        let mut changes = Vec::new();
        for n in (1..=39).step_by(2) {
            let (one, two) = (n, n + 1);
            let set =
                |key: i64, old: String, new: String| world.update("users", key, &[("email", text(old), text(new))]);
            changes.push(set(one, format!("{one}@x"), format!("free{one}")));
            changes.push(set(two, format!("{two}@x"), format!("{one}@x")));
            changes.push(set(one, format!("free{one}"), format!("{two}@x")));
        }
        world.staged(changes);
        world.session.commit().unwrap();
        let sent = world.changes();
        if like == Like::Postgres {
            assert_eq!(sent, ["update users 20", "update users 20", "update users 20"]);
        }
        assert_eq!(world.rows("users").len(), 40);
        assert!(world.rows("users").contains(&"2 1@x user2 2 free".to_owned()), "{:?}", world.rows("users"));
        assert!(world.rows("users").contains(&"1 2@x user1 1 free".to_owned()));
    }
}

#[test]
fn a_unique_value_is_freed_before_it_is_taken_again() {
    for like in BOTH {
        let mut world = World::prompt(like, 30);
        let mut changes = Vec::new();
        for n in 1..=30 {
            changes.push(world.gone(n));
            changes.push(world.insert("users", &[("id", Value::Int(100 + n)), ("email", text(format!("{n}@x")))]));
        }
        world.staged(changes);
        world.session.commit().unwrap();
        if like == Like::Postgres {
            assert_eq!(world.changes(), ["delete users 30", "insert users 30"]);
        }
        assert_eq!(world.rows("users")[0], "101 1@x   free");
    }
}

/// A value that was inserted is taken away, and given to another: what was typed first happens first.
#[test]
fn what_was_typed_first_happens_first() {
    for like in BOTH {
        let mut world = World::prompt(like, 3);
        let changes = [
            world.insert("users", &[("id", Value::Int(10)), ("email", text("new"))]),
            world.update("users", 1, &[("email", text("1@x"), text("old1"))]),
            world.insert("users", &[("id", Value::Int(11)), ("email", text("1@x"))]),
            world.gone(2),
            world.update("users", 3, &[("email", text("3@x"), text("2@x"))]),
            world.insert("users", &[("id", Value::Int(2)), ("email", text("3@x"))]),
        ];
        world.staged(changes);
        world.session.commit().unwrap();
        let mut rows = world.rows("users");
        rows.sort();
        let mut wanted =
            ["10 new   free", "1 old1 user1 1 free", "11 1@x   free", "3 2@x user3 3 free", "2 3@x   free"];
        wanted.sort_unstable();
        assert_eq!(rows, wanted, "{like:?}");
    }
}

#[test]
fn what_comes_to_nothing_is_not_sent() {
    let sent = statements(4, |world| {
        vec![
            world.age(1, 50),
            world.update("users", 1, &[("age", Value::Int(50), Value::Int(1))]),
            world.insert("users", &[("id", Value::Int(9)), ("email", text("nine"))]),
            world.delete("users", 9, &[]),
            world.age(2, 60),
            world.update("users", 2, &[("age", Value::Int(60), Value::Int(61))]),
            world.update("users", 2, &[("name", text("user2"), text("two"))]),
            world.age(3, 30),
            world.delete("users", 3, &[("age", Value::Int(30))]),
        ]
    });
    assert_eq!(sent, ["update users 1", "delete users 1"]);
}

/// Where the database gives the keys, what names one of them comes behind the new record, and new records wait for nothing.
#[test]
fn keys_that_are_to_be_given_are_named_behind_them() {
    let world = World::prompt(Like::Sqlite, 0);
    let post =
        |world: &World, author: i64| world.insert("posts", &[("title", text("t")), ("author_id", Value::Int(author))]);
    let changes = [
        world.insert("users", &[("email", text("1@x")), ("age", Value::Int(1))]),
        post(&world, 1),
        world.age(1, 10),
        world.insert("users", &[("email", text("2@x")), ("age", Value::Int(2))]),
        post(&world, 2),
        world.age(2, 20),
        // Of another kind.
        world.insert("users", &[("email", text("3@x"))]),
        post(&world, 3),
        world.update("users", 3, &[("age", Value::Null, Value::Int(30))]),
    ];
    for count in [6, 9] {
        let mut world = World::prompt(Like::Sqlite, 0);
        world.staged(changes[..count].to_vec());
        // As they are sent again: what is typed first is numbered first.
        world.session.set_hold(crate::session::Hold::Yes).unwrap();
        world.session.commit().unwrap();
        let sent = world.changes();
        if count == 6 {
            assert_eq!(sent, ["insert users 2", "insert posts 2", "update users 2"]);
        } else {
            assert_eq!(world.rows("users"), ["1 1@x  10 free", "2 2@x  20 free", "3 3@x  30 free"], "{sent:?}");
        }
    }
}

/// With triggers, whatever runs may look at anything: only neighbours share a statement.
#[test]
fn triggers_keep_every_order() {
    let mut world = World::prompt(Like::Postgres, 6).with_triggers("posts");
    let changes = [
        world.age(1, 10),
        world.age(2, 20),
        world.insert("logs", &[("line", text("a"))]),
        world.age(3, 30),
        world.age(4, 40),
        world.age(5, 50),
    ];
    world.staged(changes);
    world.session.commit().unwrap();
    assert_eq!(world.changes(), ["update users 2", "insert logs 1", "update users 3"]);
}

#[test]
fn a_part_of_what_is_staged_is_committed_alone() {
    for like in BOTH {
        let mut world = World::prompt(like, 5);
        let logs = world.entity("logs");
        let mut changes: Vec<Change> = (1..=5).map(|n| world.age(n, -n)).collect();
        changes.insert(2, world.insert("logs", &[("line", text("first"))]));
        changes.push(world.insert("logs", &[("line", text("second"))]));
        world.staged(changes);
        let counts = world.session.commit_only(false, &[logs]).unwrap();
        assert_eq!((counts.added, counts.changed), (2, 0));
        assert_eq!(world.changes(), ["insert logs 2"]);
        assert_eq!(world.session.staged(), 5);
        world.session.commit().unwrap();
        assert_eq!(world.rows("users")[4], "5 5@x user5 -5 free");
    }
}

#[test]
fn a_dry_run_sends_everything_and_takes_it_back() {
    let mut world = World::prompt(Like::Postgres, 5);
    let changes: Vec<Change> = (1..=5).map(|n| world.age(n, -n)).collect();
    world.staged(changes);
    assert_eq!(world.session.commit_only(true, &[]).unwrap().changed, 5);
    assert_eq!(world.log(), ["begin", "update users 5", "rollback"]);
    assert_eq!((world.session.staged(), world.rows("users")[0].as_str()), (5, "1 1@x user1 1 free"));
}

#[test]
fn new_records_take_keys_from_a_sequence_in_one_question() {
    let mut world = World::prompt(Like::Postgres, 2);
    let changes: Vec<Change> =
        (0..1_000).map(|n| world.insert("users", &[("email", text(format!("new{n}")))])).collect();
    world.together(changes).unwrap();
    let asked = world.log().iter().filter(|line| line.starts_with("keys")).cloned().collect::<Vec<_>>();
    assert_eq!(asked, ["keys users 1000"]);
    world.session.commit().unwrap();
    assert_eq!(world.changes(), ["insert users 1000"]);
    assert_eq!(world.rows("users")[1_001], "1002 new999   free");
}

/// Where keys are counted, another writer may have taken one meanwhile: the record gets a new one, and so does what
/// refers to it.
#[test]
fn a_key_that_someone_else_took_is_given_anew() {
    let mut world = World::prompt(Like::Sqlite, 2);
    let new = world.insert("users", &[("email", text("mine"))]);
    world.session.stage(vec![new], None).unwrap();
    let post = world.insert("posts", &[("title", text("t")), ("author_id", Value::Int(3))]);
    world.session.stage(vec![post], None).unwrap();
    let users = world.entity("users");
    world.database.borrow_mut().theirs(|work| drop(work.insert(users, &[1], &[text("theirs")]).unwrap()));
    world.session.commit().unwrap();
    assert_eq!(world.rows("users")[2..], ["3 theirs   free", "4 mine   free"]);
    assert_eq!(world.rows("posts"), ["1 t 4"]);
    assert!(world.session.take_warnings()[0].contains("the new user 3 is user 4 now"));
}
