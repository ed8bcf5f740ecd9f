//! The settings of the shell: one table, from which `.set`, `.show`, completion and the configuration follow.

use super::console::Screen;
use super::pager::Paging;
use crate::command::Context;
use crate::render::{Mode, Theme, WIDEST};
use crate::session::Hold;
use crate::{Error, ErrorKind, Result};

type Get<T> = fn(&Screen, &Context) -> T;
type Set<T> = fn(&mut Screen, &mut Context, T) -> Result<()>;

/// The type of a setting's value, with how it is read and changed.
enum Value {
    /// `on` or `off`.
    Switch(Get<bool>, Set<bool>),
    /// One of several words.
    Words(fn() -> Vec<&'static str>, Get<&'static str>, Set<&'static str>),
    /// Any other text, which the setter checks.
    Text(Get<String>, for<'v> fn(&mut Screen, &mut Context, &'v str) -> Result<()>),
}

/// A row of the table.
pub struct Setting {
    /// Its name, as `.set` takes it.
    pub name: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    /// Whether the configuration has a key of this name.
    pub in_config: bool,
    value: Value,
}

/// Every setting, by name.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "confirm",
        help: "the number of rows from which set and delete ask, those that go with them counted; with 0 they always ask",
        in_config: true,
        value: Value::Text(
            |_, context| context.confirm.to_string(),
            |_, context, value| {
                let rows = value.parse();
                context.confirm =
                    rows.map_err(|_| Error::invalid("confirm is a number of rows").hint(".set confirm 100"))?;
                Ok(())
            },
        ),
    },
    Setting {
        name: "echo",
        help: "shows the SQL of each command",
        in_config: false,
        value: Value::Switch(
            |screen, _| screen.options.echo,
            |screen, _, on| {
                screen.options.echo = on;
                Ok(())
            },
        ),
    },
    Setting {
        name: "exact",
        help: "writes values to a SQLite file as they are typed, as .dump needs it",
        in_config: false,
        value: Value::Switch(
            |_, context| context.exact,
            |_, context, on| {
                context.exact = on;
                Ok(())
            },
        ),
    },
    Setting {
        name: "hold",
        help: "keeps a transaction open from the first change to the commit",
        in_config: false,
        value: Value::Switch(
            |_, context| context.session.hold() == Hold::Yes,
            |_, context, on| context.session.set_hold(if on { Hold::Yes } else { Hold::No }),
        ),
    },
    Setting {
        name: "lock-timeout",
        help: "how many seconds locks of others are waited for while a change is tried out; with 0 it is staged without having been checked, and a commit waits as long as the database does",
        in_config: false,
        value: Value::Text(
            |_, context| context.session.lock_timeout().as_secs_f64().to_string(),
            |_, context, value| {
                let seconds: f64 = value.parse().unwrap_or(-1.0);
                let timeout = std::time::Duration::try_from_secs_f64(seconds)
                    .map_err(|_| Error::invalid("lock-timeout is a number of seconds").hint(".set lock-timeout 0.5"))?;
                context.session.set_lock_timeout(timeout);
                Ok(())
            },
        ),
    },
    Setting {
        name: "mode",
        help: "how results are shown",
        in_config: true,
        value: Value::Words(
            || Mode::ALL.iter().map(|mode| mode.name()).collect(),
            |screen, _| screen.renderer.style().mode.name(),
            |screen, _, name| {
                screen.renderer.style_mut().mode = name.parse()?;
                Ok(())
            },
        ),
    },
    Setting {
        name: "natural-key",
        help: "a text field by which records are named where no unique index says so; a name that more than one record has is refused",
        in_config: false,
        value: Value::Text(|_, context| context.natural_key(), |_, context, value| context.set_natural_key(value)),
    },
    Setting {
        name: "null",
        help: "what stands for NULL in tables and lists",
        in_config: true,
        value: Value::Text(
            |screen, _| screen.renderer.style().null.clone(),
            |screen, _, value| {
                value.clone_into(&mut screen.renderer.style_mut().null);
                Ok(())
            },
        ),
    },
    Setting {
        name: "on-error",
        help: "what a script does after an error",
        in_config: false,
        value: Value::Words(
            || vec!["stop", "continue"],
            |screen, _| if screen.options.continue_on_error { "continue" } else { "stop" },
            |screen, _, word| {
                screen.options.continue_on_error = word == "continue";
                Ok(())
            },
        ),
    },
    Setting {
        name: "pager",
        help: "whether results go through $PAGER or less; auto: when longer than the screen",
        in_config: true,
        value: Value::Words(
            || Paging::ALL.iter().map(|paging| paging.name()).collect(),
            |screen, _| screen.pager.paging().name(),
            |screen, _, name| {
                if let Some(paging) = Paging::ALL.into_iter().find(|paging| paging.name() == name) {
                    screen.pager.set_paging(paging);
                }
                Ok(())
            },
        ),
    },
    Setting {
        name: "programs",
        help: "off runs no program behind a | and no pager, and cannot be turned on again",
        in_config: false,
        value: Value::Switch(
            |screen, _| screen.forbidden().is_none(),
            |screen, _, on| match (on, screen.forbidden()) {
                (false, _) => {
                    screen.forbid_programs("programs are turned off");
                    Ok(())
                }
                (true, None) => Ok(()),
                (true, Some(why)) => Err(Error::new(ErrorKind::Refused, why).hint("it stays so to the end")),
            },
        ),
    },
    Setting {
        name: "quiet",
        help: "leaves out what is said about what happened, but for warnings and errors",
        in_config: false,
        value: Value::Switch(
            |screen, _| screen.renderer.style().quiet,
            |screen, _, on| {
                screen.renderer.style_mut().quiet = on;
                Ok(())
            },
        ),
    },
    Setting {
        name: "theme",
        help: "colours for a dark or a light screen",
        in_config: true,
        value: Value::Words(
            || vec![Theme::Dark.name(), Theme::Light.name()],
            |screen, _| screen.renderer.style().theme.name(),
            |screen, _, name| {
                if let Some(theme) = Theme::named(name) {
                    screen.renderer.style_mut().theme = theme;
                }
                Ok(())
            },
        ),
    },
    Setting {
        name: "timing",
        help: "shows how long each command takes",
        in_config: false,
        value: Value::Switch(
            |screen, _| screen.options.timing,
            |screen, _, on| {
                screen.options.timing = on;
                Ok(())
            },
        ),
    },
    Setting {
        name: "width",
        help: "the columns of the screen, which tables are fitted to, or unlimited",
        in_config: false,
        value: Value::Text(
            |screen, _| screen.renderer.style().width.map_or_else(|| "unlimited".into(), |width| width.to_string()),
            |screen, _, value| {
                let number = || value.parse().ok().filter(|width| (10..=WIDEST).contains(width));
                let refused = || Error::invalid(format!("a width is from 10 to {WIDEST} columns, or unlimited"));
                screen.renderer.style_mut().width =
                    if value == "unlimited" { None } else { Some(number().ok_or_else(refused)?) };
                Ok(())
            },
        ),
    },
];

