//! `list`, `first`, `last`, `one`, `get`, paths, aggregates.

use super::{Context, Front, LAST};
use crate::language::ast::{Aggregate, Distinct, Name, Pick, Query};
use crate::model::{Cardinality, Cell, DataType, Entity, MASK, Value};
use crate::outcome::{Header, HeaderColumn, Mark, Tree, TreeRow};
use crate::plan::overlay::plain;
use crate::plan::query::Select;
use crate::plan::{self, Bound, Level, Read, Record, Resolver};
use crate::session::journal::Change;
use crate::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// How many records `$_` remembers of a list.
const REMEMBERED: usize = 1_000;

/// How many parents one query of a level of `with` asks for at once.
const PARENTS: usize = 5_000;

/// "3 users", "1 user", "no users".
pub fn counted(entity: &Entity, count: usize) -> String {
    match count {
        0 => format!("no {}", entity.plural),
        1 => format!("1 {}", entity.name),
        many => format!("{many} {}", entity.plural),
    }
}

/// A reading command.
pub fn query(query: &Query<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let read = plan::read(query, context)?;
    if !read.with.is_empty() {
        return nested(&read, context, front);
    }
    if query.pick == Pick::One {
        exactly_one(&read, context)?;
    }
    let catalog = Arc::clone(context.session.catalog());
    let entity = catalog.get(read.entity);
    let marks = Marks::of(context, &read);
    let shown = read.header.columns.len();
    let mut remembered: Vec<Vec<Value>> = Vec::new();
    let mut count = 0_usize;
    let mut line = String::new();
    if read.format.is_none() {
        front.begin(&read.header)?;
    }
    context.session.query(&read.select, &mut |cells| {
        count += 1;
        if read.whole && remembered.len() < REMEMBERED {
            remembered.push(cells.iter().map(|cell| cell.to_value()).collect());
        }
        match &read.format {
            Some(template) => {
                line.clear();
                template.render(|index| filled(&read.header.columns[index], cells[index]), &mut line);
                front.data(&line)?;
            }
            None => front.row(&cells[..shown], marks.mark(cells, &read.key))?,
        }
        Ok(true)
    })?;
    if read.format.is_none() {
        front.end()?;
    } else if count == 0 {
        front.notice(crate::outcome::Level::Info, &counted(entity, 0))?;
    }
    if let (0, Some(by)) = (count, &read.by_key) {
        return Err(plan::missing(entity, by));
    }
    if read.whole {
        remember(&read, remembered, context);
    }
    Ok(())
}

