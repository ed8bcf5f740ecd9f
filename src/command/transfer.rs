//! `.copy-to URL MODEL [where ...]`: rows to another database, with the rows that they refer to.

use super::export::parents_first;
use super::{Context, Front};
use crate::language::ast::{Command, CompareOp, Function, Name, Source};
use crate::language::{self};
use crate::model::{Catalog, EntityId, Value};
use crate::outcome::Level;
use crate::plan::query::{Alias, ColumnRef, Expr, Insert, Order, Output, Select, Statement};
use crate::plan::{self, Resolver as _};
use crate::session::{Keep, Session};
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// How many rows are read, looked up and sent together.
const BATCH: usize = 200;

/// How many rows one query reads.
const PAGE: u64 = 5_000;

/// How many keys of rows that were sent are remembered.
const REMEMBERED: usize = 50_000;

/// `.copy-to URL MODEL [where CONDITION]`
pub fn copy_to(rest: &Name<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let usage = || Error::invalid(".copy-to needs a database and a model").at(rest.span).hint(".copy-to shop.db users");
    let (url, query) = rest.text.split_once(char::is_whitespace).ok_or_else(usage)?;
    let query = query.trim_start();
    let catalog = Arc::clone(context.session.catalog());
    let offset = rest.span.end - query.len();
    let shift = |error: Error| error.moved(offset);
    let (id, select) = match language::parse(query, &catalog).map_err(shift)? {
        Command::Query(query) if query.show.is_empty() && query.with.is_empty() && query.format.is_none() => {
            let Source::Model(model) = &query.source else { return Err(usage()) };
            let id = context.catalog().resolve(&model.text).map_err(|e| shift(e.at(model.span)))?;
            (id, plan::read(&query, context).map_err(shift)?.select)
        }
        _ => return Err(usage()),
    };
    super::mask::unlocked(".copy-to", context).map_err(|e| e.at(rest.span))?;
    let mut target = front.connect(url)?;
    let steady = context.session.begin_steady()?;
    let done = transfer(id, &select, &catalog, context, &mut target, front);
    front.progress_end();
    if steady {
        context.session.abandon()?;
    }
    match done {
        Ok(counts) => {
            target.commit_direct()?;
            let parts: Vec<String> = counts
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .map(|(id, count)| super::read::counted(catalog.get(id), count))
                .collect();
            let text = if parts.is_empty() { "nothing: all is there".to_owned() } else { parts.join(", ") };
            front.notice(Level::Info, &format!("copied: {text}"))
        }
        Err(error) => {
            target.abandon()?;
            Err(error)
        }
    }
}

/// A table here, the same table there, and where each column stands there.
struct Way {
    there: EntityId,
    columns: Vec<Option<usize>>,
}

fn way(id: EntityId, here: &Catalog, there: &Catalog) -> Result<Way> {
    let model = here.get(id);
    let other = there
        .iter()
        .find(|(_, other)| other.table.eq_ignore_ascii_case(&model.table))
        .or_else(|| there.iter().find(|(_, other)| other.name == model.name))
        .map(|(id, _)| id)
        .ok_or_else(|| {
            Error::invalid(format!("the other database has no table {}", model.table))
                .hint("`db upgrade` there, or make it")
        })?;
    let columns = model
        .columns
        .iter()
        .map(|column| {
            let found = there.get(other).column(&column.name).map(|(at, _)| at);
            found.filter(|at| !there.get(other).columns[*at].generated)
        })
        .collect();
    Ok(Way { there: other, columns })
}

