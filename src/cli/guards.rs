//! What may be done to the databases of a run. It belongs to a database, by whatever name that is opened, and only gets
//! stricter: a connection that is for reading alone is so as a path, as a link and as the target of `.copy-to`.

use super::config::Config;
use diesel_shell::database::url::Address;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What is refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    /// Writes.
    pub read_only: bool,
    /// Commits.
    pub sandbox: bool,
    /// What would empty the database.
    pub protected: bool,
}

impl Flags {
    /// All that either refuses.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            read_only: self.read_only || other.read_only,
            sandbox: self.sandbox || other.sandbox,
            protected: self.protected || other.protected,
        }
    }
}

/// The flags of all databases of a run; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Guards {
    /// Of the configuration's connections. A file may come to be while we run, so each is looked for anew.
    configured: Rc<[(Address, Flags)]>,
    seen: Rc<RefCell<HashMap<String, Flags>>>,
}

impl Guards {
    /// With what the configuration says of its connections.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let flags = |read_only, protected| Flags { read_only, protected, sandbox: false };
        let configured = config
            .connections
            .values()
            .map(|known| (Address::parse(&known.url), flags(known.read_only, known.protected)));
        Self { configured: configured.collect(), seen: Rc::default() }
    }

    /// Whether anything is refused for any database.
    #[must_use]
    pub fn any(&self) -> bool {
        let strict = |flags: &Flags| *flags != Flags::default();
        self.configured.iter().any(|(_, flags)| strict(flags)) || self.seen.borrow().values().any(strict)
    }

    /// What is refused for a database that is opened now, with what is asked for; it is so from now on.
    #[must_use]
    pub fn tighten(&self, identity: Option<String>, asked: Flags) -> Flags {
        let Some(identity) = identity else { return asked };
        let same = |address: &Address| address.identity().as_ref() == Some(&identity);
        let configured = self.configured.iter().filter(|(address, _)| same(address));
        let flags = configured.fold(asked, |flags, (_, known)| flags.and(*known));
        let mut seen = self.seen.borrow_mut();
        let known = seen.entry(identity).or_default();
        *known = known.and(flags);
        *known
    }
}

#[cfg(test)]
mod tests {
    use super::{Flags, Guards};

    #[test]
    fn flags_only_get_stricter() {
        let guards = Guards::default();
        let id = || Some("a".to_owned());
        let read_only = Flags { read_only: true, ..Flags::default() };
        let protected = Flags { protected: true, ..Flags::default() };
        assert_eq!(guards.tighten(id(), read_only), read_only);
        assert_eq!(guards.clone().tighten(id(), protected), read_only.and(protected));
        assert_eq!(guards.tighten(id(), Flags::default()), read_only.and(protected));
        assert_eq!(guards.tighten(Some("b".to_owned()), Flags::default()), Flags::default());
        assert_eq!(guards.tighten(None, Flags::default()), Flags::default());
    }
}
