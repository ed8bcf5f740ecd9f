//! The library's door: what an application registers is what its console does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "`table!` makes public items")]

#[cfg(all(unix, feature = "postgres", feature = "cli"))]
mod common;

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use diesel_shell::{Builder, Command, ErrorKind, Group, Mode, Setting, Shell, State, Status, Value};
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("examples/flaskblog/migrations");

diesel::table! {
    users (id) {
        id -> Integer,
        username -> VarChar,
        email -> VarChar,
        password -> VarChar,
    }
}

diesel::table! {
    posts (id) {
        id -> Integer,
        title -> VarChar,
        content -> Text,
        date_posted -> Timestamp,
        user_id -> Integer,
    }
}

#[derive(Identifiable)]
#[diesel(table_name = users)]
struct User {
    id: i32,
}

#[derive(Identifiable, Associations)]
#[diesel(table_name = posts, belongs_to(User))]
struct Post {
    id: i32,
    user_id: i32,
}

/// A `Write` that the test keeps.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.borrow_mut())).unwrap()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn noon() -> chrono::NaiveDateTime {
    chrono::NaiveDate::from_ymd_opt(2026, 11, 21).unwrap().and_hms_opt(10, 3, 0).unwrap()
}

fn blog() -> Builder {
    Shell::builder()
        .model_with::<User>("user", |user| {
            user.natural_key(users::username)
                .masked(users::password)
                .default_with(users::password, || "chosen by nobody")
                .validate(users::email, |email| {
                    if email.as_text().is_some_and(|text| text.contains('@')) {
                        Ok(())
                    } else {
                        Err("an address has an @")
                    }
                })
        })
        .model_with::<Post>("post", |post| {
            post.display(posts::title).default_now(posts::date_posted).validate_record(|post| {
                let same = post.get(posts::title) == post.get(posts::content);
                if same {
                    Err(if post.is_new() { "says no more than its title" } else { "would say no more than its title" })
                } else {
                    Ok(())
                }
            })
        })
        .belongs_to::<Post, User>("author", "posts")
        .migrations(MIGRATIONS)
        .database(":memory:")
        .upgrade()
        .clock(noon)
        .name("blog")
}

/// Runs a script; gives results, messages and status.
fn run(builder: Builder, script: &str) -> (String, String, u8) {
    let (output, messages) = (Kept::default(), Kept::default());
    let mut shell = builder.output(output.clone()).messages(messages.clone()).build().unwrap();
    messages.text();
    let status = shell.script(script.as_bytes()).unwrap();
    (output.text(), messages.text(), status.code())
}

const JOHN: &str = "add user username=john email=john@example.com\n";

#[test]
fn models_are_what_their_types_and_their_tables_say() {
    let (output, messages, status) = run(blog().mode(Mode::Csv), ".models\n.schema user\n.schema post");
    assert_eq!(
        output,
        "model,table,fields,relationships\n\
         User,users,\"id, username, email, password\",posts\n\
         Post,posts,\"id, title, content, date_posted, user_id\",author -> user\n\
         User (users)\n  \
         id        int, key\n  \
         username  text(20), not null, natural key, unique\n  \
         email     text(120), not null, unique, checked\n  \
         password  text(60), not null, default computed, masked\n  \
         posts -> many posts\n\
         Post (posts)\n  \
         id           int, key\n  \
         title        text(100), not null\n  \
         content      text, not null\n  \
         date_posted  timestamp, not null, default now\n  \
         user_id      int, not null\n  \
         author -> one user\n",
        "{messages}"
    );
    assert_eq!(status, 0);
}

#[test]
fn the_sketch_is_enough() {
    let shell = Shell::builder()
        .model::<User>("user")
        .model::<Post>("post")
        .belongs_to::<Post, User>("author", "posts")
        .migrations(MIGRATIONS)
        .database(":memory:")
        .upgrade();
    let (output, messages, status) = run(
        shell.mode(Mode::Csv),
        "add user username=john email=j@x password=p\nadd post title=t content=c date_posted=now author=1\ncommit\n\
         list posts show id, author.username, title",
    );
    assert_eq!((output.as_str(), status), ("id,author.username,title\n1,john,t\n", 0), "{messages}");
}

