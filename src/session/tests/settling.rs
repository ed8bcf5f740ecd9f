//! Conflicts are settled, changes discarded: what goes along, what stays.

use super::schema::table;
use super::world::{BOTH, World, text};
use crate::ErrorKind;
use crate::model::Value;
use crate::session::Hold;
use crate::session::journal::{Change, Entry};

/// Customers with invoices that go with them, as `delete customer 1 with invoices` stages it.
fn customers() -> (World, Entry) {
    let tables = vec![
        table("customers", &["id int key", "name text"]),
        table("invoices", &["id int key", "customer_id int -> customers", "sum int"]),
    ];
    let world = World::new(BOTH[1], Hold::No, tables);
    let (customers, invoices) = (world.entity("customers"), world.entity("invoices"));
    world.database.borrow_mut().theirs(|work| {
        for n in 1..=2 {
            work.insert(customers, &[0, 1], &[Value::Int(n), text("c")]).unwrap();
            for at in 0..2 {
                work.insert(invoices, &[0, 1, 2], &[Value::Int(10 * n + at), Value::Int(n), Value::Int(5)]).unwrap();
            }
        }
    });
    let mut changes = Vec::new();
    for n in 1..=2 {
        for at in 0..2 {
            let base = [("customer_id", Value::Int(n)), ("sum", Value::Int(5))];
            changes.push(world.delete("invoices", 10 * n + at, &base));
        }
        changes.push(world.delete("customers", n, &[("name", text("c"))]));
    }
    (world, Entry { number: 0, place: None, changes, effects: Vec::new(), whole: None })
}

#[test]
fn a_record_that_is_to_stay_keeps_what_was_to_go_with_it() {
    for mine in [false, true] {
        let (mut world, entry) = customers();
        world.session.journal.push(entry);
        let customers = world.entity("customers");
        world.database.borrow_mut().theirs(|work| work.set(customers, 1, &[(1, text("theirs"))]));
        assert_eq!(world.session.commit().unwrap_err().kind, ErrorKind::Conflict);
        let settled = world.session.keep(mine, None).unwrap();
        assert_eq!((settled.conflicts, settled.others.deleted), (1, if mine { 0 } else { 2 }));
        world.session.commit().unwrap();
        let left: &[&str] = if mine { &[] } else { &["10 1 5", "11 1 5"] };
        assert_eq!(world.rows("invoices"), left);
        assert_eq!(world.rows("customers").len(), left.len() / 2);
    }
}

#[test]
fn what_is_discarded_takes_along_what_was_staged_because_of_it() {
    let (mut world, entry) = customers();
    world.session.journal.push(entry);
    let customers = world.entity("customers");
    assert_eq!(world.session.discard(customers, &[Value::Int(2)], None).unwrap(), 3);
    assert_eq!(world.session.counts().deleted, 3);
    world.session.undo(1).unwrap();
    assert_eq!(world.session.counts().deleted, 6);
    assert_eq!(world.session.discard(customers, &[Value::Int(9)], None).unwrap_err().kind, ErrorKind::Invalid);
}

#[test]
fn only_the_columns_in_question_are_given_up() {
    for mine in [false, true] {
        let mut world = World::prompt(BOTH[0], 3);
        let both = [("age", Value::Int(2), Value::Int(20)), ("name", text("user2"), text("mine"))];
        let changes = [world.update("users", 2, &both), world.age(3, 30)];
        world.staged(changes);
        let users = world.entity("users");
        world.database.borrow_mut().theirs(|work| work.set(users, 2, &[(3, Value::Int(22))]));
        let record = Some((users, vec![Value::Int(2)]));
        world.session.keep(mine, record.clone()).unwrap();
        assert_eq!(world.session.keep(mine, record).unwrap_err().kind, ErrorKind::Invalid);
        world.session.commit().unwrap();
        let age = if mine { 20 } else { 22 };
        assert_eq!(world.rows("users")[1..], [format!("2 2@x mine {age} free"), "3 3@x user3 30 free".into()]);
    }
}

#[test]
fn a_record_that_is_gone_cannot_be_edited() {
    let mut world = World::prompt(BOTH[1], 2);
    let changes = [world.age(1, 10), world.age(2, 20)];
    world.staged(changes);
    let users = world.entity("users");
    world.database.borrow_mut().theirs(|work| work.go(users, 1));
    let error = world.session.keep(true, None).unwrap_err();
    assert_eq!((error.kind, world.session.staged()), (ErrorKind::Refused, 2));
    assert_eq!(world.session.keep(false, None).unwrap().conflicts, 1);
    world.session.commit().unwrap();
    assert_eq!(world.rows("users"), ["2 2@x user2 20 free"]);
}

