//! Random work on a session against a plain model in memory, with a second writer on the same database.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[cfg(unix)]
mod common;

use diesel_shell::ErrorKind;
use diesel_shell::database::sqlite::{Open, SqliteStore};
use diesel_shell::model::{Catalog, Cell, EntityId, Value, infer};
use diesel_shell::session::journal::Change;
use diesel_shell::session::{Hold, Session, by_values};
use diesel_shell::store::{RawSink, Store};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `n` and `name` of each row, by id.
type Table = BTreeMap<i64, (String, i64)>;

#[derive(Debug, Clone)]
enum Op {
    Add { id: i64, name: String, n: i64 },
    Name { id: i64, name: String },
    Number { id: i64, n: i64 },
    Delete { id: i64 },
}

impl Op {
    const fn id(&self) -> i64 {
        match self {
            Self::Add { id, .. } | Self::Name { id, .. } | Self::Number { id, .. } | Self::Delete { id } => *id,
        }
    }

    /// Applies it; false when it does not apply.
    fn apply(&self, table: &mut Table) -> bool {
        let taken = |table: &Table, name: &str, but: i64| table.iter().any(|(id, row)| *id != but && row.0 == name);
        match self {
            Self::Add { id, name, n } => {
                !taken(table, name, -1) && !table.contains_key(id) && table.insert(*id, (name.clone(), *n)).is_none()
            }
            Self::Name { id, name } => {
                if taken(table, name, *id) {
                    return false;
                }
                table.get_mut(id).map(|row| row.0.clone_from(name)).is_some()
            }
            Self::Number { id, n } => table.get_mut(id).map(|row| row.1 = *n).is_some(),
            Self::Delete { id } => table.remove(id).is_some(),
        }
    }
}

fn replayed(table: &Table, journal: &[Op]) -> Option<Table> {
    let mut view = table.clone();
    journal.iter().all(|op| op.apply(&mut view)).then_some(view)
}

#[derive(Debug, Clone)]
enum Step {
    Add(u8, i64),
    SetName(u8, u8),
    SetNumber(u8, i64),
    Delete(u8),
    Undo(u8),
    Redo(u8),
    Savepoint,
    RollbackTo,
    Discard(u8),
    Commit,
    Rollback,
    /// Someone else changes `n` of a row.
    Theirs(u8, i64),
    /// Someone else deletes a row.
    TheirDelete(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        6 => (0_u8..6, 0_i64..4).prop_map(|(name, n)| Step::Add(name, n)),
        4 => (0_u8..6, 0_u8..6).prop_map(|(row, name)| Step::SetName(row, name)),
        5 => (0_u8..6, 0_i64..4).prop_map(|(row, n)| Step::SetNumber(row, n)),
        3 => (0_u8..6).prop_map(Step::Delete),
        3 => (1_u8..4).prop_map(Step::Undo),
        2 => (1_u8..4).prop_map(Step::Redo),
        1 => Just(Step::Savepoint),
        1 => Just(Step::RollbackTo),
        2 => (0_u8..6).prop_map(Step::Discard),
        3 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        2 => (0_u8..6, 10_i64..14).prop_map(|(row, n)| Step::Theirs(row, n)),
        1 => (0_u8..6).prop_map(Step::TheirDelete),
    ];
    proptest::collection::vec(one, 1..40)
}

struct Silent;

