//! What only a terminal shows, in a real one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod common;

use common::Shell;
use expectrl::process::unix::WaitStatus;
use expectrl::{Eof, Expect as _, Session};
use std::time::Duration;

fn start(shell: &Shell, arguments: &[&str]) -> expectrl::session::OsSession {
    let mut command = shell.command();
    command.args(arguments).env("TERM", "xterm");
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session
}

#[test]
fn the_prompt_counts_what_is_staged_and_no_lock_is_held() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send_line("add user username=zoe email=z@x").unwrap();
    session.expect("<User zoe>  staged: user zoe (1 change; commit to write)").unwrap();
    session.expect("microblog*1> ").unwrap();
    // Someone else writes meanwhile.
    shell.script("add user username=other email=o@x\ncommit").ok();
    session.send_line("count users").unwrap();
    session.expect("4").unwrap();
    session.send_line("commit").unwrap();
    session.expect("committed: 1 added").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn ctrl_c_clears_the_line_and_quotes_go_on_over_lines() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send("delete users").unwrap();
    session.send("\x03").unwrap();
    // What is typed ahead of Ctrl-C goes with the line.
    std::thread::sleep(Duration::from_millis(300));
    session.expect("microblog> ").unwrap();
    session.send_line("add post author=john body='two").unwrap();
    session.send_line("lines'").unwrap();
    session.expect("staged: post").unwrap();
    session.send_line("nonsense").unwrap();
    session.expect("there is no command or model `nonsense`").unwrap();
    session.send_line("status").unwrap();
    session.expect("staged: 1 added").unwrap();
    session.send_line("rollback").unwrap();
    session.expect("rolled back: 1 added").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn leaving_with_staged_changes_asks() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send_line("delete post 1").unwrap();
    session.expect("microblog*1> ").unwrap();
    session.send("\x04").unwrap();
    session.expect("staged and not committed: 1 deleted").unwrap();
    session.send_line("s").unwrap();
    session.expect("microblog*1> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect("staged and not committed").unwrap();
    session.send_line("c").unwrap();
    session.expect("committed: 1 deleted").unwrap();
    session.expect(Eof).unwrap();
    assert!(matches!(session.get_process().wait().unwrap(), WaitStatus::Exited(_, 0)));
    shell.script("count posts").ok().stdout("1\n");
}

#[test]
fn ctrl_c_at_the_question_means_stay() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send_line("delete post 1").unwrap();
    session.expect("microblog*1> ").unwrap();
    for _ in 0..3 {
        session.send_line(".quit").unwrap();
        session.expect("[s]tay? ").unwrap();
        session.send("\x03").unwrap();
        session.expect("microblog*1> ").unwrap();
    }
    session.send_line("rollback").unwrap();
    session.expect("rolled back: 1 deleted").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn ctrl_c_at_a_question_ends_all_that_was_to_come() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send_line(".set confirm 0").unwrap();
    session.expect("microblog> ").unwrap();
    session.send("\x1b[200~delete post 1\ndelete post 2\x1b[201~\r").unwrap();
    session.expect("delete post 1? [y/N] ").unwrap();
    session.send("\x03").unwrap();
    session.expect("interrupted").unwrap();
    session.expect("1 line was not run").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
    shell.script("count posts").ok().stdout("2\n");
}

/// Presses Ctrl-C: that is said, and nothing comes behind it.
fn interrupted(session: &mut expectrl::session::OsSession, says: &str) {
    session.send("\x03").unwrap();
    session.expect(expectrl::Regex(says)).unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line("count posts where id = 99").unwrap();
    let found = session.expect("\r\n0\r\n").unwrap();
    assert!(!String::from_utf8_lossy(found.before()).contains("\r\n2\r\n"));
    session.expect("microblog> ").unwrap();
}

