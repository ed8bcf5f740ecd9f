//! What is asked of a database that may hold anything.

/// Commands that look at everything of a database.
pub const LOOKING: [&str; 9] = [
    ".models",
    ".tables",
    ".schema",
    "list users",
    "list posts order by body desc limit 3",
    "count posts by author.username",
    ".dump",
    "rollback",
    "db check",
];
