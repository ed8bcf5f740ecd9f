//! What the session believes of its transaction is what there is, whatever is done in whatever mode, and whatever fails.

use super::memory::Like;
use super::world::{World, text};
use crate::ErrorKind;
use crate::model::Value;
use crate::session::{Applied, Hold, Mode, State};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Age(u8, i8),
    Email(u8, u8),
    Add(u8),
    Delete(u8),
    Read,
    Flush,
    Undo(u8),
    Redo(u8),
    RollBack,
    Savepoint,
    BackTo,
    Discard(u8),
    Commit,
    DryRun,
    Hold(bool),
    Together,
    EndTogether,
    Unchecked,
    /// From here on one statement fails.
    Fail(u8, u8),
    Theirs(u8, i8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        5 => any::<(u8, i8)>().prop_map(|(user, age)| Step::Age(user, age)),
        3 => any::<(u8, u8)>().prop_map(|(user, email)| Step::Email(user, email)),
        3 => any::<u8>().prop_map(Step::Add),
        2 => any::<u8>().prop_map(Step::Delete),
        2 => Just(Step::Read),
        1 => Just(Step::Flush),
        2 => (1_u8..4).prop_map(Step::Undo),
        2 => (1_u8..4).prop_map(Step::Redo),
        1 => Just(Step::RollBack),
        1 => Just(Step::Savepoint),
        1 => Just(Step::BackTo),
        1 => any::<u8>().prop_map(Step::Discard),
        2 => Just(Step::Commit),
        1 => Just(Step::DryRun),
        1 => any::<bool>().prop_map(Step::Hold),
        1 => Just(Step::Together),
        2 => Just(Step::EndTogether),
        1 => Just(Step::Unchecked),
        2 => any::<(u8, u8)>().prop_map(|(which, kind)| Step::Fail(which, kind)),
        1 => any::<(u8, i8)>().prop_map(|(user, age)| Step::Theirs(user, age)),
    ];
    prop::collection::vec(one, 1..40)
}

impl World {
    /// A user as it is seen.
    fn user(&mut self, seed: u8) -> Option<Vec<Value>> {
        let rows = self.session.read("list users order by id").ok()?;
        let rows: Vec<Vec<Value>> = rows.iter().map(|row| row.values().to_vec()).collect();
        rows.get(usize::from(seed) % rows.len().max(1)).cloned()
    }

    /// As the prompt does before each command: a connection that is seen to be gone is made again.
    fn connect(&mut self) {
        if self.session.is_lost() {
            let _ = self.session.reconnect();
        }
    }

