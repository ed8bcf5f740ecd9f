//! The shell's own commands.

use super::{
    Context, Flow, Front, Origin, dump, explain, export, help, import, inspect, mask, own, read, schema, target,
    transfer,
};
use crate::language::ast::Name;
use crate::language::{self, table};
use crate::outcome::Level;
use crate::session::Hold;
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs a dot command.
pub fn run(
    name: &Name<'_>,
    arguments: &[Name<'_>],
    rest: &Name<'_>,
    origin: Origin<'_>,
    context: &mut Context,
    front: &mut dyn Front,
) -> Result<Flow> {
    let first = arguments.first().map(|argument| argument.text.as_ref());
    match name.text.as_ref() {
        "help" => help::help(rest, context, front)?,
        "models" => inspect::models(context, front)?,
        "tables" => inspect::tables(context, front)?,
        "schema" => inspect::schema(first, context, front).map_err(|e| e.at(rest.span))?,
        "mode" | "null" | "timing" | "echo" | "pager" => setting(name, arguments, context, front)?,
        "set" => set(arguments, rest, context, front)?,
        "show" => show(first, context, front)?,
        "recover" => super::session::recover(context, front)?,
        "output" => {
            front.redirect(None)?;
            if let Some(file) = first {
                let file = target::open(Path::new(file), context).map_err(|e| e.at(rest.span))?;
                front.redirect(Some(file))?;
            }
        }
        "read" => return Ok(Flow::Read(PathBuf::from(needed(name, first)?))),
        "sql" => super::sql::run(rest, origin, context, front)?,
        "explain" => explain_command(rest, context, front)?,
        "unmask" => mask::unmask(arguments, context, front)?,
        "reset" => schema::reset(context, front)?,
        "import" => import::import(arguments, rest, origin.place, context, front)?,
        "export" => export::export(rest, origin, context, front)?,
        "dump" => dump::dump(arguments, context, front)?,
        "copy" => export::copy(rest, origin, context, front)?,
        "copy-to" => transfer::copy_to(rest, context, front)?,
        "watch" => return export::watch(rest),
        "history" => {
            for line in front.history() {
                front.line(&line)?;
            }
        }
        "reload" => reload(context, front)?,
        "open" => return Ok(Flow::Open(needed(name, first)?.to_owned())),
        "quit" | "exit" => return Ok(Flow::Quit),
        other => {
            let dotted = format!(".{other}");
            if let Some(done) = own::run(&dotted, arguments, rest, origin, context, front) {
                return done.map(|()| Flow::Next);
            }
            let catalog = context.session.catalog();
            let known = table::COMMANDS.iter().map(|command| command.name);
            let known = known.chain(catalog.extra_commands().iter().map(|command| command.name.as_str()));
            return Err(Error::invalid(format!("there is no command {dotted}"))
                .at(name.span)
                .suggest(&dotted, known.filter(|name| name.starts_with('.'))));
        }
    }
    Ok(Flow::Next)
}

fn needed<'a>(name: &Name<'_>, argument: Option<&'a str>) -> Result<&'a str> {
    argument.ok_or_else(|| {
        let usage = table::find(&format!(".{}", name.text)).map_or("", |command| command.usage);
        Error::invalid(format!(".{} needs something behind it", name.text)).at(name.span).hint(usage)
    })
}

/// `.reload`
fn reload(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let changed = context.reload()?;
    let models = context.session.catalog().iter().count();
    let text = format!("{models} models{}", if changed { "; the schema has changed" } else { ", as before" });
    front.notice(Level::Info, &text)
}

/// `.mode csv`; without a value it shows the setting.
fn setting(name: &Name<'_>, arguments: &[Name<'_>], context: &mut Context, front: &mut dyn Front) -> Result<()> {
    match arguments {
        [] => show(Some(&name.text), context, front),
        [value] => front.set(&name.text, &value.text).map_err(|e| e.at(value.span)),
        [_, more, ..] => Err(Error::invalid(format!(".{} takes one value", name.text)).at(more.span)),
    }
}

fn set(arguments: &[Name<'_>], rest: &Name<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    match arguments {
        [] => show(None, context, front),
        [name] => show(Some(&name.text), context, front),
        [name, value] => match name.text.as_ref() {
            "hold" => hold(value, context),
            "exact" => {
                context.exact = match value.text.as_ref() {
                    "on" => true,
                    "off" => false,
                    other => return Err(Error::invalid(format!("`{other}` is neither on nor off")).at(value.span)),
                };
                Ok(())
            }
            "confirm" => {
                context.confirm = value.text.parse().map_err(|_| {
                    Error::invalid("confirm is a number of rows").at(value.span).hint(".set confirm 100")
                })?;
                Ok(())
            }
            "lock-timeout" => {
                let seconds: f64 = value.text.parse().unwrap_or(-1.0);
                let timeout = std::time::Duration::try_from_secs_f64(seconds).map_err(|_| {
                    Error::invalid("lock-timeout is a number of seconds").at(value.span).hint(".set lock-timeout 0.5")
                })?;
                context.session.set_lock_timeout(timeout);
                Ok(())
            }
            known => match context.own.set(&known.to_ascii_lowercase(), &value.text) {
                Some(done) => done.map_err(|e| e.at(value.span)),
                None => front.set(known, &value.text).map_err(|e| e.at(rest.span)),
            },
        },
        [_, _, more, ..] => Err(Error::invalid("a setting takes one value; put it in quotes").at(more.span)),
    }
}

/// `.set hold on`: the classic way, a transaction that stays open from the first change to the commit.
fn hold(value: &Name<'_>, context: &mut Context) -> Result<()> {
    let hold = match value.text.to_ascii_lowercase().as_str() {
        "on" => Hold::Yes,
        "off" => Hold::No,
        other => return Err(Error::invalid(format!("`{other}` is neither on nor off")).at(value.span)),
    };
    context.session.set_hold(hold)
}

fn show(wanted: Option<&str>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let mut settings = front.settings();
    settings.push(("confirm", context.confirm.to_string()));
    settings.push(("exact", if context.exact { "on" } else { "off" }.into()));
    settings.push(("hold", if context.session.hold() == Hold::Yes { "on" } else { "off" }.into()));
    settings.push(("lock-timeout", context.session.lock_timeout().as_secs_f64().to_string()));
    settings.extend(context.own.settings().map(|(name, value)| (name, value.to_owned())));
    settings.sort();
    let found: Vec<_> = settings.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name)).collect();
    if let (Some(wanted), true) = (wanted, found.is_empty()) {
        return Err(Error::invalid(format!("there is no setting `{wanted}`"))
            .suggest(wanted, settings.iter().map(|(name, _)| *name)));
    }
    let widest = found.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in found {
        front.line(&format!("{name:widest$}  {value}"))?;
    }
    Ok(())
}

fn explain_command(rest: &Name<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let catalog = Arc::clone(context.session.catalog());
    // The command's own spans count from its first byte.
    let shift = |error: Error| error.moved(rest.span.start);
    let command = language::parse(&rest.text, &catalog).map_err(shift)?;
    match read::select_of(&command, context).map_err(shift)? {
        Some(select) => explain(context, &select, front),
        None => Err(Error::invalid(".explain needs a command that reads").at(rest.span).hint(".explain list users")),
    }
}
