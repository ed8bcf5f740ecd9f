//! What a prompt shows of what is staged, without sending it, is what the database shows once it has all of it: random
//! tables, random commands, the queries of the guide, through the overlay, in a held transaction that has the journal, and
//! after the commit.
//!
//! `PROPTEST_CASES=2000 cargo test --test agreement` runs it for long.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::people::questions;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use diesel_shell::{Hold, Row, Shell, Value};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

thread_local! {
    /// How often what was staged was compared, and how often it could not be, since it does not apply as it is.
    static COMPARED: Cell<(u32, u32)> = const { Cell::new((0, 0)) };
}

/// How persons are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Number,
    Text,
    Nocase,
    Decimal,
    Composite,
}

/// What a table does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    None,
    /// A changed person changes books.
    Persons,
    /// A book that goes changes persons.
    Books,
}

/// The tables of one case.
#[derive(Debug, Clone, Copy)]
struct Shape {
    persons: Key,
    books_have_key: bool,
    nocase_names: bool,
    /// `ON DELETE` of books, bosses and ownerships, `ON UPDATE` of books.
    actions: [u8; 4],
    generated: bool,
    trigger: Trigger,
    deferred: bool,
}

const ACTIONS: [&str; 4] = ["no action", "cascade", "set null", "set default"];

fn shapes() -> impl Strategy<Value = Shape> {
    let key = prop_oneof![
        4 => Just(Key::Number),
        2 => Just(Key::Text),
        1 => Just(Key::Nocase),
        1 => Just(Key::Decimal),
        3 => Just(Key::Composite)
    ];
    let trigger = prop_oneof![6 => Just(Trigger::None), 1 => Just(Trigger::Persons), 1 => Just(Trigger::Books)];
    let action = || prop_oneof![2 => Just(0_u8), 3 => Just(1), 2 => Just(2), 1 => Just(3)];
    let actions = (action(), action(), action(), action()).prop_map(|(one, two, three, four)| [one, two, three, four]);
    let flags = (prop::bool::weighted(0.8), any::<bool>(), prop::bool::weighted(0.3), any::<bool>());
    (key, actions, trigger, flags).prop_map(
        |(persons, actions, trigger, (books_have_key, nocase_names, generated, deferred))| Shape {
            persons,
            books_have_key,
            nocase_names,
            actions,
            generated,
            trigger,
            deferred,
        },
    )
}

impl Shape {
    /// The person's key columns with their types.
    fn key(self) -> Vec<(&'static str, &'static str)> {
        match self.persons {
            Key::Number => vec![("id", "int")],
            Key::Text => vec![("id", "text")],
            Key::Nocase => vec![("id", "varchar(20)")],
            Key::Decimal => vec![("id", "decimal(10,2)")],
            Key::Composite => vec![("a", "int"), ("b", "char(2)")],
        }
    }

    /// The key's columns under another name, as a foreign key has them.
    fn referring(self, name: &str) -> Vec<String> {
        match self.persons {
            Key::Composite => vec![format!("{name}_a"), format!("{name}_b")],
            _ => vec![format!("{name}_id")],
        }
    }