    fn step(&mut self, step: &Step) {
        let key = |row: &[Value]| row[0].as_int().unwrap();
        match *step {
            Step::Age(user, age) => {
                let Some(row) = self.user(user) else { return };
                let change = self.update("users", key(&row), &[("age", row[3].clone(), Value::Int(age.into()))]);
                let _ = self.session.stage(vec![change], None);
            }
            Step::Email(user, email) => {
                let Some(row) = self.user(user) else { return };
                let change =
                    self.update("users", key(&row), &[("email", row[1].clone(), text(format!("{}@x", email % 6)))]);
                let _ = self.session.stage(vec![change], None);
            }
            Step::Add(email) => {
                let change = self.insert("users", &[("email", text(format!("{}@x", email % 9)))]);
                let _ = self.session.stage(vec![change], None);
            }
            Step::Delete(user) => {
                let Some(row) = self.user(user) else { return };
                let base: Vec<(&str, Value)> =
                    ["email", "name", "age", "plan"].into_iter().zip(row[1..].iter().cloned()).collect();
                let change = self.delete("users", key(&row), &base);
                let _ = self.session.stage(vec![change], None);
            }
            Step::Read => drop(self.user(0)),
            Step::Flush => {
                if self.session.mode != Mode::Prompt {
                    let _ = self.session.flush();
                }
            }
            Step::Undo(count) => drop(self.session.undo(count.into())),
            Step::Redo(count) => drop(self.session.redo(count.into())),
            Step::RollBack => drop(self.session.rollback()),
            Step::Savepoint => self.session.savepoint("a"),
            Step::BackTo => drop(self.session.rollback_to("a")),
            Step::Discard(user) => {
                let Some(row) = self.user(user) else { return };
                let users = self.entity("users");
                let _ = self.session.discard(users, &row[..1], None);
            }
            Step::Commit => drop(self.session.commit()),
            Step::DryRun => drop(self.session.commit_only(true, &[])),
            Step::Hold(on) => {
                if !self.session.is_together() && self.session.mode != Mode::Script {
                    let _ = self.session.set_hold(if on { Hold::Yes } else { Hold::No });
                }
            }
            Step::Together => drop(self.session.begin_together()),
            Step::EndTogether => drop(self.session.end_together()),
            Step::Unchecked => {
                if self.session.is_together() {
                    let _ = self.session.unchecked();
                }
            }
            Step::Fail(which, kind) => {
                let statements =
                    ["update", "insert", "begin", "select", "seen", "savepoint", "release", "commit", "delete"];
                let kinds = [ErrorKind::Busy, ErrorKind::Constraint, ErrorKind::Database, ErrorKind::Connection];
                let statement = statements[usize::from(which) % statements.len()];
                self.fail(statement, usize::from(which / 16), 1, kinds[usize::from(kind) % kinds.len()]);
            }
            Step::Theirs(user, age) => {
                // As long as a transaction of ours is open, SQLite lets nobody else write.
                if !self.session.is_open() {
                    let users = self.entity("users");
                    let key = i64::from(user % 4) + 1;
                    if self.rows("users").iter().any(|row| row.starts_with(&format!("{key} "))) {
                        self.database.borrow_mut().theirs(|work| work.set(users, key, &[(3, Value::Int(age.into()))]));
                    }
                }
            }
        }
    }

    fn holds(&self, step: &Step) {
        let open = self.database.borrow().open;
        let session = &self.session;
        // What the database has open after a connection was lost is nothing, which is noticed when it is used.
        if !self.database.borrow().lost {
            assert_eq!(open, session.is_open(), "{step:?}");
        }
        if session.mode == Mode::Prompt {
            assert!(!session.is_open(), "a transaction is open while a person thinks: {step:?}");
        }
        if let Applied::UpTo(entries) = session.applied {
            assert!(entries <= session.staged(), "{entries} of {}: {step:?}", session.staged());
        }
        let state = match (session.is_in_doubt(), session.is_clean(), session.flushed()) {
            (true, ..) => State::InDoubt,
            (_, true, _) => State::Clean,
            (_, _, 0) => State::Staged,
            _ => State::Flushed,
        };
        assert_eq!(session.state(), state);
    }
}

fn run(like: Like, script: bool, steps: &[Step]) {
    let mut world = if script { World::script(like, 4) } else { World::prompt(like, 4) };
    for step in steps {
        world.connect();
        world.step(step);
        world.holds(step);
    }
    // Whatever went wrong, there is a way out.
    world.database.borrow_mut().heal();
    world.connect();
    let _ = world.session.end_together();
    if world.session.commit().is_err() {
        world.session.rollback().unwrap();
        if world.session.state() != State::Clean {
            world.session.rollback().unwrap();
        }
    }
    world.holds(&Step::Commit);
    assert!(world.session.is_clean() && !world.session.is_open());
    let change = world.insert("logs", &[("line", text("after all"))]);
    world.session.stage(vec![change], None).unwrap();
    world.session.commit().unwrap();
    assert_eq!(world.rows("logs"), ["after all"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn a_transaction_is_open_where_the_session_says_so(steps in steps(), script in any::<bool>()) {
        run(Like::Postgres, script, &steps);
        run(Like::Sqlite, script, &steps);
    }
}