fn transfer(
    id: EntityId,
    select: &Select,
    here: &Catalog,
    context: &mut Context,
    target: &mut Session,
    front: &mut dyn Front,
) -> Result<BTreeMap<EntityId, usize>> {
    let there = Arc::clone(target.catalog());
    let mut counts = BTreeMap::new();
    let mut sent: HashSet<String> = HashSet::new();
    let total = number_of(select, context)?;
    let mut done = 0;
    let mut take = |rows: Vec<Vec<Value>>, context: &mut Context, target: &mut Session| {
        done += rows.len() as u64;
        batch(id, rows, here, &there, context, target, &mut sent, &mut counts)?;
        if sent.len() > REMEMBERED {
            // What is there already is found there.
            sent.clear();
        }
        front.progress(done, total.max(done), done)
    };
    let model = here.get(id);
    let width = model.columns.len();
    let orderly = |at: &usize| {
        use crate::model::DataType::{Date, Int, Text, Timestamp, Uuid};
        let column = &model.columns[*at];
        !column.nullable && matches!(column.data_type, Int(_) | Text(_) | Uuid | Date | Timestamp)
    };
    let paged = select.limit.is_none() && select.offset.is_none() && !model.key.is_empty();
    if !(paged && model.key.iter().all(orderly)) {
        // Rows that cannot be asked for page by page: those that were asked for, at once.
        let mut all = Vec::new();
        context.session.query(select, &mut |cells| {
            all.push(cells[..width].iter().map(|cell| cell.to_value()).collect());
            Ok(true)
        })?;
        let mut all = all.into_iter().peekable();
        while all.peek().is_some() {
            take(all.by_ref().take(BATCH).collect(), context, target)?;
        }
        return Ok(counts);
    }
    let mut last: Option<Vec<Value>> = None;
    loop {
        let page = page(id, select, last.as_deref(), here);
        let mut rows: Vec<Vec<Value>> = Vec::with_capacity(PAGE as usize);
        context.session.query(&page, &mut |cells| {
            rows.push(cells[..width].iter().map(|cell| cell.to_value()).collect());
            Ok(true)
        })?;
        let Some(row) = rows.last() else { return Ok(counts) };
        last = Some(model.key.iter().map(|at| row[*at].clone()).collect());
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            take(rows.by_ref().take(BATCH).collect(), context, target)?;
        }
    }
}

/// How many rows a query gives.
fn number_of(select: &Select, context: &mut Context) -> Result<u64> {
    let column = crate::outcome::HeaderColumn {
        name: "count".to_owned(),
        data_type: crate::model::DataType::Int(64),
        masked: false,
    };
    let count = Output { expr: Expr::Aggregate(Function::Count, None), column };
    let select = Select { columns: vec![count], order: Vec::new(), limit: None, offset: None, ..select.clone() };
    let mut number = 0;
    context.session.query(&select, &mut |cells| {
        if let crate::model::Cell::Int(count) = cells[0] {
            number = u64::try_from(count).unwrap_or(0);
        }
        Ok(false)
    })?;
    Ok(number)
}

/// The rows of a query that follow a key, in the order of keys.
fn page(id: EntityId, select: &Select, last: Option<&[Value]>, catalog: &Catalog) -> Select {
    let model = catalog.get(id);
    let of = |column: usize| Expr::Column(ColumnRef { alias: select.from.alias, entity: id, column });
    let compared = |position: usize, op: CompareOp, values: &[Value]| {
        let at = model.key[position];
        let value = Expr::Value(values[position].clone(), model.columns[at].data_type.clone());
        Expr::Compare(Box::new(of(at)), op, Box::new(value))
    };
    let mut filters: Vec<Expr> = select.filter.iter().cloned().collect();
    if let Some(last) = last {
        // Greater in one column, and equal in those before it.
        let behind = (0..model.key.len()).map(|position| {
            let mut parts: Vec<Expr> = (0..position).map(|before| compared(before, CompareOp::Eq, last)).collect();
            parts.push(compared(position, CompareOp::Gt, last));
            Expr::And(parts)
        });
        filters.push(Expr::Or(behind.collect()));
    }
    let order = |at: &usize| Order { expr: of(*at), descending: false, nulls_first: None };
    Select {
        filter: (!filters.is_empty()).then_some(Expr::And(filters)),
        order: model.key.iter().map(order).collect(),
        limit: Some(PAGE),
        ..select.clone()
    }
}