fn filled<'v>(column: &HeaderColumn, cell: Cell<'v>) -> Cow<'v, str> {
    match cell {
        Cell::Null => Cow::Borrowed("NULL"),
        _ if column.masked => Cow::Borrowed(MASK),
        Cell::Text(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Refuses unless exactly one row is found; before anything is shown.
fn exactly_one(read: &Read, context: &mut Context) -> Result<()> {
    let mut count = 0;
    context.session.query(&read.select, &mut |_| {
        count += 1;
        Ok(true)
    })?;
    let entity = context.catalog().get(read.entity);
    match count {
        1 => Ok(()),
        0 => Err(Error::new(ErrorKind::NotFound, format!("no {} is like that; `one` wants exactly one", entity.name))),
        _ => Err(Error::new(
            ErrorKind::NotFound,
            format!("more than one {} is like that; `one` wants exactly one", entity.name),
        )
        .hint("use `first`, or a narrower condition")),
    }
}

fn remember(read: &Read, mut rows: Vec<Vec<Value>>, context: &mut Context) {
    let bound = if read.header.single {
        match rows.pop() {
            Some(values) => Bound::Record(Record { entity: read.entity, values }),
            None => return,
        }
    } else {
        Bound::Records(read.entity, rows)
    };
    context.variables.insert(LAST.to_owned(), bound);
}

/// Which records have staged changes.
struct Marks {
    marks: HashMap<String, Mark>,
    /// The types of the key's columns.
    types: Vec<DataType>,
}

impl Marks {
    fn of(context: &Context, read: &Read) -> Self {
        let catalog = context.session.catalog();
        let model = catalog.get(read.entity);
        let types = model.key.iter().map(|column| model.columns[*column].data_type.clone()).collect();
        let mut all = Self { marks: HashMap::new(), types };
        if read.key.is_empty() {
            return all;
        }
        for entry in context.session.entries() {
            for change in entry.changes.iter().filter(|change| change.entity() == read.entity) {
                let Some(key) = change.key(catalog) else { continue };
                let name = all.spelled(key.iter().cloned());
                match change {
                    Change::Insert { .. } => drop(all.marks.insert(name, Mark::Added)),
                    Change::Update { set, .. } if set.iter().any(|(column, _)| model.key.contains(column)) => {
                        // From here on the record has another key.
                        let mark = all.marks.remove(&name).unwrap_or(Mark::Changed);
                        let new = |(column, old): (&usize, Value)| {
                            set.iter().find(|(changed, _)| changed == column).map_or(old, |(_, value)| value.clone())
                        };
                        let name = all.spelled(model.key.iter().zip(key).map(new));
                        all.marks.insert(name, mark);
                    }
                    _ => drop(all.marks.entry(name).or_insert(Mark::Changed)),
                }
            }
        }
        all
    }

    fn mark(&self, cells: &[Cell<'_>], key: &[usize]) -> Mark {
        if self.marks.is_empty() {
            return Mark::None;
        }
        self.marks.get(&self.spelled(key.iter().map(|at| cells[*at].to_value()))).copied().unwrap_or_default()
    }

    /// A key as one text, in which a number has one spelling.
    fn spelled(&self, key: impl Iterator<Item = Value>) -> String {
        let key: Vec<Value> = key.zip(&self.types).map(|(value, kind)| plain(&value, kind).into_owned()).collect();
        spelled(key.iter().map(Value::as_cell))
    }
}

fn spelled<'c>(key: impl Iterator<Item = Cell<'c>>) -> String {
    key.map(|cell| format!("{cell}\u{1f}")).collect()
}

/// What `let` binds to a query: one record, or a list.
pub fn bound(query: &Query<'_>, context: &mut Context) -> Result<Bound> {
    let read = plan::read(query, context)?;
    if query.pick == Pick::One {
        exactly_one(&read, context)?;
    }
    let mut rows: Vec<Vec<Value>> = Vec::new();
    context.session.query(&read.select, &mut |cells| {
        rows.push(cells.iter().map(|cell| cell.to_value()).collect());
        Ok(true)
    })?;
    if !read.whole {
        // `let name = user 1 show username`: the one value, where there is one.
        if let (true, Some(column)) = (query.format.is_none(), read.select.columns.first()) {
            let span = query.show.first().map_or_else(Default::default, crate::language::ast::Path::span);
            plan::open_expr(context.catalog(), &column.expr, span)?;
        }
        return match rows.as_slice() {
            [row] if read.header.columns.len() == 1 => Ok(Bound::Value(row[0].clone())),
            _ => Err(Error::invalid("a variable holds records or one value")
                .hint("leave out `show`, or show one field of one record")),
        };
    }
    let one = read.header.single || leads_to_one(query, context);
    match (one, rows.pop()) {
        (true, Some(values)) => Ok(Bound::Record(Record { entity: read.entity, values })),
        (true, None) => {
            let entity = context.catalog().get(read.entity);
            Err(Error::new(ErrorKind::NotFound, format!("there is no such {}", entity.name)))
        }
        (false, Some(last)) => {
            rows.push(last);
            Ok(Bound::Records(read.entity, rows))
        }
        (false, None) => Ok(Bound::Records(read.entity, rows)),
    }
}

/// Whether every step of a followed path leads to one record.
fn leads_to_one(query: &Query<'_>, context: &mut Context) -> bool {
    let crate::language::ast::Source::Record(record, path) = &query.source else { return false };
    let Ok(record) = plan::reference(record, context) else { return false };
    let mut at = record.entity;
    path.iter().all(|name| match context.catalog().relationship(at, &name.text) {
        Some(relationship) => {
            at = relationship.to;
            relationship.cardinality == Cardinality::One
        }
        None => false,
    })
}

/// `$u.email`, `$n`.
pub fn attribute(name: &Name<'_>, path: &[Name<'_>], context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let literal = crate::language::ast::Literal {
        kind: crate::language::ast::LiteralKind::Variable(name.clone(), path.to_vec()),
        span: name.span,
    };
    if path.is_empty() {
        match context.variable(name)? {
            Bound::Record(record) => {
                let catalog = Arc::clone(context.session.catalog());
                let current = plan::reference(&crate::language::ast::RecordRef::Variable(name.clone()), context)?;
                return record_shown(catalog.get(record.entity), &current.values, front);
            }
            Bound::Records(entity, rows) => {
                let catalog = Arc::clone(context.session.catalog());
                return records_shown(catalog.get(entity), &rows, front);
            }
            Bound::Value(_) => {}
        }
    }
    // `$u.author.username` follows relationships from the record.
    if path.len() > 1 {
        let (way, field) = path.split_at(path.len() - 1);
        let query = Query {
            source: crate::language::ast::Source::Record(
                crate::language::ast::RecordRef::Variable(name.clone()),
                way.to_vec(),
            ),
            pick: Pick::All,
            filter: None,
            show: vec![crate::language::ast::Path { names: field.to_vec() }],
            format: None,
            with: Vec::new(),
            order: Vec::new(),
            limit: None,
            offset: None,
        };
        return self::query(&query, context, front);
    }
    if let ([field], Bound::Record(_)) = (path, context.variable(name)?) {
        let record = plan::reference(&crate::language::ast::RecordRef::Variable(name.clone()), context)?;
        let catalog = Arc::clone(context.session.catalog());
        let entity = catalog.get(record.entity);
        if let Some((at, column)) = entity.column(&field.text) {
            let shown = if record.values[at].is_null() {
                "NULL".to_owned()
            } else if column.is_hidden() {
                MASK.to_owned()
            } else {
                record.values[at].to_string()
            };
            return front.data(&shown);
        }
        if catalog.relationship(record.entity, &field.text).is_some() {
            let query = Query {
                source: crate::language::ast::Source::Record(
                    crate::language::ast::RecordRef::Variable(name.clone()),
                    path.to_vec(),
                ),
                pick: Pick::All,
                filter: None,
                show: Vec::new(),
                format: None,
                with: Vec::new(),
                order: Vec::new(),
                limit: None,
                offset: None,
            };
            return self::query(&query, context, front);
        }
    }
    let value = plan::literal(&literal, context)?;
    front.data(&if value.is_null() { "NULL".to_owned() } else { value.to_string() })
}

fn record_shown(entity: &Entity, values: &[Value], front: &mut dyn Front) -> Result<()> {
    front.begin(&Header { single: true, ..Header::of_records(entity) })?;
    let cells: Vec<Cell<'_>> = values.iter().map(Value::as_cell).collect();
    front.row(&cells, Mark::None)?;
    front.end()
}

fn records_shown(entity: &Entity, rows: &[Vec<Value>], front: &mut dyn Front) -> Result<()> {
    front.begin(&Header::of_records(entity))?;
    for values in rows {
        let cells: Vec<Cell<'_>> = values.iter().map(Value::as_cell).collect();
        front.row(&cells, Mark::None)?;
    }
    front.end()
}

/// `count`, `sum`, ...
pub fn aggregate(command: &Aggregate<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let (select, mut header) = plan::aggregate(command, context)?;
    if command.by.is_empty() {
        header.noun = None;
        // One number by itself is a result that needs no frame, where a person or a pipe reads text.
    }
    rows(&select, &header, context, front)
}

/// `distinct`
pub fn distinct(command: &Distinct<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let (select, header) = plan::distinct(command, context)?;
    rows(&select, &header, context, front)
}

fn rows(select: &Select, header: &Header, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    front.begin(header)?;
    let mut only = None;
    let mut count = 0;
    context.session.query(select, &mut |cells| {
        count += 1;
        only = cells.last().map(|cell| cell.to_value());
        front.row(cells, Mark::None)?;
        Ok(true)
    })?;
    front.end()?;
    if let (1, 1, Some(value)) = (count, header.columns.len(), only) {
        context.variables.insert(LAST.to_owned(), Bound::Value(value));
    }
    Ok(())
}

/// The value of an aggregate without `by`, for `let`.
pub fn single_value(command: &Aggregate<'_>, context: &mut Context) -> Result<Bound> {
    if !command.by.is_empty() {
        return Err(Error::invalid("a variable holds one value; leave out `by`").at(command.function_span));
    }
    let (select, _) = plan::aggregate(command, context)?;
    let mut value = Value::Null;
    context.session.query(&select, &mut |cells| {
        value = cells[0].to_value();
        Ok(false)
    })?;
    Ok(Bound::Value(value))
}

/// `with`: the rows, then one query a level for all their children together.
fn nested(read: &Read, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let catalog = Arc::clone(context.session.catalog());
    let marks = Marks::of(context, read);
    let mut rows = Vec::new();
    let mut row_marks = Vec::new();
    // All levels are read in one view of the database, with what is staged.
    let tree = context.session.reading(|store, catalog| {
        store.query(catalog, &crate::plan::query::Statement::Select(&read.select), &mut |cells| {
            row_marks.push(marks.mark(cells, &read.key));
            rows.push(cells.iter().map(|cell| cell.to_value()).collect::<Vec<Value>>());
            Ok(true)
        })?;
        let places = column_places(read, catalog);
        let children = load_levels(&read.with, &rows, &places, store, catalog)?;
        let shown = read.header.columns.len();
        let rows = rows
            .into_iter()
            .zip(row_marks)
            .zip(children)
            .map(|((mut values, mark), children)| {
                values.truncate(shown);
                TreeRow { values, mark, children }
            })
            .collect();
        Ok(Tree { header: read.header.clone(), rows })
    })?;
    if let (true, Some(by)) = (tree.rows.is_empty(), &read.by_key) {
        return Err(plan::missing(catalog.get(read.entity), by));
    }
    front.tree(&tree)
}

/// Where each column of the model stands in a row of the query.
fn column_places(read: &Read, catalog: &crate::model::Catalog) -> Vec<usize> {
    let alias = read.select.from.alias;
    (0..catalog.get(read.entity).columns.len())
        .map(|column| {
            let wanted =
                crate::plan::query::Expr::Column(crate::plan::query::ColumnRef { alias, entity: read.entity, column });
            read.select.columns.iter().position(|output| output.expr == wanted).unwrap_or_default()
        })
        .collect()
}

/// How many records one level of a tree may have: all of it is held until it is shown.
const MOST_RECORDS: usize = 1_000_000;

type Children = Vec<(String, bool, Tree)>;

/// The children of each row, level by level.
fn load_levels(
    levels: &[Level],
    rows: &[Vec<Value>],
    places: &[usize],
    store: &mut dyn crate::store::Store,
    catalog: &crate::model::Catalog,
) -> Result<Vec<Children>> {
    let mut all: Vec<Children> = rows.iter().map(|_| Vec::new()).collect();
    for level in levels {
        let relationship = &level.relationship;
        let entity = catalog.get(relationship.to);
        let width = entity.columns.len();
        let near = |row: &Vec<Value>| -> Vec<Value> {
            relationship.local.iter().map(|column| row[places[*column]].clone()).collect()
        };
        let mut parents: Vec<Vec<Value>> = Vec::new();
        let mut groups: HashMap<String, Vec<Vec<Value>>> = HashMap::new();
        for row in rows {
            let key = near(row);
            let seen = groups.contains_key(&spelled(key.iter().map(Value::as_cell)));
            if !seen && !key.iter().any(Value::is_null) {
                groups.insert(spelled(key.iter().map(Value::as_cell)), Vec::new());
                parents.push(key);
            }
        }
        for batch in parents.chunks(PARENTS) {
            let select = plan::level_select(relationship, batch, catalog);
            store.query(catalog, &crate::plan::query::Statement::Select(&select), &mut |cells| {
                let belongs = spelled(cells[width..].iter().copied());
                let values = cells[..width].iter().map(|cell| cell.to_value()).collect();
                if let Some(group) = groups.get_mut(&belongs) {
                    group.push(values);
                }
                Ok(true)
            })?;
        }
        let own: Vec<usize> = (0..width).collect();
        let mut held = 0;
        let one = relationship.cardinality == Cardinality::One;
        for (row, children) in rows.iter().zip(&mut all) {
            let found = groups.get(&spelled(near(row).iter().map(Value::as_cell))).cloned().unwrap_or_default();
            held += found.len();
            if held > MOST_RECORDS {
                return Err(Error::invalid(format!("the tree has more than {MOST_RECORDS} records on one level"))
                    .hint("a condition, `limit`, or `show` with paths instead of `with` asks for fewer"));
            }
            children.push((
                relationship.name.clone(),
                one,
                Tree {
                    header: Header::of_records(entity),
                    rows: found
                        .into_iter()
                        .map(|values| TreeRow { values, mark: Mark::None, children: Vec::new() })
                        .collect(),
                },
            ));
        }
        if !level.with.is_empty() {
            // The next level for all rows of this one together, then handed back to each in order.
            let flat: Vec<Vec<Value>> = all
                .iter()
                .filter_map(|children| children.last())
                .flat_map(|(_, _, tree)| tree.rows.iter().map(|row| row.values.clone()))
                .collect();
            let mut below = load_levels(&level.with, &flat, &own, store, catalog)?.into_iter();
            for children in &mut all {
                if let Some((_, _, tree)) = children.last_mut() {
                    for row in &mut tree.rows {
                        row.children = below.next().unwrap_or_default();
                    }
                }
            }
        }
    }
    Ok(all)
}

/// The query behind a reading command, for `.explain`.
pub fn select_of(command: &crate::language::ast::Command<'_>, context: &mut Context) -> Result<Option<Select>> {
    use crate::language::ast::Command;
    Ok(match command {
        Command::Query(query) => Some(plan::read(query, context)?.select),
        Command::Aggregate(aggregate) => Some(plan::aggregate(aggregate, context)?.0),
        Command::Distinct(distinct) => Some(plan::distinct(distinct, context)?.0),
        _ => None,
    })
}
