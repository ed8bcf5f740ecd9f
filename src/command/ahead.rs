//! Looking ahead in a text of many commands: the records that they name are asked for together, before they are needed.
//!
//! It changes no answer: what is not found here, or cannot be told from the text alone, is asked for as ever.

use super::Context;
use crate::Result;
use crate::language::ast::{Assignment, Command, Literal, LiteralKind, RecordRef, Target};
use crate::language::{Scan, parse_line, scan};
use crate::model::{Catalog, EntityId, Value};
use crate::plan::{self, Meanings};
use std::collections::HashSet;
use std::sync::Arc;

/// How many commands are looked at.
const COMMANDS: usize = 5_000;

/// Records by a table, a column and its value.
#[derive(Default)]
struct Named {
    tables: Vec<(EntityId, usize, Vec<Value>)>,
    /// In words, so that each is asked for once; those that are only going to be added, not at all.
    known: HashSet<(EntityId, usize, String)>,
}

impl Named {
    fn add(&mut self, entity: EntityId, column: usize, value: Value) {
        if value.is_null() || !self.known.insert((entity, column, format!("{value:?}"))) {
            return;
        }
        match self.tables.iter_mut().find(|(table, at, _)| (*table, *at) == (entity, column)) {
            Some((_, _, values)) => values.push(value),
            None => self.tables.push((entity, column, vec![value])),
        }
    }

    /// A record that a key names, where the key can mean only one thing.
    fn name(&mut self, entity: EntityId, key: &[Literal<'_>], context: &Context) {
        if key.iter().any(|part| matches!(part.kind, LiteralKind::Variable(..) | LiteralKind::Null)) {
            return;
        }
        if let Ok(Meanings { unique, label: None }) = plan::meanings(entity, key, context)
            && let [by] = unique.as_slice()
            && let [(column, value)] = by.as_slice()
        {
            self.add(entity, *column, value.clone());
        }
    }

    /// What the values of fields refer to.
    fn refer(&mut self, entity: EntityId, assignments: &[Assignment<'_>], adds: bool, context: &Context) {
        let catalog = context.session.catalog();
        let model = catalog.get(entity);
        for assignment in assignments {
            let name = &assignment.field.text;
            if let Some(way) = catalog.relationship(entity, name) {
                if way.owning {
                    self.name(way.to, &assignment.value, context);
                }
            } else if let (Some((at, column)), [only]) = (model.column(name), assignment.value.as_slice())
                && !matches!(only.kind, LiteralKind::Variable(..))
                && let Some(value) = plan::literal(only, context).ok().and_then(|value| column.check(value).ok())
            {
                for key in model.foreign_keys.iter().filter(|key| key.columns == [at]) {
                    if let [to] = key.to_columns.as_slice() {
                        self.add(key.to, *to, value.clone());
                    }
                }
                if adds && model.natural_key == Some(at) {
                    self.known.insert((entity, at, format!("{value:?}")));
                }
            }
        }
    }

    fn take(&mut self, command: &Command<'_>, catalog: &Catalog, context: &Context) {
        match command {
            Command::Add(model, assignments) => {
                if let Ok(id) = catalog.resolve(&model.text) {
                    self.refer(id, assignments, true, context);
                }
            }
            Command::Set(Target::Record(RecordRef::Key { model, key }), assignments) => {
                if let Ok(id) = catalog.resolve(&model.text) {
                    self.name(id, key, context);
                    self.refer(id, assignments, false, context);
                }
            }
            Command::Delete(Target::Record(RecordRef::Key { model, key }), _) => {
                if let Ok(id) = catalog.resolve(&model.text) {
                    self.name(id, key, context);
                }
            }
            _ => {}
        }
    }
}

/// Asks for the records that the next commands of a text name. Gives how many commands were looked at.
///
/// # Errors
/// The database's objection to what is pending.
pub fn look_ahead(text: &str, context: &mut Context) -> Result<usize> {
    let catalog = Arc::clone(context.session.catalog());
    let mut named = Named::default();
    let (mut count, mut from) = (0, 0);
    while count < COMMANDS
        && from < text.len()
        && let Scan::Complete { end, next } = scan(text, from)
    {
        let piece = text[from..end].trim_start();
        from = next.max(from + 1);
        count += 1;
        // Where a command cannot be read, the run ends.
        let Ok(line) = parse_line(piece, &catalog) else { break };
        named.take(&line.command, &catalog, context);
    }
    context.session.look_ahead(&named.tables)?;
    Ok(count)
}
