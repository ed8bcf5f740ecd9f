//! A database in memory, as a third implementation of the port: no SQL at all. It keeps unique values, NOT NULL and
//! foreign keys as the real ones do, fails on demand, and writes down every statement that it is sent.

use super::evaluate;
use super::schema::catalog;
use super::tables::{Tables, Work, empty};
use crate::model::definition::{Dialect, Schema};
use crate::model::infer::TableFacts;
use crate::model::{Catalog, Cell, EntityId, Quirk, Value};
use crate::plan::overlay::{Kind, Overlay};
use crate::plan::query::{ChangedRow, RowSet, Select, Statement};
use crate::store::{Applied, Attempt, Each, Facts, Fate, Identity, Named, RawOutcome, RawSink, Script, Store};
use crate::{Error, ErrorKind, Result};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Which of the real ones it is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Like {
    /// Keys are counted, each number of rows is a statement of its own.
    Sqlite,
    /// Keys come from sequences, rows come as arrays, a failed statement spoils its transaction.
    Postgres,
}

/// Something that goes wrong: the statements that begin so fail.
#[derive(Debug, Clone)]
struct Fault {
    statement: String,
    /// How many of them go well before.
    skip: usize,
    /// How many fail.
    times: usize,
    kind: ErrorKind,
    /// It is done before it fails: only the answer is lost.
    done: bool,
}

/// The database, which several stores may be connected to.
#[derive(Debug)]
pub struct Database {
    catalog: Arc<Catalog>,
    facts: Vec<TableFacts>,
    like: Like,
    tables: Tables,
    /// The last number that a sequence gave.
    numbers: HashMap<EntityId, i64>,
    /// Numbers of transactions that were committed.
    committed: HashSet<u64>,
    transactions: u64,
    /// How often somebody else has committed.
    written: u64,
    pub quirks: Vec<Quirk>,
    faults: Vec<Fault>,
    log: Vec<String>,
    /// Transactions have no names.
    pub nameless: bool,
    /// Whether a transaction is open.
    pub open: bool,
    /// Whether the connection is lost.
    pub lost: bool,
}

/// A connection to a [`Database`].
pub struct Memory {
    database: Rc<RefCell<Database>>,
    facts: Facts,
    open: Option<Open>,
    lost: bool,
    seen: u64,
}

/// The open transaction.
struct Open {
    tables: Tables,
    savepoints: Vec<Tables>,
    number: u64,
    wrote: bool,
    /// A statement failed in it.
    aborted: bool,
}

impl Database {
    pub fn new(like: Like, facts: Vec<TableFacts>) -> Rc<RefCell<Self>> {
        let catalog = Arc::new(catalog(&facts));
        Rc::new(RefCell::new(Self {
            tables: empty(&catalog),
            facts,
            like,
            catalog,
            numbers: HashMap::new(),
            committed: HashSet::new(),
            transactions: 0,
            written: 0,
            quirks: Vec::new(),
            faults: Vec::new(),
            log: Vec::new(),
            nameless: false,
            open: false,
            lost: false,
        }))
    }

    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog)
    }

    /// What was sent since this was last asked, a line a round trip: `update users 3`.
    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// From here on the `skip`th statement that begins so fails, and the `times - 1` behind it. What was asked for by
    /// `done` is done all the same: only the answer is lost.
    pub fn fail(&mut self, statement: &str, skip: usize, times: usize, kind: ErrorKind, done: bool) {
        self.faults.push(Fault { statement: statement.into(), skip, times, kind, done });
    }

    /// Nothing goes wrong any more.
    pub fn heal(&mut self) {
        self.faults.clear();
    }

    /// Somebody else writes, at once: rows by their table's name.
    pub fn theirs(&mut self, work: impl FnOnce(&mut Work<'_>)) {
        let catalog = Arc::clone(&self.catalog);
        let mut tables = self.tables.clone();
        work(&mut Work { catalog: &catalog, tables: &mut tables, numbers: &mut self.numbers, like: self.like });
        self.tables = tables;
        self.written += 1;
    }

    /// All rows of a table as they are committed, each as its values with blanks between.
    pub fn rows(&self, table: &str) -> Vec<String> {
        let entity = self.catalog.resolve(table).unwrap();
        let spelled = |row: &Vec<Value>| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        self.tables[&entity].rows.values().map(spelled).collect()
    }

    /// What is to go wrong with this statement: before it is done, or behind it.
    fn fault(&mut self, statement: &str) -> Option<(bool, Error)> {
        let fault = self.faults.iter_mut().find(|fault| fault.times > 0 && statement.starts_with(&fault.statement))?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times -= 1;
        Some((fault.done, Error::new(fault.kind, format!("a {:?} on purpose", fault.kind))))
    }
}

