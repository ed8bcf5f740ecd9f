//! What a script refers to is found as if every line had been sent by itself.
//!
//! A script's changes are sent together, table by table, and references to what it added are resolved from its own
//! journal. None of that may be noticed: here random scripts run as they are, and again with a statement of the user's
//! own between any two lines, which has everything sent and everything forgotten.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Run, Shell, both};
use proptest::prelude::*;

const SCHEMA: &str = ".sql create table member (id integer primary key autoincrement, name text not null unique, \
    mail text unique, n int, boss_id int references member(id))\n\
    .sql create table note (id integer primary key autoincrement, body text not null, \
    member_id int not null references member(id))\n\
    .sql create table mark (name text primary key, member_id int references member(id) on delete cascade);\ncommit\n";

/// One line of a script.
fn line() -> impl Strategy<Value = String> {
    let name = || (0_u8..7).prop_map(|n| format!("m{n}"));
    let key = || 1_u8..9;
    let word = || (0_u8..5).prop_map(|n| format!("x{n}"));
    prop_oneof![
        6 => (name(), word()).prop_map(|(name, mail)| format!("add member name={name} mail={mail}{name}")),
        2 => name().prop_map(|name| format!("add member name={name}")),
        1 => (name(), word()).prop_map(|(name, mail)| format!("add member name={name} mail={mail}")),
        2 => (name(), name()).prop_map(|(name, boss)| format!("add member name={name} boss={boss}")),
        1 => (key(), name()).prop_map(|(id, name)| format!("add member id={id} name={name}")),
        6 => (name(), word()).prop_map(|(name, body)| format!("add note body={body} member={name}")),
        2 => (key(), word()).prop_map(|(id, body)| format!("add note body={body} member_id={id}")),
        1 => (key(), word()).prop_map(|(id, body)| format!("add note body={body} member={id}")),
        2 => (name(), name()).prop_map(|(mark, name)| format!("add mark name={mark} member={name}")),
        3 => (name(), 0_i64..4).prop_map(|(name, n)| format!("set member {name} n={n}")),
        2 => (name(), word()).prop_map(|(name, mail)| format!("set member {name} mail={mail}{name}")),
        2 => (name(), name()).prop_map(|(name, other)| format!("set member {name} name={other}")),
        1 => (key(), name()).prop_map(|(id, other)| format!("set member {id} name={other}")),
        1 => (key(), 10_i64..14).prop_map(|(id, new)| format!("set member {id} id={new}")),
        1 => (name(), name()).prop_map(|(name, boss)| format!("set member {name} boss={boss}")),
        2 => (key(), word()).prop_map(|(id, body)| format!("set note {id} body={body}")),
        1 => (key(), name()).prop_map(|(id, name)| format!("set note {id} member={name}")),
        2 => key().prop_map(|id| format!("delete note {id}")),
        2 => name().prop_map(|name| format!("delete member {name}")),
        1 => name().prop_map(|name| format!("delete member {name} with notes")),
        1 => name().prop_map(|name| format!("delete mark {name}")),
        1 => Just("delete notes where body = x1".to_owned()),
        1 => Just("set members where n = 1 n=2".to_owned()),
        1 => Just("undo".to_owned()),
        1 => Just("redo".to_owned()),
        1 => Just("commit".to_owned()),
        1 => Just("commit --dry-run".to_owned()),
        1 => Just("count notes".to_owned()),
    ]
}

/// Every table, with its keys.
fn everything(shell: &Shell, database: &str) -> String {
    shell
        .run(
            &[database, "-q", "--mode", "csv"],
            "list members order by id\nlist notes order by id\nlist marks order by name",
        )
        .ok()
        .stdout
}

/// The lines that a run found fault with; `every` is how many lines of the script stand for one.
fn faults(run: &Run, every: usize) -> Vec<usize> {
    let place = |line: &str| line.strip_prefix("stdin:")?.split(':').next()?.parse::<usize>().ok();
    run.stderr.lines().filter_map(place).map(|line| line.div_ceil(every)).collect()
}

/// A script whose lines are sent together, and one whose lines are sent one by one.
fn scripts(lines: &[&String]) -> (String, String) {
    let together: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let alone: String = lines.iter().map(|line| format!("{line}\n.sql select 1 where 1 = 0;\n")).collect();
    (together + "commit\n", alone + "commit\n")
}

