//! From what the models ask for to `up.sql` and `down.sql`: compared, put into words, and rehearsed on an empty copy of
//! the schema before anything is written.

use super::compare::{Difference, compare};
use super::ddl::{self, name, place};
use super::declared::{Declared, Only, fits};
use super::{Fills, findings, probe, statements};
use crate::model::definition::{Column, DependentKind, Dialect, Place, Schema, Table};
use crate::store::Store;
use crate::text::sql::tokens;
use crate::{Error, ErrorKind, Result};
use std::collections::HashMap;

/// What a person has said beforehand.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `users.name:username`, `people:users`.
    pub renames: Vec<(String, String)>,
    /// What may go: `users`, `users.age`, `ix_users_email`.
    pub drops: Vec<String>,
    /// Everything that only the database has may go.
    pub force: bool,
    /// Values for rows that are there.
    pub fills: Fills,
}

/// What differs, and how to make up for it.
#[derive(Debug, Clone, Default)]
pub struct Generated {
    /// Each finding as a line: `added table users`.
    pub findings: Vec<String>,
    /// What would fail on rows that are there, or lose data.
    pub warnings: Vec<String>,
    /// What only the database has and is left as it is.
    pub kept: Vec<Only>,
    /// The statements of up.sql.
    pub up: Vec<String>,
    /// The statements of down.sql.
    pub down: Vec<String>,
}

/// Asks a question; none where nobody is there to answer.
pub type Ask<'a> = dyn FnMut(&str) -> Result<Option<bool>> + 'a;

/// A table or a column by another name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rename {
    Table(String, String),
    Column(String, String, String),
}

impl Rename {
    fn sql(&self) -> String {
        match self {
            Self::Table(from, to) => format!("ALTER TABLE {} RENAME TO {}", name(from), name(to)),
            Self::Column(table, from, to) => {
                format!("ALTER TABLE {} RENAME COLUMN {} TO {}", name(table), name(from), name(to))
            }
        }
    }

    fn back(&self) -> Self {
        match self {
            Self::Table(from, to) => Self::Table(to.clone(), from.clone()),
            Self::Column(table, from, to) => Self::Column(table.clone(), to.clone(), from.clone()),
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Table(from, to) => format!("renamed table {from} to {to}"),
            Self::Column(table, from, to) => format!("renamed column {table}.{from} to {to}"),
        }
    }
}

/// Compares, and makes the statements both ways.
///
/// # Errors
/// `Refused` when it cannot be told whether something was renamed, or when a definition says more than is understood;
/// `Invalid` for a rename or a drop of what is not there; `Database`.
pub fn generate(
    store: &mut dyn Store,
    mut wanted: Declared,
    request: &Request,
    ask: &mut Ask<'_>,
) -> Result<Generated> {
    let dialect = store.facts().dialect;
    let actual = store.definition()?;
    let mut answered: HashMap<String, bool> = HashMap::new();
    let renames = renames(&actual, &wanted, request, dialect, ask, &mut answered)?;
    let before = if renames.is_empty() { actual.clone() } else { renamed(store, &actual, &renames)? };

    let mut kept = Vec::new();
    let mut used: Vec<bool> = vec![false; request.drops.len()];
    wanted.fill(&before, dialect, &mut |only| {
        let named = request.drops.iter().position(|drop| only.names.iter().any(|name| name.eq_ignore_ascii_case(drop)));
        if let Some(at) = named {
            used[at] = true;
            return Ok(true);
        }
        if request.force {
            return Ok(true);
        }
        let asked = match only.names.iter().find_map(|name| answered.get(name)) {
            Some(answer) => Some(*answer),
            None => ask(&format!("{} is only in the database: drop it?", only.what))?,
        };
        if asked == Some(true) {
            return Ok(true);
        }
        kept.push(only.clone());
        Ok(false)
    })?;
    if let Some(at) = used.iter().position(|used| !used) {
        return Err(Error::invalid(format!(
            "there is nothing called {} that only the database has",
            request.drops[at]
        ))
        .hint("a table, table.column, or the name of an index or constraint"));
    }

    let after = settled(store, &wanted.schema, &before)?;
    let found = compare(&before, &after, dialect);
    let mut generated = Generated { kept, ..Generated::default() };
    generated.findings = renames.iter().map(Rename::words).collect();
    generated.findings.extend(findings::lines(&found, dialect));
    if generated.findings.is_empty() {
        return Ok(generated);
    }
    understood(&found, dialect)?;
    if dialect == Dialect::Postgres
        && !renames.is_empty()
        && statements(dialect, &before, &after, &found, &request.fills).iter().any(|sql| sql.starts_with("DROP VIEW"))
    {
        return Err(Error::new(
            ErrorKind::Refused,
            "a rename and a change that views depend on do not go into one migration",
        )
        .hint("put the old name back in the models, write that migration, then rename in the next"));
    }
    let back = compare(&after, &before, dialect);
    generated.up = renames.iter().map(Rename::sql).collect();
    generated.up.extend(statements(dialect, &before, &after, &found, &request.fills));
    generated.down = statements(dialect, &after, &before, &back, &Fills::default());
    generated.down.extend(renames.iter().rev().map(|rename| rename.back().sql()));
    generated.warnings = probe::warnings(store, &before, &found, &request.fills);
    rehearse(store, &actual, &before, &after, &renames, (&found, &back))?;
    Ok(generated)
}

