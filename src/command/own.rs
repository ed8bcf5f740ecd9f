//! What an application adds: commands and settings of its own.

use super::{Context, Flow, Front, Origin};
use crate::language::ast::Name;
use crate::language::table::Group;
use crate::model::ExtraCommand;
use crate::outcome::{Level, Mark};
use crate::rows::Rows;
use crate::session::Session;
use crate::text::Place;
use crate::{Error, Result, language};
use std::rc::Rc;
use std::sync::Arc;

/// Where commands of an application stand in help, unless they say otherwise.
const HEADING: &str = "This application";

type Handler = Rc<dyn Fn(&mut Call<'_>) -> Result<()>>;
type Complete = Rc<dyn Fn(&[&str], &str) -> Vec<String>>;

/// A command of the application's own: a word, or a word with a dot before it.
///
/// ```
/// use diesel_shell::{Command, Error};
///
/// let greet = Command::new("greet", |call| {
///     let name = call.needed(0, "a name")?;
///     call.line(&format!("hello, {name}"))
/// })
/// .usage("greet NAME")
/// .summary("says hello")
/// .heading("Manners")
/// .complete(|earlier, _| if earlier.is_empty() { vec!["world".into()] } else { Vec::new() });
/// # let _ = (greet, Error::invalid(""));
/// ```
#[derive(Clone)]
pub struct Command {
    info: ExtraCommand,
    run: Handler,
    complete: Option<Complete>,
}

impl Command {
    /// A command and what it does.
    pub fn new(name: &str, run: impl Fn(&mut Call<'_>) -> Result<()> + 'static) -> Self {
        let info = ExtraCommand {
            name: name.to_ascii_lowercase(),
            heading: HEADING.to_owned(),
            usage: name.to_ascii_lowercase(),
            ..ExtraCommand::default()
        };
        Self { info, run: Rc::new(run), complete: None }
    }

    /// Its form, for `.help COMMAND`: `greet NAME`.
    #[must_use]
    pub fn usage(mut self, usage: &str) -> Self {
        usage.clone_into(&mut self.info.usage);
        self
    }

    /// What it does, in one line, for `.help`.
    #[must_use]
    pub fn summary(mut self, summary: &str) -> Self {
        summary.clone_into(&mut self.info.summary);
        self
    }

    /// More to know, for `.help COMMAND`.
    #[must_use]
    pub fn details(mut self, details: &str) -> Self {
        details.clone_into(&mut self.info.details);
        self
    }

    /// A command to try, for `.help COMMAND`.
    #[must_use]
    pub fn example(mut self, example: &str) -> Self {
        self.info.examples.push(example.to_owned());
        self
    }

    /// The heading that it stands under in `.help`; headings of your own come behind those of the shell.
    #[must_use]
    pub fn heading(mut self, heading: &str) -> Self {
        heading.clone_into(&mut self.info.heading);
        self
    }

    /// Puts it under one of the shell's own headings in `.help`.
    #[must_use]
    pub fn group(self, group: Group) -> Self {
        self.heading(group.title())
    }

    /// What Tab offers: given the arguments before the cursor and what is typed of the one at it.
    #[must_use]
    pub fn complete(mut self, complete: impl Fn(&[&str], &str) -> Vec<String> + 'static) -> Self {
        self.complete = Some(Rc::new(complete));
        self
    }

    pub(crate) fn info(&self) -> &ExtraCommand {
        &self.info
    }
}

/// A setting of the application's own, which `.set NAME VALUE` changes and [`Call::setting`] reads.
#[derive(Clone)]
pub struct Setting {
    name: String,
    value: String,
    choices: Vec<String>,
    check: Option<Rc<dyn Fn(&str) -> Result<(), String>>>,
}

impl Setting {
    /// A setting with the value that it begins with.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: name.to_ascii_lowercase(), value: value.to_owned(), choices: Vec::new(), check: None }
    }

    /// The values that it can have; Tab offers them.
    #[must_use]
    pub fn choices(mut self, choices: &[&str]) -> Self {
        self.choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
        self
    }

    /// Refuses values with a message.
    #[must_use]
    pub fn validate<E: std::fmt::Display>(mut self, check: impl Fn(&str) -> Result<(), E> + 'static) -> Self {
        self.check = Some(Rc::new(move |value| check(value).map_err(|why| why.to_string())));
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn change(&mut self, value: &str) -> Result<()> {
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice == value) {
            return Err(Error::invalid(format!("{} is one of {}", self.name, self.choices.join(", ")))
                .suggest(value, self.choices.iter().map(String::as_str)));
        }
        if let Some(check) = &self.check {
            check(value).map_err(|why| Error::invalid(format!("{}: {why}", self.name)))?;
        }
        value.clone_into(&mut self.value);
        Ok(())
    }
}

/// The commands and settings of an application.
#[derive(Clone, Default)]
pub struct Own {
    commands: Vec<Command>,
    settings: Vec<Setting>,
}

impl Own {
    /// All of them.
    #[must_use]
    pub fn new(commands: Vec<Command>, settings: Vec<Setting>) -> Self {
        Self { commands, settings }
    }

    /// The commands, as help, Tab and colours know them.
    #[must_use]
    pub fn infos(&self) -> Arc<[ExtraCommand]> {
        self.commands.iter().map(|command| command.info.clone()).collect()
    }

    fn command(&self, name: &str) -> Option<&Command> {
        self.commands.iter().find(|command| command.info.name.eq_ignore_ascii_case(name))
    }

    /// What Tab offers for an argument of a command.
    #[must_use]
    pub fn complete(&self, name: &str, earlier: &[&str], typed: &str) -> Vec<String> {
        let complete = self.command(name).and_then(|command| command.complete.as_ref());
        complete.map_or_else(Vec::new, |complete| complete(earlier, typed))
    }

    /// The settings with their values.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|setting| (setting.name.as_str(), setting.value.as_str()))
    }

    /// The settings with the values that they can have, for completion.
    pub fn choices(&self) -> impl Iterator<Item = (String, Vec<String>)> {
        self.settings.iter().map(|setting| (setting.name.clone(), setting.choices.clone()))
    }

    /// Changes a setting; none when there is no such setting.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Option<Result<()>> {
        let setting = self.settings.iter_mut().find(|setting| setting.name == name)?;
        Some(setting.change(value))
    }
}

