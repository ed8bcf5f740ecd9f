//! Naming one record: what is typed for it, and what messages call it.

use super::resolve::{Bound, Record, Resolver, literal};
use crate::language::ast::{Literal, LiteralKind, RecordRef};
use crate::language::quote::{quote_shown, quote_word};
use crate::model::{DataType, Entity, EntityId, Value};
use crate::text::Span;
use crate::{Error, ErrorKind, Result};

/// Columns and the values by which a record is looked up.
pub type By = Vec<(usize, Value)>;

/// What a typed key can mean.
#[derive(Debug, Default)]
pub struct Meanings {
    /// By the primary key and by the natural key: each finds one record at most.
    pub unique: Vec<By>,
    /// By the text that stands for a record in messages, where nothing keeps it unique.
    pub label: Option<By>,
}

/// Everything that a typed key can mean: the primary key, the natural key, the text that messages call a record.
///
/// # Errors
/// A key of the wrong arity, or a value that no record of the model can have there.
pub fn meanings(entity: EntityId, key: &[Literal<'_>], resolver: &dyn Resolver) -> Result<Meanings> {
    let model = resolver.catalog().get(entity);
    let span = key.iter().map(|part| part.span).reduce(Span::to).unwrap_or_default();
    if let [only] = key {
        if let LiteralKind::Variable(name, path) = &only.kind
            && path.is_empty()
            && let Bound::Record(record) = resolver.variable(name).map_err(|e| e.at(only.span))?
        {
            if record.entity == entity {
                return Ok(Meanings { unique: vec![key_of(model, &record.values)], label: None });
            }
            let other = &resolver.catalog().get(record.entity).name;
            return Err(Error::invalid(format!("${} is a {other}, not a {}", name.text, model.name)).at(only.span));
        }
        let found = of_one(model, only, resolver)?;
        if !found.unique.is_empty() || found.label.is_some() {
            return Ok(found);
        }
    }
    if model.key.is_empty() {
        return Err(Error::invalid(format!("{} has no key", model.name))
            .at(span)
            .hint(format!("find its rows with `list {} where ...`", model.plural)));
    }
    if key.len() != model.key.len() {
        let names: Vec<&str> = model.key.iter().map(|at| model.columns[*at].name.as_str()).collect();
        return Err(Error::invalid(format!("the key of {} is ({})", model.name, names.join(", ")))
            .at(span)
            .hint(format!("write {} value(s) in brackets, in that order", names.len())));
    }
    let fitted = |(at, part): (&usize, &Literal<'_>)| {
        let value = literal(part, resolver)?;
        Ok((*at, model.columns[*at].data_type.fit(value).map_err(|e| e.at(part.span))?))
    };
    let by = model.key.iter().zip(key).map(fitted).collect::<Result<By>>()?;
    Ok(Meanings { unique: vec![by], label: None })
}

/// What one value can mean; nothing where only a key of several columns could be meant.
fn of_one(model: &Entity, typed: &Literal<'_>, resolver: &dyn Resolver) -> Result<Meanings> {
    let value = literal(typed, resolver)?;
    let key = if let [only] = model.key.as_slice() { Some(*only) } else { None };
    // A number as it is typed is a key, where keys are numbers.
    let is_text = value.as_text().is_some() && !matches!(typed.kind, LiteralKind::Number(_));
    let mut ways = match key {
        Some(key) if !is_text && model.columns[key].data_type.is_wordless() => vec![(key, true)],
        _ => model.names(),
    };
    if let (Some(key), LiteralKind::Variable(..)) = (key, &typed.kind)
        && !ways.contains(&(key, true))
    {
        // Decimals travel as text.
        ways.push((key, true));
    }
    let mut found = Meanings::default();
    let mut refused = None;
    for (at, is_unique) in ways {
        let column = &model.columns[at];
        if may_not_be(&column.data_type, &value) && found_elsewhere(model, at) {
            continue;
        }
        match column.data_type.fit(value.clone()) {
            Ok(fitted) if is_unique => found.unique.push(vec![(at, fitted)]),
            Ok(fitted) => found.label = Some(vec![(at, fitted)]),
            Err(mut error) => {
                error.message = format!("{} is looked up by {}: {}", model.name, column.name, error.message);
                refused = Some(error.at(typed.span));
            }
        }
    }
    match refused {
        Some(error) if found.unique.is_empty() && found.label.is_none() => Err(error),
        _ => Ok(found),
    }
}

/// Whether a text may name a record by another column than this.
fn found_elsewhere(model: &Entity, at: usize) -> bool {
    model.names().iter().any(|(other, _)| *other != at)
}

/// Whether the database would refuse to compare this text with a column of this type.
fn may_not_be(data_type: &DataType, value: &Value) -> bool {
    match (data_type, value) {
        (DataType::Uuid, Value::Text(text)) => {
            let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
            digits != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b'-' | b'{' | b'}'))
        }
        (DataType::Other(_) | DataType::Opaque(_) | DataType::Json | DataType::TimestampTz, _) => true,
        _ => false,
    }
}

