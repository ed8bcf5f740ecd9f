//! Conditions: `where`, `has`, `count(...)`.

use super::bare;
use super::masks;
use super::naming::{identify, missing};
use super::query::{Alias, ColumnRef, Expr, Subquery};
use super::resolve::{self, Bound, Resolver};
use super::right::{Column, Right, RightKind, comparable, typed};
use super::scope::{Aliases, Member, Scope, correlated};
use crate::language::ast::{CompareOp, Condition, Literal, LiteralKind, Name, Operand, Path, TextOp};
use crate::model::{DataType, EntityId, Family, Relationship, Value};
use crate::text::Span;
use crate::{Error, ErrorKind, Result};

/// Resolves conditions within one query.
pub struct Conditions<'r> {
    pub resolver: &'r mut dyn Resolver,
    pub aliases: &'r mut Aliases,
}

/// An operand, resolved as far as it can be without its partner.
pub(super) enum Side<'a> {
    Expr(Expr, DataType),
    Record(Alias, EntityId, Relationship),
    Literal(&'a Literal<'a>),
}

impl Conditions<'_> {
    /// A condition in a scope.
    pub fn resolve(&mut self, condition: &Condition<'_>, scope: &mut Scope) -> Result<Expr> {
        match condition {
            Condition::And(parts) => Ok(Expr::And(self.all(parts, scope)?)),
            Condition::Or(parts) => Ok(Expr::Or(self.all(parts, scope)?)),
            Condition::Not(inner) => Ok(not(self.resolve(inner, scope)?, true)),
            Condition::Compare(left, op, right) => self.compare(left, *op, right, scope),
            Condition::Text(operand, op, pattern, negated) => {
                let pattern = self.right(pattern, scope)?;
                self.on(operand, scope, *negated, &mut |this, side| {
                    this.open(operand, &side)?;
                    this.text(side, *op, &pattern)
                })
            }
            Condition::In(operand, items, negated) => {
                let items = items.iter().map(|item| self.right(item, scope)).collect::<Result<Vec<_>>>()?;
                let fields = items.iter().any(|item| matches!(item.kind, RightKind::Column(_)));
                self.on(operand, scope, *negated, &mut |this, side| {
                    if fields {
                        this.open(operand, &side)?;
                    }
                    this.membership(side, &items)
                })
            }
            Condition::Between(operand, low, high, negated) => {
                let (low, high) = (self.right(low, scope)?, self.right(high, scope)?);
                self.on(operand, scope, *negated, &mut |this, side| {
                    this.open(operand, &side)?;
                    let Side::Expr(expr, data_type) = side else { return Err(one_value(low.span)) };
                    let low = this.operand(&low, &data_type)?;
                    let high = this.operand(&high, &data_type)?;
                    Ok(Expr::Between(Box::new(expr), Box::new(low), Box::new(high)))
                })
            }
            Condition::IsNull(operand, negated) => self.on(operand, scope, *negated, &mut |_, side| match side {
                Side::Expr(expr, _) => Ok(Expr::IsNull(Box::new(expr))),
                Side::Record(alias, entity, relationship) => Ok(Expr::Or(
                    relationship
                        .local
                        .iter()
                        .map(|column| {
                            Expr::IsNull(Box::new(Expr::Column(ColumnRef { alias, entity, column: *column })))
                        })
                        .collect(),
                )),
                Side::Literal(literal) => Err(one_value(literal.span)),
            }),
            Condition::Has(path, inner) => self.has(path, inner.as_deref(), scope),
            Condition::Field(path) => self.field(path, scope),
        }
    }

    fn all(&mut self, parts: &[Condition<'_>], scope: &mut Scope) -> Result<Vec<Expr>> {
        parts.iter().map(|part| self.resolve(part, scope)).collect()
    }

    fn field(&mut self, path: &Path<'_>, scope: &mut Scope) -> Result<Expr> {
        let operand = Operand::Path(path.clone());
        self.on(&operand, scope, false, &mut |_, side| match side {
            Side::Expr(expr, DataType::Bool) => Ok(Expr::Compare(
                Box::new(expr),
                CompareOp::Eq,
                Box::new(Expr::Value(Value::Bool(true), DataType::Bool)),
            )),
            _ => Err(Error::invalid("a condition needs a comparison here; only a bool stands alone")
                .at(path.span())
                .hint("write an operator behind it: =, like, in, is null, ...")),
        })
    }

    /// Applies a test to an operand; where its path crosses a to-many relationship, to any of the rows there.
    pub(super) fn on(
        &mut self,
        operand: &Operand<'_>,
        scope: &mut Scope,
        negated: bool,
        test: &mut dyn FnMut(&mut Self, Side<'_>) -> Result<Expr>,
    ) -> Result<Expr> {
        match operand {
            Operand::Path(path) => {
                let found = self.along(&path.names, scope, test)?;
                Ok(not(found, negated))
            }
            Operand::Function(function, path, inner, span) => {
                let (expr, data_type) =
                    self.scalar(*function, path, inner.as_deref(), scope).map_err(|e| e.at(*span))?;
                Ok(not(test(self, Side::Expr(expr, data_type))?, negated))
            }
            Operand::Literal(literal) => Ok(not(test(self, Side::Literal(literal))?, negated)),
        }
    }

    fn along(
        &mut self,
        names: &[Name<'_>],
        scope: &mut Scope,
        test: &mut dyn FnMut(&mut Self, Side<'_>) -> Result<Expr>,
    ) -> Result<Expr> {
        match scope.follow(names, self.resolver.catalog(), self.aliases)? {
            Member::Column(column) => {
                let data_type = self.resolver.catalog().get(column.entity).columns[column.column].data_type.clone();
                test(self, Side::Expr(Expr::Column(column), data_type))
            }
            Member::ToOne(alias, entity, relationship) => test(self, Side::Record(alias, entity, relationship)),
            Member::ToMany(alias, entity, relationship, used) => {
                let (mut inner, mut filter) = correlated(alias, entity, &relationship, self.aliases);
                if used == names.len() {
                    // `posts = 3`: any of them is the record with this key.
                    let own = Relationship {
                        name: relationship.name.clone(),
                        to: relationship.to,
                        cardinality: crate::model::Cardinality::One,
                        local: self.resolver.catalog().get(relationship.to).key.clone(),
                        remote: self.resolver.catalog().get(relationship.to).key.clone(),
                        owning: true,
                        link: None,
                    };
                    filter.push(test(self, Side::Record(inner.from.alias, relationship.to, own))?);
                } else {
                    filter.push(self.along(&names[used..], &mut inner, test)?);
                }
                Ok(Expr::Exists(Box::new(Subquery { from: inner.from, filter: Expr::And(filter) })))
            }
        }
    }

    fn compare(&mut self, left: &Operand<'_>, op: CompareOp, right: &Operand<'_>, scope: &mut Scope) -> Result<Expr> {
        let as_path;
        let right = match right {
            Operand::Literal(literal) => match self.path_of(literal, scope)? {
                Some(path) => {
                    as_path = Operand::Path(path);
                    &as_path
                }
                None => right,
            },
            other => other,
        };
        match (left, right) {
            (Operand::Literal(_), Operand::Literal(literal)) => Err(Error::invalid("both sides are values")
                .at(literal.span)
                .hint("one side must be a field of the model")),
            (Operand::Literal(_), _) => self.compare(right, flip(op), left, scope),
            (_, Operand::Literal(literal)) => self.on(left, scope, false, &mut |this, side| {
                if !matches!(op, CompareOp::Eq | CompareOp::Ne) {
                    this.open(left, &side)?;
                }
                this.compare_literal(side, op, literal)
            }),
            (_, Operand::Path(path)) => {
                if let Operand::Path(one) = left
                    && self.is_many(path, scope)
                    && !self.is_many(one, scope)
                {
                    // Any of the many is compared with the one.
                    let one = self.column(one, scope)?;
                    let is_text = one.data_type.family() == Family::Text;
                    return self.compare_column(right, flip(op), &one, scope).map_err(|error| {
                        let mistaken = is_text && error.kind == ErrorKind::Invalid;
                        if mistaken { error.hint(bare::as_text(&typed(path))) } else { error }
                    });
                }
                let other = self.column(path, scope)?;
                self.compare_column(left, op, &other, scope)
            }
            (_, Operand::Function(function, path, inner, span)) => {
                let (expr, data_type) =
                    self.scalar(*function, path, inner.as_deref(), scope).map_err(|e| e.at(*span))?;
                self.compare_column(left, op, &Column { expr, data_type, path: None, span: *span }, scope)
            }
        }
    }

    /// Refuses a masked column where its values would show through.
    pub(super) fn open(&self, operand: &Operand<'_>, side: &Side<'_>) -> Result<()> {
        match (operand, side) {
            (Operand::Path(path), Side::Expr(expr, _)) => masks::open_expr(self.resolver.catalog(), expr, path.span()),
            _ => Ok(()),
        }
    }

    fn compare_literal(&mut self, side: Side<'_>, op: CompareOp, literal: &Literal<'_>) -> Result<Expr> {
        let is_null = matches!(literal.kind, LiteralKind::Null);
        match side {
            Side::Expr(expr, _) if is_null => null_test(expr, op, literal),
            Side::Expr(expr, data_type) => {
                let value = match op {
                    CompareOp::Eq | CompareOp::Ne => self.equal_value(&expr, literal, &data_type)?,
                    _ => self.value(literal, &data_type)?,
                };
                Ok(Expr::Compare(Box::new(expr), op, Box::new(value)))
            }
            Side::Record(alias, entity, relationship) => {
                let negated = match op {
                    CompareOp::Eq => false,
                    CompareOp::Ne => true,
                    _ => {
                        let to = self.resolver.catalog().get(relationship.to);
                        let field = to.key.first().map_or("...", |at| to.columns[*at].name.as_str());
                        return Err(Error::invalid("records have no order; use = or !=")
                            .at(literal.span)
                            .hint(format!("or compare one of its fields: `{}.{field}`", relationship.name)));
                    }
                };
                if is_null {
                    let [column] = relationship.local[..] else { return Err(one_value(literal.span)) };
                    return null_test(Expr::Column(ColumnRef { alias, entity, column }), op, literal);
                }
                let same = self.is_record(alias, entity, &relationship, literal)?;
                Ok(not(same, negated))
            }
            Side::Literal(other) => Err(one_value(other.span)),
        }
    }

    /// The relationship leads to the record that a key, a natural key or a variable names.
    fn is_record(
        &mut self,
        alias: Alias,
        entity: EntityId,
        relationship: &Relationship,
        literal: &Literal<'_>,
    ) -> Result<Expr> {
        let to = relationship.to;
        let by = identify(to, std::slice::from_ref(literal), self.resolver)?;
        // By the columns that the foreign key holds: no join is needed.
        let direct: Option<Vec<(usize, Value)>> = by
            .iter()
            .map(|(column, value)| {
                let at = relationship.remote.iter().position(|remote| remote == column)?;
                Some((relationship.local[at], value.clone()))
            })
            .collect();
        if let (Some(direct), None) = (direct, &relationship.link) {
            return Ok(resolve::equals(entity, alias, self.resolver.catalog(), &direct));
        }
        let (inner, mut filter) = correlated(alias, entity, relationship, self.aliases);
        filter.push(resolve::equals(to, inner.from.alias, self.resolver.catalog(), &by));
        Ok(Expr::Exists(Box::new(Subquery { from: inner.from, filter: Expr::And(filter) })))
    }

    /// The value that a foreign key has where it refers to the record that a text names, for a key that is called like its
    /// relationship; none where no record is called so.
    fn referred(&mut self, expr: &Expr, literal: &Literal<'_>) -> Result<Option<Value>> {
        let Expr::Column(ColumnRef { entity, column, .. }) = *expr else { return Ok(None) };
        let catalog = self.resolver.catalog();
        let way = catalog.relationship(entity, &catalog.get(entity).columns[column].name);
        let Some(way) = way.filter(|way| way.owning && way.local == [column]) else { return Ok(None) };
        let (to, remote) = (way.to, way.remote.clone());
        let data_type = catalog.get(entity).columns[column].data_type.clone();
        let value = resolve::literal(literal, &*self.resolver)?;
        if value.as_text().is_none() || matches!(literal.kind, LiteralKind::Number(_)) {
            return Ok(None);
        }
        let nobody = match identify(to, std::slice::from_ref(literal), self.resolver) {
            Ok(by) if by.iter().map(|(at, _)| *at).eq(remote.iter().copied()) => return Ok(None),
            Ok(by) => match self.resolver.columns_of(to, &by, &remote)? {
                Some(key) => return Ok(key.into_iter().next()),
                None => missing(self.resolver.catalog().get(to), &by).at(literal.span),
            },
            Err(error) if error.kind == ErrorKind::NotFound => error,
            Err(error) => return Err(error),
        };
        // What is no key of such a record may be a value of the column all the same.
        if data_type.fit(value).is_ok() { Ok(None) } else { Err(nobody) }
    }

    /// A literal that a column is tested for: a value of its type, or the name of the record that it refers to.
    fn equal_value(&mut self, expr: &Expr, literal: &Literal<'_>, data_type: &DataType) -> Result<Expr> {
        match self.referred(expr, literal)? {
            Some(key) => Ok(Expr::Value(key, data_type.clone())),
            None => self.value(literal, data_type),
        }
    }

    fn membership(&mut self, side: Side<'_>, items: &[Right<'_>]) -> Result<Expr> {
        match side {
            Side::Expr(expr, data_type) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    let RightKind::Literal(literal) = &item.kind else {
                        values.push(self.operand(item, &data_type)?);
                        continue;
                    };
                    match self.list(literal)? {
                        Some(several) => values.extend(several.into_iter().map(|v| Expr::Value(v, data_type.clone()))),
                        None => values.push(self.equal_value(&expr, literal, &data_type)?),
                    }
                }
                Ok(Expr::In(Box::new(expr), values))
            }
            Side::Record(alias, entity, relationship) => {
                let mut parts = Vec::with_capacity(items.len());
                for item in items {
                    parts.push(match &item.kind {
                        RightKind::Literal(literal) => self.is_record(alias, entity, &relationship, literal)?,
                        RightKind::Column(column) => {
                            let side = Side::Record(alias, entity, relationship.clone());
                            let (expr, data_type) = self.single(side, item.span)?;
                            comparable(&data_type, column)?;
                            Expr::Compare(Box::new(expr), CompareOp::Eq, Box::new(column.expr.clone()))
                        }
                    });
                }
                Ok(Expr::Or(parts))
            }
            Side::Literal(literal) => Err(one_value(literal.span)),
        }
    }

    /// The keys of the records in a list variable: `where id in ($everyone)`.
    fn list(&self, item: &Literal<'_>) -> Result<Option<Vec<Value>>> {
        let LiteralKind::Variable(name, path) = &item.kind else { return Ok(None) };
        let Bound::Records(entity, rows) = self.resolver.variable(name).map_err(|e| e.at(item.span))? else {
            return Ok(None);
        };
        let model = self.resolver.catalog().get(entity);
        let column = match (path.as_slice(), model.key.as_slice()) {
            ([field], _) => {
                let (at, column) = resolve::column(model, field)?;
                masks::open(model, column).map_err(|e| e.at(field.span))?;
                at
            }
            ([], [key]) => *key,
            _ => return Err(one_value(item.span)),
        };
        Ok(Some(rows.iter().map(|row| row[column].clone()).collect()))
    }

    fn text(&mut self, side: Side<'_>, op: TextOp, pattern: &Right<'_>) -> Result<Expr> {
        let Side::Expr(expr, _) = side else {
            return Err(Error::invalid("only a field can be compared with a text pattern").at(pattern.span));
        };
        let pattern = match &pattern.kind {
            RightKind::Column(column) => column.expr.clone(),
            RightKind::Literal(literal) => {
                let value = resolve::literal(literal, &*self.resolver)?;
                Expr::Value(DataType::Text(None).fit(value).map_err(|e| e.at(literal.span))?, DataType::Text(None))
            }
        };
        Ok(Expr::Text(Box::new(expr), op, Box::new(pattern)))
    }

    fn has(&mut self, path: &Path<'_>, inner: Option<&Condition<'_>>, scope: &mut Scope) -> Result<Expr> {
        let (mut at, filter) = self.rows_behind(&path.names, scope)?;
        let mut filter = filter;
        if let Some(inner) = inner {
            let condition = self.resolve(inner, &mut at)?;
            filter.push(condition);
        }
        Ok(Expr::Exists(Box::new(Subquery { from: at.from, filter: Expr::And(filter) })))
    }

    /// A literal as a bound value of a column's type.
    pub(super) fn value(&mut self, literal: &Literal<'_>, data_type: &DataType) -> Result<Expr> {
        let value = resolve::literal_of(literal, data_type, &*self.resolver)?;
        // 1.5 is a fair bound for an integer field, though no value of it.
        if let (LiteralKind::Number(text), DataType::Int(_)) = (&literal.kind, data_type)
            && let Ok(number) = text.parse::<f64>()
            && number.fract() != 0.0
        {
            return Ok(Expr::Value(Value::Float(number), DataType::Float));
        }
        let fitted = match (&value, data_type) {
            (Value::Float(_), DataType::Int(_)) => return Ok(Expr::Value(value, DataType::Float)),
            _ => data_type.fit(value).map_err(|e| e.at(literal.span))?,
        };
        Ok(Expr::Value(fitted, data_type.clone()))
    }
}

fn not(expr: Expr, negated: bool) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

fn null_test(expr: Expr, op: CompareOp, literal: &Literal<'_>) -> Result<Expr> {
    match op {
        CompareOp::Eq => Ok(Expr::IsNull(Box::new(expr))),
        CompareOp::Ne => Ok(not(Expr::IsNull(Box::new(expr)), true)),
        _ => Err(Error::invalid("NULL has no order").at(literal.span).hint("use `is null` or `is not null`")),
    }
}

pub(super) fn one_value(span: Span) -> Error {
    Error::invalid("a field is needed on the left, and single values on the right").at(span)
}

const fn flip(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
        same => same,
    }
}
