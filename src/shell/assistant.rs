//! rustyline's questions about a line, answered by `assist/` from what the console knows.

use super::console::Console;
use super::settings::{SETTINGS, Setting};
use crate::assist::{self, Class, World};
use crate::language::ast::{CompareOp, TextOp};
use crate::model::{Catalog, DataType, EntityId, Value};
use crate::outcome::HeaderColumn;
use crate::plan::Bound;
use crate::plan::query::{Alias, ColumnRef, Expr, From, Order, Output, Select, Statement};
use crate::render::{Ink, Theme, is_dangerous, sanitise};
use crate::session::journal::Change;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a lookup of values may take before it gives up quietly.
const PATIENCE: Duration = Duration::from_millis(50);

/// How many values are offered.
const MOST: u64 = 20;

/// Columns of the screen that a candidate's note begins at, at the most.
const NOTE: usize = 32;

/// Completion, colours and hints for the line editor.
pub(super) struct Assistant {
    pub(super) console: Rc<RefCell<Console>>,
    pub(super) colour: bool,
    pub(super) theme: Theme,
    /// Whether lines arrive faster than anyone reads: no hints and no colours, which take longer than the line.
    pub(super) in_haste: bool,
}

impl Assistant {
    fn catalog(&self) -> Option<Arc<Catalog>> {
        self.console.try_borrow().ok().map(|console| Arc::clone(console.context.session.catalog()))
    }

    fn variable(&self, name: &str) -> Option<EntityId> {
        let console = self.console.try_borrow().ok()?;
        match console.context.variables.get(name)? {
            Bound::Record(record) => Some(record.entity),
            Bound::Records(entity, _) => Some(*entity),
            Bound::Value(_) => None,
        }
    }
}

impl Helper for Assistant {}
impl Validator for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, position: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let Some(catalog) = self.catalog() else { return Ok((position, Vec::new())) };
        let mut completion = assist::complete(line, position, &catalog, &Surroundings(&self.console));
        // What cannot be typed is not put into a line either.
        completion.candidates.retain(|candidate| !candidate.text.chars().any(is_dangerous));
        let widest = completion.candidates.iter().map(|candidate| candidate.text.chars().count()).max().unwrap_or(0);
        let pairs = completion
            .candidates
            .into_iter()
            .map(|candidate| {
                let pad = " ".repeat(widest.min(NOTE).saturating_sub(candidate.text.chars().count()));
                let display = if candidate.note.is_empty() {
                    candidate.text.clone()
                } else {
                    format!("{}{pad}  {}", candidate.text, sanitise(&candidate.note))
                };
                // What follows a whole name is a blank; a field that takes a value ends in = already.
                Pair { display, replacement: candidate.text }
            })
            .collect();
        Ok((completion.start, pairs))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, position: usize, _: &Context<'_>) -> Option<String> {
        if position < line.len() || self.in_haste {
            return None;
        }
        let catalog = self.catalog()?;
        if let Some(hint) = assist::hint(line, &catalog, &|name| self.variable(name)) {
            return Some(sanitise(&hint).into_owned());
        }
        // From history, but never a line that changes data.
        let console = self.console.try_borrow().ok()?;
        let history = console.screen.history.borrow();
        if line.trim().len() < 2 {
            return None;
        }
        let known = history.iter().rev().find(|entry| entry.starts_with(line) && entry.len() > line.len())?;
        let rest = &known[line.len()..];
        (assist::only_reads(known, &catalog) && !rest.chars().any(is_dangerous)).then(|| rest.to_owned())
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, position: usize) -> Cow<'l, str> {
        let (true, Some(catalog)) = (self.colour && !self.in_haste, self.catalog()) else { return visible(line) };
        let bracket = assist::matching_bracket(line, position);
        let mut out = String::with_capacity(line.len() + 64);
        let mut at = 0;
        for (span, class) in assist::classes(line, &catalog, &|name| self.variable(name)) {
            plain(&line[at..span.start], at, bracket, &mut out);
            let text = visible(&line[span.start..span.end]);
            match class {
                // Marked by a line under it as well as by its colour.
                Class::Wrong => out.push_str(&format!("\x1b[4;31m{text}\x1b[0m")),
                _ => out.push_str(&self.theme.paint(ink(class), &text)),
            }
            at = span.end;
        }
        plain(&line[at..], at, bracket, &mut out);
        Cow::Owned(out)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colour { Cow::Owned(self.theme.paint(Ink::Faint, hint)) } else { Cow::Borrowed(hint) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        // Always: a colour may change far from the cursor, and brackets with every move.
        self.colour && !self.in_haste
    }
}