    fn schema(self, postgres: bool) -> Vec<String> {
        let nocase = |on: bool| if on && !postgres { " collate nocase" } else { "" };
        let number = if postgres { "serial" } else { "integer" };
        let list = |columns: &[String]| columns.join(", ");
        let own: Vec<String> = self
            .key()
            .iter()
            .map(|(name, kind)| match self.persons {
                Key::Number => format!("{name} {number} not null"),
                Key::Nocase => format!("{name} {kind}{} not null", nocase(true)),
                _ => format!("{name} {kind} not null"),
            })
            .collect();
        let key: Vec<String> = self.key().iter().map(|(name, _)| (*name).to_owned()).collect();
        let default = |at: usize| match self.persons {
            Key::Number | Key::Decimal => "1",
            Key::Composite => ["1", "'xx'"][at],
            Key::Text | Key::Nocase => "'Ann'",
        };
        let columns = |name: &str, extra: &str| {
            let columns = self.referring(name).into_iter().zip(self.key()).enumerate();
            let columns = columns.map(|(at, (own, (_, kind)))| format!("{own} {kind} default {}{extra}", default(at)));
            list(&columns.collect::<Vec<_>>())
        };
        let defer = if self.deferred { " deferrable initially deferred" } else { "" };
        let refers = |name: &str, action: usize| {
            let (own, key) = (list(&self.referring(name)), list(&key));
            format!(
                "foreign key ({own}) references persons ({key}) on delete {}",
                ACTIONS[usize::from(self.actions[action])]
            )
        };
        let generated = |of: &str| {
            if self.generated {
                format!(", computed text generated always as ({of} || '!') stored")
            } else {
                String::new()
            }
        };
        let book_key = if self.books_have_key { format!("id {number} primary key, ") } else { String::new() };
        // A part of a key cannot be emptied.
        let link = if self.actions[2] == 1 { "cascade" } else { "no action" };
        let mut all = vec![
            format!(
                "create table persons ({}, name varchar(40){}, amount decimal(8,2), day date default '2026-02-02 00:00:00', flag boolean, \
                 size double precision, email text unique, api_key text{}, {}, primary key ({}), {}{defer})",
                list(&own),
                nocase(self.nocase_names),
                generated("name"),
                columns("boss", ""),
                list(&key),
                refers("boss", 1),
            ),
            format!(
                "create table books ({book_key}title text, n int default 3{}, {}, {} on update {}{defer})",
                generated("title"),
                columns("person", ""),
                refers("person", 0),
                ["no action", "cascade", "set null", "cascade"][usize::from(self.actions[3])],
            ),
            format!("create table labels (word text{} primary key)", nocase(self.nocase_names)),
            format!(
                "create table ownerships ({}, label_word text, since int default 7, primary key ({}, label_word), \
                 foreign key ({}) references persons ({}) on delete {link}{defer}, \
                 foreign key (label_word) references labels (word) on delete {link} on update cascade{defer})",
                columns("owner", " not null"),
                list(&self.referring("owner")),
                list(&self.referring("owner")),
                list(&key),
            ),
            "create index books_title on books (title)".to_owned(),
        ];
        let (on, event, work) = match self.trigger {
            Trigger::None => return all,
            Trigger::Persons => ("persons", "update", "update books set n = 8"),
            Trigger::Books => ("books", "delete", "update persons set flag = false"),
        };
        if postgres {
            all.push(format!(
                "create or replace function react() returns trigger language plpgsql as $$ begin {work}; return null; end $$"
            ));
            all.push(format!("create trigger reacts after {event} on {on} for each row execute function react()"));
        } else {
            all.push(format!("create trigger reacts after {event} on {on} begin {work}; end"));
        }
        all
    }
}

