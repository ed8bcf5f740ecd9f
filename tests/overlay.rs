//! What a query says of tables with staged changes is what it would say if they were applied: random tables, random
//! changes, the queries of the guide, through the overlay and in a transaction that has them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::people::questions;
use diesel_shell::database::sqlite::{Open, SqliteStore};
use diesel_shell::language::ast::{Command, Name};
use diesel_shell::model::{Catalog, DataType, EntityId, Value, infer};
use diesel_shell::plan::overlay::Overlay;
use diesel_shell::plan::query::{Alias, ColumnRef, Delete, Expr, Insert, Order, Select, Statement, Update};
use diesel_shell::plan::seen::{Reading, reading};
use diesel_shell::plan::{self, Bound, Record, Resolver};
use diesel_shell::session::{Hold, Session};
use diesel_shell::store::{Store, Unseen};
use proptest::prelude::*;

/// How persons are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Number,
    Text,
    Nocase,
    Decimal,
    Composite,
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    persons: Key,
    books_have_key: bool,
    nocase_names: bool,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let key = prop_oneof![
        3 => Just(Key::Number),
        1 => Just(Key::Text),
        1 => Just(Key::Nocase),
        1 => Just(Key::Decimal),
        2 => Just(Key::Composite)
    ];
    (key, prop::bool::weighted(0.8), any::<bool>()).prop_map(|(persons, books_have_key, nocase_names)| Shape {
        persons,
        books_have_key,
        nocase_names,
    })
}

impl Shape {
    fn schema(self, postgres: bool) -> Vec<String> {
        let nocase = |on: bool| if on && !postgres { " collate nocase" } else { "" };
        let number = if postgres { "serial" } else { "integer" };
        let (columns, key, refer, refers) = match self.persons {
            Key::Number => (format!("id {number} not null"), "id", "person_id int", "person_id"),
            Key::Text => ("id text not null".into(), "id", "person_id text", "person_id"),
            Key::Nocase => {
                (format!("id varchar(20){} not null", nocase(true)), "id", "person_id varchar(20)", "person_id")
            }
            Key::Decimal => ("id decimal(10,2) not null".into(), "id", "person_id decimal(10,2)", "person_id"),
            Key::Composite => (
                "a int not null, b char(2) not null".into(),
                "a, b",
                "person_a int, person_b char(2)",
                "person_a, person_b",
            ),
        };
        let boss = match self.persons {
            Key::Composite => String::new(),
            _ => format!(
                ", boss_id {}, foreign key (boss_id) references persons (id) deferrable initially deferred",
                columns
                    .split(' ')
                    .skip(1)
                    .map(|word| if word == "serial" { "int" } else { word })
                    .collect::<Vec<_>>()
                    .join(" ")
                    .replace(" not null", "")
            ),
        };
        let book_key = if self.books_have_key { format!("id {number} primary key, ") } else { String::new() };
        let refer_label = refer.replace("person", "owner");
        let refers_label = refers.replace("person", "owner");
        vec![
            format!(
                "create table persons ({columns}, name varchar(40){}, amount decimal(8,2), day date default '2026-02-02', \
                 flag boolean, size double precision, email text unique{boss}, primary key ({key}))",
                nocase(self.nocase_names)
            ),
            format!(
                "create table books ({book_key}title text, n int default 3, {refer}, \
                 foreign key ({refers}) references persons ({key}) deferrable initially deferred)"
            ),
            format!("create table labels (word text{} primary key)", nocase(self.nocase_names)),
            format!(
                "create table ownerships ({refer_label}, label_word text, primary key ({refers_label}, label_word), \
                 foreign key ({refers_label}) references persons ({key}) deferrable initially deferred, \
                 foreign key (label_word) references labels (word) deferrable initially deferred)"
            ),
            "create index books_title on books (title)".into(),
        ]
    }

