//! `.import FILE MODEL`: staged like any change when small, streamed in a transaction of its own when large.

use super::field::Field;
use super::rows::{self, FileRow};
use super::{Context, Front};
use crate::language::ast::Name;
use crate::model::{Catalog, Column, ColumnDefault, DataType, Entity, EntityId, MASK, Relationship, Value};
use crate::outcome::Level;
use crate::plan::query::{Alias, ColumnRef, Expr, Insert, Select, Statement, Update};
use crate::plan::{self};
use crate::session::Keep;
use crate::session::journal::Change;
use crate::text::Place;
use crate::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Up to so many rows are staged; more are streamed.
const STAGED: usize = 10_000;

/// How many rows are looked up and sent together.
const BATCH: usize = 200;

/// What becomes of a row that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnConflict {
    Error,
    Skip,
    Update,
}

/// Where a value of the file goes.
#[derive(Debug, Clone)]
enum Slot {
    Column(usize),
    /// A relationship, by the natural key or key of its record.
    Way(Box<Relationship>),
}

/// What `.import` was asked for.
struct Wanted<'a> {
    file: &'a Path,
    entity: EntityId,
    columns: Option<Vec<String>>,
    null: Option<String>,
    on_conflict: OnConflict,
}

fn wanted<'a>(arguments: &'a [Name<'a>], rest: &Name<'_>, context: &Context) -> Result<Wanted<'a>> {
    let usage = || Error::invalid(".import needs a file and a model").at(rest.span).hint(".import users.csv user");
    let mut words = Vec::new();
    let (mut columns, mut null, mut on_conflict) = (None, None, OnConflict::Error);
    let mut all = arguments.iter();
    while let Some(word) = all.next() {
        let mut value =
            || all.next().ok_or_else(|| Error::invalid(format!("{} needs a value", word.text)).at(word.span));
        match word.text.as_ref() {
            "--columns" => columns = Some(value()?.text.split(',').map(|name| name.trim().to_owned()).collect()),
            "--null" => null = Some(value()?.text.to_string()),
            "--on-conflict" => {
                let value = value()?;
                on_conflict = match value.text.as_ref() {
                    "skip" => OnConflict::Skip,
                    "update" => OnConflict::Update,
                    "error" => OnConflict::Error,
                    _ => return Err(Error::invalid("on conflict: skip, update or error").at(value.span)),
                };
            }
            option if option.starts_with("--") => {
                return Err(Error::invalid(format!("there is no option {option}"))
                    .at(word.span)
                    .hint("--columns a,b  --null TEXT  --on-conflict skip|update|error"));
            }
            _ => words.push(word),
        }
    }
    let [file, model] = words.as_slice() else { return Err(usage()) };
    let entity = plan::writable(model, context)?;
    Ok(Wanted { file: Path::new(file.text.as_ref()), entity, columns, null, on_conflict })
}

/// `.import FILE MODEL [--columns a,b] [--null TEXT] [--on-conflict skip|update|error]`
pub fn import(
    arguments: &[Name<'_>],
    rest: &Name<'_>,
    place: &Place,
    context: &mut Context,
    front: &mut dyn Front,
) -> Result<()> {
    let wanted = wanted(arguments, rest, context)?;
    let catalog = Arc::clone(context.session.catalog());
    let mut importer = Importer {
        entity: wanted.entity,
        catalog: Arc::clone(&catalog),
        slots: Vec::new(),
        names: Vec::new(),
        on_conflict: wanted.on_conflict,
        known: HashMap::new(),
        batch: Vec::new(),
        small: Vec::new(),
        streaming: false,
        counts: Counted::default(),
        now: crate::model::timestamp_text((context.clock)()),
        file: wanted.file.display().to_string(),
    };
    let size = std::fs::metadata(wanted.file).map_or(0, |metadata| metadata.len());
    let shared = std::cell::RefCell::new(&mut importer);
    let done = rows::read(
        wanted.file,
        wanted.columns.as_deref(),
        wanted.null.as_deref(),
        &mut |names| shared.borrow_mut().header(names),
        &mut |row, read| {
            let mut importer = shared.borrow_mut();
            importer.take(row, context)?;
            if importer.counts.read.is_multiple_of(1_000) {
                front.progress(read, size, importer.counts.read)?;
            }
            Ok(true)
        },
    );
    let done = done.and_then(|()| importer.finish(place, context, front));
    front.progress_end();
    if done.is_err() && importer.streaming {
        context.session.abandon()?;
    }
    done
}

/// How many rows became what.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    read: u64,
    added: u64,
    updated: u64,
    skipped: u64,
}

