//! Names of models and relationships from names of tables and columns.

/// `PlaylistTrack` → `playlist_track`; `Order Details` → `order_details`.
#[must_use]
pub fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::with_capacity(name.len() + 4);
    for (index, c) in chars.iter().enumerate() {
        if c.is_alphanumeric() {
            let before = index.checked_sub(1).map(|at| chars[at]);
            let after = chars.get(index + 1);
            let starts_word = c.is_uppercase() && before.is_some_and(|b| b.is_lowercase() || b.is_numeric())
                || c.is_uppercase()
                    && before.is_some_and(char::is_uppercase)
                    && after.is_some_and(|a| a.is_lowercase());
            if starts_word && !out.ends_with('_') {
                out.push('_');
            }
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
    }
    let trimmed = out.trim_end_matches('_').len();
    out.truncate(trimmed);
    if out.is_empty() { name.to_lowercase() } else { out }
}

/// `playlist_track` → `PlaylistTrack`.
#[must_use]
pub fn title(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut chars = word.chars();
            chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
        })
        .collect()
}

/// Irregular plurals that tables are often named by.
const IRREGULAR: &[(&str, &str)] = &[
    ("person", "people"),
    ("child", "children"),
    ("man", "men"),
    ("woman", "women"),
    ("datum", "data"),
    ("medium", "media"),
    ("criterion", "criteria"),
    ("index", "indices"),
    ("matrix", "matrices"),
    ("analysis", "analyses"),
    ("basis", "bases"),
    ("movie", "movies"),
    ("cookie", "cookies"),
    ("series", "series"),
    ("species", "species"),
    ("news", "news"),
    ("status", "statuses"),
    ("address", "addresses"),
    ("bus", "buses"),
    ("virus", "viruses"),
    ("alias", "aliases"),
    ("quiz", "quizzes"),
];

/// Where the last word of a snake-case name begins.
fn last_word(name: &str) -> usize {
    name.rfind('_').map_or(0, |at| at + 1)
}

/// The plural of a snake-case name, by its last word.
#[must_use]
pub fn plural(name: &str) -> String {
    let (head, word) = name.split_at(last_word(name));
    if let Some((_, plural)) = IRREGULAR.iter().find(|(one, many)| *one == word || *many == word) {
        return format!("{head}{plural}");
    }
    if singular(word) != word {
        return name.to_owned();
    }
    let vowel_before = |end: &str| word.strip_suffix(end).is_some_and(|stem| stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    if word.ends_with(['s', 'x', 'z']) || word.ends_with("ch") || word.ends_with("sh") {
        format!("{head}{word}es")
    } else if word.ends_with('y') && !vowel_before("y") {
        format!("{head}{}ies", &word[..word.len() - 1])
    } else {
        format!("{head}{word}s")
    }
}

/// The singular of a snake-case name, by its last word; a name that is singular stays as it is.
#[must_use]
pub fn singular(name: &str) -> String {
    let (head, word) = name.split_at(last_word(name));
    if let Some((one, _)) = IRREGULAR.iter().find(|(one, many)| *many == word || *one == word) {
        return format!("{head}{one}");
    }
    let stem = |end: &str| word.strip_suffix(end).filter(|stem| !stem.is_empty());
    let one = if let Some(stem) = stem("ies").filter(|stem| stem.len() > 1) {
        format!("{stem}y")
    } else if let Some(stem) =
        ["sses", "shes", "ches", "xes", "zzes"].iter().find(|end| word.ends_with(**end)).and_then(|_| stem("es"))
    {
        stem.to_owned()
    } else if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        word.to_owned()
    } else if let Some(stem) = stem("s") {
        stem.to_owned()
    } else {
        word.to_owned()
    };
    format!("{head}{one}")
}

/// A foreign key's column without its ending: `user_id` → `user`, `ArtistId` → `artist`, `ReportsTo` → `reports_to`.
#[must_use]
pub fn without_id(column: &str, key: &str) -> String {
    let column = snake(column);
    let key = format!("_{}", snake(key));
    for end in ["_id", "_fk", "_key", "_uuid", "_no", key.as_str()] {
        if let Some(stem) = column.strip_suffix(end).filter(|stem| !stem.is_empty()) {
            return stem.to_owned();
        }
    }
    column
}

#[cfg(test)]
mod tests {
    use super::{plural, singular, snake, title, without_id};

    #[test]
    fn tables_become_models() {
        for (table, one, many) in [
            ("users", "user", "users"),
            ("PlaylistTrack", "playlist_track", "playlist_tracks"),
            ("Order Details", "order_detail", "order_details"),
            ("categories", "category", "categories"),
            ("Address", "address", "addresses"),
            ("people", "person", "people"),
            ("boxes", "box", "boxes"),
            ("day", "day", "days"),
            ("news", "news", "news"),
            ("HTTPLog", "http_log", "http_logs"),
            ("invoice_line", "invoice_line", "invoice_lines"),
            ("status", "status", "statuses"),
            ("classes", "class", "classes"),
        ] {
            let name = snake(table);
            assert_eq!(singular(&name), one, "{table}");
            assert_eq!(plural(&singular(&name)), many, "{table}");
        }
        assert_eq!(title("playlist_track"), "PlaylistTrack");
    }

    #[test]
    fn columns_become_relationships() {
        assert_eq!(without_id("user_id", "id"), "user");
        assert_eq!(without_id("ArtistId", "ArtistId"), "artist");
        assert_eq!(without_id("ReportsTo", "EmployeeId"), "reports_to");
        assert_eq!(without_id("country_code", "code"), "country");
        assert_eq!(without_id("id", "id"), "id");
    }
}
