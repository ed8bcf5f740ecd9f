//! Masked fields: their values stick behind the mask wherever somebody looks.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Run, Shell, both, on_postgres};

const SECRET: &str = "xyzzy-plugh-4711";

/// Two accounts with secrets of several kinds.
fn accounts() -> Shell {
    let shell = Shell::empty();
    #[cfg(all(unix, feature = "postgres"))]
    let shell = if on_postgres() {
        shell.with(&common::postgres::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell"))))
    } else {
        shell.with("accounts.db")
    };
    #[cfg(not(all(unix, feature = "postgres")))]
    let shell = shell.with("accounts.db");
    let (bytes, key) = if on_postgres() { ("bytea", "serial primary key") } else { ("blob", "integer primary key") };
    let create = if on_postgres() { vec![] } else { vec!["--create"] };
    let tables = format!(
        ".sql create table users (id {key}, name text not null, api_key text unique, jwt_secret text, private_key {bytes}, \
         hide_passwords boolean not null, password_iterations integer not null, note text)\n\
         .sql create table sessions (session_key varchar(40) primary key, user_id integer references users (id));\ncommit\n"
    );
    shell.run(&create, tables).ok();
    shell
        .script(format!(
            "add user name=ann api_key='{SECRET}' jwt_secret='{SECRET}j' private_key=x'c0ffee' hide_passwords=true \
             password_iterations=600000\n\
             add user name=bob hide_passwords=false password_iterations=1\n\
             add session session_key='{SECRET}s' user=1\n\
             commit\n"
        ))
        .ok();
    shell
}

#[track_caller]
fn keeps(run: &Run) {
    for stream in [&run.stdout, &run.stderr] {
        assert!(!stream.contains("xyzzy") && !stream.contains("c0ffee"), "{}\n{}", run.stdout, run.stderr);
    }
}

#[test]
fn texts_and_bytes_with_names_of_secrets_are_masked_and_nothing_else() {
    both(|| {
        let shell = accounts();
        shell.script(".mode jsonl\nlist users").ok().stdout(
            "{\"id\":1,\"name\":\"ann\",\"api_key\":\"********\",\"jwt_secret\":\"********\",\"private_key\":\"********\",\
             \"hide_passwords\":true,\"password_iterations\":600000,\"note\":null}\n\
             {\"id\":2,\"name\":\"bob\",\"api_key\":null,\"jwt_secret\":null,\"private_key\":null,\
             \"hide_passwords\":false,\"password_iterations\":1,\"note\":null}\n",
        );
        shell.script(".unmask").ok().stdout("session.session_key\nuser.api_key\nuser.jwt_secret\nuser.private_key\n");
    });
}

#[test]
fn one_field_is_shown_for_the_session() {
    both(|| {
        let shell = accounts();
        shell
            .script(".unmask user.api_key\n.mode csv\nlist users show api_key, jwt_secret order by api_key desc limit 1\n.reload\nuser 1 show api_key")
            .ok()
            .stdout(&format!("api_key,jwt_secret\n{SECRET},********\napi_key\n{SECRET}\n"))
            .stderr_has("user.api_key is shown until the end of this session");
        shell.script(".unmask user.name").ok().stderr_has("user.name is not masked");
        shell.script(".unmask user.apikey2").fails(1).stderr_has("api_key");
        shell.script(".unmask user").fails(1).stderr_has(".unmask user.api_key");
        keeps(&shell.script("user 1").ok());
        // Another database has not been asked about.
        if !on_postgres() {
            keeps(&shell.script(".unmask user.api_key\n.open accounts.db\nuser 1").ok());
        }
    });
}

#[test]
fn no_mode_shows_what_is_masked() {
    both(|| {
        let shell = accounts();
        for mode in [
            "auto", "table", "vertical", "list", "csv", "tsv", "json", "jsonl", "markdown", "ascii", "html", "insert",
            "repr", "chart",
        ] {
            let script = format!(
                ".mode {mode}\nlist users\nuser 1\nlist users show api_key, private_key\nlist users format '{{name}} {{api_key}} {{private_key}}'\n\
                 list sessions\nfirst session\n"
            );
            keeps(&shell.script(script).ok());
            keeps(&shell.script(format!(".mode {mode}\nlist users with sessions")));
            keeps(&shell.script(format!(".mode {mode}\nlist sessions with user")));
        }
        for file in ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.md", "a.html", "a.sql", "a.txt"] {
            shell.script(format!(".export {file} list users")).ok();
            let text = std::fs::read_to_string(shell.path().join(file)).unwrap();
            assert!(text.contains('*') && !text.contains("xyzzy") && !text.contains("c0ffee"), "{text}");
        }
        // A file of masks does not overwrite what they hide.
        shell.script(".import a.csv user --on-conflict update").fails(1).stderr_has("masked in this file");
    });
}