/// The statements that make missing tables, for `db create-all`.
///
/// # Errors
/// As [`generate`].
pub fn missing(store: &mut dyn Store, mut wanted: Declared) -> Result<(Vec<String>, Vec<String>)> {
    let dialect = store.facts().dialect;
    let actual = store.definition()?;
    wanted.fill(&actual, dialect, &mut |_| Ok(false))?;
    let new: Vec<&Table> = wanted.schema.tables.iter().filter(|table| actual.table(&table.place).is_none()).collect();
    let names = ddl::ordered(&new).iter().map(|table| table.place.to_string()).collect();
    Ok((names, ddl::create(&new, dialect)))
}

/// The statements that drop what the models have, for `db drop-all`.
///
/// # Errors
/// The database's own.
pub fn dropping(store: &mut dyn Store, wanted: &Declared) -> Result<(Vec<String>, Vec<String>)> {
    let dialect = store.facts().dialect;
    let before = store.definition()?;
    let mut after = before.clone();
    after.tables.retain(|table| wanted.schema.table(&table.place).is_none());
    for table in &mut after.tables {
        table.foreign_keys.retain(|key| wanted.schema.table(&key.to).is_none());
    }
    let found = compare(&before, &after, dialect);
    let names = found
        .iter()
        .filter_map(|one| if let Difference::Removed(table) = one { Some(table.place.to_string()) } else { None })
        .collect();
    Ok((names, statements(dialect, &before, &after, &found, &Fills::default())))
}

/// Statements as a file's text.
pub fn script(statements: &[String]) -> String {
    statements.iter().map(|statement| format!("{statement};\n")).collect()
}

