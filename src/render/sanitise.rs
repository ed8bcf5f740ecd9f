//! Data cannot drive the terminal: control, bidirectional and zero-width characters are shown, not obeyed.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character could move the cursor, change colours, reorder text or hide.
pub(super) const fn is_dangerous(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}'
        | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with dangerous characters spelled out: `\n`, `\t`, `\u{1b}`.
pub(super) fn sanitise(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Cow::Borrowed(text);
    }
    // A zero-width joiner belongs between parts of an emoji, and nowhere else.
    let joins = |before: Option<char>| before.is_some_and(|c| c >= '\u{2190}');
    let mut before = None;
    let clean = text.chars().all(|c| {
        let fine = !is_dangerous(c) && (c != '\u{200d}' || joins(before));
        before = Some(c);
        fine
    });
    if clean {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = None;
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_dangerous(c) || (c == '\u{200d}' && !joins(before)) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
        before = Some(c);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::sanitise;

    #[test]
    fn what_could_drive_a_terminal_is_spelled_out() {
        assert_eq!(sanitise("plain"), "plain");
        assert_eq!(sanitise("Grüße 漢字 👩‍👩‍👧"), "Grüße 漢字 👩‍👩‍👧");
        assert_eq!(sanitise("\x1b[31mred\x07"), "\\u{1b}[31mred\\u{7}");
        assert_eq!(sanitise("a\u{202e}b\u{200b}c\u{200d}d"), "a\\u{202e}b\\u{200b}c\\u{200d}d");
        assert_eq!(sanitise("two\nlines\tand\r"), "two\\nlines\\tand\\r");
        assert_eq!(sanitise("\u{9b}31m"), "\\u{9b}31m");
    }
}
