//! `db ...` and `.reset`: which migrations are applied, and applying them.

use super::{Context, Front, migrate};
use crate::language::ast::{Db, Name};
use crate::language::table;
use crate::migrations::{run, target};
use crate::model::{Cell, DataType};
use crate::outcome::{Header, HeaderColumn, Level, Mark};
use crate::store::Revision;
use crate::{Error, ErrorKind, Result};

/// The options of a `db` command.
#[derive(Default)]
pub(super) struct Options {
    pub sql: bool,
    pub dry_run: bool,
    pub request: crate::migrations::Request,
    pub like: Option<String>,
}

pub(super) fn options(verb: &Db<'_>, given: &[Name<'_>]) -> Result<Options> {
    let taken = table::find(verb.name()).map_or(&[][..], |command| command.options);
    let known: Vec<&str> = taken.iter().map(|option| table::option_name(option)).collect();
    let mut options = Options::default();
    let mut words = given.iter();
    while let Some(word) = words.next() {
        let (option, own) = match word.text.split_once('=') {
            Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
            _ => (word.text.as_ref(), None),
        };
        if !known.contains(&option) {
            let error = Error::invalid(format!("this command takes no {option}")).at(word.span);
            return Err(if known.is_empty() { error } else { error.hint(format!("it takes {}", known.join(", "))) });
        }
        let mut value = |what: &str| {
            own.clone()
                .or_else(|| words.next().map(|word| word.text.to_string()))
                .ok_or_else(|| Error::invalid(format!("{option} needs {what} behind it")).at(word.span))
        };
        match option {
            "--sql" => options.sql = true,
            "--dry-run" => options.dry_run = true,
            "--force" => options.request.force = true,
            "--rename" => {
                let text = value("OLD:NEW")?;
                let (from, to) = text.split_once(':').ok_or_else(|| {
                    Error::invalid(format!("`{text}` is not OLD:NEW"))
                        .at(word.span)
                        .hint("--rename users.name:username")
                })?;
                options.request.renames.push((from.to_owned(), to.to_owned()));
            }
            "--drop" => options.request.drops.extend(value("a name")?.split(',').map(|name| name.trim().to_owned())),
            "--fill" => options.request.fills.add(&value("TABLE.COLUMN=SQL")?).map_err(|error| error.at(word.span))?,
            _ => options.like = Some(value("a database")?),
        }
    }
    Ok(options)
}

/// `db VERB`
pub fn db(verb: &Db<'_>, given: &[Name<'_>], context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let options = options(verb, given)?;
    let done = match verb {
        Db::Upgrade(target) => step(target.as_ref(), true, &options, context, front),
        Db::Downgrade(target) => step(target.as_ref(), false, &options, context, front),
        Db::Current => current(context, front),
        Db::History => history(context, front),
        Db::Status => status(context, front),
        Db::Stamp(target) => stamp(target, context, front),
        Db::Check => migrate::check(&options, context, front),
        Db::Revision(message) => migrate::revision(&message.text, context, front),
        Db::Migrate(message) => migrate::migrate(&message.text, &options, context, front),
        Db::Init => migrate::init(context, front),
        Db::CreateAll => migrate::create_all(&options, context, front),
        Db::DropAll => migrate::drop_all(&options, context, front),
        Db::Schema => migrate::schema(context, front),
    };
    if matches!(verb, Db::Upgrade(_) | Db::Downgrade(_) | Db::CreateAll | Db::DropAll) {
        // The next command sees the tables as they are now, also where only some of the steps were done.
        let read = context.reload();
        return done.and(read.map(drop));
    }
    done
}

/// Changes of the schema and staged changes do not mix: the journal is checked against the schema as it is.
pub(super) fn clean(context: &Context) -> Result<()> {
    if context.session.is_sandbox() {
        return Err(Error::new(ErrorKind::Refused, "this is a sandbox: its schema stays as it is")
            .hint("--sql shows what would run"));
    }
    if context.session.is_clean() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "changes are staged, and a migration would not see them")
        .hint("`commit` or `rollback` first"))
}

fn protected(context: &Context) -> Error {
    Error::new(ErrorKind::Refused, format!("{} is protected", context.name))
        .hint("that was said where it is opened: `protected = true` of its connection in the configuration")
}

/// Whether migrations may be taken back: where the database is protected one at a time, by a person who is asked.
fn reverting(chosen: &[&Revision], context: &mut Context, front: &mut dyn Front) -> Result<bool> {
    if !context.protected {
        return Ok(true);
    }
    let [only] = chosen else { return Err(protected(context).hint("a person may take back one migration at a time")) };
    let question = format!("{} is protected. Revert {}? What its down.sql drops is gone", context.name, only.name);
    match front.ask(&question)? {
        Some(answer) => Ok(answer),
        None => {
            Err(protected(context)
                .hint("a person may take back one migration at a time, and nobody is here to be asked"))
        }
    }
}

/// Whether what empties the database may run at all; and whether the person at the terminal wants it.
pub(super) fn emptying(question: &str, context: &mut Context, front: &mut dyn Front) -> Result<bool> {
    if context.protected {
        return Err(protected(context));
    }
    if context.session.store().is_read_only() {
        return Err(Error::new(ErrorKind::Refused, format!("{} is open for reading only", context.name)));
    }
    if context.session.is_sandbox() {
        return Err(Error::new(ErrorKind::Refused, "this is a sandbox: nothing is ever committed"));
    }
    Ok(front.ask(question)? != Some(false))
}

pub(super) fn revisions(context: &mut Context) -> Result<Vec<Revision>> {
    context.session.store().revisions()
}

