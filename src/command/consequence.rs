//! What else happens: from the foreign keys' own actions, before anything is staged.

use super::{Context, Front};
use crate::language::ast::Path;
use crate::language::quote::quote_name;
use crate::language::{Lexer, TokenKind};
use crate::model::{Catalog, EntityId, ReferentialAction};
use crate::plan::bulk::Matched;
use crate::plan::query::{Alias, Bulk, From, Select};
use crate::session::effects::{Fate, Going, effects_of};
use crate::session::journal::Change;
use crate::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::sync::Arc;

/// What deleting rows does to rows that refer to them.
#[derive(Debug, Default)]
pub struct Consequences {
    /// Rows that go too, by entity.
    deleted: Vec<(EntityId, usize)>,
    /// Rows whose reference is emptied.
    emptied: Vec<(EntityId, usize)>,
    /// Rows that forbid it.
    blocking: Vec<(EntityId, usize)>,
    /// Where those are that would have to go for it, and all that refer to them.
    needed: Vec<Vec<String>>,
    effects: Vec<Change>,
}

impl Consequences {
    /// Looks for rows that refer to rows about to be deleted, other than those that go with them.
    ///
    /// # Errors
    /// The database's own.
    pub fn of(all: &[Going], going: &HashSet<String>, context: &mut Context) -> Result<Self> {
        let mut told = Self::default();
        let catalog = Arc::clone(context.session.catalog());
        context.session.referring(all, going, true, &mut |found| {
            let count = found.rows.len();
            match found.fate {
                Fate::Goes => add(&mut told.deleted, found.entity, count),
                Fate::Emptied => add(&mut told.emptied, found.entity, count),
                Fate::Forbids => add(&mut told.blocking, found.entity, count),
                Fate::Behind => {}
            }
            let blocks = matches!(found.fate, Fate::Forbids | Fate::Behind);
            if blocks && found.key.on_delete == ReferentialAction::Restrict && found.named {
                told.needed.push(found.way.to_vec());
            }
            told.effects.extend(effects_of(found, &catalog));
        })?;
        Ok(told)
    }

    /// What deleting all rows that a condition means does, by counting alone; none where that does not tell: rows that
    /// forbid it are to be named, and a row that is reached twice is one.
    ///
    /// # Errors
    /// The database's own.
    pub fn of_bulk(bulk: &Bulk, context: &mut Context) -> Result<Option<Self>> {
        let mut told = Self::default();
        let mut known = vec![bulk.entity()];
        let catalog = Arc::clone(context.session.catalog());
        let mut open = vec![Matched::of(bulk)];
        while let Some(going) = open.pop() {
            for found in going.referring(&known, &catalog) {
                let rows = count(&found.rows.count(), context)?;
                if rows == 0 {
                    continue;
                }
                match found.action {
                    _ if found.again => return Ok(None),
                    ReferentialAction::Restrict => return Ok(None),
                    ReferentialAction::Cascade => {
                        add(&mut told.deleted, found.entity, rows);
                        known.push(found.entity);
                        open.push(found.rows);
                    }
                    ReferentialAction::SetNull | ReferentialAction::SetDefault => {
                        add(&mut told.emptied, found.entity, rows);
                        known.push(found.entity);
                    }
                }
            }
        }
        Ok(Some(told))
    }