/// Presses Ctrl-C some time after a run of many lines has begun, over and over; the run ends each time.
fn one_ctrl_c_ends(session: &mut expectrl::session::OsSession, begin: &str, says: &str) {
    session.send_line(".pager off").unwrap();
    session.expect("microblog> ").unwrap();
    for attempt in 0..16 {
        session.send(begin).unwrap();
        session.expect("\r\n2\r\n").unwrap();
        std::thread::sleep(Duration::from_micros(1_300 * attempt));
        interrupted(session, says);
    }
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn one_ctrl_c_ends_a_file_and_says_what_was_not_run() {
    let shell = Shell::seeded();
    std::fs::write(shell.path().join("inner.dsh"), "count users\n\n# nothing\n".repeat(10_000)).unwrap();
    std::fs::write(shell.path().join("many.dsh"), ".read inner.dsh\ncount users\n").unwrap();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    let says = r"inner\.dsh: \d+ lines were not run[^\n]*\n[^\n]*many\.dsh: 1 line was not run";
    one_ctrl_c_ends(&mut session, ".read many.dsh\r", says);
}

#[test]
fn one_ctrl_c_ends_a_paste_and_says_what_was_not_run() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    let paste = format!("\x1b[200~{}\x1b[201~\r", "count users\n".repeat(2_000));
    one_ctrl_c_ends(&mut session, &paste, r"\d+ lines were not run");
}

/// A terminal that does not mark a paste sends it line by line, and Ctrl-C behind it.
#[test]
fn one_ctrl_c_ends_a_paste_without_marks() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    let slow =
        ".sql with recursive c(x) as (select 1 union all select x + 1 from c limit 90000000) select count(*) from c;\r";
    for _ in 0..4 {
        session.send(slow.to_owned() + &"count users\r".repeat(200)).unwrap();
        session.expect("Ctrl-C stops it").unwrap();
        interrupted(&mut session, r"\d+ lines were not run");
    }
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

/// Nothing is lost, and what is staged is staged together, as in a paste with marks.
#[test]
fn many_lines_without_marks_are_a_paste() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    let lines: String =
        (0..100).map(|at| format!("add user username=p{at} email=e{at}\r")).collect::<Vec<_>>().concat();
    session.send(lines).unwrap();
    session.expect(expectrl::Regex(r"staged: \d\d+ added")).unwrap();
    session.expect("microblog*100> ").unwrap();
    session.send_line("count users").unwrap();
    session.expect("\r\n102\r\n").unwrap();
    session.send_line("rollback").unwrap();
    session.expect("rolled back: 100 added").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn a_paste_ends_at_its_first_error() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send("\x1b[200~count users\nnonsense\n# a remark\ncount posts\n\ncount posts\x1b[201~\r").unwrap();
    session.expect("there is no command or model `nonsense`").unwrap();
    session.expect("2 lines were not run").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn what_is_typed_ahead_is_not_lost() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send("count users\rcount posts\radd user username=zoe email=z@x\rrollback\r").unwrap();
    session.expect("staged: user zoe").unwrap();
    session.expect("rolled back: 1 added").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn tab_completes_names_and_values() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send("add post author=jo\t body=x\r").unwrap();
    session.expect("staged: post 3 (1 change; commit to write)").unwrap();
    session.send("list posts where auth\t.user\t = su\t show author.username\r").unwrap();
    session.expect("susan").unwrap();
    session.send("rollba\t\r").unwrap();
    session.expect("rolled back: 1 added").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn slots_to_come_are_shown_in_grey() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send("add user username=zoe").unwrap();
    session.expect("email= [password_hash=]").unwrap();
    session.send("\x03").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn history_is_shared_searched_and_keeps_no_secret() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    for line in [
        "count users where id = 1",
        " count posts",
        "set user john password_hash=abc",
        "rollback",
        "count users where id = 1",
    ] {
        session.send_line(line).unwrap();
        session.expect("> ").unwrap();
    }
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
    let kept = std::fs::read_to_string(shell.path().join("data/diesel-shell/history")).unwrap();
    assert!(
        kept.contains("count users where id = 1") && !kept.contains("abc") && !kept.contains("count posts"),
        "{kept}"
    );
    {
        use std::os::unix::fs::PermissionsExt;
        let path = shell.path().join("data/diesel-shell/history");
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send("\x12where id").unwrap();
    session.expect("reverse-i-search").unwrap();
    session.send("\r").unwrap();
    session.expect("1").unwrap();
    session.send_line(".history").unwrap();
    session.expect("count users where id = 1").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn a_paste_is_literal_and_runs_command_by_command() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session
        .send("\x1b[200~add user username=zoe email=z@x\nadd post author=zoe body='a\tb'\ncount posts\n\x1b[201~\r")
        .unwrap();
    session.expect("\r\n3\r\n").unwrap();
    session.expect("staged: 2 added (2 changes; commit to write)").unwrap();
    session.send_line("post 3 format '[{body}]'").unwrap();
    session.expect("[a\\tb]").unwrap();
    session.send_line("rollback").unwrap();
    session.expect("rolled back: 2 added").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn ctrl_c_stops_a_query_and_leaves_the_session() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send_line("add user username=zoe email=z@x").unwrap();
    session.expect("microblog*1> ").unwrap();
    session
        .send_line(".sql with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n;")
        .unwrap();
    // After a second it shows that it is at work.
    session.expect("Ctrl-C stops it").unwrap();
    session.send("\x03").unwrap();
    session.expect("interrupted").unwrap();
    session.expect("microblog*1> ").unwrap();
    session.send_line("commit").unwrap();
    session.expect("committed: 1 added").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn long_results_go_through_the_pager() {
    let shell = Shell::seeded();
    let mut command = shell.command();
    command.env("TERM", "xterm").env("PATH", std::env::var_os("PATH").unwrap()).env("PAGER", "sed s/^/PAGED:/");
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(Duration::from_secs(20)));
    session.get_process_mut().set_window_size(80, 10).unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line("count users").unwrap();
    session.expect("\r\n2\r\n").unwrap();
    session.send_line(".pager on").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line("list users show id").unwrap();
    session.expect("PAGED:").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn commands_from_the_command_line_write_to_the_terminal() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &["-c", "count users"]);
    session.expect("2").unwrap();
    session.expect(Eof).unwrap();
    let mut session = start(&shell, &["db", "status"]);
    session.expect("at head: all 2 revisions are applied").unwrap();
    session.expect(Eof).unwrap();
    // Somebody is there to be asked, and no is what Enter means.
    let mut session = start(&shell, &["db", "drop-all"]);
    session.expect("with every row? [y/N]").unwrap();
    session.send_line("").unwrap();
    session.expect("nothing was dropped").unwrap();
    session.expect(Eof).unwrap();
    shell.script("count users").ok().stdout("2\n");
}

