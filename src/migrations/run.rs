//! One migration: its statements and its version row in one transaction, foreign keys checked before the end.

use super::{probe, sqlite};
use crate::model::definition::{Dialect, Orphan};
use crate::session::outcome;
use crate::store::{Revision, Store};
use crate::text::sql;
use crate::{Error, ErrorKind, Result};
use std::collections::HashMap;

/// What is to run of a revision.
struct Script<'a> {
    /// None for a migration that is code.
    text: Option<&'a str>,
    file: &'static str,
    transaction: bool,
}

/// Which text applies or reverts a revision. A folder that is gone can still be reverted by what was kept of it.
fn script(revision: &Revision, up: bool) -> Result<Script<'_>> {
    let file = if up { "up.sql" } else { "down.sql" };
    let kept = revision.texts.as_ref();
    let (text, transaction) = match &revision.script {
        Some(script) => {
            let code = script.up.is_none() && script.down.is_none();
            if code {
                return Ok(Script { text: None, file, transaction: script.transaction });
            }
            let text =
                if up { script.up.as_ref() } else { script.down.as_ref().or(kept.and_then(|(_, down)| down.as_ref())) };
            (text, script.transaction)
        }
        None => (if up { None } else { kept.and_then(|(_, down)| down.as_ref()) }, true),
    };
    let text = text.ok_or_else(|| {
        let error = if revision.script.is_some() {
            Error::invalid(format!("{} has no {file}, so there is no way back from it", revision.name))
        } else {
            Error::invalid(format!(
                "{} is applied, but its folder is gone and nothing of it is on record",
                revision.name
            ))
        };
        error.hint("bring its folder back; or `db stamp VERSION` notes where the database is without running anything")
    })?;
    Ok(Script { text: Some(text), file, transaction })
}

/// Applies or reverts one revision, whole or not at all.
///
/// # Errors
/// What the database objects to, with file, line, statement and rows; the database is then as it was.
pub fn run(store: &mut dyn Store, revision: &Revision, up: bool) -> Result<()> {
    writable(store)?;
    let script = script(revision, up)?;
    if !script.transaction {
        return without_transaction(store, revision, &script, up);
    }
    let mut refused = None;
    match in_transaction(store, &mut |store| one(store, revision, &script, up, &mut refused), true) {
        Err(error) if error.kind == ErrorKind::InDoubt => noted(store, revision, up, error),
        done => done.map_err(|error| explained(store, refused.take(), error)),
    }
}

/// What the version table says of a migration whose COMMIT was not answered: its row came with it.
fn noted(store: &mut dyn Store, revision: &Revision, up: bool, error: Error) -> Result<()> {
    let (name, done) = (&revision.name, if up { "applied" } else { "reverted" });
    let error = Error { message: format!("it is not known whether {name} was {done}"), ..error };
    match store.applied() {
        Ok(applied) if applied.iter().any(|applied| applied.version == revision.version) == up => Ok(()),
        Ok(_) => Err(error.hint(format!("the version table does not say that it was {done}; `db status` looks again"))),
        Err(_) => Err(error.hint("`db status` says it once the server can be reached")),
    }
}

/// A migration is SQL of a folder's, which could lift what a connection was told.
fn writable(store: &dyn Store) -> Result<()> {
    if store.is_read_only() {
        return Err(
            Error::new(ErrorKind::Refused, "this database is open for reading only").hint("--sql shows what would run")
        );
    }
    Ok(())
}

/// The rows that are to blame, looked for in the database as it is again.
fn explained(store: &mut dyn Store, refused: Option<Refused>, mut error: Error) -> Error {
    if let Some(refused) = refused {
        let rows = probe::offending(store, &refused.statement, &refused.message);
        let at = error.hints.len().saturating_sub(1);
        error.hints.splice(at..at, rows);
    }
    error
}

/// A statement that the database refused, and its words.
struct Refused {
    statement: String,
    message: String,
}

