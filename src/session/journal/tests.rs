use super::{Change, Counts, Entry, Journal, Whole};
use crate::model::{EntityId, Value};
use crate::text::Place;
use proptest::prelude::*;
use std::collections::BTreeSet;

const TABLE: EntityId = EntityId(0);
const OTHER: EntityId = EntityId(1);

fn delete(entity: EntityId, key: i64) -> Change {
    Change::Delete { entity, key: vec![Value::Int(key)], base: Vec::new() }
}

/// An entry that can be told from others by a number of its own.
fn entry(mark: i64) -> Entry {
    let place = Some(Place { source: "test".into(), line: mark as u32, column: 1 });
    Entry { number: 0, place, changes: vec![delete(TABLE, mark)], effects: Vec::new(), whole: None }
}

fn journal(marks: &[i64]) -> Journal {
    let mut journal = Journal::default();
    for mark in marks {
        journal.push(entry(*mark));
    }
    journal
}

/// The marks of all entries.
fn marks(journal: &Journal) -> Vec<i64> {
    marks_of(journal.entries())
}

fn marks_of(entries: &[Entry]) -> Vec<i64> {
    entries.iter().map(|entry| i64::from(entry.place.as_ref().unwrap().line)).collect()
}

fn numbers(journal: &Journal) -> Vec<u32> {
    journal.entries().iter().map(|entry| entry.number).collect()
}

#[test]
fn numbers_are_never_used_twice() {
    let mut journal = journal(&[10, 20, 30]);
    assert_eq!((numbers(&journal), journal.next_number()), (vec![1, 2, 3], 4));
    journal.undo(2);
    assert_eq!(journal.next_number(), 4);
    journal.push(entry(40));
    assert_eq!(numbers(&journal), [1, 4]);
    journal.written();
    journal.push(entry(50));
    journal.roll_back();
    journal.push(entry(60));
    assert_eq!(numbers(&journal), [6]);
    journal.truncate(0);
    journal.push(entry(70));
    assert_eq!(numbers(&journal), [7]);
}

#[test]
fn undo_and_redo_walk_back_and_forth() {
    let mut journal = journal(&[1, 2, 3]);
    assert_eq!((journal.undo(2), marks(&journal)), (2, vec![1]));
    assert_eq!((journal.redo(1), marks(&journal)), (1, vec![1, 2]));
    assert_eq!((journal.redo(9), marks(&journal)), (1, vec![1, 2, 3]));
    assert_eq!((journal.undo(9), marks(&journal)), (3, vec![]));
    assert_eq!(journal.undo(1), 0);
    assert_eq!((journal.redo(3), marks(&journal)), (3, vec![1, 2, 3]));
}

#[test]
fn what_was_undone_cannot_come_back_behind_something_new() {
    let mut journal = journal(&[1, 2, 3]);
    journal.undo(2);
    journal.push(entry(4));
    assert_eq!((journal.redo(1), marks(&journal)), (0, vec![1, 4]));
    assert_eq!((journal.undo(2), marks(&journal)), (2, vec![]));
}

#[test]
fn a_rollback_can_be_undone_until_something_else_is_staged() {
    let mut journal = journal(&[1, 2]);
    journal.roll_back();
    assert!(journal.is_empty());
    assert_eq!((journal.undo(1), marks(&journal)), (1, vec![1, 2]));
    // And done again.
    assert_eq!((journal.redo(1), marks(&journal)), (1, vec![]));
    assert_eq!((journal.undo(1), marks(&journal)), (1, vec![1, 2]));
    // What was staged before it can be taken back behind it.
    assert_eq!((journal.undo(1), marks(&journal)), (1, vec![1]));
    journal.roll_back();
    journal.push(entry(9));
    assert_eq!((journal.undo(2), marks(&journal)), (1, vec![]));
}

#[test]
fn a_rollback_of_nothing_is_no_step() {
    let mut journal = Journal::default();
    journal.roll_back();
    assert_eq!(journal.undo(1), 0);
    journal.push(entry(1));
    journal.roll_back();
    journal.roll_back();
    assert_eq!((journal.undo(1), marks(&journal)), (1, vec![1]));
}

