//! The thirteen rules of the session, at a terminal and in scripts.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both, on_postgres};
use expectrl::{Eof, Expect as _, Regex, Session};
use std::process::Command;
use std::time::Duration;

/// The shell at a terminal.
struct Terminal(expectrl::session::OsSession);

const PROMPT: &str = r"(microblog|shop)[^\r\n]*> (\x1b\[[0-9;?]*[A-Za-z])*$";

impl Terminal {
    fn start(shell: &Shell, arguments: &[&str]) -> Self {
        let mut command = shell.command();
        command.args(arguments);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        command.env("TERM", "dumb");
        let mut session = Session::spawn(command).unwrap();
        session.set_expect_timeout(Some(Duration::from_secs(30)));
        let mut terminal = Self(session);
        terminal.prompt();
        terminal
    }

    fn prompt(&mut self) -> String {
        let found = self.0.expect(Regex(PROMPT)).unwrap();
        let mut text = String::from_utf8_lossy(found.before()).into_owned();
        text.push_str(&String::from_utf8_lossy(found.get(0).unwrap_or_default()));
        text
    }

    /// Types a line; gives what came until the next prompt, with it.
    fn line(&mut self, text: &str) -> String {
        self.0.send_line(text).unwrap();
        self.prompt()
    }

    #[track_caller]
    fn says(&mut self, text: &str, expected: &str) -> String {
        let got = self.line(text);
        assert!(got.contains(expected), "{text}: no {expected:?} in\n{got}");
        got
    }

    fn leave(mut self) {
        self.0.send_line(".quit").unwrap();
        self.0.expect(Eof).unwrap();
    }

    /// kill -9, then whatever was still written.
    fn kill(mut self) -> String {
        let pid = self.0.get_process().pid().as_raw();
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        let mut text = String::new();
        if let Ok(found) = self.0.expect(Eof) {
            text = String::from_utf8_lossy(found.before()).into_owned();
            text.push_str(&String::from_utf8_lossy(found.get(0).unwrap_or_default()));
        }
        text
    }
}

/// A lone number on a line of its own.
fn number(text: &str) -> i64 {
    text.lines().find_map(|line| line.trim().parse().ok()).unwrap_or_else(|| panic!("no number in {text:?}"))
}

#[test]
fn a_second_writer_is_never_kept_waiting() {
    both(|| {
        for journal in ["wal", "delete"] {
            let shell = Shell::seeded();
            if !on_postgres() {
                shell.script(format!(".sql pragma journal_mode = {journal}")).ok().stdout_has(journal);
            }
            let mut terminal = Terminal::start(&shell, &[]);
            for n in 0..100 {
                terminal.says(&format!("add user username=u{n} email=u{n}@x"), "staged: user u");
            }
            terminal.says("count users", "102");
            // Another process writes the same table, with no time to wait for a lock.
            for n in 0..10 {
                let hurry = if on_postgres() { "set lock_timeout = 1" } else { "pragma busy_timeout = 0" };
                shell.script(format!(".sql {hurry};\nadd user username=o{n} email=o{n}@x\ncommit")).ok();
            }
            let after = terminal.line("count users");
            assert_eq!(number(&after), 112, "{after}");
            // PostgreSQL's sequences give each key once; SQLite's may be given twice.
            assert_eq!(after.contains("someone else took the key meanwhile"), !on_postgres(), "{after}");
            terminal.says("commit", "committed: 100 added");
            terminal.leave();
            shell.script("count users").ok().stdout("112\n");
        }
    });
}

