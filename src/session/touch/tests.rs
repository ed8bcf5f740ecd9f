use super::{Role, Touches, needed, ordered};
use crate::model::Value;
use crate::session::journal::Change;
use crate::session::tests::memory::Like;
use crate::session::tests::random::{Op, World, op, ops};
use crate::session::tests::schema::{catalog, table};
use proptest::prelude::*;

/// What the database says of a change with only those before it that it needs is what it says with all of them.
fn needs_no_more(before: &[Op], staged: &[Op], new: Op) {
    let mut committed = World::new(Like::Postgres);
    committed.applied(before);
    let mut all = committed.clone();
    let staged = all.applied(staged);
    let Some(new) = all.change(new) else { return };
    let wanted = needed(staged.iter(), std::slice::from_ref(&new), &all.catalog);
    assert!(wanted.is_sorted());
    let mut some = committed.clone();
    for at in &wanted {
        let sent = some.send(&[&staged[*at]]);
        assert_eq!(
            sent.as_ref().ok(),
            Some(&1),
            "{at} of {wanted:?} goes without the others: {staged:#?}\nfor {new:?}"
        );
    }
    let verdict = |sent: crate::Result<usize>| sent.map_err(|error| error.message);
    let (with_some, with_all) = (verdict(some.send(&[&new])), verdict(all.send(&[&new])));
    let same = match (&with_some, &with_all) {
        (Ok(some), Ok(all)) => some == all,
        (Err(_), Err(_)) => true,
        _ => false,
    };
    assert!(same, "{with_some:?} with {wanted:?}, {with_all:?} with all of {staged:#?}\nfor {new:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) })]

    #[test]
    fn a_change_needs_no_more_than_it_is_said_to(
        before in ops(30),
        staged in ops(25),
        new in op()
    ) {
        needs_no_more(&before, &staged, new);
    }
}

#[test]
fn which_roles_keep_their_order() {
    use Role::{Edits, Follows, Gives, Refers, Takes};
    let free = [
        (Refers, Refers),
        (Refers, Edits),
        (Edits, Refers),
        (Takes, Takes),
        (Takes, Follows),
        (Edits, Follows),
        (Refers, Follows),
    ];
    for earlier in [Gives, Takes, Edits, Refers, Follows] {
        for later in [Gives, Takes, Edits, Refers, Follows] {
            let expected = earlier != Follows && !free.contains(&(earlier, later));
            assert_eq!(ordered(earlier, later), expected, "{earlier:?} {later:?}");
        }
    }
}

/// Values that a collation or a type may take for equal touch one slot.
#[test]
fn values_that_may_be_equal_are_one_slot() {
    let tables = [table("words", &["word text key", "n int"]), table("sums", &["sum decimal key", "n int"])];
    let catalog = catalog(&tables);
    let mut touches = Touches::new(&catalog);
    let mut slot = |table: &str, key: Value| {
        let entity = catalog.resolve(table).unwrap();
        let mut found = Vec::new();
        touches.of(&Change::Delete { entity, key: vec![key], base: Vec::new() }, &mut found);
        found[0].slot
    };
    let text = |text: &str| Value::Text(text.into());
    let word = slot("words", text("Ann"));
    assert_eq!([slot("words", text("ann")), slot("words", text("ANN  "))], [word, word]);
    assert_ne!(slot("words", text("anna")), word);
    let sum = slot("sums", text("1.50"));
    assert_eq!([slot("sums", Value::Float(1.5)), slot("sums", text("+1.5"))], [sum, sum]);
    assert_ne!(slot("sums", Value::Int(1)), sum);
    assert_ne!(slot("words", text("1.5")), sum, "another table");
}

#[test]
fn a_null_is_no_unique_value() {
    let catalog = catalog(&[table("users", &["id int key", "email text unique"])]);
    let entity = catalog.resolve("users").unwrap();
    let mut touches = Touches::new(&catalog);
    let mut found = Vec::new();
    let key = vec![Value::Int(1)];
    let change = |old: Value, new: Value| Change::Update {
        entity,
        key: key.clone(),
        set: vec![(1, new)].into(),
        base: vec![(1, old)],
    };
    let text = |text: &str| Value::Text(text.into());
    let mut roles = |change: &Change| {
        touches.of(change, &mut found);
        found.iter().map(|touch| touch.role).collect::<Vec<_>>()
    };
    assert_eq!(roles(&change(text("a"), text("b"))), [Role::Edits, Role::Takes, Role::Gives]);
    assert_eq!(roles(&change(Value::Null, text("b"))), [Role::Edits, Role::Gives]);
    assert_eq!(roles(&change(text("a"), Value::Null)), [Role::Edits, Role::Takes]);
    assert_eq!(roles(&change(Value::Null, Value::Null)), [Role::Edits]);
}