#[test]
fn a_rollback_keeps_what_was_undone_before_it() {
    let mut journal = journal(&[1, 2, 3]);
    journal.undo(1);
    journal.roll_back();
    assert_eq!(journal.undo(1), 1);
    assert_eq!((journal.redo(2), marks(&journal)), (1, vec![]), "the rollback is the step that was taken back last");
    assert_eq!((journal.undo(1), journal.redo(9)), (1, 1));
}

#[test]
fn an_edit_is_one_step() {
    let mut journal = journal(&[1, 2, 3]);
    let kept = vec![journal.entries()[0].clone(), journal.entries()[2].clone()];
    journal.edit(kept);
    assert_eq!(marks(&journal), [1, 3]);
    journal.push(entry(4));
    assert_eq!((journal.undo(1), marks(&journal)), (1, vec![1, 3]));
    assert_eq!((journal.undo(1), marks(&journal)), (1, vec![1, 2, 3]));
    assert_eq!((journal.undo(1), marks(&journal)), (1, vec![1, 2]));
    assert_eq!((journal.redo(2), marks(&journal)), (2, vec![1, 3]));
    assert_eq!((journal.redo(2), marks(&journal)), (1, vec![1, 3, 4]));
}

#[test]
fn an_edit_that_leaves_nothing_can_be_undone() {
    let mut journal = journal(&[1]);
    journal.edit(Vec::new());
    assert!(journal.is_empty());
    assert_eq!((journal.undo(1), marks(&journal)), (1, vec![1]));
}

#[test]
fn a_savepoint_is_gone_back_to_as_often_as_one_likes() {
    let mut journal = journal(&[1]);
    journal.savepoint("a");
    for round in 2..5 {
        journal.push(entry(round));
        journal.push(entry(round * 10));
        assert_eq!((journal.back_to("a"), marks(&journal)), (Some(2), vec![1]));
    }
    assert_eq!(journal.back_to("a"), Some(0));
    assert_eq!(journal.back_to("b"), None);
    // What it took back can be brought back.
    assert_eq!((journal.redo(2), marks(&journal)), (2, vec![1, 4, 40]));
}

#[test]
fn savepoints_end_with_what_they_stand_behind() {
    let mut journal = journal(&[1]);
    journal.savepoint("one");
    journal.push(entry(2));
    journal.savepoint("two");
    journal.push(entry(3));
    journal.savepoint("three");
    let names = |journal: &Journal| journal.savepoints().map(str::to_owned).collect::<Vec<_>>().join(" ");
    assert_eq!(names(&journal), "one two three");
    journal.back_to("two");
    assert_eq!(names(&journal), "one two");
    journal.undo(1);
    assert_eq!(names(&journal), "one");
    journal.written();
    assert_eq!(names(&journal), "");
}

#[test]
fn a_savepoints_name_moves_when_it_is_used_again() {
    let mut journal = journal(&[1]);
    journal.savepoint("a");
    journal.push(entry(2));
    journal.savepoint("a");
    journal.push(entry(3));
    assert_eq!((journal.back_to("a"), marks(&journal)), (Some(1), vec![1, 2]));
    assert_eq!(journal.savepoints().count(), 1);
}

/// Going back to a place before an edit takes the edit back, also where the journal is shorter than at the place.
#[test]
fn a_savepoint_before_an_edit() {
    let mut journal = journal(&[1, 2]);
    journal.savepoint("a");
    journal.edit(vec![journal.entries()[1].clone()]);
    assert_eq!((journal.back_to("a"), marks(&journal)), (Some(1), vec![1, 2]));
    journal.edit(Vec::new());
    journal.push(entry(3));
    journal.push(entry(4));
    assert_eq!((journal.back_to("a"), marks(&journal)), (Some(3), vec![1, 2]));
}