    const fn order(self) -> &'static str {
        match self.persons {
            Key::Composite => "a, b",
            _ => "id",
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    /// A new row of one of the tables, from a few small numbers.
    Add(u8, [u8; 8]),
    /// Other values for some columns of a row: which are bits.
    Set(u8, u8, u16, [u8; 8]),
    /// Two persons take each other's email.
    Swap(u8, u8),
    Delete(u8, u8),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let one = prop_oneof![
        3 => (0_u8..4, any::<[u8; 8]>()).prop_map(|(table, values)| Op::Add(table, values)),
        5 => (0_u8..4, any::<u8>(), any::<u16>(), any::<[u8; 8]>())
            .prop_map(|(table, row, mask, values)| Op::Set(table, row, mask, values)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Op::Swap(a, b)),
        3 => (0_u8..4, any::<u8>()).prop_map(|(table, row)| Op::Delete(table, row)),
    ];
    prop::collection::vec(one, 1..24)
}

/// Two connections to one database: in the transaction of one the changes are applied, the other has the overlay.
struct World {
    folder: Option<tempfile::TempDir>,
    applied: Box<dyn Store>,
    plain: Box<dyn Store>,
    catalog: Catalog,
    overlay: Overlay,
    tables: Vec<EntityId>,
}

impl World {
    fn sqlite(shape: Shape) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let applied = SqliteStore::open(&path, Open::Create).unwrap();
        let plain = SqliteStore::open(&path, Open::Existing).unwrap();
        Self::new(Some(folder), Box::new(applied), Box::new(plain), shape, false)
    }

    #[cfg(all(unix, feature = "postgres"))]
    fn postgres(url: &str, shape: Shape) -> Self {
        use diesel_shell::database::postgres::PgStore;
        let mut applied = PgStore::open(url, false, diesel_shell::database::network::Network::default()).unwrap();
        for table in ["ownerships", "labels", "books", "persons"] {
            applied.raw(&format!("drop table if exists {table}"), &mut Unseen).unwrap();
        }
        let plain = PgStore::open(url, false, diesel_shell::database::network::Network::default()).unwrap();
        Self::new(None, Box::new(applied), Box::new(plain), shape, true)
    }

    fn new(
        folder: Option<tempfile::TempDir>,
        mut applied: Box<dyn Store>,
        plain: Box<dyn Store>,
        shape: Shape,
        postgres: bool,
    ) -> Self {
        for sql in shape.schema(postgres) {
            applied.raw(&sql, &mut Unseen).unwrap();
        }
        let mut catalog = Catalog::default();
        infer::add_tables(&mut catalog, applied.tables().unwrap());
        let tables = ["persons", "books", "labels", "ownerships"].map(|name| catalog.resolve(name).unwrap()).to_vec();
        Self { folder, applied, plain, catalog, overlay: Overlay::default(), tables }
    }

    fn rows(&mut self, select: &Select) -> Vec<Vec<Value>> {
        fetched(&mut *self.applied, &self.catalog, &Statement::Select(select)).unwrap()
    }

    /// All rows of a table as they are with the changes, in the order of the key.
    fn all(&mut self, entity: EntityId) -> Vec<Vec<Value>> {
        let mut select = Select::all(entity, &self.catalog);
        let by = |column| Order {
            expr: Expr::Column(ColumnRef { alias: Alias(0), entity, column }),
            descending: false,
            nulls_first: None,
        };
        select.order = self.catalog.get(entity).key.iter().copied().map(by).collect();
        self.rows(&select)
    }