/// Runs revisions one after the other in one transaction that is rolled back: would they work?
///
/// # Errors
/// As [`run`]; `Refused` for one that must not run in a transaction.
pub fn rehearse(store: &mut dyn Store, revisions: &[&Revision], up: bool) -> Result<()> {
    writable(store)?;
    let mut refused = None;
    let mut work = |store: &mut dyn Store| {
        for revision in revisions {
            let script = script(revision, up)?;
            if !script.transaction {
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("{} runs outside of transactions, so it cannot be tried and taken back", revision.name),
                )
                .hint("--sql shows what it does"));
            }
            one(store, revision, &script, up, &mut refused)?;
        }
        Ok(())
    };
    let done = in_transaction(store, &mut work, false);
    done.map_err(|error| explained(store, refused.take(), error))
}

/// What would run, as SQL.
///
/// # Errors
/// Where a revision is code, or has no text.
pub fn as_sql(dialect: Dialect, revisions: &[&Revision], up: bool) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let off = dialect == Dialect::Sqlite;
    for revision in revisions {
        let script = script(revision, up)?;
        let text = script.text.ok_or_else(|| Error::invalid(format!("{} is code, not SQL", revision.name)))?;
        lines.push(format!("-- {}: {}", revision.name, script.file));
        if script.transaction {
            lines.extend(off.then(|| "PRAGMA foreign_keys = OFF;".to_owned()));
            lines.push("BEGIN;".into());
        }
        lines.extend(text.trim_end().lines().map(str::to_owned));
        let version = super::ddl::literal(&revision.version);
        lines.push(if up {
            format!("INSERT INTO __diesel_schema_migrations (version) VALUES ({version});")
        } else {
            format!("DELETE FROM __diesel_schema_migrations WHERE version = {version};")
        });
        if script.transaction {
            lines.extend(off.then(|| "PRAGMA foreign_key_check;".to_owned()));
            lines.push("COMMIT;".into());
            lines.extend(off.then(|| "PRAGMA foreign_keys = ON;".to_owned()));
        }
    }
    Ok(lines)
}

/// Foreign keys off, BEGIN, the work, COMMIT or ROLLBACK, foreign keys on.
///
/// # Errors
/// The work's, and the database's own.
pub fn in_transaction(
    store: &mut dyn Store,
    work: &mut dyn FnMut(&mut dyn Store) -> Result<()>,
    keep: bool,
) -> Result<()> {
    writable(store)?;
    // Before BEGIN: within a transaction the pragma does nothing (<https://www.sqlite.org/pragma.html#pragma_foreign_keys>).
    store.enforce_foreign_keys(false)?;
    let begun = store.begin(true);
    let mut done = begun.and_then(|()| {
        let done = work(store).and_then(|()| {
            if keep { outcome::commit(store, |store| store.commit()).map(drop) } else { store.rollback() }
        });
        if done.as_ref().is_err_and(|error| !matches!(error.kind, ErrorKind::InDoubt)) {
            // The first error is the one to tell.
            let _ = store.rollback();
        }
        done
    });
    if let Err(error) = store.enforce_foreign_keys(true) {
        done = done.and(Err(error));
    }
    done
}

fn one(
    store: &mut dyn Store,
    revision: &Revision,
    script: &Script<'_>,
    up: bool,
    refused: &mut Option<Refused>,
) -> Result<()> {
    let before = store.orphans()?;
    store.prepare_migrations()?;
    // First the row: somebody who does the same at the same time waits here, and then learns that it is done.
    note(store, revision, up)?;
    match script.text {
        None => store.run_code(&revision.version, up).map_err(|error| failed(revision, script, None, error))?,
        Some(text) => statements(store, revision, script, text, refused)?,
    }
    let after = store.orphans()?;
    let new = new_orphans(&before, &after);
    if new.is_empty() {
        return Ok(());
    }
    let s = if new.len() == 1 { " that refers" } else { "s that refer" };
    let mut error = Error::new(
        ErrorKind::Constraint,
        format!("{} at {}: it leaves {} row{s} to rows that are not there", verb(revision, up), script.file, new.len()),
    );
    for orphan in new.iter().take(5) {
        let row = orphan.rowid.map_or_else(String::new, |rowid| format!(" row {rowid}"));
        error = error.hint(format!("{}{row}: {} is not in {}", orphan.table, orphan.values, orphan.parent));
    }
    Err(error.hint("nothing was changed"))
}

fn verb(revision: &Revision, up: bool) -> String {
    format!("cannot {} {}", if up { "apply" } else { "revert" }, revision.name)
}