/// The first change that was based on the old value is based on theirs; those behind it on what it gives.
#[test]
fn a_chain_of_edits_is_based_anew_at_its_beginning() {
    let mut world = World::prompt(BOTH[1], 1);
    let change = |old: i64, new: i64| ("age", Value::Int(old), Value::Int(new));
    let changes = [world.update("users", 1, &[change(1, 2)]), world.update("users", 1, &[change(2, 3)])];
    world.staged(changes);
    let users = world.entity("users");
    world.database.borrow_mut().theirs(|work| work.set(users, 1, &[(3, Value::Int(100))]));
    world.session.keep(true, None).unwrap();
    let bases: Vec<Vec<(usize, Value)>> = world
        .session
        .entries()
        .iter()
        .filter_map(|entry| match &entry.changes[0] {
            Change::Update { base, .. } => Some(base.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(bases, [[(3, Value::Int(100))], [(3, Value::Int(2))]]);
    world.session.commit().unwrap();
    assert_eq!(world.rows("users"), ["1 1@x user1 3 free"]);
}

#[test]
fn a_new_record_that_others_refer_to_is_not_discarded() {
    for like in BOTH {
        let mut world = World::prompt(like, 0);
        let user = world.insert("users", &[("email", text("a"))]);
        world.session.stage(vec![user], None).unwrap();
        let post = world.insert("posts", &[("title", text("t")), ("author_id", Value::Int(1))]);
        world.session.stage(vec![post], None).unwrap();
        let (users, posts) = (world.entity("users"), world.entity("posts"));
        let error = world.session.discard(users, &[Value::Int(1)], None).unwrap_err();
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Refused, "staged change #2 refers to this new user")
        );
        world.session.discard(posts, &[Value::Int(1)], None).unwrap();
        world.session.discard(users, &[Value::Int(1)], None).unwrap();
        assert!(world.session.is_clean());
        assert_eq!((world.session.undo(2).unwrap(), world.session.staged()), (2, 2));
    }
}

#[test]
fn a_column_that_is_discarded_is_as_it_was() {
    let mut world = World::prompt(BOTH[1], 1);
    let both = [("age", Value::Int(1), Value::Int(10)), ("name", text("user1"), text("new"))];
    let changes = [world.update("users", 1, &both)];
    world.staged(changes);
    let users = world.entity("users");
    assert_eq!(world.session.discard(users, &[Value::Int(1)], Some(3)).unwrap(), 1);
    assert_eq!(world.read("list users where id = 1 show name, age"), ["new 1"]);
    // What is required of a new record cannot be taken from it.
    let new = world.insert("users", &[("id", Value::Int(9)), ("email", text("e")), ("name", text("n"))]);
    world.session.stage(vec![new], None).unwrap();
    assert_eq!(world.session.discard(users, &[Value::Int(9)], Some(1)).unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(world.session.discard(users, &[Value::Int(9)], Some(2)).unwrap(), 1);
    world.session.commit().unwrap();
    assert_eq!(world.rows("users"), ["1 1@x new 1 free", "9 e   free"]);
}

/// A record is discarded by any of the keys that it has in what is staged.
#[test]
fn a_record_whose_key_changes_is_discarded_as_a_whole() {
    for key in ["a", "b", "c"] {
        let mut world = World::new(BOTH[0], Hold::No, vec![table("words", &["word text key", "n int"])]);
        let words = world.entity("words");
        world.database.borrow_mut().theirs(|work| {
            for word in ["a", "x"] {
                work.insert(words, &[0], &[text(word)]).unwrap();
            }
        });
        let update = |key: &str, column: usize, old: Value, new: Value| Change::Update {
            entity: words,
            key: vec![text(key)],
            set: vec![(column, new)].into(),
            base: vec![(column, old)],
        };
        let changes = [
            update("a", 0, text("a"), text("b")),
            update("b", 1, Value::Null, Value::Int(5)),
            update("x", 1, Value::Null, Value::Int(6)),
            update("b", 0, text("b"), text("c")),
            update("c", 1, Value::Int(5), Value::Int(7)),
        ];
        world.staged(changes);
        assert_eq!(world.read("list words order by word"), ["c 7", "x 6"]);
        assert_eq!(world.session.discard(words, &[text(key)], None).unwrap(), 4, "{key}");
        assert_eq!(world.read("list words order by word"), ["a ", "x 6"]);
        world.session.commit().unwrap();
        assert_eq!(world.rows("words"), ["a ", "x 6"]);
    }
}