/// What is done at the prompt. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Step {
    /// A new row of one of the tables, from a few small numbers.
    Add(u8, [u8; 8]),
    /// Other values for some columns of a row: which are bits.
    Set(u8, u8, u16, [u8; 8]),
    /// Other values for all rows that a condition means.
    SetWhere(u8, u8),
    /// Two persons take each other's email.
    Swap(u8, u8),
    Delete(u8, u8),
    /// A person goes with what refers to it.
    DeleteWith(u8),
    DeleteWhere(u8),
    Undo(u8),
    Redo(u8),
    Discard(u8, u8),
    DiscardColumn(u8, u8),
    Savepoint,
    BackTo,
    RollBack,
    Commit,
    /// Someone else changes a person; what is in conflict is settled.
    Theirs(u8, u8, bool),
    /// What is staged is compared.
    Check(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = prop_oneof![
        6 => (0_u8..4, any::<[u8; 8]>()).prop_map(|(table, values)| Step::Add(table, values)),
        8 => (0_u8..4, any::<u8>(), any::<u16>(), any::<[u8; 8]>())
            .prop_map(|(table, row, mask, values)| Step::Set(table, row, mask, values)),
        1 => any::<(u8, u8)>().prop_map(|(which, value)| Step::SetWhere(which, value)),
        2 => any::<(u8, u8)>().prop_map(|(one, two)| Step::Swap(one, two)),
        4 => (0_u8..4, any::<u8>()).prop_map(|(table, row)| Step::Delete(table, row)),
        1 => any::<u8>().prop_map(Step::DeleteWith),
        1 => any::<u8>().prop_map(Step::DeleteWhere),
        2 => (1_u8..4).prop_map(Step::Undo),
        2 => (1_u8..4).prop_map(Step::Redo),
        2 => any::<(u8, u8)>().prop_map(|(table, row)| Step::Discard(table, row)),
        1 => any::<(u8, u8)>().prop_map(|(row, column)| Step::DiscardColumn(row, column)),
        1 => Just(Step::Savepoint),
        1 => Just(Step::BackTo),
        1 => Just(Step::RollBack),
        1 => Just(Step::Commit),
        1 => any::<(u8, u8, bool)>().prop_map(|(row, value, mine)| Step::Theirs(row, value, mine)),
        3 => any::<u64>().prop_map(Step::Check),
    ];
    prop::collection::vec(one, 8..40)
}

const TABLES: [(&str, &str); 4] =
    [("person", "persons"), ("book", "books"), ("label", "labels"), ("ownership", "ownerships")];

/// A prompt on a database, and somebody else.
struct World {
    shell: Shell,
    other: Box<dyn FnMut(&str)>,
    shape: Shape,
    /// What was done so far, for whoever reads of a failure.
    log: String,
    _folder: Option<tempfile::TempDir>,
}

/// A value as a command has it.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Text(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

