//! What does not fit is refused by the compiler, in words that say what to do.
//!
//! The expected messages are those of the stable compiler; where a new one words them otherwise,
//! `TRYBUILD=overwrite cargo test --test compile_fail` writes them anew, to be read before they are committed.

#[test]
fn errors_are_readable() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