/// Sends some rows of a table, and before them the rows that they refer to.
#[expect(clippy::too_many_arguments, reason = "one batch between two databases")]
fn batch(
    id: EntityId,
    rows: Vec<Vec<Value>>,
    here: &Catalog,
    there: &Catalog,
    context: &mut Context,
    target: &mut Session,
    sent: &mut HashSet<String>,
    counts: &mut BTreeMap<EntityId, usize>,
) -> Result<()> {
    let mut needed: HashMap<EntityId, Vec<Vec<Value>>> = HashMap::from([(id, rows)]);
    let mut open = vec![id];
    while let Some(from) = open.pop() {
        let model = here.get(from);
        for key in &model.foreign_keys {
            let known = needed.get(&from).cloned().unwrap_or_default();
            let mut wanted: Vec<Vec<Value>> = known
                .iter()
                .map(|row| key.columns.iter().map(|at| row[*at].clone()).collect::<Vec<Value>>())
                .filter(|values| !values.iter().any(Value::is_null))
                .filter(|values| !sent.contains(&format!("{:?}{values:?}", key.to)))
                .collect();
            wanted.sort_by_key(|values| format!("{values:?}"));
            wanted.dedup();
            let have = needed.get(&key.to).cloned().unwrap_or_default();
            wanted.retain(|values| !have.iter().any(|row| key.to_columns.iter().map(|at| &row[*at]).eq(values)));
            if wanted.is_empty() {
                continue;
            }
            let found = referred(key.to, &key.to_columns, &wanted, here, context)?;
            if !found.is_empty() {
                needed.entry(key.to).or_default().extend(found);
                open.push(key.to);
            }
        }
    }
    let tables: Vec<EntityId> = needed.keys().copied().collect();
    for table in parents_first(here, &tables) {
        let mut rows = needed.remove(&table).unwrap_or_default();
        // Rows that refer to rows of their own table come after those.
        own_parents_first(table, &mut rows, here);
        let way = way(table, here, there)?;
        *counts.entry(table).or_default() += send(table, &way, rows, here, there, target, sent)?;
    }
    Ok(())
}

fn referred(
    id: EntityId,
    columns: &[usize],
    wanted: &[Vec<Value>],
    here: &Catalog,
    context: &mut Context,
) -> Result<Vec<Vec<Value>>> {
    let mut found = Vec::new();
    for part in wanted.chunks(BATCH) {
        let mut select = Select::all(id, here);
        select.filter = Some(any_of(id, columns, part, here));
        context.session.query(&select, &mut |cells| {
            found.push(cells.iter().map(|cell| cell.to_value()).collect());
            Ok(true)
        })?;
    }
    Ok(found)
}

/// Rows whose columns have one of these lists of values.
fn any_of(id: EntityId, columns: &[usize], wanted: &[Vec<Value>], catalog: &Catalog) -> Expr {
    let of = |column: usize| Expr::Column(ColumnRef { alias: Alias(0), entity: id, column });
    let value = |at: usize, value: &Value| Expr::Value(value.clone(), catalog.get(id).columns[at].data_type.clone());
    if let [only] = columns {
        return Expr::In(Box::new(of(*only)), wanted.iter().map(|values| value(*only, &values[0])).collect());
    }
    let equal = |values: &Vec<Value>| {
        let pairs = columns.iter().zip(values);
        let each = |(at, known): (&usize, &Value)| {
            Expr::Compare(Box::new(of(*at)), CompareOp::Eq, Box::new(value(*at, known)))
        };
        Expr::And(pairs.map(each).collect())
    };
    Expr::Or(wanted.iter().map(equal).collect())
}

