//! `set ... where` and `delete ... where` in a script: one statement, with everything that holds for rows.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both, on_postgres};

const SCHEMA: &[&str] = &[
    "create table team (id integer primary key, name varchar(20) not null unique)",
    "create table player (id integer primary key, team_id int not null references team on delete cascade, \
        name varchar(20), rank int, api_key varchar(20))",
    "create table score (player_id int not null references player on delete cascade, round int not null, points int, \
        primary key (player_id, round))",
    "create table visit (id integer primary key, player_id int references player on delete set null)",
    "create table bill (id integer primary key, team_id int not null references team)",
    "insert into team values (1, 'red'), (2, 'blue'), (3, 'grey')",
    "insert into player values (1, 1, 'ann', 1, null), (2, 1, 'bob', 2, null), (3, 2, 'cyd', null, 'abcdef'), (4, 2, 'dan', 4, null)",
    "insert into score values (1, 1, 10), (1, 2, 20), (2, 1, 30), (3, 1, 40)",
    "insert into visit values (1, 1), (2, 3), (3, null)",
    "insert into bill values (1, 3)",
];

fn made() -> Shell {
    let script: String = SCHEMA.iter().map(|sql| format!(".sql {sql};\n")).collect::<String>() + "commit\n";
    let shell = if on_postgres() { Shell::new() } else { Shell::new().with("x.db").with("--create") };
    shell.script(script).ok();
    shell
}

/// The statements that write, of a script with `.echo on`.
fn written(echoed: &str) -> Vec<&str> {
    let writes = |line: &&str| ["INSERT ", "UPDATE ", "DELETE "].iter().any(|word| line.starts_with(word));
    echoed.lines().filter(writes).collect()
}

#[test]
fn each_is_one_statement() {
    both(|| {
        let shell = made();
        let run = shell.script(
            ".echo on\nset players where rank > 0 rank=9 name=x\nset players where team.name = blue name=y\n\
             set scores where player.name = y points=0\ndelete scores where round = 1\ndelete visits\ncount visits\n.mode csv\n\
             list players show id, name, rank\nlist scores\ncommit",
        );
        let run = run.ok();
        assert_eq!(written(&run.stderr).len(), 5, "{}", run.stderr);
        for line in [
            "~ staged: 3 of 4 players (1 change; commit to write)",
            "~ staged: 2 of 4 players (2 changes",
            "~ staged: 1 of 4 scores (3 changes",
            "- staged: 3 of 4 scores deleted (4 changes",
            "- staged: 3 of 3 visits deleted (5 changes",
            "committed: 6 changed, 6 deleted",
        ] {
            assert!(run.stderr.contains(line), "{line}: {}", run.stderr);
        }
        assert_eq!(run.stdout, "0\nid,name,rank\n1,x,9\n2,x,9\n3,y,\n4,y,9\nplayer_id,round,points\n1,2,20\n");
    });
}

#[test]
fn rows_that_have_the_values_are_not_changed() {
    both(|| {
        let shell = made();
        shell
            .script("set players where id < 3 name=ann\nset players where id = 1 name=ann\nset players where id = 1 name=Ann\nset players where id > 8 rank=1")
            .fails(3)
            .stderr_has("~ staged: 1 of 4 players (1 change;")
            .stderr_has("1 player to change: the values are the same")
            .stderr_has("~ staged: 1 of 4 players (2 changes;")
            .stderr_has("no players to change")
            .stderr_has("not committed: 2 changed");
        shell.script("set players rank=NULL\ncommit").ok().stderr_has("committed: 3 changed");
        shell.script("delete players where id > 8").ok().stderr_has("no players to delete");
    });
}

#[test]
fn what_goes_with_rows_is_counted() {
    both(|| {
        let shell = made();
        shell
            .script("delete players where id < 3\ncount scores\ncount visits where player = NULL\ncommit")
            .ok()
            .stderr_has("2 of 4 players deleted; also deletes 3 scores; empties the reference of 1 visit (1 change")
            .stderr_has("committed: 2 deleted")
            .stdout("1\n2\n");
        shell
            .script("delete teams where id < 3\ncount players\ncount scores\ncommit")
            .ok()
            .stderr_has("2 of 3 teams deleted; also deletes 2 players and 1 score; empties the reference of 1 visit (")
            .stdout("0\n0\n");
        shell
            .script("delete teams")
            .fails(1)
            .stderr_has("the team is still referred to by 1 bill")
            .stderr_has("`delete teams with bills`");
        shell.script("delete teams with bills\ncommit").ok().stderr_has("committed: 2 deleted");
    });
}

#[test]
fn an_objection_names_the_record_in_the_way() {
    both(|| {
        let shell = made();
        shell
            .script("set players where id = 1 rank=7\nset teams where id > 1 name=red\nset players where id = 2 rank=8\ncommit")
            .fails(1)
            .stderr_has("2:1: error: name 'red' is taken by team 1");
        shell.script(".mode csv\nget player 1 show rank").ok().stdout("rank\n1\n");
    });
}

