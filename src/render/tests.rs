use super::{Mode, Renderer, Style};
use crate::model::{Cell, DataType};
use crate::outcome::{ErrorContext, Header, HeaderColumn, Level, Mark, Report};
use crate::text::Span;
use crate::{Error, ErrorKind};
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

#[derive(Clone, Default)]
struct Page(Rc<RefCell<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

fn header() -> Header {
    let column = |name: &str, data_type, masked| HeaderColumn { name: name.into(), data_type, masked };
    Header {
        columns: vec![
            column("id", DataType::Int(32), false),
            column("name", DataType::Text(None), false),
            column("secret", DataType::Text(None), true),
        ],
        title: Some("User".into()),
        display: Some(1),
        key: vec![0],
        noun: Some(("user".into(), "users".into())),
        single: false,
    }
}

fn rendered(style: Style, rows: &[[Cell<'_>; 3]]) -> (String, String) {
    let (out, err) = (Page::default(), Page::default());
    let mut renderer = Renderer::new(Box::new(out.clone()), Box::new(err.clone()), style);
    renderer.begin(&header()).unwrap();
    for row in rows {
        renderer.row(row, Mark::None).unwrap();
    }
    renderer.end().unwrap();
    renderer.flush().unwrap();
    (out.text(), err.text())
}

const ROWS: [[Cell<'static>; 3]; 2] =
    [[Cell::Int(1), Cell::Text("john, \"j\""), Cell::Text("hash")], [Cell::Int(2), Cell::Text(""), Cell::Null]];

fn mode(mode: Mode) -> Style {
    Style { mode, ..Style::default() }
}

#[test]
fn every_mode_tells_null_from_empty() {
    let expected = [
        (Mode::Csv, "id,name,secret\n1,\"john, \"\"j\"\"\",********\n2,\"\",\n"),
        (Mode::Tsv, "id\tname\tsecret\n1\tjohn, \"j\"\t********\n2\t\t\\N\n"),
        (Mode::List, "1|john, \"j\"|********\n2||NULL\n"),
        (
            Mode::Json,
            "[{\"id\":1,\"name\":\"john, \\\"j\\\"\",\"secret\":\"********\"},\n {\"id\":2,\"name\":\"\",\"secret\":null}]\n",
        ),
        (
            Mode::Jsonl,
            "{\"id\":1,\"name\":\"john, \\\"j\\\"\",\"secret\":\"********\"}\n{\"id\":2,\"name\":\"\",\"secret\":null}\n",
        ),
        (
            Mode::Markdown,
            "| id | name | secret |\n| ---: | --- | --- |\n| 1 | john, \"j\" | \\*\\*\\*\\*\\*\\*\\*\\* |\n| 2 |  | NULL |\n",
        ),
        (Mode::Repr, "<User john, \"j\">\n<User >\n"),
        (Mode::Vertical, "id      1\nname    john, \"j\"\nsecret  ********\n\nid      2\nname    \nsecret  NULL\n"),
        (
            Mode::Table,
            "┌────┬───────────┬──────────┐\n\
             │ id ┆ name      ┆ secret   │\n\
             ╞════╪═══════════╪══════════╡\n\
             │  1 ┆ john, \"j\" ┆ ******** │\n\
             │  2 ┆           ┆ NULL     │\n\
             └────┴───────────┴──────────┘\n",
        ),
    ];
    for (which, text) in expected {
        let (out, err) = rendered(mode(which), &ROWS);
        assert_eq!(out, text, "{which:?}");
        assert_eq!(err, "2 users\n");
    }
}

#[test]
fn an_empty_result_says_so() {
    assert_eq!(rendered(mode(Mode::Table), &[]), (String::new(), "no users\n".into()));
    assert_eq!(rendered(mode(Mode::Json), &[]).0, "[]\n");
    assert_eq!(rendered(mode(Mode::Csv), &[]).0, "id,name,secret\n");
}

#[test]
fn a_table_fits_the_screen_and_counts_what_it_hides() {
    let long = "x".repeat(300);
    let row = [Cell::Int(1), Cell::Text(&long), Cell::Text("hash")];
    let (out, _) = rendered(Style { width: Some(40), ..mode(Mode::Table) }, &[row]);
    assert!(out.lines().all(|line| line.chars().count() == 40), "{out}");
    assert!(out.contains('…'));
    let (out, _) = rendered(mode(Mode::Table), &[row]);
    assert!(out.contains(&long), "nothing is cut when piped");
    let (_, err) = rendered(Style { width: Some(18), ..mode(Mode::Table) }, &[row]);
    assert!(err.contains("1 more column did not fit"), "{err}");
}

#[test]
fn a_long_table_streams_in_the_same_look() {
    let names: Vec<String> = (0..1_200).map(|n| format!("name {n:04}")).collect();
    let rows: Vec<[Cell<'_>; 3]> = names.iter().map(|name| [Cell::Int(7), Cell::Text(name), Cell::Null]).collect();
    let (out, _) = rendered(mode(Mode::Table), &rows);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 1_200 + 4);
    let shape = |line: &str| line.chars().map(|c| if c.is_ascii() { ' ' } else { c }).collect::<String>();
    assert!(lines[3..1_203].iter().all(|line| shape(line) == shape(lines[3])));
    assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()));
}

#[test]
fn data_cannot_drive_the_terminal() {
    let row = [Cell::Int(1), Cell::Text("\x1b[2Jgone\u{202e}"), Cell::Null];
    for which in Mode::ALL.into_iter().filter(|m| !matches!(m, Mode::Csv | Mode::Tsv | Mode::Json | Mode::Jsonl)) {
        let (out, _) = rendered(Style { terminal: true, ..mode(which) }, &[row]);
        assert!(!out.contains('\x1b') && !out.contains('\u{202e}'), "{which:?}: {out:?}");
    }
}

#[test]
fn errors_stand_under_their_place() {
    let err = Page::default();
    let mut renderer = Renderer::new(Box::new(Page::default()), Box::new(err.clone()), Style::default());
    let command = "list users\n  where usrname = 1";
    let error = Error::new(ErrorKind::Invalid, "user has no field `usrname`")
        .at(Span::new(19, 26))
        .hint("did you mean `username`?");
    renderer.error(&error, &ErrorContext { command, source: Some("a.dsh"), line: 3, column: 1 }).unwrap();
    assert_eq!(
        err.text(),
        "a.dsh:4:9: error: user has no field `usrname`\n    where usrname = 1\n          ^^^^^^^\n  hint: did you mean `username`?\n"
    );
}

#[test]
fn quiet_leaves_out_what_happened_but_no_warning() {
    let err = Page::default();
    let style = Style { quiet: true, ..Style::default() };
    let mut renderer = Renderer::new(Box::new(Page::default()), Box::new(err.clone()), style);
    renderer.notice(Level::Info, "staged").unwrap();
    renderer.notice(Level::Warning, "discarded").unwrap();
    renderer.flush().unwrap();
    assert_eq!(err.text(), "discarded\n");
}

#[test]
fn what_does_not_fit_beside_each_other_is_shown_one_under_another() {
    let long = "x".repeat(300);
    let row = [Cell::Int(1), Cell::Text(&long), Cell::Text("hash")];
    let (out, _) = rendered(Style { width: Some(18), ..mode(Mode::Auto) }, &[row, row]);
    assert!(out.starts_with("id      1\nname    xxx") && out.contains("\n\nid      1\n"), "{out}");
    let (out, _) = rendered(Style { width: Some(60), ..mode(Mode::Auto) }, &[row]);
    assert!(out.contains("…(300)"), "the length of what is cut is shown: {out}");
}

#[test]
fn wide_characters_are_aligned() {
    let rows = [
        [Cell::Int(1), Cell::Text("漢字かな"), Cell::Null],
        [Cell::Int(2), Cell::Text("👩‍👩‍👧 family"), Cell::Null],
        [Cell::Int(3), Cell::Text("e\u{301}toile"), Cell::Null],
    ];
    let (out, _) = rendered(mode(Mode::Table), &rows);
    let widths: Vec<usize> = out.lines().map(unicode_width::UnicodeWidthStr::width).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{widths:?}\n{out}");
}