#[test]
fn defaults_and_masks() {
    let script =
        format!("{JOHN}add post title=t content=c author=john\ncommit\nlist users\nlist posts\n.mode json\nuser 1");
    let (output, messages, status) = run(blog().mode(Mode::Csv), &script);
    assert_eq!(
        output,
        "id,username,email,password\n1,john,john@example.com,********\n\
         id,title,content,date_posted,user_id\n1,t,c,2026-11-21 10:03:00,1\n\
         [{\"id\":1,\"username\":\"john\",\"email\":\"john@example.com\",\"password\":\"********\"}]\n",
        "{messages}"
    );
    assert_eq!(status, 0);
    // The default was computed and written.
    let mut shell = blog().build().unwrap();
    shell.execute(JOHN.trim()).unwrap();
    let john = shell.session().get("user", "john").unwrap().unwrap();
    assert_eq!(john.read::<String>("password").unwrap(), "chosen by nobody");
    assert!(!format!("{john:?}").contains("chosen"), "{john:?}");
}

#[test]
fn defaults_are_computed_for_imported_rows_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.csv");
    std::fs::write(&file, "username,email\nsusan,susan@example.com\ncorey,c@x\n").unwrap();
    let mut shell = blog().build().unwrap();
    shell.execute(&format!(".import {} user", file.display())).unwrap();
    let read = shell.session().read("list users show username, password").unwrap();
    let all: Vec<(String, String)> =
        read.iter().map(|row| (row.read("username").unwrap(), row.read("password").unwrap())).collect();
    let given = "chosen by nobody".to_owned();
    assert_eq!(all, [("susan".to_owned(), given.clone()), ("corey".to_owned(), given)]);
}

#[test]
fn more_can_be_said_of_a_model() {
    let shell = |password: Option<&'static str>| {
        Shell::builder()
            .model_with::<User>("user", move |user| {
                user.plural("people")
                    .numbered()
                    .max_length(users::username, 4)
                    .unique(users::username, "by_name")
                    .choices(users::email, &["home", "away"])
                    .default_value(users::email, "home")
                    .default_value(users::password, password)
            })
            .database(":memory:")
            .sqlite_migrations(MIGRATIONS)
            .upgrade()
            .build()
    };
    let error = shell(None).map(drop).unwrap_err();
    assert_eq!(error.message, "the default of user: password cannot be NULL");
    let mut shell = shell(Some("p")).unwrap();
    shell.execute("add user username=john").unwrap();
    shell.execute("commit").unwrap();
    assert_eq!(shell.execute("list people").unwrap().rows().unwrap().len(), 1);
    assert_eq!(shell.execute("user john show email").unwrap().rows().unwrap().single::<String>().unwrap(), "home");
    let refused = |shell: &mut Shell, command: &str| shell.execute(command).unwrap_err().message;
    assert_eq!(
        refused(&mut shell, "add user username=johnny"),
        "username is too long: 6 characters, at most 4 are allowed"
    );
    assert_eq!(refused(&mut shell, "set user john email=afar"), "email: 'afar' is none of home, away");
}

#[test]
fn checks_refuse_when_adding_setting_and_importing() {
    let (_, messages, status) = run(blog(), "add user username=john email=nowhere");
    assert_eq!(
        messages,
        "script:1:30: error: email: an address has an @\n  \
         add user username=john email=nowhere\n                               ^^^^^^^\n",
    );
    assert_eq!(status, 1);

    let (_, messages, _) = run(blog(), &format!("{JOHN}set user john email=nowhere"));
    assert!(messages.contains("script:2:21: error: email: an address has an @"), "{messages}");
    let (_, messages, _) = run(blog(), &format!("{JOHN}set users where id = 1 email=nowhere"));
    assert!(messages.contains("script:2:30: error: email: an address has an @"), "{messages}");

    let (_, messages, _) = run(blog(), &format!("{JOHN}add post title=a content=a author=john"));
    assert!(
        messages.contains(
            "script:2:10: error: post: says no more than its title\n  add post title=a content=a author=john\n           ^^^^"
        ),
        "{messages}"
    );
    let script = format!("{JOHN}add post title=a content=b author=john\nset post 1 content=a");
    let (_, messages, _) = run(blog(), &script);
    assert!(messages.contains("script:3:12: error: post: would say no more than its title"), "{messages}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.csv");
    std::fs::write(&file, "username,email\nsusan,susan@example.com\ncorey,nowhere\n").unwrap();
    let (_, messages, status) = run(blog(), &format!(".import {} user", file.display()));
    assert!(messages.contains("users.csv:3: email: an address has an @"), "{messages}");
    assert_eq!(status, 1);
    let file = folder.path().join("posts.csv");
    std::fs::write(&file, "title,content,author\nsame,same,john\n").unwrap();
    let (_, messages, _) = run(blog(), &format!("{JOHN}.import {} post", file.display()));
    assert!(messages.contains("posts.csv:2: post: says no more than its title"), "{messages}");
}

