//! The pictures of README and guide are what a real session shows: a terminal is run with the keys of
//! `docs/src/pictures/*.keys`, and its screen written as SVG. `UPDATE=1 cargo test --test pictures` writes them again.
//!
//! A line of keys is typed with Enter; the last one without it, if it ends in Tab, `\t`. A line `$ ...` is a command that
//! someone else gives meanwhile, who also commits it; the first line is the title.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;
use common::screen::Screen;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const COLUMNS: u16 = 100;

/// Sizes in pixels.
const CELL: (f32, f32) = (8.4, 17.0);
const MARGIN: f32 = 14.0;
const TITLE: f32 = 30.0;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/pictures")
}

/// What the terminal shows after the keys, as SVG.
fn picture(keys: &str) -> String {
    let shell = Shell::seeded();
    let music = shell.path().join("music.db");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/music.dsh");
    shell.run(&[music.to_str().unwrap(), "--create", "-q", "-f", script.to_str().unwrap()], "").ok();
    // A prompt greets on the first day only.
    std::fs::write(shell.path().join("data/diesel-shell/history"), "").unwrap();
    let mut screen = Screen::start(&shell.command(), COLUMNS);
    let (title, keys) = keys.split_once('\n').unwrap();
    for line in keys.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            shell.script(format!("{command}\ncommit")).ok();
        } else if line.ends_with("\\t") {
            screen.keys(&line.replace("\\t", "\t"));
        } else {
            screen.line(line);
        }
    }
    svg(title.trim_start_matches("# "), screen.screen())
}

fn svg(title: &str, screen: &vt100::Screen) -> String {
    let (_, columns) = screen.size();
    let rows = screen.contents().trim_end().lines().count().max(usize::from(screen.cursor_position().0) + 1);
    let width = f32::from(columns.get()) * CELL.0 + 2.0 * MARGIN;
    let height = rows as f32 * CELL.1 + TITLE + 2.0 * MARGIN;
    let mut out = String::new();
    writeln!(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">").unwrap();
    writeln!(out, "<title>{}</title>", escaped(title)).unwrap();
    out.push_str(
        "<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d8dee9;\
         white-space:pre}.b{font-weight:700}.d{fill:#7d8799}.u{text-decoration:underline}.c1{fill:#ef6b73}.c2{fill:#98c379}\
         .c3{fill:#e5c07b}.c4{fill:#61afef}.c5{fill:#c678dd}.c6{fill:#56b6c2}.c8{fill:#7d8799}</style>\n",
    );
    writeln!(out, "<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1e222a\"/>").unwrap();
    writeln!(
        out,
        "<text class=\"d\" x=\"{:.0}\" y=\"21\" text-anchor=\"middle\">{}</text>",
        width / 2.0,
        escaped(title)
    )
    .unwrap();
    for row in 0..u16::try_from(rows).unwrap() {
        line(screen, row, columns.get(), &mut out);
    }
    let (row, column) = screen.cursor_position();
    let (x, y) = (MARGIN + f32::from(column) * CELL.0, TITLE + MARGIN + f32::from(row) * CELL.1);
    writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#d8dee9\" opacity=\".6\"/>",
        CELL.0,
        CELL.1 - 2.0
    )
    .unwrap();
    out.push_str("</svg>\n");
    out
}

/// One row: a `text` for each run of cells that look the same.
fn line(screen: &vt100::Screen, row: u16, columns: u16, out: &mut String) {
    let baseline = TITLE + MARGIN + f32::from(row) * CELL.1 + 13.0;
    let mut column = 0;
    while column < columns {
        let (start, class) = (column, screen.cell(row, column).map(class).unwrap_or_default());
        let mut text = String::new();
        while let Some(cell) = screen.cell(row, column).filter(|cell| class == self::class(cell)) {
            if !cell.is_wide_continuation() {
                text.push_str(if cell.has_contents() { cell.contents() } else { " " });
            }
            column += 1;
        }
        let kept = text.trim_end();
        if kept.is_empty() {
            continue;
        }
        let lead = u16::try_from(kept.len() - kept.trim_start().len()).unwrap();
        let kept = kept.trim_start();
        let x = MARGIN + f32::from(start + lead) * CELL.0;
        let length = f32::from(u16::try_from(unicode_width::UnicodeWidthStr::width(kept)).unwrap()) * CELL.0;
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        writeln!(
            out,
            "<text{class} x=\"{x:.1}\" y=\"{baseline:.1}\" textLength=\"{length:.1}\">{}</text>",
            escaped(kept)
        )
        .unwrap();
    }
}

/// How a cell looks, as classes of the style.
fn class(cell: &vt100::Cell) -> String {
    let mut classes = Vec::new();
    match cell.fgcolor() {
        vt100::Color::Idx(colour) => classes.push(format!("c{colour}")),
        _ if cell.dim() => classes.push("d".into()),
        _ => {}
    }
    if cell.bold() {
        classes.push("b".into());
    }
    if cell.underline() {
        classes.push("u".into());
    }
    classes.join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn the_pictures_are_what_a_session_shows() {
    let mut names: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let (mut checked, mut old) = (0, Vec::new());
    for path in names {
        if path.extension().is_none_or(|ending| ending != "keys") {
            assert!(path.with_extension("keys").exists(), "{} has no keys", path.display());
            continue;
        }
        let now = picture(&std::fs::read_to_string(&path).unwrap());
        let kept = path.with_extension("svg");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&kept, now).unwrap();
        } else if std::fs::read_to_string(&kept).unwrap_or_default() != now {
            old.push(kept.display().to_string());
        }
        checked += 1;
    }
    assert!(checked >= 3, "the test has lost its subject");
    assert!(old.is_empty(), "UPDATE=1 cargo test --test pictures draws them again: {}", old.join(", "));
}
