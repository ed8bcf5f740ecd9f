//! `add`, `set`, `delete`, `commit`, `rollback`, `status`, `undo`, `redo`.

use super::consequence::{self, Consequences, Typed};
use super::{Context, Front, LAST, Origin};
use crate::language::ast::{Assignment, Name, Path, RecordRef, Target};
use crate::model::{EntityId, ReferentialAction, Relationship, Value};
use crate::outcome::Level;
use crate::plan::{self, Bound, Record, Resolver, named};
use crate::session::effects::{Going, identity};
use crate::session::journal::{Change, Counts};
use crate::session::{Hold, is_exact};
use crate::text::Span;
use crate::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::sync::Arc;

/// " (1 change; commit to write)".
pub(super) fn tally(context: &Context) -> String {
    let count = context.session.staged();
    let mut number = itoa::Buffer::new();
    [" (", number.format(count), if count == 1 { " change" } else { " changes" }, "; commit to write)"].concat()
}

/// "staged: 3 added (3 changes; commit to write)": what is staged of the changes from a number on.
#[must_use]
pub fn staged_since(first: u32, context: &Context) -> Option<String> {
    let mut counts = Counts::default();
    let entries = context.session.entries().iter().filter(|entry| entry.number >= first);
    entries.flat_map(|entry| &entry.changes).for_each(|change| counts.count(change));
    (counts.total() > 0).then(|| format!("staged: {counts}{}", tally(context)))
}

