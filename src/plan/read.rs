//! Reading commands: one joined query, and one more for each level of `with`.

use super::condition::Conditions;
use super::format::Template;
use super::masks;
use super::naming::reference;
use super::order::end as ended;
use super::query::{ColumnRef, Expr, Order, Output, Select, Subquery};
use super::resolve::{self, Record, Resolver};
use super::scope::{Aliases, Scope, correlated};
use crate::language::ast::{Condition, Name, OrderKey, Path, Pick, Query, Source};
use crate::model::{Catalog, DataType, EntityId, Relationship, Value};
use crate::outcome::{Header, HeaderColumn};
use crate::{Error, Result};

/// A reading command, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The query. Its columns are those of the header, and behind them the key's, where the header lacks them.
    pub select: Select,
    /// What is shown.
    pub header: Header,
    /// The model of its rows.
    pub entity: EntityId,
    /// Where each column of the primary key stands in a row; empty where the model has none.
    pub key: Vec<usize>,
    /// Whether the row is the whole record, column by column.
    pub whole: bool,
    /// Which rows are wanted.
    pub pick: Pick,
    /// One line of text a row.
    pub format: Option<Template>,
    /// What to load under the rows.
    pub with: Vec<Level>,
    /// Whether it was asked for one record by key, so that none is an error.
    pub by_key: Option<Vec<(usize, Value)>>,
}

/// One level of `with`.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The relationship.
    pub relationship: Relationship,
    /// The levels under it.
    pub with: Vec<Level>,
}

/// Every record of a model that a condition holds for.
pub fn records(entity: EntityId, catalog: &Catalog, aliases: &mut Aliases) -> (Select, Scope) {
    let scope = Scope::new(entity, aliases);
    let alias = scope.from.alias;
    let columns = catalog
        .get(entity)
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| Output {
            expr: Expr::Column(ColumnRef { alias, entity, column: index }),
            column: HeaderColumn {
                name: column.name.clone(),
                data_type: column.data_type.clone(),
                masked: column.is_hidden(),
            },
        })
        .collect();
    let select = Select::new(scope.from.clone(), columns);
    (select, scope)
}

/// A source's scope, the condition that keeps to it, and the key when it is one record.
type Sourced = (Scope, Vec<Expr>, Option<Vec<(usize, Value)>>);

/// A scope for a source, and the condition that keeps to it.
pub fn source(source: &Source<'_>, resolver: &mut dyn Resolver, aliases: &mut Aliases) -> Result<Sourced> {
    match source {
        Source::Model(name) => {
            let entity = resolver.catalog().resolve(&name.text).map_err(|e| e.at(name.span))?;
            Ok((Scope::new(entity, aliases), Vec::new(), None))
        }
        Source::Record(record, path) => {
            let record = reference(record, resolver)?;
            let catalog = resolver.catalog();
            let Some((first, rest)) = path.split_first() else {
                let scope = Scope::new(record.entity, aliases);
                let by: Vec<(usize, Value)> = by_key(&record, catalog);
                let filter = resolve::equals(record.entity, scope.from.alias, catalog, &by);
                return Ok((scope, vec![filter], Some(by)));
            };
            let (scope, filter) = followed(&record, first, rest, catalog, aliases)?;
            Ok((scope, filter, None))
        }
    }
}

fn by_key(record: &Record, catalog: &Catalog) -> Vec<(usize, Value)> {
    let model = catalog.get(record.entity);
    if model.key.is_empty() {
        // A record of a table without a key: all its columns are its identity.
        return record.values.iter().cloned().enumerate().filter(|(_, value)| !value.is_null()).collect();
    }
    model.key.iter().map(|at| (*at, record.values[*at].clone())).collect()
}

