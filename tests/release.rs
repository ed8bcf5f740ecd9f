//! What a release promises: versions, licences, the oldest Rust, what is in the package, what the manual says.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `1.89` or `1.88.0` as numbers.
fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    (parts.next().unwrap(), parts.next().unwrap_or(0))
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn no_dependency_needs_a_newer_rust_than_we_say() {
    let text = cargo(&["metadata", "--format-version=1", "--locked"]);
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours = packages.iter().find(|package| package["name"] == "diesel-shell").unwrap();
    let ours = version(ours["rust_version"].as_str().unwrap());
    let mut checked = 0;
    for package in packages {
        if let Some(theirs) = package["rust_version"].as_str() {
            assert!(version(theirs) <= ours, "{} {} needs {theirs}", package["name"], package["version"]);
            checked += 1;
        }
    }
    assert!(checked > 50, "the test has lost its subject: {checked}");
}

#[test]
fn the_oldest_versions_asked_for_are_the_tested_ones() {
    let text = cargo(&["metadata", "--format-version=1", "--locked"]);
    let metadata: serde_json::Value = serde_json::from_str(&text).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours = packages.iter().find(|package| package["name"] == "diesel-shell").unwrap();
    for dependency in ours["dependencies"].as_array().unwrap() {
        let asked = dependency["req"].as_str().unwrap();
        let least = asked.split(',').next().unwrap().trim_start_matches(['^', '~', '>', '=', ' ']);
        let of_its_name = packages.iter().filter(|package| package["name"] == dependency["name"]);
        let locked: Vec<&str> = of_its_name.map(|package| package["version"].as_str().unwrap()).collect();
        let tested = locked.iter().any(|version| version.split('+').next().unwrap().starts_with(least));
        assert!(tested, "{} {asked}, but {locked:?} is locked", dependency["name"]);
    }
}

#[test]
fn the_package_holds_what_a_user_needs_and_little_else() {
    let list = cargo(&["package", "--list", "--allow-dirty"]);
    let files: Vec<&str> = list.lines().collect();
    for needed in [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "src/main.rs",
        "examples/tour.dsh",
    ] {
        assert!(files.contains(&needed), "{needed} is missing");
    }
    for folder in ["tests/", "fuzz/", "docs/", "benches/", ".ci"] {
        assert!(!files.iter().any(|file| file.starts_with(folder)), "{folder} is in the package");
    }
    let size: u64 =
        files.iter().filter_map(|file| std::fs::metadata(root().join(file)).ok()).map(|known| known.len()).sum();
    assert!(size < 3_000_000, "{size} bytes");
}

#[test]
fn the_version_names_the_backends() {
    let run = Shell::new().run(&["--version"], "").ok();
    let mut lines = run.stdout.lines();
    assert_eq!(lines.next().unwrap(), concat!("diesel-shell ", env!("CARGO_PKG_VERSION")));
    let sqlite = Shell::new().script(".mode csv\n.sql select sqlite_version() as v").ok().stdout;
    assert_eq!(lines.next().unwrap(), format!("SQLite {}", sqlite.lines().nth(1).unwrap()));
    if cfg!(feature = "postgres") {
        let (major, minor) = lines.next().unwrap().strip_prefix("libpq ").unwrap().split_once('.').unwrap();
        assert!(major.parse::<u32>().unwrap() >= 15 && minor.parse::<u32>().unwrap() < 100, "{major}.{minor}");
        let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
        assert!(lock.contains(&format!("+libpq-{major}.{minor}\"")), "not the libpq of the lock file: {major}.{minor}");
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn help_and_manual_and_guide_tell_the_same_exit_statuses() {
    let shell = Shell::new();
    let guide = std::fs::read_to_string(root().join("docs/src/configuration.md")).unwrap();
    let help = shell.run(&["--help"], "").ok().stdout;
    let manual = shell.run(&["--man"], "").ok().stdout;
    let statuses = help.split("Exit statuses:").nth(1).expect("the statuses are in the help");
    let mut count = 0;
    for line in statuses.lines().filter(|line| !line.trim().is_empty()) {
        let (status, meaning) = line.trim().split_once(' ').unwrap();
        let meaning = meaning.trim();
        assert!(guide.contains(&format!("| {status} | {meaning} |")), "{status} is not in the guide");
        assert!(manual.replace("\\-", "-").contains(meaning), "{status} is not in the manual");
        count += 1;
    }
    assert_eq!(count, 6);
}

#[test]
fn completions_are_there_for_every_shell_that_is_named() {
    for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
        Shell::new().run(&["--completions", name], "").ok().stdout_has("diesel-shell");
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_code_stays_with_the_c_libraries_and_says_why() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let mut blocks = 0;
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().display();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if line.trim_start().starts_with("//") || !line.contains("unsafe {") {
                continue;
            }
            assert!(name.to_string().starts_with("src/database/"), "{name}:{} is unsafe", at + 1);
            let before = lines[at.saturating_sub(3)..at].join("\n");
            assert!(before.contains("// SAFETY: "), "{name}:{} does not say why", at + 1);
            blocks += 1;
        }
        let allowed = text.contains("allow(unsafe_code, reason = ");
        assert_eq!(text.contains("unsafe {"), allowed, "{name}: unsafe_code is allowed with a reason, or not at all");
    }
    assert!(blocks > 0, "the test has lost its subject");
}
