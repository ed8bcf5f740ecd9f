//! The walk-through of the language, row by row: typed in a script, each gives what it promises.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both};

#[test]
fn the_tour_runs_to_its_end() {
    both(|| {
        let tour = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tour.dsh");
        let run = Shell::new().run(&["-f", tour], "").ok();
        assert!(run.stdout.ends_with("│ susan    │\n└──────────┘\n"), "{}", run.stdout);
    });
}

#[test]
fn models_are_there_at_the_first_prompt() {
    both(|| {
        Shell::new().with("--mode=csv").script(".models").ok().stdout(
            "model,table,fields,relationships\n\
             User,users,\"id, username, email, password_hash\",posts\n\
             Post,posts,\"id, body, timestamp, user_id\",author -> user\n",
        );
    });
}

#[test]
fn add_shows_the_record_and_commit_writes_all() {
    both(|| {
        let shell = Shell::new();
        let run = shell
        .script(
            "add user username=john email=john@example.com\nadd user username=susan email=susan@example.com\ncommit",
        )
        .ok();
        assert!(run.stderr.contains("<User john>") && run.stderr.contains("<User susan>"), "{}", run.stderr);
        assert!(run.stderr.contains("committed: 2 added"), "{}", run.stderr);
        shell.script(".mode repr\nlist users").ok().stdout("<User john>\n<User susan>\n");
    });
}

#[test]
fn rollback_writes_nothing() {
    both(|| {
        let shell = Shell::new();
        shell.script("add user username=oops email=oops@example.com\nrollback").ok().stderr_has("rolled back: 1 added");
        shell.script("count users").ok().stdout("0\n");
    });
}

#[test]
fn what_is_staged_is_read() {
    both(|| {
        Shell::new()
            .script("add user username=john email=j@x\ncount users\nrollback\ncount users")
            .ok()
            .stdout("1\n0\n");
    });
}

#[test]
fn every_reading_row() {
    both(|| {
        let shell = Shell::seeded().with("--mode=csv");
        for (command, expected) in [
            ("list users show id, username", "id,username\n1,john\n2,susan\n"),
            ("get user 1 show id, email", "id,email\n1,john@example.com\n"),
            ("user 1 show username", "username\njohn\n"),
            ("user john show id", "id\n1\n"),
            ("let u = user 1\n$u posts show body", "body\nmy first post!\n"),
            ("user 1 posts show body", "body\nmy first post!\n"),
            (
                "list posts show id, author.username, body",
                "id,author.username,body\n1,john,my first post!\n2,susan,hello from susan\n",
            ),
            ("list users order by username desc show username", "username\nsusan\njohn\n"),
            ("list users where username like 's%' show username", "username\nsusan\n"),
            ("first user show username", "username\njohn\n"),
            ("last user show username", "username\nsusan\n"),
            ("list users where username = 'Corey' show id", "id\n"),
            ("list users where username = john show id", "id\n1\n"),
            ("let u = user 1\n$u.id", "1\n"),
            ("post 1 author show username", "username\njohn\n"),
            ("let p = post 2\n$p.user_id", "2\n"),
            (
                "let p = post 2\nadd post body=x author=$p.author\nset post 1 author=$p.author\ncount posts where author = $p.author\nrollback",
                "count\n3\n",
            ),
            ("list posts order by timestamp desc, id desc show id", "id\n2\n1\n"),
            (
                "list posts format \"{author.username} wrote: {body}\"",
                "john wrote: my first post!\nsusan wrote: hello from susan\n",
            ),
            ("count posts by author.username", "author.username,count\njohn,1\nsusan,1\n"),
            ("distinct author.username of posts", "author.username\njohn\nsusan\n"),
            ("list users where has posts (body like '%first%') show id", "id\n1\n"),
            ("list users where count(posts) > 0 and not (id > 1 or email is null) show id", "id\n1\n"),
            ("list posts where author.username = 'john' show id", "id\n1\n"),
            ("list users where id between 2 and 9 show id", "id\n2\n"),
            ("list users where username in ('john', 'nobody') show id", "id\n1\n"),
            ("list users where email contains 'susan@' show id", "id\n2\n"),
            ("list users where email starts with 'john' and email ends with '.com' show id", "id\n1\n"),
            ("list users limit 1 offset 1 show id", "id\n2\n"),
            ("max id of posts", "max\n2\n"),
            ("sum id of posts by author.username order by sum desc", "author.username,sum\nsusan,2\njohn,1\n"),
            ("one user where username = 'john' show id", "id\n1\n"),
            ("list users where password_hash is null order by id nulls last show id limit 1", "id\n1\n"),
            ("list posts where author = john show id", "id\n1\n"),
        ] {
            let run = shell.script(command);
            assert_eq!((run.status, run.stdout.as_str()), (0, expected), "{command}\n{}", run.stderr);
        }
    });
}