#[test]
fn keys_stay_as_they_were_shown() {
    both(|| {
        let shell = Shell::seeded();
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line("add user username=zoe email=z@x");
        terminal.line("let z = user zoe");
        terminal.line("add post body=hers author=$z");
        assert_eq!(number(&terminal.line("$z.id")), 3);
        shell.script("add user username=other email=o@x\ncommit").ok();
        let key = if on_postgres() { 3 } else { 4 };
        let seen = terminal.line("user 3");
        assert_eq!(seen.contains("someone else took the key meanwhile"), !on_postgres(), "{seen}");
        assert_eq!(number(&terminal.line("$z.id")), key, "variables follow");
        terminal.says("list posts show author.username, body", "hers");
        terminal.says("commit", "committed: 2 added");
        terminal.leave();
        shell
            .script(".mode csv\nuser zoe posts show author.id, body")
            .ok()
            .stdout(&format!("author.id,body\n{key},hers\n"));
    });
}

#[test]
fn conflicts_are_shown_three_ways_and_settled() {
    both(|| {
        for (settle, expected) in
            [("keep mine user john", "mine@x"), ("keep theirs", "theirs@x"), ("discard user john", "theirs@x")]
        {
            let shell = Shell::seeded();
            let mut terminal = Terminal::start(&shell, &[]);
            terminal.line("set user john email=mine@x username=johnny");
            shell.script("set user john email=theirs@x\ncommit").ok();
            let report = terminal.line("commit");
            for part in [
                "change #1: user 1 was changed by someone else since it was read",
                "email: was 'john@example.com', is now 'theirs@x', yours is 'mine@x'",
                "keep mine user 1",
                "nothing was written",
            ] {
                assert!(report.contains(part), "no {part:?} in\n{report}");
            }
            // Nothing is stuck: reads go on, and what is staged is still there.
            terminal.says("count posts", "2");
            terminal.says("status", "staged: 1 changed");
            terminal.line(settle);
            let name = if settle == "discard user john" {
                "john"
            } else {
                terminal.says("commit", "committed: 1 changed");
                "johnny"
            };
            terminal.leave();
            shell
                .script(".mode csv\nuser 1 show username, email")
                .ok()
                .stdout(&format!("username,email\n{name},{expected}\n"));
        }
    });
}

#[test]
fn a_row_deleted_by_someone_else_is_a_conflict() {
    both(|| {
        let shell = Shell::seeded();
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line("set post 1 body=mine");
        shell.script("delete post 1\ncommit").ok();
        // A read neither fails for it nor asks about it: there is nothing to show of the record.
        assert!(!terminal.says("list posts", "1 post").contains("mine"));
        terminal.says("commit", "post 1 was deleted by someone else");
        terminal.says("keep mine post 1", "nothing to change");
        terminal.says("keep theirs", "settled: 1 conflict");
        terminal.says("commit", "nothing is staged");
        // A delete that meets a changed row is one too.
        terminal.line("delete post 2");
        shell.script("set post 2 body=changed\ncommit").ok();
        terminal.says("commit", "is now 'changed'");
        terminal.says("keep mine", "settled: 1 conflict");
        terminal.says("commit", "committed: 1 deleted");
        terminal.leave();
    });
}

#[test]
fn a_failed_commit_names_the_change_and_loses_nothing() {
    both(|| {
        let shell = Shell::seeded();
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line("add user username=zoe email=z@x");
        terminal.line("add user username=yan email=y@x");
        shell.script("add user username=yan email=other@x\ncommit").ok();
        let report = terminal.line("commit");
        assert!(report.contains("change #2: username 'yan' is taken by user"), "{report}");
        assert!(report.contains("<User yan>") && report.contains("staged at prompt:2"), "{report}");
        assert!(report.contains("`discard user 4` takes it out"), "{report}");
        terminal.says("discard user yan", "discarded: 1 change");
        terminal.line("add user username=yannick email=y@x");
        terminal.says("commit", "committed: 2 added");
        terminal.leave();
        shell
            .script(".mode csv\nlist users where id > 2 order by username show username")
            .ok()
            .stdout("username\nyan\nyannick\nzoe\n");
    });
}

