//! `db migrate` and its kin: from the models to migrations, and to tables without any.

use super::schema::{Options, clean, emptying, revisions};
use super::{Context, Front};
use crate::migrations::declared::Declared;
use crate::migrations::generate::{self, Generated};
use crate::migrations::{print, project, run};
use crate::outcome::Level;
use crate::text::sql::shortened;
use crate::{Error, ErrorKind, Result};

/// What the database is compared with: another one, the registered models, or the project's `schema.rs`.
fn declared(options: &Options, context: &mut Context, front: &mut dyn Front) -> Result<Declared> {
    let dialect = context.session.store().facts().dialect;
    if let Some(url) = &options.like {
        let mut other = front.connect(url)?;
        if other.store().facts().dialect != dialect {
            return Err(Error::invalid(
                "the other database is of another kind, so its types are no measure for this one",
            ));
        }
        return Ok(Declared::database(other.store().definition()?));
    }
    if let Some(models) = &context.migrating.models {
        return Ok(Declared::models(models, dialect));
    }
    match context.migrating.project.as_ref().and_then(|project| project.schema.as_ref()) {
        Some(file) => Declared::file(file, dialect),
        None => Err(Error::invalid("there are no models to compare the database with").hint(
            "they are a project's src/schema.rs (named in its diesel.toml), an application's registered models, or another \
            database: --like URL",
        )),
    }
}

/// The folder that migrations are written to.
fn folder(context: &mut Context) -> Result<std::path::PathBuf> {
    let dialect = context.session.store().facts().dialect;
    match &context.migrating.project {
        Some(project) => Ok(project.folder(dialect)),
        None => Err(Error::invalid("there is no folder of migrations to write to")
            .hint("`db init` begins one here, with a diesel.toml")),
    }
}

/// Writes a migration and lets the connection know of it.
fn write(message: &str, up: &str, down: &str, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let folder = folder(context)?;
    let place = project::write_revision(&folder, message, (context.clock)(), up, down)?;
    context.session.store().set_folder(&folder);
    front.notice(Level::Info, &format!("wrote {}/up.sql and down.sql", place.display()))
}

/// `db init`
pub fn init(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    if let Some(project) = &context.migrating.project {
        return Err(Error::new(ErrorKind::Refused, format!("this is a project already: {}", project.root.display()))
            .hint("`db revision \"message\"` begins a migration"));
    }
    let Some(root) = context.migrating.folder.clone() else {
        return Err(Error::invalid("there is no folder to begin a project in"));
    };
    let scripts = context.session.store().scripts().unwrap_or_default();
    let project = project::init(&root, &scripts)?;
    project.attach(context.session.store());
    front.notice(Level::Info, &format!("wrote {}", root.join("diesel.toml").display()))?;
    let s = if scripts.len() == 1 { "" } else { "s" };
    let text = match scripts.len() {
        0 => format!("migrations go to {}", project.migrations.display()),
        count => format!("{count} migration{s} of the models are in {}", project.migrations.display()),
    };
    front.notice(Level::Info, &text)?;
    context.migrating.project = Some(project);
    Ok(())
}

/// `db revision "message"`
pub fn revision(message: &str, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let (up, down) = ("-- Your SQL goes here\n", "-- This file should undo anything in `up.sql`\n");
    write(message, up, down, context, front)
}

/// Compares; a person at the terminal is asked about renames and drops.
fn compared(options: &Options, context: &mut Context, front: &mut dyn Front, asks: bool) -> Result<Generated> {
    let wanted = declared(options, context, front)?;
    let mut ask = |question: &str| if asks { front.ask(question) } else { Ok(Some(false)) };
    generate::generate(context.session.store(), wanted, &options.request, &mut ask)
}

/// How many revisions are not applied. Models can be compared where nobody keeps migrations, too.
fn pending(context: &mut Context) -> usize {
    revisions(context).map_or(0, |all| all.iter().filter(|revision| !revision.applied).count())
}

/// `db check`
pub fn check(options: &Options, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let behind = pending(context);
    let generated = compared(options, context, front, false)?;
    let mut count = generated.findings.len();
    for finding in &generated.findings {
        front.line(&format!("models and database differ: {finding}"))?;
    }
    for only in &generated.kept {
        if only.unwanted {
            count += 1;
            front.line(&format!("models and database differ: {} is only in the database", only.what))?;
        } else {
            front.notice(Level::Info, &format!("{} is only in the database", only.what))?;
        }
    }
    for warning in &generated.warnings {
        front.notice(Level::Warning, warning)?;
    }
    if behind > 0 {
        let s = if behind == 1 { " is" } else { "s are" };
        front.line(&format!("{behind} revision{s} not applied"))?;
    }
    if count == 0 && behind == 0 {
        return front.notice(Level::Info, "models and database are the same");
    }
    let way =
        if behind > 0 { "`db upgrade` applies what is there" } else { "`db migrate \"message\"` writes a migration" };
    Err(Error::invalid("the database is not as the models say").hint(way))
}