#[test]
fn a_rolled_back_journal_comes_back_with_its_savepoints() {
    let mut journal = journal(&[1]);
    journal.savepoint("a");
    journal.push(entry(2));
    journal.roll_back();
    assert_eq!(journal.savepoints().count(), 0);
    assert_eq!(journal.back_to("a"), None);
    journal.undo(1);
    assert_eq!((journal.back_to("a"), marks(&journal)), (Some(1), vec![1]));
}

#[test]
fn a_commit_is_a_barrier() {
    let mut journal = journal(&[1, 2]);
    journal.undo(1);
    journal.written();
    assert_eq!((journal.undo(1), journal.redo(1), journal.len()), (0, 0, 0));
    journal.push(entry(3));
    assert_eq!((journal.undo(5), marks(&journal)), (1, vec![]));
}

#[test]
fn a_part_that_was_written_leaves_the_rest() {
    let mut journal = Journal::default();
    let mut mixed = entry(1);
    mixed.changes.push(delete(OTHER, 1));
    mixed.effects.push(delete(TABLE, 99));
    journal.push(mixed);
    journal.push(entry(2));
    let mut other = entry(3);
    other.changes = vec![delete(OTHER, 3)];
    journal.push(other);
    journal.savepoint("a");
    journal.written_only(|entity| entity == TABLE);
    assert_eq!(marks(&journal), [1, 3]);
    assert!(journal.changes().all(|change| change.entity() == OTHER));
    assert!(journal.entries()[0].effects.is_empty());
    assert_eq!((journal.redo(1), journal.savepoints().count()), (0, 0));
    // What is left can still be taken back.
    assert_eq!(journal.undo(5), 2);
}

#[test]
fn the_generation_grows_with_every_change_but_one_more_at_the_end() {
    let mut journal = journal(&[1, 2, 3]);
    let mut last = journal.generation();
    let mut grew = |journal: &Journal| std::mem::replace(&mut last, journal.generation()) < journal.generation();
    journal.push(entry(4));
    journal.savepoint("a");
    assert!(!grew(&journal));
    let steps: [&dyn Fn(&mut Journal); 9] = [
        &|journal| assert_eq!(journal.undo(1), 1),
        &|journal| assert_eq!(journal.redo(1), 1),
        &|journal| drop(journal.remove(0)),
        &|journal| drop(journal.truncate(2)),
        &|journal| journal.edit(vec![entry(7), entry(8)]),
        &|journal| journal.set_effects(0, vec![delete(OTHER, 1)]),
        &|journal| journal.rewrite(|_, _| {}),
        &|journal| journal.roll_back(),
        &|journal| journal.written(),
    ];
    for (at, step) in steps.iter().enumerate() {
        step(&mut journal);
        assert!(grew(&journal), "step {at}");
    }
}

#[test]
fn an_entry_that_is_taken_out_is_no_step() {
    let mut journal = journal(&[1, 2, 3]);
    assert_eq!(marks_of(&[journal.remove(1)]), [2]);
    assert_eq!((journal.undo(1), marks(&journal)), (1, vec![1]));
    assert_eq!((journal.redo(1), marks(&journal)), (1, vec![1, 3]));
    assert_eq!(marks_of(&[journal.truncate(0).unwrap()]), [1]);
    assert!(journal.is_empty() && journal.truncate(0).is_none());
}

/// A new key has to reach all that may come back.
#[test]
fn a_rewrite_reaches_whatever_may_come_back() {
    let mut journal = journal(&[1, 2, 3, 4]);
    journal.edit(vec![journal.entries()[0].clone(), journal.entries()[1].clone()]);
    journal.undo(1);
    journal.undo(1);
    journal.roll_back();
    let mut seen: Vec<(Vec<i64>, bool)> = Vec::new();
    journal.rewrite(|entries, begun| {
        seen.push((marks_of(entries), begun));
        for entry in entries {
            entry.changes = vec![delete(OTHER, 5)];
        }
    });
    assert_eq!(
        seen,
        [
            (vec![], false),
            (vec![1, 2, 3], false),
            // What is undone: the edit, then the last entry.
            (vec![1, 2], false),
            (vec![4], true),
        ]
    );
    journal.undo(1);
    journal.redo(1);
    assert!(journal.changes().all(|change| change.entity() == OTHER));
}

