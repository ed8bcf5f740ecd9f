//! README and guide tell the truth: every block of code in them is run, with exact output where one is shown.
//!
//! A page is one person's afternoon: its blocks run in order, in one folder, on one microblog. What stands behind the
//! opening of a block says what it is:
//!
//! | block | what is done with it |
//! | --- | --- |
//! | `dsh` | a script for the microblog as the blocks before left it; it must succeed |
//! | `dsh,seeded` | the same, on a fresh microblog with john, susan, and a post of each |
//! | `dsh,music` | a script for the small music shop of `examples/music.dsh`, fresh |
//! | `console` | typed at a prompt in a real terminal, all of whose screen is shown; `$ ...` is someone else, in another one |
//! | `sh` | run by `sh -e` in the page's folder, with the shell on the path |
//! | `sh,postgres` | the same where there is a server; `postgres:///shop` is a database on it |
//! | `sh,cargo` | not run, as a test runs within cargo: its syntax, and that the names in it exist, are checked |
//! | `csv,NAME` | a file of the page's folder from here on; so `json`, `sql` and `env` |
//! | `toml` | a configuration file that the shell accepts |
//! | `toml,cargo` | a part of a `Cargo.toml` that cargo reads |
//! | `rust` | compiled by rustdoc (`src/lib.rs` includes the page) |
//! | `ebnf` | the grammar, which the tests of `src/language` hold against the parser |
//! | `text` | all that the block before wrote, results and notices; what it says may then be an error |
//!
//! `UPDATE=1 cargo test --test guide` rewrites what is shown.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;
use common::screen::Screen;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How wide the pages are, in columns.
const COLUMNS: u16 = 100;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// README and the chapters of the guide.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = std::fs::read_dir(root().join("docs/src"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    pages.sort();
    pages.insert(0, root().join("README.md"));
    pages
}

/// A block of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    /// What stands behind the opening.
    kind: String,
    /// One-based, of the opening.
    line: usize,
    text: String,
}

/// A page as text and blocks in turn: what stands before a block ends with its opening.
fn split(page: &str) -> (Vec<String>, Vec<Block>) {
    let (mut texts, mut blocks) = (vec![String::new()], Vec::<Block>::new());
    let mut open = false;
    for (index, line) in page.split_inclusive('\n').enumerate() {
        match (open, line.strip_prefix("```")) {
            (false, Some(kind)) => {
                texts.last_mut().unwrap().push_str(line);
                blocks.push(Block { kind: kind.trim().to_owned(), line: index + 1, text: String::new() });
                open = true;
            }
            (true, Some(_)) => {
                texts.push(line.to_owned());
                open = false;
            }
            (true, None) => blocks.last_mut().unwrap().text.push_str(line),
            (false, None) => texts.last_mut().unwrap().push_str(line),
        }
    }
    assert!(!open, "a block is not closed");
    (texts, blocks)
}

/// What a block wrote, and with which status it ended.
type Done = (String, i32);

/// A page's folder and microblog.
struct Page {
    shell: Shell,
    folder: PathBuf,
}

impl Page {
    fn new() -> Self {
        Self::of(Shell::new())
    }

    fn of(shell: Shell) -> Self {
        // The microblog is there before the page begins, so that nothing is said about its making.
        shell.script(".tables").ok();
        let folder = shell.path().join("work");
        std::fs::create_dir(&folder).unwrap();
        for name in ["examples", "fuzz"] {
            std::os::unix::fs::symlink(root().join(name), folder.join(name)).unwrap();
        }
        Self { shell, folder }
    }

    /// The shell as the reader runs it.
    fn command(&self) -> Command {
        let mut command = self.shell.command();
        command.current_dir(&self.folder).env("DIESEL_SHELL_WIDTH", COLUMNS.to_string());
        command
    }

    /// Runs a command with what it writes to both ends in one.
    fn run(&self, mut command: Command, input: &str) -> Done {
        let written = self.shell.path().join("written");
        let file = std::fs::File::create(&written).unwrap();
        let mut child = command.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        // It may stop at an error before it has read all.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
        let status = child.wait().unwrap().code().unwrap_or(-1);
        let text = std::fs::read_to_string(&written).unwrap();
        (text.replace(&format!("{}/", self.folder.display()), ""), status)
    }

