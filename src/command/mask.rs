//! `.unmask`, and what commands that show values as they are say of masked columns.

use super::{Context, Front};
use crate::language::ast::Name;
use crate::language::quote::quote_name;
use crate::model::{Catalog, Entity, EntityId};
use crate::outcome::Level;
use crate::{Error, ErrorKind, Result};
use std::sync::Arc;

/// `.unmask [MODEL.FIELD]`
pub fn unmask(arguments: &[Name<'_>], context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let catalog = Arc::clone(context.session.catalog());
    let Some(wanted) = arguments.first() else {
        let mut found = Vec::new();
        for (_, entity) in catalog.iter() {
            for column in entity.columns.iter().filter(|column| column.masked) {
                let shown = if column.unmasked { "  (shown)" } else { "" };
                found.push(format!("{}{shown}", path(entity, &column.name)));
            }
        }
        if found.is_empty() {
            return front.notice(Level::Info, "no field is masked");
        }
        return found.iter().try_for_each(|line| front.line(line));
    };
    if let Some(more) = arguments.get(1) {
        return Err(Error::invalid(".unmask takes one field").at(more.span).hint(".unmask user.api_key"));
    }
    unlocked(".unmask", context).map_err(|e| e.at(wanted.span))?;
    let (model, field) = wanted.text.rsplit_once('.').ok_or_else(|| {
        Error::invalid(".unmask needs a model and a field").at(wanted.span).hint(".unmask user.api_key")
    })?;
    let name = |text: &str| Name { text: text.replace('`', "").into(), span: wanted.span };
    let id = catalog.resolve(&name(model).text).map_err(|e| e.at(wanted.span))?;
    let entity = catalog.get(id);
    let (_, column) = crate::plan::column(entity, &name(field))?;
    if !column.is_hidden() {
        return front.notice(Level::Info, &format!("{} is not masked", path(entity, &column.name)));
    }
    context.unmasked.push((entity.qualified(), column.name.clone()));
    let mut shown = (*catalog).clone();
    show(&context.unmasked, &mut shown);
    context.session.set_catalog(Arc::new(shown))?;
    let text = format!("{} is shown until the end of this session", path(entity, &column.name));
    front.notice(Level::Warning, &text)
}

/// Shows the fields of a catalog that a person asked to see: tables and columns by name.
pub fn show(unmasked: &[(String, String)], catalog: &mut Catalog) {
    let ids: Vec<EntityId> = catalog.iter().map(|(id, _)| id).collect();
    for id in ids {
        let entity = catalog.get_mut(id);
        let table = entity.qualified();
        for column in &mut entity.columns {
            column.unmasked = unmasked.iter().any(|(known, name)| *known == table && *name == column.name);
        }
    }
}

/// Refuses a command that shows what is masked, where the application keeps that to itself.
///
/// # Errors
/// `Refused`, with the command's name.
pub fn unlocked(command: &str, context: &Context) -> Result<()> {
    if context.masks_locked {
        return Err(Error::new(
            ErrorKind::Refused,
            format!("masked fields stay masked here, so there is no {command}"),
        ));
    }
    Ok(())
}

/// Says which masked fields of some models a command writes as they are.
///
/// # Errors
/// When reporting fails.
pub fn warn(models: &[EntityId], catalog: &Catalog, front: &mut dyn Front) -> Result<()> {
    let hidden: Vec<String> = models
        .iter()
        .flat_map(|id| {
            let entity = catalog.get(*id);
            entity.columns.iter().filter(|column| column.is_hidden()).map(|column| path(entity, &column.name))
        })
        .collect();
    if hidden.is_empty() {
        return Ok(());
    }
    front.notice(Level::Warning, &format!("masked fields are written as they are: {}", hidden.join(", ")))
}

/// Says that SQL shows masked columns as they are, where a result or a statement names some.
///
/// # Errors
/// When reporting fails.
pub fn warn_sql(names: &[String], statement: &str, catalog: &Catalog, front: &mut dyn Front) -> Result<()> {
    let is_in = |column: &str| {
        let word = |c: char| !(c.is_alphanumeric() || c == '_');
        names.iter().any(|name| name.eq_ignore_ascii_case(column))
            || statement.split(word).any(|word| word.eq_ignore_ascii_case(column))
    };
    let mut hidden: Vec<&str> = catalog
        .iter()
        .flat_map(|(_, entity)| &entity.columns)
        .filter(|column| column.is_hidden() && is_in(&column.name))
        .map(|column| column.name.as_str())
        .collect();
    hidden.sort_unstable();
    hidden.dedup();
    if hidden.is_empty() {
        return Ok(());
    }
    front.notice(Level::Warning, &format!("SQL knows no masks: {} is shown as it is", hidden.join(", ")))
}

fn path(entity: &Entity, column: &str) -> String {
    format!("{}.{}", quote_name(&entity.name), quote_name(column))
}