#[test]
fn a_translation_that_fails_changes_nothing() {
    let mut journal = journal(&[1, 2]);
    journal.undo(1);
    let failed = journal
        .translate(|entry| if marks_of(std::slice::from_ref(entry)) == [2] { Err(()) } else { Ok(entry.clone()) });
    assert_eq!((failed, marks(&journal), journal.redo(1)), (Err(()), vec![1], 1));
    let other = |old: &Entry| -> Result<Entry, ()> { Ok(Entry { changes: vec![delete(OTHER, 1)], ..old.clone() }) };
    journal.undo(1);
    journal.savepoint("a");
    journal.translate(other).unwrap();
    journal.redo(1);
    assert!(journal.changes().all(|change| change.entity() == OTHER));
    assert_eq!((marks(&journal), numbers(&journal), journal.back_to("a")), (vec![1, 2], vec![1, 2], Some(1)));
}

#[test]
fn effects_are_for_reads_and_are_not_counted() {
    let mut journal = journal(&[1, 2]);
    journal.set_effects(0, vec![delete(OTHER, 1)]);
    journal.set_effects(9, vec![delete(OTHER, 1)]);
    assert_eq!((journal.changes().count(), journal.entries()[0].effects.len()), (2, 1));
}

#[test]
fn what_is_taken_out_of_an_entry_takes_its_effects_along() {
    let mut mixed = entry(1);
    mixed.changes = (0..4).map(|key| delete(TABLE, key)).collect();
    mixed.effects = vec![delete(OTHER, 1)];
    mixed.take_out(&BTreeSet::new());
    assert_eq!((mixed.changes.len(), mixed.effects.len()), (4, 1));
    mixed.take_out(&BTreeSet::from([0, 2]));
    assert_eq!(mixed.changes, [delete(TABLE, 1), delete(TABLE, 3)]);
    assert!(mixed.effects.is_empty() && !mixed.is_empty());
    mixed.take_out(&BTreeSet::from([0, 1]));
    assert!(mixed.is_empty());
    mixed.whole = Some(Whole::Sql("select 1".into()));
    assert!(!mixed.is_empty());
}

#[test]
fn counts_are_said_in_a_few_words() {
    let counts = |added, changed, deleted, statements| Counts { added, changed, deleted, statements };
    for (counts, words, total) in [
        (counts(0, 0, 0, 0), "nothing", 0),
        (counts(1, 0, 0, 0), "1 added", 1),
        (counts(1, 2, 3, 0), "1 added, 2 changed, 3 deleted", 6),
        (counts(0, 0, 2, 1), "2 deleted, 1 SQL statement", 3),
        (counts(0, 0, 0, 2), "2 SQL statements", 2),
    ] {
        assert_eq!((counts.to_string().as_str(), counts.total()), (words, total));
    }
}

/// What may be done with a journal.
#[derive(Debug, Clone)]
enum Step {
    Push,
    Undo(usize),
    Redo(usize),
    RollBack,
    Written,
    /// Keeps only some entries, by the bits of a number.
    Edit(u8),
    Savepoint(u8),
    BackTo(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        8 => Just(Step::Push),
        4 => (1_usize..4).prop_map(Step::Undo),
        3 => (1_usize..4).prop_map(Step::Redo),
        1 => Just(Step::RollBack),
        1 => Just(Step::Written),
        2 => any::<u8>().prop_map(Step::Edit),
        2 => (0_u8..3).prop_map(Step::Savepoint),
        2 => (0_u8..3).prop_map(Step::BackTo),
    ];
    prop::collection::vec(one, 1..60)
}