impl World {
    fn sqlite(shape: Shape) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let connect = || {
            let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            connection.batch_execute("pragma synchronous = off; pragma busy_timeout = 2000").unwrap();
            connection
        };
        let mut other = connect();
        for sql in shape.schema(false) {
            other.batch_execute(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let shell = Shell::builder().connection(connect()).build().unwrap();
        let other = Box::new(move |sql: &str| drop(other.batch_execute(sql)));
        Self { shell, other, shape, log: shape.schema(false).join(";\n"), _folder: Some(folder) }
    }

    #[cfg(all(unix, feature = "postgres"))]
    fn postgres(url: &str, shape: Shape) -> Self {
        let mut other = diesel::PgConnection::establish(url).unwrap();
        other.batch_execute("set client_min_messages = warning").unwrap();
        other.batch_execute("drop table if exists ownerships, labels, books, persons cascade").unwrap();
        for sql in shape.schema(true) {
            other.batch_execute(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let shell = Shell::builder().database(url).build().unwrap();
        let other = Box::new(move |sql: &str| drop(other.batch_execute(sql)));
        Self { shell, other, shape, log: shape.schema(true).join(";\n"), _folder: None }
    }

    /// Runs a command; whether it went well. What is wrong with the shell itself is no error of a command.
    fn run(&mut self, command: &str) -> bool {
        write!(self.log, "\n{command}").unwrap();
        match self.shell.execute(command) {
            Ok(_) => true,
            Err(error) => {
                write!(self.log, "  -- {}", error.message).unwrap();
                use diesel_shell::ErrorKind::{Conflict, Constraint, Invalid, NotFound, Refused};
                let own = matches!(error.kind, Constraint | Conflict | Invalid | NotFound | Refused);
                assert!(own, "{error:?}\n{}", self.log);
                false
            }
        }
    }

    fn rows(&mut self, command: &str) -> Vec<Row> {
        let reply = self.shell.execute(command).unwrap_or_else(|error| panic!("{command}: {error:?}\n{}", self.log));
        reply.rows().map(|rows| rows.iter().cloned().collect()).unwrap_or_default()
    }

    /// The rows of a table, in the order of the key.
    fn all(&mut self, table: usize) -> Vec<Row> {
        let order = match (table, self.shape.persons) {
            (0, Key::Composite) => "a, b",
            (0, _) => "id",
            (1, _) if self.shape.books_have_key => "id",
            (1, _) => "title, n",
            (2, _) => "word",
            (_, Key::Composite) => "owner_a, owner_b, label_word",
            _ => "owner_id, label_word",
        };
        self.rows(&format!("list {} order by {order}", TABLES[table].1))
    }

    fn pick(&mut self, table: usize, row: u8) -> Option<Row> {
        let rows = self.all(table);
        rows.get(usize::from(row) % rows.len().max(1)).cloned()
    }

    /// `person 3`, `person (3, 'xx')`; none where it has no key.
    fn named(&self, table: usize, row: &Row) -> Option<String> {
        let columns: Vec<String> = match table {
            0 => self.shape.key().iter().map(|(name, _)| (*name).to_owned()).collect(),
            1 if !self.shape.books_have_key => return None,
            1 => vec!["id".into()],
            2 => vec!["word".into()],
            _ => self.shape.referring("owner").into_iter().chain(["label_word".to_owned()]).collect(),
        };
        let key: Vec<String> = columns.iter().map(|column| literal(row.get(column).unwrap())).collect();
        let key = if key.len() == 1 { key.concat() } else { format!("({})", key.join(", ")) };
        Some(format!("{} {key}", TABLES[table].0))
    }

    /// Columns with values for a row of a table, of which `mask` chooses; from small numbers, so that equal ones are likely.
    fn values(&mut self, table: usize, mask: u16, seeds: [u8; 8], new: bool) -> String {
        let names = ["Ann", "ann", "Bob", "bob", "Cleo", "dan", "Eve", "zoë"];
        let seed = |at: usize| seeds[at % 8].wrapping_add(at as u8);
        let word = |at: usize| format!("'{}'", names[usize::from(seed(at)) % names.len()]);
        let kind = |kind: &str, at: usize| match kind {
            "int" => (seed(at) % 11).to_string(),
            "decimal(10,2)" => format!("{}.{}", seed(at) % 5, ["00", "50", "25"][usize::from(seed(at) % 3)]),
            "char(2)" => format!("'{}'", ["xx", "yy", "zz"][usize::from(seed(at) % 3)]),
            _ => word(at),
        };
        let mut all: Vec<(String, String)> = Vec::new();
        let key = self.shape.key();
        // Sometimes all of a key and sometimes a row that is there: most references lead somewhere.
        let refer = |world: &mut Self, name: &str, at: usize, all: &mut Vec<(String, String)>| {
            let there = world.pick(0, seed(at)).filter(|_| !seed(at).is_multiple_of(9));
            for (part, (own, (to, to_kind))) in world.shape.referring(name).into_iter().zip(&key).enumerate() {
                let value =
                    there.as_ref().map_or_else(|| kind(to_kind, at + part), |row| literal(row.get(to).unwrap()));
                all.push((own, value));
            }
        };
        match table {
            0 => {
                if !new || self.shape.persons != Key::Number || seed(0).is_multiple_of(2) {
                    for (at, (name, to_kind)) in key.iter().enumerate() {
                        // A key is changed now and then.
                        if new || seed(at).is_multiple_of(4) {
                            all.push(((*name).to_owned(), kind(to_kind, at)));
                        }
                    }
                }
                all.push(("name".into(), word(1)));
                all.push((
                    "amount".into(),
                    format!("{}.{}", seed(2) % 23, ["00", "50", "25"][usize::from(seed(2) % 3)]),
                ));
                all.push(("day".into(), format!("'2026-{:02}-{:02}'", seed(3) % 4 + 1, seed(3) % 9 + 10)));
                all.push(("flag".into(), seed(4).is_multiple_of(2).to_string()));
                all.push(("size".into(), format!("{:?}", f64::from(seed(5) % 11) / 4.0)));
                all.push(("email".into(), format!("'{}@x'", seed(6) % 32)));
                all.push(("api_key".into(), word(7)));
                refer(self, "boss", 3, &mut all);
            }
            1 => {
                all.push(("title".into(), word(0)));
                all.push(("n".into(), (seed(1) % 11).to_string()));
                refer(self, "person", 2, &mut all);
            }
            2 => all.push(("word".into(), word(0))),
            _ => {
                refer(self, "owner", 0, &mut all);
                let there = self.pick(2, seed(2));
                all.push(("label_word".into(), there.map_or_else(|| word(2), |row| literal(row.get("word").unwrap()))));
                all.push(("since".into(), (seed(3) % 5).to_string()));
            }
        }
        let mut text = String::new();
        let mut taken: Vec<String> = Vec::new();
        for (at, (name, value)) in all.into_iter().enumerate() {
            let needed =
                new && (["id", "a", "b", "word", "label_word"].contains(&name.as_str()) || name.starts_with("owner"));
            if (mask >> (at % 16) & 1 == 0 && !needed) || taken.contains(&name) {
                continue;
            }
            let key = ["id", "a", "b", "word", "label_word", "owner_a", "owner_b", "owner_id"].contains(&name.as_str());
            let value = if seed(at).is_multiple_of(7) && !key { "null".into() } else { value };
            write!(text, " {name}={value}").unwrap();
            taken.push(name);
        }
        text
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Add(table, seeds) => {
                let table = usize::from(table);
                let values = self.values(table, u16::from(seeds[7]) | 1 << 10, seeds, true);
                self.run(&format!("add {}{values}", TABLES[table].0));
            }
            Step::Set(table, row, mask, seeds) => {
                let table = usize::from(table);
                let Some(name) = self.pick(table, row).and_then(|row| self.named(table, &row)) else { return };
                let values = self.values(table, mask, seeds, false);
                if !values.is_empty() {
                    self.run(&format!("set {name}{values}"));
                }
            }
            Step::SetWhere(which, value) => {
                let name = ["Ann", "bob", "zoë"][usize::from(value) % 3];
                let command = match which % 4 {
                    0 => format!("set persons where name = '{name}' size={}.5", value % 4),
                    1 => format!("set books where title = '{name}' n={}", value % 9),
                    2 => "set persons where flag amount=null".into(),
                    _ => format!("set persons where has books name='{name}'"),
                };
                if self.shape.books_have_key || which % 4 != 1 {
                    self.run(&command);
                }
            }
            Step::Swap(one, other) => {
                let (Some(one), Some(other)) = (self.pick(0, one), self.pick(0, other)) else { return };
                let emails = [&one, &other].map(|row| literal(row.get("email").unwrap()));
                let (first, second) = (self.named(0, &one).unwrap(), self.named(0, &other).unwrap());
                if first != second {
                    self.run(&format!("set {first} email=null"));
                    self.run(&format!("set {second} email={}", emails[0]));
                    self.run(&format!("set {first} email={}", emails[1]));
                }
            }
            Step::Delete(table, row) => {
                let table = usize::from(table);
                let Some(name) = self.pick(table, row).and_then(|row| self.named(table, &row)) else { return };
                self.run(&format!("delete {name}"));
            }
            Step::DeleteWith(row) => {
                let Some(name) = self.pick(0, row).and_then(|row| self.named(0, &row)) else { return };
                let with = if self.shape.books_have_key { "books, ownerships" } else { "ownerships" };
                self.run(&format!("delete {name} with {with}"));
            }
            Step::DeleteWhere(which) => {
                let name = ["Ann", "bob", "zoë"][usize::from(which) % 3];
                if self.shape.books_have_key {
                    self.run(&format!("delete books where title = '{name}'"));
                } else {
                    self.run(&format!("delete persons where name = '{name}' and not has books"));
                }
            }
            Step::Undo(count) => drop(self.run(&format!("undo {count}"))),
            Step::Redo(count) => drop(self.run(&format!("redo {count}"))),
            Step::Discard(table, row) => {
                let table = usize::from(table % 4);
                let Some(name) = self.pick(table, row).and_then(|row| self.named(table, &row)) else { return };
                self.run(&format!("discard {name}"));
            }
            Step::DiscardColumn(row, column) => {
                let Some(name) = self.pick(0, row).and_then(|row| self.named(0, &row)) else { return };
                let column = ["name", "email", "amount", "size"][usize::from(column) % 4];
                self.run(&format!("discard {name}.{column}"));
            }
            Step::Savepoint => drop(self.run("savepoint here")),
            Step::BackTo => drop(self.run("rollback to here")),
            Step::RollBack => drop(self.run("rollback")),
            Step::Commit => self.commit(),
            Step::Theirs(row, value, mine) => {
                let Some(row) = self.pick(0, row) else { return };
                let by: Vec<String> = self
                    .shape
                    .key()
                    .iter()
                    .map(|(name, _)| format!("{name} = {}", literal(row.get(name).unwrap())))
                    .collect();
                let sql = format!("update persons set amount = {value}, size = 0.25 where {}", by.join(" and "));
                write!(self.log, "\n-- someone else: {sql}").unwrap();
                (self.other)(&sql);
                if !self.run("commit --dry-run") {
                    self.run(if mine { "keep mine" } else { "keep theirs" });
                }
            }
            Step::Check(seed) => self.check(seed),
        }
    }

    /// Compares what the prompt says with what a transaction says that has the journal; by a part of the queries, or by all
    /// of them where the seed is 0.
    fn check(&mut self, seed: u64) {
        let (done, not) = COMPARED.get();
        if !self.run("commit --dry-run") {
            COMPARED.set((done, not + 1));
            return;
        }
        COMPARED.set((done + 1, not));
        let queries: Vec<(String, bool)> = queries(self.shape)
            .into_iter()
            .enumerate()
            .filter(|(at, _)| *at < 4 || (seed >> (at % 61)).trailing_zeros() >= 2)
            .map(|(_, query)| query)
            .collect();
        self.check_marks();
        let seen: Vec<String> = queries.iter().map(|(query, ordered)| self.said(query, *ordered, true)).collect();
        // With triggers what is typed may fire more often than what it comes to.
        if self.shape.trigger != Trigger::None {
            return;
        }
        self.shell.session().set_hold(Hold::Yes).unwrap();
        for ((query, ordered), seen) in queries.iter().zip(seen) {
            let applied = self.said(query, *ordered, true);
            assert_eq!(seen, applied, "{query}\n{}", self.log);
        }
        self.shell.session().set_hold(Hold::No).unwrap();
    }

    /// Commits; what the tables were said to be is what they are.
    fn commit(&mut self) {
        let seen: Vec<String> =
            queries(self.shape).iter().map(|(query, ordered)| self.said(query, *ordered, false)).collect();
        if self.run("commit") {
            for ((query, ordered), seen) in queries(self.shape).iter().zip(seen) {
                let now = self.said(query, *ordered, false);
                assert_eq!(seen, now, "{query}\n{}", self.log);
            }
        }
    }

    /// What a query says, whether or not its order is a total one: marks, values, children.
    fn said(&mut self, query: &str, ordered: bool, marks: bool) -> String {
        let mut lines: Vec<String> = self.rows(query).iter().map(|row| spelled(row, marks)).collect();
        if !ordered {
            lines.sort();
        }
        lines.join("\n")
    }

    /// A person that is not marked is as it is in the database, and one that is not there is.
    fn check_marks(&mut self) {
        if self.shape.trigger != Trigger::None {
            return;
        }
        let seen = self.all(0);
        self.run("savepoint marks");
        let entries = self.shell.session().staged();
        self.run("rollback");
        let committed: BTreeMap<String, Row> =
            self.all(0).into_iter().map(|row| (self.named(0, &row).unwrap(), row)).collect();
        if entries > 0 {
            self.run("undo");
        }
        for row in &seen {
            let name = self.named(0, row).unwrap();
            let same = |old: &Row| {
                // What foreign keys' actions do is no change of a person's own.
                ["name", "amount", "day", "flag", "size", "email", "api_key"]
                    .iter()
                    .all(|column| plainly(old.get(column).unwrap()) == plainly(row.get(column).unwrap()))
            };
            let untouched = committed.get(&name).is_some_and(same);
            assert!(row.is_staged() || untouched, "{name} is not marked: {:?}\n{}", row.values(), self.log);
        }
    }
}

/// Texts that a collation takes for equal are one; so are sums that were added in another order.
fn plainly(value: &Value) -> String {
    match value {
        Value::Text(text) => match text.parse::<f64>() {
            Ok(number) => format!("{number:.6}"),
            Err(_) => text.to_lowercase(),
        },
        Value::Float(number) => format!("{number:.6}"),
        Value::Int(number) => format!("{:.6}", *number as f64),
        other => format!("{other:?}"),
    }
}

fn spelled(row: &Row, marks: bool) -> String {
    let values: Vec<String> = row.values().iter().map(plainly).collect();
    let children = ["books", "person", "boss", "ownerships", "owner", "label"].iter().filter_map(|name| {
        let mut lines: Vec<String> = row.children(name)?.iter().map(|row| spelled(row, marks)).collect();
        lines.sort();
        Some(format!("{name}: {lines:?}"))
    });
    format!("{} {values:?} {}", marks && row.is_staged(), children.collect::<Vec<_>>().join(" "))
}

/// Queries with whether their order is a total one.
fn queries(shape: Shape) -> Vec<(String, bool)> {
    let key = if shape.persons == Key::Composite { "a, b" } else { "id" };
    let mut all = questions(key);
    all.push(("list labels order by word".into(), true));
    for text in [
        "list books",
        "list ownerships",
        "list persons where api_key is null show name",
        "list labels where has ownerships (since > 1)",
        "list labels with ownerships",
        "list persons with books, ownerships",
        "list books with person",
        "count ownerships",
        "sum amount of persons",
    ] {
        all.push((text.into(), false));
    }
    if shape.persons != Key::Composite {
        all.push(("list persons with boss".into(), false));
    }
    if shape.persons == Key::Number {
        for id in [1, 3, 5, 7] {
            all.push((format!("list persons where id = {id}"), false));
        }
    }
    if shape.generated {
        for text in [
            "list persons where computed = 'Ann!'",
            "list books where computed like 'b%' show title, computed",
            "count books by person.computed",
        ] {
            all.push((text.into(), false));
        }
    }
    all
}

fn check(mut world: World, before: &[Step], steps: &[Step]) {
    // What the database has.
    for step in before {
        world.step(step);
    }
    if !world.run("commit") {
        world.run("rollback");
    }
    for step in steps {
        world.step(step);
    }
    world.check(0);
    world.commit();
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12)
}

fn run(open: impl Fn(Shape) -> World, cases: u32) {
    let config =
        ProptestConfig { failure_persistence: None, max_shrink_iters: 300, ..ProptestConfig::with_cases(cases) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let adds =
        prop::collection::vec((0_u8..4, any::<[u8; 8]>()).prop_map(|(table, seeds)| Step::Add(table, seeds)), 4..20);
    let result = runner.run(&(shapes(), adds, steps()), |(shape, before, steps)| {
        check(open(shape), &before, &steps);
        Ok(())
    });
    if let Err(proptest::test_runner::TestError::Fail(why, (shape, ..))) = result {
        panic!("{shape:?}\n{why}");
    }
    result.unwrap();
    let (done, not) = COMPARED.get();
    assert!(done > not, "most of what was staged did not apply: {done} and {not}");
}

#[test]
fn what_is_seen_is_what_is_applied_on_sqlite() {
    run(World::sqlite, cases());
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn what_is_seen_is_what_is_applied_on_postgres() {
    if !common::postgres::is_there() {
        return;
    }
    let url = common::postgres::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
    run(|shape| World::postgres(&url, shape), cases() / 2);
}