#[test]
fn a_refused_change_from_code_stages_nothing() {
    let mut session = blog().build().unwrap().into_session();
    let refused = session.add("user").set("username", "john").set("email", "nowhere").stage().unwrap_err();
    assert_eq!((refused.kind, refused.message.as_str()), (ErrorKind::Invalid, "email: an address has an @"));
    assert_eq!(session.state(), State::Clean);
    session.add("user").set("username", "john").set("email", "j@x").stage().unwrap();
    let refused = session.set("user", "john").set("email", "nowhere").stage().unwrap_err();
    assert_eq!(refused.message, "email: an address has an @");
    assert_eq!(session.staged(), 1);
}

#[test]
fn the_session_goes_through_its_states() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("blog.db");
    let open = || blog().database(file.to_str().unwrap()).create().build().unwrap();
    let mut other = open().into_session();
    let mut session = open().into_session();
    assert_eq!(session.state(), State::Clean);

    let john = session.add("user").set("username", "john").set("email", "j@x").stage().unwrap();
    assert_eq!((john.read::<i32>("id").unwrap(), john.is_staged()), (1, true));
    session.add("post").set("title", "t").set("content", "c").set("author", "john").stage().unwrap();
    assert_eq!((session.state(), session.staged()), (State::Staged, 2));

    // Seen here, and nowhere else.
    assert_eq!(session.read("count posts where author.username = 'john'").unwrap().single::<i64>().unwrap(), 1);
    assert_eq!(other.read("count users").unwrap().single::<i64>().unwrap(), 0);

    let differences = session.differences().unwrap();
    let told: Vec<_> = differences.iter().map(|one| (one.model.as_str(), one.key.clone(), one.fields.len())).collect();
    assert_eq!(told, [("user", vec![Value::Int(1)], 4), ("post", vec![Value::Int(1)], 5)]);

    assert_eq!(session.commit().unwrap().to_string(), "2 added");
    assert_eq!(session.state(), State::Clean);
    assert_eq!(other.read("count users").unwrap().single::<i64>().unwrap(), 1);

    session.set("user", "john").set("email", "john@x").stage().unwrap();
    session.delete("post", 1).unwrap();
    assert_eq!(session.rollback().unwrap().to_string(), "1 changed, 1 deleted");
    let found = session
        .read_with(
            "list users where email = $mail and id in ($a, $b)",
            &[("mail", "j@x".into()), ("a", 1.into()), ("b", 2.into())],
        )
        .unwrap();
    assert_eq!(found.first().unwrap().read::<String>("username").unwrap(), "john");
    let error = session.read_with("list users where email = $mai", &[("mail", "j@x".into())]).unwrap_err();
    assert_eq!(
        (error.message.as_str(), &error.hints[..]),
        ("there is no parameter $mai", &["did you mean `mail`?".to_owned()][..])
    );
    assert!(session.get("user", 7).unwrap().is_none());
    let error = session.delete("user", 1).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Constraint, "{error}");

    // Held open: flushed.
    session.set_hold(diesel_shell::Hold::Yes).unwrap();
    session.set("user", 1).set("email", "held@x").stage().unwrap();
    assert_eq!(session.state(), State::Flushed);
    session.commit().unwrap();
    assert_eq!(other.get("user", "john").unwrap().unwrap().read::<String>("email").unwrap(), "held@x");
}