    /// A value for a column from a small number, so that equal ones are likely.
    fn value(&mut self, entity: EntityId, column: usize, seed: u8) -> Value {
        let model = self.catalog.get(entity);
        let known = model.columns[column].clone();
        if known.nullable && seed.is_multiple_of(7) {
            return Value::Null;
        }
        if let Some(key) = model.foreign_keys.iter().find(|key| key.columns.contains(&column)) {
            let at = key.to_columns[key.columns.iter().position(|own| *own == column).unwrap()];
            let (to, rows) = (key.to, seed);
            let rows_there = self.all(to);
            if let Some(row) = rows_there.get(usize::from(rows) % rows_there.len().max(1)) {
                return row[at].clone();
            }
        }
        let names = ["Ann", "ann", "Bob", "bob", "Cleo", "dan", "Eve", "zoë"];
        let small = i64::from(seed % 11);
        let value = match (&known.data_type, known.name.as_str()) {
            (DataType::Int(_), _) => Value::Int(small),
            (DataType::Bool, _) => Value::Bool(seed.is_multiple_of(2)),
            (DataType::Float, _) => Value::Float(small as f64 / 4.0),
            (DataType::Numeric, _) => {
                Value::Text(format!("{}.{}", seed % 23, ["00", "50", "25"][usize::from(seed % 3)]))
            }
            (DataType::Date, _) => Value::Text(format!("2026-{:02}-{:02}", seed % 4 + 1, seed % 9 + 10)),
            (DataType::Other(_), _) => Value::Text(["xx", "yy", "zz"][usize::from(seed % 3)].into()),
            (_, "b" | "person_b" | "owner_b") => Value::Text(["xx", "yy", "zz"][usize::from(seed % 3)].into()),
            (_, "email") => Value::Text(format!("{seed}@example.com")),
            _ => Value::Text(names[usize::from(seed) % names.len()].into()),
        };
        known.data_type.fit(value).unwrap()
    }

    fn pick(&mut self, entity: EntityId, row: u8) -> Option<Vec<Value>> {
        let rows = self.all(entity);
        rows.get(usize::from(row) % rows.len().max(1)).cloned()
    }

    fn key(&self, entity: EntityId, row: &[Value]) -> Vec<Value> {
        self.catalog.get(entity).key.iter().map(|column| row[*column].clone()).collect()
    }

    /// Does something in a savepoint; none where the database refuses.
    fn tried<T>(&mut self, work: impl FnOnce(&mut dyn Store, &Catalog) -> diesel_shell::Result<T>) -> Option<T> {
        self.applied.savepoint().unwrap();
        let done = work(&mut *self.applied, &self.catalog);
        if done.is_ok() {
            self.applied.release().unwrap();
        } else {
            self.applied.back_to_savepoint().unwrap();
        }
        done.ok()
    }

    /// Applies a change, and takes it into the overlay if that is what is being tested.
    fn run(&mut self, op: &Op, fold: bool) {
        match *op {
            Op::Add(table, values) => {
                let entity = self.tables[usize::from(table)];
                let width = self.catalog.get(entity).columns.len();
                // Some columns are left to their defaults.
                let columns: Vec<usize> = (0..width).filter(|at| values[7] >> (at % 8) & 1 == 0 || *at == 0).collect();
                let columns: Vec<usize> = columns
                    .into_iter()
                    .filter(|at| !(self.catalog.get(entity).columns[*at].numbered && values[6].is_multiple_of(2)))
                    .collect();
                let row: Vec<Value> =
                    columns.iter().map(|at| self.value(entity, *at, values[at % 8].wrapping_add(*at as u8))).collect();
                let all: Vec<usize> = (0..width).collect();
                let added = self.tried(|store, catalog| {
                    let insert = Insert { entity, columns: &columns, rows: &[&row], returning: &all };
                    fetched(store, catalog, &Statement::Insert(insert))
                });
                if let (Some(rows), true) = (added, fold) {
                    let row = &rows[0];
                    let key = self.key(entity, row);
                    let key = Some(key.as_slice()).filter(|key| !key.is_empty() && !key.contains(&Value::Null));
                    self.overlay.insert(entity, key, row, &self.catalog);
                }
            }
            Op::Set(table, row, mask, values) => {
                let entity = self.tables[usize::from(table)];
                let Some(before) = self.pick(entity, row) else { return };
                let key = self.key(entity, &before);
                if key.is_empty() || key.contains(&Value::Null) {
                    return;
                }
                let width = self.catalog.get(entity).columns.len();
                let set: Vec<(usize, Value)> = (0..width)
                    .filter(|at| mask >> at & 1 == 1)
                    .map(|at| (at, self.value(entity, at, values[at % 8].wrapping_add(at as u8))))
                    .collect();
                self.set(entity, &key, &set, fold);
            }
            Op::Swap(one, other) => {
                let entity = self.tables[0];
                let (Some(one), Some(other)) = (self.pick(entity, one), self.pick(entity, other)) else { return };
                let email = self.catalog.get(entity).column("email").unwrap().0;
                if one == other {
                    return;
                }
                let (first, second) = (self.key(entity, &one), self.key(entity, &other));
                self.set(entity, &first, &[(email, Value::Null)], fold);
                self.set(entity, &second, &[(email, one[email].clone())], fold);
                self.set(entity, &first, &[(email, other[email].clone())], fold);
            }
            Op::Delete(table, row) => {
                let entity = self.tables[usize::from(table)];
                let Some(before) = self.pick(entity, row) else { return };
                let key = self.key(entity, &before);
                if key.is_empty() || key.contains(&Value::Null) {
                    return;
                }
                let gone = self.tried(|store, catalog| {
                    store.execute(catalog, &Statement::Delete(Delete { entity, key: &key, base: &[] }))
                });
                if gone.is_some() && fold {
                    self.overlay.delete(entity, &key, &self.catalog);
                }
            }
        }
    }

