//! `.set natural-key MODEL.FIELD`: the field by which people name a record where no unique index says so, as none can on a
//! table that is distributed by another column. Whoever uses such a name is told when more than one record has it.

use super::Context;
use crate::model::{Catalog, DataType, Entity};
use crate::plan;
use crate::{Error, Result};
use std::sync::Arc;

/// `.set natural-key MODEL.FIELD`, or `off` for what the database says.
///
/// # Errors
/// As [`choose`].
pub fn set(value: &str, context: &mut Context) -> Result<()> {
    if value == "off" {
        context.natural_keys.clear();
        return context.reload().map(drop);
    }
    let parts = value.rsplit_once('.').filter(|(model, field)| !model.is_empty() && !field.is_empty());
    let (model, field) = parts.ok_or_else(|| {
        Error::invalid("natural-key is a model and one of its fields")
            .hint(".set natural-key user.email, or off for what the database says")
    })?;
    choose(model, field, context)
}

/// Lets records of a model be named by a field.
///
/// # Errors
/// `NotFound` where there is no such model or field; `Invalid` for a field that is no text, or masked.
pub fn choose(model: &str, field: &str, context: &mut Context) -> Result<()> {
    let catalog = Arc::clone(context.session.catalog());
    let entity = catalog.get(catalog.resolve(model)?);
    let (_, column) = entity.column(field).ok_or_else(|| {
        plan::lacking(entity, "field", field, entity.columns.iter().map(|column| column.name.as_str()))
    })?;
    if column.masked || !matches!(column.data_type, DataType::Text(_)) {
        let why = if column.masked { "masked" } else { "no text" };
        return Err(Error::invalid(format!("{}.{} is {why}: nothing can be named by it", entity.name, column.name)));
    }
    let place = entity.qualified();
    context.natural_keys.retain(|(table, _)| *table != place);
    context.natural_keys.push((place, column.name.clone()));
    let mut named = (*catalog).clone();
    apply(&context.natural_keys, &mut named);
    context.session.set_catalog(Arc::new(named))
}

/// Names the records of a catalog by the fields that were chosen: tables and columns by name.
pub fn apply(chosen: &[(String, String)], catalog: &mut Catalog) {
    let ids: Vec<_> = catalog.iter().map(|(id, _)| id).collect();
    for id in ids {
        let entity = catalog.get_mut(id);
        let place = entity.qualified();
        let found = chosen.iter().find(|(table, _)| *table == place).and_then(|(_, column)| entity.column(column));
        let Some(at) = found.map(|(at, _)| at) else { continue };
        entity.display = Some(at);
        if is_unique(entity, at) {
            entity.natural_key = Some(at);
        }
    }
}

/// Whether the database lets no two records have the same.
fn is_unique(entity: &Entity, at: usize) -> bool {
    !entity.columns[at].nullable && entity.indexes.iter().any(|index| index.unique && index.columns == [at])
}

/// The setting as `.show` has it.
pub fn shown(context: &Context) -> String {
    if context.natural_keys.is_empty() {
        return "off".into();
    }
    let catalog = context.session.catalog();
    let name = |(table, column): &(String, String)| {
        let model = catalog.iter().find(|(_, entity)| entity.qualified() == *table);
        format!("{}.{column}", model.map_or(table.as_str(), |(_, entity)| entity.name.as_str()))
    };
    context.natural_keys.iter().map(name).collect::<Vec<String>>().join(", ")
}

/// Every value that the setting can have.
pub fn choices(catalog: &Catalog) -> Vec<String> {
    let fields = |entity: &Entity| -> Vec<String> {
        let text =
            entity.columns.iter().filter(|column| !column.masked && matches!(column.data_type, DataType::Text(_)));
        text.map(|column| format!("{}.{}", entity.name, column.name)).collect()
    };
    let all = catalog.iter().flat_map(|(_, entity)| fields(entity));
    std::iter::once("off".to_owned()).chain(all).collect()
}