struct Importer {
    entity: EntityId,
    catalog: Arc<Catalog>,
    slots: Vec<Slot>,
    names: Vec<String>,
    on_conflict: OnConflict,
    /// Keys of referred records, by relationship and what the file calls them.
    known: HashMap<(String, String), Vec<Value>>,
    /// Rows read and not yet resolved.
    batch: Vec<(u64, Vec<Field>)>,
    /// Changes, while it is not known whether they are many.
    small: Vec<Change>,
    streaming: bool,
    counts: Counted,
    now: String,
    file: String,
}

impl Importer {
    fn model(&self) -> &Entity {
        self.catalog.get(self.entity)
    }

    /// Where the columns of the file go.
    fn header(&mut self, names: &[String]) -> Result<()> {
        let slots = names.iter().map(|name| slot(&self.catalog, self.entity, name)).collect::<Result<Vec<Slot>>>()?;
        self.slots = slots;
        self.names = names.to_vec();
        Ok(())
    }

    fn take(&mut self, row: FileRow, context: &mut Context) -> Result<()> {
        if let Some(names) = row.names
            && names != self.names
        {
            // Objects may have other fields than the one before.
            self.resolve(context)?;
            self.header(&names).map_err(|error| self.at(row.line, error))?;
        }
        self.counts.read += 1;
        self.batch.push((row.line, row.values));
        if self.batch.len() == BATCH {
            self.resolve(context)?;
        }
        Ok(())
    }

    fn at(&self, line: u64, mut error: Error) -> Error {
        error.message = format!("{}:{line}: {}", self.file, error.message);
        error
    }