#[test]
fn a_command_gives_its_report_as_data() {
    let mut shell = blog().build().unwrap();
    let reply = shell.execute(JOHN.trim()).unwrap();
    assert_eq!(reply.notices(), ["+ <User john>  staged: user john (1 change; commit to write)"]);
    shell.execute("add post title=t content=c author=john").unwrap();
    let reply = shell.execute("list users with posts").unwrap();
    let john = reply.rows().unwrap().first().unwrap().clone();
    assert_eq!(john.children("posts").unwrap().first().unwrap().read::<String>("title").unwrap(), "t");
    let reply = shell.execute("list posts format '{author.username} wrote {title}'").unwrap();
    assert_eq!(reply.lines(), ["john wrote t"]);
    assert_eq!(shell.execute("count posts").unwrap().single::<i64>().unwrap(), 1);
    let error = shell.execute("list usres").unwrap_err();
    assert_eq!(
        shell.explain(&error, "list usres"),
        "error: there is no model `usres`\n  list usres\n       ^^^^^\n  hint: did you mean `users`?\n"
    );
    assert_eq!(shell.execute(".read x").unwrap_err().message, "`.read` is for scripts");
    shell.execute("rollback").unwrap();
    assert_eq!(shell.session().state(), State::Clean);
}

fn greeting() -> Builder {
    blog()
        .command(
            Command::new("greet", |call| {
                let name = call.needed(0, "a name")?;
                if call.session().get("user", name)?.is_none() {
                    return Err(call.refuse(0, "nobody is called that"));
                }
                let word = call.setting("greeting").unwrap_or_default().to_owned();
                call.line(&format!("{word}, {name}"))?;
                let posts = call.session().read("count posts")?;
                call.rows(&posts)?;
                call.run("list users show username")?;
                call.notice("greeted")
            })
            .usage("greet NAME")
            .summary("says hello")
            .details("Politely.")
            .example("greet john")
            .heading("Manners")
            .complete(|earlier, _| if earlier.is_empty() { vec!["john".into(), "susan".into()] } else { Vec::new() }),
        )
        .command(Command::new(".peek", |call| call.line(call.text())).summary("shows its text").group(Group::Reading))
        .setting(Setting::new("greeting", "hello").choices(&["hello", "good day"]))
        .setting(
            Setting::new("depth", "1")
                .validate(|text| text.parse::<u8>().map(drop).map_err(|_| "it is a small number")),
        )
}

#[test]
fn own_commands_get_arguments_session_settings_and_output() {
    let script = format!("{JOHN}greet john\n.set greeting 'good day'\nGREET 'john'\n.peek  a 'b'  c\nrollback");
    let (output, messages, status) = run(greeting().mode(Mode::Csv), &script);
    let each = "count\n0\nusername\njohn\n";
    assert_eq!(output, format!("hello, john\n{each}good day, john\n{each}a 'b'  c\n"), "{messages}");
    assert_eq!((messages.matches("greeted").count(), status), (2, 0), "{messages}");
}

#[test]
fn own_commands_fail_with_a_mark_under_the_argument() {
    let (_, messages, status) = run(greeting(), "greet nobody");
    assert_eq!(messages, "script:1:7: error: nobody is called that\n  greet nobody\n        ^^^^^^\n");
    assert_eq!(status, 1);
    let (_, messages, _) = run(greeting(), "greet");
    assert!(messages.contains("error: greet needs a name") && messages.contains("hint: greet NAME"), "{messages}");
    let (_, messages, _) = run(greeting(), "greett john");
    assert!(messages.contains("did you mean `greet`?"), "{messages}");
    let (_, messages, _) = run(greeting(), ".peak");
    assert!(messages.contains("did you mean `.peek`?"), "{messages}");
}

#[test]
fn own_settings_are_set_shown_and_checked() {
    let (output, messages, status) =
        run(greeting(), ".show greeting\n.set greeting 'good day'\n.show greeting\n.show depth");
    assert_eq!((output.as_str(), status), ("greeting  hello\ngreeting  good day\ndepth  1\n", 0), "{messages}");
    let (_, messages, _) = run(greeting(), ".set depth deep");
    assert_eq!(messages, "script:1:12: error: depth: it is a small number\n  .set depth deep\n             ^^^^\n");
    let (_, messages, _) = run(greeting(), ".set greeting hallo");
    assert!(
        messages.contains("greeting is one of hello, good day") && messages.contains("did you mean `hello`?"),
        "{messages}"
    );
}

