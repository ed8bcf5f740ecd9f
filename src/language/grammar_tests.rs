//! The guide's grammar (`docs/src/grammar.md`) held against the parser, both ways: what it derives is taken, and what the
//! help shows and the table of trees takes is derived by it.

use super::{lexer, parse_line, table};
use crate::model::Catalog;
use std::collections::{BTreeSet, HashMap};

const PAGE: &str = include_str!("../../docs/src/grammar.md");

/// What stands to the right of a rule.
#[derive(Debug, Clone)]
enum Form {
    Word(String),
    Name(String),
    Row(Vec<Form>),
    Either(Vec<Form>),
    Maybe(Box<Form>),
    Any(Box<Form>),
}

type Grammar = HashMap<String, Form>;

fn grammar() -> Grammar {
    let mut text = String::new();
    let mut inside = false;
    for line in PAGE.lines() {
        match line {
            "```ebnf" => inside = true,
            "```" => inside = false,
            line if inside => {
                text.push_str(line);
                text.push('\n');
            }
            _ => {}
        }
    }
    // Words in quotes may have blanks and brackets of their own, so tokens are cut by hand.
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => rest[1..].find('"').unwrap() + 2,
            c if c.is_alphabetic() => rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len()),
            _ => 1,
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    let mut rules = Grammar::new();
    let mut at = 0;
    while at < tokens.len() {
        let name = tokens[at].to_owned();
        assert_eq!(tokens[at + 1], "=", "rule {name}");
        at += 2;
        let form = either(&tokens, &mut at);
        assert_eq!(tokens[at], ".", "the end of rule {name}");
        at += 1;
        assert!(rules.insert(name.clone(), form).is_none(), "{name} is there twice");
    }
    rules
}

fn either(tokens: &[&str], at: &mut usize) -> Form {
    let mut forms = vec![row(tokens, at)];
    while tokens[*at] == "|" {
        *at += 1;
        forms.push(row(tokens, at));
    }
    if forms.len() == 1 { forms.swap_remove(0) } else { Form::Either(forms) }
}

fn row(tokens: &[&str], at: &mut usize) -> Form {
    let mut forms = Vec::new();
    loop {
        let token = tokens[*at];
        let mut inner = |close: &str| {
            *at += 1;
            let form = either(tokens, at);
            assert_eq!(tokens[*at], close);
            form
        };
        forms.push(match token {
            "[" => Form::Maybe(Box::new(inner("]"))),
            "{" => Form::Any(Box::new(inner("}"))),
            "(" => inner(")"),
            word if word.starts_with('"') => Form::Word(word.trim_matches('"').to_owned()),
            name if name.starts_with(char::is_alphabetic) => Form::Name(name.to_owned()),
            _ => return Form::Row(forms),
        });
        *at += 1;
    }
}

/// Derives sentences, always another way where there is a choice.
struct Deriver<'g> {
    rules: &'g Grammar,
    /// How often each choice was taken, by its place in the grammar.
    taken: HashMap<*const Form, usize>,
    depth: usize,
}

impl Deriver<'_> {
    fn derive(&mut self, form: &Form, out: &mut String) {
        self.depth += 1;
        let mut turn = |of: usize| {
            let count = self.taken.entry(std::ptr::from_ref(form)).or_default();
            *count += 1;
            (*count - 1) % of
        };
        match form {
            Form::Word(word) => piece(word, out),
            Form::Name(name) => {
                if let Some(rule) = self.rules.get(name) {
                    self.derive(rule, out);
                } else {
                    let examples = examples(name);
                    piece(examples[turn(examples.len())], out);
                }
            }
            Form::Row(forms) => forms.iter().for_each(|form| self.derive(form, out)),
            // What is deep inside is brought to an end by the last way, which is the simplest.
            Form::Either(forms) => {
                let at = if self.depth > 60 { forms.len() - 1 } else { turn(forms.len()) };
                self.derive(&forms[at], out);
            }
            Form::Maybe(form) => {
                if turn(2) == 1 && self.depth <= 60 {
                    self.derive(form, out);
                }
            }
            // Twice at the most: clauses are given once, and none is two of them that exclude each other.
            Form::Any(inner) => {
                if turn(2) == 1 && self.depth <= 60 {
                    self.derive(inner, out);
                }
            }
        }
        self.depth -= 1;
    }
}

/// Appends a piece; a path's dots touch the names beside them.
fn piece(text: &str, out: &mut String) {
    if !out.is_empty() && text != "." && !out.ends_with('.') {
        out.push(' ');
    }
    out.push_str(text);
}

