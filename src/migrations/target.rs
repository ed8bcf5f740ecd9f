//! What a target means: `head`, `base`, `+N`, `-N`, a version, the unique beginning of one, or a folder's name.

use crate::store::Revision;
use crate::{Error, Result};

/// The revisions to apply, in order, up to a target; none is head.
///
/// # Errors
/// `Invalid` for a target that is none, or that lies behind.
pub fn upgrade<'a>(word: Option<&str>, all: &'a [Revision]) -> Result<Vec<&'a Revision>> {
    let pending: Vec<&Revision> = all.iter().filter(|revision| !revision.applied).collect();
    let wanted = match word {
        None | Some("head") => pending.len(),
        Some(word) if word.starts_with('+') => {
            let count: usize = word[1..].parse().map_err(|_| unknown(word, all))?;
            if count > pending.len() {
                return Err(Error::invalid(format!("there are only {} revisions to apply", pending.len())));
            }
            count
        }
        Some(word) => {
            let found = named(word, all)?;
            pending.iter().position(|revision| revision.version == found.version).map_or(0, |at| at + 1)
        }
    };
    Ok(pending.into_iter().take(wanted).collect())
}

/// The revisions to revert, newest first, down to a target, which stays applied; none is one revision.
///
/// # Errors
/// `Invalid` for a target that is none, or that is not applied.
pub fn downgrade<'a>(word: Option<&str>, all: &'a [Revision]) -> Result<Vec<&'a Revision>> {
    let applied: Vec<&Revision> = all.iter().filter(|revision| revision.applied).rev().collect();
    let wanted = match word {
        None => 1,
        Some("base") => applied.len(),
        Some(word) if word.starts_with('-') => {
            let count: usize = word[1..].parse().map_err(|_| unknown(word, all))?;
            if count > applied.len() {
                return Err(Error::invalid(format!("there are only {} revisions to revert", applied.len())));
            }
            count
        }
        Some(word) => {
            let found = named(word, all)?;
            applied.iter().position(|revision| revision.version == found.version).ok_or_else(|| {
                Error::invalid(format!("{} is not applied, so there is no way down to it", found.name))
            })?
        }
    };
    Ok(applied.into_iter().take(wanted).collect())
}

/// The revision that a whole version, a unique beginning or a folder's name means.
///
/// # Errors
/// `Invalid` when there is none, or more than one.
pub fn named<'a>(word: &str, all: &'a [Revision]) -> Result<&'a Revision> {
    // diesel_cli writes versions with dashes, the table has them without.
    let digits: String = word.chars().filter(|c| *c != '-').collect();
    let fits = |revision: &&Revision| {
        !digits.is_empty() && (revision.version.starts_with(&digits) || revision.name.starts_with(word))
    };
    let found: Vec<&Revision> = all.iter().filter(fits).collect();
    match found.as_slice() {
        [only] => Ok(only),
        [] => Err(unknown(word, all)),
        several => {
            several.iter().find(|revision| revision.version == digits || revision.name == word).copied().ok_or_else(
                || {
                    Error::invalid(format!("`{word}` is the beginning of {} revisions", several.len()))
                        .hint("`db history` lists them")
                },
            )
        }
    }
}

fn unknown(word: &str, all: &[Revision]) -> Error {
    Error::invalid(format!("there is no revision `{word}`"))
        .suggest(word, all.iter().map(|revision| revision.version.as_str()))
        .hint("write base, head, +N, -N, a version or its beginning; `db history` lists them")
}
