//! The README tells the truth: its scripts run, its reference is the command table.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;
use diesel_shell::language::table::COMMANDS;

const BEGIN: &str = "<!-- commands -->\n";
const END: &str = "<!-- end of commands -->";

fn path() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")
}

fn reference() -> String {
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

#[test]
fn the_reference_is_the_command_table() {
    let text = std::fs::read_to_string(path()).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the beginning of the reference");
    let (known, after) = rest.split_once(END).expect("the end of the reference");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(), format!("{before}{BEGIN}{}{END}{after}", reference())).unwrap();
    } else {
        assert_eq!(known, reference(), "UPDATE=1 cargo test --test readme rewrites it");
    }
}

#[test]
fn its_scripts_run() {
    let text = std::fs::read_to_string(path()).unwrap();
    let blocks: Vec<&str> = text.split("```dsh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let shell = Shell::new();
        for line in block.lines() {
            // One run for all, but a failing line is named.
            assert!(!line.trim().is_empty(), "no empty lines in a script of the README");
        }
        shell.script(block).ok();
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

#[test]
fn the_configuration_it_shows_is_understood() {
    let text = std::fs::read_to_string(path()).unwrap();
    let block = text.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let shell = Shell::new();
    let folder = shell.path().join("config/diesel-shell");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), block).unwrap();
    shell.script(".show confirm").ok().stdout("confirm  100\n");
}
