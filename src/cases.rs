//! Tables of cases for unit tests: what is given on a line, and under it, indented, what comes of it. `UPDATE=1` writes the
//! tables again; read the difference before you commit it.

use std::fmt::Write as _;
use std::path::Path;

/// Holds a table of cases against what `run` makes of each; gives how many there are.
///
/// Lines that begin with `#` and blank lines stay as they are. `\n`, `\t` and `\e` in what is given mean the characters.
pub fn hold(file: &str, run: &mut dyn FnMut(&str) -> Vec<String>) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    let known = std::fs::read_to_string(&path).unwrap();
    let mut count = 0;
    let mut fresh = String::new();
    for line in known.lines().filter(|line| !line.starts_with("    ")) {
        let _ = writeln!(fresh, "{line}");
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        count += 1;
        let given = line.replace("\\n", "\n").replace("\\t", "\t").replace("\\e", "\u{1b}");
        for result in run(&given) {
            let _ = writeln!(fresh, "    {}", result.replace('\n', "\\n").replace('\u{1b}', "\\e"));
        }
    }
    if fresh == known {
        return count;
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, fresh).unwrap();
        return count;
    }
    let differs = known.lines().zip(fresh.lines()).position(|(known, fresh)| known != fresh);
    let at = differs.unwrap_or_else(|| known.lines().count().min(fresh.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(nothing)").to_owned();
    panic!("src/{file}:{}\n  stands there: {}\n  comes of it:  {}", at + 1, line(&known), line(&fresh));
}

/// An error as a case shows it: its message, the piece of the text that it is about, its hints.
pub fn refused(text: &str, error: &crate::Error) -> Vec<String> {
    let place =
        error.span.map_or_else(String::new, |span| format!("  at `{}`", text.get(span.start..span.end).unwrap_or("?")));
    let mut lines = vec![format!("error: {}{place}", error.message)];
    lines.extend(error.hints.iter().map(|hint| format!("hint: {hint}")));
    lines
}