fn examples(name: &str) -> &'static [&'static str] {
    match name {
        "NAME" => &["users", "`Order Details`", "posts", "x1"],
        "BACKTICKED" => &["`Order Details`", "`x``y`"],
        "VARIABLE" => &["$u", "$_"],
        "VALUE" => {
            &["1", "'it''s'", "\"a\\n\"", "x'00'", "1.50", "null", "true", "now", "$u", "$u.email", "john", "-3"]
        }
        "TEXT" => &["\"{id}: {name}\"", "'{id}'"],
        "WHOLE" => &["0", "12"],
        "WORD" => &["head", "a.csv", "'a b'"],
        "SQL" => &["select 1;", "select 1; select 2;"],
        "PROGRAM" => &["sort", "head -n 3 | wc -l"],
        other => panic!("{other} is told nowhere"),
    }
}

/// Names of the examples are models here.
fn catalog() -> Catalog {
    let mut catalog = crate::microblog::models().into_catalog().unwrap();
    let user = catalog.resolve("user").unwrap();
    for (name, plural) in [("Order Detail", "Order Details"), ("x1", "x1s")] {
        let mut model = catalog.get(user).clone();
        name.clone_into(&mut model.name);
        plural.clone_into(&mut model.plural);
        catalog.insert(model);
    }
    catalog
}

#[test]
fn what_the_grammar_derives_is_taken() {
    let (rules, catalog) = (grammar(), catalog());
    let mut deriver = Deriver { rules: &rules, taken: HashMap::new(), depth: 0 };
    let mut refused = Vec::new();
    let mut seen = BTreeSet::new();
    for _ in 0..4_000 {
        let mut text = String::new();
        deriver.derive(&rules["line"], &mut text);
        if !seen.insert(text.clone()) {
            continue;
        }
        if let Err(error) = parse_line(&text, &catalog) {
            refused.push(format!("{text}\n    {} {:?}", error.message, error.span));
        }
    }
    assert!(seen.len() > 500, "only {} sentences", seen.len());
    assert!(
        refused.is_empty(),
        "{} of {}:\n{}",
        refused.len(),
        seen.len(),
        refused[..refused.len().min(12)].join("\n")
    );
}

/// Where a form that begins at an offset may end.
struct Recogniser<'g, 't> {
    rules: &'g Grammar,
    text: &'t str,
    known: HashMap<(*const Form, usize), BTreeSet<usize>>,
}

impl Recogniser<'_, '_> {
    fn ends(&mut self, form: &Form, at: usize) -> BTreeSet<usize> {
        let place = (std::ptr::from_ref(form), at);
        if let Some(known) = self.known.get(&place) {
            return known.clone();
        }
        // A rule that calls itself at the same place finds nothing there.
        self.known.insert(place, BTreeSet::new());
        let found: BTreeSet<usize> = match form {
            Form::Word(word) => self.word(word, at).into_iter().collect(),
            Form::Name(name) => match self.rules.get(name) {
                Some(rule) => self.ends(rule, at),
                None => self.piece(name, at),
            },
            Form::Row(forms) => {
                let mut ends = BTreeSet::from([at]);
                for form in forms {
                    ends = ends.iter().flat_map(|at| self.ends(form, *at)).collect();
                }
                ends
            }
            Form::Either(forms) => forms.iter().flat_map(|form| self.ends(form, at)).collect(),
            Form::Maybe(form) => self.ends(form, at).into_iter().chain([at]).collect(),
            Form::Any(form) => {
                let mut all = BTreeSet::from([at]);
                let mut fresh = all.clone();
                while !fresh.is_empty() {
                    let next: BTreeSet<usize> = fresh.iter().flat_map(|at| self.ends(form, *at)).collect();
                    fresh = next.difference(&all).copied().collect();
                    all.extend(&fresh);
                }
                all
            }
        };
        self.known.insert(place, found.clone());
        found
    }

    fn blanks(&self, at: usize) -> usize {
        self.text.len() - self.text[at..].trim_start().len()
    }

    fn word(&self, word: &str, at: usize) -> Option<usize> {
        let at = if word == "." { at } else { self.blanks(at) };
        let rest = self.text.get(at..at + word.len())?;
        let behind = self.text[at + word.len()..].bytes().next();
        let letters = word.ends_with(|c: char| c.is_ascii_alphanumeric());
        let whole = !letters || behind.is_none_or(|byte| !(lexer::is_word_byte(byte) || byte == b'-'));
        (rest.eq_ignore_ascii_case(word) && whole).then_some(at + word.len())
    }