/// The rows that a chain of relationships leads to from one record.
fn followed(
    record: &Record,
    first: &Name<'_>,
    rest: &[Name<'_>],
    catalog: &Catalog,
    aliases: &mut Aliases,
) -> Result<(Scope, Vec<Expr>)> {
    let mut chain = vec![relationship(catalog, record.entity, first)?];
    for name in rest {
        let at = chain.last().map_or(record.entity, |(_, relationship)| relationship.to);
        chain.push(relationship(catalog, at, name)?);
    }
    // From the far end backwards: each step asks for a row one step nearer, the last for the record itself.
    let Some((_, last)) = chain.last() else { return Err(Error::invalid("an empty path")) };
    let scope = Scope::new(last.to, aliases);
    let mut alias = scope.from.alias;
    let mut conditions: Vec<Vec<Expr>> = vec![Vec::new()];
    let mut froms = Vec::new();
    for (index, (from, step)) in chain.iter().enumerate().rev() {
        let near: Vec<Value> = step.local.iter().map(|column| record.values[*column].clone()).collect();
        if index == 0 && step.link.is_none() {
            let pairs: Vec<(usize, Value)> = step.remote.iter().copied().zip(near).collect();
            let here = resolve::equals(step.to, alias, catalog, &pairs);
            if let Some(innermost) = conditions.last_mut() {
                innermost.push(here);
            }
            break;
        }
        let (inner, correlation) = correlated(alias, step.to, &inverse(step, *from), aliases);
        conditions.push(correlation);
        alias = inner.from.alias;
        froms.push(inner.from);
        if index == 0 {
            let own = resolve::equals(*from, alias, catalog, &by_key(record, catalog));
            if let Some(innermost) = conditions.last_mut() {
                innermost.push(own);
            }
        }
    }
    while let (Some(from), true) = (froms.pop(), conditions.len() > 1) {
        let filter = Expr::And(conditions.pop().unwrap_or_default());
        if let Some(outer) = conditions.last_mut() {
            outer.push(Expr::Exists(Box::new(Subquery { from, filter })));
        }
    }
    Ok((scope, conditions.pop().unwrap_or_default()))
}

/// The same relationship seen from its other side.
fn inverse(relationship: &Relationship, from: EntityId) -> Relationship {
    Relationship {
        name: relationship.name.clone(),
        to: from,
        cardinality: relationship.cardinality,
        local: relationship.remote.clone(),
        remote: relationship.local.clone(),
        owning: !relationship.owning,
        link: relationship.link.clone().map(|link| crate::model::Link {
            entity: link.entity,
            near: link.far,
            far: link.near,
        }),
    }
}

fn relationship(catalog: &Catalog, entity: EntityId, name: &Name<'_>) -> Result<(EntityId, Relationship)> {
    let model = catalog.get(entity);
    if let Some(found) = catalog.relationship(entity, &name.text) {
        return Ok((entity, found.clone()));
    }
    if model.column(&name.text).is_some() {
        return Err(Error::invalid(format!("{} has no relationship `{}`", model.name, name.text))
            .at(name.span)
            .hint(format!("`{0}` is a field; to see it alone add `show {0}`", name.text)));
    }
    let ways = model.relationships.iter().map(|way| way.name.as_str());
    Err(resolve::lacking(model, "relationship", &name.text, ways).at(name.span))
}

/// Resolves a reading command.
///
/// # Errors
/// Unknown names, values that do not fit, a record that is not there; and the database's own when a record is looked up.
pub fn read(query: &Query<'_>, resolver: &mut dyn Resolver) -> Result<Read> {
    let mut aliases = Aliases::default();
    let (mut scope, mut filter, by_key) = source(&query.source, resolver, &mut aliases)?;
    let entity = scope.from.entity;
    if let Some(condition) = &query.filter {
        let mut conditions = Conditions { resolver, aliases: &mut aliases };
        filter.push(conditions.resolve(condition, &mut scope)?);
    }
    let catalog = resolver.catalog();
    let model = catalog.get(entity);
    let (template, paths) = match &query.format {
        Some((text, span)) => {
            let (template, paths) = Template::parse(text, *span)?;
            (Some(template), paths)
        }
        None => (None, query.show.clone()),
    };
    let whole = paths.is_empty() && template.is_none();
    let mut columns = if whole {
        let alias = scope.from.alias;
        (0..model.columns.len()).map(|column| output(catalog, ColumnRef { alias, entity, column }, None)).collect()
    } else {
        columns(&paths, &mut scope, catalog, &mut aliases)?
    };
    let header = Header {
        columns: columns.iter().map(|output| output.column.clone()).collect(),
        title: whole.then(|| model.title.clone()),
        key: if whole { model.key.clone() } else { Vec::new() },
        display: if whole { model.display } else { None },
        noun: Some((model.name.clone(), model.plural.clone())),
        table: columns.iter().all(|output| output.expr.is_column_of(scope.from.alias)).then(|| model.place()),
        single: query.pick != Pick::All || by_key.is_some(),
    };
    let mut order = order(&query.order, &mut scope, catalog, &mut aliases)?;
    let some = query.limit.is_some() || query.offset.is_some() || matches!(query.pick, Pick::First | Pick::Last);
    ended(&mut order, scope.from.alias, entity, some, catalog);
    let key = key_outputs(&mut columns, &scope, catalog, !query.with.is_empty());
    let with = levels(&query.with, entity, catalog)?;
    let mut select = Select {
        from: scope.from.clone(),
        columns,
        filter: conjunction(filter),
        group_by: Vec::new(),
        distinct: false,
        order,
        limit: query.limit,
        offset: query.offset,
    };
    pick(query.pick, &mut select);
    Ok(Read { select, header, entity, key, whole, pick: query.pick, format: template, with, by_key })
}

/// All of several conditions, or none.
pub fn conjunction(mut parts: Vec<Expr>) -> Option<Expr> {
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(Expr::And(parts)),
    }
}

