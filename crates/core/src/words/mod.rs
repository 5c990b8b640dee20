//! The words that everything else here is said in: ids ([`ids`]), calls that failed ([`fault`]), and what others wrote
//! ([`text`]).

pub mod fault;
pub mod ids;
pub mod text;
