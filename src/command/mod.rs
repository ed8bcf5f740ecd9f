//! Commands: a syntax tree in, reports out. One file a group; nothing here writes to a terminal.

mod ahead;
mod change;
mod consequence;
mod dot;
mod dump;
mod export;
mod field;
mod help;
mod import;
mod inspect;
mod mask;
mod migrate;
mod natural;
mod own;
mod quoted;
mod read;
mod rows;
mod schema;
mod session;
mod sql;
mod target;
mod transfer;

pub use ahead::look_ahead;
pub use change::staged_since;
pub use own::{Call, Command as OwnCommand, Own, Setting};

use crate::language::ast::{Command, LetValue, Name};
use crate::migrations::project::Project;
use crate::model::{Catalog, EntityId, Value};
use crate::outcome::{Level, Report};
use crate::plan::{Bound, Record, Resolver};
use crate::session::{Hold, Keep, Session};
use crate::text::Place;
use crate::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The name of the variable that holds the last result.
const LAST: &str = "_";

/// What a command may ask of whoever runs it, beyond reporting.
pub trait Front: Report {
    /// All settings of the shell with their values, by name.
    fn settings(&self, context: &Context) -> Vec<(&'static str, String)>;

    /// The value of a setting of the shell.
    ///
    /// # Errors
    /// An unknown name.
    fn setting(&self, name: &str, context: &Context) -> Result<String>;

    /// Changes a setting of the shell.
    ///
    /// # Errors
    /// An unknown name, or a value that it cannot have.
    fn set(&mut self, name: &str, value: &str, context: &mut Context) -> Result<()>;

    /// What each setting does, and the words that it can have.
    fn explain_settings(&self) -> Vec<(&'static str, String)>;

    /// The mode that a file's name asks for by its ending.
    ///
    /// # Errors
    /// `Invalid` for an ending that says nothing.
    fn mode_for(&self, file: &std::path::Path) -> Result<&'static str>;

    /// Sends results to a file, or back to where they went before that.
    ///
    /// # Errors
    /// When what came before cannot be written.
    fn redirect(&mut self, file: Option<std::fs::File>) -> Result<()>;

    /// Shows how far something long has come: bytes of how many, and rows.
    ///
    /// # Errors
    /// `Interrupted` when Ctrl-C was pressed.
    fn progress(&mut self, done: u64, total: u64, rows: u64) -> Result<()>;

    /// The long thing has ended.
    fn progress_end(&mut self);

    /// Opens another database beside the one at hand.
    ///
    /// # Errors
    /// `Connection`, `Usage`.
    fn connect(&mut self, url: &str) -> Result<Session>;

    /// Sends results into memory until [`Front::collected`], spelled in a mode.
    ///
    /// # Errors
    /// An unknown mode.
    fn collect(&mut self, mode: &str) -> Result<()>;

    /// What was collected.
    ///
    /// # Errors
    /// When writing fails.
    fn collected(&mut self) -> Result<Vec<u8>>;

    /// Puts a text into the clipboard of the person at the terminal.
    ///
    /// # Errors
    /// `Refused` where there is no terminal.
    fn clipboard(&mut self, text: &[u8]) -> Result<()>;

    /// What was typed at the prompt, oldest first.
    fn history(&self) -> Vec<String>;

    /// Asks a yes-or-no question; `None` where nobody is there to answer.
    ///
    /// # Errors
    /// When reading the answer fails.
    fn ask(&mut self, question: &str) -> Result<Option<bool>>;
}

/// How the shell goes on after a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Flow {
    /// With the next command.
    #[default]
    Next,
    /// With the commands of a file, then with the next one.
    Read(PathBuf),
    /// With another database.
    Open(String),
    /// With a command again and again, every so many seconds, until Ctrl-C.
    Watch(std::time::Duration, String),
    /// Not at all.
    Quit,
}

/// Reads a database's models.
pub type Models = Box<dyn Fn(&mut dyn crate::store::Store) -> Result<Catalog>>;

/// What `db` works with beside the connection.
#[derive(Debug, Clone, Default)]
pub struct Migrating {
    /// The project whose migrations these are, where they come from a folder.
    pub project: Option<Project>,
    /// The registered models, which the database is compared with; else it is the project's `schema.rs`.
    pub models: Option<Arc<Catalog>>,
    /// Where `db init` begins a project.
    pub folder: Option<PathBuf>,
}

/// Everything a command works on.
pub struct Context {
    /// The database and what is staged for it.
    pub session: Session,
    /// Variables by name, without `$`.
    pub variables: HashMap<String, Bound>,
    /// The last result is a new record whose key the database has not given yet.
    pub added: bool,
    /// Reads the database's models again.
    pub models: Models,
    /// The version of the schema that the models were read at, where the database counts it.
    pub version: Option<i64>,
    /// Whether values are written to a SQLite file as they are typed.
    pub exact: bool,
    /// The clock, in UTC.
    pub clock: fn() -> chrono::NaiveDateTime,
    /// From how many rows on `set` and `delete` ask at a terminal.
    pub confirm: usize,
    /// Whether a person is typing: notices then say what to do next.
    pub interactive: bool,
    /// What `db` works with beside the connection.
    pub migrating: Migrating,
    /// Whether what would empty the database is refused.
    pub protected: bool,
    /// Masked fields that a person asked to see in this session: tables and columns by name.
    pub unmasked: Vec<(String, String)>,
    /// The fields by which people chose to name records: tables and columns by name.
    pub natural_keys: Vec<(String, String)>,
    /// Whether masked fields stay masked whatever is typed.
    pub masks_locked: bool,
    /// What the database is called in messages: a path, or a URL without its password.
    pub name: String,
    /// What an application adds.
    pub own: Own,
}

impl Context {
    /// Lets records of a model be named by a field, which no unique index need keep unique.
    ///
    /// # Errors
    /// `NotFound` where there is no such model or field; `Invalid` for a field that is no text, or masked.
    pub fn name_by(&mut self, model: &str, field: &str) -> Result<()> {
        natural::choose(model, field, self)
    }

