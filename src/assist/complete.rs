//! Completion: a place in the text, and what could stand there.

use super::{command_start, entity_at};
use crate::language::quote::{quote_name, quote_value, quote_word};
use crate::language::table::{Rest, Slot};
use crate::language::{Expected, Lexer, TokenKind, table, trace};
use crate::model::{Cardinality, Catalog, Column, DataType, Entity, EntityId, Value};

/// One thing that could stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What is put in.
    pub text: String,
    /// A few words about it: its type, its key, what it does.
    pub note: String,
}

/// What could stand at the cursor, best first, and where what is replaced begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// Offset in the text.
    pub start: usize,
    /// The candidates.
    pub candidates: Vec<Candidate>,
}

/// What completion knows beside the language and the catalog.
pub trait World {
    /// Variables with a note.
    fn variables(&self) -> Vec<(String, String)>;
    /// The entity of a variable that holds a record or records.
    fn variable(&self, name: &str) -> Option<EntityId>;
    /// Settings with the values that they can have.
    fn settings(&self) -> Vec<(String, Vec<String>)>;
    /// Versions of migrations with their names.
    fn revisions(&self) -> Vec<(String, String)>;
    /// Names of savepoints.
    fn savepoints(&self) -> Vec<String>;
    /// Names of connections from the configuration.
    fn connections(&self) -> Vec<String>;
    /// Paths that begin with this.
    fn files(&self, prefix: &str) -> Vec<String>;
    /// Arguments of a command that an application adds: those before the cursor, and what is typed of the one at it.
    fn arguments(&self, _command: &str, _earlier: &[&str], _typed: &str) -> Vec<String> {
        Vec::new()
    }
    /// Values of a column that begin with a prefix, each with the key of its record where that says more. One bounded
    /// query on an index, or nothing.
    fn values(&self, entity: EntityId, column: usize, prefix: &str) -> Vec<(Value, Option<String>)>;
}