#[test]
fn own_commands_have_their_place_in_help() {
    let (output, _, _) = run(greeting(), ".help");
    // However wide the column of names is.
    let output: String =
        output.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect();
    let at = |text: &str| output.find(text).unwrap_or_else(|| panic!("no {text:?} in {output}"));
    assert!(at("Reading\n") < at(".peek shows its text\n") && at(".peek") < at("Changing (staged"), "{output}");
    assert!(at("\nManners\ngreet says hello\n") > at("\n.quit"), "{output}");
    let (output, _, _) = run(greeting(), ".help greet");
    assert_eq!(output, "greet NAME\n  says hello\n  Politely.\n    greet john\n");
}

#[test]
fn own_commands_are_completed_and_coloured() {
    use diesel_shell::assist::{Class, World, classes, complete};
    use diesel_shell::model::EntityId;
    struct Known;
    impl World for Known {
        fn variables(&self) -> Vec<(String, String)> {
            Vec::new()
        }
        fn variable(&self, _: &str) -> Option<EntityId> {
            None
        }
        fn settings(&self) -> Vec<(String, Vec<String>)> {
            Vec::new()
        }
        fn revisions(&self) -> Vec<(String, String)> {
            Vec::new()
        }
        fn savepoints(&self) -> Vec<String> {
            Vec::new()
        }
        fn connections(&self) -> Vec<String> {
            Vec::new()
        }
        fn files(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
        fn arguments(&self, command: &str, earlier: &[&str], _: &str) -> Vec<String> {
            vec![format!("{command}-{}", earlier.join("-"))]
        }
        fn values(&self, _: EntityId, _: usize, _: &str) -> Vec<(Value, Option<String>)> {
            Vec::new()
        }
    }
    let mut shell = greeting().build().unwrap();
    let catalog = std::sync::Arc::clone(shell.session().catalog());
    let texts = |text: &str| -> Vec<String> {
        complete(text, text.len(), &catalog, &Known).candidates.into_iter().map(|candidate| candidate.text).collect()
    };
    assert_eq!(texts("gre"), ["greet"]);
    assert_eq!(texts(".pe"), [".peek"]);
    assert_eq!(texts("greet a greet"), ["greet-a"]);
    assert!(texts(".help gre").contains(&"greet".to_owned()));
    let class = |text: &str| classes(text, &catalog, &|_| None).first().map(|(_, class)| *class);
    assert_eq!(class("greet john"), Some(Class::Keyword));
    assert_eq!(class(".peek x"), Some(Class::Keyword));
    assert_eq!(class("gret john"), Some(Class::Wrong));
}

#[test]
fn an_existing_connection_is_taken_over() {
    let mut connection = SqliteConnection::establish(":memory:").unwrap();
    for sql in [
        "CREATE TABLE users (id INTEGER PRIMARY KEY, username VARCHAR(20) NOT NULL UNIQUE, email VARCHAR(120) NOT NULL, password VARCHAR(60) NOT NULL)",
        "INSERT INTO users VALUES (1, 'john', 'j@x', 'secret')",
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)",
    ] {
        diesel::sql_query(sql).execute(&mut connection).unwrap();
    }
    let mut shell = Shell::builder()
        .model_with::<User>("user", |user| user.numbered().masked(users::password))
        .connection(connection)
        .build()
        .unwrap();
    assert_eq!(shell.execute("user john").unwrap().rows().unwrap().first().unwrap().read::<i32>("id").unwrap(), 1);
    // What is not registered is there by reflection.
    shell.execute("add note text=hi").unwrap();
    shell.execute("commit").unwrap();
    let mut session = shell.into_session();
    let connection = session.connection::<SqliteConnection>().unwrap();
    let found: Vec<String> = diesel::sql_query("SELECT text AS username FROM notes")
        .load::<Name>(connection)
        .unwrap()
        .into_iter()
        .map(|row| row.username)
        .collect();
    assert_eq!(found, ["hi"]);
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = diesel::sql_types::Text)]
    username: String,
}

