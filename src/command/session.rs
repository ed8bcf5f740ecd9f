//! `status`, `diff`, `undo`, `redo`, `savepoint`, `rollback`, `discard`, `keep`, `.recover`.

use super::change::tally;
use super::{Context, Front};
use crate::language::ast::{Name, RecordRef};
use crate::language::quote::quote_shown;
use crate::model::{Catalog, Column, Entity, EntityId, MASK, Value};
use crate::outcome::Level;
use crate::plan::query::{Delete, Insert, Statement, Update};
use crate::plan::{self, Bound, Resolver, named, named_by_key};
use crate::session::Conflict;
use crate::session::journal::Change;
use crate::session::journal::Whole;
use crate::session::net::Net;
use crate::text::sql::shortened;
use crate::{Error, Result};
use std::sync::Arc;

/// `rollback`
pub fn rollback(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    if context.session.is_in_doubt() {
        let counts = context.session.rollback()?;
        return front.notice(Level::Info, &format!("forgotten: {counts}; the database has it, or not, as it is"));
    }
    if context.session.is_clean() {
        return front.notice(Level::Info, "nothing is staged");
    }
    let counts = context.session.rollback()?;
    let way = if context.interactive { " (undo brings it back)" } else { "" };
    front.notice(Level::Info, &format!("rolled back: {counts}{way}"))
}

/// `rollback to NAME`
pub fn rollback_to(name: &Name<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let steps = context.session.rollback_to(&name.text).map_err(|e| e.at(name.span))?;
    let text = format!("back at {}: {} undone, {} still staged", name.text, steps, context.session.staged());
    front.notice(Level::Info, &text)
}

/// `savepoint NAME`
pub fn savepoint(name: &Name<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    context.session.savepoint(&name.text);
    front.notice(Level::Info, &format!("savepoint {}: `rollback to {}` comes back here", name.text, name.text))
}

/// `status`
pub fn status(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    for line in context.session.show_doubt() {
        front.line(&line)?;
    }
    if context.session.is_clean() {
        return front.line("nothing is staged");
    }
    let counts = context.session.counts();
    front.line(&format!("staged: {counts}"))?;
    let catalog = Arc::clone(context.session.catalog());
    let lines: Vec<String> = context.session.entries().iter().map(|entry| described(entry, &catalog)).collect();
    for line in lines {
        front.line(&line)?;
    }
    Ok(())
}

fn described(entry: &crate::session::journal::Entry, catalog: &crate::model::Catalog) -> String {
    let place = entry.place.as_ref().map(|place| format!("  ({place})")).unwrap_or_default();
    let first = entry.changes.first().map_or_else(String::new, |change| one(change, catalog));
    let first = match &entry.whole {
        None => first,
        Some(Whole::Sql(sql)) => format!(".sql {}", shortened(sql)),
        Some(Whole::Bulk(bulk, rows)) => {
            let model = catalog.get(bulk.entity());
            let count = super::read::counted(model, *rows);
            match &bulk.set {
                Some(set) => format!("~ {count} {}", assigned(model, set.iter().map(|(at, value)| (*at, value)))),
                None => format!("- {count}"),
            }
        }
    };
    let more = match entry.changes.len() {
        0 | 1 => String::new(),
        several => format!(" and {} more", several - 1),
    };
    format!("#{} {first}{more}{place}", entry.number)
}

/// `name=value`, one behind the other.
fn assigned<'v>(entity: &Entity, values: impl Iterator<Item = (usize, &'v Value)>) -> String {
    let parts: Vec<String> = values
        .map(|(at, value)| {
            let column = &entity.columns[at];
            format!("{}={}", column.name, quote_shown(column, value))
        })
        .collect();
    parts.join(" ")
}

fn one(change: &Change, catalog: &crate::model::Catalog) -> String {
    let entity = catalog.get(change.entity());
    match change {
        Change::Insert { columns, values, .. } => {
            format!("+ {} {}", entity.name, assigned(entity, columns.iter().copied().zip(values)))
        }
        Change::Update { key, set, .. } => {
            let set = assigned(entity, set.iter().map(|(at, value)| (*at, value)));
            format!("~ {} {set}", named_by_key(entity, key))
        }
        Change::Delete { key, .. } => format!("- {}", named_by_key(entity, key)),
    }
}

