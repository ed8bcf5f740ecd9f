//! What else happens: from the foreign keys' own actions, before anything is staged.

use super::{Context, Front};
use crate::language::ast::{CompareOp, Function, Path};
use crate::language::quote::quote_name;
use crate::language::{Lexer, TokenKind};
use crate::model::{Catalog, DataType, EntityId, ForeignKey, ReferentialAction, Value};
use crate::outcome::HeaderColumn;
use crate::plan::query::{Alias, ColumnRef, Expr, From, Output, Select};
use crate::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::sync::Arc;

/// How many keys one query asks for.
const BATCH: usize = 500;

/// How deep cascades are followed.
const DEPTH: usize = 8;

/// Rows of one table that are to go.
#[derive(Debug)]
pub struct Going {
    /// The table.
    pub entity: EntityId,
    /// All columns of each.
    pub rows: Vec<Vec<Value>>,
    /// The relationships that lead there from what was asked for.
    pub way: Vec<String>,
}

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
}

/// What becomes of rows that are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// They go.
    Goes,
    /// They would have to go.
    Blocks,
}

impl Consequences {
    /// Looks for rows that refer to rows about to be deleted, other than those that go with them.
    ///
    /// # Errors
    /// The database's own.
    pub fn of(all: &[Going], going: &HashSet<String>, context: &mut Context) -> Result<Self> {
        let mut found = Self::default();
        let mut seen = going.clone();
        for Going { entity, rows, way } in all {
            found.follow(*entity, rows, way, Fate::Goes, &mut seen, context)?;
        }
        Ok(found)
    }

    fn follow(
        &mut self,
        entity: EntityId,
        rows: &[Vec<Value>],
        way: &[String],
        fate: Fate,
        seen: &mut HashSet<String>,
        context: &mut Context,
    ) -> Result<()> {
        let catalog = Arc::clone(context.session.catalog());
        let referring: Vec<(EntityId, ForeignKey)> = catalog
            .iter()
            .flat_map(|(id, model)| model.foreign_keys.iter().map(move |key| (id, key.clone())))
            .filter(|(_, key)| key.to == entity)
            .collect();
        for (id, key) in referring {
            let mut children = Vec::new();
            for batch in rows.chunks(BATCH) {
                let select = referring_rows(id, &key, batch, &catalog);
                context.session.query(&select, &mut |cells| {
                    children.push(cells.iter().map(|cell| cell.to_value()).collect::<Vec<Value>>());
                    Ok(true)
                })?;
            }
            // A row that goes already is counted once; one that refers to itself goes with itself.
            children.retain(|row| !seen.contains(&identity(id, row, &catalog)));
            if children.is_empty() {
                continue;
            }
            let count = children.len();
            let fate = match (key.on_delete, fate) {
                (ReferentialAction::SetNull | ReferentialAction::SetDefault, Fate::Goes) => {
                    add(&mut self.emptied, id, count);
                    continue;
                }
                (ReferentialAction::SetNull | ReferentialAction::SetDefault, Fate::Blocks) => continue,
                (ReferentialAction::Cascade, Fate::Goes) => {
                    add(&mut self.deleted, id, count);
                    Fate::Goes
                }
                (ReferentialAction::Restrict, Fate::Goes) => {
                    add(&mut self.blocking, id, count);
                    Fate::Blocks
                }
                (_, Fate::Blocks) => Fate::Blocks,
            };
            let name = catalog
                .get(entity)
                .relationships
                .iter()
                .find(|way| !way.owning && way.link.is_none() && way.to == id && way.remote == key.columns)
                .map(|way| way.name.clone());
            let way: Vec<String> = way.iter().cloned().chain(name.clone()).collect();
            if fate == Fate::Blocks && key.on_delete == ReferentialAction::Restrict && name.is_some() {
                self.needed.push(way.clone());
            }
            seen.extend(children.iter().map(|row| identity(id, row, &catalog)));
            if way.len() < DEPTH {
                self.follow(id, &children, &way, fate, seen, context)?;
            }
        }
        Ok(())
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

/// A row's identity among all tables.
pub fn identity(entity: EntityId, row: &[Value], catalog: &Catalog) -> String {
    let model = catalog.get(entity);
    let key: Vec<&Value> =
        if model.key.is_empty() { row.iter().collect() } else { model.key.iter().map(|at| &row[*at]).collect() };
    format!("{entity:?}{key:?}")
}

/// All columns of the rows that refer to some rows by a foreign key.
fn referring_rows(id: EntityId, key: &ForeignKey, rows: &[Vec<Value>], catalog: &Catalog) -> Select {
    let alias = Alias(0);
    let model = catalog.get(id);
    let column = |at: usize| Expr::Column(ColumnRef { alias, entity: id, column: at });
    let value = |at: usize, row: &[Value], to: usize| Expr::Value(row[to].clone(), model.columns[at].data_type.clone());
    let filter = match (key.columns.as_slice(), key.to_columns.as_slice()) {
        ([at], [to]) => Expr::In(Box::new(column(*at)), rows.iter().map(|row| value(*at, row, *to)).collect()),
        _ => Expr::Or(
            rows.iter()
                .map(|row| {
                    let pairs = key.columns.iter().zip(&key.to_columns);
                    Expr::And(
                        pairs
                            .map(|(at, to)| {
                                Expr::Compare(Box::new(column(*at)), CompareOp::Eq, Box::new(value(*at, row, *to)))
                            })
                            .collect(),
                    )
                })
                .collect(),
        ),
    };
    let columns = model
        .columns
        .iter()
        .enumerate()
        .map(|(at, known)| Output {
            expr: column(at),
            column: HeaderColumn { name: known.name.clone(), data_type: known.data_type.clone(), masked: false },
        })
        .collect();
    select(id, columns, Some(filter))
}

fn select(entity: EntityId, columns: Vec<Output>, filter: Option<Expr>) -> Select {
    Select {
        from: From { entity, alias: Alias(0), joins: Vec::new() },
        columns,
        filter,
        group_by: Vec::new(),
        distinct: false,
        order: Vec::new(),
        limit: None,
        offset: None,
    }
}

/// How many rows a table has, with what is staged.
pub fn total(entity: EntityId, context: &mut Context) -> Result<usize> {
    let column = HeaderColumn { name: "count".into(), data_type: DataType::Int(64), masked: false };
    let select = select(entity, vec![Output { expr: Expr::Aggregate(Function::Count, None), column }], None);
    let mut total = 0;
    context.session.query(&select, &mut |cells| {
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
    context: &Context,
    front: &mut dyn Front,
) -> Result<bool> {
    if !context.interactive || !(whole || rows >= context.confirm) {
        return Ok(true);
    }
    Ok(front.ask(&question())? != Some(false))
}