fn check(lines: &[String]) -> Result<(), TestCaseError> {
    let shell = Shell::new();
    let run = |name: &str, flags: &[&str], script: &str| {
        for suffix in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(shell.path().join(format!("{name}{suffix}")));
        }
        shell.run(&[name, "--create", "-q"], SCHEMA).ok();
        let mut arguments = vec![name, "--mode", "csv"];
        arguments.extend_from_slice(flags);
        shell.run(&arguments, script)
    };
    // Most lines of a random script mean nothing: leave those out, and then put the first of them back.
    let all: Vec<&String> = lines.iter().collect();
    let wrong = faults(&run("one.db", &["--on-error", "continue"], &scripts(&all).1), 2);
    let right = |but: Option<usize>| -> Vec<&String> {
        let kept = lines.iter().enumerate().filter(|(at, _)| !wrong.contains(&(at + 1)) || Some(at + 1) == but);
        kept.map(|(_, line)| line).collect()
    };
    // A wrong line that nobody has seen yet may be taken back.
    let forgives = lines.iter().any(|line| line == "undo");
    for but in [None, wrong.first().copied(), wrong.last().copied()] {
        if forgives && but.is_some() {
            continue;
        }
        let (together, alone) = scripts(&right(but));
        let (one, two) = (run("one.db", &[], &together), run("two.db", &[], &alone));
        prop_assert_eq!(one.status, two.status, "{}\n{}\n---\n{}", together, one.stderr, two.stderr);
        prop_assert_eq!(faults(&one, 1), faults(&two, 2), "{}\n{}\n---\n{}", together, one.stderr, two.stderr);
        prop_assert_eq!(&one.stdout, &two.stdout, "{}", together);
        prop_assert_eq!(everything(&shell, "one.db"), everything(&shell, "two.db"), "{}", together);
    }
    Ok(())
}

/// How many scripts; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(30)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn scripts_do_the_same_sent_together_or_line_by_line(lines in proptest::collection::vec(line(), 1..40)) {
        check(&lines)?;
    }
}

#[test]
fn what_was_just_added_is_found_changed_and_deleted() {
    both(|| {
        let shell = Shell::seeded();
        let mut script = String::new();
        for n in 0..40 {
            script.push_str(&format!("add user username=u{n} email=u{n}@x\nadd post body='post {n}' author=u{n}\n"));
            script.push_str(&format!("add post body=old author={}\n", if n % 2 == 0 { "john" } else { "susan" }));
            if n % 4 == 3 {
                script.push_str(&format!("set user u{} email=new{n}@x\n", n - 2));
                script.push_str(&format!("set user u{} username=v{n}\nadd post body=renamed author=v{n}\n", n - 1));
            }
        }
        script.push_str("delete posts where body = old\ndelete user u0 with posts\ncommit\n");
        shell.script(&script).ok().stderr_has("committed: 130 added, 20 changed, 42 deleted");
        shell
            .script(
                ".mode csv\ncount users where username like 'u%'\ncount users where email like 'new%'\n\
                 list posts where author.username = v7 order by id show body, author.email\n\
                 distinct author.username of posts where body = 'post 5'",
            )
            .ok()
            .stdout("count\n29\ncount\n10\nbody,author.email\npost 6,u6@x\nrenamed,u6@x\nauthor.username\nu5\n");
    });
}

#[test]
fn the_first_line_that_is_wrong_is_named() {
    both(|| {
        for (script, line) in [
            (
                "add user username=a email=a\nadd post body=x author=a\nadd user username=a email=b\nadd post body=y author=a\ncommit",
                3,
            ),
            // What is only found when it is sent comes before what is found at once.
            (
                "add user username=a email=a\nadd user username=john email=b\nadd post body=y author=a\nadd post body=y author=nobody",
                2,
            ),
            ("add user username=a email=a\nadd user username=john email=b\nadd post bdy=y", 2),
            ("add user username=a email=a\nadd post body=x author=a\ndelete user a\ncommit", 3),
            ("add user username=a email=a\nset user a username=b\nadd post body=x author=a", 3),
        ] {
            let shell = Shell::seeded();
            shell.script(script).fails(1).stderr_has(&format!("stdin:{line}:"));
            shell.script("count users\ncount posts").ok().stdout("2\n2\n");
        }
    });
}

#[test]
fn triggers_have_their_say() {
    let shell = Shell::new();
    let schema = ".sql create table member (id integer primary key, name text not null unique, n int, note text)\n\
        .sql create trigger shout after insert on member begin \
        update member set note = upper(new.note), name = lower(new.name) where id = new.id; end;\ncommit\n";
    shell.run(&["t.db", "--create", "-q"], schema).ok();
    shell
        .run(
            &["t.db", "--mode", "csv"],
            "add member name=Ann note=x\nadd member name=bob note=y\nset member bob note=z\nset member ann note=w\n\
             add member name=CYD note=q\nset member cyd n=1\ncommit\nlist members order by id",
        )
        .ok()
        .stdout("id,name,n,note\n1,ann,NULL,w\n2,bob,NULL,z\n3,cyd,1,Q\n".replace("NULL", "").as_str());
    shell.run(&["t.db"], "add member name=Eve\nset member Eve n=1").fails(1).stderr_has("there is no member 'Eve'");
}

#[test]
fn keys_that_are_given_and_keys_that_are_counted_do_not_meet() {
    both(|| {
        let shell = Shell::seeded();
        shell
            .script(
                "add user username=a email=a\nadd post body=1 author=a\nadd user id=50 username=b email=b\n\
                 add post body=2 author=b\nadd user username=c email=c\nadd post body=3 author=c\n\
                 add post body=4 author=50\nadd post body=5 user_id=50\ncommit",
            )
            .ok();
        let names = "body,author.username\n1,a\n2,b\n3,c\n4,b\n5,b\n";
        shell.script(".mode csv\nlist posts where id > 2 order by body show body, author.username").ok().stdout(names);
        // And what follows goes on from there.
        shell.script("add user username=d email=d\nadd post body=6 author=d\ncommit").ok();
        shell.script("count posts where author.username = d").ok().stdout("1\n");
    });
}
