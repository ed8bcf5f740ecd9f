//! `add`, `set`, `delete`, `commit`, `rollback`, `status`, `undo`, `redo`.

use super::consequence::{self, Consequences, Typed};
use super::{Context, Front, LAST, Origin};
use crate::language::ast::{Assignment, Name, Path, RecordRef, Target};
use crate::model::{Catalog, EntityId, ReferentialAction, Relationship, Value};
use crate::outcome::Level;
use crate::plan::bulk::Matched;
use crate::plan::query::{Bulk, Select};
use crate::plan::{self, Bound, Record, Resolver, named};
use crate::session::effects::{Going, identity};
use crate::session::journal::{Change, Counts, Values};
use crate::session::{Hold, Way, is_exact};
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
    entries.for_each(|entry| counts.count_entry(entry));
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
    let (id, targeted) = targeted(target, context)?;
    let values = plan::assignments(id, assignments, false, context)?;
    let catalog = Arc::clone(context.session.catalog());
    let entity = catalog.get(id);
    let (mut rows, own) = match targeted {
        Targeted::Own(row) => (vec![row], true),
        Targeted::Record(row) => (vec![row], false),
        Targeted::Where(select) => {
            let bulk = Bulk { rows: select, set: Some(values) };
            if set_at_once(&bulk, origin, context, front)? {
                return Ok(());
            }
            return set_rows(&bulk, span_of(assignments), origin, context, front);
        }
    };
    if own && !values.iter().all(|(at, _)| is_exact(&entity.columns[*at].data_type)) {
        // The database may have put them in words of its own, which the change is to be based on.
        let key: Vec<(usize, Value)> = entity.key.iter().map(|at| (*at, rows[0][*at].clone())).collect();
        let read = context.session.look_up(id, &key)?;
        rows = vec![read.ok_or_else(|| plan::missing(entity, &key))?];
    }
    let mut row = rows.pop().unwrap_or_default();
    let values = Values::from(values);
    let Some(change) = checked(id, &row, &values, span_of(assignments), &catalog)? else {
        return front.notice(Level::Info, "nothing to change: the values are the same");
    };
    let question = || format!("set {}?", named(entity, |at| row.get(at)));
    if !consequence::agreed(1, false, question, context, front)? {
        return front.notice(Level::Info, "nothing is staged");
    }
    context.session.stage(vec![change], Some(origin.place.clone()))?;
    let tally = if front.wants_notices() { tally(context) } else { String::new() };
    let name = named(entity, |at| row.get(at));
    for (at, value) in &values {
        row[*at] = value.clone();
    }
    let text = format!("~ {}  staged: {name}{tally}", entity.repr(&row));
    context.variables.insert(LAST.to_owned(), Bound::Record(Record { entity: id, values: row }));
    front.notice(Level::Info, &text)
}

/// New values for a row, where it does not have them yet, as the application's own checks allow.
fn checked(id: EntityId, row: &[Value], values: &Values, span: Span, catalog: &Catalog) -> Result<Option<Change>> {
    let entity = catalog.get(id);
    let change = Change::setting(id, entity, row, values);
    if let Some(Change::Update { set, .. }) = &change {
        entity.validate_change(row, set).map_err(|e| e.at(span))?;
    }
    Ok(change)
}