fn own_parents_first(table: EntityId, rows: &mut Vec<Vec<Value>>, here: &Catalog) {
    let model = here.get(table);
    let Some(key) = model.foreign_keys.iter().find(|key| key.to == table) else { return };
    let mut rest = std::mem::take(rows);
    while !rest.is_empty() {
        let key_of = |row: &Vec<Value>, columns: &[usize]| {
            format!("{:?}", columns.iter().map(|at| &row[*at]).collect::<Vec<_>>())
        };
        let waiting: HashSet<String> = rest.iter().map(|row| key_of(row, &key.to_columns)).collect();
        let (free, bound): (Vec<_>, Vec<_>) = rest.into_iter().partition(|row| {
            let parent = key_of(row, &key.columns);
            parent == key_of(row, &key.to_columns) || !waiting.contains(&parent)
        });
        if free.is_empty() {
            // A circle: the database will say what it thinks of it.
            rows.extend(bound);
            return;
        }
        rows.extend(free);
        rest = bound;
    }
}

/// Inserts the rows that are not there yet; gives how many those were.
fn send(
    table: EntityId,
    way: &Way,
    rows: Vec<Vec<Value>>,
    here: &Catalog,
    there: &Catalog,
    target: &mut Session,
    sent: &mut HashSet<String>,
) -> Result<usize> {
    let model = here.get(table);
    let mut fresh: Vec<Vec<Value>> = Vec::new();
    for row in rows {
        let key: Vec<&Value> = model.key.iter().map(|at| &row[*at]).collect();
        if model.key.is_empty() || sent.insert(format!("{table:?}{key:?}")) {
            fresh.push(row);
        }
    }
    let other = there.get(way.there);
    let mut count = 0;
    for part in fresh.chunks(BATCH) {
        let mut present: HashSet<String> = HashSet::new();
        let keys: Option<Vec<usize>> = model.key.iter().map(|at| way.columns[*at]).collect();
        if let Some(keys) = keys.filter(|keys| !keys.is_empty()) {
            let wanted: Vec<Vec<Value>> = part
                .iter()
                .map(|row| {
                    let fit = |(at, to): (&usize, &usize)| other.columns[*to].data_type.fit(row[*at].clone());
                    model.key.iter().zip(&keys).map(fit).collect::<Result<Vec<Value>>>()
                })
                .collect::<Result<_>>()?;
            let mut select = Select::all(way.there, there);
            select.filter = Some(any_of(way.there, &keys, &wanted, there));
            target.query(&select, &mut |cells| {
                let key: Vec<String> = keys.iter().map(|at| cells[*at].to_string()).collect();
                present.insert(key.join("\u{1f}"));
                Ok(true)
            })?;
        }
        let columns: Vec<usize> = way.columns.iter().copied().flatten().collect();
        let mut values: Vec<Vec<Value>> = Vec::with_capacity(part.len());
        for row in part {
            let key: Vec<String> = model.key.iter().map(|at| row[*at].to_string()).collect();
            if !model.key.is_empty() && present.contains(&key.join("\u{1f}")) {
                continue;
            }
            let mut fitted = Vec::with_capacity(columns.len());
            for (at, to) in way.columns.iter().enumerate().filter_map(|(at, to)| Some((at, (*to)?))) {
                let value = other.columns[to].data_type.fit(row[at].clone()).map_err(|mut error| {
                    error.message = format!("{}.{}: {}", other.table, other.columns[to].name, error.message);
                    error
                })?;
                fitted.push(target.as_written((way.there, to), &row[at], value, Keep::Free)?);
            }
            values.push(fitted);
        }
        if values.is_empty() {
            continue;
        }
        let rows: Vec<&[Value]> = values.iter().map(Vec::as_slice).collect();
        let insert = Insert { entity: way.there, columns: &columns, rows: &rows, returning: &[] };
        count += target.direct(|store, catalog| store.execute(catalog, &Statement::Insert(insert)))?;
    }
    Ok(count)
}