impl RawSink for Silent {
    fn columns(&mut self, _: &[String]) -> diesel_shell::Result<()> {
        Ok(())
    }
    fn row(&mut self, _: &[Cell<'_>]) -> diesel_shell::Result<bool> {
        Ok(true)
    }
}

struct World {
    _folder: tempfile::TempDir,
    session: Session,
    other: Box<dyn Store>,
    entity: EntityId,
    /// What the database has.
    database: Table,
    staged: Staged,
    /// What a rollback discarded, until something else is staged.
    rolled_back: Option<Box<Staged>>,
}

/// What is staged, with every state before it, for undo.
#[derive(Default)]
struct Staged {
    past: Vec<Vec<Op>>,
    journal: Vec<Op>,
    /// States that were undone; none for a rollback.
    future: Vec<Option<Vec<Op>>>,
    savepoint: Option<usize>,
}

const ID: usize = 0;
const NAME: usize = 1;
const N: usize = 2;

impl World {
    fn new(hold: Hold) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let mut store = SqliteStore::open(&path, Open::Create).unwrap();
        store.raw("create table t (id integer primary key, name text not null unique, n int)", &mut Silent).unwrap();
        let other = SqliteStore::open(&path, Open::Existing).unwrap();
        Self::on(Box::new(store), Box::new(other), folder, hold)
    }

    /// On PostgreSQL; none where there is no server.
    #[cfg(all(unix, feature = "postgres"))]
    fn on_postgres(url: &str) -> Self {
        use diesel_shell::database::network::Network;
        use diesel_shell::database::postgres::PgStore;
        let mut store = PgStore::open(url, false, Network::default()).unwrap();
        store.raw("drop table if exists t", &mut Silent).unwrap();
        store.raw("create table t (id serial primary key, name text not null unique, n int)", &mut Silent).unwrap();
        let other = PgStore::open(url, false, Network::default()).unwrap();
        Self::on(Box::new(store), Box::new(other), tempfile::tempdir().unwrap(), Hold::No)
    }

    fn on(mut store: Box<dyn Store>, other: Box<dyn Store>, folder: tempfile::TempDir, hold: Hold) -> Self {
        let mut catalog = Catalog::default();
        infer::add_tables(&mut catalog, store.tables().unwrap());
        let entity = catalog.resolve("t").unwrap();
        Self {
            _folder: folder,
            session: Session::new(store, Arc::new(catalog), hold),
            other,
            entity,
            database: Table::new(),
            staged: Staged::default(),
            rolled_back: None,
        }
    }

    /// The table through the session.
    fn seen(&mut self) -> Table {
        let select = by_values(self.session.catalog(), self.entity, &[], false);
        let mut table = Table::new();
        self.session
            .query(&select, &mut |cells| {
                let [Cell::Int(id), Cell::Text(name), Cell::Int(n)] = cells else { panic!("{cells:?}") };
                table.insert(*id, ((*name).to_owned(), *n));
                Ok(true)
            })
            .unwrap();
        table
    }

    fn view(&self) -> Table {
        replayed(&self.database, &self.staged.journal).unwrap()
    }

    fn nth(&self, row: u8) -> Option<(i64, (String, i64))> {
        let view = self.view();
        let count = view.len();
        view.into_iter().nth(usize::from(row) % count.max(1))
    }

    fn stage(&mut self, change: Change, op: impl FnOnce(&Self) -> Op) {
        let staged = self.session.stage(vec![change], None).map(drop);
        let (op, possible) = if staged.is_ok() {
            let op = op(self);
            let mut view = self.view();
            let possible = op.apply(&mut view);
            (Some(op), possible)
        } else {
            (None, false)
        };
        assert_eq!(staged.is_ok(), possible, "{staged:?}");
        if let Some(op) = op {
            let before = self.staged.journal.clone();
            self.staged.past.push(before);
            self.staged.journal.push(op);
            self.staged.future.clear();
            self.rolled_back = None;
        }
    }