/// `db migrate "message"`
pub fn migrate(message: &str, options: &Options, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    clean(context)?;
    if !options.sql && !options.dry_run {
        folder(context)?;
    }
    if let behind @ 1.. = pending(context) {
        let s = if behind == 1 { " is" } else { "s are" };
        return Err(Error::new(
            ErrorKind::Refused,
            format!("{behind} revision{s} not applied, and would be found as differences"),
        )
        .hint("`db upgrade` first"));
    }
    let generated = compared(options, context, front, true)?;
    for finding in &generated.findings {
        front.line(&format!("detected {finding}"))?;
    }
    for only in &generated.kept {
        let name = only.names.first().map_or("", String::as_str);
        front.notice(Level::Info, &format!("kept {}: only the database has it (--drop {name} drops it)", only.what))?;
    }
    for warning in &generated.warnings {
        front.notice(Level::Warning, warning)?;
    }
    if generated.findings.is_empty() {
        return front.notice(Level::Info, "nothing differs: nothing was written");
    }
    let (up, down) = (generate::script(&generated.up), generate::script(&generated.down));
    if options.sql {
        front.data("-- up.sql")?;
        up.lines().try_for_each(|line| front.data(line))?;
        front.data("-- down.sql")?;
        return down.lines().try_for_each(|line| front.data(line));
    }
    if options.dry_run {
        apply(&generated.up, false, context)?;
        return front
            .notice(Level::Info, "tried on the rows that are there and rolled back: it works, nothing was written");
    }
    write(message, &up, &down, context, front)?;
    front.notice(Level::Info, "read it, then `db upgrade` applies it")
}

/// Runs statements in a transaction, which is kept or rolled back.
fn apply(statements: &[String], keep: bool, context: &mut Context) -> Result<()> {
    let mut work = |store: &mut dyn crate::store::Store| {
        let before = store.orphans()?.len();
        for sql in statements {
            store
                .batch(sql)
                .map_err(|error| error.hint(format!("in: {}", shortened(sql))).hint("nothing was changed"))?;
        }
        if store.orphans()?.len() > before {
            return Err(Error::new(ErrorKind::Constraint, "it leaves rows that refer to rows which are not there")
                .hint("nothing was changed"));
        }
        Ok(())
    };
    run::in_transaction(context.session.store(), &mut work, keep)
}

/// Makes or drops tables, for real or as a trial, and says so.
fn carry_out(
    statements: &[String],
    done: &str,
    tables: &[String],
    options: &Options,
    context: &mut Context,
    front: &mut dyn Front,
) -> Result<()> {
    apply(statements, !options.dry_run, context)?;
    for table in tables {
        front.notice(Level::Info, &format!("{done} table {table}"))?;
    }
    if options.dry_run {
        return front.notice(Level::Info, "tried and rolled back: nothing was changed");
    }
    Ok(())
}

/// `db create-all`
pub fn create_all(options: &Options, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let wanted = declared(options, context, front)?;
    let (tables, statements) = generate::missing(context.session.store(), wanted)?;
    if options.sql {
        return generate::script(&statements).lines().try_for_each(|line| front.data(line));
    }
    clean(context)?;
    if tables.is_empty() {
        return front.notice(Level::Info, "all tables are there");
    }
    carry_out(&statements, "created", &tables, options, context, front)
}

/// `db drop-all`
pub fn drop_all(options: &Options, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let wanted = declared(options, context, front)?;
    let (tables, statements) = generate::dropping(context.session.store(), &wanted)?;
    if options.sql {
        return generate::script(&statements).lines().try_for_each(|line| front.data(line));
    }
    if tables.is_empty() {
        return front.notice(Level::Info, "no table of the models is there");
    }
    if !options.dry_run {
        let question = format!("drop {} of {} with every row?", tables.join(", "), context.name);
        if !emptying(&question, context, front)? {
            return front.notice(Level::Info, "nothing was dropped");
        }
    }
    clean(context)?;
    carry_out(&statements, "dropped", &tables, options, context, front)?;
    if options.dry_run {
        return Ok(());
    }
    // Without its tables no migration is applied.
    if let Ok(all) = revisions(context)
        && all.iter().any(|revision| revision.applied)
    {
        front.notice(
            Level::Info,
            "the table of migrations says as before which are applied: `db stamp base` notes that none is",
        )?;
    }
    context.variables.clear();
    Ok(())
}

/// `db schema`
pub fn schema(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let store = context.session.store();
    let dialect = store.facts().dialect;
    let definition = store.definition()?;
    print::schema(&definition, dialect).lines().try_for_each(|line| front.data(line))
}
