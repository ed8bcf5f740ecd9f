//! The house rules: imports run down the list, and some names belong to one folder.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

/// Each may use what stands before it.
const ORDER: [&str; 18] = [
    "text",
    "files",
    "error",
    "model",
    "outcome",
    "rows",
    "language",
    "assist",
    "plan",
    "store",
    "session",
    "database",
    "migrations",
    "command",
    "render",
    "schema",
    "microblog",
    "shell",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            let module = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            // Tests may look anywhere.
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
            (module, name, code)
        })
        // The tables of cases are read by tests alone.
        .filter(|(_, name, _)| !name.ends_with("tests.rs") && name != "cases.rs")
        .collect()
}

fn used(code: &str) -> Vec<&str> {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap())
        .filter(|word| word.starts_with(|c: char| c.is_lowercase()))
        .collect()
}

#[test]
fn imports_run_down_the_list() {
    let rank = |module: &str| ORDER.iter().position(|known| *known == module);
    let mut checked = 0;
    for (module, name, code) in all() {
        let Some(own) = rank(&module) else { continue };
        for other in used(&code) {
            let Some(theirs) = rank(other) else { panic!("{name} uses `{other}`, which has no place in the order") };
            assert!(theirs <= own, "{name} uses {other}, which stands behind {module}");
            checked += 1;
        }
    }
    assert!(checked > 100, "the test has lost its subject: {checked}");
}

#[test]
fn names_that_belong_to_one_folder() {
    for (word, owners) in [
        ("diesel::", &["database", "microblog", "schema"][..]),
        ("rustyline", &["shell"]),
        ("comfy_table", &["render"]),
    ] {
        for (module, name, code) in all() {
            // What is written into a file of somebody else's is text, not use.
            let uses = |line: &str| line.split('"').step_by(2).any(|code| code.contains(word));
            let named = code.lines().any(|line| !line.trim_start().starts_with("//") && uses(line));
            assert!(!named || owners.contains(&module.as_str()), "{name} names {word}");
        }
    }
}

/// The library never prints by itself, never exits and never reads the environment: the standard streams are named in the
/// one file that `Shell::run` takes them from.
#[test]
fn the_process_belongs_to_the_application() {
    let streams = &["shell/stdio.rs"][..];
    let mut named_at_all = 0;
    for (word, owners) in [
        ("env::var", &[][..]),
        ("std::env", &[]),
        ("env::args", &[]),
        ("process::exit", &[]),
        ("process::abort", &[]),
        ("print!(", &[]),
        ("println!(", &[]),
        ("dbg!(", &[]),
        ("stdout()", streams),
        ("stderr()", &["shell/stdio.rs", "shell/progress.rs"]),
        ("stdin()", streams),
    ] {
        for (module, name, code) in all() {
            if matches!(module.as_str(), "cli" | "main") {
                continue;
            }
            let named = code.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(word));
            named_at_all += usize::from(named);
            assert!(!named || owners.contains(&name.as_str()), "{name} names {word}");
        }
    }
    assert!(named_at_all > 3, "the test has lost its subject");
}

/// Who may say what a process is told: the library's only way to the streams is `Shell::run` and `Builder::run`.
#[test]
fn only_run_uses_the_standard_streams() {
    let users: Vec<String> = all()
        .into_iter()
        .filter(|(module, name, code)| module != "cli" && name != "shell/stdio.rs" && code.contains("stdio::"))
        .map(|(_, name, _)| name)
        .collect();
    // Beside them only the line editor, which is for a terminal anyway: whether more has arrived there.
    assert_eq!(users.len(), 3, "{users:?}");
    for name in users {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&name);
        let text = std::fs::read_to_string(path).unwrap();
        let mut function = String::new();
        for line in text.lines() {
            if let Some(rest) = line.split("fn ").nth(1).filter(|_| line.starts_with("    ")) {
                function = rest.split('(').next().unwrap().to_owned();
            }
            let uses = line.contains("stdio::") && !line.trim_start().starts_with("use ");
            assert!(
                !uses || ["run", "prompt", "arrived"].contains(&function.as_str()),
                "{name}: {function} uses the standard streams"
            );
        }
    }
}

#[test]
fn every_verb_of_the_parser_is_in_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let parser = std::fs::read_to_string(root.join("language/parser/mod.rs")).unwrap();
    let verbs: Vec<&str> = parser
        .lines()
        .filter_map(|line| line.trim().strip_prefix("b\"")?.split_once("\" => ").map(|(verb, _)| verb))
        .collect();
    assert!(verbs.len() > 20, "the test has lost its subject: {verbs:?}");
    for verb in verbs {
        let listed = |info: &diesel_shell::language::table::CommandInfo| info.name.split(' ').next() == Some(verb);
        assert!(diesel_shell::language::table::COMMANDS.iter().any(listed), "`{verb}` has no help");
    }
}
