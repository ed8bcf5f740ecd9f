//! `add`, `set` and `delete`: names, types, lengths, NULLs and references are checked before anything is staged.

use super::bare::{self, Bare};
use super::naming::{identify, missing};
use super::query::Select;
use super::read::matching;
use super::resolve::{self, Bound, Resolver, lacking};
use crate::language::ast::{Assignment, Condition, Literal, LiteralKind, Name};
use crate::model::{ColumnDefault, DataType, EntityId, EntityKind, Relationship, Value, timestamp_text};
use crate::text::Span;
use crate::{Error, Result};

/// Resolves assignments to columns and checked values; with `adding`, defaults are filled in and required fields asked
/// for.
///
/// # Errors
/// An unknown or repeated field, a value that does not fit, a reference to a record that is not there, a required field
/// that is missing.
pub fn assignments(
    entity: EntityId,
    assignments: &[Assignment<'_>],
    adding: bool,
    resolver: &mut dyn Resolver,
) -> Result<Vec<(usize, Value)>> {
    let mut values: Vec<(usize, Value)> = Vec::with_capacity(resolver.catalog().get(entity).columns.len());
    for assignment in assignments {
        let name = &assignment.field;
        let model = resolver.catalog().get(entity);
        let span = assignment.value.iter().map(|part| part.span).reduce(Span::to).unwrap_or(name.span);
        values_only(entity, assignment, adding, resolver)?;
        let found = model.column(&name.text);
        let way = match found {
            // A foreign key that is called like its relationship takes whatever names the record.
            Some((at, _)) if model.foreign_keys.iter().any(|key| key.columns == [at]) => {
                let way = resolver.catalog().relationship(entity, &name.text);
                way.filter(|way| way.owning && way.local == [at]).cloned()
            }
            Some(_) => None,
            None => resolver.catalog().relationship(entity, &name.text).cloned(),
        };
        let way = way.filter(|_| found.is_none() || !resolver.is_exact());
        let resolved = if let (Some((at, column)), None) = (found, &way) {
            let [only] = assignment.value.as_slice() else {
                return Err(Error::invalid(format!("{} takes one value", name.text)).at(span));
            };
            if column.always && !adding {
                let message = format!("{} is numbered by the database and cannot be set", column.name);
                return Err(Error::invalid(message).at(span));
            }
            if resolver.is_exact() && !column.generated {
                vec![(at, resolve::literal_of(only, &DataType::Any, resolver)?)]
            } else {
                let value = resolve::literal_of(only, &column.data_type, resolver)?;
                let fitted = column.check(value.clone()).map_err(|e| e.at(span))?;
                let value = resolver.spelled((entity, at), &value, fitted)?;
                let value = vec![(at, value)];
                exists(entity, &value, span, resolver)?;
                value
            }
        } else if let Some(relationship) = &way {
            refer(entity, relationship, assignment, span, resolver)?
        } else {
            return Err(lacking(model, "field", &name.text, model.member_names()).at(name.span));
        };
        for (at, value) in resolved {
            if values.iter().any(|(known, _)| *known == at) {
                let column = &resolver.catalog().get(entity).columns[at].name;
                return Err(Error::invalid(format!("{column} is given twice")).at(name.span));
            }
            values.push((at, value));
        }
    }
    if adding {
        complete(entity, &mut values, resolver)?;
    }
    Ok(values)
}

/// Refuses values that look like a field, a path, a call or an expression.
fn values_only(entity: EntityId, assignment: &Assignment<'_>, adding: bool, resolver: &dyn Resolver) -> Result<()> {
    let catalog = resolver.catalog();
    for value in &assignment.value {
        let LiteralKind::Word(word) = &value.kind else { continue };
        let looks = bare::read(word, value.span, entity, catalog);
        if looks == Bare::Text {
            continue;
        }
        let field = &assignment.field.text;
        let is_text = catalog
            .get(entity)
            .column(field)
            .is_none_or(|(_, column)| column.data_type.fit(Value::Text(word.to_string())).is_ok());
        bare::in_assignment(&looks, (word, value.span), field, is_text, adding, entity, catalog)?;
    }
    Ok(())
}

/// Fills in defaults and asks for what is missing.
fn complete(entity: EntityId, values: &mut Vec<(usize, Value)>, resolver: &mut dyn Resolver) -> Result<()> {
    let model = resolver.catalog().get(entity);
    let mut lacking = Vec::new();
    let mut times = Vec::new();
    for (at, column) in model.columns.iter().enumerate() {
        if values.iter().any(|(known, _)| *known == at) {
            continue;
        }
        match &column.default {
            Some(ColumnDefault::Now) => {
                let now = Value::Text(timestamp_text(resolver.now()));
                // That is how a timestamp is spelled already.
                let fits = column.data_type == DataType::Timestamp;
                times.push((at, if fits { now } else { column.data_type.fit(now)? }));
            }
            Some(ColumnDefault::Value(value)) => values.push((at, value.clone())),
            Some(ColumnDefault::Computed(value)) => values.push((at, column.check(value.value())?)),
            Some(ColumnDefault::Database(_)) => {}
            None if column.required() => lacking.push(
                model
                    .relationships
                    .iter()
                    .find(|relationship| relationship.owning && relationship.local == [at])
                    .map_or(column.name.as_str(), |relationship| relationship.name.as_str()),
            ),
            None => {}
        }
    }
    if lacking.is_empty() {
        for (at, now) in times {
            let spelled = resolver.spelled((entity, at), &now, now.clone())?;
            values.push((at, spelled));
        }
        return Ok(());
    }
    let slots: Vec<String> = lacking.iter().map(|name| format!("{name}=...")).collect();
    Err(Error::invalid(format!("{} needs {}", model.name, lacking.join(", "))).hint(format!("add {}", slots.join(" "))))
}

/// A relationship set to a key, a natural key, a record in a variable, or NULL.
fn refer(
    entity: EntityId,
    relationship: &Relationship,
    assignment: &Assignment<'_>,
    span: Span,
    resolver: &mut dyn Resolver,
) -> Result<Vec<(usize, Value)>> {
    if !relationship.owning {
        return Err(Error::invalid(format!("`{}` is set from the other side", relationship.name))
            .at(assignment.field.span)
            .hint(format!("set it on {}", resolver.catalog().get(relationship.to).name)));
    }
    let columns = &resolver.catalog().get(entity).columns;
    if matches!(assignment.value.as_slice(), [only] if matches!(only.kind, LiteralKind::Null)) {
        return relationship
            .local
            .iter()
            .map(|at| {
                columns[*at].check(Value::Null).map(|value| (*at, value)).map_err(|mut error| {
                    error.message = format!("{} cannot be NULL", relationship.name);
                    error.at(span)
                })
            })
            .collect();
    }
    let to = relationship.to;
    if let [Literal { kind: LiteralKind::Variable(name, path), span }] = assignment.value.as_slice()
        && path.is_empty()
        && let Bound::Records(..) = resolver.variable(name).map_err(|e| e.at(*span))?
    {
        return Err(Error::invalid(format!("${} is a list, not one record", name.text)).at(*span));
    }
    let by = identify(to, &assignment.value, resolver)?;
    let found = resolver.columns_of(to, &by, &relationship.remote)?;
    let key = found.ok_or_else(|| missing(resolver.catalog().get(to), &by).at(span))?;
    Ok(relationship.local.iter().copied().zip(key).collect())
}

/// A foreign key column set by its own name: the record must be there.
fn exists(entity: EntityId, values: &[(usize, Value)], span: Span, resolver: &mut dyn Resolver) -> Result<()> {
    let model = resolver.catalog().get(entity);
    let keys: Vec<(EntityId, usize)> = model
        .foreign_keys
        .iter()
        .filter_map(|key| match (key.columns.as_slice(), key.to_columns.as_slice()) {
            ([at], [to]) if values.iter().any(|(known, value)| known == at && !value.is_null()) => Some((key.to, *to)),
            _ => None,
        })
        .collect();
    for (to, column) in keys {
        let by = [(column, values[0].1.clone())];
        if resolver.columns_of(to, &by, &[column])?.is_none() {
            return Err(missing(resolver.catalog().get(to), &by).at(span));
        }
    }
    Ok(())
}

/// The model that a change is about.
///
/// # Errors
/// An unknown name, or a view.
pub fn writable(name: &Name<'_>, resolver: &dyn Resolver) -> Result<EntityId> {
    let id = resolver.catalog().resolve(&name.text).map_err(|e| e.at(name.span))?;
    let entity = resolver.catalog().get(id);
    if entity.kind == EntityKind::View {
        return Err(Error::invalid(format!("{} is a view and cannot be changed", entity.name)).at(name.span));
    }
    Ok(id)
}

/// The rows that `set MODEL where ...` or `delete MODEL where ...` is about.
///
/// # Errors
/// Unknown names and values that do not fit; a model without a key.
pub fn many(entity: EntityId, condition: Option<&Condition<'_>>, resolver: &mut dyn Resolver) -> Result<Select> {
    let model = resolver.catalog().get(entity);
    if model.key.is_empty() {
        return Err(Error::invalid(format!("{} has no primary key, so its rows cannot be told apart", model.name))
            .hint("change it with `.sql`"));
    }
    matching(entity, condition, resolver)
}