/// What could stand at the cursor.
#[must_use]
pub fn complete(text: &str, cursor: usize, catalog: &Catalog, world: &dyn World) -> Completion {
    let cursor = (0..=cursor.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let begin = command_start(text, cursor);
    let command = text[begin..cursor].trim_start();
    let offset = cursor - command.len();
    if command.starts_with('.') {
        return dot(command, offset, catalog, world);
    }
    let first = command.split_whitespace().next().unwrap_or_default();
    if command.len() > first.len() && catalog.extra_command(first).is_some() {
        return own(command, offset, world);
    }
    let start = word_start(command);
    let typed = &command[start..];
    let mut found = Vec::new();
    if command[..start].trim().is_empty() {
        beginnings(typed, catalog, world, &mut found);
    } else if let Some(variable) = typed.strip_prefix('$') {
        for (name, note) in world.variables() {
            found.push(Candidate { text: format!("${name}"), note });
        }
        let _ = variable;
    } else {
        expected(command, start, catalog, world, &mut found);
    }
    Completion { start: offset + start, candidates: ranked(typed, found) }
}

/// Where the word at the end of a command begins.
fn word_start(command: &str) -> usize {
    // In an open quote, the value begins with it.
    let last = Lexer::new(command).last();
    if let Some(token) = last
        && matches!(token.kind, TokenKind::Text(false) | TokenKind::Quoted(false))
    {
        return token.span.start;
    }
    let after = |stops: &[char]| {
        command.rfind(stops).map_or(0, |at| at + command[at..].chars().next().map_or(1, char::len_utf8))
    };
    let word = after(&[' ', '\t', '\n', '=', '(', ',', '<', '>', '!', ';']);
    // A dot in a path begins a new name; in a bare value behind = it does not.
    let is_value = word > 0 && matches!(command.as_bytes()[word - 1], b'=' | b'<' | b'>');
    match command[word..].rfind('.') {
        Some(dot) if !is_value || command[word..].starts_with('$') => word + dot + 1,
        _ => word,
    }
}

fn beginnings(typed: &str, catalog: &Catalog, world: &dyn World, found: &mut Vec<Candidate>) {
    let mut seen = std::collections::HashSet::new();
    for command in table::COMMANDS {
        let word = command.name.split(' ').next().unwrap_or_default();
        if seen.insert(word) && (!word.starts_with('.') || typed.starts_with('.')) {
            let note = if word == command.name { command.summary } else { "the schema and its migrations" };
            found.push(Candidate { text: word.to_owned(), note: note.to_owned() });
        }
    }
    for command in catalog.extra_commands().iter().filter(|command| !command.name.starts_with('.')) {
        found.push(Candidate { text: command.name.clone(), note: command.summary.clone() });
    }
    for (_, entity) in catalog.iter() {
        found.push(Candidate { text: quote_name(&entity.name), note: "model".into() });
    }
    for (name, note) in world.variables() {
        found.push(Candidate { text: format!("${name}"), note });
    }
}

/// By what the parser would have accepted behind the text before the word.
fn expected(command: &str, start: usize, catalog: &Catalog, world: &dyn World, found: &mut Vec<Candidate>) {
    let before = &command[..start];
    let mut trace = trace(before, catalog);
    let verb = before.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
    if trace.scope.is_empty() {
        // `sum id of posts`, `distinct body of posts`: the model comes after the field.
        if let Some(model) = command_model(command, catalog) {
            trace.scope = vec![model];
        }
    }
    let variable = |name: &str| world.variable(name);
    let entity = entity_at(&trace.scope, catalog, &variable);
    for expected in &trace.expected {
        match expected {
            Expected::Word(word) => {
                found.push(Candidate { text: (*word).to_owned(), note: String::new() });
            }
            Expected::Model => {
                let many = matches!(
                    verb.as_str(),
                    "list" | "count" | "of" | "sum" | "avg" | "min" | "max" | "distinct" | "commit"
                );
                for (_, entity) in catalog.iter() {
                    let name = if many { &entity.plural } else { &entity.name };
                    found.push(Candidate { text: quote_name(name), note: entity.qualified() });
                }
            }
            Expected::Field => {
                if let Some(entity) = entity {
                    members(catalog.get(entity), catalog, trace.assigning, &trace.assigned, found);
                }
            }
            Expected::Relationship => {
                if let Some(entity) = entity {
                    ways(catalog.get(entity), catalog, found);
                }
            }
            Expected::Key => {
                if let Some(id) = entity {
                    keys(id, &command[start..], catalog, world, found);
                }
            }
            Expected::Value => {
                for (name, note) in world.variables() {
                    found.push(Candidate { text: format!("${name}"), note });
                }
                values(&trace.scope, &trace.subject, &command[start..], catalog, world, found);
            }
            Expected::Name("a savepoint's name") => {
                found.extend(world.savepoints().into_iter().map(|text| Candidate { text, note: "savepoint".into() }));
            }
            Expected::Name(_) => {}
        }
    }
    if verb == "db" && matches!(before.split_whitespace().nth(1), Some("upgrade" | "downgrade" | "stamp")) {
        for word in ["head", "base"] {
            found.push(Candidate { text: word.into(), note: String::new() });
        }
        found.extend(world.revisions().into_iter().map(|(text, note)| Candidate { text, note }));
    }
}

/// The model behind `of`, when it is there already.
fn command_model(command: &str, catalog: &Catalog) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let of = words.iter().position(|word| word.eq_ignore_ascii_case("of"))?;
    words.get(of + 1).filter(|word| catalog.is_model(word)).map(|word| (*word).to_owned())
}

fn members(entity: &Entity, catalog: &Catalog, assigning: bool, assigned: &[String], found: &mut Vec<Candidate>) {
    let end = if assigning { "=" } else { "" };
    for (at, column) in entity.columns.iter().enumerate() {
        if assigning && (column.generated || assigned.contains(&column.name)) {
            continue;
        }
        let mut note = column.data_type.name();
        if entity.key.contains(&at) {
            note.push_str(", key");
        } else if column.required() {
            note.push_str(", required");
        }
        found.push(Candidate { text: format!("{}{end}", quote_name(&column.name)), note });
    }
    for way in entity.relationships.iter().filter(|way| !assigning || way.owning) {
        if !(assigning && assigned.contains(&way.name)) {
            let to = catalog.get(way.to);
            let note = if way.cardinality == Cardinality::Many {
                format!("many {}", to.plural)
            } else {
                format!("one {}", to.name)
            };
            found.push(Candidate { text: format!("{}{end}", quote_name(&way.name)), note });
        }
    }
}