/// `undo`
pub fn undo(count: u64, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let undone = context.session.undo(usize::try_from(count).unwrap_or(usize::MAX))?;
    let text = if undone == 0 {
        "nothing to undo: what was committed stays committed".to_owned()
    } else {
        format!(
            "undone: {undone} change{}; {} still staged (redo brings it back)",
            if undone == 1 { "" } else { "s" },
            context.session.staged()
        )
    };
    front.notice(Level::Info, &text)
}

/// `redo`
pub fn redo(count: u64, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let redone = context.session.redo(usize::try_from(count).unwrap_or(usize::MAX))?;
    let text = if redone == 0 {
        "nothing to redo".to_owned()
    } else {
        format!("staged again: {redone} change{}{}", if redone == 1 { "" } else { "s" }, tally(context))
    };
    front.notice(Level::Info, &text)
}

/// The key that a reference to a staged record means, also of one that is staged to go.
fn record_key(reference: &RecordRef<'_>, context: &mut Context) -> Result<(EntityId, Vec<Value>)> {
    let RecordRef::Key { model, key } = reference else {
        let record = match reference {
            RecordRef::Variable(name) => match context.variable(name)? {
                Bound::Record(record) => record,
                _ => return Err(Error::invalid(format!("${} is not one record", name.text)).at(name.span)),
            },
            RecordRef::Key { .. } => return Err(Error::invalid("not a record")),
        };
        return Ok((record.entity, record.key(context.catalog())));
    };
    let id = context.catalog().resolve(&model.text).map_err(|e| e.at(model.span))?;
    let catalog = Arc::clone(context.session.catalog());
    let plan::Meanings { unique, label } = plan::meanings(id, key, context)?;
    let ways: Vec<plan::By> = unique.into_iter().chain(label).collect();
    let is_key = |by: &plan::By| by.iter().map(|(at, _)| *at).eq(catalog.get(id).key.iter().copied());
    let staged = |wanted: &Change| {
        let mut ways = ways.iter();
        let mut key = wanted.key(&catalog);
        ways.find_map(|by| {
            // As it was, or as it is staged.
            let has = |(at, value): &(usize, Value)| match wanted {
                Change::Insert { columns, values, .. } => {
                    columns.iter().zip(values).any(|(a, v)| a == at && v == value)
                }
                Change::Update { set, base, .. } => set.iter().chain(base).any(|(a, v)| a == at && v == value),
                Change::Delete { base, .. } => base.iter().any(|(a, v)| a == at && v == value),
            };
            let same = is_key(by) && key.as_ref().is_some_and(|key| key.iter().eq(by.iter().map(|(_, value)| value)));
            if same || by.iter().all(has) { key.take() } else { None }
        })
    };
    let changes = context.session.entries().iter().flat_map(|entry| &entry.changes);
    if let Some(key) = changes.filter(|change| change.entity() == id).find_map(staged) {
        return Ok((id, key));
    }
    if let [only] = ways.as_slice()
        && is_key(only)
    {
        return Ok((id, only.iter().map(|(_, value)| value.clone()).collect()));
    }
    let record = plan::reference(reference, context)?;
    Ok((id, record.key(&catalog)))
}

/// `discard MODEL KEY[.FIELD]`
pub fn discard(
    reference: &RecordRef<'_>,
    field: Option<&Name<'_>>,
    context: &mut Context,
    front: &mut dyn Front,
) -> Result<()> {
    context.session.settle()?;
    let (entity, key) = record_key(reference, context)?;
    let catalog = Arc::clone(context.session.catalog());
    let model = catalog.get(entity);
    let column = field.map(|name| plan::column(model, name).map(|(at, _)| at)).transpose()?;
    let taken = context.session.discard(entity, &key, column)?;
    let plural = if taken == 1 { "" } else { "s" };
    let text =
        format!("discarded: {taken} change{plural}; {} still staged (undo brings it back)", context.session.staged());
    front.notice(Level::Info, &text)
}

