//! What a database does beyond what a change says: triggers, rules, tables in families.

/// Kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events {
    /// New rows.
    pub insert: bool,
    /// Changed rows.
    pub update: bool,
    /// Deleted rows.
    pub delete: bool,
}

impl Events {
    /// Whether a kind is in both.
    #[must_use]
    pub const fn meet(self, other: Self) -> bool {
        (self.insert && other.insert) || (self.update && other.update) || (self.delete && other.delete)
    }

    /// The kinds of both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self {
            insert: self.insert || other.insert,
            update: self.update || other.update,
            delete: self.delete || other.delete,
        }
    }
}

/// One thing that a table does, or is, beyond holding what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quirk {
    /// The table's schema, where it is not the default one.
    pub schema: Option<String>,
    /// The table.
    pub table: String,
    /// What it is.
    pub kind: QuirkKind,
}

/// What a [`Quirk`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuirkKind {
    /// A trigger, on these changes.
    Trigger(Events),
    /// A rule that rewrites changes.
    Rule,
    /// Policies say who sees which rows.
    RowSecurity,
    /// A constraint that settles conflicts by itself: `ON CONFLICT REPLACE`.
    Conflict,
    /// Texts that differ may be equal.
    Collation,
    /// A virtual table: its module decides.
    Virtual,
    /// It shares its rows with other tables: partitions, inheritance.
    Family,
}

impl QuirkKind {
    /// Whether changes do more, or something else, than they say.
    #[must_use]
    pub const fn is_special(self) -> bool {
        !matches!(self, Self::Family)
    }
}