fn ways(entity: &Entity, catalog: &Catalog, found: &mut Vec<Candidate>) {
    for way in &entity.relationships {
        let to = catalog.get(way.to);
        let note = if way.cardinality == Cardinality::Many {
            format!("many {}", to.plural)
        } else {
            format!("one {}", to.name)
        };
        found.push(Candidate { text: quote_name(&way.name), note });
    }
}

/// What was typed of a value, without an opening quote.
fn prefix(typed: &str) -> &str {
    typed.strip_prefix(['\'', '"']).unwrap_or(typed)
}

fn spelled(value: &Value, typed: &str) -> String {
    match value {
        Value::Text(text) if !typed.starts_with(['\'', '"']) => quote_word(text).into_owned(),
        other => quote_value(other),
    }
}

fn keys(id: EntityId, typed: &str, catalog: &Catalog, world: &dyn World, found: &mut Vec<Candidate>) {
    for (column, _) in catalog.get(id).names().into_iter().filter(|(_, is_unique)| *is_unique) {
        for (value, note) in world.values(id, column, prefix(typed)) {
            found.push(Candidate { text: spelled(&value, typed), note: note.unwrap_or_default() });
        }
    }
}

fn values(
    scope: &[String],
    subject: &[String],
    typed: &str,
    catalog: &Catalog,
    world: &dyn World,
    found: &mut Vec<Candidate>,
) {
    let Some((name, way)) = subject.split_last() else { return };
    let path: Vec<String> = scope.iter().chain(way).cloned().collect();
    let Some(id) = entity_at(&path, catalog, &|name| world.variable(name)) else { return };
    let entity = catalog.get(id);
    let column = entity.column(name);
    let way = catalog.relationship(id, name);
    // A foreign key that is called like its relationship takes whatever names the record.
    if let Some(way) = way.filter(|way| column.is_none_or(|(at, _)| way.owning && way.local == [at])) {
        keys(way.to, typed, catalog, world, found);
    } else if let Some((at, column)) = column {
        choices(column, found);
        if found.iter().any(|candidate| !candidate.text.starts_with('$')) {
            return;
        }
        for (value, note) in world.values(id, at, prefix(typed)) {
            found.push(Candidate { text: spelled(&value, typed), note: note.unwrap_or_default() });
        }
    }
}

/// Values that a column's type or constraint lists.
fn choices(column: &Column, found: &mut Vec<Candidate>) {
    let mut add = |text: &str, note: &str| found.push(Candidate { text: text.to_owned(), note: note.to_owned() });
    if column.data_type == DataType::Bool {
        add("true", "bool");
        add("false", "bool");
    }
    if matches!(column.data_type, DataType::Timestamp | DataType::TimestampTz) {
        add("now", "the time, in UTC");
    }
    if column.data_type == DataType::Date {
        add("today", "the date, in UTC");
    }
    for choice in &column.choices {
        let value = Value::Text(choice.clone());
        add(&spelled(&value, ""), "");
    }
}

/// The arguments of a command that an application adds.
fn own(command: &str, offset: usize, world: &dyn World) -> Completion {
    let word = command.rfind(char::is_whitespace).map_or(0, |last| last + 1);
    let (before, typed) = command.split_at(word);
    let mut words = before.split_whitespace();
    let name = words.next().unwrap_or_default();
    let earlier: Vec<&str> = words.collect();
    let offered = world.arguments(name, &earlier, typed).into_iter();
    let found = offered.map(|text| Candidate { text, note: String::new() }).collect();
    Completion { start: offset + word, candidates: ranked(typed, found) }
}