fn output(catalog: &Catalog, column: ColumnRef, name: Option<String>) -> Output {
    let known = &catalog.get(column.entity).columns[column.column];
    Output {
        expr: Expr::Column(column),
        column: HeaderColumn {
            name: name.unwrap_or_else(|| known.name.clone()),
            data_type: known.data_type.clone(),
            masked: known.is_hidden(),
        },
    }
}

/// The columns that paths lead to, under the names that were typed.
pub fn columns(paths: &[Path<'_>], scope: &mut Scope, catalog: &Catalog, aliases: &mut Aliases) -> Result<Vec<Output>> {
    paths
        .iter()
        .map(|path| {
            let column = scope.column(path, catalog, aliases)?;
            let name: Vec<&str> = path.names.iter().map(|name| name.text.as_ref()).collect();
            Ok(output(catalog, column, Some(name.join("."))))
        })
        .collect()
}

/// Sort keys as columns.
pub fn order(keys: &[OrderKey<'_>], scope: &mut Scope, catalog: &Catalog, aliases: &mut Aliases) -> Result<Vec<Order>> {
    keys.iter()
        .map(|key| {
            let column = scope.column(&key.path, catalog, aliases)?;
            masks::open_at(catalog, column, key.path.span())?;
            Ok(Order { expr: Expr::Column(column), descending: key.descending, nulls_first: key.nulls_first })
        })
        .collect()
}

/// Where the key's columns stand among the outputs; those that are missing are added behind them. For `with`, all
/// columns that relationships start from are needed, so the whole record is.
fn key_outputs(columns: &mut Vec<Output>, scope: &Scope, catalog: &Catalog, all: bool) -> Vec<usize> {
    let (entity, alias) = (scope.from.entity, scope.from.alias);
    let model = catalog.get(entity);
    let mut place = |column: usize| {
        let wanted = Expr::Column(ColumnRef { alias, entity, column });
        columns.iter().position(|output| output.expr == wanted).unwrap_or_else(|| {
            columns.push(output(catalog, ColumnRef { alias, entity, column }, None));
            columns.len() - 1
        })
    };
    if all {
        for column in 0..model.columns.len() {
            place(column);
        }
    }
    model.key.iter().map(|column| place(*column)).collect()
}

/// `first`, `last` and `one` as order and limit.
fn pick(pick: Pick, select: &mut Select) {
    match pick {
        Pick::All => {}
        // Two are enough to know that it is not exactly one.
        Pick::One => select.limit = Some(2),
        Pick::First | Pick::Last => {
            if pick == Pick::Last {
                for key in &mut select.order {
                    // Turning the order round turns the NULLs round with it.
                    let first = key.nulls_first.unwrap_or(!key.descending);
                    key.descending = !key.descending;
                    key.nulls_first = Some(!first);
                }
            }
            select.limit = Some(1);
        }
    }
}

/// How deep a tree may be.
const DEEPEST: usize = 16;

/// The tree of `with` paths: `with posts, posts.comments` loads each level once.
fn levels(paths: &[Path<'_>], entity: EntityId, catalog: &Catalog) -> Result<Vec<Level>> {
    let mut levels: Vec<Level> = Vec::new();
    for path in paths {
        let mut at = &mut levels;
        let mut from = entity;
        for (depth, name) in path.names.iter().enumerate() {
            if depth == DEEPEST {
                return Err(Error::invalid(format!("`with` goes at most {DEEPEST} relationships deep")).at(name.span));
            }
            let (_, relationship) = relationship(catalog, from, name)?;
            from = relationship.to;
            let index = if let Some(index) = at.iter().position(|level| level.relationship.name == relationship.name) {
                index
            } else {
                at.push(Level { relationship, with: Vec::new() });
                at.len() - 1
            };
            at = &mut at[index].with;
        }
    }
    Ok(levels)
}

/// A condition on a model's rows for `set` and `delete`: all columns, in key order.
pub fn matching(entity: EntityId, condition: Option<&Condition<'_>>, resolver: &mut dyn Resolver) -> Result<Select> {
    let mut aliases = Aliases::default();
    let (mut select, mut scope) = records(entity, resolver.catalog(), &mut aliases);
    if let Some(condition) = condition {
        let mut conditions = Conditions { resolver, aliases: &mut aliases };
        select.filter = Some(conditions.resolve(condition, &mut scope)?);
    }
    select.from = scope.from;
    let alias = select.from.alias;
    ended(&mut select.order, alias, entity, false, resolver.catalog());
    Ok(select)
}

/// The rows of one level of `with`, for a batch of values of the relationship's local columns. Behind the record's own
/// columns stand those that say which parent each row belongs to.
#[must_use]
pub fn level_select(relationship: &Relationship, parents: &[Vec<Value>], catalog: &Catalog) -> Select {
    let mut aliases = Aliases::default();
    let (mut select, scope) = records(relationship.to, catalog, &mut aliases);
    let alias = scope.from.alias;
    let belongs: Vec<ColumnRef> = match &relationship.link {
        None => relationship
            .remote
            .iter()
            .map(|column| ColumnRef { alias, entity: relationship.to, column: *column })
            .collect(),
        Some(link) => {
            let through = aliases.next();
            let on = link
                .far
                .iter()
                .zip(&relationship.remote)
                .map(|(far, remote)| {
                    (
                        ColumnRef { alias: through, entity: link.entity, column: *far },
                        ColumnRef { alias, entity: relationship.to, column: *remote },
                    )
                })
                .collect();
            select.from.joins.push(super::query::Join { entity: link.entity, alias: through, on });
            link.near.iter().map(|column| ColumnRef { alias: through, entity: link.entity, column: *column }).collect()
        }
    };
    let data_type = |column: &ColumnRef| catalog.get(column.entity).columns[column.column].data_type.clone();
    select.filter = Some(match belongs.as_slice() {
        [only] => Expr::In(
            Box::new(Expr::Column(*only)),
            parents.iter().map(|parent| Expr::Value(parent[0].clone(), data_type(only))).collect(),
        ),
        several => Expr::Or(
            parents
                .iter()
                .map(|parent| {
                    Expr::And(
                        several
                            .iter()
                            .zip(parent)
                            .map(|(column, value)| {
                                Expr::Compare(
                                    Box::new(Expr::Column(*column)),
                                    crate::language::ast::CompareOp::Eq,
                                    Box::new(Expr::Value(value.clone(), data_type(column))),
                                )
                            })
                            .collect(),
                    )
                })
                .collect(),
        ),
    });
    ended(&mut select.order, alias, relationship.to, false, catalog);
    for column in belongs {
        let mut extra = output(catalog, column, None);
        extra.column.data_type = DataType::Any;
        select.columns.push(extra);
    }
    select
}
