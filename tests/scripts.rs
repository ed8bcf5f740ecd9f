//! Scripts: sources, errors and statuses, streams, secrets, and what is never done.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;
use std::io::Write as _;
use std::process::Stdio;

#[test]
fn the_first_start_makes_the_microblog_and_says_so_once() {
    let shell = Shell::new();
    let run = shell.script("count users").ok().stdout("0\n");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(run.stderr.starts_with("created the microblog at "), "{}", run.stderr);
    assert_eq!(shell.script("count users").ok().stderr, "");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&shell.database()), 0o600);
        assert_eq!(mode(shell.database().parent().unwrap()), 0o700);
    }
}

#[test]
fn databases_are_chosen_and_never_made_unasked() {
    let shell = Shell::new();
    shell.run(&["other.db"], "count users").fails(2).stderr_has("--create");
    assert!(!shell.path().join("other.db").exists());
    shell.run(&["other.db", "--create"], "db upgrade\nadd user username=a email=b\ncommit").ok();
    shell.run(&["other.db"], "count users").ok().stdout("1\n");
    shell.run(&["sqlite://other.db"], "count users").ok().stdout("1\n");
    std::fs::write(shell.path().join(".env"), "DATABASE_URL=other.db\n").unwrap();
    shell.script("count users").ok().stdout("1\n");
    std::fs::write(shell.path().join("text.db"), "this is not a database, it is a text of some length").unwrap();
    shell.run(&["text.db"], "count users").fails(2).stderr_has("text.db");
}

#[test]
fn files_and_commands_run_in_the_order_given() {
    let shell = Shell::new();
    std::fs::write(shell.path().join("a.dsh"), "add user username=a email=a\n").unwrap();
    shell
        .run(&["-c", "count users", "-f", "a.dsh", "-c", "count users; commit", "-f", "-"], "count users")
        .ok()
        .stdout("0\n1\n1\n");
    shell.script(".read a.dsh\n").fails(3).stderr_has("discarded");
}

#[test]
fn a_script_stops_at_its_first_error_and_says_where() {
    let shell = Shell::seeded();
    std::fs::write(shell.path().join("bad.dsh"), "count users\n\n  list users where usrname = 'x'\ncount posts\n")
        .unwrap();
    let run = shell.run(&["-f", "bad.dsh"], "").fails(1).stdout("2\n");
    assert_eq!(
        run.stderr,
        "bad.dsh:3:20: error: user has no field or relationship `usrname`\n\
         \x20 list users where usrname = 'x'\n\
         \x20                  ^^^^^^^\n\
         \x20 hint: did you mean `username`?\n"
    );
    let run = shell.run(&["-f", "bad.dsh", "--on-error", "continue"], "").fails(1);
    assert_eq!(run.stdout, "2\n2\n");
}

#[test]
fn staged_changes_left_at_the_end_are_discarded_with_status_3() {
    let shell = Shell::new();
    shell.script("add user username=a email=b").fails(3).stderr_has("discarded at the end, not committed: 1 added");
    shell.script("count users").ok().stdout("0\n");
    shell.script("add user username=a email=b\n.quit\ncommit").fails(3);
    shell.script("add user username=a email=b\nnonsense").fails(1).stderr_has("discarded");
}

#[test]
fn a_failing_change_is_named_with_its_own_line() {
    let shell = Shell::seeded();
    let run = shell
        .script("add user username=a email=a\nadd user username=john email=x\nadd user username=c email=c\ncommit")
        .fails(1);
    assert!(run.stderr.contains("stdin:2:1: error: username 'john' is taken by user 1 <User john>"), "{}", run.stderr);
    shell.script("count users").ok().stdout("2\n");
}

#[test]
fn columns_are_checked_when_staged() {
    let shell = Shell::seeded();
    let long = format!("add post author=john body={}", "x".repeat(141));
    for (command, message) in [
        ("add user usrname=x", "did you mean `username`?"),
        ("add user username=x", "user needs email"),
        ("add user username=null email=x", "username cannot be NULL"),
        ("add post body=x author=nobody", "there is no user 'nobody'"),
        ("add post body=x author=99", "there is no user 99"),
        ("add post body=x user_id=99", "there is no user 99"),
        ("add post body=x author=1 timestamp=soon", "timestamp: that is not a value of type timestamp"),
        ("set user 1 id=abc", "id: that is not a value of type int"),
        (long.as_str(), "body is too long: 141 characters, at most 140 are allowed"),
        ("set user 9 username=x", "there is no user 9"),
        ("delete user 9", "there is no user 9"),
        ("add user username=a username=b email=c", "username is given twice"),
        ("add usr username=a", "did you mean `user`?"),
    ] {
        shell.script(command).fails(1).stderr_has(message);
    }
}