/// Lines that add users, whose names begin so.
fn adds(name: &str, count: usize) -> String {
    (0..count).map(|at| format!("add user username={name}{at} email={name}{at}@x\n")).collect()
}

#[test]
fn a_paste_of_many_changes_is_staged_together_and_survives() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send(format!("\x1b[200~{}\x1b[201~\r", adds("p", 2_000))).unwrap();
    let said = session.expect("staged: 2000 added (2000 changes; commit to write)").unwrap();
    assert!(!String::from_utf8_lossy(said.before()).contains("staged: user"));
    session.expect("microblog*2000> ").unwrap();
    session.send_line("count users").unwrap();
    session.expect("\r\n2002\r\n").unwrap();
    // Each is a change of its own, with its key.
    session.send_line("user p1999 show id, username").unwrap();
    session.expect("2002").unwrap();
    session.send_line("undo").unwrap();
    session.expect("undone: 1 change; 1999 still staged").unwrap();
    session.expect("microblog*1999> ").unwrap();
    // Nobody waits for a lock meanwhile.
    shell.script("add user username=other email=o@x\ncommit").ok();
    session.get_process_mut().signal(expectrl::process::unix::Signal::SIGKILL).unwrap();
    drop(session);
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send_line(".recover").unwrap();
    session.expect("staged again: 1999 changes").unwrap();
    session.send_line("commit").unwrap();
    session.expect("committed: 1999 added").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
    shell.script("count users").ok().stdout("2002\n");
}