/// A piece without a class; the bracket that belongs to the one under the cursor stands out.
fn plain(text: &str, offset: usize, bracket: Option<usize>, out: &mut String) {
    match bracket.filter(|at| (offset..offset + text.len()).contains(at)) {
        Some(at) => {
            let at = at - offset;
            out.push_str(&visible(&text[..at]));
            out.push_str(&format!("\x1b[7m{}\x1b[0m", &text[at..=at]));
            out.push_str(&visible(&text[at + 1..]));
        }
        None => out.push_str(&visible(text)),
    }
}

/// A piece of the line that is edited: what was pasted or comes from the history must not drive the terminal, and must take
/// as much room as the editor thinks, so each such character is one mark.
fn visible(text: &str) -> Cow<'_, str> {
    let drives = |c: char| is_dangerous(c) && !matches!(c, '\n' | '\t');
    if text.contains(drives) { Cow::Owned(text.replace(drives, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

const fn ink(class: Class) -> Ink {
    match class {
        Class::Keyword => Ink::Keyword,
        Class::Model => Ink::Model,
        Class::Field => Ink::Field,
        Class::Text => Ink::Text,
        Class::Number => Ink::Number,
        Class::Variable => Ink::Variable,
        Class::Comment => Ink::Faint,
        Class::Wrong => Ink::Error,
    }
}

/// The console's variables, settings and values, for completion.
struct Surroundings<'a>(&'a RefCell<Console>);

impl World for Surroundings<'_> {
    fn variables(&self) -> Vec<(String, String)> {
        let Ok(console) = self.0.try_borrow() else { return Vec::new() };
        let catalog = console.context.session.catalog();
        let mut found: Vec<(String, String)> = console
            .context
            .variables
            .iter()
            .map(|(name, bound)| {
                let note = match bound {
                    Bound::Record(record) => catalog.get(record.entity).repr(&record.values),
                    Bound::Records(entity, rows) => format!("{} {}", rows.len(), catalog.get(*entity).plural),
                    Bound::Value(value) => crate::language::quote::quote_value(value),
                };
                (name.clone(), note)
            })
            .collect();
        found.sort();
        found
    }

    fn variable(&self, name: &str) -> Option<EntityId> {
        match self.0.try_borrow().ok()?.context.variables.get(name)? {
            Bound::Record(record) => Some(record.entity),
            Bound::Records(entity, _) => Some(*entity),
            Bound::Value(_) => None,
        }
    }

    fn settings(&self) -> Vec<(String, Vec<String>)> {
        let Ok(console) = self.0.try_borrow() else { return Vec::new() };
        let words = |setting: &Setting| setting.choices().into_iter().map(str::to_owned).collect();
        let shell = SETTINGS.iter().map(|setting| (setting.name.to_owned(), words(setting)));
        let natural = ("natural-key".to_owned(), console.context.natural_key_choices());
        let shell = shell.filter(|(name, _)| *name != natural.0).chain([natural.clone()]);
        shell.chain(console.context.own.choices()).collect()
    }

    fn arguments(&self, command: &str, earlier: &[&str], typed: &str) -> Vec<String> {
        // Cloned, so that the application's closure finds the console free.
        let Ok(own) = self.0.try_borrow().map(|console| console.context.own.clone()) else { return Vec::new() };
        own.complete(command, earlier, typed)
    }

    fn revisions(&self) -> Vec<(String, String)> {
        let Ok(mut console) = self.0.try_borrow_mut() else { return Vec::new() };
        let revisions = console.context.session.store().revisions().unwrap_or_default();
        revisions.into_iter().map(|revision| (revision.version, revision.name)).collect()
    }

    fn savepoints(&self) -> Vec<String> {
        let Ok(console) = self.0.try_borrow() else { return Vec::new() };
        console.context.session.savepoints().map(str::to_owned).collect()
    }

    fn connections(&self) -> Vec<String> {
        self.0.try_borrow().map(|console| console.connections.clone()).unwrap_or_default()
    }

    fn files(&self, prefix: &str) -> Vec<String> {
        let (folder, name) = match prefix.rfind('/') {
            Some(at) => prefix.split_at(at + 1),
            None => ("", prefix),
        };
        let Ok(entries) = std::fs::read_dir(if folder.is_empty() { Path::new(".") } else { Path::new(folder) }) else {
            return Vec::new();
        };
        let mut found: Vec<String> = entries
            .flatten()
            .filter_map(|entry| {
                let file = entry.file_name().into_string().ok()?;
                let wanted = file.starts_with(name) && (!file.starts_with('.') || name.starts_with('.'));
                let end = if entry.file_type().is_ok_and(|kind| kind.is_dir()) { "/" } else { "" };
                wanted.then(|| format!("{folder}{file}{end}"))
            })
            .collect();
        found.sort();
        found
    }

    fn values(&self, entity: EntityId, column: usize, prefix: &str) -> Vec<(Value, Option<String>)> {
        let Ok(mut console) = self.0.try_borrow_mut() else { return Vec::new() };
        let session = &mut console.context.session;
        let catalog = Arc::clone(session.catalog());
        let model = catalog.get(entity);
        let known = &model.columns[column];
        let indexed = model.key.first() == Some(&column)
            || model.indexes.iter().any(|index| index.columns.first() == Some(&column));
        if known.is_hidden() {
            return Vec::new();
        }
        // What is staged first: the database does not have it yet.
        let mut found: Vec<(Value, Option<String>)> = session
            .entries()
            .iter()
            .flat_map(|entry| &entry.changes)
            .filter_map(|change| match change {
                Change::Insert { entity: e, columns, values, .. } if *e == entity => {
                    let at = columns.iter().position(|at| *at == column)?;
                    values[at].as_text().is_some_and(|text| text.starts_with(prefix)).then(|| values[at].clone())
                }
                _ => None,
            })
            .map(|value| (value, Some("staged".to_owned())))
            .collect();
        // Never inside a transaction that is held open.
        if session.is_open() {
            return found;
        }
        let binary = session.store().facts().binary_order;
        let select = if indexed {
            lookup(entity, column, prefix, &catalog, binary)
        } else {
            Some(sample(entity, column, &catalog))
        };
        let Some(select) = select else { return found };
        let staged = found.len();
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        let cancel = session.cancel();
        let watch = std::thread::spawn(move || {
            if waiting.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
                && let Some(cancel) = cancel
            {
                cancel();
            }
        });
        let asked = session.store().query(&catalog, &Statement::Select(&select), &mut |cells| {
            let note = cells.get(1).map(ToString::to_string);
            found.push((cells[0].to_value(), note));
            Ok(true)
        });
        drop(done);
        let _ = watch.join();
        if asked.is_err() {
            found.truncate(staged);
        } else if !indexed {
            few(&mut found, prefix);
        }
        found
    }
}

/// The values of a column that begin with a prefix, in the order of its index, with their keys.
fn lookup(entity: EntityId, column: usize, prefix: &str, catalog: &Catalog, binary: bool) -> Option<Select> {
    let model = catalog.get(entity);
    let alias = Alias(0);
    let data_type = model.columns[column].data_type.clone();
    let expr = |column| Expr::Column(ColumnRef { alias, entity, column });
    let output = |column: usize| Output {
        expr: expr(column),
        column: HeaderColumn {
            name: model.columns[column].name.clone(),
            data_type: model.columns[column].data_type.clone(),
            masked: false,
        },
    };
    let mut filter = vec![Expr::Not(Box::new(Expr::IsNull(Box::new(expr(column)))))];
    if !prefix.is_empty() {
        if !matches!(data_type, DataType::Text(_)) {
            return None;
        }
        let text = |text: String| Box::new(Expr::Value(Value::Text(text), DataType::Text(None)));
        filter.push(Expr::Compare(Box::new(expr(column)), CompareOp::Ge, text(prefix.to_owned())));
        if binary {
            // Past the last text with this beginning, where texts are ordered by their bytes.
            let end = format!("{prefix}{}", char::MAX);
            filter.push(Expr::Compare(Box::new(expr(column)), CompareOp::Lt, text(end)));
        }
        filter.push(Expr::Text(Box::new(expr(column)), TextOp::StartsWith, text(prefix.to_owned())));
    }
    let mut columns = vec![output(column)];
    if let [key] = model.key.as_slice()
        && *key != column
        && !model.columns[*key].is_hidden()
    {
        columns.push(output(*key));
    }
    Some(Select {
        from: From { entity, alias, joins: Vec::new() },
        columns,
        filter: Some(Expr::And(filter)),
        group_by: Vec::new(),
        distinct: false,
        order: vec![Order { expr: expr(column), descending: false, nulls_first: None }],
        limit: Some(MOST),
        offset: None,
    })
}

/// How many rows of a column without an index are looked at.
const SAMPLE: u64 = 500;

/// Some values of a column, in no order.
fn sample(entity: EntityId, column: usize, catalog: &Catalog) -> Select {
    let alias = Alias(0);
    let known = &catalog.get(entity).columns[column];
    Select {
        from: From { entity, alias, joins: Vec::new() },
        columns: vec![Output {
            expr: Expr::Column(ColumnRef { alias, entity, column }),
            column: HeaderColumn { name: known.name.clone(), data_type: known.data_type.clone(), masked: false },
        }],
        filter: None,
        group_by: Vec::new(),
        distinct: false,
        order: Vec::new(),
        limit: Some(SAMPLE),
        offset: None,
    }
}

/// The different values that begin with a prefix, if there are few different ones at all.
fn few(found: &mut Vec<(Value, Option<String>)>, prefix: &str) {
    let mut seen = std::collections::HashSet::new();
    found.retain(|(value, _)| !value.is_null() && seen.insert(value.to_string()));
    if found.len() as u64 > MOST {
        found.clear();
    }
    found.retain(|(value, _)| value.to_string().starts_with(prefix));
    found.sort_by_key(|(value, _)| value.to_string());
}