/// Which tables and columns go by another name now: as said, or as asked.
fn renames(
    actual: &Schema,
    wanted: &Declared,
    request: &Request,
    dialect: Dialect,
    ask: &mut Ask<'_>,
    answered: &mut HashMap<String, bool>,
) -> Result<Vec<Rename>> {
    let mut found = Vec::new();
    let table = |schema: &Schema, name: &str| schema.table(&Place::new(name)).cloned();
    // Tables first: columns are looked for under the new names.
    for (from, to) in request.renames.iter().filter(|(from, to)| !from.contains('.') && !to.contains('.')) {
        if let (Some(_), Some(_)) = (table(actual, from), table(&wanted.schema, to)) {
            found.push(Rename::Table(from.clone(), to.clone()));
        } else if !columns_named(actual, &wanted.schema, from, to).is_empty() {
            // A bare column, below.
        } else {
            return Err(nothing(from, to));
        }
    }
    let may_drop = |names: &[String]| {
        request.force || request.drops.iter().any(|drop| names.iter().any(|name| name.eq_ignore_ascii_case(drop)))
    };
    let told = |found: &[Rename], from: &str, to: &str| {
        found.iter().any(|rename| matches!(rename, Rename::Table(a, b) if a == from || b == to))
    };
    for old in
        actual.tables.iter().filter(|old| old.place.schema.is_none() && wanted.schema.table(&old.place).is_none())
    {
        let news = wanted.schema.tables.iter().filter(|new| actual.table(&new.place).is_none());
        for new in news.filter(|new| resembles(old, new, dialect)) {
            if told(&found, &old.place.name, &new.place.name) || may_drop(std::slice::from_ref(&old.place.name)) {
                continue;
            }
            match ask(&format!("was table {} renamed to {}?", old.place, new.place))? {
                Some(true) => found.push(Rename::Table(old.place.name.clone(), new.place.name.clone())),
                Some(false) => {}
                None if wanted.complete => {
                    return Err(undecided(
                        &format!("table {}", old.place),
                        &old.place.name,
                        &new.place.name,
                        &old.place.name,
                    ));
                }
                // Models beside other tables: the old one stays.
                None => {}
            }
        }
    }
    let old_name = |found: &[Rename], new: &str| {
        found.iter().find_map(|rename| match rename {
            Rename::Table(from, to) if to == new => Some(from.clone()),
            _ => None,
        })
    };
    for new in wanted.schema.tables.iter().filter(|new| new.place.schema.is_none()) {
        let at = new.place.name.clone();
        let before = old_name(&found, &at).unwrap_or_else(|| at.clone());
        let Some(old) = table(actual, &before) else { continue };
        for (from, to) in &request.renames {
            let from = match from.rsplit_once('.') {
                Some((table, column)) if table == at || table == before => column,
                Some(_) => continue,
                None => from,
            };
            let to = to.rsplit_once('.').map_or(to.as_str(), |(_, column)| column);
            if old.column(from).is_some() && new.column(from).is_none() && new.column(to).is_some() {
                found.push(Rename::Column(at.clone(), from.to_owned(), to.to_owned()));
            }
        }
        let done = |found: &[Rename], column: &Column| {
            found.iter().any(|rename| {
                matches!(rename, Rename::Column(table, a, b) if *table == at && (*a == column.name || *b == column.name))
            })
        };
        for gone in old.columns.iter().filter(|column| new.column(&column.name).is_none()) {
            let candidates = new.columns.iter().filter(|column| old.column(&column.name).is_none());
            for candidate in candidates.filter(|column| fits(&column.type_name, &gone.type_name, dialect)) {
                let names = [format!("{at}.{}", gone.name), format!("{before}.{}", gone.name)];
                if done(&found, gone) || done(&found, candidate) || may_drop(&names) {
                    continue;
                }
                match ask(&format!("was {at}.{} renamed to {}?", gone.name, candidate.name))? {
                    Some(true) => found.push(Rename::Column(at.clone(), gone.name.clone(), candidate.name.clone())),
                    Some(false) => {
                        answered.remove(&names[0]);
                    }
                    None => {
                        return Err(undecided(&names[0], &names[0], &candidate.name, &names[0]));
                    }
                }
            }
        }
    }
    for (from, to) in &request.renames {
        let column = from.rsplit('.').next().unwrap_or(from);
        let is_there = found.iter().any(|rename| match rename {
            Rename::Table(a, b) => a == from && b == to,
            Rename::Column(_, a, _) => a == column,
        });
        if !is_there {
            return Err(nothing(from, to));
        }
    }
    Ok(found)
}

fn columns_named(actual: &Schema, wanted: &Schema, from: &str, to: &str) -> Vec<Place> {
    let both = |table: &&Table| {
        table.column(from).is_some() && wanted.table(&table.place).is_some_and(|new| new.column(to).is_some())
    };
    actual.tables.iter().filter(both).map(|table| table.place.clone()).collect()
}

fn nothing(from: &str, to: &str) -> Error {
    Error::invalid(format!("nothing was renamed from {from} to {to}")).hint(
        "the old name is the database's, the new one the models': --rename users.name:username, --rename people:users",
    )
}

fn undecided(what: &str, from: &str, to: &str, drop: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("{what} is gone and {to} is new: it may have been renamed"))
        .hint(format!("--rename {from}:{to} keeps its data, --drop {drop} drops it"))
}

/// Half of the columns are the same.
fn resembles(old: &Table, new: &Table, dialect: Dialect) -> bool {
    let same = old
        .columns
        .iter()
        .filter(|column| {
            new.column(&column.name).is_some_and(|other| fits(&other.type_name, &column.type_name, dialect))
        })
        .count();
    same * 2 >= old.columns.len().max(new.columns.len())
}