#[test]
fn orders_groups_figures_and_patterns_are_refused() {
    both(|| {
        let shell = accounts();
        for command in [
            "list users where api_key > 'x'",
            "list users where 'x' <= api_key",
            "list users where api_key like 'x%'",
            "list users where api_key ilike 'x%'",
            "list users where api_key contains 'z'",
            "list users where api_key starts with 'xy'",
            "list users where not (api_key ends with '1')",
            "list users where api_key between 'a' and 'z'",
            "list users where api_key not between 'a' and 'z'",
            "list users where name = 'x' or api_key > 'x'",
            "list users where api_key = jwt_secret",
            "list users where note = api_key",
            "list users where api_key = note",
            "list sessions where user.api_key > 'x'",
            "list users where has sessions (session_key > 'x')",
            "list users where has sessions (user.api_key like 'x%')",
            "list users where sessions.session_key like 'x%'",
            "list users where max(sessions.session_key) > 'x'",
            "list users where min(sessions.session_key) = 'x'",
            "count users where private_key > x'c0'",
            "list users order by api_key",
            "list sessions order by user.api_key desc",
            "first user order by api_key",
            "count users by api_key",
            "count sessions by user.jwt_secret",
            "distinct api_key of users",
            "distinct name, api_key of users",
            "min api_key of users",
            "max user.api_key of sessions",
            "count api_key of users",
            "let u = user 1\nlist users where api_key = $u.api_key",
            "let u = user 1\nlist users where name = $u.api_key",
            "let u = list users\nlist users where name in ($u.api_key)",
            "let u = user 1\nset user 2 note=$u.api_key",
            "let u = user 1\nlet k = $u.api_key",
            "let k = user 1 show api_key",
            "let k = max api_key of users",
            "delete users where api_key > 'x'",
            "set users where api_key like 'x%' note='x'",
        ] {
            let run = shell.script(command).fails(1).stderr_has("is masked").stderr_has(".unmask ");
            keeps(&run);
        }
    });
}

#[test]
fn a_masked_field_can_be_null_or_a_value_that_was_typed() {
    both(|| {
        let shell = accounts();
        for (condition, count) in [
            ("api_key is null", 1),
            ("api_key is not null", 1),
            ("api_key = null", 1),
            (&format!("api_key = '{SECRET}'"), 1),
            (&format!("api_key != '{SECRET}'"), 0),
            (&format!("api_key in ('a', '{SECRET}')"), 1),
            (&format!("has sessions (session_key = '{SECRET}s')"), 1),
            ("private_key = x'c0ffee'", 1),
        ] {
            shell.script(format!("count users where {condition}")).ok().stdout(&format!("{count}\n"));
        }
        shell.script(format!("let k = '{SECRET}'\ncount users where api_key = $k")).ok().stdout("1\n");
    });
}

