//! Policies and grants: whose an event is ([`select`]), what a namespace may recover at all ([`grants`]), and what holds
//! automatic work back: people ([`approval`], [`hold`]), hours ([`window`]), amounts
//! ([`limits`]). Pure.

pub mod admission;
pub mod approval;
pub mod expression;
pub mod grants;
pub mod hold;
pub mod limits;
pub mod select;
pub mod window;
