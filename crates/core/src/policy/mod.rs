//! Policies and grants: whose an event is ([`select`]), what a namespace may recover at all ([`grants`]), when its Terraform is
//! looked at ([`schedule`]), and what holds automatic work back: people ([`approval`], [`hold`]), hours ([`window`]), amounts
//! ([`limits`]), of which each takes its share first ([`reserve`]). What a policy's own status says is in [`status`].

pub mod admission;
pub mod approval;
pub mod expression;
pub mod glob;
pub mod grants;
pub mod hold;
pub mod limits;
mod nesting;
pub mod reserve;
pub mod schedule;
pub mod select;
pub mod status;
pub mod window;
