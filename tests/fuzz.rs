//! The fuzz targets' functions on stable Rust: the committed seeds, and what comes of mixing them with each other and with
//! random bytes. Under libFuzzer, which learns from coverage, the same functions run as
//! `cargo +nightly fuzz run TARGET fuzz/corpus/TARGET fuzz/seeds/TARGET`.
//!
//! `FUZZ_CASES` says how many inputs each function gets, instead of some seconds of them; `FUZZ_SEED` begins elsewhere.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../fuzz/src/lib.rs"]
#[allow(clippy::pedantic, reason = "shared with a crate that has no lints of its own")]
mod fuzz;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// Pieces that mean something somewhere.
const PIECES: [&str; 48] = [
    "add ",
    "list ",
    "set ",
    "user",
    "posts",
    " where ",
    "username",
    "=",
    "'",
    "\"",
    "`",
    "(",
    ")",
    ";",
    "\n",
    "\\",
    " -- ",
    "# ",
    "$u",
    ".import ",
    ".mode ",
    "author.",
    " and ",
    " not ",
    "null",
    "x'00ff'",
    "1.5",
    "\u{fffd}",
    "é",
    "\u{202e}",
    "\u{1b}[31m",
    "\0",
    "{",
    "}",
    "[",
    ",",
    "://",
    "@",
    "?password=",
    "\r\n",
    " group by ",
    " having ",
    " join ",
    " order by count(*) ",
    ".sql ",
    "select ",
    "/*",
    "$$",
];

/// SplitMix64: small, and the same everywhere. <https://prng.di.unimi.it/splitmix64.c>
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    /// A seed, changed in a few places.
    fn input(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let longest = seeds.iter().map(Vec::len).max().unwrap_or(0);
        let mut input = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(input.len() + 1);
            match self.below(7) {
                0 => drop(input.splice(at..at, PIECES[self.below(PIECES.len())].bytes())),
                1 => input.insert(at, self.next() as u8),
                2 => input.truncate(at),
                3 | 4 => {
                    if let Some(byte) = input.get_mut(at) {
                        *byte = self.next() as u8;
                    }
                }
                5 => drop(input.drain(at..(at + self.below(8)).min(input.len()))),
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    input.extend_from_slice(&other[self.below(other.len() + 1)..]);
                }
            }
        }
        // As long as what is real.
        input.truncate(2048.max(longest));
        input
    }
}

/// How long each function is tried where nobody says how often.
const SECONDS: Duration = Duration::from_secs(3);

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn run(name: &str) {
    let target = fuzz::TARGETS.iter().find(|(known, _)| *known == name).unwrap().1;
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "fuzz/seeds/{name} is empty");
    let begin = number("FUZZ_SEED", 8);
    let check = |input: &[u8]| {
        let failed = catch_unwind(AssertUnwindSafe(|| target(input))).is_err();
        let shown = input.escape_ascii().to_string();
        assert!(!failed, "{name} fails as said above, for b\"{}\"", shown.get(..4_000).unwrap_or(&shown));
    };
    for seed in &seeds {
        check(seed);
    }
    let mut random = Random(begin);
    // A number that somebody asks for is kept; else it ends after some seconds.
    let asked = std::env::var_os("FUZZ_CASES").is_some();
    let begun = Instant::now();
    for _ in 0..number("FUZZ_CASES", 2_000) {
        check(&random.input(&seeds));
        if !asked && begun.elapsed() > SECONDS {
            break;
        }
    }
}

#[test]
fn lexer() {
    run("lexer");
}

#[test]
fn splitter() {
    run("splitter");
}

#[test]
fn parser() {
    run("parser");
}

#[test]
fn completion() {
    run("completion");
}

#[test]
fn url() {
    run("url");
}

#[test]
fn import() {
    run("import");
}

#[test]
fn sql() {
    run("sql");
}

#[test]
fn dotenv() {
    run("dotenv");
}

#[test]
fn config() {
    run("config");
}

#[test]
fn journal() {
    run("journal");
}

#[test]
fn sqlite() {
    run("sqlite");
}

#[cfg(feature = "postgres")]
#[test]
fn server() {
    run("server");
}

#[test]
fn every_target_is_a_file_and_has_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    for (name, _) in fuzz::TARGETS {
        assert!(folder.join("fuzz_targets").join(format!("{name}.rs")).exists(), "{name} has no file");
        assert!(!seeds(name).is_empty(), "{name} has no seeds");
    }
}
