//! From what the models ask for to `up.sql` and `down.sql`: compared, put into words, and rehearsed on an empty copy of
//! the schema before anything is written.

use super::compare::{Difference, compare};
use super::ddl;
use super::declared::{Declared, Only};
use super::rehearsal::{rehearse, understood};
use super::rename::{Rename, renames};
use super::scratch::{in_words, reflected, scratchable};
use super::{Ask, Fills, Request, findings, probe, statements};
use crate::model::definition::{Dialect, Schema, Table};
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

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
    let renames = renames(&actual, &wanted, request, dialect, ask)?;
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
        let asked = ask(&format!("{} is only in the database: drop it?", only.what))?;
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