    fn run(&mut self, step: &Step) {
        let entity = self.entity;
        let text = |name: u8| Value::Text(format!("name {name}"));
        match *step {
            Step::Add(name, n) => {
                let name_taken = self.view().values().any(|row| row.0 == format!("name {name}"));
                let change = self.session.insert(entity, vec![(NAME, text(name)), (N, Value::Int(n))]);
                if name_taken {
                    assert!(self.session.stage(vec![change], None).is_err());
                    return;
                }
                self.stage(change, |world| {
                    let entry = world.session.entries().last().unwrap();
                    let key = entry.changes[0].key(world.session.catalog()).unwrap();
                    let [Value::Int(id)] = key[..] else { panic!("{key:?}") };
                    Op::Add { id, name: format!("name {name}"), n }
                });
            }
            Step::SetName(row, name) => {
                let Some((id, (old, _))) = self.nth(row) else { return };
                let new = format!("name {name}");
                if old == new {
                    return;
                }
                let change = Change::Update {
                    entity,
                    key: vec![Value::Int(id)],
                    set: vec![(NAME, text(name))].into(),
                    base: vec![(NAME, Value::Text(old))],
                };
                if self.view().iter().any(|(other, row)| *other != id && row.0 == new) {
                    assert!(self.session.stage(vec![change], None).is_err());
                    return;
                }
                self.stage(change, |_| Op::Name { id, name: new });
            }
            Step::SetNumber(row, n) => {
                let Some((id, (_, old))) = self.nth(row) else { return };
                let change = Change::Update {
                    entity,
                    key: vec![Value::Int(id)],
                    set: vec![(N, Value::Int(n))].into(),
                    base: vec![(N, Value::Int(old))],
                };
                self.stage(change, |_| Op::Number { id, n });
            }
            Step::Delete(row) => {
                let Some((id, (name, n))) = self.nth(row) else { return };
                let change = Change::Delete {
                    entity,
                    key: vec![Value::Int(id)],
                    base: vec![(NAME, Value::Text(name)), (N, Value::Int(n))],
                };
                self.stage(change, |_| Op::Delete { id });
            }
            Step::Undo(count) => {
                let done = self.session.undo(usize::from(count)).unwrap();
                let rolled_back = self.rolled_back.as_ref().map_or(0, |staged| 1 + staged.past.len());
                assert_eq!(done, usize::from(count).min(self.staged.past.len() + rolled_back));
                for _ in 0..done {
                    if let Some(before) = self.staged.past.pop() {
                        let after = std::mem::replace(&mut self.staged.journal, before);
                        self.staged.future.push(Some(after));
                    } else {
                        self.staged = *self.rolled_back.take().unwrap();
                        self.staged.future.push(None);
                    }
                    self.staged.savepoint = self.staged.savepoint.filter(|depth| *depth <= self.staged.past.len());
                }
            }
            Step::Redo(count) => {
                let done = self.session.redo(usize::from(count)).unwrap();
                // Behind a rollback there is nothing more to come.
                let known = &self.staged.future;
                let most = known.iter().rev().position(Option::is_none).map_or(known.len(), |at| at + 1);
                assert_eq!(done, usize::from(count).min(most));
                for _ in 0..done {
                    if let Some(after) = self.staged.future.pop().unwrap() {
                        let before = std::mem::replace(&mut self.staged.journal, after);
                        self.staged.past.push(before);
                    } else {
                        self.rolled_back = Some(Box::new(std::mem::take(&mut self.staged)));
                    }
                }
            }
            Step::Savepoint => {
                self.session.savepoint("s");
                self.staged.savepoint = Some(self.staged.past.len());
            }
            Step::RollbackTo => {
                let result = self.session.rollback_to("s");
                let Some(depth) = self.staged.savepoint else {
                    assert!(result.is_err());
                    return;
                };
                assert_eq!(result.unwrap(), self.staged.past.len() - depth);
                while self.staged.past.len() > depth {
                    let before = self.staged.past.pop().unwrap();
                    let after = std::mem::replace(&mut self.staged.journal, before);
                    self.staged.future.push(Some(after));
                }
            }
            Step::Discard(row) => {
                let Some(id) = self.staged.journal.get(usize::from(row) % self.staged.journal.len().max(1)).map(Op::id)
                else {
                    return;
                };
                let kept: Vec<Op> = self.staged.journal.iter().filter(|op| op.id() != id).cloned().collect();
                if replayed(&self.database, &kept).is_none() {
                    // What would be left depends on it: the session says so at the next commit, see below.
                    return;
                }
                self.session.discard(entity, &[Value::Int(id)], None).unwrap();
                let before = std::mem::replace(&mut self.staged.journal, kept);
                self.staged.past.push(before);
                self.rolled_back = None;
                self.staged.future.clear();
            }
            Step::Commit => {
                self.session.commit().unwrap();
                self.database = self.view();
                self.reset();
            }
            Step::Rollback => {
                self.session.rollback().unwrap();
                if !self.staged.journal.is_empty() {
                    self.rolled_back = Some(Box::new(std::mem::take(&mut self.staged)));
                }
            }
            Step::Theirs(row, n) => self.theirs(row, Some(n)),
            Step::TheirDelete(row) => self.theirs(row, None),
        }
    }

