CREATE TABLE posts (
    id INTEGER NOT NULL PRIMARY KEY,
    body VARCHAR(140) NOT NULL,
    timestamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    user_id INTEGER NOT NULL REFERENCES users (id)
);
CREATE INDEX ix_posts_timestamp ON posts (timestamp);
CREATE INDEX ix_posts_user_id ON posts (user_id);