    fn dsh(&mut self, block: &Block, how: Option<&str>) -> Done {
        match how {
            Some("seeded") => {
                *self = Self::of(Shell::seeded());
                // A prompt greets on the first day only.
                std::fs::write(self.shell.path().join("data/diesel-shell/history"), "").unwrap();
            }
            Some("music") => {
                let _ = std::fs::remove_file(self.folder.join("music.db"));
                let mut command = self.command();
                command.args(["music.db", "--create", "-f", "examples/music.dsh"]);
                assert_eq!(self.run(command, "").1, 0);
                let mut command = self.command();
                command.arg("music.db");
                return self.run(command, &block.text);
            }
            _ => {}
        }
        self.run(self.command(), &block.text)
    }

    fn sh(&self, script: &str) -> Done {
        let path = Path::new(env!("CARGO_BIN_EXE_diesel-shell")).parent().unwrap();
        let mut command = Command::new("/bin/sh");
        command.arg("-eu").env_clear().current_dir(&self.folder);
        command.envs(self.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", path.display()));
        self.run(command, script)
    }

    /// Types what stands behind the prompts, and shows all of the screen. A line `$ ...` is someone else, in another
    /// terminal.
    fn console(&self, block: &Block) -> Done {
        let mut screen = Screen::start(&self.command(), COLUMNS);
        let mut others: Vec<(usize, &str)> = Vec::new();
        for line in block.text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                let (written, status) = self.sh(command);
                assert_eq!((written.as_str(), status), ("", 0), "{command}");
                others.push((usize::from(screen.screen().cursor_position().0), line));
            } else if let Some((_, typed)) = line.split_once("> ").filter(|(prompt, _)| is_prompt(prompt)) {
                screen.line(typed);
            }
        }
        let text = screen.text();
        let mut shown = String::new();
        // The last prompt waits; it is not shown.
        for (row, line) in text.lines().take(text.lines().count().saturating_sub(1)).enumerate() {
            for (_, other) in others.iter().filter(|(at, _)| *at == row) {
                shown.push_str(&format!("{other}\n"));
            }
            shown.push_str(&format!("{line}\n"));
        }
        (shown, 0)
    }
}

/// `microblog`, `microblog*2`, `shop[prod](read-only)*1`.
fn is_prompt(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "*[]()-_".contains(c))
}

/// Whether the names in a line for cargo exist.
fn check_cargo(script: &str) -> Result<(), String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for line in script.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            let exists = match pair[0] {
                "--test" => root().join(format!("tests/{}.rs", pair[1])).exists(),
                "--example" => root().join(format!("examples/{}.rs", pair[1])).exists(),
                "--bench" => root().join(format!("benches/{}.rs", pair[1])).exists(),
                "--features" => manifest.contains(&format!("\n{} = [", pair[1])),
                "--path" => pair[1] == ".",
                _ => true,
            };
            if !exists {
                return Err(format!("`{line}`: there is no {}", pair[1]));
            }
        }
    }
    Ok(())
}

