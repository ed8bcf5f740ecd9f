//! The shell's own commands.

use super::{
    Context, Flow, Front, Origin, dump, explain, export, help, import, inspect, mask, own, read, schema, target,
    transfer,
};
use crate::language;
use crate::language::ast::Name;
use crate::language::table::{self, Dot};
use crate::outcome::Level;
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
    let dotted = format!(".{}", name.text);
    let Some(dot) = table::find(&dotted).and_then(|command| command.dot) else {
        if let Some(done) = own::run(&dotted, arguments, rest, origin, context, front) {
            return done.map(|()| Flow::Next);
        }
        let catalog = context.session.catalog();
        let known = table::COMMANDS.iter().map(|command| command.name);
        let known = known.chain(catalog.extra_commands().iter().map(|command| command.name.as_str()));
        return Err(Error::invalid(format!("there is no command {dotted}"))
            .at(name.span)
            .suggest(&dotted, known.filter(|name| name.starts_with('.'))));
    };
    match dot {
        Dot::Help => help::help(rest, context, front)?,
        Dot::Models => inspect::models(context, front)?,
        Dot::Tables => inspect::tables(context, front)?,
        Dot::Schema => inspect::schema(first, context, front).map_err(|e| e.at(rest.span))?,
        Dot::Setting => setting(name, arguments, context, front)?,
        Dot::Set => set(arguments, context, front)?,
        Dot::Show => show(first, context, front)?,
        Dot::Recover => super::session::recover(context, front)?,
        Dot::Output => {
            front.redirect(None)?;
            if let Some(file) = first {
                let file = target::open(Path::new(file), context).map_err(|e| e.at(rest.span))?;
                front.redirect(Some(file))?;
            }
        }
        Dot::Read => return Ok(Flow::Read(PathBuf::from(needed(name, first)?))),
        Dot::Sql => super::sql::run(rest, origin, context, front)?,
        Dot::Explain => explain_command(rest, context, front)?,
        Dot::Unmask => mask::unmask(arguments, context, front)?,
        Dot::Reset => schema::reset(context, front)?,
        Dot::Import => import::import(arguments, rest, origin.place, context, front)?,
        Dot::Export => export::export(rest, origin, context, front)?,
        Dot::Dump => dump::dump(arguments, context, front)?,
        Dot::Copy => export::copy(rest, origin, context, front)?,
        Dot::CopyTo => transfer::copy_to(rest, context, front)?,
        Dot::Watch => return export::watch(rest),
        Dot::History => {
            for line in front.history() {
                front.line(&line)?;
            }
        }
        Dot::Reload => reload(context, front)?,
        Dot::Open => return Ok(Flow::Open(needed(name, first)?.to_owned())),
        Dot::Quit => return Ok(Flow::Quit),
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
        [value] => front.set(&name.text, &value.text, context).map_err(|e| e.at(value.span)),
        [_, more, ..] => Err(Error::invalid(format!(".{} takes one value", name.text)).at(more.span)),
    }
}

fn set(arguments: &[Name<'_>], context: &mut Context, front: &mut dyn Front) -> Result<()> {
    match arguments {
        [] => show(None, context, front),
        [name] => show(Some(&name.text), context, front),
        [name, value] => {
            if let Some(done) = context.own.set(&name.text.to_ascii_lowercase(), &value.text) {
                return done.map_err(|e| e.at(value.span));
            }
            front.setting(&name.text, context).map_err(|e| e.at(name.span))?;
            front.set(&name.text, &value.text, context).map_err(|e| e.at(value.span))
        }
        [_, _, more, ..] => Err(Error::invalid("a setting takes one value; put it in quotes").at(more.span)),
    }
}

fn show(wanted: Option<&str>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let mut settings = front.settings(context);
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
