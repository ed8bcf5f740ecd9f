//! Hostile folders, files, names and values: what a shell does where others wrote what it reads.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;
use expectrl::Expect as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

/// What drives a terminal, one of each kind: CSI, OSC 52 (the clipboard), C1, bidirectional, zero width, BS, CR, DEL.
const HOSTILE: &str = "a\x1b[31mb\x1b]52;c;ZXZpbA==\x07c\u{9b}2Jd\u{202e}e\u{200b}f\x08g\rh\x7f\u{e0041}";

/// No character of it reaches a terminal by itself.
#[track_caller]
fn is_harmless(text: &str) {
    let driving = text.chars().find(|c| diesel_shell::render::is_dangerous(*c) && *c != '\n');
    assert_eq!(driving, None, "{text:?}");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn give_away(path: &Path) {
    std::os::unix::fs::lchown(path, Some(65_534), Some(65_534)).unwrap();
}

/// A folder of a project within the shell's own, and a database to open.
fn project(shell: &Shell) -> std::path::PathBuf {
    let folder = shell.path().join("project/sub");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn run_in(shell: &Shell, folder: &Path, commands: &str) -> common::Run {
    let output = shell.command().current_dir(folder).args(["-c", commands]).output().unwrap();
    common::Run {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code().unwrap_or(-1),
    }
}

#[test]
fn a_folder_names_a_database_and_nothing_else() {
    let shell = Shell::seeded();
    let folder = project(&shell);
    let evil = shell.path().join("evil");
    std::fs::create_dir_all(evil.join("diesel-shell")).unwrap();
    std::fs::write(evil.join("diesel-shell/config.toml"), "mode = \"nonsense\"").unwrap();
    std::fs::write(
        folder.parent().unwrap().join(".env"),
        format!(
            "PAGER=./p.sh\nDIESEL_SHELL_NOW=nonsense\nPGHOSTADDR=6.6.6.6\nXDG_CONFIG_HOME={0}\nXDG_DATA_HOME={0}\nHOME={0}\nDATABASE_URL={1}\n",
            evil.display(),
            shell.database().display()
        ),
    )
    .unwrap();
    // From the folder above as well, and where it came from is said.
    run_in(&shell, &folder, "count users")
        .ok()
        .stdout("2\n")
        .stderr_has(&format!("database: {} (DATABASE_URL in ../.env)", shell.database().display()));
    assert!(!evil.join("diesel-shell/microblog.db").exists());
    // Not from beyond the project's root.
    std::fs::create_dir(folder.join(".git")).unwrap();
    run_in(&shell, &folder, "count users").ok().stderr_lacks("DATABASE_URL");
}

#[test]
fn a_password_in_a_folders_url_is_not_shown() {
    let shell = Shell::new();
    let folder = project(&shell);
    std::fs::write(folder.join(".env"), "DATABASE_URL=postgres://u:s3cr3t@127.0.0.1:1/d?connect_timeout=1\n").unwrap();
    let run = run_in(&shell, &folder, "count users").fails(2);
    assert!(!run.stderr.contains("s3cr3t"), "{}", run.stderr);
    std::fs::write(folder.join(".env"), "DATABASE_URL=postgres://prod/d?hostaddr=127.0.0.1\n").unwrap();
    run_in(&shell, &folder, "count users").fails(2).stderr_has("sets `hostaddr`, which a folder may not");
    // What is meant for libpq and written as a path.
    let run = shell.run(&["host=h password='s3cr3t w\\'rd'", "-c", "count users"], "").fails(2);
    assert!(!run.stderr.contains("s3cr3t"), "{}", run.stderr);
}

#[test]
fn a_dotenv_of_somebody_else_is_not_read() {
    let shell = Shell::new();
    let folder = project(&shell);
    let above = folder.parent().unwrap().to_owned();
    std::fs::write(above.join(".env"), "DATABASE_URL=nowhere.db").unwrap();
    std::fs::set_permissions(&above, std::fs::Permissions::from_mode(0o777)).unwrap();
    // Where everybody may write, nothing is looked for on the way up.
    run_in(&shell, &folder, "count users").ok().stderr_lacks("DATABASE_URL");
    std::fs::set_permissions(&above, std::fs::Permissions::from_mode(0o755)).unwrap();
    run_in(&shell, &folder, "count users").fails(2).stderr_has("nowhere.db");
    // A pipe, a device, a folder in its place: said, and not waited for.
    std::fs::remove_file(above.join(".env")).unwrap();
    symlink("/dev/zero", above.join(".env")).unwrap();
    run_in(&shell, &folder, "count users").ok().stderr_has("../.env was not read: it is no plain file");
    if is_root() {
        std::fs::remove_file(above.join(".env")).unwrap();
        std::fs::write(above.join(".env"), "DATABASE_URL=nowhere.db").unwrap();
        give_away(&above.join(".env"));
        run_in(&shell, &folder, "count users").ok().stderr_has("../.env belongs to somebody else: it was not read");
    }
}

#[test]
fn results_never_go_over_the_open_database() {
    let shell = Shell::seeded();
    let folder = shell.path().join("out");
    std::fs::create_dir(&folder).unwrap();
    let database = shell.database();
    symlink(&database, folder.join("link.csv")).unwrap();
    std::fs::hard_link(&database, folder.join("hard.csv")).unwrap();
    symlink(database.with_file_name("microblog.db-journal"), folder.join("journal.csv")).unwrap();
    let before = std::fs::read(&database).unwrap();
    for name in ["link.csv", "hard.csv", "journal.csv"] {
        let path = folder.join(name);
        for command in [format!(".output '{}'", path.display()), format!(".export '{}' list users", path.display())] {
            shell.script(&command).fails(1).stderr_has("belongs to the open database");
        }
    }
    for ending in ["", "-wal", "-shm", "-journal"] {
        let path = format!("{}{ending}", database.display());
        shell.script(format!(".output '{path}'")).fails(1).stderr_has("belongs to the open database");
    }
    assert_eq!(std::fs::read(&database).unwrap(), before);
    shell.script("count users").ok().stdout("2\n");
}

#[test]
fn what_is_written_is_private_and_laid_traps_are_not_used() {
    let shell = Shell::seeded();
    for name in ["a.csv", "b.csv", "b.csv.part"] {
        let path = shell.path().join(name);
        std::fs::write(&path, "before").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    shell
        .script(".output a.csv\n.mode csv\nlist users show username\n.output\n.export b.csv list users show username")
        .ok();
    for name in ["a.csv", "b.csv"] {
        let path = shell.path().join(name);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "username\njohn\nsusan\n");
        assert_eq!(mode(&path), 0o600, "{name}");
    }
    // A file that happens to have the name of a temporary one is left alone.
    assert_eq!(std::fs::read_to_string(shell.path().join("b.csv.part")).unwrap(), "before");
    // An own link is followed.
    symlink("a.csv", shell.path().join("latest.csv")).unwrap();
    shell.script(".export latest.csv count users").ok();
    assert_eq!(std::fs::read_to_string(shell.path().join("a.csv")).unwrap(), "count\n2\n");
    if is_root() {
        symlink("a.csv", shell.path().join("trap.csv")).unwrap();
        give_away(&shell.path().join("trap.csv"));
        std::fs::write(shell.path().join("theirs.csv"), "x").unwrap();
        give_away(&shell.path().join("theirs.csv"));
        shell.script(".output trap.csv").fails(1).stderr_has("a link that somebody else has made");
        shell.script(".export trap.csv list users").fails(1).stderr_has("a link that somebody else has made");
        shell.script(".output theirs.csv").fails(1).stderr_has("belongs to somebody else");
    }
    // Nothing is left about.
    let left: Vec<String> = std::fs::read_dir(shell.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(".diesel-shell"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn lines_rows_and_widths_have_bounds() {
    let shell = Shell::seeded();
    let long = vec![b'x'; 70 << 20];
    shell.script(&long).fails(1).stderr_has("a command is longer than 64 MiB");
    let path = shell.path().join("long.csv");
    std::fs::write(&path, [b"username,email\n\"".as_slice(), &long].concat()).unwrap();
    shell.script(".import long.csv user").fails(1).stderr_has("a row is longer than 64 MiB");
    std::fs::write(shell.path().join("long.jsonl"), [b"{\"username\":\"".as_slice(), &long].concat()).unwrap();
    shell.script(".import long.jsonl user").fails(1).stderr_has("a row is longer than 64 MiB");
    shell.script(".set width 99999999999").fails(1).stderr_has("a width is from 10 to 10000 columns");
    shell.script(".set width 99999999999999999999999").fails(1).stderr_has("a width is from 10 to 10000 columns");
    let output =
        shell.command().env("DIESEL_SHELL_WIDTH", "99999999999").args(["-m", "chart", "-c", "list users"]).output();
    assert!(output.unwrap().status.success());
    let deep = format!("list users with {}", ["posts", "author"].repeat(20).join("."));
    shell.script(deep).fails(1).stderr_has("`with` goes at most 16 relationships deep");
    // One long value neither pads the others to its width nor is copied whole for each.
    shell.script(".sql create table note (id integer primary key, text text);\ncommit").ok();
    shell.script(format!("add note text='{}'\nadd note text=short\ncommit", "y".repeat(200_000))).ok();
    let run = shell.script("list notes").ok();
    assert!(run.stdout.len() < 200_000 && run.stdout.contains("…(200000)"), "{}", run.stdout.len());
    let run = shell.run(&["-m", "csv"], "list notes").ok();
    assert!(run.stdout.len() > 200_000);
}

#[test]
fn one_strange_folder_among_the_migrations_stops_no_list() {
    let shell = Shell::seeded();
    let folder = project(&shell);
    std::fs::write(folder.join("diesel.toml"), "").unwrap();
    std::fs::create_dir_all(folder.join("migrations/notes")).unwrap();
    std::fs::write(folder.join(".env"), format!("DATABASE_URL={}", shell.database().display())).unwrap();
    run_in(&shell, &folder, "count users").ok().stdout("2\n");
    run_in(&shell, &folder, "db history").fails(1).stderr_has("migrations/notes");
    // A pipe in the place of a migration's text is not waited for.
    std::fs::remove_dir(folder.join("migrations/notes")).unwrap();
    let migration = folder.join("migrations/2026-01-01-000000_x");
    std::fs::create_dir_all(&migration).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(migration.join("up.sql")).status().unwrap().success());
    run_in(&shell, &folder, "count users").ok().stdout("2\n");
    run_in(&shell, &folder, "db history").fails(1).stderr_has("up.sql is no plain file");
}

#[test]
fn human_modes_escape_in_a_pipe_and_data_modes_keep_the_data() {
    let shell = Shell::seeded();
    let typed = HOSTILE.replace('\0', "");
    shell.script(format!("set user john username='{typed}'\ncommit")).ok();
    for mode in ["auto", "table", "vertical", "list", "markdown", "repr", "chart"] {
        let run = shell.run(&["-m", mode], "list users show username, id\nget user 1\nlist users with posts").ok();
        is_harmless(&run.stdout);
        is_harmless(&run.stderr);
        assert!(run.stdout.contains("\\u{1b}[31m"), "{mode}: {}", run.stdout);
    }
    let run =
        shell.script("set user 1 email=x@y\ndiff\nstatus\nrollback\ndelete user 1 with posts\ndiff\nrollback").ok();
    is_harmless(&run.stdout);
    is_harmless(&run.stderr);
    for mode in ["csv", "tsv", "jsonl"] {
        let run = shell.run(&["-m", mode], "user 1 show username").ok();
        let kept = if mode == "jsonl" { "\\u001b]52;c;" } else { "\x1b]52;c;" };
        assert!(run.stdout.contains(kept) && run.stdout.contains('\u{202e}'), "{mode}: {:?}", run.stdout);
    }
}

#[test]
fn names_in_errors_before_the_shell_is_up_are_text() {
    let shell = Shell::new();
    for arguments in
        [vec![HOSTILE], vec!["-f", HOSTILE], vec!["-m", HOSTILE], vec!["db", HOSTILE], vec!["--project", HOSTILE]]
    {
        let run = shell.run(&arguments, "");
        assert_ne!(run.status, 0, "{arguments:?}");
        is_harmless(&run.stderr);
        is_harmless(&run.stdout);
    }
    // The place of an error in a file of such a name.
    let name = HOSTILE.replace('/', "");
    std::fs::write(shell.path().join(&name), "nonsense\n").unwrap();
    let run = shell.run(&["-f", &name], "").fails(1);
    is_harmless(&run.stderr);
    assert!(run.stderr.contains("\\u{1b}[31mb"), "{}", run.stderr);
}

#[test]
fn recovery_files_of_others_are_shown_and_not_taken() {
    use std::time::Duration;
    let shell = Shell::seeded();
    let start = |shell: &Shell| {
        let mut command = shell.command();
        command.env("TERM", "dumb").env("PATH", std::env::var_os("PATH").unwrap());
        let mut session = expectrl::Session::spawn(command).unwrap();
        session.set_expect_timeout(Some(Duration::from_secs(30)));
        session
    };
    let mut session = start(&shell);
    session.expect("microblog> ").unwrap();
    session.send_line("add user username=zoe email=z@x").unwrap();
    session.expect("microblog*1> ").unwrap();
    session.get_process_mut().exit(true).unwrap();
    drop(session);
    let folder = shell.path().join("state/diesel-shell/recovery");
    let journal = || {
        std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| {
                path.extension().is_some_and(|ending| ending == "journal") && path.metadata().unwrap().len() > 0
            })
            .unwrap()
    };
    let path = journal();
    // Others could have written it.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let mut session = start(&shell);
    session.expect("is not taken for staged changes of yours").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(expectrl::Eof).unwrap();
    assert!(path.metadata().unwrap().len() > 0);
    // Somebody else's, however private it is.
    if is_root() {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        give_away(&path);
        let mut session = start(&shell);
        session.expect("is not taken for staged changes of yours").unwrap();
        session.expect("microblog> ").unwrap();
        session.send_line(".quit").unwrap();
        session.expect(expectrl::Eof).unwrap();
        std::os::unix::fs::lchown(&path, Some(0), Some(0)).unwrap();
    }
    // Damaged in the middle: what can be read is offered.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut bytes = b"\xff\xfe{\"number\":9,\"changes\":[{\"add\":3}]}\n[1]\nnull\n{\"changes\":7}\n".to_vec();
    // Keys of another number of values than the model has, as after a migration.
    bytes.extend(b"{\"number\":8,\"changes\":[{\"set\":\"users\",\"key\":[],\"values\":{\"email\":1},\"base\":{\"email\":2}}]}\n");
    bytes.extend(b"{\"number\":7,\"changes\":[{\"delete\":\"posts\",\"key\":[1,2],\"base\":{}}]}\n");
    bytes.extend(std::fs::read(&path).unwrap());
    std::fs::write(&path, bytes).unwrap();
    let mut session = start(&shell);
    session.expect("of an earlier session were staged").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".recover").unwrap();
    session.expect("has other columns now").unwrap();
    session.expect("microblog*1> ").unwrap();
    session.send_line("diff").unwrap();
    session.expect("zoe").unwrap();
    session.expect("microblog*1> ").unwrap();
    session.send_line("rollback").unwrap();
    session.expect("microblog> ").unwrap();
    session.send_line(".quit").unwrap();
    session.expect(expectrl::Eof).unwrap();
}

/// What is left of [`HOSTILE`] where something passes it on as it is.
const DRIVING: [&str; 8] = ["\x1b[31mb", "\x1b]52", "\u{9b}", "\u{202e}", "\u{200b}", "f\x08g", "g\rh", "\u{e0041}"];

/// Types at a terminal; nothing that comes back drives it.
#[track_caller]
fn drives_nothing(shell: &Shell, address: &str, typed: &[String]) {
    let mut command = shell.command();
    command
        .args([address, "--label", HOSTILE])
        .env("TERM", "xterm-256color")
        .env("PAGER", "cat")
        .env("PATH", std::env::var_os("PATH").unwrap());
    let mut session = expectrl::Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(std::time::Duration::from_secs(30)));
    let (mut seen, mut steps) = (Vec::new(), 0);
    // Types something, then a line whose answer tells that all before it has been shown.
    for keys in typed {
        // What is asked about is declined.
        let (keys, asks) = keys.strip_prefix('?').map_or((keys.as_str(), false), |keys| (keys, true));
        session.send(keys).unwrap();
        if asks {
            let captures =
                session.expect("[y/N]").unwrap_or_else(|error| panic!("no question behind {keys:?}: {error}"));
            seen.extend_from_slice(captures.before());
            session.send("n\r").unwrap();
        }
        // What is typed ahead of an answer is the question's.
        if asks || !keys.ends_with('\r') {
            std::thread::sleep(std::time::Duration::from_millis(if asks { 500 } else { 200 }));
        }
        steps += 1;
        session.send(format!("\x15nothing{steps}\r")).unwrap();
        let captures = session.expect(format!("`nothing{steps}`"));
        let captures = captures.unwrap_or_else(|error| panic!("no answer behind {keys:?}: {error}"));
        seen.extend_from_slice(captures.before());
    }
    session.send_line(".quit").unwrap();
    session.expect(expectrl::Eof).unwrap();
    let text = String::from_utf8_lossy(&seen).into_owned();
    for driving in DRIVING {
        if let Some(at) = text.find(driving) {
            let from = (0..=at.saturating_sub(200)).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            panic!("{driving:?} reached the terminal after {:?}", &text[from..at]);
        }
    }
    assert!(text.matches("\\u{1b}[31mb").count() > 10, "the test has lost its subject");
}

/// A hostile name in every place of a terminal session: the prompt, lists of completions, hints, results, errors, questions.
#[test]
fn names_and_values_do_not_drive_a_terminal() {
    let shell = Shell::empty();
    let name = format!("{HOSTILE}.db");
    let (table, other) = (format!("t{HOSTILE}"), format!("tt{HOSTILE}"));
    let script = shell.path().join("make.dsh");
    std::fs::write(
        &script,
        format!(
            ".sql create table \"{table}\" (id integer primary key, \"c{HOSTILE}\" text unique, \"d{HOSTILE}\" text);\n\
             .sql create table \"{other}\" (id integer primary key, \"t{HOSTILE}_id\" integer references \"{table}\" (id));\n\
             .sql insert into \"{table}\" values (1, 'v{HOSTILE}', 'w{HOSTILE}'), (2, 'x{HOSTILE}', null);\n\
             .sql insert into \"{other}\" values (1, 1), (2, 1);\ncommit\n"
        ),
    )
    .unwrap();
    shell.run(&[&name, "--create", "-f", "make.dsh"], "").ok();
    std::fs::write(shell.path().join(format!("file{HOSTILE}.dsh")), "nonsense\n").unwrap();
    let mut typed: Vec<String> = Vec::new();
    let mut step = |keys: &str| typed.push(keys.to_owned());
    // Lists and hints.
    for typed in ["list t\t\t", "show \t\t", ".read fi\t\t", "list `t", ".schema t\t\t", ".open \t\t"] {
        step(typed);
    }
    // What is pasted is drawn, not obeyed.
    step(&format!("\x1b[200~list {}\x1b[201~", HOSTILE.replace('\r', "")));
    for line in [
        ".models",
        ".tables",
        ".schema",
        ".mode table",
        ".sql select * from sqlite_schema;",
        ".mode csv",
        ".sql select * from sqlite_schema;",
        ".mode tsv",
        ".sql select * from sqlite_schema;",
        ".mode json",
        ".sql select * from sqlite_schema;",
        ".mode markdown",
        ".sql select * from sqlite_schema;",
        ".dump",
        ".dump --sql",
        "db check",
        "db schema",
        ".history",
        ".show",
        ".set confirm 0",
    ] {
        step(&format!("{line}\r"));
    }
    drives_nothing(&shell, &name, &typed);
}

/// The same on PostgreSQL: labels, names, what a server notices and what it refuses, and a question about it.
#[cfg(feature = "postgres")]
#[test]
fn what_postgresql_says_does_not_drive_a_terminal() {
    if !common::postgres::is_there() {
        return;
    }
    let shell = Shell::empty();
    let address = common::postgres::database(Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
    let table = format!("t{HOSTILE}");
    let make = format!(
        ".sql create type \"m{HOSTILE}\" as enum ('fine', 'l{HOSTILE}');\n\
         .sql create table \"{table}\" (id int primary key, \"c{HOSTILE}\" \"m{HOSTILE}\", \"d{HOSTILE}\" text unique);\n\
         .sql insert into \"{table}\" values (1, 'l{HOSTILE}', 'v{HOSTILE}'), (2, 'fine', null);\ncommit\n"
    );
    std::fs::write(shell.path().join("make.dsh"), make).unwrap();
    shell.run(&[&address, "-f", "make.dsh"], "").ok();
    let says = |kind: &str| format!(".sql do $do$ begin raise {kind} '%', $q$n{HOSTILE}$q$; end $do$;\n");
    for (file, text) in [
        ("list", format!("list `{table}`\n")),
        ("notice", says("notice")),
        ("warning", says("warning")),
        ("exception", says("exception")),
        ("label", format!(".sql select 'x{HOSTILE}'::\"m{HOSTILE}\";\n")),
        ("twice", format!("add `{table}` id=3 `d{HOSTILE}`='v{HOSTILE}'\n")),
        ("all", format!("delete `{table}` where id > 0\n")),
    ] {
        std::fs::write(shell.path().join(format!("{file}.dsh")), text).unwrap();
    }
    let typed = [
        "list t\t\t\t",
        ".models\r",
        ".tables\r",
        ".schema\r",
        ".read list.dsh\r",
        ".read notice.dsh\r",
        "commit\r",
        ".read warning.dsh\r",
        "commit\r",
        ".read exception.dsh\r",
        "n\r",
        ".read label.dsh\r",
        ".read twice.dsh\r",
        "diff\r",
        "commit\r",
        "rollback\r",
        ".set confirm 1\r",
        "?.read all.dsh\r",
        "diff\r",
        "rollback\r",
        ".mode json\r",
        ".read list.dsh\r",
        ".dump\r",
    ];
    drives_nothing(&shell, &address, &typed.map(str::to_owned));
}
