//! Programs behind a `|`: when one runs, and when none does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod common;

use common::Shell;

/// The names of files in the shell's folder that an attack would have made.
fn made(shell: &Shell) -> Vec<String> {
    let files = std::fs::read_dir(shell.path()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("made")).collect()
}

#[test]
fn nothing_within_a_command_runs_a_program() {
    let shell = Shell::seeded();
    for attack in [
        // In a value, in text, in a comment, in brackets, without a blank.
        "add post author=1 body=x|touch${IFS}made",
        "add post author=1 body=|touch${IFS}made",
        "add post author=1 body=x|touch made",
        "add post author=1 body='x | touch made'",
        "add post author=1 body=\"x\\\" | touch made\"",
        "add post author=1 body=`x | touch made`",
        "add post author=1 body=`x | touch made #`",
        "add post author=1 body=x`y | touch made #`",
        "add post author=1 body=x\"y | touch made #\"",
        "add post author=1 body=f(x | touch made #)",
        "user `x | touch made #`",
        "user f(x | touch made #)",
        "list users where username = `x | touch made #`",
        "list users where username in (`x | touch made #`)",
        "list users format `x | touch made #`",
        ".schema `x | touch made #`",
        ".schema \"x | touch made #\"",
        ".read \"x | touch made #\"",
        ".export \"x | touch made #\" list users",
        ".export 'x | touch made #' list users",
        ".copy-to \"x | touch made #\" users",
        ".explain \"x | touch made #\"",
        ".watch \"1 | touch made #\" list users",
        ".copy \"x | touch made #\"",
        "db migrate \"x | touch made #\"",
        "savepoint `x | touch made #`",
        "add post author=1 body='x' # | touch made",
        "add post author=1 body='x' -- | touch made",
        "list users where username='x'|touch made",
        "list users where (id = 1 | touch made)",
        "list users where id in (1 | touch made)",
        "list users where has posts (id = 1 | touch made)",
        "list users|touch made",
        "user 1|touch made",
        "list users show username|touch made",
        "list users format \"{username}\"|touch made",
        // Behind what is not a command, or not a whole one.
        "bogus |touch made",
        "bogus | touch made",
        "| touch made",
        "  | touch made",
        "# nothing\n| touch made",
        "\\\n | touch made",
        "list users where | touch made",
        "list users where id = | touch made",
        "list users limit | touch made",
        "list users order by | touch made",
        "add post author=1 body= | touch made",
        "list users where (id = 1 | touch made",
        "delete | touch made",
        "list users where nothing = 1 | touch made",
        "list nothing | touch made",
        "user 99 | touch made",
        ".nothing | touch made",
        ".explain bogus | touch made",
        ".export made.csv bogus | touch made",
        ".watch 1 bogus | touch made",
        ".watch 1 list users where | touch made",
        ".copy bogus | touch made",
        // What SQL has as operators.
        "list users show username || email",
        "list users show username || touch made",
        "list users where username = 'x' || touch made",
        ".sql select 1 | touch made",
        ".sql select 'x; | touch made'",
        ".sql select '; | touch made'",
        ".sql select 1 || 2; -- | touch made",
        ".sql nonsense; | touch made",
        // Text that only looks like a command's end.
        ".schema users|touch${IFS}made",
        ".null '; list users | touch made'",
    ] {
        let _ = shell.script(format!("{attack}\n"));
        let _ = shell.script(attack);
        assert!(made(&shell).is_empty(), "{attack:?} made {:?}", made(&shell));
    }
}

#[test]
fn hostile_values_run_nothing_on_their_way_through_a_dump() {
    let shell = Shell::seeded();
    for body in ["x | touch made", "x'' | touch made", "x\n| touch made\nlist users | touch made", "\\\n | touch made"]
    {
        shell.script(format!("add post author=1 body='{body}'\ncommit")).ok();
    }
    std::fs::write(shell.path().join("dump.dsh"), shell.script(".dump").ok().stdout).unwrap();
    let other = Shell::new();
    std::fs::copy(shell.path().join("dump.dsh"), other.path().join("dump.dsh")).unwrap();
    other.script(".read dump.dsh\ncount posts").ok().stdout("6\n");
    assert!(made(&other).is_empty() && made(&shell).is_empty());
}

