//! Colours. None stands alone: a sign, a word or a place says the same.

/// A small set of colours for a background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// For dark backgrounds.
    #[default]
    Dark,
    /// For light backgrounds.
    Light,
}

/// What a colour is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Staged and new, with `+`.
    Added,
    /// Changed, with `~`.
    Changed,
    /// To go, with `-`.
    Removed,
    /// What happened.
    Notice,
    /// Something to know about.
    Warning,
    /// An error, and the carets under its place.
    Error,
    /// A way out.
    Hint,
    /// Names of columns, messages.
    Strong,
    /// A word of the language.
    Keyword,
    /// A model.
    Model,
    /// A field.
    Field,
    /// Text and bytes.
    Text,
    /// Numbers.
    Number,
    /// Variables.
    Variable,
    /// Comments, and what could still be typed.
    Faint,
}

impl Theme {
    /// The theme with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "dark" => Some(Self::Dark),
            "light" => Some(Self::Light),
            _ => None,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }

    /// The parameters of the escape sequence (Select Graphic Rendition, ECMA-48 8.3.117).
    #[must_use]
    pub const fn sgr(self, ink: Ink) -> &'static str {
        match (ink, self) {
            (Ink::Added, _) => "32",
            (Ink::Removed, _) => "31",
            (Ink::Error, _) => "1;31",
            (Ink::Strong | Ink::Keyword, _) => "1",
            (Ink::Notice | Ink::Faint, Self::Dark) => "2",
            (Ink::Notice | Ink::Faint, Self::Light) => "90",
            (Ink::Changed | Ink::Warning, Self::Dark) => "33",
            (Ink::Changed | Ink::Warning, Self::Light) => "35",
            (Ink::Hint | Ink::Model, Self::Dark) => "36",
            (Ink::Hint | Ink::Model, Self::Light) => "34",
            (Ink::Field, _) => "0",
            (Ink::Text, _) => "32",
            (Ink::Number, Self::Dark) => "33",
            (Ink::Number, Self::Light) => "35",
            (Ink::Variable, _) => "35",
        }
    }

    /// A text in a colour.
    #[must_use]
    pub fn paint(self, ink: Ink, text: &str) -> String {
        format!("\x1b[{}m{text}\x1b[0m", self.sgr(ink))
    }
}
