//! Policies and grants: whose an event is ([`select`]), and what a namespace may recover at all ([`grants`]). Pure.

pub mod grants;
pub mod select;
