use super::{Mode, Renderer, Style};
use crate::model::definition::Place;
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
        table: Some(Place { schema: None, name: "users".into() }),
        single: false,
    }
}

fn rendered(style: Style, rows: &[[Cell<'_>; 3]]) -> (String, String) {
    written(&header(), style, rows)
}

fn written(header: &Header, style: Style, rows: &[[Cell<'_>; 3]]) -> (String, String) {
    let (out, err) = (Page::default(), Page::default());
    let mut renderer = Renderer::new(Box::new(out.clone()), Box::new(err.clone()), style);
    renderer.begin(header).unwrap();
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
        (
            Mode::Ascii,
            " id |   name    |  secret  \n\
             ----+-----------+----------\n  \
               1 | john, \"j\" | ******** \n  \
               2 |           | NULL     \n",
        ),
        (
            Mode::Html,
            "<table border=\"1\">\n  <tr>\n    <th align=\"center\">id</th>\n    <th align=\"center\">name</th>\n    \
             <th align=\"center\">secret</th>\n  </tr>\n  <tr valign=\"top\">\n    <td align=\"right\">1</td>\n    \
             <td align=\"left\">john, &quot;j&quot;</td>\n    <td align=\"left\">********</td>\n  </tr>\n  \
             <tr valign=\"top\">\n    <td align=\"right\">2</td>\n    <td align=\"left\"></td>\n    \
             <td align=\"left\">NULL</td>\n  </tr>\n</table>\n",
        ),
        (
            Mode::Insert,
            "INSERT INTO \"users\" (\"id\", \"name\", \"secret\") VALUES (1, 'john, \"j\"', '********');\n\
             INSERT INTO \"users\" (\"id\", \"name\", \"secret\") VALUES (2, '', NULL);\n",
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
    let mut odd = header();
    for column in &mut odd.columns {
        column.name.push_str("\x1b[2J\u{202e}");
    }
    odd.table = Some(Place { schema: Some("\x1b[2J".into()), name: "\u{202e}".into() });
    odd.title = Some("\x1b[2J".into());
    for which in Mode::ALL {
        for (terminal, header) in [(true, header()), (true, odd.clone()), (false, header())] {
            let (out, _) = written(&header, Style { terminal, null: "\x1b".into(), ..mode(*which) }, &[row]);
            let drives = out.contains('\x1b') || out.contains('\u{202e}');
            // In a pipe what programs read is as it is.
            assert_eq!(drives, !terminal && which.is_data(), "{which:?}: {out:?}");
        }
    }
}

#[test]
fn html_and_sql_escape_what_is_theirs() {
    let row = [Cell::Int(1), Cell::Text("<script>alert(\"x\")</script> & 'so'\non"), Cell::Null];
    let (out, _) = rendered(mode(Mode::Html), &[row]);
    assert!(out.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; 'so'<br />\non"), "{out}");
    let (out, _) = rendered(mode(Mode::Insert), &[row]);
    assert!(out.ends_with("VALUES (1, '<script>alert(\"x\")</script> & ''so''\non', NULL);\n"), "{out}");
    let mut odd = header();
    odd.columns[1].name = "a\"; drop table users; --".into();
    odd.table = Some(Place { schema: Some("s\"".into()), name: "T t".into() });
    let (out, _) = written(&odd, mode(Mode::Insert), &[row]);
    assert!(out.starts_with("INSERT INTO \"s\"\"\".\"T t\" (\"id\", \"a\"\"; drop table users; --\", "), "{out}");
    odd.table = None;
    let (out, _) = written(&odd, mode(Mode::Insert), &[row]);
    assert!(out.starts_with("INSERT INTO \"table\" ("), "{out}");
}

#[test]
fn a_result_that_breaks_off_ends_its_table() {
    for (which, end) in
        [(Mode::Table, "┘\n"), (Mode::Auto, "┘\n"), (Mode::Html, "</table>\n"), (Mode::Ascii, "NULL   \n")]
    {
        let out = Page::default();
        let mut renderer = Renderer::new(Box::new(out.clone()), Box::new(Page::default()), mode(which));
        renderer.begin(&header()).unwrap();
        renderer.row(&ROWS[1], Mark::None).unwrap();
        renderer.error(&Error::new(ErrorKind::Interrupted, "interrupted"), &ErrorContext::default()).unwrap();
        assert!(out.text().ends_with(end), "{which:?}: {}", out.text());
    }
}

#[test]
fn modes_are_found_by_name_and_by_the_ending_of_a_file() {
    for mode in Mode::ALL {
        assert_eq!(mode.name().to_uppercase().parse::<Mode>().unwrap(), *mode);
        assert!(!mode.help().is_empty());
    }
    assert_eq!("cvs".parse::<Mode>().unwrap_err().hints[0], "did you mean `csv`?");
    for (file, mode) in [
        ("a.csv", "csv"),
        ("a.b.TSV", "tsv"),
        ("a.tab", "tsv"),
        ("a.json", "json"),
        ("a.ndjson", "jsonl"),
        ("a.md", "markdown"),
        ("a.html", "html"),
        ("a.sql", "insert"),
        ("a.txt", "table"),
    ] {
        assert_eq!(Mode::of_file(file.as_ref()).unwrap().name(), mode);
    }
    for file in ["a", ".csv", "a.xls"] {
        let error = Mode::of_file(file.as_ref()).unwrap_err();
        assert_eq!(error.hints, ["it ends in .txt, .csv, .tsv, .json, .jsonl, .md, .html or .sql"]);
    }
}

/// A new mode is a file and a line: help and guide must know it too.
#[test]
fn help_and_guide_know_every_mode() {
    let usage = crate::language::table::find(".mode").unwrap().usage;
    let names: Vec<&str> = Mode::ALL.iter().map(|mode| mode.name()).collect();
    assert_eq!(usage, format!(".mode [{}]", names.join("|")));
    let export = crate::language::table::find(".export").unwrap().summary;
    let guide = include_str!("../../docs/src/data.md");
    for mode in Mode::ALL {
        assert!(
            guide.contains(&format!("| `{}` |", mode.name())),
            "{} is not in the guide's table of modes",
            mode.name()
        );
        if let Some(ending) = mode.ending() {
            assert!(export.contains(ending), ".export does not say {ending}");
        }
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