/// `add`
pub fn add(
    model: &Name<'_>,
    assignments: &[Assignment<'_>],
    origin: Origin<'_>,
    context: &mut Context,
    front: &mut dyn Front,
) -> Result<()> {
    let id = plan::writable(model, context)?;
    let span = if assignments.is_empty() { model.span } else { span_of(assignments) };
    let values = plan::assignments(id, assignments, true, context).map_err(|e| e.at(model.span))?;
    context.catalog().get(id).validate_new(&values).map_err(|e| e.at(span))?;
    let change = context.session.insert(id, values);
    context.session.stage(vec![change], Some(origin.place.clone()))?;
    let catalog = Arc::clone(context.session.catalog());
    let entity = catalog.get(id);
    let Some(Change::Insert { columns, values, .. }) =
        context.session.entries().last().and_then(|entry| entry.changes.first())
    else {
        // A script's pending changes were just sent.
        return Ok(());
    };
    let value = |wanted| columns.iter().position(|at| *at == wanted).map(|at| &values[at]);
    if front.wants_notices() {
        let mut text = String::with_capacity(96);
        text.push_str("+ ");
        text.push_str(&entity.repr_of(value));
        text.push_str("  staged: ");
        text.push_str(&named(entity, value));
        text.push_str(&tally(context));
        front.notice(Level::Info, &text)?;
    }
    let known = !entity.key.is_empty() && entity.key.iter().all(|at| value(*at).is_some_and(|value| !value.is_null()));
    // In a script it is looked up once somebody asks for it.
    if known && (context.interactive || context.session.hold() == Hold::No) {
        let mut row = vec![Value::Null; entity.columns.len()];
        for (at, value) in columns.iter().zip(values) {
            row[*at] = value.clone();
        }
        context.variables.insert(LAST.to_owned(), Bound::Record(Record { entity: id, values: row }));
    } else {
        context.variables.remove(LAST);
        context.added = true;
    }
    Ok(())
}

/// `set`
pub fn set(
    target: &Target<'_>,
    assignments: &[Assignment<'_>],
    origin: Origin<'_>,
    context: &mut Context,
    front: &mut dyn Front,
) -> Result<()> {
    let (id, mut rows, own) = targeted(target, context)?;
    let values = plan::assignments(id, assignments, false, context)?;
    let catalog = Arc::clone(context.session.catalog());
    let entity = catalog.get(id);
    if own && !values.iter().all(|(at, _)| is_exact(&entity.columns[*at].data_type)) {
        // The database may have put them in words of its own, which the change is to be based on.
        let key: Vec<(usize, Value)> = entity.key.iter().map(|at| (*at, rows[0][*at].clone())).collect();
        let read = context.session.look_up(id, &key)?;
        rows = vec![read.ok_or_else(|| plan::missing(entity, &key))?];
    }
    let mut changes = Vec::new();
    for row in &rows {
        let (set, base): (Vec<_>, Vec<_>) = values
            .iter()
            .filter(|(at, value)| row[*at] != *value)
            .map(|(at, value)| ((*at, value.clone()), (*at, row[*at].clone())))
            .unzip();
        if !set.is_empty() {
            entity.validate_change(row, &set).map_err(|e| e.at(span_of(assignments)))?;
            let key = entity.key.iter().map(|at| row[*at].clone()).collect();
            changes.push(Change::Update { entity: id, key, set, base });
        }
    }
    let many = matches!(target, Target::Where(..));
    if changes.is_empty() {
        let what = if many { super::read::counted(entity, rows.len()) } else { "nothing".to_owned() };
        return front.notice(Level::Info, &format!("{what} to change: the values are the same"));
    }
    let changed = changes.len();
    let total = if many { consequence::total(id, context)? } else { 0 };
    let question = || match rows.as_slice() {
        [row] if !many => format!("set {}?", named(entity, |at| row.get(at))),
        _ => format!("set {} ({})?", super::read::counted(entity, changed), share(changed, total)),
    };
    let whole = many && changed > 1 && changed == total;
    if !consequence::agreed(changed, whole, question, context, front)? {
        return front.notice(Level::Info, "nothing is staged");
    }
    context.session.stage(changes, Some(origin.place.clone()))?;
    let tally = if front.wants_notices() { tally(context) } else { String::new() };
    let text = if many {
        format!("~ staged: {changed} of {}{tally}", super::read::counted(entity, total))
    } else {
        let mut row = rows.into_iter().next().unwrap_or_default();
        let name = named(entity, |at| row.get(at));
        for (at, value) in &values {
            row[*at] = value.clone();
        }
        let text = format!("~ {}  staged: {name}{tally}", entity.repr(&row));
        context.variables.insert(LAST.to_owned(), Bound::Record(Record { entity: id, values: row }));
        text
    };
    front.notice(Level::Info, &text)
}

/// "3 of 3 rows, the whole table"
fn share(rows: usize, total: usize) -> String {
    format!("{rows} of {total} rows{}", if rows == total { ", the whole table" } else { "" })
}

/// From the first assignment to the last.
fn span_of(assignments: &[Assignment<'_>]) -> Span {
    let pieces = assignments.iter().flat_map(|one| one.value.iter().map(|part| part.span).chain([one.field.span]));
    pieces.reduce(Span::to).unwrap_or_default()
}

/// The rows that a target means, all columns; and whether it is one that was added in the same transaction, with values as
/// they were added.
fn targeted(target: &Target<'_>, context: &mut Context) -> Result<(EntityId, Vec<Vec<Value>>, bool)> {
    match target {
        Target::Record(reference) => {
            if let RecordRef::Key { model, key } = reference {
                let id = plan::writable(model, context)?;
                let by = plan::identify(id, key, context)?;
                if let Some(row) = context.session.own_record(id, &by) {
                    return Ok((id, vec![row], true));
                }
            }
            let record = plan::reference(reference, context)?;
            let entity = context.catalog().get(record.entity);
            if entity.kind == crate::model::EntityKind::View {
                return Err(Error::invalid(format!("{} is a view and cannot be changed", entity.name)));
            }
            if entity.key.is_empty() {
                return Err(Error::invalid(format!("{} has no key, so one row cannot be changed alone", entity.name)));
            }
            Ok((record.entity, vec![record.values], false))
        }
        Target::Where(model, condition) => {
            let id = plan::writable(model, context)?;
            let select = plan::many(id, condition.as_ref(), context)?;
            let mut rows = Vec::new();
            context.session.query(&select, &mut |cells| {
                rows.push(cells.iter().map(|cell| cell.to_value()).collect());
                Ok(true)
            })?;
            Ok((id, rows, false))
        }
    }
}

/// `delete`, children first.
pub fn delete(
    target: &Target<'_>,
    with: &[Path<'_>],
    origin: Origin<'_>,
    context: &mut Context,
    front: &mut dyn Front,
) -> Result<()> {
    let (id, rows, own) = targeted(target, context)?;
    let catalog = Arc::clone(context.session.catalog());
    let entity = catalog.get(id);
    let many = matches!(target, Target::Where(..));
    if rows.is_empty() {
        return front.notice(Level::Info, &format!("no {} to delete", entity.plural));
    }
    let mut changes = Vec::new();
    let mut seen = HashSet::new();
    let mut beside = Vec::new();
    let mut all = Vec::new();
    for path in with {
        let mut at = id;
        let mut parents = rows.clone();
        let mut levels: Vec<Going> = Vec::new();
        for name in &path.names {
            let relationship = children(&catalog, at, name)?;
            parents = below(&relationship, &parents, context)?;
            at = relationship.to;
            let mut way = levels.last().map_or_else(Vec::new, |level| level.way.clone());
            way.push(relationship.name);
            levels.push(Going { entity: at, rows: parents.clone(), way });
        }
        let mut counts = Vec::with_capacity(levels.len());
        for level in levels.iter().rev() {
            let before = changes.len();
            gone(level.entity, &level.rows, &catalog, &mut seen, &mut changes);
            counts.push((level.entity, changes.len() - before));
        }
        for (entity, count) in counts.into_iter().rev() {
            consequence::add(&mut beside, entity, count);
        }
        all.extend(levels);
    }
    let first = rows.first().cloned().unwrap_or_default();
    gone(id, &rows, &catalog, &mut seen, &mut changes);
    if own && let Some(Change::Delete { base, .. }) = changes.last_mut() {
        base.retain(|(at, _)| is_exact(&entity.columns[*at].data_type));
    }
    // The foreign keys of a script's single deletes answer for themselves when it is sent, unless they do more than refuse.
    let tells = (context.interactive && !context.session.is_together())
        || many
        || !with.is_empty()
        || catalog.iter().any(|(_, other)| {
            other.foreign_keys.iter().any(|key| key.to == id && key.on_delete != ReferentialAction::Restrict)
        });
    let name = named(entity, |at| first.get(at));
    let count = rows.len();
    all.push(Going { entity: id, rows, way: Vec::new() });
    let mut consequences = if tells { Consequences::of(&all, &seen, context)? } else { Consequences::default() };
    let what = match count {
        _ if !many => name.clone(),
        1 => format!("the {}", entity.name),
        _ => format!("one of the {}", entity.plural),
    };
    consequences.check(&what, &Typed::new(origin.text, with), &catalog)?;
    let told = consequences.told(&catalog);
    let with =
        if beside.is_empty() { String::new() } else { format!(" with {}", consequence::listed(&beside, &catalog)) };
    let total = if many { consequence::total(id, context)? } else { 0 };
    let question = || {
        if many {
            let what = super::read::counted(entity, count);
            format!("delete {what} ({}){with}{told}?", share(count, total))
        } else {
            format!("delete {name}{with}{told}?")
        }
    };
    let whole = many && count > 1 && count == total;
    if !consequence::agreed(changes.len() + consequences.rows(), whole, question, context, front)? {
        return front.notice(Level::Info, "nothing is staged");
    }
    let effects = tells.then(|| consequences.take_effects());
    context.session.stage_with(changes, effects, Some(origin.place.clone()))?;
    let tally = if front.wants_notices() { tally(context) } else { String::new() };
    let text = if many {
        let of = super::read::counted(entity, total);
        format!("- staged: {count} of {of} deleted{with}{told}{tally}")
    } else {
        format!("- {}  staged: {name} deleted{with}{told}{tally}", entity.repr(&first))
    };
    front.notice(Level::Info, &text)
}

fn children(catalog: &crate::model::Catalog, from: EntityId, name: &Name<'_>) -> Result<Relationship> {
    let entity = catalog.get(from);
    let is_below = |way: &&Relationship| !way.owning && way.link.is_none();
    let found = catalog.relationship(from, &name.text).filter(is_below);
    found.cloned().ok_or_else(|| {
        let names = entity.relationships.iter().filter(is_below).map(|way| way.name.as_str());
        plan::lacking(entity, "children", &name.text, names).at(name.span)
    })
}

/// The rows that a relationship leads to from any of the parents.
fn below(relationship: &Relationship, parents: &[Vec<Value>], context: &mut Context) -> Result<Vec<Vec<Value>>> {
    let keys: Vec<Vec<Value>> =
        parents.iter().map(|row| relationship.local.iter().map(|at| row[*at].clone()).collect()).collect();
    let catalog = Arc::clone(context.session.catalog());
    let width = catalog.get(relationship.to).columns.len();
    let mut rows = Vec::new();
    for batch in keys.chunks(5_000) {
        let select = plan::level_select(relationship, batch, &catalog);
        context.session.query(&select, &mut |cells| {
            rows.push(cells[..width].iter().map(|cell| cell.to_value()).collect());
            Ok(true)
        })?;
    }
    Ok(rows)
}

fn gone(
    id: EntityId,
    rows: &[Vec<Value>],
    catalog: &crate::model::Catalog,
    seen: &mut HashSet<String>,
    changes: &mut Vec<Change>,
) {
    let entity = catalog.get(id);
    for row in rows {
        let key: Vec<Value> = entity.key.iter().map(|at| row[*at].clone()).collect();
        if !seen.insert(identity(id, row, catalog)) {
            continue;
        }
        let base = row.iter().cloned().enumerate().filter(|(at, _)| !entity.key.contains(at)).collect();
        changes.push(Change::Delete { entity: id, key, base });
    }
}

/// `commit`
pub fn commit(dry_run: bool, models: &[Name<'_>], context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let mut only = Vec::with_capacity(models.len());
    for name in models {
        only.push(context.catalog().resolve(&name.text).map_err(|e| e.at(name.span))?);
    }
    if context.session.is_clean() && !context.session.is_in_doubt() {
        return front.notice(Level::Info, "nothing is staged");
    }
    let counts = match context.session.commit_only(dry_run, &only) {
        Err(error) if error.kind == ErrorKind::Conflict => return Err(super::session::three_ways(error, context)),
        done => done?,
    };
    if counts.total() == 0 && !only.is_empty() {
        return front.notice(Level::Info, "nothing is staged for that");
    }
    let word = if dry_run { "would be committed" } else { "committed" };
    let rest = match (dry_run, context.session.staged()) {
        (false, left @ 1..) => format!("; {left} still staged"),
        _ => String::new(),
    };
    front.notice(Level::Info, &format!("{word}: {counts}{rest}"))
}