/// The columns and values by which a typed key finds its record. The database is asked only where the key can mean more
/// than one thing; where there is no such record, what is given finds none.
///
/// # Errors
/// As [`meanings`]; a key that names more than one record; no record where the key can only be the text that messages call
/// one; the database's own.
pub fn identify(entity: EntityId, key: &[Literal<'_>], resolver: &mut dyn Resolver) -> Result<By> {
    let Meanings { mut unique, label } = meanings(entity, key, resolver)?;
    if unique.len() == 1 && label.is_none() {
        return Ok(unique.swap_remove(0));
    }
    let span = key.iter().map(|part| part.span).reduce(Span::to).unwrap_or_default();
    let mut found: Vec<(usize, Record)> = Vec::new();
    for (index, by) in unique.iter().enumerate() {
        if let Some(record) = resolver.find(entity, by)?
            && !found.iter().any(|(_, known)| *known == record)
        {
            found.push((index, record));
        }
    }
    match (found.as_slice(), label) {
        ([(index, _)], _) => Ok(unique.swap_remove(*index)),
        ([], Some(by)) => {
            let mut records = resolver.find_several(entity, &by, 2)?;
            let model = resolver.catalog().get(entity);
            match (records.pop(), records.is_empty(), unique.is_empty()) {
                (Some(_), true, _) if model.key.is_empty() => Ok(by),
                (Some(record), true, _) => Ok(key_of(model, &record.values)),
                (Some(_), false, _) => Err(several(model, &[by]).at(span)),
                (None, _, false) => Ok(unique.swap_remove(0)),
                (None, _, true) => Err(missing(model, &by).at(span)),
            }
        }
        // Messages call a record by its natural key, so that is what was meant.
        ([], None) => Ok(unique.pop().unwrap_or_default()),
        _ => Err(several(resolver.catalog().get(entity), &unique).at(span)),
    }
}

fn several(model: &Entity, ways: &[By]) -> Error {
    let shown = |(at, value): &(usize, Value)| quote_shown(&model.columns[*at], value);
    let value = ways.iter().flatten().map(shown).next().unwrap_or_default();
    let tests: Vec<String> = ways
        .iter()
        .flatten()
        .map(|(at, value)| format!("{} = {}", model.columns[*at].name, quote_shown(&model.columns[*at], value)))
        .collect();
    let error = Error::invalid(format!("{value} names more than one {}", model.name));
    let list = format!("`list {} where {}` shows them", model.plural, tests.join(" or "));
    error.hint(if ways.len() > 1 { list } else { format!("{list}; name one by its key") })
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
            let by = identify(id, key, resolver)?;
            resolver.find(id, &by)?.ok_or_else(|| missing(resolver.catalog().get(id), &by).at(span))
        }
        RecordRef::Variable(name) => match resolver.variable(name).map_err(|e| e.at(name.span))? {
            Bound::Record(record) => {
                // Read again: what the variable holds may be older than what is staged or committed since.
                let by = key_of(resolver.catalog().get(record.entity), &record.values);
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

/// The primary key of a record with its values.
fn key_of(model: &Entity, values: &[Value]) -> By {
    model.key.iter().map(|at| (*at, values[*at].clone())).collect()
}

/// "There is no user 7".
#[must_use]
pub fn missing(model: &Entity, by: &[(usize, Value)]) -> Error {
    let key: Vec<String> = by.iter().map(|(at, value)| quote_shown(&model.columns[*at], value)).collect();
    let key = if key.len() == 1 { key.concat() } else { format!("({})", key.join(", ")) };
    Error::new(ErrorKind::NotFound, format!("there is no {} {key}", model.name))
}

/// What messages call a record, as it can be typed: by its natural key, or by its key.
pub fn named<'v>(model: &Entity, value: impl Fn(usize) -> Option<&'v Value>) -> String {
    if let Some(Value::Text(text)) = model.natural_key.and_then(&value) {
        return [&model.name, " ", &*quote_word(text)].concat();
    }
    let known =
        |at: &usize| value(*at).filter(|value| !value.is_null()).map(|value| quote_shown(&model.columns[*at], value));
    let key: Option<Vec<String>> = model.key.iter().map(known).collect();
    match key {
        Some(key) if key.len() == 1 => format!("{} {}", model.name, key.concat()),
        Some(key) if !key.is_empty() => format!("{} ({})", model.name, key.join(", ")),
        _ => model.name.clone(),
    }
}

/// [`named`] for a record of which only the key is known.
#[must_use]
pub fn named_by_key(model: &Entity, key: &[Value]) -> String {
    named(model, |at| model.key.iter().position(|known| *known == at).and_then(|at| key.get(at)))
}
