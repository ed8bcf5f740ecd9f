//! Aliases and joins: how a path of relationships becomes one joined query.

use super::query::{Alias, ColumnRef, Expr, From, Join, Subquery};
use super::resolve::lacking;
use crate::language::ast::{CompareOp, Name, Path};
use crate::model::{Cardinality, Catalog, EntityId, Relationship};
use crate::{Error, Result};

/// Hands out aliases, unique within one whole query.
#[derive(Debug, Default)]
pub struct Aliases(u32);

impl Aliases {
    pub fn next(&mut self) -> Alias {
        self.0 += 1;
        Alias(self.0 - 1)
    }
}

/// The tables of one SELECT, while its expressions are being resolved.
#[derive(Debug)]
pub struct Scope {
    pub from: From,
    /// Where paths begin.
    pub start: (Alias, EntityId),
    /// Joins already made: from which alias, by which relationship, to which alias.
    made: Vec<(Alias, String, Alias)>,
}

/// Where a path ended.
pub enum Member {
    /// At a column.
    Column(ColumnRef),
    /// At a to-one relationship of the table with this alias.
    ToOne(Alias, EntityId, Relationship),
    /// At a to-many relationship of the table with this alias; the number of names used up.
    ToMany(Alias, EntityId, Relationship, usize),
}

impl Scope {
    pub fn new(entity: EntityId, aliases: &mut Aliases) -> Self {
        let alias = aliases.next();
        Self { from: From { entity, alias, joins: Vec::new() }, start: (alias, entity), made: Vec::new() }
    }

