//! What a record, a relationship and a missing name are called.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both};

/// People by a text key and a natural key beside it; what belongs to them; cities by a name that nothing keeps unique.
const SCHEMA: &[&str] = &[
    "create table people (uuid varchar(36) primary key not null, email varchar(60) not null unique, boss varchar(36) references people)",
    "create table badge (id integer primary key, holder varchar(36) not null references people, label varchar(20))",
    "create table supplier (s_suppkey integer primary key, s_nation text)",
    "create table lineitem (l_id integer primary key, l_suppkey int references supplier, note text)",
    "create table game (id integer primary key, home_id int references supplier, away_id int references supplier)",
    "create table city (id integer primary key, name text)",
    "create table street (id integer primary key, city_id int references city)",
    "create table account (no numeric(9,0) primary key, name varchar(20) not null unique)",
    "insert into account values (7, 'seven')",
    "create table alone (id integer primary key)",
    "create table pair (a int, b int, n int, primary key (a, b))",
    "insert into people values ('u-1', 'ann@x', null), ('u-2', 'bob@x', 'u-1'), ('three', 'u-9', null), ('u-8', 'three', null)",
    "insert into badge values (1, 'u-1', 'first')",
    "insert into supplier values (1, 'PERU')",
    "insert into lineitem values (1, 1, 'x')",
    "insert into city values (1, 'Bonn'), (2, 'Ulm'), (3, 'Ulm'), (4, 'New York'), (5, '7')",
    "insert into street values (1, 1), (2, 2)",
];

fn made() -> Shell {
    let script: String = SCHEMA.iter().map(|sql| format!(".sql {sql};\n")).collect::<String>() + "commit\n";
    let shell = if common::on_postgres() { Shell::new() } else { Shell::new().with("x.db").with("--create") };
    shell.script(script).ok();
    shell.with("--mode=csv")
}

#[track_caller]
fn answers(shell: &Shell, script: &str, expected: &str) {
    let run = shell.script(format!("{script}\nrollback"));
    assert_eq!((run.status, run.stdout.as_str()), (0, expected), "{script}\n{}", run.stderr);
}

#[test]
fn a_text_key_and_a_natural_key_beside_it_both_name_a_record() {
    both(|| {
        let shell = made();
        for name in ["ann@x", "u-1", "'u-1'"] {
            answers(&shell, &format!("person {name} show uuid"), "uuid\nu-1\n");
            answers(&shell, &format!("get person {name} show uuid"), "uuid\nu-1\n");
            answers(&shell, &format!("person {name} badges show id"), "id\n1\n");
            answers(&shell, &format!("count badges where holder = {name}"), "count\n1\n");
            answers(&shell, &format!("count badges where holder in ({name})"), "count\n1\n");
            answers(
                &shell,
                &format!("add badge id=7 holder={name}\nbadge 7 show holder.email"),
                "holder.email\nann@x\n",
            );
            answers(&shell, &format!("set badge 1 label=x holder={name}\nbadge 1 show label"), "label\nx\n");
            answers(&shell, &format!("set person {name} email=new@x\nperson u-1 show email"), "email\nnew@x\n");
            answers(&shell, &format!("let p = person {name}\n$p.uuid"), "u-1\n");
            let gone = "delete badge 1\ndelete person bob@x\n";
            answers(&shell, &format!("{gone}delete person {name}\ncount people"), "count\n2\n");
        }
        answers(&shell, "let e = person u-1 show email\nperson $e show uuid", "uuid\nu-1\n");
        answers(
            &shell,
            "add person uuid=u-5 email=eve@x\nset person eve@x boss=u-5\nperson u-5 show boss",
            "boss\nu-5\n",
        );
        // What is staged is called by both, whatever became of it.
        let staged = "delete badge 1\ndelete person bob@x\nadd person uuid=u-6 email=fay@x\n";
        for name in ["u-2", "bob@x"] {
            answers(&shell, &format!("{staged}discard person {name}\ncount people where uuid = u-2"), "count\n1\n");
        }
        for name in ["u-6", "fay@x"] {
            answers(&shell, &format!("{staged}discard person {name}\ncount people where uuid = u-6"), "count\n0\n");
        }
        shell.script("person nobody").fails(1).stderr_has("there is no person 'nobody'");
        shell.script("add badge id=9 holder=nobody").fails(1).stderr_has("there is no person 'nobody'");
        answers(&shell, "count badges where holder = nobody", "count\n0\n");
        // One record's key is another's natural key.
        shell
            .script("delete person three")
            .fails(1)
            .stderr_has("'three' names more than one person")
            .stderr_has("`list people where uuid = 'three' or email = 'three'` shows them");
    });
}

#[test]
fn a_file_names_records_as_a_command_does() {
    both(|| {
        let shell = made();
        let file = |name: &str, text: &str| std::fs::write(shell.path().join(name), text).unwrap();
        file("badges.csv", "id,holder\n2,ann@x\n3,u-2\n");
        answers(
            &shell,
            ".import badges.csv badge\nlist badges where id > 1 show id, holder.email",
            "id,holder.email\n2,ann@x\n3,bob@x\n",
        );
        file("streets.csv", "id,city\n3,Bonn\n4,2\n");
        answers(
            &shell,
            ".import streets.csv street\nlist streets where id > 2 show city.name",
            "city.name\nBonn\nUlm\n",
        );
        file("wrong.csv", "id,city\n3,Ulm\n");
        shell.script(".import wrong.csv street").fails(1).stderr_has("'Ulm' names more than one city");
        file("wrong.csv", "id,holder\n3,three\n");
        shell.script(".import wrong.csv badge").fails(1).stderr_has("'three' names more than one person");
    });
}

