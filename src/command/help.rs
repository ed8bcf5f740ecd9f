//! `.help`, from the one command table and from what an application adds.

use super::{Context, Front};
use crate::language::ast::Name;
use crate::language::table::COMMANDS;
use crate::model::ExtraCommand;
use crate::{Error, Result};
use std::sync::Arc;

/// One command, as help shows it.
struct Shown<'a> {
    heading: &'a str,
    name: &'a str,
    usage: &'a str,
    summary: &'a str,
    details: &'a str,
    examples: Vec<&'a str>,
}

/// All commands in order: an application's own behind those of the shell under the same heading.
fn all(extra: &[ExtraCommand]) -> Vec<Shown<'_>> {
    let mut all: Vec<Shown<'_>> = COMMANDS
        .iter()
        .map(|command| Shown {
            heading: command.group.title(),
            name: command.name,
            usage: command.usage,
            summary: command.summary,
            details: command.details,
            examples: command.examples.to_vec(),
        })
        .collect();
    for command in extra {
        let shown = Shown {
            heading: &command.heading,
            name: &command.name,
            usage: &command.usage,
            summary: &command.summary,
            details: &command.details,
            examples: command.examples.iter().map(String::as_str).collect(),
        };
        let at = all.iter().rposition(|known| known.heading == shown.heading).map_or(all.len(), |last| last + 1);
        all.insert(at, shown);
    }
    all
}

/// `.help [COMMAND]`
pub fn help(rest: &Name<'_>, context: &Context, front: &mut dyn Front) -> Result<()> {
    let catalog = Arc::clone(context.session.catalog());
    let commands = all(catalog.extra_commands());
    let wanted = rest.text.trim();
    if wanted.is_empty() {
        return overview(&commands, front);
    }
    let named = |name: &str| commands.iter().position(|command| command.name.eq_ignore_ascii_case(name));
    let found: Vec<&Shown<'_>> = match named(wanted).or_else(|| named(&format!(".{wanted}"))) {
        Some(at) => vec![&commands[at]],
        // `.help db` means all that begin with it.
        None => commands.iter().filter(|command| command.name.split(' ').next() == Some(wanted)).collect(),
    };
    if found.is_empty() {
        return Err(Error::invalid(format!("there is no command `{wanted}`"))
            .at(rest.span)
            .suggest(wanted, commands.iter().map(|command| command.name)));
    }
    for command in found {
        front.line(command.usage)?;
        front.line(&format!("  {}", command.summary))?;
        if !command.details.is_empty() {
            front.line(&format!("  {}", command.details))?;
        }
        for example in &command.examples {
            front.line(&format!("    {example}"))?;
        }
        if command.name == ".set" {
            let settings = front.explain_settings();
            let widest = settings.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            for (name, told) in settings {
                front.line(&format!("  {name:widest$}  {told}"))?;
            }
        }
    }
    Ok(())
}

fn overview(commands: &[Shown<'_>], front: &mut dyn Front) -> Result<()> {
    let mut heading = None;
    let widest = commands.iter().map(|command| command.name.len()).max().unwrap_or(0);
    for command in commands {
        if heading != Some(command.heading) {
            if heading.is_some() {
                front.line("")?;
            }
            front.line(command.heading)?;
            heading = Some(command.heading);
        }
        front.line(&format!("  {:widest$}  {}", command.name, command.summary))?;
    }
    front.line("")?;
    front.line("`.help COMMAND` shows its form and examples.")
}