#[test]
fn a_busy_database_is_waited_for() {
    both(|| {
        let shell = Shell::seeded();
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line("add user username=zoe email=z@x");
        let mut other = shell
            .command()
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut input = other.stdin.take().unwrap();
        // A script holds its transaction from the first change sent.
        std::io::Write::write_all(&mut input, b"add user username=slow email=s@x\ncount users\n").unwrap();
        let mut line = String::new();
        let mut output = std::io::BufReader::new(other.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut output, &mut line).unwrap();
        let waiting = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(1));
            std::io::Write::write_all(&mut input, b"commit\n").unwrap();
            drop(input);
            other.wait().unwrap()
        });
        terminal.says("commit", "committed: 1 added");
        assert!(waiting.join().unwrap().success());
        terminal.leave();
        shell.script("count users").ok().stdout("4\n");
    });
}

#[test]
fn the_journal_survives_kill_9_at_any_moment() {
    both(|| {
        let shell = Shell::new();
        shell.script("count users").ok();
        let mut expected_committed = 0;
        let mut next = 0;
        let mut killed_while_staged = 0;
        // `KILL_ROUNDS` asks for more of them.
        let rounds = std::env::var("KILL_ROUNDS").map_or(100_u64, |text| text.parse().unwrap());
        for round in 0..rounds {
            let mut terminal = Terminal::start(&shell, &[]);
            // More than can be done in the time that is left to it.
            let mut typed = String::new();
            for _ in 0..12 {
                typed.push_str(&format!("add user username=u{next} email=u{next}@x\r"));
                next += 1;
                if next % 4 == 0 {
                    typed.push_str("commit\r");
                }
            }
            terminal.0.send(typed).unwrap();
            std::thread::sleep(Duration::from_micros(round * 7_919 % 40_000));
            let seen = terminal.kill();
            let committed = seen.matches("committed: ").count();
            let staged = seen.rsplit("committed: ").next().unwrap().matches("  staged: user u").count();
            let sums: i64 = seen
                .split("committed: ")
                .skip(1)
                .map(|rest| rest.split(' ').next().unwrap().parse::<i64>().unwrap())
                .sum();
            expected_committed += sums;
            let count: i64 = shell.script("count users").ok().stdout.trim().parse().unwrap();
            // What was acknowledged, or the commit in flight whole.
            let in_flight = count - expected_committed;
            assert!(
                in_flight == 0 || in_flight == i64::try_from(staged).unwrap_or(0) || (in_flight - 1) as usize == staged,
                "round {round}: {count} rows, {expected_committed} acknowledged in {committed} commits, {staged} staged\n{seen}"
            );
            expected_committed = count;
            // What was staged and acknowledged comes back, unless it was just committed.
            let mut terminal = Terminal::start(&shell, &[]);
            let recovered = terminal.line(".recover");
            let back: i64 = recovered
                .split("staged again: ")
                .nth(1)
                .map_or(0, |rest| rest.split(' ').next().unwrap().parse().unwrap());
            let staged = i64::try_from(staged).unwrap();
            if in_flight == 0 {
                // One more may be on disk whose answer was not written yet.
                assert!(
                    back == staged || back == staged + 1,
                    "round {round}: {staged} staged, {back} back\n{seen}\n{recovered}"
                );
            } else {
                assert_eq!(back, 0, "round {round}: committed and staged again\n{seen}\n{recovered}");
            }
            killed_while_staged += i64::from(staged > 0);
            terminal.line("rollback");
            terminal.leave();
        }
        assert!(killed_while_staged > 10, "the moments are badly chosen: {killed_while_staged}");
    });
}