/// Runs a page's blocks, and gives the page with what they wrote; problems are told with their lines.
fn run(name: &str, page: &str, problems: &mut Vec<String>) -> String {
    let (texts, mut blocks) = split(page);
    let mut here = Page::new();
    let mut before: Option<Done> = None;
    for index in 0..blocks.len() {
        let block = blocks[index].clone();
        let shown = blocks.get(index + 1).is_some_and(|next| next.kind == "text");
        let mut problem = |text: String| problems.push(format!("line {}: {text}", block.line));
        let (kind, how) =
            block.kind.split_once(',').map_or((block.kind.as_str(), None), |(kind, how)| (kind, Some(how)));
        let done = match (kind, how) {
            ("dsh", None | Some("seeded" | "music")) => here.dsh(&block, how),
            ("sh", None) => here.sh(&block.text),
            ("sh", Some("postgres")) if common::postgres::is_there() => {
                let url = common::postgres::database(Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
                let (text, status) = here.sh(&block.text.replace("postgres:///shop", &format!("'{url}'")));
                (text.replace(&url, "postgres:///shop"), status)
            }
            // Said loudly, and a failure in CI, by `is_there`.
            ("sh", Some("postgres")) => {
                before = None;
                continue;
            }
            ("sh", Some("cargo")) => {
                if let Err(text) = check_cargo(&block.text) {
                    problem(text);
                }
                assert!(!shown, "line {}: nothing is written by what is not run", block.line);
                // In a function that is never called.
                here.sh(&format!("never() {{\n{}\n}}", block.text))
            }
            ("console", None) => {
                let done = here.console(&block);
                if done.0 != block.text {
                    problem(format!("the screen shows\n{}", done.0));
                }
                blocks[index].text.clone_from(&done.0);
                done
            }
            ("toml", None) => {
                let folder = here.shell.path().join("config/diesel-shell");
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join("config.toml"), &block.text).unwrap();
                let done = here.run(here.command(), ".show");
                std::fs::remove_dir_all(folder).unwrap();
                done
            }
            ("csv" | "json" | "sql" | "env", Some(name)) => {
                std::fs::write(here.folder.join(name), &block.text).unwrap();
                (String::new(), 0)
            }
            ("toml", Some("cargo")) => {
                std::fs::create_dir_all(here.folder.join("crate/src")).unwrap();
                std::fs::write(here.folder.join("crate/src/lib.rs"), "").unwrap();
                let package = "[package]\nname = \"x\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
                std::fs::write(here.folder.join("crate/Cargo.toml"), format!("{package}{}", block.text)).unwrap();
                let ours = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap().0;
                if !block.text.contains(&format!("diesel-shell = {{ version = \"{ours}\"")) {
                    problem(format!("the version is {ours}"));
                }
                let mut command = Command::new(env!("CARGO"));
                command.args(["read-manifest", "--manifest-path"]).arg(here.folder.join("crate/Cargo.toml"));
                here.run(command, "")
            }
            // Compiled by rustdoc, on pages that the library includes.
            ("rust", None | Some("no_run")) => {
                let library = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
                if !library.contains(&format!("include_str!(\"../{name}\")")) {
                    problem(format!("src/lib.rs does not include {name}, so this is not compiled"));
                }
                (String::new(), 0)
            }
            ("ebnf", None) => continue,
            ("text", None) => {
                match before.take() {
                    None if common::postgres::is_there() => {
                        problem("nothing was run that could have written this".into());
                    }
                    None => {}
                    Some((text, _)) => {
                        if text != block.text {
                            problem(format!("what was written is\n{text}"));
                        }
                        blocks[index].text = text;
                    }
                }
                continue;
            }
            _ => {
                problem(format!("a block `{}` is checked by nothing", block.kind));
                continue;
            }
        };
        // A failure is meant only where it is shown.
        if done.1 != 0 && !(shown && matches!(kind, "dsh" | "sh")) {
            problem(format!("status {}:\n{}", done.1, done.0));
        }
        // At a prompt an error ends nothing, and `||` says what is done after one.
        let meant = kind == "console" || (kind == "sh" && shown && block.text.contains("|| "));
        if done.1 == 0 && !meant && done.0.contains("error: ") {
            problem(format!("an error:\n{}", done.0));
        }
        before = Some(done);
    }
    let mut out = String::new();
    for (index, text) in texts.iter().enumerate() {
        out.push_str(text);
        if let Some(block) = blocks.get(index) {
            out.push_str(&block.text);
        }
    }
    out
}

#[test]
fn every_block_is_true() {
    let pages = pages();
    assert!(pages.len() > 5, "the guide is not there");
    let mut all = Vec::new();
    for path in pages {
        let page = std::fs::read_to_string(&path).unwrap();
        let mut problems = Vec::new();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let now = run(&name, &page, &mut problems);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, now).unwrap();
            problems
                .retain(|problem| !problem.contains("what was written is") && !problem.contains("the screen shows"));
        }
        all.extend(problems.into_iter().map(|problem| format!("{name}, {problem}")));
    }
    assert!(all.is_empty(), "{}\nUPDATE=1 cargo test --test guide rewrites what is shown", all.join("\n"));
}

