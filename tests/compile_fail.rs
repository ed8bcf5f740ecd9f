//! What does not fit is refused by the compiler, in words that say what to do.
//!
//! Cases are compiled in a folder of their own, dependencies and all; without PostgreSQL, so that OpenSSL is not built a
//! second time: `cargo test --no-default-features --test compile_fail`, which CI runs.
//!
//! The expected messages are those of the stable compiler; where a new one words them otherwise, the same with
//! `TRYBUILD=overwrite` before it writes them anew, to be read before they are committed.
#![cfg(not(feature = "postgres"))]

#[test]
fn errors_are_readable() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/compile_fail/*.rs");
}
