//! A console for another application: its own models, migrations, rules, a command and a setting.
//!
//!     cargo run --example flaskblog                 a prompt, on a database in memory
//!     cargo run --example flaskblog site.db < script

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use diesel_shell::{Call, Command, Group, Result, Setting, Shell, Status};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("examples/flaskblog/migrations");

/// The application's schema, as `diesel print-schema` gives it.
mod schema {
    diesel::table! {
        users (id) {
            id -> Integer,
            #[max_length = 20]
            username -> VarChar,
            #[max_length = 120]
            email -> VarChar,
            #[max_length = 60]
            password -> VarChar,
        }
    }

    diesel::table! {
        posts (id) {
            id -> Integer,
            #[max_length = 100]
            title -> VarChar,
            content -> Text,
            date_posted -> Timestamp,
            user_id -> Integer,
        }
    }

    diesel::joinable!(posts -> users (user_id));
    diesel::allow_tables_to_appear_in_same_query!(users, posts);
}

use schema::{posts, users};

/// The application's models; the console takes them as they are.
mod models {
    use super::schema::{posts, users};
    use diesel::prelude::*;

    #[derive(Identifiable, Queryable, Selectable)]
    #[diesel(table_name = users)]
    pub struct User {
        pub id: i32,
        pub username: String,
        pub email: String,
        pub password: String,
    }

    #[derive(Identifiable, Queryable, Selectable, Associations)]
    #[diesel(table_name = posts, belongs_to(User))]
    pub struct Post {
        pub id: i32,
        pub title: String,
        pub content: String,
        pub date_posted: chrono::NaiveDateTime,
        pub user_id: i32,
    }
}

use models::{Post, User};

/// `digest AUTHOR`: what somebody wrote, by the application's own Diesel query.
fn digest(call: &mut Call<'_>) -> Result<()> {
    let name = call.needed(0, "an author's name")?;
    let Some(author) = call.session().get("user", name)? else {
        return Err(call.refuse(0, "nobody is called that"));
    };
    let author: i32 = author.read("id")?;
    let length: usize = call.setting("digest-length").and_then(|text| text.parse().ok()).unwrap_or(20);
    let Some(connection) = call.session().connection::<SqliteConnection>() else {
        return Err(call.refuse(0, "this command is for SQLite"));
    };
    let written: Vec<Post> = posts::table
        .filter(posts::user_id.eq(author))
        .order(posts::date_posted)
        .select(Post::as_select())
        .load(connection)
        .map_err(|cause| diesel_shell::Error::invalid(cause.to_string()))?;
    for post in written {
        let content: String = post.content.chars().take(length).collect();
        call.line(&format!("{}: {content}", post.title))?;
    }
    Ok(())
}

fn main() -> Status {
    let database = std::env::args().nth(1).unwrap_or_else(|| ":memory:".to_owned());
    Shell::builder()
        .model_with::<User>("user", |user| {
            user.natural_key(users::username).masked(users::password).validate(users::email, |email| {
                if email.as_text().is_some_and(|text| text.contains('@')) { Ok(()) } else { Err("an address has an @") }
            })
        })
        .model_with::<Post>("post", |post| {
            post.display(posts::title).default_now(posts::date_posted).validate_record(|post| {
                if post.get(posts::title) == post.get(posts::content) {
                    return Err("a post says more than its title");
                }
                Ok(())
            })
        })
        .belongs_to::<Post, User>("author", "posts")
        .migrations(MIGRATIONS)
        .command(
            Command::new("digest", digest)
                .usage("digest AUTHOR")
                .summary("what somebody wrote, in short")
                .group(Group::Reading),
        )
        .setting(Setting::new("digest-length", "20").validate(|text| match text.parse::<usize>() {
            Ok(_) => Ok(()),
            Err(_) => Err("it is a number of characters"),
        }))
        .database(database)
        .create()
        .upgrade()
        .name("flaskblog")
        .banner("The blog's own console: `.help` lists what it can do.")
        .prompt("{database}{staged} $ ")
        .run()
}
