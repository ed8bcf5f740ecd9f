//! `diesel-shell db ...`: the commands that begin with `db`, as the command line has them.

use clap::{Args, Subcommand};
use diesel_shell::language::quote::quote_value;
use diesel_shell::model::Value;

/// One of them.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Begin a project here: a diesel.toml, and a folder of migrations.
    Init,
    /// Begin a migration that you write.
    Revision {
        /// What it is about; it becomes the folder's name.
        message: String,
    },
    /// Write a migration from what differs between the models and the database.
    Migrate {
        /// What it is about; it becomes the folder's name.
        message: String,
        /// Print what would be written.
        #[arg(long)]
        sql: bool,
        /// Try it on the rows that are there, and roll back.
        #[arg(long)]
        dry_run: bool,
        /// What goes by another name now: `users.name:username`, `people:users`.
        #[arg(long, value_name = "OLD:NEW")]
        rename: Vec<String>,
        /// What may go that only the database has: a table, a `table.column`, an index or constraint.
        #[arg(long, value_name = "NAME")]
        drop: Vec<String>,
        /// Everything that only the database has may go.
        #[arg(long)]
        force: bool,
        /// A value for rows that are there, where a column is new or may not be NULL any more.
        #[arg(long, value_name = "TABLE.COLUMN=SQL")]
        fill: Vec<String>,
        /// Compare with another database instead of the models.
        #[arg(long, value_name = "DATABASE")]
        like: Option<String>,
    },
    /// Apply migrations.
    Upgrade {
        /// `head`, `+N`, a version or the beginning of one.
        #[arg(default_value = "head")]
        target: String,
        #[command(flatten)]
        trial: Trial,
    },
    /// Revert migrations; one where no target is named.
    Downgrade {
        /// `base`, `-N`, a version or the beginning of one, which stays applied.
        #[arg(allow_hyphen_values = true)]
        target: Option<String>,
        #[command(flatten)]
        trial: Trial,
    },
    /// Print the revision that the database is at.
    Current,
    /// Print all revisions: applied, current, head.
    History,
    /// Print in one line how many revisions are applied.
    Status,
    /// Note where the database is, without running anything.
    Stamp {
        /// `head`, `base`, a version or the beginning of one.
        #[arg(default_value = "head")]
        target: String,
    },
    /// Compare models and database; status 1 when they differ.
    Check {
        /// What goes by another name now: `users.name:username`, `people:users`.
        #[arg(long, value_name = "OLD:NEW")]
        rename: Vec<String>,
        /// Compare with another database instead of the models.
        #[arg(long, value_name = "DATABASE")]
        like: Option<String>,
    },
    /// Make the tables of the models, without migrations.
    CreateAll {
        #[command(flatten)]
        trial: Trial,
    },
    /// Drop the tables of the models, with every row.
    DropAll {
        #[command(flatten)]
        trial: Trial,
    },
    /// Print Diesel's `table!` definitions of the database, for a `src/schema.rs`.
    Schema,
}

/// Not for real.
#[derive(Debug, Args)]
pub struct Trial {
    /// Print what would run.
    #[arg(long)]
    sql: bool,
    /// Run it, and roll back.
    #[arg(long)]
    dry_run: bool,
}

impl Trial {
    fn words(&self) -> String {
        [(self.sql, " --sql"), (self.dry_run, " --dry-run")]
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, word)| *word)
            .collect()
    }
}

impl Verb {
    /// The command of the language that does it.
    pub fn command(&self) -> String {
        let many = |option: &str, values: &[String]| -> String {
            values.iter().map(|value| format!(" {option} {}", quoted(value))).collect()
        };
        match self {
            Self::Init => "db init".into(),
            Self::Revision { message } => format!("db revision {}", quoted(message)),
            Self::Migrate { message, sql, dry_run, rename, drop, force, fill, like } => {
                let trial = Trial { sql: *sql, dry_run: *dry_run }.words();
                let like: Vec<String> = like.iter().cloned().collect();
                format!(
                    "db migrate {}{trial}{}{}{}{}{}",
                    quoted(message),
                    if *force { " --force" } else { "" },
                    many("--rename", rename),
                    many("--drop", drop),
                    many("--fill", fill),
                    many("--like", &like)
                )
            }
            Self::Upgrade { target, trial } => format!("db upgrade {target}{}", trial.words()),
            Self::Downgrade { target, trial } => {
                let target = target.as_ref().map_or_else(String::new, |target| format!(" {target}"));
                format!("db downgrade{target}{}", trial.words())
            }
            Self::Current => "db current".into(),
            Self::History => "db history".into(),
            Self::Status => "db status".into(),
            Self::Stamp { target } => format!("db stamp {target}"),
            Self::Check { rename, like } => {
                let like: Vec<String> = like.iter().cloned().collect();
                format!("db check{}{}", many("--rename", rename), many("--like", &like))
            }
            Self::CreateAll { trial } => format!("db create-all{}", trial.words()),
            Self::DropAll { trial } => format!("db drop-all{}", trial.words()),
            Self::Schema => "db schema".into(),
        }
    }
}

fn quoted(text: &str) -> String {
    quote_value(&Value::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Verb;
    use clap::Subcommand as _;
    use diesel_shell::language::table::{COMMANDS, option_name};
    use std::collections::BTreeSet;

    #[test]
    fn the_command_line_has_the_rows_of_the_table_with_their_options() {
        let mut command = Verb::augment_subcommands(clap::Command::new("db"));
        command.build();
        let mut known: BTreeSet<&str> = COMMANDS.iter().filter_map(|row| row.name.strip_prefix("db ")).collect();
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let name = verb.get_name();
            let row = COMMANDS.iter().find(|row| row.name.strip_prefix("db ") == Some(name));
            let row = row.unwrap_or_else(|| panic!("`db {name}` is not in the table"));
            let options = verb.get_arguments().filter_map(clap::Arg::get_long).filter(|option| *option != "help");
            let options: BTreeSet<String> = options.map(|option| format!("--{option}")).collect();
            let rows: BTreeSet<String> = row.options.iter().map(|option| option_name(option).to_owned()).collect();
            assert_eq!(options, rows, "db {name}");
            known.remove(name);
        }
        assert!(known.is_empty(), "the command line lacks {known:?}");
    }
}
