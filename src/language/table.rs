//! The one table of commands: parser, help, completion and the README's reference all come from it.

/// What a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Commands that read.
    Reading,
    /// Commands that change.
    Changing,
    /// The schema and its migrations.
    Schema,
    /// The shell itself.
    Shell,
}

impl Group {
    /// The group's heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Reading => "Reading",
            Self::Changing => "Changing (staged until commit)",
            Self::Schema => "The schema",
            Self::Shell => "The shell itself",
        }
    }
}

/// A command with a dot before it: what runs it is told by this alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the command of its name")]
pub enum Dot {
    Recover,
    Reset,
    Help,
    Models,
    Schema,
    Tables,
    Open,
    Reload,
    Output,
    Read,
    Import,
    Export,
    Dump,
    Copy,
    CopyTo,
    Watch,
    Sql,
    Explain,
    /// A setting by its own name: `.mode`, `.echo`.
    Setting,
    Set,
    Show,
    Unmask,
    History,
    Quit,
}

/// What stands behind a command that begins with a dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Words.
    Words,
    /// SQL, to its semicolon.
    Sql,
    /// Another command.
    Command,
    /// A word, then another command.
    WordAndCommand,
    /// A word, then a whole line.
    WordAndLine,
}

/// What Tab offers for an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Nothing.
    Free,
    /// A command's name.
    Command,
    /// A model's name.
    Model,
    /// A file.
    File,
    /// A connection of the configuration, or a file.
    Database,
    /// A setting's name.
    Setting,
    /// A value of the setting before it, or of the setting that the command is called like.
    Value,
    /// A field that is masked.
    Masked,
}

/// One command: its form, its help, and what parser, completion and dispatch need to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandInfo {
    /// What it begins with: `list`, `db upgrade`, `.mode`.
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    /// Its form.
    pub usage: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// Commands to try.
    pub examples: &'static [&'static str],
    /// More to know; may be empty.
    pub details: &'static str,
    /// Its options, those with a value as `--like URL`.
    pub options: &'static [&'static str],
    /// What runs it, where it begins with a dot.
    pub dot: Option<Dot>,
    /// What stands behind it, where it begins with a dot.
    pub rest: Rest,
    /// What Tab offers for its arguments, in order.
    pub slots: &'static [Slot],
}

impl CommandInfo {
    /// Whether it has an option of this name.
    #[must_use]
    pub fn takes(&self, option: &str) -> bool {
        self.options.iter().any(|known| option_name(known) == option)
    }

    const fn with(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }

    const fn runs(self, dot: Dot, slots: &'static [Slot]) -> Self {
        Self { dot: Some(dot), slots, ..self }
    }

    const fn followed_by(self, rest: Rest) -> Self {
        Self { rest, ..self }
    }
}

/// The name of an option, without the value that it takes.
#[must_use]
pub fn option_name(option: &'static str) -> &'static str {
    option.split(' ').next().unwrap_or(option)
}

const fn command(
    group: Group,
    name: &'static str,
    usage: &'static str,
    summary: &'static str,
    examples: &'static [&'static str],
    details: &'static str,
) -> CommandInfo {
    CommandInfo {
        name,
        group,
        usage,
        summary,
        examples,
        details,
        options: &[],
        dot: None,
        rest: Rest::Words,
        slots: &[],
    }
}

use Group::{Changing, Reading, Schema, Shell};