impl Memory {
    pub fn new(database: &Rc<RefCell<Database>>) -> Self {
        let postgres = database.borrow().like == Like::Postgres;
        let facts = Facts {
            name: "memory",
            dialect: if postgres { Dialect::Postgres } else { Dialect::Sqlite },
            failure_aborts: postgres,
            sequences: postgres,
            binary_order: true,
            batch: if postgres { 10_000 } else { 512 },
            max_binds: 30_000,
            arrays: postgres,
            literal: crate::store::literal::standard,
        };
        let seen = database.borrow().written;
        Self { database: Rc::clone(database), facts, open: None, lost: false, seen }
    }

    /// Takes a statement in: writes it down, and fails where it is to fail.
    fn sent<T>(&mut self, statement: &str, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.lost {
            return Err(Error::new(ErrorKind::Connection, "the connection is lost"));
        }
        self.database.borrow_mut().log.push(statement.to_owned());
        let fault = self.database.borrow_mut().fault(statement);
        if let Some((false, error)) = fault {
            self.failed(&error);
            self.show();
            return Err(error);
        }
        let aborted = self.open.as_ref().is_some_and(|open| open.aborted);
        if aborted && self.facts.failure_aborts && !["back", "rollback"].contains(&statement) {
            return Err(Error::new(ErrorKind::Database, "current transaction is aborted"));
        }
        let done = work(self);
        let done = fault.map_or(done, |(_, error)| Err(error));
        let done = done.inspect_err(|error| self.failed(error));
        self.show();
        done
    }

    /// Lets the database show whether a transaction is open.
    fn show(&self) {
        let mut database = self.database.borrow_mut();
        (database.open, database.lost) = (self.open.is_some(), self.lost);
    }

    fn failed(&mut self, error: &Error) {
        if error.kind == ErrorKind::Connection {
            self.lost = true;
            self.open = None;
        } else if let Some(open) = &mut self.open {
            open.aborted = true;
        }
    }

    fn start(&mut self) -> Result<()> {
        assert!(self.open.is_none(), "a transaction within a transaction");
        let mut database = self.database.borrow_mut();
        database.transactions += 1;
        let (tables, number) = (database.tables.clone(), database.transactions);
        self.open = Some(Open { tables, savepoints: Vec::new(), number, wrote: false, aborted: false });
        Ok(())
    }

    /// Does one statement's work: all of it, or nothing.
    fn write<T>(&mut self, work: impl FnOnce(&mut Work<'_>) -> Result<T>) -> Result<T> {
        let mut database = self.database.borrow_mut();
        let catalog = Arc::clone(&database.catalog);
        let like = database.like;
        let alone = self.open.is_none();
        let mut tables = self.open.as_ref().map_or(&database.tables, |open| &open.tables).clone();
        let done = work(&mut Work { catalog: &catalog, tables: &mut tables, numbers: &mut database.numbers, like })?;
        match &mut self.open {
            Some(open) => (open.tables, open.wrote) = (tables, true),
            None => database.tables = tables,
        }
        assert!(!alone, "a change outside of a transaction");
        Ok(done)
    }

    /// A table's rows as a query sees them.
    fn visible(&self, entity: EntityId, overlay: Option<&Overlay>) -> Vec<Vec<Value>> {
        let database = self.database.borrow();
        let tables = self.open.as_ref().map_or(&database.tables, |open| &open.tables);
        let rows = &tables[&entity].rows;
        let Some(staged) = overlay.and_then(|overlay| overlay.get(entity)) else {
            return rows.values().cloned().collect();
        };
        let model = database.catalog.get(entity);
        let key = |row: &Vec<Value>| -> Vec<Value> { model.key.iter().map(|at| row[*at].clone()).collect() };
        let by_key: HashMap<String, &Vec<Value>> = rows.values().map(|row| (format!("{:?}", key(row)), row)).collect();
        let hidden = |row: &&Vec<Value>| {
            !model.key.is_empty() && overlay.is_some_and(|all| all.row(entity, &key(row), &database.catalog).is_some())
        };
        let mut seen: Vec<Vec<Value>> = rows.values().filter(|row| !hidden(row)).cloned().collect();
        for row in staged.rows() {
            let from: Vec<Value> = row.from().map(Cell::to_value).collect();
            let base = match row.kind {
                Kind::Gone => continue,
                Kind::New => vec![Value::Null; model.columns.len()],
                Kind::Changed => match by_key.get(&format!("{from:?}")) {
                    Some(row) => (*row).clone(),
                    None => continue,
                },
            };
            let mut base = base;
            for (column, cell) in row.set() {
                base[column] = cell.to_value();
            }
            seen.push(base);
        }
        seen
    }

    fn read(&mut self, select: &Select, overlay: Option<&Overlay>, each: &mut Each<'_>) -> Result<()> {
        let catalog = self.database.borrow().catalog();
        let rows = evaluate::select(select, &|entity| self.visible(entity, overlay), &catalog);
        for row in rows {
            let cells: Vec<_> = row.iter().map(Value::as_cell).collect();
            if !each(&cells)? {
                break;
            }
        }
        Ok(())
    }
}

/// A statement in a few words: what it does, to which table, how many rows it brings along.
fn spelled(catalog: &Catalog, statement: &Statement<'_>) -> String {
    let table = |entity: EntityId| catalog.get(entity).table.clone();
    match statement {
        Statement::Select(select) => format!("select {}", table(select.from.entity)),
        Statement::Seen(select, _) => format!("seen {}", table(select.from.entity)),
        Statement::Insert(insert) => format!("insert {} {}", table(insert.entity), insert.rows.len()),
        Statement::Update(update) => format!("update {} 1", table(update.entity)),
        Statement::Delete(delete) => format!("delete {} 1", table(delete.entity)),
        Statement::Updates(RowSet { entity, rows }) => format!("update {} {}", table(*entity), rows.len()),
        Statement::Deletes(RowSet { entity, rows }) => format!("delete {} {}", table(*entity), rows.len()),
        Statement::Bulk(bulk) if bulk.set.is_some() => format!("update {} where", table(bulk.entity())),
        Statement::Bulk(bulk) => format!("delete {} where", table(bulk.entity())),
    }
}

fn nothing_of_that<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Refused, "a database in memory has nothing of that"))
}