fn note(store: &mut dyn Store, revision: &Revision, up: bool) -> Result<()> {
    let texts = revision.script.as_ref().and_then(|script| Some((script.up.as_deref()?, script.down.as_deref())));
    store.record(&revision.version, up, texts).map_err(|error| {
        if error.kind == ErrorKind::Constraint {
            return Error::new(ErrorKind::Conflict, format!("somebody else has applied {} meanwhile", revision.name))
                .hint("`db status` says where the database is");
        }
        error
    })
}

/// Rows that lead nowhere and did not before. Rows that were lost already are no reason to refuse; in a table that was
/// made anew they may go by another rowid, so what is left over is counted.
fn new_orphans<'a>(before: &[Orphan], after: &'a [Orphan]) -> Vec<&'a Orphan> {
    let same = |a: &Orphan, b: &Orphan| a.table == b.table && a.parent == b.parent && a.rowid == b.rowid;
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for orphan in before.iter().filter(|old| !after.iter().any(|new| same(old, new))) {
        *known.entry((&orphan.table, &orphan.parent)).or_default() += 1;
    }
    after
        .iter()
        .filter(|new| !before.iter().any(|old| same(old, new)))
        .filter(|orphan| match known.get_mut(&(orphan.table.as_str(), orphan.parent.as_str())) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .collect()
}

fn statements(
    store: &mut dyn Store,
    revision: &Revision,
    script: &Script<'_>,
    text: &str,
    refused: &mut Option<Refused>,
) -> Result<()> {
    let is_sqlite = store.facts().dialect == Dialect::Sqlite;
    let all = sql::statements(text, is_sqlite);
    if all.is_empty() {
        return Err(Error::invalid(format!("{} of {} has no statement in it", script.file, revision.name))
            .hint("write what it is to do; a statement that does nothing is `SELECT 1;`"));
    }
    for statement in all {
        store.batch(statement.text).map_err(|error| {
            *refused = Some(Refused { statement: statement.text.to_owned(), message: error.message.clone() });
            failed(revision, script, Some(&statement), error)
        })?;
    }
    Ok(())
}

fn failed(revision: &Revision, script: &Script<'_>, at: Option<&sql::Statement<'_>>, error: Error) -> Error {
    if error.kind == ErrorKind::Interrupted {
        return error;
    }
    let file = revision.script.as_ref().and_then(|script| script.folder.as_ref()).map_or_else(
        || format!("{}/{}", revision.name, script.file),
        |folder| folder.join(script.file).display().to_string(),
    );
    let Some(statement) = at else {
        return Error { message: format!("{file}: {}", error.message), ..error };
    };
    let mut told = Error {
        message: format!("{file}:{}: {}", statement.line, error.message.replace(sqlite::ANEW, "")),
        hints: Vec::new(),
        ..error.clone()
    };
    told = told.hint(format!("in: {}", sql::shortened(statement.text)));
    told.hints.extend(error.hints.iter().filter(|hint| !hint.contains("`db upgrade`")).cloned());
    told.hint(if script.transaction {
        "nothing was changed".to_owned()
    } else {
        "what stands before it has happened: this migration runs outside of transactions".to_owned()
    })
}

fn without_transaction(store: &mut dyn Store, revision: &Revision, script: &Script<'_>, up: bool) -> Result<()> {
    match script.text {
        None => store.run_code(&revision.version, up).map_err(|error| failed(revision, script, None, error))?,
        Some(text) => statements(store, revision, script, text, &mut None)?,
    }
    store.prepare_migrations()?;
    note(store, revision, up)
}

/// Notes that exactly these versions are applied, without running anything.
///
/// # Errors
/// The database's own.
pub fn stamp(store: &mut dyn Store, all: &[Revision], applied: &dyn Fn(&Revision) -> bool) -> Result<usize> {
    writable(store)?;
    let mut count = 0;
    store.begin(true)?;
    let done = store.prepare_migrations().and_then(|()| {
        for revision in all.iter().filter(|revision| applied(revision) != revision.applied) {
            note(store, revision, !revision.applied)?;
            count += 1;
        }
        store.commit()
    });
    if done.is_err() {
        let _ = store.rollback();
    }
    done.map(|()| count)
}
