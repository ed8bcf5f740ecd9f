//! Data cannot drive the terminal: control, bidirectional and zero-width characters are shown, not obeyed. Whatever the
//! shell shows goes through here, from wherever it comes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character could move the cursor, change colours, reorder text or hide.
#[must_use]
pub const fn is_dangerous(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}'
        | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A text for one line, with dangerous characters spelled out: `\n`, `\t`, `\u{1b}`.
#[must_use]
pub fn sanitise(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// A text that may have lines within, with everything else that is dangerous spelled out.
#[must_use]
pub fn sanitise_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c == '\n')
}

/// A text as programs take it, with lines and tabs, but nothing that drives a terminal that it reaches in the end.
pub(super) fn sanitise_text(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, keeps: fn(char) -> bool) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Cow::Borrowed(text);
    }
    // A zero-width joiner belongs between parts of an emoji, and nowhere else.
    let joins = |before: Option<char>| before.is_some_and(|c| c >= '\u{2190}');
    let spelled = |c: char, before: Option<char>| (is_dangerous(c) && !keeps(c)) || (c == '\u{200d}' && !joins(before));
    let mut before = None;
    let clean = text.chars().all(|c| !spelled(c, before.replace(c)));
    if clean {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = None;
    for c in text.chars() {
        match c {
            _ if !spelled(c, before) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
        before = Some(c);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::{sanitise, sanitise_lines, sanitise_text};

    #[test]
    fn what_could_drive_a_terminal_is_spelled_out() {
        assert_eq!(sanitise("plain"), "plain");
        assert_eq!(sanitise("Grüße 漢字 👩‍👩‍👧"), "Grüße 漢字 👩‍👩‍👧");
        assert_eq!(sanitise("\x1b[31mred\x07"), "\\u{1b}[31mred\\u{7}");
        assert_eq!(sanitise("a\u{202e}b\u{200b}c\u{200d}d"), "a\\u{202e}b\\u{200b}c\\u{200d}d");
        assert_eq!(sanitise("two\nlines\tand\r"), "two\\nlines\\tand\\r");
        assert_eq!(sanitise("\u{9b}31m"), "\\u{9b}31m");
    }

    #[test]
    fn lines_and_tabs_stay_where_they_do_no_harm() {
        assert_eq!(sanitise_lines("two\nlines\tand\r\x08"), "two\nlines\\tand\\r\\u{8}");
        assert_eq!(sanitise_text("two\nlines\tand\r\x08"), "two\nlines\tand\\r\\u{8}");
    }
}