#[test]
fn hashes_are_never_shown() {
    let shell = Shell::new();
    shell.script("add user username=a email=b password_hash='secret hash'\ncommit").ok().stderr_lacks("secret");
    for mode in
        ["table", "vertical", "list", "csv", "tsv", "json", "jsonl", "markdown", "ascii", "html", "insert", "repr"]
    {
        let run = shell.run(&["--mode", mode], ".echo on\nlist users\nget user 1\nlist users format '{password_hash}'\nlist users with posts\nset user 1 password_hash='secret too'\nstatus\nrollback");
        assert!(!run.stdout.contains("secret") && !run.stderr.contains("secret"), "{mode}: {run:?}");
    }
}

#[test]
fn odd_input_is_refused_without_panic() {
    let shell = Shell::new();
    shell
        .script(b"count users\n\xff\xfe\n")
        .fails(1)
        .stdout("0\n")
        .stderr_has("stdin:2:1: error: byte 0xff is not UTF-8");
    shell.script(b"list users\0\n").fails(1);
    shell.script(b"\x00\x01\x02\x03").fails(1);
    let mut line = b"list users where username = '".to_vec();
    line.resize(10_000_000, b'x');
    line.extend_from_slice(b"'\n");
    shell.script(&line).ok();
    shell
        .script(format!("list users where {}id=1{}", "(".repeat(50_000), ")".repeat(50_000)))
        .fails(1)
        .stderr_has("nested");
}

#[test]
fn an_unfinished_last_line_is_run_or_reported() {
    let shell = Shell::seeded();
    shell.script("count users").ok().stdout("2\n");
    shell.script("list users where username = 'john").fails(1).stderr_has("the text is not closed");
    shell.script("count users where (id = 1").fails(1);
    shell.script("count users \\\n where id = 1; count posts # that is all").ok().stdout("1\n2\n");
}