/// The schema after its renames: made in an empty place, where the database itself renames what refers to it.
fn renamed(store: &mut dyn Store, actual: &Schema, renames: &[Rename]) -> Result<Schema> {
    let dialect = store.facts().dialect;
    let mut after = Schema::default();
    let own = scratchable(actual, dialect);
    store.scratch(&mut |scratch| {
        for sql in ddl::everything(&own, dialect).into_iter().chain(renames.iter().map(Rename::sql)) {
            scratch.batch(&sql).map_err(|error| in_words(&sql, error))?;
        }
        after = reflected(scratch)?;
        Ok(())
    })?;
    after.tables.extend(actual.tables.iter().filter(|table| table.place.schema.is_some()).cloned());
    if dialect == Dialect::Postgres {
        after.dependents.clone_from(&actual.dependents);
    }
    Ok(after)
}

/// What can be made in an empty place: the default schema's tables, and on SQLite what depends on them.
fn scratchable(schema: &Schema, dialect: Dialect) -> Schema {
    let tables = schema.tables.iter().filter(|table| table.place.schema.is_none()).cloned().collect();
    let dependents = if dialect == Dialect::Sqlite { schema.dependents.clone() } else { Vec::new() };
    Schema { tables, dependents }
}

fn reflected(scratch: &mut dyn Store) -> Result<Schema> {
    let mut schema = scratch.definition()?;
    schema.tables.retain(|table| table.place.schema.is_none());
    Ok(schema)
}

fn in_words(sql: &str, error: Error) -> Error {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(160).collect();
    Error { message: format!("the schema cannot be made: {}", error.message), ..error }.hint(format!("in: {short}"))
}

/// What is asked for in the database's own words: made in an empty place and read back, since PostgreSQL spells
/// expressions and types in its own way.
fn settled(store: &mut dyn Store, wanted: &Schema, before: &Schema) -> Result<Schema> {
    let dialect = store.facts().dialect;
    let mut after = Schema::default();
    let tables: Vec<&Table> = wanted.tables.iter().filter(|table| table.place.schema.is_none()).collect();
    store.scratch(&mut |scratch| {
        for sql in ddl::create(&tables, dialect) {
            scratch.batch(&sql).map_err(|error| in_words(&sql, error))?;
        }
        after = reflected(scratch)?;
        Ok(())
    })?;
    after.tables.extend(wanted.tables.iter().filter(|table| table.place.schema.is_some()).cloned());
    after.dependents.clone_from(&before.dependents);
    Ok(after)
}

/// Whether a SQLite table that would be made anew says nothing beyond what was read of it: every word of its text must be
/// among those that would be written.
fn understood(found: &[Difference], dialect: Dialect) -> Result<()> {
    if dialect == Dialect::Postgres {
        return Ok(());
    }
    for difference in found {
        let Difference::Changed(changed) = difference else { continue };
        let table = &changed.before;
        let written = ddl::table(table, None, true, dialect);
        let words = |sql: &str| -> HashMap<String, usize> {
            let mut count = HashMap::new();
            for token in tokens(sql, true).unwrap_or_default() {
                let word = token.name().unwrap_or(token.text).to_lowercase();
                *count.entry(word).or_default() += 1;
            }
            count
        };
        let have = words(&written);
        // Said by default, or left to the order.
        let idle = [
            "(",
            ")",
            ",",
            "null",
            "asc",
            "no",
            "action",
            "on",
            "delete",
            "update",
            "constraint",
            "match",
            "simple",
            "if",
            "not",
            "exists",
            "virtual",
            "always",
            "generated",
            "deferrable",
            "initially",
            "immediate",
            "full",
            "partial",
        ];
        // A constraint on one column names it where it stands with the table, and not where it stands with the column.
        let enough = |word: &str| match have.get(word) {
            Some(_) if table.column(word).is_some() || word == "key" => usize::MAX,
            count => count.copied().unwrap_or(0),
        };
        let missing: Vec<String> = words(&table.text)
            .into_iter()
            .filter(|(word, count)| !idle.contains(&word.as_str()) && enough(word) < *count)
            .map(|(word, _)| word)
            .collect();
        // The name of a NOT NULL constraint is all that may be lost; it means nothing to SQLite.
        let named: Vec<String> = {
            let tokens = tokens(&table.text, true).unwrap_or_default();
            tokens
                .windows(3)
                .filter(|three| three[0].is("CONSTRAINT") && three[2].is("NOT"))
                .filter_map(|three| three[1].name().map(str::to_lowercase))
                .collect()
        };
        if let Some(word) = missing.iter().find(|word| !named.contains(word)) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("the definition of {} says `{word}` in a way that is not understood here", table.place),
            )
            .hint(
                "it would be lost by making the table anew: begin with `db revision` and write this migration by hand",
            ));
        }
    }
    Ok(())
}