#[test]
fn two_shells_do_not_share_a_recovery_file() {
    both(|| {
        let shell = Shell::seeded();
        let mut first = Terminal::start(&shell, &[]);
        first.line("add user username=first email=f@x");
        let mut second = Terminal::start(&shell, &[]);
        second.line("add user username=second email=s@x");
        second.kill();
        first.kill();
        let folder = shell.path().join("state/diesel-shell/recovery");
        let journals: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "journal"))
            .collect();
        assert_eq!(journals.len(), 2);
        for path in journals {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let mut third = Terminal::start(&shell, &[]);
        third.says(".recover", "staged again: 2 changes");
        third.says("commit", "committed: 2 added");
        third.leave();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is left about");
    });
}

#[test]
fn secrets_stay_out_of_the_recovery_file() {
    both(|| {
        let shell = Shell::seeded();
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line("set user john password_hash=topsecret username=j2");
        terminal.kill();
        for entry in std::fs::read_dir(shell.path().join("state/diesel-shell/recovery")).unwrap() {
            assert!(!std::fs::read_to_string(entry.unwrap().path()).unwrap().contains("topsecret"));
        }
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.says(".recover", "is a secret and was not kept");
        terminal.says("diff", "'john' -> 'j2'");
        terminal.line("rollback");
        terminal.leave();
    });
}

#[test]
fn the_prompt_and_the_questions() {
    both(|| {
        let shell = Shell::seeded();
        let mut terminal = Terminal::start(&shell, &["--label", "prod", "--sandbox"]);
        assert!(terminal.line("add user username=a email=a@x").contains("[prod](sandbox)*1> "));
        terminal.says("commit", "this is a sandbox");
        terminal.says("commit --dry-run", "would be committed: 1 added");
        terminal.says(".sql delete from posts;", "rolled back: this is a sandbox");
        terminal.says("count posts", "2");
        terminal.leave();
        shell.script("count users").ok().stdout("2\n");

        let mut terminal = Terminal::start(&shell, &[]);
        terminal.0.send_line("delete posts").unwrap();
        terminal.0.expect("delete 2 posts (2 of 2 rows, the whole table)? [y/N] ").unwrap();
        assert!(terminal.line("n").contains("nothing is staged"));
        terminal.line(".set confirm 0");
        terminal.0.send_line("set posts where id = 1 body=x").unwrap();
        terminal.0.expect("set 1 post (1 of 2 rows)? [y/N] ").unwrap();
        assert!(terminal.line("y").contains("staged: 1 of 2 posts"));
        terminal.line("rollback");
        terminal.leave();
    });
}

#[test]
fn read_only_is_the_databases_own_doing() {
    both(|| {
        let shell = Shell::seeded();
        let shell = shell.with("--read-only");
        let word = if on_postgres() { "read-only transaction" } else { "open for reading only" };
        shell.script("count users").ok().stdout("2\n");
        shell.script("add user username=a email=a@x\ncommit").fails(1).stderr_has(word);
        shell.script(".sql with x as (select 1) delete from users").fails(1).stderr_has(word);
        shell.script(".reset").fails(1);
    });
}

#[test]
fn consequences_come_first() {
    both(|| {
        let shell = Shell::seeded();
        let mut terminal = Terminal::start(&shell, &[]);
        let refused = terminal.line("delete user john");
        assert!(refused.contains("user john is still referred to by 1 post"), "{refused}");
        assert!(refused.contains("delete user john with posts"), "{refused}");
        terminal.says("delete user john with posts", "staged: user john deleted with 1 post (1 change");
        terminal.line("rollback");
        terminal.leave();

        let shell = Shell::new();
        let arguments: &[&str] = if on_postgres() { &[] } else { &["shop.db", "--create"] };
        shell
            .run(
                arguments,
                ".sql create table buyer (id integer primary key, name text unique not null)\n\
             .sql create table orders (id integer primary key, buyer_id int references buyer on delete cascade)\n\
             .sql create table line (id integer primary key, orders_id int references orders on delete cascade)\n\
             .sql create table note (id integer primary key, buyer_id int references buyer on delete set null)\n\
             .sql insert into buyer values (1, 'ann')\n\
             .sql insert into orders values (1, 1), (2, 1)\n\
             .sql insert into line values (1, 1), (2, 1), (3, 2)\n\
             .sql insert into note values (1, 1);\ncommit\n",
            )
            .ok();
        shell
            .run(arguments, "delete buyer ann\ncommit\ncount line\ncount note")
            .ok()
            .stdout("0\n1\n")
            .stderr_has("also deletes 2 orders and 3 lines")
            .stderr_has("empties the reference of 1 note");
    });
}

