//! Which transaction it was: what is needed to ask for its outcome when the answer to COMMIT is lost.

use std::fmt::{self, Display};
use std::str::FromStr;

/// One transaction, named so that no other server, and no other life of the same server, can mistake it for its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The database cluster's own number; a replica has it too.
    pub system: String,
    /// The history of writes that it is part of: a replica that is promoted begins another one.
    pub timeline: u32,
    /// What changes when the server crashes: a number that was given shortly before may then be given again.
    pub incarnation: String,
    /// The transaction's number.
    pub transaction: u64,
}

/// One line without blanks, for a file: `system/timeline/incarnation/transaction`.
impl Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.system, self.timeline, self.incarnation, self.transaction)
    }
}

/// The text is no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the identity of a transaction")]
pub struct NoIdentity;

impl FromStr for Identity {
    type Err = NoIdentity;

    fn from_str(text: &str) -> Result<Self, NoIdentity> {
        let parts: Vec<&str> = text.split('/').collect();
        let [system, timeline, incarnation, transaction] = parts.as_slice() else { return Err(NoIdentity) };
        Ok(Self {
            system: (*system).to_owned(),
            timeline: timeline.parse().map_err(|_| NoIdentity)?,
            incarnation: (*incarnation).to_owned(),
            transaction: transaction.parse().map_err(|_| NoIdentity)?,
        })
    }
}

/// What the open transaction is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By this its outcome can be asked for.
    Transaction(Identity),
    /// It has put this marker into a table: whether it is there tells.
    Marked(String),
    /// It has changed nothing: whether COMMIT arrives makes no difference.
    NothingWritten,
    /// This engine gives its transactions no names.
    Untellable,
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The database has all of it.
    Committed,
    /// The database has nothing of it, and never will.
    RolledBack,
    /// It has not ended yet: ask again.
    Running,
    /// This server cannot tell, and why: only the rows themselves can.
    Unknown(String),
}

#[cfg(test)]
mod tests {
    use super::Identity;

    #[test]
    fn an_identity_is_read_back_as_it_was_written() {
        let identity = Identity {
            system: "7312345678901234567".into(),
            timeline: 3,
            incarnation: "1764025380.123456".into(),
            transaction: 18_446_744_073_709_551_615,
        };
        assert_eq!(identity.to_string().parse(), Ok(identity.clone()));
        assert!(!identity.to_string().contains(char::is_whitespace));
        for text in ["", "742", "a/b/c/d", "1/1/x/1/1"] {
            assert!(text.parse::<Identity>().is_err(), "{text}");
        }
    }
}
