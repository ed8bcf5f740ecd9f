//! The session from code: typed values in, rows out, by the same rules as at the prompt.

use super::Session;
use super::journal::Change;
use crate::language;
use crate::language::ast::{Assignment, Command, Literal, LiteralKind, Name, RecordRef};
use crate::model::{Catalog, Entity, EntityId, Value};
use crate::outcome::{Header, Mark};
use crate::plan::query::Select;
use crate::plan::{self, Bound, Record, Resolver};
use crate::rows::{Row, Rows};
use crate::text::Span;
use crate::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::sync::Arc;

/// How far what was changed has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is staged: the session and the database agree.
    Clean,
    /// Changes are staged in the session only; no transaction is open.
    Staged,
    /// Changes are sent, in a transaction that is open; nobody else sees them yet.
    Flushed,
    /// COMMIT was sent, its answer was lost, and what became of it is not known yet: see [`Session::is_in_doubt`].
    InDoubt,
}

/// A record's key: one value, or several for a composite key. Text is also a natural key.
#[derive(Debug, Clone, PartialEq)]
pub struct Key(Vec<Value>);

impl<V: Into<Value>> From<V> for Key {
    fn from(value: V) -> Self {
        Self(vec![value.into()])
    }
}

impl From<Vec<Value>> for Key {
    fn from(values: Vec<Value>) -> Self {
        Self(values)
    }
}

/// What becomes of one record when what is staged is committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The model's name.
    pub model: String,
    /// The record's key; empty for a new record that the database has yet to number.
    pub key: Vec<Value>,
    /// What becomes of it.
    pub kind: DifferenceKind,
    /// The columns concerned: name, value before, value after.
    pub fields: Vec<(String, Value, Value)>,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// It is new.
    Added,
    /// It has new values.
    Changed,
    /// It goes.
    Deleted,
}

/// A change that is being put together: fields with values, then [`stage`](Edit::stage).
#[must_use = "nothing is staged before `stage`"]
pub struct Edit<'s> {
    session: &'s mut Session,
    model: String,
    /// None for a new record.
    key: Option<Key>,
    values: Vec<(String, Value)>,
}

impl Edit<'_> {
    /// Gives a field its value. A relationship takes the key or the natural key of its record.
    pub fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.values.push((field.to_owned(), value.into()));
        self
    }

    /// Checks the change and stages it. Gives the record as it is now, with its key and its defaults.
    ///
    /// # Errors
    /// As `add` and `set` at the prompt: names and values that do not fit, what the application's checks refuse,
    /// references to records that are not there, what the database objects to. Nothing is staged then.
    pub fn stage(self) -> Result<Row> {
        let name = name(&self.model);
        let assignments: Vec<Assignment<'_>> = self
            .values
            .iter()
            .map(|(field, value)| Assignment { field: self::name(field), value: vec![literal(value)] })
            .collect();
        let session = self.session;
        let catalog = Arc::clone(session.catalog());
        match &self.key {
            None => {
                let entity = plan::writable(&name, &Names::of(session))?;
                let values = plan::assignments(entity, &assignments, true, &mut Names::of(session))?;
                catalog.get(entity).validate_new(&values)?;
                let change = session.insert(entity, values);
                session.stage(vec![change], None)?;
                session.newest(entity)
            }
            Some(key) => {
                let record = session.referred_to(&self.model, key)?;
                let entity = record.entity;
                let _ = plan::writable(&name, &Names::of(session))?;
                let model = catalog.get(entity);
                let values = plan::assignments(entity, &assignments, false, &mut Names::of(session))?;
                let (set, base): (Vec<_>, Vec<_>) = values
                    .into_iter()
                    .filter(|(at, value)| record.values[*at] != *value)
                    .map(|(at, value)| ((at, value), (at, record.values[at].clone())))
                    .unzip();
                let mut row = record.values.clone();
                if !set.is_empty() {
                    model.validate_change(&record.values, &set)?;
                    for (at, value) in &set {
                        row[*at] = value.clone();
                    }
                    session.stage(
                        vec![Change::Update { entity, key: record.key(&catalog), set: set.into(), base }],
                        None,
                    )?;
                }
                Ok(row_of(model, row, Mark::Changed))
            }
        }
    }
}

/// Names and records for the planner, without variables but for parameters.
struct Names<'s, 'p> {
    session: &'s mut Session,
    parameters: &'p [(&'p str, Value)],
}

impl<'s> Names<'s, 'static> {
    fn of(session: &'s mut Session) -> Self {
        Self { session, parameters: &[] }
    }
}

impl Resolver for Names<'_, '_> {
    fn spelled(&mut self, column: (EntityId, usize), given: &Value, fitted: Value) -> Result<Value> {
        self.session.as_written(column, given, fitted, super::Keep::Never)
    }

    fn catalog(&self) -> &Catalog {
        self.session.catalog()
    }

