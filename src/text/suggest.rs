//! "Did you mean": near names only, never a far-fetched one.

/// The candidate nearest to `typed`, if any is near enough to be a likely slip of the hand.
///
/// Near means at most one edit (a swap of neighbours counts as one) for names of up to four letters, two up to
/// eight and three beyond, and never more than a third of the word; or that the one begins with the other and
/// three letters or more are shared.
#[must_use]
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = typed.to_lowercase();
    let length = wanted.chars().count();
    let bound = match length {
        0 | 1 => return None,
        2..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            let prefix = length >= 3 && lower.starts_with(&wanted);
            let distance = strsim::osa_distance(&wanted, &lower);
            let near = distance <= bound && distance * 2 < length.max(lower.chars().count()) + 1;
            (prefix || near).then_some((distance.min(if prefix { 1 } else { usize::MAX }), candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_what_is_near() {
        assert_eq!(nearest("usrname", ["username", "email"]), Some("username"));
        assert_eq!(nearest("emial", ["username", "email"]), Some("email"));
        assert_eq!(nearest("lits", ["list", "last"]), Some("list"));
    }

    #[test]
    fn keeps_silent_about_what_is_far() {
        assert_eq!(nearest("t", ["pg_tables"]), None);
        assert_eq!(nearest("users", ["sqlite_master", "posts"]), None);
        assert_eq!(nearest("xyzzy", ["username", "email"]), None);
    }
}