/// Every command, in the order of help.
pub const COMMANDS: &[CommandInfo] = &[
    command(
        Reading,
        "list",
        "list MODELS [where CONDITION] [show FIELDS | format TEXT | with RELATIONSHIPS] [order by FIELDS] [limit N] [offset N]",
        "all records, or those that meet a condition",
        &[
            "list users where username like 's%' order by username desc limit 10",
            "list posts show id, author.username, body",
            "list posts format \"{author.username} wrote: {body}\"",
            "list users with posts",
            "list users where has posts (body like '%rust%') and count(posts) > 3",
        ],
        "Conditions: = != < <= > >=, like, ilike, contains, starts with, ends with, in, between, is null, has; and, or, not, ( ).",
    ),
    command(
        Reading,
        "first",
        "first MODEL [where CONDITION] [order by FIELDS]",
        "the first record",
        &["first user where username = 'Corey'"],
        "",
    ),
    command(
        Reading,
        "last",
        "last MODEL [where CONDITION] [order by FIELDS]",
        "the last record",
        &["last post order by timestamp"],
        "",
    ),
    command(
        Reading,
        "one",
        "one MODEL [where CONDITION]",
        "the only record; an error unless there is exactly one",
        &["one user where email = 'john@example.com'"],
        "",
    ),
    command(
        Reading,
        "get",
        "get MODEL KEY   or   MODEL KEY [RELATIONSHIP ...]",
        "one record by its key or natural key, and what it leads to",
        &[
            "get user 1",
            "user john",
            "user 1 posts where body like '%first%'",
            "post 3 author",
            "get playlist_track (1, 3402)",
        ],
        "A key of several columns is written in brackets.",
    ),
    command(
        Reading,
        "count",
        "count MODELS [where CONDITION] [by FIELDS]",
        "how many records, also by groups",
        &["count users where email is null", "count posts by author.username order by count desc"],
        "",
    ),
    command(
        Reading,
        "sum",
        "sum FIELD of MODELS [where CONDITION] [by FIELDS]",
        "the sum of a field; likewise avg, min, max",
        &["sum id of posts by author.username"],
        "",
    ),
    command(
        Reading,
        "avg",
        "avg FIELD of MODELS [where CONDITION] [by FIELDS]",
        "the mean of a field",
        &["avg id of posts"],
        "",
    ),
    command(
        Reading,
        "min",
        "min FIELD of MODELS [where CONDITION] [by FIELDS]",
        "the least value of a field",
        &["min timestamp of posts"],
        "",
    ),
    command(
        Reading,
        "max",
        "max FIELD of MODELS [where CONDITION] [by FIELDS]",
        "the greatest value of a field",
        &["max timestamp of posts by author.username"],
        "",
    ),
    command(
        Reading,
        "distinct",
        "distinct FIELDS of MODELS [where CONDITION]",
        "the different values of a field",
        &["distinct author.username of posts"],
        "",
    ),
    command(
        Reading,
        "let",
        "let NAME = QUERY   or   let NAME = VALUE",
        "a variable: a record, a list or a value",
        &["let u = user john", "$u posts", "$u.email", "add post body='hi' author=$u"],
        "$_ is the last result.",
    ),
    command(
        Changing,
        "add",
        "add MODEL FIELD=VALUE ...",
        "a new record",
        &["add user username=john email=john@example.com", "add post body='my first post!' author=john"],
        "A relationship takes a key, a natural key or a variable. Values: text, 12, 1.5, true, null, now, today, x'00ff'.",
    ),
    command(
        Changing,
        "set",
        "set MODEL KEY FIELD=VALUE ...   or   set MODELS [where CONDITION] FIELD=VALUE ...",
        "new values for one record or many",
        &["set user john username=alice_updated", "set posts where author = 1 body='x'"],
        "",
    ),
    command(
        Changing,
        "delete",
        "delete MODEL KEY [with RELATIONSHIPS]   or   delete MODELS [where CONDITION]",
        "records to go, on request with what belongs to them",
        &["delete post 1", "delete user john with posts"],
        "",
    ),
    command(Changing, "status", "status", "what is staged, counted and listed", &[], ""),
    command(
        Changing,
        "diff",
        "diff [MODEL KEY] [--sql]",
        "what a commit would write: old -> new, record by record",
        &["diff", "diff user 1", "diff --sql"],
        "--sql shows the statements with their values.",
    )
    .with(&["--sql"]),
    command(Changing, "undo", "undo [N]", "takes back the last command's changes", &["undo 2"], ""),
    command(Changing, "redo", "redo [N]", "stages again what was undone", &[], ""),
    command(
        Changing,
        "discard",
        "discard MODEL KEY[.FIELD]",
        "takes out what is staged for one record, or one field of it",
        &["discard user 1.email", "discard post 3"],
        "",
    ),
    command(
        Changing,
        "savepoint",
        "savepoint NAME",
        "names this place among what is staged",
        &["savepoint before_cleanup"],
        "",
    ),
    command(
        Changing,
        "commit",
        "commit [--dry-run] [MODELS]",
        "writes what is staged, all or nothing",
        &["commit", "commit --dry-run", "commit users"],
        "--dry-run runs everything and rolls back. With models, only what is staged for them.",
    )
    .with(&["--dry-run"]),
    command(
        Changing,
        "rollback",
        "rollback [to NAME]",
        "discards what is staged, all or since a savepoint",
        &["rollback", "rollback to before_cleanup"],
        "",
    ),
    command(
        Changing,
        "keep",
        "keep mine|theirs [MODEL KEY]",
        "settles conflicts that a commit found",
        &["keep mine user 1", "keep theirs"],
        "mine is written over what someone else wrote meanwhile; theirs leaves it.",
    ),
    command(Changing, ".recover", ".recover", "restores the changes of a crashed shell", &[], "")
    .runs(Dot::Recover, &[]),
    command(
        Schema,
        "db upgrade",
        "db upgrade [head|+N|VERSION] [--sql] [--dry-run]",
        "applies migrations, up to head",
        &["db upgrade", "db upgrade +1", "db upgrade --sql"],
        "Each is one transaction with its version row. `--sql` prints what would run, `--dry-run` runs it and rolls back.",
    )
    .with(&["--sql", "--dry-run"]),
    command(
        Schema,
        "db downgrade",
        "db downgrade [base|-N|VERSION] [--sql] [--dry-run]",
        "reverts migrations, by default one",
        &["db downgrade", "db downgrade base"],
        "A VERSION stays applied. One whose folder is gone is reverted by what is on record of it.",
    )
    .with(&["--sql", "--dry-run"]),
    command(Schema, "db current", "db current", "the revision that the database is at", &[], ""),
    command(Schema, "db history", "db history", "all revisions: applied, current, head", &[], ""),
    command(Schema, "db status", "db status", "how many revisions are applied, in one line", &[], ""),
    command(
        Schema,
        "db stamp",
        "db stamp head|base|VERSION",
        "notes where the database is, without running anything",
        &["db stamp head"],
        "",
    ),
    command(
        Schema,
        "db check",
        "db check [--like URL] [--rename OLD:NEW]",
        "compares models and database; an error when they differ",
        &["db check"],
        "The models are the registered ones, or a project's schema.rs; with `--like`, another database.",
    )
    .with(&["--like URL", "--rename OLD:NEW"]),
    command(
        Schema,
        "db migrate",
        "db migrate \"MESSAGE\" [--rename OLD:NEW] [--drop NAME] [--force] [--fill TABLE.COLUMN=SQL] [--like URL] [--sql] [--dry-run]",
        "writes a migration from what differs between models and database",
        &["db migrate \"add tags\"", "db migrate names --rename users.name:username"],
        "Asks about renames and drops at a terminal; elsewhere nothing goes that was not named by `--drop` or `--force`.",
    )
    .with(&["--sql", "--dry-run", "--rename OLD:NEW", "--drop NAME", "--force", "--fill TABLE.COLUMN=SQL", "--like URL"]),
    command(
        Schema,
        "db revision",
        "db revision \"MESSAGE\"",
        "begins a migration that you write",
        &["db revision \"fill in the slugs\""],
        "",
    ),
    command(
        Schema,
        "db init",
        "db init",
        "begins a project here: a diesel.toml and a folder of migrations",
        &[],
        "The migrations that there are already are written into it.",
    ),
    command(
        Schema,
        "db create-all",
        "db create-all [--sql] [--dry-run]",
        "makes the tables of the models, without migrations",
        &[],
        "",
    )
    .with(&["--sql", "--dry-run"]),
    command(
        Schema,
        "db drop-all",
        "db drop-all [--sql] [--dry-run]",
        "drops the tables of the models, with every row",
        &[],
        "Asks first at a terminal. Refused where the database is protected or open for reading only.",
    )
    .with(&["--sql", "--dry-run"]),
    command(
        Schema,
        "db schema",
        "db schema",
        "Diesel's `table!` definitions of the database, for a schema.rs",
        &[],
        "",
    ),
    command(
        Schema,
        ".reset",
        ".reset",
        "down to base and up to head: an empty, fresh database",
        &[],
        "Asks first at a terminal. Refused where the database is protected or open for reading only.",
    )
    .runs(Dot::Reset, &[]),
    command(Shell, ".help", ".help [COMMAND]", "this list, or one command's form and examples", &[".help list"], "")
    .runs(Dot::Help, &[Slot::Command]),
    command(Shell, ".models", ".models", "the models, their fields and relationships", &[], "")
    .runs(Dot::Models, &[]),
    command(
        Shell,
        ".schema",
        ".schema [MODEL]",
        "fields with types, keys, defaults and relationships",
        &[".schema user"],
        "",
    )
    .runs(Dot::Schema, &[Slot::Model]),
    command(Shell, ".tables", ".tables", "the tables and views", &[], "")
    .runs(Dot::Tables, &[]),
    command(
        Shell,
        ".open",
        ".open URL",
        "another database: a path, sqlite://PATH or postgres://...",
        &[".open shop.db", ".open postgres://localhost/shop"],
        "What is staged must be committed or rolled back first.",
    )
    .runs(Dot::Open, &[Slot::Database]),
    command(
        Shell,
        ".reload",
        ".reload",
        "reads the schema again",
        &[],
        "A change by another program is noticed by itself.",
    )
    .runs(Dot::Reload, &[]),
    command(
        Shell,
        ".mode",
        ".mode [auto|table|ascii|vertical|list|csv|tsv|json|jsonl|markdown|html|insert|repr|chart]",
        "how results are shown",
        &[".mode json"],
        "auto is a table for many records, and fields one under another for one record or where a table does not fit; ascii is a table as psql draws it, insert writes INSERT statements in the database's SQL, chart draws bars for a label and a number.",
    )
    .runs(Dot::Setting, &[Slot::Value]),
    command(Shell, ".output", ".output [FILE]", "sends results to a file, or back", &[".output users.csv"], "")
    .runs(Dot::Output, &[Slot::File]),
    command(Shell, ".read", ".read FILE", "runs the commands of a file", &[".read tour.dsh"], "")
    .runs(Dot::Read, &[Slot::File]),
    command(
        Shell,
        ".import",
        ".import FILE MODEL [--columns a,b] [--null TEXT] [--on-conflict skip|update|error]",
        "rows from a csv, tsv, json or jsonl file",
        &[".import users.csv user", ".import posts.jsonl post --on-conflict skip"],
        "The header names fields, or relationships by natural key. Up to 10,000 rows are staged; more are written in a transaction of their own.",
    )
    .runs(Dot::Import, &[Slot::File, Slot::Model])
    .with(&["--columns a,b", "--null TEXT", "--on-conflict skip|update|error"]),
    command(
        Shell,
        ".export",
        ".export FILE QUERY",
        "a query's result to a file, by its ending: csv, tsv, json, jsonl, md, html, sql, txt",
        &[".export users.csv list users", ".export posts.json list posts show id, author.username"],
        "",
    )
    .runs(Dot::Export, &[Slot::File])
    .followed_by(Rest::WordAndCommand),
    command(
        Shell,
        ".dump",
        ".dump [MODEL] [--sql]",
        "every row as commands that read back, or as SQL",
        &[".dump", ".dump user --sql"],
        "Parents first. Masked values are written as they are, which is said: send it to a file of your own with .output.",
    )
    .runs(Dot::Dump, &[Slot::Model])
    .with(&["--sql"]),
    command(
        Shell,
        ".copy",
        ".copy [QUERY]",
        "a result, or the last one, to the clipboard",
        &[".copy list users"],
        "By way of the terminal (OSC 52); tab-separated unless .mode says otherwise.",
    )
    .runs(Dot::Copy, &[])
    .followed_by(Rest::Command),
    command(
        Shell,
        ".copy-to",
        ".copy-to URL MODEL [where CONDITION]",
        "rows to another database, with what they refer to",
        &[".copy-to shop.db users", ".copy-to postgres:///shop posts where id < 100"],
        "Parents first, in one transaction; what is there already stays as it is.",
    )
    .runs(Dot::CopyTo, &[Slot::Database])
    .followed_by(Rest::WordAndCommand),
    command(
        Shell,
        ".watch",
        ".watch SECONDS COMMAND",
        "a command again and again, until Ctrl-C",
        &[".watch 2 count users"],
        "",
    )
    .runs(Dot::Watch, &[])
    .followed_by(Rest::WordAndLine),
    command(
        Shell,
        ".sql",
        ".sql STATEMENT; ...",
        "SQL statements, as they are",
        &[".sql select count(*) from users;"],
        "Goes on over lines to its `;` and sees what is staged, masked fields as they are. What writes waits for `commit` in a \
         script; at the prompt it is tried, shown with the rows it would change, and asked for: it is written at once and cannot \
         be undone.",
    )
    .runs(Dot::Sql, &[])
    .followed_by(Rest::Sql),
    command(
        Shell,
        ".explain",
        ".explain COMMAND",
        "the SQL of a reading command, and the database's plan",
        &[".explain list users"],
        "",
    )
    .runs(Dot::Explain, &[])
    .followed_by(Rest::Command),
    command(Shell, ".echo", ".echo on|off", "shows the SQL of each command", &[], "")
    .runs(Dot::Setting, &[Slot::Value]),
    command(Shell, ".timing", ".timing on|off", "shows how long each command takes", &[], "")
    .runs(Dot::Setting, &[Slot::Value]),
    command(Shell, ".null", ".null TEXT", "what stands for NULL in tables and lists", &[".null '-'"], "")
    .runs(Dot::Setting, &[Slot::Value]),
    command(
        Shell,
        ".set",
        ".set [NAME [VALUE]]",
        "changes a setting",
        &[".set width 100", ".set confirm 20", ".set lock-timeout 5", ".set natural-key post.body"],
        "`.help .set` tells what each is for, `.show` how it is set.",
    )
    .runs(Dot::Set, &[Slot::Setting, Slot::Value]),
    command(
        Shell,
        ".unmask",
        ".unmask [MODEL.FIELD]",
        "shows a masked field until the end of the session",
        &[".unmask user.api_key"],
        "Without a field it lists those that are masked: texts and bytes whose names are those of secrets, and what an application masks.",
    )
    .runs(Dot::Unmask, &[Slot::Masked]),
    command(
        Shell,
        ".pager",
        ".pager on|off|auto",
        "whether results go through $PAGER or less; auto: when longer than the screen",
        &[".pager off"],
        "",
    )
    .runs(Dot::Setting, &[Slot::Value]),
    command(
        Shell,
        ".history",
        ".history",
        "what was typed at the prompt",
        &[],
        "Ctrl-R searches it. A line that begins with a blank, or names a secret, is not kept.",
    )
    .runs(Dot::History, &[]),
    command(Shell, ".show", ".show [NAME]", "the settings", &[], "")
    .runs(Dot::Show, &[Slot::Setting]),
    command(Shell, ".quit", ".quit", "leaves; also .exit, or Ctrl-D", &[], "")
    .runs(Dot::Quit, &[]),
];