#[test]
fn get_shows_the_record_as_its_repr_and_its_fields() {
    both(|| {
        Shell::seeded().script("get user 1").ok().stdout(
            "<User john>\n\
         id             1\n\
         username       john\n\
         email          john@example.com\n\
         password_hash  NULL\n",
        );
    });
}

#[test]
fn an_empty_relationship_says_so() {
    both(|| {
        let shell = Shell::seeded();
        shell.script("delete post 1\ncommit").ok();
        shell.script("user 1 posts").ok().stdout("").stderr_has("no posts");
    });
}

#[test]
fn posts_take_their_author_by_variable_key_or_name_and_the_time_by_themselves() {
    both(|| {
        let shell = Shell::seeded();
        shell
        .script(
            "let u = user 1\nadd post body=a author=$u\nadd post body=b author=1\nadd post body=c author=john\ncommit",
        )
        .ok();
        shell.script(".mode csv\nlist posts where author = 1 and id > 2 show body, timestamp, user_id").ok().stdout(
            "body,timestamp,user_id\na,2026-11-21 10:03:00,1\nb,2026-11-21 10:03:00,1\nc,2026-11-21 10:03:00,1\n",
        );
    });
}

#[test]
fn the_last_result_has_a_name() {
    both(|| {
        Shell::seeded()
        .script("add user username=zoe email=z@x\nadd post body='by the new one' author=$_\n.mode csv\nlist posts where author = zoe show body\nuser 1\n$_.email\nrollback")
        .ok()
        .stdout_has("by the new one\n")
        .stdout_has("john@example.com\n");
    });
}

#[test]
fn changes_of_every_kind() {
    both(|| {
        let shell = Shell::seeded();
        shell
            .script("set user john username=alice_updated\nset post 1 body=\"Updated content\"\ncommit")
            .ok()
            .stderr_has("committed: 2 changed");
        shell.script(".mode repr\nuser 1\npost 1").ok().stdout("<User alice_updated>\n<Post Updated content>\n");
        shell.script("set posts where author = 2 body='x'\ncommit\npost 2 format '{body}'").ok().stdout("x\n");
        shell.script("delete post 1\ncommit\ncount posts").ok().stdout("1\n");
        shell.script("delete user 1\ncommit\ncount users").ok().stdout("1\n");
        shell.script("delete user susan with posts\ncommit\ncount users\ncount posts").ok().stdout("0\n0\n");
    });
}

#[test]
fn users_with_their_posts() {
    both(|| {
        Shell::seeded().script("list users with posts").ok().stdout(
            "<User john> id=1  email=john@example.com  password_hash=NULL\n  posts:\n    \
         <Post my first post!> id=1  timestamp=2026-11-21 10:03:00  user_id=1\n\
         <User susan> id=2  email=susan@example.com  password_hash=NULL\n  posts:\n    \
         <Post hello from susan> id=2  timestamp=2026-11-21 10:03:00  user_id=2\n",
        );
        let run = Shell::seeded().with("--mode=json").script("list users with posts").ok();
        let parsed: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(parsed[1]["posts"][0]["body"], "hello from susan");
    });
}

#[test]
fn one_query_a_level() {
    both(|| {
        let run = Shell::seeded().script(".echo on\nlist users with posts\nlist posts show author.username, body").ok();
        assert_eq!(run.stderr.matches("SELECT").count(), 3, "{}", run.stderr);
    });
}

#[test]
fn migrations_go_down_and_up() {
    both(|| {
        let shell = Shell::seeded();
        shell.script("db current").ok().stdout("2026-11-21-000001_create_posts (head)\n");
        shell.script("db downgrade\ndb current").ok().stdout("2026-11-21-000000_create_users\n");
        shell.script("db upgrade\ndb downgrade base\ndb current").ok().stdout("base: no migration is applied\n");
        shell
            .script("db upgrade +1\ndb status")
            .ok()
            .stdout("1 of 2 revisions are applied; `db upgrade` applies the rest\n");
        shell.script("db upgrade\n.mode csv\ndb history").ok().stdout(
            "version,name,state\n\
         20261121000000,2026-11-21-000000_create_users,applied\n\
         20261121000001,2026-11-21-000001_create_posts,\"applied, current, head\"\n",
        );
        shell.script("add user username=a email=b\ncommit\n.reset\ncount users").ok().stdout("0\n");
    });
}
