//! A record is named by a field that a unique index keeps unique, by one that was chosen, or by a condition: always one record.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both};

/// Users without a unique index, as a table that is distributed by another column has them, and their posts.
fn shell() -> Shell {
    let shell = Shell::new().with("--quiet");
    shell
        .script(
            ".sql create table people (id integer primary key, email varchar(40) not null, nick varchar(20), age integer, api_key varchar(9));\n\
             .sql create table letters (id integer primary key, person_id integer not null references people (id), body varchar(20));\n\
             .sql insert into people values (1, 'ann@x', 'ann', 30, 'k'), (2, 'bob@x', 'bob', 40, 'k'), (3, 'cat@x', 'twin', 50, 'k'), (4, 'dan@x', 'twin', 60, 'k');\n\
             commit",
        )
        .ok();
    shell
}

#[test]
fn a_chosen_field_names_a_record() {
    both(|| {
        let shell = shell();
        shell
            .script(
                ".set natural-key person.nick\n.mode csv\nset person ann age=31\nadd letter id=1 person=bob body=hello\ncommit\n\
                 list people where id = 1 show age\nlist letters show person.nick\nadd person id=9 email=z@x nick=zoe\n\
                 add letter id=2 person=zoe body=new\ncommit\ncount letters where person = zoe",
            )
            .ok()
            .stdout("age\n31\nperson.nick\nbob\ncount\n1\n");
        // Without it, nothing says that this is a name.
        shell.script("set person bob age=1\ncommit").fails(1);
    });
}

#[test]
fn a_name_of_two_records_is_refused_where_it_is_used() {
    both(|| {
        let shell = shell();
        for command in ["set person twin age=1", "delete person twin", "add letter id=1 person=twin", "person twin"] {
            shell
                .script(format!(".set natural-key person.nick\n{command}\ncommit"))
                .fails(1)
                .stderr_has("names more than one person")
                .stderr_has("list people where nick = 'twin'");
        }
        std::fs::write(shell.path().join("letters.csv"), "id,person,body\n1,ann,x\n2,twin,y\n").unwrap();
        shell
            .script(".set natural-key person.nick\n.import letters.csv letter")
            .fails(1)
            .stderr_has("names more than one person");
        std::fs::write(shell.path().join("letters.csv"), "id,person,body\n1,ann,x\n2,bob,y\n").unwrap();
        shell.script(".set natural-key person.nick\n.import letters.csv letter\ncommit\n.mode csv\nlist letters show person.id").ok().stdout("person.id\n1\n2\n");
        // A condition names one, or many.
        shell
            .script("set people where nick = bob age=41\ncommit\n.mode csv\nlist people where age = 41 show id")
            .ok()
            .stdout("id\n2\n");
        shell.script("let p = first people where email = 'cat@x'\nadd letter id=7 person=$p body=x\ncommit\n.mode csv\nlist letters where id = 7 show person.id").ok().stdout("person.id\n3\n");
    });
}

#[test]
fn the_setting_is_shown_kept_and_checked() {
    both(|| {
        let shell = shell();
        shell.script(".show natural-key\n.set natural-key person.nick\n.show natural-key\n.reload\n.show natural-key\n.set natural-key off\n.show natural-key").ok().stdout(
            "natural-key  off\nnatural-key  person.nick\nnatural-key  person.nick\nnatural-key  off\n",
        );
        shell.script(".set natural-key person").fails(1).stderr_has(".set natural-key user.email");
        shell.script(".set natural-key person.nik").fails(1).stderr_has("nick");
        shell.script(".set natural-key persn.nick").fails(1).stderr_has("person");
        shell.script(".set natural-key person.age").fails(1).stderr_has("person.age is no text");
        shell.script(".set natural-key person.api_key").fails(1).stderr_has("person.api_key is masked");
    });
}

#[test]
fn a_connection_of_the_configuration_says_it() {
    let shell = Shell::empty();
    let folder = shell.path().join("config/diesel-shell");
    std::fs::create_dir_all(&folder).unwrap();
    let config = |key: &str| {
        let text =
            format!("[connections.shop]\nurl = \"shop.db\"\n\n[connections.shop.natural_keys]\nperson = \"{key}\"\n");
        std::fs::write(folder.join("config.toml"), text).unwrap();
    };
    config("nick");
    let make = ".sql create table people (id integer primary key, nick varchar(20), age integer);\n.sql insert into people values (1, 'ann', 30);\ncommit";
    shell.run(&["shop.db", "--create", "-q"], make).ok();
    shell
        .run(&["shop", "-q"], ".mode csv\nset person ann age=31\ncommit\nlist people show age")
        .ok()
        .stdout("age\n31\n");
    // Also when it is opened later; another database has none.
    shell.run(&[":memory:", "-q"], ".open shop\n.show natural-key").ok().stdout("natural-key  person.nick\n");
    shell.run(&["shop.db", "-q"], ".show natural-key").ok().stdout("natural-key  off\n");
    config("nothing");
    shell.run(&["shop", "-q"], "count people").fails(2).stderr_has("nothing");
}
