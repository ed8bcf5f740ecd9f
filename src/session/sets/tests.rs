use super::sets;
use crate::session::journal::Change;
use crate::session::tests::memory::Like;
use crate::session::tests::random::{Op, World, ops};
use proptest::prelude::*;

/// What a change does, to which table, with which columns.
fn kind(change: &Change) -> String {
    let columns =
        |values: &[(usize, crate::model::Value)]| values.iter().map(|(column, _)| *column).collect::<Vec<_>>();
    match change {
        Change::Insert { entity, columns, .. } => format!("insert {entity:?} {columns:?}"),
        Change::Update { entity, set, base, .. } => format!("update {entity:?} {:?} {:?}", columns(set), columns(base)),
        Change::Delete { entity, base, .. } => format!("delete {entity:?} {:?}", columns(base)),
    }
}

/// Changes that go well one by one go well set by set, and come to the same.
fn sent_in_sets(like: Like, before: &[Op], ops: &[Op], plain: bool) {
    let mut one_by_one = World::new(like);
    one_by_one.applied(before);
    let mut in_sets = one_by_one.clone();
    let changes = one_by_one.applied(ops);
    let sets = sets(changes.iter(), &one_by_one.catalog, plain);
    let mut places: Vec<usize> = sets.concat();
    places.sort_unstable();
    assert_eq!(places, (0..changes.len()).collect::<Vec<_>>(), "each change is in one set");
    for set in &sets {
        assert!(set.is_sorted() && set.iter().all(|at| kind(&changes[*at]) == kind(&changes[set[0]])), "{set:?}");
        let set: Vec<&Change> = set.iter().map(|at| &changes[*at]).collect();
        let sent = in_sets.send(&set);
        assert_eq!(sent.as_ref().ok(), Some(&set.len()), "{sent:?} {set:?}\nof {changes:#?}\nin {sets:?}");
    }
    assert_eq!(in_sets.rows(), one_by_one.rows(), "{changes:#?}\nin {sets:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    #[test]
    fn sets_come_to_the_same_as_one_by_one(before in ops(30), ops in ops(40)) {
        sent_in_sets(Like::Postgres, &before, &ops, true);
    }

    /// Also where the database counts keys, so that it matters who comes first.
    #[test]
    fn sets_give_the_same_numbers(before in ops(30), ops in ops(40)) {
        sent_in_sets(Like::Sqlite, &before, &ops, true);
    }

    #[test]
    fn neighbours_of_one_kind_share_a_set_where_anything_may_be_looked_at(before in ops(20), ops in ops(40)) {
        sent_in_sets(Like::Sqlite, &before, &ops, false);
    }
}

#[test]
fn where_anything_may_be_looked_at_the_order_is_the_one_typed() {
    let mut world = World::new(Like::Postgres);
    let numbers: Vec<Op> = (0..60_u8).map(|n| (n, n, 255, [n, n.wrapping_mul(3), n / 2, 9])).collect();
    let changes = world.applied(&numbers);
    assert!(changes.len() > 10, "{}", changes.len());
    assert!(sets(changes.iter(), &world.catalog, false).concat().is_sorted());
}

#[test]
fn nothing_is_no_set() {
    assert!(sets(std::iter::empty(), &World::new(Like::Postgres).catalog, true).is_empty());
}
