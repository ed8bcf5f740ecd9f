//! `count(posts)`, `sum(posts.score where ...)`: figures of the rows that a path of relationships leads to.

use super::condition::Conditions;
use super::masks;
use super::query::{Expr, Subquery};
use super::scope::{Member, Scope, correlated};
use crate::language::ast::{Condition, Function, Name, Path};
use crate::model::{DataType, Entity};
use crate::text::Span;
use crate::{Error, Result};

impl Conditions<'_> {
    /// The different rows at the end of a path of relationships, as a subquery's scope and correlation.
    pub(super) fn rows_behind(&mut self, names: &[Name<'_>], scope: &mut Scope) -> Result<(Scope, Vec<Expr>)> {
        let catalog = self.resolver.catalog();
        match scope.follow(names, catalog, self.aliases)? {
            Member::Column(column) => Err(no_relationship(catalog.get(column.entity), names)),
            Member::ToOne(alias, entity, relationship) => Ok(correlated(alias, entity, &relationship, self.aliases)),
            Member::ToMany(alias, entity, relationship, used) => {
                let (mut inner, mut outer) = correlated(alias, entity, &relationship, self.aliases);
                if used == names.len() {
                    return Ok((inner, outer));
                }
                // A path through several: the rows at its end for which such a row exists on the way.
                let (end, filter) = self.rows_behind(&names[used..], &mut inner)?;
                outer.extend(filter);
                let through = Expr::Exists(Box::new(Subquery { from: inner.from, filter: Expr::And(outer) }));
                Ok((end, vec![through]))
            }
        }
    }

    /// The rows of a path of relationships, one for each way through it, as a subquery's scope and correlation.
    fn rows_along(&mut self, names: &[Name<'_>], scope: &mut Scope) -> Result<(Scope, Vec<Expr>)> {
        let catalog = self.resolver.catalog();
        match scope.follow(names, catalog, self.aliases)? {
            Member::Column(column) => Err(no_relationship(catalog.get(column.entity), names)),
            Member::ToOne(alias, entity, relationship) => Ok(correlated(alias, entity, &relationship, self.aliases)),
            Member::ToMany(alias, entity, relationship, used) => {
                let (mut inner, filter) = correlated(alias, entity, &relationship, self.aliases);
                inner.walk(&names[used..], catalog, self.aliases)?;
                Ok((inner, filter))
            }
        }
    }

    /// `count` counts different records at the path's end; all others work on a value for each of its rows.
    pub(super) fn scalar(
        &mut self,
        function: Function,
        path: &Path<'_>,
        inner: Option<&Condition<'_>>,
        scope: &mut Scope,
    ) -> Result<(Expr, DataType)> {
        if function == Function::Count {
            let (mut rows, mut filter) = self.rows_behind(&path.names, scope)?;
            if let Some(inner) = inner {
                let condition = self.resolve(inner, &mut rows)?;
                filter.push(condition);
            }
            let subquery = Subquery { from: rows.from, filter: Expr::And(filter) };
            return Ok((Expr::Scalar(function, None, Box::new(subquery)), DataType::Int(64)));
        }
        let Some((field, way)) = path.names.split_last().filter(|(_, way)| !way.is_empty()) else {
            return Err(Error::invalid(format!(
                "{0} needs a field behind a relationship: {0}(posts.id)",
                function.name()
            )));
        };
        let (mut rows, mut filter) = self.rows_along(way, scope)?;
        if let Some(inner) = inner {
            let condition = self.resolve(inner, &mut rows)?;
            filter.push(condition);
        }
        let column = rows.column(&Path { names: vec![field.clone()] }, self.resolver.catalog(), self.aliases)?;
        masks::open_at(self.resolver.catalog(), column, field.span)?;
        let known = self.resolver.catalog().get(column.entity).columns[column.column].data_type.clone();
        let data_type = if function == Function::Avg { DataType::Float } else { known };
        let subquery = Subquery { from: rows.from, filter: Expr::And(filter) };
        Ok((Expr::Scalar(function, Some(Box::new(Expr::Column(column))), Box::new(subquery)), data_type))
    }
}

fn no_relationship(model: &Entity, names: &[Name<'_>]) -> Error {
    let (name, span) = names.last().map_or(("", Span::default()), |name| (&name.text, name.span));
    Error::invalid(format!("`{name}` is a field of {}; a relationship is wanted here", model.name))
        .at(span)
        .hint(relationships(model))
}

fn relationships(entity: &Entity) -> String {
    let names: Vec<&str> = entity.relationships.iter().map(|relationship| relationship.name.as_str()).collect();
    if names.is_empty() {
        format!("{} has no relationships", entity.name)
    } else {
        format!("relationships of {}: {}", entity.name, names.join(", "))
    }
}
