//! The command language: lexer, command table, syntax tree and parser.

pub mod ast;
pub mod quote;
