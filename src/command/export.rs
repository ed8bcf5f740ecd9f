//! `.export`, `.copy`, `.watch`.

use super::{Context, Flow, Front, Origin, dispatch, target};
use crate::language::ast::{Command, Name};
use crate::language::{self};
use crate::model::{Catalog, EntityId, EntityKind};
use crate::outcome::Level;
use crate::text::Span;
use crate::{Error, Result, files};
use std::path::Path;
use std::sync::Arc;

/// Runs a reading command that stands within another.
fn inner(text: &str, offset: usize, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let catalog = Arc::clone(context.session.catalog());
    let shift = |error: Error| error.moved(offset);
    let command = language::parse(text, &catalog).map_err(shift)?;
    if !matches!(command, Command::Query(_) | Command::Attribute(..) | Command::Aggregate(_) | Command::Distinct(_)) {
        return Err(Error::invalid("a command that reads is needed here").at(Span::new(offset, offset + text.len())));
    }
    dispatch(&command, origin, context, front).map(drop).map_err(shift)
}

/// `.export FILE QUERY`
pub fn export(rest: &Name<'_>, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let usage =
        || Error::invalid(".export needs a file and a query").at(rest.span).hint(".export users.csv list users");
    let text = rest.text.as_ref();
    let (file, query) = match text.strip_prefix('\'') {
        Some(quoted) => quoted.split_once('\'').ok_or_else(usage)?,
        None => text.split_once(char::is_whitespace).ok_or_else(usage)?,
    };
    let query = query.trim_start();
    let path = Path::new(file);
    let mode = front.mode_for(path).map_err(|e| e.at(rest.span))?;
    let before = front.setting("mode", context)?;
    target::spares_database(path, context).map_err(|e| e.at(rest.span))?;
    // Beside the file, which takes its place when all is written: a query that fails leaves what was there before.
    let plain = std::fs::symlink_metadata(path).map_or(true, |known| known.is_file());
    let failed = |cause: std::io::Error| target::failed(path, &cause).at(rest.span);
    let new = if plain { Some(files::Replacement::of(path).map_err(failed)?) } else { None };
    let to = match &new {
        Some(new) => new.handle().map_err(failed)?,
        None => target::open(path, context).map_err(|e| e.at(rest.span))?,
    };
    front.redirect(Some(to))?;
    front.set("mode", mode, context)?;
    let offset = rest.span.end - query.len();
    let done = inner(query, offset, origin, context, front);
    front.set("mode", &before, context)?;
    let done = done.and(front.redirect(None));
    if done.is_err() {
        // Also where the error was that the rest could not be written.
        let _ = front.redirect(None);
    }
    match new {
        Some(new) => done.and_then(|()| new.take_place().map(drop).map_err(failed)),
        None => done,
    }
}

/// `.copy [QUERY]`
pub fn copy(rest: &Name<'_>, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let text = if rest.text.is_empty() { "$_" } else { rest.text.as_ref() };
    let mode = front.setting("mode", context)?;
    front.collect(if mode == "auto" { "tsv" } else { &mode })?;
    let done = inner(text, rest.span.start, origin, context, front);
    let collected = front.collected()?;
    done?;
    front.clipboard(&collected)?;
    front.notice(Level::Info, &format!("{} bytes are in the clipboard", collected.len()))
}

/// `.watch SECONDS COMMAND`
pub fn watch(rest: &Name<'_>) -> Result<Flow> {
    let usage =
        || Error::invalid(".watch needs a number of seconds and a command").at(rest.span).hint(".watch 2 count users");
    let (seconds, command) = rest.text.split_once(char::is_whitespace).ok_or_else(usage)?;
    let seconds: f64 = seconds.parse().map_err(|_| usage())?;
    if !(0.1..=86_400.0).contains(&seconds) {
        return Err(Error::invalid("between 0.1 seconds and a day").at(rest.span));
    }
    Ok(Flow::Watch(std::time::Duration::from_secs_f64(seconds), command.trim().to_owned()))
}

/// The tables that one leads to by foreign keys, within some, itself left out unless there is a way back.
fn reached(from: EntityId, within: &[EntityId], catalog: &Catalog) -> Vec<EntityId> {
    let mut found: Vec<EntityId> = Vec::new();
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        for key in catalog.get(id).foreign_keys.iter().filter(|key| key.to != id) {
            if within.contains(&key.to) && !found.contains(&key.to) {
                found.push(key.to);
                open.push(key.to);
            }
        }
    }
    found
}

/// Tables so that what is referred to comes before what refers to it, as far as that is possible: of tables that refer to
/// each other in a circle, first one that can be without the others, and all of them before what only refers to them.
pub fn parents_first(catalog: &Catalog, wanted: &[EntityId]) -> Vec<EntityId> {
    let mut order: Vec<EntityId> = Vec::new();
    let mut rest: Vec<EntityId> = catalog
        .iter()
        .filter(|(id, model)| model.kind == EntityKind::Table && (wanted.is_empty() || wanted.contains(id)))
        .map(|(id, _)| id)
        .collect();
    while !rest.is_empty() {
        let free =
            |id: &EntityId| catalog.get(*id).foreign_keys.iter().all(|key| key.to == *id || !rest.contains(&key.to));
        let next = rest.iter().position(free).unwrap_or_else(|| {
            let bound = |id: &EntityId| {
                let model = catalog.get(*id);
                let open = model.foreign_keys.iter().filter(|key| key.to != *id && rest.contains(&key.to));
                open.filter(|key| key.columns.iter().any(|at| !model.columns[*at].nullable)).count()
            };
            let places = 0..rest.len();
            // The circle that leads to no other has the fewest tables in reach.
            places.min_by_key(|at| (reached(rest[*at], &rest, catalog).len(), bound(&rest[*at]))).unwrap_or(0)
        });
        order.push(rest.remove(next));
    }
    order
}