impl Store for Memory {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&mut self, write: bool) -> Result<()> {
        self.sent(if write { "begin" } else { "begin to read" }, Self::start)
    }

    fn begin_within(&mut self, _: Duration) -> Result<()> {
        self.sent("begin within", Self::start)
    }

    fn commit(&mut self) -> Result<()> {
        self.sent("commit", |memory| {
            let open = memory.open.take().expect("a transaction");
            let mut database = memory.database.borrow_mut();
            database.tables = open.tables;
            database.committed.insert(open.number);
            Ok(())
        })
    }

    fn rollback(&mut self) -> Result<()> {
        self.open = None;
        if self.lost {
            return self.reconnect();
        }
        self.sent("rollback", |_| Ok(()))
    }

    fn savepoint(&mut self) -> Result<()> {
        self.sent("savepoint", |memory| {
            let open = memory.open.as_mut().expect("a transaction");
            open.savepoints.push(open.tables.clone());
            Ok(())
        })
    }

    fn release(&mut self) -> Result<()> {
        self.sent("release", |memory| {
            memory.open.as_mut().and_then(|open| open.savepoints.pop()).map(drop).expect("a savepoint");
            Ok(())
        })
    }

    fn back_to_savepoint(&mut self) -> Result<()> {
        self.sent("back", |memory| {
            let open = memory.open.as_mut().expect("a transaction");
            open.tables = open.savepoints.pop().expect("a savepoint");
            open.aborted = false;
            Ok(())
        })
    }

    fn reconnect(&mut self) -> Result<()> {
        (self.lost, self.open) = (false, None);
        self.sent("reconnect", |_| Ok(()))
    }

    fn is_lost(&self) -> bool {
        self.lost
    }

    fn identity(&mut self) -> Result<Named> {
        self.sent("identity", |memory| {
            let open = memory.open.as_ref().expect("a transaction");
            Ok(match (memory.database.borrow().nameless, open.wrote) {
                (true, _) => Named::Untellable,
                (_, false) => Named::NothingWritten,
                (_, true) => Named::Transaction(Identity {
                    system: "memory".into(),
                    timeline: 1,
                    incarnation: "1".into(),
                    transaction: open.number,
                }),
            })
        })
    }

    fn was_committed(&mut self, transaction: &Identity) -> Result<Fate> {
        let number = transaction.transaction;
        self.sent("fate", |memory| {
            let committed = memory.database.borrow().committed.contains(&number);
            Ok(if committed { Fate::Committed } else { Fate::RolledBack })
        })
    }

    fn set_read_only(&mut self) -> Result<()> {
        nothing_of_that()
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn quirks(&mut self) -> Result<Vec<Quirk>> {
        self.sent("quirks", |memory| Ok(memory.database.borrow().quirks.clone()))
    }

    fn others_wrote(&mut self) -> Result<bool> {
        let written = self.database.borrow().written;
        Ok(!self.facts.sequences && std::mem::replace(&mut self.seen, written) != written)
    }

    fn reserve_keys(&mut self, catalog: &Catalog, entity: EntityId, count: usize) -> Result<Vec<i64>> {
        let statement = format!("keys {} {count}", catalog.get(entity).table);
        self.sent(&statement, |memory| {
            let mut database = memory.database.borrow_mut();
            let last = database.numbers.entry(entity).or_default();
            *last += count as i64;
            Ok((*last - count as i64 + 1..=*last).collect())
        })
    }

    fn execute(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<usize> {
        let mut count = 0;
        let one = |key, set, base| [ChangedRow { key, set, base }];
        self.sent(&spelled(catalog, statement), |memory| {
            memory.write(|work| {
                count = match statement {
                    Statement::Insert(insert) => {
                        for row in insert.rows {
                            work.insert(insert.entity, insert.columns, row)?;
                        }
                        insert.rows.len()
                    }
                    Statement::Update(update) => {
                        work.change(update.entity, &one(update.key, update.set, update.base), false)?
                    }
                    Statement::Delete(delete) => {
                        work.change(delete.entity, &one(delete.key, &[], delete.base), true)?
                    }
                    Statement::Updates(set) => work.change(set.entity, set.rows, false)?,
                    Statement::Deletes(set) => work.change(set.entity, set.rows, true)?,
                    Statement::Bulk(bulk) => work.bulk(bulk)?,
                    Statement::Select(_) | Statement::Seen(..) => panic!("a query gives rows"),
                };
                Ok(())
            })
        })?;
        Ok(count)
    }

    fn query(&mut self, catalog: &Catalog, statement: &Statement<'_>, each: &mut Each<'_>) -> Result<()> {
        self.sent(&spelled(catalog, statement), |memory| match statement {
            Statement::Select(select) => memory.read(select, None, each),
            Statement::Seen(select, overlay) => memory.read(select, Some(overlay), each),
            Statement::Insert(insert) => {
                let mut made = Vec::new();
                memory.write(|work| {
                    for row in insert.rows {
                        made.push(work.insert(insert.entity, insert.columns, row)?);
                    }
                    Ok(())
                })?;
                for row in made {
                    let cells: Vec<_> = insert.returning.iter().map(|at| row[*at].as_cell()).collect();
                    each(&cells)?;
                }
                Ok(())
            }
            _ => panic!("no rows come of this"),
        })
    }

    fn describe(&mut self, catalog: &Catalog, statement: &Statement<'_>) -> Result<String> {
        Ok(spelled(catalog, statement))
    }

    fn set_echo(&mut self, _: bool) {}

    fn take_echo(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn explain(&mut self, _: &Catalog, _: &Statement<'_>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn raw(&mut self, sql: &str, _: &mut dyn RawSink) -> Result<RawOutcome> {
        self.sent(sql, |_| Ok(RawOutcome::default()))
    }

    fn attempt(&mut self, sql: &str, _: bool, _: &mut dyn RawSink) -> Result<Attempt> {
        self.sent(sql, |_| Ok(Attempt::Read(RawOutcome::default())))
    }

    fn needs_no_transaction(&self, _: &Error, _: &str) -> bool {
        false
    }

    fn connection(&mut self) -> &mut dyn std::any::Any {
        self
    }

    fn tables(&mut self) -> Result<Vec<TableFacts>> {
        self.sent("tables", |memory| Ok(memory.database.borrow().facts.clone()))
    }

    fn has_migrations_table(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn forget_migrations(&mut self) {}

    fn scripts(&mut self) -> Result<Vec<Script>> {
        nothing_of_that()
    }

    fn set_folder(&mut self, _: &Path) {}

    fn applied(&mut self) -> Result<Vec<Applied>> {
        Ok(Vec::new())
    }

    fn prepare_migrations(&mut self) -> Result<()> {
        nothing_of_that()
    }

    fn record(&mut self, _: &str, _: bool, _: Option<(&str, Option<&str>)>) -> Result<()> {
        nothing_of_that()
    }

    fn run_code(&mut self, _: &str, _: bool) -> Result<()> {
        nothing_of_that()
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.sent(sql, |_| Ok(()))
    }

    fn definition(&mut self) -> Result<Schema> {
        Ok(Schema::default())
    }

    fn scratch(&mut self, _: &mut dyn FnMut(&mut dyn Store) -> Result<()>) -> Result<()> {
        nothing_of_that()
    }
}
