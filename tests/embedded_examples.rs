//! The examples do what they say.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

/// Builds the examples as this test was built: `cargo test --test NAME` alone does not.
fn build() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let features = [("editor", cfg!(feature = "editor")), ("postgres", cfg!(feature = "postgres"))];
        let features: Vec<&str> = features.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--locked", "--examples"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        // With the command itself they are the features that are on by default.
        if !cfg!(feature = "cli") {
            command.args(["--no-default-features", "--features", &features.join(",")]);
        }
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        assert!(command.status().unwrap().success(), "the examples do not build");
    });
}

/// An example's program, which stands beside the tests.
fn program(name: &str) -> PathBuf {
    build();
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path.join("examples").join(name)
}

fn run(name: &str, arguments: &[&str], script: &str) -> (String, String, i32) {
    let mut child = Command::new(program(name))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that reads nothing may have ended already.
    let _ = child.stdin.take().unwrap().write_all(script.as_bytes());
    let done = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(done.stdout), text(done.stderr), done.status.code().unwrap())
}

#[test]
fn microblog() {
    let (output, messages, status) = run(
        "microblog",
        &[],
        ".mode csv\nadd user username=john email=john@example.com\nadd post body='my first post!' author=john\ncommit\n\
         list posts show id, author.username, body\nuser john posts show body\nlist users",
    );
    assert_eq!(
        output,
        "id,author.username,body\n1,john,my first post!\nbody\nmy first post!\n\
         id,username,email,password_hash\n1,john,john@example.com,\n",
        "{messages}"
    );
    assert_eq!(status, 0);
}

#[test]
fn the_tour_runs_on_the_microblog_example_too() {
    let tour = include_str!("../examples/tour.dsh");
    let (_, messages, status) = run("microblog", &[], tour);
    assert_eq!(status, 0, "{messages}");
}

#[test]
fn flaskblog() {
    let (output, messages, status) = run(
        "flaskblog",
        &[],
        ".mode csv\n\
         add user username=Corey email=C@demo.com password=hash\n\
         add user username=JohnDoe email=jd@demo.com password=hash\n\
         commit\n\
         list users\n\
         first user show username\n\
         list users where username = 'Corey' show id\n\
         user 1 posts\n\
         let u = user Corey\n\
         add post title='Blog 1' content='First Post Content!' author=$u\n\
         add post title='Blog 2' content='Second Post Content!' author=1\n\
         commit\n\
         user Corey posts show title\n\
         let p = first post\n\
         $p.user_id\n\
         post 1 author show username, email\n\
         digest Corey\n\
         .set digest-length 5\n\
         digest Corey\n\
         set user Corey password=new\n\
         diff\n\
         rollback\n\
         list posts format \"{author.username} wrote: {content}\"\n\
         delete user Corey with posts\n\
         commit\n\
         count posts",
    );
    assert_eq!(
        output,
        "id,username,email,password\n1,Corey,C@demo.com,********\n2,JohnDoe,jd@demo.com,********\n\
         username\nCorey\nid\n1\nid,title,content,date_posted,user_id\n\
         title\nBlog 1\nBlog 2\n1\nusername,email\nCorey,C@demo.com\n\
         Blog 1: First Post Content!\nBlog 2: Second Post Content!\n\
         Blog 1: First\nBlog 2: Secon\n\
         ~ user 1\n~     password  ******** -> ********\n\
         Corey wrote: First Post Content!\nCorey wrote: Second Post Content!\n\
         count\n0\n",
        "{messages}"
    );
    assert_eq!(status, 0, "{messages}");
    let (_, messages, status) = run("flaskblog", &[], "add user username=x email=nowhere password=p");
    assert!(messages.contains("error: email: an address has an @"), "{messages}");
    assert_eq!(status, 1);
    let (_, messages, status) = run("flaskblog", &["/no/such/folder/blog.db"], "");
    assert!(messages.starts_with("error: cannot create /no/such/folder/blog.db"), "{messages}");
    assert_eq!(status, 2);
}

#[test]
fn headless() {
    let (output, messages, status) = run("headless", &[], "");
    assert_eq!(
        output,
        "at first: Clean\n\
         john has the key 1; Staged, 2 changes\n\
         john wrote: my first post!\n\
         Added user [Int(1)]\n\
         Added post [Int(1)]\n\
         committed: 2 added\n\
         rolled back: 1 changed\n\
         still john@example.com\n\
         NotFound: there is no user 'nobody'\n",
        "{messages}"
    );
    assert_eq!(status, 0);
}

/// At a terminal there is a prompt, which knows the application's own commands.
#[cfg(all(unix, feature = "editor"))]
#[test]
fn flaskblog_at_a_terminal() {
    use expectrl::{Eof, Expect as _, Session};
    let mut command = Command::new(program("flaskblog"));
    command.env("TERM", "xterm").current_dir(std::env::temp_dir());
    let mut session = Session::spawn(command).unwrap();
    session.set_expect_timeout(Some(std::time::Duration::from_secs(20)));
    session.expect("The blog's own console").unwrap();
    session.expect("flaskblog $ ").unwrap();
    session.send_line("add user username=Corey email=C@demo.com password=hash").unwrap();
    session.expect("<User Corey>  staged: user Corey (1 change; commit to write)").unwrap();
    session.expect("flaskblog*1 $ ").unwrap();
    session.send_line("commit").unwrap();
    session.expect("committed: 1 added").unwrap();
    session.send("dig\t").unwrap();
    session.expect("digest").unwrap();
    session.send_line(" nobody").unwrap();
    session.expect("nobody is called that").unwrap();
    session.send_line(".set digest-length x").unwrap();
    session.expect("digest-length: it is a number of characters").unwrap();
    session.send_line("add user username=x email=nowhere password=p").unwrap();
    session.expect("email: an address has an @").unwrap();
    // Ctrl-D is for the editor: before the prompt is there, the terminal itself would take it.
    session.expect("flaskblog $ ").unwrap();
    session.send("\x04").unwrap();
    session.expect(Eof).unwrap();
}