    fn piece(&self, name: &str, at: usize) -> BTreeSet<usize> {
        let at = self.blanks(at);
        let rest = &self.text[at..];
        let run = |stops: fn(char) -> bool| rest.find(stops).unwrap_or(rest.len());
        let quoted = |quote: char| {
            rest.starts_with(quote)
                .then(|| lexer::quoted_end(rest.as_bytes(), 0))
                .filter(|(_, closed)| *closed)
                .map(|(end, _)| end)
        };
        let word = run(|c| !(c.is_ascii() && lexer::is_word_byte(c as u8) || !c.is_ascii()));
        let text = quoted('\'').or_else(|| quoted('"'));
        // A model that is called like a command stands in backticks where a command begins.
        let verb = |name: &str| name.split(' ').next().is_some_and(|verb| verb.eq_ignore_ascii_case(&rest[..word]));
        if name == "NAME" && at == 0 && table::COMMANDS.iter().any(|command| verb(command.name)) {
            return BTreeSet::new();
        }
        let lengths: Vec<usize> = match name {
            "NAME" => quoted('`').into_iter().chain([word]).collect(),
            "BACKTICKED" => quoted('`').into_iter().collect(),
            "VARIABLE" => {
                let name = rest.strip_prefix('$');
                let end = |name: &str| {
                    name.find(|c: char| c.is_ascii() && !lexer::is_word_byte(c as u8)).unwrap_or(name.len())
                };
                name.map(|name| 1 + end(name)).into_iter().collect()
            }
            "WHOLE" => vec![run(|c| !c.is_ascii_digit())],
            "TEXT" => text.into_iter().collect(),
            "WORD" | "VALUE" => {
                let bytes = rest.strip_prefix('x').filter(|rest| rest.starts_with('\''));
                let bytes = bytes.map(|rest| lexer::quoted_end(rest.as_bytes(), 0).0 + 1);
                let bare = run(char::is_whitespace);
                // Within brackets a bare value ends at a comma or a bracket.
                let within = run(|c| c.is_whitespace() || matches!(c, ',' | ')' | '('));
                // `discard user 1.email`: a key runs to its last dot.
                let key = rest[..bare].rfind('.').unwrap_or(0);
                // A word of a clause is no key, and no value where one could stand for it.
                let clause = ["where", "order", "limit", "offset", "show", "with", "format", "by", "of"];
                match text.or(bytes) {
                    Some(quoted) => vec![quoted],
                    None if name == "VALUE" && clause.iter().any(|word| word.eq_ignore_ascii_case(&rest[..bare])) => {
                        Vec::new()
                    }
                    None => vec![bare, within, key],
                }
            }
            "SQL" | "PROGRAM" => vec![rest.len()],
            other => panic!("{other} is told nowhere"),
        };
        lengths.into_iter().filter(|length| *length > 0).map(|length| at + length).collect()
    }
}

fn derives(text: &str, rules: &Grammar) -> bool {
    let text = text.split(" -- ").next().unwrap_or_default().trim_end();
    let mut recogniser = Recogniser { rules, text, known: HashMap::new() };
    recogniser.ends(&rules["line"], 0).contains(&text.len())
}

#[test]
fn what_is_shown_and_taken_is_derived() {
    let rules = grammar();
    let examples = table::COMMANDS.iter().flat_map(|command| command.examples.iter().copied());
    let trees = include_str!("cases/trees.txt").lines().collect::<Vec<_>>();
    let taken = trees.windows(2).filter(|pair| {
        let given = |line: &str| !line.starts_with("    ") && !line.starts_with('#') && !line.starts_with("--");
        given(pair[0]) && pair[1].starts_with("    ") && !pair[1].starts_with("    error: ")
    });
    let missing: Vec<&str> = examples.chain(taken.map(|pair| pair[0])).filter(|text| !derives(text, &rules)).collect();
    assert!(missing.is_empty(), "the grammar lacks:\n{}", missing.join("\n"));
    for foreign in ["list", "list users where", "set user 1", "keep yours", "db", "db nothing"] {
        assert!(!derives(foreign, &rules), "the grammar takes `{foreign}`");
    }
}

/// Every command of the table is a word of the grammar, and the other way round.
#[test]
fn the_grammar_has_every_command() {
    fn words(form: &Form, found: &mut BTreeSet<String>) {
        match form {
            Form::Word(word) => drop(found.insert(word.clone())),
            Form::Name(_) => {}
            Form::Row(forms) | Form::Either(forms) => forms.iter().for_each(|form| words(form, found)),
            Form::Maybe(form) | Form::Any(form) => words(form, found),
        }
    }
    let mut all = BTreeSet::new();
    for form in grammar().values() {
        words(form, &mut all);
    }
    for command in table::COMMANDS {
        for word in command.name.split(' ') {
            assert!(all.contains(word), "`{}` is not in the grammar", command.name);
        }
    }
    for word in all.iter().filter(|word| word.starts_with('.') && word.len() > 1) {
        assert!(table::find(word).is_some(), "`{word}` is in the grammar alone");
    }
}