    fn set(&mut self, entity: EntityId, key: &[Value], set: &[(usize, Value)], fold: bool) {
        if set.is_empty() {
            return;
        }
        let done = self
            .tried(|store, catalog| store.execute(catalog, &Statement::Update(Update { entity, set, key, base: &[] })));
        if done == Some(1) && fold {
            self.overlay.update(entity, key, set, &self.catalog);
        }
    }

    /// One query both ways.
    fn compare(&mut self, select: &Select, text: &str, ordered: bool) {
        let theirs = self.rows(select);
        let way = reading(select, &self.overlay, &self.plain.quirks().unwrap(), &self.catalog);
        let statement = match way {
            Reading::Plain => Statement::Select(select),
            Reading::Overlay => Statement::Seen(select, &self.overlay),
            Reading::Applied(why) => panic!("{text}: {why}"),
        };
        let sql = self.plain.describe(&self.catalog, &statement).unwrap();
        let ours = fetched(&mut *self.plain, &self.catalog, &statement);
        let ours = ours.unwrap_or_else(|error| panic!("{text}: {error}\n{sql}"));
        let spell = |rows: Vec<Vec<Value>>| -> Vec<String> {
            let mut lines: Vec<String> =
                rows.iter().map(|row| format!("{:?}", row.iter().map(plainly).collect::<Vec<_>>())).collect();
            if !ordered {
                lines.sort();
            }
            lines
        };
        assert_eq!(spell(ours), spell(theirs), "{text}\n{sql}\n{:?}", self.overlay);
    }

    fn check(&mut self, shape: Shape) {
        let mut all = queries(shape);
        let persons = self.tables[0];
        let own = &self.catalog.get(persons).relationships;
        for inverse in own.iter().filter(|found| found.to == persons && !found.owning) {
            all.push((format!("list persons where has {} (flag)", inverse.name), false));
        }
        for (text, ordered) in all {
            let select = self.select(&text);
            self.compare(&select, &text, ordered);
        }
        // Trees: one level from every table.
        for entity in self.tables.clone() {
            let rows = self.all(entity);
            for relationship in self.catalog.get(entity).relationships.clone() {
                let near: Vec<Vec<Value>> = rows
                    .iter()
                    .map(|row| relationship.local.iter().map(|column| row[*column].clone()).collect::<Vec<Value>>())
                    .filter(|near| !near.contains(&Value::Null))
                    .collect();
                if !near.is_empty() {
                    let select = plan::level_select(&relationship, &near, &self.catalog);
                    self.compare(&select, &format!("with {}", relationship.name), false);
                }
            }
        }
    }

    fn select(&mut self, text: &str) -> Select {
        let catalog = self.catalog.clone();
        let command = diesel_shell::language::parse(text, &catalog).unwrap_or_else(|error| panic!("{text}: {error}"));
        let planned = match &command {
            Command::Query(query) => plan::read(query, self).map(|read| read.select),
            Command::Aggregate(aggregate) => plan::aggregate(aggregate, self).map(|found| found.0),
            Command::Distinct(distinct) => plan::distinct(distinct, self).map(|found| found.0),
            other => panic!("{other:?}"),
        };
        planned.unwrap_or_else(|error| panic!("{text}: {error}"))
    }
}