/// Another name of a command.
const ALIASES: [(&str, &str); 1] = [(".exit", ".quit")];

/// The command with this name, case-insensitively.
#[must_use]
pub fn find(name: &str) -> Option<&'static CommandInfo> {
    let named = |name: &str| COMMANDS.iter().find(|command| command.name.eq_ignore_ascii_case(name));
    named(name).or_else(|| named(ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name))?.1))
}

/// Whether a command that begins with this word has options: with a dot it may, whoever it is from.
#[must_use]
pub fn has_options(first: &[u8]) -> bool {
    let begins = |command: &CommandInfo| {
        !command.options.is_empty()
            && command.name.split(' ').next().is_some_and(|word| word.as_bytes().eq_ignore_ascii_case(first))
    };
    first.starts_with(b".") || COMMANDS.iter().any(begins)
}

/// The option of this name of `db`, with the value that it takes.
#[must_use]
pub fn option(name: &str) -> Option<&'static str> {
    let db = COMMANDS.iter().filter(|command| command.name.starts_with("db "));
    db.flat_map(|command| command.options).copied().find(|option| option_name(option) == name)
}

/// What follows `db`.
pub fn db_verbs() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().filter_map(|command| command.name.strip_prefix("db "))
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, option_name};

    #[test]
    fn every_row_has_what_it_needs() {
        let guide = include_str!("../../docs/src/language.md");
        for command in COMMANDS {
            let name = command.name;
            assert!(!command.summary.is_empty(), "{name} has no help");
            assert!(command.usage.starts_with(name), "the form of {name} does not begin with it");
            for form in command.usage.split("   or   ") {
                assert!(guide.contains(form), "{name} is not in the guide's reference");
            }
            assert_eq!(
                command.dot.is_some(),
                name.starts_with('.'),
                "{name}: what begins with a dot is run by its row"
            );
            for option in command.options {
                assert!(command.usage.contains(option_name(option)), "{name} does not tell {option}");
            }
            for word in command
                .usage
                .split(|c: char| c.is_whitespace() || c == '[' || c == ']')
                .filter(|word| word.starts_with("--"))
            {
                assert!(command.takes(word), "{name} tells {word}, which is not among its options");
            }
            for example in command.examples {
                let first = example.split(' ').next().unwrap_or_default();
                let own = name.split(' ').next().unwrap_or_default();
                assert!(first == own || matches!(name, "get" | "let"), "{name}: `{example}` shows another command");
            }
        }
    }
}