/// The same with plain lists: every state that the journal was in, as a whole.
#[derive(Default)]
struct Model {
    /// The states before this one, oldest first.
    past: Vec<State>,
    now: State,
    future: Vec<State>,
    /// The state before a rollback, with its past; until something else is staged.
    before: Option<Box<Model>>,
    savepoints: Vec<(u8, usize)>,
    next: i64,
}

type State = Vec<i64>;

impl Model {
    fn step_to(&mut self, now: State) {
        self.past.push(std::mem::replace(&mut self.now, now));
        self.future.clear();
        self.before = None;
    }

    fn undo(&mut self) -> bool {
        if let Some(before) = self.past.pop() {
            self.future.push(std::mem::replace(&mut self.now, before));
        } else if let Some(before) = self.before.take() {
            let next = self.next;
            // The rollback is what `redo` does next; whatever was undone before it waits behind.
            *self = *before;
            self.next = next;
            self.future.push(vec![ROLLED_BACK]);
        } else {
            return false;
        }
        let depth = self.past.len();
        self.savepoints.retain(|(_, at)| *at <= depth);
        true
    }

    fn redo(&mut self) -> bool {
        match self.future.pop() {
            Some(state) if state == [ROLLED_BACK] => self.roll_back(),
            Some(state) => self.past.push(std::mem::replace(&mut self.now, state)),
            None => return false,
        }
        true
    }

    fn roll_back(&mut self) {
        let next = self.next;
        let before = std::mem::take(self);
        self.next = next;
        self.before = Some(Box::new(before));
    }
}

/// Stands in for a state: what is brought back is a rollback.
const ROLLED_BACK: i64 = -1;

fn run(steps: &[Step]) {
    let (mut journal, mut model) = (Journal::default(), Model::default());
    for step in steps {
        match *step {
            Step::Push => {
                model.next += 1;
                let mut now = model.now.clone();
                now.push(model.next);
                model.step_to(now);
                journal.push(entry(model.next));
            }
            Step::Undo(count) => {
                assert_eq!(journal.undo(count), (0..count).take_while(|_| model.undo()).count());
            }
            Step::Redo(count) => {
                assert_eq!(journal.redo(count), (0..count).take_while(|_| model.redo()).count());
            }
            Step::RollBack => {
                if !model.now.is_empty() {
                    model.roll_back();
                }
                journal.roll_back();
            }
            Step::Written => {
                model = Model { next: model.next, ..Model::default() };
                journal.written();
            }
            Step::Edit(bits) => {
                let kept = |at: &usize| bits >> (at % 8) & 1 == 1;
                let entries = (0..journal.len()).filter(kept).map(|at| journal.entries()[at].clone()).collect();
                let now = (0..model.now.len()).filter(kept).map(|at| model.now[at]).collect();
                model.step_to(now);
                journal.edit(entries);
            }
            Step::Savepoint(name) => {
                model.savepoints.retain(|(known, _)| *known != name);
                model.savepoints.push((name, model.past.len()));
                journal.savepoint(&name.to_string());
            }
            Step::BackTo(name) => {
                let at = model.savepoints.iter().find(|(known, _)| *known == name).map(|(_, at)| *at);
                let steps = at.map(|at| model.past.len() - at);
                for _ in 0..steps.unwrap_or(0) {
                    assert!(model.undo());
                }
                assert_eq!(journal.back_to(&name.to_string()), steps);
            }
        }
        assert_eq!(marks(&journal), model.now, "{step:?}");
        let named: BTreeSet<String> = model.savepoints.iter().map(|(name, _)| name.to_string()).collect();
        assert_eq!(journal.savepoints().map(str::to_owned).collect::<BTreeSet<_>>(), named, "{step:?}");
        assert!(numbers(&journal).is_sorted_by(|one, two| one < two));
        assert!(numbers(&journal).last().is_none_or(|last| *last < journal.next_number()));
    }
    // All the way back and forth again.
    let whole = marks(&journal);
    let count = journal.undo(usize::MAX);
    assert_eq!((journal.redo(count), marks(&journal)), (count, whole));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn a_journal_is_a_list_of_all_its_states(steps in steps()) {
        run(&steps);
    }
}