/// One use of a command of the application's own: its arguments, and what it may do.
pub struct Call<'a> {
    name: &'a str,
    arguments: &'a [Name<'a>],
    rest: &'a Name<'a>,
    place: &'a Place,
    context: &'a mut Context,
    front: &'a mut dyn Front,
}

impl<'a> Call<'a> {
    /// The words behind the command, quotes removed.
    pub fn arguments(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.arguments.iter().map(|argument| argument.text.as_ref())
    }

    /// An argument, counted from 0.
    #[must_use]
    pub fn argument(&self, at: usize) -> Option<&'a str> {
        self.arguments.get(at).map(|argument| argument.text.as_ref())
    }

    /// An argument that must be there; `what` says what it is, for the error.
    ///
    /// # Errors
    /// `Invalid` when it is not there, with the command's form.
    pub fn needed(&self, at: usize, what: &str) -> Result<&'a str> {
        self.argument(at).ok_or_else(|| {
            let usage = self.context.own.command(self.name).map_or(self.name, |command| &command.info.usage);
            Error::invalid(format!("{} needs {what}", self.name)).hint(usage)
        })
    }

    /// Everything behind the command, as it was typed.
    #[must_use]
    pub fn text(&self) -> &'a str {
        &self.rest.text
    }

    /// An error about an argument, with a mark under it.
    #[must_use]
    pub fn refuse(&self, at: usize, message: &str) -> Error {
        let span = self.arguments.get(at).map_or(self.rest.span, |argument| argument.span);
        Error::invalid(message).at(span)
    }

    /// The session: what is read sees what is staged, and what is changed is staged.
    pub fn session(&mut self) -> &mut Session {
        &mut self.context.session
    }

    /// The value of a setting of the application's own.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.context.own.settings().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether a person is typing.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.context.interactive
    }

    /// Runs a command of the shell, with its results where all results go.
    ///
    /// # Errors
    /// The command's own; `Invalid` for one that is about the shell's course (`.open`, `.read`, `.watch`, `.quit`).
    pub fn run(&mut self, command: &str) -> Result<()> {
        let catalog = Arc::clone(self.context.session.catalog());
        let done = language::parse(command, &catalog).and_then(|parsed| {
            let origin = Origin { text: command, place: self.place };
            super::run(&parsed, origin, self.context, self.front)
        });
        // A place in that command is no place in the one that was typed.
        match done.map_err(|error| Error { span: Some(self.rest.span), ..error })? {
            Flow::Next => Ok(()),
            _ => Err(Error::invalid(format!("`{command}` cannot be run by another command"))),
        }
    }

    /// Writes a line to the results.
    ///
    /// # Errors
    /// When writing fails; likewise for the next three.
    pub fn line(&mut self, text: &str) -> Result<()> {
        self.front.data(text)
    }

    /// Writes rows to the results, in the mode that is set; masked columns stay masked.
    ///
    /// # Errors
    /// When writing fails.
    pub fn rows(&mut self, rows: &Rows) -> Result<()> {
        self.front.begin(rows.header())?;
        for row in rows {
            let cells: Vec<_> = row.values().iter().map(crate::model::Value::as_cell).collect();
            self.front.row(&cells, if row.is_staged() { Mark::Changed } else { Mark::None })?;
        }
        self.front.end()
    }

    /// Says what happened, beside the results; nothing when the shell is quiet.
    ///
    /// # Errors
    /// When writing fails.
    pub fn notice(&mut self, text: &str) -> Result<()> {
        self.front.notice(Level::Info, text)
    }

    /// Warns, beside the results.
    ///
    /// # Errors
    /// When writing fails.
    pub fn warn(&mut self, text: &str) -> Result<()> {
        self.front.notice(Level::Warning, text)
    }

    /// Asks a yes-or-no question; none where nobody is there to answer.
    ///
    /// # Errors
    /// When the answer cannot be read.
    pub fn ask(&mut self, question: &str) -> Result<Option<bool>> {
        self.front.ask(question)
    }
}

/// Runs a command of the application's own; none when there is no such command.
pub(super) fn run(
    name: &str,
    arguments: &[Name<'_>],
    rest: &Name<'_>,
    origin: Origin<'_>,
    context: &mut Context,
    front: &mut dyn Front,
) -> Option<Result<()>> {
    let run = Rc::clone(&context.own.command(name)?.run);
    let mut call = Call { name, arguments, rest, place: origin.place, context, front };
    Some(run(&mut call).map_err(|error| error.at(rest.span)))
}
