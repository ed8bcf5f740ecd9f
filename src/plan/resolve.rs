//! What a plan needs from outside itself: records by key, variables, the time.

use super::masks;
use super::query::{Alias, ColumnRef, Expr};
use crate::language::ast::{Literal, LiteralKind, Name};
use crate::model::{Catalog, DataType, Entity, EntityId, Relationship, Value, timestamp_text};
use crate::{Error, Result};

/// One record as it was read: all its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The model.
    pub entity: EntityId,
    /// One value a column.
    pub values: Vec<Value>,
}

impl Record {
    /// The values of its primary key.
    #[must_use]
    pub fn key(&self, catalog: &Catalog) -> Vec<Value> {
        catalog.get(self.entity).key.iter().map(|column| self.values[*column].clone()).collect()
    }
}

/// What a variable stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Bound {
    /// One record.
    Record(Record),
    /// Several records of a model.
    Records(EntityId, Vec<Vec<Value>>),
    /// One value.
    Value(Value),
}

/// Answers what only the session knows.
pub trait Resolver {
    /// The names.
    fn catalog(&self) -> &Catalog;

    /// The current value of a variable.
    ///
    /// # Errors
    /// `Invalid` for an unknown one.
    fn variable(&self, name: &Name<'_>) -> Result<Bound>;

    /// The record whose columns have these values, read now; none if there is no such record.
    ///
    /// # Errors
    /// The database's own.
    fn find(&mut self, entity: EntityId, by: &[(usize, Value)]) -> Result<Option<Record>>;

    /// Up to so many records whose columns have these values, read now.
    ///
    /// # Errors
    /// The database's own.
    fn find_several(&mut self, entity: EntityId, by: &[(usize, Value)], limit: u64) -> Result<Vec<Record>>;

    /// Some columns of that record.
    ///
    /// # Errors
    /// The database's own.
    fn columns_of(&mut self, entity: EntityId, by: &[(usize, Value)], wanted: &[usize]) -> Result<Option<Vec<Value>>> {
        let record = self.find(entity, by)?;
        Ok(record.map(|record| wanted.iter().map(|column| record.values[*column].clone()).collect()))
    }

    /// A value as a column has it written: `fitted` is what `given` means. Where types have one spelling for each value,
    /// that is it.
    ///
    /// # Errors
    /// The database's own.
    fn spelled(&mut self, _column: (EntityId, usize), _given: &Value, fitted: Value) -> Result<Value> {
        Ok(fitted)
    }

    /// Whether values are written as they are typed, whatever the type of their column: only a SQLite file takes that.
    fn is_exact(&self) -> bool {
        false
    }

    /// The current time in UTC.
    fn now(&self) -> chrono::NaiveDateTime;
}

/// A literal as a value.
///
/// # Errors
/// An unknown variable, or one that stands for records where a value is wanted.
pub fn literal(literal: &Literal<'_>, resolver: &dyn Resolver) -> Result<Value> {
    let value = match &literal.kind {
        LiteralKind::Null => Value::Null,
        LiteralKind::Bool(value) => Value::Bool(*value),
        LiteralKind::Int(value) => Value::Int(*value),
        // Its spelling may be meant as text (007, 1.50); a number's column parses it.
        LiteralKind::Number(text) => Value::Text(text.to_string()),
        LiteralKind::Text(text) | LiteralKind::Word(text) => Value::Text(text.to_string()),
        LiteralKind::Bytes(bytes) => Value::Bytes(bytes.clone()),
        LiteralKind::Now => Value::Text(timestamp_text(resolver.now())),
        LiteralKind::Today => Value::Text(resolver.now().date().to_string()),
        LiteralKind::Variable(name, path) => return variable(name, path, resolver).map_err(|e| e.at(literal.span)),
    };
    Ok(value)
}

/// The value of a literal for a column of this type: where no type says so, a number is a number.
///
/// # Errors
/// As [`literal`].
pub fn literal_of(literal: &Literal<'_>, data_type: &DataType, resolver: &dyn Resolver) -> Result<Value> {
    match &literal.kind {
        LiteralKind::Number(text) if *data_type == DataType::Any => {
            Ok(text.parse().map_or_else(|_| Value::Text(text.to_string()), Value::Float))
        }
        _ => self::literal(literal, resolver),
    }
}

fn variable(name: &Name<'_>, path: &[Name<'_>], resolver: &dyn Resolver) -> Result<Value> {
    match (resolver.variable(name)?, path) {
        (Bound::Value(value), []) => Ok(value),
        (Bound::Value(_), _) => Err(Error::invalid(format!("${} is a value and has no fields", name.text))),
        (Bound::Record(record), [field]) => {
            let entity = resolver.catalog().get(record.entity);
            if entity.column(&field.text).is_none()
                && let Some(way) = resolver.catalog().relationship(record.entity, &field.text)
            {
                return held(&record, way, resolver.catalog()).map_err(|e| e.at(field.span));
            }
            let (at, column) = column(entity, field)?;
            masks::open(entity, column).map_err(|e| e.at(field.span))?;
            Ok(record.values[at].clone())
        }
        (Bound::Record(record), []) => match record.key(resolver.catalog()).as_slice() {
            [only] => Ok(only.clone()),
            _ => Err(Error::invalid(format!("${} has a key of several columns; name one of them", name.text))),
        },
        (Bound::Record(_), [first, ..]) => Err(Error::invalid(format!(
            "${}.{} leads on to another record; use `let` for it first",
            name.text, first.text
        ))),
        (Bound::Records(..), _) => Err(Error::invalid(format!("${} is a list, not one value", name.text))),
    }
}