/// `keep mine|theirs [MODEL KEY]`
pub fn keep(mine: bool, reference: Option<&RecordRef<'_>>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let record = reference.map(|reference| record_key(reference, context)).transpose()?;
    let settled = context.session.keep(mine, record)?;
    let plural = if settled.conflicts == 1 { "" } else { "s" };
    let count = settled.conflicts;
    let text = if mine {
        format!("settled: {count} conflict{plural}; what is staged will be written over what is there now")
    } else {
        let others = settled.others.total();
        let with = match others {
            0 => String::new(),
            1 => ", and with it 1 record that was to go too".to_owned(),
            _ => format!(", and with it {others} records that were to go too"),
        };
        format!(
            "settled: {count} conflict{plural}; what is there now stays{with}, {} still staged",
            context.session.staged()
        )
    };
    front.notice(Level::Info, &text)
}

/// A conflict's error with every conflict there is: base, theirs and yours.
pub fn three_ways(error: Error, context: &mut Context) -> Error {
    let Ok(conflicts) = context.session.conflicts() else { return error };
    let catalog = Arc::clone(context.session.catalog());
    let nets = context.session.net();
    let mut error = error;
    for Conflict { entity, key, gone, columns } in conflicts.iter().skip(1) {
        let model = catalog.get(*entity);
        let name = named_by_key(model, key);
        if *gone {
            error = error.hint(format!("also in conflict: {name} was deleted"));
        }
        for (at, base, theirs) in columns {
            let column = &model.columns[*at];
            let yours = nets.iter().find_map(|net| match &net.change {
                Change::Update { entity: e, key: k, set, .. } if e == entity && k == key => {
                    set.iter().find(|(changed, _)| changed == at).map(|(_, value)| value)
                }
                _ => None,
            });
            let yours = yours.map_or_else(String::new, |value| format!(", yours is {}", quote_shown(column, value)));
            error = error.hint(format!(
                "also in conflict: {name} {}: was {}, is now {}{yours}",
                column.name,
                quote_shown(column, base),
                quote_shown(column, theirs)
            ));
        }
    }
    error
}

/// `diff [MODEL KEY] [--sql]`
pub fn diff(reference: Option<&RecordRef<'_>>, sql: bool, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    if context.session.is_clean() {
        return front.line("nothing is staged");
    }
    context.session.settle()?;
    let wanted = reference.map(|reference| record_key(reference, context)).transpose()?;
    let catalog = Arc::clone(context.session.catalog());
    let nets: Vec<Net> = context
        .session
        .net()
        .into_iter()
        .filter(|net| {
            wanted.as_ref().is_none_or(|(entity, key)| {
                net.change.entity() == *entity && net.change.key(&catalog).as_ref() == Some(key)
            })
        })
        .collect();
    if nets.is_empty() {
        return front.line("no difference: what is staged cancels out");
    }
    for net in &nets {
        if sql {
            let text = statement(&net.change, &catalog, context)?;
            front.line(&format!("{text};"))?;
        } else {
            difference(&net.change, &catalog, front)?;
        }
    }
    Ok(())
}