    /// Turns the rows of the batch into changes, and sends them when there are many.
    fn resolve(&mut self, context: &mut Context) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        for index in 0..self.slots.len() {
            if let Slot::Way(way) = self.slots[index].clone() {
                let wanted = batch.iter().filter_map(|(_, values)| values.get(index));
                let wanted: Vec<String> = wanted.filter_map(Field::name).collect();
                self.look_up(&way, &wanted, context)?;
            }
        }
        let mut rows = Vec::with_capacity(batch.len());
        for (line, values) in batch {
            let row = self.row(values, context).map_err(|error| self.at(line, error))?;
            rows.push((line, row));
        }
        let changes = self.changes(rows, context)?;
        if self.streaming {
            return Self::send(&changes, context);
        }
        self.small.extend(changes);
        if self.small.len() > STAGED {
            if !context.session.is_clean() {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!(
                        "more than {STAGED} rows are written in a transaction of their own, and changes are staged"
                    ),
                )
                .hint("`commit` or `rollback` first"));
            }
            if context.session.is_sandbox() {
                return Err(Error::new(ErrorKind::Refused, "this is a sandbox: nothing is ever committed"));
            }
            self.streaming = true;
            let changes = std::mem::take(&mut self.small);
            for part in changes.chunks(BATCH) {
                Self::send(part, context)?;
            }
        }
        Ok(())
    }

    /// The keys of the records that a relationship's values name: one query for all of a batch.
    fn look_up(&mut self, way: &Relationship, wanted: &[String], context: &mut Context) -> Result<()> {
        let to = self.catalog.get(way.to);
        let mut missing: Vec<&String> =
            wanted.iter().filter(|text| !self.known.contains_key(&(way.name.clone(), (*text).clone()))).collect();
        missing.sort();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let ways = to.names();
        if ways.is_empty() {
            return Err(Error::invalid(format!("{} has a key of several columns; import its columns", way.name)));
        }
        let catalog = Arc::clone(&self.catalog);
        let of = |column| Expr::Column(ColumnRef { alias: Alias(0), entity: way.to, column });
        let mut found: HashMap<String, Vec<Value>> = HashMap::new();
        for (by, is_unique) in ways {
            let column = &to.columns[by];
            // What only labels a record is no name of it where it has a better one.
            let wanted = missing.iter().filter(|text| is_unique || !found.contains_key(**text));
            let values = wanted.filter_map(|text| column.data_type.fit(Value::Text((*text).clone())).ok());
            let items: Vec<Expr> = values.map(|value| Expr::Value(value, column.data_type.clone())).collect();
            if items.is_empty() {
                continue;
            }
            let mut select = Select::all(way.to, &catalog);
            select.filter = Some(Expr::In(Box::new(of(by)), items));
            let mut several = None;
            context.session.query(&select, &mut |cells| {
                let key: Vec<Value> = way.remote.iter().map(|at| cells[*at].to_value()).collect();
                let text = cells[by].to_string();
                if let Some(other) = found.insert(text.clone(), key.clone())
                    && other != key
                {
                    several = Some(text);
                    return Ok(false);
                }
                Ok(true)
            })?;
            if let Some(text) = several {
                return Err(Error::invalid(format!("{}: '{text}' names more than one {}", way.name, to.name)));
            }
        }
        for (text, key) in found {
            self.known.insert((way.name.clone(), text), key);
        }
        Ok(())
    }

    /// One row as columns and checked values, defaults included.
    fn row(&self, values: Vec<Field>, context: &mut Context) -> Result<Vec<(usize, Value)>> {
        let model = self.model();
        let mut row: Vec<(usize, Value)> = Vec::with_capacity(model.columns.len());
        for (slot, field) in self.slots.iter().zip(values) {
            match slot {
                // What the database computes is in the file when all of a record was exported.
                Slot::Column(at) if model.columns[*at].generated => {}
                Slot::Column(at) => {
                    let column = &model.columns[*at];
                    let value = field.value(&column.data_type);
                    if column.masked && value.as_text() == Some(MASK) {
                        return Err(Error::invalid(format!(
                            "{} is masked in this file: its value is not there",
                            column.name
                        ))
                        .hint("leave the column out, or `.unmask` it before `.export`"));
                    }
                    // An empty field is NULL where that is allowed, and an empty text where it is not.
                    let empty = value.is_null() && !column.nullable && !column.numbered;
                    let text = matches!(column.data_type, crate::model::DataType::Text(_));
                    let value = if empty && text { Value::Text(String::new()) } else { value };
                    if value.is_null() && (column.numbered || (!column.nullable && column.default.is_some())) {
                        continue;
                    }
                    let fitted = column.check(value.clone())?;
                    row.push((*at, context.session.as_written((self.entity, *at), &value, fitted, Keep::Free)?));
                }
                Slot::Way(way) => {
                    let key = if let Some(text) = field.name() {
                        let found = self.known.get(&(way.name.clone(), text.clone()));
                        // A key may be that of a row of the same file.
                        let raw = match way.local.as_slice() {
                            [at] if model.column(&way.name).is_some_and(|(own, _)| own == *at) => {
                                Some(vec![Value::Text(text.clone())])
                            }
                            _ => None,
                        };
                        found.cloned().or(raw).ok_or_else(|| {
                            let to = &self.catalog.get(way.to).name;
                            Error::new(ErrorKind::NotFound, format!("{}: there is no {to} '{text}'", way.name))
                        })?
                    } else {
                        vec![Value::Null; way.local.len()]
                    };
                    for (at, value) in way.local.iter().zip(key) {
                        row.push((*at, model.columns[*at].check(value)?));
                    }
                }
            }
        }
        for (at, column) in model.columns.iter().enumerate() {
            if !row.iter().any(|(known, _)| *known == at) {
                self.fill(at, column, &mut row)?;
            }
        }
        row.sort_by_key(|(at, _)| *at);
        Ok(row)
    }

    fn fill(&self, at: usize, column: &Column, row: &mut Vec<(usize, Value)>) -> Result<()> {
        match &column.default {
            Some(ColumnDefault::Now) => row.push((at, column.data_type.fit(Value::Text(self.now.clone()))?)),
            Some(ColumnDefault::Value(value)) => row.push((at, value.clone())),
            Some(ColumnDefault::Computed(value)) => row.push((at, column.check(value.value())?)),
            Some(ColumnDefault::Database(_)) => {}
            None if column.required() => return Err(Error::invalid(format!("{} is missing", column.name))),
            None => {}
        }
        Ok(())
    }

    /// The columns by which a row is known to be there already: its key, or the first unique columns that it gives.
    fn target(&self, row: &[(usize, Value)]) -> Option<Vec<usize>> {
        let model = self.model();
        let given = |columns: &[usize]| {
            !columns.is_empty() && columns.iter().all(|at| row.iter().any(|(known, _)| known == at))
        };
        if given(&model.key) {
            return Some(model.key.clone());
        }
        let natural = model.natural_key.map(|at| vec![at]);
        let uniques = model.indexes.iter().filter(|index| index.unique).map(|index| index.columns.clone());
        natural.into_iter().chain(uniques).find(|columns| given(columns))
    }

    fn changes(&mut self, rows: Vec<(u64, Vec<(usize, Value)>)>, context: &mut Context) -> Result<Vec<Change>> {
        let entity = self.entity;
        let there = if self.on_conflict == OnConflict::Error { HashMap::new() } else { self.there(&rows, context)? };
        let mut changes = Vec::with_capacity(rows.len());
        for (line, row) in rows {
            let known = self.target(&row).and_then(|target| there.get(&spelled(&target, &row)));
            let Some(old) = known else {
                self.model().validate_new(&row).map_err(|error| self.at(line, error))?;
                self.counts.added += 1;
                changes.push(context.session.insert(entity, row));
                continue;
            };
            if self.on_conflict == OnConflict::Skip {
                self.counts.skipped += 1;
                continue;
            }
            let model = self.model();
            model.validate_change(old, &row).map_err(|error| self.at(line, error))?;
            let (set, base): (Vec<_>, Vec<_>) = row
                .into_iter()
                .filter(|(at, value)| !model.key.contains(at) && !is_same(&model.columns[*at], &old[*at], value))
                .map(|(at, value)| ((at, value), (at, old[at].clone())))
                .unzip();
            if set.is_empty() {
                self.counts.skipped += 1;
            } else {
                let key = model.key.iter().map(|at| old[*at].clone()).collect();
                self.counts.updated += 1;
                changes.push(Change::Update { entity, key, set: set.into(), base });
            }
        }
        Ok(changes)
    }

    /// The rows that are there already, by their target's values: one query a batch.
    fn there(&self, rows: &[(u64, Vec<(usize, Value)>)], context: &mut Context) -> Result<HashMap<String, Vec<Value>>> {
        if rows.is_empty() {
            return Ok(HashMap::new());
        }
        let Some(target) = rows.first().and_then(|(_, row)| self.target(row)) else {
            return Err(Error::invalid(format!(
                "{} has no key or unique column in the file to tell what is there",
                self.model().name
            ))
            .hint("leave out --on-conflict"));
        };
        let catalog = Arc::clone(&self.catalog);
        let of = |column| Expr::Column(ColumnRef { alias: Alias(0), entity: self.entity, column });
        let value = |row: &[(usize, Value)], at: usize| {
            let value = row.iter().find(|(known, _)| *known == at).map_or(Value::Null, |(_, value)| value.clone());
            Expr::Value(value, self.model().columns[at].data_type.clone())
        };
        let mut select = Select::all(self.entity, &catalog);
        select.filter = Some(match target.as_slice() {
            [only] => Expr::In(Box::new(of(*only)), rows.iter().map(|(_, row)| value(row, *only)).collect()),
            several => Expr::Or(
                rows.iter()
                    .map(|(_, row)| {
                        let equal = |at: &usize| {
                            Expr::Compare(
                                Box::new(of(*at)),
                                crate::language::ast::CompareOp::Eq,
                                Box::new(value(row, *at)),
                            )
                        };
                        Expr::And(several.iter().map(equal).collect())
                    })
                    .collect(),
            ),
        });
        let mut found = HashMap::new();
        context.session.query(&select, &mut |cells| {
            let values: Vec<Value> = cells.iter().map(|cell| cell.to_value()).collect();
            let row: Vec<(usize, Value)> = values.iter().cloned().enumerate().collect();
            found.insert(spelled(&target, &row), values);
            Ok(true)
        })?;
        Ok(found)
    }

    /// Sends changes in the transaction of the import.
    fn send(changes: &[Change], context: &mut Context) -> Result<()> {
        let mut rest = changes;
        while let Some(first) = rest.first() {
            let run = match first {
                Change::Insert { columns, .. } => rest
                    .iter()
                    .take(BATCH)
                    .take_while(|change| matches!(change, Change::Insert { columns: other, .. } if other == columns))
                    .count(),
                _ => 1,
            };
            let (now, later) = rest.split_at(run);
            context.session.direct(|store, catalog| match &now[0] {
                Change::Insert { entity, columns, .. } => {
                    let rows: Vec<&[Value]> = now
                        .iter()
                        .filter_map(|change| match change {
                            Change::Insert { values, .. } => Some(values.as_slice()),
                            _ => None,
                        })
                        .collect();
                    let insert = Insert { entity: *entity, columns, rows: &rows, returning: &[] };
                    store.execute(catalog, &Statement::Insert(insert))
                }
                Change::Update { entity, key, set, base } => {
                    store.execute(catalog, &Statement::Update(Update { entity: *entity, set, key, base }))
                }
                Change::Delete { .. } => Ok(0),
            })?;
            rest = later;
        }
        Ok(())
    }

    fn finish(&mut self, place: &Place, context: &mut Context, front: &mut dyn Front) -> Result<()> {
        self.resolve(context)?;
        let Counted { added, updated, skipped, .. } = self.counts;
        let mut parts = Vec::new();
        for (number, word) in [(added, "added"), (updated, "updated"), (skipped, "skipped")] {
            if number > 0 {
                parts.push(format!("{number} {word}"));
            }
        }
        let parts = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
        if self.streaming {
            context.session.commit_direct()?;
            return front.notice(Level::Info, &format!("imported and committed, in a transaction of its own: {parts}"));
        }
        let changes = std::mem::take(&mut self.small);
        if changes.is_empty() {
            return front.notice(Level::Info, &format!("imported: {parts}"));
        }
        context.session.stage(changes, Some(place.clone()))?;
        front.notice(Level::Info, &format!("staged: {parts}{}", super::change::tally(context)))
    }
}

