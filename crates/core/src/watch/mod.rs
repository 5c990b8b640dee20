//! What no event told of: [`drift`] that a plan on a schedule found, a [`canary`] that proves the way, and for how long what has
//! ended is kept ([`retention`]).

pub mod canary;
pub mod drift;
pub mod retention;