#[test]
fn an_error_among_changes_that_arrive_together_has_its_line() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send_line("add user username=first email=f@x").unwrap();
    session.expect("microblog*1> ").unwrap();
    let paste = format!("{}add user username=john email=j@x\n{}", adds("p", 300), adds("q", 500));
    session.send(format!("\x1b[200~{paste}\x1b[201~\r")).unwrap();
    session.expect("username 'john' is taken by user").unwrap();
    session.expect("staged at prompt:302").unwrap();
    session.expect("500 lines were not run").unwrap();
    session.expect("staged: 300 added (301 changes; commit to write)").unwrap();
    session.expect("microblog*301> ").unwrap();
    // The same from a file, with an error that only looks at an earlier line bring out, and one of its own behind it.
    let file = format!("{}set user first email=g@x\nadd user username=john email=j@x\nnonsense\n", adds("r", 20));
    std::fs::write(shell.path().join("some.dsh"), file).unwrap();
    session.send_line(".read some.dsh").unwrap();
    session.expect("some.dsh:22:1: ").unwrap();
    session.expect("username 'john' is taken by user").unwrap();
    session.expect("staged: 20 added, 1 changed (322 changes; commit to write)").unwrap();
    session.expect("microblog*322> ").unwrap();
    session.send_line("undo 21").unwrap();
    session.expect("undone: 21 changes; 301 still staged").unwrap();
    session.send_line("user first show email").unwrap();
    session.expect("f@x").unwrap();
    session.send_line("rollback").unwrap();
    session.expect("rolled back: 301 added").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}

#[test]
fn changes_among_other_commands_are_seen_by_them() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    std::fs::write(shell.path().join("inner.dsh"), adds("i", 3)).unwrap();
    let paste = "add user username=zoe email=z@x\nlet z = user zoe\nadd post author=$z body=one\nset user zoe email=y@x\n\
                 list users where id = $z.id show email\n.read inner.dsh\ncommit\nadd user username=ann email=a@x\n\
                 add post author=ann body=two\ndelete post 1\ncount posts";
    session.send(format!("\x1b[200~{paste}\x1b[201~\r")).unwrap();
    session.expect("y@x").unwrap();
    session.expect("committed: 5 added").unwrap();
    session.expect("\r\n3\r\n").unwrap();
    session.expect("staged: 2 added, 1 deleted (3 changes; commit to write)").unwrap();
    session.expect("microblog*3> ").unwrap();
    session.send_line("rollback").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
    shell.script("count users").ok().stdout("6\n");
}

#[cfg(feature = "postgres")]
#[test]
fn a_file_of_changes_takes_a_few_round_trips() {
    let Some(cluster) = common::cluster::Cluster::new() else { return };
    let sql =
        "CREATE TABLE users (id serial PRIMARY KEY, username text NOT NULL UNIQUE, email text, price numeric(10,2));
               INSERT INTO users (username, email) SELECT 'u' || i, 'e' FROM generate_series(1, 2000) i";
    cluster.sql("postgres", sql);
    let proxy = common::proxy::Proxy::to(cluster.port());
    let shell = Shell::empty();
    let lines: String = (1..=1_000).map(|at| format!("set user u{at} email=n{at} price={at}.5\n")).collect();
    std::fs::write(shell.path().join("sets.dsh"), lines).unwrap();
    std::fs::write(shell.path().join("adds.dsh"), adds("a", 1_000)).unwrap();
    let mut session = start(&shell, &[&common::cluster::over_tcp(proxy.port(), "postgres")]);
    session.expect("> ").unwrap();
    for (file, said) in [("sets", "1000 changed (1000 changes"), ("adds", "1000 added (2000 changes")] {
        proxy.round_trips();
        session.send_line(format!(".read {file}.dsh")).unwrap();
        session.expect(format!("staged: {said}; commit to write)")).unwrap();
        let trips = proxy.round_trips();
        assert!(trips <= 40, "{file}: {trips} round trips, {:?}", proxy.statements());
    }
    // What is read is what a commit will give.
    session.send_line("list users where id = 7 show email, price").unwrap();
    session.expect("n7").unwrap();
    session.expect("7.50").unwrap();
    session.send_line("commit").unwrap();
    session.expect("committed: 1000 added, 1000 changed").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(Eof).unwrap();
}