#[test]
fn diff_shows_records_and_statements() {
    both(|| {
        let shell = Shell::seeded();
        let script = "set user john username=johnny\nset user johnny password_hash=abc\nadd user username=zoe email=z@x\ndelete post 2\n";
        let run = shell.script(format!("{script}diff\nrollback")).ok();
        // Sequences give a number to every try.
        let stdout = run.stdout.replace("id        4", "id        3");
        assert_eq!(
            stdout,
            "~ user 1\n\
         ~     username       'john' -> 'johnny'\n\
         ~     password_hash  null -> ********\n\
         + user zoe <User zoe>\n\
         +     username  'zoe'\n\
         +     email     'z@x'\n\
         +     id        3\n\
         - post 2 <Post hello from susan>\n\
         -     body       'hello from susan'\n\
         -     timestamp  '2026-11-21 10:03:00'\n\
         -     user_id    2\n"
        );
        let run = shell.script(format!("{script}diff user 1 --sql\nrollback")).ok();
        let sql = run.stdout.replace('"', "`");
        assert!(sql.starts_with("UPDATE `users` SET `username` = 'johnny'"), "{sql}");
        assert!(!run.stdout.contains("abc") && run.stdout.lines().count() == 1, "{}", run.stdout);
        shell
            .script("set user john username=x\nset user x username=john\ndiff\nrollback")
            .ok()
            .stdout("no difference: what is staged cancels out\n");
    });
}

#[test]
fn savepoints_discards_and_partial_commits() {
    both(|| {
        let shell = Shell::seeded();
        shell
        .script(
            "add user username=a email=a@x\nsavepoint one\nadd user username=b email=b@x\nset user john email=new@x username=jj\n\
             discard user john.email\nrollback to one\ncount users\nredo 3\ncount users\ndiff user jj\ndiscard user b\ncount users\nundo\ncount users\nrollback",
        )
        .ok()
        .stdout("3\n4\n~ user 1\n~     username  'john' -> 'jj'\n3\n4\n");
        shell.script("discard user 1").fails(1).stderr_has("nothing that can be discarded is staged");
        shell.script("rollback to nowhere").fails(1).stderr_has("there is no savepoint `nowhere`");
        shell
        .script("add user username=a email=a@x\nset post 1 body=x\ncommit users\nstatus\nrollback\ncount users\npost 1 format '{body}'")
        .ok()
        .stdout("staged: 1 changed\n#2 ~ post 1 body='x'  (stdin:2)\n3\nmy first post!\n");
        // A post cannot go before its author.
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line("add user username=zoe email=z@x");
        terminal.line("add post body=hers author=zoe");
        terminal.says("commit posts", "it may depend on what is staged for users: commit both");
        terminal.says("commit users, posts", "committed: 2 added");
        terminal.leave();
    });
}

#[test]
fn order_is_kept_and_what_cancels_out_is_not_sent() {
    both(|| {
        let shell = Shell::seeded();
        // Swaps, and delete-then-add of the same unique value, which unit-of-work ordering cannot do.
        shell
        .script("set user john username=tmp\nset user susan username=john\nset user tmp username=susan\ncommit\n.mode csv\nlist users show id, username")
        .ok()
        .stdout("id,username\n1,susan\n2,john\n");
        shell
        .script("delete user john with posts\nadd user username=john email=again@x\ncommit\ncount users where username = john")
        .ok()
        .stdout("1\n");
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line("set user 1 email=a@x");
        terminal.line("set user 1 email=b@x");
        terminal.line("set user 1 email=c@x");
        terminal.line("add user username=gone email=g@x");
        terminal.line("delete user gone");
        terminal.says("commit", "committed: 1 changed");
        terminal.leave();
    });
}