#[test]
fn the_text_that_messages_call_a_record_by_names_it_where_it_is_one_record() {
    both(|| {
        let shell = made();
        answers(&shell, "city Bonn show id", "id\n1\n");
        answers(&shell, "city 'New York' show id", "id\n4\n");
        answers(&shell, "city Bonn streets show id", "id\n1\n");
        answers(&shell, "count streets where city = Bonn", "count\n1\n");
        answers(&shell, "add street id=3 city=Bonn\ncount streets where city = Bonn", "count\n2\n");
        answers(&shell, "set city Bonn name=Cologne\ncity Cologne show id", "id\n1\n");
        answers(&shell, "add city id=9 name=Kiel\ncity Kiel show id", "id\n9\n");
        answers(&shell, "add city id=9 name=Kiel\ndiscard city Kiel\ncount cities", "count\n5\n");
        // A number is a key; in quotes it is a name where no record has that key.
        answers(&shell, "city 1 show name", "name\nBonn\n");
        answers(&shell, "city '7' show id", "id\n5\n");
        shell
            .script("set city Ulm name=x")
            .fails(1)
            .stderr_has("'Ulm' names more than one city")
            .stderr_has("`list cities where name = 'Ulm'` shows them; name one by its key");
        shell.script("count streets where city = Ulm").fails(1).stderr_has("'Ulm' names more than one city");
        shell.script("city Atlantis").fails(1).stderr_has("there is no city 'Atlantis'");
    });
}

#[test]
fn messages_quote_a_name_that_is_no_plain_word() {
    both(|| {
        let shell = made();
        for (email, name) in
            [("a b", "'a b'"), ("it''s", "'it''s'"), ("null", "'null'"), ("where", "'where'"), ("5", "'5'")]
        {
            let run = shell.script(format!("add person uuid=k email='{email}'\nset person k uuid=k2\nrollback")).ok();
            let run = run.stderr_has(&format!("staged: person {name} ("));
            let called = run.stderr.lines().find_map(|line| line.split("staged: ").nth(1)?.split(" (").next());
            let script = format!("add person uuid=k email='{email}'\n{} show uuid", called.unwrap());
            answers(&shell, &script, "uuid\nk\n");
        }
    });
}

#[test]
fn a_key_of_several_columns_is_called_as_it_is_typed() {
    both(|| {
        let shell = made();
        let run = shell.script("add pair a=1 b=2\nset pair (1, 2) n=3\n.mode repr\nlist pairs\nrollback").ok();
        let run = run
            .stderr_has("+ <Pair (1, 2)>  staged: pair (1, 2) (")
            .stderr_has("~ <Pair (1, 2)>  staged: pair (1, 2) (");
        run.stdout("<Pair (1, 2)>\n");
    });
}

#[test]
fn a_relationship_is_called_like_its_target_where_one_key_leads_there() {
    both(|| {
        let shell = made();
        answers(&shell, "list lineitems show supplier.s_nation", "supplier.s_nation\nPERU\n");
        answers(&shell, "list lineitems show l_suppkey.s_nation", "l_suppkey.s_nation\nPERU\n");
        answers(&shell, "count lineitems where supplier.s_nation = PERU", "count\n1\n");
        answers(&shell, "lineitem 1 supplier show s_nation", "s_nation\nPERU\n");
        answers(&shell, "add lineitem l_id=2 supplier=1\ncount lineitems where supplier = 1", "count\n2\n");
        answers(&shell, "count lineitems by supplier.s_nation", "supplier.s_nation,count\nPERU,1\n");
        answers(&shell, "person bob@x person show email", "email\nann@x\n");
        answers(&shell, "list badges show person.email", "person.email\nann@x\n");
        answers(&shell, "let l = lineitem 1\n$l.supplier.s_nation", "s_nation\nPERU\n");
        shell.script(".mode json\nlist lineitems with supplier").ok().stdout_has("PERU");
        // Also where an application has named it.
        let blog = Shell::seeded().with("--mode=csv");
        answers(&blog, "list posts where user.username = john show user.email", "user.email\njohn@example.com\n");
        // Two keys lead there.
        shell
            .script("list games show supplier.s_nation")
            .fails(1)
            .stderr_has("game has no relationship `supplier`; it has ");
    });
}

#[test]
fn what_there_is_is_listed_where_nothing_is_near() {
    both(|| {
        let shell = made();
        for (script, message) in [
            ("add alone id=1\nalone 1 t2", "alone has no relationship `t2`; it has none"),
            ("lineitem 1 wheels", "lineitem has no relationship `wheels`; it has l_suppkey"),
            ("list lineitems show wheels.x", "lineitem has no relationship `wheels`; it has l_suppkey"),
            (
                "list lineitems show wheels",
                "lineitem has no field or relationship `wheels`; it has l_id, l_suppkey, note",
            ),
            ("set lineitem 1 wheels=1", "lineitem has no field `wheels`; it has l_id, l_suppkey, note"),
            ("delete supplier 1 with wheels", "supplier has no children `wheels`; it has games_by_"),
            ("list lineitems show nte", "did you mean `note`?"),
        ] {
            shell.script(script).fails(1).stderr_has(message);
        }
    });
}