#[test]
fn a_block_that_is_not_true_is_found() {
    let wrong = [
        "```dsh\nlist nothing\n```\n",
        "```dsh\ncount users\n```\n\n```text\n1\n```\n",
        "```dsh\nadd user username=john email=j@x\n```\n",
        "```console\nmicroblog> count users\n3\n```\n",
        "```sh\nexit 4\n```\n",
        "```sh\ndiesel-shell -c 'count users'\n```\n\n```text\n7\n```\n",
        "```sh,cargo\ncargo test --test nothing\n```\n",
        "```sh,cargo\nif\n```\n",
        "```toml\nnothing = 1\n```\n",
        "```toml,cargo\n[dependencies]\ndiesel-shell = { version = \"0.0\" }\n```\n",
        "```rust\nfn main() {}\n```\n",
        "```text\nby itself\n```\n",
        "```python\nprint()\n```\n",
        "```\nno kind\n```\n",
    ];
    for page in wrong {
        let mut problems = Vec::new();
        run("x.md", page, &mut problems);
        // Without a server, a text by itself could belong to a block that was not run.
        assert!(!problems.is_empty() || (page.starts_with("```text") && !common::postgres::is_there()), "{page}");
    }
    let right = "```dsh,seeded\ncount users\n```\n\n```text\n2\n```\n\n```dsh\ncount nothing\n```\n\n```text\nx\n```\n";
    let mut problems = Vec::new();
    let now = run("x.md", right, &mut problems);
    assert!(problems.len() == 1 && now.contains("there is no model `nothing`"), "{problems:?}\n{now}");
}

/// What a table's last column says in code, with its place: the commands of this shell.
fn commands_of(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in page.lines().enumerate().filter(|(_, line)| line.starts_with("| ")) {
        // A bar within code is written `\|`.
        let line = line.replace("\\|", "\u{1}");
        let Some(cell) = line.trim_end_matches(" |").rsplit(" | ").next() else { continue };
        for code in cell.split('`').skip(1).step_by(2) {
            found.push((index + 1, code.replace('\u{1}', "|")));
        }
    }
    found
}

#[test]
fn what_stands_in_the_second_column_is_a_command() {
    let catalog = diesel_shell::microblog::models().into_catalog().unwrap();
    let help = Shell::new().run(&["--help"], "").ok().stdout;
    let mut checked = 0;
    for path in pages() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("from-") {
            continue;
        }
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(
            page.lines().filter(|line| line.starts_with("| ")).all(|line| line
                .replace("\\|", "")
                .matches(" | ")
                .count()
                == 1),
            "{name}: a row without two columns"
        );
        for (line, code) in commands_of(&page) {
            let at = format!("{name}, line {line}: `{code}`");
            if let Some(arguments) = code.strip_prefix("diesel-shell") {
                for option in arguments.split_whitespace().filter(|word| word.starts_with('-')) {
                    assert!(
                        help.contains(&format!("{option} "))
                            || help.contains(&format!("{option},"))
                            || help.contains(&format!("{option}\n")),
                        "{at}: there is no {option}"
                    );
                }
            } else if code == "DATABASE_URL" || code == ".env" || code.contains("config.toml") {
            } else {
                // What goes to a program is a command before the bar.
                let command = code.split(" | ").next().unwrap();
                let parsed = diesel_shell::language::parse(command, &catalog);
                assert!(parsed.is_ok(), "{at}: {parsed:?}");
                let first = command.split(' ').next().unwrap();
                let dot = first.starts_with('.') && first != ".exit";
                assert!(!dot || diesel_shell::language::table::find(first).is_some(), "{at}: there is no {first}");
            }
            checked += 1;
        }
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let walk = readme.split("| here |").nth(1).unwrap().split("\n\n").next().unwrap();
    for row in walk.lines().skip(2) {
        for code in row.split(" | ").next().unwrap().split('`').skip(1).step_by(2) {
            let parsed = diesel_shell::language::parse(code, &catalog);
            assert!(parsed.is_ok(), "README.md: `{code}`: {parsed:?}");
            checked += 1;
        }
    }
    assert!(checked > 150, "the test has lost its subject: {checked}");
}

#[test]
fn the_pages_lead_to_each_other() {
    let summary = std::fs::read_to_string(root().join("docs/src/SUMMARY.md")).unwrap();
    for path in pages().into_iter().skip(1) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "{name} is not in the summary");
    }
    for path in pages() {
        let folder = path.parent().unwrap();
        let page = std::fs::read_to_string(&path).unwrap();
        for target in page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            if target.starts_with("http") || target.contains(' ') {
                continue;
            }
            let to = if file.is_empty() { path.clone() } else { folder.join(file) };
            assert!(to.exists(), "{}: there is no {target}", path.display());
            if !anchor.is_empty() {
                let headings = std::fs::read_to_string(&to).unwrap();
                let found = headings.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor);
                assert!(found, "{}: no heading for {target}", path.display());
            }
        }
    }
}

/// A heading as mdBook and GitHub name it in a link.
fn slug(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}