    /// The fields by which records are named, as the setting `natural-key` shows them.
    #[must_use]
    pub fn natural_key(&self) -> String {
        natural::shown(self)
    }

    /// Changes the setting `natural-key`: a model and its field, or `off`.
    ///
    /// # Errors
    /// As [`Context::name_by`].
    pub fn set_natural_key(&mut self, value: &str) -> Result<()> {
        natural::set(value, self)
    }

    /// Every value that the setting `natural-key` can have.
    #[must_use]
    pub fn natural_key_choices(&self) -> Vec<String> {
        natural::choices(self.session.catalog())
    }

    /// Reads the schema again; true when it is not what it was. Variables of tables that are gone are forgotten.
    ///
    /// # Errors
    /// The database's own; `Refused` when something is staged for what is gone.
    pub fn reload(&mut self) -> Result<bool> {
        let store = self.session.store();
        self.version = store.schema_version()?;
        let mut catalog = (self.models)(store)?;
        mask::show(&self.unmasked, &mut catalog);
        natural::apply(&self.natural_keys, &mut catalog);
        let old = Arc::clone(self.session.catalog());
        if catalog == *old {
            return Ok(false);
        }
        self.session.set_catalog(Arc::new(catalog))?;
        let new = Arc::clone(self.session.catalog());
        let place = |id: EntityId| {
            let model = old.get(id);
            let found = new.iter().find(|(_, other)| other.qualified() == model.qualified());
            found.filter(|(_, other)| other.columns.len() == model.columns.len()).map(|(id, _)| id)
        };
        self.variables.retain(|_, bound| match bound {
            Bound::Record(record) => place(record.entity).map(|id| record.entity = id).is_some(),
            Bound::Records(entity, _) => place(*entity).map(|id| *entity = id).is_some(),
            Bound::Value(_) => true,
        });
        Ok(true)
    }

