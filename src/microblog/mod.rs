//! The built-in context: users and their posts, registered as an embedder registers models.

use crate::database::register::Models;
use crate::schema::{posts, users};
use diesel::{Associations, Identifiable, Queryable, Selectable};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// The microblog's migrations for SQLite, compiled in.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The microblog's migrations for PostgreSQL, compiled in.
#[cfg(feature = "postgres")]
pub const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Somebody who writes.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Queryable, Selectable)]
#[diesel(table_name = users)]
pub struct User {
    /// The key.
    pub id: i32,
    /// The name they go by.
    pub username: String,
    /// Their address.
    pub email: String,
    /// A hash, never the password.
    pub password_hash: Option<String>,
}

/// Something written.
#[derive(Debug, Clone, PartialEq, Eq, Identifiable, Queryable, Selectable, Associations)]
#[diesel(table_name = posts, belongs_to(User))]
pub struct Post {
    /// The key.
    pub id: i32,
    /// The text.
    pub body: String,
    /// When it was written, in UTC.
    pub timestamp: chrono::NaiveDateTime,
    /// Who wrote it.
    pub user_id: i32,
}

/// User and Post as models of the shell.
#[must_use]
pub fn models() -> Models {
    Models::new()
        .model_with::<User>("user", |user| {
            user.numbered()
                .max_length(users::username, 64)
                .max_length(users::email, 120)
                .max_length(users::password_hash, 256)
                .unique(users::username, "ix_users_username")
                .unique(users::email, "ix_users_email")
                .masked(users::password_hash)
                .display(users::username)
        })
        .model_with::<Post>("post", |post| {
            post.numbered()
                .max_length(posts::body, 140)
                .default_now(posts::timestamp)
                .index(posts::timestamp, "ix_posts_timestamp")
                .index(posts::user_id, "ix_posts_user_id")
                .display(posts::body)
        })
        .belongs_to::<Post, User>("author", "posts")
}