fn dot(command: &str, offset: usize, catalog: &Catalog, world: &dyn World) -> Completion {
    let Some(space) = command.find(char::is_whitespace) else {
        let found = table::COMMANDS
            .iter()
            .filter(|info| info.name.starts_with('.'))
            .map(|info| Candidate { text: info.name.to_owned(), note: info.summary.to_owned() })
            .chain(
                catalog
                    .extra_commands()
                    .iter()
                    .filter(|info| info.name.starts_with('.'))
                    .map(|info| Candidate { text: info.name.clone(), note: info.summary.clone() }),
            )
            .collect();
        return Completion { start: offset, candidates: ranked(command, found) };
    };
    let (name, rest) = command.split_at(space);
    if catalog.extra_command(name).is_some() {
        return own(command, offset, world);
    }
    let arguments = rest.trim_start();
    let at = offset + command.len() - arguments.len();
    let Some(info) = table::find(name) else { return Completion::default() };
    // `.watch` is completed from its command on: seconds are typed.
    if matches!(info.rest, Rest::Command | Rest::WordAndLine) {
        let inner = complete(arguments, arguments.len(), catalog, world);
        return Completion { start: at + inner.start, ..inner };
    }
    let word = arguments.rfind(char::is_whitespace).map_or(0, |last| last + 1);
    let typed = &arguments[word..];
    let earlier: Vec<&str> = arguments[..word].split_whitespace().collect();
    let slot = info.slots.get(earlier.len()).copied().unwrap_or(Slot::Free);
    let setting = earlier.last().copied().unwrap_or_else(|| name.trim_start_matches('.'));
    let found = slot_values(slot, setting, typed, catalog, world);
    Completion { start: at + word, candidates: ranked(typed, found) }
}

/// What could stand in a slot; `setting` is the one whose values are meant, where they are.
fn slot_values(slot: Slot, setting: &str, typed: &str, catalog: &Catalog, world: &dyn World) -> Vec<Candidate> {
    let plain = |texts: Vec<String>| -> Vec<Candidate> {
        texts.into_iter().map(|text| Candidate { text, note: String::new() }).collect()
    };
    match slot {
        Slot::Free => Vec::new(),
        Slot::Command => {
            let own = catalog.extra_commands().iter().map(|info| info.name.clone());
            plain(table::COMMANDS.iter().map(|info| info.name.to_owned()).chain(own).collect())
        }
        Slot::Model => plain(catalog.iter().map(|(_, entity)| quote_name(&entity.name)).collect()),
        Slot::File => plain(world.files(typed)),
        Slot::Database => {
            let files = world.files(typed).into_iter().map(|text| Candidate { text, note: "file".into() });
            plain(world.connections()).into_iter().chain(files).collect()
        }
        Slot::Setting => plain(world.settings().into_iter().map(|(name, _)| name).collect()),
        Slot::Value => {
            let known = world.settings().into_iter().find(|(name, _)| name == setting);
            plain(known.map_or_else(Vec::new, |(_, values)| values))
        }
        Slot::Masked => plain(
            catalog
                .iter()
                .flat_map(|(_, entity)| entity.columns.iter().map(move |column| (entity, column)))
                .filter(|(_, column)| column.is_hidden())
                .map(|(entity, column)| format!("{}.{}", quote_name(&entity.name), quote_name(&column.name)))
                .collect(),
        ),
    }
}

/// Exact beginnings first; where there is none, names that have the typed letters in that order.
fn ranked(typed: &str, mut found: Vec<Candidate>) -> Vec<Candidate> {
    let mut seen = std::collections::HashSet::new();
    found.retain(|candidate| seen.insert(candidate.text.clone()));
    let wanted = typed.trim_start_matches(['\'', '"', '`']).to_lowercase();
    let bare = |candidate: &Candidate| candidate.text.trim_start_matches(['\'', '`']).to_lowercase();
    let (begins, others): (Vec<Candidate>, Vec<Candidate>) =
        found.into_iter().partition(|candidate| bare(candidate).starts_with(&wanted));
    if !begins.is_empty() || wanted.is_empty() {
        return begins;
    }
    let mut near: Vec<(usize, Candidate)> =
        others.into_iter().filter_map(|candidate| Some((spread(&wanted, &bare(&candidate))?, candidate))).collect();
    near.sort_by_key(|(spread, _)| *spread);
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// How far the letters of `typed` lie apart in `text`, in order; none when they are not all there.
fn spread(typed: &str, text: &str) -> Option<usize> {
    let mut first = None;
    let mut last = 0;
    let mut chars = text.char_indices();
    for wanted in typed.chars() {
        let (at, _) = chars.find(|(_, c)| *c == wanted)?;
        first.get_or_insert(at);
        last = at;
    }
    Some(last - first.unwrap_or(0))
}