    /// Follows a path as far as to-one relationships go. It may end at a column, at a relationship, or at the first
    /// to-many relationship on the way.
    pub fn follow(&mut self, path: &[Name<'_>], catalog: &Catalog, aliases: &mut Aliases) -> Result<Member> {
        let (mut alias, mut entity) = self.start;
        for (index, name) in path.iter().enumerate() {
            let model = catalog.get(entity);
            let last = index + 1 == path.len();
            // A column wins over a relationship of the same name only at the end of a path.
            if last && let Some((column, _)) = model.column(&name.text) {
                return Ok(Member::Column(ColumnRef { alias, entity, column }));
            }
            let Some(relationship) = catalog.relationship(entity, &name.text) else {
                return Err(unknown(catalog, entity, name, last));
            };
            if relationship.cardinality == Cardinality::Many {
                return Ok(Member::ToMany(alias, entity, relationship.clone(), index + 1));
            }
            if last {
                return Ok(Member::ToOne(alias, entity, relationship.clone()));
            }
            alias = self.join(alias, entity, relationship, aliases);
            entity = relationship.to;
        }
        Err(Error::invalid("an empty path"))
    }

    /// Joins the tables along a path of relationships of any kind, so that there is a row for each way through them, and
    /// lets paths begin at its end.
    pub fn walk(&mut self, path: &[Name<'_>], catalog: &Catalog, aliases: &mut Aliases) -> Result<()> {
        for name in path {
            let (alias, entity) = self.start;
            let Some(relationship) = catalog.relationship(entity, &name.text) else {
                return Err(unknown(catalog, entity, name, false));
            };
            self.start = (self.join(alias, entity, relationship, aliases), relationship.to);
        }
        Ok(())
    }

    /// The alias of the table behind a relationship, joined once however often it is named.
    pub fn join(
        &mut self,
        alias: Alias,
        entity: EntityId,
        relationship: &Relationship,
        aliases: &mut Aliases,
    ) -> Alias {
        let known = self.made.iter().find(|(from, name, _)| *from == alias && *name == relationship.name);
        if let Some((_, _, to)) = known {
            return *to;
        }
        let mut near = (alias, entity, relationship.local.as_slice());
        if let Some(link) = &relationship.link {
            let through = self.add(link.entity, near, &link.near, aliases);
            near = (through, link.entity, link.far.as_slice());
        }
        let to = self.add(relationship.to, near, &relationship.remote, aliases);
        self.made.push((alias, relationship.name.clone(), to));
        to
    }

    /// Joins one more table, whose columns equal those of a table that is there.
    fn add(
        &mut self,
        entity: EntityId,
        (near, of, local): (Alias, EntityId, &[usize]),
        remote: &[usize],
        aliases: &mut Aliases,
    ) -> Alias {
        let alias = aliases.next();
        let pair = |(local, remote): (&usize, &usize)| {
            (ColumnRef { alias: near, entity: of, column: *local }, ColumnRef { alias, entity, column: *remote })
        };
        self.from.joins.push(Join { entity, alias, on: local.iter().zip(remote).map(pair).collect() });
        alias
    }

    /// A column at the end of a path of to-one relationships; a relationship there stands for its foreign key.
    pub fn column(&mut self, path: &Path<'_>, catalog: &Catalog, aliases: &mut Aliases) -> Result<ColumnRef> {
        match self.follow(&path.names, catalog, aliases)? {
            Member::Column(column) => Ok(column),
            Member::ToOne(alias, entity, relationship) => match relationship.local.as_slice() {
                [column] if relationship.owning => Ok(ColumnRef { alias, entity, column: *column }),
                _ => {
                    let to = catalog.get(relationship.to);
                    let at = self.join(alias, entity, &relationship, aliases);
                    match to.key.as_slice() {
                        [column] => Ok(ColumnRef { alias: at, entity: relationship.to, column: *column }),
                        _ => {
                            Err(Error::invalid(format!("{} has a key of several columns; name one", relationship.name))
                                .at(path.span()))
                        }
                    }
                }
            },
            Member::ToMany(_, owner, relationship, _) => Err(Error::invalid(format!(
                "`{}` leads to many {}, so it has no single value here",
                relationship.name,
                catalog.get(relationship.to).plural
            ))
            .at(path.span())
            .hint(format!(
                "`list {} with {}` shows them; `where` asks about them by has {1} (...) and count({1})",
                catalog.get(owner).plural,
                relationship.name
            ))),
        }
    }
}

/// The rows that a relationship leads to from one row of an outer table, as the scope and correlation of a subquery.
pub fn correlated(
    alias: Alias,
    entity: EntityId,
    relationship: &Relationship,
    aliases: &mut Aliases,
) -> (Scope, Vec<Expr>) {
    let scope = Scope::new(relationship.to, aliases);
    let inner = scope.from.alias;
    let outer = |column: &usize| ColumnRef { alias, entity, column: *column };
    let here = |column: &usize| ColumnRef { alias: inner, entity: relationship.to, column: *column };
    let correlation = match &relationship.link {
        None => vec![equal(relationship.remote.iter().map(here), relationship.local.iter().map(outer))],
        Some(link) => {
            let through = aliases.next();
            let at = |column: &usize| ColumnRef { alias: through, entity: link.entity, column: *column };
            vec![Expr::Exists(Box::new(Subquery {
                from: From { entity: link.entity, alias: through, joins: Vec::new() },
                filter: Expr::And(vec![
                    equal(link.near.iter().map(at), relationship.local.iter().map(outer)),
                    equal(link.far.iter().map(at), relationship.remote.iter().map(here)),
                ]),
            }))]
        }
    };
    (scope, correlation)
}

fn equal(left: impl Iterator<Item = ColumnRef>, right: impl Iterator<Item = ColumnRef>) -> Expr {
    let mut parts: Vec<Expr> = left
        .zip(right)
        .map(|(a, b)| Expr::Compare(Box::new(Expr::Column(a)), CompareOp::Eq, Box::new(Expr::Column(b))))
        .collect();
    if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) }
}

fn unknown(catalog: &Catalog, entity: EntityId, name: &Name<'_>, last: bool) -> Error {
    let model = catalog.get(entity);
    if model.column(&name.text).is_some() {
        return Error::invalid(format!("`{}` is a field of {}, it leads nowhere", name.text, model.name)).at(name.span);
    }
    let what = if last { "field or relationship" } else { "relationship" };
    let ways = model.relationships.iter().map(|way| way.name.as_str());
    if last {
        lacking(model, what, &name.text, model.member_names()).at(name.span)
    } else {
        lacking(model, what, &name.text, ways).at(name.span)
    }
}
