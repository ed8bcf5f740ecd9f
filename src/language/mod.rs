//! The command language: text to syntax tree.

pub mod ast;
mod lexer;
mod parser;
pub mod quote;
mod split;
pub mod table;

pub use lexer::{Lexer, Token, TokenKind};
pub use parser::{Expected, Role, Trace, parse, parse_line, trace};
pub use split::{Open, Scan, Scanner, scan};

#[cfg(test)]
mod grammar_tests;
#[cfg(test)]
mod tests;