#[test]
fn hold_on_is_the_classic_way() {
    both(|| {
        let shell = Shell::seeded();
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line(".set hold on");
        terminal.says("add user username=zoe email=z@x", "staged: user zoe");
        terminal.says("add user username=zoe email=y@x", "username 'zoe' is taken");
        // The lock is held now.
        let (hurry, objection) = if on_postgres() {
            ("set lock_timeout = 50", "lock timeout")
        } else {
            ("pragma busy_timeout = 50", "another program is writing")
        };
        let theirs = ".sql insert into users (username, email) values ('zoe', 'other');";
        shell.script(format!(".sql {hurry};\n{theirs}")).fails(1).stderr_has(objection);
        terminal.says("count users", "3");
        terminal.says("commit", "committed: 1 added");
        terminal.leave();
    });
}

#[test]
fn locks_of_others_are_waited_for_as_long_as_is_set() {
    both(|| {
        let shell = Shell::seeded();
        let mut holder = Terminal::start(&shell, &[]);
        holder.line(".set hold on");
        holder.says("add user username=zoe email=z@x", "staged: user zoe");
        holder.says("set user 1 email=theirs", "staged: user john");
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.says(".set lock-timeout soon", "lock-timeout is a number of seconds");
        terminal.says(".show lock-timeout", "lock-timeout  1");
        let mut waited = |seconds: &str, text: &str| {
            terminal.line(&format!(".set lock-timeout {seconds}"));
            let begun = std::time::Instant::now();
            terminal.says(&format!("set user 1 email=mine{seconds}"), text);
            begun.elapsed()
        };
        waited("0", "someone else holds a lock: this is staged, but could not be checked");
        let longer = "someone else holds a lock for longer than 7 s: this is staged, but could not be checked";
        // Also longer than SQLite waits by itself.
        assert!(waited("7", longer).as_secs_f64() >= 7.0);
        holder.says("rollback", "rolled back");
        holder.leave();
        terminal.says("commit", "committed: 1 changed");
        terminal.leave();
    });
}

/// Three tables whose records go together, on both databases.
const TOGETHER: &str = ".sql create table buyer (id integer primary key, name text unique not null, note text);\n\
    .sql create table orders (id integer primary key, buyer_id int not null references buyer);\n\
    .sql create table line (id integer primary key, orders_id int not null references orders);\n\
    .sql insert into buyer values (1, 'ann', 'x'), (2, 'bob', 'x');\n\
    .sql insert into orders values (1, 1), (2, 1), (3, 2);\n\
    .sql insert into line values (1, 1), (2, 2), (3, 3);\ncommit\n";

#[test]
fn what_was_staged_because_of_a_change_is_settled_with_it() {
    both(|| {
        for settle in ["keep theirs buyer 1", "discard buyer 1"] {
            let shell = Shell::new();
            let arguments: &[&str] = if on_postgres() { &[] } else { &["shop.db", "--create"] };
            shell.run(arguments, TOGETHER).ok();
            let mut terminal = Terminal::start(&shell, arguments);
            terminal.0.send_line("delete buyers where id < 3 with orders.lines").unwrap();
            terminal.0.expect("[y/N] ").unwrap();
            terminal.line("y");
            shell.run(arguments, "set buyer 1 note=theirs\ncommit").ok();
            terminal.says("commit", "is now 'theirs'");
            let said = terminal.line(settle);
            if settle.starts_with("keep") {
                assert!(said.contains("and with it 4 records that were to go too"), "{said}");
            }
            terminal.says("commit", "committed: 3 deleted");
            terminal.leave();
            // Ann stays with all that is hers; Bob went with all that was his.
            shell.run(arguments, "count buyers\ncount orders\ncount lines").ok().stdout("1\n2\n2\n");
        }
    });
}

