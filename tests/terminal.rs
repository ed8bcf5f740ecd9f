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
    // Only at the prompt: between lines the terminal itself takes Ctrl-D.
    session.expect("microblog> ").unwrap();
    session.send("\x04").unwrap();
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
fn what_is_typed_ahead_is_not_lost() {
    let shell = Shell::seeded();
    let mut session = start(&shell, &[]);
    session.expect("microblog> ").unwrap();
    session.send("count users\rcount posts\radd user username=zoe email=z@x\rrollback\r").unwrap();
    session.expect("staged: user zoe").unwrap();
    session.expect("rolled back: 1 added").unwrap();
    // Only at the prompt: between lines the terminal itself takes Ctrl-D.
    session.expect("microblog> ").unwrap();
    session.send("\x04").unwrap();
    session.expect(Eof).unwrap();
}