    /// Whether the database counts a schema other than the one that was read.
    ///
    /// # Errors
    /// The database's own.
    pub fn is_stale(&mut self) -> Result<bool> {
        let version = self.session.store().schema_version()?;
        Ok(version.is_some() && version != self.version)
    }
}

impl Resolver for Context {
    fn catalog(&self) -> &Catalog {
        self.session.catalog()
    }

    fn variable(&self, name: &Name<'_>) -> Result<Bound> {
        self.variables.get(name.text.as_ref()).cloned().ok_or_else(|| {
            let error = Error::invalid(format!("there is no variable ${}", name.text)).at(name.span);
            if name.text == LAST {
                return error.hint("$_ is the last result: read a record, or add one, just before");
            }
            error
                .suggest(&name.text, self.variables.keys().map(String::as_str))
                .hint(format!("`let {} = ...` makes one", name.text))
        })
    }

    fn find(&mut self, entity: EntityId, by: &[(usize, Value)]) -> Result<Option<Record>> {
        self.session.find_by(entity, by)
    }

    fn find_several(&mut self, entity: EntityId, by: &[(usize, Value)], limit: u64) -> Result<Vec<Record>> {
        self.session.find_several(entity, by, limit)
    }

    fn columns_of(&mut self, entity: EntityId, by: &[(usize, Value)], wanted: &[usize]) -> Result<Option<Vec<Value>>> {
        self.session.columns_of(entity, by, wanted)
    }

    fn spelled(&mut self, column: (EntityId, usize), given: &Value, fitted: Value) -> Result<Value> {
        self.session.as_written(column, given, fitted, Keep::Never)
    }

    fn is_exact(&self) -> bool {
        self.exact && self.session.dialect() == crate::model::definition::Dialect::Sqlite
    }

    fn now(&self) -> chrono::NaiveDateTime {
        (self.clock)()
    }
}

/// Where a command came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The command's text.
    pub text: &'a str,
    /// Where it was typed.
    pub place: &'a Place,
}

/// Runs one command.
///
/// # Errors
/// Whatever goes wrong; the session is then as it was before the command, but for what it says itself.
pub fn run(command: &Command<'_>, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<Flow> {
    if context.added && !context.variables.contains_key(LAST) && origin.text.contains("$_") {
        context.added = false;
        settle(context)?;
    }
    let done = dispatch(command, origin, context, front).map_err(|error| first_error(error, context));
    tell(context, front)?;
    done
}

/// Variables follow new keys, and warnings are shown.
fn tell(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    for change in context.session.take_renumbered() {
        follow(&change, context);
    }
    for warning in context.session.take_warnings() {
        front.notice(Level::Warning, &warning)?;
    }
    Ok(())
}

/// Changes that were collected to be staged together are staged.
///
/// # Errors
/// The database's objection to one of them, with its place.
pub fn end_together(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    if !context.session.is_together() {
        return Ok(());
    }
    let done = context.session.end_together();
    tell(context, front)?;
    done
}

/// The error that a script stops at: what an earlier line staged and the database has not seen yet may be wrong too, and
/// comes first.
fn first_error(error: Error, context: &mut Context) -> Error {
    let own = !error.kind.is_transient() && error.kind != ErrorKind::Interrupted && error.place.is_none();
    if context.interactive || context.session.hold() == Hold::No || !own {
        return error;
    }
    context.session.flush().err().filter(|earlier| earlier.place.is_some()).unwrap_or(error)
}

/// Variables that hold a staged record follow it to its new key.
fn follow(change: &crate::session::Renumbered, context: &mut Context) {
    let catalog = Arc::clone(context.session.catalog());
    let Some(key) = catalog.get(change.entity).numbered_key() else { return };
    let swap = |row: &mut Vec<Value>| {
        if row.get(key) == Some(&change.old) {
            row[key] = change.new.clone();
        }
    };
    for bound in context.variables.values_mut() {
        match bound {
            Bound::Record(record) if record.entity == change.entity => swap(&mut record.values),
            Bound::Records(entity, rows) if *entity == change.entity => rows.iter_mut().for_each(swap),
            _ => {}
        }
    }
}