#[test]
fn a_rollback_can_be_undone() {
    both(|| {
        let shell = Shell::seeded();
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line("add user username=zoe email=z@x");
        terminal.line("set user john email=new@x");
        terminal.says("rollback", "rolled back: 1 added, 1 changed (undo brings it back)");
        terminal.says("count users", "2");
        terminal.says("undo", "2 still staged");
        terminal.says("count users", "3");
        terminal.says("redo", "staged again");
        terminal.says("count users", "2");
        terminal.line("undo");
        terminal.says("commit", "committed: 1 added, 1 changed");
        terminal.line("delete post 1");
        terminal.line("rollback");
        // Until something else is staged.
        terminal.line("set user john email=newer@x");
        terminal.says("undo 2", "undone: 1 change; 0 still staged");
        terminal.leave();
        shell.script("count posts").ok().stdout("2\n");
    });
}

#[test]
fn a_script_restores_what_a_crashed_shell_left() {
    both(|| {
        let shell = Shell::seeded();
        shell.run(&["-c", ".recover"], "").ok().stderr_has("there is nothing to recover");
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line("add user username=zoe email=z@x");
        terminal.line("set user john email=new@x");
        terminal.kill();
        // Not committed is not lost: it was not the script's own.
        let looked = shell.run(&["-c", ".recover", "-c", "count users"], "").fails(3);
        looked.stdout("3\n").stderr_has("not committed, and kept: 1 added, 1 changed");
        shell.run(&["-c", ".recover", "-c", "commit"], "").ok().stderr_has("committed: 1 added, 1 changed");
        shell.run(&["-c", ".recover"], "").ok().stderr_has("there is nothing to recover");
        shell.script("count users").ok().stdout("3\n");
    });
}

#[test]
fn a_conflict_in_a_script_keeps_what_it_staged_again() {
    both(|| {
        let shell = Shell::seeded();
        let mut terminal = Terminal::start(&shell, &[]);
        terminal.line("delete user john with posts");
        terminal.line("set user susan email=new@x");
        terminal.kill();
        shell.script("set user john email=their@x\ncommit").ok();
        for _ in 0..2 {
            let run = shell.run(&["-c", ".recover", "-c", "status", "-c", "commit"], "").fails(1);
            assert!(run.stdout.starts_with("staged: 1 changed, 2 deleted\n"), "{}", run.stdout);
            run.stderr_has("user 1 was changed by someone else").stderr_has("kept: all that was staged again");
        }
    });
}

#[test]
fn a_change_behind_one_that_fails_is_not_lost() {
    both(|| {
        let shell = Shell::seeded();
        let script = ".set on-error continue\nadd user username=john email=other@x\nadd user username=zoe email=z@x\n\
                      $_.username\ncommit\ncount users where username = zoe\n";
        shell
            .script(script)
            .fails(1)
            .stdout_has("1\n")
            .stderr_has("username 'john' is taken")
            .stderr_has("committed: 1 added");
    });
}

#[test]
fn what_could_not_be_kept_on_disk_is_not_committed() {
    both(|| {
        // A file of the database would be over the limit as well.
        if !on_postgres() {
            return;
        }
        let shell = Shell::seeded();
        let inner = shell.command();
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""])
            .arg(inner.get_program())
            .args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = inner.get_current_dir() {
            command.current_dir(folder);
        }
        let mut terminal = Terminal::spawn(command);
        terminal.line(".set hold on");
        terminal.says("add user username=zoe email=z@x", "cannot keep the recovery file");
        terminal.says("count users", "2");
        terminal.says("commit", "nothing is staged");
        terminal.leave();
        shell.script("count users").ok().stdout("2\n");
    });
}
