//! The scripts in `examples/` give exactly what `tests/examples/*.txt` holds: all that they write, results and notices.
//! `UPDATE=1 cargo test --test example_scripts` writes it again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;
use std::path::Path;
use std::process::Stdio;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the shell beside the examples, with what it writes to both ends in one. Not in the repository itself: that is a
/// project with migrations of its own, whose tables are shown as they are.
fn written(shell: &Shell, arguments: &[&str]) -> String {
    let path = shell.path().join("written");
    let file = std::fs::File::create(&path).unwrap();
    if !shell.path().join("examples").exists() {
        std::os::unix::fs::symlink(root().join("examples"), shell.path().join("examples")).unwrap();
    }
    let status = shell
        .command()
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .status()
        .unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(status.success(), "{text}");
    text
}

#[track_caller]
fn gives(name: &str, text: &str) {
    let path = root().join("tests/examples").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, text).unwrap();
    } else {
        let known = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, known, "UPDATE=1 cargo test --test example_scripts rewrites it");
    }
}

#[test]
fn the_tour_goes_from_an_empty_database_to_one_user() {
    let shell = Shell::new();
    let text = written(&shell, &[":memory:", "-c", "db upgrade", "-f", "examples/tour.dsh"]);
    assert!(text.ends_with("│ susan    │\n└──────────┘\n1 user\n"), "{text}");
    gives("tour.txt", &text);
}

#[test]
fn a_reflected_database_is_browsed_and_left_as_it_was() {
    let shell = Shell::new();
    let path = shell.path().join("music.db");
    let database = path.to_str().unwrap();
    written(&shell, &[database, "--create", "-f", "examples/music.dsh"]);
    let before = std::fs::read(&path).unwrap();
    let text = written(&shell, &["--sandbox", database, "-f", "examples/chinook.dsh"]);
    assert_eq!(std::fs::read(&path).unwrap(), before, "the database was written to");
    gives("chinook.txt", &text);
}

#[test]
fn every_script_is_run_by_a_test() {
    let tests = std::fs::read_to_string(root().join("tests/example_scripts.rs")).unwrap();
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "dsh") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(tests.contains(&format!("examples/{name}")), "{name} is run by nothing");
        }
    }
}
