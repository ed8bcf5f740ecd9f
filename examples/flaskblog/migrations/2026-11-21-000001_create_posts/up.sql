CREATE TABLE posts (
    id INTEGER NOT NULL PRIMARY KEY,
    title VARCHAR(100) NOT NULL,
    content TEXT NOT NULL,
    date_posted TIMESTAMP NOT NULL,
    user_id INTEGER NOT NULL REFERENCES users (id)
);