    fn reset(&mut self) {
        self.staged = Staged::default();
        self.rolled_back = None;
    }

    /// Another connection writes; where that is a conflict, the commit says so and writes nothing.
    fn theirs(&mut self, row: u8, n: Option<i64>) {
        let count = self.database.len();
        let Some(id) = self.database.keys().nth(usize::from(row) % count.max(1)).copied() else { return };
        let sql = match n {
            Some(n) => format!("update t set n = {n} where id = {id}"),
            None => format!("delete from t where id = {id}"),
        };
        // No lock is held: this never waits.
        self.other.raw(&sql, &mut Silent).unwrap();
        let before = self.database[&id].1;
        match n {
            Some(n) => self.database.get_mut(&id).unwrap().1 = n,
            None => drop(self.database.remove(&id)),
        }
        let deleted_by_them = n.is_none();
        let touches =
            |op: &Op| op.id() == id && (deleted_by_them || matches!(op, Op::Number { .. } | Op::Delete { .. }));
        let known = |staged: &Staged| {
            let states = staged.past.iter().chain(staged.future.iter().flatten());
            states.flatten().chain(&staged.journal).any(|op| op.id() == id)
        };
        let involved = self.staged.journal.iter().any(touches)
            || known(&self.staged)
            || self.rolled_back.as_ref().is_some_and(|staged| known(staged));
        if !involved {
            return;
        }
        // Set back and forth is no change, and a staged new record is nobody else's: then there is no conflict.
        let net_conflict = self.session.net().iter().any(|net| match &net.change {
            Change::Update { key, base, .. } | Change::Delete { key, base, .. } => {
                key[0] == Value::Int(id)
                    && (deleted_by_them || base.iter().any(|(at, old)| *at == N && *old != Value::Int(n.unwrap())))
            }
            Change::Insert { .. } => false,
        });
        let result = self.session.commit();
        if net_conflict && (deleted_by_them || n != Some(before)) {
            assert_eq!(result.unwrap_err().kind, ErrorKind::Conflict);
        } else if result.is_ok() {
            // Written: take it as it is.
            self.reset();
            self.database = self.seen();
            return;
        }
        self.session.rollback().unwrap();
        // A barrier: what was rolled back does not fit what they wrote.
        self.session.commit().unwrap();
        self.reset();
    }
}

fn check(steps: &[Step], mut world: World) {
    for step in steps {
        world.run(step);
        let (seen, view) = (world.seen(), world.view());
        assert_eq!(seen, view, "after {step:?} of {steps:?}");
    }
    world.session.rollback().unwrap();
    assert_eq!(world.seen(), world.database);
}

/// How many sequences; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 2_000, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn a_session_is_what_a_plain_model_says(steps in steps()) {
        check(&steps, World::new(Hold::No));
    }
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn so_it_is_on_postgresql() {
    if !common::postgres::is_there() {
        return;
    }
    let url = common::postgres::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases() / 10) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&steps(), |steps| {
        check(&steps, World::on_postgres(&url));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn ids_are_columns_of_the_table() {
    let world = World::new(Hold::No);
    let model = world.session.catalog().get(world.entity);
    assert_eq!([ID, NAME, N].map(|at| model.columns[at].name.as_str()), ["id", "name", "n"]);
}