#[test]
fn steps_back_and_forth_take_all_of_it() {
    both(|| {
        let shell = made();
        shell
            .script(
                "set players where id < 4 rank=7\nsavepoint a\ndelete scores\nset players rank=8\ncount scores\n\
                 undo\ncount players where rank = 8\nredo\ncount players where rank = 8\nrollback to a\n\
                 count scores\ncount players where rank = 7\nstatus\ncommit --dry-run\ncommit",
            )
            .ok()
            .stdout("0\n0\n4\n4\n3\nstaged: 3 changed\n#1 ~ 3 players rank=7  (stdin:1)\n")
            .stderr_has("would be committed: 3 changed")
            .stderr_has("committed: 3 changed");
        shell.script("count players where rank = 7\ncount scores").ok().stdout("3\n4\n");
    });
}

#[test]
fn rows_are_spelled_out_for_whoever_needs_them() {
    both(|| {
        let shell = made();
        shell
            .script("set players where id < 3 rank=7\ndiff\ncommit")
            .ok()
            .stdout("~ player 1\n~     rank  1 -> 7\n~ player 2\n~     rank  2 -> 7\n");
        shell
            .script(
                "set players where id > 2 rank=5\ndiscard player 4\nset players where id = 3 name=z\nstatus\ncommit",
            )
            .ok()
            .stdout("staged: 2 changed\n#1 ~ player 3 rank=5  (stdin:1)\n#2 ~ 1 player name='z'  (stdin:3)\n")
            .stderr_has("committed: 2 changed");
        shell
            .script(".mode csv\nlist players show id, name, rank")
            .ok()
            .stdout("id,name,rank\n1,ann,7\n2,bob,7\n3,z,5\n4,dan,4\n");
        shell
            .script("set players rank=1\nset scores points=1\ndelete visits\ncommit scores, visits\ncount players where rank=1\ncount scores where points=1\nrollback\ncount players where rank=1\ncount visits")
            .ok()
            .stderr_has("committed: 4 changed, 3 deleted; 1 still staged")
            .stdout("4\n4\n0\n0\n");
    });
}

#[test]
fn what_a_script_knows_of_records_follows() {
    both(|| {
        let shell = made();
        shell
            .script(
                "add team id=7 name=new\nadd player id=8 team=new name=eve\nset teams where id = 7 name=old\n\
                 add player id=9 team=old name=fay\nlet t = team 7\nset team 7 name=older\n.mode csv\nget player 9 show team.name\n\
                 delete players where name = eve\nadd player id=8 team=older name=gil\ncommit",
            )
            .ok()
            .stdout("team.name\nolder\n")
            .stderr_has("committed: 4 added, 2 changed, 1 deleted");
        shell.script("add team id=10 name=a\nset teams where id = 10 name=b\nadd player id=20 team=a").fails(1);
        shell.script("add team id=10 name=a\ndelete teams where id = 10\nadd player id=20 team=10").fails(1);
    });
}

#[test]
fn secrets_stay_covered_and_other_columns_may_come() {
    both(|| {
        let shell = made();
        let run = shell.script(
            "set players where id < 3 api_key=sesame rank=3\n.sql alter table player add column size int;\n\
             set players where size = NULL size=4\nstatus\ndiff\ncommit",
        );
        let run = run.ok().stderr_has("committed: 6 changed, 1 SQL statement");
        assert!(!run.stdout.contains("sesame") && run.stdout.contains("api_key=********"), "{}", run.stdout);
        shell.script("count players where rank = 3\ncount players where size = 4").ok().stdout("2\n4\n");
    });
}

#[test]
fn at_a_prompt_rows_are_staged_and_tried_out_as_one_statement() {
    both(|| {
        let shell = made();
        let run = shell.script(
            ".set hold off\n.echo on\nset players where rank > 0 rank=9\n.echo off\ndiff\ndiscard player 2\nundo\nundo\n\
             count players where rank = 9\nredo\ncount players where rank = 9\ndiscard player 4\ncommit",
        );
        let run = run.ok().stderr_has("~ staged: 3 of 4 players (1 change;").stderr_has("committed: 2 changed");
        assert_eq!(written(&run.stderr).len(), 1, "{}", run.stderr);
        let diff =
            "~ player 1\n~     rank  1 -> 9\n~ player 2\n~     rank  2 -> 9\n~ player 4\n~     rank  4 -> 9\n0\n3\n";
        run.stdout(diff);
        shell
            .script(".set hold off\nset teams where id > 1 name=red")
            .fails(1)
            .stderr_has("name 'red' is taken by team 1");
        let run =
            shell.script(".set hold off\n.echo on\ndelete scores where round = 1\n.echo off\ncount scores\ncommit");
        let run = run.ok().stderr_has("- staged: 3 of 4 scores deleted (1 change;").stdout("1\n");
        assert_eq!(written(&run.stderr).len(), 1, "{}", run.stderr);
    });
}