/// What was edited or has gone since it was applied.
fn report(all: &[Revision], front: &mut dyn Front) -> Result<()> {
    for revision in all.iter().filter(|revision| revision.applied) {
        if revision.script.is_none() {
            let way = if revision.texts.is_some() {
                "`db downgrade` can still revert it by what is on record"
            } else {
                "bring its folder back, or `db stamp`"
            };
            let text = format!("{} is applied, but its folder is gone: {way}", revision.name);
            front.notice(Level::Warning, &text)?;
        } else if revision.edited() {
            let text =
                format!("{} was edited after it was applied: the database has what it said before", revision.name);
            front.notice(Level::Warning, &text)?;
        }
    }
    Ok(())
}

fn step(
    target: Option<&Name<'_>>,
    up: bool,
    options: &Options,
    context: &mut Context,
    front: &mut dyn Front,
) -> Result<()> {
    if !options.sql {
        clean(context)?;
    }
    let all = revisions(context)?;
    let word = target.map(|name| name.text.as_ref());
    let chosen = if up { target::upgrade(word, &all) } else { target::downgrade(word, &all) };
    let chosen = chosen.map_err(|error| match target {
        Some(name) => error.at(name.span),
        None => error,
    })?;
    if !options.sql {
        report(&all, front)?;
    }
    if chosen.is_empty() {
        let text = match word {
            Some(word) if up && word != "head" => format!("{} is applied already", target::named(word, &all)?.name),
            _ if up => "already at head".to_owned(),
            Some(word) if word != "base" => format!("already at {}", target::named(word, &all)?.name),
            _ => "already at base".to_owned(),
        };
        return front.notice(Level::Info, &text);
    }
    let store = context.session.store();
    let done = if up { "upgraded" } else { "downgraded" };
    if options.sql {
        let dialect = store.facts().dialect;
        return run::as_sql(dialect, &chosen, up)?.iter().try_for_each(|line| front.data(line));
    }
    if options.dry_run {
        run::rehearse(store, &chosen, up)?;
        for revision in &chosen {
            front.notice(Level::Info, &format!("works: {}", revision.name))?;
        }
        return front.notice(Level::Info, "tried and rolled back: nothing was changed");
    }
    if !up && !reverting(&chosen, context, front)? {
        return front.notice(Level::Info, "nothing was reverted");
    }
    for revision in chosen {
        run::run(context.session.store(), revision, up)?;
        front.notice(Level::Info, &format!("{done}: {}", revision.name))?;
    }
    Ok(())
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
        if revision.script.is_none() {
            state.push("folder gone");
        } else if revision.edited() {
            state.push("edited since");
        }
        if !revision.applied && newest.is_some_and(|newest| index < newest) {
            state.push("older than current");
        }
        let state = state.join(", ");
        front.row(&[Cell::Text(&revision.version), Cell::Text(&revision.name), Cell::Text(&state)], Mark::None)?;
    }
    front.end()
}

fn status(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let all = revisions(context)?;
    let applied = all.iter().filter(|revision| revision.applied).count();
    let mut text = if applied == all.len() {
        format!("at head: all {applied} revisions are applied")
    } else {
        format!("{applied} of {} revisions are applied; `db upgrade` applies the rest", all.len())
    };
    let edited = all.iter().filter(|revision| revision.applied && revision.edited()).count();
    let gone = all.iter().filter(|revision| revision.script.is_none()).count();
    for (count, what) in [(edited, "edited since"), (gone, "with its folder gone")] {
        if count > 0 {
            text.push_str(&format!("; {count} {what}"));
        }
    }
    front.line(&text)?;
    report(&all, front)
}

fn stamp(target: &Name<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    clean(context)?;
    let all = revisions(context)?;
    let (until, what) = match target.text.as_ref() {
        "base" => (None, "base".to_owned()),
        "head" => match all.iter().rev().find(|revision| revision.script.is_some()) {
            Some(last) => (Some(last.version.clone()), "head".to_owned()),
            None => return Err(Error::invalid("there is no revision to stamp").at(target.span)),
        },
        word => {
            let found = target::named(word, &all).map_err(|error| error.at(target.span))?;
            (Some(found.version.clone()), found.name.clone())
        }
    };
    let wanted = |revision: &Revision| {
        revision.script.is_some() && until.as_ref().is_some_and(|until| revision.version <= *until)
    };
    let count = run::stamp(context.session.store(), &all, &wanted)?;
    if count == 0 {
        return front.notice(Level::Info, &format!("already at {what}"));
    }
    let s = if count == 1 { "" } else { "s" };
    front.notice(
        Level::Info,
        &format!("stamped: at {what} ({count} row{s} of the table of migrations changed, nothing was run)"),
    )
}

/// `.reset`: down to base, up to head.
pub fn reset(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let all = revisions(context)?;
    let question = format!("reset {}? every row of its tables will be gone", context.name);
    if !emptying(&question, context, front)? {
        return front.notice(Level::Info, "not reset");
    }
    if !context.session.is_clean() {
        let counts = context.session.rollback()?;
        front.notice(Level::Warning, &format!("rolled back what was staged: {counts}"))?;
    }
    for revision in all.iter().rev().filter(|revision| revision.applied) {
        run::run(context.session.store(), revision, false)?;
    }
    for revision in all.iter().filter(|revision| revision.script.is_some()) {
        run::run(context.session.store(), revision, true)?;
    }
    context.variables.clear();
    context.reload()?;
    front.notice(Level::Info, "reset: the database is empty and at head")
}
