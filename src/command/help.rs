//! `.help`, from the one command table.

use super::Front;
use crate::language::ast::Name;
use crate::language::table::{self, COMMANDS, CommandInfo};
use crate::{Error, Result};

/// `.help [COMMAND]`
pub fn help(rest: &Name<'_>, front: &mut dyn Front) -> Result<()> {
    let wanted = rest.text.trim();
    if wanted.is_empty() {
        return overview(front);
    }
    let found: Vec<&CommandInfo> = match table::find(wanted).or_else(|| table::find(&format!(".{wanted}"))) {
        Some(command) => vec![command],
        // `.help db` means all that begin with it.
        None => COMMANDS.iter().filter(|command| command.name.split(' ').next() == Some(wanted)).collect(),
    };
    if found.is_empty() {
        return Err(Error::invalid(format!("there is no command `{wanted}`"))
            .at(rest.span)
            .suggest(wanted, COMMANDS.iter().map(|command| command.name)));
    }
    for command in found {
        front.line(command.usage)?;
        front.line(&format!("  {}", command.summary))?;
        if !command.details.is_empty() {
            front.line(&format!("  {}", command.details))?;
        }
        for example in command.examples {
            front.line(&format!("    {example}"))?;
        }
    }
    Ok(())
}

fn overview(front: &mut dyn Front) -> Result<()> {
    let mut group = None;
    let widest = COMMANDS.iter().map(|command| command.name.len()).max().unwrap_or(0);
    for command in COMMANDS {
        if group != Some(command.group) {
            if group.is_some() {
                front.line("")?;
            }
            front.line(command.group.title())?;
            group = Some(command.group);
        }
        front.line(&format!("  {:widest$}  {}", command.name, command.summary))?;
    }
    front.line("")?;
    front.line("`.help COMMAND` shows its form and examples.")
}
