//! The references in README and guide are the command table. `UPDATE=1 cargo test --test readme` writes them again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;
use diesel_shell::language::table::COMMANDS;

const BEGIN: &str = "<!-- commands -->\n";
const END: &str = "<!-- end of commands -->";

fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A line for each command.
fn short() -> String {
    let mut out = String::from("| command | what it does |\n| --- | --- |\n");
    let mut group = None;
    for command in COMMANDS {
        if group != Some(command.group) {
            group = Some(command.group);
            out.push_str(&format!("| **{}** | |\n", command.group.title()));
        }
        out.push_str(&format!(
            "| `{}` | {} |\n",
            command.usage.replace('|', "\\|"),
            command.summary.replace('|', "\\|")
        ));
    }
    out
}

/// Each command with its form, its details and its examples.
fn long() -> String {
    let mut out = String::new();
    let mut group = None;
    for command in COMMANDS {
        if group != Some(command.group) {
            group = Some(command.group);
            out.push_str(&format!("\n### {}\n", command.group.title()));
        }
        out.push_str(&format!("\n#### {}\n\n", command.name));
        for form in command.usage.split("   or   ") {
            out.push_str(&format!("    {form}\n"));
        }
        out.push_str(&format!("\n{}\n", sentence(command.summary)));
        if !command.details.is_empty() {
            // Words in angle or square brackets would be markup.
            out.push_str(&format!("{}\n", sentence(command.details).replace('<', "&lt;")));
        }
        if !command.examples.is_empty() {
            out.push('\n');
        }
        for example in command.examples {
            out.push_str(&format!("- `{example}`\n"));
        }
    }
    out.push('\n');
    out
}

fn sentence(text: &str) -> String {
    let end = if text.ends_with(['.', ')']) { "" } else { "." };
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}{end}", chars.as_str())
}

#[test]
fn the_references_are_the_command_table() {
    for (name, reference) in [("README.md", short()), ("docs/src/language.md", long())] {
        let text = std::fs::read_to_string(path(name)).unwrap();
        let (before, rest) = text.split_once(BEGIN).expect("the beginning of the reference");
        let (known, after) = rest.split_once(END).expect("the end of the reference");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path(name), format!("{before}{BEGIN}{reference}{END}{after}")).unwrap();
        } else {
            assert_eq!(known, reference, "{name}: UPDATE=1 cargo test --test readme rewrites it");
        }
    }
}

#[test]
fn every_example_of_the_help_parses() {
    let catalog = diesel_shell::microblog::models().into_catalog().unwrap();
    for command in COMMANDS {
        for example in command.examples {
            if let Err(error) = diesel_shell::language::parse(example, &catalog) {
                panic!("{example}: {error}");
            }
        }
        let first = command.name;
        assert!(command.usage.starts_with(first), "the form of {first} begins with its name");
    }
}

#[test]
fn every_command_of_the_table_has_help() {
    let shell = Shell::new();
    for command in COMMANDS {
        shell.run(&["-c", &format!(".help {}", command.name)], "").ok().stdout_has(command.summary);
    }
}