#[test]
fn changes_and_messages_about_them_keep_the_mask() {
    both(|| {
        let shell = accounts();
        let run = shell
            .script(
                "set user 1 api_key='xyzzy-new' private_key=x'c0ffee01'\nadd user name=cy jwt_secret=xyzzy-cy hide_passwords=true password_iterations=2\n\
                 status\ndiff\ndiff --sql\nundo 2\nset sessions user=2\nstatus\ndiff\ndiff --sql\nrollback\ndelete sessions\nstatus\ndiff\nrollback\n\
                 let u = user 1\nlet all = list users\nlet s = first session\n$u\n$all\n$s\n$u.api_key\n$s.session_key",
            )
            .ok();
        keeps(&run);
        assert_eq!(run.stdout.lines().filter(|line| *line == "********").count(), 2, "{}", run.stdout);
        // Collisions and other objections of the database.
        let run = shell.script(format!("set user 2 api_key='{SECRET}'\ncommit")).fails(1).stderr_has("api_key");
        keeps(&run);
        let run = shell.script(format!("add session session_key='{SECRET}s' user=2\ncommit")).fails(1);
        keeps(&run);
        let run = shell.script(format!("add session session_key='{SECRET}s' user=2\ncommit\nlist sessions"));
        keeps(&run);
        keeps(&shell.script("delete user 1\ncommit").fails(1));
        keeps(&shell.run(
            &["--on-error", "continue"],
            "first session\n$_\n$_.session_key\nset $_ user=2\nstatus\nset $_ user=99",
        ));
    });
}

#[test]
fn errors_of_the_database_say_nothing_of_what_is_masked() {
    both(|| {
        let shell = accounts();
        if on_postgres() {
            shell
                .script(
                    ".sql alter table users add check (note <> 'bad')\n\
                     .sql create unique index on users (lower(jwt_secret))\n\
                     .sql create unique index on users (name)\n\
                     .sql create function complain() returns trigger language plpgsql as $$ begin if new.note = 'loud' then \
                       raise exception 'no %, no', new.api_key using detail = new.api_key, hint = new.api_key; end if; return new; end $$\n\
                     .sql create trigger complain before update on users for each row execute function complain();\ncommit\n",
                )
                .ok();
            // The failing row is not shown, the check is.
            keeps(&shell.script("set user 1 note=bad\ncommit").fails(1).stderr_has("check"));
            keeps(&shell.script(format!("set user 2 jwt_secret='{SECRET}J'\ncommit")).fails(1));
            keeps(
                &shell
                    .script(format!("set user 2 api_key='{SECRET}2' note=loud\ncommit"))
                    .fails(1)
                    .stderr_has("no ********, no"),
            );
            // What is not masked is still told.
            shell.script("set user 2 name=ann\ncommit").fails(1).stderr_has("ann");
        } else {
            shell
                .script(
                    ".sql create trigger complain before update on users when new.note = 'loud' begin \
                     select raise(abort, 'no, no'); end;\ncommit\n",
                )
                .ok();
            keeps(
                &shell
                    .script(format!("set user 2 api_key='{SECRET}2' note=loud\ncommit"))
                    .fails(1)
                    .stderr_has("no, no"),
            );
        }
    });
}

#[test]
fn a_masked_column_names_no_record() {
    let shell = Shell::empty().with("k.db");
    shell
        .run(
            &["--create"],
            ".sql create table users (id integer primary key, token text not null unique, name text);\nadd user token=xyzzy name=ann\ncommit",
        )
        .ok();
    keeps(&shell.script("user 1\nset user 1 name=bob\nstatus\ndiff\n.schema user").fails(3));
    shell.script("user 'xyzzy'").fails(1);
    let shown = shell.script(".schema user").ok().stdout;
    assert!(shown.contains("masked") && !shown.contains("natural key"), "{shown}");
}

#[test]
fn sql_and_dumps_say_that_they_show_it() {
    both(|| {
        let shell = accounts();
        shell
            .script(".sql select * from users")
            .ok()
            .stdout_has(SECRET)
            .stderr_has("SQL knows no masks: api_key, jwt_secret");
        shell
            .script(".sql select api_key as x from users")
            .ok()
            .stdout_has(SECRET)
            .stderr_has("api_key is shown as it is");
        shell.script(".sql select name from users").ok().stderr_lacks("mask");
        shell
            .script(".dump")
            .ok()
            .stdout_has(SECRET)
            .stderr_has("masked fields are written as they are")
            .stderr_has("user.api_key");
        shell.script(".unmask user.api_key\n.sql select api_key from users").ok().stderr_lacks("SQL knows");
    });
}