#[test]
fn a_script_ends_with_a_status() {
    let (_, messages, status) = run(blog(), JOHN);
    assert!(messages.ends_with("discarded at the end, not committed: 1 added\n"), "{messages}");
    assert_eq!(status, 3);
    assert_eq!(run(blog(), "count users").2, 0);
    assert_eq!(run(blog(), "count usres").2, 1);
    assert_eq!(run(blog().continue_on_error(), "count usres\ncount users"), ("0\n".into(), "script:1:7: error: there is no model `usres`\n  count usres\n        ^^^^^\n  hint: did you mean `users`?\n".into(), 1));
    assert_eq!(run(blog().sandbox(), &format!("{JOHN}commit")).2, 1);
    assert_eq!(run(blog().read_only(), &format!("{JOHN}commit")).2, 1);
    // The script's own transaction is over: what code stages afterwards waits for nobody.
    let mut shell = blog().build().unwrap();
    assert_eq!(shell.script(&b"count users"[..]).unwrap(), Status::SUCCESS);
    shell.execute(JOHN.trim()).unwrap();
    assert_eq!(shell.session().state(), State::Staged);
}

#[test]
fn programs_behind_a_bar_write_where_the_results_go() {
    let script = format!("{JOHN}add user username=adam email=a@x\ncommit\nlist users show username | sort -r");
    let (output, messages, status) = run(blog().mode(Mode::Csv), &script);
    assert_eq!((output.as_str(), status), ("username\njohn\nadam\n", 0), "{messages}");
}

#[test]
fn what_was_registered_wrong_is_said_when_it_is_built() {
    let refused = |builder: Builder| builder.build().map(drop).unwrap_err().message;
    assert_eq!(refused(Shell::builder()), "no database was named");
    assert_eq!(refused(blog().command(Command::new("list", |_| Ok(())))), "the shell itself has a command `list`");
    assert_eq!(refused(blog().command(Command::new(".quit", |_| Ok(())))), "the shell itself has a command `.quit`");
    assert_eq!(
        refused(blog().command(Command::new("users", |_| Ok(())))),
        "`users` is a model, so it cannot be a command"
    );
    assert_eq!(
        refused(blog().command(Command::new("two words", |_| Ok(())))),
        "`two words` cannot be a command's name"
    );
    let twice = blog().command(Command::new("a", |_| Ok(()))).command(Command::new("A", |_| Ok(())));
    assert_eq!(refused(twice), "two commands are called `a`");
    assert_eq!(refused(blog().setting(Setting::new("mode", ""))), "there is a setting `mode` already");
    assert_eq!(refused(blog().model::<User>("user")), "two models are registered as `user`");
    let default =
        Shell::builder().database(":memory:").model_with::<User>("user", |user| user.default_value(users::id, "x"));
    assert_eq!(refused(default), "the default of user: id: that is not a value of type int");
    let early = Shell::builder().database(":memory:").belongs_to::<Post, User>("author", "posts");
    assert_eq!(refused(early), "belongs_to(author, posts): register both models first");
}

#[test]
fn the_settings_that_are_taken_are_all_of_the_shell() {
    let (output, _, _) = run(blog(), ".show");
    for line in output.lines() {
        let name = line.split_whitespace().next().unwrap();
        let refused = blog().setting(Setting::new(name, "")).build().map(drop).unwrap_err();
        assert_eq!(refused.message, format!("there is a setting `{name}` already"));
    }
    assert!(output.lines().count() > 8, "{output}");
}

/// Every type of PostgreSQL that Diesel has a name for, up to what the shell shows of it.
#[cfg(feature = "postgres")]
mod postgres {
    use diesel::prelude::*;

    diesel::table! {
        things (id) {
            id -> Uuid,
            at -> Timestamptz,
            tags -> Array<Nullable<Text>>,
            numbers -> Nullable<Array<Integer>>,
            facts -> Jsonb,
            address -> Inet,
            network -> Cidr,
            price -> Money,
            during -> Tstzrange,
            mood -> Nullable<Citext>,
            lasts -> Interval,
        }
    }