fn slot(catalog: &Catalog, entity: EntityId, name: &str) -> Result<Slot> {
    let model = catalog.get(entity);
    let way = catalog.relationship(entity, name);
    if let Some((at, column)) = model.column(name) {
        // A foreign key that is called like its relationship may have what names the record in place of the key.
        let named = way.filter(|way| way.owning && way.local == [at] && !column.data_type.is_wordless());
        return Ok(named.map_or(Slot::Column(at), |way| Slot::Way(Box::new(way.clone()))));
    }
    match way {
        Some(way) if way.owning => Ok(Slot::Way(Box::new(way.clone()))),
        _ => Err(plan::lacking(model, "field", name, model.member_names())
            .hint("--columns a,b names the columns of the file")),
    }
}

/// Whether a file's value is the one that is there, by whatever spelling: a time with or without zeros at its end, a decimal
/// with or without quotes.
fn is_same(column: &Column, old: &Value, new: &Value) -> bool {
    let one = |value: &Value| match (&column.data_type, value) {
        (DataType::Numeric, Value::Int(_) | Value::Float(_)) => Value::Text(value.to_string()),
        (data_type, value) => data_type.fit(value.clone()).unwrap_or_else(|_| value.clone()),
    };
    old == new || one(old) == one(new)
}

fn spelled(target: &[usize], row: &[(usize, Value)]) -> String {
    target
        .iter()
        .map(|at| {
            row.iter().find(|(known, _)| known == at).map_or_else(String::new, |(_, value)| format!("{value}\u{1f}"))
        })
        .collect()
}
