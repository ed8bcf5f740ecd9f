//! The session from code: no prompt, no script, no text that has to be put together.
//!
//!     cargo run --example headless
//!
//! A session is clean until something is staged. What is staged is seen by everything that the session reads, and by
//! nobody else, until it is committed. In between it may be flushed: sent in a transaction that is still open.
#![allow(clippy::print_stdout, reason = "that is what this program is for")]

use diesel_shell::{Result, Session, Shell, State, Value};

use models::{MIGRATIONS, Post, User, posts, users};

/// What an application would have in modules of its own.
mod models {
    use diesel::prelude::*;
    use diesel_migrations::{EmbeddedMigrations, embed_migrations};

    pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

    diesel::table! {
        users (id) {
            id -> Integer,
            username -> VarChar,
            email -> VarChar,
            password_hash -> Nullable<VarChar>,
        }
    }

    diesel::table! {
        posts (id) {
            id -> Integer,
            body -> VarChar,
            timestamp -> Timestamp,
            user_id -> Integer,
        }
    }

    #[derive(Identifiable)]
    #[diesel(table_name = users)]
    pub struct User {
        pub id: i32,
    }

    #[derive(Identifiable, Associations)]
    #[diesel(table_name = posts, belongs_to(User))]
    pub struct Post {
        pub id: i32,
        pub user_id: i32,
    }
}

fn session() -> Result<Session> {
    let shell = Shell::builder()
        .model_with::<User>("user", |user| user.natural_key(users::username))
        .model_with::<Post>("post", |post| post.default_now(posts::timestamp))
        .belongs_to::<Post, User>("author", "posts")
        .migrations(MIGRATIONS)
        .database(":memory:")
        .upgrade()
        .build()?;
    Ok(shell.into_session())
}

fn main() -> Result<()> {
    let mut session = session()?;
    println!("at first: {:?}", session.state());

    // Staged: checked at once, by the models and by the database, and written nowhere yet.
    let john = session.add("user").set("username", "john").set("email", "john@example.com").stage()?;
    session.add("post").set("body", "my first post!").set("author", "john").stage()?;
    println!("john has the key {}; {:?}, {} changes", john.read::<i32>("id")?, session.state(), session.staged());

    // Reads see what is staged. Values are bound, never pasted.
    let found = session.read_with(
        "list posts where author.username = $name show id, author.username, body",
        &[("name", Value::from("john"))],
    )?;
    for post in &found {
        println!("{} wrote: {}", post.read::<String>("author.username")?, post.read::<String>("body")?);
    }

    for change in session.differences()? {
        println!("{:?} {} {:?}", change.kind, change.model, change.key);
    }

    // Written, all or nothing.
    println!("committed: {}", session.commit()?);

    session.set("user", "john").set("email", "j@example.com").stage()?;
    println!("rolled back: {}", session.rollback()?);
    let john = session.get("user", 1)?;
    println!("still {}", john.map(|john| john.read::<String>("email")).transpose()?.unwrap_or_default());

    // What does not fit is an error with a kind, and stages nothing.
    let refused = session.add("post").set("body", "by nobody").set("author", "nobody").stage();
    if let Err(error) = refused {
        println!("{:?}: {error}", error.kind);
    }
    assert_eq!(session.state(), State::Clean);
    Ok(())
}