/// Texts that a collation takes for equal are one; so are sums that were added in another order.
fn plainly(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_lowercase(),
        Value::Float(number) => format!("{number:.6}"),
        other => format!("{other:?}"),
    }
}

fn fetched(
    store: &mut dyn Store,
    catalog: &Catalog,
    statement: &Statement<'_>,
) -> diesel_shell::Result<Vec<Vec<Value>>> {
    let mut rows = Vec::new();
    store.query(catalog, statement, &mut |cells| {
        rows.push(cells.iter().map(|cell| cell.to_value()).collect());
        Ok(true)
    })?;
    Ok(rows)
}

impl Resolver for World {
    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    fn variable(&self, name: &Name<'_>) -> diesel_shell::Result<Bound> {
        panic!("{name:?}")
    }

    fn find(&mut self, entity: EntityId, by: &[(usize, Value)]) -> diesel_shell::Result<Option<Record>> {
        Ok(self.find_several(entity, by, 1)?.pop())
    }

    fn find_several(
        &mut self,
        entity: EntityId,
        by: &[(usize, Value)],
        limit: u64,
    ) -> diesel_shell::Result<Vec<Record>> {
        let same = |row: &Vec<Value>| by.iter().all(|(column, value)| plainly(&row[*column]) == plainly(value));
        let found = self.all(entity).into_iter().filter(same).take(usize::try_from(limit).unwrap());
        Ok(found.map(|values| Record { entity, values }).collect())
    }

    fn now(&self) -> chrono::NaiveDateTime {
        chrono::NaiveDateTime::default()
    }
}

/// Queries with whether their order is a total one.
fn queries(shape: Shape) -> Vec<(String, bool)> {
    let key = shape.order();
    let mut all = questions(key);
    all.push((format!("list persons order by {key} limit 3 show name, email"), true));
    for text in [
        "sum amount of persons",
        "list persons",
        "list books",
        "list ownerships",
        "list persons where amount = 1.5",
        "list books where person.name = 'bob'",
        "list books where person.name like 'a%'",
        "list books where person.amount = 10",
        "list books where person.day < '2026-03-12'",
        "list books where person.email is null",
        "list ownerships where owner.name = 'ann' and label.word = 'bob'",
        "list persons where max(books.title) = 'dan'",
        "list labels where has ownerships (owner.flag)",
    ] {
        // A key of several columns has no name of its own.
        let text = if shape.persons == Key::Composite { text.replace("owner.", "person.") } else { text.into() };
        all.push((text, false));
    }
    if shape.persons == Key::Number {
        for id in 1..8 {
            all.push((format!("list persons where id = {id}"), false));
            all.push((format!("list persons where id = {id} and has books show name, email, amount"), false));
            all.push((format!("list persons where id = {id} and boss.name = 'ann'"), false));
        }
    }
    if shape.persons != Key::Composite {
        all.push(("list books where person.boss.amount > 3".into(), false));
    }
    all
}