/// The setting with this name.
///
/// # Errors
/// `Invalid` when there is none.
pub fn find(name: &str) -> Result<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name).ok_or_else(|| {
        Error::invalid(format!("there is no setting `{name}`"))
            .suggest(name, SETTINGS.iter().map(|setting| setting.name))
            .hint("`.show` lists them")
    })
}

impl Setting {
    /// The words that it can have; none where it takes other values.
    #[must_use]
    pub fn choices(&self) -> Vec<&'static str> {
        match self.value {
            Value::Switch(..) => vec!["on", "off"],
            Value::Words(words, ..) => words(),
            Value::Text(..) => Vec::new(),
        }
    }

    /// What it does and the words that it can have, for help.
    #[must_use]
    pub fn told(&self) -> String {
        let choices = self.choices();
        if choices.is_empty() { self.help.to_owned() } else { format!("{} ({})", self.help, choices.join(", ")) }
    }

    /// Its value now.
    #[must_use]
    pub fn get(&self, screen: &Screen, context: &Context) -> String {
        match self.value {
            Value::Switch(get, _) => if get(screen, context) { "on" } else { "off" }.into(),
            Value::Words(_, get, _) => get(screen, context).into(),
            Value::Text(get, _) => get(screen, context),
        }
    }

    /// Changes its value.
    ///
    /// # Errors
    /// A value that it cannot have; what the change itself gives.
    pub fn set(&self, screen: &mut Screen, context: &mut Context, value: &str) -> Result<()> {
        match self.value {
            Value::Switch(_, set) => set(screen, context, switch(value)?),
            Value::Words(words, _, set) => {
                let words = words();
                let found = words.iter().find(|word| word.eq_ignore_ascii_case(value));
                set(screen, context, found.ok_or_else(|| self.refused(value, &words))?)
            }
            Value::Text(_, set) => set(screen, context, value),
        }
    }

    fn refused(&self, value: &str, words: &[&str]) -> Error {
        match words {
            [most @ .., last] if words.len() < 4 => {
                Error::invalid(format!("`{value}` is neither {} nor {last}", most.join(", ")))
            }
            _ => Error::invalid(format!("there is no {} `{value}`", self.name))
                .suggest(value, words.iter().copied())
                .hint(format!("the {}s are {}", self.name, words.join(", "))),
        }
    }
}

fn switch(value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(Error::invalid(format!("`{value}` is neither on nor off"))),
    }
}

#[cfg(test)]
mod tests {
    use super::SETTINGS;

    #[test]
    fn every_setting_has_help_and_stands_in_the_guide_in_order() {
        let guide = include_str!("../../docs/src/configuration.md");
        for setting in SETTINGS {
            assert!(!setting.help.is_empty(), "{} has no help", setting.name);
            let choices: Vec<String> = setting.choices().iter().map(|word| format!("`{word}`")).collect();
            let row = guide.lines().find(|line| {
                line.starts_with(&format!("| `{}` | ", setting.name))
                    && line.contains(&setting.help.replace('|', "\\|"))
            });
            let row = row.unwrap_or_else(|| panic!("{} is not in the guide's table of settings", setting.name));
            let told = choices.len() > 4 || row.contains(&choices.join(", "));
            assert!(told, "the guide does not say what {} can be", setting.name);
        }
        assert!(SETTINGS.is_sorted_by_key(|setting| setting.name));
    }
}
