//! Which columns hold secrets, where nobody said so: by their names, and by whether their type can hold one.

use super::DataType;
use super::names::snake;

/// Words of a name that stand for a secret.
const WORDS: &[&str] =
    &["passwd", "pwd", "passphrase", "passcode", "secrets", "tokens", "credential", "credentials", "totp", "otp"];

/// Words that do so also with others run together: `clientsecret`, `hashedpassword`.
const ENDINGS: &[&str] = &["password", "passwords", "secret", "token"];

/// What a key (or code) of which sort is secret.
const KEYS: &[&str] =
    &["api", "private", "secret", "session", "access", "signing", "encryption", "master", "auth", "recovery", "backup"];

/// Last words of names that say something about a secret, and not the secret.
const ABOUT: &[&str] = &["type", "kind", "name", "at", "on", "expires", "algorithm", "policy", "status", "count"];

/// Whether a column's values are masked by default.
#[must_use]
pub fn looks_secret(name: &str, data_type: &DataType) -> bool {
    holds_text(data_type) && names_secret(name)
}

/// Whether a name is that of a secret: `password_hash`, `client_secret`, `apiKey`, `session_key`.
#[must_use]
pub fn names_secret(name: &str) -> bool {
    let name = snake(name);
    let words: Vec<&str> = name.split('_').collect();
    if words.last().is_some_and(|last| ABOUT.contains(last)) {
        return false;
    }
    let alone = |word: &&str| {
        WORDS.contains(word)
            || word.starts_with("password")
            || ENDINGS.iter().any(|ending| word.ends_with(ending))
            || ["key", "keys"].iter().any(|key| word.strip_suffix(key).is_some_and(|sort| KEYS.contains(&sort)))
    };
    let together = |pair: &[&str]| KEYS.contains(&pair[0]) && matches!(pair[1], "key" | "keys" | "code" | "codes");
    words.iter().any(alone) || words.windows(2).any(together)
}

/// Whether values of a type can be a text or bytes. Numbers, times and booleans are no secrets.
fn holds_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Text(_) | DataType::Bytes | DataType::Any | DataType::Json | DataType::Uuid => true,
        DataType::Other(name) | DataType::Opaque(name) => {
            ["character", "text", "citext", "bytea", "json", "uuid"].iter().any(|known| name.starts_with(known))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{looks_secret, names_secret};
    use crate::model::DataType;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "password",
            "Password",
            "password_hash",
            "passwordHash",
            "hashed_password",
            "user_passwd",
            "pwd",
            "jwt_secret",
            "client_secret",
            "clientsecret",
            "private_key",
            "privateKey",
            "totp_2fa_secret",
            "api_key",
            "apikey",
            "API_KEY",
            "token",
            "refresh_token",
            "accessToken",
            "session_key",
            "credentials",
            "recovery_codes",
            "master_password_hint",
        ] {
            assert!(looks_secret(name, &DataType::Text(None)), "{name}");
        }
        for name in [
            "secretary",
            "tokenizer",
            "key",
            "foreign_key",
            "token_type",
            "password_changed_at",
            "session",
            "monkey",
            "opt_in",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn only_what_can_be_a_text_is_secret() {
        assert!(looks_secret("token", &DataType::Bytes));
        assert!(looks_secret("token", &DataType::Other("character(64)".into())));
        assert!(!looks_secret("hide_passwords", &DataType::Bool));
        assert!(!looks_secret("password_iterations", &DataType::Int(64)));
        assert!(!looks_secret("token_valid_from", &DataType::Timestamp));
    }
}