#[test]
fn a_long_script_is_a_stream() {
    let shell = Shell::new();
    let mut child = shell
        .command()
        .arg("--quiet")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    // An answer comes before the input ends.
    stdin.write_all(b"count users\n").unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert_eq!(line, "0\n");
    for n in 0..20_000 {
        writeln!(stdin, "add user username=u{n} email=u{n}").unwrap();
    }
    stdin.write_all(b"count users\nrollback\n").unwrap();
    drop(stdin);
    line.clear();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    assert_eq!(line, "20000\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_closed_pipe_ends_the_run_quietly() {
    let shell = Shell::seeded();
    let mut child = shell
        .command()
        .args([
            "-c",
            ".sql with recursive n(i) as (select 1 union all select i + 1 from n limit 500000) select i from n",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn values_are_bound_never_pasted() {
    let shell = Shell::new();
    let nasty = "Robert'); DROP TABLE users;--";
    let quoted = nasty.replace('\'', "''");
    shell.script(format!("add user username='{quoted}' email='\"x\"'\ncommit")).ok();
    shell
        .script(format!(".mode csv\nlist users where username = '{quoted}' show username, email"))
        .ok()
        .stdout(&format!("username,email\n{nasty},\"\"\"x\"\"\"\n"));
    let run = shell.script(format!(".echo on\ncount users where username = '{quoted}'")).ok();
    assert!(run.stderr.contains('?') && !run.stderr.contains("DROP"), "{}", run.stderr);
}

#[test]
fn results_go_to_files_and_back() {
    let shell = Shell::seeded();
    shell.script(".mode csv\n.output users.csv\nlist users show id\n.output\ncount users").ok().stdout("count\n2\n");
    let read = |name: &str| std::fs::read_to_string(shell.path().join(name)).unwrap();
    assert_eq!(read("users.csv"), "id\n1\n2\n");
    // An export within goes to its own file; what follows goes where it went before.
    shell
        .script(
            ".mode csv\n.output a.csv\n.export b.csv list users show id\ncount users\n.output c.csv\n\
             count posts\n.output\ncount users",
        )
        .ok()
        .stdout("count\n2\n");
    assert_eq!(
        (read("a.csv"), read("b.csv"), read("c.csv")),
        ("count\n2\n".into(), "id\n1\n2\n".into(), "count\n2\n".into())
    );
}

#[test]
fn settings_are_shown_and_changed() {
    let shell = Shell::seeded();
    shell
        .script(".null '-'\n.mode list\nlist users show password_hash limit 1\n.show null")
        .ok()
        .stdout("-\nnull  -\n");
    shell.script(".set mode jsn").fails(1).stderr_has("did you mean `json`?");
    shell.script(".explain list users where username = 'x'").ok().stdout_has("ix_users_username");
    shell.script(".timing on\ncount users").ok().stderr_has("time: ");
    shell.script(".sql select 1 as one; ").ok().stdout_has("one");
    shell.script(".hlp").fails(1).stderr_has("did you mean `.help`?");
}

#[test]
fn undo_and_redo_walk_the_journal() {
    Shell::seeded()
        .script("add user username=a email=a\nadd user username=b email=b\nundo\ncount users\nredo\ncount users\nundo 2\ncount users\nstatus")
        .ok()
        .stdout("3\n4\n2\nnothing is staged\n");
}

#[test]
fn numbers_in_text_keep_their_spelling() {
    let shell = Shell::new();
    shell.script("add user username=007 email=1.50\nadd user username=+49123 email=1e3\ncommit").ok();
    shell
        .script(".mode csv\nlist users where username = 007 or email = 1e3 show username, email")
        .ok()
        .stdout("username,email\n007,1.50\n+49123,1e3\n");
    shell.script("count users where id > 1.5").ok().stdout("1\n");
}

#[test]
fn connections_have_names_labels_and_limits() {
    let shell = Shell::seeded();
    let folder = shell.path().join("config/diesel-shell");
    std::fs::create_dir_all(&folder).unwrap();
    let url = shell.database().display().to_string();
    std::fs::write(
        folder.join("config.toml"),
        format!(
            "theme = \"light\"\nconfirm = 5\nlock_timeout = 2\n[connections.prod]\nurl = \"{url}\"\nread_only = true\nlabel = \"PROD\"\n"
        ),
    )
    .unwrap();
    shell.run(&["prod"], "count users").ok().stdout("2\n");
    shell.run(&["prod"], "add user username=a email=b\ncommit").fails(1).stderr_has("open for reading only");
    shell
        .script(".open prod\ncount users\n.show confirm\n.show lock-timeout")
        .ok()
        .stdout("2\nconfirm  5\nlock-timeout  2\n");
    std::fs::write(folder.join("config.toml"), "lock_timeout = -1\n").unwrap();
    shell.script("count users").fails(2).stderr_has("lock_timeout in the configuration is a number of seconds");
    std::fs::write(folder.join("config.toml"), "colour = 3\n").unwrap();
    shell.script("count users").fails(2).stderr_has("config.toml").stderr_has("colour");
}

#[test]
fn shell_completions_and_a_manual_come_from_the_same_definitions() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish"] {
        shell.run(&["--completions", name], "").ok().stdout_has("diesel-shell");
    }
    shell.run(&["--man"], "").ok().stdout_has(".TH").stdout_has("\\-\\-sandbox");
    // What the registered script asks: connection names come from the configuration.
    let folder = shell.path().join("config/diesel-shell");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "[connections.prodigy]\nurl = \"x.db\"\n").unwrap();
    let output = shell
        .command()
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "1")
        .args(["--", "diesel-shell", "prod"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "prodigy",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn charts_draw_a_label_and_a_number() {
    let shell = Shell::seeded();
    shell.script("add post body=x author=john\ncommit").ok();
    let run = shell.run(&["--mode", "chart"], "count posts by author.username").ok();
    let bars: Vec<usize> = run.stdout.lines().map(|line| line.matches('█').count()).collect();
    assert_eq!(bars.len(), 2, "{}", run.stdout);
    assert!(bars[0] > 40 && bars[0].abs_diff(2 * bars[1]) <= 1, "{}", run.stdout);
    shell.run(&["--mode", "chart"], "list users show username").ok().stdout_has("│ john");
}
