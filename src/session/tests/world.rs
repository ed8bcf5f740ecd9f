//! A session on a database in memory, and words to say what is staged and what was sent.

use super::memory::{Database, Like, Memory};
use super::schema::blog;
use crate::model::infer::TableFacts;
use crate::model::{EntityId, Events, Quirk, QuirkKind, Value};
use crate::session::journal::{Change, Entry};
use crate::session::{Hold, Session};
use crate::text::Place;
use crate::{ErrorKind, Result};
use std::cell::RefCell;
use std::rc::Rc;

/// Both kinds of databases.
pub const BOTH: [Like; 2] = [Like::Sqlite, Like::Postgres];

/// A session and its database.
pub struct World {
    pub database: Rc<RefCell<Database>>,
    pub session: Session,
}

/// A text as a value.
pub fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

impl World {
    /// A session on empty tables.
    pub fn new(like: Like, hold: Hold, tables: Vec<TableFacts>) -> Self {
        let database = Database::new(like, tables);
        let catalog = database.borrow().catalog();
        let mut session = Session::new(Box::new(Memory::new(&database)), catalog, hold);
        // What tables do beyond what changes say is asked once a session.
        session.learn_quirks().unwrap();
        database.borrow_mut().take_log();
        Self { database, session }
    }

    /// At a prompt, with so many users `user1`, `user2`, ... of age 1, 2, ...
    pub fn prompt(like: Like, users: i64) -> Self {
        let world = Self::new(like, Hold::No, blog());
        world.with_users(users);
        world
    }

    /// A script, with so many users.
    pub fn script(like: Like, users: i64) -> Self {
        let world = Self::new(like, Hold::Yes, blog());
        world.with_users(users);
        world
    }

    fn with_users(&self, users: i64) {
        let entity = self.entity("users");
        self.database.borrow_mut().theirs(|work| {
            for n in 1..=users {
                let values = [text(format!("{n}@x")), text(format!("user{n}")), Value::Int(n)];
                work.insert(entity, &[1, 2, 3], &values).unwrap();
            }
        });
    }

    /// From here on a table has triggers on changed rows.
    pub fn with_triggers(mut self, table: &str) -> Self {
        let on = Events { insert: false, update: true, delete: false };
        let quirk = Quirk { schema: None, table: table.into(), kind: QuirkKind::Trigger(on) };
        self.database.borrow_mut().quirks.push(quirk);
        self.session.seen.reset();
        self.session.learn_quirks().unwrap();
        self.log();
        self
    }

    pub fn entity(&self, table: &str) -> EntityId {
        self.session.catalog().resolve(table).unwrap()
    }

    fn columns(&self, entity: EntityId, values: &[(&str, Value)]) -> Vec<(usize, Value)> {
        let model = self.session.catalog().get(entity);
        values.iter().map(|(name, value)| (model.column(name).unwrap().0, value.clone())).collect()
    }

    /// A new row, to be staged.
    pub fn insert(&self, table: &str, values: &[(&str, Value)]) -> Change {
        let entity = self.entity(table);
        let (columns, values): (Vec<usize>, Vec<Value>) = self.columns(entity, values).into_iter().unzip();
        Change::Insert { entity, columns: columns.into(), values, given: false, row: None }
    }

    /// New values for a row: each column with the value that was read and the one that it gets.
    pub fn update(&self, table: &str, key: i64, values: &[(&str, Value, Value)]) -> Change {
        let entity = self.entity(table);
        let pick = |which: fn(&(&str, Value, Value)) -> Value| {
            let values: Vec<(&str, Value)> = values.iter().map(|value| (value.0, which(value))).collect();
            self.columns(entity, &values)
        };
        let (base, set) = (pick(|(_, old, _)| old.clone()), pick(|(_, _, new)| new.clone()));
        Change::Update { entity, key: vec![Value::Int(key)], set: set.into(), base }
    }

    /// A row to go, with what was read of it.
    pub fn delete(&self, table: &str, key: i64, base: &[(&str, Value)]) -> Change {
        let entity = self.entity(table);
        Change::Delete { entity, key: vec![Value::Int(key)], base: self.columns(entity, base) }
    }

    /// The user of this number goes, as it was made.
    pub fn gone(&self, user: i64) -> Change {
        let (email, name) = (text(format!("{user}@x")), text(format!("user{user}")));
        self.delete(
            "users",
            user,
            &[("email", email), ("name", name), ("age", Value::Int(user)), ("plan", text("free"))],
        )
    }

    /// A new age for the user of this number, whose age is its number.
    pub fn age(&self, user: i64, age: i64) -> Change {
        self.update("users", user, &[("age", Value::Int(user), Value::Int(age))])
    }

    /// A new email for the user of this number.
    pub fn email(&self, user: i64, email: &str) -> Change {
        self.update("users", user, &[("email", text(format!("{user}@x")), text(email))])
    }

    /// Puts changes into the journal, an entry each, as lines of a file, without asking the database.
    pub fn staged(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            let line = self.session.journal.len() as u32 + 1;
            let place = Some(Place { source: "script".into(), line, column: 1 });
            let entry = Entry { number: 0, place, changes: vec![change], effects: Vec::new(), whole: None };
            self.session.journal.push(entry);
        }
    }

    /// What was sent since this was last asked.
    pub fn log(&self) -> Vec<String> {
        self.database.borrow_mut().take_log()
    }

    /// What of it were changes.
    pub fn changes(&self) -> Vec<String> {
        let is_change = |line: &String| ["insert", "update", "delete"].iter().any(|verb| line.starts_with(verb));
        self.log().into_iter().filter(is_change).collect()
    }

    /// The rows of a table as they are committed.
    pub fn rows(&self, table: &str) -> Vec<String> {
        self.database.borrow().rows(table)
    }

    /// What a reading command says, with what is staged.
    pub fn read(&mut self, command: &str) -> Vec<String> {
        let rows = self.session.read(command).unwrap_or_else(|error| panic!("{command}: {error}"));
        rows.iter().map(|row| row.values().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")).collect()
    }

    /// From here on the statements that begin so fail, `times` of them behind the first `skip`.
    pub fn fail(&self, statement: &str, skip: usize, times: usize, kind: ErrorKind) {
        self.database.borrow_mut().fail(statement, skip, times, kind, false);
    }

    /// Changes that arrive together, line by line.
    pub fn together(&mut self, changes: impl IntoIterator<Item = Change>) -> Result<()> {
        self.session.begin_together()?;
        let mut line = 0;
        let staged = changes.into_iter().try_for_each(|change| {
            line += 1;
            let place = Some(Place { source: "script".into(), line, column: 1 });
            match self.session.stage(vec![change.clone()], place.clone()) {
                // As the prompt does: they go on without a look at the database.
                Err(error) if error.kind == ErrorKind::Busy => {
                    self.session.unchecked()?;
                    self.session.stage(vec![change], place).map(drop)
                }
                staged => staged.map(drop),
            }
        });
        self.session.end_together().and(staged)
    }
}