    fn variable(&self, name: &Name<'_>) -> Result<Bound> {
        let found = self.parameters.iter().find(|(known, _)| *known == name.text);
        found.map(|(_, value)| Bound::Value(value.clone())).ok_or_else(|| {
            Error::invalid(format!("there is no parameter ${}", name.text))
                .at(name.span)
                .suggest(&name.text, self.parameters.iter().map(|(name, _)| *name))
        })
    }

    fn find(&mut self, entity: EntityId, by: &[(usize, Value)]) -> Result<Option<Record>> {
        self.session.find_by(entity, by)
    }

    fn find_several(&mut self, entity: EntityId, by: &[(usize, Value)], limit: u64) -> Result<Vec<Record>> {
        self.session.find_several(entity, by, limit)
    }

    fn now(&self) -> chrono::NaiveDateTime {
        (self.session.clock)()
    }
}

fn name(text: &str) -> Name<'_> {
    Name { text: Cow::Borrowed(text), span: Span::default() }
}

/// A value as the language would have it.
fn literal(value: &Value) -> Literal<'_> {
    let kind = match value {
        Value::Null => LiteralKind::Null,
        Value::Bool(value) => LiteralKind::Bool(*value),
        Value::Int(value) => LiteralKind::Int(*value),
        // Rust's spelling is the shortest that reads back as the same number.
        Value::Float(value) => LiteralKind::Number(Cow::Owned(value.to_string())),
        Value::Text(text) => LiteralKind::Text(Cow::Borrowed(text)),
        Value::Bytes(bytes) => LiteralKind::Bytes(bytes.clone()),
    };
    Literal { kind, span: Span::default() }
}

fn row_of(model: &Entity, values: Vec<Value>, mark: Mark) -> Row {
    Row::new(Header::of_records(model), values, mark)
}

impl Session {
    /// How far what was changed has come.
    #[must_use]
    pub fn state(&self) -> State {
        if self.is_in_doubt() {
            return State::InDoubt;
        }
        match (self.is_clean(), self.flushed() > 0) {
            (true, _) => State::Clean,
            (false, true) => State::Flushed,
            (false, false) => State::Staged,
        }
    }