/// The key that a record holds of the one that a relationship leads to.
fn held(record: &Record, way: &Relationship, catalog: &Catalog) -> Result<Value> {
    match way.local.as_slice() {
        [at] if way.owning => {
            let entity = catalog.get(record.entity);
            masks::open(entity, &entity.columns[*at])?;
            Ok(record.values[*at].clone())
        }
        _ if way.owning => Err(Error::invalid(format!("{} has a key of several columns; name one of them", way.name))),
        _ => Err(Error::invalid(format!(
            "`{}` leads to {}, and stands for no value",
            way.name,
            catalog.get(way.to).plural
        ))),
    }
}

/// The column a name means.
///
/// # Errors
/// An unknown name, with a near one.
pub fn column<'c>(entity: &'c Entity, name: &Name<'_>) -> Result<(usize, &'c crate::model::Column)> {
    entity.column(&name.text).ok_or_else(|| lacking(entity, "field", &name.text, entity.member_names()).at(name.span))
}

/// A model has nothing that is called so: the nearest name, else all that there are.
pub fn lacking<'n>(model: &Entity, what: &str, name: &str, known: impl Iterator<Item = &'n str> + Clone) -> Error {
    /// How many names a message lists.
    const LISTED: usize = 16;
    let message = format!("{} has no {what} `{name}`", model.name);
    if crate::text::nearest(name, known.clone()).is_some() {
        return Error::unknown(message).suggest(name, known);
    }
    let mut names: Vec<&str> = known.collect();
    match names.len() {
        0 => Error::unknown(format!("{message}; it has none")),
        count if count > LISTED => {
            names.truncate(LISTED);
            Error::unknown(format!("{message}; it has {}, ... and {} more", names.join(", "), count - LISTED))
                .hint(format!("`.schema {}` shows all", model.name))
        }
        _ => Error::unknown(format!("{message}; it has {}", names.join(", "))),
    }
}

/// `column = value` for each pair.
pub fn equals(entity: EntityId, alias: Alias, catalog: &Catalog, pairs: &[(usize, Value)]) -> Expr {
    let columns = &catalog.get(entity).columns;
    let mut parts: Vec<Expr> = pairs
        .iter()
        .map(|(column, value)| {
            Expr::Compare(
                Box::new(Expr::Column(ColumnRef { alias, entity, column: *column })),
                crate::language::ast::CompareOp::Eq,
                Box::new(Expr::Value(value.clone(), columns[*column].data_type.clone())),
            )
        })
        .collect();
    if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) }
}