/// `set MODEL where ...` as one statement; false where it is to be done row by row.
fn set_at_once(bulk: &Bulk, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<bool> {
    if context.session.bulk_way(bulk) != Way::Statement {
        return Ok(false);
    }
    let Some(changed) = context.session.stage_bulk(bulk, Some(origin.place))? else { return Ok(false) };
    if !front.wants_notices() {
        return Ok(true);
    }
    let text = if changed == 0 {
        let matched = consequence::count(&Matched::of(bulk).count(), context)?;
        unchanged(bulk.entity(), matched, context)
    } else {
        staged_of('~', changed, "", bulk.entity(), consequence::total(bulk.entity(), context)?, context)
    };
    front.notice(Level::Info, &text)?;
    Ok(true)
}

fn unchanged(id: EntityId, rows: usize, context: &Context) -> String {
    format!("{} to change: the values are the same", super::read::counted(context.catalog().get(id), rows))
}

/// "~ staged: 3 of 5 users (1 change; commit to write)"
fn staged_of(mark: char, rows: usize, told: &str, id: EntityId, total: usize, context: &Context) -> String {
    let of = super::read::counted(context.catalog().get(id), total);
    format!("{mark} staged: {rows} of {of}{told}{}", tally(context))
}

/// Reads the rows of a bulk change, one at a time, with only these columns where not all are needed: others are NULL.
fn each_row(
    select: &Select,
    only: Option<&[usize]>,
    context: &mut Context,
    each: &mut dyn FnMut(&[Value]) -> Result<()>,
) -> Result<()> {
    let mut select = select.clone();
    let mut row = vec![Value::Null; context.catalog().get(select.from.entity).columns.len()];
    if let Some(only) = only {
        select.columns.retain(|output| output.expr.column().is_some_and(|column| only.contains(&column)));
    }
    let columns: Vec<usize> = select.columns.iter().filter_map(|output| output.expr.column()).collect();
    context.session.query(&select, &mut |cells| {
        for (column, cell) in columns.iter().zip(cells) {
            row[*column] = cell.to_value();
        }
        each(&row)?;
        Ok(true)
    })
}

/// `set MODEL where ...` as a change for each row.
fn set_rows(bulk: &Bulk, span: Span, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let id = bulk.entity();
    let values = Values::from(bulk.set.clone().unwrap_or_default());
    let catalog = Arc::clone(context.session.catalog());
    let entity = catalog.get(id);
    // The application's own checks look at the whole record.
    let needed: Vec<usize> = entity.key.iter().copied().chain(values.iter().map(|(at, _)| *at)).collect();
    let only = entity.checks.is_empty().then_some(needed.as_slice());
    // As much room as they need: a list that grows takes three times as much while it does.
    let (mut changes, mut matched) = (Vec::with_capacity(consequence::count(&Matched::of(bulk).count(), context)?), 0);
    each_row(&bulk.rows, only, context, &mut |row| {
        matched += 1;
        changes.extend(checked(id, row, &values, span, &catalog)?);
        Ok(())
    })?;
    if changes.is_empty() {
        return front.notice(Level::Info, &unchanged(id, matched, context));
    }
    changes.shrink_to_fit();
    let changed = changes.len();
    let total = consequence::total(id, context)?;
    let question = || format!("set {} ({})?", super::read::counted(entity, changed), share(changed, total));
    if !consequence::agreed(changed, changed > 1 && changed == total, question, context, front)? {
        return front.notice(Level::Info, "nothing is staged");
    }
    context.session.stage_with(changes, None, Some(bulk), Some(origin.place.clone()))?;
    if !front.wants_notices() {
        return Ok(());
    }
    front.notice(Level::Info, &staged_of('~', changed, "", id, total, context))
}

/// `delete MODEL where ...` as a change for each row, where nothing else goes with them; false where something does.
fn delete_rows(bulk: &Bulk, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<bool> {
    if Consequences::of_bulk(bulk, context)?.is_none_or(|consequences| consequences.rows() > 0) {
        return Ok(false);
    }
    let id = bulk.entity();
    let catalog = Arc::clone(context.session.catalog());
    let entity = catalog.get(id);
    let mut changes = Vec::with_capacity(consequence::count(&Matched::of(bulk).count(), context)?);
    each_row(&bulk.rows, None, context, &mut |row| {
        changes.push(Change::deleting(id, entity, row));
        Ok(())
    })?;
    if changes.is_empty() {
        front.notice(Level::Info, &format!("no {} to delete", entity.plural))?;
        return Ok(true);
    }
    let (count, total) = (changes.len(), consequence::total(id, context)?);
    let question = || format!("delete {} ({})?", super::read::counted(entity, count), share(count, total));
    if !consequence::agreed(count, count > 1 && count == total, question, context, front)? {
        front.notice(Level::Info, "nothing is staged")?;
        return Ok(true);
    }
    context.session.stage_with(changes, Some(Vec::new()), Some(bulk), Some(origin.place.clone()))?;
    if front.wants_notices() {
        front.notice(Level::Info, &staged_of('-', count, " deleted", id, total, context))?;
    }
    Ok(true)
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

/// What a target means.
enum Targeted {
    /// A record that was added in the same transaction, with values as they were added.
    Own(Vec<Value>),
    /// A record as it was read.
    Record(Vec<Value>),
    /// The rows that a query gives, all columns.
    Where(Select),
}

fn targeted(target: &Target<'_>, context: &mut Context) -> Result<(EntityId, Targeted)> {
    match target {
        Target::Record(reference) => {
            if let RecordRef::Key { model, key } = reference {
                let id = plan::writable(model, context)?;
                let by = plan::identify(id, key, context)?;
                if let Some(row) = context.session.own_record(id, &by) {
                    return Ok((id, Targeted::Own(row)));
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
            Ok((record.entity, Targeted::Record(record.values)))
        }
        Target::Where(model, condition) => {
            let id = plan::writable(model, context)?;
            Ok((id, Targeted::Where(plan::many(id, condition.as_ref(), context)?)))
        }
    }
}

/// `delete MODEL where ...` as one statement; false where it is to be done row by row.
fn delete_at_once(bulk: &Bulk, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<bool> {
    if context.session.bulk_way(bulk) != Way::Statement {
        return Ok(false);
    }
    // Rows that forbid it, or that are reached twice, are told one by one.
    let Some(consequences) = Consequences::of_bulk(bulk, context)? else { return Ok(false) };
    let id = bulk.entity();
    let total = if front.wants_notices() { consequence::total(id, context)? } else { 0 };
    let Some(deleted) = context.session.stage_bulk(bulk, Some(origin.place))? else { return Ok(false) };
    if deleted == 0 {
        let plural = &context.catalog().get(id).plural;
        let text = format!("no {plural} to delete");
        front.notice(Level::Info, &text)?;
    } else if front.wants_notices() {
        let told = format!(" deleted{}", consequences.told(context.catalog()));
        front.notice(Level::Info, &staged_of('-', deleted, &told, id, total, context))?;
    }
    Ok(true)
}

/// `delete`, children first.
pub fn delete(
    target: &Target<'_>,
    with: &[Path<'_>],
    origin: Origin<'_>,
    context: &mut Context,
    front: &mut dyn Front,
) -> Result<()> {
    let (id, targeted) = targeted(target, context)?;
    let catalog = Arc::clone(context.session.catalog());
    let entity = catalog.get(id);
    let many = matches!(target, Target::Where(..));
    let (rows, own) = match targeted {
        Targeted::Own(row) => (vec![row], true),
        Targeted::Record(row) => (vec![row], false),
        Targeted::Where(select) => {
            let bulk = Bulk { rows: select, set: None };
            // With records of other models it is several statements, each for rows that another names.
            if with.is_empty()
                && (delete_at_once(&bulk, origin, context, front)? || delete_rows(&bulk, origin, context, front)?)
            {
                return Ok(());
            }
            let mut rows = Vec::new();
            context.session.query(&bulk.rows, &mut |cells| {
                rows.push(cells.iter().map(|cell| cell.to_value()).collect());
                Ok(true)
            })?;
            (rows, false)
        }
    };
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
    context.session.stage_with(changes, effects, None, Some(origin.place.clone()))?;
    let tally = if front.wants_notices() { tally(context) } else { String::new() };
    let text = if many {
        staged_of('-', count, &format!(" deleted{with}{told}"), id, total, context)
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
        if seen.insert(identity(id, row, catalog)) {
            changes.push(Change::deleting(id, entity, row));
        }
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
