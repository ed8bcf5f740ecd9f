//! What a plan needs from outside itself: records by key, variables, the time.

use super::masks;
use super::query::{Alias, ColumnRef, Expr};
use crate::language::ast::{Literal, LiteralKind, Name, RecordRef};
use crate::model::{Catalog, DataType, Entity, EntityId, Value, timestamp_text};
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

    /// Some columns of that record.
    ///
    /// # Errors
    /// The database's own.
    fn columns_of(&mut self, entity: EntityId, by: &[(usize, Value)], wanted: &[usize]) -> Result<Option<Vec<Value>>> {
        let record = self.find(entity, by)?;
        Ok(record.map(|record| wanted.iter().map(|column| record.values[*column].clone()).collect()))
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

/// The column a name means.
///
/// # Errors
/// An unknown name, with a near one.
pub fn column<'c>(entity: &'c Entity, name: &Name<'_>) -> Result<(usize, &'c crate::model::Column)> {
    entity.column(&name.text).ok_or_else(|| {
        Error::unknown(format!("{} has no field `{}`", entity.name, name.text))
            .at(name.span)
            .suggest(&name.text, entity.member_names())
    })
}

/// Columns and values by which a key literal finds a record of `entity`: its primary key or its natural key.
///
/// # Errors
/// A key of the wrong arity, or a value that neither key can have.
pub fn key_columns(entity: &Entity, key: &[Literal<'_>], resolver: &dyn Resolver) -> Result<Vec<(usize, Value)>> {
    let span = key.iter().map(|part| part.span).reduce(crate::text::Span::to).unwrap_or_default();
    if let [only] = key {
        if let LiteralKind::Variable(name, path) = &only.kind
            && path.is_empty()
            && let Bound::Record(record) = resolver.variable(name).map_err(|e| e.at(only.span))?
        {
            if std::ptr::eq(resolver.catalog().get(record.entity), entity) {
                return Ok(entity.key.iter().map(|at| (*at, record.values[*at].clone())).collect());
            }
            let other = resolver.catalog().get(record.entity);
            return Err(
                Error::invalid(format!("${} is a {}, not a {}", name.text, other.name, entity.name)).at(only.span)
            );
        }
        let value = literal(only, resolver)?;
        let textual = matches!(only.kind, LiteralKind::Text(_) | LiteralKind::Word(_)) && value.as_text().is_some();
        if let Some(natural) = entity.natural_key {
            let key_is_text =
                matches!(entity.key.as_slice(), [at] if matches!(entity.columns[*at].data_type, DataType::Text(_)));
            if textual && !key_is_text {
                return Ok(vec![(natural, value)]);
            }
        }
        if let [at] = entity.key.as_slice() {
            let fitted = entity.columns[*at].data_type.fit(value).map_err(|mut error| {
                error.message =
                    format!("{} is looked up by {}: {}", entity.name, entity.columns[*at].name, error.message);
                error.at(span)
            })?;
            return Ok(vec![(*at, fitted)]);
        }
    }
    if entity.key.is_empty() {
        return Err(Error::invalid(format!("{} has no key", entity.name))
            .at(span)
            .hint(format!("find its rows with `list {} where ...`", entity.plural)));
    }
    if key.len() != entity.key.len() {
        let names: Vec<&str> = entity.key.iter().map(|at| entity.columns[*at].name.as_str()).collect();
        return Err(Error::invalid(format!("the key of {} is ({})", entity.name, names.join(", ")))
            .at(span)
            .hint(format!("write {} value(s) in brackets, in that order", names.len())));
    }
    entity
        .key
        .iter()
        .zip(key)
        .map(|(at, part)| {
            let value = literal(part, resolver)?;
            Ok((*at, entity.columns[*at].data_type.fit(value).map_err(|e| e.at(part.span))?))
        })
        .collect()
}

/// The record that a reference means.
///
/// # Errors
/// `NotFound` when there is none; `Invalid` for names that do not fit.
pub fn reference(record: &RecordRef<'_>, resolver: &mut dyn Resolver) -> Result<Record> {
    match record {
        RecordRef::Key { model, key } => {
            let id = resolver.catalog().resolve(&model.text).map_err(|e| e.at(model.span))?;
            let span = key.iter().fold(model.span, |span, part| span.to(part.span));
            let by = key_columns(resolver.catalog().get(id), key, resolver)?;
            resolver.find(id, &by)?.ok_or_else(|| missing(resolver.catalog().get(id), &by).at(span))
        }
        RecordRef::Variable(name) => match resolver.variable(name).map_err(|e| e.at(name.span))? {
            Bound::Record(record) => {
                // Read again: what the variable holds may be older than what is staged or committed since.
                let by: Vec<(usize, Value)> = resolver
                    .catalog()
                    .get(record.entity)
                    .key
                    .iter()
                    .map(|at| (*at, record.values[*at].clone()))
                    .collect();
                if by.is_empty() {
                    return Ok(record);
                }
                let found = resolver.find(record.entity, &by)?;
                found.ok_or_else(|| missing(resolver.catalog().get(record.entity), &by).at(name.span))
            }
            _ => Err(Error::invalid(format!("${} is not one record", name.text)).at(name.span)),
        },
    }
}

/// "There is no user 7".
#[must_use]
pub fn missing(entity: &Entity, by: &[(usize, Value)]) -> Error {
    let shown = |(at, value): &(usize, Value)| crate::language::quote::quote_shown(&entity.columns[*at], value);
    let key: Vec<String> = by.iter().map(shown).collect();
    let key = if key.len() == 1 { key.concat() } else { format!("({})", key.join(", ")) };
    Error::new(crate::ErrorKind::NotFound, format!("there is no {} {key}", entity.name))
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