/// Up and down on an empty copy of the schema: does up give what is asked for, and down what was there?
fn rehearse(
    store: &mut dyn Store,
    actual: &Schema,
    before: &Schema,
    after: &Schema,
    renames: &[Rename],
    (found, back): (&[Difference], &[Difference]),
) -> Result<()> {
    let dialect = store.facts().dialect;
    let own = scratchable(actual, dialect);
    let (before, after) = (scratchable(before, dialect), scratchable(after, dialect));
    // No rows, so no need of values for them.
    let fills = Fills::default();
    let mut up: Vec<String> = renames.iter().map(Rename::sql).collect();
    up.extend(statements(dialect, &before, &after, found, &fills));
    let mut down = statements(dialect, &after, &before, back, &fills);
    down.extend(renames.iter().rev().map(|rename| rename.back().sql()));
    store.scratch(&mut |scratch| {
        let run = |scratch: &mut dyn Store, statements: &[String]| {
            statements.iter().try_for_each(|sql| scratch.batch(sql).map_err(|error| in_words(sql, error)))
        };
        run(scratch, &ddl::everything(&own, dialect))?;
        run(scratch, &up)?;
        reached(&reflected(scratch)?, &after, "up.sql", dialect)?;
        usable(scratch)?;
        run(scratch, &down)?;
        reached(&reflected(scratch)?, &own, "down.sql", dialect)
    })
}

fn reached(reached: &Schema, wanted: &Schema, file: &str, dialect: Dialect) -> Result<()> {
    match findings::lines(&compare(reached, wanted, dialect), dialect).as_slice() {
        [] => Ok(()),
        [first, ..] => Err(Error::new(
            ErrorKind::Database,
            format!("nothing was written: {file} would not lead where it should ({first} is left)"),
        )
        .hint("this is a mistake of this program: please report it with the schema; `db revision` begins a migration by hand")),
    }
}

/// Views can be read and triggers can be compiled, on SQLite, which looks at neither when they are made.
fn usable(scratch: &mut dyn Store) -> Result<()> {
    if scratch.facts().dialect == Dialect::Postgres {
        return Ok(());
    }
    let schema = scratch.definition()?;
    for dependent in &schema.dependents {
        let (kind, probes) = match (dependent.kind, &dependent.on) {
            (DependentKind::View, _) => ("view", vec![format!("SELECT * FROM {} LIMIT 0", name(&dependent.name))]),
            (DependentKind::Trigger, Some(on)) => {
                let Some(column) =
                    schema.table(on).and_then(|table| table.columns.iter().find(|column| column.generated.is_none()))
                else {
                    continue;
                };
                let (at, column) = (place(on), name(&column.name));
                let all = [
                    "DELETE FROM {at}",
                    "UPDATE {at} SET {column} = {column}",
                    "INSERT INTO {at} ({column}) VALUES (NULL)",
                ];
                let filled =
                    all.iter().map(|sql| format!("EXPLAIN {}", sql.replace("{at}", &at).replace("{column}", &column)));
                ("trigger", filled.collect())
            }
            (DependentKind::Trigger, None) => continue,
        };
        for sql in probes {
            super::rows(scratch, &sql).map_err(|error| {
                Error::new(
                    ErrorKind::Refused,
                    format!("{kind} {} would no longer work: {}", dependent.name, error.message),
                )
                .hint("change or drop it first, in a migration of its own (`db revision`)")
            })?;
        }
    }
    Ok(())
}
