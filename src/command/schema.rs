//! `db ...` and `.reset`.

use super::{Context, Front};
use crate::language::ast::{Db, Name};
use crate::model::{Cell, DataType};
use crate::outcome::{Header, HeaderColumn, Level, Mark};
use crate::store::Revision;
use crate::{Error, ErrorKind, Result};

/// `db VERB`
pub fn db(verb: &Db<'_>, _options: &[Name<'_>], context: &mut Context, front: &mut dyn Front) -> Result<()> {
    match verb {
        Db::Upgrade(target) => upgrade(target.as_ref(), context, front),
        Db::Downgrade(target) => downgrade(target.as_ref(), context, front),
        Db::Current => current(context, front),
        Db::History => history(context, front),
        Db::Status => status(context, front),
        _ => Err(Error::invalid("that db verb is not part of this version").hint("`.help db` lists the verbs")),
    }
}

/// Changes of the schema and staged changes do not mix: the journal is checked against the schema as it is.
fn clean(context: &Context) -> Result<()> {
    if context.session.is_clean() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "changes are staged, and a migration would not see them")
        .hint("`commit` or `rollback` first"))
}

fn revisions(context: &mut Context) -> Result<Vec<Revision>> {
    context.session.store().revisions()
}

fn upgrade(target: Option<&Name<'_>>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    clean(context)?;
    let all = revisions(context)?;
    let pending: Vec<&Revision> = all.iter().filter(|revision| !revision.applied).collect();
    let wanted = match target.map(|name| name.text.as_ref()) {
        None | Some("head") => pending.len(),
        Some(word) if word.starts_with('+') => {
            let count: usize = word[1..].parse().map_err(|_| unknown(target, &all))?;
            if count > pending.len() {
                return Err(Error::invalid(format!("there are only {} revisions to apply", pending.len())));
            }
            count
        }
        Some(word) => {
            let version = named(word, target, &all)?;
            if all.iter().any(|revision| revision.version == version && revision.applied) {
                return front.notice(Level::Info, &format!("{version} is applied already"));
            }
            pending.iter().position(|revision| revision.version == version).map_or(0, |at| at + 1)
        }
    };
    if wanted == 0 {
        return front.notice(Level::Info, "already at head");
    }
    for revision in &pending[..wanted] {
        context.session.store().migrate(&revision.version, true)?;
        front.notice(Level::Info, &format!("upgraded: {}", revision.name))?;
    }
    Ok(())
}

fn downgrade(target: Option<&Name<'_>>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    clean(context)?;
    let all = revisions(context)?;
    let applied: Vec<&Revision> = all.iter().filter(|revision| revision.applied).rev().collect();
    if applied.is_empty() {
        return front.notice(Level::Info, "already at base");
    }
    let wanted = match target.map(|name| name.text.as_ref()) {
        None => 1,
        Some("base") => applied.len(),
        Some(word) if word.starts_with('-') => {
            let count: usize = word[1..].parse().map_err(|_| unknown(target, &all))?;
            if count > applied.len() {
                return Err(Error::invalid(format!("there are only {} revisions to revert", applied.len())));
            }
            count
        }
        Some(word) => {
            let version = named(word, target, &all)?;
            applied
                .iter()
                .position(|revision| revision.version == version)
                .ok_or_else(|| Error::invalid(format!("{version} is not applied, so there is no way down to it")))?
        }
    };
    for revision in &applied[..wanted] {
        context.session.store().migrate(&revision.version, false)?;
        front.notice(Level::Info, &format!("downgraded: {}", revision.name))?;
    }
    Ok(())
}

/// The version that a whole version, a unique prefix or a folder's name means.
fn named(word: &str, target: Option<&Name<'_>>, all: &[Revision]) -> Result<String> {
    // diesel_cli writes versions with dashes, the table has them without.
    let digits: String = word.chars().filter(|c| *c != '-').collect();
    let found: Vec<&Revision> = all
        .iter()
        .filter(|revision| !digits.is_empty() && (revision.version.starts_with(&digits) || revision.name == word))
        .collect();
    match found.as_slice() {
        [only] => Ok(only.version.clone()),
        [] => Err(unknown(target, all)),
        several => match several.iter().find(|revision| revision.version == digits) {
            Some(exact) => Ok(exact.version.clone()),
            None => Err(Error::invalid(format!("`{word}` is the beginning of {} revisions", several.len()))
                .hint("`db history` lists them")),
        },
    }
}

fn unknown(target: Option<&Name<'_>>, all: &[Revision]) -> Error {
    let word = target.map_or("", |name| &name.text);
    let mut error = Error::invalid(format!("there is no revision `{word}`"));
    if let Some(name) = target {
        error = error.at(name.span);
    }
    error
        .suggest(word, all.iter().map(|revision| revision.version.as_str()))
        .hint("write base, head, +N, -N or a version; `db history` lists them")
}

fn current(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let all = revisions(context)?;
    match all.iter().rev().find(|revision| revision.applied) {
        None => front.line("base: no migration is applied"),
        Some(revision) => {
            let head = all.last().is_some_and(|last| last.version == revision.version);
            front.line(&format!("{}{}", revision.name, if head { " (head)" } else { "" }))
        }
    }
}

fn history(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let all = revisions(context)?;
    let column = |name: &str| HeaderColumn { name: name.to_owned(), data_type: DataType::Text(None), masked: false };
    let header = Header {
        columns: vec![column("version"), column("name"), column("state")],
        noun: Some(("revision".into(), "revisions".into())),
        ..Header::default()
    };
    let newest = all.iter().rposition(|revision| revision.applied);
    front.begin(&header)?;
    for (index, revision) in all.iter().enumerate() {
        let mut state = vec![if revision.applied { "applied" } else { "pending" }];
        if newest == Some(index) {
            state.push("current");
        }
        if index + 1 == all.len() {
            state.push("head");
        }
        if !revision.known {
            state.push("missing from the code");
        }
        let state = state.join(", ");
        front.row(&[Cell::Text(&revision.version), Cell::Text(&revision.name), Cell::Text(&state)], Mark::None)?;
    }
    front.end()
}

fn status(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let all = revisions(context)?;
    let applied = all.iter().filter(|revision| revision.applied).count();
    let text = if applied == all.len() {
        format!("at head: all {applied} revisions are applied")
    } else {
        format!("{applied} of {} revisions are applied; `db upgrade` applies the rest", all.len())
    };
    front.line(&text)
}

/// `.reset`: down to base, up to head.
pub fn reset(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let all = revisions(context)?;
    let question = format!("reset {}? every row of its tables will be gone", context.name);
    if front.ask(&question)? == Some(false) {
        return front.notice(Level::Info, "not reset");
    }
    if !context.session.is_clean() {
        let counts = context.session.rollback()?;
        front.notice(Level::Warning, &format!("rolled back what was staged: {counts}"))?;
    }
    for revision in all.iter().rev().filter(|revision| revision.applied) {
        context.session.store().migrate(&revision.version, false)?;
    }
    for revision in all.iter().filter(|revision| revision.known) {
        context.session.store().migrate(&revision.version, true)?;
    }
    context.variables.clear();
    front.notice(Level::Info, "reset: the database is empty and at head")
}