    /// A new record of a model, to be staged.
    ///
    /// Fields that are not set get their defaults.
    pub fn add(&mut self, model: &str) -> Edit<'_> {
        Edit { session: self, model: model.to_owned(), key: None, values: Vec::new() }
    }

    /// New values for the record with this key or natural key, to be staged.
    pub fn set(&mut self, model: &str, key: impl Into<Key>) -> Edit<'_> {
        Edit { session: self, model: model.to_owned(), key: Some(key.into()), values: Vec::new() }
    }

    /// Stages that the record with this key or natural key goes.
    ///
    /// # Errors
    /// `NotFound` when there is none; what the database objects to, such as records that refer to it.
    pub fn delete(&mut self, model: &str, key: impl Into<Key>) -> Result<()> {
        let entity = plan::writable(&name(model), &Names::of(self))?;
        let record = self.referred_to(model, &key.into())?;
        let catalog = Arc::clone(self.catalog());
        let own = &catalog.get(entity).key;
        let base = record.values.iter().cloned().enumerate().filter(|(at, _)| !own.contains(at)).collect();
        let change = Change::Delete { entity, key: record.key(&catalog), base };
        self.stage(vec![change], None).map(drop)
    }

    /// The record with this key or natural key, as it is with what is staged.
    ///
    /// # Errors
    /// An unknown model, a key that does not fit it, the database's own.
    pub fn get(&mut self, model: &str, key: impl Into<Key>) -> Result<Option<Row>> {
        match self.referred_to(model, &key.into()) {
            Ok(record) => {
                let catalog = Arc::clone(self.catalog());
                Ok(Some(row_of(catalog.get(record.entity), record.values, Mark::None)))
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The rows of a reading command: `list users where has posts`, `count posts by author.username`.
    ///
    /// # Errors
    /// As at the prompt; `Invalid` for a command that does not read, and for `with` and `format`, whose results are no
    /// rows.
    pub fn read(&mut self, command: &str) -> Result<Rows> {
        self.read_with(command, &[])
    }

    /// [`Session::read`] with values for `$name`, which are bound and never pasted.
    ///
    /// # Errors
    /// As there; `Invalid` for a parameter that is not given.
    pub fn read_with(&mut self, command: &str, parameters: &[(&str, Value)]) -> Result<Rows> {
        let catalog = Arc::clone(self.catalog());
        let parsed = language::parse(command, &catalog)?;
        let mut names = Names { session: self, parameters };
        let (select, header) = match &parsed {
            Command::Query(query) => {
                let read = plan::read(query, &mut names)?;
                if read.format.is_some() || !read.with.is_empty() {
                    return Err(Error::invalid("`with` and `format` do not give rows")
                        .hint("read the fields that it needs, by paths where they are of another model"));
                }
                (read.select, read.header)
            }
            Command::Aggregate(aggregate) => plan::aggregate(aggregate, &mut names)?,
            Command::Distinct(distinct) => plan::distinct(distinct, &mut names)?,
            _ => {
                return Err(Error::invalid("this command does not read")
                    .hint("list, get, first, last, one, count, sum, avg, min, max or distinct do"));
            }
        };
        self.rows(&select, header)
    }

    fn rows(&mut self, select: &Select, header: Header) -> Result<Rows> {
        let width = header.columns.len();
        let mut rows = Rows::new(header);
        self.query(select, &mut |cells| {
            // Behind the columns that are shown there may be the key's.
            rows.push(cells.iter().take(width).map(|cell| cell.to_value()).collect(), Mark::None);
            Ok(true)
        })?;
        Ok(rows)
    }

    /// What a commit would write, record by record.
    ///
    /// # Errors
    /// The database's own, when new records have yet to get their keys.
    pub fn differences(&mut self) -> Result<Vec<Difference>> {
        self.settle()?;
        let catalog = Arc::clone(self.catalog());
        Ok(self.net().into_iter().map(|net| difference(&net.change, &catalog)).collect())
    }

    /// Commits everything that is staged, in one transaction, all or nothing.
    ///
    /// # Errors
    /// `Conflict` when someone else has changed a record meanwhile, `Constraint` when the database refuses, `Busy` after
    /// the last try; `InDoubt` when the connection is lost while COMMIT is under way, and what became of it is not known:
    /// called again, this looks it up. What is staged stays staged.
    pub fn commit(&mut self) -> Result<super::journal::Counts> {
        self.commit_only(false, &[])
    }

    /// The record whose columns have these values, with what is staged; none if there is no such record.
    ///
    /// # Errors
    /// The database's own.
    pub(crate) fn find_by(&mut self, entity: EntityId, by: &[(usize, Value)]) -> Result<Option<Record>> {
        Ok(self.look_up(entity, by)?.map(|values| Record { entity, values }))
    }

    /// Up to so many records with these values, with what is staged.
    ///
    /// # Errors
    /// The database's own.
    pub(crate) fn find_several(&mut self, entity: EntityId, by: &[(usize, Value)], limit: u64) -> Result<Vec<Record>> {
        let mut select = super::by_values(&self.catalog, entity, by, false);
        select.limit = Some(limit);
        let mut found = Vec::new();
        self.query(&select, &mut |cells| {
            found.push(Record { entity, values: cells.iter().map(|cell| cell.to_value()).collect() });
            Ok(true)
        })?;
        Ok(found)
    }

    fn referred_to(&mut self, model: &str, key: &Key) -> Result<Record> {
        let reference = RecordRef::Key { model: name(model), key: key.0.iter().map(literal).collect() };
        plan::reference(&reference, &mut Names::of(self))
    }

    /// The record that was staged last.
    fn newest(&mut self, entity: EntityId) -> Result<Row> {
        let known = |session: &Self| {
            let change = session.entries().last().and_then(|entry| entry.changes.first());
            change.and_then(|change| change.key(&session.catalog))
        };
        let key = match known(self) {
            // A script's change is not sent yet: what is pending is sent now.
            None if self.hold() == super::Hold::Yes => self.settle_last()?.map(|(_, key)| key),
            key => key,
        };
        let catalog = Arc::clone(self.catalog());
        let model = catalog.get(entity);
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            let by: Vec<(usize, Value)> = model.key.iter().copied().zip(key).collect();
            if let Some(record) = self.find_by(entity, &by)? {
                return Ok(row_of(model, record.values, Mark::Added));
            }
        }
        let mut row = vec![Value::Null; model.columns.len()];
        if let Some(Change::Insert { columns, values, .. }) =
            self.entries().last().and_then(|entry| entry.changes.first())
        {
            for (at, value) in columns.iter().zip(values) {
                row[*at] = value.clone();
            }
        }
        Ok(row_of(model, row, Mark::Added))
    }
}

fn difference(change: &Change, catalog: &Catalog) -> Difference {
    let model = catalog.get(change.entity());
    let named = |at: usize| model.columns[at].name.clone();
    let (kind, fields) = match change {
        Change::Insert { columns, values, .. } => (
            DifferenceKind::Added,
            columns.iter().zip(values).map(|(at, value)| (named(*at), Value::Null, value.clone())).collect(),
        ),
        Change::Update { set, base, .. } => (
            DifferenceKind::Changed,
            set.iter().zip(base).map(|((at, new), (_, old))| (named(*at), old.clone(), new.clone())).collect(),
        ),
        Change::Delete { base, .. } => {
            (DifferenceKind::Deleted, base.iter().map(|(at, value)| (named(*at), value.clone(), Value::Null)).collect())
        }
    };
    Difference { model: model.name.clone(), key: change.key(catalog).unwrap_or_default(), kind, fields }
}
