//! The same changes through SQLAlchemy's session and through ours leave the same tables, wherever both promise the same.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, one that cannot run is heard of"
)]

mod common;

use common::Shell;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// A small generator of its own, so that each run tests the same sequences.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // xorshift64*: <https://doi.org/10.1145/2845077>
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % bound
    }
}

/// Names that exist: users, and posts with their author.
#[derive(Clone, Default)]
struct World {
    users: Vec<String>,
    posts: Vec<(String, String)>,
}

fn sequence(random: &mut Random) -> Vec<Vec<String>> {
    let mut steps: Vec<Vec<String>> = Vec::new();
    let (mut now, mut committed) = (World::default(), World::default());
    // SQLAlchemy deletes last whatever the order, so one unit of work adds or deletes, and keys stay comparable.
    let mut deleting = false;
    let mut touched = false;
    for serial in 1..=30 {
        let fresh = |what: &str| format!("{what}{serial}");
        let choice = random.below(10);
        let step = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        match choice {
            0 | 1 if !deleting => {
                steps.push(step(&["add_user", &fresh("u"), &fresh("e")]));
                now.users.push(fresh("u"));
                touched = true;
            }
            2 | 3 if !deleting && !now.users.is_empty() => {
                let author = now.users[random.below(now.users.len())].clone();
                steps.push(step(&["add_post", &fresh("p"), &author]));
                now.posts.push((fresh("p"), author));
                touched = true;
            }
            4 if !now.users.is_empty() => {
                let user = now.users[random.below(now.users.len())].clone();
                steps.push(step(&["set_email", &user, &fresh("e")]));
                touched = true;
            }
            5 if !now.users.is_empty() => {
                let at = random.below(now.users.len());
                let old = std::mem::replace(&mut now.users[at], fresh("u"));
                steps.push(step(&["set_name", &old, &fresh("u")]));
                now.posts.iter_mut().filter(|post| post.1 == old).for_each(|post| post.1 = fresh("u"));
                touched = true;
            }
            6 if !now.posts.is_empty() => {
                let at = random.below(now.posts.len());
                let old = std::mem::replace(&mut now.posts[at].0, fresh("p"));
                steps.push(step(&["set_body", &old, &fresh("p")]));
                touched = true;
            }
            7 if !touched || deleting => {
                if !now.posts.is_empty() && random.below(2) == 0 {
                    let post = now.posts.remove(random.below(now.posts.len()));
                    steps.push(step(&["delete_post", &post.0]));
                } else if !now.users.is_empty() {
                    let user = now.users.remove(random.below(now.users.len()));
                    now.posts.retain(|post| post.1 != user);
                    steps.push(step(&["delete_user", &user]));
                } else {
                    continue;
                }
                (deleting, touched) = (true, true);
            }
            8 => {
                steps.push(step(&["commit"]));
                committed = now.clone();
                (deleting, touched) = (false, false);
            }
            9 => {
                steps.push(step(&["rollback"]));
                now = committed.clone();
                (deleting, touched) = (false, false);
            }
            _ => {}
        }
    }
    steps
}

/// A sequence in the shell's words.
fn script(steps: &[Vec<String>]) -> String {
    let mut text = String::new();
    for step in steps {
        let words: Vec<&str> = step.iter().map(String::as_str).collect();
        let line = match words.as_slice() {
            ["add_user", name, email] => format!("add user username={name} email={email}"),
            ["add_post", body, author] => format!("add post body={body} author={author}"),
            ["set_email", name, email] => format!("set user {name} email={email}"),
            ["set_name", old, new] => format!("set user {old} username={new}"),
            ["set_body", old, new] => format!("set posts where body = {old} body={new}"),
            ["delete_post", body] => format!("delete posts where body = {body}"),
            ["delete_user", name] => format!("delete user {name} with posts"),
            [word] => (*word).to_owned(),
            other => panic!("{other:?}"),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("rollback\n.mode json\nlist users order by id show id, username, email\nlist posts order by id show id, body, user_id\n");
    text
}

fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| {
        let found = Command::new(python).args(["-c", "import sqlalchemy"]).stderr(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    })
}

#[test]
fn sequences_end_as_with_sqlalchemy() {
    let Some(python) = python() else {
        let missing = "SQLAlchemy is not installed: the differential test did NOT run";
        assert!(std::env::var("CI").is_err(), "{missing}; in CI that is a failure");
        eprintln!("\n*** {missing} ***\n");
        return;
    };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let sequences: Vec<Vec<Vec<String>>> = (0..100).map(|_| sequence(&mut random)).collect();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/differential.py");
    let mut child = Command::new(python).arg(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(serde_json::to_string(&sequences).unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let theirs: Vec<Vec<Vec<Vec<serde_json::Value>>>> = serde_json::from_slice(&output.stdout).unwrap();
    let mut rows = 0;
    for (steps, theirs) in sequences.iter().zip(theirs) {
        let text = script(steps);
        let run = Shell::new().script(&text).ok();
        let tables: Vec<Vec<serde_json::Map<String, serde_json::Value>>> =
            serde_json::Deserializer::from_str(&run.stdout).into_iter().map(Result::unwrap).collect();
        for (ours, theirs) in tables.iter().zip(&theirs) {
            assert_eq!(ours.len(), theirs.len(), "{text}\n{}", run.stderr);
            for (our, their) in ours.iter().zip(theirs) {
                let mut values: Vec<&serde_json::Value> = their.iter().collect();
                for value in our.values() {
                    let at = values.iter().position(|known| *known == value);
                    assert!(at.is_some(), "{our:?} is not {their:?}\n{text}");
                    values.remove(at.unwrap());
                }
                rows += 1;
            }
        }
    }
    assert!(rows > 200, "the sequences are too poor: {rows} rows");
}