fn check(mut world: World, shape: Shape, before: &[Op], changes: &[Op]) {
    // What the database has.
    world.applied.begin(true).unwrap();
    for op in before {
        world.run(op, false);
    }
    if world.applied.commit().is_err() {
        // Some reference leads nowhere: begin with nothing.
        world.applied.rollback().unwrap();
    }
    world.applied.begin(true).unwrap();
    for (index, op) in changes.iter().enumerate() {
        world.run(op, true);
        if index == changes.len() / 2 {
            // What a store keeps of the overlay is brought up to date from here.
            world.check(shape);
        }
    }
    world.check(shape);
    world.applied.rollback().unwrap();
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

fn run(open: impl Fn(Shape) -> World, cases: u32) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&(shapes(), ops(), ops()), |(shape, before, changes)| {
        check(open(shape), shape, &before, &changes);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_overlay_and_what_is_applied_agree_on_sqlite() {
    run(World::sqlite, cases());
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn the_overlay_and_what_is_applied_agree_on_postgres() {
    if !common::postgres::is_there() {
        return;
    }
    let url = common::postgres::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
    run(|shape| World::postgres(&url, shape), cases() / 2);
}

const SHAPE: Shape = Shape { persons: Key::Number, books_have_key: true, nocase_names: false };

/// A person whose size is staged, and what `list persons` then says of name, amount and size.
fn one_staged(world: &mut World) -> (EntityId, impl Fn(&mut World) -> Vec<String> + use<>) {
    let persons = world.tables[0];
    let sql = "insert into persons (id, name, amount, size) values (1, 'Ann', 1.5, 0.5), (2, 'Bob', 2.5, 0.5)";
    world.applied.raw(sql, &mut Unseen).unwrap();
    let size = world.catalog.get(persons).column("size").unwrap().0;
    world.overlay.update(persons, &[Value::Int(1)], &[(size, Value::Float(9.25))], &world.catalog);
    let read = |world: &mut World| {
        let select = world.select("list persons order by id show name, size");
        let statement = Statement::Seen(&select, &world.overlay);
        let rows = fetched(&mut *world.plain, &world.catalog, &statement).unwrap();
        rows.iter().map(|row| format!("{} {}", row[0], row[1])).collect()
    };
    (persons, read)
}

/// What someone else commits to other columns and rows is seen at once.
fn others_are_seen(mut world: World) {
    let (persons, read) = one_staged(&mut world);
    assert_eq!(read(&mut world), ["Ann 9.25", "Bob 0.5"]);
    world.applied.raw("update persons set name = 'Anna' where id = 1", &mut Unseen).unwrap();
    world.applied.raw("update persons set name = 'Bobo', size = 1.5 where id = 2", &mut Unseen).unwrap();
    assert_eq!(read(&mut world), ["Anna 9.25", "Bobo 1.5"]);
    // By this connection itself.
    world.plain.raw("update persons set name = 'Anne' where id = 1", &mut Unseen).unwrap();
    assert_eq!(read(&mut world), ["Anne 9.25", "Bobo 1.5"]);
    // A row that goes meanwhile is no more there, staged or not.
    world.applied.raw("delete from persons where id = 1", &mut Unseen).unwrap();
    assert_eq!(read(&mut world), ["Bobo 1.5"]);
    world.overlay.delete(persons, &[Value::Int(2)], &world.catalog);
    assert!(read(&mut world).is_empty());
}

#[test]
fn what_others_commit_is_seen_on_sqlite() {
    others_are_seen(World::sqlite(SHAPE));
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn what_others_commit_is_seen_on_postgres() {
    if common::postgres::is_there() {
        let url = common::postgres::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
        others_are_seen(World::postgres(&url, SHAPE));
    }
}

/// Temporary tables go back with a transaction that was open around them.
#[test]
fn a_rollback_around_a_read_loses_nothing() {
    let mut world = World::sqlite(SHAPE);
    let (persons, read) = one_staged(&mut world);
    let size = world.catalog.get(persons).column("size").unwrap().0;
    for round in 0..3 {
        world.plain.begin(false).unwrap();
        assert_eq!(read(&mut world)[0], format!("Ann {}", [9.25, 0.25, 1.25][round]));
        world.plain.rollback().unwrap();
        let next = Value::Float([0.25, 1.25, 2.25][round]);
        world.overlay.update(persons, &[Value::Int(1)], &[(size, next)], &world.catalog);
    }
    // Another overlay begins anew.
    world.overlay = Overlay::default();
    world.overlay.delete(persons, &[Value::Int(1)], &world.catalog);
    assert_eq!(read(&mut world), ["Bob 0.5"]);
}

/// Nobody's lock is taken or waited for, and a database that is open for reading only will do.
#[test]
fn reading_writes_nothing() {
    let mut world = World::sqlite(SHAPE);
    let (_, read) = one_staged(&mut world);
    world.plain.set_read_only().unwrap();
    world.applied.begin(true).unwrap();
    world.applied.raw("update persons set name = 'held'", &mut Unseen).unwrap();
    let begun = std::time::Instant::now();
    assert_eq!(read(&mut world), ["Ann 9.25", "Bob 0.5"]);
    assert!(begun.elapsed().as_secs() < 4, "it waited for a lock");
    assert!(world.plain.raw("update persons set name = 'no'", &mut Unseen).is_err());
    world.applied.rollback().unwrap();
}

/// A connection of an application's own, which has no authorizer.
#[test]
fn an_adopted_connection_reads_so_too() {
    use diesel::Connection as _;
    let mut world = World::sqlite(SHAPE);
    let (_, read) = one_staged(&mut world);
    let path = world.folder.as_ref().unwrap().path().join("t.db");
    let connection = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    world.plain = Box::new(SqliteStore::adopt(connection).unwrap());
    world.plain.set_read_only().unwrap();
    assert_eq!(read(&mut world), ["Ann 9.25", "Bob 0.5"]);
    assert!(world.plain.raw("update persons set name = 'no'", &mut Unseen).is_err());
}

/// What the database does because of a staged delete is seen before it is done: rows go along, to any depth, references
/// are emptied, and what only a default gives is applied.
fn effects_are_seen(mut store: Box<dyn Store>) {
    for sql in [
        "create table owners (id int primary key, name text)",
        "create table dogs (id int primary key, owner_id int references owners (id) on delete cascade)",
        "create table toys (id int primary key, dog_id int references dogs (id) on delete cascade)",
        "create table walks (n int, dog_id int references dogs (id) on delete cascade)",
        "create table visits (id int primary key, owner_id int references owners (id) on delete set null)",
        "create table cars (id int primary key, owner_id int default 2 references owners (id) on delete set default)",
        "insert into owners values (1, 'Ann'), (2, 'Bob')",
        "insert into dogs values (1, 1), (2, 2), (3, 1)",
        "insert into toys values (1, 1), (2, 2), (3, 3), (4, 3)",
        "insert into walks values (5, 1), (6, 2)",
        "insert into visits values (1, 1), (2, 2)",
        "insert into cars values (1, 1)",
    ] {
        store.raw(sql, &mut Unseen).unwrap();
    }
    let mut catalog = Catalog::default();
    infer::add_tables(&mut catalog, store.tables().unwrap());
    let mut session = Session::new(store, std::sync::Arc::new(catalog), Hold::No);
    let read = |session: &mut Session| {
        let mut seen = Vec::new();
        for command in [
            "count owners",
            "list dogs order by id show id",
            "list toys order by id show id",
            "list walks show n",
            "list visits order by id show id, owner_id",
            "list cars show id, owner_id",
        ] {
            let rows = session.read(command).unwrap();
            let spelled: Vec<String> = rows
                .iter()
                .map(|row| row.values().iter().map(ToString::to_string).collect::<Vec<_>>().join(":"))
                .collect();
            seen.push(spelled.join(" "));
        }
        seen
    };
    let before = ["2", "1 2 3", "1 2 3 4", "5 6", "1:1 2:2", "1:1"];
    let after = ["1", "2", "2", "6", "1: 2:2", "1:2"];
    assert_eq!(read(&mut session), before);
    session.delete("owner", 1).unwrap();
    assert_eq!(read(&mut session), after);
    session.undo(1).unwrap();
    assert_eq!(read(&mut session), before);
    session.redo(1).unwrap();
    assert_eq!(read(&mut session), after);
    session.commit().unwrap();
    assert_eq!(read(&mut session), after);
}

#[test]
fn what_a_delete_takes_along_is_seen_on_sqlite() {
    effects_are_seen(Box::new(SqliteStore::open(std::path::Path::new(":memory:"), Open::Create).unwrap()));
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn what_a_delete_takes_along_is_seen_on_postgres() {
    if common::postgres::is_there() {
        let url = common::postgres::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
        effects_are_seen(Box::new(
            diesel_shell::database::postgres::PgStore::open(
                &url,
                false,
                diesel_shell::database::network::Network::default(),
            )
            .unwrap(),
        ));
    }
}