#[test]
fn every_command_may_have_a_program() {
    let shell = Shell::seeded();
    std::fs::write(shell.path().join("two.dsh"), "count users\nlist users format '{username}' | sort -r\n").unwrap();
    for (command, output) in [
        ("list users format \"{username}\" | sort -r", "susan\njohn\n"),
        ("list users format '{username}' |sort -r|head -1", "susan\n"),
        ("list users where username = 'john' format '{id}' | cat", "1\n"),
        ("user 1 posts format '{body}' | tr a-z A-Z", "MY FIRST POST!\n"),
        ("user 1 format '{username}' | cat", "john\n"),
        ("count users by username order by count | wc -l | tr -d ' '", "6\n"),
        (".tables | grep -c posts", "1\n"),
        (".schema user | grep -c username", "1\n"),
        (".show mode | cut -d ' ' -f 1", "mode\n"),
        (".help commit | head -1 | cut -c 1-6", "commit\n"),
        (".explain list users | grep -c SELECT", "1\n"),
        (".sql select 5 | 2; | grep -c 7", "1\n"),
        (".sql select 'a;| cat' as x; | grep -c 'a;| cat'", "1\n"),
        ("status | cat", "nothing is staged\n"),
        ("let u = user 1 | cat", ""),
        ("delete post 1 | cat\nrollback", ""),
        (".read two.dsh | cat -n | tr -d ' '", "1\t2\n2\tsusan\n3\tjohn\n"),
        // The whole file is run, though nobody reads on.
        (".read two.dsh | head -c 1\ncount users", "22\n"),
        // Where results are sent to, the program's are too.
        (".output out.txt\nlist users format '{username}' | sort -r\n.output\ncount posts", "2\n"),
    ] {
        shell.script(format!(".mode auto\n{command}\n")).ok().stdout(output);
    }
    assert_eq!(std::fs::read_to_string(shell.path().join("out.txt")).unwrap(), "susan\njohn\n");
}

#[test]
fn a_program_that_fails_is_an_error_in_a_script() {
    let shell = Shell::seeded();
    let run = shell.script("count users | grep 7\ncount posts").fails(1).stdout("");
    assert_eq!(
        run.stderr,
        "stdin:1:15: error: `grep 7` ended with exit status 1\n\
         \x20 count users | grep 7\n\
         \x20               ^^^^^^\n"
    );
    shell.script("count users | no-such-program").fails(1).stderr_has("ended with exit status 127");
    // It has read enough, which is no failure, whatever is still to be written.
    let many: String = (0..3_000).map(|n| format!("add post author=1 body='{n} {}'\n", "x".repeat(100))).collect();
    shell.script(format!("{many}commit")).ok();
    shell.script("list posts | head -1 | wc -l\ncount users").ok();
    shell.script("list posts | true\ncount users").ok().stdout("2\n");
    // What the program says about itself comes behind what the command does.
    shell.script("user 99 | exit 3").fails(1).stderr_has("there is no user 99").stderr_lacks("exit status");
}

#[test]
fn a_name_that_became_known_keeps_its_program() {
    let shell = Shell::seeded();
    // Another shell makes the table meanwhile.
    let other = format!(
        "{} -c \".sql create table apples (id integer primary key, kind text);\" \
         -c commit -c 'add apple kind=cox' -c commit",
        env!("CARGO_BIN_EXE_diesel-shell")
    );
    let script = format!("count users | {other}\nlist apples format '{{kind}}' | tr a-z A-Z\n");
    let run = shell.script(script).ok().stdout("COX\n");
    assert!(run.stderr.contains("the schema was changed by another program"), "{}", run.stderr);
}

#[test]
fn programs_are_turned_off_and_stay_off() {
    let shell = Shell::seeded();
    let attack = "count users | touch made";
    shell.script(format!(".set programs off\n{attack}")).fails(1).stderr_has("programs are turned off");
    shell
        .script(format!(".set programs off\n.set programs on\n{attack}"))
        .fails(1)
        .stderr_has("programs are turned off");
    shell.run(&["--on-error", "continue"], format!(".set programs off\n.set programs on\n{attack}")).fails(1);
    shell.run(&["--sandbox"], attack).fails(1).stderr_has("a sandbox runs no programs");
    shell.run(&["--sandbox"], format!(".set programs on\n{attack}")).fails(1).stderr_has("a sandbox runs no programs");
    std::fs::write(shell.path().join("attack.dsh"), attack).unwrap();
    shell.run(&["--sandbox", "-f", "attack.dsh"], "").fails(1);
    shell.run(&["--sandbox"], ".watch 0.1 count users | touch made").fails(1);
    assert!(made(&shell).is_empty());
    shell.script(".set programs off\n.show programs").ok().stdout("programs  off\n");
}