    #[derive(Identifiable)]
    #[diesel(table_name = things)]
    pub struct Thing<'a> {
        id: &'a str,
    }

    #[test]
    fn types_have_their_names() {
        let models = diesel_shell::Models::new().model::<Thing<'_>>("thing");
        let catalog = models.into_catalog().unwrap();
        let thing = catalog.get(catalog.resolve("thing").unwrap());
        let types: Vec<String> = thing.columns.iter().map(|column| column.data_type.name()).collect();
        assert_eq!(
            types,
            [
                "uuid",
                "timestamptz",
                "text[]",
                "integer[]",
                "json",
                "inet",
                "cidr",
                "money",
                "tstzrange",
                "citext",
                "interval"
            ]
        );
        let nullable: Vec<&str> =
            thing.columns.iter().filter(|column| column.nullable).map(|column| column.name.as_str()).collect();
        assert_eq!(nullable, ["numbers", "mood"]);
    }

    /// Through a connection of the application's own: written, read, and read again by Diesel.
    #[cfg(all(unix, feature = "cli"))]
    #[test]
    fn types_are_written_and_read() {
        use super::common::postgres as server;
        use diesel_shell::{Mode, Shell};
        if !server::is_there() {
            return;
        }
        let url = server::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
        let mut connection = PgConnection::establish(&url).unwrap();
        for sql in [
            "CREATE EXTENSION IF NOT EXISTS citext",
            "CREATE TABLE things (id uuid PRIMARY KEY, at timestamptz NOT NULL, tags text[] NOT NULL, numbers int[], \
             facts jsonb NOT NULL, address inet NOT NULL, network cidr NOT NULL, price money NOT NULL, \
             during tstzrange NOT NULL, mood citext, lasts interval NOT NULL)",
        ] {
            diesel::sql_query(sql).execute(&mut connection).unwrap();
        }
        let output = super::Kept::default();
        let messages = super::Kept::default();
        let mut shell = Shell::builder()
            .model::<Thing<'_>>("thing")
            .connection(connection)
            .output(output.clone())
            .messages(messages.clone())
            .mode(Mode::Csv)
            .build()
            .unwrap();
        let script = "add thing id='6ecd8c99-4036-403d-bf84-cf8400f67836' at='2026-11-21 10:03:00+00' tags='{a,b}' \
            numbers='{1,2}' facts='{\"a\": 1}' address='10.0.0.1' network='10.0.0.0/8' price='1.50' \
            during='[2026-11-21,2026-11-22)' lasts='1 day' mood=fine\ncommit\n\
            list things where tags = '{a,b}' and mood = 'FINE' show id, at, tags, numbers, facts, address, network, lasts";
        let status = shell.script(script.as_bytes()).unwrap();
        assert_eq!(
            output.text(),
            "id,at,tags,numbers,facts,address,network,lasts\n\
             6ecd8c99-4036-403d-bf84-cf8400f67836,2026-11-21 10:03:00+00,\"{a,b}\",\"{1,2}\",\"{\"\"a\"\": 1}\",\
             10.0.0.1,10.0.0.0/8,1 day\n",
            "{}",
            messages.text()
        );
        assert!(status.is_success());
        let mut session = shell.into_session();
        let connection = session.connection::<PgConnection>().unwrap();
        let count: i64 =
            things::table.filter(things::numbers.contains(vec![2])).count().get_result(connection).unwrap();
        assert_eq!(count, 1);
    }
}