/// Makes `$_` the record that was just added, which takes its key from the database.
fn settle(context: &mut Context) -> Result<()> {
    if let Some((entity, key)) = context.session.settle_last()? {
        let by: Vec<(usize, Value)> = context.catalog().get(entity).key.iter().copied().zip(key).collect();
        if let Some(record) = context.find(entity, &by)? {
            context.variables.insert(LAST.to_owned(), Bound::Record(record));
        }
    }
    Ok(())
}

fn dispatch(command: &Command<'_>, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<Flow> {
    let reads =
        matches!(command, Command::Query(_) | Command::Attribute(..) | Command::Aggregate(_) | Command::Distinct(_));
    if reads && context.session.hold() == Hold::Yes {
        // What is wrong with an earlier line is said before any of the result.
        context.session.flush()?;
    }
    match command {
        Command::Empty => {}
        Command::Query(query) => read::query(query, context, front)?,
        Command::Attribute(name, path) => read::attribute(name, path, context, front)?,
        Command::Aggregate(aggregate) => read::aggregate(aggregate, context, front)?,
        Command::Distinct(distinct) => read::distinct(distinct, context, front)?,
        Command::Let(name, value) => bind(name, value, context, front)?,
        Command::Add(model, assignments) => change::add(model, assignments, origin, context, front)?,
        Command::Set(target, assignments) => change::set(target, assignments, origin, context, front)?,
        Command::Delete(target, with) => change::delete(target, with, origin, context, front)?,
        Command::Commit { dry_run, models } => change::commit(*dry_run, models, context, front)?,
        Command::Rollback => session::rollback(context, front)?,
        Command::Status => session::status(context, front)?,
        Command::Undo(count) => session::undo(*count, context, front)?,
        Command::Redo(count) => session::redo(*count, context, front)?,
        Command::Db(verb, options) => schema::db(verb, options, context, front)?,
        Command::Dot(name, arguments, rest) => return dot::run(name, arguments, rest, origin, context, front),
        Command::Own(name, arguments, rest) => {
            let done = own::run(&name.text, arguments, rest, origin, context, front);
            done.unwrap_or_else(|| Err(Error::invalid(format!("there is no command {}", name.text)).at(name.span)))?;
        }
        Command::RollbackTo(name) => session::rollback_to(name, context, front)?,
        Command::Savepoint(name) => session::savepoint(name, context, front)?,
        Command::Diff { record, sql } => session::diff(record.as_ref(), *sql, context, front)?,
        Command::Discard(record, field) => session::discard(record, field.as_ref(), context, front)?,
        Command::Keep(mine, record) => session::keep(*mine, record.as_ref(), context, front)?,
    }
    Ok(Flow::Next)
}

fn bind(name: &Name<'_>, value: &LetValue<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let bound = match value {
        LetValue::Query(query) => read::bound(query, context)?,
        LetValue::Literal(literal) => match &literal.kind {
            crate::language::ast::LiteralKind::Variable(other, path) if path.is_empty() => context.variable(other)?,
            _ => Bound::Value(crate::plan::literal(literal, context)?),
        },
        LetValue::Aggregate(aggregate) => read::single_value(aggregate, context)?,
    };
    let catalog = Arc::clone(context.session.catalog());
    let shown = match &bound {
        Bound::Record(record) => catalog.get(record.entity).repr(&record.values),
        Bound::Records(entity, rows) => read::counted(catalog.get(*entity), rows.len()),
        Bound::Value(value) => crate::language::quote::quote_value(value),
    };
    front.notice(Level::Info, &format!("${} = {shown}", name.text))?;
    context.variables.insert(name.text.to_string(), bound);
    Ok(())
}

/// Shows a statement's SQL when `.echo` is on is the store's matter; this is its plan, for `.explain`.
fn explain(context: &mut Context, select: &crate::plan::query::Select, front: &mut dyn Front) -> Result<()> {
    let lines = context.session.explain(select)?;
    for line in lines {
        front.line(&line)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
