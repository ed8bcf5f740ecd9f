//! The built-in microblog, as any application would register it: the least that a console of your own takes.
//!
//!     cargo run --example microblog                       a prompt, on a database in memory
//!     cargo run --example microblog blog.db < tour.dsh    a script, on a file

use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use diesel_shell::{Shell, Status};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// As `diesel print-schema` gives it.
mod schema {
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
}

use schema::{posts, users};

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

fn main() -> Status {
    let database = std::env::args().nth(1).unwrap_or_else(|| ":memory:".to_owned());
    Shell::builder()
        .model_with::<User>("user", |user| user.natural_key(users::username).masked(users::password_hash))
        .model_with::<Post>("post", |post| post.display(posts::body).default_now(posts::timestamp))
        .belongs_to::<Post, User>("author", "posts")
        .migrations(MIGRATIONS)
        .database(database)
        .create()
        .upgrade()
        .name("microblog")
        .run()
}
