//! The built-in microblog's tables, as `diesel print-schema` gives them.

diesel::table! {
    /// The people who write.
    users (id) {
        /// The key.
        id -> Integer,
        /// The name they go by; unique.
        #[max_length = 64]
        username -> VarChar,
        /// Their address; unique.
        #[max_length = 120]
        email -> VarChar,
        /// A hash, never the password; masked wherever it would be shown.
        #[max_length = 256]
        password_hash -> Nullable<VarChar>,
    }
}

diesel::table! {
    /// What they write.
    posts (id) {
        /// The key.
        id -> Integer,
        /// The text.
        #[max_length = 140]
        body -> VarChar,
        /// When it was written, in UTC.
        timestamp -> Timestamp,
        /// Who wrote it.
        user_id -> Integer,
    }
}

diesel::joinable!(posts -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, posts);