/// An application's migrations are written from its models, into its own folder.
#[test]
fn migrations_are_written_from_the_registered_models() {
    use diesel_shell::ReferentialAction;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("migrations")).unwrap();
    std::fs::write(folder.path().join("diesel.toml"), "").unwrap();
    let database = folder.path().join("site.db");
    let shell = |longest: u32| {
        Shell::builder()
            .model_with::<User>("user", |user| {
                user.numbered()
                    .max_length(users::username, longest)
                    .unique(users::username, "users_username_key")
                    .default_sql(users::password, "'!'")
                    .not_masked(users::password)
                    .check_sql("an_address", "email LIKE '%@%'")
            })
            .model_with::<Post>("post", |post| post.numbered().index(posts::user_id, "posts_user_id_idx"))
            .belongs_to::<Post, User>("author", "posts")
            .on_delete::<Post, User>(ReferentialAction::Cascade)
            .project(folder.path())
            .database(database.to_str().unwrap())
            .create()
    };
    let (output, messages, status) = run(shell(40), "db migrate \"users and posts\"\ndb upgrade\ndb check");
    assert_eq!(status, 0, "{messages}");
    assert!(output.contains("detected added table users (id, username, email, password)"), "{output}");
    assert!(output.contains("detected added index posts_user_id_idx on posts (user_id)"), "{output}");
    assert!(messages.contains("models and database are the same"), "{messages}");
    let script = "add user username=john email=nowhere\ncommit";
    assert!(run(shell(40), script).1.contains("an_address"), "the check is there");
    let script = "add user username=john email=j@x\nadd post title=t content=c date_posted='2026-11-21 10:00:00' author=john\n\
        commit\nget user john\n.sql delete from users;\ncommit\ncount posts";
    let (output, messages, status) = run(shell(40), script);
    assert_eq!(status, 0, "{messages}");
    assert!(output.contains('!') && output.ends_with("0\n"), "{output}");
    // The model changes, and what it says of lengths with it.
    let (output, messages, status) = run(shell(60), "db check");
    assert_eq!(
        (output.as_str(), status),
        ("models and database differ: changed type of users.username from VARCHAR(40) to VARCHAR(60)\n", 1),
        "{messages}"
    );
    let (_, messages, status) = run(shell(60), "db migrate longer\ndb upgrade\ndb check\ndb downgrade\ndb upgrade");
    assert_eq!(status, 0, "{messages}");
    assert_eq!(run(shell(60).protected(), ".reset").2, 1);
}

#[test]
fn masks_may_be_locked() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("site.db");
    let shell = || {
        Shell::builder()
            .model_with::<User>("user", |user| user.numbered().display(users::username))
            .database(database.to_str().unwrap())
            .create()
    };
    let made = "db create-all\nadd user username=john email=j@x password=xyzzy\ncommit";
    assert_eq!(run(shell(), made).2, 0);
    // A password is masked though nobody said so.
    assert!(run(shell(), "user 1").0.contains("********"));
    assert!(run(shell(), ".unmask user.password\nuser 1").0.contains("xyzzy"));
    for command in [".unmask user.password", ".sql select * from users", ".dump", ".copy-to other.db users"] {
        let (output, messages, status) = run(shell().lock_masks(), command);
        assert_eq!(status, 1, "{output}{messages}");
        assert!(messages.contains("masked fields stay masked here"), "{messages}");
        assert!(!output.contains("xyzzy"), "{output}");
    }
    assert!(run(shell().lock_masks(), ".unmask").0.contains("user.password"));
}

#[cfg(unix)]
#[test]
fn an_application_says_whether_programs_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made");
    let attack = format!("list users | touch {}\n", file.display());
    let (_, messages, status) = run(blog().no_programs(), &attack);
    assert!(messages.contains("programs are turned off") && status == 1, "{messages}");
    let (_, messages, status) = run(blog().no_programs(), &format!(".set programs on\n{attack}"));
    assert!(messages.contains("programs are turned off") && status == 1, "{messages}");
    let (_, messages, status) = run(blog().sandbox(), &attack);
    assert!(messages.contains("a sandbox runs no programs") && status == 1, "{messages}");
    // A command from code gives data, which no program gets.
    let mut shell = blog().build().unwrap();
    assert_eq!(shell.execute(attack.trim()).unwrap_err().message, "no program runs for a command from code");
    assert_eq!(shell.session().read(attack.trim()).unwrap_err().message, "no program can run here");
    let asks = Command::new("ask", move |call| call.run("count users | touch made"));
    assert!(blog().command(asks).build().unwrap().execute("ask").is_err());
    assert!(!file.exists() && !std::path::Path::new("made").exists());
    let (_, _, status) = run(blog(), &attack);
    assert!(file.exists() && status == 0);
}