    /// What the database will do, as changes for reads.
    pub fn take_effects(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.effects)
    }

    /// Refuses what the database would refuse, with the way out: the command itself with what it lacks.
    ///
    /// # Errors
    /// `Constraint` when rows that stay forbid it.
    pub fn check(&self, what: &str, command: &Typed<'_>, catalog: &Catalog) -> Result<()> {
        if self.blocking.is_empty() {
            return Ok(());
        }
        let with = command.with.iter().map(|way| format!(" with {}", way.join("."))).collect::<String>();
        let error = Error::new(
            ErrorKind::Constraint,
            format!("{what}{with} is still referred to by {}", listed(&self.blocking, catalog)),
        );
        if self.needed.is_empty() {
            return Err(error);
        }
        // A way takes along whatever is on it.
        let all: Vec<&Vec<String>> = command.with.iter().chain(&self.needed).collect();
        let mut ways: Vec<String> = Vec::new();
        for way in &all {
            let spelled = way.iter().map(|name| quote_name(name)).collect::<Vec<_>>().join(".");
            let longer = all.iter().any(|other| other.len() > way.len() && other.starts_with(way));
            if !longer && !ways.contains(&spelled) {
                ways.push(spelled);
            }
        }
        Err(error.hint(format!("delete them too: `{} with {}`", command.text, ways.join(", "))))
    }

    /// How many rows of other tables go or change.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.deleted.iter().chain(&self.emptied).map(|(_, count)| count).sum()
    }

    /// "; also deletes 3 posts", or nothing.
    #[must_use]
    pub fn told(&self, catalog: &Catalog) -> String {
        let mut text = String::new();
        if !self.deleted.is_empty() {
            text.push_str(&format!("; also deletes {}", listed(&self.deleted, catalog)));
        }
        if !self.emptied.is_empty() {
            text.push_str(&format!("; empties the reference of {}", listed(&self.emptied, catalog)));
        }
        text
    }
}

/// A command to delete, as it was typed.
#[derive(Debug)]
pub struct Typed<'a> {
    /// All of it before `with`.
    pub text: &'a str,
    /// The relationships behind `with`.
    pub with: Vec<Vec<String>>,
}

impl<'a> Typed<'a> {
    /// The command that a text and its paths behind `with` are.
    #[must_use]
    pub fn new(text: &'a str, with: &[Path<'_>]) -> Self {
        let end = with.first().map_or(text.len(), |path| path.span().start);
        let mut end =
            Lexer::new(&text[..end]).filter(|token| is_said(token.kind)).last().map_or(0, |last| last.span.end);
        if !with.is_empty() {
            end -= "with".len();
        }
        let names = |path: &Path<'_>| path.names.iter().map(|name| name.text.to_string()).collect();
        Self { text: text[..end].trim(), with: with.iter().map(names).collect() }
    }
}

const fn is_said(kind: TokenKind) -> bool {
    !matches!(kind, TokenKind::Space | TokenKind::Comment)
}

/// Adds to the number of rows of a table.
pub fn add(to: &mut Vec<(EntityId, usize)>, id: EntityId, count: usize) {
    match to.iter_mut().find(|(known, _)| *known == id) {
        Some((_, number)) => *number += count,
        None => to.push((id, count)),
    }
}

/// "7 invoices and 38 invoice_lines".
#[must_use]
pub fn listed(counts: &[(EntityId, usize)], catalog: &Catalog) -> String {
    let parts: Vec<String> = counts.iter().map(|(id, count)| super::read::counted(catalog.get(*id), *count)).collect();
    parts.join(" and ")
}

/// How many rows a table has, with what is staged.
pub fn total(entity: EntityId, context: &mut Context) -> Result<usize> {
    let all = Select::new(From { entity, alias: Alias(0), joins: Vec::new() }, Vec::new());
    count(&Matched::of(&Bulk { rows: all, set: None }).count(), context)
}

/// The number that a query counts, with what is staged.
pub fn count(select: &Select, context: &mut Context) -> Result<usize> {
    let mut total = 0;
    context.session.query(select, &mut |cells| {
        if let crate::model::Cell::Int(number) = cells[0] {
            total = usize::try_from(number).unwrap_or(usize::MAX);
        }
        Ok(false)
    })?;
    Ok(total)
}

/// Asks before many rows or a whole table are changed; true when it may go on. `rows` counts all of them, in whatever table.
pub fn agreed(
    rows: usize,
    whole: bool,
    question: impl FnOnce() -> String,
    context: &mut Context,
    front: &mut dyn Front,
) -> Result<bool> {
    if !context.interactive || !(whole || rows >= context.confirm) {
        return Ok(true);
    }
    // No transaction is open while a person thinks.
    context.session.end_together()?;
    Ok(front.ask(&question())? != Some(false))
}