/// One record: what is new, what changes, what goes.
fn difference(change: &Change, catalog: &Catalog, front: &mut dyn Front) -> Result<()> {
    let model = catalog.get(change.entity());
    let key = change.key(catalog).unwrap_or_default();
    let by_key = |at: usize| model.key.iter().position(|known| *known == at).and_then(|at| key.get(at));
    let widest = |columns: &mut dyn Iterator<Item = usize>| {
        columns.map(|at| model.columns[at].name.chars().count()).max().unwrap_or(0)
    };
    let field = |at: usize, width: usize| {
        let name = &model.columns[at].name;
        format!("    {name}{}", " ".repeat(width - name.chars().count()))
    };
    match change {
        Change::Insert { columns, values, .. } => {
            let value = |wanted| columns.iter().position(|at| *at == wanted).map(|at| &values[at]);
            front.marked('+', &format!("{} {}", named(model, value), model.repr_of(value)))?;
            let width = widest(&mut columns.iter().copied());
            for (at, value) in columns.iter().zip(values) {
                front.marked('+', &format!("{}  {}", field(*at, width), quote_shown(&model.columns[*at], value)))?;
            }
        }
        Change::Update { set, base, .. } => {
            front.marked('~', &named(model, by_key))?;
            let width = widest(&mut set.iter().map(|(at, _)| *at));
            for ((at, new), (_, old)) in set.iter().zip(base) {
                let column = &model.columns[*at];
                let text =
                    format!("{}  {} -> {}", field(*at, width), quote_shown(column, old), quote_shown(column, new));
                front.marked('~', &text)?;
            }
        }
        Change::Delete { base, .. } => {
            let value =
                |wanted| base.iter().find(|(at, _)| *at == wanted).map(|(_, value)| value).or_else(|| by_key(wanted));
            front.marked('-', &format!("{} {}", named(model, value), model.repr_of(value)))?;
            let width = widest(&mut base.iter().map(|(at, _)| *at));
            for (at, value) in base {
                front.marked('-', &format!("{}  {}", field(*at, width), quote_shown(&model.columns[*at], value)))?;
            }
        }
    }
    Ok(())
}

/// The statement of a change with its values in it, to be read, not run.
fn statement(change: &Change, catalog: &Catalog, context: &mut Context) -> Result<String> {
    let model = catalog.get(change.entity());
    let store = context.session.store();
    let mut values: Vec<(usize, &Value)> = Vec::new();
    let sql = match change {
        Change::Insert { entity, columns, values: row, .. } => {
            values.extend(columns.iter().copied().zip(row));
            let rows: [&[Value]; 1] = [row.as_slice()];
            let insert = Insert { entity: *entity, columns, rows: &rows, returning: &[] };
            store.describe(catalog, &Statement::Insert(insert))?
        }
        Change::Update { entity, key, set, base } => {
            values.extend(set.iter().map(|(at, value)| (*at, value)));
            values.extend(model.key.iter().copied().zip(key));
            values.extend(base.iter().map(|(at, value)| (*at, value)));
            store.describe(catalog, &Statement::Update(Update { entity: *entity, set, key, base }))?
        }
        Change::Delete { entity, key, base } => {
            values.extend(model.key.iter().copied().zip(key));
            values.extend(base.iter().map(|(at, value)| (*at, value)));
            store.describe(catalog, &Statement::Delete(Delete { entity: *entity, key, base }))?
        }
    };
    Ok(filled(&sql, model, &values))
}

/// Puts values in the places of binds (`?`, `$1`), outside of quoted names.
fn filled(sql: &str, model: &Entity, values: &[(usize, &Value)]) -> String {
    let mut out = String::with_capacity(sql.len() + 16 * values.len());
    let mut next = values.iter();
    let mut quote = None;
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) => {
                if c == open {
                    quote = None;
                }
                out.push(c);
            }
            (None, '"' | '`') => {
                quote = Some(c);
                out.push(c);
            }
            (None, '?' | '$') => {
                while chars.peek().is_some_and(char::is_ascii_digit) {
                    chars.next();
                }
                out.push_str(
                    &next.next().map_or_else(|| c.to_string(), |(at, value)| literal(&model.columns[*at], value)),
                );
            }
            (None, c) => out.push(c),
        }
    }
    out
}

fn literal(column: &Column, value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        _ if column.is_hidden() => format!("'{MASK}'"),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Bool(value) => if *value { "TRUE" } else { "FALSE" }.into(),
        other => other.to_string(),
    }
}

/// `.recover`
pub fn recover(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    if context.session.find_left()? == 0 && !context.session.is_in_doubt() {
        return front.notice(Level::Info, "there is nothing to recover");
    }
    let count = context.session.recover()?;
    let plural = if count == 1 { "" } else { "s" };
    front.notice(Level::Info, &format!("staged again: {count} change{plural}; `diff` shows them, `commit` writes them"))
}
